//! `driftless check`: whether all nodes are healthy and have the same schemas.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::{Ident, TableName, Topology};
use tokio_util::sync::CancellationToken;

use super::args::{CheckArgs, Format};
use super::error::CliError;
use super::gather::{Servers, table_name};
use super::{signal, terminal};
use crate::check::{self, Question, Report, Scope};
use crate::config::SystemClock;
use crate::engine::journal::JournalStore;
use crate::ports::clock::Clock as _;
use crate::ports::members::Discovered;
use crate::report::check_json::{check_json, check_json_line};
use crate::report::check_text::{CheckSheet, check_line, check_text};
use crate::report::{Complaint, ExitCode};

/// Shortest rest between two rounds of a watch.
const SHORTEST_REST: Duration = Duration::from_millis(200);

pub(super) async fn check(args: &CheckArgs) -> Result<ExitCode, CliError> {
    let scope = scope(args)?;
    let servers = Servers::of(&args.connect)?;
    let discovered = servers.discover().await?;
    if let Some(every) = args.watch {
        return watch(args, &servers, &scope, discovered, every).await;
    }
    let report = once(&servers, &scope, &discovered).await;
    let sheet = sheet(&report, &scope, &discovered);
    known(&sheet)?;
    show(args, &sheet)?;
    if !report.unknown.is_empty() {
        Complaint::new(format!("there is no {} on any node that could be read", report.unknown.join(", "))).print();
    }
    Ok(sheet.exit)
}

async fn once(servers: &Servers, scope: &Scope, discovered: &Discovered) -> Report {
    let at_work = at_work(discovered).await;
    let clock = SystemClock::default();
    let connector = servers.connector();
    check::check(&Question { discovered, connector, scope, at_work: &at_work, clock: &clock }).await
}

fn sheet<'a>(report: &'a Report, scope: &'a Scope, discovered: &Discovered) -> CheckSheet<'a> {
    let galera = matches!(discovered.topology, Topology::Galera { .. });
    CheckSheet { report, scope, galera, exit: exit(report) }
}

fn known(sheet: &CheckSheet<'_>) -> Result<(), CliError> {
    if sheet.exit != ExitCode::Usage {
        return Ok(());
    }
    let unknown = sheet.report.unknown.join(", ");
    let remedy = "check the name; case counts unless lower_case_table_names says otherwise";
    Err(CliError::Usage(format!("there is no {unknown} on any node"), remedy.into()))
}

fn show(args: &CheckArgs, sheet: &CheckSheet<'_>) -> Result<(), CliError> {
    match args.show.format {
        Format::Text => terminal::print(&check_text(sheet, &terminal::style(args.show.color))),
        Format::Json => terminal::print(&check_json(sheet).map_err(unwritable)?),
    }
    Ok(())
}

/// Checks again and again. Drift ends it; a signal ends it with the code of what was seen last. A node that goes is told
/// and waited for.
async fn watch(
    args: &CheckArgs,
    servers: &Servers,
    scope: &Scope,
    mut discovered: Discovered,
    every: Duration,
) -> Result<ExitCode, CliError> {
    let stop = CancellationToken::new();
    signal::cancels(&stop)?;
    let began = SystemClock::default();
    // Before the first round is over nothing can be said.
    let mut seen = None;
    loop {
        let report = tokio::select! {
            report = once(servers, scope, &discovered) => report,
            () = stop.cancelled() => return Ok(seen.unwrap_or(ExitCode::Failed)),
        };
        let sheet = sheet(&report, scope, &discovered);
        let first = seen.is_none();
        if first {
            known(&sheet)?;
        }
        match args.show.format {
            Format::Json => terminal::print(&check_json_line(&sheet).map_err(unwritable)?),
            Format::Text if first || sheet.exit == ExitCode::Differences => show(args, &sheet)?,
            Format::Text => terminal::print(&check_line(&sheet, began.now(), &terminal::style(args.show.color))),
        }
        if sheet.exit == ExitCode::Differences {
            return Ok(sheet.exit);
        }
        seen = Some(sheet.exit);
        tokio::select! {
            () = began.sleep(every.max(SHORTEST_REST)) => {}
            () = stop.cancelled() => return Ok(sheet.exit),
        }
        // The node that was asked first may be the one that went: then those that were known are asked.
        if let Ok(found) = servers.discover().await {
            discovered = found;
        }
    }
}

