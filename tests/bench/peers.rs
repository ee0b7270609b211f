//! `cargo bench --bench peers`: driftless and pt-online-schema-change in turns, on the same table of the same cluster.
//!
//! In:    rounds, rows, a write rate; MariaDB, galera-4, percona-toolkit.
//! Out:   figures of every run, ratios by pairs, and for each aim whether it is met.
//! Never: asserts a time, touches a server that it did not start, leaves anything behind.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod figures;
mod ground;
mod tools;
mod writers;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use figures::{Book, Figures, Mode, say};
use ground::Ground;
use tools::Tool;
use writers::Writers;

/// Longest time of one run.
const RUN: Duration = Duration::from_secs(600);
/// Writers write this long before a tool starts: connections are open and the cluster is in its stride.
const STRIDE: Duration = Duration::from_secs(3);

/// driftless and pt-online-schema-change in turns, on a throwaway cluster: times, what applications felt, ratios
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench peers --")]
struct Options {
    /// Pairs of runs in each mode
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Rows of the table
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Transactions a second (two updates, a delete, an insert) on the node where the tools work, in mode loaded
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// Nodes that the writers are connected to, the one where the tools work first
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    writers_on: u8,
    /// Without and with writers, or one of them
    #[arg(long, value_enum, default_value = "both")]
    mode: Modes,
    /// What takes part: everybody, or driftless alone (to see the effect of a change)
    #[arg(long, value_enum, default_value = "all")]
    only: Only,
    /// More arguments for driftless, separated by spaces
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    driftless_args: String,
    /// The driftless program, when it is not the one built with this benchmark
    #[arg(long, default_value = env!("CARGO_BIN_EXE_driftless"))]
    driftless: std::path::PathBuf,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Modes {
    Idle,
    Loaded,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    All,
    Driftless,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.bench {
        say("this takes minutes: cargo bench --bench peers");
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("error: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(bench(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            say(&format!("error: {what}"));
            ExitCode::FAILURE
        }
    }
}

async fn bench(options: &Options) -> Result<(), String> {
    if options.only == Only::All {
        tools::find_peer().await?;
    }
    say("starting three nodes and filling the table");
    let ground = Ground::prepare(options.rows).await?;
    let mut book = Book::default();
    let modes: &[Mode] = match options.mode {
        Modes::Idle => &[Mode::Idle],
        Modes::Loaded => &[Mode::Loaded],
        Modes::Both => &[Mode::Idle, Mode::Loaded],
    };
    for mode in modes {
        for round in 0..options.rounds {
            for tool in turn(options.only, *mode, round) {
                let figures = run(options, &ground, *mode, tool).await?;
                say(&figures.line());
                book.add(round, figures);
            }
        }
    }
    book.conclude();
    ground.cluster.stop().await;
    Ok(())
}

/// Who runs in a round; who begins alternates, so that neither always follows the other.
fn turn(only: Only, mode: Mode, round: u32) -> Vec<Tool> {
    let mut tools = match only {
        Only::Driftless => vec![Tool::Driftless],
        Only::All => vec![Tool::Driftless, Tool::Peer],
    };
    if !round.is_multiple_of(2) {
        tools.reverse();
    }
    if mode == Mode::Idle && only == Only::All {
        tools.push(Tool::Bare);
    }
    tools
}

async fn run(options: &Options, ground: &Ground, mode: Mode, tool: Tool) -> Result<Figures, String> {
    ground.fresh().await?;
    let writers = match mode {
        Mode::Idle => None,
        Mode::Loaded => {
            let servers: Result<Vec<_>, _> =
                (0..usize::from(options.writers_on)).map(|node| ground.server(node)).collect();
            Some(Writers::start(servers?, options.rate, options.rows))
        }
    };
    if writers.is_some() {
        tokio::time::sleep(STRIDE).await;
    }
    let before = ground.paused().await?;
    if let Some(writers) = &writers {
        writers.mark();
    }
    let work = tools::run(tool, ground, &options.driftless, &options.driftless_args);
    let ran = tokio::time::timeout(RUN, work).await.map_err(|_| format!("{tool:?} did not end in {RUN:?}"))??;
    let paused = ground.paused_since(&before).await?;
    let felt = match writers {
        Some(writers) => Some(writers.stop().await?),
        None => None,
    };
    if ran.failed.is_some() {
        ground.rebuild().await?;
    }
    Ok(Figures { tool, mode, ran, paused, felt })
}
