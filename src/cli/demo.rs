//! `driftless demo`: a throwaway cluster, a change under load, the proof.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use serde_json::json;

use super::args::{Cli, Command, DemoArgs, Format};
use super::error::CliError;
use super::gather::Servers;
use super::{run, terminal};
use crate::config::SystemClock;
use crate::demo::{self, Afterwards, Connect, DemoOutcome, Install, Migration, NodeProcess, Spec, Stage, Workload};
use crate::error::Fault;
use crate::ports::server::Server;
use crate::report::{Complaint, ExitCode, demo_text};

/// What the demo changes: a new column, a wider one, a new index.
const ALTER: &str = "ADD COLUMN channel VARCHAR(20) NOT NULL DEFAULT 'web', ADD KEY by_channel (channel)";
/// How long writers write before the migration.
const WARM_UP: Duration = Duration::from_secs(3);

pub(super) async fn demo(args: &DemoArgs) -> Result<ExitCode, CliError> {
    let surprising = |error: driftless_strategies::NameError| CliError::Surroundings(error.to_string());
    let options = demo::Options {
        install: if args.install { Install::Yes } else { Install::No },
        afterwards: if args.keep { Afterwards::Keep } else { Afterwards::Remove },
        spec: Spec::galera(3),
        table: demo::orders().map_err(surprising)?,
        rows: args.rows,
        workload: Workload { rate: Some(u64::from(args.rate) * 3), ..Workload::default() },
        warm_up: WARM_UP,
        alter: ALTER.into(),
    };
    let format = args.show.format;
    let tell = move |note: &demo::Note| {
        if format == Format::Text {
            terminal::print(&format!("demo: {note}"));
        }
    };
    let parts = demo::Parts {
        connect: &Loopback,
        clock: Arc::new(SystemClock::new()),
        migration: &OwnRun { format },
        notes: &tell,
    };
    match demo::run(&options, &parts).await {
        Ok(outcome) => Ok(show(args, &outcome)),
        Err(error) => {
            Complaint::new(error.to_string()).with_remedy(error.remedy()).print();
            Ok(ExitCode::Failed)
        }
    }
}

fn show(args: &DemoArgs, outcome: &DemoOutcome) -> ExitCode {
    match args.show.format {
        Format::Text => terminal::print(&demo_text::text(outcome, &terminal::style(args.show.color))),
        Format::Json => terminal::print(&json!({ "event": "demo", "outcome": demo_text::json(outcome) }).to_string()),
    }
    if let Err(error) = &outcome.migrated {
        Complaint::new(error.to_string()).with_remedy(error.remedy()).print();
        return ExitCode::Failed;
    }
    if outcome.good() { ExitCode::Done } else { ExitCode::Differences }
}

/// Connects to the demo's own servers.
struct Loopback;

impl Connect for Loopback {
    fn server(&self, node: &NodeProcess) -> Arc<dyn Server> {
        Servers::loopback(node.port)
    }
}

/// The migration is the very command that a user types.
struct OwnRun {
    format: Format,
}

#[async_trait::async_trait]
impl Migration for OwnRun {
    async fn migrate(&self, stage: &Stage) -> Result<(), Fault> {
        let Some(node) = stage.nodes.first() else { return Err(Fault::Failed("the demo has no node".into())) };
        let (port, table) = (node.port.to_string(), stage.table.quoted());
        let format = if self.format == Format::Json { "json" } else { "text" };
        let line = [
            "driftless",
            "run",
            "--yes",
            "--no-defaults",
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--user",
            "root",
            "--table",
            &table,
            "--alter",
            &stage.alter,
            // What the demo shows is the copy, for a change that needs none on a small table.
            "--strategy",
            "trigger-copy",
            "--format",
            format,
        ];
        if self.format == Format::Text {
            let shown = format!(
                "driftless run --host 127.0.0.1 --port {port} --user root --table {} --alter '{}' --strategy trigger-copy --yes",
                stage.table, stage.alter
            );
            terminal::print(&format!("\n$ {shown}"));
        }
        let Cli { command: Command::Run(args) } =
            Cli::try_parse_from(line).map_err(|error| Fault::Failed(error.to_string()))?
        else {
            return Err(Fault::Failed("BUG: the demo's command line is not a run".into()));
        };
        match run::run(&args).await {
            Ok(ExitCode::Done) => Ok(()),
            Ok(code) => Err(Fault::Failed(format!("it ended with exit code {}: {}", code.code(), code.meaning()))),
            Err(error) => {
                let what: Vec<String> = error.complaints().iter().map(ToString::to_string).collect();
                Err(Fault::Failed(what.join("; ")))
            }
        }
    }
}
