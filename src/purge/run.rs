//! The walk: places in order, batches of what matches there, each when the pace allows it.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::Flavour;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::batch::{Batches, Failure};
use super::end::End;
use super::file::FileTarget;
use super::table::Target;
use crate::copy::applied::Other;
use crate::copy::sizer::{self, Sizer};
use crate::error::Fault;
use crate::mysql::kept::KeptSession;
use crate::ports::clock::Clock;
use crate::ports::pace::{Gate, Pace};
use crate::ports::purge::{PurgeEvent, PurgeReporter};
use crate::ports::rows::Bound;
use crate::ports::server::{ErrorKind, Server};
use crate::sql::Sql;
use crate::sql::purge::{self as sql, Begin, End as Edge, Walk};

/// How often progress is told.
const TICK: Duration = Duration::from_millis(250);
/// Between two looks at a closed gate.
const LOOK: Duration = Duration::from_millis(50);
/// How often the server's clock and the file are looked at.
const LIMIT_LOOK: Duration = Duration::from_secs(1);
/// Fewest rows of the index that are looked through at once.
const FEWEST: u64 = 200;
/// Most rows of the index that are looked through at once.
const MOST: u64 = 200_000;
/// Longest time for finding the first and the last row that matches; past it the ends of the index are taken.
const ENDS: Duration = Duration::from_secs(20);
/// Attempts of a batch before it is halved.
const WHOLE_ATTEMPTS: u32 = 3;
/// Longest rest between two batches.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// Why a run should end now, if it should.
pub type Enough = dyn Fn() -> Option<End> + Send + Sync;

/// What is to be purged, and how.
pub struct Setting {
    /// The server to work on.
    pub server: Arc<dyn Server>,
    /// The other nodes of a Galera cluster, whose applying is waited for.
    pub others: Vec<Arc<dyn Server>>,
    /// Its family.
    pub flavour: Flavour,
    /// The walk.
    pub walk: Walk,
    /// Which rows.
    pub condition: String,
    /// Rows at the walk's end that stay whatever they are.
    pub keep_newest: u64,
    /// Where they go; `None` to delete them only.
    pub target: Option<Target>,
    /// At most so many rows.
    pub limit_rows: Option<u64>,
    /// Batch sizes.
    pub batch: sizer::Limits,
    /// Average bytes of a row; 0 when unknown.
    pub row_bytes: u64,
    /// Rows that match, estimated.
    pub estimate: u64,
    /// Attempts of a batch before the run stops.
    pub attempts: u32,
    /// Longest time in which nothing can be written before the run stops.
    pub patience: Duration,
    /// The lease's token.
    pub token: u64,
}

/// What a run acts through.
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whether writing is welcome.
    pub pace: Arc<dyn Pace>,
    /// Who listens.
    pub reporter: Arc<dyn PurgeReporter>,
    /// Whether it is enough; asked once a second.
    pub enough: Box<Enough>,
    /// Files where the rows go; `None` when they go elsewhere, or nowhere.
    pub file: Option<FileTarget>,
}

/// What a run added up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Rows deleted.
    pub rows: u64,
    /// Batches tried again.
    pub retries: u64,
    /// Time that the gate was closed.
    pub paused: Duration,
}

/// One run.
pub struct Purge {
    setting: Setting,
    ports: Ports,
    stop: CancellationToken,
    deposed: CancellationToken,
    reader: KeptSession,
    batches: Batches,
    others: Vec<Other>,
    sizer: Sizer,
    window: u64,
    tally: Tally,
    told: Told,
}

/// What was told last.
#[derive(Default)]
struct Told {
    at: Duration,
    rows: u64,
    rate: f64,
    looked: Option<Duration>,
}

