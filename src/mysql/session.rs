//! One connection as the rest of the program sees it.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::Conn;

use crate::mysql::rescue::Rescue;
use crate::mysql::statement::{Answer, Statement, UnderWay, Want, goodbye, start};
use crate::ports::server::{Done, ErrorKind, Row, ServerError, Session};
use crate::sql::Sql;

/// How long a statement may take unless told otherwise.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// A session. It is alive, away with a statement, or over; it never comes back from the last two by itself.
pub(super) struct MysqlSession {
    state: State,
    rescue: Arc<Rescue>,
    under_way: UnderWay,
    max_statement: Option<usize>,
    deadline: Duration,
}

enum State {
    /// The connection waits for a statement.
    Alive(Box<Conn>),
    /// A statement is under way; seen by a caller only when the future of an earlier call was dropped.
    Away,
    /// It is over.
    Over(ServerError),
}

impl MysqlSession {
    pub(super) fn new(conn: Conn, rescue: Rescue, max_statement: Option<usize>, under_way: UnderWay) -> Self {
        let state = State::Alive(Box::new(conn));
        Self { state, rescue: Arc::new(rescue), under_way, max_statement, deadline: DEADLINE }
    }

    async fn run(&mut self, sql: &Sql, want: Want) -> Result<Answer, ServerError> {
        let text = sql.as_str().to_owned();
        self.check_length(text.len())?;
        let conn = match std::mem::replace(&mut self.state, State::Away) {
            State::Alive(conn) => *conn,
            State::Away => {
                let message = "a statement was given up before its answer came; the session is over";
                return Err(self.over(self.rescue.lost(message.into())));
            }
            State::Over(error) => return Err(self.over(error)),
        };
        let statement = Statement { text, want, deadline: self.deadline };
        let reply = start(conn, statement, Arc::clone(&self.rescue), &self.under_way).await;
        match reply {
            Ok(reply) => match (reply.conn, reply.result) {
                (Some(conn), result) => {
                    self.state = State::Alive(Box::new(conn));
                    result
                }
                (None, Err(error)) => Err(self.over(error)),
                (None, Ok(_)) => Err(self.over(self.rescue.lost("the session ended with the statement".into()))),
            },
            // The task is gone without a word: the driver panicked.
            Err(_) => {
                let fate = self.rescue.end().await;
                Err(self.over(self.rescue.lost(format!("BUG: the driver failed within a statement; {fate}"))))
            }
        }
    }

    /// The server would close the connection on a longer statement.
    fn check_length(&self, length: usize) -> Result<(), ServerError> {
        let Some(max) = self.max_statement.filter(|max| length + 1 >= *max) else { return Ok(()) };
        let message =
            format!("a statement of {length} bytes is longer than the server takes (max_allowed_packet {max})");
        Err(ServerError { node: self.rescue.node().into(), code: 0, message, kind: ErrorKind::Other })
    }

    fn over(&mut self, error: ServerError) -> ServerError {
        self.state = State::Over(error.clone());
        error
    }
}

impl Drop for MysqlSession {
    /// Leaves the server politely, which also rolls back at once; in a task, as dropping can't wait.
    fn drop(&mut self) {
        let over = State::Over(self.rescue.lost("the session was closed".into()));
        if let State::Alive(conn) = std::mem::replace(&mut self.state, over)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(goodbye(*conn));
        }
    }
}

#[async_trait::async_trait]
impl Session for MysqlSession {
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
        self.rescue.id()
    }

    fn node(&self) -> &str {
        self.rescue.node()
    }
}
