//! What a node has suffered since the sampling began, for reports.

use super::conflicts::{BF_ABORTS, CERT_FAILURES};
use super::flow_control::PAUSED_NS;
use super::queue::QUEUE;
use super::sample::{Sample, growth};

/// `wsrep_flow_control_paused`: the average share since the last FLUSH STATUS.
pub const PAUSED: &str = "wsrep_flow_control_paused";

/// Sums and extremes of one node. Counts of applications and of driftless alike: the server does not tell them apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// The node.
    pub node: String,
    /// Samples that it answered.
    pub samples: u64,
    /// Samples that it did not.
    pub misses: u64,
    /// Nanoseconds in which flow control paused the cluster, as this node counts them.
    pub flow_control_ns: u64,
    /// `wsrep_flow_control_paused` as the server last said it; `None` outside Galera.
    pub flow_control_paused: Option<f64>,
    /// Longest receive queue seen.
    pub worst_queue: u64,
    /// Most `Threads_running` seen.
    pub worst_threads: u64,
    /// Transactions that a brute-force abort ended.
    pub bf_aborts: u64,
    /// Transactions that failed certification.
    pub cert_failures: u64,
}

impl Totals {
    /// Begins at zero.
    #[must_use]
    pub fn new(node: impl Into<String>) -> Self {
        Self { node: node.into(), ..Self::default() }
    }

    /// Takes the next sample. What a restart forgot between two samples is lost, never counted twice.
    pub fn add(&mut self, before: Option<&Sample>, after: &Sample) {
        self.samples += 1;
        let grown = |name| before.and_then(|before| growth(before, after, name)).map_or(0, |(grown, _)| grown);
        self.flow_control_ns = self.flow_control_ns.saturating_add(grown(PAUSED_NS));
        self.bf_aborts = self.bf_aborts.saturating_add(grown(BF_ABORTS));
        self.cert_failures = self.cert_failures.saturating_add(grown(CERT_FAILURES));
        self.flow_control_paused = after.number(PAUSED);
        self.worst_queue = self.worst_queue.max(after.count(QUEUE).unwrap_or(0));
        self.worst_threads = self.worst_threads.max(after.count(super::threads::THREADS).unwrap_or(0));
    }

    /// Counts a sample that was not answered.
    pub const fn miss(&mut self) {
        self.misses += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn sums_over_a_restart() {
        let at = |ms, paused: &str, aborts: &str, failures: &str, queue: &str| {
            let status = [(PAUSED_NS, paused), (BF_ABORTS, aborts), (CERT_FAILURES, failures), (QUEUE, queue)];
            sample(ms, &status)
        };
        let samples = [
            at(0, "1000", "7", "5", "2"),
            at(250, "1500", "8", "5", "31"),
            at(500, "10", "0", "0", "0"),
            at(750, "110", "2", "1", "3"),
        ];
        let mut totals = Totals::new("n1");
        let mut before = None;
        for sample in &samples {
            totals.add(before, sample);
            before = Some(sample);
        }
        totals.miss();
        let expected = Totals {
            samples: 4,
            misses: 1,
            flow_control_ns: 600,
            worst_queue: 31,
            bf_aborts: 3,
            cert_failures: 1,
            ..Totals::new("n1")
        };
        assert_eq!(totals, expected);
    }
}
