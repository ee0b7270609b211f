//! The `Cutover` port over the simulated cluster, as the fence of a Galera cluster does it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use driftless::error::Fault;
use driftless::ports::cutover::{Closed, Cutover};
use driftless::ports::journal::Phase;
use driftless::sql::triggers::Change;
use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;

use super::objects::run;
use super::process::{HOME, Process, busy};
use super::tables::{Ddl, Name};
use super::world::{MS, S};

/// What the RENAME needs before writers go on.
const ROOM: u64 = 500 * MS;

/// What is left out, to see that it is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weak {
    /// Nothing.
    No,
    /// Comparing rows by key always finds them equal.
    Blind,
    /// Rows are read anew without a lock.
    NonLocking,
    /// And compared by nobody.
    NonLockingBlind,
    /// Rows count as in step before their transaction is committed, so that two appliers work on one key.
    Early,
    /// Writers are not kept out of the switch.
    OpenFence,
    /// At the switch the changes are read only to where they ended before writers were kept out.
    EarlyDrain,
    /// A key that was deleted once is never inserted again.
    GoneStays,
}

impl Weak {
    pub(crate) const fn blind(self) -> bool {
        !matches!(self, Self::No | Self::NonLocking)
    }
}

#[derive(Clone)]
pub(crate) struct SimCutover {
    pub(crate) process: Arc<Process>,
    pub(crate) weak: Weak,
}

impl SimCutover {
    /// Nothing of the job is under way at a server.
    fn quiet(&self) -> Result<(), Fault> {
        if self.process.world.state().under_way > 0 {
            return Err(busy("an earlier statement is still under way"));
        }
        Ok(())
    }

    fn stands(&self) -> bool {
        let state = self.process.world.state();
        state.cluster.nodes.iter().any(|node| node.store.triggers() > 0)
    }

    fn generation(&self) -> u64 {
        self.process.world.state().cluster.nodes[HOME].store.generation
    }

    async fn drop_all(&self) -> Result<(), Fault> {
        self.quiet()?;
        for change in Change::ALL {
            run(&self.process, "drop a trigger of the fence", Ddl::DropTrigger(change)).await?;
        }
        Ok(())
    }

    /// Waits until every node has the triggers.
    async fn everywhere(&self, until: u64) -> Result<(), Fault> {
        let deadline = self.process.world.time.now() + S;
        loop {
            let (closed, down) = {
                let state = self.process.world.state();
                let nodes = &state.cluster.nodes;
                let has = |change| {
                    nodes.iter().all(|node| {
                        let source = node.store.tables.get(&Name::Source);
                        source.and_then(|table| table.closed(change)) == Some(until)
                    })
                };
                (Change::ALL.into_iter().all(has), nodes.iter().any(|node| !node.up))
            };
            if down || self.process.world.time.now() > deadline {
                return Err(busy("not every node keeps writers out"));
            }
            if closed {
                return Ok(());
            }
            self.process.world.upto(3 * MS).await;
            self.process.breathe().await;
        }
    }

    async fn shut(&self, until: u64) -> Result<(), Fault> {
        for change in Change::ALL {
            run(&self.process, "close the fence", Ddl::CreateFence(change, until)).await?;
        }
        self.everywhere(until).await
    }
}

#[async_trait::async_trait]
impl Cutover for SimCutover {
    async fn close(&self, work: Duration) -> Result<Box<dyn Closed>, Fault> {
        self.process.must_be_fit("close the fence");
        self.process.may_act("close the fence", &[Phase::Switching]);
        if self.stands() {
            self.reopen().await?;
        }
        let end = self.process.world.state().cluster.nodes[HOME].binlog.len();
        self.process.before_fence.store(end, Ordering::SeqCst);
        let work = u64::try_from(work.as_nanos()).unwrap_or(u64::MAX);
        let until = self.process.world.time.now() + work + 2 * S;
        let generation = self.generation();
        let mut closed = SimClosed { cutover: self.clone(), until, generation, armed: true };
        if self.weak == Weak::OpenFence {
            closed.armed = false;
            return Ok(Box::new(closed));
        }
        match self.shut(until).await {
            Ok(()) => {
                self.process.point("closed").await;
                Ok(Box::new(closed))
            }
            Err(fault) => Err(closed.give_up(fault).await),
        }
    }

    async fn reopen(&self) -> Result<(), Fault> {
        self.quiet()?;
        self.process.reading("is the fence closed?").await?;
        if self.stands() { self.drop_all().await } else { Ok(()) }
    }
}

struct SimClosed {
    cutover: SimCutover,
    until: u64,
    generation: u64,
    armed: bool,
}

impl SimClosed {
    async fn give_up(&mut self, fault: Fault) -> Fault {
        self.armed = false;
        let opened = self.cutover.drop_all().await;
        match (fault, opened) {
            (Fault::Busy(what) | Fault::Lost(what), Ok(())) => Fault::Busy(what),
            (Fault::Busy(what) | Fault::Lost(what), Err(worse)) => Fault::Busy(format!("{what}; {worse}")),
            (fault, _) => fault,
        }
    }

    fn check(&self) -> Result<(), Fault> {
        if self.remaining().is_zero() {
            return Err(busy("too late to switch the names"));
        }
        if self.cutover.generation() != self.generation {
            let what = "the table was truncated";
            return Err(Fault::Refused(Box::new(Reason::new(ReasonCode::PlanStale, what, "resume"))));
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Closed for SimClosed {
    fn remaining(&self) -> Duration {
        let left = (self.until - ROOM).saturating_sub(self.cutover.process.world.time.now());
        Duration::from_nanos(left)
    }

    async fn rename(mut self: Box<Self>) -> Result<(), Fault> {
        let process = Arc::clone(&self.cutover.process);
        process.may_act("switch", &[Phase::Switching]);
        process.point("before the RENAME").await;
        if let Err(fault) = self.check() {
            return Err(self.give_up(fault).await);
        }
        let unseen = process.world.state().cluster.unseen.clone();
        if !self.cutover.weak.blind() && !unseen.is_empty() {
            process.violate(format!("switch: rows were not seen equal since they changed: {unseen:?}"));
        }
        self.armed = false;
        match run(&process, "switch", Ddl::RenameBefore(self.until - ROOM)).await {
            Ok(()) => {
                process.point("switched").await;
                Ok(())
            }
            Err(Fault::Lost(what)) => Err(Fault::Lost(what)),
            Err(fault) => Err(self.give_up(fault).await),
        }
    }

    async fn open(mut self: Box<Self>) -> Result<(), Fault> {
        self.armed = false;
        self.cutover.drop_all().await
    }
}

impl Drop for SimClosed {
    fn drop(&mut self) {
        // What is dead opens nothing: the end does.
        if self.armed && !self.cutover.process.is_dead() {
            let cutover = self.cutover.clone();
            tokio::spawn(async move { cutover.drop_all().await });
        }
    }
}
