//! A bare driver for these tests: what discovery and inspection need of a server, and nothing of the product's care.

use std::sync::Arc;
use std::time::Duration;

use driftless::ports::members::Connector;
use driftless::ports::server::{Done, ErrorKind, Row, Server, ServerError, Session};
use driftless::sql::Sql;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Value};

/// A server at `host:port`.
pub(crate) struct Direct {
    address: String,
    opts: Opts,
}

/// Connects as one user everywhere; addresses in `routes` lead elsewhere, as a proxy's would.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
    pub(crate) routes: Vec<(String, String)>,
}

impl Way {
    pub(crate) fn root() -> Self {
        Self { user: "root", password: "", routes: Vec::new() }
    }
}

impl Connector for Way {
    fn server(&self, address: &str) -> Arc<dyn Server> {
        let target = self.routes.iter().find(|(from, _)| from == address).map_or(address, |(_, to)| to.as_str());
        let (host, port) = target.rsplit_once(':').unwrap_or((target, "3306"));
        let builder = OptsBuilder::default()
            .ip_or_hostname(host.to_owned())
            .tcp_port(port.parse().unwrap_or(3306))
            .user(Some(self.user))
            .pass(Some(self.password))
            .max_allowed_packet(Some(16 << 20))
            .wait_timeout(Some(60))
            .prefer_socket(false);
        Arc::new(Direct { address: address.to_owned(), opts: builder.into() })
    }
}

struct DirectSession {
    conn: Conn,
    node: String,
    deadline: Duration,
    dead: bool,
}

fn lost(node: &str, why: &str) -> ServerError {
    ServerError { node: node.to_owned(), code: 0, message: why.to_owned(), kind: ErrorKind::Lost }
}

fn classified(node: &str, error: mysql_async::Error, otherwise: ErrorKind) -> ServerError {
    let node = node.to_owned();
    let mysql_async::Error::Server(error) = error else {
        return ServerError { node, code: 0, message: error.to_string(), kind: otherwise };
    };
    let kind = match error.code {
        1205 | 1213 | 1180 | 3572 => ErrorKind::Conflict,
        1047 => ErrorKind::NotReady,
        1044 | 1045 | 1142 | 1227 => ErrorKind::Denied,
        1049 | 1054 | 1091 | 1146 => ErrorKind::Missing,
        _ => ErrorKind::Other,
    };
    ServerError { node, code: error.code, message: error.message, kind }
}

#[async_trait::async_trait]
impl Server for Direct {
    async fn connect(&self) -> Result<Box<dyn Session>, ServerError> {
        let conn = Conn::new(self.opts.clone()).await;
        let mut conn = conn.map_err(|error| classified(&self.address, error, ErrorKind::Connect))?;
        let set = conn.query_drop("SET SESSION time_zone = '+00:00', wait_timeout = 60").await;
        set.map_err(|error| classified(&self.address, error, ErrorKind::Connect))?;
        Ok(Box::new(DirectSession { conn, node: self.address.clone(), deadline: Duration::from_secs(20), dead: false }))
    }

    fn address(&self) -> &str {
        &self.address
    }
}

#[async_trait::async_trait]
impl Session for DirectSession {
    async fn query(&mut self, sql: &Sql) -> Result<Vec<Row>, ServerError> {
        if self.dead {
            return Err(lost(&self.node, "the session is dead"));
        }
        let answer = tokio::time::timeout(self.deadline, self.conn.query::<mysql_async::Row, _>(sql.as_str())).await;
        let Ok(answer) = answer else {
            self.dead = true;
            return Err(lost(&self.node, "deadline"));
        };
        let rows = answer.map_err(|error| {
            let error = classified(&self.node, error, ErrorKind::Lost);
            self.dead |= error.kind == ErrorKind::Lost;
            error
        })?;
        Ok(rows.into_iter().map(|row| Row(row.unwrap().into_iter().map(bytes).collect())).collect())
    }

    async fn execute(&mut self, sql: &Sql) -> Result<Done, ServerError> {
        self.query(sql).await?;
        Ok(Done { affected: self.conn.affected_rows(), warnings: self.conn.get_warnings() })
    }

    fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    fn id(&self) -> u64 {
        u64::from(self.conn.id())
    }

    fn node(&self) -> &str {
        &self.node
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    // The text protocol has nothing but bytes and NULL.
    if let Value::Bytes(bytes) = value { Some(bytes) } else { None }
}
