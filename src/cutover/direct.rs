//! The `Direct` port over real servers: one ALTER of the table itself, and what each node has afterwards.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::blockers;
use driftless_strategies::choose::{self, Options};
use driftless_strategies::copy_steps::LOCK_WAIT_MS;
use driftless_strategies::rsu;
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Alter, Flavour, Plan, Reason, Step, Topology};
use futures_util::future::join_all;

use super::ordered;
use crate::error::Fault;
use crate::inspect::{self, Limits, NodeWatch, Reading};
use crate::ports::direct::{Direct, Sight, Sighting};
use crate::ports::journal::JobId;
use crate::ports::members::Discovered;
use crate::ports::server::{ErrorKind, Server, Session};
use crate::sql::session::kill;
use crate::sql::{Sql, ddl};

/// Estimates that the server may need for the ALTER before its answer is no longer waited for, beside `DDL_DEADLINE`.
const PATIENT: u32 = 4;
/// The server's answer to a statement that somebody killed.
const INTERRUPTED: u16 = 1317;
/// Longest ALTER that one primary may work on beside its writers; then it is ended, and undone by the server.
const ONLINE: Duration = Duration::from_secs(72 * 3600);

/// What the calls need.
pub struct Ground {
    /// Every node, the one that sends the ALTER first.
    pub discovered: Discovered,
    /// The nodes under watch, the table first among what is expected.
    pub watch: Arc<NodeWatch>,
    /// The plan.
    pub plan: Plan,
    /// Its clauses, read.
    pub alter: Alter,
    /// From when on a transaction is too old to be aborted.
    pub limits: Limits,
    /// The job.
    pub job: JobId,
    /// The fencing token of the lease under which this works.
    pub token: u64,
}

/// The table of one job.
pub struct TableItself {
    ground: Ground,
}

impl TableItself {
    /// Connects when asked.
    #[must_use]
    pub const fn new(ground: Ground) -> Self {
        Self { ground }
    }

    fn first(&self) -> Result<(&Arc<dyn Server>, Flavour), Fault> {
        let first = self.ground.discovered.members.first();
        first
            .map(|member| (&member.server, member.node.flavour))
            .ok_or_else(|| Fault::Failed("failed to find a node to work on: none is known".into()))
    }

    fn statement(&self, flavour: Flavour) -> Result<Sql, Fault> {
        Ok(ddl::by_holder(&self.alone()?, &self.ground.job, self.ground.token, flavour))
    }

    /// The ALTER without its guard.
    fn alone(&self) -> Result<Sql, Fault> {
        let plan = &self.ground.plan;
        let Some((alter, algorithm, lock)) = plan.steps.iter().find_map(Step::alter) else {
            return Err(Fault::Failed("failed to find the ALTER: the plan has none".into()));
        };
        Ok(ddl::alter_directly(&plan.table, alter, algorithm, lock))
    }

    /// A connection for the ALTER. In a cluster it never gives up on a lock by itself: once it is ordered, a node that gave
    /// up alone would be left different. Elsewhere everybody queues behind it while it waits, so that it gives up soon.
    async fn patient(&self, server: &Arc<dyn Server>) -> Result<Box<dyn Session>, Fault> {
        if self.ground.discovered.topology == Topology::Single {
            let mut session = ordered::connect(server, Duration::from_millis(LOCK_WAIT_MS)).await?;
            session.set_deadline(ONLINE);
            return Ok(session);
        }
        let needed = Duration::from_millis(self.ground.plan.estimate.stall_ms) * PATIENT + ordered::DDL_DEADLINE;
        let mut session = ordered::connect(server, needed * 2).await?;
        session.set_deadline(needed);
        Ok(session)
    }
}

