//! Several proxies as one.

use std::sync::Arc;

use crate::error::Fault;
use crate::ports::proxy::{Backend, Proxy, Taken};

/// Several proxies that send to the same nodes.
pub struct All(pub Vec<Arc<dyn Proxy>>);

#[async_trait::async_trait]
impl Proxy for All {
    async fn drain(&self, node: &Backend) -> Result<Taken, Fault> {
        let mut out: Vec<&Arc<dyn Proxy>> = Vec::new();
        for proxy in &self.0 {
            match proxy.drain(node).await {
                Ok(Taken::Out) => out.push(proxy),
                Ok(Taken::OutAlready) => {}
                Err(fault) => {
                    // All or none: what the others took out is put back.
                    for proxy in out {
                        proxy.undrain(node).await?;
                    }
                    return Err(fault);
                }
            }
        }
        Ok(if out.is_empty() { Taken::OutAlready } else { Taken::Out })
    }

    async fn keep_out(&self, node: &Backend) -> Result<(), Fault> {
        for proxy in &self.0 {
            proxy.keep_out(node).await?;
        }
        Ok(())
    }

    async fn knows(&self, nodes: &[Backend]) -> Result<(), Fault> {
        for proxy in &self.0 {
            proxy.knows(nodes).await?;
        }
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().flat_map(|proxy| proxy.names()).collect()
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
