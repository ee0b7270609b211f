//! A run is held, paused, released and refused from other processes; what hangs on the table stays.

use std::time::Duration;

use driftless::demo::{Ledger, load};
use driftless::sql::Sql;

use crate::support::{Call, RoughWriters, TestCluster, job_on, resume, shared, tell};

const LIMIT: Duration = Duration::from_secs(150);
const RUN: Duration = Duration::from_secs(60);
const FAST: [&str; 2] = ["--max-flow-control-paused", "0.9"];

/// A run that waits while this file exists.
fn held(test: &TestCluster, table: &str, alter: &str, file: &std::path::Path, more: &[&str]) -> Call {
    let words = [&["--postpone-cutover-file", file.to_str().unwrap()], &FAST[..], more].concat();
    Call::run(&test.nodes()[0], table, alter, &words)
}

#[tokio::test]
async fn the_switch_waits_for_a_file_or_an_order_while_changes_stay_in_step() {
    let test = shared().await;
    let work = async {
        let servers = test.servers();
        let loaded = load(servers[0].as_ref(), &test.table("orders"), 5_000).await.unwrap();
        let (table, mut ledger) = (loaded.table.to_string(), Ledger::new(loaded.last_id()));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("wait");
        for (round, release) in ["file", "order"].into_iter().enumerate() {
            std::fs::write(&file, "").unwrap();
            let seed = u64::try_from(round).unwrap() + 1;
            let writers = RoughWriters::start(&servers, &loaded.table, &ledger, 1, Duration::from_millis(10), seed);
            let column = format!("by_{release}");
            let mut call = held(&test, &table, &format!("ADD COLUMN {column} INT"), &file, &["--keep-retired"]);
            assert!(call.event(|line| line["event"] == "held").await.is_some(), "it is held: {:?}", call.seen());
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(!test.columns(&loaded.table).await.contains(&column), "nothing is switched while it is held");
            if release == "file" {
                std::fs::remove_file(&file).unwrap();
            } else {
                let job = job_on(&test.nodes()[2], &table).await.expect("it runs");
                assert_eq!(tell(&test.nodes()[2], &["cutover", &job]).await.code, Some(0));
            }
            let ended = call.end(RUN).await;
            assert_eq!(ended.code, Some(0), "{release}: {:?} {}", ended.last("ended"), ended.said);
            let done = writers.stop(&mut ledger).await;
            assert_eq!(done.surprises, Vec::<String>::new());
            test.proven(&loaded.table, &ledger, release).await;
            assert!(test.columns(&loaded.table).await.contains(&column), "{release}: the change is made");
            test.only(&["_orders_retired", "orders"], "the retired table is kept, without triggers").await;
            test.plain(0).run(&[&format!("DROP TABLE {}._orders_retired", test.schema.quoted())]).await;
        }
    };
    test.bounded(LIMIT, work).await;
}

/// TRUNCATE fires no trigger: the shadow still has the rows.
#[tokio::test]
async fn a_table_that_was_truncated_while_the_switch_was_held_is_not_switched() {
    let test = shared().await;
    let work = async {
        let servers = test.servers();
        let loaded = load(servers[0].as_ref(), &test.table("orders"), 2_000).await.unwrap();
        let table = loaded.table.to_string();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("wait");
        std::fs::write(&file, "").unwrap();
        let mut call = held(&test, &table, "ADD COLUMN extra INT", &file, &[]);
        assert!(call.event(|line| line["event"] == "held").await.is_some(), "it is held: {:?}", call.seen());
        test.plain(1).run(&[&format!("TRUNCATE TABLE {}.orders", test.schema.quoted())]).await;
        std::fs::remove_file(&file).unwrap();
        let ended = call.end(RUN).await;
        assert_eq!(ended.code, Some(5), "{:?} {}", ended.last("ended"), ended.said);
        assert!(ended.last("ended").is_some_and(|line| line.to_string().contains("truncated")), "{ended:?}");
        let job = job_on(&test.nodes()[2], &table).await.expect("it is still there");
        let again = resume(&test.nodes()[0], &job, &FAST).end(RUN).await;
        assert_eq!(again.code, Some(4), "compared again: {:?} {}", again.last("ended"), again.said);
        assert!(!test.columns(&loaded.table).await.contains(&"extra".to_owned()), "nothing is switched");
        assert_eq!(tell(&test.nodes()[2], &["abort", &job]).await.code, Some(0));
        test.only(&["orders"], "after the abort").await;
    };
    test.bounded(LIMIT, work).await;
}

