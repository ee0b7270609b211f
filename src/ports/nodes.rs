//! Whether every node is fit for the next ordered step.

use super::journal::Phase;
use crate::error::Fault;

/// The health and sameness of all nodes.
#[async_trait::async_trait]
pub trait Nodes: Send + Sync {
    /// Passes when every node is Primary, Synced and ready in the plan's epoch, none is missing, nothing holds a lock on
    /// the table, no transaction is older than the limit, and the tables are everywhere what they must be in that phase.
    ///
    /// # Errors
    /// `Refused` with the node, the code and the remedy; `Busy` when it may pass by itself (an old transaction).
    async fn fit(&self, at: Phase) -> Result<(), Fault>;
    /// Passes while the job's tables are what they must be in that phase on every node that can be asked now, whatever
    /// else goes on there.
    ///
    /// # Errors
    /// `Refused` with the node and the table.
    async fn same(&self, at: Phase) -> Result<(), Fault>;
    /// Waits, bounded, until every node has applied what the copying node has committed.
    ///
    /// # Errors
    /// `Busy` when a node stays behind.
    async fn barrier(&self) -> Result<(), Fault>;
}
