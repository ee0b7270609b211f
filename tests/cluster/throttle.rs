//! The sampler against a real three-node cluster, which it only reads.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftless::ports::clock::Clock;
use driftless::ports::pace::{Gate, Pace};
use driftless::ports::server::{Done, ErrorKind, Row, Server, ServerError, Session};
use driftless::sql::Sql;
use driftless::throttle::{Limits, Role, Sampler, Watch};
use mysql_async::prelude::Queryable;

use crate::support::{TestCluster, exclusive, shared};

struct TokioClock(tokio::time::Instant);

#[async_trait::async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// The driver as it is; remembers the ids of its connections.
struct Direct {
    address: String,
    ids: Arc<Mutex<Vec<u64>>>,
}

struct DirectSession {
    conn: mysql_async::Conn,
    address: String,
}

fn failed(node: &str, kind: ErrorKind, message: &dyn ToString) -> ServerError {
    ServerError { node: node.to_owned(), code: 0, message: message.to_string(), kind }
}

#[async_trait::async_trait]
impl Server for Direct {
    async fn connect(&self) -> Result<Box<dyn Session>, ServerError> {
        let opts = mysql_async::Opts::from_url(&format!("mysql://root@{}/?prefer_socket=false", self.address)).unwrap();
        let conn = mysql_async::Conn::new(opts).await;
        let conn = conn.map_err(|error| failed(&self.address, ErrorKind::Connect, &error))?;
        self.ids.lock().unwrap().push(conn.id().into());
        Ok(Box::new(DirectSession { conn, address: self.address.clone() }))
    }
    fn address(&self) -> &str {
        &self.address
    }
}

#[async_trait::async_trait]
impl Session for DirectSession {
    async fn query(&mut self, sql: &Sql) -> Result<Vec<Row>, ServerError> {
        let rows = self.conn.query::<mysql_async::Row, _>(sql.as_str()).await;
        let rows = rows.map_err(|error| failed(&self.address, ErrorKind::Other, &error))?;
        let bytes = |value| if let mysql_async::Value::Bytes(bytes) = value { Some(bytes) } else { None };
        Ok(rows.into_iter().map(|row| Row(row.unwrap().into_iter().map(bytes).collect())).collect())
    }
    async fn execute(&mut self, _: &Sql) -> Result<Done, ServerError> {
        Err(failed(&self.address, ErrorKind::Other, &"the sampler never writes"))
    }
    fn set_deadline(&mut self, _: Duration) {}
    fn id(&self) -> u64 {
        self.conn.id().into()
    }
    fn node(&self) -> &str {
        &self.address
    }
}

type Ids = Arc<Mutex<Vec<u64>>>;

fn nodes(test: &TestCluster) -> Vec<(Watch, Ids)> {
    test.nodes().iter().map(|process| node(&process.name, &format!("127.0.0.1:{}", process.port))).collect()
}

fn node(name: &str, address: &str) -> (Watch, Ids) {
    let ids = Ids::default();
    let server = Arc::new(Direct { address: address.to_owned(), ids: Arc::clone(&ids) });
    (Watch { name: name.to_owned(), server, role: Role::Node }, ids)
}

fn start(watches: Vec<Watch>, limits: Limits) -> Sampler {
    Sampler::start(watches, limits, Arc::new(TokioClock(tokio::time::Instant::now())))
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_come_from_every_node_over_one_session_each() {
    // It counts samples a second: others would take the processor.
    let alone = exclusive().await;
    let (watches, ids): (Vec<Watch>, Vec<Ids>) = nodes(&alone.test).into_iter().unzip();
    // Others use the cluster too; what they do must not close this gate.
    let wide = Limits {
        max_threads_running: 1_000,
        max_conflicts: f64::MAX,
        max_flow_control_paused: 1.0,
        max_queue: 1_000.0,
        ..Limits::default()
    };
    let sampler = start(watches.clone(), wide);
    assert!(matches!(sampler.gate(), Gate::Closed { .. }), "closed before the first answer");
    assert!(matches!(sampler.wait(Duration::from_secs(5)).await, Gate::Open { .. }), "{:?}", sampler.why());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let totals = sampler.samples();
    assert_eq!(totals.len(), 3);
    for node in &totals {
        assert!(node.samples >= 8, "about four a second, but at least eight in three: {node:?}");
        assert_eq!(node.misses, 0, "{node:?}");
        assert!(node.flow_control_paused.is_some(), "the server's own average is read: {node:?}");
        assert!(node.worst_threads >= 1, "Threads_running is read: {node:?}");
    }
    sampler.stop().await;
    for (watch, ids) in watches.iter().zip(&ids) {
        let ids = ids.lock().unwrap().clone();
        assert_eq!(ids.len(), 1, "one session, kept open");
        let alive = Sql::new("SELECT id FROM information_schema.processlist WHERE id = ").number(ids[0]);
        let mut session = watch.server.connect().await.unwrap();
        let mut rows = session.query(&alive).await.unwrap();
        // The server notices the closed connection a moment later.
        for _ in 0..20 {
            if rows.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            rows = session.query(&alive).await.unwrap();
        }
        assert!(rows.is_empty(), "the session is closed after stop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_of_the_users_closes_with_its_value() {
    let test = shared().await;
    let watches = nodes(&test).into_iter().map(|(watch, _)| watch).collect();
    let limits = Limits { max_load: vec!["wsrep_CLUSTER_size>=3".parse().unwrap()], ..Limits::default() };
    let sampler = start(watches, limits);
    let gate = sampler.wait(Duration::from_secs(2)).await;
    assert_eq!(gate, Gate::Closed { why: "wsrep_CLUSTER_size>=3 on n1: it is 3".to_owned() });
    sampler.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_there_keeps_the_gate_closed() {
    let test = shared().await;
    let mut watches: Vec<Watch> = nodes(&test).into_iter().map(|(watch, _)| watch).collect();
    watches.push(node("n4", "127.0.0.1:1").0);
    let sampler = start(watches, Limits::default());
    let Gate::Closed { why } = sampler.wait(Duration::from_secs(2)).await else { panic!("open without n4") };
    assert!(why.starts_with("n4 has not answered yet: 127.0.0.1:1: "), "{why}");
    assert!(sampler.samples()[3].misses >= 1);
    sampler.stop().await;
}
