//! What a purge has to say, as values: for people, for programs.

use serde::Serialize;

/// Something that happened. One JSON line each with `--format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum PurgeEvent {
    /// The run began.
    Started {
        /// The table.
        table: String,
        /// Where its rows go; empty when they are only deleted.
        destination: String,
        /// The index that is walked.
        index: String,
        /// Estimated rows that match.
        rows: u64,
    },
    /// A few times a second.
    Progress {
        /// Rows deleted.
        rows: u64,
        /// Rows estimated; never below `rows`.
        of: u64,
        /// Rows a second of late.
        rate: f64,
        /// Rows in a batch now.
        batch_rows: u64,
        /// Why it waits or goes slower; `None` at full pace.
        pace: Option<String>,
    },
    /// The pace changed.
    Paused {
        /// Why.
        why: String,
    },
    /// Deleting goes on after a pause.
    Resumed,
    /// A batch is tried again.
    Retried {
        /// Why.
        why: String,
        /// How often so far.
        attempt: u32,
    },
    /// Over, well or not; the last event.
    Ended {
        /// The exit code.
        code: u8,
        /// In a sentence.
        what: String,
        /// What to do next; empty when nothing is left.
        next: String,
        /// Rows deleted.
        rows: u64,
        /// Milliseconds that it took.
        ms: u64,
        /// Rows or keys that prove it.
        details: Vec<String>,
    },
}

/// Takes events; never blocks for long, never fails.
pub trait PurgeReporter: Send + Sync {
    /// Takes one event.
    fn event(&self, event: &PurgeEvent);
}
