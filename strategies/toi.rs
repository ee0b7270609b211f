//! One ALTER in total order.

use crate::alter::Alter;
use crate::blockers::rejected;
use crate::choose::{Draft, Fit, Options, Strategy};
use crate::copy_steps;
use crate::facts::{DryRun, Facts, Flavour, Node, Topology};
use crate::in_place;
use crate::online::{Algorithm, Fastest, Lock, fastest};
use crate::plan::{DirectSpec, Estimate, Step, StepCost, StrategyName, Work};
use crate::trigger_copy::settings;
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::{bytes, count, list, seconds};

/// An ordered ALTER that changes the dictionary only, milliseconds; waiting for all nodes is in it.
///
/// # Source
/// Measured on MariaDB 10.11, three nodes on two cores, beside writers: 11 to 80 ms, up to 175 ms when the cores had six
/// times the work that they can do.
const INSTANT_MS: u64 = 200;
/// Bytes of table and rows a second that any other algorithm works through, the slower counts.
///
/// # Source
/// Half of what was measured on MariaDB 10.11 with Galera: 200 MB of 1 M rows, copied in 6.3 to 11.7 s.
const BYTES_PER_S: u64 = 10_000_000;
const ROWS_PER_S: u64 = 50_000;
/// The setting that takes INSTANT away.
const ALLOWED: &str = "innodb_instant_alter_column_allowed";
/// Stalls below are shown in milliseconds.
const SHOWN_AS_MS: u64 = 2000;
/// Settings without which an ALTER is not ordered, or not everywhere.
const SETTINGS: [&str; 3] = ["wsrep_osu_method", "wsrep_on", "sql_log_bin"];
const NEXT: &str = "nothing to do: driftless takes the next strategy that fits";

/// One ALTER, ordered in the cluster; every commit waits for it.
pub struct Toi;

impl Strategy for Toi {
    fn name(&self) -> StrategyName {
        StrategyName::Toi
    }

    fn judge(&self, facts: &Facts, alter: &Alter, wishes: &Options) -> Result<Fit, Vec<Reason>> {
        let mut reasons = Vec::new();
        match facts.topology {
            Topology::Galera { .. } => {}
            Topology::Single => {
                let what = "total order needs a Galera cluster, and this is a single primary";
                return Err(vec![Reason::new(Code::WrongTopology, what, NEXT)]);
            }
        }
        settings(facts, |name| SETTINGS.contains(&name), &mut reasons);
        channels(facts, &mut reasons);
        if wishes.keep_retired {
            let what = "--keep-retired asks for the old table, and an ALTER of the table itself leaves none";
            reasons.push(Reason::new(Code::ClauseUnsupported, what, NEXT));
        }
        reasons.extend(in_place::clauses(facts, alter));
        reasons.extend(rejected(facts));
        let spec = match &facts.dry_run {
            DryRun::Accepted { shape } => in_place::spec(facts, shape),
            DryRun::Rejected { .. } => return Err(reasons),
            DryRun::Impossible { why } => {
                let what = format!("the alter could not be tried on every node: {why}");
                reasons.push(Reason::new(Code::NotProvable, what, NEXT));
                return Err(reasons);
            }
        };
        reasons.extend(in_place::shapes(facts, &spec.target, alter, &wishes.allow_drop_add));
        match demand(facts, &spec, alter) {
            Ok(demand) => reasons.extend(too_long(facts, &demand, wishes)),
            Err(reason) => reasons.push(reason),
        }
        if !reasons.is_empty() {
            return Err(reasons);
        }
        Ok(Fit { work: Work::Direct(spec), remarks: remarks(facts) })
    }

