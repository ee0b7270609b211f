//! Keys whose rows changed in the source and are not yet in step in the shadow. Pure; bounded by whoever fills it.
//!
//! A key stands here once, whatever happened to its row meanwhile: the row is read anew when its turn comes, so the last change wins.
//! A key that is being brought in step is not given out a second time before it is done.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::ports::rows::Bound;
use crate::ports::syncing::{Last, Touched};

/// What a key costs in memory beside its own text, bytes: it stands in up to three maps and a queue.
const KEY_BYTES: usize = 240;

/// Failures after which a key is given out only by itself, or with all others of its kind.
const STUBBORN: u32 = 4;

#[derive(Clone, Copy, Debug)]
struct Entry {
    last: Last,
    /// The number of the first change that is not in step yet.
    since: u64,
    /// How often it could not be brought in step.
    fails: u32,
}

#[derive(Clone, Copy, Debug)]
struct Busy {
    since: u64,
    fails: u32,
}

const fn stubborn(fails: u32) -> bool {
    fails >= STUBBORN
}

/// Keys that are given out together.
#[derive(Debug, Default)]
pub struct Batch {
    /// The keys.
    pub touched: Vec<Touched>,
    /// How often the first of them could not be brought in step before.
    pub fails: u32,
}

/// What is known of a row after two words about it: once in doubt it stays so until it is read.
const fn after(first: Last, second: Last) -> Last {
    match first {
        Last::Doubtful => Last::Doubtful,
        Last::Gone | Last::There => second,
    }
}

/// The keys, in the order in which they first changed.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: HashMap<Bound, Entry>,
    order: VecDeque<Bound>,
    busy: HashMap<Bound, Busy>,
    /// How many of the busy ones are stubborn.
    stubborn: usize,
    /// The first changes of all keys that wait or are busy.
    open: BTreeSet<u64>,
    number: u64,
    bytes: usize,
    /// Keys that changed since they were last proven equal, each with the number of its last change; `None` while nothing is proven.
    unproven: Option<HashMap<Bound, u64>>,
    unproven_bytes: usize,
}

/// What the appliers must mind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Haste {
    /// Pauses and the pace.
    #[default]
    Ordinary,
    /// Nothing: an operator wants the switch now.
    Hurried,
    /// Nothing: no writer can change the source, and all of them wait for the appliers.
    Still,
}

/// What the parts of a follower tell each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    /// Copying waits for the changes.
    pub copy_waits: bool,
    /// What the appliers must mind.
    pub haste: Haste,
    /// Keys were forgotten before they were proven.
    pub forgot: bool,
    /// The number of the last change before the job's own RENAME, once that was read.
    pub renamed: Option<u64>,
    /// Rows brought in step.
    pub applied: u64,
}

fn cost(key: &Bound) -> usize {
    KEY_BYTES + 2 * key.0.iter().map(String::len).sum::<usize>()
}

impl Backlog {
    /// Takes in one change.
    pub fn push(&mut self, key: Bound, last: Last) {
        self.number += 1;
        let number = self.number;
        if let Some(unproven) = &mut self.unproven
            && unproven.insert(key.clone(), number).is_none()
        {
            self.unproven_bytes += cost(&key);
        }
        if let Some(entry) = self.waiting.get_mut(&key) {
            entry.last = after(entry.last, last);
            return;
        }
        self.bytes += cost(&key);
        self.open.insert(number);
        self.order.push_back(key.clone());
        self.waiting.insert(key, Entry { last, since: number, fails: 0 });
    }

    /// Gives out up to `limit` keys that nobody works on.
    ///
    /// Keys that failed again and again go to one taker at a time, in turns alone, so that the culprit is found among
    /// many, and all together: rows that exchanged the values of a unique key that only the new table has can come in only in
    /// one transaction.
    pub fn take(&mut self, limit: usize) -> Batch {
        let mut batch = Batch::default();
        let mut aside = Vec::new();
        let others = self.stubborn > 0;
        while batch.touched.len() < limit {
            let Some(key) = self.order.pop_front() else { break };
            let Some(fails) = self.waiting.get(&key).map(|entry| entry.fails) else { continue };
            let unlike = !batch.touched.is_empty() && stubborn(fails) != stubborn(batch.fails);
            if self.busy.contains_key(&key) || (stubborn(fails) && others) || unlike {
                aside.push(key);
                continue;
            }
            let Some(entry) = self.waiting.remove(&key) else { continue };
            if batch.touched.is_empty() {
                batch.fails = fails;
            }
            self.stubborn += usize::from(stubborn(fails));
            self.busy.insert(key.clone(), Busy { since: entry.since, fails });
            batch.touched.push(Touched { key, last: entry.last });
            if stubborn(fails) && batch.fails.is_multiple_of(2) {
                break;
            }
        }
        for key in aside.into_iter().rev() {
            self.order.push_front(key);
        }
        batch
    }

