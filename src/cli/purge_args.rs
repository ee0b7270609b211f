//! The command lines of `purge` and `archive`; what the fields say is what `--help` prints.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};

use super::archive_args::{ArchiveCommand, FilesArgs};
use super::args::{PaceArgs, ShowArgs};
use crate::config::ConnectArgs;
use crate::config::units::{age, duration, window};

/// Flags that stand in the file where there is one.
const OF_A_JOB: [&str; 21] = [
    "table",
    "condition",
    "older_than",
    "column",
    "keep_newest",
    "index",
    "allow_triggers",
    "allow_cascade",
    "limit_rows",
    "run_time",
    "between",
    "stop_file",
    "chunk_time",
    "chunk_rows",
    "chunk_bytes",
    "max_rows_per_second",
    "max_flow_control_paused",
    "max_lag",
    "max_threads_running",
    "max_load",
    "patience",
];

/// `driftless purge`
#[derive(Args, Clone, Debug)]
pub(super) struct PurgeArgs {
    /// A file (TOML) of many jobs: [[job]] with the flags' names as keys, [defaults] for all
    #[arg(value_name = "FILE", conflicts_with_all = OF_A_JOB)]
    pub(super) file: Option<PathBuf>,
    /// Which rows.
    #[command(flatten)]
    pub(super) rows: RowsArgs,
    /// Which run.
    #[command(flatten)]
    pub(super) run: PurgeRunArgs,
    /// Delete although foreign keys delete or empty rows of other tables with them
    #[arg(long)]
    pub(super) allow_cascade: bool,
    /// Where the servers are.
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// Pace and limits.
    #[command(flatten)]
    pub(super) pace: PurgePaceArgs,
    /// How to show it.
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// `driftless archive`
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct ArchiveArgs {
    /// What to do with files that were archived before; without it, rows are archived
    #[command(subcommand)]
    pub(super) what: Option<ArchiveCommand>,
    /// Put the rows into this table of the same servers, schema.table, in the transaction that deletes them
    #[arg(long, value_name = "DB.TABLE", required_unless_present = "to_file", conflicts_with = "to_file")]
    pub(super) to_table: Option<String>,
    /// Which files.
    #[command(flatten)]
    pub(super) files: FilesArgs,
    /// Which rows.
    #[command(flatten)]
    pub(super) rows: RowsArgs,
    /// Which run.
    #[command(flatten)]
    pub(super) run: PurgeRunArgs,
    /// Where the servers are.
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// Pace and limits.
    #[command(flatten)]
    pub(super) pace: PurgePaceArgs,
    /// How to show it.
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// Which rows go.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Rows")]
pub(super) struct RowsArgs {
    /// The table, schema.table
    #[arg(long, value_name = "DB.TABLE")]
    pub(super) table: Option<String>,
    /// Rows for which this expression is true; without subqueries and functions of the moment. TIMESTAMP columns are UTC in it
    #[arg(long = "where", value_name = "EXPRESSION")]
    pub(super) condition: Option<String>,
    /// Rows whose --column is older (12h, 90d, 52w), counted once, when the run begins
    #[arg(long, value_name = "AGE", value_parser = age, requires = "column")]
    pub(super) older_than: Option<Duration>,
    /// The DATE, DATETIME or TIMESTAMP column of --older-than
    #[arg(long, value_name = "COLUMN", requires = "older_than")]
    pub(super) column: Option<String>,
    /// Keep so many rows at the end of the index that is walked, whatever they are
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) keep_newest: u64,
    /// Walk this index [default: the one that the server would use for the condition, else the primary key]
    #[arg(long, value_name = "NAME")]
    pub(super) index: Option<String>,
    /// Delete although the table has DELETE triggers, which fire for every row (archive: INSERT triggers of the destination)
    #[arg(long)]
    pub(super) allow_triggers: bool,
}

/// How far a run goes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Run")]
pub(super) struct PurgeRunArgs {
    /// Only count the rows, show the statements with their plans, and estimate the time
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Ask nothing
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
    /// At most so many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) limit_rows: Option<u64>,
    /// At most so long
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) run_time: Option<Duration>,
    /// Only at this time of day, by the server's clock, for example 01:00-05:00
    #[arg(long, value_name = "FROM-TO", value_parser = window)]
    pub(super) between: Option<(u64, u64)>,
    /// Stop (exit code 5) when this file exists
    #[arg(long, value_name = "PATH")]
    pub(super) stop_file: Option<PathBuf>,
    /// Exit code when another run works on the table already
    #[arg(long, value_name = "0|3", default_value = "0", value_parser = if_running)]
    pub(super) if_running: u8,
    /// Write how it ended to this file, for the textfile collector of Prometheus
    #[arg(long, value_name = "PATH")]
    pub(super) metrics_file: Option<PathBuf>,
}

