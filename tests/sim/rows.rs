//! The `Rows` port over the simulated cluster, step by step as `copy::worker` does it.

use std::sync::Arc;

use driftless::error::Fault;
use driftless::ports::journal::Phase;
use driftless::ports::rows::{Bound, Chunk, Compared, Copied, Part, Range, RowWorker, Rows};
use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;

use super::cluster::{Mode, SqlError};
use super::fence::Weak;
use super::process::{Fate, HOME, Process, busy, fault, lost};
use super::scenario::Kind;
use super::syncing::{duplicates, replace};
use super::tables::{Checkpoint, Item, Name, Op, Row, Store};
use super::world::{MS, Session};

/// Longest wait for a row lock of a patient attempt.
const PATIENCE: u64 = 200 * MS;

pub(crate) struct SimRows {
    pub(crate) process: Arc<Process>,
    /// The shadow has a unique key that the source does not enforce.
    pub(crate) new_unique: bool,
    pub(crate) kind: Kind,
    pub(crate) weak: Weak,
    /// Longest pause between two rows.
    pub(crate) row_step: u64,
}

pub(crate) fn bound(key: i64) -> Bound {
    Bound(vec![key.to_string()])
}

pub(crate) fn key_of(bound: &Bound) -> i64 {
    bound.0.first().and_then(|text| text.parse().ok()).expect("a bound of one number")
}

/// The keys of a table in a range, in order.
pub(crate) fn keys(store: &Store, table: Name, range: &Range) -> Vec<i64> {
    let rows = store.tables.get(&table).map(|table| table.rows.keys().copied().filter(inside(range)).collect());
    rows.unwrap_or_default()
}

/// Whether a key is of the range.
pub(crate) fn inside(range: &Range) -> impl Fn(&i64) -> bool + use<> {
    let (after, upto) = (range.after.as_ref().map(key_of), range.upto.as_ref().map(key_of));
    move |key| after.is_none_or(|after| *key > after) && upto.is_none_or(|upto| *key <= upto)
}

impl SimRows {
    fn home<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.process.world.state().cluster.nodes[HOME].store)
    }
}

#[async_trait::async_trait]
impl Rows for SimRows {
    async fn last(&self) -> Result<Option<Bound>, Fault> {
        self.process.reading("last key").await?;
        Ok(self.home(|store| keys(store, Name::Source, &Range::default()).last().copied()).map(bound))
    }

    async fn next(&self, after: Option<&Bound>, upto: &Bound, rows: u64) -> Result<Option<(Bound, u64)>, Fault> {
        self.process.reading("next key").await?;
        let range = Range { after: after.cloned(), upto: Some(upto.clone()) };
        let nth = usize::try_from(rows.saturating_sub(1)).unwrap_or(usize::MAX);
        if let Some(key) = self.home(|store| keys(store, Name::Source, &range).get(nth).copied()) {
            return Ok(Some((bound(key), rows)));
        }
        // Two statements: the table may change between them.
        self.process.reading("rows left").await?;
        let left = self.home(|store| keys(store, Name::Source, &range).len());
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        Ok(if after == Some(upto) { None } else { Some((upto.clone(), left)) })
    }

    async fn worker(&self) -> Result<Box<dyn RowWorker>, Fault> {
        self.process.point("open a worker").await;
        Ok(Box::new(SimWorker {
            process: Arc::clone(&self.process),
            new_unique: self.new_unique,
            kind: self.kind,
            weak: self.weak,
            row_step: self.row_step,
        }))
    }

    async fn conflicts(&self) -> Result<Vec<String>, Fault> {
        self.process.reading("conflicts").await?;
        Ok(self.home(|store| store.conflicts.values().take(5).cloned().collect()))
    }
}

struct SimWorker {
    process: Arc<Process>,
    new_unique: bool,
    kind: Kind,
    weak: Weak,
    row_step: u64,
}

