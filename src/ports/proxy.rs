//! Whatever stands between applications and nodes.

use serde::{Deserialize, Serialize};

use crate::error::Fault;

/// A node as a proxy may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// `wsrep_node_name`.
    pub name: String,
    /// `host:port`.
    pub address: String,
}

/// How a node stands in one proxy before it is taken out: all that is needed to put it back, by driftless or by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// The flag that names the proxy, as it is typed. Never anything secret.
    pub flag: String,
    /// What is to be put back, in words that only the proxy itself reads.
    pub was: String,
    /// How an operator puts it back by hand.
    pub by_hand: String,
}

/// One proxy: takes nodes out and puts them back.
#[async_trait::async_trait]
pub trait Proxy: Send + Sync {
    /// The flag that names it, as it is typed; so it is called in the journal. Never anything secret.
    fn flag(&self) -> String;
    /// Whether it can be asked, and knows these nodes; asked before a job begins.
    ///
    /// # Errors
    /// `Refused` when it does not know one; `Busy` when it does not answer; `Failed` when it answers rubbish.
    async fn knows(&self, nodes: &[Backend]) -> Result<(), Fault>;
    /// What taking that node out would change; `None` when somebody else has taken it out: it is not to be put back.
    ///
    /// # Errors
    /// As `knows`; `Busy` also while no other node would take its connections.
    async fn stands(&self, node: &Backend) -> Result<Option<Stand>, Fault>;
    /// Sends no new connections there. Whatever it answers, the node may be out.
    ///
    /// # Errors
    /// As `knows`.
    async fn drain(&self, node: &Backend, stand: &Stand) -> Result<(), Fault>;
    /// Makes sure that a node which is out stays so: a proxy that was restarted has forgotten it.
    ///
    /// # Errors
    /// As `knows`.
    async fn keep_out(&self, node: &Backend, stand: &Stand) -> Result<(), Fault> {
        self.drain(node, stand).await
    }
    /// Passes while it sends no new connections there; changes nothing. Asked last before the node is altered: monitors and
    /// schedulers change what others have set.
    ///
    /// # Errors
    /// `Busy` when it does; as `knows`.
    async fn is_out(&self, node: &Backend) -> Result<(), Fault>;
    /// Passes when none of its connections to that node is in use; at once where it can't be asked for that.
    ///
    /// # Errors
    /// `Busy` with how many are left; as `knows`.
    async fn let_go(&self, node: &Backend) -> Result<(), Fault>;
    /// Makes it as it was. May be asked twice, and of a node that is back already.
    ///
    /// # Errors
    /// As `knows`: then the node may still be out.
    async fn undrain(&self, node: &Backend, stand: &Stand) -> Result<(), Fault>;
}

/// Remembers what is taken out, so that a crash leaves nobody out for good.
#[async_trait::async_trait]
pub trait Drains: Send + Sync {
    /// The nodes that the job has taken out, each with what is to be put back.
    ///
    /// # Errors
    /// As from the server.
    async fn taken_out(&self) -> Result<Vec<(String, Vec<Stand>)>, Fault>;
    /// Says that a node is about to be taken out.
    ///
    /// # Errors
    /// As from the server.
    async fn take_out(&self, node: &str, stands: &[Stand]) -> Result<(), Fault>;
    /// Says that a node is back.
    ///
    /// # Errors
    /// As from the server.
    async fn put_back(&self, node: &str) -> Result<(), Fault>;
}
