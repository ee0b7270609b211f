//! Time, so that tests can drive it.

use std::time::Duration;

/// A monotonic clock and its sleep.
#[async_trait::async_trait]
pub trait Clock: Send + Sync {
    /// Time since some fixed point in the past.
    fn now(&self) -> Duration;
    /// Returns after that time. Cancel-safe.
    async fn sleep(&self, time: Duration);
}
