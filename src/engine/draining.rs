//! A node out of the proxy for its turn, and back whatever becomes of the turn.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Fault;
use crate::ports::clock::Clock;
use crate::ports::proxy::{Backend, Drains, Proxy, Taken};
use crate::ports::rolling::Rolling;

/// Longest that a node which is to be put back may take to catch up; longer, and it stays out.
const BACK: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// What taking nodes out needs.
pub struct Draining {
    /// The proxy; `None` when the operator takes nodes out himself.
    pub proxy: Option<Arc<dyn Proxy>>,
    /// What the job has taken out.
    pub drains: Arc<dyn Drains>,
    /// Names and addresses of the nodes.
    pub nodes: Vec<Backend>,
    /// Whether the operator has put all nodes back himself.
    pub put_back: bool,
    /// The node that is out now.
    pub now: tokio::sync::Mutex<Option<(String, Taken)>>,
}

impl Draining {
    fn node(&self, name: &str) -> Result<&Backend, Fault> {
        let found = self.nodes.iter().find(|node| node.name == name);
        found.ok_or_else(|| Fault::Busy(format!("{name} is not among the nodes that can be reached")))
    }

    /// Takes a node out; the journal knows it before the proxy does.
    pub(super) async fn out(&self, node: &str) -> Result<(), Fault> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        let mut now = self.now.lock().await;
        if now.as_ref().is_some_and(|(out, _)| out == node) {
            return Ok(());
        }
        self.drains.take_out(node).await?;
        // Until the proxy says otherwise it may be out.
        *now = Some((node.to_owned(), Taken::Out));
        match proxy.drain(self.node(node)?).await {
            Ok(Taken::Out) => Ok(()),
            Ok(Taken::OutAlready) => {
                *now = Some((node.to_owned(), Taken::OutAlready));
                self.drains.put_back(node).await
            }
            Err(fault) => {
                *now = None;
                Err(fault)
            }
        }
    }

    /// Puts the node back that is out for its turn, once it has caught up.
    pub(super) async fn done(&self, turns: &dyn Rolling, clock: &dyn Clock) -> Result<(), Fault> {
        let out = self.now.lock().await.take();
        match out {
            Some((node, Taken::Out)) => self.back(&node, turns, clock).await,
            Some((_, Taken::OutAlready)) | None => Ok(()),
        }
    }

    /// Puts a node back once it has caught up.
    async fn back(&self, node: &str, turns: &dyn Rolling, clock: &dyn Clock) -> Result<(), Fault> {
        let Some(proxy) = &self.proxy else { return Ok(()) };
        let since = clock.now();
        while let Err(fault) = turns.back(node).await {
            if clock.now().saturating_sub(since) >= BACK {
                return Err(Fault::Busy(format!("{node} stays out of the proxy: {fault}")));
            }
            clock.sleep(LOOK).await;
        }
        proxy.undrain(self.node(node)?).await?;
        self.drains.put_back(node).await
    }

    /// Puts back what an earlier run of the job has left out.
    pub(super) async fn left_out(&self, turns: &dyn Rolling, clock: &dyn Clock) -> Result<(), Fault> {
        for node in self.drains.taken_out().await? {
            if self.put_back {
                self.drains.put_back(&node).await?;
            } else if self.proxy.is_none() {
                let what = format!(
                    "the job has taken {node} out of the proxy: say again how it is put back (--haproxy or --undrain-command), \
                     or put it back by hand and say --put-back"
                );
                return Err(Fault::Busy(what));
            } else {
                self.back(&node, turns, clock).await?;
            }
        }
        Ok(())
    }
}
