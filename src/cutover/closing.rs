//! What all ways of stopping writes share, and which one a server gets.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::plan::CopySpec;
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Reason, Topology};

use super::fence::Fence;
use super::objects::{Site, TableObjects};
use super::sentry::Sentry;
use crate::error::Fault;
use crate::ports::clock::Clock;
use crate::ports::cutover::Cutover;
use crate::ports::nodes::Nodes;
use crate::ports::objects::{Generation, Objects as _};

/// What the RENAME may need until it can no longer fail by lateness, beside its lock wait. In a cluster: until it is
/// ordered; a node that says nothing for longer than `evs.suspect_timeout` (5 s) is thrown out and orders nothing.
pub(super) const ROOM: Duration = Duration::from_secs(8);
/// Longest that the proof before the RENAME may take.
pub(super) const PROOF: Duration = Duration::from_secs(3);
/// Longest that opening may be tried.
pub(super) const OPENING: Duration = Duration::from_secs(15);

/// What the calls need.
pub struct Ground {
    /// The job's tables.
    pub objects: Arc<TableObjects>,
    /// Whether nodes are fit, and have the same tables.
    pub nodes: Arc<dyn Nodes>,
    /// Our time.
    pub clock: Arc<dyn Clock>,
}

impl Ground {
    pub(super) fn site(&self) -> &Site {
        self.objects.site()
    }

    pub(super) fn spec(&self) -> &CopySpec {
        &self.site().spec
    }

    /// The whole lease for that much work of the caller.
    pub(super) fn lease(&self, work: Duration) -> Duration {
        work + self.room()
    }

    /// What must be left of the lease when the RENAME is sent.
    pub(super) fn room(&self) -> Duration {
        ROOM + self.site().lock_wait
    }

    /// Passes when source and shadow stand on every node, and nothing of an earlier attempt does.
    pub(super) async fn clear(&self) -> Result<(), Fault> {
        let standing = self.objects.standing().await?;
        if standing.source && standing.shadow && !standing.retired && standing.triggers == 0 {
            return Ok(());
        }
        Err(Fault::Failed(format!("failed to stop writes: the servers have {standing:?}")))
    }

    /// Passes while the source is the table that it was, in bounded time. For one primary, whose source is locked: nobody
    /// can alter it any more.
    pub(super) async fn prove_locked(&self, generation: Option<&String>) -> Result<(), Fault> {
        let proof = tokio::time::timeout(PROOF, self.same_generation(generation));
        not_renamed(proof.await.unwrap_or_else(|_| Err(too_long())))
    }

    /// The number by which a TRUNCATE is seen.
    pub(super) async fn generation(&self) -> Result<Option<String>, Fault> {
        self.objects.generation(Generation::Source).await
    }

    /// Passes while the source is the table that it was.
    pub(super) async fn same_generation(&self, before: Option<&String>) -> Result<(), Fault> {
        if self.generation().await?.as_ref() == before {
            return Ok(());
        }
        Err(Fault::Refused(Box::new(Reason::new(
            ReasonCode::PlanStale,
            "the table was truncated or rebuilt while its writes were stopped",
            "driftless run --resume compares again; after a TRUNCATE: driftless abort, and run anew",
        ))))
    }
}

/// The safest way to stop writes that these servers have.
///
/// MySQL from 8.0.13 on could RENAME in the session that has the locks. But that needs the shadow locked as well, and then
/// one session alone could bring the last changes in; the sentry leaves the shadow to all.
#[must_use]
pub fn by_topology(ground: Ground, topology: &Topology) -> Arc<dyn Cutover> {
    let ground = Arc::new(ground);
    match topology {
        Topology::Galera { .. } => Arc::new(Fence::new(ground)),
        Topology::Single => Arc::new(Sentry::new(ground)),
    }
}

/// A fault of a proof that took too long.
pub(super) fn too_long() -> Fault {
    Fault::Busy(format!("the nodes did not all answer within {} s while writes were stopped", PROOF.as_secs()))
}

/// A fault of a caller who was too slow.
pub(super) fn too_late() -> Fault {
    Fault::Busy("the time for which writes may be stopped has run out before the names were switched".into())
}

/// A lost connection before the RENAME was sent leaves nothing in doubt.
pub(super) fn not_renamed(answer: Result<(), Fault>) -> Result<(), Fault> {
    match answer {
        Err(Fault::Lost(why)) => Err(Fault::Busy(why)),
        Ok(()) | Err(Fault::Busy(_) | Fault::Refused(_) | Fault::Rows { .. } | Fault::Full(_) | Fault::Failed(_)) => {
            answer
        }
    }
}