/// Pace and limits.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Pace")]
pub(super) struct PurgePaceArgs {
    /// Time that one batch should take
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = duration)]
    chunk_time: Duration,
    /// Most rows in a batch
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    chunk_rows: u64,
    /// Most bytes in a batch, by the average row
    #[arg(long, value_name = "BYTES", default_value_t = 4_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    chunk_bytes: u64,
    /// Most rows a second
    #[arg(long, value_name = "N")]
    max_rows_per_second: Option<std::num::NonZeroU32>,
    /// Pause above this share of time paused by flow control on any node (wsrep_flow_control_paused)
    #[arg(long, value_name = "FRACTION", default_value_t = 0.02)]
    max_flow_control_paused: f64,
    /// Pause while a replica that reads from a node is further behind
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    max_lag: Duration,
    /// Pause while more threads run on any node
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_threads_running: u64,
    /// Pause while a status variable is over a limit, for example 'Threads_connected>500'; repeatable
    #[arg(long, value_name = "VARIABLE>N")]
    max_load: Vec<String>,
    /// Stop (exit code 5) after nothing could be written for so long
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    patience: Duration,
}

impl PurgePaceArgs {
    /// The same as the pace of a migration with one connection.
    pub(super) fn pace(&self) -> PaceArgs {
        PaceArgs {
            workers: 1,
            chunk_time: self.chunk_time,
            chunk_rows: self.chunk_rows,
            chunk_bytes: self.chunk_bytes,
            max_rows_per_second: self.max_rows_per_second,
            max_flow_control_paused: self.max_flow_control_paused,
            max_lag: self.max_lag,
            max_threads_running: self.max_threads_running,
            max_load: self.max_load.clone(),
            lock_wait: Duration::from_secs(1),
            patience: self.patience,
        }
    }
}

fn if_running(text: &str) -> Result<u8, String> {
    match text {
        "0" => Ok(0),
        "3" => Ok(3),
        other => Err(format!("'{other}' is neither 0 nor 3")),
    }
}

/// A job of a file: its keys are read as flags.
#[derive(Debug, Parser)]
#[command(name = "job", no_binary_name = true, disable_help_flag = true, disable_version_flag = true)]
struct FileJob {
    #[arg(long, value_name = "DB.TABLE", conflicts_with = "to_file")]
    to_table: Option<String>,
    #[command(flatten)]
    files: FilesArgs,
    #[arg(long)]
    allow_cascade: bool,
    #[command(flatten)]
    rows: RowsArgs,
    #[command(flatten)]
    run: PurgeRunArgs,
    #[command(flatten)]
    pace: PurgePaceArgs,
}

/// Reads the jobs of a file. What concerns the whole run comes from the command line.
///
/// # Errors
/// A sentence with the job's place: an unknown key, a value that its flag would not take.
pub(super) fn jobs(text: &str, run: &PurgeRunArgs) -> Result<Vec<PurgeJob>, String> {
    let file: Written = toml::from_str(text).map_err(|error| error.to_string())?;
    if file.job.is_empty() {
        return Err("it has no [[job]]".into());
    }
    let one = |(index, own): (usize, toml::Table)| {
        let mut keys = file.defaults.clone();
        keys.extend(own);
        let place = |what: String| format!("job {}: {}", index + 1, what.trim());
        for of_all in ["yes", "dry-run", "metrics-file", "if-running"] {
            if keys.contains_key(of_all) {
                return Err(place(format!("`{of_all}` is a flag of the whole run: give it on the command line")));
            }
        }
        let flags: Result<Vec<Vec<String>>, String> = keys.iter().map(|(key, value)| flag(key, value)).collect();
        let flags = flags.map_err(place)?.concat();
        let job = FileJob::try_parse_from(flags).map_err(|error| {
            let text = error.render().to_string();
            place(text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned())
        })?;
        if job.rows.table.is_none() {
            return Err(place("it names no `table`".into()));
        }
        let whole = PurgeRunArgs {
            dry_run: run.dry_run,
            yes: run.yes,
            metrics_file: run.metrics_file.clone(),
            if_running: run.if_running,
            ..job.run
        };
        let pace = job.pace.pace();
        let (to_table, files) = (job.to_table, job.files);
        Ok(PurgeJob { rows: job.rows, run: whole, pace, to_table, files, allow_cascade: job.allow_cascade })
    };
    file.job.clone().into_iter().enumerate().map(one).collect()
}