    fn end(&mut self, key: &Bound) -> Option<Busy> {
        let busy = self.busy.remove(key)?;
        self.stubborn -= usize::from(stubborn(busy.fails));
        Some(busy)
    }

    /// Those keys are in step as of a moment after they were taken.
    pub fn done(&mut self, taken: &[Touched]) {
        for touched in taken {
            if let Some(busy) = self.end(&touched.key) {
                self.open.remove(&busy.since);
                self.bytes = self.bytes.saturating_sub(cost(&touched.key));
            }
        }
    }

    /// Those keys were not brought in step: they come again, after those that wait now.
    pub fn put_back(&mut self, taken: Vec<Touched>) {
        for Touched { key, last } in taken {
            let Some(Busy { since, fails }) = self.end(&key) else { continue };
            let fails = fails.saturating_add(1);
            if let Some(entry) = self.waiting.get_mut(&key) {
                // Changed again meanwhile: what was said later counts, from the earlier moment on.
                self.open.remove(&entry.since);
                *entry = Entry { last: after(last, entry.last), since, fails };
                self.bytes = self.bytes.saturating_sub(cost(&key));
                continue;
            }
            self.waiting.insert(key.clone(), Entry { last, since, fails });
            self.order.push_back(key);
        }
    }

    /// The number of the last change taken in.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Whether every change up to that number is in step.
    #[must_use]
    pub fn in_step(&self, number: u64) -> bool {
        self.open.first().is_none_or(|first| *first > number)
    }

    /// Bytes that the keys take in memory, about.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keys that wait or are being brought in step.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len() + self.busy.len()
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From now on every changed key is remembered until it is proven equal.
    pub fn begin_proof(&mut self) {
        self.unproven = Some(HashMap::new());
        self.unproven_bytes = 0;
    }

    /// Keys that changed since they were last proven, at most `limit`, those that have rested longest first, each with the
    /// number of its last change.
    #[must_use]
    pub fn unproven(&self, limit: usize) -> Vec<(Bound, u64)> {
        let mut all: Vec<(&Bound, u64)> = self.unproven.iter().flatten().map(|(key, number)| (key, *number)).collect();
        if limit < all.len() {
            all.select_nth_unstable_by_key(limit, |(_, number)| *number);
            all.truncate(limit);
        }
        all.sort_unstable_by_key(|(_, number)| *number);
        all.into_iter().map(|(key, number)| (key.clone(), number)).collect()
    }

    /// How many keys changed since they were last proven.
    #[must_use]
    pub fn unproven_len(&self) -> usize {
        self.unproven.as_ref().map_or(0, HashMap::len)
    }

    /// Bytes that the unproven keys take in memory, about.
    #[must_use]
    pub const fn unproven_bytes(&self) -> usize {
        self.unproven_bytes
    }

    /// The key was found equal after the change of that number was in step; a later change makes it unproven again.
    pub fn proven(&mut self, key: &Bound, number: u64) {
        let Some(unproven) = &mut self.unproven else { return };
        if unproven.get(key).is_some_and(|last| *last <= number) {
            unproven.remove(key);
            self.unproven_bytes = self.unproven_bytes.saturating_sub(cost(key));
        }
    }

