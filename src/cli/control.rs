//! `status`, `pause`, `resume`, `cutover`, `abort`: through the journal, from any workstation.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::Work;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::args::{AbortArgs, Format, JobArgs, PaceArgs, StatusArgs};
use super::error::CliError;
use super::gather::Servers;
use super::proxies::{Front, ProxyArgs};
use super::{assemble, direct, run, terminal};
use crate::config::{ConnectArgs, SystemClock};
use crate::engine::Ending;
use crate::engine::draining::Out;
use crate::engine::journal::{Entry, JournalStore};
use crate::ports::clock::Clock;
use crate::ports::journal::{JobId, Phase};
use crate::ports::report::{Event, Reporter};
use crate::report::style::Role;
use crate::report::{Complaint, ExitCode};
use crate::sql::journal::Wish;
use crate::{ddl, inspect};

/// Longest wait for a running job to follow an abort.
const ABORT_LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at it.
const ABORT_LOOK: Duration = Duration::from_millis(500);

/// What an operator orders.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Pause,
    Resume,
    Cutover,
}

pub(super) async fn status(args: &StatusArgs) -> Result<ExitCode, CliError> {
    let servers = Servers::of(&args.connect)?;
    let store = servers.journal().await?;
    let entries = if store.exists().await? { store.entries(args.all).await? } else { Vec::new() };
    let drained = if store.exists().await? { store.drained().await? } else { Vec::new() };
    let out = |entry: &Entry| -> Vec<Out> {
        let own = drained.iter().filter(|(job, ..)| *job == entry.job.id);
        own.map(|(_, node, stands)| (node.clone(), stands.clone())).collect()
    };
    match args.show.format {
        Format::Json => {
            let jobs: Vec<_> = entries.iter().map(|entry| as_json(entry, &out(entry))).collect();
            terminal::print(&json!({ "jobs": jobs }).to_string());
        }
        Format::Text if entries.is_empty() => terminal::print("no jobs"),
        Format::Text => {
            let style = terminal::style(args.show.color);
            let rows = entries.iter().map(|entry| row(entry, &out(entry))).collect();
            terminal::print(
                &style.table(&["job", "table", "strategy", "phase", "held by", "since (UTC)", "stopped because"], rows),
            );
            for line in entries.iter().flat_map(|entry| ways_back(entry, &out(entry))) {
                terminal::print(&line);
            }
        }
    }
    Ok(ExitCode::Done)
}

/// How each node that is out is put back, a line each.
fn ways_back(entry: &Entry, out: &[Out]) -> Vec<String> {
    let id = &entry.job.id;
    let line = |(node, stands): &Out| {
        let flags: Vec<&str> = stands.iter().map(|stand| stand.flag.as_str()).collect();
        let hands: Vec<&str> = stands.iter().map(|stand| stand.by_hand.as_str()).collect();
        let (flags, hands) = (flags.join(" "), hands.join("; "));
        let held = if entry.held() { format!(" for its turn; should {} be gone", entry.owner) } else { String::new() };
        format!(
            "{node} is out{held}: `driftless run --resume {id} {flags}` or `driftless abort {id} {flags}` puts it back; or do it \
             by hand ({hands}), and then give --put-back instead"
        )
    };
    out.iter().map(line).collect()
}

fn row(entry: &Entry, out: &[Out]) -> Vec<(Role, String)> {
    let job = &entry.job;
    let held = if entry.held() { format!("{} ({} s)", entry.owner, entry.lease_left_s) } else { "nobody".into() };
    let phase = if entry.wishes.pause { format!("{} (paused)", job.phase.as_str()) } else { job.phase.as_str().into() };
    [
        job.id.to_string(),
        job.plan.table.to_string(),
        job.plan.strategy.to_string(),
        phase,
        held,
        entry.times.0.clone(),
        if out.is_empty() {
            job.stopped.clone()
        } else {
            let nodes: Vec<&str> = out.iter().map(|(node, _)| node.as_str()).collect();
            format!("{} (out of the proxy: {})", job.stopped, nodes.join(", "))
        },
    ]
    .map(|text| (Role::Plain, text))
    .to_vec()
}

