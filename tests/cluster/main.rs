//! Everything that is proven on real servers: one binary, so that one cluster serves all tests.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking and says what it saw"
)]

#[path = "../support/mod.rs"]
mod support;

mod archive_figures;
mod archive_files;
mod bad_input_alone;
mod bad_input_change;
mod bad_input_cluster;
mod bad_input_connect;
mod bad_input_disk;
mod bad_input_job;
mod bad_input_matrix;
mod bad_input_names;
mod boundaries;
mod check;
mod check_watch;
mod child;
mod commits;
mod convert;
mod cutover;
mod demo;
mod facts;
mod gate;
mod harness;
mod inspect;
mod mysql_online;
mod mysql_refusals;
mod mysql_trial;
mod newer_galera;
mod prove_afterwards;
mod prove_archive_commits;
mod prove_archive_files;
mod prove_control;
mod prove_crash;
mod prove_maint_mode;
mod prove_maxscale;
mod prove_mysql;
mod prove_native;
mod prove_nodes;
mod prove_noop;
mod prove_proxy;
mod prove_proxysql;
mod prove_purge;
mod prove_race;
mod prove_repair;
mod prove_rsu;
mod prove_stream_alone;
mod prove_toi;
mod prove_toi_nodes;
mod prove_watch;
mod purge;
mod schema_file;
mod session;
mod standins;
mod throttle;
mod typical;
