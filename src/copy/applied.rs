//! Another node of the cluster, asked whether it has applied what was committed before the question.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::Flavour;

use crate::mysql::kept::KeptSession;
use crate::ports::server::{Server, ServerError};
use crate::sql;

/// Longest wait for one node: past it the throttle decides by the node's queue.
const LIMIT: Duration = Duration::from_secs(2);
/// Chunks for which a node that did not answer is not asked again: one that is desynced or away costs little.
const SKIPPED: u32 = 50;

/// A connection whose reads wait until its node has caught up with the cluster.
pub struct Other {
    session: KeptSession,
    skip: u32,
}

impl Other {
    /// Connects when first asked.
    #[must_use]
    pub fn new(server: Arc<dyn Server>, flavour: Flavour) -> Self {
        let setup = vec![sql::session::reads_in_order(flavour)];
        Self { session: KeptSession::new(server, setup), skip: 0 }
    }

    /// Waits until the node has applied everything that was committed before now, at most `LIMIT`; `false` when it was
    /// asked and did not answer.
    pub async fn applied(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return true;
        }
        let why = match tokio::time::timeout(LIMIT, self.read()).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", LIMIT.as_secs()),
        };
        tracing::debug!(node = self.session.address(), why, "it is not waited until the node has applied a chunk");
        self.session.forget();
        self.skip = SKIPPED;
        false
    }

    async fn read(&mut self) -> Result<(), ServerError> {
        self.session.read(&sql::session::nothing()).await.map(drop)
    }
}
