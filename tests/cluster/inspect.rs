//! Discovery and inspection. Every test works in a schema of its own and has the cluster for itself: some desync a node.

mod direct;
mod discovery;
mod health;
mod shapes;
mod trials;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use driftless::discover::{Seek, discover};
use driftless::inspect::{Limits, inspect};
use driftless::ports::clock::Clock;
use driftless::ports::members::{Connector, Discovered};
use driftless::ports::server::{Row, Server, Session};
use driftless::sql::Sql;
use driftless_strategies::{Alter, Clause, ClauseKind, Facts, TableName};

use crate::support::{Exclusive, TestCluster, exclusive, shared};
use direct::Way;

/// The cluster's addresses, known once it runs.
static ADDRESSES: OnceLock<Vec<String>> = OnceLock::new();

pub(crate) const LIMITS: Limits = Limits { old_transaction: Duration::from_secs(600) };

/// A schema that is there while it is held.
pub(crate) struct Schema {
    pub(crate) name: String,
    root: Box<dyn Session>,
    _alone: Exclusive,
}

impl Schema {
    pub(crate) async fn new(name: &str) -> Self {
        let alone = exclusive().await;
        know(&alone.test);
        let name = format!("inspect_{name}");
        let mut root = connect(0).await;
        run(&mut *root, &format!("DROP DATABASE IF EXISTS {name}")).await;
        run(&mut *root, &format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")).await;
        run(&mut *root, &format!("USE {name}")).await;
        Self { name, root, _alone: alone }
    }

    pub(crate) async fn run(&mut self, sql: &str) {
        run(&mut *self.root, sql).await;
    }

    pub(crate) fn table(&self, table: &str) -> TableName {
        TableName::parse(&format!("{}.`{table}`", self.name)).unwrap()
    }

    pub(crate) async fn gone(mut self) {
        let sql = format!("DROP DATABASE {}", self.name);
        self.run(&sql).await;
    }
}

/// The cluster in peace, for tests that only look.
pub(crate) async fn calm() -> TestCluster {
    let test = shared().await;
    know(&test);
    test
}

fn know(test: &TestCluster) {
    ADDRESSES.get_or_init(|| test.nodes().iter().map(|node| format!("127.0.0.1:{}", node.port)).collect());
}

pub(crate) fn nodes() -> Vec<String> {
    ADDRESSES.get().expect("the cluster runs").clone()
}

pub(crate) fn seek(way: &Way) -> Seek {
    let first = way.server(&nodes()[0]);
    Seek { first, connector: Arc::new(way.clone()), nodes: Vec::new(), addresses: std::collections::BTreeMap::new() }
}

/// The first node, as driftless connects to it.
pub(crate) fn first_server() -> Arc<dyn Server> {
    seek(&Way::root()).first
}

pub(crate) async fn cluster() -> Discovered {
    discover(&seek(&Way::root())).await.unwrap()
}

/// A session that sees what was done on other nodes before.
pub(crate) async fn connect(node: usize) -> Box<dyn Session> {
    let mut session = Way::root().server(&nodes()[node]).connect().await.unwrap();
    run(&mut *session, "SET SESSION wsrep_sync_wait = 1").await;
    run(&mut *session, "SELECT 1").await;
    run(&mut *session, "SET SESSION wsrep_sync_wait = 0").await;
    session
}

pub(crate) async fn run(session: &mut dyn Session, sql: &str) -> Vec<Row> {
    session.query(&Sql::new("").trusted(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

pub(crate) async fn facts(table: &TableName, alter: Option<&Alter>) -> Facts {
    inspect(&cluster().await, table, alter, &LIMITS).await.unwrap()
}

/// One clause, said to be of that kind.
pub(crate) fn alter(text: &str, kind: ClauseKind) -> Alter {
    Alter { table: None, clauses: vec![Clause { text: text.to_owned(), kind }], hints: Vec::new(), ignore: false }
}

/// Until `what` gives something, at most half a minute. Asks seldom: InnoDB does not renew `innodb_trx` for those who
/// read it more than ten times a second.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(mut what: impl FnMut() -> F) -> T {
    for _ in 0..100 {
        if let Some(found) = what().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("did not come true in half a minute");
}

/// All nodes are synced and say so.
pub(crate) async fn synced() {
    for node in 0..nodes().len() {
        let mut session = connect(node).await;
        for _ in 0..200 {
            let rows = run(&mut *session, "SHOW GLOBAL STATUS LIKE 'wsrep_local_state'").await;
            if rows[0].u64(1) == Some(4) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

pub(crate) struct RealClock(Instant);

impl RealClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

#[async_trait::async_trait]
impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
