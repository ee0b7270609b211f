//! Changes from the binlog of one primary with a replica, MariaDB and MySQL: nothing is lost, and every crash has its one
//! command.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use driftless::demo::{Cluster, Ledger, Loaded, NodeProcess, Replication, Spec, load, prove};
use driftless::ports::server::Server;
use driftless_strategies::{Ident, TableName};

use crate::child::{finish, program};
use crate::prove_toi::{RUN, done};
use crate::support::{Call, MysqlPrimary, PlainServer, RoughWriters, bounded, job_on, resume, tell};

const LIMIT: Duration = Duration::from_secs(280);
/// Writes go on at least so long during a run.
const WRITING: Duration = Duration::from_secs(20);
const ALTER: &str = "ADD COLUMN channel VARCHAR(20) NOT NULL DEFAULT 'web', MODIFY total DECIMAL(16,4) NOT NULL, \
                     ADD KEY by_reference (reference)";
/// For small tables: about two seconds of copying.
const PACE: [&str; 4] = ["--max-rows-per-second", "6000", "--chunk-rows", "150"];

/// A primary with a replica, and a table with what writers know of it.
struct Shop {
    cluster: Cluster,
    /// Waits, on the replica, for what the first statement says on the primary.
    position: [&'static str; 2],
    loaded: Loaded,
    ledger: Ledger,
}

impl Shop {
    async fn mariadb(rows: u64) -> Self {
        let spec = Spec { nodes: 2, replication: Replication::Alone, ..Spec::single() };
        let cluster = Cluster::start(spec).await.expect("start plain servers");
        let port = cluster.nodes()[0].port;
        let join = format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'root', \
             MASTER_USE_GTID = slave_pos"
        );
        PlainServer::new(cluster.nodes()[1].port).run(&[&join, "START SLAVE"]).await;
        Self::open(cluster, ["SELECT @@gtid_binlog_pos", "SELECT MASTER_GTID_WAIT"], rows).await
    }

    async fn mysql(rows: u64) -> Option<Self> {
        let pair = MysqlPrimary::start(1, &[]).await?;
        let wait = ["SELECT @@GLOBAL.gtid_executed", "SELECT WAIT_FOR_EXECUTED_GTID_SET"];
        Some(Self::open(pair.cluster, wait, rows).await)
    }

