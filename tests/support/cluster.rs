//! One real cluster for all tests of a binary.
//!
//! It starts with the first test that wants it. Statics are never dropped in a test binary; the cluster's watchdog kills
//! it and removes its files when the process ends, in whatever way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use driftless::demo::{Cluster, NodeProcess, Spec};
use driftless::ports::server::Server;
use driftless_strategies::{Ident, TableName};
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::newer::Newer;
use super::plain::PlainServer;

/// Whoever holds it starts or mends the cluster for all who wait.
static CLUSTER: Mutex<Option<&'static Cluster>> = Mutex::const_new(None);
static USE: RwLock<()> = RwLock::const_new(());
static SCHEMAS: AtomicU32 = AtomicU32::new(0);

/// The cluster, with a schema of the test's own.
pub struct TestCluster {
    cluster: &'static Cluster,
    /// The schema; it is there and empty.
    pub schema: Ident,
    _shared: Option<RwLockReadGuard<'static, ()>>,
}

/// The cluster while no other test uses it: nodes may be killed, frozen, cut off.
pub struct Exclusive {
    /// The cluster and a schema.
    pub test: TestCluster,
    _alone: RwLockWriteGuard<'static, ()>,
}

/// The cluster for a test that leaves its nodes in peace. Waits for tests that don't.
pub async fn shared() -> TestCluster {
    let guard = USE.read().await;
    TestCluster::with_schema(Some(guard)).await
}

/// The cluster for a test that disturbs it. The next test gets it healed.
pub async fn exclusive() -> Exclusive {
    let alone = USE.write().await;
    Exclusive { test: TestCluster::with_schema(None).await, _alone: alone }
}

/// The cluster, started or mended: a test before may have failed in the middle of a disturbance. When it can't be mended,
/// the test that asked fails, and the next one gets a new cluster.
async fn healthy() -> &'static Cluster {
    let mut place = CLUSTER.lock().await;
    if let Some(cluster) = *place {
        let Err(first) = cluster.heal().await else { return cluster };
        if let Err(error) = cluster.heal().await {
            *place = None;
            (0..cluster.nodes().len()).for_each(|index| cluster.kill9(index));
            panic!("heal the test cluster: {first}; and a second time: {error}");
        }
        return cluster;
    }
    let started = Cluster::start(Spec { tree: chosen(), ..Spec::galera(3) }).await;
    let started =
        started.unwrap_or_else(|error| panic!("start the test cluster: {error}\nwhat to do: {}", error.remedy()));
    // Statics are never dropped anyway.
    place.insert(Box::leak(Box::new(started)))
}

/// `DRIFTLESS_TEST_CLUSTER=mariadb` runs all tests of the cluster on the newer MariaDB; else the machine's own is taken.
fn chosen() -> Option<std::path::PathBuf> {
    let wanted = std::env::var("DRIFTLESS_TEST_CLUSTER").unwrap_or_default();
    match wanted.as_str() {
        "" => None,
        "mariadb" => Some(Newer::MariaDb.tree().expect("it was asked for by name")),
        other => panic!("DRIFTLESS_TEST_CLUSTER={other}: only `mariadb` is known"),
    }
}

impl TestCluster {
    async fn with_schema(guard: Option<RwLockReadGuard<'static, ()>>) -> Self {
        let cluster = healthy().await;
        let schema = Ident::new(format!("t{}", SCHEMAS.fetch_add(1, Ordering::Relaxed))).expect("a legal name");
        let made = Self { cluster, schema, _shared: guard };
        made.plain(0).run(&[&format!("CREATE SCHEMA {}", made.schema.quoted())]).await;
        made
    }

    /// The cluster itself.
    pub fn cluster(&self) -> &'static Cluster {
        self.cluster
    }

    /// Its nodes.
    pub fn nodes(&self) -> Vec<NodeProcess> {
        self.cluster.nodes()
    }

    /// A table's name in the test's schema.
    pub fn table(&self, name: &str) -> TableName {
        TableName::new(self.schema.clone(), Ident::new(name).expect("a legal name"))
    }

    /// A node, seen by the tests' own connection.
    pub fn plain(&self, index: usize) -> PlainServer {
        PlainServer::new(self.nodes().get(index).expect("a node").port)
    }

    /// All nodes, seen so.
    pub fn servers(&self) -> Vec<Arc<dyn Server>> {
        self.nodes().iter().map(|node| Arc::new(PlainServer::new(node.port)) as Arc<dyn Server>).collect()
    }

    /// Awaits the work for at most that long, or fails with all nodes' process lists.
    pub async fn bounded<T>(&self, limit: Duration, work: impl Future<Output = T>) -> T {
        super::bounded(limit, &self.nodes(), work).await
    }
}