/// The file as it is written.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    defaults: toml::Table,
    #[serde(default)]
    job: Vec<toml::Table>,
}

/// One key as flags: `key = value` is `--key=value`, true is the flag alone, a list repeats it.
fn flag(key: &str, value: &toml::Value) -> Result<Vec<String>, String> {
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') || key.starts_with('-') {
        return Err(format!("unknown key `{key}`"));
    }
    Ok(match value {
        toml::Value::String(text) => vec![format!("--{key}={text}")],
        toml::Value::Integer(number) => vec![format!("--{key}={number}")],
        toml::Value::Float(number) => vec![format!("--{key}={number}")],
        toml::Value::Boolean(true) => vec![format!("--{key}")],
        toml::Value::Boolean(false) => Vec::new(),
        toml::Value::Array(values) => {
            let each: Result<Vec<Vec<String>>, String> = values.iter().map(|value| flag(key, value)).collect();
            each?.concat()
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => return Err(format!("`{key}` takes a text or a number")),
    })
}

/// One job, of either command.
#[derive(Clone, Debug)]
pub(super) struct PurgeJob {
    pub(super) rows: RowsArgs,
    pub(super) run: PurgeRunArgs,
    pub(super) pace: PaceArgs,
    pub(super) to_table: Option<String>,
    pub(super) files: FilesArgs,
    pub(super) allow_cascade: bool,
}

impl From<&PurgeArgs> for PurgeJob {
    fn from(args: &PurgeArgs) -> Self {
        Self {
            rows: args.rows.clone(),
            run: args.run.clone(),
            pace: args.pace.pace(),
            to_table: None,
            files: FilesArgs::default(),
            allow_cascade: args.allow_cascade,
        }
    }
}

impl From<&ArchiveArgs> for PurgeJob {
    fn from(args: &ArchiveArgs) -> Self {
        Self {
            rows: args.rows.clone(),
            run: args.run.clone(),
            pace: args.pace.pace(),
            to_table: args.to_table.clone(),
            files: args.files.clone(),
            allow_cascade: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> PurgeRunArgs {
        #[derive(Parser)]
        struct Alone {
            #[command(flatten)]
            run: PurgeRunArgs,
        }
        Alone::try_parse_from(["x", "--yes"]).unwrap().run
    }

    #[test]
    fn reads_jobs_with_defaults() {
        let text = "[defaults]\nchunk-rows = 100\nbetween = '01:00-05:00'\nmax-load = ['Threads_running>50', 'Threads_connected>9']\n\
                    [[job]]\ntable = 'a.b'\nwhere = \"--x = '1'\"\nallow-triggers = true\n\
                    [[job]]\ntable = 'a.c'\nolder-than = '90d'\ncolumn = 'at'\nto-table = 'a.d'\nchunk-rows = 7\n";
        let jobs = jobs(text, &run()).unwrap();
        let [one, two] = jobs.as_slice() else { panic!("{jobs:?}") };
        assert_eq!((one.rows.condition.as_deref(), one.pace.chunk_rows), (Some("--x = '1'"), 100));
        assert!(one.rows.allow_triggers && one.run.yes && one.run.between == Some((3_600, 18_000)));
        assert_eq!((two.to_table.as_deref(), two.pace.chunk_rows, two.pace.max_load.len()), (Some("a.d"), 7, 2));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        //  file                                                     says
        let cases = [
            ("", "no [[job]]"),
            ("[[job]]\nwhere = '1=1'\n", "job 1: it names no `table`"),
            (
                "[[job]]\ntable = 'a.b'\n[[job]]\ntable = 'a.b'\nchunk-tme = '1s'\n",
                "job 2: unexpected argument '--chunk-tme'",
            ),
            ("[[job]]\ntable = 'a.b'\nolder-than = '90'\ncolumn = 'c'\n", "no unit"),
            ("[[job]]\ntable = 'a.b'\nyes = true\n", "flag of the whole run"),
            ("[default]\n[[job]]\n", "unknown field `default`"),
            ("[[job]]\n'--table' = 'a.b'\n", "unknown key `--table`"),
            ("[[job]]\ntable = 'a.b'\nhost = 'x'\n", "unexpected argument '--host'"),
            ("[[job]\n", "TOML"),
        ];
        for (text, says) in cases {
            let error = jobs(text, &run()).unwrap_err();
            assert!(error.contains(says), "{text:?} gave {error}");
        }
    }
}
