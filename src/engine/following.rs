//! Follows the source's changes and brings them into the shadow, beside copying and comparing.
//!
//! A reader turns the stream into keys (`Backlog`); appliers bring the rows of those keys in step. The reader stops
//! reading while the keys take too much memory; copying stops before that, so that changes are never kept waiting by the copy.

use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::appliers::apply;
use super::backlog::{Backlog, Haste, State};
use super::keeping::backoff;
use super::watching;
use crate::error::{Fault, Remedy};
use crate::ports::changes::{Change, Changes, Position};
use crate::ports::clock::Clock;
use crate::ports::cutover::Cutover;
use crate::ports::journal::Wishes;
use crate::ports::pace::{Gate, Pace};
use crate::ports::rows::{Bound, Range};
use crate::ports::syncing::{Last, Syncer, Syncing};
use crate::sql::meaning::{Meaning, Names};

/// Bytes of memory that keys of changed rows may take; the reader waits at it.
const BACKLOG_BYTES: usize = 16 << 20;
/// Share of it at which copying waits, then goes on.
const COPY_WAITS: usize = BACKLOG_BYTES / 4;
const COPY_GOES_ON: usize = BACKLOG_BYTES / 16;
/// Bytes that the keys not proven yet may take; past it the comparison begins anew.
const UNPROVEN_BYTES: usize = 12 << 20;
/// Connections that bring rows in step.
const APPLIERS: usize = 2;
/// Attempts to open the stream again (about a minute).
const OPENINGS: u32 = 30;
/// Longest sleep of whoever has nothing to do.
pub(super) const IDLE: Duration = Duration::from_millis(200);

/// What the follower acts through.
#[derive(Clone)]
pub struct Follow {
    /// The source's changes.
    pub changes: Arc<dyn Changes>,
    /// The same from every server that may have been followed by another process.
    pub everywhere: Vec<Arc<dyn Changes>>,
    /// Rows by key.
    pub syncing: Arc<dyn Syncing>,
    /// Names that tell the job's own statements.
    pub names: Names,
    /// Keeps writers away for the switch.
    pub cutover: Arc<dyn Cutover>,
}

/// What it needs besides.
pub(super) struct Surroundings {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) pace: Arc<dyn Pace>,
    pub(super) wishes: watch::Receiver<Wishes>,
    /// Longest time in which nothing can be brought in step.
    pub(super) patience: Duration,
    /// Cancelled when the run must stop.
    pub(super) stop: CancellationToken,
    /// Cancelled when the lease is lost: nothing may be written any more.
    pub(super) deposed: CancellationToken,
}

/// Reader and appliers at work; they end when it is dropped.
pub struct Follower {
    shared: Arc<Shared>,
    prover: tokio::sync::Mutex<Option<Box<dyn Syncer>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}

pub(super) struct Shared {
    pub(super) follow: Follow,
    pub(super) around: Surroundings,
    pub(super) backlog: StdMutex<Backlog>,
    /// Where the stream has been read to.
    at: StdMutex<Position>,
    /// It has been read further.
    arrived: Notify,
    /// Something was done, or is to be done.
    pub(super) moved: Notify,
    stop: CancellationToken,
    broken: CancellationToken,
    fault: StdMutex<Option<Fault>>,
    pub(super) state: StdMutex<State>,
}

