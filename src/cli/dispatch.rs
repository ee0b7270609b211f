//! Which command argv names.

use clap::{CommandFactory as _, Parser as _};

use super::args::{Cli, Command};
use super::{check, control, demo, error, inspect, plan, purge, repair, run, sweep, terminal};
use crate::report::ExitCode;

/// Runs the command that argv names, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return terminal::usage(&error),
    };
    terminal::trace();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return terminal::fail(&error::CliError::Surroundings(error.to_string())),
    };
    let outcome = runtime.block_on(dispatch(cli.command));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    outcome.unwrap_or_else(|error| terminal::fail(&error))
}

async fn dispatch(command: Command) -> Result<ExitCode, error::CliError> {
    match command {
        Command::Plan(args) => plan::plan(&args).await,
        Command::Inspect(args) => inspect::inspect(&args).await,
        Command::Run(args) => run::run(&args).await,
        Command::Check(args) => check::check(&args).await,
        Command::Repair(args) => repair::repair(&args).await,
        Command::Purge(args) => purge::purge(&args).await,
        Command::Archive(args) => purge::archive(&args).await,
        Command::Status(args) => control::status(&args).await,
        Command::Pause(args) => control::wish(&args, control::Order::Pause).await,
        Command::Resume(args) => control::wish(&args, control::Order::Resume).await,
        Command::Cutover(args) => control::wish(&args, control::Order::Cutover).await,
        Command::Abort(args) => control::abort(&args).await,
        Command::Cleanup(args) => sweep::cleanup(&args).await,
        Command::Demo(args) => demo::demo(&args).await,
        Command::Completions(args) => Ok(terminal::completions(args.shell, &mut Cli::command())),
        Command::Man => Ok(terminal::man(Cli::command())),
    }
}
