//! The command line of archive files.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::ShowArgs;
use crate::config::ConnectArgs;

/// Files as the place where rows go.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Files")]
pub(super) struct FilesArgs {
    /// Put the rows into files of this name before they are deleted: {schema}, {table}, {date}, {time} and {n} stand for
    /// what they say, the end (.csv, .ndjson, .sql with .gz or .zst or without, .parquet) says the format
    #[arg(long, value_name = "PATTERN")]
    pub(super) to_file: Option<String>,
    /// Begin the next file when one has so many bytes; its name needs {n}
    #[arg(long, value_name = "BYTES", requires = "to_file", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) file_bytes: Option<u64>,
    /// Begin the next file when the day (UTC) is over; its name needs {date} or {n}
    #[arg(long, requires = "to_file")]
    pub(super) file_daily: bool,
}

/// What can be done with archives.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum ArchiveCommand {
    /// Read an archive file back and compare it with its manifest; with --load, put its rows into a table
    Verify(Box<VerifyArgs>),
}

/// `driftless archive verify`
#[derive(Args, Clone, Debug)]
pub(super) struct VerifyArgs {
    /// The file; its manifest must stand beside it
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Put the rows into a table once the file is proven; rows that are there already are left
    #[arg(long, requires = "into")]
    pub(super) load: bool,
    /// The table to load into, schema.table
    #[arg(long, value_name = "DB.TABLE", requires = "load")]
    pub(super) into: Option<String>,
    /// Where the server is, for --load.
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// How to show it.
    #[command(flatten)]
    pub(super) show: ShowArgs,
}
