//! The journal on the servers: one job's row under a lease, and what other commands ask of it.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Plan, Reason};
use tokio::sync::Mutex;

use crate::error::Fault;
use crate::mysql::kept::KeptSession;
use crate::ports::journal::{JOURNAL_FORMAT, Job, JobId, Journal, Mark, Movable, Phase, Watermark, Wishes};
use crate::ports::objects::Keep;
use crate::ports::proxy::{Drains, Stand};
use crate::ports::rows::Bound;
use crate::ports::server::{ErrorKind, Row, Server};
use crate::sql::{journal as sql, sync};

/// How long a lease lasts without being renewed: ten beats.
pub const LEASE: Duration = Duration::from_secs(20);

/// A job as any command may read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The job.
    pub job: Job,
    /// Who holds or held the lease: `host/namespace:pid@start`.
    pub owner: String,
    /// Seconds until the lease runs out; negative when it has.
    pub lease_left_s: i64,
    /// What operators asked for.
    pub wishes: Wishes,
    /// When it was made and last saved, UTC.
    pub times: (String, String),
    token: u64,
}

impl Entry {
    /// The lease's fencing token.
    #[must_use]
    pub const fn token(&self) -> u64 {
        self.token
    }

    /// Whether a process holds the lease now.
    #[must_use]
    pub fn held(&self) -> bool {
        self.lease_left_s > 0 && !self.owner.is_empty()
    }
}

/// The journal's tables on the servers, before a job is held.
pub struct JournalStore {
    session: Mutex<KeptSession>,
}

impl JournalStore {
    /// Connects when first asked.
    #[must_use]
    pub fn new(server: Arc<dyn Server>) -> Self {
        Self { session: Mutex::new(KeptSession::new(server, Vec::new())) }
    }

    /// Makes the tables that are missing.
    ///
    /// # Errors
    /// As from the server.
    pub async fn prepare(&self) -> Result<(), Fault> {
        let mut session = self.session.lock().await;
        let there = session.read(&sql::present()).await?;
        let missing: Vec<&str> = sql::TABLES
            .into_iter()
            .filter(|name| !there.iter().any(|row| row.text(0).as_deref() == Some(*name)))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        session.write(&sql::create_schema()).await?;
        for statement in missing.into_iter().filter_map(sql::create_table) {
            session.write(&statement).await?;
        }
        Ok(())
    }

    /// Whether there is a journal at all.
    ///
    /// # Errors
    /// As from the server.
    pub async fn exists(&self) -> Result<bool, Fault> {
        let there = self.session.lock().await.read(&sql::present()).await?;
        // Tables that an older version did not make are made by the next job.
        Ok(there.iter().any(|row| row.text(0).as_deref() == Some("job")))
    }

