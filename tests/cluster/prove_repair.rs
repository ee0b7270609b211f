//! One node that has a table otherwise: made equal again, on that node alone, with the proof.

use std::time::Duration;

use driftless::ports::server::Server as _;
use driftless::sql::Sql;

use crate::child::prepare;
use crate::prove_rsu::alone_on;
use crate::support::{Call, Ended, TestCluster, exclusive, tell};

const LIMIT: Duration = Duration::from_secs(240);

async fn repair(test: &TestCluster, more: &[&str]) -> Ended {
    let table = test.table("t").to_string();
    tell(&test.nodes()[0], &[&["repair", "--table", &table], more].concat()).await
}

fn said(ended: &Ended) -> String {
    ended.events.iter().map(ToString::to_string).collect::<String>() + &ended.said
}

/// Whether `check` finds the nodes equal.
async fn equal(test: &TestCluster) -> bool {
    let ended = tell(&test.nodes()[1], &["check", "--schema", test.schema.as_str()]).await;
    ended.code == Some(0)
}

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(30) NOT NULL DEFAULT 'it''s', c INT COMMENT 'a \\\\ b', \
                     e ENUM('x','y'), d DATETIME(3) NULL ON UPDATE CURRENT_TIMESTAMP(3), g INT AS (a + 1) VIRTUAL, \
                     UNIQUE KEY ua (a), KEY kb (b(5) DESC, c) COMMENT 'why', KEY ki (c) IGNORED) COMMENT = 'orders'";