    /// The number of the key's last change since the proof began.
    #[must_use]
    pub fn changed(&self, key: &Bound) -> Option<u64> {
        self.unproven.as_ref()?.get(key).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(n: u8) -> Bound {
        Bound(vec![n.to_string()])
    }

    #[test]
    fn the_last_change_wins_and_a_busy_key_is_not_given_out_again() {
        let mut backlog = Backlog::default();
        backlog.push(key(1), Last::There);
        backlog.push(key(2), Last::There);
        backlog.push(key(1), Last::Gone);
        let first = backlog.take(10).touched;
        assert_eq!(first[0], Touched { key: key(1), last: Last::Gone });
        backlog.push(key(1), Last::There);
        assert_eq!(backlog.take(10).touched, [], "key 1 is busy");
        assert!(!backlog.in_step(3));
        backlog.done(&first);
        assert!(backlog.in_step(3) && !backlog.in_step(4));
        assert_eq!(backlog.take(10).touched, [Touched { key: key(1), last: Last::There }]);
    }

    #[test]
    fn what_was_put_back_stays_open_and_keeps_the_later_word() {
        let mut backlog = Backlog::default();
        backlog.push(key(1), Last::There);
        let taken = backlog.take(1).touched;
        backlog.push(key(1), Last::Gone);
        backlog.put_back(taken);
        assert!(!backlog.in_step(1), "the first change is still open");
        let taken = backlog.take(1).touched;
        assert_eq!(taken, [Touched { key: key(1), last: Last::Gone }]);
        backlog.done(&taken);
        assert!(backlog.in_step(2) && backlog.is_empty());
        assert_eq!(backlog.bytes(), 0);
    }

    #[test]
    fn keys_that_fail_again_and_again_are_tried_alone_and_together() {
        let mut backlog = Backlog::default();
        for n in [1, 2, 3] {
            backlog.push(key(n), Last::There);
        }
        for _ in 0..STUBBORN {
            let both: Vec<Touched> = backlog.take(2).touched;
            let (bad, good): (Vec<_>, Vec<_>) = both.into_iter().partition(|one| one.key != key(3));
            backlog.put_back(bad);
            backlog.done(&good);
        }
        while !stubborn(backlog.waiting[&key(1)].fails) || !stubborn(backlog.waiting[&key(2)].fails) {
            let taken = backlog.take(2).touched;
            backlog.put_back(taken);
        }
        let mut sizes = std::collections::BTreeSet::new();
        for _ in 0..8 {
            backlog.push(key(9), Last::There);
            let first = backlog.take(10);
            let second = backlog.take(10);
            assert!(!stubborn(first.fails) || !stubborn(second.fails), "one taker at a time");
            for batch in [first, second] {
                if stubborn(batch.fails) {
                    sizes.insert(batch.touched.len());
                    backlog.put_back(batch.touched);
                } else {
                    backlog.done(&batch.touched);
                }
            }
        }
        assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_key_stays_unproven_when_it_changed_again() {
        let mut backlog = Backlog::default();
        backlog.push(key(9), Last::There);
        assert_eq!(backlog.unproven_len(), 0, "nothing was proven yet");
        backlog.begin_proof();
        backlog.push(key(1), Last::There);
        let seen = backlog.unproven(10);
        backlog.push(key(1), Last::There);
        backlog.proven(&key(1), seen[0].1);
        assert_eq!(backlog.unproven_len(), 1);
        backlog.proven(&key(1), backlog.number());
        assert_eq!((backlog.unproven_len(), backlog.unproven_bytes()), (0, 0));
    }

    proptest! {
        /// A model of the source as numbers of changes: whatever the order of takes, ends and failures, a shadow that
        /// takes the newest number at each end holds the last one of every key, and bytes and marks go back to nothing.
        #[test]
        fn ends_in_step(steps in prop::collection::vec((0_u8..4, 0_u8..6), 1..200)) {
            let (mut backlog, mut under_way) = (Backlog::default(), Vec::<Vec<(Touched, u64)>>::new());
            let (mut source, mut shadow) = (HashMap::<Bound, u64>::new(), HashMap::<Bound, u64>::new());
            for (what, n) in steps {
                match what {
                    0 | 1 => {
                        backlog.push(key(n), Last::There);
                        source.insert(key(n), backlog.number());
                    }
                    2 => {
                        let taken = backlog.take(usize::from(n)).touched;
                        for touched in &taken {
                            prop_assert!(!under_way.iter().flatten().any(|(other, _)| other.key == touched.key));
                        }
                        // Read when it is taken, written when it ends: the worst case.
                        under_way.push(taken.into_iter().map(|t| { let at = source[&t.key]; (t, at) }).collect());
                    }
                    _ => if !under_way.is_empty() {
                        let batch = under_way.remove(usize::from(n) % under_way.len());
                        let touched: Vec<Touched> = batch.iter().map(|(t, _)| t.clone()).collect();
                        if n % 3 == 0 { backlog.put_back(touched); } else {
                            shadow.extend(batch.into_iter().map(|(t, at)| (t.key, at)));
                            backlog.done(&touched);
                        }
                    },
                }
                let behind = source.iter().filter(|(key, at)| shadow.get(*key) != Some(at)).count();
                prop_assert!(behind == 0 || !backlog.in_step(backlog.number()));
            }
            for batch in under_way {
                backlog.put_back(batch.into_iter().map(|(t, _)| t).collect());
            }
            loop {
                let taken = backlog.take(3).touched;
                if taken.is_empty() { break }
                shadow.extend(taken.iter().map(|t| (t.key.clone(), source[&t.key])));
                backlog.done(&taken);
            }
            prop_assert_eq!(source, shadow);
            prop_assert!(backlog.is_empty() && backlog.in_step(backlog.number()) && backlog.bytes() == 0);
        }
    }
}
