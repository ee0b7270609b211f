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
use crate::ports::server::ServerError;
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
    /// Marks the transaction that is open on the session; a new slot is made before it. To be called first in it.
    pub(super) async fn mark(&mut self, session: &mut KeptSession, job: &JobId, slots: &Slots) -> Result<(), Unmarked> {
        let number = self.number.take().unwrap_or_else(|| slots.next.fetch_add(1, Ordering::Relaxed));
        let marked = session.write(&sync::mark(job, number, slots.token)).await?.affected == 1;
        if !marked && session.write(&sync::open_slot(job, number, slots.token)).await?.affected != 1 {
            return Err(Unmarked::Deposed);
        }
        self.number = Some(number);
        Ok(())
    }
}
