//! Everything that may stand in a change's way on one node, for every way of making a change: refused with the node, a code
//! and a remedy, nothing changed, and nobody's writes held up meanwhile.

use std::time::Duration;

use driftless::ports::server::{Server as _, Session};
use driftless::sql::Sql;

use crate::child::{Snapshot, preferred, prepare};
use crate::prove_toi::BUSY;
use crate::support::{Beat, Pulse, TestCluster, exclusive, job_on, shared};

const ALL: [usize; 3] = [0, 1, 2];
const MINUTES: Duration = Duration::from_secs(400);
/// Far above what a write takes on a machine that tests share, and far below what waiting for a lock would take: every hindrance
/// below lasts until the test ends it.
const STALLED: Duration = Duration::from_secs(4);

//  a way of making a change    a change that fits it
static WAYS: [(&str, &str); 3] =
    [("toi", "ADD COLUMN d INT"), ("trigger-copy", "ADD COLUMN d INT"), ("rsu", "ADD INDEX by_a (a)")];

async fn fill(test: &TestCluster) {
    prepare(test, &["CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1), (2, 2)"]).await;
    test.plain(0).run(&[&Pulse::table(&test.table("pulse"))]).await;
}

/// Holds a session with that on a node.
async fn holding(test: &TestCluster, node: usize, statements: &[String]) -> Box<dyn Session> {
    let mut session = test.plain(node).connect().await.unwrap();
    for statement in statements {
        session.query(&Sql::new("").trusted(statement)).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    session
}

/// One of the ways, another for the next case: what stands in the way is looked for before a way is.
fn one(number: usize) -> &'static [(&'static str, &'static str)] {
    &WAYS[number % WAYS.len()..][..1]
}

fn slowest(beats: &[Beat]) -> Duration {
    beats.iter().map(|beat| beat.worst).max().unwrap_or_default()
}

/// Runs those ways while that stands, with writers on the nodes given.
async fn refused(
    test: &TestCluster,
    why: &str,
    writers: &[usize],
    ways: &[(&str, &str)],
    (more, says): (&[&str], &[&str]),
) {
    let servers: Vec<_> = test.servers().into_iter().enumerate().collect();
    let servers: Vec<_> =
        servers.into_iter().filter(|(node, _)| writers.contains(node)).map(|(_, server)| server).collect();
    let table = test.table("t").quoted();
    for (strategy, alter) in ways {
        let before = Snapshot::of(test, &ALL).await;
        let pulse = Pulse::start(&servers, &test.table("pulse"));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let args = ["--yes", "--table", &table, "--alter", alter, "--strategy", strategy];
        let ran = preferred(test, "run", &[&args[..], more].concat()).await;
        let beats = pulse.stop().await;
        test.plain(0).run(&[&format!("TRUNCATE TABLE {}", test.table("pulse").quoted())]).await;
        eprintln!("{why}, {strategy}: {} writes, the slowest took {:?}", beats[0].writes, slowest(&beats));
        ran.must(3, says, &format!("{why}, {strategy}"));
        assert!(ran.said().contains("do:") || ran.said().contains('→'), "{why}, {strategy}: no remedy: {}", ran.said());
        assert!(slowest(&beats) < STALLED, "{why}, {strategy}: a write took {beats:?}");
        assert!(beats.iter().all(|beat| beat.writes > 5), "{why}, {strategy}: nobody wrote: {beats:?}");
        assert_eq!(Snapshot::of(test, &ALL).await, before, "{why}, {strategy}: something changed");
    }
}

#[tokio::test]
async fn what_a_session_holds_on_another_node() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        fill(test).await;
        let t = test.table("t").quoted();
        //  held on n2                                                              says
        let cases: [(Vec<String>, &[&str], &[&str]); 5] = [
            (vec![format!("LOCK TABLES {t} READ")], &[], &["lock-held", "n2"]),
            (vec![format!("LOCK TABLES {t} WRITE")], &[], &["lock-held", "n2"]),
            (vec![format!("FLUSH TABLES {t} WITH READ LOCK")], &[], &["lock-held", "n2"]),
            (vec![format!("FLUSH TABLES {t} FOR EXPORT")], &[], &["lock-held", "n2"]),
            (
                vec!["START TRANSACTION".into(), format!("UPDATE {t} SET a = 7 WHERE id = 1"), "DO SLEEP(2)".into()],
                &["--max-transaction-age", "1s"],
                &["old-transaction", "n2", "open for"],
            ),
        ];
        for (number, (statements, more, says)) in cases.into_iter().enumerate() {
            let held = holding(test, 1, &statements).await;
            refused(test, &statements.join("; "), &ALL, one(number), (more, says)).await;
            drop(held);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    test.bounded(MINUTES, work).await;
}

