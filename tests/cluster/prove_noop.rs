//! Updates that change nothing: servers fire the triggers for them too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use driftless::demo::{Ledger, load};

use crate::support::{Call, shared};

const LIMIT: Duration = Duration::from_secs(150);
const RUN: Duration = Duration::from_secs(60);
const ROUNDS: u32 = 4;

/// Such a write-set once held a row of the shadow and none of the source. Other nodes applied it beside the next CREATE
/// TRIGGER; the two waited for each other, and the cluster stood still until its nodes were killed.
#[tokio::test]
async fn updates_that_change_nothing_stall_nobody() {
    let test = shared().await;
    let work = async {
        let servers = test.servers();
        let loaded = load(servers[0].as_ref(), &test.table("orders"), 3_000).await.unwrap();
        let table = loaded.table.quoted();
        let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut writers = Vec::new();
        for index in 0..6_u64 {
            let (node, over, done) =
                (test.plain(usize::try_from(index % 3).unwrap()), Arc::clone(&over), Arc::clone(&done));
            let same = format!("UPDATE {table} SET weight = weight WHERE id BETWEEN {0} AND {0} + 9", 1 + index * 40);
            writers.push(tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    node.insist(&same).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        for round in 0..ROUNDS {
            let before = done.load(Ordering::Relaxed);
            let alter = format!("ADD COLUMN extra_{round} INT");
            let pace = ["--max-flow-control-paused", "0.9"];
            let at = usize::try_from(round % 3).unwrap();
            let ended = Call::run(&test.nodes()[at], &loaded.table.to_string(), &alter, &pace).end(RUN).await;
            assert_eq!(ended.code, Some(0), "{:?} {}", ended.last("ended"), ended.said);
            assert!(done.load(Ordering::Relaxed) > before + 50, "the writers went on");
        }
        over.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        test.proven(&loaded.table, &Ledger::new(loaded.last_id()), "nothing was changed").await;
        test.only(&["orders"], "at the end").await;
    };
    test.bounded(LIMIT, work).await;
}
