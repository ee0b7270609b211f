//! What the demo is given: a way to connect, and the migration to show.

use std::sync::Arc;

use driftless_strategies::TableName;

use super::node::NodeProcess;
use crate::error::Fault;
use crate::ports::server::Server;

/// Makes servers of the demo's processes.
pub trait Connect: Send + Sync {
    /// The server at `127.0.0.1:port`, user `root`, no password.
    fn server(&self, node: &NodeProcess) -> Arc<dyn Server>;
}

/// Where a migration takes place.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The nodes; the first is the one to connect to.
    pub nodes: Vec<NodeProcess>,
    /// The table.
    pub table: TableName,
    /// The clauses, as after `ALTER TABLE t`.
    pub alter: String,
}

/// The change that the demo shows while its writers write.
#[async_trait::async_trait]
pub trait Migration: Send + Sync {
    /// Makes it; returns when the new table answers under the old name.
    ///
    /// # Errors
    /// What stopped it; the demo then still stops writers and servers.
    async fn migrate(&self, stage: &Stage) -> Result<(), Fault>;
}