#[tokio::test]
async fn states_of_another_node() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        fill(test).await;
        //  on n2                                             undone by                             writers   says
        let cases: [(&str, &str, &[usize], &[&str]); 6] = [
            ("SET GLOBAL wsrep_desync = ON", "SET GLOBAL wsrep_desync = OFF", &ALL, &["node-unfit", "n2"]),
            ("SET GLOBAL read_only = ON", "SET GLOBAL read_only = OFF", &ALL, &["read-only", "n2"]),
            ("SET GLOBAL wsrep_OSU_method = RSU", "SET GLOBAL wsrep_OSU_method = TOI", &ALL, &["server-setting", "n2"]),
            ("SET GLOBAL wsrep_on = OFF", "SET GLOBAL wsrep_on = ON", &[0, 2], &["n2", "wsrep_on"]),
            ("BACKUP STAGE START; BACKUP STAGE BLOCK_DDL", "BACKUP STAGE END", &[0, 2], &["n2"]),
            ("FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES", &[0, 2], &["n2"]),
        ];
        for (number, (on, off, writers, says)) in cases.into_iter().enumerate() {
            let statements: Vec<String> = on.split("; ").map(str::to_owned).collect();
            let mut session = holding(test, 1, &statements).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            refused(test, on, writers, one(number), (&[], says)).await;
            session.query(&Sql::new(off)).await.unwrap();
            drop(session);
            test.cluster().wait_synced(Duration::from_secs(60)).await.unwrap();
        }
    };
    test.bounded(MINUTES, work).await;
}

/// What stops no ordered change does not stop driftless either: a backup's first stage, and locks of GET_LOCK, beside a
/// transaction too (it is thrown out like any other).
#[tokio::test]
async fn what_holds_nobody_up() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        fill(test).await;
        let table = test.table("t").quoted();
        let update = format!("UPDATE {table} SET a = 7 WHERE id = 1");
        let hindrances: [&[&str]; 3] = [
            &["BACKUP STAGE START"],
            &["DO GET_LOCK('mine', 0)"],
            &["DO GET_LOCK('mine', 0)", "START TRANSACTION", &update],
        ];
        for (number, statements) in hindrances.into_iter().enumerate() {
            let why = statements.join("; ");
            let statements: Vec<String> = statements.iter().map(|statement| (*statement).to_owned()).collect();
            let pulse = Pulse::start(&test.servers(), &test.table("pulse"));
            for strategy in ["toi", "trigger-copy"] {
                let held = holding(test, 1, &statements).await;
                let alter = format!("ADD COLUMN {}{number} INT", &strategy[..2]);
                let args = ["--yes", "--table", &table, "--alter", &alter, "--strategy", strategy];
                let ran = preferred(test, "run", &[&args[..], &BUSY].concat()).await;
                drop(held);
                ran.must(0, &["proven equal"], &format!("{why}, {strategy}"));
            }
            let beats = pulse.stop().await;
            eprintln!("{why}: the slowest write took {:?}", slowest(&beats));
            assert!(slowest(&beats) < STALLED, "{why}: {beats:?}");
            assert!(beats.iter().all(|beat| beat.writes > 5), "{why}: nobody wrote: {beats:?}");
            test.plain(0).run(&[&format!("TRUNCATE TABLE {}", test.table("pulse").quoted())]).await;
        }
    };
    test.bounded(MINUTES, work).await;
}

/// Where a server shows its locks, a backup is seen from its first stage, and a transaction beside a lock of GET_LOCK, which
/// other servers wait for.
#[tokio::test]
async fn what_is_seen_where_locks_are_shown() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        fill(test).await;
        let update = format!("UPDATE {} SET a = 7 WHERE id = 1", test.table("t").quoted());
        let own = ["DO GET_LOCK('mine', 0)".to_owned(), "START TRANSACTION".into(), update];
        let cases: [(&[String], &[&str]); 2] = [
            (&["BACKUP STAGE START".to_owned()], &["lock-held", "n2", "runs a backup"]),
            (&own, &["lock-held", "n2", "holds a lock of GET_LOCK (mine)"]),
        ];
        test.plain(1).run(&["INSTALL SONAME 'metadata_lock_info'"]).await;
        for (statements, says) in cases {
            let held = holding(test, 1, statements).await;
            refused(test, &statements.join("; "), &ALL, &WAYS[..1], (&[], says)).await;
            drop(held);
        }
        test.plain(1).run(&["UNINSTALL SONAME 'metadata_lock_info'"]).await;
    };
    test.bounded(MINUTES, work).await;
}