/// A poisoned lock only means that a task panicked, which is reported where it is missed.
pub(super) fn lock<T>(mutex: &StdMutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Follower {
    /// Begins to follow from where the binlog ends now. What was missed before is found by the comparison, which is always of every row.
    ///
    /// # Errors
    /// As `Changes::position` and `Changes::open`.
    pub(super) async fn start(follow: Follow, around: Surroundings) -> Result<Self, Fault> {
        let from = follow.changes.position().await?;
        tracing::debug!(%from, "following the binlog");
        let shared = Arc::new(Shared {
            follow,
            around,
            backlog: StdMutex::default(),
            at: StdMutex::new(from.clone()),
            arrived: Notify::new(),
            moved: Notify::new(),
            stop: CancellationToken::new(),
            broken: CancellationToken::new(),
            fault: StdMutex::default(),
            state: StdMutex::default(),
        });
        let first = shared.follow.changes.open(&from).await?;
        let mut tasks = vec![tokio::spawn(Arc::clone(&shared).guarded(read(Arc::clone(&shared), from, first)))];
        for _ in 0..APPLIERS {
            tasks.push(tokio::spawn(Arc::clone(&shared).guarded(apply(Arc::clone(&shared)))));
        }
        Ok(Self { shared, prover: tokio::sync::Mutex::new(None), tasks })
    }

    /// Returns when it can't go on, with why.
    pub(super) async fn failed(&self) -> Fault {
        self.shared.broken.cancelled().await;
        self.fault().unwrap_or_else(|| Fault::Failed("BUG: the follower ended without a reason".into()))
    }

    /// Why it can't go on; `None` while it can.
    pub(super) fn fault(&self) -> Option<Fault> {
        lock(&self.shared.fault).clone()
    }

    /// Why copying must wait for the changes, if it must.
    pub(super) fn copy_waits(&self) -> Option<String> {
        let (bytes, keys) = {
            let backlog = lock(&self.shared.backlog);
            (backlog.bytes(), backlog.len())
        };
        let mut state = lock(&self.shared.state);
        state.copy_waits = bytes > if state.copy_waits { COPY_GOES_ON } else { COPY_WAITS };
        state.copy_waits.then(|| format!("{keys} changed rows wait to be brought into the shadow"))
    }

    /// Rows brought in step so far.
    pub(super) fn applied(&self) -> u64 {
        lock(&self.shared.state).applied
    }

    /// What the appliers must mind from now on.
    pub(super) fn haste(&self, haste: Haste) {
        lock(&self.shared.state).haste = haste;
        self.shared.moved.notify_waiters();
    }

    /// Waits until everything that was committed before now is in step. A pause is waited for and does not count.
    ///
    /// # Errors
    /// `Busy` when it takes longer than `limit`; why the follower failed.
    pub(super) async fn barrier(&self, limit: Duration) -> Result<(), Fault> {
        while self.shared.paused() {
            if self.shared.around.stop.is_cancelled() {
                return Err(Fault::Busy("stopped while it was paused".into()));
            }
            self.shared.around.clock.sleep(IDLE).await;
        }
        let waited = async {
            let target = self.shared.follow.changes.position().await?;
            self.reached(&target).await?;
            let number = lock(&self.shared.backlog).number();
            self.in_step(number).await
        };
        tokio::select! {
            biased;
            done = waited => done,
            () = self.shared.around.clock.sleep(limit) => Err(Fault::Busy(format!(
                "changes of the table were not all in the shadow after {} ms", limit.as_millis()
            ))),
        }
    }

    async fn reached(&self, target: &Position) -> Result<(), Fault> {
        loop {
            let arrived = self.shared.arrived.notified();
            if self.at().reached(target) == Some(true) {
                return Ok(());
            }
            tokio::select! {
                biased;
                fault = self.failed() => return Err(fault),
                () = arrived => {}
                () = self.shared.around.clock.sleep(IDLE) => {}
            }
        }
    }

    async fn in_step(&self, number: u64) -> Result<(), Fault> {
        loop {
            let moved = self.shared.moved.notified();
            if lock(&self.shared.backlog).in_step(number) {
                return Ok(());
            }
            tokio::select! {
                biased;
                fault = self.failed() => return Err(fault),
                () = moved => {}
                () = self.shared.around.clock.sleep(IDLE) => {}
            }
        }
    }

    /// Where the stream has been read to.
    pub(super) fn at(&self) -> Position {
        lock(&self.shared.at).clone()
    }

    /// The number of the last change that was read.
    pub(super) fn number(&self) -> u64 {
        lock(&self.shared.backlog).number()
    }

    /// Waits for the job's own RENAME in the stream; the number of the last change before it.
    ///
    /// # Errors
    /// `Busy` when it does not come within `limit`; why the follower failed.
    pub(super) async fn renamed(&self, limit: Duration) -> Result<u64, Fault> {
        let waited = async {
            loop {
                let moved = self.shared.moved.notified();
                if let Some(number) = lock(&self.shared.state).renamed {
                    return Ok(number);
                }
                tokio::select! {
                    biased;
                    fault = self.failed() => return Err(fault),
                    () = moved => {}
                    () = self.shared.around.clock.sleep(IDLE) => {}
                }
            }
        };
        tokio::select! {
            biased;
            number = waited => number,
            () = self.shared.around.clock.sleep(limit) => Err(Fault::Busy("the RENAME did not come in the binlog".into())),
        }
    }

    /// Begins a proof: every key that changes from now on must be proven by itself.
    pub(super) fn begin_proof(&self) {
        lock(&self.shared.state).forgot = false;
        lock(&self.shared.backlog).begin_proof();
    }

    /// Whether the proof is void: so much changed meanwhile that keys had to be forgotten.
    pub(super) fn proof_is_void(&self) -> bool {
        lock(&self.shared.state).forgot
    }

    /// Keys that changed since the proof began and are not proven again.
    pub(super) fn unproven(&self, limit: usize) -> Vec<(Bound, u64)> {
        lock(&self.shared.backlog).unproven(limit)
    }

    /// How many they are.
    pub(super) fn unproven_len(&self) -> usize {
        lock(&self.shared.backlog).unproven_len()
    }

    /// The key was found equal after that change was in step.
    pub(super) fn proven(&self, key: &Bound, number: u64) {
        lock(&self.shared.backlog).proven(key, number);
    }

    /// The number of the key's last change since the proof began.
    pub(super) fn changed(&self, key: &Bound) -> Option<u64> {
        lock(&self.shared.backlog).changed(key)
    }

    /// Has the rows of those keys read anew.
    pub(super) fn doubt(&self, keys: Vec<Bound>) {
        let mut backlog = lock(&self.shared.backlog);
        for key in keys {
            backlog.push(key, Last::Doubtful);
        }
        drop(backlog);
        self.shared.moved.notify_waiters();
    }

    /// Those of the keys whose rows differ now, in order.
    ///
    /// # Errors
    /// As from the servers.
    pub(super) async fn differing(&self, keys: &[Bound]) -> Result<Vec<Bound>, Fault> {
        let mut kept = self.prover.lock().await;
        self.connected(&mut kept).await?.differing(keys).await
    }

    /// Keys of a range whose rows differ now, at most `limit`, in order.
    ///
    /// # Errors
    /// As from the servers.
    pub(super) async fn differing_in(&self, range: &Range, limit: u64) -> Result<Vec<Bound>, Fault> {
        let mut kept = self.prover.lock().await;
        self.connected(&mut kept).await?.differing_in(range, limit).await
    }

    async fn connected<'a>(&self, kept: &'a mut Option<Box<dyn Syncer>>) -> Result<&'a mut Box<dyn Syncer>, Fault> {
        let syncer = match kept.take() {
            Some(syncer) => syncer,
            None => self.shared.follow.syncing.syncer().await?,
        };
        Ok(kept.insert(syncer))
    }
}

