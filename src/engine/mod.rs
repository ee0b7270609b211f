//! Carries a plan out: one phase after the other, each journalled before it acts, from wherever the job stands.
//!
//! In:    a `Job`, the ports.
//! Out:   an `Ending`; events on the way.
//! Never: builds SQL, names the driver, keeps progress anywhere but in the journal.

mod afterwards;
pub mod altering;
#[cfg(test)]
mod altering_tests;
mod appliers;
pub mod backlog;
mod beating;
mod closing;
pub mod copying;
pub mod draining;
pub mod ending;
pub mod following;
mod helm;
pub mod journal;
mod keeping;
pub mod outlook;
pub mod phase;
mod proving;
pub mod repair_lease;
pub mod rolling;
#[cfg(test)]
mod rolling_tests;
pub mod run;
pub mod standing;
pub mod switching;
pub mod verifying;
mod watching;

pub use altering::Altering;
pub use ending::{Ending, Tally};
pub use following::Follow;
pub use run::{Engine, Options, Ports};
