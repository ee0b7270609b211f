//! `driftless run`: a change from flags, from a saved plan, or one that stopped before.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::{Plan, Reason, ReasonCode, Work};
use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::args::{ChangeArgs, Format, RunArgs};
use super::error::CliError;
use super::gather::{Asked, Gathered, Servers, gather, options};
use super::proxies::Front;
use super::signal::Signals;
use super::{assemble, changes, control, direct, plan, terminal};
use crate::config::SystemClock;
use crate::engine::journal::{Entry, JournalStore};
use crate::engine::{Ending, Tally};
use crate::ports::clock::Clock;
use crate::ports::journal::{Job, JobId, Phase};
use crate::ports::objects::Keep;
use crate::ports::report::{Event, Reporter};
use crate::report::plan_text::in_the_way;
use crate::report::{Complaint, ExitCode, Json, Lines, NodeSummary, Output, Progress, Summary};
use crate::{ddl, inspect};

pub(super) async fn run(args: &RunArgs) -> Result<ExitCode, CliError> {
    let json = (args.show.format == Format::Json)
        .then(|| Arc::new(Json::new(terminal::stdout(), Arc::new(SystemClock::new()))) as Arc<dyn Output>);
    let outcome = attempt(args, json.as_ref()).await;
    if let (Some(json), Err(error)) = (&json, &outcome) {
        json.event(&ended_before(error));
    }
    outcome
}

async fn attempt(args: &RunArgs, json: Option<&Arc<dyn Output>>) -> Result<ExitCode, CliError> {
    assemble::limits(&args.pace)?;
    let servers = Servers::of(&args.connect)?;
    if let Some(file) = args.plan.as_ref().filter(|file| changes::is_plan_file(file)) {
        return run_file(args, file, &servers, json).await;
    }
    run_one(args, &servers, json).await
}

/// The last line of a run that ended before there was a job, or around it.
fn ended_before(error: &CliError) -> Event {
    let mut complaints = error.complaints().into_iter();
    let first = complaints.next().unwrap_or_default();
    let why = [first.place, first.why].into_iter().filter(|text| !text.is_empty());
    let details = why.chain(first.proof).chain(complaints.map(|other| other.to_string())).collect();
    let code = first.code.map_or_else(String::new, |code| format!(" [{}]", code.as_str()));
    Event::Ended { code: error.exit().code(), what: format!("{}{code}", first.what), next: first.remedy, details }
}

/// The changes of a plan file, one after the other; the first that is not done ends it.
async fn run_file(
    args: &RunArgs,
    file: &std::path::Path,
    servers: &Servers,
    json: Option<&Arc<dyn Output>>,
) -> Result<ExitCode, CliError> {
    let changes = changes::read(file, &args.change, &args.pace)?;
    // A mistake in the last change must not be found after the first ones were made.
    let discovered = servers.discover().await?;
    for change in &changes {
        assemble::limits(&change.pace)?;
        if let Some(first) = discovered.members.first() {
            options(&change.change)?;
            Asked::of(&change.change)?.read(first.node.flavour, first.node.version)?;
        }
    }
    for change in changes {
        let one = RunArgs {
            plan: None,
            change: change.change,
            pace: change.pace,
            postpone_cutover_file: change.postpone.or_else(|| args.postpone_cutover_file.clone()),
            ..args.clone()
        };
        let code = run_one(&one, servers, json).await?;
        if code != ExitCode::Done {
            return Ok(code);
        }
    }
    Ok(ExitCode::Done)
}

