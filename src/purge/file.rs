//! Files as the place where rows go: a batch is on the disk before its rows are deleted.

use std::sync::Arc;

use driftless_strategies::{TableName, TableShape};

use super::lease::batch_number;
use crate::error::Fault;
use crate::ports::destination::{Destination, Fate, Taken};
use crate::ports::server::Server;
use crate::sql::{Sql, archive, purge_journal};

/// Files that take the rows of a run.
pub struct FileTarget {
    files: Box<dyn Destination>,
    /// What reads a row, column by column.
    pub(super) columns: Arc<[Sql]>,
    /// The columns as they were judged, so that an ALTER meanwhile is seen: name and type.
    pub(super) judged: Arc<[(String, String)]>,
    /// The batch that the files have and whose rows may still be there.
    open: Option<u64>,
    /// Whether it is not known what became of such a batch: the next run asks.
    unsure: bool,
}

impl FileTarget {
    /// Files for rows of a table.
    #[must_use]
    pub fn new(files: Box<dyn Destination>, shape: &TableShape) -> Self {
        let judged = shape.columns.iter().map(|column| (column.name.to_string(), column.column_type.clone()));
        Self { files, columns: archive::select_list(shape).into(), judged: judged.collect(), open: None, unsure: false }
    }

    /// Settles what an earlier run left: a batch whose delete is committed stays, one whose is not goes.
    ///
    /// # Errors
    /// `Failed` when the journal can't know of the batch; else as the server and the files say. Nothing was changed then.
    pub async fn settle(&mut self, server: &Arc<dyn Server>, table: &TableName, token: u64) -> Result<(), Fault> {
        let standing = self.files.standing().await?;
        if standing.is_empty() {
            return Ok(());
        }
        let rows = server.connect().await?.query(&purge_journal::marked_file(table)).await?;
        let committed = rows.first().and_then(|row| row.u64(0)).unwrap_or(0);
        for batch in standing.iter().rev() {
            // Batches of earlier holders have smaller numbers than ours, unless the journal was made anew.
            if batch.batch >= batch_number(token, 0) {
                return Err(Fault::Failed(format!(
                    "failed to go on with {}: the journal knows nothing of its last batch (the schema `driftless` was \
                     dropped or restored since); look whether its rows are still in {table}, and move the file away",
                    batch.place
                )));
            }
            let fate = if batch.batch <= committed { Fate::Deleted } else { Fate::NotDeleted };
            self.files.settle(batch.batch, fate).await?;
        }
        Ok(())
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
            Some(false) => self.files.settle(number, Fate::NotDeleted).await,
            None => {
                self.unsure = true;
                Ok(())
            }
        };
        self.unsure |= noted.is_err();
        noted
    }

    /// Completes the files; says which they are.
    pub(super) async fn finish(&mut self) -> Result<Vec<String>, Fault> {
        if self.unsure {
            return Ok(Vec::new());
        }
        Ok(self.files.finish().await?.places)
    }
}
