//! The `Syncing` port over the simulated cluster, statement by statement as `copy::syncer` and `sql::sync` do it.

use std::sync::Arc;

use driftless::error::Fault;
use driftless::ports::journal::Phase;
use driftless::ports::rows::{Bound, Range};
use driftless::ports::syncing::{Last, Reading, Syncer, Syncing, Touched};
use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;

use super::cluster::{Mode, SqlError, Stage};
use super::fence::Weak;
use super::process::{Fate, HOME, Process, busy, fault};
use super::rows::{bound, inside, key_of, keys};
use super::tables::{Item, Name, Row};
use super::world::{MS, S, Session};

/// Longest wait for a row lock of a patient attempt.
const PATIENCE: u64 = 200 * MS;
/// Longest wait until a transaction whose connection was lost has come to its end.
const RESCUE: u64 = 10 * S;

#[derive(Clone)]
pub(crate) struct SimSyncing {
    pub(crate) process: Arc<Process>,
    /// The shadow has a unique key that the source does not enforce.
    pub(crate) new_unique: bool,
    pub(crate) weak: Weak,
}

#[async_trait::async_trait]
impl Syncing for SimSyncing {
    async fn syncer(&self) -> Result<Box<dyn Syncer>, Fault> {
        self.process.point("open a syncer").await;
        Ok(Box::new(self.clone()))
    }

    async fn take_over(&self) -> Result<(), Fault> {
        self.process.reading("take over").await?;
        let deadline = self.process.world.time.now() + RESCUE;
        loop {
            // Every transaction of a job marks a slot, and so does who takes over: what was sent before comes before.
            let under_way = {
                let state = self.process.world.state();
                let sent = |tx: &super::cluster::Tx| {
                    tx.node == HOME && !tx.application && matches!(tx.stage, Stage::Sent { .. } | Stage::Ordered { .. })
                };
                state.cluster.txs.values().any(sent)
            };
            if !under_way {
                return Ok(());
            }
            if self.process.world.time.now() > deadline {
                return Err(busy("take over"));
            }
            self.process.world.upto(2 * MS).await;
            self.process.breathe().await;
        }
    }
}

/// Removes a row of the shadow; one that is not there is neither locked nor written, but one that is under way is waited for.
async fn remove(tx: &Session, key: i64) -> Result<(), SqlError> {
    tx.touch(Name::Shadow)?;
    let item = Item::Row(Name::Shadow, key);
    tx.lock(item, Mode::Exclusive).await?;
    if tx.row(Name::Shadow, key).is_some() {
        return tx.write(Name::Shadow, key, None).await;
    }
    if !tx.wrote(Name::Shadow, key) {
        tx.unlock(item);
    }
    Ok(())
}

/// The row of the source, locked against change.
pub(crate) async fn locked(tx: &Session, key: i64) -> Result<Option<Row>, SqlError> {
    tx.touch(Name::Source)?;
    let item = Item::Row(Name::Source, key);
    tx.lock(item, Mode::Shared).await?;
    let row = tx.row(Name::Source, key);
    if row.is_none() {
        tx.unlock(item);
    }
    Ok(row)
}

/// `REPLACE`: whoever has the key or a unique value goes.
pub(crate) async fn replace(tx: &Session, key: i64, row: Row) -> Result<(), SqlError> {
    loop {
        match tx.write(Name::Shadow, key, Some(row)).await {
            Err(SqlError::Duplicate) => {
                let Some(holder) = tx.holder_of(Name::Shadow, row.tag) else { return Err(SqlError::Duplicate) };
                tx.write(Name::Shadow, holder, None).await?;
            }
            answer => return answer,
        }
    }
}

/// Rows of the source that are equal under a unique key of the new table.
pub(crate) fn duplicates(process: &Process) -> Vec<String> {
    let state = process.world.state();
    let mut seen = std::collections::BTreeMap::new();
    let rows = state.cluster.nodes[HOME].store.tables.get(&Name::Source).map(|table| table.rows.clone());
    let twice = rows.into_iter().flatten().filter_map(|(key, row)| {
        let other = seen.insert(row.tag?, key)?;
        Some(format!("keys {other} and {key}"))
    });
    twice.take(5).collect()
}

impl SimSyncing {
    async fn change(&self, tx: &Session, touched: &[Touched], reading: Reading) -> Result<(), SqlError> {
        for one in touched {
            if self.new_unique || one.last != Last::There {
                remove(tx, key_of(&one.key)).await?;
            }
        }
        let mut there: Vec<i64> =
            touched.iter().filter(|one| one.last != Last::Gone).map(|one| key_of(&one.key)).collect();
        there.sort_unstable();
        for key in there {
            let unlocked = matches!(self.weak, Weak::NonLocking | Weak::NonLockingBlind);
            let row = if unlocked || reading == Reading::Unlocked {
                tx.touch(Name::Source)?;
                tx.row(Name::Source, key)
            } else {
                locked(tx, key).await?
            };
            let Some(row) = row else { continue };
            tx.pause().await;
            self.process.breathe().await;
            if self.new_unique {
                tx.write(Name::Shadow, key, Some(row)).await?;
            } else {
                replace(tx, key, row).await?;
            }
        }
        Ok(())
    }

