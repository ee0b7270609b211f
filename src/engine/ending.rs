//! How a run ended, and what it added up.

use driftless_strategies::Reason;

use crate::error::Fault;
use crate::ports::journal::Phase;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The new table answers; nothing is left to do.
    Done,
    /// Undone: nothing is left of the job.
    Undone,
    /// The shadow turned out other than the plan could know; the job's plan is right now and the run begins anew.
    Again,
    /// Stopped where it stands; `run --resume` goes on.
    Stopped {
        /// Where.
        phase: Phase,
        /// Why.
        why: String,
    },
    /// A check said no, and nothing of the job is left.
    Refused {
        /// Why.
        reason: Reason,
        /// Rows that prove it.
        rows: Vec<String>,
    },
    /// Source and shadow differ; everything is left as it stands.
    Different {
        /// Which rows.
        differences: Vec<String>,
    },
    /// The nodes do not have the same table, or not the planned one; everything is left as it stands.
    Drifted {
        /// What was found.
        what: String,
        /// What each node has.
        nodes: Vec<String>,
    },
    /// It is not known whether the last step happened.
    Unknown {
        /// Where.
        phase: Phase,
        /// What was seen.
        what: String,
    },
    /// It failed; what stands is said in `what`.
    Failed {
        /// Where.
        phase: Phase,
        /// What happened.
        what: String,
    },
}

impl Ending {
    /// The ending that a fault makes in a phase, when nothing more can be done about it.
    #[must_use]
    pub fn of(fault: Fault, phase: Phase) -> Self {
        match fault {
            // Every step but the switch looks first what stands, so a lost answer is no more than a stop; the switch has
            // words of its own.
            Fault::Busy(why) | Fault::Lost(why) => Self::Stopped { phase, why },
            Fault::Refused(reason) => Self::Refused { reason: *reason, rows: Vec::new() },
            Fault::Rows { reason, rows } => Self::Refused { reason: *reason, rows },
            // What stands is whole; it only can't grow.
            Fault::Full(reason) => Self::Refused { reason: *reason, rows: Vec::new() }.job_stays(phase),
            Fault::Failed(what) => Self::Failed { phase, what },
        }
    }

    /// The same where the job is left as it stands: a refusal says that nothing is left, so here it is a stop.
    #[must_use]
    pub fn job_stays(self, phase: Phase) -> Self {
        match self {
            Self::Refused { reason, .. } => {
                Self::Stopped { phase, why: format!("{} [{}]; {}", reason.what, reason.code.as_str(), reason.remedy) }
            }
            Self::Done
            | Self::Undone
            | Self::Again
            | Self::Stopped { .. }
            | Self::Different { .. }
            | Self::Drifted { .. }
            | Self::Unknown { .. }
            | Self::Failed { .. } => self,
        }
    }
}

/// What a run added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Rows copied, those of earlier runs of the job included.
    pub copied: u64,
    /// Rows compared.
    pub verified: u64,
    /// Rows that differed although no change was pending, and were read anew.
    pub repaired: u64,
    /// Changed rows that came from the binlog into the shadow.
    pub applied: u64,
    /// Seconds spent copying.
    pub copy_s: f64,
    /// Seconds spent comparing.
    pub verify_s: f64,
    /// Attempts of the RENAME; 0 when it was not tried.
    pub switch_attempts: u32,
    /// Milliseconds of the RENAME.
    pub switch_ms: u64,
    /// Chunks tried again.
    pub retries: u64,
    /// Seconds that the gate was closed.
    pub paused_s: f64,
}
