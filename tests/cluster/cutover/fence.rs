//! The fence on three nodes that are well.

use std::sync::Arc;
use std::time::Duration;

use driftless::error::Fault;
use driftless::ports::objects::{Keep, Objects as _};
use driftless::ports::server::{Done, Row, Server, ServerError, Session};
use driftless::sql::{Sql, fence};
use driftless_strategies::verdict::ReasonCode;
use mysql_async::prelude::Queryable as _;
use tokio::time::Instant;

use super::bed::{Bed, LEASE, ROWS, WORK};
use super::writers::{Mode, Writers, assert_rows};
use crate::support::{Exclusive, exclusive};

const LIMIT: Duration = Duration::from_secs(300);

pub(super) async fn bed(job: u64) -> (Exclusive, Bed) {
    let alone = exclusive().await;
    let ports = alone.test.nodes().iter().map(|node| node.port).collect();
    let bed = Bed::new(&alone.test.schema, ports, job).await;
    (alone, bed)
}

/// The number of the server's error.
pub(super) async fn code(port: u16, statements: &[&str]) -> u16 {
    let url = format!("mysql://root@127.0.0.1:{port}/?prefer_socket=false");
    let mut conn = mysql_async::Conn::new(mysql_async::Opts::from_url(&url).unwrap()).await.unwrap();
    let mut last = 0;
    for statement in statements {
        last = match conn.query_drop(*statement).await {
            Ok(()) => 0,
            Err(mysql_async::Error::Server(error)) => error.code,
            Err(error) => panic!("{statement}: {error}"),
        };
    }
    last
}

