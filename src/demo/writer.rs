//! One application connection that writes and remembers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use driftless_strategies::TableName;

use super::ledger::{Expected, Ledger, Revision};
use super::load::{Loaded, STRIDE};
use super::proof::causal_session;
use super::random::Random;
use super::writers::{Felt, Mix, Shared, WINDOW, Workload};
use crate::ports::clock::Clock;
use crate::ports::server::{ErrorKind, Server, ServerError, Session};
use crate::sql::{self, Sql};

/// How often an operation is tried again before it is given up.
const RETRIES: u32 = 30;
/// Pause after a node did not take a statement or a connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How often another row is drawn when the first one does not fit the kind of write.
const DRAWS: u32 = 32;
/// Ids past the loaded ones that writers also use.
const BEYOND: u64 = 1000 * STRIDE;
/// Error of a commit whose outcome the server itself does not tell.
const ERROR_DURING_COMMIT: u16 = 1180;

/// One write of one row, and what is there afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Write {
    sql: Sql,
    after: Vec<(u64, Option<Revision>)>,
}

/// How an attempt at an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Done,
    /// Nothing happened, and the same may succeed.
    Again,
    /// Nothing happened, and the same won't succeed.
    Never,
    /// Nobody knows.
    Doubt,
}

/// A writer with its rows: those whose id divided by `STRIDE` leaves `index` when divided by `count`. So each writer has
/// loaded rows and the gaps behind them, whatever the number of writers.
pub(super) struct Writer {
    index: u64,
    count: u64,
    server: Arc<dyn Server>,
    session: Option<Box<dyn Session>>,
    table: TableName,
    mix: Mix,
    interval: Duration,
    deadline: Duration,
    clock: Arc<dyn Clock>,
    began: Duration,
    random: Random,
    ledger: Ledger,
    written: u64,
    laps: Vec<Felt>,
    lap: usize,
}

impl Writer {
    pub(super) fn new(
        index: usize,
        count: usize,
        server: Arc<dyn Server>,
        loaded: &Loaded,
        workload: &Workload,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (index, count) = (u64::try_from(index).unwrap_or(0), u64::try_from(count).unwrap_or(1));
        let micros = workload.rate.map_or(0, |rate| 1_000_000 * count / rate.max(1));
        Self {
            index,
            count,
            server,
            session: None,
            table: loaded.table.clone(),
            mix: workload.mix,
            interval: Duration::from_micros(micros),
            deadline: workload.deadline,
            began: clock.now(),
            clock,
            random: Random::new(workload.seed.wrapping_mul(1_000_003).wrapping_add(index)),
            ledger: Ledger::new(loaded.last_id()),
            written: 0,
            laps: vec![Felt::default()],
            lap: 0,
        }
    }

    /// Writes until told to stop.
    pub(super) async fn run(mut self, shared: Arc<Shared>) -> (Vec<Felt>, Ledger) {
        // Writers start spread over one interval, or all would send at the same instant for ever.
        let spread =
            u32::try_from(self.index + 1).unwrap_or(1) * self.interval / u32::try_from(self.count).unwrap_or(1);
        let mut due = self.clock.now() + spread;
        while !shared.stop.is_cancelled() {
            let now = self.clock.now();
            if due > now {
                tokio::select! {
                    () = shared.stop.cancelled() => break,
                    () = self.clock.sleep(due - now) => {}
                }
            }
            // After a stall the rate goes on, it is not made up for: a burst would measure itself.
            due = due.max(now) + self.interval;
            self.lap = shared.lap.load(Ordering::Relaxed);
            if self.laps.len() <= self.lap {
                self.laps.resize_with(self.lap + 1, Felt::default);
            }
            self.operate(&shared).await;
        }
        (self.laps, self.ledger)
    }

