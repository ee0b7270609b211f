//! The small ports: nodes, pace, reporter, hold; and the plan of the simulated job.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use driftless::error::Fault;
use driftless::ports::journal::Phase;
use driftless::ports::nodes::Nodes;
use driftless::ports::pace::{Gate, Pace};
use driftless::ports::report::{Event, Reporter};
use driftless_strategies::plan::{ChunkKey, ColumnPair, Compare, KeyColumn, Literal};
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{
    CopySpec, Estimate, Fingerprint, Ident, Options, Plan, Reason, StrategyName, TableName, TableShape, Work,
};

use super::process::{HOME, Process, busy};
use super::scenario::Kind;
use super::tables::{Name, Store};
use super::world::{MS, S};

pub(crate) struct SimNodes(pub(crate) Arc<Process>);

/// What a table must be in a phase; `None` when it may be anything that is the same everywhere.
fn expected(at: Phase, store: &Store) -> bool {
    let source = store.tables.get(&Name::Source);
    let original = source.is_some_and(|table| !table.altered);
    let (shadow, retired) = (store.tables.contains_key(&Name::Shadow), store.tables.contains_key(&Name::Retired));
    match at {
        Phase::Planned | Phase::Shadowing => original && !retired,
        // No copy comes to alter its table itself.
        Phase::Altering => false,
        Phase::Arming | Phase::Copying | Phase::Verifying | Phase::Holding | Phase::Switching => {
            original && shadow && !retired
        }
        Phase::Finishing | Phase::Done => source.is_some() && !shadow,
        Phase::Undoing | Phase::Undone => source.is_some(),
    }
}

fn refused(code: ReasonCode, what: &str) -> Fault {
    Fault::Refused(Box::new(Reason::new(code, what, "wait")))
}

