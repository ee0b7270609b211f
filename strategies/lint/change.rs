//! The change as the rules see it: the table before and after, and what the clauses say.

use crate::alter::Alter;
use crate::copy_spec::guess;
use crate::facts::{DryRun, Facts, Flavour, Version};
use crate::mapping::Moves;
use crate::name::Ident;
use crate::shape::{Column, ForeignKey, Key, TableShape};

use super::clauses::{Part, parts};
use super::definition::Definition;
use super::written;

/// Who says how the altered table looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A server that tried the alter.
    Server,
    /// The clauses.
    Clauses,
}

/// A change to one table.
pub(super) struct Change<'a> {
    pub(super) facts: &'a Facts,
    pub(super) alter: &'a Alter,
    pub(super) before: &'a TableShape,
    pub(super) after: TableShape,
    pub(super) seen: Seen,
    pub(super) parts: Vec<Part>,
}

/// A column that a clause defines anew.
pub(super) struct Redefined<'a> {
    pub(super) old: &'a Column,
    pub(super) new: &'a Column,
    pub(super) definition: &'a Definition,
}

impl<'a> Change<'a> {
    /// Takes the altered table from the dry run, else from a rehearsal, else from the clauses; `None` when a server has
    /// refused the alter.
    pub(super) fn of(facts: &'a Facts, alter: &'a Alter, rehearsed: Option<&TableShape>) -> Option<Self> {
        let before = &facts.table;
        let flavour = facts.nodes.first().map_or(Flavour::MySql, |node| node.flavour);
        let parts = parts(alter, before, flavour);
        let shown = match &facts.dry_run {
            DryRun::Rejected { .. } => return None,
            DryRun::Accepted { shape } => Some(&**shape),
            DryRun::Impossible { .. } => rehearsed,
        };
        let (after, seen) = match shown {
            Some(shape) => (shape.clone(), Seen::Server),
            None => (written::shape(before, alter, &parts), Seen::Clauses),
        };
        Some(Self { facts, alter, before, after, seen, parts })
    }

    /// The family of the servers.
    pub(super) fn flavour(&self) -> Flavour {
        self.facts.nodes.first().map_or(Flavour::MySql, |node| node.flavour)
    }

    /// Their version; a change whose servers differ is blocked.
    pub(super) fn version(&self) -> Option<Version> {
        self.facts.nodes.first().map(|node| node.version)
    }

    /// A variable of the first server.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.facts.nodes.first().and_then(|node| node.variables.get(name)).map(String::as_str)
    }

    /// The column that goes on under that name.
    pub(super) fn origin(&self, name: &Ident) -> Option<&'a Column> {
        Moves::of(self.alter, self.before).origin(self.before, name)
    }

    /// Every column that goes on, before and after.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'a Column, &Column)> {
        self.after.columns.iter().filter_map(|new| Some((self.origin(&new.name)?, new)))
    }

    /// What becomes of a column.
    pub(super) fn successor(&self, old: &Ident) -> Option<&Column> {
        self.pairs().find(|(from, _)| from.name.same(old)).map(|(_, new)| new)
    }

    /// The columns that clauses define anew.
    pub(super) fn redefined(&self) -> impl Iterator<Item = Redefined<'_>> {
        self.parts.iter().filter_map(|part| {
            let Part::Redefined { from, definition } = part else { return None };
            let (old, new) = (self.before.column(from)?, self.after.column(&definition.column.name)?);
            Some(Redefined { old, new, definition })
        })
    }

    /// The definitions of new columns.
    pub(super) fn added(&self) -> impl Iterator<Item = &Definition> {
        self.parts.iter().filter_map(|part| if let Part::Added(definition) = part { Some(definition) } else { None })
    }

    /// Whether a clause defines that column, new or anew.
    pub(super) fn defines(&self, name: &Ident) -> bool {
        self.added().any(|new| new.column.name.same(name))
            || self.redefined().any(|redefined| redefined.new.name.same(name))
    }

    /// The table's keys as far as they go on, under the names of the altered columns.
    pub(super) fn kept_keys(&self) -> Vec<Key> {
        guess(self.before, self.alter).keys
    }

    /// The keys that the alter adds.
    pub(super) fn new_keys(&self) -> Vec<&Key> {
        let kept = self.kept_keys();
        let renamed =
            |key: &Key| self.parts.iter().any(|part| matches!(part, Part::RenamedKey { to, .. } if to.same(&key.name)));
        let new = |key: &&Key| !kept.iter().any(|old| old.name.same(&key.name)) && !renamed(key);
        self.after.keys.iter().filter(new).collect()
    }

    /// The table's own foreign keys that stay.
    pub(super) fn foreign_keys(&self) -> impl Iterator<Item = &'a ForeignKey> {
        let before = self.before;
        before.foreign_keys.iter().filter(|key| !crate::foreign_keys::dropped(key, before, self.alter))
    }
}
