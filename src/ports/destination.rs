//! Where rows go before they are deleted.

use crate::error::Fault;
use crate::ports::rows::Bound;
use crate::ports::server::Row;

/// The rows of one batch, in the order in which they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The rows, read by `sql::archive::select_list`.
    pub rows: Vec<Row>,
    /// Their keys, one a row.
    pub keys: Vec<Bound>,
}

/// A batch that a destination holds and that it was not told to be deleted: left by a run that ended half-way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its number.
    pub batch: u64,
    /// The run that took it: its id in the source's journal.
    pub run: String,
    /// Its rows.
    pub rows: u64,
    /// Where it stands, for people.
    pub place: String,
}

/// What became of a batch's rows in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Their delete is committed: the batch stays.
    Deleted,
    /// It is not: the batch goes, its rows will be taken again.
    NotDeleted,
    /// They are not to be deleted: the batch stays.
    Kept,
}

/// What a destination took in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows.
    pub rows: u64,
    /// Bytes, as they are kept.
    pub bytes: u64,
    /// Where they are, for people: paths, a table.
    pub places: Vec<String>,
}

/// Takes rows, batch by batch, in order.
#[async_trait::async_trait]
pub trait Destination: Send {
    /// Batches of a run that ended half-way, oldest first; each must be settled before anything else is asked for.
    ///
    /// # Errors
    /// `Failed` when what is there can't be read.
    async fn standing(&mut self) -> Result<Vec<Standing>, Fault> {
        Ok(Vec::new())
    }
    /// Says what became of a standing batch of that run, or that this run's last batch's delete was rolled back for good.
    /// The newest first when several were not deleted. Numbers alone may be those of several runs.
    ///
    /// # Errors
    /// `Failed` when it can't be done.
    async fn settle(&mut self, run: &str, batch: u64, fate: Fate) -> Result<(), Fault> {
        let _ = (run, batch, fate);
        Ok(())
    }
    /// Completes what was settled, and makes room for the first batch.
    ///
    /// # Errors
    /// `Refused` when the name of the first file is taken, else `Failed`; what was settled stays settled.
    async fn ready(&mut self) -> Result<(), Fault> {
        Ok(())
    }
    /// Takes a batch durably. Only after `Ok` may the rows be deleted. The same batch once more changes nothing.
    ///
    /// # Errors
    /// `Failed` when it was not taken: nothing of it is kept, and its rows must not be deleted.
    async fn take(&mut self, batch: u64, taken: &Taken) -> Result<(), Fault>;
    /// The source's delete of that batch is committed.
    ///
    /// # Errors
    /// `Failed` when this can't be noted.
    async fn deleted(&mut self, batch: u64) -> Result<(), Fault>;
    /// Nothing more comes.
    ///
    /// # Errors
    /// `Failed` when what was taken could not be completed; it is kept, and the next run completes it.
    async fn finish(&mut self) -> Result<Summary, Fault>;
}
