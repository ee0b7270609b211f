//! Compares every row of source and shadow, range by range, on several connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::copying::{conflicts, eta};
use super::ending::Ending;
use super::following::Follower;
use super::keeping::backoff;
use super::run::{Engine, Guard};
use super::{proving, watching};
use crate::error::Fault;
use crate::ports::journal::Phase;
use crate::ports::objects::Generation;
use crate::ports::report::Event;
use crate::ports::rows::{Bound, Compared, Range, RowWorker};

/// Ranges that wait for a worker.
const QUEUE: usize = 16;
/// Attempts to read a boundary (18 s in all).
const READS: u32 = 10;
/// Comparisons of the whole table before the job stops because too much changes meanwhile.
const PROOFS: u32 = 3;
/// Differences that are kept to be shown.
const KEPT: usize = 20;

struct Shared {
    ranges: Mutex<mpsc::Receiver<Range>>,
    rows: AtomicU64,
    stop: CancellationToken,
    attempts: u32,
    clock: Arc<dyn crate::ports::clock::Clock>,
    follower: Option<Arc<Follower>>,
    repaired: AtomicU64,
}

/// Proves that source and shadow are equal.
pub(super) async fn verify(engine: &mut Engine) -> Result<(), Ending> {
    let at = Phase::Verifying;
    // What other nodes committed before now must be in the comparison.
    engine.ordered(at, "waiting for all nodes", Guard::None, || engine.ports.nodes.barrier()).await?;
    engine.ordered(at, "opening the gate", Guard::None, || engine.ports.rows.open_gate()).await?;
    refuse_conflicts(engine).await?;
    let generation = || engine.ports.objects.generation(Generation::Source);
    engine.generation = engine.ordered(at, "reading the table's number", Guard::None, generation).await?;
    let started = engine.ports.clock.now();
    let differences = compare_proven(engine).await?;
    let took = engine.ports.clock.now().saturating_sub(started);
    engine.tally.verify_s += took.as_secs_f64();
    engine.event(&Event::Verified {
        rows: engine.tally.verified,
        differences: u64::try_from(differences.len()).unwrap_or(u64::MAX),
        ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    });
    if engine.stop.is_cancelled() {
        return Err(Ending::Stopped { phase: at, why: engine.stop_reason() });
    }
    if !differences.is_empty() {
        // A row that the new table can't take is missing there, and recorded: that is the better answer.
        refuse_conflicts(engine).await?;
        return Err(Ending::Different { differences });
    }
    if let Err(fault) = engine.ports.objects.analyze_shadow().await {
        tracing::warn!(%fault, "statistics of the new table not refreshed");
    }
    Ok(())
}

/// Compares every row, again while so much changes that the changes can't be kept apart, and then what changed meanwhile.
async fn compare_proven(engine: &mut Engine) -> Result<Vec<String>, Ending> {
    let at = Phase::Verifying;
    let Some(follower) = engine.follower.clone() else { return compare_all(engine).await };
    for attempt in 1..=PROOFS {
        follower.begin_proof();
        // What changed before is not proven by itself: it must be visible, and in step, before the first look.
        engine.ordered(at, "waiting for the changes", Guard::None, || follower.barrier(proving::BARRIER)).await?;
        let differences = compare_all(engine).await?;
        if !differences.is_empty() || engine.stop.is_cancelled() {
            return Ok(differences);
        }
        if !follower.proof_is_void() {
            return Ok(Vec::new());
        }
        engine.retried("comparing", "too much changed meanwhile", attempt).await;
    }
    Err(Ending::Stopped { phase: at, why: "more changes than can be compared: go on in a quieter hour".into() })
}

async fn refuse_conflicts(engine: &Engine) -> Result<(), Ending> {
    let at = Phase::Verifying;
    engine.ordered(at, "looking for conflicts", Guard::None, || conflicts(&engine.ports)).await
}

async fn compare_all(engine: &mut Engine) -> Result<Vec<String>, Ending> {
    let at = Phase::Verifying;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let shared = Arc::new(Shared {
        ranges: Mutex::new(receiver),
        rows: AtomicU64::new(0),
        stop: engine.stop.child_token(),
        attempts: engine.options.attempts,
        clock: Arc::clone(&engine.ports.clock),
        follower: engine.follower.clone(),
        repaired: AtomicU64::new(0),
    });
    let mut workers = JoinSet::new();
    for _ in 0..engine.options.workers.max(1) {
        let worker = engine.ports.rows.worker().await.map_err(|fault| Ending::of(fault, at))?;
        workers.spawn(serve(Arc::clone(&shared), worker));
    }
    let cutting = tokio::spawn(cut(engine.ports.clone(), engine.options.compare_rows, sender, shared.stop.clone()));
    let mut differences = Vec::new();
    let mut outcome = Ok(());
    let mut watch = std::pin::pin!(watching::watch(engine.ports.clone(), engine.follower.clone(), at));
    loop {
        tokio::select! {
            biased;
            joined = workers.join_next() => match joined {
                None => break,
                Some(Ok(Ok(found))) => differences.extend(found),
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
            () = engine.ports.clock.sleep(std::time::Duration::from_millis(250)) => tell(engine, &shared),
        }
    }
    // Nobody takes ranges any more: a cutter that waits for room would wait for ever.
    shared.ranges.lock().await.close();
    engine.tally.verified = shared.rows.load(Ordering::Relaxed);
    engine.tally.repaired += shared.repaired.load(Ordering::Relaxed);
    // The proof is complete only if the cutter reached the end of the table.
    match cutting.await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => outcome = outcome.and(Err(Ending::of(fault, at))),
        Err(panic) => outcome = outcome.and(Err(Ending::Failed { phase: at, what: format!("BUG: {panic}") })),
    }
    differences.truncate(KEPT);
    outcome.map(|()| differences)
}