impl Purge {
    /// `stop`: cancelled by a signal; `deposed`: when the lease is lost.
    #[must_use]
    pub fn new(setting: Setting, mut ports: Ports, stop: CancellationToken, deposed: CancellationToken) -> Self {
        let server = &setting.server;
        let condition: Arc<str> = setting.condition.as_str().into();
        let batches = Batches::new(
            server,
            setting.flavour,
            Arc::new(setting.walk.clone()),
            condition,
            setting.target.clone(),
            ports.file.take(),
            setting.token,
        );
        let others = setting.others.iter().map(|server| Other::new(Arc::clone(server), setting.flavour)).collect();
        let told = Told { at: ports.clock.now(), ..Told::default() };
        Self {
            reader: KeptSession::new(Arc::clone(server), vec![sql::every_value()]),
            sizer: Sizer::new(setting.batch, setting.row_bytes),
            window: FEWEST,
            tally: Tally::default(),
            batches,
            others,
            told,
            setting,
            ports,
            stop,
            deposed,
        }
    }

    /// Runs to its end; says which files were made.
    pub async fn run(mut self) -> (End, Tally, Vec<String>) {
        let end = match self.walk().await {
            Ok(end) | Err(end) => end,
        };
        self.tell();
        match self.batches.finish().await {
            Ok(files) => (end, self.tally, files),
            // What went wrong first is said first; the next run completes the files.
            Err(_) if matches!(end, End::Failed(_) | End::Refused(..)) => (end, self.tally, Vec::new()),
            Err(fault) => (End::from(fault), self.tally, Vec::new()),
        }
    }

    async fn walk(&mut self) -> Result<End, End> {
        let Some((mut begin, upto)) = self.ends().await? else { return Ok(End::All) };
        loop {
            self.allowed()?;
            let share = self.opened().await?;
            let left = self.setting.limit_rows.map_or(u64::MAX, |limit| limit.saturating_sub(self.tally.rows));
            if left == 0 {
                return Ok(End::Limit(format!("{} rows are deleted, which was the limit", self.tally.rows)));
            }
            let size = self.sizer.next(scale(share)).min(left);
            let (found, reached) = self.look(&begin, &upto, size).await?;
            if !found.is_empty() {
                self.delete(&found, share).await?;
            }
            if reached == upto {
                return Ok(End::All);
            }
            begin = Begin::After(reached);
        }
    }

    /// Where the walk begins and ends: fixed now, so that rows that come later are the next run's business.
    async fn ends(&mut self) -> Result<Option<(Begin, Bound)>, End> {
        let (walk, condition) = (self.setting.walk.clone(), self.setting.condition.clone());
        let narrow = walk.index != walk.key_index;
        let kept = match self.setting.keep_newest {
            0 => None,
            keep => match self.place(&sql::end(&walk, None, Edge::Last, keep)).await? {
                None => return Ok(None),
                kept => kept,
            },
        };
        let last = match kept {
            Some(kept) => Some(kept),
            None if narrow => match self.in_time(&sql::end(&walk, Some(&condition), Edge::Last, 0)).await? {
                Some(place) => place,
                None => self.place(&sql::end(&walk, None, Edge::Last, 0)).await?,
            },
            None => self.place(&sql::end(&walk, None, Edge::Last, 0)).await?,
        };
        let Some(last) = last else { return Ok(None) };
        if !narrow {
            return Ok(Some((Begin::Start, last)));
        }
        let first = self.in_time(&sql::end(&walk, Some(&condition), Edge::First, 0)).await?.flatten();
        Ok(Some((first.map_or(Begin::Start, Begin::At), last)))
    }

    /// The place, unless finding it takes too long.
    async fn in_time(&mut self, statement: &Sql) -> Result<Option<Option<Bound>>, End> {
        let clock = Arc::clone(&self.ports.clock);
        let answer = tokio::select! {
            answer = self.place(statement) => Some(answer),
            () = clock.sleep(ENDS) => None,
        };
        match answer {
            Some(answer) => Ok(Some(answer?)),
            None => {
                self.reader.forget();
                Ok(None)
            }
        }
    }

    async fn place(&mut self, statement: &Sql) -> Result<Option<Bound>, End> {
        let found = self.read(statement).await?;
        Ok(found.into_iter().next())
    }

