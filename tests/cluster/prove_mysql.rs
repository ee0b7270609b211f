//! MySQL as it is today: no row is lost, and every crash has its one command, on a primary with a replica.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use driftless::demo::{Ledger, Loaded, load, prove};
use driftless::ports::server::Server;
use driftless_strategies::{Ident, TableName};

use crate::prove_toi::{RUN, done};
use crate::support::{Call, MysqlPrimary, RoughWriters, bounded, job_on, mysql, resume, tell};

const LIMIT: Duration = Duration::from_secs(240);
/// Writes go on at least so long during a run.
const WRITING: Duration = Duration::from_secs(20);
const COPIED: &str = "ADD COLUMN channel VARCHAR(20) NOT NULL DEFAULT 'web', MODIFY total DECIMAL(16,4) NOT NULL, \
                      ADD KEY by_reference (reference)";

fn name(table: &str) -> TableName {
    TableName::new(Ident::new("s").unwrap(), Ident::new(table).unwrap())
}

/// A loaded table on a primary with a replica.
struct Shop {
    pair: MysqlPrimary,
    loaded: Loaded,
    ledger: Ledger,
}

impl Shop {
    async fn open(rows: u64) -> Option<Self> {
        let pair = MysqlPrimary::start(1, &[]).await?;
        let loaded = load(&pair.plain(0), &name("orders"), rows).await.unwrap();
        let ledger = Ledger::new(loaded.last_id());
        Some(Self { pair, loaded, ledger })
    }

    fn writers(&self, each: usize, pause: u64, seed: u64) -> RoughWriters {
        let servers: [Arc<dyn Server>; 1] = [Arc::new(self.pair.plain(0))];
        RoughWriters::start(&servers, &self.loaded.table, &self.ledger, each, Duration::from_millis(pause), seed)
    }

    /// Ends the writers, and compares primary and replica with what they know.
    async fn proven(&mut self, writers: RoughWriters, when: &str) {
        let wrote = writers.stop(&mut self.ledger).await;
        assert_eq!(wrote.surprises, Vec::<String>::new(), "{when}: answers that must not be");
        assert!(wrote.operations > 5, "{when}: nobody wrote: {wrote:?}");
        self.pair.caught_up().await;
        let servers = [0, 1].map(|node| Arc::new(self.pair.plain(node)) as Arc<dyn Server>);
        let proof = prove(&servers, &self.loaded.table, &self.ledger).await.expect("read both servers");
        assert!(proof.holds(), "{when}: {proof:?}");
        eprintln!("{when}: {} operations, errors {:?}", wrote.operations, wrote.errors);
    }

    async fn tables(&self) -> Vec<String> {
        self.pair.plain(0).run(&["SHOW TABLES FROM s"]).await.concat()
    }

    async fn columns(&self) -> String {
        let sql = "SELECT GROUP_CONCAT(COLUMN_NAME ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS WHERE \
                   TABLE_SCHEMA = 's' AND TABLE_NAME = 'orders'";
        self.pair.plain(0).run(&[sql]).await.concat().concat()
    }
}

#[tokio::test]
async fn a_copy_beside_writers_loses_nothing() {
    let Some(mut shop) = Shop::open(50_000).await else { return };
    let nodes = shop.pair.cluster.nodes();
    let work = async {
        let writers = shop.writers(4, 0, 1);
        let pace = ["--max-rows-per-second", "2200", "--chunk-rows", "150"];
        let began = tokio::time::Instant::now();
        let mut call = Call::run(&shop.pair.node(0), &shop.loaded.table.to_string(), COPIED, &pace);
        while let Some(event) = call.event(|line| line["event"] == "progress").await {
            writers.near.store(event["rows"].as_u64().unwrap() * 4, Ordering::Relaxed);
        }
        done(&call.end(RUN).await, 0, &["proven equal"], "a copy");
        assert!(began.elapsed() >= WRITING, "only {:?} of writes", began.elapsed());
        shop.proven(writers, "after a copy").await;
        assert!(shop.columns().await.contains("channel"), "the change is made");
        assert_eq!(shop.tables().await, ["orders"]);
    };
    bounded(LIMIT, &nodes, work).await;
}