    /// Records a new job and takes its lease.
    ///
    /// # Errors
    /// `Refused` with `job-active` when a job works on the table.
    pub async fn begin(&self, id: &JobId, plan: &Plan, keep: Keep, owner: &str) -> Result<(), Fault> {
        let text =
            serde_json::to_string(plan).map_err(|error| Fault::Failed(format!("failed to write the plan: {error}")))?;
        let row = sql::NewJob {
            id,
            format: plan.work.format(),
            source: &plan.table,
            plan: &text,
            keep: keep == Keep::Keep,
            owner,
            lease_s: LEASE.as_secs(),
        };
        match self.session.lock().await.write(&sql::insert(&row)).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::Duplicate => Err(Fault::Refused(Box::new(Reason::new(
                ReasonCode::JobActive,
                format!("another job works on {}", plan.table),
                "see `driftless status`; go on with `driftless run --resume` or undo it with `driftless abort`",
            )))),
            Err(error) => Err(error.into()),
        }
    }

    /// All jobs that are not over, or all of late.
    ///
    /// # Errors
    /// As from the server; `Failed` when the journal is newer than this program.
    pub async fn entries(&self, all: bool) -> Result<Vec<Entry>, Fault> {
        let rows = self.session.lock().await.read(&sql::jobs(all)).await?;
        rows.iter().map(entry).collect()
    }

    /// One job.
    ///
    /// # Errors
    /// As `entries`.
    pub async fn entry(&self, id: &JobId) -> Result<Option<Entry>, Fault> {
        let rows = self.session.lock().await.read(&sql::job(id)).await?;
        rows.first().map(entry).transpose()
    }

    /// Nodes that jobs have taken out of proxies, each with its job and what is to be put back.
    ///
    /// # Errors
    /// As from the server.
    pub async fn drained(&self) -> Result<Vec<(JobId, String, Vec<Stand>)>, Fault> {
        let mut session = self.session.lock().await;
        let there = session.read(&sql::present()).await?;
        if !there.iter().any(|row| row.text(0).as_deref() == Some("drain")) {
            return Ok(Vec::new());
        }
        let rows = session.read(&sql::all_drained()).await?;
        let of = |row: &Row| Some((JobId(row.text(0)?), row.text(1)?, stands(&row.text(2)?)));
        Ok(rows.iter().filter_map(of).collect())
    }

    /// Takes the lease of a job when it is free; `dead` names an owner that is known to be gone.
    ///
    /// # Errors
    /// `Refused` with `job-active` while another process holds it.
    pub async fn claim(&self, id: &JobId, owner: &str, dead: Option<&str>) -> Result<Entry, Fault> {
        let done = self.session.lock().await.write(&sql::claim(id, owner, LEASE.as_secs(), dead)).await?;
        let Some(entry) = self.entry(id).await? else {
            return Err(Fault::Failed(format!("failed to find job {id} in the journal")));
        };
        if done.affected == 0 && !(entry.owner == owner && entry.held()) {
            return Err(Fault::Refused(Box::new(Reason::new(
                ReasonCode::JobActive,
                format!("job {id} is held by {} for another {} s", entry.owner, entry.lease_left_s.max(0)),
                "stop that process, or wait until its lease has run out, and try again",
            ))));
        }
        Ok(entry)
    }

    /// Deletes the entries of jobs that have been over for `days`; returns how many.
    ///
    /// # Errors
    /// As from the server.
    pub async fn delete_old(&self, days: u64) -> Result<u64, Fault> {
        Ok(self.session.lock().await.write(&sql::delete_old(days)).await?.affected)
    }

    /// Sets what an operator wishes.
    ///
    /// # Errors
    /// As from the server.
    pub async fn wish(&self, id: &JobId, wish: sql::Wish, value: bool) -> Result<(), Fault> {
        self.session.lock().await.write(&sql::wish(id, wish, value)).await?;
        Ok(())
    }
}

/// The journal of a job that this process holds.
pub struct HeldJournal {
    session: Mutex<KeptSession>,
    id: JobId,
    token: u64,
}

impl HeldJournal {
    /// For the job of an entry whose lease was taken.
    #[must_use]
    pub fn new(server: Arc<dyn Server>, entry: &Entry) -> Self {
        Self { session: Mutex::new(KeptSession::new(server, Vec::new())), id: entry.job.id.clone(), token: entry.token }
    }

    async fn guarded(&self, statement: &crate::sql::Sql) -> Result<(), Fault> {
        let done = self.session.lock().await.write(statement).await?;
        if done.affected == 1 { Ok(()) } else { Err(self.taken()) }
    }

    fn taken(&self) -> Fault {
        Fault::Refused(Box::new(Reason::new(
            ReasonCode::JobActive,
            format!("another process has taken job {}", self.id),
            "let that process go on; see `driftless status`",
        )))
    }

    async fn chunks(&self) -> Result<Vec<Checkpoint>, Fault> {
        let rows = self.session.lock().await.read(&sql::chunks(&self.id)).await?;
        Ok(rows.iter().filter_map(|row| Some((row.u64(0)?, row.text(1)?, row.u64(2)?))).collect())
    }

