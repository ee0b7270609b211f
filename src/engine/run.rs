//! The conductor: one phase after the other until the job is over or must stop.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::plan::CopySpec;
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Reason, TableShape};
use tokio_util::sync::CancellationToken;

use super::beating::Pulse;
use super::ending::{Ending, Tally};
use super::following::{Follow, Follower, Surroundings};
use super::keeping::Keeper;
use super::phase;
use super::proving::Strikes;
use super::{afterwards, copying, switching, verifying};
use crate::copy::sizer;
use crate::error::Fault;
use crate::ports::clock::Clock;
use crate::ports::journal::{Job, Journal, Phase, Wishes};
use crate::ports::nodes::Nodes;
use crate::ports::objects::{Objects, Standing};
use crate::ports::pace::Pace;
use crate::ports::report::{Event, Reporter};
use crate::ports::rows::Rows;

/// Everything that the engine acts through.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tables and triggers.
    pub objects: Arc<dyn Objects>,
    /// Rows.
    pub rows: Arc<dyn Rows>,
    /// Health and sameness of the nodes.
    pub nodes: Arc<dyn Nodes>,
    /// Whether writing is welcome.
    pub pace: Arc<dyn Pace>,
    /// The job's memory.
    pub journal: Arc<dyn Journal>,
    /// Who listens.
    pub reporter: Arc<dyn Reporter>,
    /// Whether the switch must wait, and for what; asked four times a second.
    pub hold: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// Makes the spec anew from the shadow as it really is.
    pub respec: Arc<Respec>,
    /// The binlog, when that and not triggers brings changes into the shadow.
    pub follow: Option<Follow>,
}

/// Judges the shadow's real shape as the plan's was judged.
pub type Respec = dyn Fn(&TableShape) -> Result<CopySpec, Vec<Reason>> + Send + Sync;

/// Limits of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Copying connections.
    pub workers: usize,
    /// Chunk sizes.
    pub chunk: sizer::Limits,
    /// Rows in a compared range.
    pub compare_rows: u64,
    /// Average bytes of a row; 0 when unknown.
    pub row_bytes: u64,
    /// Estimated rows, for progress.
    pub rows: u64,
    /// Attempts of one chunk or one ordered step before the job stops.
    pub attempts: u32,
    /// Longest time in which nothing can be written before the job stops.
    pub patience: Duration,
}

/// Looks at the tables before it is said that nodes disagree or are away (18 s in all).
const LOOKS: u32 = 10;

/// Longest that a RENAME whose sender is gone may still come: the default wait for a metadata lock, and then some.
const LATE_RENAME: Duration = Duration::from_secs(5);

/// One run of one job.
pub struct Engine {
    pub(super) ports: Ports,
    pub(super) options: Options,
    pub(super) job: Job,
    pub(super) tally: Tally,
    /// Cancelled by the first signal: finish the chunk, save, exit resumable.
    pub(super) stop: CancellationToken,
    /// Cancelled when the lease is lost: nothing may be done any more.
    pub(super) deposed: CancellationToken,
    /// The source's, from before it was compared: a TRUNCATE after that is seen by it.
    pub(super) generation: Option<String>,
    /// At work from before the first row is copied until the names are switched; only where there is a `Ports::follow`.
    pub(super) follower: Option<Arc<Follower>>,
    /// Rows that differed without a change, since the comparison.
    pub(super) strikes: Strikes,
    /// Why the new table is not proven equal, when an earlier process has told so.
    pub(super) unproven: Option<String>,
    /// The number of the last change before the names were switched.
    pub(super) last_change: Option<u64>,
    pub(super) wishes: tokio::sync::watch::Receiver<Wishes>,
    wishes_in: tokio::sync::watch::Sender<Wishes>,
}

impl Engine {
    /// Takes a job that this process holds the lease of.
    #[must_use]
    pub fn new(ports: Ports, options: Options, job: Job, stop: CancellationToken) -> Self {
        let (wishes_in, wishes) = tokio::sync::watch::channel(Wishes::default());
        let deposed = CancellationToken::new();
        Self {
            ports,
            options,
            job,
            tally: Tally::default(),
            stop,
            deposed,
            generation: None,
            follower: None,
            strikes: Strikes::default(),
            unproven: None,
            last_change: None,
            wishes,
            wishes_in,
        }
    }

