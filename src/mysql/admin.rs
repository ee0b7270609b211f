//! ProxySQL's admin interface: it speaks the protocol, but is no server. It has no session settings, and a KILL there would
//! end an application's connection of that number, so nothing is ever killed: a connection that does not answer is closed.

use std::time::Duration;

use mysql_async::Conn;

use crate::config::{Connection, Endpoint};
use crate::mysql::classify::classify;
use crate::mysql::server::MysqlServer;
use crate::mysql::session::DEADLINE;
use crate::mysql::statement::{Answer, Want, ask, goodbye, words};
use crate::ports::server::{Done, ErrorKind, Row, Server, ServerError, Session};
use crate::sql::Sql;

/// One admin interface, by its address.
#[derive(Debug)]
pub struct AdminServer(MysqlServer);

impl AdminServer {
    /// The admin interface at `endpoint`, with user, password, encryption and limits of `connection`. Does not connect yet.
    #[must_use]
    pub fn new(connection: &Connection, endpoint: &Endpoint) -> Self {
        Self(MysqlServer::new(connection, endpoint))
    }
}

#[async_trait::async_trait]
impl Server for AdminServer {
    async fn connect(&self) -> Result<Box<dyn Session>, ServerError> {
        let (conn, _) = self.0.in_time(self.0.dial()).await?;
        let node = self.0.address().to_owned();
        Ok(Box::new(AdminSession { conn: Some(conn), node, deadline: DEADLINE }))
    }

    fn address(&self) -> &str {
        self.0.address()
    }
}

/// Holds no connection while a statement is under way: when the caller gives up, it is closed.
struct AdminSession {
    conn: Option<Conn>,
    node: String,
    deadline: Duration,
}

impl AdminSession {
    async fn run(&mut self, sql: &Sql, want: Want) -> Result<Answer, ServerError> {
        let Some(mut conn) = self.conn.take() else { return Err(self.lost("the session is over".into())) };
        let answer = tokio::time::timeout(self.deadline, ask(&mut conn, sql.as_str().to_owned(), want)).await;
        let error = match answer {
            Err(_) => return Err(self.lost(format!("no answer within {:?}", self.deadline))),
            Ok(Ok(answer)) => {
                self.conn = Some(conn);
                return Ok(answer);
            }
            Ok(Err(error)) => error,
        };
        let mysql_async::Error::Server(server) = error else {
            return Err(self.lost(format!("the connection broke: {}", words(&error))));
        };
        let kind = classify(server.code, &server.message);
        self.conn = (kind != ErrorKind::Lost).then_some(conn);
        Err(ServerError { node: self.node.clone(), code: server.code, message: server.message, kind })
    }

    fn lost(&self, message: String) -> ServerError {
        ServerError { node: self.node.clone(), code: 0, message, kind: ErrorKind::Lost }
    }
}

impl Drop for AdminSession {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(goodbye(conn));
        }
    }
}

#[async_trait::async_trait]
impl Session for AdminSession {
    async fn query(&mut self, sql: &Sql) -> Result<Vec<Row>, ServerError> {
        Ok(self.run(sql, Want::Rows).await?.rows)
    }

    async fn execute(&mut self, sql: &Sql) -> Result<Done, ServerError> {
        Ok(self.run(sql, Want::Done).await?.done)
    }

    fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    fn id(&self) -> u64 {
        self.conn.as_ref().map_or(0, |conn| u64::from(conn.id()))
    }

    fn node(&self) -> &str {
        &self.node
    }
}
