//! One ALTER in total order.

use crate::alter::Alter;
use crate::choose::{Draft, Fit, Options, Strategy};
use crate::copy_steps;
use crate::demand::{BYTES_PER_S, Demand, Order, ROWS_PER_S, demand, limit, shown, size, work_ms};
use crate::facts::{Facts, Topology};
use crate::in_place;
use crate::online::{Algorithm, Effort};
use crate::plan::{DirectSpec, Estimate, Step, StepCost, StrategyName, Work};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::{bytes, count, list};

/// An ordered ALTER that changes the dictionary only, milliseconds; waiting for all nodes is in it.
///
/// # Source
/// Measured on MariaDB 10.11, three nodes on two cores, beside writers: 11 to 80 ms, up to 175 ms when the cores had six
/// times the work that they can do.
const INSTANT_MS: u64 = 200;
const NEXT: &str = "nothing to do: driftless takes the next strategy that fits";

/// One ALTER, ordered in the cluster; every commit waits for it.
pub struct Toi;

impl Strategy for Toi {
    fn name(&self) -> StrategyName {
        StrategyName::Toi
    }

    fn judge(&self, facts: &Facts, alter: &Alter, wishes: &Options) -> Result<Fit, Vec<Reason>> {
        match facts.topology {
            Topology::Galera { .. } => {}
            Topology::Single => {
                let what = "total order needs a Galera cluster, and this is a single primary";
                return Err(vec![Reason::new(Code::WrongTopology, what, NEXT)]);
            }
        }
        let spec = in_place::judge(facts, alter, wishes, Order::Total, &|demand| {
            too_long(facts, demand, wishes).into_iter().collect()
        })?;
        Ok(Fit { work: Work::Direct(spec), remarks: remarks(facts) })
    }

    fn plan(&self, fit: &Fit, facts: &Facts, alter: &Alter, _: &Options) -> Draft {
        let Work::Direct(spec) = &fit.work else { return Draft::default() };
        // `judge` has found it good.
        let Ok(demand) = demand(facts, spec, alter, Order::Total) else { return Draft::default() };
        let stall_ms = stall_ms(facts, demand.fastest.algorithm);
        let steps = vec![(Step::Journal, copy_steps::journal(facts)), altering(facts, spec, alter, &demand)];
        let extra = if demand.fastest.effort == Effort::Dictionary { 0 } else { size(facts) };
        let estimate = Estimate {
            rows: facts.load.rows,
            extra_disk_bytes: extra,
            binlog_bytes: 0,
            seconds: stall_ms / 1000,
            stall_ms,
            basis: basis(demand.fastest.algorithm),
        };
        Draft { steps, estimate }
    }
}

/// For how long every commit of the cluster waits.
fn stall_ms(facts: &Facts, algorithm: Algorithm) -> u64 {
    INSTANT_MS.saturating_add(work_ms(facts, algorithm))
}

fn too_long(facts: &Facts, demand: &Demand, wishes: &Options) -> Option<Reason> {
    let (algorithm, ms) = (demand.fastest.algorithm, stall_ms(facts, demand.fastest.algorithm));
    (ms > wishes.max_stall_ms).then(|| {
        let because = demand.fastest.because.as_ref().map_or_else(String::new, |why| format!(" for {why}"));
        let what = format!(
            "one ALTER takes ALGORITHM={algorithm}{because}, and every commit in the cluster waits for about {}; the limit \
             is {} ms",
            shown(ms),
            count(wishes.max_stall_ms)
        );
        let remedy = format!("--max-stall {}, if the application can wait that long", limit(ms));
        Reason::new(Code::StallTooLong, what, remedy)
    })
}

/// What the user should know.
fn remarks(facts: &Facts) -> Vec<Reason> {
    let mut remarks = Vec::new();
    for node in facts.nodes.iter().filter(|node| !node.open_transactions.is_empty()) {
        remarks.push(Reason::new(
            Code::TransactionsAborted,
            format!(
                "aborted by the ALTER (error 1213) if still open then, on {}: {}",
                node.name,
                list(&node.open_transactions)
            ),
            "nothing, when the application tries again; else wait until they are over",
        ));
    }
    remarks.extend(in_place::replicas(facts));
    remarks
}

fn altering(facts: &Facts, spec: &DirectSpec, alter: &Alter, demand: &Demand) -> (Step, StepCost) {
    let (algorithm, lock) = (demand.fastest.algorithm, demand.lock);
    let step = Step::Alter { alter: alter.text(), algorithm, lock };
    let mut what =
        format!("change {} by one ALTER, {algorithm}, on all nodes at one point of their order", facts.name.table);
    if !spec.linked.is_empty() {
        let names: Vec<String> = spec.linked.iter().map(ToString::to_string).collect();
        what = format!("{what}; foreign keys tie it to {}", list(&names));
    }
    let cost = StepCost {
        what,
        blocks: "commits on every node; aborts open transactions on the table (error 1213)".to_owned(),
        stall_ms: stall_ms(facts, algorithm),
        undo: "none once it is sent: the opposite ALTER".to_owned(),
    };
    (step, cost)
}

fn basis(algorithm: Algorithm) -> String {
    if algorithm == Algorithm::Instant {
        return format!(
            "INSTANT changes the dictionary only: {INSTANT_MS} ms, as measured beside writers on two cores"
        );
    }
    format!(
        "rows and sizes by the engine's statistics, of the node that has most; {} or {} rows a second, whichever is slower: \
         half of what was measured on idle servers with two cores",
        bytes(BYTES_PER_S),
        count(ROWS_PER_S)
    )
}
