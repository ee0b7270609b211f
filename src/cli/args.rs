//! The command line: one struct a command; what the fields say is what `--help` prints.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use driftless_strategies::lint;

use super::proxies::ProxyArgs;
use super::purge_args::{ArchiveArgs, PurgeArgs};
use crate::config::ConnectArgs;
use crate::config::units::duration;

/// Online schema changes on MySQL, MariaDB and Galera, with proof that every node ended equal
#[derive(Debug, Parser)]
#[command(name = "driftless", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(super) struct Cli {
    /// What to do
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 refused or blocked (nothing changed), \
4 drift or differences found, 5 stopped but resumable, 6 unknown outcome: inspect.";

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Judge every strategy for a change and print the plan; changes nothing
    Plan(PlanArgs),
    /// Read what a plan rests on, and save it for `plan --facts`; changes nothing
    Inspect(InspectArgs),
    /// Run a plan, a saved plan file or an --alter
    Run(Box<RunArgs>),
    /// Compare the schemas of all nodes and replicas, and look at their health and at leftovers; changes nothing
    Check(CheckArgs),
    /// Make a table that one node has otherwise equal again, on that node alone, and compare the rows
    Repair(RepairArgs),
    /// Delete rows that match a condition, in paced batches
    Purge(Box<PurgeArgs>),
    /// Put rows that match a condition into another table, and delete them, in paced batches
    Archive(Box<ArchiveArgs>),
    /// Show the jobs in the journal
    Status(StatusArgs),
    /// Let a running job write nothing until it is resumed
    Pause(JobArgs),
    /// Let a paused job go on
    Resume(JobArgs),
    /// Switch although --postpone-cutover-file says wait
    Cutover(JobArgs),
    /// Stop a job and undo it: triggers and shadow go, the table stays as it was
    Abort(AbortArgs),
    /// Remove what jobs left behind: objects of jobs that are over, old journal entries
    Cleanup(CleanupArgs),
    /// Start a throwaway three-node cluster, change a table under load and show the proof
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page (roff)
    Man,
}

/// How results are shown.
#[derive(Args, Clone, Debug)]
pub(super) struct ShowArgs {
    /// Text for people, or JSON for programs
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
    /// Colours in text
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) color: Color,
}

/// Output forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs: one document (plan, check, status) or one event a line (run).
    Json,
}

/// Output forms of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanFormat {
    /// For people.
    Text,
    /// For programs: one document.
    Json,
    /// For a comment on a pull request.
    Markdown,
}

impl From<Format> for PlanFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

/// How a plan is shown.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct PlanShowArgs {
    /// Text for people, JSON for programs, or Markdown for a pull request
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: PlanFormat,
    /// Colours in text
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The change.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Change")]
pub(super) struct ChangeArgs {
    /// The table, schema.table; may be left out when --alter is a whole ALTER TABLE schema.table statement
    #[arg(long, value_name = "DB.TABLE")]
    pub(super) table: Option<String>,
    /// The clauses ('ADD COLUMN note text') or a whole ALTER TABLE statement
    #[arg(long, value_name = "SQL")]
    pub(super) alter: Option<String>,
    /// Use this strategy (never past a refusal that protects data)
    #[arg(long, value_name = "NAME", value_parser = strategy)]
    pub(super) strategy: Option<driftless_strategies::StrategyName>,
    /// Accept that the values of this column may be rounded or cut; repeatable
    #[arg(long, value_name = "COLUMN")]
    pub(super) allow_lossy: Vec<String>,
    /// Accept that a column dropped and added under the same name loses its values; repeatable
    #[arg(long, value_name = "COLUMN")]
    pub(super) allow_drop_add: Vec<String>,
    /// Do not warn of what this lint finds; repeatable (docs/lints.md has the codes)
    #[arg(long, value_name = "CODE", value_parser = lint::code)]
    pub(super) allow: Vec<driftless_strategies::ReasonCode>,
    /// Refuse the change while a lint that is not allowed finds anything
    #[arg(long)]
    pub(super) deny_lints: bool,
    /// Keep the old table after the switch
    #[arg(long)]
    pub(super) keep_retired: bool,
    /// Longest stall of writers that a plan may announce
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(super) max_stall: Duration,
    /// Refuse while a transaction on any node is older than this
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) max_transaction_age: Duration,
    /// Look at most this long for rows that the change would not take (duplicates, NULLs, values too big)
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) precheck_time: Duration,
}

