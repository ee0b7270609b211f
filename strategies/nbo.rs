//! Non-blocking operations of PXC and of enterprise servers.
//!
//! Never run on a real server: none that has them can be had freely. What is written here is from the manuals.

use crate::alter::Alter;
use crate::choose::{Draft, Fit, Options, Strategy};
use crate::copy_steps;
use crate::demand::{BYTES_PER_S, Demand, Order, ROWS_PER_S, demand, limit, shown, size, work_ms};
use crate::facts::{Facts, Flavour, Topology, Version};
use crate::in_place;
use crate::online::{Algorithm, Lock};
use crate::plan::{Estimate, Step, StepCost, StrategyName, Work};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::{bytes, count};

/// The first PXC whose NBO is trusted: before it, it could lock the cluster for good and break binlogs.
///
/// # Source
/// PXC release notes, PXC-4228, PXC-4233, PXC-4278.
const FIRST: Version = Version::new(8, 0, 33);
/// Its two ordered points, at the beginning and at the end, milliseconds: twice what an ordered ALTER takes.
const POINTS_MS: u64 = 400;
const NEXT: &str = "nothing to do: driftless takes the next strategy that fits";

/// The server alters while only writes to the one table wait.
pub struct Nbo;

impl Strategy for Nbo {
    fn name(&self) -> StrategyName {
        StrategyName::Nbo
    }

    fn judge(&self, facts: &Facts, alter: &Alter, wishes: &Options) -> Result<Fit, Vec<Reason>> {
        if let Some(what) = unable(facts) {
            return Err(vec![Reason::new(Code::WrongTopology, what, NEXT)]);
        }
        let spec = in_place::judge(facts, alter, wishes, Order::Total, &|demand| {
            too_long(facts, demand, wishes).into_iter().collect()
        })?;
        let remarks = [Some(no_transfer()), in_place::replicas(facts)].into_iter().flatten().collect();
        Ok(Fit { work: Work::Direct(spec), remarks })
    }

    fn plan(&self, fit: &Fit, facts: &Facts, alter: &Alter, _: &Options) -> Draft {
        let Work::Direct(spec) = &fit.work else { return Draft::default() };
        // `judge` has found it good.
        let Ok(demand) = demand(facts, spec, alter, Order::Total) else { return Draft::default() };
        let (algorithm, lock) = (algorithm(&demand), lock(&demand));
        let stall_ms = stall_ms(facts, &demand);
        let step = Step::NonBlocking { alter: alter.text(), algorithm, lock };
        let cost = StepCost {
            what: format!(
                "change {} by one ALTER, {algorithm}, on all nodes beside all other tables",
                facts.name.table
            ),
            blocks: "writes to the table on every node, to its end; no node can get a state transfer meanwhile"
                .to_owned(),
            stall_ms,
            undo: "none once it is sent: the opposite ALTER".to_owned(),
        };
        let estimate = Estimate {
            rows: facts.load.rows,
            extra_disk_bytes: size(facts),
            binlog_bytes: 0,
            seconds: stall_ms.div_ceil(1000),
            stall_ms,
            basis: format!(
                "rows and sizes by the engine's statistics; {} or {} rows a second, whichever is slower: half of what was \
                 measured for ordered ALTERs on idle servers with two cores; never measured for this strategy",
                bytes(BYTES_PER_S),
                count(ROWS_PER_S)
            ),
        };
        Draft { steps: vec![(Step::Journal, copy_steps::journal(facts)), (step, cost)], estimate }
    }
}

fn unable(facts: &Facts) -> Option<&'static str> {
    let old = |node: &crate::facts::Node| node.flavour == Flavour::MySql && node.version < FIRST;
    if !matches!(facts.topology, Topology::Galera { .. }) || facts.nodes.iter().any(old) {
        return Some("non-blocking operations need a cluster, of Percona XtraDB Cluster 8.0.33 or later");
    }
    facts
        .nodes
        .iter()
        .any(|node| !node.non_blocking)
        .then_some("not every node takes wsrep_OSU_method = 'NBO', which was tried")
}

/// The server takes no INSTANT there, which an ordered ALTER does better anyway.
fn algorithm(demand: &Demand) -> Algorithm {
    demand.fastest.algorithm.max(Algorithm::Inplace)
}

/// It wants one of these two, written out.
const fn lock(demand: &Demand) -> Lock {
    match demand.lock {
        Lock::Exclusive => Lock::Exclusive,
        Lock::Default | Lock::None | Lock::Shared => Lock::Shared,
    }
}

fn stall_ms(facts: &Facts, demand: &Demand) -> u64 {
    POINTS_MS.saturating_add(work_ms(facts, algorithm(demand)))
}

fn too_long(facts: &Facts, demand: &Demand, wishes: &Options) -> Option<Reason> {
    let ms = stall_ms(facts, demand);
    (ms > wishes.max_stall_ms).then(|| {
        let what = format!(
            "writes to the table would wait for about {}; the limit is {} ms",
            shown(ms),
            count(wishes.max_stall_ms)
        );
        let remedy = format!("--max-stall {}, if the application can wait that long", limit(ms));
        Reason::new(Code::StallTooLong, what, remedy)
    })
}

fn no_transfer() -> Reason {
    let what = "while it runs no node can get a state transfer, and one that leaves needs a whole one afterwards";
    Reason::new(Code::StateTransfer, what, "see that no node is about to join, and that none is taken down")
}
