//! Files as the place where rows go: a batch is on the disk before its rows are deleted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::{TableName, TableShape};

use super::lease::batch_number;
use super::table::{ColumnNow, judged};
use crate::error::Fault;
use crate::mysql::kept::KeptSession;
use crate::ports::clock::Clock;
use crate::ports::destination::{Destination, Fate, Taken};
use crate::ports::server::{ErrorKind, Server, ServerError};
use crate::sql::copy::transaction;
use crate::sql::{Sql, archive, purge_journal};

/// How often it is asked what became of a batch.
const ATTEMPTS: u32 = 12;
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(250);

/// Files that take the rows of a run.
pub struct FileTarget {
    files: Box<dyn Destination>,
    clock: Arc<dyn Clock>,
    /// The run's id in the journal.
    pub(super) run: String,
    /// What reads a row, column by column.
    pub(super) columns: Arc<[Sql]>,
    /// The columns as they were judged, so that an ALTER meanwhile is seen.
    pub(super) judged: Arc<[ColumnNow]>,
    /// The batch that the files have and whose rows may still be there.
    open: Option<u64>,
    /// Whether it is not known what became of such a batch: the next run asks.
    unsure: bool,
    /// Earlier runs whose batches were settled.
    settled: BTreeSet<String>,
    /// Numbers that questions have used.
    pub(super) asked: u64,
}

/// What the journal knows of a batch, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Its delete is committed.
    Deleted,
    /// It is not, and never will be.
    NotDeleted,
    /// The journal has never heard of its run.
    Nothing,
    /// Another process has taken over the table: only that one can say.
    Deposed,
}

/// Who asks the journal for a batch of a run.
pub(super) struct Asking<'a> {
    pub(super) table: &'a TableName,
    pub(super) token: u64,
    pub(super) run: &'a str,
    pub(super) batch: u64,
}

impl FileTarget {
    /// Files for rows of a table; `run` is the run's id in the journal.
    #[must_use]
    pub fn new(files: Box<dyn Destination>, run: String, shape: &TableShape, clock: Arc<dyn Clock>) -> Self {
        Self {
            files,
            clock,
            run,
            columns: archive::select_list(shape).into(),
            judged: judged(shape).into(),
            open: None,
            unsure: false,
            settled: BTreeSet::new(),
            asked: 0,
        }
    }

    /// Settles what an earlier run left (a batch whose delete is committed stays, one whose is not goes), makes this run
    /// known to the journal, and makes the first file.
    ///
    /// # Errors
    /// `Failed` when the journal can't know of a batch; else as the server and the files say. Nothing was deleted then.
    pub async fn begin(&mut self, server: &Arc<dyn Server>, table: &TableName, token: u64) -> Result<(), Fault> {
        let begun = self.settle(server, table, token).await;
        if begun.is_err() {
            // Removes a first file that is empty; what stands in others is left for the next run.
            drop(self.files.finish().await);
        }
        begun
    }

    async fn settle(&mut self, server: &Arc<dyn Server>, table: &TableName, token: u64) -> Result<(), Fault> {
        let mut session = KeptSession::new(Arc::clone(server), vec![transaction::row_lock_wait(1)]);
        for standing in self.files.standing().await?.iter().rev() {
            let asking = Asking { table, token, run: &standing.run, batch: standing.batch };
            let fate = match self.ask(&mut session, &asking).await? {
                Known::Deleted => Fate::Deleted,
                Known::NotDeleted => Fate::NotDeleted,
                Known::Nothing => {
                    return Err(Fault::Failed(format!(
                        "failed to go on with {}: the journal on these servers knows nothing of the run that wrote it (it was \
                         another cluster's, or the schema `driftless` was dropped or restored since); look whether the {} rows \
                         of its last batch are still in {table}, and move the file away with its .part and .manifest",
                        standing.place, standing.rows
                    )));
                }
                Known::Deposed => return Err(deposed(table)),
            };
            self.files.settle(&standing.run, standing.batch, fate).await?;
            self.settled.insert(standing.run.clone());
        }
        session.write(&purge_journal::file_begin(table, &self.run)).await?;
        self.files.ready().await
    }

    /// Asks what became of a batch, until the answer is one that nothing can change any more.
    pub(super) async fn ask(&mut self, session: &mut KeptSession, asking: &Asking<'_>) -> Result<Known, Fault> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.asked += 1;
            let error = match question(session, asking, batch_number(asking.token, self.asked)).await {
                Ok(known) => return Ok(known),
                Err(error) => error,
            };
            // A new connection has no transaction.
            session.forget();
            let passing =
                matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotReady | ErrorKind::Lost | ErrorKind::Connect);
            if !passing || attempt == ATTEMPTS {
                return Err(Fault::Lost(format!(
                    "failed to ask whether the rows of the last batch are deleted: {error}; run again, which asks first"
                )));
            }
            self.clock.sleep(PAUSE).await;
        }
    }

    /// Takes a batch durably.
    pub(super) async fn take(&mut self, number: u64, taken: &Taken) -> Result<(), Fault> {
        self.files.take(number, taken).await?;
        self.open = Some(number);
        Ok(())
    }

    /// Notes what became of the last batch, when it was taken; `None`: nobody knows.
    pub(super) async fn note(&mut self, deleted: Option<bool>) -> Result<(), Fault> {
        let Some(number) = self.open.take() else { return Ok(()) };
        let noted = match deleted {
            Some(true) => self.files.deleted(number).await,
            Some(false) => self.files.settle(&self.run, number, Fate::NotDeleted).await,
            None => {
                self.unsure = true;
                Ok(())
            }
        };
        self.unsure |= noted.is_err();
        noted
    }

    /// Completes the files; says which they are, and which runs the journal may forget.
    pub(super) async fn finish(&mut self) -> Result<(Vec<String>, BTreeSet<String>), Fault> {
        if self.unsure {
            return Ok((Vec::new(), BTreeSet::new()));
        }
        let places = self.files.finish().await?.places;
        let mut over = std::mem::take(&mut self.settled);
        over.insert(self.run.clone());
        Ok((places, over))
    }
}

fn deposed(table: &TableName) -> Fault {
    Fault::Lost(format!("another process has taken over {table}: it finds out what became of the last batch"))
}

/// One question, as a transaction that changes the mark which every batch changes: either the batch's COMMIT comes before,
/// then it is seen, or it comes after and conflicts. A reading alone could be overtaken by a COMMIT that is on its way, on
/// this node or on another.
async fn question(session: &mut KeptSession, asking: &Asking<'_>, number: u64) -> Result<Known, ServerError> {
    let Asking { table, token, run, batch } = *asking;
    session.write(&transaction::start()).await?;
    if session.write(&purge_journal::mark(table, token, number)).await?.affected != 1 {
        session.forget();
        return Ok(Known::Deposed);
    }
    // Not `read`, which would ask again on another connection, without the transaction.
    let rows = session.session().await?.query(&purge_journal::file_marked(table, run)).await?;
    session.write(&transaction::commit()).await?;
    Ok(match rows.first().and_then(|row| row.u64(0)) {
        Some(last) if batch <= last => Known::Deleted,
        Some(_) => Known::NotDeleted,
        None => Known::Nothing,
    })
}