fn tell(engine: &Engine, shared: &Shared) {
    let rows = shared.rows.load(Ordering::Relaxed);
    let of = engine.options.rows.max(engine.tally.copied).max(rows);
    engine.event(&Event::Progress {
        phase: Phase::Verifying,
        rows,
        of,
        rate: 0.0,
        eta_s: eta(of - rows, 0.0),
        chunk_rows: engine.options.compare_rows,
        pace: None,
    });
}

/// Cuts the whole key space, both ends open, into ranges: rows that came after the copy began are compared too.
async fn cut(
    ports: super::run::Ports,
    rows: u64,
    out: mpsc::Sender<Range>,
    stop: CancellationToken,
) -> Result<(), Fault> {
    let mut after: Option<Bound> = None;
    if let Some(end) = last(&ports).await? {
        while let Some((upto, _)) = next(&ports, after.as_ref(), &end, rows).await? {
            if stop.is_cancelled() {
                return Ok(());
            }
            let reached = upto == end;
            let range = Range { after: after.replace(upto.clone()), upto: Some(upto) };
            if out.send(range).await.is_err() {
                return early(&stop);
            }
            if reached {
                break;
            }
        }
    }
    let tail = Range { after, upto: None };
    if out.send(tail).await.is_err() { early(&stop) } else { Ok(()) }
}

/// Workers that ended before the last range: well when they were told to.
fn early(stop: &CancellationToken) -> Result<(), Fault> {
    if stop.is_cancelled() {
        return Ok(());
    }
    Err(Fault::Failed("failed to compare all rows: the workers ended early".into()))
}

async fn last(ports: &super::run::Ports) -> Result<Option<Bound>, Fault> {
    let mut attempt = 0;
    loop {
        match ports.rows.last().await {
            Err(Fault::Busy(_) | Fault::Lost(_)) if attempt < READS => {
                attempt += 1;
                ports.clock.sleep(backoff(attempt)).await;
            }
            answer => return answer,
        }
    }
}

async fn next(
    ports: &super::run::Ports,
    after: Option<&Bound>,
    end: &Bound,
    rows: u64,
) -> Result<Option<(Bound, u64)>, Fault> {
    let mut attempt = 0;
    loop {
        match ports.rows.next(after, end, rows).await {
            Err(Fault::Busy(_) | Fault::Lost(_)) if attempt < READS => {
                attempt += 1;
                ports.clock.sleep(backoff(attempt)).await;
            }
            answer => return answer,
        }
    }
}

async fn serve(shared: Arc<Shared>, mut worker: Box<dyn RowWorker>) -> Result<Vec<String>, Fault> {
    let mut differences = Vec::new();
    while !shared.stop.is_cancelled() && differences.len() < KEPT {
        let Some(range) = shared.ranges.lock().await.recv().await else { break };
        let compared = compare(&shared, worker.as_mut(), &range).await?;
        shared.rows.fetch_add(compared.rows, Ordering::Relaxed);
        match &shared.follower {
            Some(follower) if !compared.differences.is_empty() => {
                let repaired = look_closer(&shared, follower, &range).await?;
                shared.repaired.fetch_add(repaired, Ordering::Relaxed);
            }
            Some(_) | None => differences.extend(compared.differences),
        }
    }
    if differences.len() >= KEPT {
        // Enough is known: the others need not go on.
        shared.stop.cancel();
    }
    Ok(differences)
}

/// As `proving::look_closer`, again after what passes.
async fn look_closer(shared: &Shared, follower: &Follower, range: &Range) -> Result<u64, Fault> {
    let mut attempt = 0;
    loop {
        match proving::look_closer(follower, range).await {
            Err(Fault::Busy(_) | Fault::Lost(_)) if attempt < shared.attempts && !shared.stop.is_cancelled() => {
                attempt += 1;
                shared.clock.sleep(backoff(attempt)).await;
            }
            answer => return answer,
        }
    }
}

async fn compare(shared: &Shared, worker: &mut dyn RowWorker, range: &Range) -> Result<Compared, Fault> {
    let mut attempt = 0;
    loop {
        match worker.compare(range).await {
            Err(Fault::Busy(_) | Fault::Lost(_)) if attempt < shared.attempts && !shared.stop.is_cancelled() => {
                attempt += 1;
                shared.clock.sleep(backoff(attempt)).await;
            }
            answer => return answer,
        }
    }
}