/// `driftless plan`
#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    /// A plan file (TOML) with one or several changes
    #[arg(value_name = "FILE", conflicts_with_all = ["alter", "table"])]
    pub(super) file: Option<PathBuf>,
    /// Where the servers are.
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// The change.
    #[command(flatten)]
    pub(super) change: ChangeArgs,
    /// Write the plan to this file; `driftless run FILE` carries it out while it is still true
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Judge from this file, which `driftless inspect --out` wrote, and ask no server; repeatable, one file a table
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_SERVERS)]
    pub(super) facts: Vec<PathBuf>,
    /// A schema file.
    #[command(flatten)]
    pub(super) schema: super::schema_args::SchemaArgs,
    /// How to show it.
    #[command(flatten)]
    pub(super) show: PlanShowArgs,
}

/// Flags that mean something only where a server is asked.
pub(super) const OF_SERVERS: [&str; 20] = [
    "host",
    "port",
    "socket",
    "user",
    "defaults_file",
    "defaults_extra_file",
    "no_defaults",
    "defaults_group_suffix",
    "password_file",
    "ask_password",
    "password",
    "ssl_mode",
    "ssl_ca",
    "ssl_cert",
    "ssl_key",
    "connect_timeout",
    "nodes",
    "address_map",
    "precheck_time",
    "max_transaction_age",
];

/// `driftless inspect`
#[derive(Args, Debug)]
pub(super) struct InspectArgs {
    /// Where the servers are.
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// The table, schema.table
    #[arg(long, value_name = "DB.TABLE")]
    pub(super) table: String,
    /// Write what was read to this file; `driftless plan --facts FILE` judges from it without a server
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Replace the file when it is there already
    #[arg(long, requires = "out")]
    pub(super) force: bool,
    /// Name a transaction on any node that is older than this
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) max_transaction_age: Duration,
    /// How to show it.
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// Pace and limits of a run.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Pace")]
pub(super) struct PaceArgs {
    /// Copying connections
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) workers: u16,
    /// Time that one chunk should take
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = duration)]
    pub(super) chunk_time: Duration,
    /// Most rows in a chunk
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(super) chunk_rows: u64,
    /// Most bytes in a chunk, by the average row
    #[arg(long, value_name = "BYTES", default_value_t = 4_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) chunk_bytes: u64,
    /// Most rows a second over all connections
    #[arg(long, value_name = "N")]
    pub(super) max_rows_per_second: Option<std::num::NonZeroU32>,
    /// Pause above this share of time paused by flow control on any node (wsrep_flow_control_paused)
    #[arg(long, value_name = "FRACTION", default_value_t = 0.02)]
    pub(super) max_flow_control_paused: f64,
    /// Pause while a replica that reads from a node is further behind
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(super) max_lag: Duration,
    /// Pause while more threads run on any node
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) max_threads_running: u64,
    /// Pause while a status variable is over a limit, for example 'Threads_connected>500'; repeatable
    #[arg(long, value_name = "VARIABLE>N")]
    pub(super) max_load: Vec<String>,
    /// Longest wait for a metadata lock by a step that changes names or triggers
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub(super) lock_wait: Duration,
    /// Stop (resumably) after nothing could be written for so long
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    pub(super) patience: Duration,
}

impl PaceArgs {
    /// What holds when no flag is given.
    ///
    /// # Errors
    /// Never, while the defaults above can be read; a test sees to it.
    pub(super) fn defaults() -> Result<Self, clap::Error> {
        #[derive(Parser)]
        struct Alone {
            #[command(flatten)]
            pace: PaceArgs,
        }
        Ok(Alone::try_parse_from(["driftless"])?.pace)
    }
}

