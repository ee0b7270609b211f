//! What can be wrong with a binlog.

use crate::error::Remedy;

/// Why an event can't be read. Nothing that came before it is wrong; nothing after it can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// An event or a value ends before it is whole, or goes on after it.
    #[error("{0} is damaged: it does not have the length that it must have")]
    Length(&'static str),
    /// The bytes are not those that the server wrote.
    #[error("the checksum of an event is wrong: the binlog or the connection damaged it")]
    Checksum,
    /// An event that this version does not know and that may change rows.
    #[error("an event of type {0} is not known; a newer driftless may know it")]
    UnknownEvent(u8),
    /// The server itself says that its binlog lacks something.
    #[error("the server says that its binlog is not complete (an incident event); rebuild it and start again")]
    Incident,
    /// Rows of a table that no event named.
    #[error("rows of a table that was not named before (table id {0}); the stream did not begin between transactions")]
    NoTable(u64),
    /// The table is not as it was inspected.
    #[error("the table is not as it was when the job began: {0}")]
    Shape(String),
    /// A row does not hold what must be in it.
    #[error("{0}; binlog_row_image must be FULL in every session")]
    Image(String),
    /// A value can't be what its type says.
    #[error("a value of `{column}` can't be read: {what}")]
    Value {
        /// The column.
        column: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Compressed data that can't be unpacked.
    #[error("a compressed event can't be unpacked: {0}")]
    Compressed(String),
    /// The binlog goes on elsewhere.
    #[error("the binlog goes on in {found}, not in {expected}: files in between are gone")]
    Gap {
        /// Where it must go on.
        expected: String,
        /// Where it goes on.
        found: String,
    },
    /// The file has the right name and is another one.
    #[error("{file} is not the file that it was: it was begun at another time, so the binlog is a new one")]
    OtherBinlog {
        /// The file.
        file: String,
    },
    /// Transactions that are not where they should be.
    #[error("the order of events is wrong: {0}")]
    Order(&'static str),
}

impl DecodeError {
    /// What to do about it: always stop.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        Remedy::Stop
    }
}
