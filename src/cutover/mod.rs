//! Makes, switches and removes the tables and triggers of a job, or changes the table itself.
//!
//! In:    a `CopySpec` or a `DirectSpec`, the plan's steps, all nodes.
//! Out:   the `Objects` port: each call looks first what stands, so it is safe to repeat; the `Direct` and `Rolling` ports.
//! Never: decides when to switch, copies rows, drops anything that the job did not make.

pub mod direct;
mod foreign_keys;
pub mod objects;
mod ordered;
pub mod repair;
pub mod rolling;
mod shadow;
