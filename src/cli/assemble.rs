//! Puts an engine together: the rooms, the limits, the real clock.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::facts::{Facts, Node};
use driftless_strategies::plan::Step;
use driftless_strategies::{
    Alter, CopySpec, Plan, Reason, ReasonCode, TableShape, Topology, Work, binlog_stream, trigger_copy,
};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::args::PaceArgs;
use super::error::CliError;
use super::proxies::Front;
use crate::config::SystemClock;
use crate::copy::sizer;
use crate::copy::slot::Slots;
use crate::copy::table::{Kept, Setting, TableRows};
use crate::cutover::closing::{self, Ground};
use crate::cutover::objects::{ShapeReader as _, Site, TableObjects};
use crate::discover::Sighting;
use crate::engine::following::Follow;
use crate::engine::journal::{Entry, HeldJournal};
use crate::engine::outlook::{CatalogShapes, Outlook, expectation};
use crate::engine::{Engine, Options, Ports};
use crate::error::Fault;
use crate::inspect::{self, NodeWatch};
use crate::ports::clock::Clock;
use crate::ports::journal::{Job, JobId, Phase};
use crate::ports::members::{Discovered, Member};
use crate::ports::nodes::Nodes;
use crate::ports::report::Reporter;
use crate::ports::server::Server;
use crate::ports::syncing::Syncing;
use crate::report::Complaint;
use crate::sql::catalog_table::Dialect;
use crate::sql::checksum::{Digest, RowHash};
use crate::sql::meaning::Names;
use crate::throttle::{Ceiling, Limits, Role, Sampler, StatusLimit, Throttle, Watch};

/// Fewest rows in a chunk.
const CHUNK_FLOOR: u64 = 50;
/// Rows in a compared range.
const COMPARE_ROWS: u64 = 25_000;
/// Attempts of a chunk or an ordered step.
pub(super) const ATTEMPTS: u32 = 60;
/// Longest wait of a chunk for a row that somebody holds.
const ROW_LOCK_WAIT: Duration = Duration::from_secs(1);
/// Longest wait for the first sample of every node.
const FIRST_SAMPLES: Duration = Duration::from_secs(3);

/// Longest that a replica may take to say who it is.
const REPLICA_LIMIT: Duration = Duration::from_secs(10);

/// What a run is put together from.
pub(super) struct Parts<'a> {
    pub(super) discovered: &'a Discovered,
    pub(super) source: TableShape,
    pub(super) alter: Alter,
    pub(super) row_bytes: u64,
    pub(super) pace: &'a PaceArgs,
    pub(super) front: &'a Front,
    pub(super) postpone: Option<PathBuf>,
    pub(super) max_transaction_age: Duration,
    pub(super) clock: Arc<SystemClock>,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) stop: CancellationToken,
}

/// The limits of the pace, judged whole: a plan file's values pass no flag's own check. Called before a job is begun.
pub(super) fn limits(args: &PaceArgs) -> Result<Limits, CliError> {
    let usage = |what: String, remedy: &str| Err(CliError::Usage(what, remedy.into()));
    if !(1..=64).contains(&args.workers) {
        return usage(format!("--workers: {} is not a number of connections", args.workers), "choose 1 to 64");
    }
    if !(1..=100_000).contains(&args.chunk_rows) {
        return usage(format!("--chunk-rows: {} is out of range", args.chunk_rows), "choose 1 to 100000");
    }
    if args.chunk_bytes == 0 {
        return usage("--chunk-bytes: a chunk of 0 bytes holds no row".into(), "choose at least 1, better 1000000");
    }
    if !(0.0..=1.0).contains(&args.max_flow_control_paused) {
        let what = format!("--max-flow-control-paused: {} is not a share of time", args.max_flow_control_paused);
        return usage(what, "choose 0 to 1; 0.02 is 2 % of the time");
    }
    let max_load: Result<Vec<StatusLimit>, _> = args.max_load.iter().map(|text| text.parse()).collect();
    Ok(Limits {
        max_flow_control_paused: args.max_flow_control_paused,
        max_lag: args.max_lag,
        max_threads_running: args.max_threads_running,
        max_load: max_load.map_err(|error| {
            CliError::Usage(format!("--max-load: {error}"), "write for example 'Threads_running>50'".into())
        })?,
        ..Limits::default()
    })
}

/// Starts sampling; returns when every server has answered once, or soon after.
pub(super) async fn pace(parts: &Parts<'_>) -> Result<Arc<Sampler>, CliError> {
    sampler(parts.discovered, parts.pace, Arc::clone(&parts.clock) as Arc<dyn Clock>).await
}

/// The same from its parts.
pub(super) async fn sampler(
    discovered: &Discovered,
    pace: &PaceArgs,
    clock: Arc<dyn Clock>,
) -> Result<Arc<Sampler>, CliError> {
    let limits = limits(pace)?;
    let members = discovered.members.iter().map(|member| Watch {
        name: member.node.name.clone(),
        server: Arc::clone(&member.server),
        role: Role::Node,
    });
    let watched: Vec<Watch> = members.chain(replicas(discovered).await).collect();
    let sampler = Arc::new(Sampler::start(watched, limits, clock));
    crate::ports::pace::Pace::wait(sampler.as_ref(), FIRST_SAMPLES).await;
    Ok(sampler)
}

