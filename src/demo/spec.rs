//! What to start.

use std::path::PathBuf;

/// How the servers know of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// One Galera cluster.
    Galera,
    /// Not at all: each server stands alone.
    Alone,
}

/// Which servers a line of configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// All of them.
    All,
    /// The one with that index, from 0.
    Node(usize),
}

/// A cluster to be started.
#[derive(Clone, Debug)]
pub struct Spec {
    /// How many servers.
    pub nodes: usize,
    /// How they know of each other.
    pub replication: Replication,
    /// Buffer pool of each, in MiB.
    pub buffer_pool_mib: u32,
    /// Where its directory is made; must be open to the user `mysql` when started as root.
    pub parent: PathBuf,
    /// Where packages are unpacked whose server is run; the machine's own when `None`.
    pub tree: Option<PathBuf>,
    /// Lines added to `[mysqld]`; they win over driftless's own.
    pub extra: Vec<(Lines, String)>,
}

impl Default for Spec {
    fn default() -> Self {
        Self::galera(3)
    }
}

impl Spec {
    /// A Galera cluster of that many nodes under the temporary directory.
    #[must_use]
    pub fn galera(nodes: usize) -> Self {
        Self {
            nodes,
            replication: Replication::Galera,
            buffer_pool_mib: 256,
            parent: std::env::temp_dir(),
            tree: None,
            extra: Vec::new(),
        }
    }

    /// One plain server, with a binlog.
    #[must_use]
    pub fn single() -> Self {
        Self { replication: Replication::Alone, ..Self::galera(1) }
    }

    /// Adds a line to `[mysqld]`.
    #[must_use]
    pub fn with(mut self, lines: Lines, line: impl Into<String>) -> Self {
        self.extra.push((lines, line.into()));
        self
    }

    /// The lines that the server with that index gets.
    pub(super) fn extra_of(&self, index: usize) -> impl Iterator<Item = &str> {
        self.extra
            .iter()
            .filter(move |(lines, _)| *lines == Lines::All || *lines == Lines::Node(index))
            .map(|(_, line)| line.as_str())
    }
}
