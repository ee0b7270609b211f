//! Applications: clients on every node that insert, delete, update, move and swap rows in small transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::cluster::{Mode, SqlError};
use super::tables::{Item, Name, Row};
use super::world::{MS, Session, World};
use super::writes::{Semantics, delete, insert, update};

/// What the applications have in common.
pub(crate) struct Application {
    pub(crate) world: Arc<World>,
    pub(crate) how: Semantics,
    /// Keys are 0 … keys - 1.
    pub(crate) keys: i64,
    /// Tags are 0 … tags - 1; `None` when they must never be equal.
    pub(crate) tags: Option<i64>,
    /// Mean pause between two transactions while driftless acts, nanoseconds.
    pub(crate) pause: u64,
    /// They never rest.
    pub(crate) busy: bool,
    pub(crate) over: AtomicBool,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) next_tag: AtomicU64,
}

impl Application {
    /// One client.
    pub(crate) async fn write(self: Arc<Self>, node: usize) {
        while !self.over.load(Ordering::SeqCst) {
            self.world.upto(2 * self.pause).await;
            while !self.busy && self.world.time.now() > self.world.state().lively_until && self.world.chance(950) {
                self.world.upto(40 * MS).await;
            }
            let (up, behind) = {
                let state = self.world.state();
                (state.cluster.nodes[node].up, state.cluster.pending(node))
            };
            if !up || behind > 60 {
                self.world.upto(5 * MS).await;
                continue;
            }
            match self.transaction(node).await {
                Ok(()) => {
                    self.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                Err(SqlError::Missing(name)) => {
                    self.world.state().violate(format!("an application was told that {name:?} does not exist"));
                }
                Err(
                    SqlError::Deadlock | SqlError::LockWait | SqlError::Duplicate | SqlError::Down | SqlError::Lost,
                ) => {}
            }
        }
    }

    async fn transaction(&self, node: usize) -> Result<(), SqlError> {
        let session = Session::begin(&self.world, node, true);
        let statements = self.world.state().rng.between(1, 3);
        for _ in 0..statements {
            self.statement(&session).await?;
            session.pause().await;
        }
        if self.world.chance(40) {
            drop(session);
            return Ok(());
        }
        session.commit().await
    }

    fn key(&self) -> i64 {
        self.world.state().rng.key(self.keys)
    }

    fn fresh(&self) -> Row {
        let value = self.world.state().rng.key(1_000_000);
        let tag = match self.tags {
            Some(tags) => self.world.state().rng.key(tags),
            None => i64::try_from(self.next_tag.fetch_add(1, Ordering::SeqCst)).unwrap_or(i64::MAX),
        };
        Row { tag: (!self.world.chance(100)).then_some(tag), value }
    }

    /// Keys that are there, from a random one on.
    fn some_keys(&self, session: &Session, most: usize) -> Vec<i64> {
        let from = self.key();
        session.read(|store| {
            let table = store.tables.get(&Name::Source);
            table.map(|table| table.rows.range(from..).map(|(key, _)| *key).take(most).collect()).unwrap_or_default()
        })
    }

    async fn statement(&self, s: &Session) -> Result<(), SqlError> {
        let kind = self.world.state().rng.below(100);
        let key = self.key();
        match kind {
            0..25 => self.insert_new(s, key).await,
            25..40 => delete(s, self.how, key).await,
            40..50 => {
                for key in self.some_keys(s, 4) {
                    delete(s, self.how, key).await?;
                    s.pause().await;
                }
                Ok(())
            }
            50..65 => self.change_value(s, key).await,
            65..72 => {
                for key in self.some_keys(s, 5) {
                    self.change_value(s, key).await?;
                }
                Ok(())
            }
            72..78 => update(s, self.how, key, key, self.fresh()).await,
            78..90 => self.move_row(s, key).await,
            90..95 => self.swap(s).await,
            _ => {
                let row = s.row(Name::Source, key);
                delete(s, self.how, key).await?;
                s.pause().await;
                insert(s, self.how, key, row.unwrap_or_else(|| self.fresh())).await
            }
        }
    }

    /// Inserts unless the key is taken.
    async fn insert_new(&self, s: &Session, key: i64) -> Result<(), SqlError> {
        s.touch(Name::Source)?;
        s.lock(Item::Row(Name::Source, key), Mode::Exclusive).await?;
        if s.row(Name::Source, key).is_some() {
            return Ok(());
        }
        insert(s, self.how, key, self.fresh()).await
    }

    async fn change_value(&self, s: &Session, key: i64) -> Result<(), SqlError> {
        s.touch(Name::Source)?;
        s.lock(Item::Row(Name::Source, key), Mode::Exclusive).await?;
        let Some(old) = s.row(Name::Source, key) else { return Ok(()) };
        let value = self.world.state().rng.key(1_000_000);
        update(s, self.how, key, key, Row { value, ..old }).await
    }

    /// `UPDATE … SET id = …`, the row otherwise as it is.
    async fn move_row(&self, s: &Session, key: i64) -> Result<(), SqlError> {
        s.touch(Name::Source)?;
        s.lock(Item::Row(Name::Source, key), Mode::Exclusive).await?;
        let (Some(old), to) = (s.row(Name::Source, key), self.key()) else { return Ok(()) };
        update(s, self.how, key, to, old).await
    }

    /// Two rows change their unique values, by way of NULL.
    async fn swap(&self, s: &Session) -> Result<(), SqlError> {
        let keys = self.some_keys(s, 2);
        let [one, other] = keys[..] else { return Ok(()) };
        s.touch(Name::Source)?;
        for key in [one, other] {
            s.lock(Item::Row(Name::Source, key), Mode::Exclusive).await?;
        }
        let (Some(a), Some(b)) = (s.row(Name::Source, one), s.row(Name::Source, other)) else { return Ok(()) };
        update(s, self.how, one, one, Row { tag: None, ..a }).await?;
        update(s, self.how, other, other, Row { tag: a.tag, ..b }).await?;
        update(s, self.how, one, one, Row { tag: b.tag, ..a }).await
    }
}
