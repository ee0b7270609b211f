//! `driftless purge` and `driftless archive`: judges, shows, takes the lease, deletes in batches, says how it ended.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::archive_args::ArchiveCommand;
use super::args::{Format, ShowArgs};
use super::error::CliError;
use super::gather::Servers;
use super::purge_args::{ArchiveArgs, PurgeArgs, PurgeJob, PurgeRunArgs, jobs};
use super::purge_judge::{Ready, judge};
use super::{archive_verify, assemble, control, purge_show, run, signal, terminal};
use crate::archive::FileDestination;
use crate::archive::files::Disk;
use crate::config::SystemClock;
use crate::copy::sizer;
use crate::ports::clock::Clock;
use crate::ports::members::{Discovered, Member};
use crate::ports::purge::{PurgeEvent, PurgeReporter};
use crate::purge::End;
use crate::purge::file::FileTarget;
use crate::purge::lease::{Claim, Leases, keep};
use crate::purge::run::{Enough, Ports, Purge, Setting, Tally};
use crate::report::purge::{Metric, PurgeLines, textfile};
use crate::report::{ExitCode, Json, figures};
use crate::sql::purge_journal::Ran;

/// Fewest rows in a batch.
const BATCH_FLOOR: u64 = 50;
/// Seconds of a day.
const DAY_S: u64 = 86_400;

pub(super) async fn purge(args: &PurgeArgs) -> Result<ExitCode, CliError> {
    let servers = Servers::of(&args.connect)?;
    let Some(file) = &args.file else {
        return alone(&servers, &PurgeJob::from(args), &args.show).await;
    };
    let unreadable =
        |what, why: String| CliError::File(what, file.clone(), why, "write [[job]] with the flags' names as keys");
    let text =
        std::fs::read_to_string(file).map_err(|error| unreadable("the jobs can't be read", error.to_string()))?;
    let jobs = jobs(&text, &args.run).map_err(|why| unreadable("the jobs can't be understood", why))?;
    many(&servers, &jobs, &args.run, &args.show).await
}

pub(super) async fn archive(args: &ArchiveArgs) -> Result<ExitCode, CliError> {
    if let Some(ArchiveCommand::Verify(args)) = &args.what {
        return archive_verify::verify(args).await;
    }
    alone(&Servers::of(&args.connect)?, &PurgeJob::from(args), &args.show).await
}

fn reporter(show: &ShowArgs, clock: &Arc<dyn Clock>) -> Arc<dyn PurgeReporter> {
    match show.format {
        Format::Json => Arc::new(Json::new(terminal::stdout(), Arc::clone(clock))),
        Format::Text => Arc::new(PurgeLines::new(terminal::stdout(), Arc::clone(clock))),
    }
}

async fn alone(servers: &Servers, job: &PurgeJob, show: &ShowArgs) -> Result<ExitCode, CliError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let stop = CancellationToken::new();
    let around = Around { show, reporter: reporter(show, &clock), stop, clock };
    let (code, metric) = tried(servers, job, &around).await;
    Ok(metrics(job.run.metrics_file.as_deref(), metric.as_slice(), code))
}

/// One job after the other; what one of them can't do does not keep the others from theirs. The exit code is that of the
/// first that did not end with 0.
async fn many(servers: &Servers, jobs: &[PurgeJob], run: &PurgeRunArgs, show: &ShowArgs) -> Result<ExitCode, CliError> {
    for job in jobs {
        assemble::limits(&job.pace)?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let around = Around { show, reporter: reporter(show, &clock), stop: CancellationToken::new(), clock };
    let (mut code, mut all) = (ExitCode::Done, Vec::new());
    for job in jobs {
        let (ended, metric) = tried(servers, job, &around).await;
        all.extend(metric);
        code = if code == ExitCode::Done { ended } else { code };
        if around.stop.is_cancelled() {
            break;
        }
    }
    Ok(metrics(run.metrics_file.as_deref(), &all, code))
}

/// Writes the metrics; says how the program ends. What the run did counts for more than the file that tells of it.
fn metrics(file: Option<&Path>, all: &[Metric], code: ExitCode) -> ExitCode {
    let Some(file) = file.filter(|_| !all.is_empty()) else { return code };
    let Err(error) = write_whole(file, &textfile(all)) else { return code };
    terminal::fail(&error);
    if code == ExitCode::Done { ExitCode::Failed } else { code }
}

/// One job; one that can't be done is told, and gets a metric too: an old one would go on saying that all is well.
async fn tried(servers: &Servers, job: &PurgeJob, around: &Around<'_>) -> (ExitCode, Option<Metric>) {
    let error = match one(servers, job, around).await {
        Ok(ended) => return ended,
        Err(error) => error,
    };
    let ended = terminal::fail(&error);
    if job.run.dry_run {
        return (ended, None);
    }
    let table = job.rows.table.clone().unwrap_or_default();
    (ended, Some(Metric { table, code: ended.code(), rows: 0, ms: 0, paused_ms: 0, retries: 0, ended: 0 }))
}

/// What a job has around it.
struct Around<'a> {
    show: &'a ShowArgs,
    reporter: Arc<dyn PurgeReporter>,
    /// Cancelled by a signal.
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
}

