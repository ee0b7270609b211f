//! One node after the other: only where nobody writes, only what rows stand half-way, and back from anywhere.

use std::sync::Arc;
use std::time::Duration;

use driftless::demo::{Ledger, Loaded, load};
use driftless::ports::server::Server;
use driftless::sql::Sql;
use driftless_strategies::TableName;
use serde_json::Value;

use crate::child::prepare;
use crate::prove_toi::{ALL, BUSY, RUN, done};
use crate::support::{Call, Ended, RoughWriters, TestCluster, exclusive, job_on, resume, shared, tell};

const LIMIT: Duration = Duration::from_secs(240);
const ALTER: &str = "ADD KEY by_all (revision, id)";

/// The names of a table's keys, by node, each after all that was ordered before.
async fn keys(test: &TestCluster, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT GROUP_CONCAT(DISTINCT INDEX_NAME ORDER BY INDEX_NAME) FROM information_schema.STATISTICS WHERE \
         TABLE_SCHEMA = '{}' AND TABLE_NAME = '{table}'",
        test.schema.as_str()
    );
    let mut all = Vec::new();
    for node in ALL {
        all.extend(test.plain(node).run(&["SET SESSION wsrep_sync_wait = 15", "SELECT 1", &sql]).await.concat());
    }
    all
}

/// `run … --strategy rsu`, connected to n1, whose turn is the last.
fn rsu(test: &TestCluster, table: &str, alter: &str) -> Call {
    Call::preferred(&test.nodes()[0], table, alter, &[&BUSY[..], &["--strategy", "rsu"]].concat())
}

fn rolled(ended: &Ended) -> Vec<String> {
    let nodes = ended.events.iter().filter(|line| line["event"] == "rolled");
    nodes.map(|line| line["node"].as_str().unwrap().to_owned()).collect()
}

async fn loaded(test: &TestCluster, rows: u64) -> Loaded {
    load(test.servers()[0].as_ref(), &test.table("orders"), rows).await.unwrap()
}

/// Writers on all nodes but one.
fn writers(test: &TestCluster, but: usize, loaded: &Loaded, ledger: &Ledger, seed: u64) -> RoughWriters {
    let servers = test.servers().into_iter().enumerate().filter(|(index, _)| *index != but);
    let servers: Vec<Arc<dyn Server>> = servers.map(|(_, server)| server).collect();
    RoughWriters::start(&servers, &loaded.table, ledger, 2, Duration::from_millis(5), seed)
}

/// What a proxy does: the node whose turn it is has no writers, the others have.
#[tokio::test]
async fn nodes_take_turns_while_others_are_written_to() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = loaded(test, 20_000).await;
        let (table, mut ledger) = (loaded.table.to_string(), Ledger::new(loaded.last_id()));
        let before = keys(test, "orders").await;
        for (round, alter) in
            [ALTER, "RENAME KEY by_all TO every, ADD KEY k2 (id, revision)", "DROP KEY every, DROP KEY k2"]
                .into_iter()
                .enumerate()
        {
            let seed = u64::try_from(round).unwrap() * 10;
            let mut writing = writers(test, 2, &loaded, &ledger, seed + 1);
            tokio::time::sleep(Duration::from_millis(500)).await;
            let mut call = rsu(test, &table, alter);
            for (node, name) in [(1, "n3"), (0, "n2")] {
                let through = call.event(|line| line["event"] == "rolled" && line["node"] == name).await;
                assert!(through.is_some(), "{alter}: {name}: {:?}", call.seen());
                let wrote = writing.stop(&mut ledger).await;
                assert_eq!(wrote.surprises, Vec::<String>::new(), "{alter}: answers that must not be");
                assert!(wrote.operations > 20, "{alter}: nobody wrote: {wrote:?}");
                // The next node has its turn when nobody writes there any more.
                writing = writers(test, node, &loaded, &ledger, seed + 2 + u64::try_from(node).unwrap());
            }
            let ended = call.end(RUN).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            writing.stop(&mut ledger).await;
            done(&ended, 0, &["proven equal"], alter);
            assert_eq!(rolled(&ended), ["n3", "n2", "n1"], "{alter}");
            let now = keys(test, "orders").await;
            assert!(now.iter().all(|node| *node == now[0]), "{alter}: {now:?}");
            test.proven(&loaded.table, &ledger, alter).await;
        }
        assert_eq!(keys(test, "orders").await, before, "there and back again");
        test.only(&["orders"], "at the end").await;
    };
    test.bounded(LIMIT, work).await;
}

