//! What comes out of the order: appliers that take locks by force, and nodes that go and come back.

use super::cluster::{Cluster, Entry, Stage, Tx, TxId};
use super::tables::{Item, Name};

impl Cluster {
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
            }
            Entry::Ddl { origin, ddl } => {
                let names = ddl.names(&self.nodes[at].store);
                self.force(at, None, |_| false, |name| names.contains(&name));
                let answer = self.nodes[at].store.carry_out(ddl);
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
