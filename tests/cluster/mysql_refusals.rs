//! What a run on MySQL needs and what stops it: rights, a read-only server, a TRUNCATE, a replica that is behind, locks.

use std::time::Duration;

use driftless::demo::{Lines, load};
use driftless::ports::server::Server as _;
use driftless::sql::Sql;
use driftless_strategies::{Ident, TableName};
use serde_json::Value;

use crate::child::{Ran, run};
use crate::prove_toi::{RUN, done};
use crate::support::{Call, MysqlPrimary, TestMysql, bounded, job_on, mysql, resume, tell};

const LIMIT: Duration = Duration::from_secs(180);

async fn as_op(test: &TestMysql, words: &[&str], more: &[&str]) -> Ran {
    let port = test.node().port.to_string();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "it's a \\ secret\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let to = ["--no-defaults", "--host", "127.0.0.1", "--port", &port, "--user", "mysql_op"];
    let password = ["--password-file", file.to_str().unwrap()];
    run(&[words, &to, &password, more].concat()).await
}

/// Grants what is asked for until nothing is: that is enough for whole runs, over TLS and `caching_sha2_password`.
#[tokio::test]
async fn what_it_asks_for_is_enough() {
    let Some(test) = mysql().await else { return };
    let (plain, table) = (test.plain(), test.table("t").quoted());
    let work = async {
        let user = "CREATE USER mysql_op@'%' IDENTIFIED BY 'it''s a \\\\ secret' REQUIRE SSL";
        let made = format!("CREATE TABLE {table} (id INT PRIMARY KEY, a INT)");
        plain.run(&[user, &made, &format!("INSERT INTO {table} VALUES (1, 1), (2, 2)")]).await;
        // To see the table at all.
        plain.run(&[&format!("GRANT SELECT ON {}.* TO mysql_op@'%'", test.schema.quoted())]).await;
        let change = ["--table", &table, "--alter", "ADD COLUMN z INT, ADD KEY ka (a)"];
        let mut asked = Vec::new();
        for _ in 0..3 {
            let planned = as_op(&test, &["plan"], &[&change[..], &["--format", "json"]].concat()).await;
            let document: Value = serde_json::from_str(&planned.out).unwrap_or_else(|_| panic!("{planned:?}"));
            let blockers = document["decision"]["blockers"].as_array().unwrap().clone();
            let Some(lacks) = blockers.iter().find(|blocker| blocker["code"] == "privilege-missing") else { break };
            for grant in lacks["remedy"].as_str().unwrap().split(';').map(str::trim).filter(|grant| !grant.is_empty()) {
                asked.push(grant.to_owned());
                plain.run(&[&grant.replace('…', "mysql_op@'%'")]).await;
            }
        }
        eprintln!("{asked:#?}");
        for wanted in ["XA_RECOVER_ADMIN ON *.*", "REPLICATION SLAVE ON *.*", "PROCESS ON *.*"] {
            assert!(asked.iter().any(|grant| grant.contains(wanted)), "{wanted} is not in {asked:?}");
        }
        let copied = as_op(&test, &["run", "--yes"], &[&change[..], &["--strategy", "trigger-copy"]].concat()).await;
        copied.must(0, &["proven equal"], "a copy");
        let native = ["--table", &table, "--alter", "ADD COLUMN y INT FIRST, DROP COLUMN z"];
        as_op(&test, &["run", "--yes"], &native).await.must(0, &["is changed"], "the server's own");
        as_op(&test, &["check"], &["--table", &table]).await.must(0, &["healthy"], "a check");
    };
    bounded(LIMIT, &[test.node()], work).await;
}

/// TRUNCATE fires no trigger: the shadow still has the rows.
#[tokio::test]
async fn a_table_that_was_truncated_while_the_switch_was_held_is_not_switched() {
    let Some(test) = mysql().await else { return };
    let work = async {
        let loaded = load(&test.plain(), &test.table("or-ders é"), 2_000).await.unwrap();
        let (node, table) = (test.node(), loaded.table.quoted());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("wait");
        std::fs::write(&file, "").unwrap();
        let more = ["--postpone-cutover-file", file.to_str().unwrap()];
        let mut call = Call::run(&node, &table, "ADD COLUMN extra INT", &more);
        assert!(call.event(|line| line["event"] == "held").await.is_some(), "it is held: {:?}", call.seen());
        test.plain().run(&[&format!("TRUNCATE TABLE {table}")]).await;
        std::fs::remove_file(&file).unwrap();
        done(&call.end(RUN).await, 5, &["truncated"], "not switched");
        let job = job_on(&node, &table).await.expect("it is still there");
        assert_eq!(resume(&node, &job, &[]).end(RUN).await.code, Some(4), "compared again");
        assert_eq!(tell(&node, &["abort", &job]).await.code, Some(0));
        let tables = test.plain().run(&[&format!("SHOW TABLES FROM {}", test.schema.quoted())]).await.concat();
        assert_eq!(tables, ["or-ders é"], "after the abort");
    };
    bounded(LIMIT, &[test.node()], work).await;
}