async fn one(servers: &Servers, job: &PurgeJob, around: &Around<'_>) -> Result<(ExitCode, Option<Metric>), CliError> {
    assemble::limits(&job.pace)?;
    let discovered = servers.discover().await?;
    let ready = judge(&discovered, job).await?;
    let Some(first) = discovered.members.first() else {
        return Err(CliError::Surroundings("no server answered".into()));
    };
    let leases = Leases::new(Arc::clone(&first.server));
    if job.run.dry_run {
        purge_show::dry_run(first, &ready, job, &leases, around.show).await?;
        return Ok((ExitCode::Done, None));
    }
    if let Some(End::Limit(why) | End::Stopped(why)) = enough(&job.run, ready.clock.0, &around.clock)() {
        terminal::print(&format!("{}: nothing was done: {why}", ready.facts.name));
        return Ok((ExitCode::Done, None));
    }
    if !job.run.yes {
        terminal::print(&purge_show::summary(&ready, job));
        if !terminal::confirm("Delete these rows?")? {
            return Err(CliError::Usage("not confirmed; nothing was changed".into(), "answer y, or add --yes".into()));
        }
    }
    leases.prepare().await?;
    let token = match leases.claim(&ready.facts.name, &run::owner(), control::dead).await? {
        Claim::Held(token) => token,
        Claim::Busy { owner, left_s } => return Ok((busy(job, &ready, &owner, left_s)?, None)),
    };
    let stage = Stage { discovered: &discovered, first, job, ready: &ready, leases: &leases, token, around };
    carry_out(&stage).await
}

/// Another run works on the table: no mistake of anybody's.
fn busy(job: &PurgeJob, ready: &Ready, owner: &str, left_s: u64) -> Result<ExitCode, CliError> {
    terminal::print(&format!(
        "{}: another run works on it ({owner}, its lease lasts another {left_s} s unless it is renewed); nothing was done",
        ready.facts.name
    ));
    ExitCode::from_code(job.run.if_running)
        .ok_or_else(|| CliError::Usage("--if-running: choose 0 or 3".into(), "0 is for cron".into()))
}

/// A run that holds its lease.
struct Stage<'a> {
    discovered: &'a Discovered,
    first: &'a Member,
    job: &'a PurgeJob,
    ready: &'a Ready,
    leases: &'a Leases,
    token: u64,
    around: &'a Around<'a>,
}

async fn carry_out(stage: &Stage<'_>) -> Result<(ExitCode, Option<Metric>), CliError> {
    let (ready, clock, reporter) = (stage.ready, &stage.around.clock, &stage.around.reporter);
    let table = ready.facts.name.clone();
    let destination = purge_show::place(ready, stage.job);
    reporter.event(&PurgeEvent::Started {
        table: table.to_string(),
        destination: destination.clone(),
        index: ready.chosen.walk.index.to_string(),
        rows: ready.estimate,
    });
    let (stop, deposed) = (stage.around.stop.clone(), CancellationToken::new());
    signal::cancels(&stop)?;
    let beating = keep(Arc::clone(&stage.first.server), table.clone(), stage.token, Arc::clone(clock), deposed.clone());
    let sampler = assemble::sampler(stage.discovered, &stage.job.pace, Arc::clone(clock)).await?;
    let file = match files(stage).await {
        Ok(file) => file,
        Err(error) => {
            beating.abort();
            let said = error.complaints().first().map(|complaint| complaint.what.clone()).unwrap_or_default();
            let code = error.exit().code();
            let ran = Ran { source: &table, destination: &destination, code, rows: 0, ms: 0, said: &said };
            stage.leases.leave(clock.as_ref(), stage.token, &ran).await;
            return Err(error);
        }
    };
    let began = clock.now();
    let ports = Ports {
        clock: Arc::clone(clock),
        pace: assemble::gate(&stage.job.pace, &sampler, clock),
        reporter: Arc::clone(reporter),
        enough: enough(&stage.job.run, ready.clock.0, clock),
        file,
    };
    let (end, tally, made) = Purge::new(setting(stage), ports, stop, deposed).run().await;
    beating.abort();
    let ms = figures::as_millis(clock.now().saturating_sub(began));
    let (code, event) = ended(&end, &tally, stage, ms, made);
    let said = if let PurgeEvent::Ended { what, .. } = &event { what.as_str() } else { "" };
    let ran = Ran { source: &table, destination: &destination, code: code.code(), rows: tally.rows, ms, said };
    stage.leases.leave(clock.as_ref(), stage.token, &ran).await;
    reporter.event(&event);
    let metric = Metric {
        table: table.to_string(),
        code: code.code(),
        rows: tally.rows,
        ms,
        paused_ms: figures::as_millis(tally.paused),
        retries: tally.retries,
        ended: ready.clock.1 + ms.div_ceil(1_000),
    };
    Ok((code, Some(metric)))
}

