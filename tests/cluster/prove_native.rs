//! The server's own ALTER on one primary: beside its writers, never falling back, and never queueing them for long.

use std::sync::Arc;
use std::time::Duration;

use driftless::demo::{Cluster, Ledger, Loaded, NodeProcess, Replication, Spec, load, prove};
use driftless::ports::clock::Clock as _;
use driftless::ports::server::Server;
use driftless_strategies::{Ident, TableName};

use crate::prove_toi::{RUN, done};
use crate::support::{Call, Ended, PlainServer, RealClock, RoughWriters, bounded, job_on, resume, tell};

const LIMIT: Duration = Duration::from_secs(240);
/// Writers that wait for so long were stalled: the lock wait of a second, and what a busy machine adds.
const STALLED: Duration = Duration::from_secs(4);

/// An ALTER that takes a while.
const LONG: &str = "ADD COLUMN q INT NOT NULL DEFAULT 7 FIRST, ADD KEY kq (q)";

/// A primary, and a replica that reads from it when asked for.
struct Pair {
    cluster: Cluster,
}

impl Pair {
    async fn start(nodes: usize) -> Self {
        let spec = Spec { nodes, replication: Replication::Alone, ..Spec::single() };
        let pair = Self { cluster: Cluster::start(spec).await.expect("start plain servers") };
        pair.plain(0).run(&["CREATE SCHEMA s"]).await;
        pair
    }

    async fn with_replica() -> Self {
        let pair = Self::start(2).await;
        let port = pair.primary().port;
        let join = format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'root', \
             MASTER_USE_GTID = slave_pos"
        );
        pair.plain(1).run(&[&join, "START SLAVE"]).await;
        pair.caught_up().await;
        pair
    }

    fn primary(&self) -> NodeProcess {
        self.cluster.nodes().remove(0)
    }

    fn plain(&self, index: usize) -> PlainServer {
        PlainServer::new(self.cluster.nodes()[index].port)
    }

    /// Waits until the replica has all that the primary has.
    async fn caught_up(&self) {
        let position = self.plain(0).run(&["SELECT @@gtid_binlog_pos"]).await.concat().concat();
        let wait = format!("SELECT MASTER_GTID_WAIT('{position}', 60)");
        let answer = self.plain(1).run(&[&wait]).await.concat().concat();
        let status = self.plain(1).run(&["SHOW SLAVE STATUS"]).await;
        assert_eq!(answer, "0", "the replica does not follow: {status:?}");
    }

    async fn loaded(&self, rows: u64) -> Loaded {
        load(&self.plain(0), &name("orders"), rows).await.unwrap()
    }

    async fn columns(&self, index: usize) -> String {
        let sql = "SELECT GROUP_CONCAT(COLUMN_NAME, ' ', COLUMN_TYPE ORDER BY ORDINAL_POSITION) FROM \
                   information_schema.COLUMNS WHERE TABLE_SCHEMA = 's' AND TABLE_NAME = 'orders'";
        self.plain(index).run(&[sql]).await.concat().concat()
    }

    async fn proven(&self, table: &TableName, ledger: &Ledger, when: &str) {
        let servers = [Arc::new(self.plain(0)) as Arc<dyn Server>];
        let proof = prove(&servers, table, ledger).await.expect("read the primary");
        assert!(proof.holds(), "{when}: {proof:?}");
    }
}

fn name(table: &str) -> TableName {
    TableName::new(Ident::new("s").unwrap(), Ident::new(table).unwrap())
}

fn native(ended: &Ended, why: &str) {
    done(ended, 0, &["is changed"], why);
    assert_eq!(ended.last("started").unwrap()["strategy"], "native", "{why}");
}

