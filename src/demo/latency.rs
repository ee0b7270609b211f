//! How long statements took, in little memory.

use std::fmt;
use std::time::Duration;

/// Steps a power of two: a quantile is at most an eighth too high.
const STEPS: u64 = 8;
const BUCKETS: usize = 512;

/// Times of many statements, as counts by size.
#[derive(Clone, PartialEq, Eq)]
pub struct Latencies {
    counts: Vec<u64>,
    worst: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], worst: Duration::ZERO }
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (p99 {:?}, worst {:?})", self.count(), self.per_mille(990), self.worst)
    }
}

impl Latencies {
    /// Takes one time.
    pub fn add(&mut self, time: Duration) {
        if let Some(count) = self.counts.get_mut(bucket(time)) {
            *count += 1;
        }
        self.worst = self.worst.max(time);
    }

    /// Takes all times of another.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.worst = self.worst.max(other.worst);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The longest, exact.
    #[must_use]
    pub const fn worst(&self) -> Duration {
        self.worst
    }

    /// The time that this many of a thousand do not exceed, rounded up by at most an eighth; zero when there is none.
    #[must_use]
    pub fn per_mille(&self, share: u64) -> Duration {
        let wanted = (self.count() * share).div_ceil(1000);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return upper(index).min(self.worst);
            }
        }
        self.worst
    }
}

/// The index of the bucket that holds a time: microseconds, by power of two and eighths of it.
fn bucket(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    if micros < STEPS {
        return usize::try_from(micros).unwrap_or(BUCKETS);
    }
    let power = u64::from(micros.ilog2());
    let step = (micros >> (power - 3)) - STEPS;
    usize::try_from((power - 2) * STEPS + step).map_or(BUCKETS - 1, |index| index.min(BUCKETS - 1))
}

/// The greatest time in a bucket.
fn upper(index: usize) -> Duration {
    let index = u64::try_from(index).unwrap_or(0);
    if index < STEPS {
        return Duration::from_micros(index);
    }
    let (power, step) = (index / STEPS + 2, index % STEPS);
    let end = u128::from(STEPS + step + 1) << (power - 3);
    Duration::from_micros(u64::try_from(end - 1).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_of_a_known_set() {
        let mut times = Latencies::default();
        assert_eq!(times.per_mille(990), Duration::ZERO, "nothing yet");
        for ms in 1..=1000 {
            times.add(Duration::from_millis(ms));
        }
        assert_eq!((times.count(), times.worst()), (1000, Duration::from_millis(1000)));
        let p99 = times.per_mille(990).as_millis();
        assert!((990..=1000).contains(&p99), "{p99}");
        let p50 = times.per_mille(500).as_millis();
        assert!((500..=563).contains(&p50), "{p50}");
    }

    #[test]
    fn one_stall_is_the_worst_after_a_merge() {
        let (mut calm, mut stalled) = (Latencies::default(), Latencies::default());
        (0..99).for_each(|_| calm.add(Duration::from_millis(2)));
        stalled.add(Duration::from_secs(4));
        calm.merge(&stalled);
        assert_eq!((calm.count(), calm.worst()), (100, Duration::from_secs(4)));
        assert_eq!(calm.per_mille(1000), Duration::from_secs(4));
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_time(micros in 0_u64..1 << 56) {
            let time = Duration::from_micros(micros);
            let top = upper(bucket(time));
            prop_assert!(top >= time, "{top:?} below {time:?}");
            prop_assert!(top.as_micros() <= time.as_micros() + time.as_micros() / 8 + 1, "{top:?} far above {time:?}");
        }
    }
}