/// A node that is written to, or where a transaction is open, has no turn; the job waits, and says for what.
#[tokio::test]
async fn a_node_with_writers_has_no_turn() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = loaded(test, 3_000).await;
        let (table, mut ledger) = (loaded.table.to_string(), Ledger::new(loaded.last_id()));
        let before = keys(test, "orders").await;
        let writing = writers(test, 0, &loaded, &ledger, 1);
        let mut call = rsu(test, &table, ALTER);
        let held = call.event(|line| line["event"] == "held").await.map(|line| line.to_string()).unwrap_or_default();
        assert!(held.contains("n3 is not without writers"), "{held}: {:?}", call.seen());
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(keys(test, "orders").await, before, "nothing is changed");
        call.interrupt();
        let ended = call.end(RUN).await;
        done(&ended, 5, &["stopped by a signal"], "Ctrl-C while it waits");
        let job = job_on(&test.nodes()[1], &table).await.expect("it can go on");
        let aborted = tell(&test.nodes()[1], &["abort", &job]).await;
        assert_eq!(aborted.code, Some(0), "{aborted:?}");
        writing.stop(&mut ledger).await;

        let mut holder = test.plain(2).connect().await.unwrap();
        holder.execute(&Sql::new("BEGIN")).await.unwrap();
        holder.query(&Sql::new("SELECT COUNT(*) FROM ").table(&loaded.table)).await.unwrap();
        let mut call = rsu(test, &table, ALTER);
        let held = call.event(|line| line["event"] == "held").await.map(|line| line.to_string()).unwrap_or_default();
        assert!(held.contains("n3 is not without writers"), "{held}: {:?}", call.seen());
        holder.execute(&Sql::new("COMMIT")).await.unwrap();
        done(&call.end(RUN).await, 0, &["proven equal"], "once the transaction is over");
        test.proven(&loaded.table, &ledger, "at the end").await;
    };
    test.bounded(LIMIT, work).await;
}

/// Killed anywhere, the job goes on or back by what the nodes have.
#[tokio::test]
async fn a_run_killed_anywhere_goes_on_or_back() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = loaded(test, 60_000).await;
        let table = loaded.table.to_string();
        let before = keys(test, "orders").await;
        let mut ends = Vec::new();
        for (round, wait) in [200, 1_150, 1_300, 1_600, 2_600, 2_900, 4_100].into_iter().enumerate() {
            let mut call = rsu(test, &table, ALTER);
            assert!(call.entered("altering").await, "{:?}", call.seen());
            tokio::time::sleep(Duration::from_millis(wait)).await;
            call.kill9();
            call.end(RUN).await;
            let Some(job) = job_on(&test.nodes()[1], &table).await else {
                let now = keys(test, "orders").await;
                assert!(now.iter().all(|node| node.contains("by_all")), "it was through: {now:?}");
                test.plain(0).run(&[&format!("ALTER TABLE {} DROP KEY by_all", loaded.table.quoted())]).await;
                continue;
            };
            let forward = round % 2 == 0;
            let ended = if forward {
                resume(&test.nodes()[round % 3], &job, &BUSY).end(RUN).await
            } else {
                tell(&test.nodes()[round % 3], &["abort", &job]).await
            };
            assert_eq!(ended.code, Some(0), "{wait}: {ended:?}");
            let now = keys(test, "orders").await;
            ends.push((wait, forward, rolled(&ended)));
            if forward {
                assert!(now.iter().all(|node| node.contains("by_all")), "{wait}: {now:?}");
                test.plain(0).run(&[&format!("ALTER TABLE {} DROP KEY by_all", loaded.table.quoted())]).await;
            } else {
                assert_eq!(now, before, "{wait}: back again");
            }
            assert_eq!(job_on(&test.nodes()[0], &table).await, None);
            test.proven(&loaded.table, &Ledger::new(loaded.last_id()), "killed").await;
        }
        eprintln!("waited, resumed, turns after that: {ends:?}");
    };
    test.bounded(LIMIT, work).await;
}