    /// Keeps the table of checkpoints short: all below the watermark become one.
    async fn fold(&self) -> Result<(), Fault> {
        let chunks = self.chunks().await?;
        let (whole, _) = contiguous(&chunks);
        if whole.len() < 64 {
            return Ok(());
        }
        let (Some((number, _, _)), rows) = (whole.last(), whole.iter().map(|chunk| chunk.2).sum()) else {
            return Ok(());
        };
        self.at_once(&sql::fold(&self.id, *number, rows)).await
    }

    /// Puts what earlier holders have done under one number of this one, so that this one's own chunks follow it.
    async fn take_over(&self, number: u64, upto: Option<&Bound>, rows: u64) -> Result<(), Fault> {
        let mut statements = vec![sql::drop_chunks_after(&self.id, 0)];
        statements.extend(upto.map(|upto| sql::folded(&self.id, number, upto, rows)));
        self.at_once(&statements).await
    }

    /// One transaction.
    async fn at_once(&self, statements: &[crate::sql::Sql]) -> Result<(), Fault> {
        let mut session = self.session.lock().await;
        session.write(&crate::sql::copy::transaction::start()).await?;
        for statement in statements {
            if let Err(error) = session.write(statement).await {
                session.forget();
                return Err(error.into());
            }
        }
        session.write(&crate::sql::copy::transaction::commit()).await?;
        Ok(())
    }
}

/// One a line. What can't be read is still told: a node is out of something.
fn stands(text: &str) -> Vec<Stand> {
    let read = |line: &str| {
        let unread = |_| Stand { flag: line.to_owned(), was: String::new(), by_hand: line.to_owned() };
        serde_json::from_str(line).unwrap_or_else(unread)
    };
    text.lines().map(read).collect()
}

/// A chunk's number, stored upper end and rows.
type Checkpoint = (u64, String, u64);

/// Chunks that one holder of the lease can number.
const HOLDER_BITS: u32 = 40;

/// The number before the first chunk of a holder.
const fn base(token: u64) -> u64 {
    token << HOLDER_BITS
}

/// The chunks below the first gap, and those behind it. Only the last holder's count: a chunk that an earlier one had
/// under way when it lost the lease may still be committed later, between other bounds. What an earlier holder had
/// done stands folded in the number before the first.
fn contiguous(chunks: &[Checkpoint]) -> (&[Checkpoint], &[Checkpoint]) {
    let holder = chunks.last().map_or(0, |chunk| chunk.0 >> HOLDER_BITS);
    let begin = chunks.partition_point(|chunk| chunk.0 >> HOLDER_BITS < holder);
    let own = &chunks[begin..];
    // Folding leaves several times one folded chunk, the last of which stands for all before it.
    let begin = own.iter().rposition(|chunk| chunk.1.starts_with(sql::FOLDED)).unwrap_or(0);
    let own = &own[begin..];
    let mut length = 0;
    for (index, chunk) in own.iter().enumerate() {
        let expected = if index == 0 { first_number(chunk) } else { own[index - 1].0 + 1 };
        if chunk.0 != expected {
            break;
        }
        length = index + 1;
    }
    own.split_at(length)
}

/// A folded chunk stands for all before it; a first chunk that was never folded is its holder's number 1. Which it is
/// can't be told from the number, so folding leaves the mark in the bound's text.
fn first_number(chunk: &Checkpoint) -> u64 {
    if chunk.1.starts_with(sql::FOLDED) { chunk.0 } else { base(chunk.0 >> HOLDER_BITS) + 1 }
}

#[async_trait::async_trait]
impl Movable for HeldJournal {
    async fn move_to(&self, server: &Arc<dyn Server>) {
        let mut session = self.session.lock().await;
        if session.address() != server.address() {
            *session = KeptSession::new(Arc::clone(server), Vec::new());
        }
    }
}

