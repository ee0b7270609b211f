//! What a job must remember to survive any crash.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use driftless_strategies::Plan;

use super::changes::Position;
use super::objects::Keep;
use super::rows::Bound;
use super::server::Server;
use crate::error::Fault;

/// The newest format of a journal entry that this version knows; a reader refuses a newer one. An entry has the oldest
/// format that can hold its job (`Work::format`).
pub const JOURNAL_FORMAT: u32 = 4;

/// A job's id: twelve lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobId(pub String);

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a job stands. Journalled before each step acts; no order is implied by the order of the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Recorded, nothing made.
    Planned,
    /// The shadow is being made.
    Shadowing,
    /// The triggers are being made.
    Arming,
    /// Rows are being copied.
    Copying,
    /// Source and shadow are being compared.
    Verifying,
    /// Proven equal; the switch is held. Without a copy: the ALTER is held.
    Holding,
    /// The ALTER of the table itself was or is about to be sent: what each node has must be asked.
    Altering,
    /// The RENAME was or is about to be sent: who owns the name must be asked.
    Switching,
    /// The new table answers; names of foreign keys and the retired table are left to do.
    Finishing,
    /// All done.
    Done,
    /// Being undone: triggers and shadow go.
    Undoing,
    /// Undone.
    Undone,
}

impl Phase {
    /// Nothing is left to do.
    #[must_use]
    pub const fn over(self) -> bool {
        matches!(self, Self::Done | Self::Undone)
    }

    /// The word that is stored and printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Shadowing => "shadowing",
            Self::Arming => "arming",
            Self::Copying => "copying",
            Self::Verifying => "verifying",
            Self::Holding => "holding",
            Self::Altering => "altering",
            Self::Switching => "switching",
            Self::Finishing => "finishing",
            Self::Done => "done",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }
}

/// A job as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its plan.
    pub plan: Plan,
    /// Its phase.
    pub phase: Phase,
    /// Whether the retired table stays.
    pub keep: Keep,
    /// The greatest key of the source when copying began; `None` before, or when it was empty.
    pub end: Option<Bound>,
    /// Whether `end` was read.
    pub end_known: bool,
    /// Why it stopped last; empty when it runs.
    pub stopped: String,
}

/// What an operator asked for, from any workstation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    /// Do not write until further notice.
    pub pause: bool,
    /// Switch although the hold says wait.
    pub cutover: bool,
    /// Stop and undo.
    pub abort: bool,
}

/// Where copying goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watermark {
    /// The last chunk below which all are committed; 0 when none is.
    pub number: u64,
    /// Its upper end.
    pub upto: Option<Bound>,
    /// Rows copied so far.
    pub rows: u64,
}

/// What is known of the binlog around the RENAME of a followed job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Every change up to there is in the shadow; stored before the RENAME is sent.
    Upto(Position),
    /// Rows slipped through, or it can't be told: why. It was said, and the retired table is kept.
    Unproven(String),
}

/// The journal of one job, held under a lease. Every write is refused when the lease is lost.
#[async_trait::async_trait]
pub trait Journal: Send + Sync {
    /// Stores phase, end and reason; one committed transaction.
    ///
    /// # Errors
    /// `Refused` with `job-active` when another process took the lease; `Busy`/`Lost` as from the server.
    async fn save(&self, job: &Job) -> Result<(), Fault>;
    /// The watermark from the chunks' own checkpoints.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn watermark(&self) -> Result<Watermark, Fault>;
    /// Stores what is known of the binlog around the RENAME.
    ///
    /// # Errors
    /// As `save`.
    async fn mark(&self, mark: &Mark) -> Result<(), Fault>;
    /// What `mark` stored last.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn marked(&self) -> Result<Option<Mark>, Fault>;
    /// Forgets all checkpoints, and the mark: the shadow is made anew, or all is done.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn forget_chunks(&self) -> Result<(), Fault>;
    /// Renews the lease and returns what operators asked for.
    ///
    /// # Errors
    /// As `save`.
    async fn beat(&self) -> Result<Wishes, Fault>;
    /// Gives the lease back, so that the next `run --resume` need not wait for it to run out.
    ///
    /// # Errors
    /// As `save`.
    async fn release(&self) -> Result<(), Fault>;
}

/// A journal that can be written through another server.
#[async_trait::async_trait]
pub trait Movable: Send + Sync {
    /// Writes through that server from now on: one that a job takes out of the cluster's pace commits nothing.
    async fn move_to(&self, server: &Arc<dyn Server>);
}
