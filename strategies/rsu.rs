//! Node by node, desynced.

use crate::alter::Alter;
use crate::choose::{Draft, Fit, Options, Strategy};
use crate::copy_steps;
use crate::demand::{BYTES_PER_S, Demand, Order, ROWS_PER_S, demand, shown, size, work_ms};
use crate::facts::{Facts, Node, Topology};
use crate::in_place;
use crate::online::Effort;
use crate::plan::{Estimate, Step, StepCost, StrategyName, Work};
use crate::row_events::{breaks, keys_only};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::{bytes, count, list, many};

/// Nodes below which taking one away leaves no spare.
const NODES_MIN: u32 = 3;
/// What leaving the cluster's pace, catching up and looking take beside the ALTER, milliseconds a node.
const AROUND_MS: u64 = 2000;
/// The variable that lists the members a node tries to join.
pub const ADDRESSES: &str = "wsrep_cluster_address";
const NEXT: &str = "nothing to do: driftless takes the next strategy that fits";

/// One node after the other leaves the cluster's pace, alters, and catches up.
pub struct Rsu;

impl Strategy for Rsu {
    fn name(&self) -> StrategyName {
        StrategyName::Rsu
    }

    fn judge(&self, facts: &Facts, alter: &Alter, wishes: &Options) -> Result<Fit, Vec<Reason>> {
        if let Some(reason) = absent(facts) {
            return Err(vec![reason]);
        }
        if let Some(what) = too_few(&facts.topology) {
            return Err(vec![Reason::new(Code::WrongTopology, what, NEXT)]);
        }
        let mut reasons: Vec<Reason> = Vec::new();
        if let Some((clause, why)) = breaks(alter, &facts.table) {
            reasons.push(Reason::new(Code::RowEvents, format!("`{}` {why}", clause.text), NEXT));
        }
        replicas(facts, &mut reasons);
        namesakes(facts, &mut reasons);
        let judged = in_place::judge(facts, alter, wishes, Order::Total, &|_| Vec::new());
        // Of what an ordered ALTER does not do, only the last word remains to be said where the rules have spoken.
        let spec = match judged {
            Ok(spec) if keys_only(&spec.source, &spec.target) => Some(spec),
            Ok(_) if reasons.iter().any(|reason| reason.code == Code::RowEvents) => None,
            Ok(_) => {
                let what = "the change comes to more than keys that are not unique";
                reasons.push(Reason::new(Code::RowEvents, what, NEXT));
                None
            }
            Err(found) => {
                if reasons.is_empty() {
                    reasons.extend(found);
                }
                None
            }
        };
        if reasons.is_empty() && wishes.force != Some(StrategyName::Rsu) {
            let what =
                "a node's commits wait while it alters, so that its applications must be on other nodes meanwhile";
            reasons.push(Reason::new(Code::NotAsked, what, "--strategy rsu, if that can be arranged"));
        }
        match spec {
            Some(spec) if reasons.is_empty() => Ok(Fit { work: Work::Rolling(spec), remarks: vec![drained(facts)] }),
            Some(_) | None => Err(reasons),
        }
    }

    fn plan(&self, fit: &Fit, facts: &Facts, alter: &Alter, _: &Options) -> Draft {
        let Work::Rolling(spec) = &fit.work else { return Draft::default() };
        // `judge` has found it good.
        let Ok(demand) = demand(facts, spec, alter, Order::Total) else { return Draft::default() };
        let algorithm = demand.fastest.algorithm;
        let one_ms = work_ms(facts, algorithm).saturating_add(AROUND_MS);
        let mut steps = vec![(Step::Journal, copy_steps::journal(facts))];
        steps.extend(in_order(facts).into_iter().map(|node| roll(facts, alter, &demand, node)));
        let nodes = u64::try_from(facts.nodes.len()).unwrap_or(u64::MAX);
        let estimate = Estimate {
            rows: facts.load.rows,
            extra_disk_bytes: if demand.fastest.effort == Effort::Dictionary { 0 } else { size(facts) },
            binlog_bytes: 0,
            seconds: one_ms.saturating_mul(nodes).div_ceil(1000),
            stall_ms: steps.iter().map(|(_, cost)| cost.stall_ms).max().unwrap_or_default(),
            basis: format!(
                "rows and sizes by the engine's statistics; on each node {} or {} rows a second, whichever is slower (half of \
                 what was measured on idle servers with two cores), and {} around it; waiting for a node to be without \
                 writers comes on top",
                bytes(BYTES_PER_S),
                count(ROWS_PER_S),
                shown(AROUND_MS)
            ),
        };
        Draft { steps, estimate }
    }
}

