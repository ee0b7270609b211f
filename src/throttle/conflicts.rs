//! The damage budget: transactions that a node loses to others' write-sets. Some of them are applications'.

use super::limits::Limits;
use super::reading::{Reading, Signal};
use super::sample::{Sample, growth};

/// Open transactions that an ordered write-set aborted.
pub const BF_ABORTS: &str = "wsrep_local_bf_aborts";
/// Transactions that failed certification.
pub const CERT_FAILURES: &str = "wsrep_local_cert_failures";

/// Conflicts a second between two samples. `None` outside Galera or after a restart.
#[must_use]
pub fn read(node: &str, before: &Sample, after: &Sample, limits: &Limits) -> Option<Reading> {
    let (aborts, seconds) = growth(before, after, BF_ABORTS)?;
    let (failures, _) = growth(before, after, CERT_FAILURES)?;
    let lost = f64::from(u32::try_from(aborts.saturating_add(failures)).unwrap_or(u32::MAX));
    let limit = limits.max_conflicts;
    Some(Reading {
        signal: Signal::Conflicts,
        node: node.to_owned(),
        seen: lost / seconds,
        calm: limit / 4.0,
        limit,
        note: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn both_kinds_a_second() {
        let at = |ms, aborts: &str, failures: &str| sample(ms, &[(BF_ABORTS, aborts), (CERT_FAILURES, failures)]);
        //  before              after                 seen        why
        let cases = [
            (at(0, "3", "4"), at(2_000, "3", "4"), Some(0.0), "none"),
            (at(0, "3", "4"), at(2_000, "11", "8"), Some(6.0), "eight aborts and four failures in two seconds"),
            (at(0, "3", "4"), at(2_000, "0", "8"), None, "restarted: skip"),
            (sample(0, &[]), sample(2_000, &[]), None, "outside Galera"),
        ];
        for (before, after, seen, why) in cases {
            let reading = read("n1", &before, &after, &Limits::default());
            assert_eq!(reading.map(|reading| reading.seen), seen, "{why}");
        }
    }
}
