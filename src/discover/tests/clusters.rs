//! Clusters of all sorts.

use driftless_strategies::Topology;

use crate::discover::discover;
use crate::ports::members::Discovered;

use super::fake::{Net, Says, member, row};

const LIST: &str = "a:1,b:1,c:1";

fn three(list: &str) -> Net {
    let net = Net::default();
    for (index, name) in (0..).zip(["a", "b", "c"]) {
        net.put(&format!("{name}:1"), vec![member(name, index, 3, list)]);
    }
    net
}

fn names(found: &Discovered) -> Vec<&str> {
    found.members.iter().map(|member| member.node.name.as_str()).collect()
}

#[tokio::test]
async fn the_named_node_is_first_and_the_others_follow_in_order() {
    let found = discover(&three(LIST).seek("b:1")).await.unwrap();
    assert_eq!((names(&found), found.unreached.len()), (vec!["b", "a", "c"], 0));
    assert_eq!(found.members[0].node.identity, "g-b");
}

#[tokio::test]
async fn arbitrators_are_no_nodes() {
    let net = Net::default();
    net.put("a:1", vec![member("a", 0, 3, "a:1,,c:1")]);
    net.put("c:1", vec![member("c", 2, 3, "a:1,,c:1")]);
    let found = discover(&net.seek("a:1")).await.unwrap();
    assert_eq!((names(&found), found.unreached.len()), (vec!["a", "c"], 0));
    let wanted = Topology::Galera { uuid: "u".to_owned(), epoch: 5, size: 3, arbitrators: 1 };
    assert_eq!(found.topology, wanted);
}

#[tokio::test]
async fn a_node_without_an_address_has_to_be_named() {
    let net = three("a:1,AUTO,c:1");
    let found = discover(&net.seek("a:1")).await.unwrap();
    assert_eq!(names(&found), ["a", "c"]);
    assert_eq!(found.unreached, ["member 1 of the view does not give a client address: name it with --node"]);
    let mut named = net.seek("a:1");
    named.nodes = vec!["b:1".to_owned()];
    let found = discover(&named).await.unwrap();
    assert_eq!((names(&found), found.unreached.len()), (vec!["a", "b", "c"], 0));
}

#[tokio::test]
async fn who_is_missing_is_named_from_the_clusters_own_table() {
    let net = Net::default();
    let mut first = member("a", 0, 3, LIST);
    first.members = vec![row(&["g-b", "brahms", "b:1"])];
    net.put("a:1", vec![first]);
    net.put("c:1", vec![member("c", 2, 3, LIST)]);
    let found = discover(&net.seek("a:1")).await.unwrap();
    assert_eq!(found.unreached, ["brahms (member 1) at b:1: connection refused"]);
}

#[tokio::test]
async fn impostors_are_not_counted() {
    //  what answers at c:1                                                            what is said
    let cases: [(Says, &str); 5] = [
        (member("c", 2, 3, LIST).with("wsrep_cluster_state_uuid", "x"), "another cluster (x, not u)"),
        (member("c", 2, 3, LIST).with("wsrep_cluster_status", "non-Primary"), "not in the cluster's primary component"),
        (member("c", 2, 3, LIST).with("wsrep_on", "OFF"), "is not a Galera node"),
        (member("b", 1, 3, LIST), "a proxy, or a wrong address map"),
        (member("z", 1, 3, LIST), "a proxy, or a wrong address map"),
    ];
    for (answer, said) in cases {
        let net = three(LIST);
        net.put("c:1", vec![answer]);
        let found = discover(&net.seek("a:1")).await.unwrap();
        assert_eq!(names(&found), ["a", "b"], "{said}");
        assert_eq!(found.unreached.len(), 1, "{:?}", found.unreached);
        assert!(
            found.unreached[0].starts_with("member 2 at c:1: ") && found.unreached[0].contains(said),
            "{:?}",
            found.unreached
        );
    }
}

#[tokio::test]
async fn a_named_node_of_another_cluster_is_said_though_all_members_are_there() {
    let net = three(LIST);
    net.put("x:1", vec![member("x", 0, 1, "x:1").with("wsrep_cluster_state_uuid", "x")]);
    let mut seek = net.seek("a:1");
    seek.nodes = vec!["x:1".to_owned()];
    let found = discover(&seek).await.unwrap();
    assert_eq!(names(&found), ["a", "b", "c"]);
    assert!(found.unreached[0].starts_with("--node x:1: x:1 answers as x of another cluster"), "{:?}", found.unreached);
}

#[tokio::test]
async fn two_servers_in_one_place_are_not_two_members() {
    let net = three(LIST);
    let mut seek = net.seek("a:1");
    net.put("x:1", vec![member("x", 0, 3, LIST)]);
    seek.nodes = vec!["x:1".to_owned()];
    let found = discover(&seek).await.unwrap();
    assert_eq!(names(&found), ["a", "b", "c"]);
    assert!(found.unreached[0].contains("claims the place of a"), "{:?}", found.unreached);
}

#[tokio::test]
async fn load_balancers_are_refused_and_proxies_replaced() {
    let net = three("p:1,q:1,r:1");
    let turns = vec![member("a", 0, 3, "p:1,q:1,r:1"), member("b", 1, 3, "p:1,q:1,r:1")];
    net.put("lb:1", turns);
    let error = discover(&net.seek("lb:1")).await.err().unwrap().to_string();
    assert!(error.contains("lb:1 leads to different servers: a, then b"), "{error}");
    let net = three(LIST);
    net.put("proxy:1", vec![member("b", 1, 3, LIST)]);
    let found = discover(&net.seek("proxy:1")).await.unwrap();
    assert_eq!((found.members[0].node.address.as_str(), found.members.len()), ("b:1", 3));
}

#[tokio::test]
async fn a_node_outside_the_primary_component_is_no_start() {
    let net = Net::default();
    net.put("a:1", vec![member("a", 0, 1, "a:1").with("wsrep_cluster_status", "non-Primary")]);
    let error = discover(&net.seek("a:1")).await.err().unwrap().to_string();
    assert!(error.contains("primary component") && error.contains("[node-unfit]"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_view_that_changes_meanwhile_is_read_again() {
    let later = |name: &str, index| member(name, index, 3, LIST).with("wsrep_cluster_conf_id", "6");
    let net = three(LIST);
    net.put("a:1", vec![member("a", 0, 3, LIST), later("a", 0)]);
    net.put("b:1", vec![later("b", 1)]);
    net.put("c:1", vec![later("c", 2)]);
    let found = discover(&net.seek("a:1")).await.unwrap();
    assert_eq!((found.members.len(), found.unreached.len()), (3, 0));
    assert!(matches!(found.topology, Topology::Galera { epoch: 6, .. }));
    net.put("c:1", vec![member("c", 2, 3, LIST)]);
    let found = discover(&net.seek("a:1")).await.unwrap();
    assert_eq!(found.unreached, ["c sees view 5 of the cluster, not 6"], "one that never follows is said");
}

#[tokio::test]
async fn a_member_that_is_counted_before_it_is_listed_is_waited_for() {
    let net = three(LIST);
    net.put("a:1", vec![member("a", 0, 3, "a:1,b:1"), member("a", 0, 3, LIST)]);
    let found = discover(&net.seek("a:1")).await.unwrap();
    assert_eq!((names(&found), found.unreached.len()), (vec!["a", "b", "c"], 0));
}
