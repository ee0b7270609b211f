//! The demo from start to end.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::TableName;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::cluster::Cluster;
use super::error::{DemoError, files};
use super::load::{Loaded, load};
use super::migration::{Connect, Migration, Stage};
use super::node::NodeProcess;
use super::packages::{Install, ensure};
use super::proof::{Proof, prove};
use super::spec::Spec;
use super::writers::{Felt, Workload, Writers};
use crate::ports::clock::Clock;
use crate::ports::server::Server;

/// What becomes of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// It is stopped and removed.
    Remove,
    /// It stays, also when something fails; not when interrupted.
    Keep,
}

/// What to show.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether missing packages may be installed.
    pub install: Install,
    /// What becomes of the cluster.
    pub afterwards: Afterwards,
    /// The cluster.
    pub spec: Spec,
    /// The table.
    pub table: TableName,
    /// Its rows.
    pub rows: u64,
    /// Who writes meanwhile.
    pub workload: Workload,
    /// How long writers write before the migration, to know how it feels without.
    pub warm_up: Duration,
    /// The change, as after `ALTER TABLE t`.
    pub alter: String,
}

/// What the demo works with.
pub struct Parts<'a> {
    /// Makes connections.
    pub connect: &'a dyn Connect,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The change to show.
    pub migration: &'a dyn Migration,
    /// Takes what happens, as it happens.
    pub notes: &'a (dyn Fn(&Note) + Send + Sync),
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Servers are being started.
    Starting {
        /// How many.
        nodes: usize,
    },
    /// They are Synced.
    Started {
        /// Their ports.
        ports: Vec<u16>,
        /// How long that took.
        took: Duration,
    },
    /// The table is loaded.
    Loaded {
        /// Which.
        table: String,
        /// Its rows.
        rows: u64,
        /// How long that took.
        took: Duration,
    },
    /// Writers write.
    Writing {
        /// How many.
        writers: usize,
        /// To how many nodes.
        nodes: usize,
    },
    /// The migration begins.
    Migrating {
        /// The change.
        alter: String,
    },
    /// The writers have stopped; everything is compared.
    Proving,
    /// The cluster is being stopped.
    Stopping,
    /// The cluster stays.
    Kept(Kept),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting { nodes } => write!(f, "starting {nodes} nodes on free loopback ports"),
            Self::Started { ports, took } => {
                let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
                write!(f, "cluster is up: ports {} ({:.1} s)", ports.join(" "), took.as_secs_f64())
            }
            Self::Loaded { table, rows, took } => {
                write!(f, "loaded {table}: {rows} rows ({:.1} s)", took.as_secs_f64())
            }
            Self::Writing { writers, nodes } => write!(f, "{writers} writers write to {nodes} nodes"),
            Self::Migrating { alter } => write!(f, "migrating: {alter}"),
            Self::Proving => f.write_str("writers have stopped; comparing every row on every node"),
            Self::Stopping => f.write_str("stopping the cluster and removing its files"),
            Self::Kept(kept) => write!(f, "the cluster stays:\n{}", kept.lines().join("\n")),
        }
    }
}

/// A cluster that was left running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its nodes.
    pub nodes: Vec<NodeProcess>,
    /// `sh PATH` kills and removes it.
    pub stop: PathBuf,
}

impl Kept {
    /// How to connect, one line a node, and how to stop.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let connect =
            |node: &NodeProcess| format!("{}: mariadb --host=127.0.0.1 --port={} --user=root", node.name, node.port);
        let stop = format!("stop and remove: sh {}", self.stop.display());
        self.nodes.iter().map(connect).chain([stop]).collect()
    }
}

/// What there was to see.
#[derive(Debug)]
pub struct DemoOutcome {
    /// The table.
    pub table: TableName,
    /// Rows at the start.
    pub loaded: u64,
    /// How the migration ended.
    pub migrated: Result<Duration, DemoError>,
    /// What applications felt before it began.
    pub before: Felt,
    /// What they felt while it ran.
    pub during: Felt,
    /// What is in the tables.
    pub proof: Proof,
    /// Where the cluster is, when it was kept.
    pub kept: Option<Kept>,
}

impl DemoOutcome {
    /// Whether the migration is done, the proof holds, and no writer got an answer that must not be.
    #[must_use]
    pub fn good(&self) -> bool {
        let surprises = self.before.surprises.len() + self.during.surprises.len();
        self.migrated.is_ok() && self.proof.holds() && surprises == 0
    }
}

