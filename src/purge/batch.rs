//! One batch as one transaction: locked by keys, put elsewhere, deleted by the same keys, noted, committed.

use std::sync::Arc;

use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Flavour, Reason, TableName};

use super::file::{Asking, FileTarget, Known};
use super::lease::batch_number;
use super::table::{ColumnNow, Target};
use crate::error::Fault;
use crate::mysql::kept::KeptSession;
use crate::ports::destination::Taken;
use crate::ports::rows::Bound;
use crate::ports::server::{ErrorKind, Row, Server, ServerError};
use crate::sql::copy::transaction;
use crate::sql::purge::{self as sql, Walk};
use crate::sql::purge_journal;

/// A child row is in the way (1451), or was (1217).
const CHILD_ROWS: [u16; 2] = [1451, 1217];
/// "Maximum writeset size exceeded" and its kin come under these numbers.
const TOO_BIG: [u16; 2] = [1105, 1180];

/// What every batch of a run shares.
pub(super) struct Batches {
    session: KeptSession,
    walk: Arc<Walk>,
    condition: Arc<str>,
    target: Option<Target>,
    file: Option<FileTarget>,
    token: u64,
    count: u64,
}

/// Why a batch did not come through. Nothing of it happened.
#[derive(Debug)]
pub(super) enum Failure {
    /// Try again, smaller if it stays so.
    Again(String),
    /// Try again with fewer rows; not with one.
    TooBig(String),
    /// Trying again can't help.
    Fault(Fault),
}

impl Batches {
    pub(super) fn new(
        server: &Arc<dyn Server>,
        flavour: Flavour,
        walk: Arc<Walk>,
        condition: Arc<str>,
        target: Option<Target>,
        file: Option<FileTarget>,
        token: u64,
    ) -> Self {
        let setup = vec![sql::every_value(), sql::long_lists(flavour), transaction::row_lock_wait(1)];
        let session = KeptSession::new(Arc::clone(server), setup);
        let count = file.as_ref().map_or(0, |file| file.asked);
        Self { session, walk, condition, target, file, token, count }
    }

    /// Deletes the rows of these keys that match when they are locked; how many.
    pub(super) async fn run(&mut self, keys: &[Bound]) -> Result<u64, Failure> {
        self.count += 1;
        let done = self.transaction(keys).await;
        if let Some(file) = &mut self.file {
            let deleted = match &done {
                Ok(_) => Some(true),
                Err(Failure::Fault(Fault::Lost(_))) => None,
                Err(Failure::Again(_) | Failure::TooBig(_) | Failure::Fault(_)) => Some(false),
            };
            file.note(deleted).await.map_err(Failure::Fault)?;
        }
        done
    }

    /// Completes the files, when rows go there; says which they are.
    pub(super) async fn finish(&mut self) -> Result<Vec<String>, Fault> {
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        let (places, over) = file.finish().await?;
        for run in over {
            if let Err(error) = self.session.write(&purge_journal::file_forget(&self.walk.table, &run)).await {
                tracing::warn!(%error, run, "a run whose files are complete was not forgotten");
            }
        }
        Ok(places)
    }

    async fn transaction(&mut self, keys: &[Bound]) -> Result<u64, Failure> {
        let rows = match self.attempt(keys).await {
            Ok(0) => {
                self.abandon().await;
                return Ok(0);
            }
            Ok(rows) => rows,
            Err(failure) => {
                self.abandon().await;
                return Err(failure);
            }
        };
        match self.session.write(&transaction::commit()).await {
            Ok(_) => Ok(rows),
            // What stands in a file is never cut off on a guess, whatever the answer seems to mean.
            Err(error) if self.file.is_some() => {
                self.abandon().await;
                if self.committed_from_file().await? { Ok(rows) } else { Err(self.failure(&error)) }
            }
            Err(error) if matches!(error.kind, ErrorKind::Lost | ErrorKind::NotReady | ErrorKind::Connect) => {
                if self.committed().await? { Ok(rows) } else { Err(Failure::Again(error.to_string())) }
            }
            Err(error) => {
                self.abandon().await;
                Err(self.failure(&error))
            }
        }
    }

    fn number(&self) -> u64 {
        batch_number(self.token, self.count)
    }

    fn table(&self) -> &TableName {
        &self.walk.table
    }

