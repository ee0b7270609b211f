//! A cluster of this process's own: started, disturbed, stopped.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::output;
use super::error::{DemoError, files};
use super::install::root;
use super::loopback::ReservedPorts;
use super::node::{Entry, Node, NodeProcess, View};
use super::options_file::{Place, text};
use super::packages::{Product, Tools, find, find_under};
use super::spec::{Replication, Spec};
use super::watchdog::{self, Watchdog, stop_script};
use crate::sql;

/// Longest time for making the system tables.
const INSTALL: Duration = Duration::from_secs(120);
/// Longest time for a server to come up, its state transfer included.
const COME_UP: Duration = Duration::from_secs(120);
/// Longest time for an orderly end.
const GO_DOWN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);
/// How often ports are chosen anew when another process takes one before the server does.
const ATTEMPTS: u32 = 3;
/// Longest path that fits a socket address, with its end.
const SOCKET_PATH: usize = 107;

/// Whether a server is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// Its process runs.
    Yes,
    /// It was killed, stopped, or died.
    No,
}

/// Servers in a directory of their own. When the value goes, or the whole process goes in whatever way, the servers are
/// killed and the directory is removed.
#[derive(Debug)]
pub struct Cluster {
    spec: Spec,
    tools: Tools,
    nodes: Vec<Node>,
    dir: PathBuf,
    watchdog: Option<Watchdog>,
    _ports: ReservedPorts,
}

impl Cluster {
    /// Starts the servers and waits until each is Synced with all others. Takes about ten seconds for three nodes.
    /// Dropping the future ends and removes what it has started.
    ///
    /// # Errors
    /// `Missing` when programs are missing, `Node` with the end of the log when a server doesn't come up, `Files` and
    /// `Command` from the machine.
    pub async fn start(spec: Spec) -> Result<Self, DemoError> {
        let tools = match &spec.tree {
            None => find(spec.replication)?,
            Some(root) => find_under(root, spec.replication)?,
        };
        let mut attempt = 1;
        loop {
            match Self::start_once(&spec, &tools).await {
                Err(DemoError::Node { tail, .. }) if attempt < ATTEMPTS && port_was_taken(&tail) => attempt += 1,
                answer => return answer,
            }
        }
    }

    async fn start_once(spec: &Spec, tools: &Tools) -> Result<Self, DemoError> {
        let user = root().await?.then_some("mysql");
        let dir = make_dir(&spec.parent)?;
        let watchdog = Some(Watchdog::set(&dir)?);
        let reserved = ReservedPorts::new(spec.nodes * 4).map_err(files("find free ports on 127.0.0.1"))?;
        let (sql, galera) = reserved.ports().split_at(spec.nodes);
        let node = |(index, port): (usize, &u16)| Node::new(&dir, format!("n{}", index + 1), *port);
        let nodes = sql.iter().enumerate().map(node).collect();
        let galera = galera.to_vec();
        let cluster = Self { spec: spec.clone(), tools: tools.clone(), nodes, dir, watchdog, _ports: reserved };
        cluster.write_options(user, &galera).await?;
        cluster.make_data(user).await?;
        cluster.start_all().await?;
        Ok(cluster)
    }

    async fn write_options(&self, user: Option<&str>, galera: &[u16]) -> Result<(), DemoError> {
        let (group, transfer) = galera.split_at(self.nodes.len());
        for ((index, node), ports) in self.nodes.iter().enumerate().zip(transfer.chunks(2)) {
            let &[ist, sst] = ports else { continue };
            let at = node.dir.display();
            std::fs::create_dir_all(node.dir.join("data")).map_err(files(format!("make {at}")))?;
            let place = Place { index, dir: &node.dir, user, port: node.port, group, ist, sst, tools: &self.tools };
            std::fs::write(node.options(), text(&self.spec, &place)).map_err(files(format!("write into {at}")))?;
            own(user, &node.dir).await?;
        }
        Ok(())
    }

    /// Makes the system tables of the first node, or of each when they stand alone; a joiner gets them from the first.
    async fn make_data(&self, user: Option<&str>) -> Result<(), DemoError> {
        let founders = if self.spec.replication == Replication::Galera { 1 } else { self.nodes.len() };
        for node in self.nodes.iter().take(founders) {
            let log = node.dir.join("install.log");
            let out = std::fs::File::create(&log).map_err(files(format!("write {}", log.display())))?;
            let err = out.try_clone().map_err(files(format!("write {}", log.display())))?;
            let mut command = watchdog::under(&self.dir, "install", &self.tools.install_db);
            command.arg("--no-defaults").arg(format!("--datadir={}/data", node.dir.display()));
            command.args(user.map(|user| format!("--user={user}"))).stdout(out).stderr(err);
            self.set_up(&mut command, node)?;
            let status = tokio::process::Command::from(command).kill_on_drop(true).status();
            let ended = tokio::time::timeout(INSTALL, status).await;
            watchdog::forget(&self.dir, "install");
            let failed = |why: String| {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let what = self.tools.install_db.display().to_string();
                DemoError::Command { what, why: format!("{why}\n{text}") }
            };
            match ended {
                Ok(Ok(status)) if status.success() => {}
                Ok(Ok(status)) => return Err(failed(status.to_string())),
                Ok(Err(error)) => return Err(failed(error.to_string())),
                Err(_) => return Err(failed(format!("no end after {} s", INSTALL.as_secs()))),
            }
        }
        Ok(())
    }

