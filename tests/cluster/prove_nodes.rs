//! Nodes die during the copy; what the program says of it is true, and the run goes on elsewhere.

use std::time::Duration;

use driftless::demo::{Ledger, load};

use crate::support::{Call, RoughWriters, exclusive, job_on, resume};

const LIMIT: Duration = Duration::from_secs(280);
const RUN: Duration = Duration::from_secs(120);
const PACE: [&str; 8] = [
    "--max-rows-per-second",
    "3000",
    "--chunk-rows",
    "150",
    "--max-flow-control-paused",
    "0.9",
    // A run waits for a node that is away; here not for long.
    "--patience",
    "8s",
];

#[tokio::test]
async fn a_node_killed_during_the_copy_stops_the_run_truthfully() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let servers = test.servers();
        let loaded = load(servers[0].as_ref(), &test.table("orders"), 15_000).await.unwrap();
        let (table, mut ledger) = (loaded.table.to_string(), Ledger::new(loaded.last_id()));
        //  node killed, node that goes on: first one that does not copy, then the one that does
        for (round, (killed, next)) in [(2, 1), (0, 1)].into_iter().enumerate() {
            let seed = u64::try_from(round).unwrap() + 1;
            let writers = RoughWriters::start(&servers, &loaded.table, &ledger, 1, Duration::from_millis(20), seed);
            let alter = format!("ADD COLUMN extra_{round} INT");
            let mut call = Call::run(&test.nodes()[0], &table, &alter, &PACE);
            assert!(call.copied(4_000).await, "{:?}", call.seen());
            test.cluster().kill9(killed);
            let began = tokio::time::Instant::now();
            let ended = call.end(RUN).await;
            eprintln!(
                "node {killed} killed: code {:?} after {:?}: {:?}",
                ended.code,
                began.elapsed(),
                ended.last("ended")
            );
            let told = ended.last("ended").map(|event| event["code"].clone());
            assert_eq!(told, ended.code.map(Into::into), "the last event says what the exit code says");
            test.cluster().restart(killed).await.unwrap();
            let made = test.columns(&loaded.table).await.contains(&format!("extra_{round}"));
            match ended.code {
                Some(0) => assert!(made, "code 0, and the change is made"),
                Some(5) => {
                    assert!(!made, "code 5, and nothing is switched");
                    let job = job_on(&test.nodes()[next], &table).await.expect("the job waits");
                    let ended = resume(&test.nodes()[next], &job, &PACE).end(RUN).await;
                    assert_eq!(ended.code, Some(0), "resumed: {:?} {}", ended.last("ended"), ended.said);
                }
                other => panic!("node {killed} killed: code {other:?}: {:?} {}", ended.last("ended"), ended.said),
            }
            let done = writers.stop(&mut ledger).await;
            assert_eq!(done.surprises, Vec::<String>::new(), "answers that must not be");
            assert!(test.columns(&loaded.table).await.contains(&format!("extra_{round}")), "the change is made");
            test.proven(&loaded.table, &ledger, &format!("node {killed} killed")).await;
            test.only(&["orders"], &format!("node {killed} killed")).await;
        }
    };
    test.bounded(LIMIT, work).await;
}
