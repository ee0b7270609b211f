//! Makes, switches and removes the tables and triggers of a job, or changes the table itself.
//!
//! In:    a `CopySpec` or a `DirectSpec`, the plan's steps, all nodes.
//! Out:   the `Objects` port: each call looks first what stands, so it is safe to repeat; the `Direct`, `Rolling` and
//!        `Cutover` ports.
//! Never: decides when to switch, copies rows, drops anything that the job did not make.

mod clocks;
pub mod closing;
pub mod direct;
mod fence;
mod foreign_keys;
pub mod objects;
mod ordered;
pub mod repair;
pub mod rolling;
mod sentry;
mod shadow;