async fn run_one(args: &RunArgs, servers: &Servers, json: Option<&Arc<dyn Output>>) -> Result<ExitCode, CliError> {
    if let Some(job) = &args.resume {
        return resume(args, servers, (!job.is_empty()).then_some(job.as_str()), json).await;
    }
    let gathered = match &args.plan {
        Some(file) => still_true(&plan::load(file)?, servers, &args.change).await?,
        None => gather(servers, &args.change).await?,
    };
    if json.is_none() {
        plan::show(&gathered.judged, args.show.format.into(), args.show.color)?;
    }
    let Some(plan) = gathered.judged.decision.plan.clone() else {
        return if json.is_none() {
            Ok(ExitCode::Refused)
        } else {
            Err(CliError::Refused(in_the_way(&gathered.judged.decision)))
        };
    };
    let front = Front::of(&args.proxy, &args.connect, &gathered.discovered)?;
    front.known(&plan).await?;
    if !args.yes && !terminal::confirm("Run this plan?")? {
        return Err(CliError::Usage("not confirmed; nothing was changed".into(), "answer y, or add --yes".into()));
    }
    begin(args, gathered, front, &plan, json).await
}

/// Records the job and carries it out.
async fn begin(
    args: &RunArgs,
    gathered: Gathered,
    front: Front,
    plan: &Plan,
    json: Option<&Arc<dyn Output>>,
) -> Result<ExitCode, CliError> {
    let Some(first) = gathered.discovered.members.first() else {
        return Err(CliError::Surroundings("no server answered".into()));
    };
    let store = JournalStore::new(Arc::clone(&first.server));
    store.prepare().await?;
    let id = fresh_id();
    let keep = if plan.options.keep_retired { Keep::Keep } else { Keep::Drop };
    store.begin(&id, plan, keep, &owner()).await?;
    let Some(entry) = store.entry(&id).await? else {
        return Err(CliError::Surroundings(format!("job {id} is not in the journal after it was written")));
    };
    let stage = Stage {
        front,
        discovered: gathered.discovered,
        source: gathered.judged.facts.table,
        row_bytes: gathered.judged.facts.load.row_bytes,
        alter: gathered.judged.alter,
    };
    carry_out(args, stage, &store, entry, json).await
}

/// Goes on with a job that stopped.
async fn resume(
    args: &RunArgs,
    servers: &Servers,
    job: Option<&str>,
    json: Option<&Arc<dyn Output>>,
) -> Result<ExitCode, CliError> {
    let discovered = servers.discover().await?;
    let Some(first) = discovered.members.first() else {
        return Err(CliError::Surroundings("no server answered".into()));
    };
    let store = JournalStore::new(Arc::clone(&first.server));
    let entry = control::find(&store, job).await?;
    // A younger version may need tables that the job's own did not make.
    store.prepare().await?;
    if entry.job.phase.over() {
        return Err(CliError::Usage(format!("job {} is over", entry.job.id), "see `driftless status --all`".into()));
    }
    let plan = &entry.job.plan;
    same_cluster(plan, &discovered)?;
    let (flavour, version) = (first.node.flavour, first.node.version);
    let alter = ddl::parse_alter_in(&plan.alter, &plan.table.schema, flavour, version)?;
    let limits = inspect::Limits { old_transaction: args.change.max_transaction_age };
    let facts = inspect::inspect(&discovered, &plan.table, None, &limits).await?;
    assemble::readable(plan, &facts)?;
    let front = Front::of(&args.proxy, &args.connect, &discovered)?;
    let source = assemble::followed(first, &entry.job, facts.table).await?;
    let entry = control::claim(&store, &entry, &owner()).await?;
    let stage = Stage { front, source, row_bytes: facts.load.row_bytes, discovered, alter };
    carry_out(args, stage, &store, entry, json).await
}

/// A job goes on only in the cluster that it began in.
pub(super) fn same_cluster(plan: &Plan, discovered: &crate::ports::members::Discovered) -> Result<(), CliError> {
    let now = match &discovered.topology {
        driftless_strategies::Topology::Galera { uuid, .. } => Some(uuid.clone()),
        driftless_strategies::Topology::Single => None,
    };
    if plan.cluster == now {
        return Ok(());
    }
    Err(CliError::Refused(vec![Reason::new(
        ReasonCode::PlanStale,
        "the job was begun in another cluster".to_owned(),
        "connect to the cluster that the job belongs to",
    )]))
}

