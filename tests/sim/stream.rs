//! Jobs that follow the binlog: what must hold, and what the simulator must see when a part of it is left out.

use driftless::engine::Ending;
use driftless::ports::objects::Keep;
use driftless_strategies::verdict::ReasonCode;

use super::chaos::{Chaos, Order};
use super::fence::Weak;
use super::lot::drawn_stream;
use super::process::Faults;
use super::scenario::{Kind, Outcome, Scenario, Then, Unique, run};
use super::tests::{kept, killed_everywhere, seeds, tried};

fn calm(seed: u64) -> Scenario {
    Scenario { kind: Kind::Stream, ..Scenario::calm(seed) }
}

fn contended(seed: u64, unique: Unique) -> Scenario {
    Scenario { rows: 30, clients: 3, unique, ..calm(seed) }
}

fn done(scenario: &Scenario) -> Outcome {
    let outcome = kept(scenario);
    assert_eq!(outcome.endings, [Some(Ending::Done)], "{scenario:?}");
    outcome
}

#[test]
fn a_seed_means_the_same_stream_for_ever() {
    for seed in 0..12 {
        let (one, other) = (run(&drawn_stream(seed)), run(&drawn_stream(seed)));
        assert_eq!((one.trace, one.events, one.endings), (other.trace, other.events, other.endings), "seed {seed}");
    }
}

#[test]
fn a_contended_stream_is_done() {
    let (mut uncertified, mut replayed) = (0, 0);
    for seed in seeds(0..16) {
        let outcome = done(&contended(seed, if seed % 2 == 0 { Unique::Kept } else { Unique::Dropped }));
        assert!(outcome.acknowledged > 50, "seed {seed}: {} writes are no contention", outcome.acknowledged);
        uncertified += outcome.uncertified;
        replayed += outcome.replayed;
    }
    assert!(uncertified > 10 && replayed > 0, "{uncertified} {replayed}");
}

#[test]
fn a_unique_key_that_the_alter_adds_converges() {
    for seed in seeds(0..12) {
        done(&Scenario { busy: seed % 2 == 0, ..contended(seed, Unique::Added) });
    }
}

#[test]
fn a_table_that_never_rests_is_switched() {
    for seed in seeds(0..3) {
        done(&Scenario { busy: true, ..contended(seed, Unique::Kept) });
    }
}

#[test]
fn events_of_what_was_rolled_back_harm_nothing() {
    for seed in seeds(0..8) {
        done(&Scenario { phantoms: 50, ..contended(seed, Unique::Kept) });
    }
}

#[test]
fn whatever_happens_to_a_stream_nothing_is_lost() {
    for seed in seeds(0..60) {
        kept(&drawn_stream(seed));
    }
}

#[test]
fn a_stream_killed_at_every_place_resumes() {
    let small = Scenario { rows: 10, ..calm(3) };
    assert!(killed_everywhere(&small) > 60, "the job has that many places");
    killed_everywhere(&Scenario { unique: Unique::Added, keep: Keep::Keep, again: true, ..small });
}

#[test]
fn a_stream_killed_at_every_place_is_undone() {
    let small = Scenario { rows: 10, then: Then::Abort, ..calm(4) };
    assert!(killed_everywhere(&small) > 60, "the job has that many places");
    killed_everywhere(&Scenario { unique: Unique::Violated, seed: 5, ..small });
}

#[test]
fn a_stream_stopped_at_every_place_goes_on() {
    let long = Scenario { rows: 60, workers: 1, compare_rows: 2, ..calm(7) };
    for at in (0..).step_by(9) {
        let outcome = kept(&Scenario { signals: vec![at], ..long.clone() });
        if at > outcome.points {
            return;
        }
        assert_eq!(outcome.endings.last(), Some(&Some(Ending::Done)), "at {at}");
    }
}

/// Rows that change all the time are not taken for rows that differ.
#[test]
fn hot_rows_are_no_difference_while_the_switch_is_held() {
    for seed in 0..2 {
        let orders = vec![(0, Order::Hold), (4_000, Order::Release)];
        done(&Scenario { orders, rows: 3, clients: 1, busy: true, ..calm(seed) });
    }
}

/// Who asks for the switch while the job is paused gets it.
#[test]
fn a_paused_job_switches_when_it_is_told_to() {
    for seed in 0..3 {
        let orders = vec![(0, Order::Hold), (2_000, Order::Pause), (3_000, Order::Cutover)];
        done(&Scenario { orders, busy: true, ..calm(seed) });
    }
}

