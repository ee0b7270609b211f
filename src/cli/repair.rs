//! `driftless repair`: one node's table made like the others', shown first, proven afterwards.

use std::sync::Arc;

use driftless_strategies::{Fingerprint, Reason, ReasonCode, TableName, Topology};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::args::{Format, RepairArgs};
use super::error::CliError;
use super::gather::{Servers, table_name};
use super::{control, run, signal, terminal};
use crate::config::SystemClock;
use crate::cutover::repair::{Repair, rows, shown};
use crate::engine::journal::JournalStore;
use crate::engine::repair_lease::RepairLease;
use crate::error::Fault;
use crate::inspect::{Expectation, Expected, Limits, NodeWatch, OwnTriggers, Reading};
use crate::ports::clock::Clock;
use crate::ports::journal::Phase;
use crate::ports::members::{Discovered, Member};
use crate::ports::nodes::Nodes as _;
use crate::report::ExitCode;

/// What the nodes have, and which of them the others are to be like.
struct Drift {
    nodes: Vec<(String, Reading)>,
    model: usize,
}

impl Drift {
    fn model(&self) -> Option<&Reading> {
        self.nodes.get(self.model).map(|(_, reading)| reading)
    }

    fn others(&self) -> Vec<&(String, Reading)> {
        let print = self.model().map(|reading| &reading.fingerprint);
        self.nodes.iter().filter(|(_, reading)| Some(&reading.fingerprint) != print).collect()
    }
}

pub(super) async fn repair(args: &RepairArgs) -> Result<ExitCode, CliError> {
    let table = table_name(&args.table)?;
    let discovered = Servers::of(&args.connect)?.discover().await?;
    possible(&discovered, &table).await?;
    let watch = watch(args, &discovered, &table);
    let drift = match drift(&watch, args, &table).await? {
        Found::Drift(drift) => drift,
        // Rows may differ all the same: an earlier repair may have said so.
        Found::Equal => return proven(args, &discovered, &watch, &table, &[]).await,
        Found::Tie(what) => {
            crate::report::Complaint::new(&what).with_remedy("say which is right with --like NODE").print();
            document(args, &table, &[], &[], &what, ExitCode::Differences);
            return Ok(ExitCode::Differences);
        }
    };
    let Some(wanted) = drift.model().map(|reading| reading.shape.clone()) else {
        return Err(CliError::Surroundings("no server answered".into()));
    };
    let mut repairs = Vec::new();
    for (node, reading) in drift.others() {
        let member = member(&discovered, node)?;
        let repair = Repair::of(&member.node, &reading.name, &reading.shape, &wanted)?;
        repair.rehearse(member, &reading.name, &wanted).await?;
        say(args, &format!("on {node} alone: {}", repair.statement.as_str()));
        for column in &repair.loses {
            say(args, &format!("  this loses the values of `{column}`, which only {node} has"));
        }
        repairs.push((member, repair));
    }
    if !args.yes && !terminal::confirm("Repair?")? {
        return Err(CliError::Usage("not confirmed; nothing was changed".into(), "answer y, or add --yes".into()));
    }
    watch.fit(Phase::Altering).await?;
    let stop = CancellationToken::new();
    signal::cancels(&stop)?;
    let lost = CancellationToken::new();
    // Through the node that the others become like, which is never changed itself.
    let model = member(&discovered, drift.nodes.get(drift.model).map_or("", |(node, _)| node))?;
    let clock = Arc::new(SystemClock::new());
    let lease = RepairLease::take(&model.server, &table, &run::owner(), control::dead, clock, lost.clone()).await?;
    let answer = carry_out(args, &table, &watch, &drift, &repairs, (&stop, &lost)).await;
    lease.release().await;
    if let Some(code) = answer? {
        return Ok(code);
    }
    let code = proven(args, &discovered, &watch, &table, &repairs).await;
    code.or_else(|error| Ok(half_done(args, &table, &error)))
}

/// One node after the other; an exit code when it ended before all were done.
async fn carry_out(
    args: &RepairArgs,
    table: &TableName,
    watch: &NodeWatch,
    drift: &Drift,
    repairs: &[(&Member, Repair)],
    (stop, lost): (&CancellationToken, &CancellationToken),
) -> Result<Option<ExitCode>, CliError> {
    let mut expected: Vec<(String, Fingerprint)> =
        drift.nodes.iter().map(|(node, reading)| (node.clone(), reading.fingerprint.clone())).collect();
    for (done, (member, repair)) in repairs.iter().enumerate() {
        let waits = |why: &str| say(args, &format!("waits: {why}"));
        let answer = tokio::select! {
            answer = repair.carry_out(member, watch, args.patience, &expected, &waits) => answer,
            // Dropping the ALTER ends it, and the server undoes it.
            () = stop.cancelled() => return Ok(Some(interrupted(args, table, &repair.node, "stopped by a signal"))),
            () = lost.cancelled() => {
                return Ok(Some(interrupted(args, table, &repair.node, "the lease of this repair is lost")));
            }
        };
        match answer {
            Ok(()) => say(args, &format!("{} is changed", repair.node)),
            Err(fault) => return ended_early(args, table, done, fault).map(Some),
        }
        if let (Some(model), Some(own)) = (drift.model(), expected.iter_mut().find(|(node, _)| *node == repair.node)) {
            own.1.clone_from(&model.fingerprint);
        }
    }
    Ok(None)
}