    /// Reads places; tried again while the node does not answer.
    async fn read(&mut self, statement: &Sql) -> Result<Vec<Bound>, End> {
        let mut attempt = 0;
        let rows = loop {
            match self.reader.read(statement).await {
                Ok(rows) => break rows,
                Err(error)
                    if attempt < self.setting.attempts
                        && matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotReady | ErrorKind::Connect) =>
                {
                    attempt += 1;
                    self.again(&error.to_string(), attempt).await?;
                }
                Err(error) => return Err(End::from(Fault::from(error))),
            }
        };
        let walk = &self.setting.walk;
        let places: Option<Vec<Bound>> = rows.iter().map(|row| walk.bound(row)).collect();
        places.ok_or_else(|| End::Failed(format!("failed to read a key of {}: unexpected form", walk.table)))
    }

    /// The next places that match, and how far was looked.
    async fn look(&mut self, begin: &Begin, upto: &Bound, size: u64) -> Result<(Vec<Bound>, Bound), End> {
        let walk = self.setting.walk.clone();
        let window = self.window.max(size);
        let far = self.place(&sql::place_at(&walk, begin, upto, window)).await?.unwrap_or_else(|| upto.clone());
        let found = self.read(&sql::candidates(&walk, begin, &far, &self.setting.condition, size)).await?;
        let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
        if count >= size {
            self.window = (window / 2).max(FEWEST);
            let reached = found.last().cloned().unwrap_or(far);
            return Ok((found, reached));
        }
        if count < size / 2 {
            self.window = (window * 2).min(MOST);
        }
        Ok((found, far))
    }

    /// Deletes what was found, whole or in halves, and waits until the cluster has it.
    async fn delete(&mut self, found: &[Bound], share: f64) -> Result<(), End> {
        let size = u64::try_from(found.len()).unwrap_or(u64::MAX);
        let (pace, stop) = (Arc::clone(&self.ports.pace), self.stop.clone());
        tokio::select! {
            () = pace.admit(size) => {}
            () = stop.cancelled() => return Err(self.stopped()),
        }
        let begun = self.ports.clock.now();
        self.batch(found).await?;
        let deleted = self.ports.clock.now();
        let answered = join_all(self.others.iter_mut().map(Other::applied)).await.into_iter().all(|known| known);
        let waited = self.ports.clock.now().saturating_sub(deleted);
        let applying = if answered { waited } else { Duration::ZERO };
        let deleting = deleted.saturating_sub(begun);
        self.sizer.observe(size, scale(share), deleting, applying);
        if self.ports.clock.now().saturating_sub(self.told.at) >= TICK {
            self.tell();
        }
        let rest = (deleting + applying).mul_f64((1.0 / scale(share) - 1.0).max(0.0)).min(LONGEST_REST);
        if rest > Duration::ZERO {
            self.ports.clock.sleep(rest).await;
        }
        Ok(())
    }

    /// One batch until it is in; after some conflicts in halves. Places become keys here. Each half counts once it is
    /// committed, whatever becomes of the other.
    async fn batch(&mut self, places: &[Bound]) -> Result<(), End> {
        let keys: Vec<Bound> = places.iter().map(|place| self.setting.walk.key_of(place)).collect();
        let (mut left, mut attempt) = (vec![keys], 0);
        while let Some(part) = left.pop() {
            if self.deposed.is_cancelled() {
                return Err(self.stopped());
            }
            let halves = |part: Vec<Bound>| {
                let (one, other) = part.split_at(part.len() / 2);
                [other.to_vec(), one.to_vec()]
            };
            match self.batches.run(&part).await {
                Ok(deleted) => self.tally.rows += deleted,
                Err(Failure::Again(why)) if attempt < self.setting.attempts => {
                    attempt += 1;
                    self.tally.retries += 1;
                    self.again(&why, attempt).await?;
                    self.sizer.shrink();
                    if attempt >= WHOLE_ATTEMPTS && part.len() > 1 {
                        left.extend(halves(part));
                    } else {
                        left.push(part);
                    }
                }
                Err(Failure::TooBig(why)) if part.len() > 1 => {
                    tracing::debug!(why, rows = part.len(), "a batch is too big for a write-set");
                    self.sizer.shrink();
                    left.extend(halves(part));
                }
                Err(Failure::Again(why)) => return Err(End::Stopped(why)),
                Err(Failure::TooBig(why)) => {
                    let key = part.first().map_or_else(String::new, |key| key.0.join(", "));
                    return Err(End::Failed(format!("the row with the key ({key}) can't be deleted by itself: {why}")));
                }
                Err(Failure::Fault(fault)) => return Err(End::from(fault)),
            }
        }
        Ok(())
    }

    /// Says that something is tried again, and waits a little.
    async fn again(&self, why: &str, attempt: u32) -> Result<(), End> {
        if self.stop.is_cancelled() || self.deposed.is_cancelled() {
            return Err(self.stopped());
        }
        // Conflicts are everyday business: only the stubborn ones are told.
        if attempt.is_multiple_of(10) {
            self.ports.reporter.event(&PurgeEvent::Retried { why: why.to_owned(), attempt });
        }
        let wait = Duration::from_millis(10 << attempt.min(8)).min(Duration::from_secs(2));
        self.ports.clock.sleep(wait).await;
        Ok(())
    }

    /// Whether to go on at all.
    fn allowed(&mut self) -> Result<(), End> {
        if self.stop.is_cancelled() || self.deposed.is_cancelled() {
            return Err(self.stopped());
        }
        let now = self.ports.clock.now();
        if self.told.looked.is_some_and(|looked| now.saturating_sub(looked) < LIMIT_LOOK) {
            return Ok(());
        }
        self.told.looked = Some(now);
        match (self.ports.enough)() {
            Some(end) => Err(end),
            None => Ok(()),
        }
    }

    /// Waits for the gate; no transaction is open meanwhile.
    async fn opened(&mut self) -> Result<f64, End> {
        let began = self.ports.clock.now();
        let mut told = false;
        loop {
            let why = match self.ports.pace.gate() {
                Gate::Open { share } => {
                    if told {
                        self.ports.reporter.event(&PurgeEvent::Resumed);
                    }
                    self.tally.paused += self.ports.clock.now().saturating_sub(began);
                    return Ok(share);
                }
                Gate::Closed { why } => why,
            };
            let waited = self.ports.clock.now().saturating_sub(began);
            if waited > self.setting.patience {
                return Err(End::Stopped(format!("nothing could be written for {} s: {why}", waited.as_secs())));
            }
            if !told {
                self.ports.reporter.event(&PurgeEvent::Paused { why });
                told = true;
            }
            self.allowed()?;
            self.ports.clock.sleep(LOOK).await;
        }
    }

    fn stopped(&self) -> End {
        let why = if self.deposed.is_cancelled() { "the lease on the table was lost" } else { "stopped by a signal" };
        End::Stopped(why.into())
    }

    #[expect(clippy::cast_precision_loss, reason = "rates are for people")]
    fn tell(&mut self) {
        let now = self.ports.clock.now();
        let seconds = now.saturating_sub(self.told.at).as_secs_f64();
        if seconds > 0.0 {
            let fresh = self.tally.rows.saturating_sub(self.told.rows) as f64 / seconds;
            self.told.rate = if self.told.rate > 0.0 { self.told.rate.mul_add(0.8, fresh * 0.2) } else { fresh };
        }
        (self.told.at, self.told.rows) = (now, self.tally.rows);
        self.ports.reporter.event(&PurgeEvent::Progress {
            rows: self.tally.rows,
            of: self.setting.estimate.max(self.tally.rows),
            rate: self.told.rate,
            batch_rows: self.sizer.next(1.0),
            pace: self.ports.pace.why(),
        });
    }
}

/// How much smaller or larger batches are at a share of the full pace; below it, rests make up the rest.
fn scale(share: f64) -> f64 {
    if share > 1.0 { share } else { share.max(0.01).sqrt() }
}