impl SimNodes {
    /// One look at every node; why not, when something is not as it should be.
    async fn look(&self, at: Phase) -> Result<(), Fault> {
        let count = self.0.world.state().cluster.nodes.len();
        let mut first: Option<Vec<(Name, bool)>> = None;
        for node in 0..count {
            self.0.world.upto(MS).await;
            let (up, behind, fits, here) = {
                let state = self.0.world.state();
                let there = &state.cluster.nodes[node];
                let shapes: Vec<(Name, bool)> =
                    there.store.tables.iter().map(|(name, table)| (*name, table.altered)).collect();
                (there.up, state.cluster.pending(node), expected(at, &there.store), shapes)
            };
            if !up || behind > 200 {
                return Err(refused(ReasonCode::NodeUnfit, "a node is not Synced"));
            }
            if !fits {
                return Err(refused(ReasonCode::PlanStale, "a table is not as expected"));
            }
            if first.as_ref().is_some_and(|first| *first != here) {
                return Err(refused(ReasonCode::SchemaDrift, "the tables differ between nodes"));
            }
            first = Some(here);
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Nodes for SimNodes {
    async fn fit(&self, at: Phase) -> Result<(), Fault> {
        self.0.reading("fit").await?;
        let mut looks = 0;
        let answer = loop {
            looks += 1;
            match self.look(at).await {
                Err(Fault::Refused(reason)) if looks < 4 && reason.code != ReasonCode::NodeUnfit => {
                    self.0.world.time.sleep(250 * MS).await;
                }
                answer => break answer,
            }
        };
        self.0.point("looked whether fit").await;
        self.0.deeds().fit = answer.is_ok();
        answer
    }

    async fn same(&self, at: Phase) -> Result<(), Fault> {
        self.0.reading("same").await?;
        for _ in 0..4 {
            match self.look(at).await {
                Err(Fault::Refused(reason)) if reason.code != ReasonCode::NodeUnfit => {
                    self.0.world.time.sleep(250 * MS).await;
                }
                _ => return Ok(()),
            }
        }
        match self.look(at).await {
            Err(Fault::Refused(reason)) if reason.code != ReasonCode::NodeUnfit => Err(Fault::Refused(reason)),
            _ => Ok(()),
        }
    }

    async fn barrier(&self) -> Result<(), Fault> {
        self.0.reading("barrier").await?;
        let (wanted, deadline) = (self.0.world.state().cluster.nodes[HOME].applied, self.0.world.time.now() + 10 * S);
        loop {
            self.0.world.upto(2 * MS).await;
            self.0.breathe().await;
            let reached = {
                let state = self.0.world.state();
                state.cluster.nodes.iter().all(|node| node.applied >= wanted)
            };
            if reached {
                return Ok(());
            }
            if self.0.world.time.now() > deadline {
                return Err(busy("barrier: a node stays behind"));
            }
        }
    }
}

/// What holds the run up; set by what happens in the world.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) gate_closed: AtomicBool,
    pub(crate) held: AtomicBool,
}

pub(crate) struct SimPace(pub(crate) Arc<Outside>);

#[async_trait::async_trait]
impl Pace for SimPace {
    fn gate(&self) -> Gate {
        if self.0.gate_closed.load(Ordering::SeqCst) {
            Gate::Closed { why: "flow control 12 % on n2".into() }
        } else {
            Gate::Open { share: 1.0 }
        }
    }

    async fn wait(&self, _limit: Duration) -> Gate {
        self.gate()
    }
}

/// Listens, and complains about what makes no sense.
pub(crate) struct Listener {
    pub(crate) process: Arc<Process>,
    pub(crate) entered: Mutex<Vec<Phase>>,
}

impl Reporter for Listener {
    fn event(&self, event: &Event) {
        match event {
            Event::Entered { phase } => {
                self.entered.lock().unwrap_or_else(PoisonError::into_inner).push(*phase);
            }
            Event::Progress { rows, of, .. } if rows > of => {
                self.process.violate(format!("progress of {rows} rows of {of}"));
            }
            Event::Switched { .. } => {
                if !self.process.world.state().cluster.reference.tables.contains_key(&Name::Retired) {
                    self.process.violate("told that it switched, but it did not");
                }
            }
            Event::Aborting { .. } | Event::Altered { .. } | Event::Rolled { .. } => {
                self.process.violate("a copy alters no table itself")
            }
            Event::Started { .. }
            | Event::Progress { .. }
            | Event::Paused { .. }
            | Event::Resumed
            | Event::Retried { .. }
            | Event::Verified { .. }
            | Event::Held { .. }
            | Event::Ended { .. } => {}
        }
    }
}

fn ident(text: &str) -> Ident {
    Ident::new(text).expect("a name")
}

fn table(text: &str) -> TableName {
    TableName::new(ident("shop"), ident(text))
}

/// The plan of the job; `again` makes it one that the real shadow will correct.
pub(crate) fn plan(kind: Kind, new_unique: bool, rows: u64, again: bool) -> Plan {
    let column = |name: &str| ColumnPair { source: ident(name), shadow: ident(name), compare: Compare::Same };
    let key = KeyColumn { source: ident("id"), shadow: ident("id"), literal: Literal::Number };
    Plan {
        format: 1,
        strategy: match kind {
            Kind::Triggers => StrategyName::TriggerCopy,
            Kind::Stream => StrategyName::BinlogStream,
        },
        table: table("t"),
        alter: "ADD UNIQUE KEY tag (tag)".into(),
        options: Options::default(),
        cluster: None,
        epoch: None,
        nodes: Vec::new(),
        fingerprint: Fingerprint(String::new()),
        work: Work::Copy(CopySpec {
            source: table("t"),
            shadow: table("_t_new"),
            retired: table("_t_old"),
            columns: ["id", "tag", "value"].map(column).to_vec(),
            key: ChunkKey { source_index: ident("PRIMARY"), shadow_index: ident("PRIMARY"), columns: vec![key] },
            new_unique: if new_unique { vec![ident("tag")] } else { Vec::new() },
            zero_dates: again,
            target: TableShape::default(),
        }),
        steps: Vec::new(),
        costs: Vec::new(),
        estimate: Estimate { rows, ..Estimate::default() },
        warnings: Vec::new(),
    }
}