    /// Runs the job to its end, or to where it must stop. Gives the lease back in any case.
    pub async fn run(mut self) -> (Ending, Tally, Job) {
        let beating = self.start_beating();
        let ending = match self.join().await {
            Ok(()) => self.conduct().await,
            Err(ending) => ending,
        };
        beating.abort();
        self.follower = None;
        self.leave(&ending).await;
        (ending, self.tally, self.job)
    }

    /// Undoes a job that nobody works on, unless its names are switched. Gives the lease back in any case.
    pub async fn undo(mut self) -> (Ending, Tally, Job) {
        let beating = self.start_beating();
        let at = self.job.phase;
        if at == Phase::Switching {
            // As in `join`: what a killed process sent last must not come after the triggers are gone.
            self.ports.clock.sleep(LATE_RENAME).await;
        }
        let ending = match self.standing(at).await {
            Err(ending) => ending,
            Ok(standing) if phase::undoable(at, &standing) => self.undo_because(Ending::Undone).await,
            Ok(_) => Ending::Failed { phase: at, what: "the names are switched already: it can't be undone".into() },
        };
        beating.abort();
        self.leave(&ending).await;
        (ending, self.tally, self.job)
    }

    /// Renews the lease in the background; a lost lease or an abort stops the run.
    fn start_beating(&self) -> tokio::task::JoinHandle<()> {
        Pulse {
            clock: Arc::clone(&self.ports.clock),
            journal: Arc::clone(&self.ports.journal),
            stop: self.stop.clone(),
            deposed: self.deposed.clone(),
            wishes: self.wishes_in.clone(),
        }
        .start()
    }

    /// Finds out where a job that was begun before stands.
    async fn join(&mut self) -> Result<(), Ending> {
        let at = self.job.phase;
        if at == Phase::Planned {
            return Ok(());
        }
        let mut standing = self.standing(at).await?;
        if at == Phase::Switching && !standing.switched() {
            // The RENAME of a process that was killed may still wait for its lock on the server.
            self.ports.clock.sleep(LATE_RENAME).await;
            standing = self.standing(at).await?;
        }
        if let Some(follow) = self.ports.follow.clone().filter(|_| at == Phase::Switching && !standing.switched()) {
            // A killed process may have left the table closed, and triggers that no longer close it.
            self.ordered(at, "letting writers in again", Guard::None, || follow.cutover.reopen()).await?;
            standing = self.standing(at).await?;
        }
        match phase::resume(at, &standing, self.armed()) {
            Ok(next) => {
                if next == Phase::Finishing && at != next {
                    afterwards::nothing_slipped_before_the_crash(self).await?;
                } else if next == Phase::Finishing {
                    afterwards::found_before(self).await?;
                }
                self.job.phase = next;
                Ok(())
            }
            Err(what) => {
                Err(Ending::Failed { phase: at, what: format!("{what}; undo the job with `driftless abort`") })
            }
        }
    }

    /// Triggers that must stand while rows are copied.
    pub(super) const fn armed(&self) -> u8 {
        if self.ports.follow.is_some() { 0 } else { 3 }
    }

    /// What stands on the servers, asked again while a node is away or has not carried out the last statement yet.
    pub(super) async fn standing(&self, at: Phase) -> Result<Standing, Ending> {
        let mut attempt = 0;
        loop {
            match self.ports.objects.standing().await {
                Ok(standing) => return Ok(standing),
                Err(Fault::Failed(what)) => return Err(Ending::Failed { phase: at, what }),
                Err(fault) => {
                    let stopped = self.stop.is_cancelled() && !self.wishes.borrow().abort;
                    if attempt >= LOOKS || stopped {
                        return Err(Ending::Stopped { phase: at, why: fault.to_string() });
                    }
                    attempt += 1;
                    self.retried("looking which tables stand", &fault.to_string(), attempt).await;
                }
            }
        }
    }

    async fn conduct(&mut self) -> Ending {
        loop {
            let at = self.job.phase;
            if let Err(fault) = self.save().await {
                return Ending::of(fault, at).job_stays(at);
            }
            self.event(&Event::Entered { phase: at });
            match at {
                Phase::Done => {
                    return match self.unproven.take() {
                        None => Ending::Done,
                        Some(what) => Ending::Different { differences: vec![what] },
                    };
                }
                Phase::Undone => return Ending::Undone,
                Phase::Planned
                | Phase::Shadowing
                | Phase::Arming
                | Phase::Copying
                | Phase::Verifying
                | Phase::Holding
                | Phase::Switching
                | Phase::Finishing
                | Phase::Undoing => {}
                Phase::Altering => return not_a_copys(at),
            }
            match self.step(at).await {
                Ok(()) => self.job.phase = phase::after(at),
                Err(ending) => match self.turn(at, ending) {
                    Turn::Undo(reason) => return self.undo_because(reason).await,
                    Turn::End(ending) => return ending,
                },
            }
        }
    }

