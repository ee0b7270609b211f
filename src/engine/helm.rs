//! A job in the hands of this process: its entry, its lease, and what operators wish of it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::beating::Pulse;
use super::ending::{Ending, Tally};
use super::keeping::Keeper;
use crate::ports::clock::Clock;
use crate::ports::journal::{Job, Journal, Phase, Wishes};
use crate::ports::report::{Event, Reporter};

/// Between two looks at what holds the job back.
pub(super) const LOOK: Duration = Duration::from_millis(250);

/// What steering needs.
pub(super) struct Hands {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) reporter: Arc<dyn Reporter>,
    /// Whether the job must wait, and for what.
    pub(super) hold: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// Attempts to save the job before it stops.
    pub(super) attempts: u32,
}

/// One job and all that says where it goes.
pub(super) struct Helm {
    hands: Hands,
    pub(super) job: Job,
    pub(super) tally: Tally,
    /// Cancelled by the first signal.
    pub(super) stop: CancellationToken,
    /// Cancelled when the lease is lost: nothing may be sent any more.
    pub(super) deposed: CancellationToken,
    wishes: tokio::sync::watch::Receiver<Wishes>,
    wishes_in: tokio::sync::watch::Sender<Wishes>,
}

impl Helm {
    pub(super) fn new(hands: Hands, job: Job, stop: CancellationToken) -> Self {
        let (wishes_in, wishes) = tokio::sync::watch::channel(Wishes::default());
        let deposed = CancellationToken::new();
        Self { hands, job, tally: Tally::default(), stop, deposed, wishes, wishes_in }
    }

    /// Renews the lease in the background; a lost lease or an abort stops the run.
    pub(super) fn start_beating(&self) -> tokio::task::JoinHandle<()> {
        Pulse {
            clock: Arc::clone(&self.hands.clock),
            journal: Arc::clone(&self.hands.journal),
            stop: self.stop.clone(),
            deposed: self.deposed.clone(),
            wishes: self.wishes_in.clone(),
        }
        .start()
    }

    fn keeper(&self) -> Keeper {
        Keeper {
            clock: Arc::clone(&self.hands.clock),
            journal: Arc::clone(&self.hands.journal),
            reporter: Arc::clone(&self.hands.reporter),
        }
    }

    /// Says that a step is tried again, and waits a little.
    pub(super) async fn retried(&self, what: &str, why: &str, attempt: u32) {
        self.keeper().retried(what, why, attempt).await;
    }

    /// Ends the beating, says in the journal how it ended, and gives the lease back.
    pub(super) async fn leave(mut self, beating: &tokio::task::JoinHandle<()>, ending: Ending) -> (Ending, Tally, Job) {
        beating.abort();
        self.keeper().leave(&mut self.job, &ending).await;
        (ending, self.tally, self.job)
    }

    /// Enters a phase once the journal knows it.
    pub(super) async fn enter(&mut self, phase: Phase) -> Result<(), Ending> {
        let from = std::mem::replace(&mut self.job.phase, phase);
        if let Err(fault) = self.keeper().save(&self.job, self.hands.attempts).await {
            self.job.phase = from;
            return Err(Ending::of(fault, from));
        }
        self.hands.reporter.event(&Event::Entered { phase });
        Ok(())
    }

    /// Waits while an operator holds the job, for as long as he likes; a pause holds it whatever the file says.
    pub(super) async fn hold(&self, file_counts: bool) -> Result<(), Ending> {
        let mut told: Option<String> = None;
        loop {
            if self.stop.is_cancelled() {
                return Err(self.stopped());
            }
            let wishes = *self.wishes.borrow();
            let why = if wishes.cutover && file_counts {
                None
            } else if wishes.pause {
                Some("paused by an operator".to_owned())
            } else if file_counts {
                (self.hands.hold)()
            } else {
                None
            };
            let Some(why) = why else { return Ok(()) };
            self.held(&mut told, why);
            self.hands.clock.sleep(LOOK).await;
        }
    }

    /// Says what the job waits for, when it is something else than before.
    pub(super) fn held(&self, told: &mut Option<String>, why: String) {
        // Numbers change all the time.
        let gist: String = why.chars().filter(|c| !c.is_ascii_digit()).collect();
        if told.as_ref() != Some(&gist) {
            self.hands.reporter.event(&Event::Held { why });
            *told = Some(gist);
        }
    }

    /// Whether an operator wants the job undone.
    pub(super) fn aborted(&self) -> bool {
        self.wishes.borrow().abort
    }

    /// The ending of a run that was told to stop.
    pub(super) fn stopped(&self) -> Ending {
        let why = if self.deposed.is_cancelled() {
            "the lease on the job was lost"
        } else if self.aborted() {
            "aborted by an operator"
        } else {
            "stopped by a signal"
        };
        Ending::Stopped { phase: self.job.phase, why: why.into() }
    }

    /// What an ending means for the whole: a refusal says that nothing was changed and closes the job; `None` when it is to
    /// be undone.
    pub(super) async fn turn(&mut self, ending: Ending) -> Option<Ending> {
        let at = self.job.phase;
        if at.over() {
            return Some(ending);
        }
        if self.deposed.is_cancelled() {
            return Some(ending.job_stays(at));
        }
        match ending {
            Ending::Refused { .. } => match self.enter(Phase::Undone).await {
                Ok(()) => Some(ending),
                Err(_) => Some(ending.job_stays(at)),
            },
            Ending::Stopped { .. } if self.aborted() => None,
            Ending::Done
            | Ending::Undone
            | Ending::Again
            | Ending::Stopped { .. }
            | Ending::Different { .. }
            | Ending::Drifted { .. }
            | Ending::Unknown { .. }
            | Ending::Failed { .. } => Some(ending),
        }
    }
}
