//! A running job sees that a node has become different, long before its next ordered step.

use std::time::Duration;

use driftless::demo::{Ledger, load};

use crate::support::{Call, job_on, resume, shared, tell};

const LIMIT: Duration = Duration::from_secs(150);
const RUN: Duration = Duration::from_secs(60);
const FAST: [&str; 2] = ["--max-flow-control-paused", "0.9"];

/// What F1 of 2014 was: a DDL that one node alone carried out, or did not.
#[tokio::test]
async fn a_copy_stops_when_a_node_becomes_different() {
    let test = shared().await;
    let work = async {
        let servers = test.servers();
        let loaded = load(servers[0].as_ref(), &test.table("orders"), 40_000).await.unwrap();
        let (table, nodes) = (loaded.table.to_string(), test.nodes());
        let pace = ["--max-rows-per-second", "500", "--chunk-rows", "100", "--max-flow-control-paused", "0.9"];
        let mut call = Call::run(&nodes[0], &table, "ADD COLUMN extra INT", &pace);
        assert!(call.copied(500).await, "{:?}", call.seen());
        let alone = |sql: &str| {
            let sql = format!("ALTER TABLE {} {sql}", loaded.table.quoted());
            let node = test.plain(2);
            async move { node.run(&["SET SESSION wsrep_on = OFF", &sql]).await }
        };
        alone("ADD COLUMN only_here INT").await;
        let ended = call.end(RUN).await;
        assert_eq!(ended.code, Some(5), "{:?} {}", ended.last("ended"), ended.said);
        let last = ended.last("ended").expect("it says how it ended").to_string();
        assert!(last.contains("stopped while copying") && last.contains("schema-drift"), "{last}");
        assert!(last.contains(&nodes[2].name), "it names the node: {last}");
        alone("DROP COLUMN only_here").await;
        let job = job_on(&nodes[1], &table).await.expect("it can go on");
        let ended = resume(&nodes[1], &job, &FAST).end(RUN).await;
        assert_eq!(ended.code, Some(0), "{:?} {}", ended.last("ended"), ended.said);
        test.proven(&loaded.table, &Ledger::new(loaded.last_id()), "after the drift").await;
        test.only(&["orders"], "at the end").await;
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_held_switch_ends_when_a_node_loses_a_trigger() {
    let test = shared().await;
    let work = async {
        let servers = test.servers();
        let loaded = load(servers[0].as_ref(), &test.table("orders"), 2_000).await.unwrap();
        let (table, nodes) = (loaded.table.to_string(), test.nodes());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("wait");
        std::fs::write(&file, "").unwrap();
        let words = [&["--postpone-cutover-file", file.to_str().unwrap()], &FAST[..]].concat();
        let mut call = Call::run(&nodes[0], &table, "ADD COLUMN extra INT", &words);
        assert!(call.event(|line| line["event"] == "held").await.is_some(), "it is held: {:?}", call.seen());
        let name = test.schema.as_str();
        let ask =
            format!("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = '{name}' LIMIT 1");
        let trigger = test.plain(2).run(&[&ask]).await[0][0].clone();
        let drop = format!("DROP TRIGGER {}.`{trigger}`", test.schema.quoted());
        test.plain(2).run(&["SET SESSION wsrep_on = OFF", &drop]).await;
        let ended = call.end(RUN).await;
        assert_eq!(ended.code, Some(1), "{:?} {}", ended.last("ended"), ended.said);
        let last = ended.last("ended").expect("it says how it ended").to_string();
        assert!(last.contains("changes are missing in the shadow"), "{last}");
        let job = job_on(&nodes[1], &table).await.expect("it is still there");
        assert_eq!(resume(&nodes[1], &job, &FAST).end(RUN).await.code, Some(1), "it can't go on");
        assert_eq!(tell(&nodes[1], &["abort", &job]).await.code, Some(0));
        assert!(!test.columns(&loaded.table).await.contains(&"extra".to_owned()), "nothing is switched");
        test.only(&["orders"], "after the abort").await;
    };
    test.bounded(LIMIT, work).await;
}