    /// How system tables are made, `root` without a password among them.
    fn set_up(&self, command: &mut std::process::Command, node: &Node) -> Result<(), DemoError> {
        let base = self.tools.base.as_ref().map(|base| format!("--basedir={}", base.display()));
        command.args(base);
        match self.tools.product {
            // `--force`: a host that does not know its own name is no reason to stop.
            Product::MariaDb => command.args([
                "--force",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=16M",
            ]),
            // Its root is at `localhost` only, which is no name of 127.0.0.1 for servers that resolve none.
            Product::MySql => {
                let init = node.dir.join("init.sql");
                let text = sql::demo::local_root();
                std::fs::write(&init, text.as_str()).map_err(files(format!("write {}", init.display())))?;
                command.args(["--initialize-insecure", "--innodb-redo-log-capacity=16M", "--secure-file-priv=NULL"]);
                command.arg(format!("--init-file={}", init.display()))
            }
        };
        Ok(())
    }

    async fn start_all(&self) -> Result<(), DemoError> {
        let Some((first, others)) = self.nodes.split_first() else { return Ok(()) };
        match self.spec.replication {
            Replication::Galera => {
                first.start(&self.tools, Entry::Found)?;
                // Joining before the first node has its view costs up to ten seconds of waiting for one another.
                self.wait_synced(COME_UP).await?;
            }
            Replication::Alone => first.start(&self.tools, Entry::Join)?,
        }
        for node in others {
            node.start(&self.tools, Entry::Join)?;
        }
        self.wait_synced(COME_UP).await
    }

