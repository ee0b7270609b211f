//! One ALTER of the table itself: proven possible, journalled, sent once, and proven on every node by what each has.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::DirectSpec;
use tokio_util::sync::CancellationToken;

use super::ending::{Ending, Tally};
use super::helm::{Hands, Helm};
use super::keeping::backoff;
use super::standing::{Standing, standing};
use crate::error::Fault;
use crate::ports::clock::Clock;
use crate::ports::direct::Direct;
use crate::ports::journal::{Job, Journal, Phase};
use crate::ports::nodes::Nodes;
use crate::ports::pace::{Gate, Pace};
use crate::ports::report::{Event, Reporter};

/// Between two looks at what the nodes have.
const SETTLE_LOOK: Duration = Duration::from_millis(300);
/// Longest wait, beside twice the estimated time, until every node has said what it has: an ALTER may wait there for a lock
/// that came at the last moment.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// Longest wait for a node that gives no answer at all.
const SILENT_LIMIT: Duration = Duration::from_secs(60);
/// The same once a signal came.
const SILENT_STOP: Duration = Duration::from_secs(10);
/// On one primary everybody queues behind an ALTER that waits for a lock: it comes again after so long, then after twice as
/// long, at most `GAPS` times as long.
const GAP: Duration = Duration::from_secs(5);
const GAPS: u32 = 6;
/// An ALTER that worked for so long before it met a lock at its end has cost something; after so many of them the job stops.
const LONG: Duration = Duration::from_secs(30);
const WASTED: u32 = 3;
/// What is said of the nodes when the ALTER does not come to an end.
const STILL_ALTERING: &str = "a session still works on an ALTER of the table; end whoever holds the table locked or runs a \
                              backup: everybody waits for it";
/// Looks in a row in which nodes must differ before it is said that they do (3 s).
const DIFFER_LOOKS: u32 = 10;
/// Longest that an ALTER whose sender is gone may still be on its way to the server.
const LATE_ALTER: Duration = Duration::from_secs(5);
/// Attempts to find all nodes healthy after the ALTER (about 30 s).
const AFTER_ATTEMPTS: u32 = 12;

/// Everything that it acts through.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The table on all nodes.
    pub direct: Arc<dyn Direct>,
    /// Health and sameness of the nodes.
    pub nodes: Arc<dyn Nodes>,
    /// Whether the cluster has room.
    pub pace: Arc<dyn Pace>,
    /// The job's memory.
    pub journal: Arc<dyn Journal>,
    /// Who listens.
    pub reporter: Arc<dyn Reporter>,
    /// Whether the ALTER must wait, and for what; asked four times a second.
    pub hold: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

/// Limits of a run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Attempts of one step before the job stops.
    pub attempts: u32,
    /// Longest time in which the ALTER can't be sent before the job stops.
    pub patience: Duration,
}

impl Ports {
    /// What steering a job needs of them.
    pub(super) fn hands(&self, attempts: u32) -> Hands {
        Hands {
            clock: Arc::clone(&self.clock),
            journal: Arc::clone(&self.journal),
            reporter: Arc::clone(&self.reporter),
            hold: Arc::clone(&self.hold),
            attempts,
        }
    }
}

/// One run of one job whose plan is a single ALTER.
pub struct Altering {
    ports: Ports,
    limits: Limits,
    spec: DirectSpec,
    helm: Helm,
}

/// What an attempt came to.
enum Attempt {
    Changed,
    /// Nothing was sent: something is in the way that may pass.
    Waits(String),
    /// It was sent in vain.
    Again {
        why: String,
        took: Duration,
    },
}

impl Altering {
    /// Takes a job that this process holds the lease of, and what its plan works with.
    #[must_use]
    pub fn new(ports: Ports, limits: Limits, job: Job, spec: DirectSpec, stop: CancellationToken) -> Self {
        let helm = Helm::new(ports.hands(limits.attempts), job, stop);
        Self { ports, limits, spec, helm }
    }

