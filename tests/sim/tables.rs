//! What one node holds: tables by name, and the journal's rows. Applying is strict: a row event must meet exactly the
//! row that it was made from, else the real node would leave the cluster.

use std::collections::{BTreeMap, BTreeSet};

use driftless::ports::journal::{Mark, Phase, Wishes};
use driftless::ports::objects::Keep;
use driftless::ports::rows::Bound;
use driftless::sql::triggers::Change;

/// The three names of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Source,
    Shadow,
    Retired,
}

impl Name {
    pub(crate) const ALL: [Self; 3] = [Self::Source, Self::Shadow, Self::Retired];
}

/// A row without its key: a value of a unique column, and a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) tag: Option<i64>,
    pub(crate) value: i64,
}

/// Triggers in an order of their own: `Change` has none.
pub(crate) const fn bit(change: Change) -> u8 {
    match change {
        Change::Delete => 1,
        Change::Update => 2,
        Change::Insert => 4,
    }
}

/// One table on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) rows: BTreeMap<i64, Row>,
    /// Who has which tag; `None` when the column is not unique.
    pub(crate) tags: Option<BTreeMap<i64, i64>>,
    pub(crate) triggers: BTreeSet<u8>,
    /// Triggers that keep writers out, each until a moment.
    pub(crate) fence: BTreeMap<u8, u64>,
    pub(crate) altered: bool,
}

impl Table {
    pub(crate) fn fires(&self, change: Change) -> bool {
        self.triggers.contains(&bit(change))
    }

    /// Until when writes of that kind are kept out, if they are.
    pub(crate) fn closed(&self, change: Change) -> Option<u64> {
        self.fence.get(&bit(change)).copied()
    }

    fn has(&self, change: Change) -> bool {
        self.fires(change) || self.closed(change).is_some()
    }

    fn set_unique(&mut self, unique: bool) {
        let tags = self.rows.iter().filter_map(|(key, row)| Some((row.tag?, *key)));
        self.tags = unique.then(|| tags.collect());
    }
}

/// What a chunk's transaction left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) upto: Option<Bound>,
    pub(crate) rows: u64,
    /// Stands for all before it.
    pub(crate) folded: bool,
}

/// The job's row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JobRow {
    pub(crate) phase: Phase,
    pub(crate) end: Option<Bound>,
    pub(crate) end_known: bool,
    pub(crate) keep: Keep,
    pub(crate) stopped: String,
    pub(crate) again: bool,
    pub(crate) token: u64,
    pub(crate) lease_until: u64,
    pub(crate) wishes: Wishes,
    /// What is known of the binlog around the RENAME.
    pub(crate) mark: Option<Mark>,
}

/// One change of a row, as it travels in a write-set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Op {
    Row { table: Name, key: i64, before: Option<Row>, after: Option<Row> },
    Job(Box<JobRow>),
    Chunk { number: u64, after: Option<Checkpoint> },
    Conflict { id: u64, what: Option<String> },
}

/// What is locked and certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    Row(Name, i64),
    Tag(Name, i64),
    Job,
    Chunk(u64),
    Conflict(u64),
}

impl Item {
    pub(crate) const fn table(self) -> Option<Name> {
        match self {
            Self::Row(name, _) | Self::Tag(name, _) => Some(name),
            Self::Job | Self::Chunk(_) | Self::Conflict(_) => None,
        }
    }
}

/// An ordered statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ddl {
    DropShadow,
    CreateShadow,
    AlterShadow {
        unique: bool,
    },
    CreateTrigger(Change),
    /// A trigger that keeps writers out until that moment.
    CreateFence(Change, u64),
    DropTrigger(Change),
    Rename,
    /// Not to be sent after that moment.
    RenameBefore(u64),
    DropRetired,
    /// Somebody else's.
    Truncate,
}

impl Ddl {
    /// The tables that it holds exclusively.
    pub(crate) fn names(self, store: &Store) -> Vec<Name> {
        match self {
            Self::DropShadow | Self::CreateShadow | Self::AlterShadow { .. } => vec![Name::Shadow],
            Self::CreateTrigger(_) | Self::CreateFence(..) | Self::Truncate => vec![Name::Source],
            Self::DropTrigger(change) => store.trigger_home(change).into_iter().collect(),
            Self::Rename | Self::RenameBefore(_) => Name::ALL.to_vec(),
            Self::DropRetired => vec![Name::Retired],
        }
    }
}

/// One node's data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Store {
    pub(crate) tables: BTreeMap<Name, Table>,
    pub(crate) job: JobRow,
    pub(crate) chunks: BTreeMap<u64, Checkpoint>,
    pub(crate) conflicts: BTreeMap<u64, String>,
    /// How often the source was truncated.
    pub(crate) generation: u64,
}

impl Store {
    /// With a source of these rows.
    pub(crate) fn new(rows: BTreeMap<i64, Row>, unique: bool, job: JobRow) -> Self {
        let mut source = Table { rows, ..Table::default() };
        source.set_unique(unique);
        Self {
            tables: BTreeMap::from([(Name::Source, source)]),
            job,
            chunks: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            generation: 0,
        }
    }

    pub(crate) fn row(&self, table: Name, key: i64) -> Option<Row> {
        self.tables.get(&table)?.rows.get(&key).copied()
    }

