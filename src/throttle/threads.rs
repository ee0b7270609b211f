//! How many statements a node works on.

use super::limits::Limits;
use super::reading::{Reading, Signal};
use super::sample::Sample;

/// Sessions that are not asleep, the sampler's own included.
pub const THREADS: &str = "threads_running";

/// The threads now.
#[must_use]
pub fn read(node: &str, after: &Sample, limits: &Limits) -> Option<Reading> {
    // The session that asks runs too, and is nobody's load.
    let seen = (after.number(THREADS)? - 1.0).max(0.0);
    let limit = f64::from(u32::try_from(limits.max_threads_running).unwrap_or(u32::MAX));
    Some(Reading {
        signal: Signal::Threads,
        node: node.to_owned(),
        seen,
        calm: limit * 0.8,
        limit,
        note: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn counts_all_but_itself() {
        //  status  seen        over   why
        let cases = [
            ("1", Some(0.0), false, "only the sampler"),
            ("51", Some(50.0), false, "at the limit"),
            ("52", Some(51.0), true, "above"),
            ("x", None, false, "not a number"),
        ];
        for (value, seen, over, why) in cases {
            let reading = read("n1", &sample(0, &[(THREADS, value)]), &Limits::default());
            assert_eq!(reading.as_ref().map(|reading| reading.seen), seen, "{why}");
            assert_eq!(reading.is_some_and(|reading| reading.over()), over, "{why}");
        }
    }
}
