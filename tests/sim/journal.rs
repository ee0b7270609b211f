//! The `Journal` port over the simulated cluster, as `engine::journal` does it.

use std::sync::Arc;

use driftless::error::Fault;
use driftless::ports::journal::{Job, Journal, Mark, Phase, Watermark, Wishes};
use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;

use super::cluster::{Mode, SqlError};
use super::process::{Fate, HOME, Process, busy, fault, lost};
use super::tables::{Checkpoint, Item, JobRow, Op, Store};
use super::world::{S, Session, World};

/// How long a lease lasts.
pub(crate) const LEASE: u64 = 20 * S;
/// Checkpoints above which all below the watermark become one; small, so that it happens.
const FOLD: usize = 6;

pub(crate) struct SimJournal {
    pub(crate) process: Arc<Process>,
}

/// Changes the job's row in a transaction of its own; `None` from `change` means no row matched.
pub(crate) async fn alter_job(
    world: &Arc<World>,
    node: usize,
    change: impl Fn(&JobRow) -> Option<JobRow> + Send,
) -> Result<bool, SqlError> {
    let tx = Session::begin(world, node, false);
    tx.lock(Item::Job, Mode::Exclusive).await?;
    let Some(row) = change(&tx.read(|store| store.job.clone())) else { return Ok(false) };
    tx.push(Op::Job(Box::new(row)))?;
    tx.commit().await?;
    Ok(true)
}

/// The numbers of the chunks below the first gap.
fn whole(store: &Store) -> Vec<u64> {
    let mut expected = None;
    let mut numbers = Vec::new();
    for (number, checkpoint) in &store.chunks {
        if *number != expected.unwrap_or(if checkpoint.folded { *number } else { 1 }) {
            break;
        }
        numbers.push(*number);
        expected = Some(number + 1);
    }
    numbers
}

impl SimJournal {
    fn deposed(&self) -> Fault {
        self.process.deeds().deposed = true;
        Fault::Refused(Box::new(Reason::new(
            ReasonCode::JobActive,
            "another process has taken the job",
            "let it go on",
        )))
    }

    /// One write under the lease.
    async fn guarded(
        &self,
        call: &'static str,
        change: impl Fn(&JobRow) -> Option<JobRow> + Send + Sync + 'static,
    ) -> Result<(), Fault> {
        let fate = self.process.call(call).await;
        match fate {
            Fate::Busy => return Err(busy(call)),
            Fate::LostBefore => return Err(lost(call)),
            Fate::Well | Fate::LostAfter => {}
        }
        let (world, token) = (Arc::clone(&self.process.world), self.process.token);
        // The server finishes the statement, whatever becomes of its client.
        let done = tokio::spawn(async move {
            alter_job(&world, HOME, |row| (row.token == token).then(|| change(row)).flatten()).await
        });
        if fate == Fate::LostAfter {
            self.process.point("journal lost").await;
            return Err(lost(call));
        }
        let answer = done.await.map_err(|error| Fault::Failed(error.to_string()))?;
        self.process.point("journal written").await;
        match answer {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.deposed()),
            Err(error) => Err(fault(call, &error)),
        }
    }

    /// One transaction over checkpoints and conflicts.
    async fn rows(&self, call: &'static str, ops: impl Fn(&Store) -> Vec<Op> + Send) -> Result<(), Fault> {
        match self.process.call(call).await {
            Fate::Busy => return Err(busy(call)),
            Fate::LostBefore | Fate::LostAfter => return Err(lost(call)),
            Fate::Well => {}
        }
        let tx = Session::begin(&self.process.world, HOME, false);
        let written = async {
            for op in tx.read(&ops) {
                let item = match &op {
                    Op::Chunk { number, .. } => Item::Chunk(*number),
                    Op::Conflict { id, .. } => Item::Conflict(*id),
                    Op::Job(_) | Op::Row { .. } => Item::Job,
                };
                tx.lock(item, Mode::Exclusive).await?;
                tx.push(op)?;
            }
            tx.commit().await
        };
        written.await.map_err(|error| fault(call, &error))?;
        self.process.point("journal rows written").await;
        Ok(())
    }

    async fn fold(&self) -> Result<(), Fault> {
        let numbers = whole(&self.process.world.state().cluster.nodes[HOME].store);
        let Some((last, earlier)) = numbers.split_last() else { return Ok(()) };
        if numbers.len() < FOLD {
            return Ok(());
        }
        let (last, earlier) = (*last, earlier.to_vec());
        self.rows("fold", move |store| {
            let rows = numbers.iter().filter_map(|number| store.chunks.get(number)).map(|chunk| chunk.rows).sum();
            let upto = store.chunks.get(&last).and_then(|chunk| chunk.upto.clone());
            let folded = Op::Chunk { number: last, after: Some(Checkpoint { upto, rows, folded: true }) };
            let gone = earlier.iter().map(|number| Op::Chunk { number: *number, after: None });
            std::iter::once(folded).chain(gone).collect()
        })
        .await
    }
}

