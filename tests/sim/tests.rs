//! What the simulator must see, and what the engine must keep.

use std::ops::Range;

use driftless::engine::Ending;
use driftless::ports::journal::Phase;
use driftless::ports::objects::Keep;

use super::lot::drawn;
use super::objects::{Emptied, Late};
use super::scenario::{Outcome, Scenario, Then, Unique, run};
use super::writes::{Conflicts, Tombstones};

/// The seeds of a test, or those of `SIM_SEEDS=from..to`, for a long night.
pub(crate) fn seeds(usual: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("SIM_SEEDS") else { return usual };
    let (from, to) = text.split_once("..").expect("SIM_SEEDS=from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// Runs a scenario; a panic inside is a failure of that scenario.
pub(crate) fn tried(scenario: &Scenario) -> Result<Outcome, String> {
    let outcome = std::panic::catch_unwind(|| run(scenario)).map_err(|_| format!("it panicked: {scenario:?}"))?;
    if outcome.violations.is_empty() {
        return Ok(outcome);
    }
    let shown: Vec<&String> = outcome.violations.iter().take(5).collect();
    Err(format!("{shown:#?}\n{:?}\n{scenario:?}", outcome.endings))
}

/// Runs it and stops the test with everything that is needed to see it again.
pub(crate) fn kept(scenario: &Scenario) -> Outcome {
    tried(scenario).unwrap_or_else(|what| panic!("seed {}: {what}", scenario.seed))
}

/// A job in which many rows are deleted near the copied range.
fn contended(seed: u64, tombstones: Tombstones) -> Scenario {
    Scenario { tombstones, rows: 30, clients: 3, unique: Unique::Dropped, ..Scenario::calm(seed) }
}

#[test]
fn a_seed_means_the_same_run_for_ever() {
    for seed in 0..12 {
        let (one, other) = (run(&drawn(seed)), run(&drawn(seed)));
        assert_eq!((one.trace, one.events, one.endings), (other.trace, other.events, other.endings), "seed {seed}");
    }
}

#[test]
fn a_table_truncated_at_the_switch_is_kept_by_every_later_run() {
    for seed in 0..6 {
        let outcome = kept(&Scenario { emptied: Emptied::AtTheSwitch, ..Scenario::calm(seed) });
        let [Some(Ending::Failed { phase: Phase::Finishing, what }), Some(Ending::Done)] = &outcome.endings[..] else {
            panic!("seed {seed}: {:?}", outcome.endings)
        };
        assert!(what.contains("truncated"), "{what}");
    }
}

#[test]
fn a_calm_job_is_done_under_contention() {
    let (mut uncertified, mut replayed, mut retried) = (0, 0, 0);
    for seed in 0..20 {
        let outcome = kept(&contended(seed, Tombstones::On));
        assert_eq!(outcome.endings, [Some(Ending::Done)], "seed {seed}");
        assert!(outcome.acknowledged > 50, "seed {seed}: {} writes are no contention", outcome.acknowledged);
        uncertified += outcome.uncertified;
        replayed += outcome.replayed;
        retried += outcome.retried;
    }
    // A simulator without conflicts would prove nothing.
    assert!(uncertified > 50 && replayed > 5 && retried > 5, "{uncertified} {replayed} {retried}");
}

/// The race of every trigger-copy on several writers, so that the simulator is known to see it.
#[test]
fn without_tombstones_deleted_rows_come_back() {
    let ghost = |seed: u64| {
        let outcome = run(&contended(seed, Tombstones::Off));
        let different = |ending: &Option<Ending>| match ending {
            Some(Ending::Different { differences }) => differences.iter().any(|text| text.starts_with("ghost")),
            _ => false,
        };
        outcome.endings.iter().any(different)
    };
    let found = (0..80).filter(|seed| ghost(*seed)).count();
    assert!(found >= 2, "{found} of 80 seeds show it");
}

#[test]
fn with_tombstones_no_deleted_row_comes_back() {
    for seed in seeds(0..100) {
        let outcome = kept(&contended(seed, Tombstones::On));
        assert_eq!(outcome.endings, [Some(Ending::Done)], "seed {seed}");
    }
}

#[test]
fn whatever_happens_nothing_is_lost() {
    for seed in seeds(0..300) {
        kept(&drawn(seed));
    }
}

/// Killed once at every place, then gone on with or undone.
pub(crate) fn killed_everywhere(base: &Scenario) -> u64 {
    for at in 0.. {
        let outcome = kept(&Scenario { kills: vec![at], ..base.clone() });
        if outcome.endings.first().is_some_and(Option::is_some) {
            return at;
        }
    }
    0
}

#[test]
fn killed_at_every_place_it_resumes() {
    let small = Scenario { rows: 10, ..Scenario::calm(3) };
    assert!(killed_everywhere(&small) > 60, "the job has that many places");
    killed_everywhere(&Scenario { unique: Unique::Added, keep: Keep::Keep, again: true, ..small });
}

#[test]
fn killed_at_every_place_it_is_undone() {
    let small = Scenario { rows: 10, then: Then::Abort, ..Scenario::calm(4) };
    assert!(killed_everywhere(&small) > 60, "the job has that many places");
    killed_everywhere(&Scenario { unique: Unique::Violated, seed: 5, ..small });
}

#[test]
fn stopped_at_every_place_it_goes_on() {
    // More ranges to compare than wait in any queue, and fewer workers than could take them.
    let long = Scenario { rows: 60, workers: 1, compare_rows: 1, ..Scenario::calm(7) };
    for at in (0..).step_by(3) {
        let outcome = kept(&Scenario { signals: vec![at], ..long.clone() });
        if at > outcome.points {
            return;
        }
        assert_eq!(outcome.endings.last(), Some(&Some(Ending::Done)), "at {at}");
    }
}

/// A row that the new table can't take, recorded on another node while the switch is decided: what a trigger that always
/// records does with it, and what one does that records only until the job is about to switch.
#[test]
fn a_conflict_recorded_while_it_switches_loses_the_row() {
    let job =
        |seed, conflicts| Scenario { conflicts, rows: 8, clients: 3, unique: Unique::Violated, ..Scenario::calm(seed) };
    let lost = (0..400).any(|seed| tried(&job(seed, Conflicts::Recorded)).is_err());
    assert!(lost, "no seed shows it any more");
    for seed in 0..60 {
        kept(&job(seed, Conflicts::RecordedUntilSwitching));
    }
}

/// A statement of a killed process that still waits to be ordered when the next process looks: unseen, it makes a trigger
/// without its shadow, or drops a shadow under its triggers.
#[test]
fn a_late_statement_is_waited_for_when_it_is_seen() {
    let job = |seed, at, late| Scenario { rows: 8, kills: vec![at], then: Then::Abort, late, ..Scenario::calm(seed) };
    let places = || (0..6).flat_map(|seed| (8..40).map(move |at| (seed, at)));
    let broken = places().any(|(seed, at)| tried(&job(seed, at, Late::Unseen)).is_err());
    assert!(broken, "no place shows it any more");
    for (seed, at) in places() {
        kept(&job(seed, at, Late::Seen));
    }
}