fn interrupted(args: &RepairArgs, table: &TableName, node: &str, why: &str) -> ExitCode {
    let what = format!("{why}; an ALTER under way on {node} was ended, and the server undoes it");
    crate::report::Complaint::new(&what)
        .with_remedy("run `driftless repair` again, which looks what each node has")
        .print();
    document(args, table, &[], &[], &what, ExitCode::Stopped);
    ExitCode::Stopped
}

/// A refusal says that nothing was changed: true only before the first node, and never when an answer was lost.
fn ended_early(args: &RepairArgs, table: &TableName, done: usize, fault: Fault) -> Result<ExitCode, CliError> {
    let lost = matches!(fault, Fault::Lost(_));
    let error = CliError::from(fault);
    if lost {
        let what = error.complaints().into_iter().next().map_or_else(String::new, |first| first.what);
        let remedy = "whether the ALTER happened is not known: run `driftless repair` again, which looks";
        crate::report::Complaint::new(&what).with_remedy(remedy).print();
        document(args, table, &[], &[], &what, ExitCode::Unknown);
        return Ok(ExitCode::Unknown);
    }
    if done == 0 { Err(error) } else { Ok(half_done(args, table, &error)) }
}

/// Something is changed, and the rest is not known or not done.
fn half_done(args: &RepairArgs, table: &TableName, error: &CliError) -> ExitCode {
    let code = if error.exit() == ExitCode::Unknown { ExitCode::Unknown } else { ExitCode::Stopped };
    for complaint in error.complaints() {
        let what = complaint.what.clone();
        complaint
            .with_remedy("a node is changed already: run `driftless repair` again, which looks what each has")
            .print();
        document(args, table, &[], &[], &what, code);
    }
    code
}

/// Schemas and rows of all nodes, read anew.
async fn proven(
    args: &RepairArgs,
    discovered: &Discovered,
    watch: &NodeWatch,
    table: &TableName,
    repairs: &[(&Member, Repair)],
) -> Result<ExitCode, CliError> {
    let seen = read(watch, table).await?;
    let same = |one: &(String, Reading), other: &(String, Reading)| one.1.fingerprint == other.1.fingerprint;
    let Some(first) = seen.first().filter(|first| seen.iter().all(|other| same(first, other))) else {
        let told = format!("{table} differs between the nodes");
        return Ok(verdict(args, table, repairs, &[], &told, ExitCode::Differences));
    };
    let shown = shown(&discovered.members, table).await?;
    if shown.iter().any(|(_, lines)| shown.first().is_some_and(|(_, first)| first != lines)) {
        let told =
            format!("{table} looks the same in the catalog of every node, but not in SHOW CREATE TABLE: compare that");
        return Ok(verdict(args, table, repairs, &[], &told, ExitCode::Differences));
    }
    let sums = rows(&discovered.members, table, &first.1.shape).await?;
    let lines: Vec<String> = sums.iter().map(|(node, sum)| format!("{node} {sum}")).collect();
    let hashed = sums.iter().all(|(_, sum)| sum.split(':').nth(1) == Some("0"));
    let equal = sums.iter().all(|(_, sum)| sums.first().is_some_and(|(_, first)| first == sum));
    let (told, code) = match (hashed, equal) {
        (true, true) if repairs.is_empty() => {
            (format!("{table} is the same on every node, its rows too: nothing to repair"), ExitCode::Done)
        }
        (true, true) => (format!("{table} is equal on every node, its rows too"), ExitCode::Done),
        (false, _) => (
            format!("{table} has the same shape on every node, but some rows are too long to be compared"),
            ExitCode::Differences,
        ),
        (true, false) => (
            format!(
                "{table} has the same shape on every node, but its rows differ, or are being written: run this again in a \
                 quiet moment; a node whose rows differ needs a state transfer"
            ),
            ExitCode::Differences,
        ),
    };
    Ok(verdict(args, table, repairs, &lines, &told, code))
}

fn verdict(
    args: &RepairArgs,
    table: &TableName,
    repairs: &[(&Member, Repair)],
    rows: &[String],
    told: &str,
    code: ExitCode,
) -> ExitCode {
    for line in rows.iter().filter(|_| code != ExitCode::Done) {
        say(args, &format!("  {line}"));
    }
    say(args, told);
    document(args, table, repairs, rows, told, code);
    code
}

