//! The `Objects` port over the simulated cluster, statement by statement as `cutover::objects` does it.

use std::sync::Arc;

use driftless::error::Fault;
use driftless::ports::journal::Phase;
use driftless::ports::objects::{Generation, Keep, Objects, Standing};
use driftless::sql::triggers::Change;
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Reason, TableShape};

use super::process::{Fate, HOME, Process, busy, fault, lost};
use super::scenario::Kind;
use super::tables::{Ddl, Name, Store};

/// What the ALTER does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alter {
    /// The column `tag` is unique afterwards, or not.
    Unique(bool),
    /// The server rejects it.
    Rejected,
}

/// Whether a statement may still be under way when nobody listens to it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// It is ordered at once.
    Never,
    /// It may wait at its node, and nobody looks whether one does.
    Unseen,
    /// It may wait at its node, and every call first looks whether one does, in the processlist.
    Seen,
}

/// Whether somebody truncates the source, which fires no trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emptied {
    /// Nobody.
    Never,
    /// Between the last look and the RENAME.
    AtTheSwitch,
}

pub(crate) struct SimObjects {
    pub(crate) process: Arc<Process>,
    pub(crate) late: Late,
    pub(crate) emptied: Emptied,
    pub(crate) alter: Alter,
    pub(crate) kind: Kind,
}

fn standing(store: &Store) -> Standing {
    Standing {
        source: store.tables.contains_key(&Name::Source),
        shadow: store.tables.contains_key(&Name::Shadow),
        retired: store.tables.contains_key(&Name::Retired),
        triggers: u8::try_from(store.triggers()).unwrap_or(u8::MAX),
    }
}

/// One ordered statement on a connection; what was sent happens whether its client lives or not.
pub(crate) async fn run(process: &Arc<Process>, call: &'static str, ddl: Ddl) -> Result<(), Fault> {
    let fate = process.call(call).await;
    match fate {
        Fate::Busy => return Err(busy(call)),
        Fate::LostBefore => return Err(lost(call)),
        Fate::Well | Fate::LostAfter => {}
    }
    let sent = tokio::spawn(Arc::clone(&process.world).ddl(HOME, ddl));
    if fate == Fate::LostAfter {
        // Ordered, but perhaps not carried out anywhere yet.
        process.world.time.sleep(super::world::MS).await;
        process.breathe().await;
        return Err(lost(call));
    }
    process.point("statement under way").await;
    let answer = sent.await.map_err(|error| Fault::Failed(error.to_string()))?;
    process.breathe().await;
    match answer {
        Ok(Ok(())) => Ok(()),
        Ok(Err(what)) => Err(Fault::Failed(format!("{call}: {what}"))),
        Err(error) => Err(fault(call, &error)),
    }
}

impl SimObjects {
    async fn run(&self, call: &'static str, ddl: Ddl) -> Result<(), Fault> {
        run(&self.process, call, ddl).await
    }

    /// Nothing of an earlier call or process is under way.
    fn settled(&self) -> Result<(), Fault> {
        if self.late == Late::Seen && self.process.world.state().under_way > 0 {
            return Err(busy("an earlier statement is still under way"));
        }
        Ok(())
    }

    async fn drop_triggers(&self) -> Result<(), Fault> {
        for change in Change::ALL {
            self.run("drop a trigger", Ddl::DropTrigger(change)).await?;
        }
        Ok(())
    }

    fn home<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.process.world.state().cluster.nodes[HOME].store)
    }
}

#[async_trait::async_trait]
impl Objects for SimObjects {
    async fn standing(&self) -> Result<Standing, Fault> {
        self.process.reading("standing").await?;
        self.settled()?;
        let mut seen: Option<Standing> = None;
        let nodes = self.process.world.state().cluster.nodes.len();
        for at in 0..nodes {
            self.process.world.upto(super::world::MS).await;
            let here = {
                let state = self.process.world.state();
                let node = &state.cluster.nodes[at];
                node.up.then(|| standing(&node.store))
            };
            let Some(here) = here else { return Err(busy("standing: a node is away")) };
            if seen.as_ref().is_some_and(|seen| *seen != here) {
                let what = "the job's tables differ between nodes";
                return Err(Fault::Refused(Box::new(Reason::new(ReasonCode::SchemaDrift, what, "wait"))));
            }
            seen = Some(here);
        }
        self.process.breathe().await;
        Ok(seen.unwrap_or_default())
    }