/// Servers fire AFTER UPDATE triggers also for rows that `UPDATE IGNORE` leaves as they were.
#[tokio::test]
async fn updates_that_the_server_ignored_change_nothing() {
    let test = shared().await;
    let work = async {
        let (schema, dir) = (test.schema.quoted(), tempfile::tempdir().unwrap());
        let file = dir.path().join("wait");
        let make = [
            format!("CREATE TABLE {schema}.parent (id INT PRIMARY KEY)"),
            format!("INSERT INTO {schema}.parent VALUES (1), (2)"),
            format!(
                "CREATE TABLE {schema}.t (id INT PRIMARY KEY, u INT UNIQUE, f INT, w INT, v VARCHAR(9), \
                 CONSTRAINT child FOREIGN KEY (f) REFERENCES {schema}.parent (id))"
            ),
            format!(
                "INSERT INTO {schema}.t VALUES (1,10,1,1,'a'), (2,20,1,2,'b'), (3,30,1,3,'c'), (4,40,1,4,'d'), \
                 (5,50,1,5,'e'), (6,60,1,6,'f'), (7,70,1,7,'g')"
            ),
        ];
        let make: Vec<&str> = make.iter().map(String::as_str).collect();
        test.plain(0).run(&make).await;
        let ignored = [
            "UPDATE IGNORE t SET id = 2 WHERE id = 1",
            "UPDATE IGNORE t SET id = 99, u = 20 WHERE id = 1",
            "UPDATE IGNORE t SET u = 20 WHERE id = 3",
            "UPDATE IGNORE t SET f = 9, v = 'no' WHERE id = 4",
            "UPDATE IGNORE t JOIN parent ON parent.id = t.f SET t.id = t.id + 1 WHERE t.id IN (5, 7)",
        ];
        let done =
            ["UPDATE t SET id = id + 40, v = 'moved' WHERE u = 60", "UPDATE t SET u = u + 1, w = w + 30 WHERE id = 3"];
        let all = "SELECT id, u, f, w, v FROM t ORDER BY id";
        for (column, more) in [("x", ""), ("y", ", ADD UNIQUE KEY fresh (w)")] {
            std::fs::write(&file, "").unwrap();
            let alter = format!("ADD COLUMN {column} INT{more}");
            let mut call = held(&test, &test.table("t").to_string(), &alter, &file, &[]);
            assert!(call.event(|line| line["event"] == "held").await.is_some(), "it is held: {:?}", call.seen());
            let using = format!("USE {schema}");
            let words = [&[using.as_str()], &ignored[..], &done, &[all]].concat();
            let before = test.plain(1).run(&words).await;
            std::fs::remove_file(&file).unwrap();
            let ended = call.end(RUN).await;
            assert_eq!(ended.code, Some(0), "{alter}: {:?} {}", ended.last("ended"), ended.said);
            for node in 0..3 {
                let after = test.plain(node).run(&[&using, "SET wsrep_sync_wait = 15", all]).await;
                assert_eq!(after, before, "{alter}: the new table has what the old one had");
            }
        }
        test.only(&["parent", "t"], "at the end").await;
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_paused_run_writes_nothing_until_it_is_resumed() {
    let test = shared().await;
    let work = async {
        let servers = test.servers();
        let loaded = load(servers[0].as_ref(), &test.table("orders"), 20_000).await.unwrap();
        let (table, nodes) = (loaded.table.to_string(), test.nodes());
        let pace = ["--max-rows-per-second", "4000", "--chunk-rows", "100", "--max-flow-control-paused", "0.9"];
        let mut call = Call::run(&nodes[0], &table, "ADD COLUMN extra INT", &pace);
        assert!(call.copied(2_000).await);
        let job = job_on(&nodes[1], &table).await.expect("it runs");
        assert_eq!(tell(&nodes[1], &["pause", &job]).await.code, Some(0));
        assert!(call.event(|line| line["event"] == "paused").await.is_some());
        tokio::time::sleep(Duration::from_secs(1)).await;
        let count = format!("SELECT COUNT(*) FROM {}._orders_shadow", test.schema.quoted());
        let before = test.plain(0).run(&[&count]).await;
        // The same table can't be changed twice at once; another one can.
        let second = Call::run(&nodes[2], &table, "ADD COLUMN second INT", &FAST).end(RUN).await;
        assert_eq!(second.code, Some(3), "a second run on the table: {second:?}");
        let other = load(servers[0].as_ref(), &test.table("other"), 2_000).await.unwrap();
        let beside = Call::run(&nodes[1], &other.table.to_string(), "ADD COLUMN extra INT", &FAST).end(RUN).await;
        assert_eq!(beside.code, Some(0), "another table beside it: {:?} {}", beside.last("ended"), beside.said);
        assert_eq!(test.plain(0).run(&[&count]).await, before, "nothing was copied while it was paused");
        assert_eq!(tell(&nodes[2], &["resume", &job]).await.code, Some(0));
        let ended = call.end(RUN).await;
        assert_eq!(ended.code, Some(0), "{:?} {}", ended.last("ended"), ended.said);
        test.proven(&loaded.table, &Ledger::new(loaded.last_id()), "paused and resumed").await;
        test.proven(&other.table, &Ledger::new(other.last_id()), "beside").await;
        test.only(&["orders", "other"], "at the end").await;
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn two_tables_are_changed_at_the_same_time() {
    let test = shared().await;
    let work = async {
        let servers = test.servers();
        let (mut calls, mut all) = (Vec::new(), Vec::new());
        for (index, name) in ["one", "two"].into_iter().enumerate() {
            let loaded = load(servers[0].as_ref(), &test.table(name), 8_000).await.unwrap();
            let pace = ["--max-rows-per-second", "4000", "--chunk-rows", "200", "--max-flow-control-paused", "0.9"];
            calls.push(Call::run(&test.nodes()[index], &loaded.table.to_string(), "ADD COLUMN extra INT", &pace));
            all.push(loaded);
        }
        for call in calls {
            let ended = call.end(RUN).await;
            assert_eq!(ended.code, Some(0), "{:?} {}", ended.last("ended"), ended.said);
        }
        for loaded in all {
            test.proven(&loaded.table, &Ledger::new(loaded.last_id()), "both").await;
        }
        test.only(&["one", "two"], "at the end").await;
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn foreign_keys_and_the_counter_stay() {
    let test = shared().await;
    let work = async {
        let (parent, child) = (test.table("parent").quoted(), test.table("child").quoted());
        let made = [
            format!("CREATE TABLE {parent} (id INT PRIMARY KEY)"),
            format!(
                "CREATE TABLE {child} (id INT AUTO_INCREMENT PRIMARY KEY, p INT NOT NULL, q INT, KEY by_q (q), \
                 CONSTRAINT child_of_parent FOREIGN KEY (p) REFERENCES {parent} (id), \
                 CONSTRAINT child_ibfk_7 FOREIGN KEY by_q (q) REFERENCES {parent} (id))"
            ),
            format!("INSERT INTO {parent} VALUES (1), (2)"),
            format!("INSERT INTO {child} (id, p, q) SELECT seq, 1 + seq % 2, 2 FROM seq_1_to_500")
                .replace(" seq_1", &format!(" {}.seq_1", test.schema.quoted())),
            // A value that was given out and is gone must not be given out again.
            format!("INSERT INTO {child} (id, p) VALUES (90000, 1)"),
            format!("DELETE FROM {child} WHERE id = 90000"),
        ];
        test.plain(0).run(&made.each_ref().map(String::as_str)).await;
        let schema = test.schema.as_str();
        let keys = format!(
            "SELECT constraint_name, column_name, referenced_table_name FROM information_schema.key_column_usage \
             WHERE table_schema = '{schema}' AND table_name = 'child' ORDER BY 1, 2"
        );
        let indexes = format!(
            "SELECT index_name, column_name FROM information_schema.statistics \
             WHERE table_schema = '{schema}' AND table_name = 'child' ORDER BY 1, 2"
        );
        let rules = format!(
            "SELECT constraint_name, delete_rule, update_rule FROM information_schema.referential_constraints \
             WHERE constraint_schema = '{schema}' AND table_name = 'child' ORDER BY 1"
        );
        let before = (test.plain(0).run(&[&keys]).await, test.plain(0).run(&[&indexes]).await);
        let ruled = test.plain(0).run(&[&rules]).await;
        assert!(before.0.len() == 3 && before.1.len() == 3, "{before:?}");
        let name = format!("{schema}.child");
        for round in 0..2 {
            let alter = format!("ADD COLUMN extra_{round} INT, FORCE");
            let ended = Call::run(&test.nodes()[round], &name, &alter, &FAST).end(RUN).await;
            assert_eq!(ended.code, Some(0), "{:?} {}", ended.last("ended"), ended.said);
            for index in 0..3 {
                let node = test.plain(index);
                node.run(&["SET SESSION wsrep_sync_wait = 15", "SELECT 1"]).await;
                assert_eq!(node.run(&[&keys]).await, before.0, "foreign keys on node {index}, round {round}");
                assert_eq!(node.run(&[&indexes]).await, before.1, "indexes on node {index}, round {round}");
                assert_eq!(node.run(&[&rules]).await, ruled, "rules on node {index}, round {round}");
            }
        }
        let insert = format!("INSERT INTO {child} (p) VALUES (2)");
        let last = test.plain(0).run(&[&insert, "SELECT LAST_INSERT_ID()"]).await;
        assert!(last[0][0].parse::<u64>().unwrap() > 90_000, "the counter goes on: {last:?}");
        test.only(&["child", "parent"], "at the end").await;
    };
    test.bounded(LIMIT, work).await;
}

/// The dry run shows neither checks (a JSON column has one) nor expressions.
#[tokio::test]
async fn tables_with_checks_and_computed_columns_are_changed() {
    let test = shared().await;
    let work = async {
        let schema = test.schema.quoted();
        let make = [
            format!(
                "CREATE TABLE {schema}.t (id INT PRIMARY KEY, j JSON, a INT CHECK (a > 0), g INT AS (a + 1) STORED, \
                 CONSTRAINT small CHECK (a < 100))"
            ),
            format!("INSERT INTO {schema}.t (id, j, a) VALUES (1, '{{\"x\":\"one\"}}', 1), (2, NULL, 2)"),
        ];
        test.plain(0).run(&[&make[0], &make[1]]).await;
        let alter = "ADD COLUMN x VARCHAR(9) AS (JSON_UNQUOTE(JSON_EXTRACT(j, '$.x'))) VIRTUAL, ADD KEY by_x (x), \
                     ADD COLUMN k JSON, ADD CONSTRAINT big CHECK (a < 1000), ADD COLUMN d INT DEFAULT (1 + 2)";
        let ended = Call::run(&test.nodes()[0], &test.table("t").to_string(), alter, &FAST).end(RUN).await;
        assert_eq!(ended.code, Some(0), "{:?} {}", ended.last("ended"), ended.said);
        let rows = test.plain(1).run(&[&format!("SELECT id, a, g, x, d FROM {schema}.t ORDER BY id")]).await;
        assert_eq!(rows, [["1", "1", "2", "one", "3"], ["2", "2", "3", "NULL", "3"]]);
        let broken = format!("INSERT INTO {schema}.t (id, a) VALUES (3, 100)");
        assert!(test.servers()[2].connect().await.unwrap().execute(&Sql::new("").trusted(&broken)).await.is_err());
        test.only(&["t"], "at the end").await;
    };
    test.bounded(LIMIT, work).await;
}

/// MariaDB has no upsert for such keys, and its catalog does not tell them.
#[tokio::test]
async fn a_key_without_overlaps_is_refused_before_a_trigger_stands() {
    let test = shared().await;
    let work = async {
        let table = test.table("t");
        let make = format!(
            "CREATE TABLE {} (id INT, a DATE, b DATE, PERIOD FOR p (a, b), PRIMARY KEY (id, p WITHOUT OVERLAPS))",
            table.quoted()
        );
        test.plain(0).run(&[&make]).await;
        let ended = Call::run(&test.nodes()[0], &table.to_string(), "ADD COLUMN x INT", &FAST).end(RUN).await;
        assert_eq!(ended.code, Some(3), "{:?} {}", ended.last("ended"), ended.said);
        assert!(ended.last("ended").is_some_and(|line| line.to_string().contains("WITHOUT OVERLAPS")), "{ended:?}");
        test.only(&["t"], "at the end").await;
    };
    test.bounded(LIMIT, work).await;
}