/// Opens the files, and brings those of an earlier run in order.
async fn files(stage: &Stage<'_>) -> Result<Option<FileTarget>, CliError> {
    let Some(wanted) = stage.ready.files.clone() else { return Ok(None) };
    let (server, facts, run) = (&stage.first.server, &stage.ready.facts, wanted.run.clone());
    let (clock, since) = (Arc::clone(&stage.around.clock), stage.ready.clock.1);
    let begun = clock.now();
    let now = Arc::new(move || Duration::from_secs(since) + clock.now().saturating_sub(begun));
    let opening = tokio::task::spawn_blocking(move || FileDestination::open(Arc::new(Disk), wanted, now));
    let opened = opening.await.map_err(|error| CliError::Surroundings(error.to_string()))?;
    let opened = Box::new(opened.map_err(CliError::Archive)?);
    let mut file = FileTarget::new(opened, run, &facts.table, Arc::clone(&stage.around.clock));
    file.begin(server, &facts.name, stage.token).await?;
    Ok(Some(file))
}

fn setting(stage: &Stage<'_>) -> Setting {
    let (ready, pace) = (stage.ready, &stage.job.pace);
    Setting {
        server: Arc::clone(&stage.first.server),
        others: assemble::others(stage.discovered),
        flavour: stage.first.node.flavour,
        walk: ready.chosen.walk.clone(),
        condition: ready.condition.clone(),
        keep_newest: stage.job.rows.keep_newest,
        target: ready.target.clone(),
        limit_rows: stage.job.run.limit_rows,
        batch: sizer::Limits {
            target: pace.chunk_time,
            floor: BATCH_FLOOR.min(pace.chunk_rows),
            ceiling: pace.chunk_rows,
            bytes: pace.chunk_bytes,
        },
        row_bytes: ready.facts.load.row_bytes,
        estimate: ready.estimate,
        attempts: assemble::ATTEMPTS,
        patience: pace.patience,
        token: stage.token,
    }
}

/// Why a run should end, by its own limits: time, time of day, a file.
fn enough(run: &PurgeRunArgs, midnight_s: u64, clock: &Arc<dyn Clock>) -> Box<Enough> {
    let (run, clock) = (run.clone(), Arc::clone(clock));
    let began = clock.now();
    Box::new(move || {
        let now = clock.now().saturating_sub(began);
        if let Some(file) = run.stop_file.as_ref().filter(|file| file.exists()) {
            return Some(End::Stopped(format!("{} exists", file.display())));
        }
        if let Some(limit) = run.run_time.filter(|limit| now >= *limit) {
            return Some(End::Limit(format!(
                "the run has taken {}, which was the limit",
                figures::span(limit.as_secs())
            )));
        }
        let (from, to) = run.between?;
        let time = (midnight_s + now.as_secs()) % DAY_S;
        let inside = if from < to { (from..to).contains(&time) } else { time >= from || time < to };
        let clock = |s: u64| format!("{:02}:{:02}", s / 3_600, s % 3_600 / 60);
        (!inside).then(|| End::Limit(format!("it is {}, not between {} and {}", clock(time), clock(from), clock(to))))
    })
}

/// The exit code and the last event.
fn ended(end: &End, tally: &Tally, stage: &Stage<'_>, ms: u64, made: Vec<String>) -> (ExitCode, PurgeEvent) {
    let (table, rows) = (&stage.ready.facts.name, tally.rows);
    let done = match purge_show::place(stage.ready, stage.job).as_str() {
        "" => format!("{} rows of {table} are deleted", figures::grouped(rows)),
        place => format!("{} rows of {table} are moved into {place}", figures::grouped(rows)),
    };
    let again = "run the same command again: it goes on with what is left";
    let (code, what, next, details) = match end {
        End::All => (ExitCode::Done, format!("{done}; none that matched is left"), String::new(), made),
        End::Limit(why) => (ExitCode::Done, format!("{done}; {why}; more may be left"), String::new(), made),
        End::Stopped(why) => (ExitCode::Stopped, format!("{done}, then it stopped: {why}"), again.into(), made),
        End::Refused(reason, proof) => (
            ExitCode::Refused,
            format!("{done}, then: {} [{}]", reason.what, reason.code.as_str()),
            reason.remedy.clone(),
            [proof.clone(), made].concat(),
        ),
        End::Failed(why) => (ExitCode::Failed, format!("{done}, then it failed: {why}"), String::new(), made),
    };
    (code, PurgeEvent::Ended { code: code.code(), what, next, rows, ms, details })
}

/// Writes a file that is never seen half.
fn write_whole(path: &Path, text: &str) -> Result<(), CliError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = std::path::PathBuf::from(part);
    std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path)).map_err(|error| {
        CliError::File(
            "the metrics can't be written",
            path.to_owned(),
            error.to_string(),
            "name a file that you may write to",
        )
    })
}

/// About how long so many rows take.
pub(super) fn about(rows: u64, rate: u64) -> Duration {
    Duration::from_secs(rows.div_ceil(rate.max(1)))
}
