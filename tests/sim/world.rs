//! The world of one scenario: time, chance, the cluster; and what happens in it by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cluster::{Cluster, Mode, SqlError, Stage, TxId};
use super::prng::Prng;
use super::tables::{Ddl, Item, Name, Op, Row, Store};
use super::time::{Sleep, Time};

/// A microsecond.
pub(crate) const US: u64 = 1_000;
/// A millisecond.
pub(crate) const MS: u64 = 1_000 * US;
/// A second.
pub(crate) const S: u64 = 1_000 * MS;

/// Write-sets in a queue at which writers must wait, as flow control makes them.
const FLOW_LIMIT: u64 = 40;

/// Everything that is shared.
pub(crate) struct World {
    pub(crate) time: Arc<Time>,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) cluster: Cluster,
    pub(crate) rng: Prng,
    /// What happened, as one number: equal for equal seeds.
    pub(crate) trace: u64,
    /// Driftless acts, or did so a moment ago: applications are busy then, and rest else.
    pub(crate) lively_until: u64,
    /// Ordered statements in a thousand that wait at their node before they are ordered, whoever still listens.
    pub(crate) late: u64,
    /// Ordered statements that are not through on the node that they were sent from.
    pub(crate) under_way: u64,
    /// Somebody follows binlogs, which are written a moment before the rows are visible.
    pub(crate) followed: bool,
}