    /// Runs the job to its end, or to where it must stop. Gives the lease back in any case.
    pub async fn run(mut self) -> (Ending, Tally, Job) {
        let beating = self.helm.start_beating();
        let ending = match self.carry_out().await {
            Ok(()) => Ending::Done,
            Err(ending) => match self.helm.turn(ending).await {
                Some(ending) => ending,
                None => self.close().await,
            },
        };
        self.helm.leave(&beating, ending).await
    }

    /// Closes a job that nobody works on, unless the table is changed. Gives the lease back in any case.
    pub async fn undo(mut self) -> (Ending, Tally, Job) {
        let beating = self.helm.start_beating();
        let ending = self.close().await;
        self.helm.leave(&beating, ending).await
    }

    async fn carry_out(&mut self) -> Result<(), Ending> {
        let at = self.helm.job.phase;
        match at {
            Phase::Planned | Phase::Holding => {}
            Phase::Altering => {
                // The ALTER of a process that was killed may still be on its way.
                self.ports.clock.sleep(LATE_ALTER).await;
                match self.settled().await {
                    Standing::Before => {}
                    Standing::After => return self.finish().await,
                    other @ (Standing::Neither(_) | Standing::Differ(_) | Standing::Silent { .. }) => {
                        return Err(odd(other));
                    }
                }
            }
            Phase::Done => return Ok(()),
            Phase::Undoing | Phase::Undone => return Err(self.close().await),
            Phase::Shadowing
            | Phase::Arming
            | Phase::Copying
            | Phase::Verifying
            | Phase::Switching
            | Phase::Finishing => {
                return Err(Ending::Failed { phase: at, what: "BUG: an ALTER's job is in a phase of a copy".into() });
            }
        }
        // What was sent once stays said: a job that is held has sent nothing yet.
        if at != Phase::Altering {
            self.helm.enter(Phase::Holding).await?;
        }
        self.helm.hold(true).await?;
        self.helm.enter(Phase::Altering).await?;
        self.insist().await?;
        self.finish().await
    }

    /// Sends the ALTER until it is carried out, or was sent in vain too often. Waiting for something in the way is no
    /// attempt.
    async fn insist(&mut self) -> Result<(), Ending> {
        let since = self.ports.clock.now();
        let (mut sent, mut wasted, mut waits, mut told) = (0, 0, 0, None);
        loop {
            self.helm.hold(true).await?;
            let attempt = self.attempt(sent + 1).await?;
            let patient = self.ports.clock.now().saturating_sub(since) < self.limits.patience;
            match attempt {
                Attempt::Changed => return Ok(()),
                Attempt::Waits(why) if patient => {
                    waits += 1;
                    self.helm.held(&mut told, why);
                    self.ports.clock.sleep(backoff(waits)).await;
                }
                Attempt::Again { why, took } if patient => {
                    sent += 1;
                    wasted += u32::from(took >= LONG);
                    if sent >= self.limits.attempts || wasted >= WASTED {
                        return Err(Ending::Stopped { phase: Phase::Altering, why });
                    }
                    self.helm.tally.retries += 1;
                    self.helm.retried("the ALTER", &why, sent).await;
                    if !self.ordered() {
                        self.ports.clock.sleep(GAP * sent.min(GAPS)).await;
                    }
                }
                Attempt::Waits(why) | Attempt::Again { why, .. } => {
                    return Err(Ending::Stopped { phase: Phase::Altering, why });
                }
            }
        }
    }

    fn no_room(&self) -> Option<String> {
        match self.ports.pace.gate() {
            Gate::Closed { why } => Some(why),
            Gate::Open { .. } => None,
        }
    }

