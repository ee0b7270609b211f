//! Whatever stands between applications and nodes.

use crate::error::Fault;

/// A node as a proxy may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// `wsrep_node_name`.
    pub name: String,
    /// `host:port`.
    pub address: String,
}

/// What taking a node out came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is out now.
    Out,
    /// Somebody else had taken it out: it is not to be put back.
    OutAlready,
}

/// Takes nodes out and puts them back. Both may be asked twice.
#[async_trait::async_trait]
pub trait Proxy: Send + Sync {
    /// Sends no new connections to that node; when that fails the node is as it was.
    ///
    /// # Errors
    /// `Busy` while no other node would take them; `Refused` when the proxy does not know it; `Failed` in its words.
    async fn drain(&self, node: &Backend) -> Result<Taken, Fault>;
    /// Makes sure that a node which is out stays so: a proxy that was restarted has forgotten it.
    ///
    /// # Errors
    /// As `drain`.
    async fn keep_out(&self, node: &Backend) -> Result<(), Fault>;
    /// Whether it can be asked, and knows these nodes; asked before a job begins.
    ///
    /// # Errors
    /// As `drain`.
    async fn knows(&self, nodes: &[Backend]) -> Result<(), Fault>;
    /// What it is called in the journal: never anything secret.
    fn names(&self) -> Vec<String>;
    /// Sends new connections there again.
    ///
    /// # Errors
    /// `Refused` when the proxy does not know it; `Failed` in its words.
    async fn undrain(&self, node: &Backend) -> Result<(), Fault>;
}

/// Remembers what is taken out, so that a crash leaves nobody out for good.
#[async_trait::async_trait]
pub trait Drains: Send + Sync {
    /// The nodes that the job has taken out, each with the names of the proxies.
    ///
    /// # Errors
    /// As from the server.
    async fn taken_out(&self) -> Result<Vec<(String, Vec<String>)>, Fault>;
    /// Says that a node is about to be taken out of these.
    ///
    /// # Errors
    /// As from the server.
    async fn take_out(&self, node: &str, of: &[String]) -> Result<(), Fault>;
    /// Says that a node is back.
    ///
    /// # Errors
    /// As from the server.
    async fn put_back(&self, node: &str) -> Result<(), Fault>;
}
