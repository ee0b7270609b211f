//! Who is there, and who only seems to be.

use driftless::discover::discover;
use driftless::ports::members::Connector;
use driftless_strategies::Topology;

use super::direct::Way;
use super::{calm, cluster, nodes, seek};

fn route(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

#[tokio::test]
async fn every_member_is_found_and_is_another_one() {
    let _calm = calm().await;
    let found = cluster().await;
    assert_eq!(found.unreached, Vec::<String>::new());
    assert_eq!(found.members.len(), nodes().len());
    assert_eq!(found.members[0].node.address, nodes()[0], "the first is the one that was named");
    let mut identities: Vec<_> = found.members.iter().map(|member| &member.node.identity).collect();
    identities.sort();
    identities.dedup();
    assert_eq!(identities.len(), nodes().len());
    let Topology::Galera { uuid, epoch, size, arbitrators } = found.topology else { panic!("no cluster") };
    assert_eq!((size, arbitrators, uuid.len()), (3, 0, 36));
    assert!(epoch > 0);
}

#[tokio::test]
async fn a_member_that_does_not_answer_is_named() {
    let _calm = calm().await;
    let way = Way { routes: vec![route(&nodes()[2], "127.0.0.1:1")], ..Way::root() };
    let found = discover(&seek(&way)).await.unwrap();
    assert_eq!(found.members.len(), 2);
    assert_eq!(found.unreached.len(), 1, "{:?}", found.unreached);
    let (said, address) = (&found.unreached[0], &nodes()[2]);
    assert!(said.contains(address.as_str()) && said.contains("(member ") && said.contains("refused"), "{said}");
}

#[tokio::test]
async fn an_address_that_leads_to_another_member_is_not_believed() {
    let _calm = calm().await;
    let way = Way { routes: vec![route(&nodes()[2], &nodes()[0])], ..Way::root() };
    let found = discover(&seek(&way)).await.unwrap();
    assert_eq!(found.members.len(), 2, "one member does not count twice");
    assert!(found.unreached[0].contains("a proxy, or a wrong address map"), "{:?}", found.unreached);
}

#[tokio::test]
async fn a_proxy_is_replaced_by_the_node_behind_it() {
    let _calm = calm().await;
    let way = Way { routes: vec![route("proxy:3306", &nodes()[1])], ..Way::root() };
    let mut seek = seek(&way);
    seek.first = way.server("proxy:3306");
    let found = discover(&seek).await.unwrap();
    assert_eq!(found.members[0].node.address, nodes()[1]);
    assert_eq!((found.members.len(), found.unreached.len()), (3, 0));
}

#[tokio::test]
async fn addresses_behind_nat_are_mapped_or_named() {
    let _calm = calm().await;
    let outside = ["a.example:10", "b.example:20", "c.example:30"];
    let mut routes: Vec<_> = outside.iter().zip(nodes()).map(|(from, to)| route(from, &to)).collect();
    routes.extend(nodes().iter().map(|inside| route(inside, "127.0.0.1:1")));
    let way = Way { routes, ..Way::root() };
    let mut mapped = seek(&way);
    mapped.first = way.server(outside[0]);
    let mut named = mapped.clone();
    mapped.addresses = nodes().into_iter().zip(outside.map(str::to_owned)).collect();
    named.nodes = outside.map(str::to_owned).to_vec();
    for seek in [mapped, named] {
        let found = discover(&seek).await.unwrap();
        assert_eq!(found.unreached, Vec::<String>::new());
        let addresses: Vec<_> = found.members.iter().map(|member| member.node.address.as_str()).collect();
        assert_eq!(addresses, outside);
    }
}

#[tokio::test]
async fn a_node_that_the_user_named_must_answer() {
    let _calm = calm().await;
    let way = Way { routes: vec![route("typo:3306", "127.0.0.1:1")], ..Way::root() };
    let mut seek = seek(&way);
    seek.nodes = vec!["typo".to_owned()];
    let found = discover(&seek).await.unwrap();
    assert_eq!(found.members.len(), 3);
    assert!(found.unreached[0].starts_with("--node typo:3306: "), "{:?}", found.unreached);
}
