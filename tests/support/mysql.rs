//! MySQL of Debian unstable: one server for all tests of a binary, and servers of a test's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use driftless::demo::{Cluster, Lines, NodeProcess, Replication, Spec};
use driftless::ports::server::Server;
use driftless_strategies::facts::Version;
use driftless_strategies::{Ident, TableName};
use tokio::sync::OnceCell;

use super::newer::Newer;
use super::plain::PlainServer;

static SHARED: OnceCell<Cluster> = OnceCell::const_new();
static SCHEMAS: AtomicU32 = AtomicU32::new(0);

/// One MySQL server alone, with a schema of the test's own. Others use the server at the same time.
pub struct TestMysql {
    cluster: &'static Cluster,
    /// The schema; it is there and empty.
    pub schema: Ident,
}

/// The server of all tests; `None` when it can't be had (see `Newer::tree`).
pub async fn mysql() -> Option<TestMysql> {
    let tree = Newer::MySql.tree()?;
    let cluster = SHARED.get_or_init(|| start(mysql_spec(tree, 1))).await;
    let schema = Ident::new(format!("m{}", SCHEMAS.fetch_add(1, Ordering::Relaxed))).expect("a legal name");
    let made = TestMysql { cluster, schema };
    made.plain().run(&[&format!("CREATE SCHEMA {}", made.schema.quoted())]).await;
    Some(made)
}

/// That many MySQL servers that stand alone.
pub fn mysql_spec(tree: std::path::PathBuf, nodes: usize) -> Spec {
    Spec { nodes, replication: Replication::Alone, tree: Some(tree), ..Spec::single() }
}

async fn start(spec: Spec) -> Cluster {
    let started = Cluster::start(spec).await;
    started.unwrap_or_else(|error| panic!("start MySQL: {error}\nwhat to do: {}", error.remedy()))
}

impl TestMysql {
    /// The server's process.
    pub fn node(&self) -> NodeProcess {
        self.cluster.nodes().remove(0)
    }

    /// The server, seen by the tests' own connection.
    pub fn plain(&self) -> PlainServer {
        PlainServer::new(self.node().port)
    }

    /// Its version.
    pub async fn version(&self) -> Version {
        let text = self.plain().run(&["SELECT VERSION()"]).await.concat().concat();
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Version::new(next(), next(), next())
    }

    /// The same for whoever takes several.
    pub fn servers(&self) -> Vec<Arc<dyn Server>> {
        vec![Arc::new(self.plain())]
    }

    /// A table's name in the test's schema.
    pub fn table(&self, name: &str) -> TableName {
        TableName::new(self.schema.clone(), Ident::new(name).expect("a legal name"))
    }
}

/// A primary, and replicas that read from it by GTID.
pub struct MysqlPrimary {
    /// The servers; the first is the primary.
    pub cluster: Cluster,
}

impl MysqlPrimary {
    /// Starts a primary with that many replicas and these lines in every server's option file; `None` as `mysql`.
    pub async fn start(replicas: usize, lines: &[(Lines, &str)]) -> Option<Self> {
        let spec = mysql_spec(Newer::MySql.tree()?, replicas + 1);
        let spec = lines.iter().fold(spec, |spec, (at, line)| spec.with(*at, *line));
        let made = Self { cluster: start(spec).await };
        let join = format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {}, SOURCE_USER = 'root', \
             SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1",
            made.node(0).port
        );
        for replica in 1..=replicas {
            made.plain(replica).run(&[&join, "START REPLICA"]).await;
        }
        made.caught_up().await;
        Some(made)
    }

    /// A server's process.
    pub fn node(&self, index: usize) -> NodeProcess {
        self.cluster.nodes().remove(index)
    }

    /// A server, seen by the tests' own connection.
    pub fn plain(&self, index: usize) -> PlainServer {
        PlainServer::new(self.node(index).port)
    }

    /// Waits until every replica has all that the primary has.
    pub async fn caught_up(&self) {
        let position = self.plain(0).run(&["SELECT @@GLOBAL.gtid_executed"]).await.concat().concat();
        for replica in 1..self.cluster.nodes().len() {
            let wait = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', 60)");
            let answer = self.plain(replica).run(&[&wait]).await.concat().concat();
            let status = self.plain(replica).run(&["SHOW REPLICA STATUS"]).await;
            assert_eq!(answer, "0", "replica {replica} does not follow: {status:?}");
        }
    }
}