    /// Performs one phase.
    async fn step(&mut self, at: Phase) -> Result<(), Ending> {
        self.follow(at).await?;
        match at {
            Phase::Planned | Phase::Done | Phase::Undone => Ok(()),
            Phase::Altering => Err(not_a_copys(at)),
            Phase::Shadowing => self.make_shadow().await,
            Phase::Arming => self.arm().await,
            Phase::Copying => copying::copy(self).await,
            Phase::Verifying => verifying::verify(self).await,
            Phase::Holding => switching::hold(self).await,
            Phase::Switching => switching::switch(self).await,
            Phase::Finishing => switching::finish(self).await,
            Phase::Undoing => switching::undo(self).await,
        }
    }

    /// Makes the shadow and judges it as it really is. A plan whose dry run was impossible learns its spec here.
    async fn make_shadow(&mut self) -> Result<(), Ending> {
        let at = Phase::Shadowing;
        let shape = self
            .ordered(at, "making the shadow", Guard::Fit, || async {
                self.ports.journal.forget_chunks().await?;
                self.ports.objects.make_shadow().await
            })
            .await?;
        self.job.end_known = false;
        self.job.end = None;
        let spec = (self.ports.respec)(&shape).map_err(|reasons| Ending::Refused {
            reason: reasons.into_iter().next().unwrap_or_else(|| {
                Reason::new(ReasonCode::PlanStale, "the altered table does not look as the plan says", "plan again")
            }),
            rows: Vec::new(),
        })?;
        let work = self.job.plan.work.with_copy(spec);
        if work == self.job.plan.work {
            return Ok(());
        }
        self.job.plan.work = work;
        self.job.phase = Phase::Arming;
        Err(Ending::Again)
    }

    /// Begins to follow the binlog, in the phases that need it, before anything of the phase is done.
    async fn follow(&mut self, at: Phase) -> Result<(), Ending> {
        let needed = match at {
            Phase::Arming | Phase::Copying | Phase::Verifying | Phase::Holding | Phase::Switching => true,
            Phase::Planned
            | Phase::Shadowing
            | Phase::Altering
            | Phase::Finishing
            | Phase::Done
            | Phase::Undoing
            | Phase::Undone => false,
        };
        let Some(follow) = self.ports.follow.clone().filter(|_| needed && self.follower.is_none()) else {
            return Ok(());
        };
        let start = || {
            let around = Surroundings {
                clock: Arc::clone(&self.ports.clock),
                pace: Arc::clone(&self.ports.pace),
                wishes: self.wishes.clone(),
                patience: self.options.patience,
                stop: self.stop.clone(),
                deposed: self.deposed.clone(),
            };
            Follower::start(follow.clone(), around)
        };
        self.ordered(at, "taking over", Guard::None, || follow.syncing.take_over()).await?;
        self.ordered(at, "waiting for all nodes", Guard::None, || self.ports.nodes.barrier()).await?;
        let follower = self.ordered(at, "opening the binlog", Guard::None, start).await?;
        self.follower = Some(Arc::new(follower));
        Ok(())
    }

    async fn arm(&self) -> Result<(), Ending> {
        let at = Phase::Arming;
        if self.follower.is_some() {
            return Ok(());
        }
        self.ordered(at, "making the triggers", Guard::Fit, || self.ports.objects.make_triggers()).await?;
        self.ordered(at, "waiting for all nodes", Guard::None, || self.ports.nodes.barrier()).await
    }

    /// What an ending means for the whole: data that can't be taken, a refusal before rows were copied and an abort are
    /// undone, everything else is left as it stands.
    fn turn(&self, at: Phase, ending: Ending) -> Turn {
        let undoable = match at {
            Phase::Planned
            | Phase::Shadowing
            | Phase::Arming
            | Phase::Copying
            | Phase::Verifying
            | Phase::Holding
            | Phase::Switching => true,
            Phase::Altering | Phase::Finishing | Phase::Done | Phase::Undoing | Phase::Undone => false,
        };
        match ending {
            Ending::Unknown { .. } | Ending::Again => Turn::End(ending),
            _ if self.deposed.is_cancelled() => Turn::End(ending.job_stays(at)),
            _ if undoable && self.wishes.borrow().abort => Turn::Undo(Ending::Undone),
            Ending::Refused { ref reason, .. } if undoable && undone_by_itself(at, reason.code) => Turn::Undo(ending),
            // A refusal passes (a node comes back, a lock goes): the job stays and goes on later.
            Ending::Refused { .. }
            | Ending::Done
            | Ending::Undone
            | Ending::Stopped { .. }
            | Ending::Different { .. }
            | Ending::Drifted { .. }
            | Ending::Failed { .. } => Turn::End(ending.job_stays(at)),
        }
    }

