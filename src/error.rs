//! What an error means for whoever has to act on it.

use driftless_strategies::verdict::Reason;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// It did not happen; the same call may succeed.
    Retry,
    /// It did not happen, and trying again can't help.
    Stop,
    /// It may have happened: ask the server before anything else.
    Inspect,
}

/// How a step of a job failed, as far as the engine must know it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A conflict, a lock wait or a node that is not ready: nothing happened.
    #[error("{0}")]
    Busy(String),
    /// The connection went before the answer came: it may have happened.
    #[error("{0}")]
    Lost(String),
    /// A check said no.
    #[error("{} [{}]", .0.what, .0.code.as_str())]
    Refused(Box<Reason>),
    /// Rows prove that the change can't be made as asked.
    #[error("{} [{}]", .reason.what, .reason.code.as_str())]
    Rows {
        /// What is wrong with them and what to do.
        reason: Box<Reason>,
        /// The rows, by key, at most a handful.
        rows: Vec<String>,
    },
    /// A server has no room for what was to be written: it was not, and can be once there is room.
    #[error("{} [{}]", .0.what, .0.code.as_str())]
    Full(Box<Reason>),
    /// Anything else that a server or this program did not expect.
    #[error("{0}")]
    Failed(String),
}

impl Fault {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Busy(_) => Remedy::Retry,
            Self::Lost(_) => Remedy::Inspect,
            Self::Refused(_) | Self::Rows { .. } | Self::Full(_) | Self::Failed(_) => Remedy::Stop,
        }
    }
}
