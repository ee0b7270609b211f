//! The decision: from all readings to a gate, with hysteresis and a reason.
//!
//! A reading above its limit closes the gate until it has come half-way back to calm. Between calm and limit it shrinks
//! the pace at once, the more the nearer it is; it grows back within a second. While queues are nearly empty it grows on,
//! slowly, to twice the full pace.

use std::collections::BTreeMap;
use std::time::Duration;

use super::reading::{Reading, Signal};
use super::sample::WINDOW;
use crate::ports::pace::Gate;

/// The smallest share of the usual chunk: below it the work for each chunk outweighs its rows.
pub const MIN_SHARE: f64 = 0.1;

/// The share while the receive queues of all nodes are nearly empty: nobody waits behind a chunk, so it may be larger.
pub const ROOM: f64 = 2.0;

/// How much room is found in a second.
pub const GROWTH: f64 = 0.2;

/// How much of the full share comes back in a second.
pub const RECOVERY: f64 = 1.0;

/// A closed gate stays closed at least this long, so that it does not flap between two samples.
pub const MIN_CLOSED: Duration = Duration::from_millis(500);

/// After the gate has been closed this long, conflicts that go on are not ours: a whole window, and a second in which
/// chunks under way end.
pub const BACKGROUND_AFTER: Duration = WINDOW.saturating_add(Duration::from_secs(1));

/// What the next decision must remember of the last ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Readings that closed the gate and are not relieved.
    closed: Vec<(String, Signal)>,
    /// Since when the gate is closed, and why it was last.
    since: Option<(Duration, String)>,
    /// Whether only silence has closed the gate.
    silent: bool,
    /// The share at the last decision.
    share: f64,
    /// When that was.
    at: Duration,
    /// What slowed it down last.
    cause: String,
    /// Conflicts a second, by node, that go on while the gate is closed.
    background: BTreeMap<String, f64>,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            closed: Vec::new(),
            since: None,
            silent: true,
            share: 1.0,
            at: Duration::ZERO,
            cause: String::new(),
            background: BTreeMap::new(),
        }
    }
}

/// The gate, and why it is not wide open.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The gate.
    pub gate: Gate,
    /// Signal, node, seen and limit in words; `None` at full pace.
    pub why: Option<String>,
}

/// Decides. Pure: the same state, readings and time give the same answer.
#[must_use]
pub fn decide(held: &Held, readings: &[Reading], now: Duration) -> (Held, Decision) {
    let background = learn(held, readings, now);
    let readings: Vec<Reading> = readings.iter().map(|reading| without(&background, reading)).collect();
    let shut: Vec<&Reading> = readings.iter().filter(|reading| shuts(held, reading)).collect();
    let closed = shut.iter().map(|reading| (reading.node.clone(), reading.signal.clone())).collect();
    let silent = held.silent && shut.iter().all(|reading| reading.signal == Signal::Silence);
    let next = Held { closed, silent, at: now, background, ..held.clone() };
    if let Some(worst) = worst(&shut) {
        return close(next, worst, now);
    }
    match &held.since {
        // Silence is over with the answer: nothing can flap.
        Some((since, why)) if !held.silent && now.saturating_sub(*since) < MIN_CLOSED => {
            let why = why.clone();
            (next, Decision { gate: Gate::Closed { why: why.clone() }, why: Some(why) })
        }
        Some(_) | None => open(next, &readings, now.saturating_sub(held.at)),
    }
}

fn shuts(held: &Held, reading: &Reading) -> bool {
    let was = held.closed.iter().any(|(node, signal)| *node == reading.node && *signal == reading.signal);
    reading.over() || (was && !reading.relieved())
}

fn close(next: Held, worst: &Reading, now: Duration) -> (Held, Decision) {
    let why = worst.to_string();
    let since = next.since.as_ref().map_or(now, |(since, _)| *since);
    // Silence is not load: full pace may come back with the answer.
    let (share, cause) = match worst.signal {
        Signal::Silence => (next.share, next.cause),
        Signal::FlowControl | Signal::Queue | Signal::Lag | Signal::Threads | Signal::Conflicts | Signal::Status(_) => {
            (MIN_SHARE, why.clone())
        }
    };
    let held = Held { since: Some((since, why.clone())), share, cause, ..next };
    (held, Decision { gate: Gate::Closed { why: why.clone() }, why: Some(why) })
}