/// Waits until that node takes a write, and says how long it took.
pub(super) async fn opens(port: u16, table: &str) -> Duration {
    let start = Instant::now();
    let write = format!("UPDATE {table} SET v = v WHERE id = 1");
    while code(port, &[&write]).await != 0 {
        assert!(start.elapsed() < LEASE * 4, "port {port} stays closed");
    }
    start.elapsed()
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_over_many_switches() {
    let (alone, bed) = bed(0xfe_0001).await;
    let work = async {
        for mode in [Mode::Autocommit, Mode::Transactions] {
            let writers = Writers::start(&bed, &[0, 1, 2], 3, mode).await;
            writers.more(50).await;
            let (mut switched, mut not) = (0, Vec::new());
            while switched < 10 && not.len() < 10 {
                match bed.switch().await {
                    Ok(()) => switched += 1,
                    Err(Fault::Busy(why)) => not.push(why),
                    Err(fault) => panic!("{fault:?}"),
                }
                writers.more(20).await;
            }
            let (felt, rows) = writers.stop().await;
            eprintln!("{mode:?}: {switched} switches, not: {not:?}; {felt:?}");
            assert_rows(&bed, &rows).await;
            assert_eq!(switched, 10, "{not:?}");
            assert!(felt.errors.keys().all(|code| [1213, 1205].contains(code)), "{felt:?}");
            bed.plain(0).run(&[&format!("DELETE FROM {}", bed.source())]).await;
            let fresh: Vec<String> = (1..=ROWS).map(|id| format!("({id}, 0, {id})")).collect();
            bed.plain(0).run(&[&format!("INSERT INTO {} VALUES {}", bed.source(), fresh.join(", "))]).await;
        }
        bed.shadow().await;
        bed.assert_clean("after all").await;
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn every_kind_of_write_meets_the_fence_and_no_read_does() {
    let (alone, bed) = bed(0xfe_0002).await;
    let work = async {
        let (t, other) = (bed.source(), format!("{}.other", bed.spec.source.schema.quoted()));
        bed.plain(0)
            .run(&[
                &format!("CREATE TABLE {other} AS SELECT * FROM {t}"),
                &format!("ALTER TABLE {other} ADD PRIMARY KEY (id)"),
            ])
            .await;
        bed.shadow().await;
        let closed = bed.cutover(1).await.close(Duration::from_secs(60)).await.unwrap();
        let writes = [
            format!("UPDATE {t} SET v = 9"),
            format!("UPDATE {t} SET v = v WHERE id = 1"),
            format!("UPDATE IGNORE {t} SET v = 9 WHERE id = 1"),
            format!("DELETE FROM {t}"),
            format!("DELETE IGNORE FROM {t} WHERE id = 1"),
            format!("INSERT INTO {t} VALUES (100001, 1, 100001), (100002, 1, 100002)"),
            format!("INSERT IGNORE INTO {t} VALUES (100001, 1, 100001)"),
            format!("INSERT INTO {t} VALUES (1, 1, 1) ON DUPLICATE KEY UPDATE v = 9"),
            format!("REPLACE INTO {t} VALUES (1, 9, 1)"),
            format!("INSERT INTO {t} SELECT id + 100000, v, u + 100000 FROM {other}"),
            format!("UPDATE {t} a JOIN {other} b USING (id) SET a.v = 9, b.v = 9 WHERE id < 3"),
            format!("UPDATE {other} b JOIN {t} a USING (id) SET b.v = 9, a.v = 9 WHERE id < 3"),
            format!("DELETE {t}, {other} FROM {other} JOIN {t} USING (id) WHERE id < 3"),
        ];
        // The session's clock and time zone must not matter, nor its modes.
        let modes = [
            "SET timestamp = 4102444800",
            "SET timestamp = 1000000000",
            "SET time_zone = '+11:00'",
            "SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,ORACLE'",
            "SET sql_mode = ''",
            "SET SESSION wsrep_retry_autocommit = 0",
        ];
        let calls = writes
            .iter()
            .map(|write| ("DO 0", write.as_str()))
            .chain(modes.iter().map(|mode| (*mode, writes[1].as_str())));
        let tried: Vec<(&str, &str)> = calls.collect();
        let answers = futures_util::future::join_all(tried.iter().enumerate().map(|(index, (mode, write))| {
            let port = bed.ports[index % 3];
            async move { code(port, &[mode, write]).await }
        }));
        for (answer, (mode, write)) in answers.await.into_iter().zip(&tried) {
            assert_eq!(answer, 1205, "{mode}; {write}");
        }
        let prepare = format!("PREPARE s FROM 'UPDATE {t} SET v = 9 WHERE id = ?'");
        assert_eq!(code(bed.ports[1], &[&prepare, "SET @i = 1", "EXECUTE s USING @i"]).await, 1205);
        for node in 0..3 {
            let reads = format!("SELECT SUM(v), COUNT(*) FROM {t}");
            assert_eq!(bed.plain(node).run(&[&reads]).await.concat(), ["0", &ROWS.to_string()], "nothing was written");
        }
        let reads = format!("SELECT v FROM {t} WHERE id = 1 FOR UPDATE");
        assert_eq!(code(bed.ports[2], &["BEGIN", &reads, "COMMIT"]).await, 0);
        closed.open().await.unwrap();
        for port in &bed.ports {
            assert_eq!(code(*port, &[&writes[1]]).await, 0, "it is open at once");
        }
        bed.plain(0).run(&[&format!("DROP TABLE {other}")]).await;
        bed.assert_clean("opened").await;
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_closed_fence_that_nobody_holds_opens_by_itself() {
    let (alone, bed) = bed(0xfe_0003).await;
    let work = async {
        bed.shadow().await;
        let start = Instant::now();
        let closed = bed.cutover(1).await.close(WORK).await.unwrap();
        assert!(closed.remaining() <= WORK && closed.remaining() > Duration::ZERO, "{:?}", closed.remaining());
        // As if the process were gone: nobody opens it.
        std::mem::forget(closed);
        for node in 0..3 {
            let count = "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_NAME LIKE 'driftless\\_0000%'";
            assert_eq!(bed.plain(node).run(&[count]).await.concat(), ["3"], "node {node}");
        }
        let table = bed.source();
        let opened = futures_util::future::join_all(bed.ports.iter().map(|port| opens(*port, &table))).await;
        eprintln!("open again after {:?}; by node {opened:?}", start.elapsed());
        assert!(start.elapsed() >= LEASE - Duration::from_secs(1), "it must not open early");
        // A session whose time stands still is not kept out either.
        let write = format!("UPDATE {} SET v = v WHERE id = 1", bed.source());
        assert_eq!(code(bed.ports[1], &["SET timestamp = 1000000000", &write]).await, 0);
        // The harmless triggers go with the next attempt, which works.
        let next = bed.cutover(1).await;
        next.reopen().await.unwrap();
        next.reopen().await.unwrap();
        bed.assert_clean("reopened").await;
        bed.switch().await.unwrap();
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_fence_that_is_dropped_or_whose_task_ends_opens_at_once() {
    let (alone, bed) = bed(0xfe_0004).await;
    let work = async {
        bed.shadow().await;
        drop(bed.cutover(1).await.close(Duration::from_secs(60)).await.unwrap());
        opens(bed.ports[1], &bed.source()).await;
        bed.cleaned().await;
        // Ended at any moment of closing and renaming: the table is one of the two, whole, and open.
        for millis in [0, 40, 80, 120, 160, 200, 250, 300, 350, 400, 500, 700, 1000] {
            bed.shadow().await;
            let cutover = bed.cutover(1).await;
            let copying = async {
                let closed = cutover.close(Duration::from_secs(2)).await?;
                bed.copy().await;
                closed.rename().await
            };
            let ended = tokio::time::timeout(Duration::from_millis(millis), copying).await;
            eprintln!("ended after {millis} ms: {ended:?}");
            opens(bed.ports[2], &bed.source()).await;
            let objects = bed.objects(1, |server| server);
            // What was under way may still be coming.
            let mut standing = objects.standing().await;
            while !matches!(&standing, Ok(seen) if seen.switched() || seen.shadow) {
                tokio::time::sleep(Duration::from_millis(100)).await;
                standing = objects.standing().await;
            }
            if standing.unwrap().switched() {
                objects.drop_retired(Keep::Drop).await.unwrap();
            } else {
                assert!(!matches!(ended, Ok(Ok(()))), "{millis} ms: it said that it was done");
                cutover.reopen().await.unwrap();
            }
            let count = format!("SELECT COUNT(*) FROM {}", bed.source());
            assert_eq!(bed.plain(1).run(&[&count]).await.concat(), [ROWS.to_string()], "{millis} ms");
            bed.assert_clean(&format!("{millis} ms")).await;
        }
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn what_changes_behind_the_fence_is_seen() {
    let (alone, bed) = bed(0xfe_0005).await;
    let work = async {
        bed.shadow().await;
        let closed = bed.cutover(1).await.close(WORK).await.unwrap();
        bed.copy().await;
        // No trigger fires for it.
        bed.plain(1).run(&[&format!("TRUNCATE TABLE {}", bed.source())]).await;
        let answer = closed.rename().await;
        let Err(Fault::Refused(reason)) = answer else { panic!("{answer:?}") };
        assert_eq!(reason.code, ReasonCode::PlanStale, "{reason:?}");
        assert_eq!(code(bed.ports[2], &[&format!("INSERT INTO {} VALUES (1, 0, 1)", bed.source())]).await, 0);
        bed.assert_clean("truncated").await;

        bed.shadow().await;
        let closed = bed.cutover(1).await.close(WORK).await.unwrap();
        bed.copy().await;
        bed.plain(1)
            .run(&[&format!("DROP TRIGGER {}.driftless_{}_ins", bed.spec.source.schema.quoted(), bed.job)])
            .await;
        assert!(matches!(closed.rename().await, Err(Fault::Busy(why)) if why.contains("lost triggers")));
        opens(bed.ports[2], &bed.source()).await;
        bed.assert_clean("a trigger was dropped").await;

        let mut answers = Vec::new();
        // A busy machine may be too late to look.
        while !matches!(answers.last(), Some(Err(Fault::Refused(_)))) {
            assert!(
                answers.len() < 4 && answers.iter().all(|answer| matches!(answer, Err(Fault::Busy(_)))),
                "{answers:?}"
            );
            bed.shadow().await;
            let closed = bed.cutover(1).await.close(WORK).await.unwrap();
            bed.plain(1).run(&[&format!("ALTER TABLE {} ADD x INT", bed.spec.source.quoted())]).await;
            answers.push(closed.rename().await);
            opens(bed.ports[0], &bed.source()).await;
            bed.plain(1).run(&[&format!("ALTER TABLE {} DROP x", bed.spec.source.quoted())]).await;
        }

        // Too slow: the time is up, nothing is tried.
        bed.shadow().await;
        let closed = bed.cutover(1).await.close(Duration::from_millis(300)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(closed.remaining().is_zero());
        assert!(matches!(closed.rename().await, Err(Fault::Busy(why)) if why.contains("run out")));
        opens(bed.ports[0], &bed.source()).await;
        bed.assert_clean("too slow").await;
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn another_process_keeps_its_fence() {
    let (alone, bed) = bed(0xfe_0006).await;
    let work = async {
        bed.shadow().await;
        let first = bed.cutover(1).await;
        let closed = first.close(WORK).await.unwrap();
        // Another process takes the job, and finds the triggers of the first.
        bed.plain(0).run(&[&format!("UPDATE driftless.job SET token = 2 WHERE id = '{}'", bed.job)]).await;
        let answer = closed.rename().await;
        assert!(
            matches!(&answer, Err(Fault::Failed(why) | Fault::Busy(why)) if why.contains("taken the job")),
            "{answer:?}"
        );
        let write = format!("UPDATE {} SET v = v WHERE id = 1", bed.source());
        assert_eq!(code(bed.ports[1], &[&write]).await, 1205, "whose it was can't open it");
        assert!(first.reopen().await.is_err());
        bed.cutover(2).await.reopen().await.unwrap();
        assert_eq!(code(bed.ports[1], &[&write]).await, 0);
        bed.assert_clean("taken over").await;
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}

/// A server whose clock is wrong.
struct Skewed(Arc<dyn Server>, i64);
struct SkewedSession(Box<dyn Session>, i64);

#[async_trait::async_trait]
impl Server for Skewed {
    async fn connect(&self) -> Result<Box<dyn Session>, ServerError> {
        Ok(Box::new(SkewedSession(self.0.connect().await?, self.1)))
    }
    fn address(&self) -> &str {
        self.0.address()
    }
}

#[async_trait::async_trait]
impl Session for SkewedSession {
    async fn query(&mut self, sql: &Sql) -> Result<Vec<Row>, ServerError> {
        let rows = self.0.query(sql).await?;
        if *sql != fence::clock() {
            return Ok(rows);
        }
        let shown = rows[0].u64(0).unwrap().saturating_add_signed(self.1);
        Ok(vec![Row(vec![Some(shown.to_string().into_bytes())])])
    }
    async fn execute(&mut self, sql: &Sql) -> Result<Done, ServerError> {
        self.0.execute(sql).await
    }
    fn set_deadline(&mut self, deadline: Duration) {
        self.0.set_deadline(deadline);
    }
    fn id(&self) -> u64 {
        self.0.id()
    }
    fn node(&self) -> &str {
        self.0.node()
    }
}

#[tokio::test]
async fn a_node_whose_clock_is_wrong_is_refused_before_anything_is_made() {
    let (alone, bed) = bed(0xfe_0007).await;
    let work = async {
        bed.shadow().await;
        let wrong = format!("127.0.0.1:{}", bed.ports[2]);
        for skew in [7_000_000, -7_000_000] {
            let wrap = |server: Arc<dyn Server>| -> Arc<dyn Server> {
                if server.address() == wrong { Arc::new(Skewed(server, skew)) } else { server }
            };
            let cutover = bed.cutover_on(1, Arc::new(bed.outlook().await), wrap);
            let Err(Fault::Refused(reason)) = cutover.close(WORK).await.map(|_| ()) else { panic!("{skew} passes") };
            // The clocks are not read at the same moment.
            let told = (6_900..7_100).any(|ms| reason.what.contains(&format!("{ms} ms")));
            assert!(reason.what.contains(&wrong) && told, "{reason:?}");
            bed.assert_clean("refused").await;
        }
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}
