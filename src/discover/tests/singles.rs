//! One server, its replicas and its channels.

use driftless_strategies::Topology;
use driftless_strategies::facts::{Channel, Flavour};

use crate::discover::discover;
use crate::discover::replication::{channels, replicas};
use crate::ports::server::Row;

use super::fake::{Net, Says, row};

fn single(uuid: &str) -> Says {
    let pairs = [("version", "8.4.2"), ("server_uuid", uuid), ("wsrep_on", "OFF")];
    Says { variables: pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), ..Says::default() }
}

/// `SHOW REPLICA STATUS` of MySQL has its channel's name far to the right.
fn mysql_channel(host: &str, applier: &str, name: &str) -> Row {
    let mut values = vec![None; 56];
    for (index, value) in [(1, host), (3, "3306"), (11, applier), (55, name)] {
        values[index] = Some(value.as_bytes().to_vec());
    }
    Row(values)
}

#[test]
fn channels_are_read_by_family() {
    let channel =
        |name: &str, source: &str, running| Channel { name: name.to_owned(), source: source.to_owned(), running };
    let mariadb = row(&["up", "", "", "p.example", "repl", "3307", "60", "bin.1", "4", "", "4", "bin.1", "Yes", "No"]);
    assert_eq!(channels(Flavour::MariaDb, &[mariadb]), [channel("up", "p.example:3307", false)]);
    let mysql = [mysql_channel("p", "Yes", ""), mysql_channel("q", "No", "second")];
    let wanted = [channel("", "p:3306", true), channel("second", "q:3306", false)];
    assert_eq!(channels(Flavour::MySql, &mysql), wanted);
}

#[test]
fn replicas_are_counted_once() {
    let host = |id: &str, host: &str, port: &str| row(&[id, host, port, "1"]);
    //  registered                          binlog threads                    replicas                         why
    let cases = [
        (vec![], vec![], vec![], "none"),
        (vec![host("2", "r1", "3306")], vec![row(&["r1:50000"])], vec!["r1:3306"], "registered and connected"),
        (vec![host("2", "r1", "3306")], vec![row(&["10.0.0.7:50000"])], vec!["r1:3306"], "registered by another name"),
        (vec![host("2", "", "3306")], vec![row(&["10.0.0.7:50000"])], vec!["10.0.0.7"], "registered without a name"),
        (vec![], vec![row(&["10.0.0.7:1"]), row(&["10.0.0.8:2"])], vec!["10.0.0.7", "10.0.0.8"], "not registered"),
        (vec![host("2", "", "3306")], vec![], vec!["server-id 2"], "only its id is known"),
        (
            vec![host("2", "r1", "3306"), host("3", "", "3306")],
            vec![row(&["r1:1"]), row(&["10.0.0.8:2"])],
            vec!["r1:3306", "10.0.0.8"],
            "one each",
        ),
    ];
    for (hosts, dumps, wanted, why) in cases {
        assert_eq!(replicas(&hosts, &dumps), wanted, "{why}");
    }
}

#[tokio::test]
async fn a_single_server_has_replicas_and_no_other_members() {
    let net = Net::default();
    let mut first = single("s1");
    first.hosts = vec![row(&["2", "r1", "3306", "1"])];
    first.dumps = vec![row(&["r1:50000"])];
    first.channels = vec![mysql_channel("up", "Yes", "")];
    net.put("a:1", vec![first]);
    let mut replica = single("s2");
    replica.channels = vec![mysql_channel("a", "Yes", "")];
    net.put("r1:3306", vec![replica.clone()]);
    net.put("r2:3306", vec![replica]);
    net.put("x:1", vec![single("s3")]);
    let mut seek = net.seek("a:1");
    seek.nodes = ["a:1", "r1", "r2", "x:1", "gone"].map(str::to_owned).to_vec();
    let found = discover(&seek).await.unwrap();
    assert_eq!((found.topology, found.members.len()), (Topology::Single, 1));
    assert_eq!(found.members[0].node.identity, "s1");
    assert_eq!(found.members[0].node.channels[0].source, "up:3306");
    let replicas: Vec<_> = found.replicas.iter().map(|replica| replica.address.as_str()).collect();
    assert_eq!(replicas, ["r1:3306", "r2:3306"]);
    assert_eq!(found.unreached.len(), 2, "{:?}", found.unreached);
    assert!(found.unreached[0].starts_with("--node x:1: neither a replica of a:1"));
    assert_eq!(found.unreached[1], "--node gone:3306: connection refused");
}
