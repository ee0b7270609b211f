//! One life of the driftless process: where it is killed, which errors it meets, and what it must never do.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driftless::error::Fault;
use driftless::ports::clock::Clock;
use driftless::ports::journal::Phase;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::cluster::SqlError;
use super::world::{MS, World};

/// The node that driftless works on.
pub(crate) const HOME: usize = 0;

/// Errors in a thousand calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Answers `Busy`; nothing happened.
    pub(crate) busy: u64,
    /// The connection goes: half of the times before the effect, half after.
    pub(crate) lost: u64,
    /// A statement hangs for half a minute before it is answered.
    pub(crate) hangs: u64,
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Well,
    Busy,
    LostBefore,
    LostAfter,
}

/// What one life has done so far.
#[derive(Default)]
pub(crate) struct Deeds {
    /// `fit` has passed since the last ordered step.
    pub(crate) fit: bool,
    /// Ranges that were compared and equal since the last copy.
    pub(crate) proven: Vec<(Option<i64>, Option<i64>)>,
    pub(crate) gave_back: bool,
    /// It was told that somebody else holds the job.
    pub(crate) deposed: bool,
    pub(crate) last_call: &'static str,
}

/// One life.
pub(crate) struct Process {
    pub(crate) world: Arc<World>,
    pub(crate) token: u64,
    pub(crate) faults: Faults,
    kill_at: Option<u64>,
    signal_at: Option<u64>,
    /// What a signal cancels.
    pub(crate) stop: CancellationToken,
    points: AtomicU64,
    dead: AtomicBool,
    pub(crate) death: Notify,
    deeds: Mutex<Deeds>,
    /// Where the binlog ended before writers were kept out; 0 for never.
    pub(crate) before_fence: AtomicUsize,
    /// Keys that were deleted once.
    pub(crate) gone: Mutex<BTreeSet<i64>>,
}

impl Process {
    pub(crate) fn new(
        world: &Arc<World>,
        token: u64,
        faults: Faults,
        (kill_at, signal_at): (Option<u64>, Option<u64>),
    ) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            token,
            faults,
            kill_at,
            signal_at,
            stop: CancellationToken::new(),
            points: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            death: Notify::new(),
            deeds: Mutex::new(Deeds::default()),
            before_fence: AtomicUsize::new(0),
            gone: Mutex::default(),
        })
    }

    pub(crate) fn deeds(&self) -> MutexGuard<'_, Deeds> {
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it could have been killed so far.
    pub(crate) fn points(&self) -> u64 {
        self.points.load(Ordering::SeqCst)
    }

    /// A place where the process may be killed; takes a moment.
    pub(crate) async fn point(&self, call: &'static str) {
        let count = self.points.fetch_add(1, Ordering::SeqCst);
        self.deeds().last_call = call;
        {
            let mut state = self.world.state();
            state.note(call, count);
            state.lively_until = self.world.time.now() + 60 * MS;
        }
        if self.signal_at == Some(count) {
            self.stop.cancel();
        }
        if self.kill_at == Some(count) {
            self.die();
        }
        self.world.upto(MS / 4).await;
        self.breathe().await;
    }

    /// Ends the process: none of its calls ever returns.
    pub(crate) fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.death.notify_one();
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Goes on only while the process lives.
    pub(crate) async fn breathe(&self) {
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    /// Begins a call: a moment, then its fate.
    pub(crate) async fn call(&self, call: &'static str) -> Fate {
        self.point(call).await;
        let (fate, hangs) = {
            let mut state = self.world.state();
            let hangs = state.rng.chance(self.faults.hangs);
            let fate = if !state.cluster.nodes[HOME].up || state.rng.chance(self.faults.busy) {
                Fate::Busy
            } else if state.rng.chance(self.faults.lost) {
                if state.rng.chance(500) { Fate::LostBefore } else { Fate::LostAfter }
            } else {
                Fate::Well
            };
            (fate, hangs)
        };
        if hangs {
            self.world.time.sleep(30_000 * MS).await;
            self.breathe().await;
        }
        fate
    }

    /// A call that only reads: it may fail, but nothing can be half done.
    pub(crate) async fn reading(&self, call: &'static str) -> Result<(), Fault> {
        match self.call(call).await {
            Fate::Well => Ok(()),
            Fate::Busy => Err(busy(call)),
            Fate::LostBefore | Fate::LostAfter => Err(lost(call)),
        }
    }

    pub(crate) fn violate(&self, what: impl Into<String>) {
        self.world.state().violate(what);
    }

    /// What must hold whenever it acts on the servers in a phase.
    pub(crate) fn may_act(&self, what: &str, phases: &[Phase]) {
        let now = self.world.time.now();
        let job = self.world.state().cluster.nodes[HOME].store.job.clone();
        if job.token == self.token && now > job.lease_until {
            self.violate(format!("{what}: the lease has run out"));
        }
        if job.token == self.token && !phases.contains(&job.phase) {
            self.violate(format!("{what}: the journal says {:?}", job.phase));
        }
        if self.deeds().gave_back || self.deeds().deposed {
            self.violate(format!("{what}: the lease is given back or lost"));
        }
    }

    /// An ordered step that must have been checked for.
    pub(crate) fn must_be_fit(&self, what: &str) {
        if !std::mem::take(&mut self.deeds().fit) {
            self.violate(format!("{what}: not checked whether the nodes are fit"));
        }
    }

    /// Whether every key was compared since the last copy.
    pub(crate) fn proven(&self) -> bool {
        let deeds = self.deeds();
        let mut at = None;
        for _ in 0..=deeds.proven.len() {
            let Some((_, upto)) = deeds.proven.iter().find(|(after, _)| *after == at) else { return false };
            if upto.is_none() {
                return true;
            }
            at = *upto;
        }
        false
    }
}

/// The clock of one life: a dead process never wakes.
pub(crate) struct FakeClock(pub(crate) Arc<Process>);

#[async_trait::async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.world.time.now())
    }

    async fn sleep(&self, time: Duration) {
        self.0.world.time.sleep_for(time).await;
        self.0.breathe().await;
    }
}

pub(crate) fn busy(call: &str) -> Fault {
    Fault::Busy(format!("{call}: busy"))
}

pub(crate) fn lost(call: &str) -> Fault {
    Fault::Lost(format!("{call}: connection lost"))
}

/// What a server's answer means to the engine, as `ServerError` says it.
pub(crate) fn fault(call: &str, error: &SqlError) -> Fault {
    match error {
        SqlError::Deadlock | SqlError::LockWait | SqlError::Down => Fault::Busy(format!("{call}: {error:?}")),
        SqlError::Lost => lost(call),
        SqlError::Duplicate | SqlError::Missing(_) => Fault::Failed(format!("{call}: {error:?}")),
    }
}
