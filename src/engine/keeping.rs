//! A job's entry in the journal: saved, and left in good order.

use std::sync::Arc;
use std::time::Duration;

use super::ending::Ending;
use crate::error::{Fault, Remedy};
use crate::ports::clock::Clock;
use crate::ports::journal::{Job, Journal};
use crate::ports::report::{Event, Reporter};

/// Attempts to say goodbye to the journal; an operator's wish may be in the way.
const RELEASES: u32 = 4;

/// What keeping needs.
pub(super) struct Keeper {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) reporter: Arc<dyn Reporter>,
}

impl Keeper {
    pub(super) async fn save(&self, job: &Job, attempts: u32) -> Result<(), Fault> {
        let mut attempt = 0;
        loop {
            match self.journal.save(job).await {
                // A save is idempotent, so one that may have happened is simply repeated.
                Err(Fault::Busy(why) | Fault::Lost(why)) if attempt < attempts => {
                    attempt += 1;
                    self.retried("saving the journal", &why, attempt).await;
                }
                answer => return answer,
            }
        }
    }

    /// Says how it ended in the journal and gives the lease back; a failure here changes nothing: leases run out.
    pub(super) async fn leave(&self, job: &mut Job, ending: &Ending) {
        job.stopped = match ending {
            Ending::Done | Ending::Undone | Ending::Again => String::new(),
            Ending::Stopped { why, .. } => why.clone(),
            Ending::Refused { reason, .. } => reason.what.clone(),
            Ending::Different { differences } if job.phase.over() => differences.join("; "),
            Ending::Different { differences } => format!("{} rows differ", differences.len()),
            Ending::Drifted { what, nodes } => format!("{what}: {}", nodes.join("; ")),
            Ending::Unknown { what, .. } | Ending::Failed { what, .. } => what.clone(),
        };
        // The node may be gone for good: what is not said here is found by what stands.
        if let Err(fault) = self.save(job, RELEASES).await {
            tracing::warn!(%fault, "journal not saved at the end");
        }
        let mut attempt = 0;
        while let Err(fault) = self.journal.release().await {
            attempt += 1;
            if fault.remedy() == Remedy::Stop || attempt >= RELEASES {
                tracing::warn!(%fault, "lease not given back");
                return;
            }
            self.clock.sleep(backoff(attempt)).await;
        }
    }

    pub(super) async fn retried(&self, what: &str, why: &str, attempt: u32) {
        self.reporter.event(&Event::Retried { what: what.into(), why: why.into(), attempt });
        self.clock.sleep(backoff(attempt)).await;
    }
}

/// 50 ms, 100 ms, … at most 3 s.
pub(super) fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(50 << attempt.min(6)).min(Duration::from_secs(3))
}