/// Disturbs n3 in the middle of its ALTER; the run must stop, and go on once n3 is well again.
async fn in_its_turn(test: &TestCluster, disturb: impl FnOnce(), mend: impl Future<Output = ()>) {
    let loaded = loaded(test, 100_000).await;
    let table = loaded.table.to_string();
    let mut call = rsu(test, &table, ALTER);
    assert!(call.entered("altering").await, "{:?}", call.seen());
    let working = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER TABLE%'";
    while test.plain(2).number(working).await == Some(0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    disturb();
    let ended = call.end(RUN).await;
    assert_eq!(ended.code, Some(5), "n3 does not answer: {ended:?}");
    mend.await;
    let job = job_on(&test.nodes()[0], &table).await.expect("it can go on");
    done(&resume(&test.nodes()[0], &job, &BUSY).end(RUN).await, 0, &["proven equal"], "resumed");
    let now = keys(test, "orders").await;
    assert!(now.iter().all(|node| node.contains("by_all")), "{now:?}");
    test.proven(&loaded.table, &Ledger::new(loaded.last_id()), "at the end").await;
}

/// A node that goes down in its turn comes back with the change or without; the job asks it.
#[tokio::test]
async fn a_node_that_goes_down_in_its_turn_is_asked_what_it_has() {
    let alone = exclusive().await;
    let test = &alone.test;
    let cluster = test.cluster();
    let restart = async { cluster.restart(2).await.unwrap() };
    test.bounded(LIMIT, in_its_turn(test, || cluster.kill9(2), restart)).await;
}

/// A node that neither dies nor answers is not waited for for ever, and is asked when it is back.
#[tokio::test]
async fn a_node_that_freezes_in_its_turn_is_given_up() {
    let alone = exclusive().await;
    let test = &alone.test;
    let cluster = test.cluster();
    let thaw = async {
        cluster.thaw(2);
        cluster.heal().await.unwrap();
    };
    test.bounded(LIMIT, in_its_turn(test, || cluster.freeze(2), thaw)).await;
}

/// Runs until n3 is changed and n2 is waited for, then stops it; the job's id.
async fn half_way(test: &TestCluster, table: &TableName, alter: &str) -> String {
    let mut holder = test.plain(1).connect().await.unwrap();
    holder.execute(&Sql::new("BEGIN")).await.unwrap();
    holder.query(&Sql::new("SELECT COUNT(*) FROM ").table(table)).await.unwrap();
    let mut call = rsu(test, &table.to_string(), alter);
    assert!(call.event(|line| line["event"] == "rolled").await.is_some(), "{alter}: {:?}", call.seen());
    let held = call.event(|line| line["event"] == "held").await;
    assert!(held.is_some(), "{alter}: {:?}", call.seen());
    call.interrupt();
    assert_eq!(call.end(RUN).await.code, Some(5), "{alter}");
    holder.execute(&Sql::new("COMMIT")).await.unwrap();
    job_on(&test.nodes()[0], &table.to_string()).await.expect("it can go on")
}

/// What is taken back is what was there, on every node, to the letter of SHOW CREATE TABLE.
#[tokio::test]
async fn keys_come_back_as_they_were() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        prepare(
            test,
            &[
                "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(90), KEY kh (b(7), a) IGNORED, KEY ka (a), \
                 KEY kb (b(5) DESC, id) COMMENT 'it''s \\\\ #5? é')",
                "INSERT INTO t VALUES (1, 1, 'a')",
            ],
        )
        .await;
        let table = test.table("t");
        let show = format!("SHOW CREATE TABLE {}", table.quoted());
        let shown = async || {
            let mut all = Vec::new();
            for node in ALL {
                all.push(test.plain(node).run(&["SET SESSION wsrep_sync_wait = 15", &show]).await);
            }
            all
        };
        let before = shown().await;
        let alters = [
            "DROP KEY kb",
            "ALTER KEY ka IGNORED",
            "ALTER KEY kh NOT IGNORED",
            "RENAME KEY kb TO kbb",
            "ADD KEY n (b)",
        ];
        for alter in alters {
            let job = half_way(test, &table, alter).await;
            assert_ne!(shown().await[2], before[2], "{alter}: n3 is changed");
            let aborted = tell(&test.nodes()[1], &["abort", &job]).await;
            assert_eq!(aborted.code, Some(0), "{alter}: {aborted:?}");
            assert_eq!(shown().await, before, "{alter}");
        }
    };
    test.bounded(LIMIT, work).await;
}