/// `driftless run`
#[derive(Args, Clone, Debug)]
pub(super) struct RunArgs {
    /// A plan saved by `driftless plan --out` (JSON), or a plan file (TOML)
    #[arg(value_name = "PLAN", conflicts_with_all = ["alter", "table", "resume"])]
    pub(super) plan: Option<PathBuf>,
    /// Go on with a job that stopped; its id may be left out when there is one
    #[arg(long, value_name = "JOB", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["alter", "table"])]
    pub(super) resume: Option<String>,
    /// Ask nothing
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
    /// Hold the switch while this file exists; copy and changes stay in step
    #[arg(long, value_name = "PATH")]
    pub(super) postpone_cutover_file: Option<PathBuf>,
    /// Where the servers are.
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// The change.
    #[command(flatten)]
    pub(super) change: ChangeArgs,
    /// Pace and limits.
    #[command(flatten)]
    pub(super) pace: PaceArgs,
    /// What stands before the nodes.
    #[command(flatten)]
    pub(super) proxy: ProxyArgs,
    /// How to show it.
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// `driftless check`
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// Compare this schema, whole; repeatable. Without it and --table: all but the server's own
    #[arg(long, value_name = "NAME")]
    pub(super) schema: Vec<String>,
    /// Compare this table or view, schema.table; repeatable
    #[arg(long, value_name = "DB.TABLE")]
    pub(super) table: Vec<String>,
    /// Check again every TIME (10s when left out), a line each, until there is drift or a signal comes
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "10s", value_parser = duration)]
    pub(super) watch: Option<Duration>,
    /// Where the servers are.
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// How to show it.
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// `driftless repair`
#[derive(Args, Debug)]
pub(super) struct RepairArgs {
    /// The table, schema.table
    #[arg(long, value_name = "DB.TABLE")]
    pub(super) table: String,
    /// Make the others like this node (its name); without it, like the majority
    #[arg(long, value_name = "NODE")]
    pub(super) like: Option<String>,
    /// Repair; without this and without a terminal to ask it is only shown
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
    /// Wait at most this long for a node to be without writers
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub(super) patience: Duration,
    /// Refuse while a transaction on any node is older than this
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) max_transaction_age: Duration,
    /// Where the servers are.
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// How to show it.
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// `driftless status`
#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// Jobs that are over too
    #[arg(long)]
    pub(super) all: bool,
    /// Where the servers are.
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// How to show it.
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// `driftless abort`
#[derive(Args, Debug)]
pub(super) struct AbortArgs {
    /// The job and the servers.
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// What stands before the nodes.
    #[command(flatten)]
    pub(super) proxy: ProxyArgs,
}

/// Commands on one job.
#[derive(Args, Debug)]
pub(super) struct JobArgs {
    /// The job; may be left out when there is one
    #[arg(value_name = "JOB")]
    pub(super) job: Option<String>,
    /// Where the servers are.
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// How to show it.
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// `driftless cleanup`
#[derive(Args, Debug)]
pub(super) struct CleanupArgs {
    /// Remove it; without this it is only listed
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
    /// Also remove retired tables that --keep-retired kept
    #[arg(long)]
    pub(super) retired: bool,
    /// Where the servers are.
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
    /// How to show it.
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// `driftless demo`
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Install MariaDB, Galera and rsync when they are missing (apt, as root)
    #[arg(long)]
    pub(super) install: bool,
    /// Leave the cluster running and print how to connect and stop it
    #[arg(long)]
    pub(super) keep: bool,
    /// Rows in the table
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1_000..=5_000_000))]
    pub(super) rows: u64,
    /// Writes a second on each node
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub(super) rate: u32,
    /// How to show it.
    #[command(flatten)]
    pub(super) show: ShowArgs,
}

/// `driftless completions`
#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

fn strategy(text: &str) -> Result<driftless_strategies::StrategyName, String> {
    let all = driftless_strategies::StrategyName::ALL;
    all.into_iter().find(|name| name.as_str() == text).ok_or_else(|| {
        let names = all.map(driftless_strategies::StrategyName::as_str).join(", ");
        format!("no strategy is called '{text}'; there are {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        assert_eq!(PaceArgs::defaults().unwrap().workers, 2);
    }
}
