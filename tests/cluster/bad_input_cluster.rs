//! Nodes that are away, apart, locked or busy: nothing is begun while one of them is.

use std::time::Duration;

use driftless::ports::server::{Server as _, Session};
use driftless::sql::Sql;

use crate::child::{Ran, Snapshot, on, prepare};
use crate::support::{PlainServer, TestCluster, exclusive, shared};

const ALL: [usize; 3] = [0, 1, 2];
const CHANGE: [&str; 3] = ["--yes", "--alter", "ADD d INT"];
/// How long a node's new state takes to be seen by all.
const SETTLE: Duration = Duration::from_secs(1);
const MINUTES: Duration = Duration::from_secs(240);

async fn fill(test: &TestCluster) {
    prepare(test, &["CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1), (2, 2)"]).await;
}

async fn attempt(test: &TestCluster, more: &[&str]) -> Ran {
    let table = test.table("t").quoted();
    on(test, "run", &[&CHANGE[..], &["--table", &table], more].concat()).await
}

/// One state of a node, refused with these words, nothing changed, and left again.
async fn refused_while(test: &TestCluster, node: usize, on: &[&'static str], off: &[&'static str], says: &[&str]) {
    let before = Snapshot::of(test, &ALL).await;
    // One session for both: a node that is cut off takes no new ones.
    let mut session = test.plain(node).connect().await.unwrap();
    for statement in on {
        session.query(&Sql::new(statement)).await.unwrap();
    }
    tokio::time::sleep(SETTLE).await;
    let ran = attempt(test, &[]).await;
    for statement in off {
        session.query(&Sql::new(statement)).await.unwrap();
    }
    test.cluster().wait_synced(Duration::from_secs(60)).await.unwrap();
    ran.must(3, says, on[0]);
    assert_eq!(Snapshot::of(test, &ALL).await, before, "{on:?}: something changed");
}

async fn holding(plain: &PlainServer, statements: &[Sql]) -> Box<dyn Session> {
    let mut session = plain.connect().await.unwrap();
    for statement in statements {
        session.query(statement).await.unwrap();
    }
    session
}

#[tokio::test]
async fn locks_and_long_transactions_are_named() {
    let test = shared().await;
    fill(&test).await;
    let table = test.table("t");
    let before = Snapshot::of(&test, &ALL).await;
    let locked = holding(&test.plain(0), &[Sql::new("LOCK TABLES ").table(&table).text(" WRITE")]).await;
    attempt(&test, &[]).await.must(
        3,
        &["lock-held", "n1", "LOCK TABLES", "wait until it is over, or end it"],
        "LOCK TABLES",
    );
    drop(locked);
    let open = [Sql::new("START TRANSACTION"), Sql::new("UPDATE ").table(&table).text(" SET a = a + 1 WHERE id = 1")];
    let open = holding(&test.plain(1), &open).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let id = open.id().to_string();
    let says = ["old-transaction", "n2", &id, "KILL"];
    attempt(&test, &["--max-transaction-age", "1s"]).await.must(3, &says, "a long transaction");
    drop(open);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(Snapshot::of(&test, &ALL).await, before, "something changed");
    attempt(&test, &["--max-transaction-age", "30s"]).await.must(0, &["proven equal"], "and then it works");
}

#[tokio::test]
async fn nodes_that_are_not_fit() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        fill(test).await;
        let (desync, sync) = (["SET GLOBAL wsrep_desync = ON"], ["SET GLOBAL wsrep_desync = OFF"]);
        refused_while(test, 2, &desync, &sync, &["node-unfit", "n3", "Donor/Desynced", "wait until n3 is Synced"])
            .await;
        refused_while(test, 0, &desync, &sync, &["node-unfit", "n1", "Donor/Desynced"]).await;
        let (only, back) = (["SET GLOBAL read_only = ON"], ["SET GLOBAL read_only = OFF"]);
        refused_while(test, 1, &only, &back, &["read-only", "n2"]).await;
        let cut = ["SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'"];
        let mended = ["SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'"];
        refused_while(test, 0, &cut, &mended, &["n1"]).await;
        let channel =
            ["CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1, MASTER_USER = 'nobody'", "START SLAVE"];
        let none = ["STOP SLAVE", "RESET SLAVE ALL"];
        refused_while(test, 2, &channel, &none, &["replication-channel", "n3", "127.0.0.1:1", "fire no triggers"])
            .await;
        let quiet = ["SET GLOBAL wsrep_OSU_method = RSU"];
        let loud = ["SET GLOBAL wsrep_OSU_method = TOI"];
        refused_while(test, 1, &quiet, &loud, &["server-setting", "wsrep_osu_method is RSU on n2"]).await;
        attempt(test, &[]).await.must(0, &["proven equal"], "and then it works");
    };
    test.bounded(MINUTES, work).await;
}

