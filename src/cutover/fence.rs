//! The `Cutover` port on Galera: triggers that keep every node's writers out until a moment that stands in them.
//!
//! DDL on a table is an exact barrier in the whole cluster: what was written before and is ordered after it fails its
//! certification. So behind the third trigger no write is possible that has not met one. A dead driftless opens the table
//! by the end that the triggers carry; each node judges that by its own clock, so the clocks are read first, and the
//! RENAME is sent only while the fastest of them is far from the end.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::clocks::{Clocks, Tick, micros};
use super::closing::{Ground, OPENING, PROOF, too_late, too_long};
use super::objects::TableObjects;
use super::ordered;
use crate::error::Fault;
use crate::ports::cutover::{Closed, Cutover};
use crate::ports::journal::Phase;
use crate::ports::server::{Row, Session};
use crate::sql::triggers::Change;
use crate::sql::{Sql, catalog, fence};

/// Between two looks whether every node has the triggers.
const LOOK: Duration = Duration::from_millis(3);
/// The server's answer when it can't read a trigger.
const BROKEN: u16 = 1064;
/// How old the look at all nodes may be at the RENAME.
const FRESH: Duration = Duration::from_secs(1);
/// Between two attempts to drop the triggers.
const AGAIN: Duration = Duration::from_millis(200);

/// Stops the writes of a whole cluster.
pub(super) struct Fence {
    ground: Arc<Ground>,
}

impl Fence {
    /// Connects when asked.
    pub(super) const fn new(ground: Arc<Ground>) -> Self {
        Self { ground }
    }

    /// Everything that can be done before the first trigger is made.
    async fn prepare(&self, work: Duration) -> Result<Shut, Fault> {
        let ground = &self.ground;
        ground.nodes.fit(Phase::Switching).await?;
        match ground.clear().await {
            Err(Fault::Failed(_)) => {
                self.reopen().await?;
                ground.clear().await?;
            }
            clear => clear?,
        }
        let generation = ground.generation().await?;
        let mut session = ordered::connect(ground.objects.copying()?, ground.site().lock_wait).await?;
        let mut eyes = Eyes::open(ground).await?;
        let clocks = eyes.clocks(ground).await?;
        clocks.judge(ground.clock.now()).map_err(skewed)?;
        let lease = ground.lease(work);
        let end = clocks.latest(ground.clock.now()).saturating_add(micros(lease));
        let until = moment(session.as_mut(), end).await?;
        let latest = moment(session.as_mut(), end.saturating_sub(micros(ground.room()))).await?;
        session.set_deadline(lease);
        let view = eyes.view().await?;
        let guard = Guard { ground: Arc::clone(ground), until, armed: false };
        Ok(Shut { session, eyes, clocks, view, generation, end, latest, fit: None, guard })
    }
}

#[async_trait::async_trait]
impl Cutover for Fence {
    async fn close(&self, work: Duration) -> Result<Box<dyn Closed>, Fault> {
        let mut shut = self.prepare(work).await?;
        shut.guard.armed = true;
        match shut.shut().await {
            Ok(()) => Ok(Box::new(shut)),
            Err(fault) => Err(shut.give_up(fault).await),
        }
    }

    async fn reopen(&self) -> Result<(), Fault> {
        self.ground.objects.quiet().await?;
        if self.ground.objects.with_triggers(0).await?.iter().all(|(here, _)| here.triggers == 0) {
            return Ok(());
        }
        self.ground.objects.drop_triggers().await
    }
}

/// A closed fence.
struct Shut {
    /// For the ordered statements.
    session: Box<dyn Session>,
    eyes: Eyes,
    clocks: Clocks,
    /// Every node's view of the cluster.
    view: Vec<Vec<Row>>,
    /// Whether all nodes are fit, found out beside the caller's work, and since when.
    fit: Option<(Duration, AbortOnDrop)>,
    /// The source's number.
    generation: Option<String>,
    /// When the first node opens, in microseconds since 1970; and the latest moment for a RENAME, as servers write it.
    end: u64,
    latest: String,
    guard: Guard,
}