/// The one document in JSON, at the end.
fn document(
    args: &RepairArgs,
    table: &TableName,
    repairs: &[(&Member, Repair)],
    rows: &[String],
    what: &str,
    code: ExitCode,
) {
    if args.show.format == Format::Json {
        let repairs: Vec<_> = repairs
            .iter()
            .map(|(_, repair)| json!({ "node": repair.node, "statement": repair.statement.as_str() }))
            .collect();
        let all =
            json!({ "table": table.to_string(), "repairs": repairs, "rows": rows, "what": what, "code": code.code() });
        terminal::print(&all.to_string());
    }
}

/// In JSON there is one document, at the end.
fn say(args: &RepairArgs, line: &str) {
    if args.show.format == Format::Text {
        terminal::print(line);
    }
}

fn refused(code: ReasonCode, what: String, remedy: &str) -> CliError {
    CliError::Refused(vec![Reason::new(code, what, remedy)])
}

/// What must be so before anything is read.
async fn possible(discovered: &Discovered, table: &TableName) -> Result<(), CliError> {
    if !matches!(discovered.topology, Topology::Galera { .. }) {
        let what = "repair works on a Galera cluster, and this is a single primary".to_owned();
        return Err(refused(ReasonCode::WrongTopology, what, "ALTER the table by hand"));
    }
    if let Some(unreached) = discovered.unreached.first() {
        let remedy = "bring it back, or name its address with --node";
        return Err(refused(ReasonCode::NodeUnreached, unreached.clone(), remedy));
    }
    let Some(first) = discovered.members.first() else { return Ok(()) };
    let store = JournalStore::new(Arc::clone(&first.server));
    let jobs = if store.exists().await? { store.entries(false).await? } else { Vec::new() };
    match jobs.iter().find(|entry| entry.job.plan.table == *table && !entry.job.phase.over()) {
        None => Ok(()),
        Some(entry) => {
            let what = format!("job {} works on {table}", entry.job.id);
            Err(refused(
                ReasonCode::JobActive,
                what,
                "let it go on with `driftless run --resume`, or `driftless abort` it",
            ))
        }
    }
}

fn watch(args: &RepairArgs, discovered: &Discovered, table: &TableName) -> NodeWatch {
    let expectation = Expectation {
        topology: discovered.topology.clone(),
        tables: vec![(table.clone(), Expected::There)],
        own_triggers: OwnTriggers::Forbidden,
    };
    let limits = Limits { old_transaction: args.max_transaction_age };
    NodeWatch::new(discovered, expectation, limits, Arc::new(SystemClock::new()) as Arc<dyn Clock>)
}

async fn read(watch: &NodeWatch, table: &TableName) -> Result<Vec<(String, Reading)>, CliError> {
    let mut seen = Vec::new();
    for (node, answer) in watch.tables().await {
        match answer? {
            Some(reading) => seen.push((node, reading)),
            None => {
                let what = format!("there is no table {table} on {node}");
                let remedy =
                    "a table and its rows come back by a state transfer only; drop it elsewhere if nobody needs it";
                return Err(refused(ReasonCode::TableMissing, what, remedy));
            }
        }
    }
    Ok(seen)
}

enum Found {
    Equal,
    Drift(Drift),
    Tie(String),
}

async fn drift(watch: &NodeWatch, args: &RepairArgs, table: &TableName) -> Result<Found, CliError> {
    let nodes = read(watch, table).await?;
    let alike = |reading: &Reading| nodes.iter().filter(|(_, other)| other.fingerprint == reading.fingerprint).count();
    if nodes.iter().all(|(_, reading)| alike(reading) == nodes.len()) {
        return Ok(Found::Equal);
    }
    let model = match &args.like {
        Some(name) => {
            let found = nodes.iter().position(|(node, _)| node == name);
            let unknown = || {
                let names: Vec<&str> = nodes.iter().map(|(node, _)| node.as_str()).collect();
                CliError::Usage(format!("--like: no node is called {name}"), format!("there are {}", names.join(", ")))
            };
            Some(found.ok_or_else(unknown)?)
        }
        None => nodes.iter().position(|(_, reading)| alike(reading) * 2 > nodes.len()),
    };
    Ok(match model {
        Some(model) => Found::Drift(Drift { nodes, model }),
        None => Found::Tie(format!("{table} differs between the nodes, and no side is the majority")),
    })
}

fn member<'a>(discovered: &'a Discovered, node: &str) -> Result<&'a Member, CliError> {
    let found = discovered.members.iter().find(|member| member.node.name == node);
    found.ok_or_else(|| CliError::Fault(Fault::Busy(format!("{node} is not among the nodes that can be reached"))))
}