impl Shared {
    /// A task's end is never silent.
    async fn guarded(self: Arc<Self>, task: impl Future<Output = Result<(), Fault>>) {
        if let Err(fault) = task.await
            && !self.stop.is_cancelled()
        {
            lock(&self.fault).get_or_insert(fault);
            self.broken.cancel();
        }
    }

    fn push(&self, before: Option<Bound>, after: Option<Bound>) {
        let mut backlog = lock(&self.backlog);
        match (before, after) {
            (Some(before), Some(after)) if before == after => backlog.push(after, Last::There),
            (before, after) => {
                if let Some(before) = before {
                    backlog.push(before, Last::Gone);
                }
                if let Some(after) = after {
                    backlog.push(after, Last::There);
                }
            }
        }
        if backlog.unproven_bytes() > UNPROVEN_BYTES {
            backlog.begin_proof();
            lock(&self.state).forgot = true;
        }
    }

    fn full(&self) -> bool {
        lock(&self.backlog).bytes() > BACKLOG_BYTES
    }

    /// Until an operator says otherwise.
    fn paused(&self) -> bool {
        let wishes = *self.around.wishes.borrow();
        wishes.pause && !wishes.cutover && lock(&self.state).haste == Haste::Ordinary
    }

    pub(super) fn closed(&self) -> bool {
        if self.around.deposed.is_cancelled() {
            return true;
        }
        let ordinary = lock(&self.state).haste == Haste::Ordinary;
        ordinary && (self.around.wishes.borrow().pause || matches!(self.around.pace.gate(), Gate::Closed { .. }))
    }
}

/// The reader's life: from one place to the next, opening again what breaks.
async fn read(
    shared: Arc<Shared>,
    mut at: Position,
    first: Box<dyn crate::ports::changes::ChangeSource>,
) -> Result<(), Fault> {
    let mut source = Some(first);
    let mut attempt = 0;
    loop {
        let mut stream = match source.take() {
            Some(stream) => stream,
            None => match shared.follow.changes.open(&at).await {
                Ok(stream) => stream,
                Err(error) if error.remedy() == Remedy::Retry && attempt < OPENINGS => {
                    attempt += 1;
                    tracing::debug!(%error, attempt, "opening the binlog again");
                    shared.around.clock.sleep(backoff(attempt)).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            },
        };
        loop {
            match stream.next().await {
                Ok(Change::Row { before, after, .. }) => {
                    shared.push(before, after);
                    shared.moved.notify_waiters();
                }
                Ok(Change::Committed { at: reached } | Change::Idle { at: reached }) => {
                    attempt = 0;
                    at = reached.clone();
                    *lock(&shared.at) = reached;
                    shared.arrived.notify_waiters();
                }
                Ok(Change::Ddl { statement, .. }) => match shared.follow.names.meaning(&statement) {
                    Meaning::Harmless => {}
                    Meaning::Renamed => {
                        let number = lock(&shared.backlog).number();
                        lock(&shared.state).renamed = Some(number);
                        shared.moved.notify_waiters();
                        // What has the name from here on is the new table.
                        return Ok(());
                    }
                    Meaning::Changed(what) => return Err(watching::changed_by_others(&what)),
                },
                Err(error) if error.remedy() == Remedy::Retry => {
                    tracing::debug!(%error, "the binlog broke off");
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            while shared.full() {
                let moved = shared.moved.notified();
                tokio::select! {
                    biased;
                    () = moved => {}
                    () = shared.around.clock.sleep(IDLE) => {}
                }
            }
        }
    }
}