#[tokio::test]
async fn locks_and_transactions_are_seen_before_anything_is_made() {
    let Some(test) = mysql().await else { return };
    let table = test.table("t").quoted();
    let work = async {
        test.plain()
            .run(&[&format!("CREATE TABLE {table} (id INT PRIMARY KEY)"), &format!("INSERT INTO {table} VALUES (1)")])
            .await;
        let held = [
            (vec![format!("LOCK TABLES {table} READ")], "lock-held"),
            (vec![format!("LOCK TABLES {table} WRITE")], "lock-held"),
            (vec![format!("FLUSH TABLES {table} FOR EXPORT")], "lock-held"),
            (
                vec![
                    "XA START 'x'".to_owned(),
                    format!("UPDATE {table} SET id = 2"),
                    "XA END 'x'".to_owned(),
                    "XA PREPARE 'x'".to_owned(),
                ],
                "lock-held",
            ),
        ];
        for (statements, code) in held {
            let mut session = test.plain().connect().await.unwrap();
            for statement in &statements {
                session.execute(&Sql::new("").trusted(statement)).await.unwrap();
            }
            let planned = tell(&test.node(), &["plan", "--table", &table, "--alter", "ADD COLUMN z INT"]).await;
            let said = planned.events.iter().map(ToString::to_string).collect::<String>() + &planned.said;
            assert!(planned.code == Some(3) && said.contains(code), "{statements:?}: {:?} {said}", planned.code);
            drop(session);
            if statements[0].starts_with("XA") {
                test.plain().run(&["XA ROLLBACK 'x'"]).await;
            }
        }
        let planned = tell(&test.node(), &["plan", "--table", &table, "--alter", "ADD COLUMN z INT"]).await;
        assert_eq!(planned.code, Some(0), "once all have gone: {planned:?}");
    };
    bounded(LIMIT, &[test.node()], work).await;
}

/// Options that forbid what driftless makes, or name it otherwise, do not get in its way.
#[tokio::test]
async fn a_replica_holds_the_copy_back_and_a_read_only_server_takes_none() {
    let lines = [(Lines::All, "sql_require_primary_key=ON"), (Lines::All, "innodb_lock_wait_timeout=2")];
    let Some(pair) = MysqlPrimary::start(1, &lines).await else { return };
    let work = async {
        let orders = TableName::new(Ident::new("s").unwrap(), Ident::new("orders").unwrap());
        load(&pair.plain(0), &orders, 5_000).await.unwrap();
        pair.caught_up().await;
        let node = pair.node(0);
        pair.plain(1).run(&["STOP REPLICA SQL_THREAD"]).await;
        let mut call = Call::run(&node, "s.orders", "ADD COLUMN z INT", &["--max-lag", "2s"]);
        let paused = call.event(|line| line["event"] == "paused" && line.to_string().contains("replica")).await;
        assert!(paused.is_some(), "a replica that does not apply holds it: {:?}", call.seen());
        pair.plain(1).run(&["START REPLICA"]).await;
        done(&call.end(RUN).await, 0, &["proven equal"], "the replica applies again");
        pair.caught_up().await;
        let same = tell(&node, &["check", "--schema", "s"]).await;
        assert_eq!(same.code, Some(0), "{same:?}");
        // On the replica itself nothing is changed.
        for (setting, table) in [("super_read_only", "s.orders"), ("read_only", "s.orders")] {
            pair.plain(1).run(&[&format!("SET GLOBAL {setting} = ON")]).await;
            let refused = Call::run(&pair.node(1), table, "ADD COLUMN y INT", &[]).end(RUN).await;
            assert!(refused.code == Some(3) && refused.said.contains("read-only"), "{setting}: {refused:?}");
            pair.plain(1).run(&["SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF"]).await;
        }
        // A drifted replica is found.
        pair.plain(1).run(&["SET sql_log_bin = 0", "ALTER TABLE s.orders ADD KEY extra (customer)"]).await;
        let drift = tell(&node, &["check", "--schema", "s"]).await;
        assert_eq!(drift.code, Some(4), "{drift:?}");
    };
    bounded(LIMIT, &pair.cluster.nodes(), work).await;
}
