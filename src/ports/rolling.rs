//! The table itself, changed by one node after the other, each alone.

use crate::error::Fault;

/// Which way a node goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To what is planned.
    Forward,
    /// To what it was.
    Back,
}

/// One node's turn. What the nodes have is asked of `ports::direct::Direct`.
#[async_trait::async_trait]
pub trait Rolling: Send + Sync {
    /// Passes when every node is well. The journal is written through another node than that one from then on.
    ///
    /// # Errors
    /// `Busy` with what it waits for; `Refused` when waiting does not help.
    async fn well(&self, node: &str) -> Result<(), Fault>;
    /// Passes when that one has no writer and no open transaction on the table, and the others can keep what it will miss.
    /// Takes a second.
    ///
    /// # Errors
    /// `Busy` with what it waits for; `Refused` when waiting does not help.
    async fn free(&self, node: &str) -> Result<(), Fault>;
    /// Changes the table on that node alone, while it is proven to be out of the cluster's pace. Whatever it answers, only
    /// a look tells what happened.
    ///
    /// # Errors
    /// `Refused` with the server's words; `Busy` when a lock was in the way or the node stayed in the cluster's pace;
    /// `Lost` without an answer.
    async fn alter(&self, node: &str, way: Way) -> Result<(), Fault>;
    /// Whether the other nodes no longer count that one as one of them, or never did since this run began. Not known counts
    /// as no.
    async fn gone(&self, node: &str) -> bool;
    /// Passes when that node is back in the cluster's pace and has caught up.
    ///
    /// # Errors
    /// `Busy` with what is missing.
    async fn back(&self, node: &str) -> Result<(), Fault>;
}
