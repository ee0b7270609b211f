//! What comes out of the order: appliers that take locks by force, and nodes that go and come back.

use std::collections::BTreeMap;

use super::cluster::{Cluster, Entry, Event, Logged, Mode, Prepared, Stage, Tx, TxId};
use super::process::HOME;
use super::tables::{Item, Name, Op, Row};

/// Who holds the locks of a write-set between binlog and commit.
const COMMITTER: TxId = TxId::MAX;

impl Cluster {
    /// Writes the next of the order to a node's binlog: whoever follows it can read it from now on, although the rows
    /// are visible only when it is applied, and are locked until then. As real servers do.
    pub(crate) fn log_next(&mut self, at: usize) {
        let seqno = self.nodes[at].applied + 1;
        if self.nodes[at].prepared.as_ref().is_some_and(|prepared| prepared.seqno == seqno) {
            return;
        }
        let index = usize::try_from(seqno - 1).ok();
        let Some(Entry::Rows { origin, tx, ops }) = index.and_then(|index| self.history.get(index)).cloned() else {
            return;
        };
        let own = (origin == at).then_some(tx);
        let items = Self::items(&self.nodes[at].store, &ops);
        self.force(at, own, |item| items.contains(&item), |_| false);
        let node = &mut self.nodes[at];
        for item in &items {
            node.locks.entry(*item).or_default().insert(COMMITTER, Mode::Exclusive);
        }
        node.prepared = Some(Prepared { seqno, locks: items.into_iter().collect() });
        let rows: Vec<_> = ops.iter().filter_map(changed_keys).collect();
        node.binlog.push(Logged { seqno, what: Event::Rows(rows) });
    }

    /// Lets go what was held between binlog and commit.
    fn let_go(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        for item in node.prepared.take().into_iter().flat_map(|prepared| prepared.locks) {
            if let Some(holders) = node.locks.get_mut(&item) {
                holders.remove(&COMMITTER);
            }
        }
    }

    /// Rows of the copying node that were seen equal.
    pub(crate) fn seen_equal(&mut self, keys: impl IntoIterator<Item = i64>) {
        for key in keys {
            self.unseen.remove(&key);
        }
    }

    /// Nothing was seen by a new process.
    pub(crate) fn forget_seen(&mut self) {
        let store = &self.nodes[HOME].store;
        let keys = [Name::Source, Name::Shadow].into_iter().filter_map(|name| store.tables.get(&name));
        self.unseen = keys.flat_map(|table| table.rows.keys().copied()).collect();
    }

    /// Keys whose rows are others than before, in either table.
    fn unsee(&mut self, ops: &[Op]) {
        let mut net = BTreeMap::<(Name, i64), (Option<Row>, Option<Row>)>::new();
        for op in ops {
            if let Op::Row { table, key, before, after } = op {
                net.entry((*table, *key)).or_insert((*before, *after)).1 = *after;
            }
        }
        let changed = net.into_iter().filter(|(_, (before, after))| before != after);
        self.unseen.extend(changed.map(|((_, key), _)| key));
    }

    /// Applies the next of the order on one node.
    pub(crate) fn apply_next(&mut self, at: usize) {
        let seqno = self.nodes[at].applied + 1;
        let Some(entry) = usize::try_from(seqno - 1).ok().and_then(|index| self.history.get(index)).cloned() else {
            return;
        };
        match entry {
            Entry::Rows { origin, tx, ops } => {
                let own = (origin == at).then_some(tx);
                let items = Self::items(&self.nodes[at].store, &ops);
                self.force(at, own, |item| items.contains(&item), |_| false);
                for op in ops.iter() {
                    if let Err(what) = self.nodes[at].store.apply(op) {
                        self.violations.push(format!("node {at} leaves the cluster at {seqno}: {what}"));
                    }
                }
                if let Some(id) = own {
                    self.commit(id);
                }
                self.let_go(at);
                if at == HOME {
                    self.unsee(&ops);
                }
            }
            Entry::Ddl { origin, ddl } => {
                let names = ddl.names(&self.nodes[at].store);
                self.force(at, None, |_| false, |name| names.contains(&name));
                let answer = self.nodes[at].store.carry_out(ddl);
                if answer.is_ok() {
                    self.nodes[at].binlog.push(Logged { seqno, what: Event::Ddl(ddl) });
                }
                if origin == at {
                    self.ddl_answers.insert(seqno, answer);
                }
            }
        }
        self.nodes[at].applied = seqno;
    }

    fn commit(&mut self, id: TxId) {
        if let Some(tx) = self.txs.get_mut(&id) {
            if tx.robbed {
                self.replayed += 1;
            }
            tx.stage = Stage::Committed;
            tx.over.notify_one();
        }
        self.unlock_all(id);
        self.forget(id);
    }

    /// Takes locks from local transactions.
    fn force(&mut self, at: usize, own: Option<TxId>, wants: impl Fn(Item) -> bool, holds: impl Fn(Name) -> bool) {
        let in_the_way = |(id, tx): (&TxId, &Tx)| {
            let hit = tx.locks.iter().any(|item| wants(*item)) || tx.names.iter().any(|name| holds(*name));
            (tx.node == at && own != Some(*id) && hit).then_some(*id)
        };
        let victims: Vec<TxId> = self.txs.iter().filter_map(in_the_way).collect();
        for id in victims {
            match self.txs.get(&id).map(|tx| tx.stage) {
                Some(Stage::Executing) => {
                    self.forced += 1;
                    self.roll_back(id);
                }
                Some(Stage::Sent { .. } | Stage::Ordered { .. }) => {
                    if let Some(tx) = self.txs.get_mut(&id) {
                        tx.robbed = true;
                    }
                    self.unlock_all(id);
                }
                Some(Stage::Committed | Stage::RolledBack) | None => {}
            }
        }
    }

    /// A node dies: what executes there is gone, what was sent arrives or not, what was ordered is ordered.
    pub(crate) fn take_down(&mut self, at: usize, mut arrives: impl FnMut() -> bool) {
        self.nodes[at].up = false;
        let local: Vec<TxId> = self.txs.iter().filter(|(_, tx)| tx.node == at).map(|(id, _)| *id).collect();
        for id in local {
            if let Some(tx) = self.txs.get_mut(&id) {
                tx.lost = true;
                tx.robbed = false;
                tx.over.notify_one();
                if tx.stage == Stage::Executing || (matches!(tx.stage, Stage::Sent { .. }) && !arrives()) {
                    tx.stage = Stage::RolledBack;
                }
            }
            self.unlock_all(id);
            self.forget(id);
        }
    }

    /// It comes back with what it had and applies what it missed.
    pub(crate) fn bring_up(&mut self, at: usize) {
        self.nodes[at].up = true;
        self.nodes[at].news.notify_one();
    }
}

/// A row event of the source; those of other tables are not followed.
fn changed_keys(op: &Op) -> Option<(Option<i64>, Option<i64>)> {
    match op {
        Op::Row { table: Name::Source, key, before, after } => Some((before.map(|_| *key), after.map(|_| *key))),
        Op::Row { .. } | Op::Job(_) | Op::Chunk { .. } | Op::Conflict { .. } => None,
    }
}
