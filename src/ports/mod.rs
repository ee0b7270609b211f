//! The traits that separate what decides from what acts; no code behind them.
//!
//! In:    nothing.
//! Out:   small object-safe traits and the plain types that cross them.
//! Never: implements one of its own traits.

pub mod changes;
pub mod clock;
pub mod cutover;
pub mod destination;
pub mod direct;
pub mod journal;
pub mod members;
pub mod nodes;
pub mod objects;
pub mod pace;
pub mod proxy;
pub mod purge;
pub mod report;
pub mod rolling;
pub mod rows;
pub mod server;
pub mod syncing;
