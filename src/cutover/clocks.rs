//! What the nodes' clocks show, as far as it can be known from here. Pure.

use std::time::Duration;

/// Most that the clocks of two nodes may differ: by so much longer does the slower one stay closed when driftless dies
/// inside a fence. What a round trip leaves unknown counts as well.
pub(super) const SKEW_MAX: Duration = Duration::from_secs(5);

/// One node's clock, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    /// The node.
    pub(super) node: String,
    /// Our time just before it was asked, and when the answer was there.
    pub(super) asked: Duration,
    pub(super) answered: Duration,
    /// Microseconds since 1970 that it showed in between.
    pub(super) shown: u64,
}

/// All nodes' clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clocks(pub(super) Vec<Tick>);

impl Clocks {
    /// The latest that any node's clock can show at that moment of ours.
    pub(super) fn latest(&self, now: Duration) -> u64 {
        self.0.iter().map(|tick| tick.shown.saturating_add(micros(now.saturating_sub(tick.asked)))).max().unwrap_or(0)
    }

    /// The earliest that any node's clock can show.
    fn earliest(&self, now: Duration) -> u64 {
        self.0
            .iter()
            .map(|tick| tick.shown.saturating_add(micros(now.saturating_sub(tick.answered))))
            .min()
            .unwrap_or(0)
    }

    /// Says which clocks differ by more than `SKEW_MAX`, or can't be told to differ by less.
    pub(super) fn judge(&self, now: Duration) -> Result<(), String> {
        let skew = Duration::from_micros(self.latest(now).saturating_sub(self.earliest(now)));
        if skew <= SKEW_MAX {
            return Ok(());
        }
        let first = self.0.first().map_or(0, |tick| tick.shown.saturating_sub(micros(tick.asked)));
        let told = self.0.iter().map(|tick| {
            let off = i128::from(tick.shown.saturating_sub(micros(tick.asked))) - i128::from(first);
            let trip = tick.answered.saturating_sub(tick.asked).as_millis();
            format!("{} {:+} ms (answered in {trip} ms)", tick.node, off / 1000)
        });
        let limit = SKEW_MAX.as_secs();
        Err(format!("the nodes' clocks may differ by more than {limit} s: {}", told.collect::<Vec<_>>().join(", ")))
    }

    /// What is left of our time until any clock can show that moment.
    pub(super) fn until(&self, moment: u64, now: Duration) -> Duration {
        Duration::from_micros(moment.saturating_sub(self.latest(now)))
    }
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: u64 = 1_795_000_000_000_000;

    fn tick(node: &str, asked_ms: u64, answered_ms: u64, shown_ms: i64) -> Tick {
        Tick {
            node: node.into(),
            asked: Duration::from_millis(asked_ms),
            answered: Duration::from_millis(answered_ms),
            shown: EPOCH.saturating_add_signed(shown_ms * 1000),
        }
    }

    #[test]
    fn a_skewed_or_unknowable_clock_is_refused_by_name() {
        //  second node                     passes  why
        let cases = [
            (tick("n2", 10, 12, 11), true, "equal"),
            (tick("n2", 10, 12, 4_900), true, "within the limit"),
            (tick("n2", 10, 12, -4_900), true, "behind, within the limit"),
            (tick("n2", 10, 12, 5_100), false, "ahead"),
            (tick("n2", 10, 12, -5_100), false, "behind"),
            (tick("n2", 10, 6_000, 3_000), false, "a slow answer tells too little"),
        ];
        for (second, passes, why) in cases {
            let clocks = Clocks(vec![tick("n1", 10, 11, 10), second]);
            let judged = clocks.judge(Duration::from_millis(6_000));
            assert_eq!(judged.is_ok(), passes, "{why}: {judged:?}");
            assert!(
                judged.is_ok_and(|()| true) || clocks.judge(Duration::ZERO).is_err() || why.contains("slow"),
                "{why}"
            );
        }
        let ahead = Clocks(vec![tick("n1", 0, 1, 0), tick("n2", 0, 2, 7_000)]);
        let told = ahead.judge(Duration::ZERO).unwrap_err();
        assert!(told.contains("n2 +7000 ms (answered in 2 ms)"), "{told}");
    }

    #[test]
    fn the_fastest_clock_ends_the_lease() {
        // At 5 ms of ours n2 showed at least 1005 ms more than n1.
        let clocks = Clocks(vec![tick("n1", 0, 5, 0), tick("n2", 0, 5, 1_000)]);
        let end = EPOCH + 10_000_000;
        assert_eq!(clocks.until(end, Duration::ZERO), Duration::from_secs(9));
        assert_eq!(clocks.until(end, Duration::from_secs(4)), Duration::from_secs(5));
        assert_eq!(clocks.until(end, Duration::from_secs(40)), Duration::ZERO);
    }
}
