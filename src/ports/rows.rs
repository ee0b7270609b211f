//! Rows of source and shadow, by ranges of the chunk key.

use serde::{Deserialize, Serialize};

use crate::error::Fault;

/// A value of the chunk key: one SQL literal a column, ready to stand in a statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bound(pub Vec<String>);

/// Rows with `after < key <= upto`; a missing end means no limit on that side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Exclusive lower end.
    pub after: Option<Bound>,
    /// Inclusive upper end.
    pub upto: Option<Bound>,
}

/// One chunk: a range with its place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// 1 for the first of the job; no gaps.
    pub number: u64,
    /// Its rows.
    pub range: Range,
    /// Rows expected in it (known from the boundary search).
    pub rows: u64,
    /// Rows of the whole chunk that it is a part of: what its checkpoint counts.
    pub whole: u64,
    /// Whether it ends a checkpoint; the earlier parts of a chunk that was split do not.
    pub part: Part,
}

/// Which part of a chunk it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The chunk, or the last part of it: writes the checkpoint.
    Last,
    /// An earlier part: copied again after a crash, which changes nothing.
    Inner,
}

/// What a chunk's transaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Rows that came into the shadow; rows that the triggers had brought already are not counted.
    pub rows: u64,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Rows of the source in the range.
    pub rows: u64,
    /// Keys that differ, are missing or are too many, in words; at most a handful.
    pub differences: Vec<String>,
}

/// A connection that copies and compares.
#[async_trait::async_trait]
pub trait RowWorker: Send {
    /// Copies one chunk and its checkpoint in one transaction, once. `patient` waits for locks, else a row that somebody
    /// holds makes it fail at once with `Busy`.
    ///
    /// # Errors
    /// `Busy`: rolled back, try again. `Rows`: rows that can't be copied. `Lost`: read the checkpoint.
    async fn copy(&mut self, chunk: &Chunk, patient: bool) -> Result<Copied, Fault>;
    /// Waits until the other nodes have applied what this connection committed: what is not applied waits in their
    /// receive queues, and applications with it. Bounded; a node that does not answer is not waited for, and makes the
    /// answer `false`.
    async fn applied(&mut self) -> bool {
        true
    }
    /// Compares source and shadow over a range in one snapshot.
    ///
    /// # Errors
    /// As `copy`; a difference is a result, not an error.
    async fn compare(&mut self, range: &Range) -> Result<Compared, Fault>;
}

/// The rows of one job's tables.
#[async_trait::async_trait]
pub trait Rows: Send + Sync {
    /// The greatest key of the source; `None` when it is empty.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn last(&self) -> Result<Option<Bound>, Fault>;
    /// The key that stands `rows` rows after `after`, at most `upto`; with the number of rows up to it. `None` when no row
    /// is left.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn next(&self, after: Option<&Bound>, upto: &Bound, rows: u64) -> Result<Option<(Bound, u64)>, Fault>;
    /// Opens a connection for a worker.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn worker(&self) -> Result<Box<dyn RowWorker>, Fault>;
    /// Conflicts that triggers recorded since the job began, in words; at most a handful.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn conflicts(&self) -> Result<Vec<String>, Fault>;
    /// From now on a write that would be such a conflict fails in the application instead; `false` when conflicts were
    /// recorded already. What does not record conflicts has nothing to close.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn close_gate(&self) -> Result<bool, Fault> {
        Ok(true)
    }
    /// Conflicts are recorded again.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn open_gate(&self) -> Result<(), Fault> {
        Ok(())
    }
}
