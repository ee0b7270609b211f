//! How a demo or a throw-away cluster fails.

use std::path::PathBuf;

use crate::error::Fault;
use crate::ports::server::ServerError;

/// Why there is no cluster, no data or no proof. Each says what to do with `remedy`.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Programs that the cluster needs are not on this machine.
    #[error("this machine has no {}: a Galera cluster can't be started without (missing packages: {})", .tools.join(", "), .packages.join(" "))]
    Missing {
        /// What was looked for.
        tools: Vec<String>,
        /// The Debian packages that hold them.
        packages: Vec<&'static str>,
        /// What to do.
        remedy: String,
    },
    /// Missing packages that this process can't install.
    #[error("these packages are missing and can't be installed: {} ({why})", .packages.join(" "))]
    CannotInstall {
        /// The Debian packages.
        packages: Vec<&'static str>,
        /// Why not.
        why: &'static str,
        /// What to do.
        remedy: String,
    },
    /// The package tool failed or took too long.
    #[error("install {}: {why}\n{tail}", .packages.join(" "))]
    Install {
        /// The Debian packages asked for.
        packages: Vec<&'static str>,
        /// How it failed.
        why: String,
        /// Everything that it printed.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A file, a directory or a program that can't be used.
    #[error("{what}: {source}")]
    Files {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A program that failed or took too long.
    #[error("{what}: {why}")]
    Command {
        /// Which.
        what: String,
        /// How.
        why: String,
    },
    /// A server that did not come up, or went.
    #[error("{name}: {why}; the last lines of {}:\n{tail}", .log.display())]
    Node {
        /// Its name.
        name: String,
        /// What was expected.
        why: String,
        /// Its error log; it goes with the cluster.
        log: PathBuf,
        /// The end of its error log.
        tail: String,
    },
    /// A server's answer.
    #[error("{what}: {source}")]
    Sql {
        /// What was tried.
        what: &'static str,
        /// The answer.
        source: ServerError,
    },
    /// The migration failed.
    #[error("the migration failed: {0}")]
    Migration(Fault),
    /// A task of a writer ended before its time.
    #[error("a writer ended: {0}")]
    Writer(String),
    /// Ctrl-C, or a request to end.
    #[error("interrupted; the cluster is stopped and removed")]
    Interrupted,
}

impl DemoError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Missing { remedy, .. } | Self::CannotInstall { remedy, .. } => remedy.clone(),
            Self::Install { packages, log, .. } => format!(
                "see {} and run `apt-get update && apt-get install {}` by hand, then try again without --install",
                log.display(),
                packages.join(" ")
            ),
            Self::Files { .. } => "check space and rights of the directory; TMPDIR chooses another one".to_owned(),
            Self::Command { .. } | Self::Writer(_) => "run it again; nothing was left behind".to_owned(),
            Self::Node { .. } => "the lines above say why; a node needs about 600 MB of memory and disk".to_owned(),
            Self::Sql { .. } => "run it again with --keep and look at the servers".to_owned(),
            Self::Migration(_) => "run it again with --keep and look at the job with `driftless status`".to_owned(),
            Self::Interrupted => String::new(),
        }
    }
}

/// Gives an I/O error its place.
pub(super) fn files(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> DemoError {
    let what = what.into();
    move |source| DemoError::Files { what, source }
}

/// Gives a server's answer its place.
pub(super) fn sql(what: &'static str) -> impl FnOnce(ServerError) -> DemoError {
    move |source| DemoError::Sql { what, source }
}
