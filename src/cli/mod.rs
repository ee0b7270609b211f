//! The command line: reads it, puts the rooms together, turns endings into exit codes.
//!
//! In:    argv, the environment.
//! Out:   an exit code.
//! Never: builds SQL, decides about a change, or prints but through `report`.

mod archive_args;
mod archive_verify;
mod args;
mod assemble;
mod changes;
mod check;
mod control;
mod demo;
mod direct;
mod dispatch;
mod error;
mod gather;
mod inspect;
mod offline;
mod plan;
mod proxies;
mod purge;
mod purge_args;
mod purge_judge;
mod purge_show;
mod repair;
mod run;
mod schema_args;
mod schema_file;
mod signal;
mod sweep;
mod terminal;

pub use dispatch::main;
