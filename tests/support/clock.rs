//! The machine's clock.

use std::time::Duration;

use driftless::ports::clock::Clock;
use tokio::time::Instant;

/// Real time.
pub struct RealClock(Instant);

impl RealClock {
    /// Starts at zero.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

#[async_trait::async_trait]
impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
