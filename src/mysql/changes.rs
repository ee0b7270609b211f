//! A server's binlog as the rest of the program sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::{CopySpec, Flavour, TableShape, Version};
use mysql_async::Conn;
use tokio::sync::Mutex;

use crate::binlog::{Follower, Watch};
use crate::mysql::kept::KeptSession;
use crate::mysql::server::MysqlServer;
use crate::mysql::stream::{Begin, BinlogSource};
use crate::ports::changes::{ChangeSource, Changes, Position, StreamError};
use crate::ports::server::{ErrorKind, Row, Server as _, ServerError};
use crate::sql::{self, Sql, catalog};

/// The first event of every file begins here.
const FIRST: u32 = 4;

/// Numbers for our connections: away from those that people give to their servers.
const IDS: std::ops::Range<u32> = 0x8000_0000..0xffff_fff0;

/// Attempts to find a number that nobody has.
const ATTEMPTS: usize = 16;

/// The binlog of one server, as far as it is about one table.
pub struct MysqlChanges {
    server: Arc<MysqlServer>,
    session: Mutex<KeptSession>,
    spec: CopySpec,
    source: TableShape,
    heartbeat: Duration,
}

/// What a server says of its binlog.
struct About(BTreeMap<String, String>);

impl About {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn flavour(&self) -> Flavour {
        let text = format!("{} {}", self.get("version"), self.get("version_comment")).to_ascii_lowercase();
        if text.contains("mariadb") { Flavour::MariaDb } else { Flavour::MySql }
    }

    fn version(&self) -> Version {
        let mut parts = self.get("version").split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        let mut part = || parts.next().unwrap_or(0);
        Version::new(part(), part(), part())
    }

    /// MySQL numbers its servers; MariaDB's are told apart by where they run and write.
    fn identity(&self) -> String {
        match self.get("server_uuid") {
            "" => {
                let [host, port, id, base] =
                    ["hostname", "port", "server_id", "log_bin_basename"].map(|name| self.get(name));
                format!("{host}:{port} {id} {base}")
            }
            uuid => uuid.to_owned(),
        }
    }
}

impl MysqlChanges {
    /// The changes of `spec.source`, which has the shape `source`, as that server's binlog tells them. The server says at
    /// least every `heartbeat` that it is there. Does not connect yet.
    #[must_use]
    pub fn new(server: Arc<MysqlServer>, spec: CopySpec, source: TableShape, heartbeat: Duration) -> Self {
        let session = Mutex::new(KeptSession::new(Arc::clone(&server) as _, Vec::new()));
        Self { server, session, spec, source, heartbeat }
    }

    async fn read(&self, sql: &Sql) -> Result<Vec<Row>, StreamError> {
        self.session.lock().await.read(sql).await.map_err(stream_error)
    }

    async fn about(&self) -> Result<About, StreamError> {
        let rows = self.read(&sql::binlog::identity()).await?;
        let pair = |row: &Row| Some((row.text(0)?.to_ascii_lowercase(), row.text(1).unwrap_or_default()));
        let about = About(rows.iter().filter_map(pair).collect());
        match about.get("log_bin") {
            "ON" | "1" => Ok(about),
            _ => Err(self.refused("it writes none (log_bin is OFF)".into())),
        }
    }

    fn refused(&self, what: String) -> StreamError {
        StreamError::Refused { node: self.server.address().to_owned(), what }
    }

    /// Waits until a Galera node has applied what the cluster had committed when it was asked.
    async fn catch_up(&self, about: &About) -> Result<(), StreamError> {
        if !matches!(about.get("wsrep_on"), "ON" | "1") {
            return Ok(());
        }
        let mut kept = self.session.lock().await;
        let waited = async {
            kept.write(&catalog::causal()).await?;
            kept.read(&catalog::nothing()).await?;
            kept.write(&catalog::not_causal()).await
        };
        let waited = waited.await;
        if waited.is_err() {
            // It might go on waiting with every read.
            kept.forget();
        }
        waited.map(drop).map_err(stream_error)
    }

    /// A number for the connection that no replica of the server has: the server would cut the other one off.
    async fn server_id(&self, about: &About) -> Result<u32, StreamError> {
        let hosts = match self.read(&catalog::replica_hosts(about.flavour(), about.version())).await {
            // Whoever may not ask has to trust that four thousand million numbers are enough.
            Err(StreamError::Refused { .. }) => Vec::new(),
            hosts => hosts?,
        };
        let mut taken: BTreeSet<u64> = hosts.iter().filter_map(|row| row.u64(0)).collect();
        taken.extend(about.get("server_id").parse::<u64>());
        let free = (0..ATTEMPTS).map(|_| random_id()).find(|id| !taken.contains(&u64::from(*id)));
        free.ok_or_else(|| self.refused("no server id is free for the connection".into()))
    }

