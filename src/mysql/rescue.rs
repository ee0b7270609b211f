//! Ends a connection's statement from outside, when its own connection no longer can.

use std::fmt;
use std::time::Duration;

use mysql_async::{Conn, Opts};
use tokio::time::Instant;

use crate::mysql::about::{About, Identity};
use crate::mysql::statement::{Answer, Want, ask, goodbye, words};
use crate::ports::server::{ErrorKind, ServerError};
use crate::sql::{Sql, session};

/// How long ending a statement may take altogether.
const LIMIT: Duration = Duration::from_secs(10);

/// Between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(50);

/// How far the server's clock may be off when its uptime is compared, and the uptime's resolution.
const UPTIME_SLACK: Duration = Duration::from_secs(3);

/// The server's answer when a connection is not there.
const NO_SUCH_THREAD: u16 = 1094;

/// What became of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its connection is gone from the server, and with it the statement and its transaction.
    Gone,
    /// It may still run; why.
    Unsure(String),
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("it was ended on the server"),
            Self::Unsure(why) => write!(f, "it may still run there ({why})"),
        }
    }
}

/// What is needed to end a connection from outside.
pub(super) struct Rescue {
    opts: Opts,
    node: String,
    id: u64,
    server: Identity,
    born: Instant,
}

impl Rescue {
    /// For the connection of that id, which was opened now.
    pub(super) fn new(opts: Opts, node: String, id: u64, server: Identity) -> Self {
        Self { opts, node, id, server, born: Instant::now() }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// The error of a session that ended in the middle of a statement.
    pub(super) fn lost(&self, message: String) -> ServerError {
        ServerError { node: self.node.clone(), code: 0, message, kind: ErrorKind::Lost }
    }

    /// Kills the connection until the server no longer knows it; at most `LIMIT`.
    pub(super) async fn end(&self) -> Fate {
        match tokio::time::timeout(LIMIT, self.kill()).await {
            Ok(Ok(())) => Fate::Gone,
            Ok(Err(why)) => Fate::Unsure(why),
            Err(_) => Fate::Unsure(format!("it did not end within {LIMIT:?}")),
        }
    }

    async fn kill(&self) -> Result<(), String> {
        let mut control = Conn::new(self.opts.clone())
            .await
            .map_err(|error| format!("no second connection to end it: {}", words(&error)))?;
        let about = About::new(&tell(&mut control, &session::about()).await.map_err(|error| words(&error))?.rows);
        if about.identity() != self.server {
            return Err("the address leads to another server now".into());
        }
        let uptime = tell(&mut control, &session::uptime()).await.map_err(|error| words(&error))?;
        let uptime = uptime.rows.first().and_then(|row| row.u64(1)).ok_or("the server does not tell its uptime")?;
        if Duration::from_secs(uptime) + UPTIME_SLACK < self.born.elapsed() {
            // The server was started after this session: its ids mean others now, and the statement died with it.
            return Ok(());
        }
        let kill = session::kill(self.id);
        loop {
            match tell(&mut control, &kill).await {
                Ok(_) => tokio::time::sleep(PAUSE).await,
                Err(mysql_async::Error::Server(error)) if error.code == NO_SUCH_THREAD => break,
                Err(error) => return Err(words(&error)),
            }
        }
        goodbye(control).await;
        Ok(())
    }
}

async fn tell(control: &mut Conn, sql: &Sql) -> mysql_async::Result<Answer> {
    ask(control, sql.as_str().to_owned(), Want::Rows).await
}