#[tokio::test]
async fn nodes_that_have_drifted_apart() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        fill(test).await;
        let t = test.table("t").quoted();
        let apart = "SET SESSION wsrep_on = OFF";
        let before = Snapshot::of(test, &ALL).await;
        //  on one node                             undone by                                   says
        let cases: [(String, String, &[&str]); 3] = [
            (
                format!("ALTER TABLE {t} ADD x INT"),
                format!("ALTER TABLE {t} DROP x"),
                &["schema-drift", "the table on n3 differs from the one on n1 and n2", "SHOW CREATE TABLE"],
            ),
            (
                format!("ALTER TABLE {t} ALTER a SET DEFAULT 5"),
                format!("ALTER TABLE {t} ALTER a SET DEFAULT NULL"),
                &["schema-drift", "n3"],
            ),
            (
                format!("RENAME TABLE {t} TO {t}_gone").replace("`_gone", "_gone`"),
                format!("RENAME TABLE {t}_gone TO {t}").replace("`_gone", "_gone`"),
                &["table-missing", "does not exist on n3, but does elsewhere"],
            ),
        ];
        for (drift, mend, says) in cases {
            test.plain(2).run(&[apart, &drift]).await;
            attempt(test, &[]).await.must(3, says, &drift);
            test.plain(2).run(&[apart, &mend]).await;
        }
        // Seen from the node that lacks the table.
        let gone = format!("RENAME TABLE {t} TO {t}_gone").replace("`_gone", "_gone`");
        let back = format!("RENAME TABLE {t}_gone TO {t}").replace("`_gone", "_gone`");
        test.plain(0).run(&[apart, &gone]).await;
        attempt(test, &[]).await.must(3, &["table-missing", "on n1, but on n", "drifted apart"], "missing here");
        test.plain(0).run(&[apart, &back]).await;
        let columns = |snapshot: &Snapshot| format!("{snapshot:?}").matches("column|").count();
        assert_eq!(columns(&Snapshot::of(test, &ALL).await), columns(&before));
        attempt(test, &[]).await.must(0, &["proven equal"], "and then it works");
    };
    test.bounded(MINUTES, work).await;
}

#[tokio::test]
async fn a_node_that_is_down() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        fill(test).await;
        let dir = tempfile::tempdir().unwrap();
        let (table, file) = (test.table("t").quoted(), dir.path().join("plan.json"));
        let file = file.to_str().unwrap();
        let planned = on(test, "plan", &["--table", &table, "--alter", "ADD d INT", "--out", file]).await;
        planned.must(0, &[], "a plan for three nodes");
        let third = format!("127.0.0.1:{}", test.nodes()[2].port);
        let before = Snapshot::of(test, &[0, 1]).await;
        test.cluster().kill9(2);
        // Still a member of the view: its address does not answer.
        let early = on(test, "plan", &["--table", &table, "--alter", "ADD d INT"]).await;
        if early.code != 0 {
            // Unless the others had seen it go already.
            early.must(3, &[&third, "no member may be left out"], "just killed");
        }
        test.cluster().wait_synced(Duration::from_secs(30)).await.unwrap();
        let says = ["node-unreached", &format!("--node {third}")];
        attempt(test, &["--node", &third]).await.must(3, &says, "named, and away");
        on(test, "run", &[file, "--yes"]).await.must(3, &["plan-stale", "the nodes"], "a plan for three nodes");
        assert_eq!(Snapshot::of(test, &[0, 1]).await, before, "something changed");
        test.cluster().restart(2).await.unwrap();
    };
    test.bounded(MINUTES, work).await;
}
