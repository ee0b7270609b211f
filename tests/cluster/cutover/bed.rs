//! A table, its shadow and a way to stop its writers.

use std::sync::Arc;
use std::time::Duration;

use driftless::config::{AddressMap, Connection, Endpoint, HostPort, Secret, Tls, TlsMode};
use driftless::cutover::closing::{Ground, by_topology};
use driftless::cutover::objects::{Site, TableObjects};
use driftless::discover::{Seek, discover};
use driftless::engine::outlook::{CatalogShapes, Outlook, expectation};
use driftless::error::Fault;
use driftless::inspect::{Limits, NodeWatch, inspect};
use driftless::mysql::MysqlServer;
use driftless::ports::cutover::Cutover;
use driftless::ports::journal::{JobId, Phase};
use driftless::ports::members::{Connector, Discovered};
use driftless::ports::nodes::Nodes;
use driftless::ports::objects::{Keep, Objects as _};
use driftless::ports::server::Server;
use driftless::sql::{ddl, journal};
use driftless_strategies::plan::{ChunkKey, ColumnPair, Compare, CopySpec, KeyColumn, Literal};
use driftless_strategies::{Ident, TableName, TableShape};

use crate::support::{PlainServer, RealClock};

/// Rows that the table begins with, ids from 1.
pub(super) const ROWS: u64 = 600;
/// What the caller asks for between closing and renaming.
pub(super) const WORK: Duration = Duration::from_secs(4);
/// Work and room: after that every node must be open by itself.
pub(super) const LEASE: Duration = Duration::from_secs(4 + 8 + 1);
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(1);

/// Connections of the product.
pub(super) struct Own;

impl Connector for Own {
    fn server(&self, address: &str) -> Arc<dyn Server> {
        let (host, port) = address.rsplit_once(':').unwrap();
        let connection = Connection {
            endpoint: Endpoint::Tcp(HostPort::new(host, port.parse().unwrap())),
            user: "root".into(),
            password: Secret::default(),
            tls: Tls { mode: TlsMode::Preferred, ca: None, identity: None },
            connect_timeout: Duration::from_secs(5),
            nodes: vec![],
            address_map: AddressMap::default(),
        };
        Arc::new(MysqlServer::new(&connection, &connection.endpoint))
    }
}

/// A test's table.
pub(super) struct Bed {
    pub(super) ports: Vec<u16>,
    pub(super) spec: CopySpec,
    pub(super) job: JobId,
    pub(super) discovered: Discovered,
}

impl Bed {
    /// A table in a schema that is there, with `ROWS` rows, on servers at these ports.
    pub(super) async fn new(schema: &Ident, ports: Vec<u16>, job: u64) -> Self {
        let bed = Self::there(schema, ports, job).await;
        let plain = bed.plain(0);
        plain.run(&[journal::create_schema().as_str()]).await;
        for name in journal::TABLES {
            plain.run(&[journal::create_table(name).unwrap().as_str()]).await;
        }
        let source = bed.spec.source.quoted();
        plain
            .run(&[
                &format!("DELETE FROM driftless.job WHERE id = '{}'", bed.job),
                // As a job that is over, which no other command looks at, and whose holder is this test.
                &format!(
                    "INSERT INTO driftless.job (id, format, source, active, phase, plan, keep_retired, token, created, \
                     updated) VALUES ('{}', 1, '-', NULL, 'done', '', 0, 1, '2001-01-01', '2001-01-01')",
                    bed.job
                ),
                &format!("CREATE TABLE {source} (id INT NOT NULL PRIMARY KEY, v INT NOT NULL, u INT NOT NULL UNIQUE)"),
            ])
            .await;
        let rows: Vec<String> = (1..=ROWS).map(|id| format!("({id}, 0, {id})")).collect();
        plain.run(&[&format!("INSERT INTO {source} VALUES {}", rows.join(", "))]).await;
        bed
    }

    /// The same, with tables that are there.
    pub(super) async fn there(schema: &Ident, ports: Vec<u16>, job: u64) -> Self {
        let first = Own.server(&format!("127.0.0.1:{}", ports[0]));
        let seek =
            Seek { first, connector: Arc::new(Own), nodes: Vec::new(), addresses: std::collections::BTreeMap::new() };
        let discovered = discover(&seek).await.unwrap();
        Self { ports, spec: spec(schema), job: JobId(format!("{job:012x}")), discovered }
    }

    pub(super) fn plain(&self, node: usize) -> PlainServer {
        PlainServer::new(self.ports[node])
    }

    pub(super) fn source(&self) -> String {
        self.spec.source.quoted()
    }

    /// Makes the shadow anew, empty.
    pub(super) async fn shadow(&self) {
        let drop = ddl::drop_table(&self.spec.shadow);
        self.plain(0).run(&[drop.as_str(), ddl::create_shadow(&self.spec).as_str()]).await;
    }