/// What one primary does itself, beside writers.
#[tokio::test]
async fn native_changes_beside_writers_reach_the_replica_too() {
    let Some(mut shop) = Shop::open(20_000).await else { return };
    let nodes = shop.pair.cluster.nodes();
    let work = async {
        let before = shop.columns().await;
        let alters = [
            "ADD COLUMN channel VARCHAR(20) NOT NULL DEFAULT 'web' FIRST, ADD COLUMN z INT",
            "ADD KEY by_channel (channel)",
            "MODIFY channel VARCHAR(30) NOT NULL DEFAULT 'web', ADD KEY kz (z)",
            "DROP KEY kz, DROP KEY by_channel, DROP COLUMN z, DROP COLUMN channel",
        ];
        for (seed, alter) in (1..).zip(alters) {
            let writers = shop.writers(4, 5, seed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let ended = Call::preferred(&shop.pair.node(0), &shop.loaded.table.to_string(), alter, &[]).end(RUN).await;
            done(&ended, 0, &["is changed"], alter);
            assert_eq!(ended.last("started").unwrap()["strategy"], "native", "{alter}");
            shop.proven(writers, alter).await;
        }
        assert_eq!(shop.columns().await, before, "there and back again");
    };
    bounded(LIMIT, &nodes, work).await;
}

/// Killed or stopped anywhere, one command goes on, and another undoes.
#[tokio::test]
async fn one_command_resumes_or_undoes_after_a_crash() {
    let Some(mut shop) = Shop::open(12_000).await else { return };
    let nodes = shop.pair.cluster.nodes();
    let work = async {
        let pace = ["--max-rows-per-second", "6000", "--chunk-rows", "150"];
        let (node, table) = (shop.pair.node(0), shop.loaded.table.to_string());
        for (round, phase) in ["arming", "copying", "verifying", "switching", "finishing"].into_iter().enumerate() {
            let writers = shop.writers(2, 20, 10 + u64::try_from(round).unwrap());
            let column = format!("extra_{round}");
            let mut call = Call::run(&node, &table, &format!("ADD COLUMN {column} INT NOT NULL DEFAULT 7"), &pace);
            call.entered(phase).await;
            if phase == "copying" {
                call.copied(3_000).await;
                // Ctrl-C here; elsewhere the power goes.
                call.interrupt();
            } else {
                call.kill9();
            }
            let ended = call.end(RUN).await;
            if phase == "copying" {
                done(&ended, 5, &[], "Ctrl-C can be resumed");
            }
            if let Some(job) = job_on(&node, &table).await {
                let ended = resume(&node, &job, &pace).end(RUN).await;
                assert_eq!(ended.code, Some(0), "{phase}, resumed: {:?}\n{}", ended.last("ended"), ended.said);
            }
            shop.proven(writers, phase).await;
            assert!(shop.columns().await.contains(&column), "{phase}: the change is made");
            assert_eq!(shop.tables().await, ["orders"], "{phase}");
        }
        let before = shop.columns().await;
        for (round, phase) in ["arming", "copying", "verifying"].into_iter().enumerate() {
            let writers = shop.writers(2, 20, 20 + u64::try_from(round).unwrap());
            let mut call = Call::run(&node, &table, "ADD COLUMN never INT", &pace);
            call.entered(phase).await;
            call.kill9();
            call.end(RUN).await;
            let job = job_on(&node, &table).await.expect("nobody has ended it");
            let aborted = tell(&node, &["abort", &job]).await;
            assert_eq!(aborted.code, Some(0), "{phase}, aborted: {aborted:?}");
            shop.proven(writers, phase).await;
            assert_eq!(shop.columns().await, before, "{phase}");
            assert_eq!(shop.tables().await, ["orders"], "{phase}");
        }
    };
    bounded(LIMIT, &nodes, work).await;
}

#[tokio::test]
async fn a_server_comes_up() {
    let Some(test) = mysql().await else { return };
    let settings = test.plain().run(&["SELECT VERSION(), @@log_bin, @@binlog_format, @@gtid_mode"]).await.concat();
    eprintln!("{settings:?}");
    assert!(test.version().await.major >= 8, "{settings:?}");
    assert_eq!(settings[1..], ["1", "ROW", "ON"], "{settings:?}");
}