    /// Everything before COMMIT.
    async fn attempt(&mut self, keys: &[Bound]) -> Result<u64, Failure> {
        let begun = self.session.write(&transaction::start()).await;
        begun.map_err(|error| self.failure(&error))?;
        let rows = match self.target.clone() {
            None if self.file.is_some() => self.put_into_file(keys).await?,
            None => self.write(&sql::delete(&self.walk, keys, Some(&self.condition))).await?,
            Some(target) => self.put_into(&target, keys).await?,
        };
        if rows == 0 {
            return Ok(0);
        }
        let mark = purge_journal::mark(self.table(), self.token, self.number());
        if self.write(&mark).await? != 1 {
            return Err(Failure::Fault(Fault::Refused(Box::new(Reason::new(
                ReasonCode::JobActive,
                format!("another process has taken over the purge of {}", self.table()),
                "let that process go on",
            )))));
        }
        if let Some(file) = &self.file {
            let mark = purge_journal::file_mark(self.table(), &file.run, self.number());
            if self.write(&mark).await? != 1 {
                return Err(Failure::Fault(Fault::Failed(format!(
                    "failed to note that rows of {} are in a file: the journal does not know this run any more; nothing of the \
                     batch was deleted; see who dropped or restored the schema `driftless`, and run again",
                    self.table()
                ))));
            }
        }
        Ok(rows)
    }

    /// Locks, copies what is locked, deletes what was copied.
    async fn put_into(&mut self, target: &Target, keys: &[Bound]) -> Result<u64, Failure> {
        let lock = sql::lock(&self.walk, keys, &self.condition, &[]);
        let found = self.ask(&lock).await?;
        if found.is_empty() {
            return Ok(0);
        }
        let locked: Option<Vec<Bound>> = found.iter().map(|row| self.walk.key_bound(row)).collect();
        let Some(locked) = locked else {
            return Err(Failure::Fault(Fault::Failed(format!("failed to read a key of {}", self.table()))));
        };
        let source = self.table().clone();
        self.still_the_same(&source, &target.judged).await?;
        let put = self.write(&sql::insert(&self.walk, &target.name, &target.columns, &locked)).await?;
        // Not before: what was inserted keeps every ALTER of the destination out from here on.
        self.still_the_same(&target.name, &target.own).await?;
        let deleted = self.write(&sql::delete(&self.walk, &locked, None)).await?;
        let wanted = u64::try_from(locked.len()).unwrap_or(u64::MAX);
        if put != wanted || deleted != wanted {
            let what = format!(
                "failed to move rows of {}: {wanted} were locked, {put} came into {}, {deleted} were deleted; the batch was \
                 rolled back; look for triggers and partitions that change rows",
                self.table(),
                target.name
            );
            return Err(Failure::Fault(Fault::Failed(what)));
        }
        Ok(wanted)
    }

    /// Locks, reads what is locked, waits until it is in a file, deletes it.
    async fn put_into_file(&mut self, keys: &[Bound]) -> Result<u64, Failure> {
        let Some(file) = &self.file else { return Ok(0) };
        let (columns, judged) = (Arc::clone(&file.columns), Arc::clone(&file.judged));
        let found = self.ask(&sql::lock(&self.walk, keys, &self.condition, &columns)).await?;
        if found.is_empty() {
            return Ok(0);
        }
        let locked: Option<Vec<Bound>> = found.iter().map(|row| self.walk.key_bound(row)).collect();
        let Some(locked) = locked else {
            return Err(Failure::Fault(Fault::Failed(format!("failed to read a key of {}", self.table()))));
        };
        let source = self.table().clone();
        self.still_the_same(&source, &judged).await?;
        let own = self.walk.key.len();
        let rows = found.into_iter().map(|row| Row(row.0.into_iter().skip(own).collect())).collect();
        let (taken, number) = (Taken { rows, keys: locked }, self.number());
        if let Some(file) = &mut self.file {
            file.take(number, &taken).await.map_err(Failure::Fault)?;
        }
        let deleted = self.write(&sql::delete(&self.walk, &taken.keys, None)).await?;
        let wanted = u64::try_from(taken.keys.len()).unwrap_or(u64::MAX);
        if deleted != wanted {
            let what = format!(
                "failed to archive rows of {}: {wanted} were locked, {deleted} were deleted; the batch was rolled back; look \
                 for triggers and partitions that change rows",
                self.table()
            );
            return Err(Failure::Fault(Fault::Failed(what)));
        }
        Ok(wanted)
    }