/// The replicas that answer; of others it is said that nobody watches them.
async fn replicas(discovered: &Discovered) -> Vec<Watch> {
    let mut known: Vec<&str> = discovered.replicas.iter().map(|replica| replica.address.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    let asked = known.into_iter().map(|address| async move {
        let server = discovered.connector.server(address);
        let why = match tokio::time::timeout(REPLICA_LIMIT, Sighting::of(Arc::clone(&server))).await {
            Ok(Ok(seen)) if seen.channels.is_empty() => format!("{address} is no replica"),
            Ok(Ok(seen)) => {
                let role = Role::Replica { flavour: seen.flavour, version: seen.version };
                return Some(Watch { name: format!("replica {address}"), server, role });
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("{address} gives no answer"),
        };
        let what = format!("a replica can't be asked, and the pace can't follow its lag: {why}");
        Complaint::new(what)
            .with_remedy("let it register report_host and report_port by which it can be reached")
            .print();
        None
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// The engine for a job whose lease is held.
pub(super) fn engine(
    parts: &Parts<'_>,
    entry: Entry,
    spec: CopySpec,
    sampler: &Arc<Sampler>,
) -> Result<Engine, CliError> {
    let plan = &entry.job.plan;
    let Some(first) = parts.discovered.members.first() else {
        return Err(CliError::Surroundings("no server to work on".into()));
    };
    let servers: Vec<Arc<dyn Server>> =
        parts.discovered.members.iter().map(|member| Arc::clone(&member.server)).collect();
    let streams = matches!(plan.work, Work::Stream(_));
    let kept = if streams { Kept::ByStream(Slots::new(entry.token())) } else { Kept::ByTriggers };
    let spec = Arc::new(spec);
    let site = site(parts.pace.lock_wait, &entry, Arc::clone(&spec), servers, &first.node);
    let objects = Arc::new(TableObjects::new(site));
    let rows = Arc::new(TableRows::new(Setting {
        server: Arc::clone(&first.server),
        others: others(parts.discovered),
        flavour: first.node.flavour,
        job: entry.job.id.clone(),
        spec: Arc::clone(&spec),
        digest: Arc::new(Digest {
            hash: RowHash::of(first.node.flavour, first.node.version),
            source: parts.source.columns.clone(),
        }),
        row_lock_wait: ROW_LOCK_WAIT,
        kept,
    }));
    let nodes = Arc::new(outlook(parts, plan, Arc::clone(&spec)));
    let ports = Ports {
        clock: Arc::clone(&parts.clock) as Arc<dyn Clock>,
        follow: if streams { Some(follow(parts, first, &entry.job.id, &spec, &objects, &nodes, &rows)?) } else { None },
        objects,
        rows,
        nodes,
        pace: throttle(parts, sampler),
        journal: Arc::new(HeldJournal::new(Arc::clone(&first.server), &entry)),
        reporter: Arc::clone(&parts.reporter),
        hold: hold(parts.postpone.clone()),
        respec: respec(plan.clone(), parts.source.clone(), parts.alter.clone()),
    };
    Ok(Engine::new(ports, options(parts, plan), entry.job, parts.stop.clone()))
}

/// Refuses to go on with a followed job through a node whose binlog does not hold every change, or while a member is out of
/// reach: the job may have been begun elsewhere.
pub(super) fn readable(plan: &Plan, facts: &Facts) -> Result<(), CliError> {
    if !matches!(plan.work, Work::Stream(_)) {
        return Ok(());
    }
    let unreached = facts.unreached.iter().map(|member| {
        let remedy = "bring it back, or name its address with --node; then resume";
        Reason::new(ReasonCode::NodeUnreached, member.clone(), remedy)
    });
    let reasons: Vec<Reason> = binlog_stream::unreadable(facts).into_iter().chain(unreached).collect();
    if reasons.is_empty() { Ok(()) } else { Err(CliError::Refused(reasons)) }
}

/// The shape whose rows the binlog holds: after the switch that table is the retired one.
pub(super) async fn followed(first: &Member, job: &Job, source: TableShape) -> Result<TableShape, CliError> {
    let Work::Stream(spec) = &job.plan.work else { return Ok(source) };
    if !matches!(job.phase, Phase::Switching | Phase::Undoing) {
        return Ok(source);
    }
    let shapes = CatalogShapes { dialect: Dialect { flavour: first.node.flavour, version: first.node.version } };
    match shapes.shape(&first.server, &spec.retired).await {
        Err(Fault::Refused(reason)) if reason.code == ReasonCode::TableMissing => Ok(source),
        shape => Ok(shape?),
    }
}

/// What brings changes from the binlog into the shadow, and keeps writers away for the switch.
fn follow(
    parts: &Parts<'_>,
    first: &Member,
    job: &JobId,
    spec: &Arc<CopySpec>,
    objects: &Arc<TableObjects>,
    nodes: &Arc<Outlook>,
    rows: &Arc<TableRows>,
) -> Result<Follow, CliError> {
    let Some(changes) = first.server.changes(spec, &parts.source) else {
        return Err(CliError::Surroundings(format!("{} has no binlog that can be read", first.server.address())));
    };
    let members = parts.discovered.members.iter();
    let everywhere = members.filter_map(|member| member.server.changes(spec, &parts.source)).collect();
    let ground = Ground {
        objects: Arc::clone(objects),
        nodes: Arc::clone(nodes) as Arc<dyn Nodes>,
        clock: Arc::clone(&parts.clock) as Arc<dyn Clock>,
    };
    let cutover = closing::by_topology(ground, &parts.discovered.topology);
    let syncing = Arc::clone(rows) as Arc<dyn Syncing>;
    Ok(Follow { changes, everywhere, syncing, names: Names::of(job, spec), cutover })
}

/// The sampler with the user's ceiling.
pub(super) fn throttle(parts: &Parts<'_>, sampler: &Arc<Sampler>) -> Arc<Throttle> {
    gate(parts.pace, sampler, &(Arc::clone(&parts.clock) as Arc<dyn Clock>))
}

/// The same from its parts.
pub(super) fn gate(pace: &PaceArgs, sampler: &Arc<Sampler>, clock: &Arc<dyn Clock>) -> Arc<Throttle> {
    let ceiling = pace.max_rows_per_second.map(|rows| Ceiling::new(rows, Arc::clone(clock)));
    Arc::new(Throttle { sampler: Arc::clone(sampler), ceiling })
}

/// The nodes that apply what the first one commits.
pub(super) fn others(discovered: &Discovered) -> Vec<Arc<dyn Server>> {
    match discovered.topology {
        Topology::Galera { .. } => discovered.members.iter().skip(1).map(|member| Arc::clone(&member.server)).collect(),
        Topology::Single => Vec::new(),
    }
}

pub(super) fn site(
    lock_wait: Duration,
    entry: &Entry,
    spec: Arc<CopySpec>,
    nodes: Vec<Arc<dyn Server>>,
    first: &Node,
) -> Site {
    let plan = &entry.job.plan;
    let mut site = Site {
        nodes,
        job: entry.job.id.clone(),
        token: entry.token(),
        flavour: first.flavour,
        spec,
        alter: String::new(),
        foreign_keys: Vec::new(),
        renamed_keys: Vec::new(),
        lock_wait,
        shapes: Arc::new(CatalogShapes { dialect: Dialect { flavour: first.flavour, version: first.version } }),
    };
    for step in &plan.steps {
        match step {
            Step::Shadow { alter, foreign_keys } => {
                site.alter.clone_from(alter);
                site.foreign_keys.clone_from(foreign_keys);
            }
            Step::ForeignKeys { foreign_keys } => site.renamed_keys.clone_from(foreign_keys),
            Step::Journal
            | Step::Alter { .. }
            | Step::NonBlocking { .. }
            | Step::Roll { .. }
            | Step::Triggers
            | Step::Follow { .. }
            | Step::Close { .. }
            | Step::Copy
            | Step::Verify
            | Step::Switch
            | Step::Drop
            | Step::Keep => {}
        }
    }
    site
}

fn outlook(parts: &Parts<'_>, plan: &Plan, spec: Arc<CopySpec>) -> Outlook {
    let limits = inspect::Limits { old_transaction: parts.max_transaction_age };
    let topology = parts.discovered.topology.clone();
    let first = expectation(&topology, &spec, &plan.fingerprint, crate::ports::journal::Phase::Planned);
    let watch = NodeWatch::new(parts.discovered, first, limits, Arc::clone(&parts.clock) as Arc<dyn Clock>);
    Outlook { watch, topology, spec, fingerprint: plan.fingerprint.clone() }
}

pub(super) fn hold(file: Option<PathBuf>) -> Arc<dyn Fn() -> Option<String> + Send + Sync> {
    Arc::new(move || {
        let file = file.as_ref().filter(|file| file.exists())?;
        Some(format!("{} exists; remove it, or run `driftless cutover`", file.display()))
    })
}

fn respec(plan: Plan, source: TableShape, alter: Alter) -> Arc<crate::engine::run::Respec> {
    Arc::new(move |shadow| trigger_copy::settle(&plan, &source, shadow, &alter))
}

fn options(parts: &Parts<'_>, plan: &Plan) -> Options {
    let rows = plan.estimate.rows;
    Options {
        workers: parts.pace.workers.into(),
        chunk: sizer::Limits {
            target: parts.pace.chunk_time,
            floor: CHUNK_FLOOR.min(parts.pace.chunk_rows),
            ceiling: parts.pace.chunk_rows,
            bytes: parts.pace.chunk_bytes,
        },
        compare_rows: COMPARE_ROWS,
        row_bytes: parts.row_bytes,
        rows,
        attempts: ATTEMPTS,
        patience: parts.pace.patience,
    }
}
