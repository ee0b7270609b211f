//! Applications that write to all nodes at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::error::DemoError;
use super::latency::Latencies;
use super::ledger::Ledger;
use super::load::Loaded;
use super::writer::Writer;
use crate::ports::clock::Clock;
use crate::ports::server::Server;

/// How often each kind of write comes, as weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// New rows.
    pub insert: u64,
    /// New values.
    pub update: u64,
    /// Rows removed.
    pub delete: u64,
    /// Rows that get another key.
    pub rekey: u64,
    /// Per cent of the operations that are explicit transactions of two to four writes; the others are one autocommit
    /// statement.
    pub transactions: u64,
}

impl Default for Mix {
    fn default() -> Self {
        Self { insert: 3, update: 4, delete: 2, rekey: 1, transactions: 30 }
    }
}

/// What the writers do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Writers on each node, each with its own connection.
    pub writers_per_node: usize,
    /// Operations a second of all writers together; `None` for as many as they can.
    pub rate: Option<u64>,
    /// What they do.
    pub mix: Mix,
    /// The same seed, the same operations (not the same interleaving).
    pub seed: u64,
    /// Longest wait for one statement's answer; then the connection is given up and the write is in doubt.
    pub deadline: Duration,
}

impl Default for Workload {
    fn default() -> Self {
        Self { writers_per_node: 2, rate: Some(150), mix: Mix::default(), seed: 1, deadline: Duration::from_secs(30) }
    }
}

/// What applications felt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Felt {
    /// Operations (autocommit statements and transactions) that were acknowledged.
    pub operations: u64,
    /// Row writes in them.
    pub writes: u64,
    /// Each statement from sending to answer, failed ones included, connecting not.
    pub latencies: Latencies,
    /// The same by windows of `WINDOW` since the writers began; the key is the window's number.
    pub windows: BTreeMap<u64, Latencies>,
    /// Errors that an application would see, by the server's number; 0 when the connection was lost or not had.
    pub errors: BTreeMap<u16, u64>,
    /// Operations that were tried again.
    pub retried: u64,
    /// Operations that were given up after errors.
    pub given_up: u64,
    /// Answers that must not be: a row that its only writer had written is not there, or one that it had removed is.
    pub surprises: Vec<String>,
}

/// Length of a window.
pub(super) const WINDOW: Duration = Duration::from_secs(5);
/// Surprises that are kept; one is too many.
const SURPRISES: usize = 10;

impl Felt {
    /// All errors.
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// The worst of the windows' 99th percentiles.
    #[must_use]
    pub fn worst_p99(&self) -> Duration {
        self.windows.values().map(|window| window.per_mille(990)).max().unwrap_or_default()
    }

    /// Adds what another writer felt.
    pub fn merge(&mut self, other: Self) {
        self.operations += other.operations;
        self.writes += other.writes;
        self.latencies.merge(&other.latencies);
        for (number, window) in other.windows {
            self.windows.entry(number).or_default().merge(&window);
        }
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
        self.retried += other.retried;
        self.given_up += other.given_up;
        other.surprises.into_iter().for_each(|surprise| self.surprised(surprise));
    }

    pub(super) fn surprised(&mut self, what: String) {
        if self.surprises.len() < SURPRISES {
            self.surprises.push(what);
        }
    }
}

/// What all writers of a workload look at.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) stop: CancellationToken,
    pub(super) lap: AtomicUsize,
    pub(super) acknowledged: AtomicU64,
}

/// Running writers. Dropping ends them at once, without a ledger.
#[derive(Debug)]
pub struct Writers {
    tasks: JoinSet<(Vec<Felt>, Ledger)>,
    shared: Arc<Shared>,
}

impl Writers {
    /// Starts `writers_per_node` writers on each of these servers. Each row has one writer, by its id, so
    /// that the ledger is exact and all writers write in all of the key's range.
    #[must_use]
    pub fn start(servers: &[Arc<dyn Server>], loaded: &Loaded, workload: &Workload, clock: &Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        let count = servers.len() * workload.writers_per_node;
        for (index, server) in servers.iter().cycle().take(count).enumerate() {
            let writer = Writer::new(index, count, Arc::clone(server), loaded, workload, Arc::clone(clock));
            tasks.spawn(writer.run(Arc::clone(&shared)));
        }
        Self { tasks, shared }
    }

    /// Begins a new lap: what is felt from now on is counted apart.
    pub fn next_lap(&self) {
        self.shared.lap.fetch_add(1, Ordering::Relaxed);
    }

    /// Operations acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Lets every writer finish its operation; returns what was felt, by laps, and the ledger.
    ///
    /// # Errors
    /// `Writer` when one ended before: then there is no ledger to prove anything by.
    pub async fn stop(mut self) -> Result<(Vec<Felt>, Ledger), DemoError> {
        self.shared.stop.cancel();
        let mut laps = vec![Felt::default(); self.shared.lap.load(Ordering::Relaxed) + 1];
        let mut all = Ledger::default();
        while let Some(ended) = self.tasks.join_next().await {
            let (felt, ledger) = ended.map_err(|error| DemoError::Writer(error.to_string()))?;
            for (lap, felt) in laps.iter_mut().zip(felt) {
                lap.merge(felt);
            }
            all.merge(ledger);
        }
        Ok((laps, all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writers_felt_adds_up() {
        let felt = |ms: u64, code: u16| {
            let mut felt = Felt { operations: 1, writes: 2, retried: 1, ..Felt::default() };
            felt.latencies.add(Duration::from_millis(ms));
            felt.windows.entry(ms / 100).or_default().add(Duration::from_millis(ms));
            felt.errors.insert(code, 1);
            felt.surprised("x".to_owned());
            felt
        };
        let mut all = felt(10, 1213);
        all.merge(felt(250, 1213));
        all.merge(felt(20, 1205));
        assert_eq!((all.operations, all.writes, all.retried, all.error_count()), (3, 6, 3, 3));
        assert_eq!(all.errors, BTreeMap::from([(1205, 1), (1213, 2)]));
        assert_eq!(all.latencies.worst(), Duration::from_millis(250));
        assert_eq!(all.worst_p99(), Duration::from_millis(250));
        assert_eq!((all.windows.len(), all.surprises.len()), (2, 3));
    }
}
