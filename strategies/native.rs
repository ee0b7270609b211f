//! The server's own INSTANT or INPLACE, on one primary.

use crate::alter::Alter;
use crate::choose::{Draft, Fit, Options, Strategy};
use crate::copy_steps::{self, LOCK_WAIT_MS};
use crate::demand::{BYTES_PER_S, Demand, Order, ROWS_PER_S, demand, limit, shown, size, work_ms};
use crate::facts::{Facts, Topology};
use crate::in_place;
use crate::online::{Algorithm, Effort, Lock};
use crate::plan::{DirectSpec, Estimate, Step, StepCost, StrategyName, Work};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::{bytes, count, list};

/// Longest time for which replicas may apply nothing else when nobody asked for this strategy, milliseconds: the default
/// of `--max-lag`.
const LAG_MS: u64 = 10_000;
/// How long a change of the dictionary takes on a replica at most, milliseconds.
const INSTANT_MS: u64 = 200;
const NEXT: &str = "nothing to do: driftless takes the next strategy that fits";

/// One ALTER with `ALGORITHM` and `LOCK` written out, so that the server never falls back.
pub struct Native;

impl Strategy for Native {
    fn name(&self) -> StrategyName {
        StrategyName::Native
    }

    fn judge(&self, facts: &Facts, alter: &Alter, wishes: &Options) -> Result<Fit, Vec<Reason>> {
        match facts.topology {
            Topology::Single => {}
            Topology::Galera { .. } => {
                let what = "a Galera cluster orders every ALTER of its own: that is toi";
                return Err(vec![Reason::new(Code::WrongTopology, what, NEXT)]);
            }
        }
        let mut lag = None;
        let spec = in_place::judge(facts, alter, wishes, Order::Own, &|demand| {
            let stall = stalls(facts, demand, wishes);
            stall.into_iter().chain(lags(facts, demand, wishes).filter(|_| !meant(wishes))).collect()
        })?;
        if let Ok(demand) = demand(facts, &spec, alter, Order::Own) {
            lag = lags(facts, &demand, wishes);
        }
        let remarks = lag.into_iter().chain(in_place::replicas(facts)).collect();
        Ok(Fit { work: Work::Direct(spec), remarks })
    }

    fn plan(&self, fit: &Fit, facts: &Facts, alter: &Alter, _: &Options) -> Draft {
        let Work::Direct(spec) = &fit.work else { return Draft::default() };
        // `judge` has found it good.
        let Ok(demand) = demand(facts, spec, alter, Order::Own) else { return Draft::default() };
        let algorithm = demand.fastest.algorithm;
        let estimate = Estimate {
            rows: facts.load.rows,
            extra_disk_bytes: if demand.fastest.effort == Effort::Dictionary { 0 } else { size(facts) },
            binlog_bytes: 0,
            seconds: own_work_ms(facts, &demand).div_ceil(1000),
            stall_ms: stall_ms(facts, &demand),
            basis: basis(demand.fastest.effort, algorithm),
        };
        Draft {
            steps: vec![(Step::Journal, copy_steps::journal(facts)), altering(facts, spec, alter, &demand)],
            estimate,
        }
    }
}

/// A replica that falls behind loses nothing: who asks for this strategy by name has accepted it.
fn meant(wishes: &Options) -> bool {
    wishes.force == Some(StrategyName::Native)
}

/// How long one server works on it, milliseconds.
fn own_work_ms(facts: &Facts, demand: &Demand) -> u64 {
    match demand.fastest.effort {
        Effort::Dictionary => 0,
        Effort::Rows => work_ms(facts, demand.fastest.algorithm),
    }
}

/// For how long writers of the table wait: for its metadata lock, and for the whole ALTER when they are kept out.
fn stall_ms(facts: &Facts, demand: &Demand) -> u64 {
    let kept_out = match demand.lock {
        Lock::Shared | Lock::Exclusive => true,
        Lock::Default | Lock::None => demand.fastest.algorithm == Algorithm::Copy,
    };
    LOCK_WAIT_MS.saturating_add(if kept_out { own_work_ms(facts, demand) } else { 0 })
}

fn stalls(facts: &Facts, demand: &Demand, wishes: &Options) -> Option<Reason> {
    let ms = stall_ms(facts, demand);
    (ms > wishes.max_stall_ms).then(|| {
        let because = demand.fastest.because.as_ref().map_or_else(String::new, |why| format!(" for {why}"));
        let what = format!(
            "one ALTER takes ALGORITHM={}, LOCK={}{because}, and writers of the table may wait for about {}; the limit is {} ms",
            demand.fastest.algorithm,
            demand.lock.as_str(),
            shown(ms),
            count(wishes.max_stall_ms)
        );
        let remedy = format!("--max-stall {}, if the application can wait that long", limit(ms));
        Reason::new(Code::StallTooLong, what, remedy)
    })
}

/// Replicas begin the ALTER when the primary has done it, and apply nothing else meanwhile.
fn lags(facts: &Facts, demand: &Demand, wishes: &Options) -> Option<Reason> {
    let ms = INSTANT_MS.saturating_add(own_work_ms(facts, demand));
    (!facts.replicas.is_empty() && ms > LAG_MS).then(|| {
        let names: Vec<&str> = facts.replicas.iter().map(|replica| replica.address.as_str()).collect();
        let what = format!(
            "{} would fall behind by about {} while they run the ALTER themselves; {} is what they may",
            list(&names),
            shown(ms),
            shown(LAG_MS)
        );
        let remedy = match meant(wishes) {
            true => "see that nobody needs what they show meanwhile",
            false => "--strategy native, if they may fall behind",
        };
        Reason::new(Code::ReplicaLoad, what, remedy)
    })
}

fn altering(facts: &Facts, spec: &DirectSpec, alter: &Alter, demand: &Demand) -> (Step, StepCost) {
    let (algorithm, lock) = (demand.fastest.algorithm, demand.lock);
    let mut what = format!("change {} by one ALTER, {algorithm}, LOCK={}", facts.name.table, lock.as_str());
    if !spec.linked.is_empty() {
        let names: Vec<String> = spec.linked.iter().map(ToString::to_string).collect();
        what = format!("{what}; foreign keys tie it to {}", list(&names));
    }
    let blocks = match lock {
        Lock::Exclusive => "the table, to its end",
        Lock::Shared => "writes to the table, to its end",
        Lock::Default | Lock::None if algorithm == Algorithm::Instant => {
            "the table, while open transactions on it end; gives up after a second, comes again 5 s later, then 10 s, …"
        }
        Lock::Default | Lock::None => {
            "the table at its beginning and its end, while open transactions on it end; gives up after a second each, comes \
             again 5 s later, then 10 s, …"
        }
    };
    let cost = StepCost {
        what,
        blocks: blocks.to_owned(),
        stall_ms: stall_ms(facts, demand),
        undo: "abort while it runs; then the opposite ALTER".to_owned(),
    };
    (Step::Alter { alter: alter.text(), algorithm, lock }, cost)
}

fn basis(effort: Effort, algorithm: Algorithm) -> String {
    let waits = format!("{} ms is the longest wait for the table's lock", count(LOCK_WAIT_MS));
    if effort == Effort::Dictionary {
        return format!("{algorithm} changes the dictionary only; {waits}");
    }
    format!(
        "rows and sizes by the engine's statistics; {} or {} rows a second, whichever is slower: half of what was measured on \
         idle servers with two cores; {waits}",
        bytes(BYTES_PER_S),
        count(ROWS_PER_S)
    )
}