#[tokio::test]
async fn a_node_with_another_table_gets_the_majoritys() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        prepare(test, &[TABLE, "INSERT INTO t (id, a, b, c) VALUES (1, 1, 'a', 1), (2, 2, 'b', 2)"]).await;
        let drifts = [
            "ADD COLUMN f INT",
            "DROP COLUMN e",
            "MODIFY b VARCHAR(60) NOT NULL DEFAULT 'it''s'",
            "ALTER b SET DEFAULT 'its'",
            "ADD KEY kc (c)",
            "DROP KEY kb",
            "DROP KEY kb, ADD KEY kb (b, c)",
            "DROP KEY ua",
            "MODIFY e ENUM('y','x') FIRST",
            "MODIFY c INT COMMENT 'other'",
            "ALTER KEY ki NOT IGNORED",
            "ALTER KEY kb IGNORED",
            "COMMENT = 'other'",
            "DROP COLUMN g, ADD COLUMN h INT FIRST, ADD KEY kh (h)",
        ];
        for drift in drifts {
            alone_on(test, 2, drift).await;
            assert!(!equal(test).await, "{drift}: no drift to repair");
            let ended = repair(test, &["--yes"]).await;
            assert_eq!(ended.code, Some(0), "{drift}: {}", said(&ended));
            assert!(said(&ended).contains("equal on every node, its rows too"), "{drift}: {}", said(&ended));
            assert!(equal(test).await, "{drift}: still different");
        }
        let again = repair(test, &["--yes"]).await;
        assert_eq!(again.code, Some(0), "nothing to repair: {}", said(&again));
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn what_can_not_be_proven_is_not_called_repaired() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        prepare(test, &["CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1), (2, 2)"]).await;
        // Asked, and nobody to answer: nothing is done.
        alone_on(test, 2, "ADD KEY ka (a)").await;
        let asked = repair(test, &[]).await;
        assert_eq!(asked.code, Some(2), "{}", said(&asked));
        assert!(!equal(test).await, "nobody said yes");
        // Three nodes, three tables: no majority, until somebody says which is right.
        alone_on(test, 1, "ADD KEY kb (id, a)").await;
        let tie = repair(test, &["--yes"]).await;
        assert_eq!(tie.code, Some(4), "{}", said(&tie));
        let unknown = repair(test, &["--yes", "--like", "n9"]).await;
        assert_eq!(unknown.code, Some(2), "{}", said(&unknown));
        assert!(said(&unknown).contains("n1, n2, n3"), "{}", said(&unknown));
        let like = repair(test, &["--yes", "--like", "n2"]).await;
        assert_eq!(like.code, Some(0), "{}", said(&like));
        assert!(equal(test).await);
        // The same shape, and yet a row that only one node has.
        alone_on(test, 2, "ADD COLUMN z INT").await;
        let table = test.table("t").quoted();
        test.plain(2).run(&["SET SESSION wsrep_on = OFF", &format!("UPDATE {table} SET a = 7 WHERE id = 1")]).await;
        let rows = repair(test, &["--yes"]).await;
        assert_eq!(rows.code, Some(4), "{}", said(&rows));
        assert!(said(&rows).contains("rows differ"), "{}", said(&rows));
        test.plain(2).run(&["SET SESSION wsrep_on = OFF", &format!("UPDATE {table} SET a = 1 WHERE id = 1")]).await;
        let again = repair(test, &["--yes"]).await;
        assert_eq!(again.code, Some(0), "rows are equal again: {}", said(&again));
        // A column that has another name there: an ALTER would lose its values.
        alone_on(test, 2, "RENAME COLUMN a TO b").await;
        let renamed = repair(test, &["--yes"]).await;
        assert_eq!(renamed.code, Some(3), "{}", said(&renamed));
        alone_on(test, 2, "RENAME COLUMN b TO a").await;
        // Rows that are there twice, and rows that differ in the last digit of a float, are told apart.
        let (one, two) = (test.table("twice"), test.table("floats"));
        let (one, two) = (one.quoted(), two.quoted());
        let made = [
            format!("CREATE TABLE {one} (id INT, a INT, KEY (id))"),
            format!("INSERT INTO {one} VALUES (1, 1), (1, 1), (2, 2)"),
            format!("CREATE TABLE {two} (id INT PRIMARY KEY, f FLOAT)"),
            format!("INSERT INTO {two} VALUES (1, 16777216)"),
        ];
        test.plain(0).run(&made.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let alone = [
            "SET SESSION wsrep_on = OFF".to_owned(),
            format!("UPDATE {one} SET id = 7, a = 7 WHERE id = 1"),
            format!("UPDATE {two} SET f = 16777215"),
        ];
        test.plain(2).run(&["SET SESSION wsrep_sync_wait = 15", "SELECT 1"]).await;
        test.plain(2).run(&alone.iter().map(String::as_str).collect::<Vec<_>>()).await;
        for name in ["twice", "floats"] {
            let ended = tell(&test.nodes()[0], &["repair", "--yes", "--table", &test.table(name).to_string()]).await;
            assert_eq!(ended.code, Some(4), "{name}: {}", said(&ended));
        }
        // What no ALTER of driftless makes equal.
        alone_on(test, 2, "ROW_FORMAT = COMPRESSED").await;
        let beyond = repair(test, &["--yes"]).await;
        assert_eq!(beyond.code, Some(3), "{}", said(&beyond));
        assert!(said(&beyond).contains("row format"), "{}", said(&beyond));
        alone_on(test, 2, "ROW_FORMAT = DYNAMIC").await;
        let missing = tell(&test.nodes()[0], &["repair", "--yes", "--table", "nobody.nothing"]).await;
        assert_eq!(missing.code, Some(3), "{}", said(&missing));
    };
    test.bounded(LIMIT, work).await;
}

