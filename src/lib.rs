//! driftless plans and runs online schema changes on MySQL, MariaDB and Galera, and proves the result.
//!
//! The modules stand in the order in which data goes through them.

pub mod error;
pub mod ports;
pub mod sql;

pub mod binlog;
pub mod config;
pub mod ddl;
pub mod mysql;

pub mod discover;
pub mod inspect;

pub mod archive;
pub mod check;
pub mod copy;
pub mod cutover;
pub mod proxy;
pub mod throttle;
pub mod verify;

pub mod engine;
pub mod purge;

pub mod report;

pub mod demo;

pub mod cli;