    fn plan(&self, fit: &Fit, facts: &Facts, alter: &Alter, _: &Options) -> Draft {
        let Work::Direct(spec) = &fit.work else { return Draft::default() };
        // `judge` has found it good.
        let Ok(demand) = demand(facts, spec, alter) else { return Draft::default() };
        let stall_ms = stall_ms(facts, demand.fastest.algorithm);
        let steps = vec![(Step::Journal, copy_steps::journal(facts)), altering(facts, spec, alter, &demand)];
        let extra = if demand.fastest.algorithm == Algorithm::Instant { 0 } else { size(facts) };
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

/// Changes that come from outside would meet another table than the one they were made for.
fn channels(facts: &Facts, reasons: &mut Vec<Reason>) {
    for node in &facts.nodes {
        for channel in node.channels.iter().filter(|channel| channel.running) {
            let (name, from) = (&node.name, &channel.source);
            let what = format!("{name} applies changes from {from}, whose table stays as it is");
            let remedy = format!("alter on {from} itself, or stop the channel for the time of the change");
            reasons.push(Reason::new(Code::ReplicationChannel, what, remedy));
        }
    }
}

/// How the server is told to do it.
struct Demand {
    fastest: Fastest,
    lock: Lock,
}

/// What facts and the user's own hints come to.
fn demand(facts: &Facts, spec: &DirectSpec, alter: &Alter) -> Result<Demand, Reason> {
    let each = facts.nodes.iter().map(|node| fastest(node.flavour, node.version, &spec.source, &spec.target, alter));
    let Some(known) = each.max_by_key(|known| known.algorithm) else {
        return Err(Reason::new(Code::NotProvable, "no node is known", NEXT));
    };
    let known = allowed(facts, known);
    let mut demand = Demand { lock: default_lock(known.algorithm), fastest: known };
    let mysql = facts.nodes.iter().any(|node| node.flavour == Flavour::MySql);
    for hint in &alter.hints {
        let words: String = hint.to_ascii_uppercase().chars().map(|c| if c == '=' { ' ' } else { c }).collect();
        let words: Vec<&str> = words.split_whitespace().collect();
        match words.as_slice() {
            ["ALGORITHM" | "LOCK", "DEFAULT"] => {}
            ["ALGORITHM", name] => wanted_algorithm(&mut demand, hint, name, mysql)?,
            ["LOCK", name] => wanted_lock(&mut demand, hint, name, mysql)?,
            other => return Err(refused(&other.join(" "), "is not one that an ordered ALTER can follow")),
        }
    }
    // Whichever stood first.
    let (algorithm, lock) = (demand.fastest.algorithm, demand.lock);
    if lock == Lock::None && algorithm == Algorithm::Copy {
        return Err(refused("LOCK=NONE", "can't be had: rows are copied"));
    }
    Ok(demand)
}

/// MariaDB can be told to do less at once; where one node is, it would fail alone.
fn allowed(facts: &Facts, known: Fastest) -> Fastest {
    let says = |node: &Node| node.variables.get(ALLOWED).is_some_and(|value| value != "add_drop_reorder");
    if known.algorithm == Algorithm::Instant && facts.nodes.iter().any(says) {
        return Fastest { algorithm: Algorithm::Inplace, because: Some(ALLOWED.to_owned()) };
    }
    known
}

const fn default_lock(algorithm: Algorithm) -> Lock {
    match algorithm {
        Algorithm::Instant => Lock::Default,
        // Commits wait anyway; an online ALTER would only log what nobody can write.
        Algorithm::Nocopy | Algorithm::Inplace | Algorithm::Copy => Lock::Shared,
    }
}

fn refused(hint: &str, why: &str) -> Reason {
    Reason::new(Code::HintRefused, format!("`{hint}` {why}"), "leave it out: driftless writes what the server can do")
}

fn wanted_algorithm(demand: &mut Demand, hint: &str, name: &str, mysql: bool) -> Result<(), Reason> {
    let all = [Algorithm::Instant, Algorithm::Nocopy, Algorithm::Inplace, Algorithm::Copy];
    let wanted = all.into_iter().find(|algorithm| algorithm.as_str() == name);
    let Some(wanted) = wanted.filter(|wanted| !(mysql && *wanted == Algorithm::Nocopy)) else {
        return Err(refused(hint, "is not one that this server knows"));
    };
    if wanted < demand.fastest.algorithm {
        let because = demand.fastest.because.clone().unwrap_or_default();
        return Err(refused(hint, &format!("is not known to do: {because} needs {}", demand.fastest.algorithm)));
    }
    if wanted > demand.fastest.algorithm {
        demand.fastest = Fastest { algorithm: wanted, because: Some("the statement".to_owned()) };
        demand.lock = default_lock(wanted);
    }
    Ok(())
}

fn wanted_lock(demand: &mut Demand, hint: &str, name: &str, mysql: bool) -> Result<(), Reason> {
    let all = [Lock::None, Lock::Shared, Lock::Exclusive];
    let Some(wanted) = all.into_iter().find(|lock| lock.as_str() == name) else {
        return Err(refused(hint, "is not one that this server knows"));
    };
    if mysql && (wanted == Lock::None || demand.fastest.algorithm == Algorithm::Instant) {
        return Err(refused(hint, "is not taken by this server in total order, or not with INSTANT"));
    }
    demand.lock = wanted;
    Ok(())
}

fn size(facts: &Facts) -> u64 {
    facts.load.data_bytes.saturating_add(facts.load.index_bytes)
}

/// For how long every commit of the cluster waits; sizes are those of the largest copy.
fn stall_ms(facts: &Facts, algorithm: Algorithm) -> u64 {
    if algorithm == Algorithm::Instant {
        return INSTANT_MS;
    }
    let by_bytes = u128::from(size(facts)) * 1000 / u128::from(BYTES_PER_S);
    let by_rows = u128::from(facts.load.rows) * 1000 / u128::from(ROWS_PER_S);
    INSTANT_MS.saturating_add(u64::try_from(by_bytes.max(by_rows)).unwrap_or(u64::MAX))
}

fn too_long(facts: &Facts, demand: &Demand, wishes: &Options) -> Option<Reason> {
    let (algorithm, ms) = (demand.fastest.algorithm, stall_ms(facts, demand.fastest.algorithm));
    (ms > wishes.max_stall_ms).then(|| {
        let because = demand.fastest.because.as_ref().map_or_else(String::new, |why| format!(" for {why}"));
        let what = format!(
            "one ALTER takes ALGORITHM={algorithm}{because}, and every commit in the cluster waits for about {}; the limit \
             is {} ms",
            if ms < SHOWN_AS_MS { format!("{} ms", count(ms)) } else { seconds(ms.div_ceil(1000)) },
            count(wishes.max_stall_ms)
        );
        let limit = if ms < SHOWN_AS_MS { format!("{ms}ms") } else { format!("{}s", ms.div_ceil(1000)) };
        let remedy = format!("--max-stall {limit}, if the application can wait that long");
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
    if !facts.replicas.is_empty() {
        let names: Vec<&str> = facts.replicas.iter().map(|replica| replica.address.as_str()).collect();
        remarks.push(Reason::new(
            Code::ReplicaLoad,
            format!(
                "{} will run the same ALTER, and stop when their version does not know its ALGORITHM",
                list(&names)
            ),
            "see that they run the version of the nodes, or a later one",
        ));
    }
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
