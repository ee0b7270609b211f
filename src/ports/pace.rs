//! Whether writing is welcome.

use std::time::Duration;

/// What the servers' state allows now.
#[derive(Clone, Debug, PartialEq)]
pub enum Gate {
    /// Write, at this share of the full pace (above 0, at most 2).
    Open {
        /// 1.0 at full pace; more where there is room for larger chunks.
        share: f64,
    },
    /// Do not write; why, in words with numbers and the node.
    Closed {
        /// `flow control 12 % on n2 (limit 5 %)`.
        why: String,
    },
}

/// Answers at once, from the last samples.
#[async_trait::async_trait]
pub trait Pace: Send + Sync {
    /// The gate now.
    fn gate(&self) -> Gate;
    /// Returns when the gate is open, or after `limit` with the gate as it is. Cancel-safe.
    async fn wait(&self, limit: Duration) -> Gate;
    /// Why it waits or goes slower, in words; `None` at full pace.
    fn why(&self) -> Option<String> {
        match self.gate() {
            Gate::Open { .. } => None,
            Gate::Closed { why } => Some(why),
        }
    }

    /// Returns when that many rows may be written under the absolute ceilings; at once when there are none. Cancel-safe.
    async fn admit(&self, _rows: u64) {}
}
