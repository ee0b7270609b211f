//! The decision: how a schema change will be made, and why not otherwise.
//!
//! In:    `Facts` (what the servers say) and an `Alter` (what was asked for).
//! Out:   a `Decision`: one verdict a strategy, and the `Plan` of the chosen one.
//! Never: talks to a server, reads a clock, prints, or builds SQL text.

pub mod alter;
pub mod binlog_stream;
pub mod blockers;
pub mod charset;
pub mod choose;
pub mod chunk_key;
pub mod column_type;
pub mod convert;
mod convert_bytes;
mod convert_time;
pub mod copy_spec;
pub mod copy_steps;
mod demand;
pub mod facts;
pub mod foreign_keys;
mod in_place;
pub mod lint;
pub mod mapping;
pub mod name;
pub mod native;
pub mod nbo;
pub mod online;
#[cfg(test)]
mod online_tests;
pub mod plan;
pub mod row_events;
pub mod rsu;
#[cfg(test)]
mod sample;
pub mod shape;
mod space;
pub mod toi;
pub mod trigger_copy;
pub mod verdict;
pub mod words;

pub use alter::{Alter, Clause, ClauseKind};
pub use choose::{Options, choose};
pub use chunk_key::{choose_key, new_unique};
pub use convert::{Conversion, conversion};
pub use facts::{Facts, Flavour, Node, Topology, Version};
pub use mapping::{Mapping, map_columns};
pub use name::{Ident, NameError, TableName};
pub use online::{Algorithm, Lock};
pub use plan::{CopySpec, DirectSpec, Estimate, Plan, Step, StrategyName, Work};
pub use shape::{Column, Fingerprint, ForeignKey, Key, TableShape, Trigger};
pub use verdict::{Decision, Fits, Reason, ReasonCode, Verdict};