fn as_json(entry: &Entry, out: &[Out]) -> serde_json::Value {
    let job = &entry.job;
    json!({
        "job": job.id.to_string(),
        "table": job.plan.table.to_string(),
        "strategy": job.plan.strategy,
        "phase": job.phase,
        "alter": job.plan.alter,
        "owner": entry.owner,
        "held": entry.held(),
        "paused": entry.wishes.pause,
        "created": entry.times.0,
        "updated": entry.times.1,
        "out_of_proxy": out.iter().map(|(node, _)| node).collect::<Vec<_>>(),
        "put_back": ways_back(entry, out),
        "stopped": job.stopped,
    })
}

/// Tells a job what the operator wants; it follows within two seconds.
pub(super) async fn wish(args: &JobArgs, order: Order) -> Result<ExitCode, CliError> {
    let servers = Servers::of(&args.connect)?;
    let store = servers.journal().await?;
    let entry = find(&store, args.job.as_deref()).await?;
    let (wish, value, what) = match order {
        Order::Pause => (Wish::Pause, true, "will pause"),
        Order::Resume => (Wish::Pause, false, "will go on"),
        Order::Cutover => (Wish::Cutover, true, "will switch as soon as it is proven equal"),
    };
    store.wish(&entry.job.id, wish, value).await?;
    terminal::print(&format!("job {} {what}", entry.job.id));
    if !entry.held() {
        Complaint::new(format!("no process works on job {}", entry.job.id))
            .with_remedy(format!("driftless run --resume {}", entry.job.id))
            .print();
    }
    Ok(ExitCode::Done)
}

/// The job that is named, or the only one that is not over.
pub(super) async fn find(store: &JournalStore, job: Option<&str>) -> Result<Entry, CliError> {
    let usage = |what: String, remedy: &str| CliError::Usage(what, remedy.into());
    if !store.exists().await? {
        return Err(usage(
            "there is no journal on this server: no job was ever begun".into(),
            "check --host and --port",
        ));
    }
    // An entry that can't be read must not stand in the way of another job.
    if let Some(id) = job {
        let entry = store.entry(&JobId(id.to_owned())).await?;
        return entry.ok_or_else(|| usage(format!("there is no job {id}"), "see `driftless status --all`"));
    }
    let mut entries = store.entries(false).await?;
    if entries.len() > 1 {
        return Err(usage("several jobs are under way".into(), "name one; see `driftless status`"));
    }
    entries.pop().ok_or_else(|| usage("no job is under way".into(), "see `driftless status --all`"))
}

/// Takes a job's lease. An owner on this machine whose process is gone is not waited for.
pub(super) async fn claim(store: &JournalStore, entry: &Entry, owner: &str) -> Result<Entry, CliError> {
    let dead = dead(&entry.owner).then_some(entry.owner.as_str());
    Ok(store.claim(&entry.job.id, owner, dead).await?)
}

/// Whether an owner is a process of this machine that is gone.
pub(super) fn dead(owner: &str) -> bool {
    let Some((place, process)) = owner.rsplit_once(':') else { return false };
    let Some((pid, start)) = process.split_once('@') else { return false };
    // Where there is no /proc nothing is known of other processes.
    place == run::place()
        && !place.ends_with("/unknown")
        && run::process_start(std::process::id()).is_some()
        && pid.parse().is_ok_and(|pid| run::process_start(pid).as_deref() != Some(start))
}

pub(super) async fn abort(args: &AbortArgs) -> Result<ExitCode, CliError> {
    let (args, proxy) = (&args.job, &args.proxy);
    let servers = Servers::of(&args.connect)?;
    let store = servers.journal().await?;
    let entry = find(&store, args.job.as_deref()).await?;
    let id = entry.job.id.clone();
    if entry.job.phase == Phase::Undone {
        terminal::print(&format!("job {id} is undone already"));
        return Ok(ExitCode::Done);
    }
    if entry.job.phase == Phase::Done {
        return Err(CliError::Usage(
            format!("job {id} is done: the new table answers"),
            "nothing can be aborted".into(),
        ));
    }
    store.wish(&id, Wish::Abort, true).await?;
    if entry.held() && !dead(&entry.owner) {
        return wait_for_abort(&store, &entry).await;
    }
    undo_here(&servers, &store, &entry, (proxy, &args.connect)).await
}