    fn refusal(&self, error: &SqlError, explain: bool) -> Fault {
        match error {
            SqlError::Duplicate if explain && !duplicates(&self.process).is_empty() => Fault::Rows {
                reason: Box::new(Reason::new(ReasonCode::DuplicateRows, "rows are equal", "make them distinct")),
                rows: duplicates(&self.process),
            },
            SqlError::Duplicate | SqlError::Lost => busy("sync"),
            SqlError::Deadlock | SqlError::LockWait | SqlError::Missing(_) | SqlError::Down => fault("sync", error),
        }
    }

    /// A connection that was lost is ended from outside, until the server no longer knows it.
    async fn rescue(&self, tx: &Session) {
        let deadline = self.process.world.time.now() + RESCUE;
        while self.process.world.time.now() < deadline {
            let over = {
                let state = self.process.world.state();
                let stage = state.cluster.txs.get(&tx.tx).map(|tx| tx.stage);
                !state.cluster.nodes[HOME].up || matches!(stage, None | Some(Stage::Committed | Stage::RolledBack))
            };
            if over {
                return;
            }
            self.process.world.upto(5 * MS).await;
            self.process.breathe().await;
        }
    }

    fn compared(&self, keys: &[i64]) -> Vec<i64> {
        let mut state = self.process.world.state();
        let store = &state.cluster.nodes[HOME].store;
        let equal = |key: &i64| store.row(Name::Source, *key) == store.row(Name::Shadow, *key);
        let (same, odd): (Vec<i64>, Vec<i64>) = keys.iter().copied().partition(equal);
        state.cluster.seen_equal(same);
        odd
    }
}

fn sorted(keys: impl IntoIterator<Item = i64>) -> Vec<Bound> {
    let mut keys: Vec<Bound> = keys.into_iter().map(bound).collect();
    keys.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    keys
}

#[async_trait::async_trait]
impl Syncer for SimSyncing {
    async fn sync(&mut self, touched: &[Touched], reading: Reading, explain: bool) -> Result<(), Fault> {
        self.process
            .may_act("sync", &[Phase::Arming, Phase::Copying, Phase::Verifying, Phase::Holding, Phase::Switching]);
        let fate = self.process.call("sync").await;
        if fate == Fate::Busy {
            return Err(busy("sync"));
        }
        let mut touched = touched.to_vec();
        if self.weak == Weak::GoneStays {
            let mut gone = self.process.gone.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            touched.retain(|one| match one.last {
                Last::Gone => {
                    gone.insert(key_of(&one.key));
                    true
                }
                Last::There => !gone.contains(&key_of(&one.key)),
                Last::Doubtful => true,
            });
        }
        let mut tx = Session::begin(&self.process.world, HOME, false);
        tx.patience = if reading == Reading::Patient { PATIENCE } else { 0 };
        if let Err(error) = self.change(&tx, &touched, reading).await {
            return Err(self.refusal(&error, explain));
        }
        self.process.point("synced").await;
        let sent = match fate {
            Fate::LostBefore => return Err(busy("sync: connection lost")),
            Fate::Well | Fate::LostAfter | Fate::Busy => tx.send().await,
        };
        if let Err(error) = sent {
            return Err(self.refusal(&error, false));
        }
        if fate == Fate::LostAfter {
            self.rescue(&tx).await;
            return Err(busy("sync: connection lost"));
        }
        if self.weak == Weak::Early {
            tokio::spawn(async move { tx.sent().await });
            return Ok(());
        }
        self.process.point("sync sent").await;
        let answer = tx.sent().await;
        self.process.breathe().await;
        answer.map_err(|error| self.refusal(&error, false))
    }

    async fn differing(&mut self, keys: &[Bound]) -> Result<Vec<Bound>, Fault> {
        self.process.reading("differing").await?;
        if self.weak.blind() {
            return Ok(Vec::new());
        }
        let keys: Vec<i64> = keys.iter().map(key_of).collect();
        let odd = self.compared(&keys);
        self.process.point("differing compared").await;
        Ok(sorted(odd))
    }

    async fn differing_in(&mut self, range: &Range, limit: u64) -> Result<Vec<Bound>, Fault> {
        self.process.reading("differing in a range").await?;
        let mut within: Vec<i64> = {
            let state = self.process.world.state();
            let store = &state.cluster.nodes[HOME].store;
            let of = |table| keys(store, table, range);
            let nowhere = state.cluster.unseen.iter().copied().filter(inside(range));
            of(Name::Source).into_iter().chain(of(Name::Shadow)).chain(nowhere).collect()
        };
        within.sort_unstable();
        within.dedup();
        let odd = self.compared(&within);
        self.process.point("range compared again").await;
        Ok(sorted(odd.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX))))
    }
}