#[async_trait::async_trait]
impl Drains for HeldJournal {
    async fn taken_out(&self) -> Result<Vec<(String, Vec<Stand>)>, Fault> {
        let mut session = self.session.lock().await;
        let there = session.read(&sql::present()).await?;
        // Made by `prepare`, when the job is younger than the table.
        if !there.iter().any(|row| row.text(0).as_deref() == Some("drain")) {
            return Ok(Vec::new());
        }
        let rows = session.read(&sql::drained(&self.id)).await?;
        Ok(rows.iter().filter_map(|row| Some((row.text(0)?, stands(&row.text(1)?)))).collect())
    }

    async fn take_out(&self, node: &str, of: &[Stand]) -> Result<(), Fault> {
        let lines: Result<Vec<String>, _> = of.iter().map(serde_json::to_string).collect();
        let lines = lines.map_err(|error| Fault::Failed(format!("failed to write what is to be put back: {error}")))?;
        let row = sql::drain(&self.id, self.token, node, &lines.join("\n"));
        // A row that is replaced counts twice.
        if self.session.lock().await.write(&row).await?.affected > 0 { Ok(()) } else { Err(self.taken()) }
    }

    async fn put_back(&self, node: &str) -> Result<(), Fault> {
        self.session.lock().await.write(&sql::undrained(&self.id, node)).await?;
        Ok(())
    }
}

#[async_trait::async_trait]
impl Journal for HeldJournal {
    async fn save(&self, job: &Job) -> Result<(), Fault> {
        let plan = serde_json::to_string(&job.plan)
            .map_err(|error| Fault::Failed(format!("failed to write the plan: {error}")))?;
        let saved = sql::Saved {
            phase: job.phase.as_str(),
            over: job.phase.over(),
            plan: &plan,
            end_known: job.end_known,
            end: job.end.as_ref().map(sql::bound_text),
            keep: job.keep == Keep::Keep,
            stopped: &job.stopped,
        };
        self.guarded(&sql::save(&self.id, self.token, &saved)).await
    }

    async fn watermark(&self) -> Result<Watermark, Fault> {
        let chunks = self.chunks().await?;
        let (whole, _) = contiguous(&chunks);
        let upto = match whole.last() {
            None => None,
            Some((_, text, _)) => match sql::read_bound(text) {
                Some(bound) => Some(bound),
                None => return Err(Fault::Failed(format!("failed to read a checkpoint of job {}: {text}", self.id))),
            },
        };
        let rows = whole.iter().map(|chunk| chunk.2).sum();
        let mut number = whole.last().map_or(0, |chunk| chunk.0);
        if number >> HOLDER_BITS == self.token {
            self.session.lock().await.write(&sql::drop_chunks_after(&self.id, number)).await?;
        } else {
            number = base(self.token);
            self.take_over(number, upto.as_ref(), rows).await?;
        }
        Ok(Watermark { number, upto, rows })
    }

