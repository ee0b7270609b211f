//! The cluster: one total order of write-sets, a queue of them on every node, certification, row locks, brute force.
//!
//! As Galera does it (`galera/src/certification.cpp`, `wsrep-lib`): a transaction takes its row locks at home while it
//! executes; when it commits it notes how far its node has applied (`last_seen`) and is sent; where it comes in the
//! order is known later; it fails when another node's write-set after `last_seen` touches one of its keys, or when an
//! ordered statement after `last_seen` holds one of its tables. Reads leave no key. An applier takes locks by force: a
//! transaction that still executes is rolled back, one that was sent loses its locks and is replayed at its turn, from
//! its write-set, without reading again. Nobody is sent while somebody at home is to be replayed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Notify;

use super::tables::{Ddl, Item, Name, Op, Row, Store};

pub(crate) type TxId = u64;

/// Shared or exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

/// What a statement answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SqlError {
    /// 1213: rolled back, by an applier or by certification.
    Deadlock,
    /// 1205.
    LockWait,
    /// 1062, with the key of the row that has the value.
    Duplicate,
    /// 1146.
    Missing(Name),
    /// The node is not there.
    Down,
    /// The connection went during COMMIT.
    Lost,
}

/// How far a local transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Executing,
    Sent { last_seen: u64 },
    Ordered { seqno: u64 },
    Committed,
    RolledBack,
}

/// A transaction of a client of one node.
pub(crate) struct Tx {
    pub(crate) node: usize,
    pub(crate) stage: Stage,
    pub(crate) ops: Vec<Op>,
    /// Tables that it has touched, read or written: its metadata locks.
    pub(crate) names: BTreeSet<Name>,
    pub(crate) locks: BTreeSet<Item>,
    /// Its locks were taken by force after it was sent.
    pub(super) robbed: bool,
    /// Its client no longer hears: the node went.
    pub(crate) lost: bool,
    /// Its client no longer waits for it.
    orphan: bool,
    /// Its client is an application.
    pub(crate) application: bool,
    pub(crate) over: Arc<Notify>,
}

/// What a place in the total order holds.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Rows { origin: usize, tx: TxId, ops: Arc<Vec<Op>> },
    Ddl { origin: usize, ddl: Ddl },
}

/// One node.
pub(crate) struct Node {
    pub(crate) store: Store,
    pub(crate) applied: u64,
    pub(crate) up: bool,
    pub(super) locks: BTreeMap<Item, BTreeMap<TxId, Mode>>,
    pub(crate) news: Arc<Notify>,
    pub(crate) binlog: Vec<Logged>,
    /// What is written to the binlog, but is not visible yet.
    pub(super) prepared: Option<Prepared>,
}

/// What a node holds between binlog and commit.
pub(crate) struct Prepared {
    pub(super) seqno: u64,
    pub(super) locks: Vec<Item>,
}

/// One transaction or statement in a binlog, with its place in the order.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) seqno: u64,
    pub(crate) what: Event,
}

/// What a binlog says of it.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Keys of the source before and after.
    Rows(Vec<(Option<i64>, Option<i64>)>),
    Ddl(Ddl),
}

/// All nodes and their order.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) history: Vec<Entry>,
    /// Where each item was last written, by each node.
    written: BTreeMap<Item, BTreeMap<usize, u64>>,
    /// Where each table was last held by an ordered statement.
    isolated: BTreeMap<Name, u64>,
    pub(crate) txs: BTreeMap<TxId, Tx>,
    next_tx: TxId,
    /// A node without any delay: what the order means.
    pub(crate) reference: Store,
    /// The application's rows by the order of its committed transactions, whatever the tables say.
    pub(crate) truth: BTreeMap<i64, Row>,
    pub(crate) ddl_answers: BTreeMap<u64, Result<(), String>>,
    pub(crate) violations: Vec<String>,
    pub(crate) forced: u64,
    pub(crate) replayed: u64,
    pub(crate) uncertified: u64,
    /// Keys of the copying node that changed since they were last seen equal, or were never seen.
    pub(crate) unseen: BTreeSet<i64>,
}