    /// A connection that has said what it has to say.
    async fn dial(&self, about: &About) -> Result<(Conn, crate::mysql::rescue::Rescue), StreamError> {
        let settings = sql::binlog::follow(about.flavour(), self.heartbeat);
        self.server.raw(&settings).await.map_err(stream_error)
    }
}

/// A random number of the range. It need not be unpredictable, only another one each time.
fn random_id() -> u32 {
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let span = u64::from(IDS.end - IDS.start);
    IDS.start + u32::try_from(random % span).unwrap_or(0)
}

/// An error of a question about the binlog.
fn stream_error(error: ServerError) -> StreamError {
    let what = if error.code == 0 { error.message.clone() } else { format!("{} ({})", error.message, error.code) };
    let node = error.node;
    match error.kind {
        ErrorKind::Lost | ErrorKind::Conflict => StreamError::Lost { node, what },
        ErrorKind::Connect | ErrorKind::NotReady => StreamError::Busy { node, what },
        ErrorKind::Denied
        | ErrorKind::Duplicate
        | ErrorKind::Data
        | ErrorKind::Missing
        | ErrorKind::Full
        | ErrorKind::Other => StreamError::Refused { node, what },
    }
}

#[async_trait::async_trait]
impl Changes for MysqlChanges {
    async fn position(&self) -> Result<Position, StreamError> {
        let about = self.about().await?;
        self.catch_up(&about).await?;
        let executed = match about.flavour() {
            Flavour::MySql => self.read(&sql::binlog::gtids_executed()).await?.first().and_then(|row| row.text(0)),
            Flavour::MariaDb => None,
        };
        let rows = self.read(&sql::binlog::end(about.flavour(), about.version())).await?;
        let place = rows.first().and_then(|row| Some((row.text(0)?, row.u64(1)?)));
        let (file, offset) = place.ok_or_else(|| self.refused("it does not say where its binlog ends".into()))?;
        let gtid = match about.flavour() {
            Flavour::MySql => executed.map(|set| set.replace('\n', "")).filter(|set| !set.is_empty()),
            Flavour::MariaDb => {
                let rows = self.read(&sql::binlog::gtids_at(&file, offset)).await?;
                rows.first().and_then(|row| row.text(0))
            }
        };
        Ok(Position { server: about.identity(), file, offset, began: None, gtid, xid: None })
    }

    async fn has(&self, at: &Position) -> Result<bool, StreamError> {
        let about = self.about().await?;
        if about.identity() != at.server {
            return Ok(false);
        }
        let files = self.read(&sql::binlog::files()).await?;
        let reaches = |row: &Row| {
            row.text(0).is_some_and(|name| name == at.file) && row.u64(1).is_some_and(|size| size >= at.offset)
        };
        Ok(files.iter().any(reaches))
    }

    async fn open(&self, from: &Position) -> Result<Box<dyn ChangeSource>, StreamError> {
        let about = self.about().await?;
        let purged = |what: &str| StreamError::Purged {
            node: self.server.address().to_owned(),
            at: Box::new(from.clone()),
            what: what.to_owned(),
        };
        if about.identity() != from.server {
            return Err(purged("another server answers, with another binlog"));
        }
        if !self.has(from).await? {
            return Err(purged("the file is gone, or does not reach so far"));
        }
        let fold = !matches!(about.get("lower_case_table_names"), "0" | "");
        let watch = Watch::new(&self.spec, &self.source, fold).map_err(|error| self.refused(error.to_string()))?;
        // A request has 32 bits for the offset: beyond, the file is read from its beginning and passed over.
        let offset = u32::try_from(from.offset).unwrap_or(FIRST);
        let begin = Begin {
            server_id: self.server_id(&about).await?,
            file: from.file.clone(),
            offset,
            heartbeat: self.heartbeat,
        };
        let follower = Follower::new(watch, from, u64::from(offset));
        let (conn, rescue) = self.dial(&about).await?;
        let mut source = BinlogSource::open(conn, &begin, follower, rescue, self.server.under_way()).await?;
        source.begin().await?;
        Ok(Box::new(source))
    }
}