/// The process that works on the job undoes it.
async fn wait_for_abort(store: &JournalStore, entry: &Entry) -> Result<ExitCode, CliError> {
    let clock = SystemClock::new();
    let began = clock.now();
    while clock.now().saturating_sub(began) < ABORT_LIMIT {
        clock.sleep(ABORT_LOOK).await;
        let Some(now) = store.entry(&entry.job.id).await? else { break };
        if now.job.phase == Phase::Undone {
            terminal::print(&format!("job {} is undone; {} is as it was", entry.job.id, entry.job.plan.table));
            return Ok(ExitCode::Done);
        }
        if now.job.phase == Phase::Done || now.job.phase == Phase::Finishing {
            return Err(CliError::Usage(
                format!("job {} had switched before it could be aborted", entry.job.id),
                "the new table answers; nothing is undone".into(),
            ));
        }
        if !now.held() {
            break;
        }
    }
    Err(CliError::Surroundings(format!("job {} is not undone yet; try `driftless abort` again", entry.job.id)))
}

/// Nobody works on the job: this process undoes it.
async fn undo_here(
    servers: &Servers,
    store: &JournalStore,
    entry: &Entry,
    (proxy, connect): (&ProxyArgs, &ConnectArgs),
) -> Result<ExitCode, CliError> {
    let discovered = servers.discover().await?;
    let front = Front::of(proxy, connect, &discovered)?;
    run::same_cluster(&entry.job.plan, &discovered)?;
    let Some(first) = discovered.members.first() else {
        return Err(CliError::Surroundings("no server answered".into()));
    };
    let plan = entry.job.plan.clone();
    let alter = ddl::parse_alter_in(&plan.alter, &plan.table.schema, first.node.flavour, first.node.version)?;
    let limits = inspect::Limits { old_transaction: Duration::MAX };
    let mut held = claim(store, entry, &run::owner()).await?;
    held.job.phase = match held.job.phase {
        // Without a copy there is nothing to undo: the ALTER came, or it did not.
        phase if held.job.plan.work.copy().is_none() => phase,
        Phase::Altering => Phase::Altering,
        // Whether the names are switched is asked of the servers first.
        Phase::Switching => Phase::Switching,
        Phase::Finishing => Phase::Finishing,
        Phase::Planned
        | Phase::Shadowing
        | Phase::Arming
        | Phase::Copying
        | Phase::Verifying
        | Phase::Holding
        | Phase::Undoing
        | Phase::Done
        | Phase::Undone => Phase::Undoing,
    };
    let pace = PaceArgs::defaults().map_err(|error| CliError::Surroundings(error.to_string()))?;
    let clock = Arc::new(SystemClock::new());
    let parts = assemble::Parts {
        discovered: &discovered,
        source: driftless_strategies::TableShape::default(),
        alter,
        row_bytes: 0,
        pace: &pace,
        front: &front,
        postpone: None,
        max_transaction_age: limits.old_transaction,
        clock,
        reporter: Arc::new(Waiting),
        stop: CancellationToken::new(),
    };
    let sampler = assemble::pace(&parts).await?;
    let (ending, _, job) = match held.job.plan.work.clone() {
        Work::Copy(spec) | Work::Stream(spec) => assemble::engine(&parts, held, spec, &sampler)?.undo().await,
        Work::Direct(spec) => direct::altering(&parts, held, spec, &sampler)?.undo().await,
        Work::Rolling(spec) => direct::turning(&parts, held, spec, &sampler)?.undo().await,
    };
    if ending == Ending::Undone {
        terminal::print(&format!("job {} is undone; {} is as it was", job.id, job.plan.table));
        return Ok(ExitCode::Done);
    }
    let (code, event) = run::ended(&ending, &job);
    if let Event::Ended { what, next, details, .. } = event {
        Complaint { proof: details, ..Complaint::new(what).with_remedy(next) }.print();
    }
    Ok(code)
}

/// An abort tells on the way only what it waits for.
struct Waiting;

impl Reporter for Waiting {
    fn event(&self, event: &Event) {
        if let Event::Retried { what, why, attempt } = event
            && (*attempt == 3 || attempt.is_multiple_of(10))
        {
            Complaint::new(format!("{what}: tried {attempt} times: {why}")).print();
        }
        if let Event::Held { why } = event {
            Complaint::new(format!("waits: {why}")).print();
        }
    }
}