impl Cluster {
    pub(crate) fn new(nodes: usize, store: &Store) -> Self {
        let node = || Node {
            store: store.clone(),
            applied: 0,
            up: true,
            locks: BTreeMap::new(),
            news: Arc::new(Notify::new()),
            binlog: Vec::new(),
            prepared: None,
        };
        let truth = store.tables.get(&Name::Source).map(|table| table.rows.clone()).unwrap_or_default();
        Self {
            nodes: (0..nodes).map(|_| node()).collect(),
            history: Vec::new(),
            written: BTreeMap::new(),
            isolated: BTreeMap::new(),
            txs: BTreeMap::new(),
            next_tx: 0,
            reference: store.clone(),
            truth,
            ddl_answers: BTreeMap::new(),
            violations: Vec::new(),
            forced: 0,
            replayed: 0,
            uncertified: 0,
            unseen: BTreeSet::new(),
        }
    }

    pub(crate) fn length(&self) -> u64 {
        u64::try_from(self.history.len()).unwrap_or(u64::MAX)
    }

    pub(crate) fn pending(&self, node: usize) -> u64 {
        self.length() - self.nodes[node].applied
    }

    pub(crate) fn begin(&mut self, node: usize, application: bool) -> TxId {
        self.next_tx += 1;
        let tx = Tx {
            node,
            stage: if self.nodes[node].up { Stage::Executing } else { Stage::RolledBack },
            ops: Vec::new(),
            names: BTreeSet::new(),
            locks: BTreeSet::new(),
            robbed: false,
            lost: false,
            orphan: false,
            application,
            over: Arc::new(Notify::new()),
        };
        self.txs.insert(self.next_tx, tx);
        self.next_tx
    }

    /// A metadata lock: the table stays as it is until the transaction is over.
    pub(crate) fn touch(&mut self, id: TxId, name: Name) -> Result<(), SqlError> {
        let tx = self.executing(id)?;
        tx.names.insert(name);
        let node = tx.node;
        if self.nodes[node].store.tables.contains_key(&name) { Ok(()) } else { Err(SqlError::Missing(name)) }
    }

    pub(crate) fn executing(&mut self, id: TxId) -> Result<&mut Tx, SqlError> {
        let tx = self.txs.get_mut(&id).ok_or(SqlError::Deadlock)?;
        if tx.stage == Stage::Executing {
            return Ok(tx);
        }
        Err(if self.nodes[tx.node].up { SqlError::Deadlock } else { SqlError::Down })
    }

    /// Takes a row lock; `false` when another transaction has it.
    pub(crate) fn lock(&mut self, id: TxId, item: Item, mode: Mode) -> Result<bool, SqlError> {
        let node = self.executing(id)?.node;
        let holders = self.nodes[node].locks.entry(item).or_default();
        let free = |(holder, held): (&TxId, &Mode)| *holder == id || (mode == Mode::Shared && *held == Mode::Shared);
        if !holders.iter().all(free) {
            return Ok(false);
        }
        let held = holders.entry(id).or_insert(mode);
        if mode == Mode::Exclusive {
            *held = mode;
        }
        if let Some(tx) = self.txs.get_mut(&id) {
            tx.locks.insert(item);
        }
        Ok(true)
    }

    /// Gives back the lock of a row that turned out not to be there: read committed has no gap locks.
    pub(crate) fn unlock(&mut self, id: TxId, item: Item) {
        let Some(tx) = self.txs.get_mut(&id) else { return };
        if tx.locks.remove(&item)
            && let Some(holders) = self.nodes[tx.node].locks.get_mut(&item)
        {
            holders.remove(&id);
        }
    }

    pub(super) fn unlock_all(&mut self, id: TxId) {
        let Some(tx) = self.txs.get_mut(&id) else { return };
        let node = tx.node;
        for item in std::mem::take(&mut tx.locks) {
            if let Some(holders) = self.nodes[node].locks.get_mut(&item) {
                holders.remove(&id);
                if holders.is_empty() {
                    self.nodes[node].locks.remove(&item);
                }
            }
        }
    }

