//! The switch of a job that follows the binlog: writers are held, the last changes come in and are proven, then the RENAME.

use std::sync::Arc;
use std::time::Duration;

use super::backlog::Haste;
use super::ending::Ending;
use super::following::Follower;
use super::keeping::backoff;
use super::proving;
use super::run::Engine;
use super::verifying;
use crate::error::Fault;
use crate::ports::cutover::Closed;
use crate::ports::journal::{Mark, Phase};
use crate::ports::rows::Bound;

/// What is done at most while writers are held: the last changes and their proof.
const WORK: Duration = Duration::from_secs(2);
/// Of the time that writers may be held, what is left for the RENAME.
const FOR_RENAME: Duration = Duration::from_millis(300);
/// Changed rows that may be left to be proven while writers are held.
const FEW: usize = 500;
/// Rounds of proving before writers are held.
const ROUNDS: u32 = 40;
/// Longest wait for the changes in one round.
const ROUND: Duration = Duration::from_secs(30);
/// Attempts to let writers in again (about a second and a half).
const REOPENINGS: u32 = 5;
/// Keys that are shown.
const SHOWN: usize = 5;

/// While the switch is held: proves what changed meanwhile, so that little is left for the moment itself.
pub(super) async fn keep_proven(engine: &mut Engine) -> Result<(), Ending> {
    let at = Phase::Holding;
    let Some(follower) = engine.follower.clone() else { return Ok(()) };
    if let Some(fault) = follower.fault() {
        return Err(Ending::of(fault, at));
    }
    if engine.wishes.borrow().pause {
        return Ok(());
    }
    if follower.proof_is_void() {
        return verifying::verify(engine).await;
    }
    match proving::settle(&follower, &mut engine.strikes, ROUND).await {
        Ok(wrong) if wrong.is_empty() => Ok(()),
        Ok(wrong) => Err(Ending::Different { differences: shown(&wrong) }),
        Err(Fault::Busy(why) | Fault::Lost(why)) => {
            tracing::debug!(why, "changed rows not proven yet");
            Ok(())
        }
        Err(fault) => Err(Ending::of(fault, at)),
    }
}

/// One attempt of the switch.
///
/// # Errors
/// As `Objects::switch`.
pub(super) async fn switch(engine: &mut Engine) -> Result<(), Fault> {
    let (Some(follow), Some(follower)) = (engine.ports.follow.clone(), engine.follower.clone()) else {
        return engine.ports.objects.switch().await;
    };
    let mut closed = follow.cutover.close(WORK).await?;
    let still = Hasty::begin(&follower, Haste::Still);
    let last = finish(engine, &follower, closed.as_mut()).await;
    drop(still);
    match last {
        Ok(number) => {
            engine.last_change = Some(number);
            closed.rename().await
        }
        Err(fault) => {
            if let Err(shut) = closed.open().await {
                tracing::warn!(%shut, "writers are let in at the end of the fence");
            }
            Err(fault)
        }
    }
}

/// The appliers' haste, until it is dropped.
struct Hasty(Arc<Follower>);

impl Hasty {
    fn begin(follower: &Arc<Follower>, haste: Haste) -> Self {
        follower.haste(haste);
        Self(Arc::clone(follower))
    }
}

impl Drop for Hasty {
    fn drop(&mut self) {
        self.0.haste(Haste::Ordinary);
    }
}

/// Before writers are held: proves changed rows until few are left. An operator who wants the switch now gets it, paused or not.
///
/// # Errors
/// As from follower and servers; `Busy` when it is to stop, or when too much changes.
pub(super) async fn catch_up(engine: &mut Engine) -> Result<(), Fault> {
    let Some(follower) = engine.follower.clone() else { return Ok(()) };
    let _hurry = engine.wishes.borrow().cutover.then(|| Hasty::begin(&follower, Haste::Hurried));
    for _ in 0..ROUNDS {
        if engine.stop.is_cancelled() {
            return Err(Fault::Busy(engine.stop_reason()));
        }
        if follower.proof_is_void() {
            return Err(Fault::Busy("more changes than can be proven came while the switch was held".into()));
        }
        different(proving::settle(&follower, &mut engine.strikes, ROUND).await?)?;
        if follower.unproven_len() <= FEW {
            return Ok(());
        }
    }
    Err(Fault::Busy(format!("{} changed rows wait to be proven", follower.unproven_len())))
}

/// The last changes and their proof, while nobody writes, marked for whoever must look after a crash. The number of the
/// last change.
async fn finish(engine: &mut Engine, follower: &Follower, closed: &mut dyn Closed) -> Result<u64, Fault> {
    let left = |closed: &dyn Closed| {
        let left = closed.remaining().saturating_sub(FOR_RENAME);
        if left.is_zero() { Err(too_long()) } else { Ok(left) }
    };
    follower.barrier(left(closed)?).await?;
    let (number, upto) = loop {
        while follower.unproven_len() > 0 {
            let left = left(closed)?;
            let settled = proving::settle(follower, &mut engine.strikes, left);
            tokio::select! {
                biased;
                wrong = settled => different(wrong?)?,
                () = engine.ports.clock.sleep(left) => return Err(too_long()),
            }
        }
        // In this order: a change that the place is behind has its number, and a change that has its number is proven.
        let (number, upto) = (follower.number(), Mark::Upto(follower.at()));
        if follower.unproven_len() == 0 && follower.number() == number {
            break (number, upto);
        }
    };
    if follower.proof_is_void() {
        return Err(Fault::Busy("the proof is void".into()));
    }
    let wait = left(closed)?;
    tokio::select! {
        biased;
        marked = engine.ports.journal.mark(&upto) => marked?,
        () = engine.ports.clock.sleep(wait) => return Err(Fault::Busy("the journal could not be written in time".into())),
    }
    Ok(number)
}

fn too_long() -> Fault {
    Fault::Busy("the last changes took longer than writers may be held".into())
}

/// Lets writers in again after an attempt that did not switch, whatever it left. Best effort: the fence ends by
/// itself. Who lost the job leaves the table to who has it now.
pub(super) async fn let_in(engine: &Engine) {
    let Some(follow) = engine.ports.follow.as_ref().filter(|_| !engine.deposed.is_cancelled()) else { return };
    for attempt in 1..=REOPENINGS {
        match follow.cutover.reopen().await {
            Err(Fault::Busy(why) | Fault::Lost(why)) if attempt < REOPENINGS => {
                tracing::debug!(why, "writers are not let in yet");
                engine.ports.clock.sleep(backoff(attempt)).await;
            }
            Err(fault) => tracing::warn!(%fault, "writers are let in at the end of the fence"),
            Ok(()) => return,
        }
    }
}

/// Why no further attempt can switch; `None` while one may.
pub(super) fn hopeless(engine: &Engine) -> Option<Fault> {
    let follower = engine.follower.as_ref()?;
    let void = || Fault::Busy("more rows changed than can be proven before the switch; resume to compare again".into());
    follower.fault().or_else(|| follower.proof_is_void().then(void))
}

fn different(wrong: Vec<Bound>) -> Result<(), Fault> {
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Fault::Failed(format!("rows of the shadow stay different from the table: {}", shown(&wrong).join("; "))))
}

pub(super) fn shown(keys: &[Bound]) -> Vec<String> {
    keys.iter().take(SHOWN).map(|key| format!("key ({})", key.0.join(", "))).collect()
}
