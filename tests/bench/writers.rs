//! Applications at a fixed rate: a transaction's time counts from when it was due, not from when a connection was free.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use driftless::demo::{Latencies, Random};
use driftless::ports::server::{Server, ServerError, Session};
use driftless::sql::Sql;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ground::sql;

const CONNECTIONS: u64 = 16;
/// Attempts of a transaction.
const ATTEMPTS: u32 = 200;
/// Length of a window.
const WINDOW: Duration = Duration::from_secs(5);
/// A last window shorter than this is counted with the one before it.
const SHORT: Duration = Duration::from_millis(2_500);

/// What applications felt since the mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct Felt {
    pub(crate) transactions: u64,
    pub(crate) errors: BTreeMap<u16, u64>,
    pub(crate) given_up: u64,
    windows: BTreeMap<u64, Latencies>,
}

impl Felt {
    pub(crate) fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    pub(crate) fn worst_p99(&self) -> Duration {
        self.windows.values().map(|window| window.per_mille(990)).max().unwrap_or_default()
    }

    pub(crate) fn worst(&self) -> Duration {
        self.windows.values().map(Latencies::worst).max().unwrap_or_default()
    }

    fn merge(&mut self, other: Self) {
        self.transactions += other.transactions;
        self.given_up += other.given_up;
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
        for (number, window) in other.windows {
            self.windows.entry(number).or_default().merge(&window);
        }
    }

    /// Counts a short last window with the one before it: its p99 would be one transaction's.
    fn close(&mut self, lasted: Duration) {
        let last = lasted.as_secs() / WINDOW.as_secs();
        let tail = lasted.saturating_sub(WINDOW * u32::try_from(last).unwrap_or(u32::MAX));
        if last > 0
            && tail < SHORT
            && let Some(window) = self.windows.remove(&last)
        {
            self.windows.entry(last - 1).or_default().merge(&window);
        }
    }
}

struct Shared {
    /// Whose connections are taken in turn.
    servers: Vec<Arc<dyn Server>>,
    rows: u64,
    interval: Duration,
    began: Instant,
    ticket: AtomicU64,
    mark: Mutex<Option<Instant>>,
    stop: CancellationToken,
}

impl Shared {
    fn mark(&self) -> Option<Instant> {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Running writers.
pub(crate) struct Writers {
    shared: Arc<Shared>,
    tasks: JoinSet<Felt>,
}

impl Writers {
    pub(crate) fn start(servers: Vec<Arc<dyn Server>>, rate: u64, rows: u64) -> Self {
        let shared = Arc::new(Shared {
            servers,
            rows,
            interval: Duration::from_nanos(1_000_000_000 / rate.max(1)),
            began: Instant::now(),
            ticket: AtomicU64::new(0),
            mark: Mutex::new(None),
            stop: CancellationToken::new(),
        });
        let mut tasks = JoinSet::new();
        for number in 0..CONNECTIONS {
            let server = usize::try_from(number).unwrap_or(0) % shared.servers.len().max(1);
            let writer = Writer { shared: Arc::clone(&shared), server, random: Random::new(number), session: None };
            tasks.spawn(writer.run());
        }
        Self { shared, tasks }
    }

    /// From now on what is felt counts.
    pub(crate) fn mark(&self) {
        *self.shared.mark.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(crate) async fn stop(mut self) -> Result<Felt, String> {
        let lasted = self.shared.mark().map_or(Duration::ZERO, |mark| mark.elapsed());
        self.shared.stop.cancel();
        let mut all = Felt::default();
        while let Some(ended) = self.tasks.join_next().await {
            all.merge(ended.map_err(|error| format!("a writer ended: {error}"))?);
        }
        all.close(lasted);
        Ok(all)
    }
}

struct Writer {
    shared: Arc<Shared>,
    server: usize,
    random: Random,
    session: Option<Box<dyn Session>>,
}

impl Writer {
    async fn run(mut self) -> Felt {
        let mut felt = Felt::default();
        loop {
            let ticket = self.shared.ticket.fetch_add(1, Ordering::Relaxed);
            let due = self.shared.began + self.shared.interval * u32::try_from(ticket).unwrap_or(u32::MAX);
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => {}
                () = self.shared.stop.cancelled() => return felt,
            }
            let mut errors = BTreeMap::new();
            let done = self.transact(&mut errors).await;
            let Some(window) = self.shared.mark().and_then(|mark| due.checked_duration_since(mark)) else { continue };
            felt.transactions += 1;
            felt.given_up += u64::from(!done);
            for (code, count) in errors {
                *felt.errors.entry(code).or_default() += count;
            }
            felt.windows.entry(window.as_secs() / WINDOW.as_secs()).or_default().add(due.elapsed());
        }
    }

    /// Tries one transaction until it is in; says whether it is.
    async fn transact(&mut self, errors: &mut BTreeMap<u16, u64>) -> bool {
        let statements = self.statements();
        for _ in 0..ATTEMPTS {
            let Err(error) = self.attempt(&statements).await else { return true };
            *errors.entry(error.code).or_default() += 1;
            let rolled_back = match self.session.as_mut() {
                Some(session) => session.execute(&sql("ROLLBACK")).await.is_ok(),
                None => false,
            };
            if !rolled_back {
                self.session = None;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            if self.shared.stop.is_cancelled() {
                return false;
            }
        }
        false
    }

    async fn attempt(&mut self, statements: &[Sql]) -> Result<(), ServerError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.shared.servers[self.server].connect().await?,
        };
        let session = self.session.insert(session);
        for statement in statements {
            session.execute(statement).await?;
        }
        Ok(())
    }

    /// sysbench's `oltp_write_only`: an indexed and another column updated, a row deleted and inserted again.
    fn statements(&mut self) -> Vec<Sql> {
        let mut id = || 1 + self.random.below(self.shared.rows);
        let (indexed, plain, again, key) = (id(), id(), id(), id());
        let (c, other, pad) = (self.digits(10), self.digits(10), self.digits(5));
        vec![
            sql("START TRANSACTION"),
            sql(&format!("UPDATE bench.sbtest1 SET k = k + 1 WHERE id = {indexed}")),
            sql(&format!("UPDATE bench.sbtest1 SET c = '{c}' WHERE id = {plain}")),
            sql(&format!("DELETE FROM bench.sbtest1 WHERE id = {again}")),
            sql(&format!("INSERT INTO bench.sbtest1 (id, k, c, pad) VALUES ({again}, {key}, '{other}', '{pad}')")),
            sql("COMMIT"),
        ]
    }

    fn digits(&mut self, groups: u32) -> String {
        let group = |_| format!("{:011}", self.random.below(100_000_000_000));
        (0..groups).map(group).collect::<Vec<_>>().join("-")
    }
}
