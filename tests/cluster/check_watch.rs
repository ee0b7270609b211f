//! `driftless check --watch` on real nodes: rounds until somebody makes a node different, or a signal comes.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use crate::child::{program, to};
use crate::support::{TestCluster, shared};

const LIMIT: Duration = Duration::from_secs(60);

fn watching(test: &TestCluster, format: &str) -> Child {
    let mut child = program();
    child.arg("check").args(to(test, 0)).args(["--schema", test.schema.as_str(), "--watch=300ms", "--format", format]);
    child.spawn().unwrap()
}

#[tokio::test]
async fn a_watch_ends_when_a_node_becomes_different() {
    let test = shared().await;
    test.bounded(LIMIT, async {
        let table = format!("{}.t", test.schema.quoted());
        test.plain(0).run(&[&format!("CREATE TABLE {table} (id INT PRIMARY KEY)")]).await;
        let mut child = watching(&test, "json");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for _ in 0..2 {
            let line = lines.next_line().await.unwrap().expect("a round");
            let round: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&round["outcome"], &round["exit"]), (&"equal".into(), &0.into()), "{line}");
        }
        let alone = format!("ALTER TABLE {table} ADD COLUMN only_here INT");
        test.plain(1).run(&["SET SESSION wsrep_on = OFF", &alone]).await;
        let mut last = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            last = line;
        }
        assert_eq!(child.wait().await.unwrap().code(), Some(4), "{last}");
        let round: serde_json::Value = serde_json::from_str(&last).unwrap();
        assert_eq!(round["drift"][0]["aspects"][0]["minority"][0], test.nodes()[1].name.as_str(), "{last}");
    })
    .await;
}

#[tokio::test]
async fn a_signal_ends_a_watch_with_what_was_seen_last() {
    let test = shared().await;
    test.bounded(LIMIT, async {
        let mut child = watching(&test, "text");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut rounds = 0;
        while rounds < 2 {
            let line = lines.next_line().await.unwrap().expect("it goes on");
            rounds += u32::from(line.starts_with('[') && line.contains("no difference between 3 servers"));
        }
        let pid = child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        assert_eq!(child.wait().await.unwrap().code(), Some(0));
    })
    .await;
}
