//! A node's receive queue against the length at which it asks for flow control: it grows before flow control comes.

use super::limits::Limits;
use super::reading::{Reading, Signal};
use super::sample::Sample;

/// Write-sets received and not applied.
pub const QUEUE: &str = "wsrep_local_recv_queue";
/// Members, arbitrators included: the limit grows with their root.
pub const SIZE: &str = "wsrep_cluster_size";
/// 1 Joining, 2 Donor/Desynced, 3 Joined, 4 Synced.
pub const STATE: &str = "wsrep_local_state";
/// What PXC calls the length itself.
pub const INTERVAL_HIGH: &str = "wsrep_flow_control_interval_high";

const DESYNCED: u64 = 2;

/// How the length follows from the provider's options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueRule {
    /// `gcs.fc_limit`.
    pub fc_limit: f64,
    /// Whether it grows with the cluster.
    pub growth: Growth,
}

/// Whether the length grows with the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// By the root of the number of members.
    Root,
    /// Not at all: `gcs.fc_single_primary` or `gcs.fc_master_slave` is on.
    Fixed,
}

impl QueueRule {
    /// Reads `wsrep_provider_options`; `None` when it has no `gcs.fc_limit`.
    #[must_use]
    pub fn parse(options: &str) -> Option<Self> {
        let mut fc_limit = None;
        let mut growth = Growth::Root;
        for (name, value) in options.split(';').filter_map(|option| option.split_once('=')) {
            match name.trim() {
                "gcs.fc_limit" => fc_limit = value.trim().parse().ok(),
                // Either name, because `fc_master_slave` is the older one of the same switch.
                "gcs.fc_single_primary" | "gcs.fc_master_slave" if is_on(value.trim()) => growth = Growth::Fixed,
                _ => {}
            }
        }
        Some(Self { fc_limit: fc_limit?, growth })
    }

    /// The queue length at which a node of a cluster of that size asks for flow control.
    ///
    /// # Source
    /// galera `gcs.cpp`, `_set_fc_limits`.
    #[must_use]
    pub fn upper(self, members: f64) -> f64 {
        match self.growth {
            Growth::Root => self.fc_limit * members.max(1.0).sqrt(),
            Growth::Fixed => self.fc_limit,
        }
    }
}

fn is_on(value: &str) -> bool {
    ["yes", "true", "on", "1"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// The queue now. `None` outside Galera, and for a desynced node, which asks nobody to wait for it.
#[must_use]
pub fn read(node: &str, after: &Sample, limits: &Limits) -> Option<Reading> {
    if after.count(STATE) == Some(DESYNCED) {
        return None;
    }
    let seen = after.number(QUEUE)?;
    let computed = || Some(after.queue_rule?.upper(after.number(SIZE).unwrap_or(1.0)));
    let upper = after.number(INTERVAL_HIGH).filter(|high| *high > 0.0).or_else(computed)?;
    // A write-set or two in flight is no queue.
    let limit = (upper * limits.max_queue).max(2.0);
    Some(Reading { signal: Signal::Queue, node: node.to_owned(), seen, calm: limit / 2.0, limit, note: String::new() })
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn limit_from_options() {
        //  options                                                      members  upper         why
        let cases = [
            ("gcs.fc_factor = 1.0; gcs.fc_limit = 16; pc.weight = 1; ", 4.0, Some(32.0), "root of four"),
            ("gcs.fc_limit=100;gcs.fc_single_primary=yes", 4.0, Some(100.0), "one writer: fixed"),
            ("gcs.fc_limit = 100; gcs.fc_master_slave = YES; gcs.fc_single_primary = no", 9.0, Some(100.0), "old name"),
            ("gcs.fc_limit = 16; gcs.fc_master_slave = no", 9.0, Some(48.0), "both off"),
            ("base_port = 4567; gcs.fc_limit = ", 3.0, None, "no number"),
            ("", 3.0, None, "not Galera"),
        ];
        for (options, members, upper, why) in cases {
            assert_eq!(QueueRule::parse(options).map(|rule| rule.upper(members)), upper, "{why}");
        }
    }

    #[test]
    fn short_of_flow_control() {
        let rule = QueueRule { fc_limit: 16.0, growth: Growth::Root };
        let at = |status: &[(&str, &str)]| Sample { queue_rule: Some(rule), ..sample(0, status) };
        let read = |status: &[(&str, &str)]| read("n1", &at(status), &Limits::default());
        let calm = read(&[(QUEUE, "4"), (SIZE, "4"), (STATE, "4")]).unwrap();
        assert_eq!((calm.seen, calm.calm, calm.limit), (4.0, 12.8, 25.6), "four fifths of 32, calm to half of that");
        assert!(read(&[(QUEUE, "26"), (SIZE, "4"), (STATE, "4")]).unwrap().over());
        assert_eq!(read(&[(QUEUE, "900"), (SIZE, "4"), (STATE, "2")]), None, "a desynced node asks for nothing");
        assert_eq!(read(&[(SIZE, "4")]), None, "outside Galera");
        let pxc = read(&[(QUEUE, "1"), (SIZE, "4"), (INTERVAL_HIGH, "200")]).unwrap();
        assert_eq!(pxc.limit, 160.0, "the server's own figure comes first");
    }
}
