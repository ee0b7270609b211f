//! The watch before each ordered step.

use std::sync::Arc;
use std::time::Duration;

use driftless::error::Fault;
use driftless::inspect::{Expectation, Expected, Limits, NodeWatch, OwnTriggers};
use driftless::ports::clock::Clock;
use driftless::ports::nodes::Nodes;
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{TableName, Topology};

use super::{LIMITS, RealClock, Schema, cluster, connect, facts, run, synced, until};

async fn expectation(table: &TableName) -> Expectation {
    let facts = facts(table, None).await;
    let print = facts.nodes[0].fingerprint.clone().unwrap();
    let tables = vec![
        (table.clone(), Expected::Exactly(print)),
        (table.shadow(), Expected::Absent),
        (table.retired(), Expected::Absent),
    ];
    Expectation { topology: facts.topology, tables, own_triggers: OwnTriggers::Forbidden }
}

async fn watch(expectation: Expectation, limits: Limits) -> NodeWatch {
    NodeWatch::new(&cluster().await, expectation, limits, Arc::new(RealClock::start()))
}

fn code(fault: Fault) -> ReasonCode {
    match fault {
        Fault::Refused(reason) => reason.code,
        other @ (Fault::Busy(_) | Fault::Lost(_) | Fault::Rows { .. } | Fault::Full(_) | Fault::Failed(_)) => {
            panic!("{other:?}")
        }
    }
}

#[tokio::test]
async fn fit_is_quick_and_barrier_holds() {
    let mut schema = Schema::new("fit").await;
    schema.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let watch = watch(expectation(&schema.table("t")).await, LIMITS).await;
    watch.fit(driftless::ports::journal::Phase::Planned).await.unwrap();
    let clock = RealClock::start();
    let mut times = Vec::new();
    for _ in 0..15 {
        let before = clock.now();
        watch.fit(driftless::ports::journal::Phase::Planned).await.unwrap();
        times.push(clock.now() - before);
    }
    times.sort();
    // The bound leaves room for a machine that compiles meanwhile.
    assert!(times[0] < Duration::from_millis(250), "{times:?}");
    let mut other = connect(2).await;
    for id in 0..20 {
        schema.run(&format!("INSERT INTO t VALUES ({id})")).await;
        watch.barrier().await.unwrap();
        let rows = run(&mut *other, "SELECT COUNT(*) FROM inspect_fit.t").await;
        assert_eq!(rows[0].u64(0), Some(id + 1));
    }
    schema.gone().await;
}

#[tokio::test]
async fn locks_and_old_transactions_on_another_node_hold_it_back() {
    let mut schema = Schema::new("held").await;
    schema.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let table = schema.table("t");
    let expected = expectation(&table).await;
    let patient = watch(expected.clone(), LIMITS).await;
    let mut other = connect(1).await;
    for lock in [
        "LOCK TABLES inspect_held.t READ",
        "LOCK TABLES inspect_held.t WRITE",
        "FLUSH TABLES inspect_held.t WITH READ LOCK",
    ] {
        run(&mut *other, lock).await;
        let answer = patient.fit(driftless::ports::journal::Phase::Planned).await;
        let seen = facts(&table, None).await;
        run(&mut *other, "UNLOCK TABLES").await;
        let Err(Fault::Busy(why)) = answer else { panic!("{lock}: {answer:?}") };
        assert!(why.contains("[lock-held]") && why.starts_with(&seen.nodes[1].name), "{lock}: {why}");
        let held: Vec<_> = seen.nodes.iter().map(|node| node.holders.len()).collect();
        assert_eq!(held, [0, 1, 0], "{lock}");
        until(async || patient.fit(driftless::ports::journal::Phase::Planned).await.ok()).await;
    }
    let watch = watch(expected, Limits { old_transaction: Duration::from_secs(1) }).await;
    run(&mut *other, "BEGIN").await;
    run(&mut *other, "INSERT INTO inspect_held.t VALUES (1)").await;
    let why = until(async || match watch.fit(driftless::ports::journal::Phase::Planned).await {
        Err(Fault::Busy(why)) if why.contains("[old-transaction]") => Some(why),
        Ok(()) | Err(_) => None,
    })
    .await;
    run(&mut *other, "ROLLBACK").await;
    assert!(why.contains("(root@") && why.contains("open for "), "{why}");
    until(async || watch.fit(driftless::ports::journal::Phase::Planned).await.ok()).await;
    schema.gone().await;
}

