//! A connection that shares no code with `src/mysql`: what it sees does not depend on what is under test.

use std::sync::Arc;
use std::time::Duration;

use driftless::demo::{Connect, NodeProcess};
use driftless::ports::server::{Done, ErrorKind, Row, Server, ServerError, Session};
use driftless::sql::Sql;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder, Value};

/// `127.0.0.1:port`, user `root`, no password.
#[derive(Clone, Debug)]
pub struct PlainServer {
    port: u16,
    address: String,
}

impl PlainServer {
    /// Nothing is connected yet.
    pub fn new(port: u16) -> Self {
        Self { port, address: format!("127.0.0.1:{port}") }
    }

    /// Runs statements one after the other and returns the rows of the last, NULL as `NULL`. Questions to the catalog are
    /// asked again while DDL of other tests gets in the way: the catalog opens tables, which they may roll back.
    pub async fn run(&self, statements: &[&str]) -> Vec<Vec<String>> {
        let mut conn = self.open().await.expect("connect");
        let text = |value| bytes(value).map_or("NULL".to_owned(), |b| String::from_utf8_lossy(&b).into_owned());
        let mut last = Vec::new();
        for statement in statements {
            let mut tries = if statement.contains("information_schema.") { 50 } else { 1 };
            let found: Vec<mysql_async::Row> = loop {
                tries -= 1;
                match conn.query(*statement).await {
                    Ok(rows) => break rows,
                    Err(mysql_async::Error::Server(error)) if matches!(error.code, 1213 | 1205) && tries > 0 => {
                        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    }
                    Err(error) => panic!("{}: {statement}: {error}", self.address),
                }
            };
            last = found.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect();
        }
        conn.disconnect().await.expect("disconnect");
        last
    }

    /// The number that a statement answers; `None` when the server turns it down, as it may in the middle of DDL.
    pub async fn number(&self, statement: &str) -> Option<u64> {
        let mut conn = self.open().await.ok()?;
        let answer = conn.query_first(statement).await.ok()?;
        conn.disconnect().await.ok()?;
        answer
    }

    /// Runs one statement until it is not turned down by a conflict.
    pub async fn insist(&self, statement: &str) {
        let mut conn = self.open().await.expect("connect");
        for _ in 0..200 {
            match conn.query_drop(statement).await {
                Ok(()) => {
                    conn.disconnect().await.expect("disconnect");
                    return;
                }
                Err(mysql_async::Error::Server(error)) if matches!(error.code, 1213 | 1205) => {}
                Err(error) => panic!("{}: {statement}: {error}", self.address),
            }
        }
        panic!("{}: always a conflict: {statement}", self.address);
    }

    async fn open(&self) -> mysql_async::Result<Conn> {
        let opts = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(self.port).user(Some("root"));
        let mut conn = Conn::new(opts.prefer_socket(false)).await?;
        // What one node has committed, the next one asked must show; servers without wsrep do not know the variable.
        drop(conn.query_drop("SET SESSION wsrep_sync_wait = 15").await);
        Ok(conn)
    }

    fn error(&self, error: &mysql_async::Error) -> ServerError {
        let (code, kind) = match error {
            mysql_async::Error::Server(server) => (server.code, kind(server.code)),
            mysql_async::Error::Driver(_)
            | mysql_async::Error::Io(_)
            | mysql_async::Error::Other(_)
            | mysql_async::Error::Url(_) => (0, ErrorKind::Lost),
        };
        ServerError { node: self.address.clone(), code, message: error.to_string(), kind }
    }
}

const fn kind(code: u16) -> ErrorKind {
    match code {
        1213 | 1205 | 1180 => ErrorKind::Conflict,
        1047 | 1053 => ErrorKind::NotReady,
        1927 | 2006 | 2013 => ErrorKind::Lost,
        1044 | 1045 => ErrorKind::Denied,
        1062 => ErrorKind::Duplicate,
        1264 | 1265 | 1366 | 1406 | 1048 | 1292 => ErrorKind::Data,
        1146 | 1049 | 1054 | 1091 => ErrorKind::Missing,
        _ => ErrorKind::Other,
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(bytes),
        other @ (Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Date(..)
        | Value::Time(..)) => Some(other.as_sql(true).into_bytes()),
    }
}

#[async_trait::async_trait]
impl Server for PlainServer {
    async fn connect(&self) -> Result<Box<dyn Session>, ServerError> {
        let connect = tokio::time::timeout(Duration::from_secs(10), self.open()).await;
        let conn = connect.map_err(|_| late(&self.address, ErrorKind::Connect))?;
        let conn = conn.map_err(|error| ServerError { kind: ErrorKind::Connect, ..self.error(&error) })?;
        Ok(Box::new(PlainSession { conn: Some(conn), server: self.clone(), deadline: Duration::from_secs(60) }))
    }

    fn address(&self) -> &str {
        &self.address
    }
}

struct PlainSession {
    conn: Option<Conn>,
    server: PlainServer,
    deadline: Duration,
}

impl PlainSession {
    async fn ask(&mut self, sql: &Sql) -> Result<(Vec<Row>, Done), ServerError> {
        let Some(conn) = self.conn.as_mut() else { return Err(late(&self.server.address, ErrorKind::Lost)) };
        let answer = tokio::time::timeout(self.deadline, async {
            let rows: Vec<mysql_async::Row> = conn.query(sql.as_str()).await?;
            Ok::<_, mysql_async::Error>((rows, Done { affected: conn.affected_rows(), warnings: conn.get_warnings() }))
        });
        let answer = answer.await;
        let Ok(answer) = answer else {
            self.conn = None;
            return Err(late(&self.server.address, ErrorKind::Lost));
        };
        let (rows, done) = answer.map_err(|error| {
            let error = self.server.error(&error);
            if error.kind == ErrorKind::Lost {
                self.conn = None;
            }
            error
        })?;
        Ok((rows.into_iter().map(|row| Row(row.unwrap().into_iter().map(bytes).collect())).collect(), done))
    }
}

#[async_trait::async_trait]
impl Session for PlainSession {
    async fn query(&mut self, sql: &Sql) -> Result<Vec<Row>, ServerError> {
        self.ask(sql).await.map(|(rows, _)| rows)
    }

    async fn execute(&mut self, sql: &Sql) -> Result<Done, ServerError> {
        self.ask(sql).await.map(|(_, done)| done)
    }

    fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    fn id(&self) -> u64 {
        self.conn.as_ref().map_or(0, |conn| u64::from(conn.id()))
    }

    fn node(&self) -> &str {
        &self.server.address
    }
}

fn late(node: &str, kind: ErrorKind) -> ServerError {
    ServerError { node: node.to_owned(), code: 0, message: "no answer in time".to_owned(), kind }
}

/// Makes such servers for the demo.
pub struct PlainConnect;

impl Connect for PlainConnect {
    fn server(&self, node: &NodeProcess) -> Arc<dyn Server> {
        Arc::new(PlainServer::new(node.port))
    }
}