#[async_trait::async_trait]
impl Journal for SimJournal {
    async fn save(&self, job: &Job) -> Result<(), Fault> {
        let (phase, end, end_known, stopped) = (job.phase, job.end.clone(), job.end_known, job.stopped.clone());
        let (again, keep) = (job.plan.work.copy().unwrap().zero_dates, job.keep);
        self.guarded("save", move |row| {
            let (end, stopped) = (end.clone(), stopped.clone());
            Some(JobRow { phase, end, end_known, keep, stopped, again, ..row.clone() })
        })
        .await
    }

    async fn watermark(&self) -> Result<Watermark, Fault> {
        self.process.reading("watermark").await?;
        let (number, beyond) = {
            let state = self.process.world.state();
            let store = &state.cluster.nodes[HOME].store;
            let number = whole(store).last().copied().unwrap_or(0);
            (number, store.chunks.keys().any(|at| *at > number))
        };
        if beyond {
            self.rows("forget what is behind a gap", move |store| {
                let behind = store.chunks.keys().filter(|at| **at > number);
                behind.map(|at| Op::Chunk { number: *at, after: None }).collect()
            })
            .await?;
        }
        let state = self.process.world.state();
        let store = &state.cluster.nodes[HOME].store;
        let chunks = store.chunks.range(..=number);
        Ok(Watermark {
            number,
            upto: store.chunks.get(&number).and_then(|chunk| chunk.upto.clone()),
            rows: chunks.map(|(_, chunk)| chunk.rows).sum(),
        })
    }

    async fn forget_chunks(&self) -> Result<(), Fault> {
        self.process.may_act("forget the checkpoints", &[Phase::Shadowing, Phase::Undoing, Phase::Finishing]);
        self.rows("forget the checkpoints", |store| {
            let chunks = store.chunks.keys().map(|number| Op::Chunk { number: *number, after: None });
            let conflicts = store.conflicts.keys().map(|id| Op::Conflict { id: *id, what: None });
            chunks.chain(conflicts).collect()
        })
        .await
    }

    async fn mark(&self, mark: &Mark) -> Result<(), Fault> {
        let mark = mark.clone();
        self.guarded("mark", move |row| Some(JobRow { mark: Some(mark.clone()), ..row.clone() })).await
    }

    async fn marked(&self) -> Result<Option<Mark>, Fault> {
        self.process.reading("the mark").await?;
        Ok(self.process.world.state().cluster.nodes[HOME].store.job.mark.clone())
    }

    async fn beat(&self) -> Result<Wishes, Fault> {
        let until = self.process.world.time.now() + LEASE;
        self.guarded("beat", move |row| Some(JobRow { lease_until: until, ..row.clone() })).await?;
        if let Err(fault) = self.fold().await {
            tracing::debug!(%fault, "checkpoints not folded");
        }
        self.process.reading("wishes").await?;
        Ok(self.process.world.state().cluster.nodes[HOME].store.job.wishes)
    }

    async fn release(&self) -> Result<(), Fault> {
        let released = self.guarded("release", |row| Some(JobRow { lease_until: 0, ..row.clone() })).await;
        self.process.deeds().gave_back = true;
        released
    }
}

/// What the command line does before an engine runs: takes the lease, whatever it takes.
pub(crate) async fn claim(world: &Arc<World>) -> JobRow {
    loop {
        let now = world.time.now();
        // The owner is known to be gone, so its lease is not waited for.
        let taken = alter_job(world, HOME, |row| {
            Some(JobRow { token: row.token + 1, lease_until: now + LEASE, ..row.clone() })
        });
        if taken.await == Ok(true) {
            return world.state().cluster.nodes[HOME].store.job.clone();
        }
        world.upto(S).await;
    }
}

/// An operator's wish, from whatever workstation.
pub(crate) async fn wish(world: &Arc<World>, node: usize, change: impl Fn(&mut Wishes) + Send + Sync) {
    for _ in 0..20 {
        let wished = alter_job(world, node, |row| {
            let mut row = row.clone();
            change(&mut row.wishes);
            Some(row)
        });
        if wished.await == Ok(true) {
            return;
        }
        world.upto(S / 10).await;
    }
}

/// Whether nothing of the job is left to do, as the journal has it.
pub(crate) const fn over(phase: Phase) -> bool {
    phase.over()
}