/// What a run needs to know besides the job.
pub(super) struct Stage {
    pub(super) discovered: crate::ports::members::Discovered,
    pub(super) front: Front,
    pub(super) source: driftless_strategies::TableShape,
    pub(super) row_bytes: u64,
    pub(super) alter: driftless_strategies::Alter,
}

/// Runs the engine under signals and says how it ended.
pub(super) async fn carry_out(
    args: &RunArgs,
    stage: Stage,
    store: &JournalStore,
    mut entry: Entry,
    json: Option<&Arc<dyn Output>>,
) -> Result<ExitCode, CliError> {
    let clock = Arc::new(SystemClock::new());
    let output = json.map_or_else(|| text_output(Arc::clone(&clock) as Arc<dyn Clock>), Arc::clone);
    let stop = CancellationToken::new();
    let second = signals(stop.clone())?;
    let parts = assemble::Parts {
        discovered: &stage.discovered,
        source: stage.source,
        alter: stage.alter,
        row_bytes: stage.row_bytes,
        pace: &args.pace,
        front: &stage.front,
        postpone: args.postpone_cutover_file.clone(),
        max_transaction_age: args.change.max_transaction_age,
        clock: Arc::clone(&clock),
        reporter: Arc::clone(&output) as Arc<dyn Reporter>,
        stop,
    };
    let sampler = assemble::pace(&parts).await?;
    output.event(&started(&entry.job));
    let began = clock.now();
    let (ending, total, job) = loop {
        let work = match entry.job.plan.work.clone() {
            Work::Copy(spec) | Work::Stream(spec) => assemble::engine(&parts, entry, spec, &sampler)?.run().boxed(),
            Work::Direct(spec) => direct::altering(&parts, entry, spec, &sampler)?.run().boxed(),
            Work::Rolling(spec) => direct::turning(&parts, entry, spec, &sampler)?.run().boxed(),
        };
        let (ending, tally, job) = tokio::select! {
            done = work => done,
            () = second.cancelled() => return Ok(abandoned(&output)),
        };
        if ending != Ending::Again {
            break (ending, tally, job);
        }
        entry = store.claim(&job.id, &owner(), None).await?;
    };
    let seconds = clock.now().saturating_sub(began).as_secs_f64();
    let nodes = sampler.samples().iter().map(NodeSummary::from).collect();
    output.summary(&summary(&job, &total, &ending, seconds, nodes));
    let (code, event) = ended(&ending, &job);
    output.event(&event);
    Ok(code)
}

fn abandoned(output: &Arc<dyn Output>) -> ExitCode {
    let code = ExitCode::Stopped;
    output.event(&Event::Ended {
        code: code.code(),
        what: "stopped at once by a second signal".into(),
        next: "driftless run --resume, or driftless abort".into(),
        details: Vec::new(),
    });
    code
}

fn started(job: &Job) -> Event {
    Event::Started {
        job: job.id.to_string(),
        table: job.plan.table.to_string(),
        strategy: job.plan.strategy.to_string(),
        phase: job.phase,
        rows: job.plan.estimate.rows,
    }
}

/// The first signal lets the chunk finish and saves; the second ends at once. Returns what the second one cancels.
fn signals(stop: CancellationToken) -> Result<CancellationToken, CliError> {
    let mut signals = Signals::listen()?;
    let now = CancellationToken::new();
    let second = now.clone();
    tokio::spawn(async move {
        loop {
            signals.next().await;
            if stop.is_cancelled() {
                now.cancel();
                return;
            }
            Complaint::new("stopping as soon as it is safe; a second signal stops at once").print();
            stop.cancel();
        }
    });
    Ok(second)
}

