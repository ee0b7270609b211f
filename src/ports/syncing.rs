//! Bringing single rows of the shadow in step with the source, by key.

use super::rows::{Bound, Range};
use crate::error::Fault;

/// What the stream said last about the row of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// It was deleted, or its key was changed.
    Gone,
    /// It was inserted or changed.
    There,
    /// Not known: whatever the source has counts.
    Doubtful,
}

/// A key and what is known of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The key.
    pub key: Bound,
    /// What the stream said last.
    pub last: Last,
}

/// How rows of the source are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// With a lock; a row that somebody holds makes it fail at once: a wait while other rows are locked could make an
    /// application the victim of a deadlock.
    Impatient,
    /// With a lock that is waited for.
    Patient,
    /// Without: nobody can change them, and whoever waits to do so holds their locks.
    Unlocked,
}

/// A connection that brings rows in step.
#[async_trait::async_trait]
pub trait Syncer: Send {
    /// Gives the shadow, for these keys, the rows that the source has now; one transaction. Rows that are gone are deleted,
    /// the others are read anew from the source, under a lock, so that a commit that is still under way is waited for. May be repeated at will.
    /// With `explain`, a row that the new table can't take is looked for and named.
    ///
    /// # Errors
    /// `Busy`: rolled back, or perhaps not: try again. `Rows`: rows that the new table can't take.
    async fn sync(&mut self, touched: &[Touched], reading: Reading, explain: bool) -> Result<(), Fault>;
    /// Those of the keys whose rows differ, or are on one side only, in one snapshot.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn differing(&mut self, keys: &[Bound]) -> Result<Vec<Bound>, Fault>;
    /// Keys of a range whose rows differ, or are on one side only, in one snapshot; at most `limit`.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn differing_in(&mut self, range: &Range, limit: u64) -> Result<Vec<Bound>, Fault>;
}

/// Opens such connections.
#[async_trait::async_trait]
pub trait Syncing: Send + Sync {
    /// From when this is committed on a node, nothing that an earlier process of the job sent can change the shadow there
    /// any more.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn take_over(&self) -> Result<(), Fault>;
    /// A connection of its own.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn syncer(&self) -> Result<Box<dyn Syncer>, Fault>;
}
