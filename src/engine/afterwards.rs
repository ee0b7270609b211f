//! After the switch of a job that follows the binlog: nothing may have been written to the table between the last change
//! that was brought in and the RENAME.
//!
//! The process that switched reads on where it is. After a crash whoever resumes reads from the place that was marked
//! before the RENAME, in the binlog of the same server.

use std::time::Duration;

use super::closing::shown;
use super::ending::Ending;
use super::following::Follow;
use super::keeping::backoff;
use super::run::Engine;
use crate::error::{Fault, Remedy};
use crate::ports::changes::{Change, Changes, Position, StreamError};
use crate::ports::journal::{Mark, Phase};
use crate::ports::objects::Keep;
use crate::ports::rows::Bound;
use crate::sql::meaning::Meaning;

/// Longest wait for the RENAME in the binlog.
const RENAME_READ: Duration = Duration::from_secs(30);
/// Attempts to read on after a crash (about half a minute).
const ATTEMPTS: u32 = 10;
/// Written rows that are remembered.
const REMEMBERED: usize = 100;

/// After the switch: the binlog must show no change of the table between the last one that was brought in and the RENAME.
pub(super) async fn nothing_slipped(engine: &mut Engine) -> Result<(), Ending> {
    let Some(follower) = engine.follower.take() else { return Ok(()) };
    engine.tally.applied = follower.applied();
    let Some(last) = engine.last_change else { return Ok(()) };
    let what = match follower.renamed(RENAME_READ).await {
        Ok(number) if number == last => return Ok(()),
        Ok(_) => {
            let late: Vec<Bound> =
                follower.unproven(usize::MAX).into_iter().filter(|(_, n)| *n > last).map(|(key, _)| key).collect();
            written_late(&late)
        }
        Err(fault) => unproven(&fault.to_string()),
    };
    Err(kept(engine, what).await)
}

/// The same for a switch whose process did not live to look.
pub(super) async fn nothing_slipped_before_the_crash(engine: &mut Engine) -> Result<(), Ending> {
    let at = Phase::Switching;
    let Some(follow) = engine.ports.follow.clone() else { return Ok(()) };
    let what = match marked(engine).await.map_err(|fault| Ending::of(fault, at))? {
        Some(Mark::Unproven(what)) => {
            engine.unproven = Some(what);
            return Ok(());
        }
        None => unproven("the journal does not say up to where it was read"),
        Some(Mark::Upto(place)) => match late_writes(engine, &follow, &place).await {
            Ok(late) if late.is_empty() => return Ok(()),
            Ok(late) => written_late(&late),
            // Nothing is decided: the next resume looks again.
            Err(fault @ (Fault::Busy(_) | Fault::Lost(_))) => {
                return Err(Ending::Stopped { phase: at, why: unproven(&fault.to_string()) });
            }
            Err(fault) => unproven(&fault.to_string()),
        },
    };
    Err(kept(engine, what).await)
}

/// For a job that is almost over: whether an earlier process had found something.
pub(super) async fn found_before(engine: &mut Engine) -> Result<(), Ending> {
    if engine.ports.follow.is_none() {
        return Ok(());
    }
    let mark = marked(engine).await.map_err(|fault| Ending::of(fault, Phase::Finishing))?;
    engine.unproven = match mark {
        Some(Mark::Unproven(what)) => Some(what),
        Some(Mark::Upto(_)) | None => None,
    };
    Ok(())
}

async fn marked(engine: &Engine) -> Result<Option<Mark>, Fault> {
    let mut attempt = 0;
    loop {
        match engine.ports.journal.marked().await {
            Err(Fault::Busy(why) | Fault::Lost(why)) if attempt < ATTEMPTS => {
                attempt += 1;
                engine.retried("reading the journal", &why, attempt).await;
            }
            answer => return answer,
        }
    }
}

/// Rows that the binlog shows between the place and the job's RENAME.
async fn late_writes(engine: &Engine, follow: &Follow, place: &Position) -> Result<Vec<Bound>, Fault> {
    let mut attempt = 0;
    loop {
        let limit = engine.ports.clock.sleep(RENAME_READ);
        let read = tokio::select! {
            biased;
            read = read_on(follow, place) => read,
            () = limit => return Err(Fault::Busy("the RENAME did not come in the binlog".into())),
        };
        match read {
            Err(Fault::Busy(why) | Fault::Lost(why)) if attempt < ATTEMPTS && !engine.stop.is_cancelled() => {
                attempt += 1;
                tracing::debug!(why, attempt, "reading the binlog again");
                engine.ports.clock.sleep(backoff(attempt)).await;
            }
            answer => return answer,
        }
    }
}

async fn read_on(follow: &Follow, place: &Position) -> Result<Vec<Bound>, Fault> {
    let mut stream = holder(follow, place).await?.open(place).await?;
    let mut late = Vec::new();
    loop {
        match stream.next().await? {
            Change::Row { before, after, .. } => {
                late.extend([before, after].into_iter().flatten().take(REMEMBERED.saturating_sub(late.len())));
            }
            Change::Committed { .. } | Change::Idle { .. } => {}
            Change::Ddl { statement, .. } => match follow.names.meaning(&statement) {
                Meaning::Harmless => {}
                Meaning::Renamed => return Ok(late),
                Meaning::Changed(what) => return Err(super::watching::changed_by_others(&what)),
            },
        }
    }
}

/// Whose binlog it is.
async fn holder(follow: &Follow, place: &Position) -> Result<std::sync::Arc<dyn Changes>, Fault> {
    let mut silent: Option<StreamError> = None;
    for changes in &follow.everywhere {
        match changes.has(place).await {
            Ok(true) => return Ok(std::sync::Arc::clone(changes)),
            Ok(false) => {}
            Err(error) if error.remedy() == Remedy::Retry => silent = Some(error),
            Err(error) => tracing::debug!(%error, "this server has not the place"),
        }
    }
    match silent {
        Some(error) => Err(error.into()),
        None => Err(Fault::Failed(format!("no server that is there has its binlog at {place} any more"))),
    }
}

fn written_late(late: &[Bound]) -> String {
    format!(
        "rows were written while the names were switched, and are in the retired table only: {}",
        shown(late).join("; ")
    )
}

fn unproven(why: &str) -> String {
    format!("it could not be proven from the binlog that nothing was written while the names were switched: {why}")
}

/// What shows it must not be dropped, by a resume neither; and the journal says so until the job is over.
async fn kept(engine: &mut Engine, what: String) -> Ending {
    engine.job.keep = Keep::Keep;
    // First that, because a mark alone keeps nothing.
    let stored = match engine.save().await {
        Ok(()) => engine.ports.journal.mark(&Mark::Unproven(what.clone())).await,
        Err(fault) => Err(fault),
    };
    if let Err(fault) = stored {
        tracing::warn!(%fault, "the journal does not know yet what was found; a resume finds it again");
    }
    Ending::Failed { phase: Phase::Switching, what: format!("{what}; the retired table is kept, compare the two") }
}