#[tokio::test]
async fn drift_other_epochs_and_things_in_the_way_are_refused() {
    let mut schema = Schema::new("refuse").await;
    schema.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let table = schema.table("t");
    let expected = expectation(&table).await;
    let watch = watch(expected.clone(), LIMITS).await;
    watch.fit(driftless::ports::journal::Phase::Planned).await.unwrap();

    let mut other = connect(2).await;
    run(&mut *other, "SET SESSION wsrep_OSU_method = 'RSU'").await;
    run(&mut *other, "ALTER TABLE inspect_refuse.t ADD d INT").await;
    synced().await;
    let drift = watch.fit(driftless::ports::journal::Phase::Planned).await.unwrap_err();
    run(&mut *other, "ALTER TABLE inspect_refuse.t DROP d").await;
    synced().await;
    assert_eq!(code(drift), ReasonCode::SchemaDrift);
    watch.fit(driftless::ports::journal::Phase::Planned).await.unwrap();

    schema.run("CREATE TABLE _t_shadow (id INT PRIMARY KEY)").await;
    schema.run("CREATE TRIGGER driftless_t AFTER INSERT ON t FOR EACH ROW DO 1").await;
    assert_eq!(code(watch.fit(driftless::ports::journal::Phase::Planned).await.unwrap_err()), ReasonCode::Leftovers);
    let mut working = expected.clone();
    working.tables[1].1 = Expected::Same;
    working.own_triggers = OwnTriggers::Allowed;
    watch.expect(working.clone()).await;
    watch.fit(driftless::ports::journal::Phase::Planned).await.unwrap();
    schema.run("CREATE TABLE _t_gho (id INT PRIMARY KEY)").await;
    assert_eq!(code(watch.fit(driftless::ports::journal::Phase::Planned).await.unwrap_err()), ReasonCode::Leftovers);
    schema.run("DROP TABLE _t_gho").await;
    schema.run("ALTER TABLE t ADD e INT").await;
    assert_eq!(code(watch.fit(driftless::ports::journal::Phase::Planned).await.unwrap_err()), ReasonCode::PlanStale);
    schema.run("ALTER TABLE t DROP e").await;

    let Topology::Galera { epoch, .. } = &mut working.topology else { panic!("no cluster") };
    *epoch += 1;
    watch.expect(working).await;
    assert_eq!(code(watch.fit(driftless::ports::journal::Phase::Planned).await.unwrap_err()), ReasonCode::NodeUnfit);
    let reasons = watch.health().await.unwrap_err();
    assert_eq!(reasons.len(), 3, "one a node: {reasons:?}");
    schema.gone().await;
}

#[tokio::test]
async fn a_lost_session_is_opened_anew() {
    let mut schema = Schema::new("lost").await;
    schema.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    schema.run("CREATE OR REPLACE USER inspect_lost@'%'").await;
    schema.run("GRANT ALL ON *.* TO inspect_lost@'%'").await;
    let way = super::direct::Way { user: "inspect_lost", ..super::direct::Way::root() };
    let found = driftless::discover::discover(&super::seek(&way)).await.unwrap();
    let expected = expectation(&schema.table("t")).await;
    let watch = NodeWatch::new(&found, expected, LIMITS, Arc::new(RealClock::start()));
    watch.fit(driftless::ports::journal::Phase::Planned).await.unwrap();
    for node in 0..3 {
        let mut root = connect(node).await;
        run(&mut *root, "KILL USER inspect_lost").await;
    }
    watch.fit(driftless::ports::journal::Phase::Planned).await.unwrap();
    watch.barrier().await.unwrap();
    schema.run("DROP USER inspect_lost@'%'").await;
    schema.gone().await;
}
