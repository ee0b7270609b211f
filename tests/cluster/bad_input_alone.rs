//! Bad input that needs servers of its own: versions that differ, prepared XA, a node that is down before a rolling run.

use std::time::Duration;

use driftless::demo::{Cluster, Lines, Spec};

use crate::child::{Ran, run};
use crate::support::PlainServer;

const READY: Duration = Duration::from_secs(90);

/// A command against one server of a cluster.
async fn against(cluster: &Cluster, node: usize, words: &[&str]) -> Ran {
    let port = cluster.nodes()[node].port.to_string();
    let flags = ["--no-defaults", "--host", "127.0.0.1", "--port", &port, "--user", "root"];
    run(&[&words[..1], &flags, &words[1..]].concat()).await
}

async fn filled(cluster: &Cluster) {
    let plain = PlainServer::new(cluster.nodes()[0].port);
    plain.run(&["CREATE SCHEMA shop"]).await;
    plain.run(&["CREATE TABLE shop.t (id INT PRIMARY KEY, a INT)"]).await;
    plain.run(&["INSERT INTO shop.t VALUES (1, 1), (2, 2)"]).await;
}

#[tokio::test]
async fn nodes_of_different_versions() {
    let cluster = Cluster::start(Spec::galera(3).with(Lines::Node(2), "version=10.11.1-MariaDB")).await.unwrap();
    filled(&cluster).await;
    for (strategy, alter) in [("toi", "ADD d INT"), ("trigger-copy", "ADD d INT"), ("rsu", "ADD INDEX by_a (a)")] {
        let words = ["run", "--yes", "--table", "shop.t", "--alter", alter, "--strategy", strategy];
        let says = ["mixed-versions", "10.11.1-MariaDB on n3", "finish the upgrade first"];
        against(&cluster, 0, &words).await.must(3, &says, strategy);
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_prepared_xa_transaction() {
    let cluster = Cluster::start(Spec::single()).await.unwrap();
    filled(&cluster).await;
    let plain = PlainServer::new(cluster.nodes()[0].port);
    let prepare = ["XA START 'left'", "UPDATE shop.t SET a = 5 WHERE id = 1", "XA END 'left'", "XA PREPARE 'left'"];
    plain.run(&prepare).await;
    for strategy in ["native", "trigger-copy"] {
        let words = ["run", "--yes", "--table", "shop.t", "--alter", "ADD d INT", "--strategy", strategy];
        let ran = against(&cluster, 0, &words).await;
        ran.must(3, &["lock-held", "a prepared XA transaction (left) keeps its locks"], strategy);
    }
    plain.run(&["XA ROLLBACK 'left'"]).await;
    let words = ["run", "--yes", "--table", "shop.t", "--alter", "ADD d INT"];
    against(&cluster, 0, &words).await.must(0, &[], "and then it works");
    cluster.stop().await;
}

/// Node by node, what is altered is not in any write set: a node that is down comes back without it. Its name stands in the
/// others' `wsrep_cluster_address`.
#[tokio::test]
async fn a_node_that_is_down_before_a_rolling_run() {
    let cluster = Cluster::start(Spec::galera(4)).await.unwrap();
    filled(&cluster).await;
    let change = ["run", "--yes", "--table", "shop.t", "--alter", "ADD INDEX by_a (a)", "--strategy", "rsu"];
    let columns =
        "SELECT GROUP_CONCAT(INDEX_NAME ORDER BY 1) FROM information_schema.STATISTICS WHERE TABLE_NAME = 't'";
    cluster.kill9(3);
    cluster.wait_synced(READY).await.unwrap();
    let says = ["node-unreached", "wsrep_cluster_address", "4 addresses", "3 members", "--node"];
    against(&cluster, 0, &change).await.must(3, &says, "three of four nodes");
    for node in 0..3 {
        assert_eq!(PlainServer::new(cluster.nodes()[node].port).run(&[columns]).await, [["PRIMARY"]], "node {node}");
    }
    // Ordered in the cluster, or copied, a change reaches it when it comes back.
    let ordered = ["run", "--yes", "--table", "shop.t", "--alter", "ADD COLUMN d INT"];
    against(&cluster, 0, &ordered).await.must(0, &["proven equal"], "an ordered change");
    // Whoever names all nodes says that the list is out of date.
    let named: Vec<String> = cluster.nodes()[..3].iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let nodes = ["--node", &named[0], "--node", &named[1], "--node", &named[2]];
    against(&cluster, 0, &[&change[..], &nodes].concat()).await.must(0, &["proven equal"], "all nodes are named");
    cluster.restart(3).await.unwrap();
    cluster.stop().await;
}
