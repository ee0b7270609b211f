//! Opens sessions on one server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use driftless_strategies::{CopySpec, TableShape};
use mysql_async::{Conn, Opts};

use crate::config::{Connection, Endpoint, TlsMode};
use crate::mysql::about::About;
use crate::mysql::changes::MysqlChanges;
use crate::mysql::classify::classify;
use crate::mysql::rescue::Rescue;
use crate::mysql::session::MysqlSession;
use crate::mysql::statement::{UnderWay, Want, ask, words};
use crate::mysql::tls;
use crate::ports::changes::Changes;
use crate::ports::server::{ErrorKind, Row, Server, ServerError, Session};
use crate::sql::{Sql, session};

/// How often a quiet binlog says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The server's answer to a variable that its version does not have.
const UNKNOWN_VARIABLE: u16 = 1193;

/// One server, by its address.
pub struct MysqlServer {
    address: String,
    ways: Vec<Opts>,
    /// The way that worked last, so that a server without encryption is not asked for it each time.
    way: AtomicUsize,
    connect_timeout: Duration,
    tls_mode: TlsMode,
    under_way: UnderWay,
}

impl std::fmt::Debug for MysqlServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The driver's options hold the password and would show it.
        f.debug_struct("MysqlServer")
            .field("address", &self.address)
            .field("tls", &self.tls_mode)
            .finish_non_exhaustive()
    }
}

impl MysqlServer {
    /// The server at `endpoint`, with user, password, encryption and limits of `connection`. Does not connect yet.
    #[must_use]
    pub fn new(connection: &Connection, endpoint: &Endpoint) -> Self {
        Self {
            address: endpoint.to_string(),
            ways: tls::ways(connection, endpoint),
            way: AtomicUsize::new(0),
            connect_timeout: connection.connect_timeout,
            tls_mode: connection.tls.mode,
            under_way: UnderWay::default(),
        }
    }

    /// Waits until no statement is under way, those that were given up included; at most `limit`. To be called before the
    /// program ends, or what was given up runs on.
    pub async fn settle(&self, limit: Duration) {
        // Running out of time is not an error here: the warning of each statement tells of it.
        drop(tokio::time::timeout(limit, self.under_way.none()).await);
    }

    async fn open(&self) -> Result<MysqlSession, ServerError> {
        let (mut conn, opts) = self.dial().await?;
        let about = self.about(&mut conn).await?;
        for sql in session::opening(about.flavour(), about.cluster()) {
            match self.tell(&mut conn, &sql).await {
                Err(error) if error.code == UNKNOWN_VARIABLE => {}
                Err(error) => {
                    let message = format!("{} (while opening the session: {})", error.message, sql.as_str());
                    return Err(ServerError { message, ..error });
                }
                Ok(_) => {}
            }
        }
        let about = self.about(&mut conn).await?;
        if let Some(why) = about.unfit() {
            return Err(self.error(0, why, ErrorKind::Other));
        }
        let rescue = Rescue::new(opts, self.address.clone(), u64::from(conn.id()), about.identity());
        Ok(MysqlSession::new(conn, rescue, about.max_statement(), self.under_way.clone()))
    }

    /// A connection of its own that has said `settings`, and what ends it from outside.
    pub(super) async fn raw(&self, settings: &[Sql]) -> Result<(Conn, Rescue), ServerError> {
        let open = async {
            let (mut conn, opts) = self.dial().await?;
            for sql in settings {
                self.tell(&mut conn, sql).await?;
            }
            let identity = self.about(&mut conn).await?.identity();
            let rescue = Rescue::new(opts, self.address.clone(), u64::from(conn.id()), identity);
            Ok((conn, rescue))
        };
        self.in_time(open).await
    }

    /// What counts the statements under way.
    pub(super) fn under_way(&self) -> UnderWay {
        self.under_way.clone()
    }