/// Installs if allowed, starts a cluster, loads it, writes to all nodes, migrates, stops the writers, proves, and stops
/// the cluster. Whatever ends it (failure, Ctrl-C, a request to end), the cluster goes, unless it is to be kept.
///
/// # Errors
/// What kept the demo from its end. A failed migration is no error here: it is in the outcome, with the proof.
pub async fn run(options: &Options, parts: &Parts<'_>) -> Result<DemoOutcome, DemoError> {
    // Taken first: from now on a signal ends the demo, not the process, and what has begun is undone.
    let mut signals = Signals::take()?;
    signals.guard(ensure(options.spec.replication, options.install)).await?;
    (parts.notes)(&Note::Starting { nodes: options.spec.nodes });
    let began = parts.clock.now();
    let cluster = signals.guard(Cluster::start(options.spec.clone())).await?;
    let ports = cluster.nodes().iter().map(|node| node.port).collect();
    (parts.notes)(&Note::Started { ports, took: parts.clock.now() - began });
    let shown = signals.guard(show(options, parts, &cluster)).await;
    if options.afterwards == Afterwards::Remove || matches!(shown, Err(DemoError::Interrupted)) {
        (parts.notes)(&Note::Stopping);
        // Nothing in it is worth an orderly end.
        drop(cluster);
        return shown;
    }
    let nodes = cluster.nodes();
    let kept = Kept { nodes, stop: cluster.keep()? };
    // Said at once: when the demo failed there is no outcome to say it.
    (parts.notes)(&Note::Kept(kept.clone()));
    Ok(DemoOutcome { kept: Some(kept), ..shown? })
}

async fn show(options: &Options, parts: &Parts<'_>, cluster: &Cluster) -> Result<DemoOutcome, DemoError> {
    let nodes = cluster.nodes();
    let servers: Vec<Arc<dyn Server>> = nodes.iter().map(|node| parts.connect.server(node)).collect();
    let loaded = fill(options, parts, &servers).await?;
    let writers = Writers::start(&servers, &loaded, &options.workload, &parts.clock);
    let count = servers.len() * options.workload.writers_per_node;
    (parts.notes)(&Note::Writing { writers: count, nodes: servers.len() });
    parts.clock.sleep(options.warm_up).await;
    writers.next_lap();
    let stage = Stage { nodes, table: options.table.clone(), alter: options.alter.clone() };
    (parts.notes)(&Note::Migrating { alter: stage.alter.clone() });
    let began = parts.clock.now();
    let ended = parts.migration.migrate(&stage).await;
    let migrated = ended.map(|()| parts.clock.now() - began).map_err(DemoError::Migration);
    let (laps, ledger) = writers.stop().await?;
    let mut laps = laps.into_iter();
    let (before, during) = (laps.next().unwrap_or_default(), laps.next().unwrap_or_default());
    (parts.notes)(&Note::Proving);
    let proof = prove(&servers, &options.table, &ledger).await?;
    Ok(DemoOutcome { table: options.table.clone(), loaded: loaded.rows, migrated, before, during, proof, kept: None })
}

async fn fill(options: &Options, parts: &Parts<'_>, servers: &[Arc<dyn Server>]) -> Result<Loaded, DemoError> {
    let began = parts.clock.now();
    let Some(first) = servers.first() else {
        return Ok(Loaded { table: options.table.clone(), rows: 0 });
    };
    let loaded = load(first.as_ref(), &options.table, options.rows).await?;
    let took = parts.clock.now() - began;
    (parts.notes)(&Note::Loaded { table: loaded.table.to_string(), rows: loaded.rows, took });
    Ok(loaded)
}

/// Requests to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn take() -> Result<Self, DemoError> {
        let take = |kind| signal(kind).map_err(files("listen for signals"));
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
            hang_up: take(SignalKind::hangup())?,
        })
    }

    /// Does the work, unless a signal comes first.
    async fn guard<T>(&mut self, work: impl Future<Output = Result<T, DemoError>>) -> Result<T, DemoError> {
        tokio::select! {
            done = work => done,
            _ = self.interrupt.recv() => Err(DemoError::Interrupted),
            _ = self.terminate.recv() => Err(DemoError::Interrupted),
            _ = self.hang_up.recv() => Err(DemoError::Interrupted),
        }
    }
}
