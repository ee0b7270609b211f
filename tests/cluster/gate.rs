//! The gate for conflicts.
//!
//! Applications on every node write rows that the new table can't take, up to the switch and beyond. Either a conflict
//! is recorded and the gate does not close, or it closes and no row that was accepted is missing after the RENAME.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::support::exclusive;
use driftless::ports::journal::JobId;
use driftless::sql::{copy, ddl, journal, triggers};
use driftless_strategies::plan::{ChunkKey, ColumnPair, Compare, CopySpec, KeyColumn, Literal};
use driftless_strategies::{Ident, TableName, TableShape};
use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;

const SCHEMA: &str = "gate_test";
const ROUNDS: u32 = 12;

async fn open(node: &str) -> Conn {
    let opts = mysql_async::Opts::from_url(&format!("mysql://root@{node}/?prefer_socket=false")).unwrap();
    Conn::new(opts).await.unwrap()
}

async fn number(conn: &mut Conn, sql: &str) -> u64 {
    conn.query_first(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")).unwrap()
}

fn spec() -> CopySpec {
    let ident = |text: &str| Ident::new(text).unwrap();
    let source = TableName::new(ident(SCHEMA), ident("t"));
    let pair = |name: &str| ColumnPair { source: ident(name), shadow: ident(name), compare: Compare::Same };
    let key = KeyColumn { source: ident("id"), shadow: ident("id"), literal: Literal::Number };
    CopySpec {
        shadow: source.shadow(),
        retired: source.retired(),
        source,
        columns: vec![pair("id"), pair("v")],
        key: ChunkKey { source_index: ident("PRIMARY"), shadow_index: ident("PRIMARY"), columns: vec![key] },
        new_unique: Vec::new(),
        zero_dates: false,
        target: TableShape::default(),
    }
}

/// Writes until told to stop; one row in `rarity` is too large for the new table.
async fn write(node: String, first: u32, rarity: u32, stop: Arc<AtomicBool>, accepted: Arc<AtomicU32>) {
    let mut conn = open(&node).await;
    let mut id = first;
    while !stop.load(Ordering::Relaxed) {
        id += 1;
        let v = if id.is_multiple_of(rarity) { 1_000_000 } else { 1 };
        let done = conn.query_drop(format!("INSERT INTO {SCHEMA}.t VALUES ({id}, {v})")).await;
        if done.is_ok() && v > 1 {
            accepted.fetch_add(1, Ordering::Relaxed);
        }
    }
    conn.disconnect().await.unwrap();
}

/// One job up to its switch; whether it switched.
async fn round(round: u32, nodes: &[String]) -> bool {
    let (spec, job) = (spec(), JobId(format!("{:012x}", 0x6a7e_0000 + round)));
    let mut conn = open(&nodes[0]).await;
    for name in journal::TABLES {
        conn.query_drop(journal::create_table(name).unwrap().as_str()).await.unwrap();
    }
    for forgotten in journal::forget(&job) {
        conn.query_drop(forgotten.as_str()).await.unwrap();
    }
    conn.query_drop(format!("DROP SCHEMA IF EXISTS {SCHEMA}")).await.unwrap();
    conn.query_drop(format!("CREATE SCHEMA {SCHEMA}")).await.unwrap();
    conn.query_drop(format!("CREATE TABLE {SCHEMA}.t (id INT PRIMARY KEY, v INT NOT NULL)")).await.unwrap();
    conn.query_drop(ddl::create_shadow(&spec).as_str()).await.unwrap();
    conn.query_drop(format!("ALTER TABLE {} MODIFY v SMALLINT NOT NULL", spec.shadow.quoted())).await.unwrap();
    conn.query_drop(copy::writing_mode(&spec).as_str()).await.unwrap();
    conn.query_drop(journal::open_gate(&job).as_str()).await.unwrap();
    for change in triggers::Change::ALL {
        conn.query_drop(triggers::create_trigger(&spec, &job, change).as_str()).await.unwrap();
    }
    let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    // From a misfit every few rows to one in a round: both outcomes must come up.
    let rarity = 40 << (round % 6);
    let writers = (0_u32..).zip(nodes).map(|(index, node)| {
        tokio::spawn(write(node.clone(), index * 1_000_000, rarity, Arc::clone(&stop), Arc::clone(&accepted)))
    });
    let writers: Vec<_> = writers.collect();
    tokio::time::sleep(Duration::from_millis(250)).await;
    let closed = loop {
        if conn.query_drop(journal::close_gate(&job).as_str()).await.is_ok() {
            break conn.affected_rows() == 1;
        }
    };
    if closed {
        // Longer than in life, so that writes meet a closed gate.
        tokio::time::sleep(Duration::from_millis(60)).await;
        conn.query_drop(ddl::switch(&spec).as_str()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let recorded = number(&mut conn, &format!("SELECT COUNT(*) FROM driftless.conflict WHERE job = '{job}'")).await;
    if closed {
        let (old, new) = (spec.retired.quoted(), spec.source.quoted());
        let lost = format!("SELECT COUNT(*) FROM {old} o LEFT JOIN {new} n ON n.id = o.id WHERE n.id IS NULL");
        assert_eq!(number(&mut conn, &lost).await, 0, "round {round}: a row that was accepted is missing");
        assert_eq!(recorded, 0, "round {round}: a conflict was recorded behind the closed gate");
        assert_eq!(accepted.load(Ordering::Relaxed), 0, "round {round}: a misfit was accepted");
    } else {
        assert!(recorded > 0, "round {round}: the gate did not close, but nothing was recorded");
    }
    conn.query_drop(format!("DROP SCHEMA {SCHEMA}")).await.unwrap();
    for forgotten in journal::forget(&job) {
        conn.query_drop(forgotten.as_str()).await.unwrap();
    }
    conn.disconnect().await.unwrap();
    closed
}

#[tokio::test(flavor = "multi_thread")]
async fn no_conflict_slips_in_between_the_last_look_and_the_switch() {
    let alone = exclusive().await;
    let nodes: Vec<String> = alone.test.nodes().iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let mut conn = open(&nodes[0]).await;
    conn.query_drop(journal::create_schema().as_str()).await.unwrap();
    conn.disconnect().await.unwrap();
    let mut switched = 0;
    for index in 0..ROUNDS {
        switched += u32::from(round(index, &nodes).await);
    }
    assert!((1..ROUNDS).contains(&switched), "{switched} of {ROUNDS} switched: only one outcome was tested");
}
