//! What tests on real servers stand on: one cluster for each test binary, and eyes of their own.
//!
//! In:    the packages of `tests/run.sh`, and the unpacked servers of `tests/servers.sh`.
//! Out:   `TestCluster`: three Galera nodes on free ports, each test with a schema of its own; `TestMysql` and
//!        `MysqlPrimary`: MySQL.
//! Never: skips a test in silence. Something that is missing fails it and is named; a server that the runner could not get
//!        gives a line `SKIPPED: …`, which the runner counts.

#![expect(clippy::expect_used, clippy::panic, reason = "a test's own scaffolding may fail the test")]
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test binary uses its own part of this module")]

mod bounded;
mod clock;
mod cluster;
mod mysql;
mod newer;
mod plain;
mod program;
mod pulse;
mod rough;
mod traces;

pub use bounded::bounded;
pub use clock::RealClock;
pub use cluster::{Exclusive, TestCluster, exclusive, shared};
pub use mysql::{MysqlPrimary, TestMysql, mysql, mysql_spec};
pub use newer::Newer;
pub use plain::{PlainConnect, PlainServer};
pub use program::{Call, Ended, job_on, resume, tell};
pub use pulse::{Beat, Pulse};
pub use rough::{Done, RoughWriters};