fn unwritable(error: serde_json::Error) -> CliError {
    CliError::Surroundings(error.to_string())
}

/// Drift counts most. A name that no node has is an error of the user only when all nodes were asked for it.
fn exit(report: &Report) -> ExitCode {
    if !report.drift.is_empty() {
        ExitCode::Differences
    } else if !report.healthy() {
        ExitCode::Refused
    } else if !report.unknown.is_empty() {
        ExitCode::Usage
    } else if !report.leftovers.is_empty() {
        ExitCode::Refused
    } else {
        ExitCode::Done
    }
}

fn scope(args: &CheckArgs) -> Result<Scope, CliError> {
    let schema = |name: &String| {
        Ident::new(name).map_err(|error| CliError::Usage(format!("--schema: {error}"), "name a schema".into()))
    };
    let mut schemas = args.schema.iter().map(schema).collect::<Result<Vec<_>, _>>()?;
    let mut tables = args.table.iter().map(|name| table_name(name)).collect::<Result<Vec<_>, _>>()?;
    schemas.sort();
    schemas.dedup();
    tables.sort();
    tables.dedup();
    Ok(Scope { schemas, tables })
}

/// Tables of jobs that are not over. Without a journal, or the right to read it, there are none.
async fn at_work(discovered: &Discovered) -> Vec<TableName> {
    let Some(first) = discovered.members.first() else { return Vec::new() };
    let store = JournalStore::new(Arc::clone(&first.server));
    if !store.exists().await.unwrap_or(false) {
        return Vec::new();
    }
    let entries = store.entries(false).await.unwrap_or_default();
    entries.into_iter().map(|entry| entry.job.plan.table).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Difference, Left, NodeState, Role};

    #[test]
    fn what_was_found_decides_the_code() {
        let node = |problems: Vec<String>, tables| NodeState {
            name: "n1".into(),
            address: "h:1".into(),
            role: Role::Member,
            problems,
            tables,
        };
        let fine = Report { nodes: vec![node(vec![], Some(3))], ..Report::default() };
        let left = Left { what: "table".into(), nodes: vec!["n1".into()], remedy: "" };
        let object = check::Object { schema: "s".into(), kind: check::Kind::Table, name: "t".into() };
        let drift = vec![Difference { object, aspect: String::new(), groups: vec![] }];
        //  report                                                                           code               why
        let cases = [
            (fine.clone(), ExitCode::Done, "all is well"),
            (Report { leftovers: vec![left], ..fine.clone() }, ExitCode::Refused, "leftovers"),
            (Report { nodes: vec![node(vec!["x".into()], Some(3))], ..fine.clone() }, ExitCode::Refused, "unhealthy"),
            (Report { nodes: vec![node(vec![], None)], ..fine.clone() }, ExitCode::Refused, "not read"),
            (Report { unreached: vec!["n2".into()], ..fine.clone() }, ExitCode::Refused, "unreached"),
            (Report { unknown: vec!["t".into()], ..fine.clone() }, ExitCode::Usage, "unknown"),
            (
                Report { unknown: vec!["t".into()], unreached: vec!["n2".into()], ..fine.clone() },
                ExitCode::Refused,
                "unknown, but not all were asked",
            ),
            (Report { drift, unreached: vec!["n2".into()], ..fine }, ExitCode::Differences, "drift counts most"),
        ];
        for (report, code, why) in cases {
            assert_eq!(exit(&report), code, "{why}");
        }
    }
}
