//! Decisions and events for people and programs.
//!
//! In:    a `Decision`, `ports::report::Event`s, a `Summary`, errors; a handle to write to.
//! Out:   the plan as text, JSON or Markdown, the facts as text, a progress bar, plain lines or JSON lines, the exit code.
//! Never: decides what happens next, or fails because nobody reads.

pub mod check_json;
pub mod check_text;
pub mod complaint;
pub mod demo_text;
pub mod exit;
pub mod facts_text;
pub mod figures;
pub mod json;
pub mod lines;
pub mod markdown;
pub mod outcome;
pub mod plan_json;
pub mod plan_markdown;
pub mod plan_text;
pub mod progress;
pub mod purge;
pub mod sparse;
pub mod style;
pub mod terminal;
pub mod words;

pub use complaint::Complaint;
pub use exit::ExitCode;
pub use json::Json;
pub use lines::Lines;
pub use outcome::{NodeSummary, Output, Summary};
pub use progress::Progress;
