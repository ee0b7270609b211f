//! The table itself, changed by one ALTER that the cluster orders.

use driftless_strategies::{Fingerprint, TableShape};

use crate::error::Fault;

/// What one node has under the table's name, after everything that was ordered before the question.
#[derive(Clone, Debug, PartialEq)]
pub enum Sight {
    /// This table.
    Table {
        /// Its fingerprint.
        fingerprint: Fingerprint,
        /// Its shape.
        shape: Box<TableShape>,
    },
    /// No table.
    Missing,
    /// No answer that could be relied on, and why.
    Silent(String),
}

/// A node and what it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The node's name.
    pub node: String,
    /// What it has.
    pub sight: Sight,
}

/// One table on all nodes. Nothing but `alter` changes anything.
#[async_trait::async_trait]
pub trait Direct: Send + Sync {
    /// Judges the change anew from what all nodes say now, the dry run included.
    ///
    /// # Errors
    /// `Refused` when it is no longer the plan's; `Busy` when what is in the way may pass.
    async fn rehearse(&self) -> Result<(), Fault>;
    /// Passes when no node has more than a few write-sets waiting.
    ///
    /// # Errors
    /// `Busy` with the node and the number.
    async fn calm(&self) -> Result<(), Fault>;
    /// Open transactions that use the table or those tied to it, by node, in words. Best effort.
    async fn users(&self) -> Vec<String>;
    /// Sends the ALTER. Whatever it answers, only `look` tells what happened.
    ///
    /// # Errors
    /// `Refused` with the server's words; `Busy` when it was thrown out; `Lost` without an answer.
    async fn alter(&self) -> Result<(), Fault>;
    /// Whether a session of some node works on an ALTER of the table.
    ///
    /// # Errors
    /// As from the servers.
    async fn under_way(&self) -> Result<bool, Fault>;
    /// Ends the job's own ALTER wherever it is still at work; the server undoes it. Never called where it is ordered.
    ///
    /// # Errors
    /// As from the servers.
    async fn end(&self) -> Result<(), Fault>;
    /// What every node has.
    async fn look(&self) -> Vec<Sighting>;
}