    /// Sends the ALTER once, if everything is as it must be, and finds out what came of it.
    async fn attempt(&mut self, attempt: u32) -> Result<Attempt, Ending> {
        let at = Phase::Altering;
        if let Err(fault) = self.ready().await {
            return match fault {
                Fault::Busy(why) | Fault::Lost(why) => Ok(Attempt::Waits(why)),
                other @ (Fault::Refused(_) | Fault::Rows { .. } | Fault::Full(_) | Fault::Failed(_)) => {
                    Err(Ending::of(other, at))
                }
            };
        }
        if self.helm.stop.is_cancelled() {
            return Err(self.helm.stopped());
        }
        let began = self.ports.clock.now();
        let answer = tokio::select! {
            answer = self.ports.direct.alter() => answer,
            () = self.cut() => Err(Fault::Lost("the ALTER was ended".into())),
        };
        let took = self.ports.clock.now().saturating_sub(began);
        if matches!(answer, Err(Fault::Lost(_))) {
            self.ports.clock.sleep(LATE_ALTER).await;
        }
        let seen = self.settled().await;
        if seen == Standing::Before && !self.ordered() && self.helm.stop.is_cancelled() {
            return Err(self.helm.stopped());
        }
        if seen == Standing::After {
            self.helm.tally.switch_attempts = attempt;
            self.helm.tally.switch_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            self.ports.reporter.event(&Event::Altered { ms: self.helm.tally.switch_ms, attempts: attempt });
        }
        outcome(seen, answer, took)
    }

    /// Returns when the ALTER must be ended: never in a cluster, where it is ordered and can't be.
    async fn cut(&self) {
        if self.ordered() {
            std::future::pending::<()>().await;
        }
        self.helm.stop.cancelled().await;
    }

    /// Whether the cluster orders the ALTER.
    const fn ordered(&self) -> bool {
        self.helm.job.plan.cluster.is_some()
    }

    /// Everything that must be true at the moment of the ALTER; what can change soonest is asked last.
    async fn ready(&self) -> Result<(), Fault> {
        self.ports.direct.rehearse().await?;
        self.ports.direct.calm().await?;
        if let Some(why) = self.no_room() {
            return Err(Fault::Busy(why));
        }
        let sessions = self.ports.direct.users().await;
        // A job that was taken over while this process slept or looked must not act.
        self.ports.journal.beat().await?;
        self.ports.nodes.fit(Phase::Altering).await?;
        if self.ordered() && !sessions.is_empty() {
            self.ports.reporter.event(&Event::Aborting { sessions });
        }
        Ok(())
    }

    /// What the nodes have once none works on an ALTER any more, all answer, and a difference is no passing one.
    async fn settled(&self) -> Standing {
        let estimate = &self.helm.job.plan.estimate;
        let estimated = Duration::from_millis(estimate.stall_ms).max(Duration::from_secs(estimate.seconds));
        let began = self.ports.clock.now();
        let deadline = began + SETTLE_LIMIT + estimated * 2;
        let (mut differed, mut told) = (0, None);
        loop {
            let busy = self.ports.direct.under_way().await.unwrap_or(true);
            let seen = standing(&self.spec, &self.helm.job.plan.fingerprint, &self.ports.direct.look().await);
            let late = self.ports.clock.now() >= deadline;
            match seen {
                Standing::After => return seen,
                Standing::Before | Standing::Neither(_) if !busy => return seen,
                Standing::Differ(_) if !busy && differed >= DIFFER_LOOKS => return seen,
                Standing::Differ(_) => differed += 1,
                // Nodes that work on the ALTER answer when they are through.
                Standing::Silent { .. } if late || (!busy && self.gives_up(began)) => return seen,
                Standing::Silent { ref nodes, .. } => self.helm.held(&mut told, nodes.join("; ")),
                Standing::Before | Standing::Neither(_) => {}
            }
            if late {
                let nodes = vec![STILL_ALTERING.to_owned()];
                return Standing::Silent { changed: false, nodes };
            }
            self.ports.clock.sleep(SETTLE_LOOK).await;
        }
    }

    /// Whether a node that gives no answer is no longer waited for.
    fn gives_up(&self, began: Duration) -> bool {
        let told_to = self.helm.stop.is_cancelled() && !self.helm.aborted();
        let limit = if told_to { SILENT_STOP } else { SILENT_LIMIT };
        self.ports.clock.now().saturating_sub(began) >= limit
    }

    /// All nodes have the change: now they must be well, too.
    async fn finish(&mut self) -> Result<(), Ending> {
        let mut attempt = 0;
        while let Err(fault) = self.well().await {
            attempt += 1;
            if attempt >= AFTER_ATTEMPTS {
                let why = format!("the table is changed on every node, but: {fault}");
                return Err(Ending::Stopped { phase: Phase::Altering, why });
            }
            self.helm.retried("the look at all nodes afterwards", &fault.to_string(), attempt).await;
        }
        self.helm.enter(Phase::Done).await
    }