#[async_trait::async_trait]
impl Direct for TableItself {
    async fn rehearse(&self) -> Result<(), Fault> {
        let Ground { discovered, plan, alter, limits, .. } = &self.ground;
        let mut facts = match inspect::inspect(discovered, &plan.table, Some(alter), limits).await {
            Err(Fault::Refused(reason)) => return Err(passing(*reason)),
            facts => facts?,
        };
        // Who is missing was judged for the plan, by what its user said; the view must be the plan's still.
        facts.nodes.iter_mut().for_each(|node| drop(node.variables.remove(rsu::ADDRESSES)));
        // What does not pass by itself is told first; what a lock keeps from being tried says nothing about the change.
        let mut found = blockers::find(&facts, alter);
        found.sort_by_key(|reason| passes(reason.code));
        if let Some(reason) = found.into_iter().next() {
            return Err(passing(reason));
        }
        let options = Options { force: Some(plan.strategy), ..plan.options.clone() };
        let decision = choose::choose(&facts, alter, &options);
        match decision.plan {
            Some(fresh)
                if fresh.work == plan.work && fresh.same_steps(plan) && fresh.fingerprint == plan.fingerprint =>
            {
                Ok(())
            }
            Some(_) => {
                let what = "the nodes would now make another change of the ALTER than the plan says";
                Err(no(Reason::new(ReasonCode::PlanStale, what, "plan again; nothing was changed")))
            }
            None => {
                let unknown = || Reason::new(ReasonCode::PlanStale, "the plan no longer fits", "plan again");
                Err(no(decision.blockers.into_iter().next().unwrap_or_else(unknown)))
            }
        }
    }

    async fn calm(&self) -> Result<(), Fault> {
        self.ground.watch.calm().await
    }

    async fn users(&self) -> Vec<String> {
        self.ground.watch.users().await
    }

    async fn alter(&self) -> Result<(), Fault> {
        let (server, flavour) = self.first()?;
        let statement = self.statement(flavour)?;
        let mut session = self.patient(server).await?;
        if self.ground.plan.steps.iter().any(|step| matches!(step, Step::NonBlocking { .. })) {
            session.execute(&ddl::non_blocking()).await?;
        }
        let Err(error) = session.execute(&statement).await else { return Ok(()) };
        if error.code == INTERRUPTED {
            return Err(Fault::Lost(format!("somebody has ended it: {error}")));
        }
        match error.kind {
            ErrorKind::Conflict | ErrorKind::NotReady | ErrorKind::Connect => Err(Fault::Busy(error.to_string())),
            ErrorKind::Lost => Err(Fault::Lost(error.to_string())),
            ErrorKind::Full => Err(error.into()),
            ErrorKind::Denied | ErrorKind::Duplicate | ErrorKind::Data | ErrorKind::Missing | ErrorKind::Other => {
                let remedy = "--strategy trigger-copy, or correct the alter; nothing was changed";
                let what = format!("the server rejects the ALTER: {error}");
                Err(no(Reason::new(ReasonCode::AlterRejected, what, remedy)))
            }
        }
    }

    async fn under_way(&self) -> Result<bool, Fault> {
        let sql = ddl::altering(&self.ground.plan.table);
        let one = async |server: &Arc<dyn Server>| -> Result<bool, Fault> {
            Ok(!server.connect().await?.query(&sql).await?.is_empty())
        };
        let members = &self.ground.discovered.members;
        let answers = join_all(members.iter().map(|member| one(&member.server))).await;
        // A node that does not answer does not work on it for anybody either; `look` says that it is silent.
        Ok(answers.into_iter().any(|answer| answer.unwrap_or(false)))
    }

    async fn end(&self) -> Result<(), Fault> {
        for member in &self.ground.discovered.members {
            let whole = self.statement(member.node.flavour)?;
            let own = self.alone()?;
            let mut session = member.server.connect().await?;
            for row in session.query(&ddl::working_on(&[&whole, &own])).await? {
                if let Some(id) = row.u64(0) {
                    // It may have ended by itself meanwhile.
                    drop(session.execute(&kill(id)).await);
                }
            }
        }
        Ok(())
    }

    async fn look(&self) -> Vec<Sighting> {
        let seen = self.ground.watch.tables().await;
        seen.into_iter().map(|(node, answer)| Sighting { node, sight: sight(answer) }).collect()
    }
}

fn no(reason: Reason) -> Fault {
    Fault::Refused(Box::new(reason))
}

/// A refusal, or a wait when what is in the way may go away by itself.
fn passing(reason: Reason) -> Fault {
    if passes(reason.code) { Fault::Busy(format!("{} [{}]", reason.what, reason.code.as_str())) } else { no(reason) }
}

/// Whether what is in the way may go away by itself.
fn passes(code: ReasonCode) -> bool {
    matches!(code, ReasonCode::LockHeld | ReasonCode::OldTransaction)
}

fn sight(answer: Result<Option<Reading>, Fault>) -> Sight {
    match answer {
        Ok(Some(reading)) => Sight::Table { fingerprint: reading.fingerprint, shape: Box::new(reading.shape) },
        Ok(None) => Sight::Missing,
        Err(fault) => Sight::Silent(fault.to_string()),
    }
}