/// A node that is away keeps what it has, and comes back with it: no end is said to be one without it.
#[tokio::test]
async fn a_node_that_is_away_is_not_forgotten() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        prepare(test, &["CREATE TABLE t (id INT PRIMARY KEY, a INT)", "INSERT INTO t VALUES (1, 1)"]).await;
        let table = test.table("t");
        let job = half_way(test, &table, "ADD KEY ka (a)").await;
        test.cluster().kill9(2);
        tokio::time::sleep(Duration::from_secs(8)).await;
        let resumed = resume(&test.nodes()[0], &job, &BUSY).end(RUN).await;
        done(&resumed, 5, &["n3: gives no answer (it is not in the cluster)"], "resumed without n3");
        let aborted = tell(&test.nodes()[1], &["abort", &job]).await;
        assert_eq!(aborted.code, Some(5), "{aborted:?}");
        test.cluster().restart(2).await.unwrap();
        let aborted = tell(&test.nodes()[1], &["abort", &job]).await;
        assert_eq!(aborted.code, Some(0), "{aborted:?}");
        assert!(keys(test, "t").await.iter().all(|keys| keys == "PRIMARY"), "{:?}", keys(test, "t").await);
        // A table that is gone everywhere leaves no job behind.
        let job = half_way(test, &table, "ADD KEY ka (a)").await;
        test.plain(0).run(&[&format!("DROP TABLE {}", table.quoted())]).await;
        let aborted = tell(&test.nodes()[1], &["abort", &job]).await;
        assert_eq!(aborted.code, Some(4), "{aborted:?}");
        assert_eq!(job_on(&test.nodes()[0], &table.to_string()).await, None);
    };
    test.bounded(LIMIT, work).await;
}

/// Somebody's statement on one node alone, as RSU does it.
pub(crate) async fn alone_on(test: &TestCluster, node: usize, alter: &str) {
    let statement = format!("ALTER TABLE {} {alter}", test.table("t").quoted());
    test.plain(node).run(&["SET SESSION wsrep_OSU_method = 'RSU'", "SET SESSION sql_log_bin = 0", &statement]).await;
}

/// All rows of `t`, by node.
async fn rows(test: &TestCluster, what: &str) -> Vec<Vec<Vec<String>>> {
    let sql = format!("SELECT {what} FROM {} ORDER BY id", test.table("t").quoted());
    let mut all = Vec::new();
    for node in ALL {
        all.push(test.plain(node).run(&["SET SESSION wsrep_sync_wait = 15", "SELECT 1", &sql]).await);
    }
    all
}

