//! No row is lost, invented or changed while applications write to all nodes: the race that brings deleted rows back.

use std::time::Duration;

use driftless::demo::{Ledger, Loaded, load, prove};
use driftless_strategies::TableName;

use crate::support::{Call, RoughWriters, TestCluster, shared};

const LIMIT: Duration = Duration::from_secs(180);
/// Writes go on at least so long during a run.
const WRITING: Duration = Duration::from_secs(20);
const ALTER: &str = "ADD COLUMN channel VARCHAR(20) NOT NULL DEFAULT 'web', MODIFY total DECIMAL(16,4) NOT NULL, \
                     ADD KEY by_reference (reference)";

#[tokio::test]
async fn no_row_is_lost_or_brought_back_by_writers_on_all_nodes() {
    let test = shared().await;
    test.bounded(LIMIT, race(&test, "trigger-copy")).await;
}

#[tokio::test]
async fn no_row_is_lost_when_changes_come_from_the_binlog() {
    let test = shared().await;
    test.bounded(LIMIT, race(&test, "binlog-stream")).await;
}

async fn race(test: &TestCluster, strategy: &str) {
    let servers = test.servers();
    let loaded = load(servers[0].as_ref(), &test.table("orders"), 50_000).await.unwrap();
    let mut ledger = Ledger::new(loaded.last_id());
    let writers = RoughWriters::start(&servers, &loaded.table, &ledger, 2, Duration::ZERO, 1);
    let pace = ["--max-rows-per-second", "2200", "--chunk-rows", "150", "--max-flow-control-paused", "0.5"];
    let began = tokio::time::Instant::now();
    let mut call = Call::by(strategy, &test.nodes()[0], &loaded.table.to_string(), ALTER, &pace);
    let mut first = None;
    while let Some(event) = call.event(|line| line["event"] == "progress").await {
        // Loaded ids are four apart, so this is about the id that is being copied.
        let rows = event["rows"].as_u64().unwrap();
        writers.near.store(rows * 4, std::sync::atomic::Ordering::Relaxed);
        first.get_or_insert_with(|| (began.elapsed(), writers.acknowledged()));
    }
    let ended = call.end(Duration::from_secs(60)).await;
    assert_eq!(ended.code, Some(0), "{:?}\n{}", ended.last("ended"), ended.said);
    let (since, before) = first.expect("progress was told");
    let (wrote, during) = (began.elapsed() - since, writers.acknowledged() - before);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let done = writers.stop(&mut ledger).await;
    eprintln!("{wrote:?} of writes beside the copy, {during} operations; {done:?}");
    assert!(wrote >= WRITING, "only {wrote:?} of writes: {:?}", ended.last("summary"));
    assert!(during > 1_000, "only {during} operations beside the copy");
    assert_eq!(done.surprises, Vec::<String>::new(), "answers that must not be");
    assert!(done.kinds.len() >= 9, "every kind of write came: {:?}", done.kinds);
    let proof = test.proven(&loaded.table, &ledger, "after the run").await;
    assert!(proof.nodes[0].columns.contains(&"channel".to_owned()), "the change is made");
    test.only(&["orders"], "after the run").await;
}

/// The same with the triggers that everyone uses shows what the test above looks for.
#[tokio::test]
async fn naive_triggers_bring_deleted_rows_back() {
    let test = shared().await;
    test.bounded(LIMIT, naive(&test)).await;
}

async fn naive(test: &TestCluster) {
    let servers = test.servers();
    let Loaded { table, rows } = load(servers[0].as_ref(), &test.table("plain"), 30_000).await.unwrap();
    let shadow = test.table("plain_new");
    let (source, new) = (table.quoted(), shadow.quoted());
    let columns = test.columns(&table).await;
    let values: Vec<String> = columns.iter().map(|column| format!("NEW.{column}")).collect();
    let replace = format!("REPLACE INTO {new} ({}) VALUES ({})", columns.join(", "), values.join(", "));
    let trigger = |name: &str, when: &str, body: &str| {
        format!(
            "CREATE TRIGGER {}.{name} AFTER {when} ON {source} FOR EACH ROW BEGIN {body}; END",
            test.schema.quoted()
        )
    };
    let delete = format!("DELETE IGNORE FROM {new} WHERE id = OLD.id");
    let made = [
        format!("CREATE TABLE {new} LIKE {source}"),
        trigger("naive_del", "DELETE", &delete),
        trigger(
            "naive_upd",
            "UPDATE",
            &format!("DELETE IGNORE FROM {new} WHERE id = OLD.id AND OLD.id <> NEW.id; {replace}"),
        ),
        trigger("naive_ins", "INSERT", &replace),
    ];
    test.plain(0).run(&made.each_ref().map(String::as_str)).await;
    let mut ledger = Ledger::new(rows * 4);
    // Writers on the other nodes only: the race is between nodes.
    let writers = RoughWriters::start(&servers[1..], &table, &ledger, 4, Duration::ZERO, 2);
    copy_naively(test, &writers, &source, &new, rows * 4).await;
    writers.stop(&mut ledger).await;
    let lost_or_back = differing(test, &table, &shadow).await;
    eprintln!("naive triggers: {lost_or_back} rows differ between source and copy");
    let proof = prove(&servers, &table, &ledger).await.unwrap();
    assert!(proof.holds(), "the source itself is right: {proof:?}");
    assert!(lost_or_back > 0, "the race did not show with naive triggers: the test above proves little");
}

/// Chunks of 500 ids, as the tools do it, up to the last loaded id.
async fn copy_naively(test: &TestCluster, writers: &RoughWriters, source: &str, new: &str, last: u64) {
    let node = test.plain(0);
    let mut from = 0;
    while from <= last {
        let chunk = format!(
            "INSERT LOW_PRIORITY IGNORE INTO {new} SELECT * FROM {source} FORCE INDEX (PRIMARY) \
             WHERE id > {from} AND id <= {} LOCK IN SHARE MODE",
            from + 500
        );
        writers.near.store(from, std::sync::atomic::Ordering::Relaxed);
        node.insist(&chunk).await;
        from += 500;
    }
}

/// Rows that stand in one of the two tables only.
async fn differing(test: &TestCluster, one: &TableName, other: &TableName) -> u64 {
    let (one, other) = (one.quoted(), other.quoted());
    let sql = format!(
        "SELECT (SELECT COUNT(*) FROM {one} a LEFT JOIN {other} b USING (id) WHERE b.id IS NULL) \
         + (SELECT COUNT(*) FROM {other} a LEFT JOIN {one} b USING (id) WHERE b.id IS NULL)"
    );
    let rows = test.plain(0).run(&["SET SESSION wsrep_sync_wait = 15", "SELECT 1", &sql]).await;
    rows[0][0].parse().unwrap()
}