/// Whatever is ordered while the repair waits makes another table of it: what was planned is not sent any more.
#[tokio::test]
async fn a_repair_that_waited_looks_again() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        prepare(test, &["CREATE TABLE t (id INT PRIMARY KEY, b INT)", "INSERT INTO t VALUES (1, 1)"]).await;
        alone_on(test, 2, "MODIFY b INT COMMENT 'x'").await;
        let mut holder = driftless::ports::server::Server::connect(&test.plain(2)).await.unwrap();
        holder.execute(&driftless::sql::Sql::new("BEGIN")).await.unwrap();
        let look = driftless::sql::Sql::new("SELECT COUNT(*) FROM ").table(&test.table("t"));
        holder.query(&look).await.unwrap();
        let table = test.table("t").to_string();
        let call = Call::start(&test.nodes()[0], &["repair", "--yes", "--table", &table]);
        tokio::time::sleep(Duration::from_secs(3)).await;
        holder.execute(&driftless::sql::Sql::new("COMMIT")).await.unwrap();
        // Before the second of quiet that it waits for is over.
        let other = format!("ALTER TABLE {} MODIFY b BIGINT, ADD COLUMN nu INT", test.table("t").quoted());
        test.plain(0).run(&[&other]).await;
        let ended = call.end(Duration::from_secs(60)).await;
        assert_eq!(ended.code, Some(3), "{}", said(&ended));
        assert!(said(&ended).contains("no longer what the repair was planned for"), "{}", said(&ended));
        assert!(equal(test).await, "a drift was made");
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_node_with_writers_is_waited_for() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        prepare(
            test,
            &["CREATE TABLE t (id INT PRIMARY KEY, a INT)", "CREATE TABLE w (id INT PRIMARY KEY AUTO_INCREMENT)"],
        )
        .await;
        alone_on(test, 2, "ADD KEY ka (a)").await;
        let server = test.plain(2);
        let insert = format!("INSERT INTO {} () VALUES ()", test.table("w").quoted());
        let stop = tokio_util::sync::CancellationToken::new();
        let writing = tokio::spawn({
            let stop = stop.clone();
            async move {
                while !stop.is_cancelled() {
                    server.run(&[&insert]).await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
        let late = repair(test, &["--yes", "--patience", "4s"]).await;
        assert_ne!(late.code, Some(0), "{}", said(&late));
        assert!(said(&late).contains("n3 is not without writers"), "{}", said(&late));
        assert!(!equal(test).await, "it was not changed");
        let table = test.table("t").to_string();
        let call = Call::start(&test.nodes()[0], &["repair", "--yes", "--table", &table]);
        tokio::time::sleep(Duration::from_secs(3)).await;
        stop.cancel();
        writing.await.unwrap();
        let ended = call.end(Duration::from_secs(60)).await;
        assert_eq!(ended.code, Some(0), "{}", said(&ended));
        assert!(equal(test).await);
    };
    test.bounded(LIMIT, work).await;
}

/// Two at once: the one that came second is refused and changes nothing; one that was killed is not waited for.
#[tokio::test]
async fn two_repairs_exclude_each_other() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        prepare(test, &[TABLE, "INSERT INTO t (id, a, b, c) VALUES (1, 1, 'a', 1)"]).await;
        alone_on(test, 2, "ADD COLUMN f INT").await;
        let table = test.table("t").to_string();
        // A transaction on its node keeps the first one waiting, with the lease in its hands.
        let mut holder = test.plain(2).connect().await.unwrap();
        holder.query(&Sql::new("BEGIN")).await.unwrap();
        holder.query(&Sql::new("SELECT COUNT(*) FROM ").table(&test.table("t"))).await.unwrap();
        let first = Call::start(&test.nodes()[0], &["repair", "--table", &table, "--yes"]);
        let lease = "SELECT COUNT(*) FROM driftless.repair WHERE lease_until > UTC_TIMESTAMP(3)";
        let there =
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'driftless' AND TABLE_NAME = 'repair'";
        for _ in 0..100 {
            if test.plain(0).run(&[there]).await == [["1"]] && test.plain(0).run(&[lease]).await == [["1"]] {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let second = tell(&test.nodes()[1], &["repair", "--table", &table, "--yes"]).await;
        assert_eq!(second.code, Some(3), "{}", said(&second));
        for words in ["job-active", "another repair of", "is under way"] {
            assert!(said(&second).contains(words), "{words}: {}", said(&second));
        }
        assert!(!equal(test).await, "nothing is changed yet");
        // Killed, it leaves a lease that nobody renews; on its own machine it is known to be gone.
        let mut first = first;
        first.kill9();
        drop(first.end(LIMIT).await);
        holder.query(&Sql::new("COMMIT")).await.unwrap();
        let third = tell(&test.nodes()[1], &["repair", "--table", &table, "--yes"]).await;
        assert_eq!(third.code, Some(0), "{}", said(&third));
        assert!(equal(test).await);
        assert_eq!(test.plain(0).run(&[lease]).await, [["0"]], "it is given back");
    };
    test.bounded(LIMIT, work).await;
}
