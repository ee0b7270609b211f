//! What applications write, and what the triggers of `driftless::sql::triggers` do then, row by row, on the node where
//! the client writes.

use driftless::sql::triggers::Change;

use super::cluster::{Mode, SqlError};
use super::tables::{Item, Name, Op, Row};
use super::world::{MS, S, Session};

/// How long a writer waits in a trigger that keeps it out.
const HELD: u64 = 2 * S;

/// Whether a delete leaves a certified key on the shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tombstones {
    /// As driftless: the old row is inserted and deleted again.
    On,
    /// The naive `AFTER DELETE … DELETE`, as other tools have it.
    Off,
}

/// What a trigger does with a write that the new table can't take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflicts {
    /// Records it, in whatever phase the job is.
    Recorded,
    /// Records it, but fails the write once the job is about to switch.
    RecordedUntilSwitching,
}

/// How the triggers are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Semantics {
    pub(crate) tombstones: Tombstones,
    pub(crate) conflicts: Conflicts,
    /// The shadow has a unique key that the source does not enforce.
    pub(crate) new_unique: bool,
}

/// Inserts a row.
pub(crate) async fn insert(s: &Session, how: Semantics, key: i64, row: Row) -> Result<(), SqlError> {
    s.touch(Name::Source)?;
    held(s, Change::Insert).await?;
    s.lock(Item::Row(Name::Source, key), Mode::Exclusive).await?;
    if s.row(Name::Source, key).is_some() {
        return Err(SqlError::Duplicate);
    }
    s.write(Name::Source, key, Some(row)).await?;
    s.pause().await;
    if fires(s, Change::Insert) { upsert(s, how, key, row).await } else { Ok(()) }
}

/// Deletes a row; nothing when it is not there.
pub(crate) async fn delete(s: &Session, how: Semantics, key: i64) -> Result<(), SqlError> {
    s.touch(Name::Source)?;
    s.lock(Item::Row(Name::Source, key), Mode::Exclusive).await?;
    let Some(old) = s.row(Name::Source, key) else { return Ok(()) };
    held(s, Change::Delete).await?;
    s.write(Name::Source, key, None).await?;
    s.pause().await;
    if fires(s, Change::Delete) { tombstone(s, how, key, old).await } else { Ok(()) }
}

/// Updates a row, its key included; nothing when it is not there.
pub(crate) async fn update(s: &Session, how: Semantics, key: i64, new_key: i64, new: Row) -> Result<(), SqlError> {
    s.touch(Name::Source)?;
    s.lock(Item::Row(Name::Source, key), Mode::Exclusive).await?;
    let Some(old) = s.row(Name::Source, key) else { return Ok(()) };
    held(s, Change::Update).await?;
    if new_key != key {
        s.lock(Item::Row(Name::Source, new_key), Mode::Exclusive).await?;
        if s.row(Name::Source, new_key).is_some() {
            return Err(SqlError::Duplicate);
        }
        s.write(Name::Source, key, None).await?;
    }
    s.write(Name::Source, new_key, Some(new)).await?;
    s.pause().await;
    if !fires(s, Change::Update) {
        return Ok(());
    }
    if new_key != key {
        tombstone(s, how, key, old).await?;
    }
    upsert(s, how, new_key, new).await
}

/// The trigger of a closed table: it waits, then fails the statement; after its end it does nothing.
async fn held(s: &Session, change: Change) -> Result<(), SqlError> {
    let closed = s.read(|store| store.tables.get(&Name::Source).and_then(|table| table.closed(change)));
    let Some(until) = closed.filter(|until| s.now() < *until) else { return Ok(()) };
    let end = until.min(s.now() + HELD);
    while s.now() < end {
        s.alive()?;
        s.wait(5 * MS).await;
    }
    s.alive()?;
    Err(SqlError::LockWait)
}

fn fires(s: &Session, change: Change) -> bool {
    s.read(|store| store.tables.get(&Name::Source).is_some_and(|table| table.fires(change)))
}

/// The old row, inserted where it is missing (a duplicate is ignored) and deleted in any case.
async fn tombstone(s: &Session, how: Semantics, key: i64, old: Row) -> Result<(), SqlError> {
    s.touch(Name::Shadow)?;
    if how.tombstones == Tombstones::On {
        s.lock(Item::Row(Name::Shadow, key), Mode::Exclusive).await?;
        if s.row(Name::Shadow, key).is_none() {
            match s.write(Name::Shadow, key, Some(old)).await {
                Ok(()) | Err(SqlError::Duplicate) => {}
                Err(error) => return Err(error),
            }
        }
        s.pause().await;
    }
    // A row that is not there is neither locked nor written: read committed has no gap locks.
    if s.row(Name::Shadow, key).is_none() {
        return Ok(());
    }
    s.write(Name::Shadow, key, None).await
}

/// The new row, inserted or updated.
async fn upsert(s: &Session, how: Semantics, key: i64, new: Row) -> Result<(), SqlError> {
    s.touch(Name::Shadow)?;
    s.lock(Item::Row(Name::Shadow, key), Mode::Exclusive).await?;
    match s.write(Name::Shadow, key, Some(new)).await {
        Err(SqlError::Duplicate) if how.new_unique => record_conflict(s, how, key).await,
        Err(SqlError::Duplicate) => {
            // ON DUPLICATE KEY UPDATE finds the row that has the value, whatever its key, and makes it the new row.
            let Some(other) = s.holder_of(Name::Shadow, new.tag) else { return Err(SqlError::Duplicate) };
            s.write(Name::Shadow, other, None).await?;
            s.write(Name::Shadow, key, Some(new)).await
        }
        answer => answer,
    }
}

/// The handler: a row in the journal. The auto-increment id is this transaction's own.
async fn record_conflict(s: &Session, how: Semantics, key: i64) -> Result<(), SqlError> {
    if how.conflicts == Conflicts::RecordedUntilSwitching {
        s.lock(Item::Job, Mode::Exclusive).await?;
        let job = s.read(|store| store.job.clone());
        if job.phase == driftless::ports::journal::Phase::Switching {
            return Err(SqlError::Duplicate);
        }
        // The journal's row is written, so that it is certified against the save of the phase.
        s.push(Op::Job(Box::new(job)))?;
    }
    s.push(Op::Conflict { id: s.tx, what: Some(format!("row {key}: duplicate")) })
}