/// The rules of `strategies/row_events.rs`, tried half-way: what is let through replicates both ways.
#[tokio::test]
async fn what_is_let_through_replicates_both_ways_half_way() {
    let test = shared().await;
    let work = async {
        let table = test.table("t").quoted();
        prepare(
            &test,
            &[
                "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(30), KEY ka (a), KEY kb (b), UNIQUE KEY ua (a, id))",
                "INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, NULL)",
            ],
        )
        .await;
        let safe =
            ["ADD KEY kab (a, b)", "DROP KEY ka", "RENAME KEY kb TO kbb", "ALTER KEY kab IGNORED", "DROP KEY kbb"];
        let mut id = 100;
        for alter in safe {
            alone_on(&test, 2, alter).await;
            for node in ALL {
                id += 1;
                let row = format!("INSERT INTO {table} VALUES ({id}, {id}, 'n{node}')");
                let update = format!("UPDATE {table} SET a = a + 1000, b = CONCAT(b, '+') WHERE id = {}", node + 1);
                let gone = format!("DELETE FROM {table} WHERE id = {}", id - 3);
                test.plain(node).run(&[&row, &update, &gone]).await;
            }
            let all = rows(&test, "*").await;
            assert!(all.iter().all(|node| *node == all[0]), "{alter}: {all:?}");
            alone_on(&test, 0, alter).await;
            alone_on(&test, 1, alter).await;
        }
    };
    test.bounded(LIMIT, work).await;
}

/// What the rules forbid, refused; and what would have happened, without an error on any node.
#[tokio::test]
async fn what_is_refused_would_have_made_nodes_different() {
    let test = shared().await;
    let work = async {
        let table = test.table("t").quoted();
        prepare(
            &test,
            &[
                "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, UNIQUE KEY ub (b))",
                "INSERT INTO t VALUES (1, 10, 20), (2, 11, 21)",
            ],
        )
        .await;
        let refused = [
            "ADD COLUMN c INT",
            "DROP COLUMN a",
            "MODIFY a BIGINT",
            "ADD UNIQUE (a)",
            "DROP KEY ub",
            "ADD COLUMN c INT FIRST",
            "RENAME COLUMN a TO z",
            "ADD CHECK (a > 0)",
            "ENGINE = InnoDB",
            "ADD KEY ka (a), DROP COLUMN b",
        ];
        for alter in refused {
            let ended = rsu(&test, &test.table("t").to_string(), alter).end(RUN).await;
            let all = ended.events.iter().map(Value::to_string).collect::<String>() + &ended.said;
            assert_eq!(ended.code, Some(3), "{alter}: {all}");
            assert!(all.contains("row-events"), "{alter}: {all}");
        }
        // A column that only n3 has: what is written to it there is dropped elsewhere.
        alone_on(&test, 2, "ADD COLUMN c INT").await;
        test.plain(2).run(&[&format!("INSERT INTO {table} VALUES (3, 12, 22, 33)")]).await;
        alone_on(&test, 0, "ADD COLUMN c INT").await;
        alone_on(&test, 1, "ADD COLUMN c INT").await;
        let all = rows(&test, "*").await;
        assert_ne!(all[2], all[0], "the value is on n3 only");
        assert_eq!(all[0], all[1]);
        // A column that n3 has no more: the values of the next one land in its place.
        alone_on(&test, 2, "DROP COLUMN a").await;
        test.plain(0).run(&[&format!("INSERT INTO {table} VALUES (4, 13, 23, 34)")]).await;
        let all = rows(&test, "id, b").await;
        assert_eq!((&all[0][3][1], &all[2][3][1]), (&"23".to_owned(), &"13".to_owned()), "{all:?}");
        test.plain(0).run(&[&format!("DROP TABLE {table}")]).await;
    };
    test.bounded(LIMIT, work).await;
}