    async fn well(&self) -> Result<(), Fault> {
        self.ports.nodes.barrier().await?;
        self.ports.nodes.fit(Phase::Done).await?;
        self.ports.direct.calm().await
    }

    /// Ends an ALTER that a killed process has left; the server undoes it. One that is ordered can't be ended.
    async fn end_ours(&self) {
        if self.ordered() {
            return;
        }
        if let Err(fault) = self.ports.direct.end().await {
            tracing::warn!(%fault, "an ALTER that was left may still run");
        }
    }

    /// Closes the job when nothing of it stands anywhere.
    async fn close(&mut self) -> Ending {
        let at = self.helm.job.phase;
        let seen = match at {
            Phase::Done => Standing::After,
            Phase::Planned | Phase::Holding => Standing::Before,
            Phase::Altering
            | Phase::Undoing
            | Phase::Undone
            | Phase::Shadowing
            | Phase::Arming
            | Phase::Copying
            | Phase::Verifying
            | Phase::Switching
            | Phase::Finishing => {
                self.end_ours().await;
                self.ports.clock.sleep(LATE_ALTER).await;
                self.settled().await
            }
        };
        let ending = match seen {
            Standing::Before => Ending::Undone,
            Standing::After => {
                let what = format!(
                    "the table is changed already: it can't be undone; `driftless run --resume {}` closes the job",
                    self.helm.job.id
                );
                return Ending::Failed { phase: at, what };
            }
            Standing::Neither(nodes) => {
                let what = "the job is closed, but somebody else has changed the table since it was planned".to_owned();
                Ending::Drifted { what, nodes }
            }
            other @ (Standing::Differ(_) | Standing::Silent { .. }) => return odd(other),
        };
        match self.helm.enter(Phase::Undone).await {
            Ok(()) => ending,
            Err(failed) => failed.job_stays(at),
        }
    }
}

/// What was seen decides; the server's answer only says why nothing was changed.
fn outcome(seen: Standing, answer: Result<(), Fault>, took: Duration) -> Result<Attempt, Ending> {
    let at = Phase::Altering;
    match (seen, answer) {
        (Standing::After, _) => Ok(Attempt::Changed),
        (Standing::Before, Ok(())) => {
            let what = "the server says that the table is changed, and no node shows it".to_owned();
            Err(Ending::Drifted { what, nodes: Vec::new() })
        }
        (Standing::Before, Err(Fault::Busy(why))) => Ok(Attempt::Again { why, took }),
        // Not sent again by this run: the next one has another lease, under which a late one is refused.
        (Standing::Before, Err(Fault::Lost(why))) => {
            Err(Ending::Stopped { phase: at, why: format!("no node shows the change, and its answer was lost: {why}") })
        }
        (
            Standing::Before,
            Err(fault @ (Fault::Refused(_) | Fault::Rows { .. } | Fault::Full(_) | Fault::Failed(_))),
        ) => Err(Ending::of(fault, at)),
        (other @ (Standing::Neither(_) | Standing::Differ(_) | Standing::Silent { .. }), _) => Err(odd(other)),
    }
}

/// The ending of a standing that nothing can be built on.
fn odd(seen: Standing) -> Ending {
    let at = Phase::Altering;
    match seen {
        Standing::Differ(nodes) => Ending::Drifted { what: "the nodes differ after the ALTER".to_owned(), nodes },
        Standing::Neither(nodes) => {
            let what = "the table is the same on every node, but neither as it was nor as it was planned".to_owned();
            Ending::Drifted { what, nodes }
        }
        Standing::Silent { changed: true, nodes } => {
            let why = format!("the ALTER is carried out, but not known to be on every node: {}", nodes.join("; "));
            Ending::Stopped { phase: at, why }
        }
        Standing::Silent { changed: false, nodes } => Ending::Unknown {
            phase: at,
            what: format!("whether the ALTER happened is not known: {}", nodes.join("; ")),
        },
        Standing::Before | Standing::After => {
            Ending::Failed { phase: at, what: "BUG: nothing is odd about the table".to_owned() }
        }
    }
}