    /// The row as this transaction sees it: its own changes over what is committed on its node.
    pub(crate) fn row(&self, id: TxId, table: Name, key: i64) -> Option<Row> {
        let tx = self.txs.get(&id)?;
        let own = tx.ops.iter().rev().find_map(|op| match op {
            Op::Row { table: name, key: at, after, .. } if *name == table && *at == key => Some(*after),
            Op::Row { .. } | Op::Job(_) | Op::Chunk { .. } | Op::Conflict { .. } => None,
        });
        own.unwrap_or_else(|| self.nodes[tx.node].store.row(table, key))
    }

    /// Which row has a tag in a table where tags are unique.
    pub(crate) fn holder_of(&self, id: TxId, table: Name, tag: i64) -> Option<i64> {
        let tx = self.txs.get(&id)?;
        let tags = self.nodes[tx.node].store.tables.get(&table)?.tags.as_ref()?;
        let mut holder = tags.get(&tag).copied();
        for op in &tx.ops {
            if let Op::Row { table: name, key, before, after } = op
                && *name == table
            {
                if before.and_then(|row| row.tag) == Some(tag) && holder == Some(*key) {
                    holder = None;
                }
                if after.and_then(|row| row.tag) == Some(tag) {
                    holder = Some(*key);
                }
            }
        }
        holder
    }

    /// Rolls back what is not sent yet.
    pub(crate) fn roll_back(&mut self, id: TxId) {
        let Some(tx) = self.txs.get_mut(&id) else { return };
        if matches!(tx.stage, Stage::Executing | Stage::Sent { .. }) {
            tx.stage = Stage::RolledBack;
            tx.over.notify_one();
            self.unlock_all(id);
            self.forget(id);
        }
    }

    /// Whether somebody on that node must be replayed first.
    fn replaying(&self, node: usize, but: TxId) -> bool {
        self.txs.iter().any(|(id, tx)| {
            *id != but && tx.node == node && tx.robbed && matches!(tx.stage, Stage::Sent { .. } | Stage::Ordered { .. })
        })
    }

    /// Sends a transaction to be ordered; `false` when it must wait.
    pub(crate) fn send(&mut self, id: TxId) -> Result<bool, SqlError> {
        let node = self.executing(id)?.node;
        if self.replaying(node, id) {
            return Ok(false);
        }
        let last_seen = self.nodes[node].applied;
        let tx = self.executing(id)?;
        tx.stage = if tx.ops.is_empty() { Stage::Committed } else { Stage::Sent { last_seen } };
        if tx.ops.is_empty() {
            tx.over.notify_one();
            self.unlock_all(id);
        }
        Ok(true)
    }

    /// What a write-set is certified by.
    pub(super) fn items(store: &Store, ops: &[Op]) -> BTreeSet<Item> {
        let mut items = BTreeSet::new();
        for op in ops {
            match op {
                Op::Row { table, key, before, after } => {
                    items.insert(Item::Row(*table, *key));
                    if store.tables.get(table).is_some_and(|table| table.tags.is_some()) {
                        let tags = [before, after].into_iter().filter_map(|row| row.and_then(|row| row.tag));
                        items.extend(tags.map(|tag| Item::Tag(*table, tag)));
                    }
                }
                Op::Job(_) => {
                    items.insert(Item::Job);
                }
                Op::Chunk { number, .. } => {
                    items.insert(Item::Chunk(*number));
                }
                Op::Conflict { id, .. } => {
                    items.insert(Item::Conflict(*id));
                }
            }
        }
        items
    }

    /// Gives a sent transaction its place in the order, or rolls it back.
    pub(crate) fn order(&mut self, id: TxId) {
        let Some(tx) = self.txs.get(&id) else { return };
        let Stage::Sent { last_seen } = tx.stage else { return };
        let (node, ops) = (tx.node, Arc::new(tx.ops.clone()));
        let items = Self::items(&self.nodes[node].store, &ops);
        let conflict = items.iter().any(|item| {
            let isolated = item.table().and_then(|name| self.isolated.get(&name)).is_some_and(|at| *at > last_seen);
            let written =
                self.written.get(item).is_some_and(|by| by.iter().any(|(n, at)| *n != node && *at > last_seen));
            isolated || written
        });
        if conflict {
            self.uncertified += 1;
            self.roll_back(id);
            return;
        }
        let seqno = self.length() + 1;
        for item in items {
            self.written.entry(item).or_default().insert(node, seqno);
        }
        self.remember(id, &ops);
        for op in ops.iter() {
            if let Err(what) = self.reference.apply(op) {
                self.violations.push(format!("seqno {seqno}: {what}"));
            }
        }
        if let Some(tx) = self.txs.get_mut(&id) {
            tx.stage = Stage::Ordered { seqno };
        }
        self.history.push(Entry::Rows { origin: node, tx: id, ops });
        self.tell();
    }