fn text_output(clock: Arc<dyn Clock>) -> Arc<dyn Output> {
    if terminal::has_bar() {
        Arc::new(Progress::stderr(clock))
    } else {
        Arc::new(Lines::new(terminal::stdout(), clock))
    }
}

fn summary(job: &Job, tally: &Tally, ending: &Ending, seconds: f64, nodes: Vec<NodeSummary>) -> Summary {
    let differences = match ending {
        Ending::Different { differences } => u64::try_from(differences.len()).unwrap_or(u64::MAX),
        Ending::Done
        | Ending::Undone
        | Ending::Again
        | Ending::Stopped { .. }
        | Ending::Refused { .. }
        | Ending::Drifted { .. }
        | Ending::Unknown { .. }
        | Ending::Failed { .. } => 0,
    };
    let direct = job.plan.work.copy().is_none();
    let switched = (tally.switch_attempts > 0).then_some(tally.switch_ms);
    Summary {
        job: job.id.to_string(),
        table: job.plan.table.to_string(),
        strategy: job.plan.strategy.to_string(),
        rows: tally.copied,
        seconds,
        verified_rows: tally.verified,
        differences,
        switch_ms: if direct { None } else { switched },
        altered_ms: if direct { switched } else { None },
        direct,
        switch_attempts: tally.switch_attempts,
        retries: tally.retries,
        paused_ms: millis(tally.paused_s),
        nodes,
    }
}

