//! How many rows the next chunk has: by time, capped in rows and bytes. Pure.

use std::time::Duration;

/// Limits of a chunk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Time that one chunk should take.
    pub target: Duration,
    /// Never fewer rows.
    pub floor: u64,
    /// Never more rows.
    pub ceiling: u64,
    /// Never more bytes, by the average row.
    pub bytes: u64,
}

/// What a chunk costs whatever its size (round trips, a causal wait) up to this is counted as its own time.
const SMALL: Duration = Duration::from_millis(25);

/// The size of the next chunk.
#[derive(Clone, Debug)]
pub struct Sizer {
    limits: Limits,
    rows: f64,
    /// The least that copying and applying a chunk have taken: more or less what any chunk takes.
    least: [Duration; 2],
}

impl Sizer {
    /// Starts with the fewest rows, which shows what a chunk costs whatever its size. `row_bytes` is the average row; 0
    /// when unknown.
    #[must_use]
    pub fn new(limits: Limits, row_bytes: u64) -> Self {
        let by_bytes = limits.bytes.checked_div(row_bytes).unwrap_or(limits.ceiling);
        let ceiling = limits.ceiling.min(by_bytes).max(limits.floor);
        let limits = Limits { ceiling, ..limits };
        Self { rows: as_f64(limits.floor), limits, least: [Duration::MAX; 2] }
    }

    /// Takes in what copying a chunk of `rows` at that scale took, and then applying it on the other nodes: at most
    /// doubles, shrinks at once.
    pub fn observe(&mut self, rows: u64, scale: f64, copying: Duration, applying: Duration) {
        if rows == 0 {
            return;
        }
        let took = self.own(0, copying).max(self.own(1, applying));
        let ratio = self.limits.target.as_secs_f64() * scale / took.as_secs_f64().max(0.000_1);
        let wanted = as_f64(rows) / scale * ratio.min(2.0);
        // Half of the way: one odd chunk does not swing the size.
        let next = if ratio < 0.5 { wanted } else { f64::midpoint(self.rows, wanted) };
        self.rows = next.clamp(as_f64(self.limits.floor), as_f64(self.limits.ceiling));
    }

    /// The time without what no smaller chunk would save.
    fn own(&mut self, which: usize, time: Duration) -> Duration {
        let Some(least) = self.least.get_mut(which) else { return time };
        *least = time.min(*least);
        time.saturating_sub(least.saturating_sub(SMALL))
    }

    /// After a chunk failed because rows were locked: half the size.
    pub fn shrink(&mut self) {
        self.rows = (self.rows / 2.0).max(as_f64(self.limits.floor));
    }

    /// Rows of the next chunk at that scale, within the limits.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the limits, which are small"
    )]
    pub fn next(&self, scale: f64) -> u64 {
        (self.rows * scale).clamp(as_f64(self.limits.floor), as_f64(self.limits.ceiling)) as u64
    }
}

#[expect(clippy::cast_precision_loss, reason = "row counts of a chunk are far below 2^52")]
const fn as_f64(rows: u64) -> f64 {
    rows as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { target: Duration::from_millis(100), floor: 50, ceiling: 20_000, bytes: 4_000_000 };

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A sizer that has come to 1 000 rows, on a server that answers in no time.
    fn at_1000() -> Sizer {
        let mut sizer = Sizer::new(LIMITS, 100);
        sizer.observe(50, 1.0, ms(5), ms(0));
        sizer.rows = 1_000.0;
        sizer
    }

    #[test]
    fn follows_time_within_limits() {
        //  chunk    took ms  next    why
        let cases = [
            (1_000, 100, 1_000, "on target: keep"),
            (1_000, 50, 1_500, "half the time: half way to double"),
            (1_000, 1, 1_500, "a hundredth: still only half way to double"),
            (1_000, 1_000, 100, "ten times as slow: shrink at once"),
            (1_000, 100_000, 50, "never below the floor"),
        ];
        for (rows, took, next, why) in cases {
            for (copying, applying) in [(took, 0), (3, took)] {
                let mut sizer = at_1000();
                sizer.observe(rows, 1.0, ms(copying), ms(applying));
                assert_eq!(sizer.next(1.0), next, "{why}");
            }
        }
    }

    #[test]
    fn far_servers_do_not_make_chunks_small() {
        let mut sizer = Sizer::new(LIMITS, 100);
        for _ in 0..40 {
            // 400 ms of round trips and 300 ms of a causal wait, and a millisecond for 20 rows.
            let work = sizer.next(1.0) / 20;
            sizer.observe(sizer.next(1.0), 1.0, ms(400 + work), ms(300 + work));
        }
        assert!((1_300..2_100).contains(&sizer.next(1.0)), "{}", sizer.next(1.0));
    }

    #[test]
    fn bytes_and_rows_cap() {
        let mut wide = Sizer::new(LIMITS, 100_000);
        wide.observe(40, 1.0, ms(1), ms(0));
        assert_eq!(wide.next(1.0), 50, "4 MB of 100 kB rows is 40, the floor is 50");
        let mut sizer = Sizer::new(LIMITS, 0);
        for _ in 0..50 {
            sizer.observe(sizer.next(1.0), 1.0, ms(1), ms(0));
        }
        assert_eq!(sizer.next(1.0), 20_000, "never above the ceiling");
        sizer.shrink();
        assert_eq!(sizer.next(1.0), 10_000, "locked rows halve it");
        assert_eq!((sizer.next(0.5), sizer.next(4.0)), (5_000, 20_000), "the scale counts, within the limits");
        sizer.observe(5_000, 0.5, ms(50), ms(0));
        assert_eq!(sizer.next(1.0), 10_000, "half a chunk in half the time is on target");
    }
}
