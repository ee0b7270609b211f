//! The sampler's gate and the absolute ceiling as one pace.

use std::sync::Arc;
use std::time::Duration;

use super::{Ceiling, Sampler};
use crate::ports::pace::{Gate, Pace};

/// What a run's workers ask.
pub struct Throttle {
    /// The gate.
    pub sampler: Arc<Sampler>,
    /// The ceiling; `None` for none.
    pub ceiling: Option<Ceiling>,
}

#[async_trait::async_trait]
impl Pace for Throttle {
    fn gate(&self) -> Gate {
        self.sampler.gate()
    }

    fn why(&self) -> Option<String> {
        self.sampler.why()
    }

    async fn wait(&self, limit: Duration) -> Gate {
        self.sampler.wait(limit).await
    }

    async fn admit(&self, rows: u64) {
        if let Some(ceiling) = &self.ceiling {
            ceiling.admit(rows).await;
        }
    }
}
