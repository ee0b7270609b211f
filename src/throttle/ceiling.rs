//! An absolute rate that driftless never exceeds, whatever the servers bear.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::ports::clock::Clock;

/// `--max-rows-per-second`. Shared by all workers.
pub struct Ceiling {
    clock: Arc<dyn Clock>,
    limiter: RateLimiter<NotKeyed, InMemoryState, PortClock, NoOpMiddleware<Duration>>,
    burst: NonZeroU32,
}

impl Ceiling {
    /// At most that many rows a second, after a burst of a tenth of a second.
    #[must_use]
    pub fn new(rows_per_second: NonZeroU32, clock: Arc<dyn Clock>) -> Self {
        let burst = NonZeroU32::new(rows_per_second.get() / 10).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(rows_per_second).allow_burst(burst);
        let limiter = RateLimiter::direct_with_clock(quota, PortClock(Arc::clone(&clock)));
        Self { clock, limiter, burst }
    }

    /// Returns when that many rows may be written. Call it before writing, with the rows expected. A chunk may be bigger
    /// than the burst: it is admitted in pieces. Cancel-safe; what was admitted before a cancellation counts as written.
    pub async fn admit(&self, rows: u64) {
        let mut left = rows;
        let mut most = self.burst;
        while left > 0 {
            // Never above the burst: governor refuses more than that for good.
            let piece = u32::try_from(left).ok().and_then(NonZeroU32::new).map_or(most, |left| left.min(most));
            match self.limiter.check_n(piece) {
                Ok(Ok(())) => left -= u64::from(piece.get()),
                Ok(Err(early)) => self.clock.sleep(early.wait_time_from(self.clock.now())).await,
                Err(capacity) => most = NonZeroU32::new(capacity.0).unwrap_or(NonZeroU32::MIN),
            }
        }
    }
}

/// Our clock for governor.
#[derive(Clone)]
struct PortClock(Arc<dyn Clock>);

impl governor::clock::Clock for PortClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.now()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sampler::tests::TestClock;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn never_above_the_rate() {
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        //  rows/s  chunks of  how many  at least  at most, ms  why
        let cases = [
            (1_000, 100, 1, 0, 0, "the first burst is free"),
            (1_000, 5_000, 1, 4_900, 4_910, "a chunk bigger than burst and rate is admitted in pieces"),
            (1_000, 250, 8, 1_900, 1_910, "many chunks"),
            (3, 7, 1, 2_000, 2_010, "a rate below ten"),
            (1_000, 0, 5, 0, 0, "nothing costs nothing"),
        ];
        for (rate, rows, chunks, least, most, why) in cases {
            let ceiling = Ceiling::new(NonZeroU32::new(rate).unwrap(), Arc::clone(&clock));
            let begun = clock.now();
            for _ in 0..chunks {
                ceiling.admit(rows).await;
            }
            let took = (clock.now() - begun).as_millis();
            assert!((least..=most).contains(&took), "{why}: {took} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn workers_share_it() {
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        let ceiling = Ceiling::new(NonZeroU32::new(1_000).unwrap(), Arc::clone(&clock));
        let begun = clock.now();
        tokio::join!(ceiling.admit(1_000), ceiling.admit(1_000), ceiling.admit(1_000));
        let took = (clock.now() - begun).as_millis();
        assert!((2_900..=2_910).contains(&took), "{took} ms");
    }
}