    /// Connects and logs in; nothing is said yet.
    pub(super) async fn dial(&self) -> Result<(Conn, Opts), ServerError> {
        let first = self.way.load(Ordering::Relaxed);
        let mut ways = self.ways.iter().enumerate().skip(first).peekable();
        while let Some((index, opts)) = ways.next() {
            match Conn::new(opts.clone()).await {
                Ok(conn) => {
                    self.way.store(index, Ordering::Relaxed);
                    return Ok((conn, opts.clone()));
                }
                Err(error) if ways.peek().is_some() && tls::refuses_encryption(&error) => {
                    tracing::warn!(
                        node = self.address,
                        why = words(&error),
                        "no encryption; going on without (PREFERRED)"
                    );
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Err(self.error(0, "there is no way to connect".into(), ErrorKind::Connect))
    }

    async fn about(&self, conn: &mut Conn) -> Result<About, ServerError> {
        Ok(About::new(&self.tell(conn, &session::about()).await?))
    }

    async fn tell(&self, conn: &mut Conn, sql: &Sql) -> Result<Vec<Row>, ServerError> {
        let answer = ask(conn, sql.as_str().to_owned(), Want::Rows).await;
        Ok(answer.map_err(|error| self.failed(&error))?.rows)
    }

    /// The error of a connection that is not open yet: nothing is under way, so nothing is lost.
    fn failed(&self, error: &mysql_async::Error) -> ServerError {
        match error {
            mysql_async::Error::Server(server) => {
                let kind = match classify(server.code, &server.message) {
                    ErrorKind::Lost | ErrorKind::Conflict => ErrorKind::Connect,
                    kind @ (ErrorKind::NotReady
                    | ErrorKind::Connect
                    | ErrorKind::Denied
                    | ErrorKind::Duplicate
                    | ErrorKind::Data
                    | ErrorKind::Missing
                    | ErrorKind::Full
                    | ErrorKind::Other) => kind,
                };
                self.error(server.code, server.message.clone(), kind)
            }
            mysql_async::Error::Driver(driver) if refuses_login(driver) => {
                self.error(0, format!("can't log in: {}", words(error)), ErrorKind::Denied)
            }
            mysql_async::Error::Driver(_)
            | mysql_async::Error::Io(_)
            | mysql_async::Error::Other(_)
            | mysql_async::Error::Url(_) => {
                self.error(0, format!("can't connect: {}", tls::explained(&words(error))), ErrorKind::Connect)
            }
        }
    }

    /// Waits for a connection as long as the user allows.
    pub(super) async fn in_time<T>(
        &self,
        opening: impl Future<Output = Result<T, ServerError>>,
    ) -> Result<T, ServerError> {
        tokio::time::timeout(self.connect_timeout, opening).await.unwrap_or_else(|_| {
            let message = format!("no connection within {:?}", self.connect_timeout);
            Err(self.error(0, message, ErrorKind::Connect))
        })
    }

    pub(super) fn error(&self, code: u16, message: String, kind: ErrorKind) -> ServerError {
        ServerError { node: self.address.clone(), code, message, kind }
    }
}

/// Whether the driver has no way to prove who we are that the server takes.
fn refuses_login(error: &mysql_async::DriverError) -> bool {
    matches!(
        error,
        mysql_async::DriverError::UnknownAuthPlugin { .. }
            | mysql_async::DriverError::MysqlOldPasswordDisabled
            | mysql_async::DriverError::CleartextPluginDisabled
    )
}

#[async_trait::async_trait]
impl Server for MysqlServer {
    async fn connect(&self) -> Result<Box<dyn Session>, ServerError> {
        Ok(Box::new(self.in_time(self.open()).await?))
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn changes(&self, spec: &CopySpec, source: &TableShape) -> Option<Arc<dyn Changes>> {
        let same = Self {
            address: self.address.clone(),
            ways: self.ways.clone(),
            way: AtomicUsize::new(self.way.load(Ordering::Relaxed)),
            connect_timeout: self.connect_timeout,
            tls_mode: self.tls_mode,
            under_way: self.under_way.clone(),
        };
        Some(Arc::new(MysqlChanges::new(Arc::new(same), spec.clone(), source.clone(), HEARTBEAT)))
    }
}
