//! The fence when nodes, locks or the process itself are in the way.

use std::sync::Arc;
use std::time::Duration;

use driftless::error::Fault;
use driftless::ports::journal::Phase;
use driftless::ports::nodes::Nodes;
use driftless::ports::objects::{Keep, Objects as _};
use tokio::time::Instant;

use super::bed::{Bed, LEASE, ROWS, WORK};
use super::fence::{bed, code, opens};
use super::writers::{Mode, Writers, assert_rows};
use crate::support::PlainServer;

const LIMIT: Duration = Duration::from_secs(400);

/// Eyes that see nothing wrong: what happens then between the look and the deed.
struct Blind;

#[async_trait::async_trait]
impl Nodes for Blind {
    async fn fit(&self, _at: Phase) -> Result<(), Fault> {
        Ok(())
    }
    async fn same(&self, _at: Phase) -> Result<(), Fault> {
        Ok(())
    }
    async fn barrier(&self) -> Result<(), Fault> {
        Ok(())
    }
}

#[tokio::test]
async fn locks_and_long_transactions_delay_it_boundedly() {
    let (alone, bed) = bed(0xfe_0011).await;
    let work = async {
        bed.shadow().await;
        let t = bed.source();
        // A lock that is there before is seen on whatever node it is.
        for node in 0..3 {
            let holder = holding(bed.ports[node], &format!("LOCK TABLES {t} READ")).await;
            let answer = bed.cutover(1).await.close(WORK).await.map(|_| ());
            assert!(matches!(&answer, Err(Fault::Busy(why)) if why.contains("lock-held")), "node {node}: {answer:?}");
            holder.disconnect().await.unwrap();
            bed.assert_clean("held").await;
        }
        // One that comes right after the look: the cluster waits for it, but not for longer than the lease.
        for node in 0..3 {
            let holder = holding(bed.ports[node], &format!("LOCK TABLES {t} READ")).await;
            let released = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(5)).await;
                holder.disconnect().await.unwrap();
            });
            let start = Instant::now();
            let answer = bed.cutover_on(1, Arc::new(Blind), |server| server).close(Duration::from_millis(100)).await;
            let told = answer.as_ref().map(|_| ()).map_err(ToString::to_string);
            eprintln!("LOCK TABLES on node {node}: closing ended after {:?}: {told:?}", start.elapsed());
            if let Ok(closed) = answer {
                closed.open().await.unwrap();
            }
            released.await.unwrap();
            opens(bed.ports[0], &t).await;
            bed.cutover(1).await.reopen().await.unwrap();
            bed.assert_clean("a late lock").await;
        }
        // An open transaction is ended by the server, not waited for.
        let holder = holding(bed.ports[1], &format!("BEGIN; UPDATE {t} SET v = 5 WHERE id = 5")).await;
        bed.switch().await.unwrap();
        drop(holder);
        let v = format!("SELECT v FROM {t} WHERE id = 5");
        assert_eq!(bed.plain(2).run(&[&v]).await.concat(), ["0"], "it was not committed");
        bed.shadow().await;
        bed.assert_clean("a long transaction").await;
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}

/// A connection that has run these statements.
async fn holding(port: u16, statements: &str) -> mysql_async::Conn {
    use mysql_async::prelude::Queryable as _;
    let url = format!("mysql://root@127.0.0.1:{port}/?prefer_socket=false");
    let mut conn = mysql_async::Conn::new(mysql_async::Opts::from_url(&url).unwrap()).await.unwrap();
    for statement in statements.split("; ") {
        conn.query_drop(statement).await.unwrap();
    }
    conn
}

