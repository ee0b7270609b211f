//! Exit codes: documented, stable, and the same in the `ended` event.

use crate::error::Fault;
use crate::ports::server::{ErrorKind, ServerError};

/// Whether a job had begun when it failed: before that, nothing can be half done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Still looking and planning; nothing was changed.
    Before,
    /// A job stands in the journal.
    Running,
}

/// How the program ends. The numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All done, or nothing to do.
    Done = 0,
    /// Failed in a way that was not expected.
    Failed = 1,
    /// The command line or a file given on it is wrong.
    Usage = 2,
    /// Refused or blocked by what the servers say; the reason has a code and a remedy.
    Refused = 3,
    /// Drift or differences were found.
    Differences = 4,
    /// Stopped, and `driftless run --resume` goes on.
    Stopped = 5,
    /// It is not known whether the last step happened; `driftless status` asks the servers.
    Unknown = 6,
}

impl ExitCode {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Done, Self::Failed, Self::Usage, Self::Refused, Self::Differences, Self::Stopped, Self::Unknown];

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The exit code with that number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| exit.code() == code)
    }

    /// What it means, for the help text and the documentation.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "wrong usage",
            Self::Refused => "refused or blocked; nothing is half done",
            Self::Differences => "drift or differences found",
            Self::Stopped => "stopped; can be resumed",
            Self::Unknown => "unknown outcome; inspect",
        }
    }

    /// The code for a fault.
    #[must_use]
    pub const fn of(fault: &Fault, stage: Stage) -> Self {
        match (fault, stage) {
            (Fault::Refused(_) | Fault::Rows { .. }, Stage::Before | Stage::Running) => Self::Refused,
            // Nothing was changed, and what is in the way may pass.
            (Fault::Busy(_) | Fault::Full(_), Stage::Before) => Self::Refused,
            (Fault::Busy(_) | Fault::Full(_), Stage::Running) => Self::Stopped,
            // A question that got no answer changes nothing.
            (Fault::Lost(_), Stage::Before) => Self::Failed,
            (Fault::Lost(_), Stage::Running) => Self::Unknown,
            (Fault::Failed(_), Stage::Before | Stage::Running) => Self::Failed,
        }
    }

    /// The code for an error while connecting and looking, before there is a job.
    #[must_use]
    pub const fn of_server(error: &ServerError) -> Self {
        match error.kind {
            ErrorKind::Connect
            | ErrorKind::Denied
            | ErrorKind::NotReady
            | ErrorKind::Missing
            | ErrorKind::Conflict
            | ErrorKind::Duplicate
            | ErrorKind::Data
            | ErrorKind::Full => Self::Refused,
            ErrorKind::Lost | ErrorKind::Other => Self::Failed,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(exit: ExitCode) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use driftless_strategies::{Reason, ReasonCode};

    use super::*;

    #[test]
    fn numbers_are_for_ever() {
        assert_eq!(ExitCode::ALL.map(ExitCode::code), [0, 1, 2, 3, 4, 5, 6]);
        for exit in ExitCode::ALL {
            assert_eq!(ExitCode::from_code(exit.code()), Some(exit));
        }
        assert_eq!(ExitCode::from_code(7), None);
    }

    #[test]
    fn faults_have_codes() {
        let reason = || Box::new(Reason::new(ReasonCode::DuplicateRows, "two rows", "remove one"));
        //  fault                                                   before              running
        let cases = [
            (Fault::Busy("lock wait".into()), ExitCode::Refused, ExitCode::Stopped),
            (Fault::Lost("gone".into()), ExitCode::Failed, ExitCode::Unknown),
            (Fault::Refused(reason()), ExitCode::Refused, ExitCode::Refused),
            (Fault::Rows { reason: reason(), rows: vec![] }, ExitCode::Refused, ExitCode::Refused),
            (Fault::Failed("odd".into()), ExitCode::Failed, ExitCode::Failed),
        ];
        for (fault, before, running) in cases {
            assert_eq!(ExitCode::of(&fault, Stage::Before), before, "{fault}");
            assert_eq!(ExitCode::of(&fault, Stage::Running), running, "{fault}");
        }
    }

    #[test]
    fn bad_connections_are_refusals() {
        let error = |kind| ServerError { node: "h:1".into(), code: 0, message: String::new(), kind };
        assert_eq!(ExitCode::of_server(&error(ErrorKind::Denied)), ExitCode::Refused);
        assert_eq!(ExitCode::of_server(&error(ErrorKind::Connect)), ExitCode::Refused);
        assert_eq!(ExitCode::of_server(&error(ErrorKind::Other)), ExitCode::Failed);
    }
}