    /// Undoes the job; what stopped it is what the caller hears, once nothing is left and the journal says so.
    async fn undo_because(&mut self, ending: Ending) -> Ending {
        let at = Phase::Undoing;
        // What it wrote to the shadow would fail from now on.
        self.follower = None;
        self.job.phase = at;
        self.event(&Event::Entered { phase: at });
        if let Err(fault) = self.save().await {
            return Ending::of(fault, at).job_stays(at);
        }
        if let Err(ending) = switching::undo(self).await {
            return ending.job_stays(at);
        }
        self.job.phase = Phase::Undone;
        match self.save().await {
            Ok(()) => ending,
            Err(fault) => {
                self.job.phase = at;
                Ending::of(fault, at).job_stays(at)
            }
        }
    }

    /// Says how it ended in the journal and gives the lease back; a failure here changes nothing: leases run out.
    async fn leave(&mut self, ending: &Ending) {
        self.keeper().leave(&mut self.job, ending).await;
    }

    pub(super) async fn save(&self) -> Result<(), Fault> {
        self.keeper().save(&self.job, self.options.attempts).await
    }

    fn keeper(&self) -> Keeper {
        Keeper {
            clock: Arc::clone(&self.ports.clock),
            journal: Arc::clone(&self.ports.journal),
            reporter: Arc::clone(&self.ports.reporter),
        }
    }

    pub(super) fn event(&self, event: &Event) {
        self.ports.reporter.event(event);
    }

    pub(super) async fn retried(&self, what: &str, why: &str, attempt: u32) {
        self.keeper().retried(what, why, attempt).await;
    }

    /// One ordered step, tried again while it is `Busy`; safe because every such call looks first what stands.
    pub(super) async fn ordered<T, F, W>(&self, at: Phase, what: &str, guard: Guard, mut work: W) -> Result<T, Ending>
    where
        W: FnMut() -> F,
        F: Future<Output = Result<T, Fault>>,
    {
        let mut attempt = 0;
        loop {
            let must_end = at == Phase::Undoing || at == Phase::Finishing;
            if self.deposed.is_cancelled() || (self.stop.is_cancelled() && !must_end) {
                return Err(Ending::Stopped { phase: at, why: self.stop_reason() });
            }
            let fit = match guard {
                Guard::Fit => self.ports.nodes.fit(at).await,
                Guard::None => Ok(()),
            };
            let answer = match fit {
                // Looking may have taken long enough to lose the lease.
                Ok(()) if self.deposed.is_cancelled() => continue,
                Ok(()) => work().await,
                Err(fault) => Err(fault),
            };
            match answer {
                Ok(value) => return Ok(value),
                Err(Fault::Busy(why) | Fault::Lost(why)) if attempt < self.options.attempts => {
                    attempt += 1;
                    self.retried(what, &why, attempt).await;
                }
                Err(fault) => return Err(Ending::of(fault, at)),
            }
        }
    }

    pub(super) fn stop_reason(&self) -> String {
        if self.deposed.is_cancelled() {
            "the lease on the job was lost".into()
        } else if self.wishes.borrow().abort {
            "aborted by an operator".into()
        } else {
            "stopped by a signal".into()
        }
    }
}

/// Whether an ordered step is checked for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// All nodes must be fit.
    Fit,
    /// The step changes nothing, or undoes.
    None,
}

enum Turn {
    Undo(Ending),
    End(Ending),
}

/// The journal mixes two sorts of jobs.
fn not_a_copys(at: Phase) -> Ending {
    Ending::Failed { phase: at, what: "BUG: a copy's job is in a phase of an ALTER".into() }
}

const fn before_copying(at: Phase) -> bool {
    matches!(at, Phase::Planned | Phase::Shadowing | Phase::Arming)
}

/// Refusals after which the copy is worth nothing; the others (a node away, a lock held) pass and the job goes on.
const fn undone_by_itself(at: Phase, code: ReasonCode) -> bool {
    before_copying(at) || matches!(code, ReasonCode::DuplicateRows | ReasonCode::NullRows | ReasonCode::ValuesDoNotFit)
}
