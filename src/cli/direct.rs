//! Puts the engine of one ALTER together.

use std::sync::Arc;

use driftless_strategies::DirectSpec;

use super::assemble::{self, Parts};
use super::error::CliError;
use crate::cutover::direct::{Ground, TableItself};
use crate::engine::altering::{Altering, Limits, Ports};
use crate::engine::journal::{Entry, HeldJournal};
use crate::engine::outlook::{DirectOutlook, direct_expectation};
use crate::inspect::{self, NodeWatch};
use crate::ports::clock::Clock;
use crate::throttle::Sampler;

/// The engine for a job whose lease is held.
pub(super) fn altering(
    parts: &Parts<'_>,
    entry: Entry,
    spec: DirectSpec,
    sampler: &Arc<Sampler>,
) -> Result<Altering, CliError> {
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
    let journal = Arc::new(HeldJournal::new(Arc::clone(&first.server), &entry));
    let ground = Ground {
        discovered: parts.discovered.clone(),
        watch,
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
        journal,
        reporter: Arc::clone(&parts.reporter),
        hold: assemble::hold(parts.postpone.clone()),
    };
    let limits = Limits { attempts: assemble::ATTEMPTS, patience: parts.pace.patience };
    Ok(Altering::new(ports, limits, entry.job, spec, parts.stop.clone()))
}
