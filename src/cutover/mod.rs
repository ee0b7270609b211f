//! Makes, switches and removes the tables and triggers of a job.
//!
//! In:    a `CopySpec`, the plan's steps, all nodes.
//! Out:   the `Objects` port: each call looks first what stands, so it is safe to repeat.
//! Never: decides when to switch, copies rows, drops anything that the job did not make.

mod foreign_keys;
pub mod objects;
mod ordered;
mod shadow;