impl State {
    pub(crate) fn note(&mut self, what: &str, number: u64) {
        for byte in what.bytes().chain(number.to_le_bytes()) {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    pub(crate) fn violate(&mut self, what: impl Into<String>) {
        self.cluster.violations.push(what.into());
    }
}

impl World {
    pub(crate) fn new(seed: u64, nodes: usize, store: &Store) -> Arc<Self> {
        let state = State {
            cluster: Cluster::new(nodes, store),
            rng: Prng::new(seed),
            trace: seed,
            lively_until: 0,
            late: 0,
            under_way: 0,
            followed: false,
        };
        Arc::new(Self { time: Arc::new(Time::default()), state: Mutex::new(state) })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn chance(&self, permille: u64) -> bool {
        self.state().rng.chance(permille)
    }

    /// Sleeps for a random time up to `most` nanoseconds.
    pub(crate) fn upto(&self, most: u64) -> Sleep {
        let nanos = self.state().rng.between(1, most.max(1));
        self.time.sleep(nanos)
    }

    /// Applies what is ordered on one node, now quickly, now late.
    pub(crate) async fn apply(self: Arc<Self>, at: usize) {
        loop {
            let (ready, news, delay) = {
                let mut state = self.state();
                let node = &state.cluster.nodes[at];
                let (ready, news) = (node.up && state.cluster.pending(at) > 0, Arc::clone(&node.news));
                let slow = match state.rng.below(100) {
                    0 => 40 * MS,
                    1..10 => 8 * MS,
                    10..50 => 800 * US,
                    _ => 100 * US,
                };
                (ready, news, state.rng.between(10 * US, slow))
            };
            if !ready {
                news.notified().await;
                continue;
            }
            self.time.sleep(delay).await;
            if self.state().followed {
                self.log(at).await;
            }
            let mut state = self.state();
            if state.cluster.nodes[at].up {
                state.cluster.apply_next(at);
                let applied = state.cluster.nodes[at].applied;
                state.note("applied", applied * 8 + at as u64);
            }
        }
    }

    /// The moment between binlog and commit.
    async fn log(&self, at: usize) {
        let most = {
            let mut state = self.state();
            if state.cluster.nodes[at].up {
                state.cluster.log_next(at);
            }
            if state.rng.chance(60) { 12 * MS } else { 150 * US }
        };
        self.upto(most).await;
    }

    /// An ordered statement from one node: answers once that node has carried it out.
    pub(crate) async fn ddl(self: Arc<Self>, at: usize, ddl: Ddl) -> Result<Result<(), String>, SqlError> {
        let most = {
            let mut state = self.state();
            state.under_way += 1;
            let late = state.late;
            if state.rng.chance(late) { 300 * MS } else { MS }
        };
        let answer = self.order_and_wait(at, ddl, most).await;
        self.state().under_way -= 1;
        answer
    }

    async fn order_and_wait(&self, at: usize, ddl: Ddl, most: u64) -> Result<Result<(), String>, SqlError> {
        self.upto(most).await;
        let seqno = {
            let mut state = self.state();
            if !state.cluster.nodes[at].up {
                return Err(SqlError::Down);
            }
            if let Ddl::RenameBefore(latest) = ddl
                && self.time.now() > latest
            {
                return Ok(Err("too late to switch the names".into()));
            }
            state.note("ddl", 0);
            state.cluster.order_ddl(at, ddl)
        };
        loop {
            self.upto(200 * US).await;
            let mut state = self.state();
            if let Some(answer) = state.cluster.ddl_answers.remove(&seqno) {
                return Ok(answer);
            }
            if !state.cluster.nodes[at].up {
                return Err(SqlError::Lost);
            }
        }
    }
}

/// A transaction of one client; hanging up rolls back what was not sent.
pub(crate) struct Session {
    world: Arc<World>,
    pub(crate) tx: TxId,
    pub(crate) node: usize,
    /// Longest wait for a row lock, nanoseconds.
    pub(crate) patience: u64,
    /// Longest pause between two steps.
    pub(crate) step: u64,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.world.state().cluster.hang_up(self.tx);
    }
}

impl Session {
    pub(crate) fn begin(world: &Arc<World>, node: usize, application: bool) -> Self {
        let tx = world.state().cluster.begin(node, application);
        Self { world: Arc::clone(world), tx, node, patience: 20 * MS, step: 100 * US }
    }

    pub(crate) async fn wait(&self, most: u64) {
        self.world.upto(most).await;
    }

    pub(crate) async fn pause(&self) {
        self.world.upto(self.step).await;
    }

    /// Touches a table: it must be there, and stays as it is.
    pub(crate) fn touch(&self, name: Name) -> Result<(), SqlError> {
        self.world.state().cluster.touch(self.tx, name)
    }

    pub(crate) async fn lock(&self, item: Item, mode: Mode) -> Result<(), SqlError> {
        let deadline = self.world.time.now() + self.patience;
        loop {
            if self.world.state().cluster.lock(self.tx, item, mode)? {
                return Ok(());
            }
            if self.world.time.now() >= deadline {
                return Err(SqlError::LockWait);
            }
            self.world.upto(500 * US).await;
        }
    }

    pub(crate) fn unlock(&self, item: Item) {
        self.world.state().cluster.unlock(self.tx, item);
    }

    /// Whether an applier has rolled it back meanwhile.
    pub(crate) fn alive(&self) -> Result<(), SqlError> {
        self.world.state().cluster.executing(self.tx).map(drop)
    }

    pub(crate) fn now(&self) -> u64 {
        self.world.time.now()
    }

    pub(crate) fn row(&self, table: Name, key: i64) -> Option<Row> {
        self.world.state().cluster.row(self.tx, table, key)
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.world.state().cluster.nodes[self.node].store)
    }

    pub(crate) fn push(&self, op: Op) -> Result<(), SqlError> {
        self.world.state().cluster.executing(self.tx)?.ops.push(op);
        Ok(())
    }

    /// Writes one row under its locks: the row's, and those of its unique values. `Duplicate` changes nothing.
    pub(crate) async fn write(&self, table: Name, key: i64, after: Option<Row>) -> Result<(), SqlError> {
        self.touch(table)?;
        self.lock(Item::Row(table, key), Mode::Exclusive).await?;
        let before = self.row(table, key);
        let unique = self.read(|store| store.tables.get(&table).is_some_and(|table| table.tags.is_some()));
        if unique {
            let tags = [before, after].map(|row| row.and_then(|row| row.tag));
            for tag in tags.into_iter().flatten() {
                self.lock(Item::Tag(table, tag), Mode::Exclusive).await?;
            }
            if let Some(tag) = tags[1]
                && self.world.state().cluster.holder_of(self.tx, table, tag).is_some_and(|holder| holder != key)
            {
                return Err(SqlError::Duplicate);
            }
        }
        if before != after {
            self.push(Op::Row { table, key, before, after })?;
        }
        Ok(())
    }

    /// Whether this transaction has written that row.
    pub(crate) fn wrote(&self, table: Name, key: i64) -> bool {
        let state = self.world.state();
        let mut ops = state.cluster.txs.get(&self.tx).into_iter().flat_map(|tx| &tx.ops);
        ops.any(|op| matches!(op, Op::Row { table: name, key: at, .. } if *name == table && *at == key))
    }

    /// Which row has a tag.
    pub(crate) fn holder_of(&self, table: Name, tag: Option<i64>) -> Option<i64> {
        self.world.state().cluster.holder_of(self.tx, table, tag?)
    }

    /// Sends the transaction; its way from here does not depend on this client.
    pub(crate) async fn send(&self) -> Result<(), SqlError> {
        loop {
            let full = {
                let state = self.world.state();
                let cluster = &state.cluster;
                (0..cluster.nodes.len()).any(|at| cluster.nodes[at].up && cluster.pending(at) > FLOW_LIMIT)
            };
            if !full && self.world.state().cluster.send(self.tx)? {
                break;
            }
            // Still executing: an applier may force it away.
            self.world.state().cluster.executing(self.tx)?;
            self.world.upto(300 * US).await;
        }
        let (world, tx) = (Arc::clone(&self.world), self.tx);
        tokio::spawn(async move {
            // Mostly at once; now and then the group stalls.
            let most = if world.chance(20) { 300 * MS } else { MS };
            world.upto(most).await;
            world.state().cluster.order(tx);
        });
        Ok(())
    }

    /// Commits and waits for the answer.
    pub(crate) async fn commit(self) -> Result<(), SqlError> {
        self.send().await?;
        self.sent().await
    }

    /// Waits until a sent transaction is over.
    pub(crate) async fn sent(&self) -> Result<(), SqlError> {
        loop {
            let (stage, lost, over) = {
                let state = self.world.state();
                let Some(tx) = state.cluster.txs.get(&self.tx) else { return Err(SqlError::Lost) };
                (tx.stage, tx.lost, Arc::clone(&tx.over))
            };
            match stage {
                Stage::Committed => return Ok(()),
                Stage::RolledBack if !lost => return Err(SqlError::Deadlock),
                Stage::Executing | Stage::Sent { .. } | Stage::Ordered { .. } | Stage::RolledBack if lost => {
                    return Err(SqlError::Lost);
                }
                Stage::Executing | Stage::Sent { .. } | Stage::Ordered { .. } | Stage::RolledBack => {
                    over.notified().await;
                }
            }
        }
    }
}