/// Why a chunk's transaction was not sent.
enum Failure {
    Sql(SqlError),
    /// Two rows are equal under a unique key of the new table.
    Rows(i64),
    /// The checkpoint is there.
    Taken,
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl SimWorker {
    fn may_copy(&self) {
        self.process.may_act("copy", &[Phase::Copying]);
        let (triggers, shadow) = {
            let state = self.process.world.state();
            let store = &state.cluster.nodes[HOME].store;
            let source = store.tables.get(&Name::Source).map_or(0, |table| table.triggers.len());
            (source, store.tables.get(&Name::Shadow).is_some_and(|shadow| shadow.altered))
        };
        let armed = match self.kind {
            Kind::Triggers => 3,
            Kind::Stream => 0,
        };
        if triggers != armed || !shadow {
            self.process.violate(format!("copy: {triggers} triggers stand, shadow made: {shadow}"));
        }
        self.process.deeds().proven.clear();
    }

    /// `INSERT INTO shadow SELECT … FROM source … LOCK IN SHARE MODE ON DUPLICATE KEY UPDATE key = key`, read committed.
    async fn insert(&self, tx: &Session, chunk: &Chunk) -> Result<u64, Failure> {
        tx.touch(Name::Source)?;
        tx.touch(Name::Shadow)?;
        let mut copied = 0;
        let mut range = chunk.range.clone();
        while let Some(key) = tx.read(|store| keys(store, Name::Source, &range).first().copied()) {
            tx.lock(Item::Row(Name::Source, key), Mode::Shared).await?;
            if let Some(row) = tx.row(Name::Source, key) {
                tx.pause().await;
                self.process.breathe().await;
                copied += match self.kind {
                    Kind::Stream if !self.new_unique => {
                        replace(tx, key, row).await?;
                        1
                    }
                    Kind::Stream | Kind::Triggers => self.keep_or_insert(tx, key, row).await?,
                };
            }
            range.after = Some(bound(key));
        }
        Ok(copied)
    }

    async fn keep_or_insert(&self, tx: &Session, key: i64, row: Row) -> Result<u64, Failure> {
        tx.lock(Item::Row(Name::Shadow, key), Mode::Exclusive).await?;
        if tx.row(Name::Shadow, key).is_some() {
            return Ok(0);
        }
        match tx.write(Name::Shadow, key, Some(row)).await {
            Ok(()) => Ok(1),
            Err(SqlError::Duplicate) if self.new_unique => Err(Failure::Rows(key)),
            // The no-op update hits the row that has the value: this one is swallowed.
            Err(SqlError::Duplicate) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    async fn checkpoint(&self, tx: &Session, chunk: &Chunk) -> Result<(), Failure> {
        if chunk.part == Part::Inner {
            return Ok(());
        }
        tx.lock(Item::Chunk(chunk.number), Mode::Exclusive).await?;
        if tx.read(|store| store.chunks.contains_key(&chunk.number)) {
            return Err(Failure::Taken);
        }
        let after = Some(Checkpoint { upto: chunk.range.upto.clone(), rows: chunk.whole, folded: false });
        tx.push(Op::Chunk { number: chunk.number, after })?;
        Ok(())
    }

    fn refusal(&self, failure: Failure) -> Fault {
        match failure {
            Failure::Sql(SqlError::Lost) => busy("copy"),
            Failure::Sql(error) => fault("copy", &error),
            Failure::Taken => {
                let what = "another process copies chunks of the job";
                Fault::Refused(Box::new(Reason::new(ReasonCode::JobActive, what, "let it go on")))
            }
            // The other row is one of the shadow's that a change has not reached yet.
            Failure::Rows(_) if self.kind == Kind::Stream && duplicates(&self.process).is_empty() => busy("copy"),
            Failure::Rows(key) => Fault::Rows {
                reason: Box::new(Reason::new(ReasonCode::DuplicateRows, "rows are equal", "make them distinct")),
                rows: vec![format!("key ({key})")],
            },
        }
    }

    /// After the connection was lost during COMMIT: the checkpoint tells.
    async fn committed(&self, chunk: &Chunk) -> Result<bool, Fault> {
        if chunk.part == Part::Inner {
            return Ok(false);
        }
        self.process.reading("checkpoint there?").await.map_err(|_| lost("copy"))?;
        let state = self.process.world.state();
        Ok(state.cluster.nodes[HOME].store.chunks.contains_key(&chunk.number))
    }
}

#[async_trait::async_trait]
impl RowWorker for SimWorker {
    async fn copy(&mut self, chunk: &Chunk, patient: bool) -> Result<Copied, Fault> {
        self.may_copy();
        let fate = self.process.call("copy").await;
        if fate == Fate::Busy {
            return Err(busy("copy"));
        }
        let mut tx = Session::begin(&self.process.world, HOME, false);
        (tx.patience, tx.step) = (if patient { PATIENCE } else { 0 }, self.row_step);
        let inserted = async {
            let rows = self.insert(&tx, chunk).await?;
            self.checkpoint(&tx, chunk).await?;
            Ok::<u64, Failure>(rows)
        };
        let rows = inserted.await.map_err(|failure| self.refusal(failure))?;
        self.process.point("chunk inserted").await;
        let sent = match fate {
            Fate::LostBefore => Err(SqlError::Lost),
            Fate::LostAfter => tx.send().await.and(Err(SqlError::Lost)),
            Fate::Well | Fate::Busy => tx.send().await,
        };
        let answer = match sent {
            Ok(()) => {
                self.process.point("chunk sent").await;
                tx.sent().await
            }
            Err(error) => Err(error),
        };
        self.process.breathe().await;
        match answer {
            Ok(()) => {
                self.process.point("chunk committed").await;
                Ok(Copied { rows })
            }
            Err(SqlError::Lost | SqlError::Down) => {
                drop(tx);
                if self.committed(chunk).await? { Ok(Copied { rows }) } else { Err(busy("copy")) }
            }
            Err(error) => Err(fault("copy", &error)),
        }
    }

    async fn compare(&mut self, range: &Range) -> Result<Compared, Fault> {
        self.process.may_act("compare", &[Phase::Verifying]);
        self.process.reading("compare").await?;
        let (source, shadow) = {
            let state = self.process.world.state();
            let store = &state.cluster.nodes[HOME].store;
            let rows = |table| -> Vec<(i64, Option<Row>)> {
                keys(store, table, range).into_iter().map(|key| (key, store.row(table, key))).collect()
            };
            (rows(Name::Source), rows(Name::Shadow))
        };
        if self.weak.blind() {
            return Ok(Compared { rows: u64::try_from(source.len()).unwrap_or(u64::MAX), differences: Vec::new() });
        }
        let missing = source.iter().filter(|row| !shadow.contains(row)).map(|row| format!("missing {row:?}"));
        let ghosts = shadow.iter().filter(|row| !source.contains(row)).map(|row| format!("ghost {row:?}"));
        if source == shadow {
            // A row that is on neither side is equal too.
            self.process.world.state().cluster.unseen.retain(|key| !inside(range)(key));
        }
        let differences: Vec<String> = missing.chain(ghosts).take(5).collect();
        self.process.point("compared").await;
        if differences.is_empty() {
            let ends = (range.after.as_ref().map(key_of), range.upto.as_ref().map(key_of));
            self.process.deeds().proven.push(ends);
        }
        Ok(Compared { rows: u64::try_from(source.len()).unwrap_or(u64::MAX), differences })
    }
}
