//! The lease, renewed in the background, and what operators wish.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::{Fault, Remedy};
use crate::ports::clock::Clock;
use crate::ports::journal::{Journal, Wishes};

/// How often the lease is renewed and wishes are read.
const BEAT: Duration = Duration::from_secs(2);
/// Longest wait for the answer to one beat.
const ANSWER: Duration = Duration::from_secs(4);
/// Without a renewal for so long the job is let go of: the lease lasts 20 s, and one more beat may be under way.
const DOUBT: Duration = Duration::from_secs(12);

/// Where a beat makes itself felt.
pub(super) struct Pulse {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) journal: Arc<dyn Journal>,
    /// Cancelled when the run must stop.
    pub(super) stop: CancellationToken,
    /// Cancelled when the lease is lost, or may be soon.
    pub(super) deposed: CancellationToken,
    pub(super) wishes: watch::Sender<Wishes>,
}

impl Pulse {
    /// Beats until it is aborted.
    pub(super) fn start(self) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut renewed = self.clock.now();
            loop {
                self.clock.sleep(BEAT).await;
                let began = self.clock.now();
                let answer = tokio::select! {
                    biased;
                    answer = self.journal.beat() => answer,
                    () = self.clock.sleep(ANSWER) => Err(Fault::Busy("the journal does not answer".into())),
                };
                match answer {
                    Ok(now) => {
                        renewed = began;
                        // Known before the run stops, so that it stops for the right reason.
                        self.wishes.send_replace(now);
                        if now.abort {
                            self.stop.cancel();
                        }
                    }
                    Err(fault) if fault.remedy() == Remedy::Stop => self.let_go(&fault),
                    Err(fault) if self.clock.now().saturating_sub(renewed) >= DOUBT => self.let_go(&fault),
                    Err(fault) => tracing::debug!(%fault, "lease not renewed"),
                }
            }
        })
    }

    fn let_go(&self, fault: &Fault) {
        tracing::warn!(%fault, "the lease is lost");
        self.deposed.cancel();
        self.stop.cancel();
    }
}
