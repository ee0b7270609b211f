//! Writes to the source stop, the names are switched, or writes go on as if nothing had been.

use std::time::Duration;

use crate::error::Fault;

/// How one server, or one cluster, is kept from writing to the source for the time of a switch.
#[async_trait::async_trait]
pub trait Cutover: Send + Sync {
    /// Lets no write to the source through from now on, on any node. When it returns, every write that was acknowledged
    /// is committed and in the binlogs, and none can follow before `Closed` is renamed, opened or dropped, or its time has
    /// run out. `work` is what the caller needs at most between this and `Closed::rename`.
    ///
    /// The journal must say `Phase::Switching` before this is called. Every session may read the source and write the shadow
    /// then. On Galera reads of the source must not lock rows: writers that wait there hold theirs.
    ///
    /// # Errors
    /// `Busy` when a lock was not had in time, `Refused` when a node is not fit or clocks differ too much. Writes go on
    /// then: at once, or, when the servers can't be reached, at the moment that the error names.
    async fn close(&self, work: Duration) -> Result<Box<dyn Closed>, Fault>;
    /// Removes what a process left that ended inside a cut-over: its triggers and its tables. Safe to repeat; does nothing
    /// when nothing is left. Not to be called while a RENAME may still come (`Objects::standing`).
    ///
    /// # Errors
    /// `Busy` when the lock was not had in time; writes go on by themselves at the end of the lease.
    async fn reopen(&self) -> Result<(), Fault>;
}

/// A source that takes no writes. Dropping it opens it again, in the background.
#[async_trait::async_trait]
pub trait Closed: Send {
    /// How long `rename` may still be called; at zero it would refuse. A lower bound, by the fastest clock.
    fn remaining(&self) -> Duration;
    /// Proves that nothing has changed on any node, then switches source to retired and shadow to source at once.
    ///
    /// # Errors
    /// `Busy`, `Refused`, `Failed`: it did not happen, and writes go on. `Lost`: it may have happened: ask
    /// `Objects::standing`, and when it has not, call `Cutover::reopen`.
    async fn rename(self: Box<Self>) -> Result<(), Fault>;
    /// Lets writes through again, without a switch.
    ///
    /// # Errors
    /// `Busy` when it can't be done now; writes go on by themselves at the end of the lease, which the error names.
    async fn open(self: Box<Self>) -> Result<(), Fault>;
}
