//! How much of the time flow control pauses the cluster, seen from one node.

use super::limits::Limits;
use super::reading::{Reading, Signal};
use super::sample::{Sample, growth};

/// Nanoseconds of pauses since the server started, a running one included; FLUSH STATUS does not reset it.
///
/// # Source
/// galera `gcs_sm.hpp`. `wsrep_flow_control_paused` is an average since the last FLUSH STATUS, so it says nothing of now.
pub const PAUSED_NS: &str = "wsrep_flow_control_paused_ns";

/// Share of the time between two samples. `None` outside Galera or after a restart.
#[must_use]
pub fn read(node: &str, before: &Sample, after: &Sample, limits: &Limits) -> Option<Reading> {
    Some(Reading {
        signal: Signal::FlowControl,
        node: node.to_owned(),
        seen: share(before, after)?,
        // Any flow control at all slows driftless down.
        calm: 0.0,
        limit: limits.max_flow_control_paused,
        note: String::new(),
    })
}

fn share(before: &Sample, after: &Sample) -> Option<f64> {
    let (paused_ns, seconds) = growth(before, after, PAUSED_NS)?;
    let paused = std::time::Duration::from_nanos(paused_ns).as_secs_f64();
    // The answer's way to us varies, so a full pause can seem longer than the time that it took.
    Some((paused / seconds).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn share_of_time() {
        //  before            after                   share        why
        let cases = [
            ((0, "0"), (2_000, "0"), Some(0.0), "calm"),
            ((0, "5"), (2_000, "100000005"), Some(0.05), "100 ms of 2 s"),
            ((0, "0"), (1_000, "1100000000"), Some(1.0), "never above all of the time"),
            ((0, "900"), (2_000, "100"), None, "restarted: skip"),
            ((0, ""), (2_000, ""), None, "not a number"),
        ];
        for ((t0, ns0), (t1, ns1), share, why) in cases {
            let ends = (sample(t0, &[(PAUSED_NS, ns0)]), sample(t1, &[(PAUSED_NS, ns1)]));
            let seen = read("n1", &ends.0, &ends.1, &Limits::default()).map(|reading| reading.seen);
            assert_eq!(seen, share, "{why}");
        }
        assert_eq!(read("n1", &sample(0, &[]), &sample(9, &[]), &Limits::default()), None, "outside Galera");
    }

    #[test]
    fn closes_above_the_users_limit() {
        let limits = Limits { max_flow_control_paused: 0.02, ..Limits::default() };
        let at = |ns: &str| read("n1", &sample(0, &[(PAUSED_NS, "0")]), &sample(1_000, &[(PAUSED_NS, ns)]), &limits);
        assert!(!at("20000000").unwrap().over(), "2 % is allowed");
        assert!(at("20000001").unwrap().over(), "more is not");
    }
}
