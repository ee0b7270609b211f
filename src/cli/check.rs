//! `driftless check`: whether all nodes are healthy and have the same schemas.

use std::sync::Arc;

use driftless_strategies::{Ident, TableName, Topology};

use super::args::{CheckArgs, Format};
use super::error::CliError;
use super::gather::{Servers, table_name};
use super::terminal;
use crate::check::{self, Question, Report, Scope};
use crate::config::SystemClock;
use crate::engine::journal::JournalStore;
use crate::ports::members::Discovered;
use crate::report::check_json::check_json;
use crate::report::check_text::{CheckSheet, check_text};
use crate::report::{Complaint, ExitCode};

pub(super) async fn check(args: &CheckArgs) -> Result<ExitCode, CliError> {
    let scope = scope(args)?;
    let servers = Servers::of(&args.connect)?;
    let discovered = servers.discover().await?;
    let at_work = at_work(&discovered).await;
    let clock = SystemClock::default();
    let question = Question {
        discovered: &discovered,
        connector: servers.connector(),
        scope: &scope,
        at_work: &at_work,
        clock: &clock,
    };
    let report = check::check(&question).await;
    let (exit, unknown) = (exit(&report), report.unknown.join(", "));
    if exit == ExitCode::Usage {
        let remedy = "check the name; case counts unless lower_case_table_names says otherwise";
        return Err(CliError::Usage(format!("there is no {unknown} on any node"), remedy.into()));
    }
    let galera = matches!(discovered.topology, Topology::Galera { .. });
    let sheet = CheckSheet { report: &report, scope: &scope, galera, exit };
    match args.show.format {
        Format::Text => terminal::print(&check_text(&sheet, &terminal::style(args.show.color))),
        Format::Json => {
            let text = check_json(&sheet).map_err(|error| CliError::Surroundings(error.to_string()))?;
            terminal::print(&text);
        }
    }
    if !unknown.is_empty() {
        Complaint::new(format!("there is no {unknown} on any node that could be read")).print();
    }
    Ok(exit)
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