    async fn forget_chunks(&self) -> Result<(), Fault> {
        let mut session = self.session.lock().await;
        for statement in sql::forget(&self.id) {
            session.write(&statement).await?;
        }
        for statement in [sync::close_slots(&self.id), sql::forget_place(&self.id)] {
            match session.write(&statement).await {
                // A journal of an older version has no such table.
                Err(error) if error.kind != ErrorKind::Missing => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    async fn mark(&self, mark: &Mark) -> Result<(), Fault> {
        let text = serde_json::to_string(mark)
            .map_err(|error| Fault::Failed(format!("failed to write a place of the binlog: {error}")))?;
        let row = sql::set_place(&self.id, self.token, &text);
        // A row that is replaced counts twice.
        if self.session.lock().await.write(&row).await?.affected > 0 { Ok(()) } else { Err(self.taken()) }
    }

    async fn marked(&self) -> Result<Option<Mark>, Fault> {
        let rows = match self.session.lock().await.read(&sql::place(&self.id)).await {
            Err(error) if error.kind == ErrorKind::Missing => return Ok(None),
            rows => rows?,
        };
        let Some(text) = rows.first().and_then(|row| row.text(0)) else { return Ok(None) };
        let read = serde_json::from_str(&text);
        read.map(Some).map_err(|error| Fault::Failed(format!("failed to read a place of the binlog: {error}")))
    }

    async fn beat(&self) -> Result<Wishes, Fault> {
        self.guarded(&sql::beat(&self.id, self.token, LEASE.as_secs())).await?;
        if let Err(fault) = self.fold().await {
            tracing::debug!(%fault, "checkpoints not folded");
        }
        let rows = self.session.lock().await.read(&sql::job(&self.id)).await?;
        rows.first().map(entry).transpose()?.map_or_else(
            || Err(Fault::Failed(format!("failed to find job {} in the journal", self.id))),
            |entry| Ok(entry.wishes),
        )
    }

    async fn release(&self) -> Result<(), Fault> {
        self.guarded(&sql::release(&self.id, self.token)).await
    }
}

fn entry(row: &Row) -> Result<Entry, Fault> {
    let broken = |what: &str| Fault::Failed(format!("failed to read the journal: {what}"));
    let text = |index| row.text(index).unwrap_or_default();
    let format = row.u64(1).unwrap_or(u64::MAX);
    if format > u64::from(JOURNAL_FORMAT) {
        return Err(broken("it was written by a newer driftless; use that version"));
    }
    let phase: Phase =
        serde_json::from_value(serde_json::Value::String(text(3))).map_err(|_| broken("unknown phase"))?;
    let plan: Plan = serde_json::from_str(&text(4)).map_err(|error| broken(&format!("its plan: {error}")))?;
    let end = match row.text(7) {
        None => None,
        Some(stored) => Some(sql::read_bound(&stored).ok_or_else(|| broken("its end"))?),
    };
    let flag = |index| row.u64(index) == Some(1);
    Ok(Entry {
        job: Job {
            id: JobId(text(0)),
            plan,
            phase,
            keep: if flag(5) { Keep::Keep } else { Keep::Drop },
            end,
            end_known: flag(6),
            stopped: text(8),
        },
        owner: text(10),
        lease_left_s: row.text(11).and_then(|left| left.parse().ok()).unwrap_or(0),
        wishes: Wishes { pause: flag(12), cutover: flag(13), abort: flag(14) },
        times: (text(15), text(16)),
        token: row.u64(9).ok_or_else(|| broken("its token"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watermark_stops_at_the_first_gap() {
        let chunk = |number: u64, upto: &str| (number, upto.to_owned(), 10);
        let folded = format!("{}[\"50\"]", sql::FOLDED);
        //  chunks                                                       whole  why
        let cases = [
            (vec![], 0, "nothing yet"),
            (vec![chunk(1, "[\"1\"]"), chunk(2, "[\"2\"]"), chunk(4, "[\"4\"]")], 2, "3 is missing"),
            (vec![chunk(2, "[\"2\"]"), chunk(3, "[\"3\"]")], 0, "1 is missing"),
            (vec![chunk(50, &folded), chunk(51, "[\"51\"]")], 2, "50 stands for all before it"),
            (vec![chunk(7, "[\"7\"]"), chunk(50, &folded), chunk(51, "[\"51\"]")], 2, "7 came late and is in 50"),
            (vec![chunk(1, "[\"1\"]"), chunk(base(2) + 1, "[\"2\"]")], 1, "what the holder before did came too late"),
            (vec![chunk(1, "[\"1\"]"), chunk(base(2) + 2, "[\"2\"]")], 0, "the holder's own first is missing"),
            (vec![chunk(9, "[\"9\"]"), chunk(base(2), &folded), chunk(base(2) + 1, "[\"2\"]")], 2, "taken over"),
        ];
        for (chunks, whole, why) in cases {
            assert_eq!(contiguous(&chunks).0.len(), whole, "{why}");
        }
        assert_eq!(sql::read_bound(&folded).unwrap().0, ["50"]);
    }
}