fn open(next: Held, readings: &[Reading], passed: Duration) -> (Held, Decision) {
    let all: Vec<&Reading> = readings.iter().collect();
    let slowest = worst(&all);
    let most = if roomy(readings) { ROOM } else { 1.0 };
    let allowed = slowest.map_or(most, |reading| match reading.pressure() {
        pressure if pressure > 0.0 => (1.0 - pressure).max(0.0).powi(2).max(MIN_SHARE),
        _ => most,
    });
    let passed = passed.as_secs_f64();
    let recovered = RECOVERY.mul_add(passed, next.share).min(GROWTH.mul_add(passed, next.share.max(1.0)));
    let share = recovered.min(allowed);
    let (cause, because) = match slowest {
        Some(reading) if allowed <= recovered && allowed < 1.0 => (reading.to_string(), ":"),
        Some(_) | None => (next.cause, " after"),
    };
    let why = (share < 1.0).then(|| format!("pace {:.0} %{because} {cause}", share * 100.0));
    (Held { since: None, silent: true, share, cause, ..next }, Decision { gate: Gate::Open { share }, why })
}

/// Whether queues are known and no more than our own chunks are in them.
fn roomy(readings: &[Reading]) -> bool {
    let mut queues = readings.iter().filter(|reading| reading.signal == Signal::Queue).peekable();
    queues.peek().is_some() && queues.all(|queue| queue.seen <= queue.calm / 4.0)
}

/// The reading nearest to, or furthest above, its limit; the first of equals.
fn worst<'a>(readings: &[&'a Reading]) -> Option<&'a Reading> {
    readings.iter().copied().reduce(|worst, other| if other.pressure() > worst.pressure() { other } else { worst })
}

/// Conflicts that go on although driftless has not written for a while are the applications' own. Without this, two
/// applications that fight over a row would keep the gate closed for ever.
fn learn(held: &Held, readings: &[Reading], now: Duration) -> BTreeMap<String, f64> {
    let idle = held.since.as_ref().is_some_and(|(since, _)| now.saturating_sub(*since) >= BACKGROUND_AFTER);
    let mut background = held.background.clone();
    for reading in readings.iter().filter(|reading| reading.signal == Signal::Conflicts) {
        let known = background.entry(reading.node.clone()).or_insert(0.0);
        *known = if idle { reading.seen } else { known.min(reading.seen) };
    }
    background
}