#[tokio::test]
async fn changes_beside_writers_reach_the_replica_too() {
    let pair = Pair::with_replica().await;
    let work = async {
        let loaded = pair.loaded(20_000).await;
        let (table, mut ledger) = (loaded.table.to_string(), Ledger::new(loaded.last_id()));
        let before = pair.columns(0).await;
        let alters = [
            "ADD COLUMN channel VARCHAR(20) NOT NULL DEFAULT 'web' FIRST",
            "ADD KEY by_channel (channel)",
            "MODIFY channel VARCHAR(30) NOT NULL DEFAULT 'web', ADD COLUMN q INT, ADD KEY kq (q)",
            "DROP KEY kq, DROP KEY by_channel, DROP COLUMN q, DROP COLUMN channel",
        ];
        let servers: Vec<Arc<dyn Server>> = vec![Arc::new(pair.plain(0))];
        for (seed, alter) in (1..).zip(alters) {
            let writers = RoughWriters::start(&servers, &loaded.table, &ledger, 4, Duration::from_millis(5), seed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let ended = Call::preferred(&pair.primary(), &table, alter, &[]).end(RUN).await;
            let wrote = writers.stop(&mut ledger).await;
            native(&ended, alter);
            assert_eq!(wrote.surprises, Vec::<String>::new(), "{alter}: answers that must not be");
            assert!(wrote.operations > 50, "{alter}: nobody wrote: {wrote:?}");
            assert_eq!(wrote.errors.get(&1213), None, "{alter}: nobody is thrown out on one primary: {wrote:?}");
            pair.proven(&loaded.table, &ledger, alter).await;
            pair.caught_up().await;
            assert_eq!(pair.columns(1).await, pair.columns(0).await, "{alter}");
        }
        assert_eq!(pair.columns(0).await, before, "there and back again");
        assert_eq!(job_on(&pair.primary(), &table).await, None);
    };
    bounded(LIMIT, &pair.cluster.nodes(), work).await;
}

/// What `strategies/online.rs` says of MariaDB, tried with writers let in: the server takes each algorithm with `LOCK=NONE`.
#[tokio::test]
async fn every_fact_holds_beside_writers() {
    let pair = Pair::start(1).await;
    let work = async {
        let made = "CREATE TABLE s.t (id INT PRIMARY KEY, a INT, b VARCHAR(50) CHARACTER SET utf8mb4, \
                    c VARCHAR(100) CHARACTER SET utf8mb4, e ENUM('x','y'), s SET('x','y'), KEY ka (a), KEY kc (c))";
        let rows = "INSERT INTO s.t VALUES (1, 1, 'a', 'b', 'x', 'y'), (2, 2, NULL, '', NULL, '')";
        pair.plain(0).run(&[made, rows]).await;
        let cases = [
            "ADD COLUMN z INT",
            "ADD z1 VARCHAR(10) NOT NULL DEFAULT 'it''s' AFTER a, ADD z2 DATETIME(3) FIRST",
            "DROP COLUMN s",
            "RENAME COLUMN b TO bb",
            "CHANGE bb b VARCHAR(60) CHARACTER SET utf8mb4",
            "MODIFY e ENUM('x','y','z')",
            "ALTER COLUMN a SET DEFAULT 7",
            "MODIFY b VARCHAR(60) CHARACTER SET utf8mb4 COMMENT 'hi'",
            "MODIFY b VARCHAR(60) CHARACTER SET utf8mb4 COMMENT 'hi' FIRST",
            "MODIFY z INT INVISIBLE",
            "ADD KEY kb (b), LOCK=NONE",
            "RENAME KEY kb TO kbb",
            "ALTER KEY kbb IGNORED",
            "DROP KEY kbb, LOCK=NONE",
            "ADD COLUMN q INT, ADD KEY kq (q), LOCK=NONE",
            "DROP COLUMN a, LOCK=NONE",
            "MODIFY c VARCHAR(200) CHARACTER SET utf8mb4, LOCK=NONE",
            "MODIFY q INT NULL DEFAULT 3 AFTER id, ADD KEY k2 (q, e), LOCK=NONE",
        ];
        for alter in cases {
            native(&Call::preferred(&pair.primary(), "s.t", alter, &[]).end(RUN).await, alter);
        }
        // Writers may wait for the lock and then for the copy.
        let copied = "MODIFY q BIGINT";
        native(&Call::preferred(&pair.primary(), "s.t", copied, &["--max-stall", "3s"]).end(RUN).await, copied);
        let refused = [
            ("MODIFY q INT UNSIGNED", "data-dependent"),
            ("ADD UNIQUE (b)", "data-dependent"),
            ("MODIFY id BIGINT", "not-provable"),
            ("ADD COLUMN z9 INT, ALGORITHM=COPY, LOCK=NONE", "hint-refused"),
            ("MODIFY q VARCHAR(40), ALGORITHM=INSTANT", "hint-refused"),
        ];
        for (alter, code) in refused {
            let ended = Call::preferred(&pair.primary(), "s.t", alter, &["--strategy", "native"]).end(RUN).await;
            done(&ended, 3, &["native was asked for and does not fit", code], alter);
        }
    };
    bounded(LIMIT, &pair.cluster.nodes(), work).await;
}

/// Everybody queues behind an ALTER that waits for an open transaction: so it waits for a second, and comes again later.
#[tokio::test]
async fn an_open_transaction_does_not_queue_the_writers_for_long() {
    let pair = Pair::start(1).await;
    let work = async {
        let loaded = pair.loaded(2_000).await;
        let server = pair.plain(0);
        let mut holder = server.connect().await.unwrap();
        let hold = driftless::sql::Sql::new("SELECT COUNT(*) FROM ").table(&loaded.table);
        holder.execute(&driftless::sql::Sql::new("BEGIN")).await.unwrap();
        holder.query(&hold).await.unwrap();
        let mut call = Call::preferred(&pair.primary(), &loaded.table.to_string(), "ADD COLUMN z INT", &[]);
        assert!(call.entered("altering").await, "{:?}", call.seen());
        let clock = RealClock::new();
        let (mut worst, mut writes) = (Duration::ZERO, 0);
        while clock.now() < Duration::from_secs(8) {
            let asked = clock.now();
            server.run(&["UPDATE s.orders SET revision = revision WHERE id = 1"]).await;
            worst = worst.max(clock.now() - asked);
            writes += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        eprintln!("{writes} writes, the worst took {worst:?}");
        assert!(worst < STALLED, "a write waited for {worst:?}");
        let retried = call.seen().iter().filter(|line| line["event"] == "retried").count();
        assert!(retried > 0, "nothing held the ALTER back: {:?}", call.seen());
        holder.execute(&driftless::sql::Sql::new("COMMIT")).await.unwrap();
        native(&call.end(RUN).await, "once the transaction is over");
    };
    bounded(LIMIT, &pair.cluster.nodes(), work).await;
}

/// What a plan can't promise it does not call native; what an operator says counts between two attempts, too.
#[tokio::test]
async fn what_the_server_would_do_otherwise_is_known_beforehand() {
    let pair = Pair::start(1).await;
    let work = async {
        let server = pair.plain(0);
        server
            .run(&[
                "SET GLOBAL innodb_default_row_format = compact",
                "CREATE TABLE s.old (id INT PRIMARY KEY, a INT)",
                "INSERT INTO s.old VALUES (1, 1)",
                "SET GLOBAL innodb_default_row_format = dynamic",
                "CREATE TABLE s.np (a INT NOT NULL, b INT, c INT, UNIQUE KEY ua (a))",
                "INSERT INTO s.np VALUES (1, 1, 1)",
            ])
            .await;
        let native_only = ["--strategy", "native"];
        let refused = [
            ("s.old", "ADD COLUMN x INT, ADD KEY (x)", "would turn ROW_FORMAT=Compact into dynamic"),
            ("s.np", "DROP KEY ua", "takes the key that rows are stored and told apart by"),
            ("s.np", "MODIFY a INT", "not-provable"),
            ("s.np", "DROP COLUMN a", "not-provable"),
        ];
        for (table, alter, why) in refused {
            let ended = Call::preferred(&pair.primary(), table, alter, &native_only).end(RUN).await;
            done(&ended, 3, &[why], alter);
        }
        native(
            &Call::preferred(&pair.primary(), "s.old", "ADD COLUMN x INT", &[]).end(RUN).await,
            "INSTANT rebuilds nothing",
        );
        native(&Call::preferred(&pair.primary(), "s.np", "ADD KEY kb (b)", &[]).end(RUN).await, "another key");

        let mut holder = server.connect().await.unwrap();
        holder.execute(&driftless::sql::Sql::new("BEGIN")).await.unwrap();
        holder.query(&driftless::sql::Sql::new("SELECT * FROM s.old")).await.unwrap();
        let mut call = Call::preferred(&pair.primary(), "s.old", "ADD COLUMN y INT", &[]);
        let retried = call.event(|line| line["event"] == "retried").await;
        assert!(retried.is_some(), "{:?}", call.seen());
        let job = job_on(&pair.primary(), "s.old").await.expect("it is under way");
        assert_eq!(tell(&pair.primary(), &["pause", &job]).await.code, Some(0));
        let held = call.event(|line| line["event"] == "held" && line["why"] == "paused by an operator").await;
        assert!(held.is_some(), "{:?}", call.seen());
        holder.execute(&driftless::sql::Sql::new("COMMIT")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let columns = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 's' AND TABLE_NAME = 'old'";
        assert_eq!(server.number(columns).await, Some(3), "nothing is changed while it is paused");
        assert_eq!(tell(&pair.primary(), &["resume", &job]).await.code, Some(0));
        native(&call.end(RUN).await, "resumed");
    };
    bounded(LIMIT, &pair.cluster.nodes(), work).await;
}

/// Stopped, aborted or killed in the middle of a long ALTER: the table is as it was, or as planned, and one command goes on.
#[tokio::test]
async fn an_alter_under_way_can_be_ended() {
    let pair = Pair::start(1).await;
    let work = async {
        let loaded = pair.loaded(150_000).await;
        let (table, node) = (loaded.table.to_string(), pair.primary());
        let before = pair.columns(0).await;
        let started = async |wait: u64| {
            let mut call = Call::preferred(&node, &table, LONG, &[]);
            assert!(call.entered("altering").await, "{:?}", call.seen());
            tokio::time::sleep(Duration::from_millis(wait)).await;
            call
        };
        let mut ends = Vec::new();
        for wait in [0, 200, 500] {
            let call = started(wait).await;
            call.interrupt();
            let ended = call.end(RUN).await;
            let (code, changed) = (ended.code, pair.columns(0).await != before);
            ends.push((wait, code, changed));
            match code {
                Some(5) => {
                    assert!(!changed, "it is stopped: {ended:?}");
                    let job = job_on(&node, &table).await.expect("it can go on");
                    done(&resume(&node, &job, &[]).end(RUN).await, 0, &["is changed"], "resumed");
                }
                Some(0) => assert!(changed, "it is done: {ended:?}"),
                _ => panic!("{ended:?}"),
            }
            pair.plain(0).run(&["ALTER TABLE s.orders DROP KEY kq, DROP COLUMN q"]).await;
        }
        for wait in [50, 300] {
            let mut call = started(wait).await;
            call.kill9();
            call.end(RUN).await;
            let job = job_on(&node, &table).await.expect("nobody has ended it");
            let aborted = tell(&node, &["abort", &job]).await;
            let changed = pair.columns(0).await != before;
            ends.push((wait, aborted.code, changed));
            assert_eq!(aborted.code == Some(0), !changed, "{aborted:?}");
            if changed {
                done(&resume(&node, &job, &[]).end(RUN).await, 0, &["is changed"], "resumed");
                pair.plain(0).run(&["ALTER TABLE s.orders DROP KEY kq, DROP COLUMN q"]).await;
            }
            assert_eq!(job_on(&node, &table).await, None);
        }
        eprintln!("waited, exit code, changed: {ends:?}");
        pair.proven(&loaded.table, &Ledger::new(loaded.last_id()), "at the end").await;
    };
    bounded(LIMIT, &pair.cluster.nodes(), work).await;
}

#[tokio::test]
async fn who_kills_the_alter_itself_means_it() {
    let pair = Pair::start(1).await;
    let work = async {
        let loaded = pair.loaded(150_000).await;
        let (table, node) = (loaded.table.to_string(), pair.primary());
        let before = pair.columns(0).await;
        let working = "SELECT IFNULL(MAX(ID), 0) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER TABLE%'";
        let mut killed = false;
        for _ in 0..6 {
            let mut call = Call::preferred(&node, &table, LONG, &[]);
            assert!(call.entered("altering").await, "{:?}", call.seen());
            let mut id = None;
            while id.is_none() {
                id = pair.plain(0).number(working).await.filter(|id| *id > 0);
            }
            pair.plain(0).run(&[&format!("KILL QUERY {}", id.unwrap())]).await;
            let ended = call.end(RUN).await;
            if ended.code == Some(0) {
                pair.plain(0).run(&["ALTER TABLE s.orders DROP KEY kq, DROP COLUMN q"]).await;
                // It was through already.
                continue;
            }
            done(&ended, 5, &["somebody has ended it"], "killed by a DBA");
            assert_eq!(pair.columns(0).await, before);
            let job = job_on(&node, &table).await.expect("it can go on");
            assert_eq!(tell(&node, &["abort", &job]).await.code, Some(0));
            killed = true;
            break;
        }
        assert!(killed, "no ALTER was killed in time");
    };
    bounded(LIMIT, &pair.cluster.nodes(), work).await;
}
