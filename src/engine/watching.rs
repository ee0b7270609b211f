//! Looks again and again, while rows are copied and compared, whether tables and triggers are still the same everywhere.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;

use super::following::Follower;
use super::phase;
use super::run::Ports;
use crate::error::Fault;
use crate::ports::journal::Phase;

/// Between two looks. Each costs some thirty reads of the catalog a node.
pub(super) const EVERY: Duration = Duration::from_secs(10);

/// Watches until something is found, or whatever follows the changes can't go on.
pub(super) async fn watch(ports: Ports, follower: Option<Arc<Follower>>, at: Phase) -> Fault {
    let looking = async {
        loop {
            ports.clock.sleep(EVERY).await;
            if let Err(fault) = look(&ports, at).await {
                return fault;
            }
        }
    };
    match follower {
        None => looking.await,
        Some(follower) => tokio::select! {
            biased;
            fault = follower.failed() => fault,
            fault = looking => fault,
        },
    }
}

/// One look. What can't be asked now proves nothing: the next ordered step waits until it can.
///
/// # Errors
/// `Refused` when tables differ, `Failed` when changes have not come into the shadow since a trigger went.
pub(super) async fn look(ports: &Ports, at: Phase) -> Result<(), Fault> {
    known(ports.nodes.same(at).await)?;
    let Some(standing) = known(ports.objects.standing().await)? else { return Ok(()) };
    let armed = if ports.follow.is_some() { 0 } else { 3 };
    if phase::whole(&standing, armed) {
        return Ok(());
    }
    Err(Fault::Failed(format!(
        "somebody removed tables or triggers of the job, so changes are missing in the shadow: {}",
        phase::described(&standing)
    )))
}

/// What was said, unless nothing could be said now.
fn known<T>(answer: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(seen) => Ok(Some(seen)),
        Err(fault @ Fault::Refused(_)) => Err(fault),
        Err(fault @ (Fault::Busy(_) | Fault::Lost(_) | Fault::Rows { .. } | Fault::Full(_) | Fault::Failed(_))) => {
            tracing::debug!(%fault, "tables and triggers could not be looked at");
            Ok(None)
        }
    }
}

/// The table is not the planned one any more.
pub(super) fn changed_by_others(statement: &str) -> Fault {
    Fault::Refused(Box::new(Reason::new(
        ReasonCode::PlanStale,
        format!("somebody changed the table by a statement while rows were copied: {statement}"),
        "driftless abort, then plan again",
    )))
}
