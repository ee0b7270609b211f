//! A throw-away cluster with data, writers and a proof: what `driftless demo` shows and the tests stand on.
//!
//! In:    what to start, a way to connect (`Connect`), a clock, the migration to show (`Migration`).
//! Out:   running servers of its own; a `DemoOutcome` with what applications felt and what the proof says.
//! Never: touches a server that it did not start, uses a fixed port, leaves a process or a file behind, prints.

mod cluster;
mod command;
mod error;
mod install;
mod latency;
mod ledger;
mod load;
mod loopback;
mod migration;
mod node;
mod options_file;
mod packages;
mod proof;
mod random;
mod run;
mod spec;
mod watchdog;
mod writer;
mod writers;

pub use cluster::{Cluster, Running};
pub use error::DemoError;
pub use latency::Latencies;
pub use ledger::{Expected, Ledger, Revision};
pub use load::{Loaded, STRIDE, load, orders};
pub use loopback::ReservedPorts;
pub use migration::{Connect, Migration, Stage};
pub use node::NodeProcess;
pub use packages::{Install, Product, Tools, ensure, find, find_under};
pub use proof::{NodeSum, Proof, prove};
pub use random::Random;
pub use run::{Afterwards, DemoOutcome, Kept, Note, Options, Parts, run};
pub use spec::{Lines, Replication, Spec};
pub use writers::{Felt, Mix, Workload, Writers};
