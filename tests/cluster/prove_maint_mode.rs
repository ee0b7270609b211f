//! Turns of nodes that say so themselves: `pxc_maint_mode`, which a relay before each real node stands in for.

use std::time::Duration;

use driftless::demo::{NodeProcess, load};

use crate::prove_proxysql::ALTER;
use crate::prove_toi::{BUSY, RUN, done};
use crate::standins::MaintNode;
use crate::support::{Call, TestCluster, exclusive, job_on, resume, tell};

const LIMIT: Duration = Duration::from_secs(400);

/// A relay before each node, and the flags that lead there.
struct Relays {
    nodes: Vec<MaintNode>,
    words: Vec<String>,
}

impl Relays {
    async fn before(test: &TestCluster) -> Self {
        let (mut nodes, mut words) = (Vec::new(), vec!["--pxc-maint-mode".to_owned()]);
        for node in test.nodes() {
            let relay = MaintNode::before(node.port).await;
            words.push("--address-map".to_owned());
            words.push(format!("127.0.0.1:{}=127.0.0.1:{}", node.port, relay.port));
            nodes.push(relay);
        }
        Self { nodes, words }
    }

    fn with<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [more, &self.words.iter().map(String::as_str).collect::<Vec<_>>()].concat()
    }

    /// The first node, behind its relay.
    fn first(&self, test: &TestCluster) -> NodeProcess {
        NodeProcess { port: self.nodes[0].port, ..test.nodes()[0].clone() }
    }

    fn rsu(&self, test: &TestCluster, table: &str) -> Call {
        let words = self.with(&[&BUSY[..], &["--strategy", "rsu"]].concat());
        Call::preferred(&self.first(test), table, ALTER, &words)
    }

    fn modes(&self) -> Vec<String> {
        self.nodes.iter().map(MaintNode::mode).collect()
    }

    async fn until(&self, modes: [&str; 3]) {
        for _ in 0..6000 {
            if self.modes() == modes {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never {modes:?}: {:?}", self.modes());
    }
}

const D: &str = "DISABLED";
const M: &str = "MAINTENANCE";

#[tokio::test]
async fn each_node_is_in_maintenance_for_its_turn() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 20_000).await.unwrap();
        let table = loaded.table.to_string();
        let relays = Relays::before(test).await;
        done(&relays.rsu(test, &table).end(RUN).await, 0, &["proven equal"], "in maintenance");
        assert_eq!(relays.modes(), [D, D, D], "all are back");
        for node in &relays.nodes {
            assert_eq!(node.said(), [M, D], "once there, once back");
        }
        let undo = format!("ALTER TABLE {} DROP KEY by_all", loaded.table.quoted());
        test.plain(0).run(&[&undo]).await;
        // What somebody else has set stays; a crash is undone.
        relays.nodes[2].set(M);
        let mut call = relays.rsu(test, &table);
        relays.until([D, M, M]).await;
        call.kill9();
        call.end(RUN).await;
        let job = job_on(&test.nodes()[1], &table).await.expect("it can go on");
        let silent = resume(&test.nodes()[0], &job, &BUSY).end(RUN).await;
        let by_hand = "`SET GLOBAL pxc_maint_mode = 'DISABLED'` on n2";
        done(&silent, 5, &["has taken n2 out of a proxy", "--pxc-maint-mode", by_hand], "nobody says how");
        let aborted = tell(&relays.first(test), &relays.with(&["abort", &job])).await;
        assert_eq!((aborted.code, relays.modes()), (Some(0), vec![D.into(), D.into(), M.into()]), "{aborted:?}");
        // The only node that takes connections keeps them.
        relays.nodes[1].set(M);
        relays.nodes[0].set(M);
        relays.nodes[2].set(D);
        let mut call = relays.rsu(test, &table);
        let held = call.event(|line| line["event"] == "held").await.map(|line| line.to_string()).unwrap_or_default();
        assert!(held.contains("n3 is the only node whose pxc_maint_mode is DISABLED"), "{held}");
        call.interrupt();
        done(&call.end(RUN).await, 5, &["stopped by a signal"], "Ctrl-C");
        assert_eq!(relays.modes(), [M, M, D], "nothing is touched");
        let job = job_on(&test.nodes()[1], &table).await.expect("it can go on");
        let aborted = tell(&relays.first(test), &relays.with(&["abort", &job])).await;
        assert_eq!(aborted.code, Some(0), "{aborted:?}");
        // The real nodes have no such thing.
        let words = [&BUSY[..], &["--strategy", "rsu", "--pxc-maint-mode"]].concat();
        let ended = Call::preferred(&test.nodes()[0], &table, ALTER, &words).end(RUN).await;
        done(&ended, 3, &["has no pxc_maint_mode", "leave --pxc-maint-mode out"], "MariaDB");
        assert_eq!(job_on(&test.nodes()[0], &table).await, None, "there is no job");
    };
    test.bounded(LIMIT, work).await;
}
