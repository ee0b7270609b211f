//! What a node said, and the last few seconds of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::lag::Lag;
use super::queue::QueueRule;

/// How far back a rate looks. Shorter, and one pause of a few milliseconds looks like a storm.
pub const WINDOW: Duration = Duration::from_secs(2);

/// What one server said at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// When its answer came, by the clock port.
    pub at: Duration,
    /// Status variables by lower-case name.
    pub status: BTreeMap<String, String>,
    /// From what queue length on the node asks for flow control; `None` outside Galera.
    pub queue_rule: Option<QueueRule>,
    /// How far behind it is; `None` when it is not watched as a replica.
    pub lag: Option<Lag>,
}

impl Sample {
    /// A status variable as a number; `None` when it is not there or not a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.status.get(name)?.parse().ok()
    }

    /// A status variable as a whole number.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        self.status.get(name)?.parse().ok()
    }
}

/// The growth of a counter and the seconds it took. `None` when the counter is missing, fell (the server was restarted),
/// or no time has passed.
#[must_use]
pub fn growth(before: &Sample, after: &Sample, name: &str) -> Option<(u64, f64)> {
    let grown = after.count(name)?.checked_sub(before.count(name)?)?;
    let seconds = after.at.checked_sub(before.at)?.as_secs_f64();
    (seconds > 0.0).then_some((grown, seconds))
}

/// The samples of one server over the last `WINDOW`.
#[derive(Clone, Debug, Default)]
pub struct Window {
    samples: VecDeque<Sample>,
}

impl Window {
    /// Takes a sample; forgets what is too old, and all of it when the server was restarted.
    pub fn push(&mut self, sample: Sample) {
        if self.samples.back().is_some_and(|last| restarted(last, &sample)) {
            self.samples.clear();
        }
        let from = sample.at.saturating_sub(WINDOW);
        // One sample stays from before the window, or a slow server would never show a growth.
        while self.samples.len() > 1 && self.samples.get(1).is_some_and(|second| second.at <= from) {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The last sample.
    #[must_use]
    pub fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// The two ends of the window; `None` while there is only one sample.
    #[must_use]
    pub fn ends(&self) -> Option<(&Sample, &Sample)> {
        (self.samples.len() > 1).then(|| self.samples.front().zip(self.samples.back())).flatten()
    }
}

fn restarted(before: &Sample, after: &Sample) -> bool {
    after.count("uptime").zip(before.count("uptime")).is_some_and(|(after, before)| after < before)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sample at that many milliseconds.
    pub(in crate::throttle) fn sample(at_ms: u64, status: &[(&str, &str)]) -> Sample {
        Sample {
            at: Duration::from_millis(at_ms),
            status: status.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..Sample::default()
        }
    }

    #[test]
    fn window_slides_and_restarts() {
        let mut window = Window::default();
        assert!(window.ends().is_none(), "nothing yet");
        for step in 0..20_u64 {
            window.push(sample(step * 250, &[("uptime", "100"), ("n", &step.to_string())]));
        }
        let (first, last) = window.ends().unwrap();
        assert_eq!(last.at - first.at, WINDOW, "exactly the window");
        assert_eq!(growth(first, last, "n"), Some((8, 2.0)));
        window.push(sample(5_000, &[("uptime", "1"), ("n", "900")]));
        assert!(window.ends().is_none(), "a restarted server begins anew, although the counter is higher");
    }

    #[test]
    fn a_slow_server_still_shows_growth() {
        let mut window = Window::default();
        for at in [0, 3_000, 6_000] {
            window.push(sample(at, &[("n", &at.to_string())]));
        }
        let (first, last) = window.ends().unwrap();
        assert_eq!(growth(first, last, "n"), Some((3_000, 3.0)));
    }

    #[test]
    fn growth_skips_what_it_cannot_tell() {
        //  before       after         why
        let cases = [
            ((0, "9"), (1_000, "8"), "the counter fell"),
            ((0, "9"), (0, "10"), "no time passed"),
            ((0, "x"), (1_000, "10"), "not a number"),
            ((1_000, "9"), (0, "10"), "the clock ran back"),
        ];
        for ((t0, v0), (t1, v1), why) in cases {
            assert_eq!(growth(&sample(t0, &[("n", v0)]), &sample(t1, &[("n", v1)]), "n"), None, "{why}");
        }
        assert_eq!(growth(&sample(0, &[]), &sample(9, &[("n", "1")]), "n"), None, "missing");
    }
}