    async fn operate(&mut self, shared: &Shared) {
        let writes = self.choose();
        if writes.is_empty() {
            return;
        }
        for attempt in 0..=RETRIES {
            if attempt > 0 {
                self.felt(|felt| felt.retried += u64::from(attempt == 1));
            }
            match self.attempt(&writes).await {
                Ending::Done => {
                    let count = u64::try_from(writes.len()).unwrap_or(0);
                    for (id, after) in writes.iter().flat_map(|write| &write.after) {
                        self.ledger.acknowledge(*id, *after);
                    }
                    self.felt(|felt| {
                        felt.operations += 1;
                        felt.writes += count;
                    });
                    shared.acknowledged.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Ending::Again if shared.stop.is_cancelled() => break,
                Ending::Again => {}
                Ending::Never => break,
                Ending::Doubt => {
                    for (id, after) in writes.iter().flat_map(|write| &write.after) {
                        self.ledger.doubt(*id, *after);
                    }
                    break;
                }
            }
        }
        self.felt(|felt| felt.given_up += 1);
    }

    /// Tries an operation once: one write as it is, several as a transaction.
    async fn attempt(&mut self, writes: &[Write]) -> Ending {
        if let Err(ending) = self.connected().await {
            return ending;
        }
        let ending = match writes {
            [write] => self.send(write, &Ending::Doubt).await,
            writes => self.transact(writes).await,
        };
        if ending == Ending::Doubt {
            self.session = None;
        }
        ending
    }

    async fn transact(&mut self, writes: &[Write]) -> Ending {
        let mut ending =
            self.execute(&sql::demo::begin(), &Ending::Again).await.map_or_else(|end| end, |_| Ending::Done);
        for write in writes {
            if ending == Ending::Done {
                // A connection that goes before COMMIT takes the transaction with it.
                ending = self.send(write, &Ending::Again).await;
            }
        }
        if ending == Ending::Done {
            ending = self.execute(&sql::demo::commit(), &Ending::Doubt).await.map_or_else(|end| end, |_| Ending::Done);
        }
        if ending != Ending::Done
            && self.session.is_some()
            && self.execute(&sql::demo::rollback(), &Ending::Again).await.is_err()
        {
            self.session = None;
        }
        ending
    }

    /// Sends one write; exactly one row must answer it, because nobody else writes it.
    async fn send(&mut self, write: &Write, lost: &Ending) -> Ending {
        match self.execute(&write.sql, lost).await {
            Ok(1) => Ending::Done,
            Ok(other) => {
                let what = format!("{other} rows, not 1, for {:?}", write.after);
                self.felt(|felt| felt.surprised(what));
                Ending::Done
            }
            Err(ending) => ending,
        }
    }

    /// Runs a statement and counts; `lost` is how it ends when the answer is lost.
    async fn execute(&mut self, sql: &Sql, lost: &Ending) -> Result<u64, Ending> {
        let Some(session) = self.session.as_mut() else { return Err(Ending::Again) };
        let sent = self.clock.now();
        let answer = session.execute(sql).await;
        let (answered, began) = (self.clock.now(), self.began);
        self.felt(|felt| {
            let window = (answered.saturating_sub(began).as_secs()) / WINDOW.as_secs();
            felt.latencies.add(answered - sent);
            felt.windows.entry(window).or_default().add(answered - sent);
        });
        match answer {
            Ok(done) => Ok(done.affected),
            Err(error) => Err(self.failed(&error, *lost).await),
        }
    }

    async fn failed(&mut self, error: &ServerError, lost: Ending) -> Ending {
        self.felt(|felt| *felt.errors.entry(error.code).or_default() += 1);
        match error.kind {
            ErrorKind::Conflict if error.code == ERROR_DURING_COMMIT => lost,
            ErrorKind::Conflict => Ending::Again,
            ErrorKind::NotReady | ErrorKind::Missing => {
                self.clock.sleep(PAUSE).await;
                Ending::Again
            }
            ErrorKind::Lost | ErrorKind::Connect => {
                self.session = None;
                lost
            }
            ErrorKind::Duplicate => {
                let what = error.to_string();
                self.felt(|felt| felt.surprised(what));
                Ending::Never
            }
            ErrorKind::Data | ErrorKind::Denied | ErrorKind::Full | ErrorKind::Other => Ending::Never,
        }
    }

    async fn connected(&mut self) -> Result<(), Ending> {
        if self.session.is_some() {
            return Ok(());
        }
        match self.caught_up().await {
            Ok(session) => {
                self.session = Some(session);
                Ok(())
            }
            Err(error) => {
                self.felt(|felt| *felt.errors.entry(error.code).or_default() += 1);
                self.clock.sleep(PAUSE).await;
                Err(Ending::Again)
            }
        }
    }

    /// A connection to a node that has applied all that was committed: the rows that another node loaded are there.
    async fn caught_up(&mut self) -> Result<Box<dyn Session>, ServerError> {
        let mut session = causal_session(self.server.as_ref()).await?;
        session.set_deadline(self.deadline);
        session.query(&sql::demo::look()).await?;
        match session.execute(&sql::demo::read_freely()).await {
            Ok(_) => Ok(session),
            Err(ServerError { code: 1193, .. }) => Ok(session),
            Err(error) => Err(error),
        }
    }

    fn felt(&mut self, note: impl FnOnce(&mut Felt)) {
        if let Some(felt) = self.laps.get_mut(self.lap) {
            note(felt);
        }
    }

    /// Draws the next operation: one write, or two to four in a transaction, of different rows.
    fn choose(&mut self) -> Vec<Write> {
        let size = if self.random.below(100) < self.mix.transactions { 2 + self.random.below(3) } else { 1 };
        let mut writes: Vec<Write> = Vec::new();
        for _ in 0..size {
            let taken: Vec<u64> = writes.iter().flat_map(|write| &write.after).map(|(id, _)| *id).collect();
            writes.extend(self.draw(&taken));
        }
        writes
    }

    fn draw(&mut self, taken: &[u64]) -> Option<Write> {
        let Mix { insert, update, delete, rekey, .. } = self.mix;
        let kind = self.random.below(insert + update + delete + rekey);
        self.written += 1;
        let revision = self.written * self.count + self.index;
        if kind < insert {
            let id = self.row(taken, false)?;
            return Some(Write {
                sql: sql::demo::insert(&self.table, id, revision),
                after: vec![(id, Some(revision))],
            });
        }
        let old = self.row(taken, true)?;
        if kind < insert + update {
            let sql = sql::demo::update(&self.table, old, old, revision);
            return Some(Write { sql, after: vec![(old, Some(revision))] });
        }
        if kind < insert + update + delete {
            return Some(Write { sql: sql::demo::delete(&self.table, old), after: vec![(old, None)] });
        }
        let new = self.row(taken, false)?;
        let sql = sql::demo::update(&self.table, old, new, revision);
        Some(Write { sql, after: vec![(old, None), (new, Some(revision))] })
    }

    /// A row of this writer's that is surely there, or surely is not.
    fn row(&mut self, taken: &[u64], there: bool) -> Option<u64> {
        for _ in 0..DRAWS {
            let turns = (self.ledger.loaded_upto + BEYOND) / STRIDE / self.count;
            let block = (1 + self.random.below(turns)) * self.count + self.index;
            let id = block * STRIDE + self.random.below(STRIDE);
            let fits = match self.ledger.expected(id) {
                Expected::Present(_) => there,
                Expected::Absent => !there,
                Expected::Either(_) => false,
            };
            if fits && !taken.contains(&id) {
                return Some(id);
            }
        }
        None
    }
}
