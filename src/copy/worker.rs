//! Copies chunks and compares ranges on one connection, and waits on others until the cluster has applied the chunks.

use std::sync::Arc;

use driftless_strategies::Flavour;
use futures_util::future::join_all;

use super::applied::Other;
use super::evidence;
use super::slot::{Slot, Unmarked, deposed};
use super::table::{Kept, Setting};
use crate::error::Fault;
use crate::mysql::kept::KeptSession;
use crate::ports::rows::{Chunk, Compared, Copied, Part, Range, RowWorker};
use crate::ports::server::{ErrorKind, ServerError};
use crate::sql;
use crate::sql::copy::transaction;

/// Differing rows that are named.
const NAMED_DIFFERENCES: u64 = 10;

/// A connection with its lock-wait setting.
pub(super) struct Worker {
    setting: Setting,
    session: KeptSession,
    others: Vec<Other>,
    /// Seconds that the session now waits for a row lock; `None` when not set yet.
    waits: Option<u64>,
    slot: Slot,
}

impl Worker {
    pub(super) fn new(setting: Setting) -> Self {
        let others = setting.others.iter().map(|server| Other::new(Arc::clone(server), setting.flavour)).collect();
        Self { session: setting.writer(), others, setting, waits: None, slot: Slot::default() }
    }

    async fn set_wait(&mut self, patient: bool) -> Result<(), ServerError> {
        let longest = self.setting.row_lock_wait.as_secs().max(1);
        let seconds = if patient || self.setting.flavour != Flavour::MariaDb { longest } else { 0 };
        if self.waits != Some(seconds) {
            self.session.write(&transaction::row_lock_wait(seconds)).await?;
            self.waits = Some(seconds);
        }
        Ok(())
    }

    /// Everything before COMMIT: whatever fails here has not happened.
    async fn insert(&mut self, chunk: &Chunk) -> Result<u64, Failure> {
        if let Kept::ByStream(slots) = &self.setting.kept {
            self.slot.open(&mut self.session, &self.setting.job, slots).await?;
        }
        self.session.write(&transaction::start()).await?;
        if let Kept::ByStream(slots) = &self.setting.kept {
            self.slot.mark(&mut self.session, &self.setting.job, slots).await?;
        }
        let (spec, range) = (&self.setting.spec, &chunk.range);
        let statement = match self.setting.kept {
            Kept::ByTriggers => sql::copy::copy_chunk(spec, range),
            Kept::ByStream(_) => sql::copy::overwrite_chunk(spec, range),
        };
        let done = self.session.write(&statement).await?;
        if chunk.part == Part::Last {
            match self.session.write(&sql::copy::checkpoint(&self.setting.job, chunk)).await {
                Ok(_) => {}
                // The number is there: another process works on this job, and this one must not go on.
                Err(error) if error.kind == ErrorKind::Duplicate => return Err(Failure::Taken),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done.affected)
    }

    /// Leaves no transaction open, whatever state the connection is in.
    async fn abandon(&mut self) {
        if self.session.write(&transaction::rollback()).await.is_err() {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.session.forget();
        self.waits = None;
    }

    async fn committed(&mut self, chunk: &Chunk) -> Result<bool, Fault> {
        self.forget();
        if chunk.part == Part::Inner {
            return Ok(false);
        }
        let sql = sql::copy::checkpoint_exists(&self.setting.job, chunk.number);
        let rows = self.session.read(&sql).await.map_err(|error| Fault::Lost(error.to_string()))?;
        Ok(rows.first().and_then(|row| row.u64(0)) == Some(1))
    }
}

/// Why nothing of a chunk happened.
enum Failure {
    Server(ServerError),
    Taken,
}

impl From<Unmarked> for Failure {
    fn from(unmarked: Unmarked) -> Self {
        match unmarked {
            Unmarked::Server(error) => Self::Server(error),
            Unmarked::Deposed => Self::Taken,
        }
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

#[async_trait::async_trait]
impl RowWorker for Worker {
    async fn copy(&mut self, chunk: &Chunk, patient: bool) -> Result<Copied, Fault> {
        if let Err(error) = self.set_wait(patient).await {
            self.forget();
            return Err(not_happened(&error));
        }
        let rows = match self.insert(chunk).await {
            Ok(rows) => rows,
            Err(Failure::Taken) => {
                self.abandon().await;
                return Err(deposed(&self.setting.job));
            }
            Err(Failure::Server(error))
                if matches!(error.kind, ErrorKind::NotReady | ErrorKind::Connect | ErrorKind::Lost) =>
            {
                self.forget();
                return Err(not_happened(&error));
            }
            Err(Failure::Server(error)) => {
                self.abandon().await;
                return Err(match error.kind {
                    ErrorKind::Conflict | ErrorKind::NotReady | ErrorKind::Connect | ErrorKind::Lost => {
                        not_happened(&error)
                    }
                    ErrorKind::Duplicate
                    | ErrorKind::Data
                    | ErrorKind::Denied
                    | ErrorKind::Missing
                    | ErrorKind::Full
                    | ErrorKind::Other => evidence::of(&self.setting, &mut self.session, &chunk.range, &error).await,
                });
            }
        };
        match self.session.write(&transaction::commit()).await {
            Ok(_) => Ok(Copied { rows }),
            Err(error) if matches!(error.kind, ErrorKind::Lost | ErrorKind::NotReady) => {
                if self.committed(chunk).await? { Ok(Copied { rows }) } else { Err(not_happened(&error)) }
            }
            Err(error) => {
                self.abandon().await;
                Err(error.into())
            }
        }
    }

    async fn applied(&mut self) -> bool {
        join_all(self.others.iter_mut().map(Other::applied)).await.into_iter().all(|answered| answered)
    }

    async fn compare(&mut self, range: &Range) -> Result<Compared, Fault> {
        let (spec, digest) = (self.setting.spec.clone(), self.setting.digest.clone());
        let rows = self.session.read(&sql::checksum::both_sides(&spec, &digest, range)).await?;
        let side = |index| rows.first().and_then(|row| row.text(index)).unwrap_or_default();
        let (source, shadow) = (side(0), side(1));
        let counted = source.split(':').next().and_then(|count| count.parse().ok()).unwrap_or(0);
        if source == shadow && !source.is_empty() {
            return Ok(Compared { rows: counted, differences: Vec::new() });
        }
        let found = self.session.read(&sql::checksum::differing_rows(&spec, &digest, range, NAMED_DIFFERENCES)).await?;
        let mut differences: Vec<String> = found
            .iter()
            .map(|row| {
                let (side, key) = (row.text(0).unwrap_or_default(), row.text(2).unwrap_or_default());
                format!("key ({key}): the row of the {side} has no equal on the other side")
            })
            .collect();
        if differences.is_empty() {
            differences.push(format!("a range differs in whole (source {source}, shadow {shadow}) but no row does"));
        }
        Ok(Compared { rows: counted, differences })
    }
}

/// A failure before COMMIT was sent: the server rolls back, so it may be tried again.
fn not_happened(error: &ServerError) -> Fault {
    Fault::Busy(error.to_string())
}
