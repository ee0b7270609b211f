//! One ALTER in total order: fast, on every node, and never where it could fail on one of them.

use std::time::Duration;

use driftless::demo::{Ledger, load};
use driftless::ports::server::{Server as _, Session};
use driftless::sql::Sql;
use serde_json::Value;

use crate::child::{Snapshot, jobs, preferred, prepare};
use crate::support::{Call, Ended, RoughWriters, TestCluster, job_on, resume, shared, tell};

const LIMIT: Duration = Duration::from_secs(240);
pub(crate) const RUN: Duration = Duration::from_secs(100);
pub(crate) const ALL: [usize; 3] = [0, 1, 2];
/// Writers and tests beside this one keep queues from being empty.
pub(crate) const BUSY: [&str; 2] = ["--max-flow-control-paused", "0.9"];

/// The columns of a table, by node, each after all that was ordered before.
pub(crate) async fn columns(test: &TestCluster, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT GROUP_CONCAT(COLUMN_NAME, ' ', COLUMN_TYPE ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = '{}' AND TABLE_NAME = '{table}'",
        test.schema.as_str()
    );
    let mut all = Vec::new();
    for node in ALL {
        all.extend(test.plain(node).run(&["SET SESSION wsrep_sync_wait = 15", "SELECT 1", &sql]).await.concat());
    }
    all
}

pub(crate) fn done(ended: &Ended, code: i32, says: &[&str], why: &str) {
    let last = ended.last("ended").map(Value::to_string).unwrap_or_default();
    assert_eq!(ended.code, Some(code), "{why}: {last} {}", ended.said);
    for words in says {
        assert!(last.contains(words), "{why}: {words} is not in {last}");
    }
}

async fn holding(test: &TestCluster, node: usize, statements: &[Sql]) -> Box<dyn Session> {
    let mut session = test.plain(node).connect().await.unwrap();
    for statement in statements {
        session.query(statement).await.unwrap();
    }
    session
}

