//! What can go wrong before, around and after a job, with its exit code.

use driftless_strategies::Reason;

use crate::archive::ArchiveError;
use crate::config::ConfigError;
use crate::ddl::AlterError;
use crate::error::Fault;
use crate::ports::server::ServerError;
use crate::report::exit::Stage;
use crate::report::{Complaint, ExitCode};

/// Why a command ends without doing what it was asked for.
#[derive(Debug)]
pub(super) enum CliError {
    /// Settings.
    Config(ConfigError),
    /// The command line asks for something that makes no sense, in words, with a remedy.
    Usage(String, String),
    /// The alter can't be read.
    Alter(AlterError),
    /// A file can't be read or written: what is wanted of it, which, why not, what to do.
    File(&'static str, std::path::PathBuf, String, &'static str),
    /// Connecting or looking failed.
    Server(ServerError),
    /// A fault before there was a job.
    Fault(Fault),
    /// Checks said no.
    Refused(Vec<Reason>),
    /// An archive file, or the table that it is loaded into.
    Archive(ArchiveError),
    /// The machine that driftless runs on.
    Surroundings(String),
}

impl CliError {
    /// How the program ends.
    pub(super) const fn exit(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Usage(..) | Self::Alter(_) | Self::File(..) => ExitCode::Usage,
            Self::Server(error) => ExitCode::of_server(error),
            Self::Fault(fault) => ExitCode::of(fault, Stage::Before),
            Self::Refused(_) => ExitCode::Refused,
            Self::Archive(error) => of_archive(error),
            Self::Surroundings(_) => ExitCode::Failed,
        }
    }

    /// What the user is told.
    pub(super) fn complaints(&self) -> Vec<Complaint> {
        match self {
            Self::Config(error) => vec![Complaint::new(error.to_string())],
            Self::Usage(what, remedy) => vec![Complaint::new(what).with_remedy(remedy)],
            Self::Alter(error) => vec![Complaint::new(error.to_string())],
            Self::File(what, path, why, remedy) => {
                let complaint = Complaint::new(*what).at(path.display().to_string()).with_remedy(*remedy);
                vec![Complaint { why: why.clone(), ..complaint }]
            }
            Self::Server(error) => vec![Complaint::from(error)],
            Self::Fault(fault) => vec![Complaint::from(fault)],
            Self::Refused(reasons) => reasons.iter().map(Complaint::from).collect(),
            Self::Archive(error) => vec![Complaint::new(error.to_string())],
            Self::Surroundings(why) => vec![Complaint::new(why)],
        }
    }
}

/// Before rows were taken nothing is half done; a load goes on where it ended.
const fn of_archive(error: &ArchiveError) -> ExitCode {
    match error {
        ArchiveError::Pattern(_) => ExitCode::Usage,
        ArchiveError::Files { .. }
        | ArchiveError::Exists(_)
        | ArchiveError::InUse(_)
        | ArchiveError::Type { .. }
        | ArchiveError::Damaged { .. }
        | ArchiveError::Target { .. } => ExitCode::Refused,
        ArchiveError::Value { .. } | ArchiveError::Order { .. } | ArchiveError::Broken { .. } => ExitCode::Failed,
        ArchiveError::Server(fault) => ExitCode::of(fault, Stage::Running),
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<AlterError> for CliError {
    fn from(error: AlterError) -> Self {
        Self::Alter(error)
    }
}

impl From<ServerError> for CliError {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

impl From<Fault> for CliError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
