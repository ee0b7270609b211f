//! What goes wrong with archive files, each with what to do.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use driftless_strategies::{Reason, ReasonCode};

use crate::error::Fault;

/// Why a file was not written, completed, read or loaded.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArchiveError {
    /// The file system said no.
    #[error("failed to {what} {}: {why}; {remedy}", .path.display())]
    Files {
        /// What was wanted of it.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Its words.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A file of that name is there already.
    #[error(
        "failed to make {}: it is there already, and archives are never overwritten; choose another name, or put {{n}} in it",
        .0.display()
    )]
    Exists(PathBuf),
    /// Another process writes that file.
    #[error("failed to open {}: another process is writing it; wait until it has ended", .0.display())]
    InUse(PathBuf),
    /// The pattern of names is wrong.
    #[error("failed to read the name pattern: {0}")]
    Pattern(String),
    /// A column of a type that can't be kept exactly.
    #[error(
        "failed to archive column {column}: driftless can't keep the type {column_type} exactly; leave the table, or change the column"
    )]
    Type {
        /// The column.
        column: String,
        /// Its type.
        column_type: String,
    },
    /// A value that its type can't have.
    #[error("failed to write a value of column {column}: {why}; nothing of its batch was kept")]
    Value {
        /// The column.
        column: String,
        /// What is wrong.
        why: String,
    },
    /// Batches come in the wrong order, or twice with different rows.
    #[error("failed to take batch {batch}: {why}; its rows must not be deleted")]
    Order {
        /// Which.
        batch: u64,
        /// What is wrong.
        why: String,
    },
    /// What stands in a file is not what its manifest says.
    #[error("failed to trust {}: {why}; nothing was changed; restore the file and its manifest from a copy, or look at them by hand", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How.
        why: String,
    },
    /// An earlier failure could not be undone; what stands is sorted out by the next run.
    #[error("failed to go on with {}: {why}; run again, which first puts the file in order", .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The table that rows are loaded into does not fit.
    #[error("failed to load into {table}: {why}")]
    Target {
        /// The table.
        table: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The server said no while rows were loaded.
    #[error("failed to load rows: {0}")]
    Server(Fault),
}

impl ArchiveError {
    /// An error of the file system.
    pub(crate) fn files(what: &'static str, path: &Path, error: &std::io::Error) -> Self {
        let kind = error.kind();
        let remedy = if [ErrorKind::StorageFull, ErrorKind::QuotaExceeded].contains(&kind) {
            "free space there and run again"
        } else if kind == ErrorKind::NotFound {
            "make the directory, or name another"
        } else if [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem].contains(&kind) {
            "let this user write there, or name another directory"
        } else {
            "look at the disk and run again"
        };
        Self::Files { what, path: path.to_owned(), why: error.to_string(), remedy }
    }

    /// Something is not as the manifest says.
    pub(crate) fn damaged(path: &Path, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), why: why.into() }
    }

    /// A value that can't be.
    pub(crate) fn value(column: &driftless_strategies::Ident, why: impl Into<String>) -> Self {
        Self::Value { column: column.as_str().to_owned(), why: why.into() }
    }
}

impl From<ArchiveError> for Fault {
    fn from(error: ArchiveError) -> Self {
        let text = error.to_string();
        match error {
            ArchiveError::Server(fault) => fault,
            ArchiveError::Exists(path) => Self::Refused(Box::new(Reason::new(
                ReasonCode::NameTaken,
                format!("failed to make {}: it is there already, and archives are never overwritten", path.display()),
                "choose another name, or put {n} in it",
            ))),
            ArchiveError::Files { .. }
            | ArchiveError::InUse(_)
            | ArchiveError::Pattern(_)
            | ArchiveError::Type { .. }
            | ArchiveError::Value { .. }
            | ArchiveError::Order { .. }
            | ArchiveError::Damaged { .. }
            | ArchiveError::Broken { .. }
            | ArchiveError::Target { .. } => Self::Failed(text),
        }
    }
}
