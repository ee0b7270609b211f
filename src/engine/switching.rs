//! Holding, the switch, what comes after it, and the way back.

use std::time::Duration;

use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;

use super::copying::{conflict, conflicts, conflicts_so_far};
use super::ending::Ending;
use super::keeping::backoff;
use super::run::{Engine, Guard};
use super::{afterwards, closing, phase, watching};
use crate::error::Fault;
use crate::ports::journal::Phase;
use crate::ports::objects::{Generation, Keep};
use crate::ports::pace::Gate;
use crate::ports::report::Event;

/// How often a held switch looks again.
const LOOK: Duration = Duration::from_millis(250);
/// Looks between two checks of what triggers recorded (2 s).
const CONFLICT_LOOKS: u32 = 8;

/// Waits while the switch is held; triggers keep the shadow in step meanwhile.
pub(super) async fn hold(engine: &mut Engine) -> Result<(), Ending> {
    let at = Phase::Holding;
    let mut told: Option<String> = None;
    let mut looks = 0_u32;
    let mut watched = engine.ports.clock.now();
    loop {
        if engine.stop.is_cancelled() {
            return Err(Ending::Stopped { phase: at, why: engine.stop_reason() });
        }
        if looks.is_multiple_of(CONFLICT_LOOKS) {
            conflicts_so_far(&engine.ports).await.map_err(|fault| Ending::of(fault, at))?;
        }
        if engine.ports.clock.now().saturating_sub(watched) >= watching::EVERY {
            watching::look(&engine.ports, at).await.map_err(|fault| Ending::of(fault, at))?;
            watched = engine.ports.clock.now();
        }
        closing::keep_proven(engine).await?;
        let wishes = *engine.wishes.borrow();
        let why = if wishes.cutover {
            None
        } else if wishes.pause {
            Some("paused by an operator".to_owned())
        } else {
            (engine.ports.hold)().or_else(|| match engine.ports.pace.gate() {
                Gate::Closed { why } => Some(why),
                Gate::Open { .. } => None,
            })
        };
        let Some(why) = why else { return Ok(()) };
        if told.as_ref() != Some(&why) {
            engine.event(&Event::Held { why: why.clone() });
            told = Some(why);
        }
        looks += 1;
        engine.ports.clock.sleep(LOOK).await;
    }
}

/// Switches the names. Who owns them is asked of the servers after every doubt, never guessed.
pub(super) async fn switch(engine: &mut Engine) -> Result<(), Ending> {
    let at = Phase::Switching;
    let mut attempt = 0_u32;
    loop {
        attempt += 1;
        engine.tally.switch_attempts = attempt;
        let started = engine.ports.clock.now();
        let answer = attempted(engine).await;
        let took = engine.ports.clock.now().saturating_sub(started);
        // A RENAME whose answer was lost may still come: no conflict may be recorded before it.
        let doubtful = matches!(answer, Err(Fault::Lost(_)));
        let settled = settle(engine, answer).await;
        if !doubtful && !matches!(settled, Ok(Settled::Switched) | Err(Ending::Unknown { .. })) {
            reopen(engine).await;
        }
        if !matches!(settled, Ok(Settled::Switched) | Err(Ending::Unknown { .. })) {
            closing::let_in(engine).await;
        }
        match settled? {
            Settled::Switched => {
                afterwards::nothing_slipped(engine).await?;
                engine.tally.switch_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                engine.event(&Event::Switched { ms: engine.tally.switch_ms, attempts: attempt });
                return Ok(());
            }
            Settled::Not(why) => {
                if let Some(fault) = closing::hopeless(engine) {
                    return Err(Ending::of(fault, at));
                }
                if engine.stop.is_cancelled() || attempt >= engine.options.attempts {
                    return Err(Ending::Stopped { phase: at, why });
                }
                engine.event(&Event::Retried { what: "the switch".into(), why, attempt });
                engine.ports.clock.sleep(backoff(attempt) * 4).await;
            }
        }
    }
}

async fn attempted(engine: &mut Engine) -> Result<(), Fault> {
    // First, because it may take long: what is looked at next must still be so at the switch.
    closing::catch_up(engine).await?;
    ready(engine).await?;
    closing::switch(engine).await
}

/// Everything that must be true at the moment of the RENAME; what can change until then is closed last.
async fn ready(engine: &Engine) -> Result<(), Fault> {
    conflicts(&engine.ports).await?;
    if let Some(follow) = &engine.ports.follow {
        // An earlier attempt may have left triggers.
        follow.cutover.reopen().await?;
    }
    let standing = engine.ports.objects.standing().await?;
    if !phase::whole(&standing, engine.armed()) || standing.retired {
        let what = format!("the shadow can't be trusted any more: the servers have {standing:?}");
        return Err(Fault::Failed(what));
    }
    engine.ports.nodes.fit(Phase::Switching).await?;
    if engine.ports.objects.generation(Generation::Source).await? != engine.generation {
        return Err(Fault::Refused(Box::new(Reason::new(
            ReasonCode::PlanStale,
            "the table was truncated or rebuilt after it was compared, which no trigger sees",
            "driftless run --resume compares again; after a TRUNCATE: driftless abort, and run anew",
        ))));
    }
    // A job that was taken over while this process slept or looked must not be switched by it.
    engine.ports.journal.beat().await?;
    if engine.deposed.is_cancelled() {
        return Err(Fault::Busy(engine.stop_reason()));
    }
    if engine.ports.rows.close_gate().await? {
        return Ok(());
    }
    let found = engine.ports.rows.conflicts().await?;
    Err(conflict(found))
}

