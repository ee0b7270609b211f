//! Copies every row: workers take chunks in order, a failed chunk is tried again in halves.

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::ending::Ending;
use super::following::Follower;
use super::keeping::backoff;
use super::run::{Engine, Guard, Options, Ports};
use super::watching;
use crate::copy::sizer::Sizer;
use crate::error::Fault;
use crate::ports::journal::{Phase, Wishes};
use crate::ports::pace::Gate;
use crate::ports::report::Event;
use crate::ports::rows::{Bound, Chunk, Copied, Part, Range, RowWorker};

/// How often progress is told.
const TICK: Duration = Duration::from_millis(250);
/// Longest rest between two chunks of a worker.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// Attempts that give way to a lock at once; later ones wait for it.
const IMPATIENT_ATTEMPTS: u32 = 6;
/// Attempts of a chunk whose rows conflict: a duplicate may be one that is being removed.
const DUPLICATE_ATTEMPTS: u32 = 3;
/// Ticks between two looks at what triggers recorded (2 s).
const CONFLICT_TICKS: u32 = 8;

/// Where the next chunk begins.
struct Frontier {
    number: u64,
    after: Option<Bound>,
    end: Option<Bound>,
}

/// What the workers share.
struct Shared {
    ports: Ports,
    options: Options,
    frontier: Mutex<Frontier>,
    sizer: StdMutex<Sizer>,
    counts: StdMutex<Counts>,
    wishes: tokio::sync::watch::Receiver<Wishes>,
    follower: Option<Arc<Follower>>,
    /// Cancelled by a signal or by the first worker that fails.
    stop: CancellationToken,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Rows of the chunks done: what progress goes by.
    passed: u64,
    retries: u64,
}

/// Copies from the watermark to the end.
pub(super) async fn copy(engine: &mut Engine) -> Result<(), Ending> {
    let at = Phase::Copying;
    let fail = |fault| Ending::of(fault, at);
    if !engine.job.end_known {
        engine.job.end =
            engine.ordered(at, "reading the greatest key", Guard::None, || engine.ports.rows.last()).await?;
        engine.job.end_known = true;
        engine.save().await.map_err(fail)?;
    }
    let watermark =
        engine.ordered(at, "reading the watermark", Guard::None, || engine.ports.journal.watermark()).await?;
    let started = engine.ports.clock.now();
    let shared = Arc::new(Shared {
        ports: engine.ports.clone(),
        options: engine.options.clone(),
        frontier: Mutex::new(Frontier { number: watermark.number, after: watermark.upto, end: engine.job.end.clone() }),
        sizer: StdMutex::new(Sizer::new(engine.options.chunk, engine.options.row_bytes)),
        counts: StdMutex::new(Counts { passed: watermark.rows, retries: 0 }),
        wishes: engine.wishes.clone(),
        follower: engine.follower.clone(),
        stop: engine.stop.child_token(),
    });
    let outcome = work(engine, &shared).await;
    engine.tally.copy_s += engine.ports.clock.now().saturating_sub(started).as_secs_f64();
    let counts = *lock(&shared.counts);
    engine.tally.copied = counts.passed;
    engine.tally.retries += counts.retries;
    outcome?;
    if engine.stop.is_cancelled() {
        return Err(Ending::Stopped { phase: at, why: engine.stop_reason() });
    }
    Ok(())
}

/// Runs the workers and tells progress meanwhile.
async fn work(engine: &mut Engine, shared: &Arc<Shared>) -> Result<(), Ending> {
    let at = Phase::Copying;
    let mut workers = JoinSet::new();
    for _ in 0..shared.options.workers.max(1) {
        let worker = shared.ports.rows.worker().await.map_err(|fault| Ending::of(fault, at))?;
        workers.spawn(Arc::clone(shared).serve(worker));
    }
    let mut teller = Teller::new(shared);
    let mut outcome = Ok(());
    let mut watch = std::pin::pin!(watching::watch(engine.ports.clone(), engine.follower.clone(), at));
    loop {
        tokio::select! {
            biased;
            joined = workers.join_next() => match joined {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(fault))) => {
                    shared.stop.cancel();
                    outcome = outcome.and(Err(Ending::of(fault, at)));
                }
                Some(Err(panic)) => {
                    shared.stop.cancel();
                    outcome = outcome.and(Err(Ending::Failed { phase: at, what: format!("BUG: a worker ended: {panic}") }));
                }
            },
            fault = &mut watch, if outcome.is_ok() => {
                shared.stop.cancel();
                outcome = Err(Ending::of(fault, at));
            }
            () = shared.ports.clock.sleep(TICK) => {
                if let Err(fault) = teller.tick(shared, &mut engine.tally.paused_s).await {
                    shared.stop.cancel();
                    outcome = outcome.and(Err(Ending::of(fault, at)));
                }
            }
        }
    }
    teller.tell(shared);
    outcome
}