    async fn make_shadow(&self) -> Result<TableShape, Fault> {
        self.process.must_be_fit("make the shadow");
        self.process.may_act("make the shadow", &[Phase::Shadowing]);
        if self.home(|store| store.triggers() > 0) {
            self.process.violate("make the shadow: triggers stand on the source");
        }
        self.settled()?;
        self.run("drop an old shadow", Ddl::DropShadow).await?;
        self.run("create the shadow", Ddl::CreateShadow).await?;
        let unique = match self.alter {
            Alter::Unique(unique) => unique,
            Alter::Rejected => {
                let reason = Reason::new(ReasonCode::AlterRejected, "the server rejects the change", "correct it");
                return Err(Fault::Refused(Box::new(reason)));
            }
        };
        self.run("alter the shadow", Ddl::AlterShadow { unique }).await?;
        self.process.point("shadow made").await;
        Ok(TableShape::default())
    }

    async fn make_triggers(&self) -> Result<(), Fault> {
        if self.kind == Kind::Stream {
            self.process.violate("triggers are made for a job that follows the binlog");
        }
        self.process.must_be_fit("make the triggers");
        self.process.may_act("make the triggers", &[Phase::Arming]);
        if self.home(|store| !store.tables.get(&Name::Shadow).is_some_and(|shadow| shadow.altered)) {
            self.process.violate("make the triggers: the shadow is not made");
        }
        self.settled()?;
        for change in Change::ALL {
            self.process.reading("which triggers stand").await?;
            if !self.home(|store| store.tables.values().any(|table| table.fires(change))) {
                self.run("create a trigger", Ddl::CreateTrigger(change)).await?;
            }
        }
        Ok(())
    }

    async fn undo(&self) -> Result<(), Fault> {
        self.process.may_act("undo", &[Phase::Undoing]);
        self.settled()?;
        self.drop_triggers().await?;
        self.run("drop the shadow", Ddl::DropShadow).await?;
        self.process.point("undone").await;
        Ok(())
    }

    async fn generation(&self, of: Generation) -> Result<Option<String>, Fault> {
        self.process.reading("generation").await?;
        if self.kind == Kind::Stream {
            return Ok(Some(self.home(|store| store.generation).to_string()));
        }
        let new = of == Generation::Retired && self.emptied == Emptied::AtTheSwitch;
        Ok(Some(if new { "2" } else { "1" }.to_owned()))
    }

    async fn switch(&self) -> Result<(), Fault> {
        if self.kind == Kind::Stream {
            self.process.violate("the names are switched while writers write");
        }
        self.process.must_be_fit("switch");
        self.process.may_act("switch", &[Phase::Switching]);
        if !self.process.proven() {
            self.process.violate("switch: not every row is proven equal since the last copy or start");
        }
        self.settled()?;
        self.run("switch", Ddl::Rename).await?;
        self.process.point("switched").await;
        Ok(())
    }

    async fn restore_foreign_keys(&self) -> Result<(), Fault> {
        self.process.must_be_fit("name the foreign keys");
        self.process.may_act("name the foreign keys", &[Phase::Finishing]);
        self.act_on_retired("name the foreign keys");
        self.process.reading("foreign keys").await
    }

    async fn drop_retired(&self, keep: Keep) -> Result<(), Fault> {
        self.process.must_be_fit("drop the retired table");
        self.process.may_act("drop the retired table", &[Phase::Finishing]);
        self.act_on_retired("drop the retired table");
        self.settled()?;
        match keep {
            Keep::Drop => self.run("drop the retired table", Ddl::DropRetired).await?,
            Keep::Keep => self.drop_triggers().await?,
        }
        self.process.point("retired dropped").await;
        Ok(())
    }
}

impl SimObjects {
    /// The retired table is the job's only after the RENAME.
    fn act_on_retired(&self, what: &str) {
        let everywhere = {
            let state = self.process.world.state();
            state
                .cluster
                .nodes
                .iter()
                .all(|node| node.store.tables.get(&Name::Source).is_some_and(|table| table.altered))
        };
        if !everywhere {
            self.process.violate(format!("{what}: the names are not switched on every node"));
        }
    }
}