    /// The way of these servers, as a holder with that token.
    pub(super) async fn cutover(&self, token: u64) -> Arc<dyn Cutover> {
        let nodes = Arc::new(self.outlook().await);
        self.cutover_on(token, nodes, |server| server)
    }

    /// The same with other eyes and other servers.
    pub(super) fn cutover_on(
        &self,
        token: u64,
        nodes: Arc<dyn Nodes>,
        wrap: impl Fn(Arc<dyn Server>) -> Arc<dyn Server>,
    ) -> Arc<dyn Cutover> {
        let ground = Ground { objects: self.objects(token, wrap), nodes, clock: Arc::new(RealClock::new()) };
        by_topology(ground, &self.discovered.topology)
    }

    pub(super) fn objects(&self, token: u64, wrap: impl Fn(Arc<dyn Server>) -> Arc<dyn Server>) -> Arc<TableObjects> {
        let node = &self.discovered.members[0].node;
        let dialect = driftless::sql::catalog_table::Dialect { flavour: node.flavour, version: node.version };
        Arc::new(TableObjects::new(Site {
            nodes: self.discovered.members.iter().map(|member| wrap(Arc::clone(&member.server))).collect(),
            job: self.job.clone(),
            token,
            flavour: node.flavour,
            spec: Arc::new(self.spec.clone()),
            alter: String::new(),
            foreign_keys: Vec::new(),
            renamed_keys: Vec::new(),
            lock_wait: LOCK_WAIT,
            shapes: Arc::new(CatalogShapes { dialect }),
        }))
    }

    /// What a job expects of the nodes.
    pub(super) async fn outlook(&self) -> Outlook {
        let limits = Limits { old_transaction: Duration::from_secs(600) };
        let facts = inspect(&self.discovered, &self.spec.source, None, &limits).await.unwrap();
        let fingerprint = facts.nodes[0].fingerprint.clone().unwrap();
        let topology = self.discovered.topology.clone();
        let spec = Arc::new(self.spec.clone());
        let first = expectation(&topology, &spec, &fingerprint, Phase::Planned);
        let watch = NodeWatch::new(&self.discovered, first, limits, Arc::new(RealClock::new()));
        Outlook { watch, topology, spec, fingerprint }
    }

    /// Copies the whole table.
    pub(super) async fn copy(&self) {
        let text = format!("INSERT INTO {} SELECT * FROM {}", self.spec.shadow.quoted(), self.source());
        // Writers that wait in the fence hold their rows' locks: nothing may be read by locks there.
        self.plain(0).run(&["SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", &text]).await;
    }

    /// Closes, copies, renames, drops what is retired.
    pub(super) async fn switch(&self) -> Result<(), Fault> {
        self.shadow().await;
        let cutover = self.cutover(1).await;
        let start = tokio::time::Instant::now();
        let closed = cutover.close(WORK).await?;
        let closing = start.elapsed();
        self.copy().await;
        let copying = start.elapsed() - closing;
        closed.rename().await?;
        let renaming = start.elapsed() - closing - copying;
        eprintln!("closed in {closing:?}, copied in {copying:?}, renamed in {renaming:?}");
        self.objects(1, |server| server).drop_retired(Keep::Drop).await
    }

    /// Waits until what opens in the background has done so.
    pub(super) async fn cleaned(&self) {
        let triggers = format!(
            "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = '{}'",
            self.spec.source.schema.as_str()
        );
        for node in 0..self.ports.len() {
            while self.plain(node).run(&[&triggers]).await.concat() != ["0"] {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// Nothing is left but the source and its shadow, and nothing keeps writers out.
    pub(super) async fn assert_clean(&self, why: &str) {
        let (schema, source) = (self.spec.source.schema.as_str(), self.spec.source.table.as_str());
        let names = format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{schema}' AND TABLE_NAME <> '{}' \
             UNION ALL SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = '{schema}'",
            self.spec.shadow.table
        );
        for node in 0..self.ports.len() {
            assert_eq!(self.plain(node).run(&[&names]).await.concat(), [source], "{why}: node {node}");
        }
    }

    pub(super) async fn forget(&self) {
        self.plain(0).run(&[&format!("DELETE FROM driftless.job WHERE id = '{}'", self.job)]).await;
    }
}

fn spec(schema: &Ident) -> CopySpec {
    let ident = |text: &str| Ident::new(text).unwrap();
    let source = TableName::new(schema.clone(), ident("t1"));
    let pair = |name: &str| ColumnPair { source: ident(name), shadow: ident(name), compare: Compare::Same };
    let key = KeyColumn { source: ident("id"), shadow: ident("id"), literal: Literal::Number };
    CopySpec {
        shadow: source.shadow(),
        retired: source.retired(),
        source,
        columns: ["id", "v", "u"].map(pair).to_vec(),
        key: ChunkKey { source_index: ident("PRIMARY"), shadow_index: ident("PRIMARY"), columns: vec![key] },
        new_unique: Vec::new(),
        zero_dates: false,
        target: TableShape::default(),
    }
}