    /// How many triggers stand, on whatever table.
    pub(crate) fn triggers(&self) -> usize {
        self.tables.values().map(|table| table.triggers.len() + table.fence.len()).sum()
    }

    fn trigger_home(&self, change: Change) -> Option<Name> {
        self.tables.iter().find(|(_, table)| table.has(change)).map(|(name, _)| *name)
    }

    /// Whether the source is as the application made it and nothing of a job is left.
    pub(crate) fn untouched(&self) -> bool {
        self.tables.len() == 1
            && self.triggers() == 0
            && self.tables.get(&Name::Source).is_some_and(|table| !table.altered)
    }

    /// Applies one change of a write-set.
    pub(crate) fn apply(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Row { table, key, before, after } => self.apply_row(*table, *key, *before, *after),
            Op::Job(row) => {
                self.job = (**row).clone();
                Ok(())
            }
            Op::Chunk { number, after } => {
                match after {
                    Some(checkpoint) => self.chunks.insert(*number, checkpoint.clone()),
                    None => self.chunks.remove(number),
                };
                Ok(())
            }
            Op::Conflict { id, what } => {
                match what {
                    Some(what) => self.conflicts.insert(*id, what.clone()),
                    None => self.conflicts.remove(id),
                };
                Ok(())
            }
        }
    }

    fn apply_row(&mut self, name: Name, key: i64, before: Option<Row>, after: Option<Row>) -> Result<(), String> {
        let table = self.tables.get_mut(&name).ok_or_else(|| format!("a row event for {name:?}, which is missing"))?;
        let there = table.rows.get(&key).copied();
        if there != before {
            return Err(format!("{name:?} key {key}: the event was made from {before:?}, the node has {there:?}"));
        }
        if let (Some(tags), Some(tag)) = (table.tags.as_mut(), before.and_then(|row| row.tag)) {
            tags.remove(&tag);
        }
        if let (Some(tags), Some(tag)) = (table.tags.as_mut(), after.and_then(|row| row.tag))
            && let Some(other) = tags.insert(tag, key)
        {
            return Err(format!("{name:?}: keys {other} and {key} both have tag {tag}"));
        }
        match after {
            Some(row) => table.rows.insert(key, row),
            None => table.rows.remove(&key),
        };
        Ok(())
    }

    /// Carries an ordered statement out; an error is what the server would say, the same on every node.
    pub(crate) fn carry_out(&mut self, ddl: Ddl) -> Result<(), String> {
        let missing = |name: Name| format!("{name:?} does not exist");
        match ddl {
            Ddl::DropShadow => {
                self.tables.remove(&Name::Shadow);
            }
            Ddl::DropRetired => {
                self.tables.remove(&Name::Retired);
            }
            Ddl::CreateShadow => {
                let source = self.tables.get(&Name::Source).ok_or_else(|| missing(Name::Source))?;
                let shadow =
                    Table { tags: source.tags.as_ref().map(|_| BTreeMap::new()), altered: false, ..Table::default() };
                if self.tables.contains_key(&Name::Shadow) {
                    return Err("Shadow exists already".into());
                }
                self.tables.insert(Name::Shadow, shadow);
            }
            Ddl::AlterShadow { unique } => {
                let shadow = self.tables.get_mut(&Name::Shadow).ok_or_else(|| missing(Name::Shadow))?;
                shadow.altered = true;
                shadow.set_unique(unique);
            }
            Ddl::CreateTrigger(change) => {
                if self.trigger_home(change).is_some() {
                    return Err(format!("the trigger {change:?} exists already"));
                }
                let source = self.tables.get_mut(&Name::Source).ok_or_else(|| missing(Name::Source))?;
                source.triggers.insert(bit(change));
            }
            Ddl::DropTrigger(change) => {
                for table in self.tables.values_mut() {
                    table.triggers.remove(&bit(change));
                    table.fence.remove(&bit(change));
                }
            }
            Ddl::CreateFence(change, until) => {
                if self.trigger_home(change).is_some() {
                    return Err(format!("the trigger {change:?} exists already"));
                }
                let source = self.tables.get_mut(&Name::Source).ok_or_else(|| missing(Name::Source))?;
                source.fence.insert(bit(change), until);
            }
            Ddl::Rename | Ddl::RenameBefore(_) => self.rename()?,
            Ddl::Truncate => {
                let source = self.tables.get_mut(&Name::Source).ok_or_else(|| missing(Name::Source))?;
                source.rows.clear();
                source.tags.iter_mut().for_each(BTreeMap::clear);
                self.generation += 1;
            }
        }
        Ok(())
    }

    fn rename(&mut self) -> Result<(), String> {
        if self.tables.contains_key(&Name::Retired) {
            return Err("Retired exists already".into());
        }
        if !self.tables.contains_key(&Name::Shadow) {
            return Err("Shadow does not exist".into());
        }
        let old = self.tables.remove(&Name::Source).ok_or("Source does not exist")?;
        let new = self.tables.remove(&Name::Shadow).ok_or("Shadow does not exist")?;
        self.tables.insert(Name::Retired, old);
        self.tables.insert(Name::Source, new);
        Ok(())
    }
}
