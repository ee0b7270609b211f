//! Whether what was seen is what is expected: pure.

use driftless_strategies::facts::Topology;
use driftless_strategies::verdict::{Reason, ReasonCode};
use driftless_strategies::{Fingerprint, TableName};

use crate::error::Fault;
use crate::ports::members::identity;

use super::fitness::{Passing, read_only, unfit};
use super::leftovers::{Kind, Tool};
use super::look::Look;
use super::reading::Reading;
use super::watch::Watched;

/// What has to be true before the next ordered step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The cluster, its view and its size.
    pub topology: Topology,
    /// The tables that matter, the one being changed first.
    pub tables: Vec<(TableName, Expected)>,
    /// Whether a job's triggers may stand on them.
    pub own_triggers: OwnTriggers,
}

/// What a table has to be, on every node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Of that fingerprint.
    Exactly(Fingerprint),
    /// There, and the same everywhere.
    Same,
    /// There; whoever asks compares the nodes himself.
    There,
    /// Not there.
    Absent,
}

/// Whether triggers of driftless may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnTriggers {
    /// They may: a job works.
    Allowed,
    /// They may not: a job begins.
    Forbidden,
}

/// Something that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) reason: Reason,
    pub(crate) passing: Passing,
}

impl Finding {
    fn new(passing: Passing, code: ReasonCode, what: String, remedy: &str) -> Self {
        Self { reason: Reason::new(code, what, remedy), passing }
    }

    /// Whether another look may find it gone: tables differ while a DDL is on its way, and InnoDB's list of transactions
    /// lags.
    pub(crate) fn may_be_stale(&self) -> bool {
        let code = self.reason.code;
        let differs = matches!(code, ReasonCode::SchemaDrift | ReasonCode::PlanStale | ReasonCode::TableMissing);
        differs || code == ReasonCode::OldTransaction
    }
}

/// What is not as expected: each node by itself, then all against each other.
pub(crate) fn judge(expectation: &Expectation, nodes: &[(&Watched, Result<Look, Fault>)]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut looks = Vec::new();
    for (watched, answer) in nodes {
        match answer {
            Ok(look) => {
                one(expectation, watched, look, &mut found);
                looks.push((watched.node.name.as_str(), look));
            }
            Err(fault) => found.push(silent(&watched.node.name, fault)),
        }
    }
    if let Some((first, look)) = looks.first()
        && read_only(&look.variables)
    {
        let what = format!("{first} is read-only");
        found.push(Finding::new(Passing::No, ReasonCode::ReadOnly, what, "copy on a node that takes writes"));
    }
    let readings: Vec<_> = looks.iter().map(|(name, look)| (*name, look.readings.as_slice())).collect();
    found.extend(tables(expectation, &readings));
    found
}

/// The tables alone: what every node that could be asked has of each, against what is expected and against each other.
pub(crate) fn tables(expectation: &Expectation, nodes: &[(&str, &[Option<Reading>])]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, (table, expected)) in expectation.tables.iter().enumerate() {
        let readings: Vec<_> = nodes
            .iter()
            .filter_map(|(name, readings)| {
                Some((*name, readings.get(place)?.as_ref().map(|reading| &reading.fingerprint)))
            })
            .collect();
        found.extend(same(table, expected, &readings));
    }
    found
}

fn silent(name: &str, fault: &Fault) -> Finding {
    let (passing, code, what) = match fault {
        Fault::Busy(_) => (Passing::Perhaps, ReasonCode::NodeUnfit, format!("{name} can't be asked now: {fault}")),
        Fault::Lost(_) | Fault::Failed(_) => {
            (Passing::No, ReasonCode::NodeUnreached, format!("{name} does not answer: {fault}"))
        }
        Fault::Refused(reason) | Fault::Full(reason) | Fault::Rows { reason, .. } => {
            return Finding { reason: (**reason).clone(), passing: Passing::No };
        }
    };
    Finding::new(passing, code, what, "see that the node runs and can be reached, then try again")
}

