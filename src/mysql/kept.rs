//! A connection that is opened when first needed and again after it was lost.

use std::sync::Arc;
use std::time::Duration;

use crate::ports::server::{Done, ErrorKind, Row, Server, ServerError, Session};
use crate::sql::Sql;

/// How long a statement may take when nothing else is said; past it the statement is killed.
const STATEMENT_DEADLINE: Duration = Duration::from_secs(60);

/// One connection to one server, with statements that each new connection starts with.
pub struct KeptSession {
    server: Arc<dyn Server>,
    setup: Vec<Sql>,
    session: Option<Box<dyn Session>>,
}

impl KeptSession {
    /// Connects later, when the first statement comes.
    #[must_use]
    pub const fn new(server: Arc<dyn Server>, setup: Vec<Sql>) -> Self {
        Self { server, setup, session: None }
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// The connection, made when there is none.
    ///
    /// # Errors
    /// As `Server::connect`, and whatever a statement of the set-up answers.
    pub async fn session(&mut self) -> Result<&mut dyn Session, ServerError> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => {
                let mut fresh = self.server.connect().await?;
                for sql in &self.setup {
                    fresh.execute(sql).await?;
                }
                fresh
            }
        };
        // Kept only now: a connection whose set-up failed or was cancelled is never used again.
        session.set_deadline(STATEMENT_DEADLINE);
        Ok(self.session.insert(session).as_mut())
    }

    /// Closes the connection; the next statement opens a new one.
    pub fn forget(&mut self) {
        self.session = None;
    }

    /// Reads; after a lost connection once more on a new one, which a read may.
    ///
    /// # Errors
    /// As `Session::query`.
    pub async fn read(&mut self, sql: &Sql) -> Result<Vec<Row>, ServerError> {
        let fresh = self.session.is_none();
        match self.session().await?.query(sql).await {
            Err(error) if broken(&error) => {
                self.forget();
                if fresh {
                    return Err(error);
                }
                self.session().await?.query(sql).await
            }
            answer => answer,
        }
    }

    /// Writes, once.
    ///
    /// # Errors
    /// As `Session::execute`; after `Lost` the next call connects anew.
    pub async fn write(&mut self, sql: &Sql) -> Result<Done, ServerError> {
        let answer = self.session().await?.execute(sql).await;
        if answer.as_ref().is_err_and(broken) {
            self.forget();
        }
        answer
    }
}

fn broken(error: &ServerError) -> bool {
    matches!(error.kind, ErrorKind::Lost | ErrorKind::NotReady | ErrorKind::Connect)
}