#[test]
fn a_job_that_is_paused_for_long_goes_on() {
    for seed in 0..6 {
        let orders = vec![(30 + 60 * seed, Order::Pause), (200_000, Order::GoOn)];
        done(&Scenario { orders, clients: 2, ..calm(seed) });
    }
}

/// The refusal names the rows, however much else is written.
#[test]
fn rows_that_a_new_unique_key_forbids_are_named_on_a_busy_table() {
    let mut named = 0;
    for seed in 0..12 {
        let outcome = kept(&Scenario { rows: 60, clients: 2, busy: true, unique: Unique::Violated, ..calm(seed) });
        match &outcome.endings[..] {
            [Some(Ending::Refused { reason, .. })] if reason.code == ReasonCode::DuplicateRows => named += 1,
            // The equal rows were gone again before they were met.
            [Some(Ending::Done)] => {}
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(named > 1, "{named} of 12");
}

#[test]
fn a_table_truncated_while_it_is_copied_is_compared_anew() {
    for seed in 0..10 {
        let chaos = Chaos { truncate: 60, ..Chaos::NONE };
        kept(&Scenario { chaos, ..contended(seed, Unique::Kept) });
    }
}

/// A RENAME or a fence whose answer is lost, again and again: nothing stays closed, and it comes to its end.
#[test]
fn lost_answers_at_the_switch_are_looked_up() {
    for seed in seeds(0..30) {
        kept(&Scenario { faults: Faults { busy: 20, lost: 60, hangs: 0 }, rows: 8, ..calm(seed) });
    }
}

/// What a part of the protocol is for: without it some seed loses rows.
fn missed(weak: Weak, base: impl Fn(u64) -> Scenario, tries: u64) {
    let lost = |seed: u64| tried(&Scenario { weak, ..base(seed) }).is_err_and(|what| what.contains("at the RENAME"));
    assert!((0..tries).any(lost), "no seed shows {weak:?} any more");
}

fn busy(seed: u64) -> Scenario {
    Scenario { busy: true, ..contended(seed, Unique::Kept) }
}

#[test]
fn rows_read_anew_without_a_lock_are_lost() {
    missed(Weak::NonLockingBlind, busy, 60);
}

#[test]
fn a_key_given_to_two_appliers_is_lost() {
    missed(Weak::Early, busy, 60);
}

#[test]
fn a_switch_without_a_fence_loses_rows() {
    missed(Weak::OpenFence, busy, 60);
}

/// The binlog shows what slipped through the switch also to whoever goes on after a crash behind it: nobody drops the only
/// table that has those rows.
#[test]
fn what_slipped_through_a_leaky_switch_is_kept_after_a_crash_too() {
    let lost = |outcome: &Outcome| outcome.violations.iter().any(|what| what.contains("at the RENAME the shadow"));
    let leaky = |seed: u64| Scenario { weak: Weak::OpenFence, rows: 10, ..busy(seed) };
    let (mut seen, mut late) = (0, 0);
    for seed in 0..40 {
        let base = leaky(seed);
        let alive = run(&base);
        if !lost(&alive) {
            continue;
        }
        assert!(alive.retired, "seed {seed}: {:?}", alive.endings);
        seen += 1;
        for before in (1..30).step_by(2) {
            let outcome = run(&Scenario { kills: vec![alive.points.saturating_sub(before)], ..base.clone() });
            let resumed_behind_it = matches!(outcome.endings[..], [None, Some(Ending::Failed { .. }), ..]);
            if lost(&outcome) {
                assert!(outcome.retired, "seed {seed}, {before} places before the end: {:?}", outcome.endings);
                late += u64::from(resumed_behind_it);
            }
        }
        if seen == 2 {
            break;
        }
    }
    assert!(seen > 0 && late > 0, "{seen} {late}");
}

#[test]
fn changes_drained_to_a_place_before_the_fence_are_lost() {
    missed(Weak::EarlyDrain, busy, 60);
}

#[test]
fn a_key_that_comes_back_after_it_was_deleted_is_lost_when_it_is_discarded() {
    missed(Weak::GoneStays, busy, 60);
}

/// The rows that `rows_read_anew_without_a_lock_are_lost` loses.
#[test]
fn the_proof_sees_rows_read_anew_without_a_lock() {
    for seed in seeds(0..30) {
        let outcome = run(&Scenario { weak: Weak::NonLocking, ..busy(seed) });
        assert!(!outcome.violations.iter().any(|what| what.contains("at the RENAME")), "seed {seed}");
    }
}

/// What is followed is right by itself: the proof finds nothing to repair while no process is killed.
#[test]
fn without_a_proof_nothing_is_lost_either() {
    for seed in seeds(0..10) {
        done(&Scenario { weak: Weak::Blind, ..busy(seed) });
    }
}
