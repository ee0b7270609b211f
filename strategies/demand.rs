//! How the server is told to change the table itself: the fastest algorithm that is known to do, and the user's own hints.

use crate::alter::Alter;
use crate::facts::{Facts, Flavour, Node};
use crate::online::{Algorithm, Effort, Fastest, Lock, fastest};
use crate::plan::DirectSpec;
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::{count, seconds};

/// Bytes of table and rows a second that any other algorithm works through, the slower counts.
///
/// # Source
/// Half of what was measured on MariaDB 10.11 with Galera: 200 MB of 1 M rows, copied in 6.3 to 11.7 s.
pub(crate) const BYTES_PER_S: u64 = 10_000_000;
pub(crate) const ROWS_PER_S: u64 = 50_000;
const NEXT: &str = "nothing to do: driftless takes the next strategy that fits";
/// Times below are shown in milliseconds.
const SHOWN_AS_MS: u64 = 2000;
/// The setting that takes INSTANT away.
const ALLOWED: &str = "innodb_instant_alter_column_allowed";

/// Changes that come from outside would meet another table than the one they were made for.
pub(crate) fn channels(facts: &Facts, reasons: &mut Vec<Reason>) {
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
pub(crate) struct Demand {
    /// The algorithm, and what makes it necessary.
    pub(crate) fastest: Fastest,
    /// What others are kept from meanwhile.
    pub(crate) lock: Lock,
}

/// Whether every commit waits for the ALTER anyway.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The cluster orders it.
    Total,
    /// One server runs it by itself.
    Own,
}

/// What facts and the user's own hints come to.
pub(crate) fn demand(facts: &Facts, spec: &DirectSpec, alter: &Alter, order: Order) -> Result<Demand, Reason> {
    let versions = facts.load.row_versions;
    let each = facts
        .nodes
        .iter()
        .map(|node| fastest((node.flavour, node.version, versions), &spec.source, &spec.target, alter));
    let Some(known) = each.max_by_key(|known| known.algorithm) else {
        return Err(Reason::new(Code::NotProvable, "no node is known", NEXT));
    };
    let known = allowed(facts, known);
    let mut demand = Demand { lock: default_lock(known.algorithm, order), fastest: known };
    let mysql = facts.nodes.iter().any(|node| node.flavour == Flavour::MySql);
    for hint in &alter.hints {
        let words: String = hint.to_ascii_uppercase().chars().map(|c| if c == '=' { ' ' } else { c }).collect();
        let words: Vec<&str> = words.split_whitespace().collect();
        match words.as_slice() {
            ["ALGORITHM" | "LOCK", "DEFAULT"] => {}
            ["ALGORITHM", name] => wanted_algorithm(&mut demand, hint, name, (mysql, order))?,
            ["LOCK", name] => wanted_lock(&mut demand, hint, name, (mysql, order))?,
            other => return Err(refused(&other.join(" "), "is not one that driftless can follow")),
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
        return Fastest { algorithm: Algorithm::Inplace, because: Some(ALLOWED.to_owned()), effort: Effort::Rows };
    }
    known
}

fn default_lock(algorithm: Algorithm, order: Order) -> Lock {
    match algorithm {
        Algorithm::Instant => Lock::Default,
        Algorithm::Nocopy | Algorithm::Inplace if order == Order::Own => Lock::None,
        // Commits wait anyway; an online ALTER would only log what nobody can write.
        Algorithm::Nocopy | Algorithm::Inplace | Algorithm::Copy => Lock::Shared,
    }
}

fn refused(hint: &str, why: &str) -> Reason {
    Reason::new(Code::HintRefused, format!("`{hint}` {why}"), "leave it out: driftless writes what the server can do")
}

fn wanted_algorithm(demand: &mut Demand, hint: &str, name: &str, (mysql, order): (bool, Order)) -> Result<(), Reason> {
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
        let because = Some("the statement".to_owned());
        demand.fastest = Fastest { algorithm: wanted, because, effort: Effort::Rows };
        demand.lock = default_lock(wanted, order);
    }
    Ok(())
}

fn wanted_lock(demand: &mut Demand, hint: &str, name: &str, (mysql, order): (bool, Order)) -> Result<(), Reason> {
    let all = [Lock::None, Lock::Shared, Lock::Exclusive];
    let Some(wanted) = all.into_iter().find(|lock| lock.as_str() == name) else {
        return Err(refused(hint, "is not one that this server knows"));
    };
    if mysql && ((wanted == Lock::None && order == Order::Total) || demand.fastest.algorithm == Algorithm::Instant) {
        return Err(refused(hint, "is not taken by this server in total order, or not with INSTANT"));
    }
    demand.lock = wanted;
    Ok(())
}

pub(crate) fn size(facts: &Facts) -> u64 {
    facts.load.data_bytes.saturating_add(facts.load.index_bytes)
}

/// How long the server works on it beside what any ALTER takes, milliseconds; sizes are those of the largest copy.
pub(crate) fn work_ms(facts: &Facts, algorithm: Algorithm) -> u64 {
    if algorithm == Algorithm::Instant {
        return 0;
    }
    let by_bytes = u128::from(size(facts)) * 1000 / u128::from(BYTES_PER_S);
    let by_rows = u128::from(facts.load.rows) * 1000 / u128::from(ROWS_PER_S);
    u64::try_from(by_bytes.max(by_rows)).unwrap_or(u64::MAX)
}

/// A time in words that `--max-stall` also takes.
pub(crate) fn limit(ms: u64) -> String {
    if ms < SHOWN_AS_MS { format!("{ms}ms") } else { format!("{}s", ms.div_ceil(1000)) }
}

/// A time in words.
pub(crate) fn shown(ms: u64) -> String {
    if ms < SHOWN_AS_MS { format!("{} ms", count(ms)) } else { seconds(ms.div_ceil(1000)) }
}
