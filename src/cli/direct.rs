//! Puts the engines together that change the table itself.

use std::sync::Arc;

use driftless_strategies::DirectSpec;

use super::assemble::{self, Parts};
use super::error::CliError;
use crate::cutover::direct::{Ground, TableItself};
use crate::cutover::rolling::Turns;
use crate::engine::altering::{Altering, Limits, Ports};
use crate::engine::draining::Draining;
use crate::engine::journal::{Entry, HeldJournal};
use crate::engine::outlook::{DirectOutlook, direct_expectation};
use crate::engine::rolling::Turning;
use crate::inspect::{self, NodeWatch};
use crate::ports::clock::Clock;
use crate::ports::journal::{Journal, Movable};
use crate::throttle::Sampler;

/// The engine of one ALTER, for a job whose lease is held.
pub(super) fn altering(
    parts: &Parts<'_>,
    entry: Entry,
    spec: DirectSpec,
    sampler: &Arc<Sampler>,
) -> Result<Altering, CliError> {
    let rooms = rooms(parts, &entry, &spec, sampler)?;
    Ok(Altering::new(rooms.ports, limits(parts), entry.job, spec, parts.stop.clone()))
}

/// The engine that goes node by node, for a job whose lease is held.
pub(super) fn turning(
    parts: &Parts<'_>,
    entry: Entry,
    spec: DirectSpec,
    sampler: &Arc<Sampler>,
) -> Result<Turning, CliError> {
    let rooms = rooms(parts, &entry, &spec, sampler)?;
    let turns = Turns {
        discovered: parts.discovered.clone(),
        watch: rooms.watch,
        plan: entry.job.plan.clone(),
        spec: spec.clone(),
        job: entry.job.id.clone(),
        token: entry.token(),
        journal: Arc::clone(&rooms.journal) as Arc<dyn Movable>,
    };
    let draining = Draining {
        proxies: parts.front.proxies.clone(),
        drains: rooms.journal,
        nodes: parts.front.nodes.clone(),
        put_back: parts.front.put_back,
        now: tokio::sync::Mutex::default(),
    };
    let turns = Arc::new(turns);
    let turning = Turning::new(rooms.ports, turns, draining, limits(parts), entry.job, spec, parts.stop.clone());
    Ok(turning.without(parts.front.gone.clone()))
}

fn limits(parts: &Parts<'_>) -> Limits {
    Limits { attempts: assemble::ATTEMPTS, patience: parts.pace.patience }
}

/// What both act through.
struct Rooms {
    ports: Ports,
    watch: Arc<NodeWatch>,
    journal: Arc<HeldJournal>,
}

fn rooms(parts: &Parts<'_>, entry: &Entry, spec: &DirectSpec, sampler: &Arc<Sampler>) -> Result<Rooms, CliError> {
    let clock = || Arc::clone(&parts.clock) as Arc<dyn Clock>;
    let plan = entry.job.plan.clone();
    let limits = inspect::Limits { old_transaction: parts.max_transaction_age };
    let topology = parts.discovered.topology.clone();
    let (at, print) = (entry.job.phase, &plan.fingerprint);
    let expected = direct_expectation(&topology, &plan.table, &spec.linked, print, at);
    let watch = Arc::new(NodeWatch::new(parts.discovered, expected, limits, clock()));
    let outlook = DirectOutlook {
        watch: Arc::clone(&watch),
        topology,
        table: plan.table.clone(),
        linked: spec.linked.clone(),
        fingerprint: plan.fingerprint.clone(),
    };
    let Some(first) = parts.discovered.members.first() else {
        return Err(CliError::Surroundings("no server to work on".into()));
    };
    let journal = Arc::new(HeldJournal::new(Arc::clone(&first.server), entry));
    let ground = Ground {
        discovered: parts.discovered.clone(),
        watch: Arc::clone(&watch),
        plan,
        alter: parts.alter.clone(),
        limits,
        job: entry.job.id.clone(),
        token: entry.token(),
    };
    let ports = Ports {
        clock: clock(),
        direct: Arc::new(TableItself::new(ground)),
        nodes: Arc::new(outlook),
        pace: assemble::throttle(parts, sampler),
        journal: Arc::clone(&journal) as Arc<dyn Journal>,
        reporter: Arc::clone(&parts.reporter),
        hold: assemble::hold(parts.postpone.clone()),
    };
    Ok(Rooms { ports, watch, journal })
}
