//! The tools, each as its user would start it.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::ground::{Ground, query};

const PEER: &str = "pt-online-schema-change";
const CHANGE: &str = "ADD COLUMN x INT";
/// Threads and rows of a statement of the bare copy: the fastest of what was tried on two cores.
const BARE_THREADS: u64 = 4;
const BARE_ROWS: u64 = 5_000;
/// Lines of a tool that failed which are shown.
const TAIL: usize = 12;

/// Who changes the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    /// Ours.
    Driftless,
    /// pt-online-schema-change.
    Peer,
    /// Only `INSERT … SELECT` on several connections: the limit of any copy.
    Bare,
}

/// How a run went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ran {
    pub(crate) total: Duration,
    pub(crate) copy: Duration,
    /// Peak memory in KiB; 0 when there is no process.
    pub(crate) peak_kib: u64,
    /// What came when, as the tool said it.
    pub(crate) phases: Vec<(String, Duration)>,
    /// Why it is not a run; `None` when it is.
    pub(crate) failed: Option<String>,
}

/// Finds the peer, or says what to install.
pub(crate) async fn find_peer() -> Result<String, String> {
    let answer = Command::new(PEER).arg("--version").output().await;
    let missing = |why: String| format!("{PEER}: {why}\nwhat to do: apt-get install percona-toolkit");
    let output = answer.map_err(|error| missing(error.to_string()))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(crate) async fn run(tool: Tool, ground: &Ground, driftless: &Path, more: &str) -> Result<Ran, String> {
    let port = ground.port(0)?;
    match tool {
        Tool::Driftless => {
            let mut command = Command::new(driftless);
            command.args(["run", "--host", "127.0.0.1", "--port", &port.to_string(), "--user", "root"]);
            command.args(["--table", "bench.sbtest1", "--alter", CHANGE]);
            if !more.contains("--strategy") {
                command.args(["--strategy", "trigger-copy"]);
            }
            command.args(["--yes", "--format", "json"]).args(more.split_whitespace());
            let ran = watch(command).await?;
            Ok(timed(ran, &copying_of_ours))
        }
        Tool::Peer => {
            let mut command = Command::new(PEER);
            command.args(["--execute", "--alter", CHANGE, "--no-version-check", "--recursion-method=none"]);
            command.arg(format!("h=127.0.0.1,P={port},u=root,D=bench,t=sbtest1"));
            let ran = watch(command).await?;
            Ok(timed(ran, &copying_of_peer))
        }
        Tool::Bare => bare(ground).await,
    }
}

/// A tool's lines with the time since it was started.
struct Watched {
    lines: Vec<(Duration, String)>,
    ran: Ran,
}

async fn watch(mut command: Command) -> Result<Watched, String> {
    let started = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("start {command:?}: {error}"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = (tokio::spawn(lines(out, started)), tokio::spawn(lines(err, started)));
    let (status, peak_kib) = end(&mut child).await?;
    let total = started.elapsed();
    let lines = out.await.map_err(|error| error.to_string())?;
    let errors = err.await.map_err(|error| error.to_string())?;
    let tail = || {
        let all: Vec<&str> = lines.iter().chain(&errors).map(|(_, line)| line.as_str()).collect();
        all.iter().skip(all.len().saturating_sub(TAIL)).copied().collect::<Vec<_>>().join("\n")
    };
    let failed = (!status.success()).then(|| format!("{status}\n{}", tail()));
    Ok(Watched { lines, ran: Ran { total, peak_kib, failed, ..Ran::default() } })
}

async fn lines(stream: Option<impl AsyncRead + Unpin>, started: Instant) -> Vec<(Duration, String)> {
    let mut all = Vec::new();
    let Some(stream) = stream else { return all };
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        all.push((started.elapsed(), line));
    }
    all
}

/// Waits for the end, and looks at the memory until then.
async fn end(child: &mut Child) -> Result<(std::process::ExitStatus, u64), String> {
    let file = format!("/proc/{}/status", child.id().unwrap_or(0));
    let mut peak = 0;
    loop {
        tokio::select! {
            ended = child.wait() => return Ok((ended.map_err(|error| error.to_string())?, peak)),
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                let status = std::fs::read_to_string(&file).unwrap_or_default();
                let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
                peak = kib.unwrap_or(0).max(peak);
            }
        }
    }
}

/// Names the phase that a line begins, if it begins one.
type Begins = dyn Fn(&str) -> Option<String> + Send + Sync;

fn timed(watched: Watched, begins: &Begins) -> Ran {
    let Watched { lines, mut ran } = watched;
    ran.phases = lines.iter().filter_map(|(at, line)| Some((begins(line)?, *at))).collect();
    let from = ran.phases.iter().find(|(name, _)| name == "copying").map(|(_, at)| *at);
    let upto = ran.phases.iter().skip_while(|(name, _)| name != "copying").nth(1).map(|(_, at)| *at);
    if let (Some(from), Some(upto)) = (from, upto) {
        ran.copy = upto.saturating_sub(from);
    } else if ran.failed.is_none() {
        ran.failed = Some("its output does not say when it copied".to_owned());
    }
    ran
}

fn copying_of_ours(line: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    match event.get("event")?.as_str()? {
        "entered" => event.get("phase")?.as_str().map(str::to_owned),
        _ => None,
    }
}

fn copying_of_peer(line: &str) -> Option<String> {
    let starts = [
        ("Creating new table", "table"),
        ("Creating triggers", "triggers"),
        (" Creating triggers", "triggers"),
        ("Copying approximately", "copying"),
        ("Copied rows OK", "copied"),
        ("Swapping tables", "switching"),
        ("Dropping old table", "dropping"),
    ];
    let plain = line.trim_start_matches(|c: char| c.is_ascii_digit() || "-T: ".contains(c));
    starts.iter().find(|(start, _)| plain.starts_with(start.trim_start())).map(|(_, name)| (*name).to_owned())
}

/// Copies by `INSERT … SELECT` alone: no triggers, no checkpoints, no proof.
async fn bare(ground: &Ground) -> Result<Ran, String> {
    let mut session = ground.session(0).await?;
    query(session.as_mut(), "CREATE TABLE bench.bare LIKE bench.sbtest1").await?;
    query(session.as_mut(), &format!("ALTER TABLE bench.bare {CHANGE}")).await?;
    let (started, rows) = (Instant::now(), ground.rows());
    let next = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(1));
    let mut threads = JoinSet::new();
    for _ in 0..BARE_THREADS {
        let (mut session, next) = (ground.session(0).await?, std::sync::Arc::clone(&next));
        threads.spawn(async move {
            loop {
                let from = next.fetch_add(BARE_ROWS, std::sync::atomic::Ordering::Relaxed);
                if from > rows {
                    return Ok(());
                }
                let to = from + BARE_ROWS - 1;
                let copy = format!(
                    "INSERT INTO bench.bare (id, k, c, pad) SELECT id, k, c, pad FROM bench.sbtest1 \
                     WHERE id BETWEEN {from} AND {to}"
                );
                query(session.as_mut(), &copy).await?;
            }
        });
    }
    while let Some(ended) = threads.join_next().await {
        ended.map_err(|error| error.to_string()).and_then(|ended: Result<(), String>| ended)?;
    }
    let total = started.elapsed();
    Ok(Ran { total, copy: total, ..Ran::default() })
}
