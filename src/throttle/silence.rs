//! A node that does not answer: what it suffers is unknown, so nothing is written.

use std::time::Duration;

use super::limits::Limits;
use super::reading::{Reading, Signal};

/// The time since the last answer; infinite before the first. `error` is why the last sample failed.
#[must_use]
pub fn read(node: &str, answered: Option<Duration>, now: Duration, error: &str, limits: &Limits) -> Reading {
    let limit = limits.max_silence.as_secs_f64();
    Reading {
        signal: Signal::Silence,
        node: node.to_owned(),
        seen: answered.map_or(f64::INFINITY, |at| now.saturating_sub(at).as_secs_f64()),
        calm: limit,
        limit,
        note: error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_closes_after_the_limit() {
        let at = |answered: Option<u64>, now| {
            read("n1", answered.map(Duration::from_millis), Duration::from_millis(now), "", &Limits::default())
        };
        assert!(at(None, 0).over(), "before the first answer");
        assert!(!at(Some(0), 2_000).over(), "at the limit");
        assert!(at(Some(0), 2_001).over(), "above");
        assert!(at(Some(5), 9).relieved(), "one answer is enough");
        assert_eq!(at(Some(0), 1_999).pressure(), 0.0, "no slowing before");
    }
}
