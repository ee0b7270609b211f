//! Rows that match a condition, deleted in paced batches, and put somewhere else before.
//!
//! In:    a table's shape, a condition, limits, a pace, where the rows go.
//! Out:   an `End`; events on the way; the lease, the last batch and the history in the journal's schema.
//! Never: deletes a row that was not locked by its key and matched then, keeps a transaction open while it waits, deletes
//!        without its lease, or takes a batch for done without an answer.

mod batch;
mod end;
pub mod file;
pub mod lease;
pub mod run;
pub mod table;
pub mod walk;

pub use end::End;
