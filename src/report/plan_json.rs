//! A decision for programs.

use driftless_strategies::verdict::Decision;
use driftless_strategies::{Plan, Step};
use serde::Serialize;

use super::plan_text::{PlanSheet, step_name};

/// Version of this document's format.
pub const PLAN_DOCUMENT_FORMAT: u32 = 1;

/// What came of the question.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Planned,
    Refused,
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    outcome: Outcome,
    table: String,
    alter: String,
    hints: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    assumed: &'a [String],
    decision: &'a Decision,
    sql: Vec<StepSql>,
}

#[derive(Serialize)]
struct StepSql {
    number: usize,
    step: &'static str,
    statements: Vec<String>,
}

/// One JSON document: outcome, decision and the statements of each step; the same bytes for the same input.
///
/// # Errors
/// Only if a value can't be JSON at all, which no part of a decision is.
pub fn plan_json(sheet: &PlanSheet<'_>) -> serde_json::Result<String> {
    let plan = sheet.decision.plan.as_ref();
    let document = Document {
        format: PLAN_DOCUMENT_FORMAT,
        outcome: if plan.is_some() { Outcome::Planned } else { Outcome::Refused },
        table: sheet.facts.name.to_string(),
        alter: sheet.alter.text(),
        hints: &sheet.alter.hints,
        assumed: &sheet.facts.assumed,
        decision: sheet.decision,
        sql: plan.map(|plan| statements(plan, sheet.sql)).unwrap_or_default(),
    };
    serde_json::to_string_pretty(&document)
}

fn statements(plan: &Plan, sql: &dyn Fn(&Step) -> Vec<String>) -> Vec<StepSql> {
    let each =
        |(index, step): (usize, &Step)| StepSql { number: index + 1, step: step_name(step), statements: sql(step) };
    plan.steps.iter().enumerate().map(each).collect()
}
