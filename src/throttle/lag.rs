//! How far an asynchronous replica is behind.

use std::time::Duration;

use super::limits::Limits;
use super::reading::{Reading, Signal};
use super::sample::Sample;

/// What a replica says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// Every channel runs; the slowest is this far behind.
    Behind(Duration),
    /// A channel does not run (`Seconds_Behind_Master` is NULL), or there is none.
    Stopped,
}

impl Lag {
    /// The slowest of all channels, each with its seconds or NULL.
    #[must_use]
    pub fn of_channels(channels: &[Option<u64>]) -> Self {
        channels
            .iter()
            .copied()
            .collect::<Option<Vec<u64>>>()
            .and_then(|seconds| seconds.into_iter().max())
            .map_or(Self::Stopped, |slowest| Self::Behind(Duration::from_secs(slowest)))
    }
}

/// The lag now. `None` when the server is not watched as a replica.
#[must_use]
pub fn read(node: &str, after: &Sample, limits: &Limits) -> Option<Reading> {
    let seen = match after.lag? {
        Lag::Behind(lag) => lag.as_secs_f64(),
        Lag::Stopped => f64::INFINITY,
    };
    let limit = limits.max_lag.as_secs_f64();
    // The server counts whole seconds: one may be a rounding.
    let calm = (limit / 2.0).max(1.0).min(limit);
    Some(Reading { signal: Signal::Lag, node: node.to_owned(), seen, calm, limit, note: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowest_channel_counts() {
        //  channels               lag                                        why
        let cases = [
            (vec![Some(0)], Lag::Behind(Duration::ZERO), "in step"),
            (vec![Some(3), Some(7)], Lag::Behind(Duration::from_secs(7)), "the slowest"),
            (vec![Some(3), None], Lag::Stopped, "one is stopped"),
            (vec![], Lag::Stopped, "no channel at all"),
        ];
        for (channels, lag, why) in cases {
            assert_eq!(Lag::of_channels(&channels), lag, "{why}");
        }
    }

    #[test]
    fn reads_lag() {
        let at = |lag| read("r1", &Sample { lag, ..Sample::default() }, &Limits::default());
        assert_eq!(at(None), None, "not a replica");
        assert!(!at(Some(Lag::Behind(Duration::from_secs(5)))).unwrap().over(), "at the limit");
        assert!(at(Some(Lag::Behind(Duration::from_secs(6)))).unwrap().over(), "above");
        let stopped = at(Some(Lag::Stopped)).unwrap();
        assert!(stopped.over() && !stopped.relieved());
    }
}
