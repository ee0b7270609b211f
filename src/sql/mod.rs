//! All SQL text.
//!
//! In:    names, literals and the plan's values.
//! Out:   `Sql`, quoted by type.
//! Never: talks to a server, or takes text that is not a literal, a quoted name or a quoted value; the user's own DDL
//!        comes in by `Sql::trusted` only.

pub mod archive;
pub mod binlog;
pub mod builder;
pub mod catalog;
pub mod catalog_all;
pub mod catalog_locks;
pub mod catalog_table;
pub mod catalog_trial;
pub mod checksum;
pub mod copy;
pub mod ddl;
pub mod demo;
pub mod fence;
pub mod innodb;
pub mod journal;
pub mod meaning;
pub mod precheck;
pub mod proxy;
pub mod purge;
pub mod purge_journal;
pub mod repair;
pub mod session;
pub mod steps;
pub mod swap;
pub mod sync;
pub mod throttle;
pub mod triggers;

pub use builder::Sql;