    /// Keeps the application's own history.
    fn remember(&mut self, id: TxId, ops: &[Op]) {
        if !self.txs.get(&id).is_some_and(|tx| tx.application) {
            return;
        }
        for op in ops {
            let Op::Row { table: Name::Source, key, before, after } = op else { continue };
            if self.truth.get(key) != before.as_ref() {
                self.violations.push(format!(
                    "the application's history breaks at key {key}: {before:?} expected, {:?} there",
                    self.truth.get(key)
                ));
            }
            match after {
                Some(row) => self.truth.insert(*key, *row),
                None => self.truth.remove(key),
            };
        }
    }

    /// Orders a statement; it never fails certification. Returns its place.
    pub(crate) fn order_ddl(&mut self, origin: usize, ddl: Ddl) -> u64 {
        let seqno = self.length() + 1;
        for name in ddl.names(&self.reference) {
            self.isolated.insert(name, seqno);
        }
        match ddl {
            Ddl::Rename | Ddl::RenameBefore(_) => self.check_switch(),
            Ddl::Truncate => self.truth.clear(),
            Ddl::DropShadow
            | Ddl::CreateShadow
            | Ddl::AlterShadow { .. }
            | Ddl::CreateTrigger(_)
            | Ddl::CreateFence(..)
            | Ddl::DropTrigger(_)
            | Ddl::DropRetired => {}
        }
        // An error is an answer; it is the same on every node.
        drop(self.reference.carry_out(ddl));
        self.history.push(Entry::Ddl { origin, ddl });
        self.tell();
        seqno
    }

    /// At the place of the RENAME in the order, the shadow must be what the application wrote.
    fn check_switch(&mut self) {
        let (Some(source), Some(shadow)) =
            (self.reference.tables.get(&Name::Source), self.reference.tables.get(&Name::Shadow))
        else {
            return;
        };
        if self.reference.tables.contains_key(&Name::Retired) {
            return;
        }
        if source.rows != self.truth {
            self.violations.push("at the RENAME the source is not what the application wrote".into());
        }
        if shadow.rows != self.truth {
            let text = difference(&self.truth, &shadow.rows);
            self.violations.push(format!("at the RENAME the shadow is not what the application wrote: {text}"));
        }
    }

    fn tell(&self) {
        for node in &self.nodes {
            node.news.notify_one();
        }
    }

    /// The client hangs up: what was not sent is rolled back, what was sent goes its way.
    pub(crate) fn hang_up(&mut self, id: TxId) {
        if self.txs.get(&id).is_some_and(|tx| tx.stage == Stage::Executing) {
            self.roll_back(id);
        }
        if let Some(tx) = self.txs.get_mut(&id) {
            tx.orphan = true;
        }
        self.forget(id);
    }

    /// Forgets a transaction that is over and nobody asks for, so that searching stays quick.
    pub(super) fn forget(&mut self, id: TxId) {
        let over = |tx: &Tx| tx.orphan && matches!(tx.stage, Stage::Committed | Stage::RolledBack);
        if self.txs.get(&id).is_some_and(over) {
            self.txs.remove(&id);
        }
    }
}

/// The first rows that differ, in words.
pub(crate) fn difference(wanted: &BTreeMap<i64, Row>, found: &BTreeMap<i64, Row>) -> String {
    let keys: BTreeSet<i64> = wanted.keys().chain(found.keys()).copied().collect();
    let differing = keys.into_iter().filter(|key| wanted.get(key) != found.get(key));
    let texts: Vec<String> = differing
        .map(|key| match (wanted.get(&key), found.get(&key)) {
            (Some(_), None) => format!("{key} is lost"),
            (None, Some(_)) => format!("{key} is a ghost"),
            (wanted, found) => format!("{key} should be {wanted:?}, is {found:?}"),
        })
        .collect();
    texts.join("; ")
}
