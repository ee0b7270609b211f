//! The demo's outcome: what applications felt, and the proof.

use serde_json::{Value, json};

use super::figures::grouped;
use super::style::{Role, Style};
use crate::demo::{DemoOutcome, Felt};

/// The outcome for people.
#[must_use]
pub fn text(outcome: &DemoOutcome, style: &Style) -> String {
    let plain = |cells: [String; 3]| cells.map(|cell| (Role::Plain, cell)).to_vec();
    let row =
        |what: &str, of: &dyn Fn(&Felt) -> String| plain([what.to_owned(), of(&outcome.before), of(&outcome.during)]);
    let felt = style.table(
        &["what applications felt", "before", "during the change"],
        vec![
            row("operations acknowledged", &|felt| grouped(felt.operations)),
            row("errors", &errors),
            row("p99 of a statement", &|felt| format!("{} ms", felt.latencies.per_mille(990).as_millis())),
            row("longest stall of a statement", &|felt| format!("{} ms", felt.latencies.worst().as_millis())),
        ],
    );
    let nodes = outcome
        .proof
        .nodes
        .iter()
        .map(|node| plain([node.node.clone(), grouped(node.rows), node.sum.chars().take(40).collect()]))
        .collect();
    let nodes = style.table(&["node", "rows", "sum over all columns"], nodes);
    let proof = &outcome.proof;
    let verdict = if proof.holds() {
        format!(
            "proof: {} acknowledged writes looked up, none lost, invented or changed; all {} nodes are equal",
            grouped(proof.acknowledged),
            proof.nodes.len()
        )
    } else {
        let equal = if proof.nodes_equal() { "equal" } else { "DIFFERENT" };
        format!("NO PROOF: {} rows are wrong ({}), nodes are {equal}", proof.wrong, proof.examples.join("; "))
    };
    let surprises: Vec<&String> = outcome.before.surprises.iter().chain(&outcome.during.surprises).collect();
    let surprises =
        if surprises.is_empty() { String::new() } else { format!("\nanswers that must not be: {surprises:?}") };
    format!("\n{felt}\n\n{nodes}\n\n{verdict}{surprises}")
}

fn errors(felt: &Felt) -> String {
    if felt.errors.is_empty() {
        return "none".into();
    }
    felt.errors.iter().map(|(code, count)| format!("{count} × {code}")).collect::<Vec<_>>().join(", ")
}

/// The outcome for programs.
#[must_use]
pub fn json(outcome: &DemoOutcome) -> Value {
    let felt = |felt: &Felt| {
        json!({
            "operations": felt.operations,
            "errors": felt.errors,
            "p99_ms": felt.latencies.per_mille(990).as_secs_f64() * 1000.0,
            "worst_ms": felt.latencies.worst().as_secs_f64() * 1000.0,
        })
    };
    let proof = &outcome.proof;
    let nodes: Vec<Value> =
        proof.nodes.iter().map(|node| json!({ "node": node.node, "rows": node.rows, "sum": node.sum })).collect();
    json!({
        "table": outcome.table.to_string(),
        "good": outcome.good(),
        "before": felt(&outcome.before),
        "during": felt(&outcome.during),
        "nodes": nodes,
        "acknowledged": proof.acknowledged,
        "wrong": proof.wrong,
        "examples": proof.examples,
    })
}
