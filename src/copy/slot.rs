//! What ties every write of a stream's job to its process: a row of its own, changed in the same transaction.
//!
//! A transaction of a killed process may still be on its way when the next one has the lease. No lock and no key of the
//! source says so on another node: only that both changed the same row. The next process deletes the rows first, so that whatever was sent
//! before and is ordered later fails its certification, on every node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;

use crate::error::Fault;
use crate::mysql::kept::KeptSession;
use crate::ports::journal::JobId;
use crate::ports::server::{ErrorKind, ServerError};
use crate::sql::copy::transaction;
use crate::sql::sync;

/// Slots of one process.
#[derive(Clone, Debug)]
pub struct Slots {
    token: u64,
    next: Arc<AtomicU64>,
}

impl Slots {
    /// Slots under the lease with that token.
    #[must_use]
    pub fn new(token: u64) -> Self {
        Self { token, next: Arc::new(AtomicU64::new(1)) }
    }
}

/// Why a slot could not be marked.
pub(super) enum Unmarked {
    /// As the server says.
    Server(ServerError),
    /// Another process has the job.
    Deposed,
}

impl From<ServerError> for Unmarked {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

/// What `Unmarked::Deposed` means for the job.
pub(super) fn deposed(job: &JobId) -> Fault {
    Fault::Refused(Box::new(Reason::new(
        ReasonCode::JobActive,
        format!("another process works on job {job}"),
        "let that process go on; see `driftless status`",
    )))
}

/// The slot of one connection.
#[derive(Debug, Default)]
pub(super) struct Slot {
    number: Option<u64>,
}

impl Slot {
    /// Makes the slot, when there is none yet, in a transaction of its own that changes the job's row too: who takes the job
    /// over changes that first, so that a slot which is made later fails its certification. To be called before the
    /// transaction that it marks.
    pub(super) async fn open(&mut self, session: &mut KeptSession, job: &JobId, slots: &Slots) -> Result<(), Unmarked> {
        if self.number.is_some() {
            return Ok(());
        }
        let number = slots.next.fetch_add(1, Ordering::Relaxed);
        session.write(&transaction::start()).await?;
        let held = session.write(&sync::hold_job(job, slots.token)).await?.affected == 1;
        if !held || session.write(&sync::open_slot(job, number, slots.token)).await?.affected != 1 {
            return Err(Unmarked::Deposed);
        }
        session.write(&transaction::commit()).await?;
        self.number = Some(number);
        Ok(())
    }

    /// Marks the transaction that is open on the session. To be called first in it.
    pub(super) async fn mark(&mut self, session: &mut KeptSession, job: &JobId, slots: &Slots) -> Result<(), Unmarked> {
        if let Some(number) = self.number
            && session.write(&sync::mark(job, number, slots.token)).await?.affected == 1
        {
            return Ok(());
        }
        // Deleted, by whoever has the job now: `open` asks.
        self.number = None;
        Err(Unmarked::Server(ServerError {
            node: session.address().to_owned(),
            code: 0,
            message: "the slot of this connection is closed".into(),
            kind: ErrorKind::Conflict,
        }))
    }
}
