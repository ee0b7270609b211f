//! The program itself as a child process, as a user runs it.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftless::demo::NodeProcess;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a call of the program ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; `None` when it was killed.
    pub code: Option<i32>,
    /// Lines of standard output, JSON where they are.
    pub events: Vec<Value>,
    /// Standard error.
    pub said: String,
}

impl Ended {
    /// The last event of that name.
    pub fn last(&self, event: &str) -> Option<&Value> {
        self.events.iter().rev().find(|line| line["event"] == event)
    }
}

/// A call under way. Dropping it kills the process.
pub struct Call {
    child: Child,
    seen: Arc<Mutex<Vec<Value>>>,
    count: watch::Receiver<usize>,
    read: usize,
    out: JoinHandle<()>,
    err: JoinHandle<String>,
}

impl Call {
    /// Starts `driftless WORDS…` connected to a node.
    pub fn start(node: &NodeProcess, words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
        command.args(words).args(["--no-defaults", "--host", "127.0.0.1", "--user", "root", "--format", "json"]);
        command.args(["--port", &node.port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("start driftless");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (sender, count) = watch::channel(0);
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let keep = Arc::clone(&seen);
        let out = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                keep.lock().expect("no panic").push(value);
                sender.send_modify(|count| *count += 1);
            }
        });
        let mut errors = child.stderr.take().expect("a pipe");
        let err = tokio::spawn(async move {
            let mut said = String::new();
            drop(errors.read_to_string(&mut said).await);
            said
        });
        Self { child, seen, count, read: 0, out, err }
    }

    /// `run` of a change by a copy, asking nothing: what these tests prove is the copy, whatever would be faster.
    pub fn run(node: &NodeProcess, table: &str, alter: &str, more: &[&str]) -> Self {
        Self::by("trigger-copy", node, table, alter, more)
    }

    /// `run` of a change by that strategy, asking nothing.
    pub fn by(strategy: &str, node: &NodeProcess, table: &str, alter: &str, more: &[&str]) -> Self {
        let change = ["run", "--yes", "--table", table, "--alter", alter, "--strategy", strategy];
        Self::start(node, &[&change, more].concat())
    }

    /// `run` of a change by whatever driftless prefers.
    pub fn preferred(node: &NodeProcess, table: &str, alter: &str, more: &[&str]) -> Self {
        Self::start(node, &[&["run", "--yes", "--table", table, "--alter", alter], more].concat())
    }

    /// The next event that is wanted, past those returned before; `None` when the output ended first.
    pub async fn event(&mut self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        loop {
            let over = self.count.has_changed().is_err();
            let found = {
                let seen = self.seen.lock().expect("no panic");
                let place = seen.iter().skip(self.read).position(&wanted);
                if place.is_none() {
                    self.read = seen.len();
                }
                place.map(|place| (self.read + place, seen[self.read + place].clone()))
            };
            if let Some((place, event)) = found {
                self.read = place + 1;
                return Some(event);
            }
            if over {
                return None;
            }
            drop(self.count.changed().await);
        }
    }

    /// Waits until a phase is entered; `false` when the output ended first.
    pub async fn entered(&mut self, phase: &str) -> bool {
        self.event(|line| line["event"] == "entered" && line["phase"] == phase).await.is_some()
    }

    /// Waits until that many rows are copied; `false` when the output ended first.
    pub async fn copied(&mut self, rows: u64) -> bool {
        let enough = |line: &Value| {
            line["event"] == "progress" && line["phase"] == "copying" && line["rows"].as_u64() >= Some(rows)
        };
        self.event(enough).await.is_some()
    }

    /// Ends it as a power cut would.
    pub fn kill9(&mut self) {
        drop(self.child.start_kill());
    }

    /// `Ctrl-C`.
    pub fn interrupt(&self) {
        if let Some(pid) = self.child.id() {
            drop(std::process::Command::new("kill").args(["-INT", &pid.to_string()]).status());
        }
    }

    /// What it has printed so far.
    pub fn seen(&self) -> Vec<Value> {
        self.seen.lock().expect("no panic").clone()
    }

    /// Waits for its end.
    pub async fn end(mut self, limit: Duration) -> Ended {
        let Ok(status) = tokio::time::timeout(limit, self.child.wait()).await else {
            let seen = self.seen();
            let tail: Vec<String> = seen.iter().rev().take(12).map(ToString::to_string).collect();
            drop(self.child.kill().await);
            let said = self.err.await.unwrap_or_default();
            let lines = tail.join("\n");
            panic!("driftless has not ended after {limit:?}; its last lines, newest first:\n{lines}\n{said}");
        };
        self.out.await.expect("output is read");
        let said = self.err.await.expect("errors are read");
        let events = self.seen.lock().expect("no panic").clone();
        Ended { code: status.expect("a status").code(), events, said }
    }
}

/// A short command: `status`, `abort JOB`, `pause JOB`, …
pub async fn tell(node: &NodeProcess, words: &[&str]) -> Ended {
    Call::start(node, words).end(Duration::from_secs(150)).await
}

/// Goes on with a job.
pub fn resume(node: &NodeProcess, job: &str, more: &[&str]) -> Call {
    Call::start(node, &[&["run", "--yes", "--resume", job], more].concat())
}

/// The id of the job that is under way on a table, if there is one.
pub async fn job_on(node: &NodeProcess, table: &str) -> Option<String> {
    let status = tell(node, &["status"]).await;
    assert_eq!(status.code, Some(0), "{status:?}");
    let jobs = status.events.first()?["jobs"].as_array()?.clone();
    let plain = |text: &str| text.replace('`', "");
    let job = jobs.into_iter().find(|job| plain(job["table"].as_str().unwrap_or_default()) == plain(table))?;
    job["job"].as_str().map(str::to_owned)
}
