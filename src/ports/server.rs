//! A server that speaks SQL, one connection at a time.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{CopySpec, Reason, TableShape};

use super::changes::Changes;
use crate::error::{Fault, Remedy};
use crate::sql::Sql;

/// What class of failure a server error is; decides the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// 1213, 1205, 1180, 3572 and their kin: the transaction was rolled back or must be.
    Conflict,
    /// 1047, 1927 before a statement was sent, …: the node does not take statements now.
    NotReady,
    /// The connection went, or our own deadline passed, while a statement was under way.
    Lost,
    /// The connection could not be made.
    Connect,
    /// 1044, 1045, 1142, 1227 …: a privilege is missing or the password is wrong.
    Denied,
    /// 1062: a unique key was violated.
    Duplicate,
    /// 1264, 1265, 1366, 1406, 1048, 1292 …: a value does not fit.
    Data,
    /// 1146, 1049, 1054, 1091 …: the object is not there.
    Missing,
    /// 1021, 1114, "No space left on device": there is no room for what was to be written.
    Full,
    /// Any other answer of the server.
    Other,
}

/// An error from a server or from the way to it. Never holds a password.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{node}: {message}{}", .code.checked_sub(1).map_or_else(String::new, |_| format!(" ({code})")))]
pub struct ServerError {
    /// `host:port` of the server.
    pub node: String,
    /// The server's error number; 0 when it did not come from a server.
    pub code: u16,
    /// The server's words.
    pub message: String,
    /// The class.
    pub kind: ErrorKind,
}

impl ServerError {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self.kind {
            ErrorKind::Conflict | ErrorKind::NotReady | ErrorKind::Connect => Remedy::Retry,
            ErrorKind::Lost => Remedy::Inspect,
            ErrorKind::Denied
            | ErrorKind::Duplicate
            | ErrorKind::Data
            | ErrorKind::Missing
            | ErrorKind::Full
            | ErrorKind::Other => Remedy::Stop,
        }
    }
}

impl From<ServerError> for Fault {
    fn from(error: ServerError) -> Self {
        if error.kind == ErrorKind::Full {
            let (what, remedy) = (format!("a disk is full: {error}"), format!("make room on {}", error.node));
            return Self::Full(Box::new(Reason::new(ReasonCode::DiskFull, what, remedy)));
        }
        match error.remedy() {
            Remedy::Retry => Self::Busy(error.to_string()),
            Remedy::Inspect => Self::Lost(error.to_string()),
            Remedy::Stop => Self::Failed(error.to_string()),
        }
    }
}

/// One row, every value as the text protocol gives it; `None` is NULL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(pub Vec<Option<Vec<u8>>>);

impl Row {
    /// The value as text; `None` for NULL or a missing column. Bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self, index: usize) -> Option<String> {
        self.bytes(index).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// The value as it came.
    #[must_use]
    pub fn bytes(&self, index: usize) -> Option<&[u8]> {
        self.0.get(index)?.as_deref()
    }

    /// The value as a number; `None` for NULL or anything else.
    #[must_use]
    pub fn u64(&self, index: usize) -> Option<u64> {
        self.text(index)?.parse().ok()
    }
}

/// What a statement did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows that it changed.
    pub affected: u64,
    /// Warnings that it left.
    pub warnings: u16,
}

/// One connection. Not shared: a statement needs `&mut`.
#[async_trait::async_trait]
pub trait Session: Send {
    /// Runs a statement and returns all its rows.
    ///
    /// # Errors
    /// As classified by `ErrorKind`. After `Lost` the session is dead and every further call answers `Lost`.
    async fn query(&mut self, sql: &Sql) -> Result<Vec<Row>, ServerError>;
    /// Runs a statement that returns no rows.
    ///
    /// # Errors
    /// As `query`.
    async fn execute(&mut self, sql: &Sql) -> Result<Done, ServerError>;
    /// Sets the deadline of every following statement; past it the statement is killed on the server.
    fn set_deadline(&mut self, deadline: Duration);
    /// The server's id of this connection (`CONNECTION_ID()`).
    fn id(&self) -> u64;
    /// `host:port` of the server.
    fn node(&self) -> &str;
}

/// A server that can be connected to.
#[async_trait::async_trait]
pub trait Server: Send + Sync {
    /// Opens a connection with the session settings that all of driftless relies on (`sql::session`).
    ///
    /// # Errors
    /// `Connect` or `Denied`.
    async fn connect(&self) -> Result<Box<dyn Session>, ServerError>;
    /// `host:port`, or the socket's path.
    fn address(&self) -> &str;
    /// Its binlog, as far as it is about the table of that copy; `None` from what is no server of its own.
    fn changes(&self, _spec: &CopySpec, _source: &TableShape) -> Option<Arc<dyn Changes>> {
        None
    }
}