/// One node's state.
fn one(expectation: &Expectation, watched: &Watched, look: &Look, found: &mut Vec<Finding>) {
    let name = &watched.node.name;
    let mut add = |passing: Passing, code: ReasonCode, what: String, remedy: &str| {
        found.push(Finding::new(passing, code, what, remedy));
    };
    if identity(watched.node.flavour, &look.status, &look.variables) != watched.node.identity {
        let what = format!("another server than {name} answers at {}", watched.node.address);
        add(Passing::No, ReasonCode::PlanStale, what, "restarted nodes and moved addresses need a new look: try again");
    }
    if let Topology::Galera { size, .. } = &expectation.topology {
        let now = look.status.get("wsrep_cluster_size").map_or("", String::as_str);
        if now != size.to_string() {
            let what = format!("{name} sees {now} members in the cluster, not {size}");
            add(
                Passing::No,
                ReasonCode::PlanStale,
                what,
                "bring the missing member back, or go on without it: try again",
            );
        }
    }
    for unfit in unfit(&expectation.topology, &look.status, &look.variables) {
        let what = format!("{name} is {}", unfit.what);
        add(unfit.passing, ReasonCode::NodeUnfit, what, "wait until the node is synced, then try again");
    }
    for leftover in &look.leftovers {
        let ours = leftover.tool == Tool::Driftless;
        let allowed = match leftover.kind {
            // Ours are among the expected tables, or absent ones.
            Kind::Table => ours,
            Kind::Trigger => ours && expectation.own_triggers == OwnTriggers::Allowed,
        };
        if !allowed {
            let remedy = "see that no other tool works on the table, then drop what it left";
            add(Passing::No, ReasonCode::Leftovers, format!("{name} has {leftover}"), remedy);
        }
    }
    for holder in &look.holders {
        let remedy = "let it finish, or end the session";
        add(Passing::Perhaps, ReasonCode::LockHeld, format!("{name}: {holder}"), remedy);
    }
    for old in &look.old {
        let remedy = "let it end, or end the session; the limit is in the settings";
        add(Passing::Perhaps, ReasonCode::OldTransaction, format!("{name}: {old}"), remedy);
    }
}

fn gone(table: &TableName, nodes: &[(&str, Option<&Fingerprint>)]) -> Vec<Finding> {
    let without = nodes.iter().filter(|(_, print)| print.is_none());
    let finding = |(name, _): &(&str, Option<&Fingerprint>)| {
        let what = format!("{table} is gone from {name}");
        Finding::new(Passing::No, ReasonCode::TableMissing, what, "find out who dropped it; make the nodes equal first")
    };
    without.map(finding).collect()
}

/// One table on all nodes.
fn same(table: &TableName, expected: &Expected, nodes: &[(&str, Option<&Fingerprint>)]) -> Vec<Finding> {
    let Some((first, print)) = nodes.first() else { return Vec::new() };
    if *expected == Expected::There {
        return gone(table, nodes);
    }
    let remedy = "make the table equal on all nodes first (check shows the difference)";
    let differing: Vec<Finding> = nodes
        .iter()
        .filter(|(_, other)| other != print)
        .map(|(name, _)| {
            let what = format!("{table} on {name} is not what it is on {first}");
            Finding::new(Passing::No, ReasonCode::SchemaDrift, what, remedy)
        })
        .collect();
    if !differing.is_empty() {
        return differing;
    }
    let stale = "take that back and try again, or abort the job if there is one, and plan again";
    let finding = match (expected, print) {
        (Expected::Absent, None) | (Expected::Same | Expected::There, Some(_)) => None,
        (Expected::Absent, Some(_)) => {
            Some((ReasonCode::Leftovers, format!("{table} exists already"), "see what it is, then drop it (cleanup)"))
        }
        (Expected::Same | Expected::There | Expected::Exactly(_), None) => {
            Some((ReasonCode::TableMissing, format!("{table} is gone"), stale))
        }
        (Expected::Exactly(wanted), Some(print)) => (*print != wanted)
            .then(|| (ReasonCode::PlanStale, format!("{table} is no longer what the plan was made for"), stale)),
    };
    finding.into_iter().map(|(code, what, remedy)| Finding::new(Passing::No, code, what, remedy)).collect()
}
