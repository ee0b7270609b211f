//! One server with a binlog, a watched table, and what the stream says of it.

#![expect(unreachable_pub, reason = "each test uses its own part of this module")]

use std::sync::Arc;
use std::time::Duration;

use driftless::config::{AddressMap, Connection, Endpoint, HostPort, Secret, Tls, TlsMode};
use driftless::demo::{Cluster, Lines, Spec};
use driftless::inspect::read_table;
use driftless::mysql::MysqlChanges;
use driftless::mysql::MysqlServer;
use driftless::ports::changes::{Change, ChangeSource, Changes, Position, StreamError};
use driftless::ports::rows::{Bound, Range};
use driftless::ports::server::{Server, Session};
use driftless::sql::catalog_table::Dialect;
use driftless::sql::copy::{bound, key_at};
use driftless_strategies::plan::{ColumnPair, Compare};
use driftless_strategies::{CopySpec, Flavour, Ident, TableName, TableShape, Version, choose_key};

use tokio::sync::{Mutex, MutexGuard};

use crate::support::PlainServer;

/// How often the server says that it is there.
pub const HEARTBEAT: Duration = Duration::from_millis(500);
/// Longest wait for anything.
pub const LIMIT: Duration = Duration::from_secs(60);

/// One server at a time: a test that ends its server for a while must find its port free.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A server of a test's own.
pub struct Ground {
    pub cluster: Cluster,
    _alone: MutexGuard<'static, ()>,
}

impl Ground {
    /// MariaDB with these lines in its configuration, and the schema `s`.
    pub async fn start(lines: &[&str]) -> Self {
        let spec = lines.iter().fold(Spec::single(), |spec, line| spec.with(Lines::All, *line));
        let alone = ALONE.lock().await;
        let cluster = Cluster::start(spec).await.expect("a server");
        let ground = Self { cluster, _alone: alone };
        ground.plain().run(&["CREATE DATABASE s"]).await;
        ground
    }

    pub fn port(&self) -> u16 {
        self.cluster.nodes()[0].port
    }

    pub fn plain(&self) -> PlainServer {
        PlainServer::new(self.port())
    }

    pub async fn run(&self, statements: &[&str]) -> Vec<Vec<String>> {
        self.plain().run(statements).await
    }

    pub async fn watch(&self, table: &str) -> Watched {
        Watched::new(server(self.port(), "root", ""), MARIADB, table).await
    }
}

pub const MARIADB: Dialect = Dialect { flavour: Flavour::MariaDb, version: Version::new(10, 11, 0) };

/// The server as the program itself reaches it.
pub fn server(port: u16, user: &str, password: &str) -> Arc<MysqlServer> {
    let connection = Connection {
        endpoint: Endpoint::Tcp(HostPort::new("127.0.0.1", port)),
        user: user.into(),
        password: Secret::new(password.to_owned()),
        tls: Tls { mode: TlsMode::Preferred, ca: None, identity: None },
        connect_timeout: Duration::from_secs(10),
        nodes: vec![],
        address_map: AddressMap::default(),
    };
    Arc::new(MysqlServer::new(&connection, &connection.endpoint))
}

/// A table that is followed.
pub struct Watched {
    pub server: Arc<MysqlServer>,
    pub spec: CopySpec,
    pub shape: TableShape,
    pub changes: MysqlChanges,
}

impl Watched {
    pub async fn new(server: Arc<MysqlServer>, dialect: Dialect, table: &str) -> Self {
        let name = TableName::parse(&format!("s.{table}")).unwrap();
        let mut session = server.connect().await.unwrap();
        let shape = read_table(&mut *session, dialect, &name).await.unwrap().expect("the table").shape;
        let spec = spec(&name, &shape);
        let changes = MysqlChanges::new(Arc::clone(&server), spec.clone(), shape.clone(), HEARTBEAT);
        Self { server, spec, shape, changes }
    }

    /// The keys of all rows as the copy reads them, in order.
    pub async fn keys(&self) -> Vec<Bound> {
        let mut session: Box<dyn Session> = self.server.connect().await.unwrap();
        let mut keys = Vec::new();
        loop {
            let nth = u64::try_from(keys.len()).unwrap() + 1;
            let rows = session.query(&key_at(&self.spec, &Range::default(), nth)).await.unwrap();
            let Some(row) = rows.first() else { return keys };
            keys.push(bound(&self.spec, row).expect("a key of the right form"));
        }
    }

    pub async fn position(&self) -> Position {
        self.changes.position().await.unwrap()
    }

    /// Everything from there to where the binlog ends now.
    pub async fn since(&self, from: &Position) -> Vec<Change> {
        let end = self.position().await;
        let mut source = self.changes.open(from).await.unwrap();
        until(&mut *source, &end).await
    }
}

fn spec(source: &TableName, shape: &TableShape) -> CopySpec {
    let names: Vec<(Ident, Ident)> =
        shape.columns.iter().map(|column| (column.name.clone(), column.name.clone())).collect();
    let other = |end: &str| {
        TableName::new(source.schema.clone(), Ident::new(format!("_{}_{end}", source.table.as_str())).unwrap())
    };
    let pair =
        |(name, _): &(Ident, Ident)| ColumnPair { source: name.clone(), shadow: name.clone(), compare: Compare::Same };
    CopySpec {
        source: source.clone(),
        shadow: other("shadow"),
        retired: other("retired"),
        columns: names.iter().map(pair).collect(),
        key: choose_key(shape, shape, &names).unwrap(),
        new_unique: vec![],
        zero_dates: true,
        target: shape.clone(),
    }
}

/// All changes until the stream has reached the place.
pub async fn until(source: &mut dyn ChangeSource, end: &Position) -> Vec<Change> {
    let mut all = Vec::new();
    let read = async {
        loop {
            let change = source.next().await.unwrap();
            let done = match &change {
                Change::Committed { at } | Change::Idle { at } => at.reached(end) == Some(true),
                Change::Row { .. } | Change::Ddl { .. } => false,
            };
            all.push(change);
            if done {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, read).await.expect("the stream reaches the end in time");
    all
}

/// The error that a stream ends with.
pub async fn failure(source: &mut dyn ChangeSource) -> StreamError {
    let read = async {
        loop {
            if let Err(error) = source.next().await {
                return error;
            }
        }
    };
    tokio::time::timeout(LIMIT, read).await.expect("the stream ends in time")
}

/// Keys before and after of all rows.
pub fn rows(changes: &[Change]) -> Vec<(Option<Bound>, Option<Bound>)> {
    let row = |change: &Change| match change {
        Change::Row { before, after, .. } => Some((before.clone(), after.clone())),
        Change::Committed { .. } | Change::Ddl { .. } | Change::Idle { .. } => None,
    };
    changes.iter().filter_map(row).collect()
}

/// Statements that were told.
pub fn statements(changes: &[Change]) -> Vec<String> {
    let statement = |change: &Change| match change {
        Change::Ddl { statement, .. } => Some(String::from_utf8_lossy(statement).into_owned()),
        Change::Committed { .. } | Change::Row { .. } | Change::Idle { .. } => None,
    };
    changes.iter().filter_map(statement).collect()
}

/// Places between transactions.
pub fn commits(changes: &[Change]) -> Vec<Position> {
    let commit = |change: &Change| match change {
        Change::Committed { at } => Some(at.clone()),
        Change::Ddl { .. } | Change::Row { .. } | Change::Idle { .. } => None,
    };
    changes.iter().filter_map(commit).collect()
}

/// A key of one column.
pub fn key(text: &str) -> Option<Bound> {
    Some(Bound(vec![text.to_owned()]))
}