/// Members that the nodes know the addresses of, and that are in no view: what a node alters by itself is in no write set, so
/// that one that is down comes back without it.
fn absent(facts: &Facts) -> Option<Reason> {
    let Topology::Galera { size, .. } = facts.topology else { return None };
    let listed = |node: &Node| node.variables.get(ADDRESSES).map_or(0, |list| addresses(list));
    let (node, known) = facts.nodes.iter().map(|node| (node, listed(node))).max_by_key(|(_, known)| *known)?;
    (known > u64::from(size)).then(|| {
        let what = format!(
            "{ADDRESSES} on {} has {} addresses, and the cluster has {}: a node that is down now would come back without the change",
            node.name,
            count(known),
            many(u64::from(size), "member")
        );
        let remedy = "start it first; when the list is out of date, name every node of the cluster with --node HOST:PORT";
        Reason::new(Code::NodeUnreached, what, remedy)
    })
}

/// How many different addresses a `gcomm://` list has.
fn addresses(list: &str) -> u64 {
    let list = list.trim().strip_prefix("gcomm://").unwrap_or_default();
    let list = list.split('?').next().unwrap_or_default();
    let mut all: Vec<&str> = list.split(',').map(str::trim).filter(|address| !address.is_empty()).collect();
    all.sort_unstable();
    all.dedup();
    u64::try_from(all.len()).unwrap_or(u64::MAX)
}

fn too_few(topology: &Topology) -> Option<String> {
    match topology {
        Topology::Single => Some("node by node needs a Galera cluster, and this is a single primary".to_owned()),
        Topology::Galera { size, arbitrators, .. } => {
            let data = size.saturating_sub(*arbitrators);
            (data < NODES_MIN)
                .then(|| format!("node by node needs {NODES_MIN} nodes with data; there are {}", count(data.into())))
        }
    }
}

/// The change is not in any binlog: who reads from a node does not get it.
fn replicas(facts: &Facts, reasons: &mut Vec<Reason>) {
    if facts.replicas.is_empty() {
        return;
    }
    let names: Vec<&str> = facts.replicas.iter().map(|replica| replica.address.as_str()).collect();
    let what = format!("{} would not get the change: what a node alters by itself is not in its binlog", list(&names));
    reasons.push(Reason::new(Code::ReplicaLoad, what, NEXT));
}

/// Steps name their nodes.
fn namesakes(facts: &Facts, reasons: &mut Vec<Reason>) {
    let twice = |node: &&Node| facts.nodes.iter().filter(|other| other.name == node.name).count() > 1;
    if let Some(node) = facts.nodes.iter().find(twice) {
        let what = format!("two nodes are called {}, and steps name their nodes", node.name);
        reasons.push(Reason::new(Code::NameTaken, what, "give each node a wsrep_node_name of its own"));
    }
}

/// The node that driftless was connected to comes last: through a proxy that is the writer, which must lose its writers to
/// nodes that have the change already.
fn in_order(facts: &Facts) -> Vec<&Node> {
    facts.nodes.iter().rev().collect()
}

fn drained(facts: &Facts) -> Reason {
    let names: Vec<&str> = in_order(facts).into_iter().map(|node| node.name.as_str()).collect();
    Reason::new(
        Code::NodeDrained,
        format!(
            "each node must be without writers for its turn, in this order: {}; a node that is down now and stands in no \
             node's wsrep_cluster_address comes back without the change",
            list(&names)
        ),
        "take it out of the proxy when the run waits for it, put it back when it is done; the run goes on by itself. Or name what \
         stands before the nodes, and the run does that: --haproxy, --proxysql, --maxscale, --pxc-maint-mode, --drain-command",
    )
}

fn roll(facts: &Facts, alter: &Alter, demand: &Demand, node: &Node) -> (Step, StepCost) {
    let (algorithm, lock) = (demand.fastest.algorithm, demand.lock);
    let step = Step::Roll { node: node.name.clone(), alter: alter.text(), algorithm, lock };
    let cost = StepCost {
        what: format!(
            "change {} on {} alone, {algorithm}, out of the cluster's pace; then wait until it has caught up",
            facts.name.table, node.name
        ),
        blocks: format!("commits and causal reads on {}; not begun while anybody writes there", node.name),
        stall_ms: work_ms(facts, algorithm).saturating_add(copy_steps::LOCK_WAIT_MS),
        undo: "driftless abort: back again, the last node first; a dropped key is built anew and comes last".to_owned(),
    };
    (step, cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_addresses() {
        for (list, expected) in [
            ("gcomm://", 0),
            ("gcomm://a:4567,b:4567, c:4567", 3),
            ("gcomm://a,a,b?gmcast.listen_addr=tcp://0.0.0.0:4567,x", 2),
            ("", 0),
            ("dummy://", 0),
        ] {
            assert_eq!(addresses(list), expected, "{list}");
        }
    }
}
