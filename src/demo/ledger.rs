//! What writers know of their rows.

use std::collections::BTreeMap;

use super::load::STRIDE;

/// A number that one write gave a row; 0 as loaded. All other columns follow from it and the id.
pub type Revision = u64;

/// What must be found under an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The row with that revision.
    Present(Revision),
    /// No row.
    Absent,
    /// One of these: a write's answer was lost, so it may have happened.
    Either(Vec<Option<Revision>>),
}

impl Expected {
    /// Whether that is what must be found.
    #[must_use]
    pub fn holds(&self, found: Option<Revision>) -> bool {
        match self {
            Self::Present(revision) => found == Some(*revision),
            Self::Absent => found.is_none(),
            Self::Either(all) => all.contains(&found),
        }
    }

    fn all(&self) -> Vec<Option<Revision>> {
        match self {
            Self::Present(revision) => vec![Some(*revision)],
            Self::Absent => vec![None],
            Self::Either(all) => all.clone(),
        }
    }
}

/// The acknowledged state of rows, each written by exactly one writer, so that it is exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Greatest id that was loaded; the loaded ids are the multiples of `STRIDE` up to it.
    pub loaded_upto: u64,
    touched: BTreeMap<u64, Expected>,
}

impl Ledger {
    /// The ledger of a table as loaded.
    #[must_use]
    pub const fn new(loaded_upto: u64) -> Self {
        Self { loaded_upto, touched: BTreeMap::new() }
    }

    /// What must be found under an id.
    #[must_use]
    pub fn expected(&self, id: u64) -> Expected {
        self.touched.get(&id).cloned().unwrap_or(if self.loaded(id) { Expected::Present(0) } else { Expected::Absent })
    }

    /// A write was acknowledged.
    pub fn acknowledge(&mut self, id: u64, now: Option<Revision>) {
        self.touched.insert(id, now.map_or(Expected::Absent, Expected::Present));
    }

    /// A write's answer was lost.
    pub fn doubt(&mut self, id: u64, maybe: Option<Revision>) {
        let mut all = self.expected(id).all();
        if !all.contains(&maybe) {
            all.push(maybe);
        }
        self.touched.insert(id, Expected::Either(all));
    }

    /// Takes the rows of another writer.
    pub fn merge(&mut self, other: Self) {
        self.loaded_upto = self.loaded_upto.max(other.loaded_upto);
        self.touched.extend(other.touched);
    }

    /// Every id that may have a row.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        let loaded = (1..=self.loaded_upto / STRIDE).map(|number| number * STRIDE);
        let others = self.touched.keys().copied().filter(|id| !self.loaded(*id));
        loaded.chain(others)
    }

    /// How many rows were written to.
    #[must_use]
    pub fn touched(&self) -> usize {
        self.touched.len()
    }

    /// How many rows are in doubt.
    #[must_use]
    pub fn doubtful(&self) -> usize {
        self.touched.values().filter(|expected| matches!(expected, Expected::Either(_))).count()
    }

    fn loaded(&self, id: u64) -> bool {
        id > 0 && id.is_multiple_of(STRIDE) && id <= self.loaded_upto
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_loaded_written_and_doubtful_rows() {
        let mut ledger = Ledger::new(3 * STRIDE);
        assert_eq!(ledger.expected(STRIDE), Expected::Present(0), "as loaded");
        assert_eq!(ledger.expected(STRIDE + 1), Expected::Absent, "a gap");
        assert_eq!(ledger.expected(4 * STRIDE), Expected::Absent, "past the end");
        assert_eq!(ledger.expected(0), Expected::Absent);
        ledger.acknowledge(STRIDE, None);
        ledger.acknowledge(STRIDE + 1, Some(7));
        ledger.doubt(2 * STRIDE, None);
        ledger.doubt(2 * STRIDE, Some(9));
        assert_eq!(ledger.expected(STRIDE), Expected::Absent);
        assert!(ledger.expected(STRIDE + 1).holds(Some(7)) && !ledger.expected(STRIDE + 1).holds(Some(6)));
        for (found, holds) in [(Some(0), true), (None, true), (Some(9), true), (Some(8), false)] {
            assert_eq!(ledger.expected(2 * STRIDE).holds(found), holds, "{found:?}");
        }
        assert_eq!((ledger.touched(), ledger.doubtful()), (3, 1));
        assert_eq!(ledger.ids().collect::<Vec<_>>(), [STRIDE, 2 * STRIDE, 3 * STRIDE, STRIDE + 1]);
    }

    #[test]
    fn writers_ledgers_add_up() {
        let (mut one, mut two) = (Ledger::new(40), Ledger::new(40));
        one.acknowledge(4, None);
        two.acknowledge(5, Some(1));
        one.merge(two);
        assert_eq!((one.expected(4), one.expected(5)), (Expected::Absent, Expected::Present(1)));
    }
}