fn millis(seconds: f64) -> u64 {
    Duration::try_from_secs_f64(seconds).map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// The exit code and the last event of an ending.
pub(super) fn ended(ending: &Ending, job: &Job) -> (ExitCode, Event) {
    let (id, table) = (&job.id, &job.plan.table);
    let resume = format!("driftless run --resume {id}, or driftless abort {id}");
    let (code, what, next, details) = match ending {
        Ending::Done if job.plan.cluster.is_none() && job.plan.work.copy().is_none() => {
            (ExitCode::Done, format!("{table} is changed as planned"), String::new(), Vec::new())
        }
        Ending::Done => (ExitCode::Done, format!("{table} is changed and proven equal"), String::new(), Vec::new()),
        Ending::Undone => (
            ExitCode::Failed,
            format!("aborted: {table} is as it was, nothing is left of the job"),
            String::new(),
            Vec::new(),
        ),
        Ending::Again => (ExitCode::Stopped, "begun anew".into(), resume, Vec::new()),
        Ending::Stopped { phase, why } => {
            (ExitCode::Stopped, format!("stopped while {}: {why}", phase.as_str()), resume, Vec::new())
        }
        Ending::Refused { reason, rows } => (
            ExitCode::Refused,
            format!("{} [{}]; {table} is as it was, nothing is left of the job", reason.what, reason.code.as_str()),
            reason.remedy.clone(),
            rows.clone(),
        ),
        Ending::Different { differences } if job.phase.over() => (
            ExitCode::Differences,
            format!("{table} is changed, and not proven equal"),
            format!("compare it with {}, which is kept, before you drop that", job.plan.table.retired()),
            differences.clone(),
        ),
        Ending::Different { differences } => (
            ExitCode::Differences,
            format!("{table} and its shadow differ; nothing was switched"),
            format!("look at the rows named here, then driftless abort {id}"),
            differences.clone(),
        ),
        Ending::Drifted { what, nodes } => {
            let equal = "compare the nodes (driftless check) and make them equal";
            let next =
                if job.phase.over() { equal.to_owned() } else { format!("{equal}, then driftless run --resume {id}") };
            (ExitCode::Differences, format!("{table}: {what}"), next, nodes.clone())
        }
        Ending::Unknown { phase, what } => (
            ExitCode::Unknown,
            format!("{} while {}", what, phase.as_str()),
            format!("driftless run --resume {id} asks the servers and goes on from the truth"),
            Vec::new(),
        ),
        Ending::Failed { phase, what } => {
            let next = match phase {
                Phase::Finishing | Phase::Done | Phase::Undone => resume,
                Phase::Planned
                | Phase::Shadowing
                | Phase::Arming
                | Phase::Copying
                | Phase::Verifying
                | Phase::Holding
                | Phase::Altering
                | Phase::Switching
                | Phase::Undoing => {
                    format!("driftless abort {id}, or driftless run --resume {id} once what failed is mended")
                }
            };
            (ExitCode::Failed, format!("failed while {}: {what}", phase.as_str()), next, Vec::new())
        }
    };
    (code, Event::Ended { code: code.code(), what, next, details })
}

/// A saved plan is run only while everything that it was made from is still true.
async fn still_true(saved: &Plan, servers: &Servers, flags: &ChangeArgs) -> Result<Gathered, CliError> {
    let options = &saved.options;
    let names = |idents: &[driftless_strategies::Ident]| idents.iter().map(ToString::to_string).collect();
    let change = ChangeArgs {
        table: Some(saved.table.quoted()),
        alter: Some(saved.alter.clone()),
        strategy: options.force,
        allow_lossy: names(&options.allow_lossy),
        allow_drop_add: names(&options.allow_drop_add),
        allow: options.allow.clone(),
        deny_lints: options.deny_lints,
        keep_retired: options.keep_retired,
        max_stall: Duration::from_millis(options.max_stall_ms),
        ..flags.clone()
    };
    let gathered = gather(servers, &change).await?;
    let Some(fresh) = &gathered.judged.decision.plan else { return Ok(gathered) };
    let differs = stale(saved, fresh);
    if differs.is_empty() {
        return Ok(gathered);
    }
    Err(CliError::Refused(vec![Reason::new(
        ReasonCode::PlanStale,
        format!("the saved plan is no longer true: {} changed since it was made", differs.join(", ")),
        "look at what changed and make a new plan with `driftless plan --out`",
    )]))
}

/// What of a plan is no longer true. Sizes and costs may differ.
fn stale(saved: &Plan, fresh: &Plan) -> Vec<&'static str> {
    let identities = |plan: &Plan| {
        let mut all: Vec<String> = plan.nodes.iter().map(|node| node.identity.clone()).collect();
        all.sort_unstable();
        all
    };
    let checks = [
        ("the cluster", saved.cluster == fresh.cluster),
        ("the cluster's view (epoch)", saved.epoch == fresh.epoch),
        ("the nodes", identities(saved) == identities(fresh)),
        ("the table's fingerprint", saved.fingerprint == fresh.fingerprint),
        ("the strategy", saved.strategy == fresh.strategy),
        ("the columns, key or names of the copy", saved.work == fresh.work),
        ("the steps", saved.steps == fresh.steps),
    ];
    checks.into_iter().filter(|(_, same)| !same).map(|(what, _)| what).collect()
}

/// Twelve hex digits that no other job has.
pub(super) fn fresh_id() -> JobId {
    let random = std::hash::RandomState::new().build_hasher().finish();
    JobId(format!("{:012x}", random & 0xffff_ffff_ffff))
}

/// Who holds a lease: `host/namespace:pid@start`. Containers share host names and process ids, so the process
/// namespace and the moment of the process's start tell them apart.
pub(super) fn owner() -> String {
    let pid = std::process::id();
    format!("{}:{pid}@{}", place(), process_start(pid).unwrap_or_else(|| fresh_id().0))
}

/// This machine and process namespace, within which process ids mean something.
pub(super) fn place() -> String {
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok();
    let digits = namespace.map(|link| link.to_string_lossy().chars().filter(char::is_ascii_digit).collect::<String>());
    format!("{}/{}", host(), digits.unwrap_or_else(|| "unknown".into()))
}

/// When a process of this place was started, in the kernel's ticks; `None` when there is none of that id.
pub(super) fn process_start(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, and may hold anything; the start is the 22nd.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

/// This machine's name.
pub(super) fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".into(), |name| name.trim().to_owned())
}
