//! A decision for a comment on a pull request.

use driftless_strategies::plan::StepCost;
use driftless_strategies::verdict::{Decision, Fits, Reason, ReasonCode, Verdict};
use driftless_strategies::words::{count, many};
use driftless_strategies::{Facts, Plan, Step, StrategyName};

use super::markdown::{code, table, text};
use super::plan_text::{
    self, LINT_ALLOWED_BY, PlanSheet, allowed_lints, estimate_rows, in_the_way, refused_because, step_name, told_lints,
};

/// The whole decision as Markdown, the answer first; the same bytes for the same input. `notes` are things that were
/// not looked at, in words.
#[must_use]
pub fn plan_markdown(sheet: &PlanSheet<'_>, notes: &[String]) -> String {
    let (facts, decision) = (sheet.facts, sheet.decision);
    let mut parts =
        vec![heading(facts, decision), code("sql", &plan_text::change(sheet.alter, decision.plan.as_ref()))];
    match &decision.plan {
        Some(plan) => {
            let sort = plan_text::sort(plan.strategy);
            let why = plan_text::why(decision, plan.strategy);
            parts.push(text(&format!("{} is {sort}; {why}.", plan.strategy)) + "\n");
        }
        None => parts.push(reasons(&in_the_way(decision))),
    }
    parts.extend(untried(decision).map(|reason| format!("> {}; {}.\n", text(&reason.what), text(&reason.remedy))));
    parts.extend(notes.iter().map(|note| format!("> {}\n", text(note))));
    parts.push(surroundings(facts));
    parts.extend(lints(decision));
    if !decision.verdicts.is_empty() {
        let chosen = decision.plan.as_ref().map(|plan| plan.strategy);
        let rows: Vec<_> = decision.verdicts.iter().flat_map(|verdict| verdict_rows(verdict, chosen)).collect();
        parts.push(titled("Strategies", &table(&["strategy", "verdict", "code", "why", "what to do"], &rows)));
    }
    if let Some(plan) = &decision.plan {
        parts.push(titled("Steps", &steps(plan)));
        let rows = estimate_rows(plan, facts).map(|(label, text)| vec![label.to_owned(), text]);
        parts.push(titled("Estimates", &table(&["what", "how much"], &rows)));
        let known: Vec<Reason> = plan.warnings.iter().filter(|reason| !about_trial(reason)).cloned().collect();
        if !known.is_empty() {
            parts.push(titled("Good to know", &reasons(&known)));
        }
        parts.push(sql(plan, sheet.sql));
    }
    parts.join("\n")
}

fn titled(title: &str, body: &str) -> String {
    format!("#### {title}\n\n{body}")
}

fn heading(facts: &Facts, decision: &Decision) -> String {
    let name = text(&facts.name.to_string());
    match &decision.plan {
        Some(plan) => format!("### driftless: {name} can be changed by {}\n", plan.strategy),
        None => format!("### driftless: refused to change {name}: {}\n", refused_because(decision)),
    }
}

fn reasons(reasons: &[Reason]) -> String {
    let row = |reason: &Reason| vec![reason.code.as_str().to_owned(), reason.what.clone(), reason.remedy.clone()];
    table(&["code", "what", "what to do"], &reasons.iter().map(row).collect::<Vec<_>>())
}

/// What the lints found beyond what stands in the way already, and what is allowed.
fn lints(decision: &Decision) -> Option<String> {
    let (found, allowed) = (told_lints(decision), allowed_lints(decision));
    let mut parts: Vec<String> = Vec::new();
    if !found.is_empty() {
        parts.push(reasons(&found));
        parts.push(format!("To allow one: {}.\n", text(LINT_ALLOWED_BY)));
    }
    parts.extend(allowed.map(|codes| format!("Allowed: {}.\n", text(&codes))));
    (!parts.is_empty()).then(|| titled("Lints", &parts.join("\n")))
}

fn about_trial(reason: &Reason) -> bool {
    reason.code == ReasonCode::DryRunImpossible
}

/// Says that no server has tried the statement, once.
fn untried(decision: &Decision) -> impl Iterator<Item = &Reason> {
    decision.verdicts.iter().flat_map(|verdict| &verdict.reasons).filter(|reason| about_trial(reason)).take(1)
}

/// The table, the servers, and the transactions that a step could hit.
fn surroundings(facts: &Facts) -> String {
    let mut rows = vec![
        vec!["Table".to_owned(), plan_text::table(facts)],
        vec!["Servers".to_owned(), plan_text::servers(&facts.topology)],
    ];
    let nodes: Vec<String> = facts.nodes.iter().map(plan_text::told).collect();
    rows.push(vec![if nodes.len() == 1 { "Node" } else { "Nodes" }.to_owned(), nodes.join("; ")]);
    if !facts.replicas.is_empty() {
        let replicas: Vec<String> =
            facts.replicas.iter().map(|replica| format!("{} of {}", replica.address, replica.of)).collect();
        rows.push(vec!["Replicas".to_owned(), replicas.join("; ")]);
    }
    rows.extend(facts.assumed.iter().map(|assumed| vec!["Assumed".to_owned(), assumed.clone()]));
    let longest = match facts.load.longest_transaction_s {
        0 => "none that lasts".to_owned(),
        seconds => format!("the longest is open for {}", many(seconds, "second")),
    };
    if facts.assumed.is_empty() {
        rows.push(vec!["Transactions".to_owned(), longest]);
    }
    table(&["where", "what"], &rows)
}

fn verdict_rows(verdict: &Verdict, chosen: Option<StrategyName>) -> Vec<Vec<String>> {
    let name = verdict.strategy.to_string();
    let whole = |word: &str, why: &str| vec![vec![name.clone(), word.into(), String::new(), why.into(), String::new()]];
    match verdict.fits {
        Fits::Yes if chosen == Some(verdict.strategy) => whole("chosen", "nothing speaks against it"),
        Fits::Yes if chosen.is_some() => whole("fits", "nothing speaks against it"),
        Fits::Yes => whole("fits", "nothing speaks against it once the way is free"),
        Fits::No => {
            let row = |reason: &Reason| {
                let code = reason.code.as_str().to_owned();
                vec![name.clone(), "no".into(), code, reason.what.clone(), reason.remedy.clone()]
            };
            verdict.reasons.iter().map(row).collect()
        }
    }
}

fn steps(plan: &Plan) -> String {
    let row = |(index, (step, cost)): (usize, (&Step, &StepCost))| {
        vec![
            (index + 1).to_string(),
            step_name(step).to_owned(),
            cost.what.clone(),
            cost.blocks.clone(),
            format!("{} ms", count(cost.stall_ms)),
            cost.undo.clone(),
        ]
    };
    let rows: Vec<_> = plan.steps.iter().zip(&plan.costs).enumerate().map(row).collect();
    table(&["#", "step", "does", "blocks", "stall", "undo"], &rows)
}

/// The statements, folded away.
fn sql(plan: &Plan, statements: &dyn Fn(&Step) -> Vec<String>) -> String {
    let mut body = String::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let statements = statements(step);
        let whole = statements.iter().map(|statement| statement.trim_end().trim_end_matches(';').to_owned() + ";\n");
        body.extend([format!("-- {} {}\n", index + 1, step_name(step))].into_iter().chain(whole));
    }
    format!("<details><summary>SQL of each step</summary>\n\n{}\n</details>\n", code("sql", &body))
}