/// A node that dies or freezes while the others are being asked: refused, stopped, or through, and never half done.
#[tokio::test]
async fn a_node_that_vanishes_while_it_is_asked() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        fill(test).await;
        let table = test.table("t").quoted();
        for (round, (strategy, alter)) in [WAYS[0], WAYS[2]].into_iter().enumerate() {
            let before = Snapshot::of(test, &[0, 1]).await;
            let args = ["--yes", "--table", &table, "--alter", alter, "--strategy", strategy, "--patience", "1s"];
            // Frozen before the first question reaches it: a member of the view that does not answer.
            test.cluster().freeze(2);
            let ran = preferred(test, "run", &[&args[..], &["--max-flow-control-paused", "0.9"]].concat()).await;
            test.cluster().thaw(2);
            test.cluster().heal().await.unwrap();
            ran.must(3, &["node-un"], &format!("frozen, {strategy}"));
            let third = format!("127.0.0.1:{}", test.nodes()[2].port);
            assert!(ran.said().contains("n3") || ran.said().contains(&third), "which node? {}", ran.said());
            assert_eq!(Snapshot::of(test, &[0, 1]).await, before, "frozen, {strategy}: something changed");
            // Killed at some moment of the questions.
            let delay = Duration::from_millis(30 + 40 * u64::try_from(round).unwrap());
            let kill = async {
                tokio::time::sleep(delay).await;
                test.cluster().kill9(2);
            };
            let (ran, ()) = tokio::join!(preferred(test, "run", &args), kill);
            eprintln!("killed after {delay:?}, {strategy}: exit {}: {}", ran.code, ran.said());
            test.cluster().wait_synced(Duration::from_secs(60)).await.unwrap();
            if ran.code == 3 {
                assert_eq!(Snapshot::of(test, &[0, 1]).await, before, "killed, {strategy}: something changed");
            }
            assert!(matches!(ran.code, 0 | 3 | 5), "killed, {strategy}: {}", ran.said());
            assert!(ran.code != 3 || ran.said().contains("node-un"), "killed, {strategy}: {}", ran.said());
            test.cluster().heal().await.unwrap();
            if let Some(job) = job_on(&test.nodes()[0], &test.table("t").to_string()).await {
                preferred(test, "abort", &[&job]).await.must(0, &[], "what was begun is undone");
            }
            let here = Snapshot::of(test, &[0]).await;
            let there = Snapshot::of(test, &[2]).await;
            assert_eq!(format!("{here:?}").matches("column|").count(), format!("{there:?}").matches("column|").count());
            test.plain(0)
                .run(&[&format!("ALTER TABLE {table} DROP COLUMN IF EXISTS d, DROP KEY IF EXISTS by_a")])
                .await;
        }
    };
    test.bounded(MINUTES, work).await;
}

/// A plan is void once the cluster has another view, whatever it would do.
#[tokio::test]
async fn a_view_that_changes_between_plan_and_run() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        fill(test).await;
        let (dir, table) = (tempfile::tempdir().unwrap(), test.table("t").quoted());
        let file = |strategy: &str| dir.path().join(format!("{strategy}.json")).to_str().unwrap().to_owned();
        for (strategy, alter) in WAYS {
            let args = ["--table", &table, "--alter", alter, "--strategy", strategy, "--out", &file(strategy)];
            preferred(test, "plan", &args).await.must(0, &[strategy], strategy);
        }
        let before = Snapshot::of(test, &[0, 1]).await;
        test.cluster().kill9(2);
        test.cluster().wait_synced(Duration::from_secs(60)).await.unwrap();
        for (strategy, _) in WAYS {
            let ran = preferred(test, "run", &[&file(strategy), "--yes"]).await;
            // What is done node by node looks for members that are away before anything else.
            let says: &[&str] = if strategy == "rsu" { &["node-unreached"] } else { &["plan-stale", "the nodes"] };
            ran.must(3, says, &format!("{strategy}, a node of the plan is down"));
        }
        test.cluster().restart(2).await.unwrap();
        for (strategy, _) in WAYS {
            let ran = preferred(test, "run", &[&file(strategy), "--yes"]).await;
            ran.must(3, &["plan-stale", "epoch"], &format!("{strategy}, it is back, in another view"));
        }
        assert_eq!(Snapshot::of(test, &[0, 1]).await, before, "something changed");
    };
    test.bounded(MINUTES, work).await;
}

/// Sessions that would keep what they do out of the binlog are not used.
#[tokio::test]
async fn a_session_that_writes_no_binlog() {
    let test = shared().await;
    let work = async {
        fill(&test).await;
        let user = format!("quiet_{}", test.schema.as_str());
        let setup = [
            format!("CREATE USER {user}@'127.0.0.1'"),
            format!("GRANT ALL ON *.* TO {user}@'127.0.0.1'"),
            format!("REVOKE SUPER, CONNECTION ADMIN ON *.* FROM {user}@'127.0.0.1'"),
        ];
        for statement in &setup {
            test.plain(0).run(&[statement]).await;
        }
        test.plain(0).run(&["SET GLOBAL init_connect = 'SET SESSION sql_log_bin = 0'"]).await;
        let table = test.table("t").quoted();
        let port = test.nodes()[0].port.to_string();
        let mut said = Vec::new();
        for (strategy, alter) in WAYS {
            let words = ["run", "--no-defaults", "--host", "127.0.0.1", "--port", &port, "--user", &user, "--yes"];
            let change = ["--table", &table, "--alter", alter, "--strategy", strategy];
            said.push(crate::child::run(&[&words[..], &change].concat()).await);
        }
        test.plain(0).run(&["SET GLOBAL init_connect = ''"]).await;
        test.plain(0).run(&[&format!("DROP USER {user}@'127.0.0.1'")]).await;
        for ran in said {
            assert_ne!(ran.code, 0, "{}", ran.said());
            assert!(ran.said().contains("sql_log_bin"), "{}", ran.said());
        }
    };
    test.bounded(MINUTES, work).await;
}
