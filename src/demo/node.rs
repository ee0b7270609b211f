//! One server process.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::command::{output, signal, tail};
use super::error::{DemoError, files};
use super::packages::{Tools, search_path};
use super::watchdog;
use crate::sql;

/// Lines of an error log that a failure shows.
const TAIL: usize = 25;
/// Longest time for one look at a server.
const LOOK: Duration = Duration::from_secs(3);

/// What is known of a running server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeProcess {
    /// `n1`, `n2`, …: also its name in the cluster.
    pub name: String,
    /// Its SQL port on 127.0.0.1; user `root`, no password.
    pub port: u16,
    /// Its socket.
    pub socket: PathBuf,
    /// Its process; 0 when it does not run.
    pub pid: u32,
    /// Its directory, with `data` in it.
    pub dir: PathBuf,
    /// Its error log.
    pub log: PathBuf,
}

/// Whether a node starts a cluster or joins one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is the first.
    Found,
    /// Others are there; or it stands alone.
    Join,
}

/// How a node sees itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// No answer.
    Silent,
    /// It answers, and is not Synced.
    Busy,
    /// Synced, in a component of that many nodes.
    Synced(usize),
    /// A server without Galera that answers.
    Alone,
}

/// One server, running or not.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) dir: PathBuf,
    cluster_dir: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Node {
    pub(super) fn new(cluster_dir: &Path, name: String, port: u16) -> Self {
        let dir = cluster_dir.join(&name);
        Self { name, port, dir, cluster_dir: cluster_dir.to_owned(), child: Mutex::new(None) }
    }

    pub(super) fn process(&self) -> NodeProcess {
        NodeProcess {
            name: self.name.clone(),
            port: self.port,
            socket: self.dir.join("s.sock"),
            pid: self.pid().unwrap_or(0),
            dir: self.dir.clone(),
            log: self.dir.join("log.err"),
        }
    }

    /// The option file's path.
    pub(super) fn options(&self) -> PathBuf {
        self.dir.join("my.cnf")
    }

    /// Its process, if it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        let mut child = self.child();
        let child = child.as_mut()?;
        matches!(child.try_wait(), Ok(None)).then(|| child.id())
    }

    /// Starts it.
    pub(super) fn start(&self, tools: &Tools, entry: Entry) -> Result<(), DemoError> {
        let mut command = watchdog::under(&self.cluster_dir, &self.name, &tools.server);
        command.arg(format!("--defaults-file={}", self.options().display()));
        if entry == Entry::Found {
            command.arg("--wsrep-new-cluster");
        }
        // wsrep_sst_rsync looks for rsync, lsof and the server's own programs in PATH; the server looks there for it.
        let own = tools.base.iter().flat_map(|base| [base.join("sbin"), base.join("bin")]);
        let path = std::env::join_paths(own.chain(search_path())).unwrap_or_default();
        let words = std::fs::File::create(self.words()).map_err(files(format!("write {}", self.words().display())))?;
        command.env("PATH", path).env_remove("NOTIFY_SOCKET").stdout(Stdio::null()).stderr(words);
        let started = command.spawn().map_err(files(format!("run {}", tools.server.display())))?;
        *self.child() = Some(started);
        Ok(())
    }

    /// Kills it, with the state transfer that it may be in; returns when it is gone.
    pub(super) fn kill(&self) {
        let Some(mut child) = self.child().take() else { return };
        if matches!(child.try_wait(), Ok(None)) {
            signal("KILL", &format!("-{}", child.id()));
            if !watchdog::ended(&mut child) {
                tracing::warn!(node = self.name, pid = child.id(), "does not end after SIGKILL");
            }
        }
        watchdog::forget(&self.cluster_dir, &self.name);
    }

    /// Sends it a signal, if it runs.
    pub(super) fn signal(&self, name: &str) {
        if let Some(pid) = self.pid() {
            signal(name, &pid.to_string());
        }
    }

    /// Asks it how it is.
    pub(super) async fn view(&self, tools: &Tools) -> View {
        let look = sql::demo::node_view();
        let args = [
            "--no-defaults".to_owned(),
            "--user=root".to_owned(),
            format!("--socket={}", self.dir.join("s.sock").display()),
            "--connect-timeout=2".to_owned(),
            "--batch".to_owned(),
            "--skip-column-names".to_owned(),
            format!("--execute={}", look.as_str()),
        ];
        match output(tools.client.as_os_str(), &args, LOOK).await {
            Ok(answer) => read_view(&answer),
            Err(_) => View::Silent,
        }
    }

    /// What to say when it is not as it should be.
    pub(super) fn failure(&self, why: impl Into<String>) -> DemoError {
        let log = self.dir.join("log.err");
        let read = |path: &Path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let text = read(&self.words()).unwrap_or_default() + &read(&log).unwrap_or_default();
        let tail = tail(&text, TAIL);
        DemoError::Node { name: self.name.clone(), why: why.into(), log, tail }
    }

    /// Where it speaks before it has opened its error log.
    fn words(&self) -> PathBuf {
        self.dir.join("start.err")
    }

    /// Lets the process live when this value goes.
    pub(super) fn let_go(&self) {
        drop(self.child().take());
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_view(answer: &str) -> View {
    let value = |name: &str| {
        let mut values = answer.lines().filter_map(|line| line.split_once('\t'));
        values.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    match (value("wsrep_provider_name"), value("wsrep_local_state_comment")) {
        (None | Some(""), _) => View::Alone,
        (Some(_), Some("Synced")) => {
            View::Synced(value("wsrep_cluster_size").and_then(|n| n.parse().ok()).unwrap_or(0))
        }
        (Some(_), _) => View::Busy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_read() {
        //  answer                                                                                   view
        let cases = [
            (
                "wsrep_cluster_size\t3\nwsrep_local_state_comment\tSynced\nwsrep_provider_name\tGalera\n",
                View::Synced(3),
            ),
            ("wsrep_cluster_size\t2\nwsrep_local_state_comment\tJoined\nwsrep_provider_name\tGalera\n", View::Busy),
            ("wsrep_cluster_size\t0\nwsrep_local_state_comment\tDisconnected\nwsrep_provider_name\t\n", View::Alone),
            ("", View::Alone),
        ];
        for (answer, view) in cases {
            assert_eq!(read_view(answer), view, "{answer}");
        }
    }
}
