//! What a run has to say, as values: for people, for programs, for the journal.

use serde::Serialize;

use super::journal::Phase;

/// Something that happened. One JSON line each with `--format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// The job began or goes on.
    Started {
        /// Its id.
        job: String,
        /// The table.
        table: String,
        /// The strategy.
        strategy: String,
        /// Where it starts.
        phase: Phase,
        /// Estimated rows.
        rows: u64,
    },
    /// A phase began.
    Entered {
        /// Which.
        phase: Phase,
    },
    /// Copying or comparing went on. At most a few a second.
    Progress {
        /// Which phase.
        phase: Phase,
        /// Rows done.
        rows: u64,
        /// Rows estimated; never below `rows`.
        of: u64,
        /// Rows a second of late.
        rate: f64,
        /// Seconds left at this rate; `None` when unknown.
        eta_s: Option<u64>,
        /// Rows in a chunk now.
        chunk_rows: u64,
        /// Why it waits or goes slower; `None` at full pace.
        pace: Option<String>,
    },
    /// The pace changed.
    Paused {
        /// Why.
        why: String,
    },
    /// Writing goes on after a pause.
    Resumed,
    /// A step was tried again.
    Retried {
        /// Which.
        what: String,
        /// Why.
        why: String,
        /// How often so far.
        attempt: u32,
    },
    /// The comparison is through.
    Verified {
        /// Rows compared.
        rows: u64,
        /// Differences; 0 or the job stops.
        differences: u64,
        /// Milliseconds that it took.
        ms: u64,
    },
    /// The switch waits for the operator.
    Held {
        /// What for.
        why: String,
    },
    /// The ALTER will be sent now, and ends these transactions if they are still open.
    Aborting {
        /// Node and session, in words.
        sessions: Vec<String>,
    },
    /// The table itself is changed, on every node.
    Altered {
        /// Milliseconds that the ALTER took where it was sent.
        ms: u64,
        /// Attempts.
        attempts: u32,
    },
    /// One node has the change; or has it no longer, when the job is undone.
    Rolled {
        /// Which.
        node: String,
        /// Milliseconds that its ALTER took.
        ms: u64,
        /// Nodes that are still to come.
        left: usize,
    },
    /// The names are switched.
    Switched {
        /// Milliseconds that the RENAME took.
        ms: u64,
        /// Attempts.
        attempts: u32,
    },
    /// Over, well or not; the last event.
    Ended {
        /// The exit code.
        code: u8,
        /// In a sentence.
        what: String,
        /// What to type next; empty when nothing is left.
        next: String,
        /// Rows, keys or nodes that prove it.
        details: Vec<String>,
    },
}

/// Takes events; never blocks for long, never fails.
pub trait Reporter: Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Event);
}