    async fn open(cluster: Cluster, position: [&'static str; 2], rows: u64) -> Self {
        let orders = TableName::new(Ident::new("s").unwrap(), Ident::new("orders").unwrap());
        let primary = PlainServer::new(cluster.nodes()[0].port);
        primary.run(&["CREATE SCHEMA IF NOT EXISTS s"]).await;
        let loaded = load(&primary, &orders, rows).await.unwrap();
        let ledger = Ledger::new(loaded.last_id());
        Self { cluster, position, loaded, ledger }
    }

    fn primary(&self) -> NodeProcess {
        self.cluster.nodes().remove(0)
    }

    fn plain(&self, index: usize) -> PlainServer {
        PlainServer::new(self.cluster.nodes()[index].port)
    }

    fn writers(&self, each: usize, pause: u64, seed: u64) -> RoughWriters {
        let servers: [Arc<dyn Server>; 1] = [Arc::new(self.plain(0))];
        RoughWriters::start(&servers, &self.loaded.table, &self.ledger, each, Duration::from_millis(pause), seed)
    }

    fn stream(&self, alter: &str, more: &[&str]) -> Call {
        Call::by("binlog-stream", &self.primary(), &self.loaded.table.to_string(), alter, more)
    }

    /// Ends the writers, and compares primary and replica with what they know.
    async fn proven(&mut self, writers: RoughWriters, when: &str) {
        let wrote = writers.stop(&mut self.ledger).await;
        assert_eq!(wrote.surprises, Vec::<String>::new(), "{when}: answers that must not be");
        assert!(wrote.operations > 5, "{when}: nobody wrote: {wrote:?}");
        let [position, wait] = self.position;
        let position = self.plain(0).run(&[position]).await.concat().concat();
        let answer = self.plain(1).run(&[&format!("{wait}('{position}', 60)")]).await.concat().concat();
        assert_eq!(answer, "0", "{when}: the replica does not follow");
        let servers = [0, 1].map(|node| Arc::new(self.plain(node)) as Arc<dyn Server>);
        let proof = prove(&servers, &self.loaded.table, &self.ledger).await.expect("read both servers");
        assert!(proof.holds(), "{when}: {proof:?}");
        assert_eq!(self.plain(0).run(&["SHOW TABLES FROM s"]).await.concat(), ["orders"], "{when}");
        eprintln!("{when}: {} operations, errors {:?}", wrote.operations, wrote.errors);
    }

    async fn columns(&self) -> String {
        let sql = "SELECT GROUP_CONCAT(COLUMN_NAME ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS WHERE \
                   TABLE_SCHEMA = 's' AND TABLE_NAME = 'orders'";
        self.plain(0).run(&[sql]).await.concat().concat()
    }
}

async fn loses_nothing(mut shop: Shop) {
    let nodes = shop.cluster.nodes();
    let work = async {
        let writers = shop.writers(4, 0, 1);
        let began = tokio::time::Instant::now();
        let mut call = shop.stream(ALTER, &["--max-rows-per-second", "2200", "--chunk-rows", "150"]);
        while let Some(event) = call.event(|line| line["event"] == "progress").await {
            writers.near.store(event["rows"].as_u64().unwrap() * 4, Ordering::Relaxed);
        }
        let ended = call.end(RUN).await;
        done(&ended, 0, &["proven equal"], "a stream");
        assert_eq!(ended.last("started").unwrap()["strategy"], "binlog-stream");
        assert!(began.elapsed() >= WRITING, "only {:?} of writes", began.elapsed());
        shop.proven(writers, "after a stream").await;
        assert!(shop.columns().await.contains("channel"), "the change is made");
    };
    bounded(LIMIT, &nodes, work).await;
}

async fn one_command_after_a_crash(mut shop: Shop) {
    let nodes = shop.cluster.nodes();
    let work = async {
        let (node, table) = (shop.primary(), shop.loaded.table.to_string());
        // Milliseconds after the phase began.
        let points =
            [("arming", 5), ("copying", 400), ("verifying", 20), ("switching", 0), ("switching", 15), ("finishing", 0)];
        let mut seed = 10;
        for (round, (phase, later)) in points.into_iter().enumerate() {
            for then in ["resume", "abort"] {
                seed += 1;
                let when = format!("{phase} + {later} ms, {then}");
                let before = shop.columns().await;
                let writers = shop.writers(2, 20, seed);
                let column = format!("{then}_{round}");
                let mut call = shop.stream(&format!("ADD COLUMN {column} INT NOT NULL DEFAULT 7"), &PACE);
                call.entered(phase).await;
                tokio::time::sleep(Duration::from_millis(later)).await;
                call.kill9();
                call.end(RUN).await;
                // What was switched can't be undone.
                let undone = match job_on(&node, &table).await {
                    Some(job) if then == "abort" => {
                        let aborted = tell(&node, &["abort", &job]).await;
                        if aborted.code != Some(0) {
                            assert_eq!(resume(&node, &job, &PACE).end(RUN).await.code, Some(0), "{when}: {aborted:?}");
                        }
                        aborted.code == Some(0)
                    }
                    Some(job) => {
                        let ended = resume(&node, &job, &PACE).end(RUN).await;
                        assert_eq!(ended.code, Some(0), "{when}: {:?}\n{}", ended.last("ended"), ended.said);
                        false
                    }
                    None => false,
                };
                shop.proven(writers, &when).await;
                let after = shop.columns().await;
                assert_eq!(after.contains(&column), !undone, "{when}: {after}");
                assert!(!undone || after == before, "{when}: {after}");
            }
        }
    };
    bounded(LIMIT, &nodes, work).await;
}

#[tokio::test]
async fn a_mariadb_primary_loses_nothing() {
    loses_nothing(Shop::mariadb(50_000).await).await;
}

/// Whoever may do anything but lock is told before anything is made.
#[tokio::test]
async fn a_user_who_may_not_lock_the_table_is_told() {
    let shop = Shop::mariadb(10).await;
    let nodes = shop.cluster.nodes();
    let work = async {
        let plain = shop.plain(0);
        let rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER, CREATE TEMPORARY TABLES, TRIGGER";
        plain
            .run(&[
                "CREATE USER u@127.0.0.1",
                "GRANT PROCESS, SLAVE MONITOR, REPLICATION SLAVE, BINLOG MONITOR, SUPER ON *.* TO u@127.0.0.1",
                &format!("GRANT {rights} ON s.* TO u@127.0.0.1"),
                "GRANT ALL ON driftless.* TO u@127.0.0.1",
            ])
            .await;
        let run = async || {
            let (mut program, port) = (program(), shop.primary().port.to_string());
            program.args(["run", "--yes", "--no-defaults", "-h127.0.0.1", "-uu", "-P", &port, "--table", "s.orders"]);
            program.args(["--strategy", "binlog-stream", "--alter", "ADD COLUMN x INT, ADD KEY kx (x)"]);
            finish(program).await
        };
        run().await.must(3, &["LOCK TABLES ON `s`.*"], "without the right");
        assert_eq!(plain.run(&["SHOW TABLES FROM s"]).await.concat(), ["orders"]);
        plain.run(&["GRANT LOCK TABLES ON s.* TO u@127.0.0.1"]).await;
        run().await.must(0, &["proven equal"], "with it");
    };
    bounded(LIMIT, &nodes, work).await;
}

#[tokio::test]
async fn a_mysql_primary_loses_nothing() {
    let Some(shop) = Shop::mysql(50_000).await else { return };
    loses_nothing(shop).await;
}

#[tokio::test]
async fn a_crash_on_a_mariadb_primary_has_its_one_command() {
    one_command_after_a_crash(Shop::mariadb(6_000).await).await;
}

#[tokio::test]
async fn a_crash_on_a_mysql_primary_has_its_one_command() {
    let Some(shop) = Shop::mysql(6_000).await else { return };
    one_command_after_a_crash(shop).await;
}