impl Shared {
    /// One worker's life: chunk after chunk until none is left or all must stop.
    async fn serve(self: Arc<Self>, mut worker: Box<dyn RowWorker>) -> Result<(), Fault> {
        while !self.stop.is_cancelled() {
            let share = match self.gate() {
                Gate::Open { share } => share,
                Gate::Closed { .. } => {
                    self.ports.clock.sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Some(chunk) = self.take(share).await? else { return Ok(()) };
            tokio::select! {
                biased;
                () = self.ports.pace.admit(chunk.rows) => {}
                () = self.stop.cancelled() => return Ok(()),
            }
            let rows = chunk.rows;
            let copying = self.finish(worker.as_mut(), chunk).await?;
            let copied = self.ports.clock.now();
            // The next chunk begins when this one is applied everywhere: so many chunks are under way as there are
            // workers, however slow the other nodes are, and no queue grows by more than what is written meanwhile.
            let answered = worker.applied().await;
            let waited = self.ports.clock.now().saturating_sub(copied);
            // The time of a node that did not answer says nothing about the chunk.
            let applying = if answered { waited } else { Duration::ZERO };
            lock(&self.sizer).observe(rows, scale(share), copying, applying);
            self.rest(copying + applying, share).await;
        }
        Ok(())
    }

    /// Half of going slower, the other half is smaller chunks: what applications write waits behind a chunk that is
    /// applied, and queues count transactions.
    async fn rest(&self, worked: Duration, share: f64) {
        let rest = worked.mul_f64((1.0 / scale(share) - 1.0).max(0.0)).min(LONGEST_REST);
        if rest > Duration::ZERO {
            tokio::select! {
                biased;
                () = self.ports.clock.sleep(rest) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    fn gate(&self) -> Gate {
        if self.wishes.borrow().pause {
            return Gate::Closed { why: "paused by an operator".into() };
        }
        // Changes come first: they do not get fewer by waiting, rows do not get more.
        if let Some(why) = self.follower.as_ref().and_then(|follower| follower.copy_waits()) {
            return Gate::Closed { why };
        }
        self.ports.pace.gate()
    }

    /// The next chunk in order, smaller at a smaller share; `None` when the end is reached.
    async fn take(&self, share: f64) -> Result<Option<Chunk>, Fault> {
        let rows = lock(&self.sizer).next(scale(share));
        let mut frontier = self.frontier.lock().await;
        let Some(end) = frontier.end.clone() else { return Ok(None) };
        let mut attempt = 0;
        let found = loop {
            match self.ports.rows.next(frontier.after.as_ref(), &end, rows).await {
                Err(Fault::Busy(why) | Fault::Lost(why)) if attempt < self.options.attempts => {
                    attempt += 1;
                    self.retry("looking for the next chunk", &why, attempt).await;
                }
                answer => break answer?,
            }
        };
        let Some((upto, rows)) = found else { return Ok(None) };
        frontier.number += 1;
        let range = Range { after: frontier.after.replace(upto.clone()), upto: Some(upto) };
        Ok(Some(Chunk { number: frontier.number, range, rows, whole: rows, part: Part::Last }))
    }

    /// Copies a chunk; after a conflict in halves, each tried until it is in. Gives the time of what succeeded.
    async fn finish(&self, worker: &mut dyn RowWorker, chunk: Chunk) -> Result<Duration, Fault> {
        let whole = chunk.rows;
        let mut copying = Duration::ZERO;
        let mut left = vec![chunk];
        let mut attempt = 0_u32;
        while let Some(part) = left.pop() {
            let started = self.ports.clock.now();
            match worker.copy(&part, attempt >= IMPATIENT_ATTEMPTS).await {
                Ok(Copied { .. }) => {
                    copying += self.ports.clock.now().saturating_sub(started);
                }
                Err(fault) => {
                    attempt += 1;
                    lock(&self.counts).retries += 1;
                    if self.stop.is_cancelled() || !self.worth_another(&fault, attempt) {
                        return Err(fault);
                    }
                    lock(&self.sizer).shrink();
                    self.retry("copying a chunk", &fault.to_string(), attempt).await;
                    left.extend(self.halves(part).await?);
                }
            }
        }
        lock(&self.counts).passed += whole;
        Ok(copying)
    }

    fn worth_another(&self, fault: &Fault, attempt: u32) -> bool {
        match fault {
            Fault::Busy(_) => attempt < self.options.attempts,
            Fault::Rows { reason, .. } => reason.code == ReasonCode::DuplicateRows && attempt < DUPLICATE_ATTEMPTS,
            Fault::Lost(_) | Fault::Refused(_) | Fault::Full(_) | Fault::Failed(_) => false,
        }
    }

    /// The two halves of a part, the first one last (it is taken from the end); itself when it is small.
    async fn halves(&self, part: Chunk) -> Result<Vec<Chunk>, Fault> {
        let Some(upto) = part.range.upto.clone() else { return Ok(vec![part]) };
        if part.rows < 2 * self.options.chunk.floor {
            return Ok(vec![part]);
        }
        let half = part.rows / 2;
        let middle = self.ports.rows.next(part.range.after.as_ref(), &upto, half).await;
        let Ok(Some((middle, rows))) = middle else { return Ok(vec![part]) };
        if middle == upto {
            return Ok(vec![part]);
        }
        let first = Chunk {
            number: part.number,
            range: Range { after: part.range.after, upto: Some(middle.clone()) },
            rows,
            whole: part.whole,
            part: Part::Inner,
        };
        let second = Chunk {
            number: part.number,
            range: Range { after: Some(middle), upto: Some(upto) },
            rows: part.rows - rows.min(part.rows),
            whole: part.whole,
            part: part.part,
        };
        Ok(vec![second, first])
    }

    async fn retry(&self, what: &str, why: &str, attempt: u32) {
        // Conflicts of a chunk are everyday business: only the stubborn ones are told.
        if attempt.is_multiple_of(10) {
            self.ports.reporter.event(&Event::Retried { what: what.into(), why: why.into(), attempt });
        }
        tracing::debug!(what, why, attempt, "tried again");
        self.ports.clock.sleep(backoff(attempt.saturating_sub(2)) / 4).await;
    }
}

/// Tells progress and pauses, and looks at what triggers recorded.
struct Teller {
    since: Duration,
    last: (Duration, u64),
    rate: f64,
    paused: Option<String>,
    ticks: u32,
}

impl Teller {
    fn new(shared: &Shared) -> Self {
        let now = shared.ports.clock.now();
        Self { since: now, last: (now, lock(&shared.counts).passed), rate: 0.0, paused: None, ticks: 0 }
    }

    async fn tick(&mut self, shared: &Shared, paused_s: &mut f64) -> Result<(), Fault> {
        self.ticks += 1;
        match (shared.gate(), &self.paused) {
            (Gate::Closed { why }, None) => {
                shared.ports.reporter.event(&Event::Paused { why: why.clone() });
                self.paused = Some(why);
                self.since = shared.ports.clock.now();
            }
            (Gate::Closed { why }, Some(_)) => {
                self.paused = Some(why);
                let closed = shared.ports.clock.now().saturating_sub(self.since);
                if closed > shared.options.patience && !shared.wishes.borrow().pause {
                    return Err(Fault::Busy(format!("nothing could be written for {} s", closed.as_secs())));
                }
            }
            (Gate::Open { .. }, Some(_)) => {
                *paused_s += shared.ports.clock.now().saturating_sub(self.since).as_secs_f64();
                self.paused = None;
                shared.ports.reporter.event(&Event::Resumed);
            }
            (Gate::Open { .. }, None) => {}
        }
        self.tell(shared);
        if self.ticks.is_multiple_of(CONFLICT_TICKS) {
            conflicts_so_far(&shared.ports).await?;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "rates are for people")]
    fn tell(&mut self, shared: &Shared) {
        let (now, passed) = (shared.ports.clock.now(), lock(&shared.counts).passed);
        let seconds = now.saturating_sub(self.last.0).as_secs_f64();
        if seconds > 0.0 {
            let fresh = passed.saturating_sub(self.last.1) as f64 / seconds;
            self.rate = if self.rate > 0.0 { self.rate.mul_add(0.8, fresh * 0.2) } else { fresh };
        }
        self.last = (now, passed);
        let of = shared.options.rows.max(passed);
        shared.ports.reporter.event(&Event::Progress {
            phase: Phase::Copying,
            rows: passed,
            of,
            rate: self.rate,
            eta_s: eta(of - passed, self.rate),
            chunk_rows: lock(&shared.sizer).next(1.0),
            pace: self.paused.clone().or_else(|| shared.ports.pace.why()),
        });
    }
}

/// How much smaller or larger chunks are at a share of the full pace; below it, rests make up the rest.
fn scale(share: f64) -> f64 {
    if share > 1.0 { share } else { share.max(0.01).sqrt() }
}

/// Whole seconds that `rows` take at `rate`.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "for people")]
pub(super) fn eta(rows: u64, rate: f64) -> Option<u64> {
    (rate > 1.0).then(|| (rows as f64 / rate).ceil() as u64)
}

/// As `conflicts`, where it is asked again soon: a read that failed proves nothing.
pub(super) async fn conflicts_so_far(ports: &Ports) -> Result<(), Fault> {
    match conflicts(ports).await {
        Err(Fault::Busy(_) | Fault::Lost(_)) => Ok(()),
        answer => answer,
    }
}

/// Fails when triggers recorded rows that the new table can't take, and when that can't be known.
pub(super) async fn conflicts(ports: &Ports) -> Result<(), Fault> {
    let found = ports.rows.conflicts().await?;
    if found.is_empty() { Ok(()) } else { Err(conflict(found)) }
}

/// What recorded conflicts mean.
pub(super) fn conflict(rows: Vec<String>) -> Fault {
    let reason = Reason::new(
        ReasonCode::ValuesDoNotFit,
        "an application wrote a row that the new table can't take",
        "change the row or the ALTER, and run again",
    );
    Fault::Rows { reason: Box::new(reason), rows }
}

/// A poisoned lock only means that a worker panicked, which is reported where it is joined.
fn lock<T>(mutex: &StdMutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
