//! The binlog of real servers, followed and decoded.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod ground;
mod keys;
mod mysql;
mod transactions;
mod transport;
