//! Says often repeated things seldom, and how many were left out.

use std::time::Duration;

/// Time between two lines of one kind, where there is no screen to draw on.
pub const EVERY: Duration = Duration::from_secs(5);

/// One kind of line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sparse {
    said: Option<Duration>,
    left_out: u64,
}

impl Sparse {
    /// Whether to say it now: with the number that was left out since the last time. The first is always said.
    pub fn admit(&mut self, now: Duration) -> Option<u64> {
        if self.said.is_some_and(|said| now.saturating_sub(said) < EVERY) {
            self.left_out += 1;
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }

    /// Lets the next one through.
    pub const fn reset(&mut self) {
        *self = Self { said: None, left_out: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_at_once_then_seldom() {
        let mut sparse = Sparse::default();
        //  ms     admitted   why
        let cases = [
            (0, Some(0), "the first"),
            (1, None, "too soon"),
            (4_999, None, "still"),
            (5_000, Some(2), "two were left out"),
            (20_000, Some(0), "none since"),
        ];
        for (ms, admitted, why) in cases {
            assert_eq!(sparse.admit(Duration::from_millis(ms)), admitted, "{why}");
        }
        sparse.reset();
        assert_eq!(sparse.admit(Duration::from_millis(20_001)), Some(0), "reset");
    }
}