#[tokio::test]
async fn instant_changes_under_writers_on_all_nodes() {
    let test = shared().await;
    let work = async {
        let servers = test.servers();
        let loaded = load(servers[0].as_ref(), &test.table("orders"), 5_000).await.unwrap();
        let (table, mut ledger) = (loaded.table.to_string(), Ledger::new(loaded.last_id()));
        let before = columns(&test, "orders").await;
        let alters = [
            "ADD COLUMN channel VARCHAR(20) NOT NULL DEFAULT 'web'",
            "ADD COLUMN seen DATETIME(3) NULL, ADD COLUMN how ENUM('x','y') NOT NULL DEFAULT 'x'",
            "MODIFY how ENUM('x','y','z') NOT NULL DEFAULT 'x', RENAME COLUMN channel TO source",
            "DROP COLUMN seen, DROP COLUMN how, DROP COLUMN source",
        ];
        for (round, alter) in alters.into_iter().enumerate() {
            let seed = u64::try_from(round).unwrap() + 1;
            let writers = RoughWriters::start(&servers, &loaded.table, &ledger, 2, Duration::from_millis(5), seed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let ended = Call::preferred(&test.nodes()[round % 3], &table, alter, &BUSY).end(RUN).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            let wrote = writers.stop(&mut ledger).await;
            done(&ended, 0, &["proven equal"], alter);
            assert_eq!(ended.last("started").unwrap()["strategy"], "toi", "{alter}");
            let ms = ended.last("altered").unwrap()["ms"].as_u64().unwrap();
            eprintln!("{alter}: {ms} ms; {} operations, errors {:?}", wrote.operations, wrote.errors);
            assert_eq!(wrote.surprises, Vec::<String>::new(), "{alter}: answers that must not be");
            assert!(wrote.operations > 50, "{alter}: nobody wrote: {wrote:?}");
            let after = columns(&test, "orders").await;
            assert!(after.iter().all(|node| *node == after[0]), "{alter}: {after:?}");
            test.proven(&loaded.table, &ledger, alter).await;
            test.only(&["orders"], alter).await;
        }
        assert_eq!(columns(&test, "orders").await, before, "there and back again");
        assert_eq!(job_on(&test.nodes()[0], &table).await, None);
    };
    test.bounded(LIMIT, work).await;
}

/// What `strategies/online.rs` says of MariaDB, tried: each change goes through with the algorithm that it names, and the
/// table becomes on every node what the dry run showed.
#[tokio::test]
async fn every_fact_holds_on_the_server() {
    let test = shared().await;
    let work = async {
        prepare(
            &test,
            &[
                "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(50) CHARACTER SET utf8mb4, \
                 c VARCHAR(100) CHARACTER SET utf8mb4, e ENUM('x','y'), s SET('x','y'), KEY ka (a), KEY kc (c))",
                "INSERT INTO t VALUES (1, 1, 'a', 'b', 'x', 'y'), (2, 2, NULL, '', NULL, '')",
            ],
        )
        .await;
        let cases = [
            ("ADD COLUMN z INT", "INSTANT"),
            ("ADD z1 VARCHAR(10) NOT NULL DEFAULT 'it''s' AFTER a, ADD z2 DATETIME(3) FIRST", "INSTANT"),
            (
                "ADD t1 TINYINT UNSIGNED ZEROFILL, ADD t2 DECIMAL(10,3) DEFAULT -1.5, ADD t3 YEAR DEFAULT 2000, \
                 ADD t4 TIME(2), ADD t5 TEXT, ADD t6 BLOB, ADD t7 SET('a','b') DEFAULT 'a', ADD t8 UUID, ADD t9 INET6, \
                 ADD t10 DOUBLE DEFAULT -1, ADD t11 CHAR(3) CHARACTER SET latin1 COLLATE latin1_bin DEFAULT 'x', \
                 ADD t12 VARBINARY(10), ADD t13 TIMESTAMP NULL, ADD t14 DATE NOT NULL DEFAULT '2020-01-01', \
                 ADD t15 VARCHAR(5) NOT NULL DEFAULT '' COMMENT 'a \"quoted\" check', ADD t16 BIGINT UNSIGNED NOT NULL DEFAULT 7",
                "INSTANT",
            ),
            (
                "ADD u1 VARCHAR(20) DEFAULT 'it''s \"so\"', ADD u2 CHAR(5) DEFAULT ' x ', ADD u3 TEXT, \
                 ADD u4 FLOAT DEFAULT 0.1, ADD u5 INT DEFAULT '5', ADD u6 BOOLEAN DEFAULT TRUE, \
                 ADD u7 ENUM('é','''') DEFAULT '''', ADD u8 VARCHAR(9) CHARACTER SET utf8 DEFAULT '', \
                 ADD u9 DATETIME DEFAULT NULL, ADD u10 NCHAR(3), ADD u12 VARCHAR(3) BINARY, \
                 ADD u11 UUID DEFAULT '00000000-0000-0000-0000-000000000001'",
                "INSTANT",
            ),
            ("DROP COLUMN s", "INSTANT"),
            ("RENAME COLUMN b TO bb", "INSTANT"),
            ("CHANGE bb b VARCHAR(60) CHARACTER SET utf8mb4", "INSTANT"),
            ("MODIFY e ENUM('x','y','z')", "INSTANT"),
            ("ALTER COLUMN a SET DEFAULT 7", "INSTANT"),
            ("MODIFY b VARCHAR(60) CHARACTER SET utf8mb4 COMMENT 'hi'", "INSTANT"),
            ("MODIFY b VARCHAR(60) CHARACTER SET utf8mb4 COMMENT 'hi' FIRST", "INSTANT"),
            ("MODIFY z INT INVISIBLE", "INSTANT"),
            ("ADD KEY kb (b)", "NOCOPY"),
            ("RENAME KEY kb TO kbb", "INSTANT"),
            ("ALTER KEY kbb IGNORED", "INSTANT"),
            ("DROP KEY kbb", "NOCOPY"),
            ("ADD COLUMN q INT, ADD KEY kq (q)", "INPLACE"),
            ("DROP COLUMN a", "INPLACE"),
            ("MODIFY c VARCHAR(200) CHARACTER SET utf8mb4", "INPLACE"),
            ("MODIFY q BIGINT", "COPY"),
        ];
        let table = test.table("t").to_string();
        for (alter, algorithm) in cases {
            let words = ["plan", "--table", &table, "--alter", alter];
            let planned = Call::start(&test.nodes()[0], &words).end(RUN).await;
            let plan: Value = planned.events.iter().map(ToString::to_string).collect::<String>().into();
            let told = format!("\"algorithm\":\"{algorithm}\"");
            let squeezed: String =
                plan.as_str().unwrap().chars().filter(|c| !c.is_whitespace() && *c != '\\').collect();
            assert!(squeezed.contains(&told), "{alter}: not {algorithm}: {squeezed}");
            let ended = Call::preferred(&test.nodes()[1], &table, alter, &BUSY).end(RUN).await;
            done(&ended, 0, &["proven equal"], alter);
            assert_eq!(ended.last("started").unwrap()["strategy"], "toi", "{alter}");
        }
        let all = columns(&test, "t").await;
        assert!(all.iter().all(|node| *node == all[0]), "{all:?}");
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn what_depends_on_rows_or_nodes_is_never_ordered() {
    let test = shared().await;
    let work = async {
        prepare(
            &test,
            &[
                "CREATE TABLE p (id INT PRIMARY KEY)",
                "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(50), c BIGINT, g BIGINT AS (c + 1) VIRTUAL)",
                "INSERT INTO t (id, a, b, c) VALUES (1, 1, 'a', 1), (2, 1, NULL, 2)",
            ],
        )
        .await;
        let before = Snapshot::of(&test, &ALL).await;
        let (table, parent) = (test.table("t").quoted(), test.table("p").quoted());
        let foreign = format!("ADD FOREIGN KEY (a) REFERENCES {parent} (id)");
        let cases = [
            ("ADD UNIQUE (a)", "data-dependent"),
            ("ADD COLUMN u INT UNIQUE", "data-dependent"),
            ("MODIFY b VARCHAR(50) NOT NULL", "data-dependent"),
            ("MODIFY b VARCHAR(5)", "data-dependent"),
            ("MODIFY c INT", "data-dependent"),
            ("ADD CHECK (a > 0)", "data-dependent"),
            (&foreign, "data-dependent"),
            ("ADD COLUMN u CHAR(36) DEFAULT (UUID())", "data-dependent"),
            ("ADD COLUMN u TIMESTAMP DEFAULT CURRENT_TIMESTAMP", "data-dependent"),
            ("ADD COLUMN u INT AS (a + 1) STORED", "not-provable"),
            ("ADD COLUMN j JSON", "not-provable"),
            ("ADD COLUMN n VARCHAR(9) DEFAULT 'a\\n'", "not-provable"),
            ("ADD COLUMN u INT CHECK (u > 5)", "not-provable"),
            ("DROP PRIMARY KEY", "not-provable"),
            ("RENAME COLUMN c TO d", "not-provable"),
            ("FORCE", "not-provable"),
            ("COMMENT = 'x'", "not-provable"),
            ("MODIFY a BIGINT, ALGORITHM=INSTANT", "hint-refused"),
            ("ADD COLUMN z INT NOT NULL", "implicit-default"),
        ];
        for (alter, code) in cases {
            let args = ["--yes", "--table", &table, "--alter", alter, "--strategy", "toi"];
            preferred(&test, "run", &args).await.must(3, &["toi was asked for and does not fit", code], alter);
        }
        assert_eq!(Snapshot::of(&test, &ALL).await, before, "something changed");
    };
    test.bounded(LIMIT, work).await;
}

/// A table that once had a full-text key keeps a hidden column, with which the server changes nothing at once; no catalog
/// shows it.
#[tokio::test]
async fn an_algorithm_that_the_server_refuses_leaves_nothing() {
    let test = shared().await;
    let work = async {
        prepare(
            &test,
            &[
                "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(10), FULLTEXT KEY f (v))",
                "INSERT INTO t VALUES (1, 'x')",
                "ALTER TABLE t DROP KEY f",
            ],
        )
        .await;
        let before = columns(&test, "t").await;
        let table = test.table("t").to_string();
        let ended = Call::preferred(&test.nodes()[1], &table, "ADD COLUMN z INT", &BUSY).end(RUN).await;
        done(&ended, 3, &["alter-rejected", "ALGORITHM=INSTANT", "nothing is left of the job"], "refused");
        assert_eq!(columns(&test, "t").await, before);
        assert_eq!(job_on(&test.nodes()[0], &table).await, None);
        assert!(jobs(&test).await.iter().all(|job| job.ends_with("undone")), "{:?}", jobs(&test).await);
        // What the user says himself is followed.
        let slower = "ADD COLUMN z INT, ALGORITHM=INPLACE, LOCK=SHARED";
        let ended = Call::preferred(&test.nodes()[1], &table, slower, &BUSY).end(RUN).await;
        done(&ended, 0, &["proven equal"], slower);
        assert_eq!(ended.last("started").unwrap()["strategy"], "toi");
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_lock_on_another_node_is_refused_and_stalls_nobody() {
    let test = shared().await;
    let work = async {
        prepare(&test, &["CREATE TABLE t (id INT PRIMARY KEY, a INT)", "CREATE TABLE other (id INT PRIMARY KEY)"])
            .await;
        let table = test.table("t");
        let before = columns(&test, "t").await;
        let locked = holding(&test, 1, &[Sql::new("LOCK TABLES ").table(&table).text(" READ")]).await;
        let call = Call::preferred(&test.nodes()[0], &table.to_string(), "ADD COLUMN z INT", &BUSY);
        let mut slowest = Duration::ZERO;
        for id in 0..30 {
            let began = tokio::time::Instant::now();
            let insert = format!("INSERT INTO {} VALUES ({id})", test.table("other").quoted());
            test.plain(2).insist(&insert).await;
            slowest = slowest.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let ended = call.end(RUN).await;
        done(&ended, 3, &["lock-held", "n2"], "LOCK TABLES on another node");
        assert!(slowest < Duration::from_secs(3), "a write waited {slowest:?}");
        drop(locked);
        assert_eq!(columns(&test, "t").await, before);
        assert_eq!(job_on(&test.nodes()[0], &table.to_string()).await, None);
    };
    test.bounded(LIMIT, work).await;
}

/// The lock comes after the plan: the run waits for it, and nothing waits for the run.
#[tokio::test]
async fn a_lock_that_comes_late_is_waited_for() {
    let test = shared().await;
    let work = async {
        prepare(&test, &["CREATE TABLE t (id INT PRIMARY KEY, a INT)", "CREATE TABLE other (id INT PRIMARY KEY)"])
            .await;
        let (table, dir) = (test.table("t"), tempfile::tempdir().unwrap());
        let file = dir.path().join("wait");
        let words = [&["--postpone-cutover-file", file.to_str().unwrap()], &BUSY[..]].concat();
        for (patience, code) in [("2s", 5), ("60s", 0)] {
            std::fs::write(&file, "").unwrap();
            let (name, alter) = (table.to_string(), format!("ADD COLUMN z{code} INT"));
            let more = [&words[..], &["--patience", patience]].concat();
            let mut call = Call::preferred(&test.nodes()[0], &name, &alter, &more);
            assert!(call.event(|line| line["event"] == "held").await.is_some(), "{:?}", call.seen());
            let locked = holding(&test, 1, &[Sql::new("LOCK TABLES ").table(&table).text(" READ")]).await;
            std::fs::remove_file(&file).unwrap();
            assert!(call.event(|line| line["event"] == "held").await.is_some(), "{:?}", call.seen());
            let began = tokio::time::Instant::now();
            test.plain(2).insist(&format!("INSERT INTO {} VALUES ({code})", test.table("other").quoted())).await;
            assert!(began.elapsed() < Duration::from_secs(3), "a write waited {:?}", began.elapsed());
            if code == 5 {
                done(&call.end(RUN).await, 5, &["lock-held"], "it stays locked");
                drop(locked);
                let job = job_on(&test.nodes()[2], &name).await.expect("the job waits");
                assert_eq!(tell(&test.nodes()[2], &["abort", &job]).await.code, Some(0), "nothing was sent");
            } else {
                drop(locked);
                done(&call.end(RUN).await, 0, &["proven equal"], "it is free");
            }
        }
        assert_eq!(columns(&test, "t").await, ["id int(11),a int(11),z0 int(11)"; 3]);
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn open_transactions_are_told_and_then_aborted() {
    let test = shared().await;
    let work = async {
        prepare(&test, &["CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1), (2, 2)"]).await;
        let table = test.table("t");
        let update = Sql::new("UPDATE ").table(&table).text(" SET a = 9 WHERE id = 1");
        let mut open = holding(&test, 1, &[Sql::new("START TRANSACTION"), update]).await;
        let id = format!("session {}", open.id());
        let name = table.to_string();
        let words = ["plan", "--table", &name, "--alter", "ADD COLUMN z INT"];
        let planned = Call::start(&test.nodes()[0], &words).end(RUN).await;
        let told: String = planned.events.iter().map(ToString::to_string).collect();
        assert!(told.contains("transactions-aborted") && told.contains(&id), "{id} is not named: {told}");
        let ended = Call::preferred(&test.nodes()[0], &name, "ADD COLUMN z INT", &BUSY).end(RUN).await;
        done(&ended, 0, &["proven equal"], "one transaction is in the way");
        let aborting = ended.last("aborting").expect("it is told before").to_string();
        assert!(aborting.contains(&id), "{aborting}");
        let answer = open.query(&Sql::new("COMMIT")).await;
        assert_eq!(answer.expect_err("it was aborted").code, 1213);
        // One that is older than the limit is not aborted but refused.
        let update = Sql::new("UPDATE ").table(&table).text(" SET a = 8 WHERE id = 2");
        let mut old = holding(&test, 2, &[Sql::new("START TRANSACTION"), update]).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let limit = ["--max-transaction-age", "1s"];
        let ended = Call::preferred(&test.nodes()[0], &name, "ADD COLUMN y INT", &limit).end(RUN).await;
        done(&ended, 3, &["old-transaction", "n3"], "an old one");
        old.query(&Sql::new("COMMIT")).await.expect("it was left in peace");
        let read = format!("SELECT id, a, z FROM {}", table.quoted());
        let rows = test.plain(0).run(&["SET SESSION wsrep_sync_wait = 1", &read]).await;
        assert_eq!(rows, [["1", "1", "NULL"], ["2", "8", "NULL"]]);
    };
    test.bounded(LIMIT, work).await;
}

/// Kills a run when a phase begins and so many milliseconds later; then goes on, or aborts, from another node.
async fn killed(test: &TestCluster, round: usize, at: (&str, u64), then: &str) {
    let (name, column) = (test.table("orders"), format!("c{round}"));
    let (table, why) = (name.to_string(), format!("killed {} ms into {}, then {then}", at.1, at.0));
    let before = columns(test, "orders").await;
    let alter = format!("ADD COLUMN {column} INT NOT NULL DEFAULT 7");
    let mut call = Call::preferred(&test.nodes()[round % 3], &table, &alter, &BUSY);
    call.event(|line| line["phase"] == at.0 || line["event"] == at.0).await;
    tokio::time::sleep(Duration::from_millis(at.1)).await;
    call.kill9();
    drop(call.end(RUN).await);
    let other = &test.nodes()[(round + 1) % 3];
    let made = async || columns(test, "orders").await.iter().all(|node| node.contains(&format!("{column} int")));
    let Some(job) = job_on(other, &table).await else {
        // It was through, or had not begun.
        let through = made().await;
        assert!(through || columns(test, "orders").await == before, "{why}: half done");
        return;
    };
    if then == "resume" {
        done(&resume(other, &job, &BUSY).end(RUN).await, 0, &["proven equal"], &why);
        assert!(made().await, "{why}: it is not made");
    } else {
        let aborted = tell(other, &["abort", &job]).await;
        if made().await {
            assert_eq!(aborted.code, Some(1), "{why}: {aborted:?}");
            assert!(aborted.said.contains("can't be undone"), "{why}: {}", aborted.said);
            done(&resume(other, &job, &BUSY).end(RUN).await, 0, &["proven equal"], &why);
        } else {
            assert_eq!(aborted.code, Some(0), "{why}: {aborted:?}");
            assert_eq!(columns(test, "orders").await, before, "{why}: nothing is made");
        }
    }
    assert_eq!(job_on(other, &table).await, None, "{why}: the job is over");
}

#[tokio::test]
async fn a_run_killed_anywhere_is_finished_or_undone() {
    let test = shared().await;
    let work = async {
        let servers = test.servers();
        let loaded = load(servers[0].as_ref(), &test.table("orders"), 2_000).await.unwrap();
        let mut ledger = Ledger::new(loaded.last_id());
        let writers = RoughWriters::start(&servers, &loaded.table, &ledger, 1, Duration::from_millis(20), 7);
        let points =
            [("holding", 0), ("altering", 0), ("altering", 60), ("altering", 120), ("altering", 180), ("altered", 0)];
        let mut round = 0;
        for then in ["resume", "abort"] {
            for at in points {
                killed(&test, round, at, then).await;
                round += 1;
            }
        }
        let wrote = writers.stop(&mut ledger).await;
        assert_eq!(wrote.surprises, Vec::<String>::new(), "answers that must not be");
        test.proven(&loaded.table, &ledger, "killed often").await;
        test.only(&["orders"], "at the end").await;
    };
    test.bounded(LIMIT, work).await;
}
