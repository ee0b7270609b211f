//! Brings the rows of changed keys in step, batch after batch.

use std::sync::Arc;

use super::backlog::{Batch, Haste};
use super::following::{IDLE, Shared, lock};
use super::keeping::backoff;
use crate::error::Fault;
use crate::ports::syncing::{Reading, Touched};

/// Rows that one transaction brings in step at most.
const BATCH: usize = 500;
/// Failures of a row before it is looked for why it can't be taken; even, when it is tried alone.
const EXPLAIN_AFTER: u32 = 20;

/// An applier's life: batch after batch; smaller ones after a conflict, single rows with patience.
pub(super) async fn apply(shared: Arc<Shared>) -> Result<(), Fault> {
    let mut syncer = shared.follow.syncing.syncer().await?;
    let mut size = BATCH;
    let mut fails = 0_u32;
    let mut good = shared.around.clock.now();
    loop {
        let moved = shared.moved.notified();
        let batch = if shared.closed() { Batch::default() } else { lock(&shared.backlog).take(size) };
        if batch.touched.is_empty() {
            good = shared.around.clock.now();
            tokio::select! {
                biased;
                () = moved => {}
                () = shared.around.clock.sleep(IDLE) => {}
            }
            continue;
        }
        let (alone, haste) = (batch.touched.len() == 1, lock(&shared.state).haste);
        let explain = alone && batch.fails > 0 && batch.fails.is_multiple_of(EXPLAIN_AFTER);
        let reading = match (haste, alone) {
            (Haste::Still, _) => Reading::Unlocked,
            (Haste::Ordinary | Haste::Hurried, true) => Reading::Patient,
            (Haste::Ordinary | Haste::Hurried, false) => Reading::Impatient,
        };
        let back = PutBack { shared: &shared, batch: batch.touched };
        match syncer.sync(&back.batch, reading, explain).await {
            Ok(()) => {
                back.done();
                fails = 0;
                size = (size * 2).min(BATCH);
                good = shared.around.clock.now();
            }
            Err(fault @ (Fault::Busy(_) | Fault::Lost(_))) => {
                drop(back);
                fails += 1;
                size = (size / 2).max(1);
                tracing::debug!(%fault, fails, "rows not brought in step yet");
                if shared.around.clock.now().saturating_sub(good) > shared.around.patience {
                    return Err(fault);
                }
                shared.around.clock.sleep(backoff(fails.saturating_sub(4)) / 40).await;
            }
            Err(fault) => return Err(fault),
        }
        shared.moved.notify_waiters();
    }
}

/// Rows that are being brought in step; they wait again when that does not come to an end.
struct PutBack<'a> {
    shared: &'a Shared,
    batch: Vec<Touched>,
}

impl PutBack<'_> {
    fn done(mut self) {
        let batch = std::mem::take(&mut self.batch);
        lock(&self.shared.backlog).done(&batch);
        lock(&self.shared.state).applied += u64::try_from(batch.len()).unwrap_or(u64::MAX);
    }
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        lock(&self.shared.backlog).put_back(std::mem::take(&mut self.batch));
    }
}
