//! Reads a schema file (`mysqldump --no-data`, `SHOW CREATE TABLE`) to the shapes that `inspect` would read from a server.
//!
//! In:    the file's text, the schema that names without one lie in, the server's family and version.
//! Out:   every base table with its shape, or an error with its line.
//! Never: runs the file's statements in its head: an ALTER TABLE or CREATE INDEX beside a CREATE TABLE is an error. What
//!        makes no table (SET, INSERT, views, routines, events) is passed over.

mod charsets;
mod column;
mod column_type;
mod defaults;
mod dump;
mod error;
#[cfg(test)]
mod file_tests;
mod keys;
mod options;
mod partitions;
mod statements;
mod table;
mod trigger;

pub use dump::{SchemaTable, dump_version, read_schema};
pub use error::SchemaError;