fn without(background: &BTreeMap<String, f64>, reading: &Reading) -> Reading {
    let mut reading = reading.clone();
    if reading.signal == Signal::Conflicts {
        reading.seen = (reading.seen - background.get(&reading.node).unwrap_or(&0.0)).max(0.0);
    }
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(signal: Signal, node: &str, seen: f64, calm: f64, limit: f64) -> Reading {
        Reading { signal, node: node.into(), seen, calm, limit, note: String::new() }
    }

    fn queue(seen: f64) -> Reading {
        reading(Signal::Queue, "n2", seen, 4.0, 14.0)
    }

    fn conflicts(seen: f64) -> Reading {
        reading(Signal::Conflicts, "n3", seen, 1.0, 5.0)
    }

    /// Decides at each time in turn and returns what `why` said: `-` at full pace.
    fn run(steps: &[(u64, Vec<Reading>)]) -> Vec<(bool, String)> {
        let mut held = Held::default();
        let mut said = Vec::new();
        for (at, readings) in steps {
            let (next, decision) = decide(&held, readings, Duration::from_millis(*at));
            held = next;
            said.push((matches!(decision.gate, Gate::Open { .. }), decision.why.unwrap_or_else(|| "-".into())));
        }
        said
    }

    #[test]
    fn gate_with_hysteresis() {
        //  ms     queue  open   why                                                  because
        let table = [
            (0, 0.0, true, "-", "calm"),
            (250, 4.0, true, "-", "still calm"),
            (500, 9.0, true, "pace 25 %: receive queue 9 on n2 (limit 14)", "half-way: a quarter, at once"),
            (750, 14.0, true, "pace 10 %: receive queue 14 on n2 (limit 14)", "at the limit: the least"),
            (1_000, 15.0, false, "receive queue 15 on n2 (limit 14)", "above: closed"),
            (1_250, 13.0, false, "receive queue 13 on n2 (limit 14)", "not relieved"),
            (1_500, 10.0, false, "receive queue 10 on n2 (limit 14)", "still not"),
            (1_750, 9.0, true, "pace 25 %: receive queue 9 on n2 (limit 14)", "half-way back: open"),
            (2_000, 13.0, true, "pace 10 %: receive queue 13 on n2 (limit 14)", "open stays open below the limit"),
            (2_250, 0.0, true, "pace 35 % after receive queue 13 on n2 (limit 14)", "recovers in a second"),
            (2_750, 0.0, true, "pace 85 % after receive queue 13 on n2 (limit 14)", "and says after what"),
            (3_000, 0.0, true, "-", "full pace again"),
        ];
        let said = run(&table.map(|(at, seen, ..)| (at, vec![queue(seen)])));
        for ((at, _, open, why, because), (was_open, said)) in table.into_iter().zip(said) {
            assert_eq!((was_open, said.as_str()), (open, why), "{at}: {because}");
        }
    }

    #[test]
    fn closed_gate_does_not_flap() {
        let said = run(&[(0, vec![queue(20.0)]), (250, vec![queue(0.0)]), (499, vec![]), (500, vec![queue(0.0)])]);
        let open: Vec<bool> = said.iter().map(|(open, _)| *open).collect();
        assert_eq!(open, [false, false, false, true]);
        assert_eq!(said[1].1, "receive queue 20 on n2 (limit 14)", "the reason stays");
    }

    #[test]
    fn names_the_worst_of_many() {
        let flow = |seen| reading(Signal::FlowControl, "n1", seen, 0.0, 0.05);
        let said = run(&[
            (0, vec![queue(5.0), flow(0.02)]),
            (250, vec![queue(20.0), flow(0.2)]),
            (500, vec![queue(20.0), flow(0.0)]),
        ]);
        assert_eq!(said[0].1, "pace 36 %: flow control 2 % on n1 (limit 5 %)");
        assert_eq!(said[1].1, "flow control 20 % on n1 (limit 5 %)");
        assert_eq!(said[2].1, "receive queue 20 on n2 (limit 14)");
    }

    #[test]
    fn two_nodes_close_apart() {
        let on = |node: &str, seen| reading(Signal::Queue, node, seen, 4.0, 14.0);
        let said = run(&[(0, vec![on("n1", 20.0), on("n2", 0.0)]), (600, vec![on("n1", 0.0), on("n2", 12.0)])]);
        assert!(said[1].0, "n2 has not closed it, so 12 of 14 only slows: {}", said[1].1);
    }

    #[test]
    fn silence_costs_no_share() {
        let silent = |seen| reading(Signal::Silence, "n1", seen, 2.0, 2.0);
        let said = run(&[(0, vec![silent(f64::INFINITY)]), (100, vec![silent(0.0)])]);
        assert_eq!(said, [(false, "n1 has not answered yet".to_owned()), (true, "-".to_owned())]);
    }

    #[test]
    fn conflicts_of_others_do_not_hold_the_gate() {
        let said = run(&[
            (0, vec![conflicts(9.0)]),
            (2_900, vec![conflicts(8.0)]),
            (3_000, vec![conflicts(8.0)]),
            (3_250, vec![conflicts(10.0)]),
            (3_500, vec![conflicts(14.0)]),
            (3_750, vec![conflicts(2.0)]),
            (4_250, vec![conflicts(2.0)]),
            (4_500, vec![conflicts(8.0)]),
        ]);
        let open: Vec<bool> = said.iter().map(|(open, _)| *open).collect();
        let expected = [
            false, // nine a second, all taken for ours
            false, // eight go on without us, but the window may still show ours
            true,  // they are not ours
            true,  // two of ten are ours
            false, // six of fourteen are ours
            false, // relieved, not yet long enough
            true,  // open again
            false, // others' rate has fallen to two, so six are ours
        ];
        assert_eq!(open, expected, "{said:?}");
    }

    #[test]
    fn empty_queues_give_room_slowly() {
        let mut held = Held::default();
        //  ms      queue      share  why
        let cases = [
            (0, Some(0.0), 1.0, "begins at full pace"),
            (1_000, Some(1.0), 1.2, "one or two of ours: room"),
            (2_000, Some(2.0), 1.0, "more than ours: none, at once"),
            (3_000, Some(0.0), 1.2, "slowly again"),
            (9_000, Some(0.0), 2.0, "never more than twice"),
            (10_000, None, 1.0, "no queues, no room"),
        ];
        for (at, seen, share, why) in cases {
            let readings: Vec<Reading> = seen.map(queue).into_iter().collect();
            let (next, decision) = decide(&held, &readings, Duration::from_millis(at));
            assert_eq!(decision.gate, Gate::Open { share }, "{at}: {why}");
            held = next;
        }
    }

    #[test]
    fn share_stays_within_bounds() {
        let mut held = Held::default();
        for step in 0..200_u32 {
            let seen = f64::from(step % 30);
            let (next, decision) = decide(&held, &[queue(seen)], Duration::from_millis(u64::from(step) * 250));
            if let Gate::Open { share } = decision.gate {
                assert!((MIN_SHARE..=ROOM).contains(&share), "{share} at {seen}");
                assert_eq!(decision.why.is_none(), share >= 1.0);
            }
            held = next;
        }
    }
}
