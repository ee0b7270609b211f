//! Several proxies as one.

use std::sync::Arc;

use crate::error::Fault;
use crate::ports::proxy::{Backend, Proxy, Taken};

/// Several proxies that send to the same nodes.
pub struct All(pub Vec<Arc<dyn Proxy>>);

#[async_trait::async_trait]
impl Proxy for All {
    async fn drain(&self, node: &Backend) -> Result<Taken, Fault> {
        let mut taken = Taken::OutAlready;
        for proxy in &self.0 {
            if proxy.drain(node).await? == Taken::Out {
                taken = Taken::Out;
            }
        }
        Ok(taken)
    }

    /// Every one is asked, also when one of them fails.
    async fn undrain(&self, node: &Backend) -> Result<(), Fault> {
        let mut answer = Ok(());
        for proxy in &self.0 {
            answer = answer.and(proxy.undrain(node).await);
        }
        answer
    }
}
