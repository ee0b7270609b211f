//! `driftless plan`: prints the decision, and saves the plan when asked.

use std::path::Path;

use driftless_strategies::plan::{OLDEST_PLAN_FORMAT, PLAN_FORMAT};
use driftless_strategies::{Plan, Step};

use super::args::{ChangeArgs, Color, PaceArgs, PlanArgs, PlanFormat};
use super::error::CliError;
use super::gather::{Judged, Servers, gather};
use super::offline::Offline;
use super::schema_file::SchemaFiles;
use super::{changes, terminal};
use crate::ports::journal::JobId;
use crate::report::plan_json::plan_json;
use crate::report::plan_markdown::plan_markdown;
use crate::report::plan_text::{PlanSheet, plan_text};
use crate::report::{Complaint, ExitCode};
use crate::sql;

pub(super) async fn plan(args: &PlanArgs) -> Result<ExitCode, CliError> {
    let source = Source::of(args)?;
    let Some(file) = &args.file else { return plan_one(args, &args.change, &source).await };
    if !changes::is_plan_file(file) {
        return Err(CliError::Usage(
            format!("{} is not a plan file (.toml)", file.display()),
            "a saved plan (.json) is carried out by `driftless run`".into(),
        ));
    }
    let pace = PaceArgs::defaults().map_err(|error| CliError::Surroundings(error.to_string()))?;
    let changes = changes::read(file, &args.change, &pace)?;
    if args.out.is_some() && changes.len() > 1 {
        return Err(CliError::Usage(
            "--out takes one plan, the file has several changes".into(),
            "plan them one by one".into(),
        ));
    }
    let mut worst = ExitCode::Done;
    for change in changes {
        let code = plan_one(args, &change.change, &source).await?;
        worst = if code == ExitCode::Done { worst } else { code };
    }
    Ok(worst)
}

/// Where the facts come from.
enum Source {
    Servers(Servers),
    Files(Offline),
    Schemas(SchemaFiles),
}

impl Source {
    fn of(args: &PlanArgs) -> Result<Self, CliError> {
        let schemas = &args.schema;
        if args.facts.is_empty() && schemas.schema.is_empty() {
            return Ok(Self::Servers(Servers::of(&args.connect)?));
        }
        if args.out.is_some() {
            // `run` would hold the servers' dry run against a guess of the altered table, and refuse nearly always.
            return Err(CliError::Usage(
                format!(
                    "--out can't save a plan that was made from {}: no server has tried its statement, so `driftless \
                     run` could not tell whether it is still true",
                    if args.facts.is_empty() { "--schema" } else { "--facts" }
                ),
                "leave --out away; make the plan that will be run with `driftless plan --out` where the servers can be \
                 reached"
                    .into(),
            ));
        }
        if args.facts.is_empty() {
            return Ok(Self::Schemas(SchemaFiles::read(schemas)?));
        }
        Ok(Self::Files(Offline::read(&args.facts)?))
    }
}

async fn plan_one(args: &PlanArgs, change: &ChangeArgs, source: &Source) -> Result<ExitCode, CliError> {
    let judged = match source {
        Source::Servers(servers) => gather(servers, change).await?.judged,
        Source::Files(files) => files.judge(change)?,
        Source::Schemas(files) => files.judge(change)?,
    };
    show(&judged, args.show.format, args.show.color)?;
    let Some(plan) = &judged.decision.plan else { return Ok(ExitCode::Refused) };
    if let Some(file) = &args.out {
        save(plan, file)?;
    }
    Ok(ExitCode::Done)
}

/// Prints the decision.
pub(super) fn show(judged: &Judged, format: PlanFormat, color: Color) -> Result<(), CliError> {
    let job = JobId("JOB".into());
    let source = &judged.facts.table.columns;
    let sql = |step: &Step| {
        judged.decision.plan.as_ref().map_or_else(Vec::new, |plan| sql::steps::statements(plan, source, step, &job))
    };
    let sheet = PlanSheet { facts: &judged.facts, alter: &judged.alter, decision: &judged.decision, sql: &sql };
    match format {
        PlanFormat::Text => terminal::print(&plan_text(&sheet, &terminal::style(color))),
        PlanFormat::Json => {
            let text = plan_json(&sheet).map_err(|error| CliError::Surroundings(error.to_string()))?;
            terminal::print(&text);
        }
        PlanFormat::Markdown => terminal::print(&plan_markdown(&sheet, &judged.unsure)),
    }
    for note in &judged.unsure {
        Complaint::new(note).print();
    }
    Ok(())
}

fn save(plan: &Plan, file: &Path) -> Result<(), CliError> {
    let bad = |why: String| {
        let remedy = "name a file in a directory that you may write to; the plan above holds";
        CliError::File("the plan can't be saved", file.to_owned(), why, remedy)
    };
    let text = serde_json::to_string_pretty(plan).map_err(|error| bad(error.to_string()))?;
    std::fs::write(file, text + "\n").map_err(|error| bad(error.to_string()))
}

/// Reads a saved plan.
pub(super) fn load(file: &Path) -> Result<Plan, CliError> {
    let bad = |why: String| {
        let remedy = "name a file that `driftless plan --out` of this version wrote, or plan again";
        CliError::File("the plan can't be read", file.to_owned(), why, remedy)
    };
    let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| bad(format!("it is not a plan of driftless: {error}")))?;
    let format = value.get("format").and_then(serde_json::Value::as_u64);
    let known = u64::from(PLAN_FORMAT);
    if format.is_some_and(|format| format > known) {
        return Err(bad(format!("its format is newer than {known}, the newest that this version of driftless knows")));
    }
    if format.is_some_and(|format| format < u64::from(OLDEST_PLAN_FORMAT)) {
        let all = format!("{OLDEST_PLAN_FORMAT} to {known}");
        return Err(bad(format!("its format is none of {all}, those that this version of driftless knows")));
    }
    serde_json::from_value(value).map_err(|error| bad(format!("it is not a plan of driftless: {error}")))
}