    /// Rows that are locked keep every ALTER out: what the columns are now they are until COMMIT.
    async fn still_the_same(&mut self, table: &TableName, judged: &[ColumnNow]) -> Result<(), Failure> {
        let rows = self.ask(&sql::columns_now(table)).await?;
        let one = |row: &Row| (row.text(0).unwrap_or_default(), row.text(1).unwrap_or_default(), row.text(2));
        let now: Vec<ColumnNow> = rows.iter().map(one).collect();
        if now == judged {
            return Ok(());
        }
        Err(Failure::Fault(Fault::Refused(Box::new(Reason::new(
            ReasonCode::PlanStale,
            format!("{table} was altered while rows of {} were archived", self.table()),
            "make source and destination alike, and run again",
        )))))
    }

    async fn write(&mut self, statement: &crate::sql::Sql) -> Result<u64, Failure> {
        match self.session.write(statement).await {
            Ok(done) => Ok(done.affected),
            Err(error) => Err(self.failure(&error)),
        }
    }

    /// Reads within the transaction: never again on another connection.
    async fn ask(&mut self, statement: &crate::sql::Sql) -> Result<Vec<crate::ports::server::Row>, Failure> {
        let answer = match self.session.session().await {
            Ok(session) => session.query(statement).await,
            Err(error) => Err(error),
        };
        answer.map_err(|error| self.failure(&error))
    }

    /// Leaves no transaction open, whatever state the connection is in.
    async fn abandon(&mut self) {
        if self.session.write(&transaction::rollback()).await.is_err() {
            self.session.forget();
        }
    }

    /// Whether the batch whose COMMIT got no answer is committed.
    async fn committed(&mut self) -> Result<bool, Failure> {
        self.session.forget();
        let rows = self.session.read(&purge_journal::marked(&self.walk.table)).await;
        match rows {
            Ok(rows) => Ok(rows.first().and_then(|row| row.u64(0)).is_some_and(|batch| batch >= self.number())),
            Err(error) => Err(Failure::Fault(Fault::Lost(format!(
                "the last batch's COMMIT got no answer, and whether it came through can't be asked: {error}"
            )))),
        }
    }

    /// Whether the batch that a file has, and whose COMMIT got an error or no answer, is committed.
    async fn committed_from_file(&mut self) -> Result<bool, Failure> {
        let batch = self.number();
        let Some(file) = &mut self.file else { return Ok(false) };
        let run = file.run.clone();
        let asking = Asking { table: &self.walk.table, token: self.token, run: &run, batch };
        file.asked = self.count;
        let known = file.ask(&mut self.session, &asking).await;
        self.count = file.asked;
        let lost =
            |why: &str| Err(Failure::Fault(Fault::Lost(format!("the last batch's COMMIT was not confirmed: {why}"))));
        match known.map_err(Failure::Fault)? {
            Known::Deleted => Ok(true),
            Known::NotDeleted => Ok(false),
            Known::Nothing => lost("the journal does not know this run any more"),
            Known::Deposed => lost("another process has taken over, and finds out what became of it"),
        }
    }

    /// What a server's answer before COMMIT means: nothing of the batch happened.
    fn failure(&self, error: &ServerError) -> Failure {
        let table = self.table();
        let refused = |code, what: String, remedy: &str| {
            let reason = Box::new(Reason::new(code, what, remedy));
            Failure::Fault(Fault::Rows { reason, rows: vec![error.message.clone()] })
        };
        match error.kind {
            ErrorKind::Conflict | ErrorKind::NotReady | ErrorKind::Connect | ErrorKind::Lost => {
                Failure::Again(error.to_string())
            }
            ErrorKind::Data if CHILD_ROWS.contains(&error.code) => refused(
                ReasonCode::ReferencedByForeignKey,
                format!("rows of another table point at rows of {table} that match"),
                "purge the child rows first, or leave their parents out of the condition",
            ),
            ErrorKind::Duplicate => refused(
                ReasonCode::DuplicateRows,
                format!("the destination has a row with the same key as a row of {table} already"),
                "compare the two rows, remove one of them, and run again",
            ),
            ErrorKind::Data => refused(
                ReasonCode::ValuesDoNotFit,
                format!("a row of {table} can't be judged or moved as it is"),
                "write the condition so that every value can be compared, or make the destination take the value",
            ),
            ErrorKind::Other if TOO_BIG.contains(&error.code) => Failure::TooBig(error.to_string()),
            ErrorKind::Denied | ErrorKind::Missing | ErrorKind::Full | ErrorKind::Other => {
                Failure::Fault(Fault::from(error.clone()))
            }
        }
    }
}