impl Shut {
    /// Makes the triggers and waits until every node has them.
    async fn shut(&mut self) -> Result<(), Fault> {
        let ground = Arc::clone(&self.guard.ground);
        let site = ground.site();
        for statement in fence::close(&site.spec, &site.job, site.token, &self.guard.until, site.flavour) {
            run(self.session.as_mut(), &statement).await?;
        }
        let looking = async {
            while !self.eyes.see_triggers(&ground, &self.guard.until).await? {
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        tokio::time::timeout(PROOF, looking).await.unwrap_or_else(|_| Err(too_long()))?;
        self.fit = Some((ground.clock.now(), AbortOnDrop::spawn(Arc::clone(&ground))));
        Ok(())
    }

    /// Everything that must be true at the moment of the RENAME; every node is asked at once. What takes long was asked
    /// when the fence had closed.
    async fn prove(&mut self) -> Result<(), Fault> {
        let ground = Arc::clone(&self.guard.ground);
        match self.fit.take() {
            Some((since, mut fit)) if ground.clock.now().saturating_sub(since) < FRESH => fit.answer().await?,
            Some(_) | None => ground.nodes.fit(Phase::Switching).await?,
        }
        self.clocks = self.eyes.clocks(&ground).await?;
        let (triggers, view) = self.eyes.triggers_and_view(&ground, &self.guard.until).await?;
        if !triggers {
            return Err(Fault::Busy("a node has lost triggers that keep writers out".into()));
        }
        if view != self.view {
            return Err(Fault::Busy("the cluster's members have changed while writes were stopped".into()));
        }
        ground.same_generation(self.generation.as_ref()).await
    }

    /// Sends the RENAME, once nothing speaks against it.
    async fn switch(&mut self) -> Result<(), Fault> {
        if self.remaining().is_zero() {
            return Err(too_late());
        }
        match tokio::time::timeout(PROOF.min(self.remaining()), self.prove()).await {
            Ok(proof) => proof?,
            Err(_) => return Err(too_long()),
        }
        // The clocks have been read anew: ours may have stood still meanwhile.
        if self.remaining().is_zero() {
            return Err(too_late());
        }
        let ground = Arc::clone(&self.guard.ground);
        let site = ground.site();
        self.session.set_deadline(ground.room());
        // From here on opening could let writes into a table that is renamed after them.
        self.guard.armed = false;
        let statement = fence::switch_before(&site.spec, &site.job, site.token, &self.latest, site.flavour);
        let answer = run(self.session.as_mut(), &statement).await;
        self.guard.armed = matches!(
            answer,
            Err(Fault::Busy(_) | Fault::Refused(_) | Fault::Rows { .. } | Fault::Full(_) | Fault::Failed(_))
        );
        answer
    }

    /// Opens again; the fault, with what went wrong besides. Nothing was renamed, so it is never `Lost`.
    async fn give_up(mut self, fault: Fault) -> Fault {
        let opened = self.guard.open(Some(self.session.as_mut())).await;
        let told = opened.err().map_or_else(|| fault.to_string(), |worse| format!("{fault}; {worse}"));
        match fault {
            Fault::Busy(_) | Fault::Lost(_) => Fault::Busy(told),
            Fault::Failed(_) => Fault::Failed(told),
            Fault::Refused(_) | Fault::Rows { .. } | Fault::Full(_) => {
                tracing::warn!(told, "writes were stopped for nothing");
                fault
            }
        }
    }
}

#[async_trait::async_trait]
impl Closed for Shut {
    fn remaining(&self) -> Duration {
        let ground = &self.guard.ground;
        self.clocks.until(self.end, ground.clock.now()).saturating_sub(ground.room())
    }

    async fn rename(mut self: Box<Self>) -> Result<(), Fault> {
        match self.switch().await {
            Ok(()) => Ok(()),
            Err(fault) if self.guard.armed => Err(self.give_up(fault).await),
            Err(fault) => Err(fault),
        }
    }

    async fn open(mut self: Box<Self>) -> Result<(), Fault> {
        self.guard.open(Some(self.session.as_mut())).await
    }
}

/// One session on every node whose reads wait for what was ordered before them.
struct Eyes(Vec<Box<dyn Session>>);

impl Eyes {
    async fn open(ground: &Ground) -> Result<Self, Fault> {
        let one = async |server: &Arc<dyn crate::ports::server::Server>| -> Result<Box<dyn Session>, Fault> {
            let mut session = server.connect().await?;
            session.set_deadline(PROOF);
            session.execute(&catalog::causal()).await?;
            Ok(session)
        };
        let all = join_all(ground.site().nodes.iter().map(one)).await;
        Ok(Self(all.into_iter().collect::<Result<_, Fault>>()?))
    }

    /// Reads every node's clock.
    async fn clocks(&mut self, ground: &Ground) -> Result<Clocks, Fault> {
        let one = async |session: &mut Box<dyn Session>| -> Result<Tick, Fault> {
            let asked = ground.clock.now();
            let rows = session.query(&fence::clock()).await?;
            let answered = ground.clock.now();
            let node = session.node().to_owned();
            let shown = rows.first().and_then(|row| row.u64(0));
            let shown = shown.ok_or_else(|| Fault::Failed(format!("{node} does not say what its clock shows")))?;
            Ok(Tick { node, asked, answered, shown })
        };
        let ticks = join_all(self.0.iter_mut().map(one)).await;
        Ok(Clocks(ticks.into_iter().collect::<Result<_, Fault>>()?))
    }

    /// Every node's view of the cluster: number, members, whether it may write.
    async fn view(&mut self) -> Result<Vec<Vec<Row>>, Fault> {
        let one = async |session: &mut Box<dyn Session>| session.query(&catalog::wsrep_view()).await;
        let all: Result<Vec<_>, _> = join_all(self.0.iter_mut().map(one)).await.into_iter().collect();
        Ok(all?)
    }

    async fn triggers_and_view(&mut self, ground: &Ground, until: &str) -> Result<(bool, Vec<Vec<Row>>), Fault> {
        Ok((self.see_triggers(ground, until).await?, self.view().await?))
    }

    /// Whether every node has all triggers with that end on the source.
    async fn see_triggers(&mut self, ground: &Ground, until: &str) -> Result<bool, Fault> {
        let sql = fence::standing(ground.spec(), &ground.site().job, until);
        let sql = &sql;
        let one = async |session: &mut Box<dyn Session>| -> Result<bool, Fault> {
            Ok(ordered::catalog(session.as_mut(), sql).await?.len() == Change::ALL.len())
        };
        let seen: Vec<bool> = join_all(self.0.iter_mut().map(one)).await.into_iter().collect::<Result<_, Fault>>()?;
        Ok(seen.into_iter().all(|all| all))
    }
}

/// A look at all nodes that goes on by itself.
struct AbortOnDrop(JoinHandle<Result<(), Fault>>);

impl AbortOnDrop {
    fn spawn(ground: Arc<Ground>) -> Self {
        Self(tokio::spawn(async move { ground.nodes.fit(Phase::Switching).await }))
    }

    async fn answer(&mut self) -> Result<(), Fault> {
        (&mut self.0)
            .await
            .unwrap_or_else(|error| Err(Fault::Failed(format!("BUG: the nodes were not asked: {error}"))))
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Opens the fence when it goes, in the background: nothing else may do so once its owner is gone.
struct Guard {
    ground: Arc<Ground>,
    /// When every node opens by itself.
    until: String,
    armed: bool,
}

impl Guard {
    async fn open(&mut self, session: Option<&mut dyn Session>) -> Result<(), Fault> {
        let answer = opened(&self.ground, session).await;
        self.armed = false;
        answer.map_err(|fault| {
            let until = fence::seconds(&self.until);
            Fault::Busy(format!("writes go on by themselves at {until} UTC by each node's clock, not earlier: {fault}"))
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let ground = Arc::clone(&self.ground);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(fault) = opened(&ground, None).await {
                    tracing::warn!(%fault, "the fence stays closed until its end");
                }
            });
        }
    }
}

/// Drops the triggers, by the session that is open when there is one, and makes sure.
async fn opened(ground: &Ground, session: Option<&mut dyn Session>) -> Result<(), Fault> {
    let site = ground.site();
    let objects: &TableObjects = &ground.objects;
    let mut last = String::from("no answer");
    let work = async {
        let mut dropped = false;
        if let Some(session) = session {
            session.set_deadline(OPENING);
            dropped = true;
            for statement in fence::open(&site.spec, &site.job, site.token, site.flavour) {
                if let Err(fault) = ordered::run(session, &statement).await {
                    tracing::debug!(%fault, "opening the fence");
                    dropped = false;
                }
            }
        }
        loop {
            // To look takes its time, which writers wait for: not before something was dropped.
            let gone = if dropped {
                match objects.with_triggers(0).await {
                    Ok(seen) if seen.iter().all(|(here, _)| here.triggers == 0) => Ok(()),
                    // A node that can't be asked now has carried out the same statement when it is back.
                    Err(Fault::Busy(_) | Fault::Lost(_)) => Ok(()),
                    Ok(_) => objects.drop_triggers().await,
                    Err(fault) => Err(fault),
                }
            } else {
                objects.drop_triggers().await
            };
            dropped = false;
            match gone {
                Err(Fault::Busy(why) | Fault::Lost(why)) => last = why,
                answer => return answer,
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    let answer = tokio::time::timeout(OPENING, work).await;
    let limit = OPENING.as_secs();
    answer.unwrap_or_else(|_| Err(Fault::Busy(format!("the triggers could not be dropped within {limit} s: {last}"))))
}

/// One ordered statement. A writer that is thrown out while it reads a trigger leaves the server believing that the
/// trigger is broken, until the next DDL that comes through (MariaDB 10.11, our own test, once in a hundred): that passes.
async fn run(session: &mut dyn Session, sql: &Sql) -> Result<(), Fault> {
    match session.execute(sql).await {
        Ok(_) => Ok(()),
        Err(error) if error.code == BROKEN => Err(Fault::Busy(error.to_string())),
        Err(error) => Err(ordered::fault(error)),
    }
}

async fn moment(session: &mut dyn Session, micros: u64) -> Result<String, Fault> {
    let rows = session.query(&fence::moment(micros)).await?;
    let text = rows.first().and_then(|row| row.text(0));
    text.ok_or_else(|| Fault::Failed(format!("{} does not read its clock", session.node())))
}

fn skewed(what: String) -> Fault {
    let remedy = "set the nodes' clocks by NTP, then resume; writes go on, nothing was changed";
    Fault::Refused(Box::new(Reason::new(ReasonCode::ServerSetting, what, remedy)))
}
