//! What changes in a table, as a server's binlog tells it.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Fault, Remedy};
use crate::ports::rows::Bound;

/// A place in a server's binlog between two transactions: everything before it is in whole, everything after it is out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// What tells the server whose binlog it is from any other; places of different servers have no order.
    pub server: String,
    /// The file's name, without a path.
    pub file: String,
    /// Bytes from the file's beginning; more than 4 GiB are possible.
    pub offset: u64,
    /// When the server began the file, seconds since 1970, once the stream has seen it: a file of the same name that
    /// another binlog has (after RESET, or a full state transfer) began at another time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<u32>,
    /// All transactions up to here: MariaDB `0-1-5,1-2-3`, MySQL a GTID set; `None` when the server does not number them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtid: Option<String>,
    /// The XID of the last transaction before it, once the stream has seen one. On Galera it is the write set's seqno and
    /// the same on all nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xid: Option<u64>,
}

impl Position {
    /// The number of the file: 7 of `bin.000007`. Compared as a number, as `.1000000` follows `.999999`.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.file.rsplit_once('.')?.1.parse().ok()
    }

    /// Whether it is this place or a later one of the same binlog; `None` when that can't be told.
    #[must_use]
    pub fn reached(&self, other: &Self) -> Option<bool> {
        self.partial_cmp(other).map(Ordering::is_ge)
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        if self.server != other.server {
            return None;
        }
        let order = self.number()?.cmp(&other.number()?).then(self.offset.cmp(&other.offset));
        // Equal places that differ in what is known of them are not equal values.
        Some(order)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

/// What came, in the order of the binlog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A row of the watched table may have changed. Its keys are written as `sql::copy::bound` writes them: equal keys
    /// are equal texts.
    ///
    /// It may have been rolled back to a savepoint since, and it may not be visible yet: a server writes its binlog
    /// before it commits, and the rows of an XA transaction come when it is prepared. Whoever reads the row again must
    /// read with a lock, which waits for either.
    Row {
        /// The key that the row had; `None` for one that is new.
        before: Option<Bound>,
        /// The key that the row has; `None` for one that is gone.
        after: Option<Bound>,
        /// Bytes of its images in the binlog.
        bytes: u64,
    },
    /// A transaction ended; everything before is in whole.
    Committed {
        /// After it.
        at: Position,
    },
    /// A statement that names the watched table, its schema when that goes, or that may change the table in a way that
    /// can't be seen: DDL, and DML that somebody wrote to the binlog as a statement. What ends a transaction is followed
    /// by `Committed`.
    Ddl {
        /// The default schema; empty for none.
        schema: String,
        /// The statement, in whatever character set its client had.
        statement: Vec<u8>,
        /// The end of its event.
        at: Position,
    },
    /// Nothing changed: the heartbeat interval passed, or the position moved without a transaction.
    Idle {
        /// Where the stream is.
        at: Position,
    },
}

/// How a stream failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The connection broke, the server went, or it was silent for too long: open again after the last `Committed`.
    #[error("failed to follow the binlog of {node}: {what}")]
    Lost {
        /// `host:port`.
        node: String,
        /// What happened.
        what: String,
    },
    /// The server does not take a connection, or not now.
    #[error("failed to open the binlog of {node}: {what}")]
    Busy {
        /// `host:port`.
        node: String,
        /// Its words.
        what: String,
    },
    /// The server no longer has what comes after the position, or is another server.
    #[error("failed to go on in the binlog of {node} at {at}: {what}")]
    Purged {
        /// `host:port`.
        node: String,
        /// Where it was to go on.
        at: Box<Position>,
        /// What is there instead.
        what: String,
    },
    /// The server does not let the user, or has no binlog.
    #[error("failed to open the binlog of {node}: {what}")]
    Refused {
        /// `host:port`.
        node: String,
        /// Why, and what to do.
        what: String,
    },
    /// What came can't be read for sure: an unknown or damaged event, a table that is not as it was.
    #[error("failed to read the binlog of {node} at {file}:{offset}: {what}")]
    Undecodable {
        /// `host:port`.
        node: String,
        /// The binlog file.
        file: String,
        /// The end of the event, bytes.
        offset: u64,
        /// What is wrong.
        what: String,
    },
}

impl StreamError {
    /// What to do about it; nothing ever happened to the server. After `Retry` open again at the last `Committed`.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Lost { .. } | Self::Busy { .. } => Remedy::Retry,
            Self::Purged { .. } | Self::Refused { .. } | Self::Undecodable { .. } => Remedy::Stop,
        }
    }
}

impl From<StreamError> for Fault {
    fn from(error: StreamError) -> Self {
        match error.remedy() {
            Remedy::Retry | Remedy::Inspect => Self::Busy(error.to_string()),
            Remedy::Stop => Self::Failed(error.to_string()),
        }
    }
}

/// An open stream of changes. Dropping it ends it on the server too.
#[async_trait::async_trait]
pub trait ChangeSource: Send {
    /// The next one; waits at most a little longer than the heartbeat interval. Cancel-safe: what was not returned comes
    /// again. After an error the stream is over.
    ///
    /// # Errors
    /// `Lost`: open again. `Undecodable`: nothing that came is wrong, but nothing more can be read.
    async fn next(&mut self) -> Result<Change, StreamError>;
}

/// A server's binlog, as far as it is about one table.
#[async_trait::async_trait]
pub trait Changes: Send + Sync {
    /// Where the binlog ends now. On Galera everything that the cluster had committed when this was asked is before it.
    ///
    /// # Errors
    /// `Lost`, `Busy`; `Refused` when there is no binlog or it may not be read.
    async fn position(&self) -> Result<Position, StreamError>;
    /// Whether the server is the one of that position and still has what comes after it.
    ///
    /// # Errors
    /// As `position`.
    async fn has(&self, at: &Position) -> Result<bool, StreamError>;
    /// Opens the stream there.
    ///
    /// # Errors
    /// As `position`; `Purged` when `has` would say no.
    async fn open(&self, from: &Position) -> Result<Box<dyn ChangeSource>, StreamError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(server: &str, file: &str, offset: u64) -> Position {
        Position { server: server.into(), file: file.into(), offset, began: None, gtid: None, xid: None }
    }

    #[test]
    fn places_are_ordered_by_number() {
        //   one                         other                        order
        let cases = [
            (at("a", "bin.000009", 900), at("a", "bin.000010", 4), Some(Ordering::Less)),
            (at("a", "bin.999999", 4), at("a", "bin.1000000", 4), Some(Ordering::Less)),
            (at("a", "bin.000009", 4), at("a", "bin.000009", 5_000_000_000), Some(Ordering::Less)),
            (at("a", "x.y.000009", 7), at("a", "x.y.000009", 7), Some(Ordering::Equal)),
            (at("a", "bin.000009", 4), at("b", "bin.000009", 4), None),
            (at("a", "bin", 4), at("a", "bin.000001", 4), None),
        ];
        for (one, other, order) in cases {
            assert_eq!(one.partial_cmp(&other), order, "{one} {other}");
            assert_eq!(other.partial_cmp(&one), order.map(Ordering::reverse), "{other} {one}");
            assert_eq!(one.reached(&other), order.map(Ordering::is_ge));
        }
    }

    #[test]
    fn a_position_survives_a_file() {
        let full = Position { began: Some(7), gtid: Some("0-1-5".into()), xid: Some(9), ..at("a", "bin.000009", 4) };
        for position in [at("a", "bin.000001", 4), full] {
            let text = serde_json::to_string(&position).unwrap();
            assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), position);
        }
    }
}