    /// The servers, in order; `n1` first.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeProcess> {
        self.nodes.iter().map(Node::process).collect()
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Waits until every server that runs is Synced in a component of all that run (or answers, when they stand alone).
    ///
    /// # Errors
    /// `Node` when one is not in time, or ended.
    pub async fn wait_synced(&self, limit: Duration) -> Result<(), DemoError> {
        let running: Vec<&Node> = self.nodes.iter().filter(|node| node.pid().is_some()).collect();
        let wanted = match self.spec.replication {
            Replication::Galera => View::Synced(running.len()),
            Replication::Alone => View::Alone,
        };
        let mut rest = running.clone();
        let mut polls = limit.as_millis() / POLL.as_millis();
        while let Some(node) = rest.last() {
            // All are looked at each time: one that ended keeps the others waiting, and its log says why.
            if let Some(ended) = running.iter().find(|node| node.pid().is_none()) {
                return Err(ended.failure("the server ended"));
            }
            if node.view(&self.tools).await == wanted {
                rest.pop();
                continue;
            }
            if polls == 0 {
                return Err(node.failure(format!("not {wanted:?} after {} s", limit.as_secs())));
            }
            polls -= 1;
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Whether a server's process runs.
    #[must_use]
    pub fn running(&self, index: usize) -> Running {
        match self.nodes.get(index).and_then(Node::pid) {
            Some(_) => Running::Yes,
            None => Running::No,
        }
    }

    /// Kills a server as a power cut would; returns when it is gone.
    pub fn kill9(&self, index: usize) {
        if let Some(node) = self.nodes.get(index) {
            node.kill();
        }
    }

    /// Stops a server's clock (`SIGSTOP`): it stays connected and silent.
    pub fn freeze(&self, index: usize) {
        self.signal(index, "STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self, index: usize) {
        self.signal(index, "CONT");
    }

    fn signal(&self, index: usize, name: &str) {
        if let Some(node) = self.nodes.get(index) {
            node.signal(name);
        }
    }

    /// Starts a server again, after killing it if it runs, and waits until it is back among those that run.
    ///
    /// # Errors
    /// `Node` when it does not come back in two minutes.
    pub async fn restart(&self, index: usize) -> Result<(), DemoError> {
        let Some(node) = self.nodes.get(index) else { return Ok(()) };
        node.kill();
        let alone = self.nodes.iter().all(|node| node.pid().is_none());
        if alone && self.spec.replication == Replication::Galera {
            allow_bootstrap(&node.dir)?;
            node.start(&self.tools, Entry::Found)?;
        } else {
            node.start(&self.tools, Entry::Join)?;
        }
        self.wait_synced(COME_UP).await
    }

    /// Thaws and restarts whatever is not well, and waits until all are Synced: for the next test.
    ///
    /// # Errors
    /// `Node` when one does not come back.
    pub async fn heal(&self) -> Result<(), DemoError> {
        for index in 0..self.nodes.len() {
            self.thaw(index);
        }
        for index in 0..self.nodes.len() {
            if self.running(index) == Running::No {
                self.restart(index).await?;
            }
        }
        if self.wait_synced(GO_DOWN).await.is_ok() {
            return Ok(());
        }
        // A node that lost its peers for good (evicted, inconsistent) comes back by a whole transfer.
        for index in 1..self.nodes.len() {
            self.restart(index).await?;
        }
        self.wait_synced(COME_UP).await
    }

    /// Shuts the servers down in good order, at most 30 s, then as dropping does.
    pub async fn stop(self) {
        for node in &self.nodes {
            node.signal("CONT");
            node.signal("TERM");
        }
        for _ in 0..GO_DOWN.as_millis() / POLL.as_millis() {
            if self.nodes.iter().all(|node| node.pid().is_none()) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Leaves the servers running for good and returns the script that kills and removes them.
    ///
    /// # Errors
    /// `Files` when the watchdog can't be called off; then nothing is kept.
    pub fn keep(mut self) -> Result<PathBuf, DemoError> {
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.keep()?;
        }
        for node in &self.nodes {
            node.let_go();
        }
        Ok(stop_script(&self.dir))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(watchdog) = self.watchdog.take() else { return };
        for node in &self.nodes {
            node.kill();
        }
        watchdog.release();
    }
}

/// A new directory with a short name, its path absolute: other programs read it in other directories.
fn make_dir(parent: &Path) -> Result<PathBuf, DemoError> {
    let at = || format!("make a directory in {}", parent.display());
    let parent = parent.canonicalize().map_err(files(at()))?;
    for number in 0_u32.. {
        let dir = parent.join(format!("driftless-{}-{number}", std::process::id()));
        if dir.join("n1/s.sock").as_os_str().len() > SOCKET_PATH {
            return Err(files(at())(std::io::Error::other(
                "its path is too long for a socket; choose a shorter TMPDIR",
            )));
        }
        match std::fs::create_dir(&dir) {
            Ok(()) => {
                // The server's own user must be able to pass, whatever the umask.
                let open = std::fs::Permissions::from_mode(0o755);
                std::fs::set_permissions(&dir, open).map_err(files(at()))?;
                return Ok(dir);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(files(at())(error)),
        }
    }
    Err(files(at())(std::io::ErrorKind::AlreadyExists.into()))
}

/// Gives a node's directory to the user that its server runs as: a transfer writes into it as that user.
async fn own(user: Option<&str>, dir: &Path) -> Result<(), DemoError> {
    let Some(user) = user else { return Ok(()) };
    let args = ["-R".as_ref(), user.as_ref(), dir.as_os_str()];
    output("chown".as_ref(), &args, Duration::from_secs(10)).await.map(drop)
}

fn port_was_taken(tail: &str) -> bool {
    tail.contains("Address already in use")
}

/// Says that this node may found the cluster anew, as an operator would after all nodes went down.
fn allow_bootstrap(dir: &Path) -> Result<(), DemoError> {
    let state = dir.join("data/grastate.dat");
    let at = || format!("edit {}", state.display());
    let text = std::fs::read_to_string(&state).map_err(files(at()))?;
    let text = text.replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1");
    std::fs::write(&state, text).map_err(files(at()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_new_open_and_short() {
        let parent = tempfile::tempdir().unwrap();
        let (one, two) = (make_dir(parent.path()).unwrap(), make_dir(parent.path()).unwrap());
        assert_ne!(one, two);
        assert_eq!(std::fs::metadata(&one).unwrap().permissions().mode() & 0o777, 0o755);
        let deep = parent.path().join("x".repeat(90));
        std::fs::create_dir(&deep).unwrap();
        let refused = make_dir(&deep).unwrap_err();
        assert!(refused.to_string().contains("TMPDIR"), "{refused}");
    }

    #[test]
    fn bootstrap_is_allowed_in_the_state_file_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let state = dir.path().join("data/grastate.dat");
        std::fs::write(&state, "uuid: a\nseqno: -1\nsafe_to_bootstrap: 0\n").unwrap();
        allow_bootstrap(dir.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&state).unwrap(), "uuid: a\nseqno: -1\nsafe_to_bootstrap: 1\n");
    }
}
