//! How a purge ended.

use driftless_strategies::Reason;

use crate::error::Fault;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// No row that matched is left below the place where the table ended when the run began.
    All,
    /// A limit that the run was given is reached; more rows may be left.
    Limit(String),
    /// It was stopped, or nothing could be written for too long; the next run goes on.
    Stopped(String),
    /// A check or a row said no; batches before it are committed.
    Refused(Box<Reason>, Vec<String>),
    /// Something that was not expected.
    Failed(String),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        match fault {
            // Whether the last batch came through is asked for in `batch`; what was lost elsewhere changed nothing.
            Fault::Busy(why) | Fault::Lost(why) => Self::Stopped(why),
            Fault::Refused(reason) => Self::Refused(reason, Vec::new()),
            Fault::Rows { reason, rows } => Self::Refused(reason, rows),
            // The batch was not written; what is committed stays so.
            Fault::Full(reason) => {
                Self::Stopped(format!("{} [{}]; {}", reason.what, reason.code.as_str(), reason.remedy))
            }
            Fault::Failed(what) => Self::Failed(what),
        }
    }
}
