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

/// The size of the next chunk.
#[derive(Clone, Debug)]
pub struct Sizer {
    limits: Limits,
    rows: f64,
}

impl Sizer {
    /// Starts small. `row_bytes` is the average row; 0 when unknown.
    #[must_use]
    pub fn new(limits: Limits, row_bytes: u64) -> Self {
        let by_bytes = limits.bytes.checked_div(row_bytes).unwrap_or(limits.ceiling);
        let ceiling = limits.ceiling.min(by_bytes).max(limits.floor);
        let limits = Limits { ceiling, ..limits };
        Self { rows: as_f64(1000_u64.clamp(limits.floor, ceiling)), limits }
    }

    /// Takes in what a chunk of `rows` at that scale took: at most doubles, shrinks at once.
    pub fn observe(&mut self, rows: u64, scale: f64, took: Duration) {
        if rows == 0 {
            return;
        }
        let ratio = self.limits.target.as_secs_f64() * scale / took.as_secs_f64().max(0.000_1);
        let wanted = as_f64(rows) / scale * ratio.min(2.0);
        // Half of the way: one odd chunk does not swing the size.
        let next = if ratio < 0.5 { wanted } else { f64::midpoint(self.rows, wanted) };
        self.rows = next.clamp(as_f64(self.limits.floor), as_f64(self.limits.ceiling));
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
            let mut sizer = Sizer::new(LIMITS, 100);
            sizer.observe(rows, 1.0, Duration::from_millis(took));
            assert_eq!(sizer.next(1.0), next, "{why}");
        }
    }

    #[test]
    fn bytes_and_rows_cap() {
        let mut wide = Sizer::new(LIMITS, 100_000);
        wide.observe(40, 1.0, Duration::from_millis(1));
        assert_eq!(wide.next(1.0), 50, "4 MB of 100 kB rows is 40, the floor is 50");
        let mut sizer = Sizer::new(LIMITS, 0);
        for _ in 0..50 {
            sizer.observe(sizer.next(1.0), 1.0, Duration::from_millis(1));
        }
        assert_eq!(sizer.next(1.0), 20_000, "never above the ceiling");
        sizer.shrink();
        assert_eq!(sizer.next(1.0), 10_000, "locked rows halve it");
        assert_eq!((sizer.next(0.5), sizer.next(4.0)), (5_000, 20_000), "the scale counts, within the limits");
        sizer.observe(5_000, 0.5, Duration::from_millis(50));
        assert_eq!(sizer.next(1.0), 10_000, "half a chunk in half the time is on target");
    }
}