#[tokio::test]
async fn a_node_that_dies_or_freezes_inside_changes_nothing() {
    let (alone, mut bed) = bed(0xfe_0012).await;
    let work = async {
        let cluster = alone.test.cluster();
        for (what, node) in [("frozen", 2), ("killed", 2), ("frozen", 0), ("killed", 0)] {
            bed.shadow().await;
            let closed = bed.cutover(1).await.close(WORK).await.unwrap();
            bed.copy().await;
            if what == "frozen" {
                cluster.freeze(node)
            } else {
                cluster.kill9(node)
            }
            let start = Instant::now();
            let answer = closed.rename().await;
            eprintln!("node {node} {what}: after {:?}: {answer:?}", start.elapsed());
            let took = opens(bed.ports[1], &bed.source()).await;
            eprintln!("node {node} {what}: open after another {took:?}");
            assert!(matches!(answer, Err(Fault::Busy(_) | Fault::Refused(_) | Fault::Lost(_))), "{answer:?}");
            if what == "frozen" {
                cluster.thaw(node);
            }
            cluster.heal().await.unwrap();
            bed = settled(bed, node).await;
        }
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}

/// After everybody is back: one of the two tables answers, whole, and one call tidies up.
async fn settled(bed: Bed, node: usize) -> Bed {
    let bed = Bed { discovered: rediscovered(&bed).await, ..bed };
    let objects = bed.objects(1, |server| server);
    let start = Instant::now();
    let standing = loop {
        match objects.standing().await {
            Ok(standing) => break standing,
            Err(fault) => assert!(start.elapsed() < Duration::from_secs(60), "node {node}: {fault}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    if standing.switched() {
        objects.drop_retired(Keep::Drop).await.unwrap();
    } else {
        bed.cutover(1).await.reopen().await.unwrap();
    }
    for port in &bed.ports {
        opens(*port, &bed.source()).await;
    }
    let count = format!("SELECT COUNT(*) FROM {}", bed.source());
    assert_eq!(bed.plain(1).run(&[&count]).await.concat(), [ROWS.to_string()]);
    bed.assert_clean(&format!("node {node}")).await;
    bed
}

/// The cluster as it is now: a node that came back is another member.
async fn rediscovered(bed: &Bed) -> driftless::ports::members::Discovered {
    use driftless::ports::members::Connector as _;
    let first = super::bed::Own.server(&format!("127.0.0.1:{}", bed.ports[0]));
    let seek = driftless::discover::Seek {
        first,
        connector: Arc::new(super::bed::Own),
        nodes: Vec::new(),
        addresses: std::collections::BTreeMap::new(),
    };
    driftless::discover::discover(&seek).await.unwrap()
}

const CHILD: &str = "DRIFTLESS_TEST_CUTOVER_CHILD";

/// This test runs itself in another process, which is killed as hard as can be.
#[tokio::test]
async fn a_process_killed_anywhere_leaves_a_table_that_opens() {
    if let Ok(what) = std::env::var(CHILD) {
        let (schema, ports) = what.split_once(' ').unwrap();
        let ports: Vec<u16> = ports.split(' ').map(|port| port.parse().unwrap()).collect();
        return child(&driftless_strategies::Ident::new(schema).unwrap(), ports).await;
    }
    let (alone, bed) = bed(0xfe_0013).await;
    let work = async {
        let ports: Vec<String> = bed.ports.iter().map(ToString::to_string).collect();
        let told = format!("{} {}", bed.spec.source.schema, ports.join(" "));
        let writers = Writers::start(&bed, &[0, 1, 2], 1, Mode::Transactions).await;
        // The step at which it dies, and how long after the step began.
        let points = [
            ("ready", 3),
            ("ready", 12),
            ("ready", 30),
            ("closed", 0),
            ("closed", 40),
            ("copied", 0),
            ("copied", 5),
            ("copied", 20),
            ("copied", 60),
            ("renamed", 0),
        ];
        for (step, millis) in points {
            bed.shadow().await;
            writers.more(10).await;
            let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "cutover::fence_broken::a_process_killed_anywhere_leaves_a_table_that_opens",
                    "--nocapture",
                ])
                .env(CHILD, &told)
                .stderr(std::process::Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stderr.take().unwrap()));
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(&format!("STEP {step}")) {
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(millis)).await;
            child.kill().await.unwrap();
            let start = Instant::now();
            writers.more(3).await;
            let after = start.elapsed();
            let objects = bed.objects(1, |server| server);
            let mut standing = objects.standing().await;
            while standing.is_err() {
                tokio::time::sleep(Duration::from_millis(200)).await;
                standing = objects.standing().await;
            }
            let standing = standing.unwrap();
            eprintln!("killed {millis} ms after {step}: writers went on after {after:?}; {standing:?}");
            assert!(after < LEASE + Duration::from_secs(20), "{step}: {after:?}");
            if standing.switched() {
                objects.drop_retired(Keep::Drop).await.unwrap();
            } else {
                bed.cutover(1).await.reopen().await.unwrap();
            }
        }
        let (felt, rows) = writers.stop().await;
        eprintln!("{felt:?}");
        assert_rows(&bed, &rows).await;
        bed.shadow().await;
        bed.assert_clean("after all").await;
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}

/// One cut-over on tables that are there, with its steps told.
async fn child(schema: &driftless_strategies::Ident, ports: Vec<u16>) {
    let say = |step: &str| eprintln!("STEP {step}");
    let bed = Bed::there(schema, ports, 0xfe_0013).await;
    let cutover = bed.cutover(1).await;
    say("ready");
    let closed = cutover.close(WORK).await.unwrap();
    say("closed");
    bed.copy().await;
    say("copied");
    closed.rename().await.unwrap();
    say("renamed");
    tokio::time::sleep(LIMIT).await;
}

#[tokio::test]
async fn dropped_triggers_do_not_depend_on_a_dead_node() {
    let (alone, bed) = bed(0xfe_0014).await;
    let work = async {
        bed.shadow().await;
        let closed = bed.cutover(1).await.close(WORK).await.unwrap();
        alone.test.cluster().kill9(2);
        let start = Instant::now();
        let answer = closed.open().await;
        eprintln!("opened after {:?}: {answer:?}", start.elapsed());
        let write = format!("UPDATE {} SET v = v WHERE id = 1", bed.source());
        assert_eq!(code(bed.ports[1], &[&write]).await, 0);
        alone.test.cluster().heal().await.unwrap();
        let triggers = "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_NAME LIKE 'driftless\\_0000%'";
        assert_eq!(PlainServer::new(bed.ports[2]).run(&[triggers]).await.concat(), ["0"]);
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}