/// Lets conflicts be recorded again, so that applications do not feel them while nothing is switched. Best effort: the
/// next comparison does it too.
async fn reopen(engine: &Engine) {
    if let Err(fault) = engine.ports.rows.open_gate().await {
        tracing::warn!(%fault, "the gate for conflicts stays closed");
    }
}

enum Settled {
    Switched,
    Not(String),
}

/// What an attempt came to; a failed one that is not plainly "no" is looked up on all nodes.
async fn settle(engine: &Engine, answer: Result<(), Fault>) -> Result<Settled, Ending> {
    let at = Phase::Switching;
    let fault = match answer {
        Ok(()) => {
            if let Err(fault) = engine.ports.nodes.barrier().await {
                tracing::debug!(%fault, "not all nodes have switched yet");
            }
            Fault::Lost("the server said yes, but the names say no".into())
        }
        Err(Fault::Busy(why)) => return Ok(Settled::Not(why)),
        // An earlier RENAME whose answer was lost may have come through: then the tables are not as expected either.
        Err(fault @ Fault::Refused(_)) => {
            return match engine.ports.objects.standing().await {
                Ok(standing) if standing.switched() => Ok(Settled::Switched),
                _ => Err(Ending::of(fault, at)),
            };
        }
        Err(fault @ Fault::Rows { .. }) => return Err(Ending::of(fault, at)),
        Err(fault @ (Fault::Lost(_) | Fault::Full(_) | Fault::Failed(_))) => fault,
    };
    let mut attempt = 0;
    loop {
        match engine.ports.objects.standing().await {
            Ok(standing) if standing.switched() => return Ok(Settled::Switched),
            Ok(standing) if standing.source && standing.shadow && !standing.retired => {
                if matches!(fault, Fault::Full(_) | Fault::Failed(_)) {
                    return Err(Ending::of(fault, at));
                }
                return Ok(Settled::Not(fault.to_string()));
            }
            Ok(standing) => {
                return Err(Ending::Unknown {
                    phase: at,
                    what: format!("after the RENAME the servers have {standing:?}"),
                });
            }
            // A node that is not back yet, or has not applied the RENAME yet.
            Err(_) if attempt < engine.options.attempts => {
                attempt += 1;
                engine.ports.clock.sleep(backoff(attempt)).await;
            }
            Err(fault) => return Err(unknown(&fault)),
        }
    }
}

fn unknown(fault: &Fault) -> Ending {
    Ending::Unknown {
        phase: Phase::Switching,
        what: format!("it is not known whether the names are switched: {fault}"),
    }
}

/// Names of foreign keys, then the retired table.
pub(super) async fn finish(engine: &mut Engine) -> Result<(), Ending> {
    let at = Phase::Finishing;
    same_table(engine).await?;
    let keep = engine.job.keep;
    engine.ordered(at, "naming the foreign keys", Guard::Fit, || engine.ports.objects.restore_foreign_keys()).await?;
    engine.ordered(at, "dropping the retired table", Guard::Fit, || engine.ports.objects.drop_retired(keep)).await?;
    engine.ordered(at, "forgetting the checkpoints", Guard::None, || engine.ports.journal.forget_chunks()).await?;
    engine.ordered(at, "waiting for all nodes", Guard::None, || engine.ports.nodes.barrier()).await
}

/// A TRUNCATE that was ordered just before the RENAME emptied what is now retired, and nothing of the new table.
async fn same_table(engine: &mut Engine) -> Result<(), Ending> {
    let at = Phase::Finishing;
    // Unknown after a crash: the process that switched had looked right before.
    let Some(generation) = engine.generation.clone() else { return Ok(()) };
    let read = || engine.ports.objects.generation(Generation::Retired);
    let now = engine.ordered(at, "reading the table's number", Guard::None, read).await?;
    if now.is_none_or(|now| now == generation) {
        return Ok(());
    }
    // What shows it must not be dropped, by a resume neither.
    engine.job.keep = Keep::Keep;
    let what = "the table was truncated or rebuilt at the moment of the switch: the new table may hold rows that were \
                removed; the retired table is kept, compare the two";
    Err(Ending::Failed { phase: at, what: what.to_owned() })
}

/// Drops triggers and shadow, unless the switch has happened.
pub(super) async fn undo(engine: &mut Engine) -> Result<(), Ending> {
    let at = Phase::Undoing;
    let standing = engine.standing(at).await?;
    if !phase::undoable(Phase::Switching, &standing) {
        return Err(Ending::Failed { phase: at, what: "the names are switched already: it can't be undone".into() });
    }
    if !standing.source && standing.retired {
        let what = "the table is gone and the retired one is there, as half a RENAME leaves them; nothing is dropped: RENAME the \
                    retired table back by hand, then abort again";
        return Err(Ending::Failed { phase: at, what: what.into() });
    }
    if let Some(follow) = engine.ports.follow.clone() {
        engine.ordered(at, "letting writers in again", Guard::None, || follow.cutover.reopen()).await?;
    }
    engine.ordered(at, "undoing", Guard::None, || engine.ports.objects.undo()).await?;
    // A RENAME whose answer was lost may have been ordered before all this and carried out only now.
    let left = engine.standing(at).await?;
    if left.retired || left.shadow || left.triggers > 0 {
        return Err(Ending::Failed {
            phase: at,
            what: format!("the names were switched while the job was undone: the servers have {left:?}"),
        });
    }
    engine.ordered(at, "forgetting the checkpoints", Guard::None, || engine.ports.journal.forget_chunks()).await
}
