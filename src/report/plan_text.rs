//! A decision for people.

use driftless_strategies::facts::{Flavour, Load, Node, Topology};
use driftless_strategies::plan::{Compare, CopySpec, DirectSpec, StepCost, Work};
use driftless_strategies::shape::{Column, TableShape};
use driftless_strategies::verdict::{Decision, Fits, Reason, ReasonCode, Verdict};
use driftless_strategies::words::{bytes, count, list, many, seconds};
use driftless_strategies::{Alter, Facts, Plan, Step, StrategyName};

use super::style::{Role, Style, clean, wrap_sql};

/// What a report on a decision shows.
#[derive(Clone, Copy)]
pub struct PlanSheet<'a> {
    /// What was known.
    pub facts: &'a Facts,
    /// What was asked for.
    pub alter: &'a Alter,
    /// What was decided.
    pub decision: &'a Decision,
    /// The statements that a step executes, in order.
    pub sql: &'a dyn Fn(&Step) -> Vec<String>,
}

type Row = Vec<(Role, String)>;

/// The whole decision as text: what blocks first, then table and cluster, the choice, its steps and their price.
#[must_use]
pub fn plan_text(sheet: &PlanSheet<'_>, style: &Style) -> String {
    let decision = sheet.decision;
    let mut parts = Vec::new();
    if decision.plan.is_none() {
        parts.push(refusal(sheet, style));
    }
    parts.push(head(sheet, style));
    parts.extend(lints(decision, style));
    if !decision.verdicts.is_empty() {
        parts.push(titled(style, "Strategies", &verdicts(decision, style)));
    }
    if let Some(plan) = &decision.plan {
        parts.push(titled(style, "Steps", &steps(plan, style)));
        parts.push(match &plan.work {
            Work::Copy(spec) | Work::Stream(spec) => titled(style, "Copy", &copy(spec, &sheet.facts.table, style)),
            Work::Direct(spec) | Work::Rolling(spec) => titled(style, "Change", &direct(spec, style)),
        });
        parts.push(titled(style, "Estimates", &estimates(plan, sheet.facts, style)));
        if !plan.warnings.is_empty() {
            parts.push(titled(style, "Good to know", &reasons(&plan.warnings, Role::Warn, style)));
        }
        parts.push(titled(style, "SQL", &sql(plan, sheet.sql, style)));
    }
    parts.join("\n")
}

fn titled(style: &Style, title: &str, body: &str) -> String {
    format!("{}\n{body}", style.paint(Role::Title, title))
}

fn refusal(sheet: &PlanSheet<'_>, style: &Style) -> String {
    let title = style.paint(Role::Bad, "REFUSED");
    let name = clean(&sheet.facts.name.to_string()).replace('\n', " ");
    let blocking = reasons(&in_the_way(sheet.decision), Role::Bad, style);
    format!("{title}  {name}: {}\n{blocking}", refused_because(sheet.decision))
}

/// Why there is no plan, in a few words.
pub(super) fn refused_because(decision: &Decision) -> String {
    match decision.blockers.len() as u64 {
        0 => "no strategy fits".to_owned(),
        1 => "1 thing is in the way".to_owned(),
        more => format!("{} are in the way", many(more, "thing")),
    }
}

/// Why there is no plan: what blocks every strategy or the one that was asked for, else what the user could do something
/// about, which are the refusals of strategies that are built and could do this sort of change here.
#[must_use]
pub fn in_the_way(decision: &Decision) -> Vec<Reason> {
    if !decision.blockers.is_empty() {
        return decision.blockers.clone();
    }
    let hopeless =
        |code| matches!(code, ReasonCode::WrongTopology | ReasonCode::DataDependent | ReasonCode::NotProvable);
    let possible = |verdict: &&Verdict| !verdict.reasons.iter().any(|reason| hopeless(reason.code));
    decision.verdicts.iter().filter(possible).flat_map(|verdict| verdict.reasons.clone()).collect()
}

fn reasons(reasons: &[Reason], role: Role, style: &Style) -> String {
    let mut rows: Vec<Row> = Vec::new();
    for reason in reasons {
        rows.push(vec![(role, reason.code.as_str().to_owned()), (Role::Plain, reason.what.clone())]);
        if !reason.remedy.is_empty() {
            rows.push(vec![(Role::Plain, String::new()), (Role::Dim, format!("→ {}", reason.remedy))]);
        }
    }
    style.list(rows)
}

/// What the lints found beyond what stands in the way already, and what is allowed.
fn lints(decision: &Decision, style: &Style) -> Option<String> {
    let found = told_lints(decision);
    let allowed = allowed_lints(decision);
    if found.is_empty() && allowed.is_none() {
        return None;
    }
    let line = |label: &str, text: &str| vec![(Role::Dim, label.to_owned()), (Role::Dim, text.to_owned())];
    let mut rows: Vec<Row> = allowed.iter().map(|codes| line("Allowed", codes)).collect();
    let mut body = String::new();
    if !found.is_empty() {
        rows.push(line("To allow", LINT_ALLOWED_BY));
        body = reasons(&found, Role::Warn, style) + "\n";
    }
    body.push_str(&style.list(rows));
    Some(titled(style, "Lints", &body))
}

/// How a lint is silenced.
pub(super) const LINT_ALLOWED_BY: &str =
    "--allow CODE, or allow = [\"CODE\"] in the plan file; docs/lints.md explains each";

/// The findings that do not stand in the way.
pub(super) fn told_lints(decision: &Decision) -> Vec<Reason> {
    let denied = |lint: &Reason| decision.blockers.iter().any(|blocker| blocker.code == lint.code);
    decision.lints.iter().filter(|lint| !denied(lint)).cloned().collect()
}

/// The codes that are allowed and were found, each with how often when it is more than once.
pub(super) fn allowed_lints(decision: &Decision) -> Option<String> {
    let mut codes: Vec<(&str, usize)> = Vec::new();
    for lint in &decision.allowed_lints {
        match codes.iter_mut().find(|(code, _)| *code == lint.code.as_str()) {
            Some((_, times)) => *times += 1,
            None => codes.push((lint.code.as_str(), 1)),
        }
    }
    let one =
        |(code, times): &(&str, usize)| if *times == 1 { (*code).to_owned() } else { format!("{code} ({times})") };
    let told: Vec<String> = codes.iter().map(one).collect();
    (!told.is_empty()).then(|| list(&told))
}

fn head(sheet: &PlanSheet<'_>, style: &Style) -> String {
    let facts = sheet.facts;
    let mut rows: Vec<Row> = Vec::new();
    let mut line = |label: &str, text: String| rows.push(vec![(Role::Dim, label.to_owned()), (Role::Plain, text)]);
    line("Table", table(facts));
    line("Change", change(sheet.alter, sheet.decision.plan.as_ref()));
    line("Servers", servers(&facts.topology));
    let copies = sheet.decision.plan.as_ref().is_none_or(|plan| plan.work.copy().is_some());
    for (index, node) in facts.nodes.iter().enumerate() {
        let does = if index == 0 && facts.nodes.len() > 1 && copies { " (copies)" } else { "" };
        line(if index == 0 { "Nodes" } else { "" }, format!("{}{does}", told(node)));
    }
    for (index, replica) in facts.replicas.iter().enumerate() {
        line(if index == 0 { "Replicas" } else { "" }, format!("{} of {}", replica.address, replica.of));
    }
    for (index, assumed) in facts.assumed.iter().enumerate() {
        line(if index == 0 { "Assumed" } else { "" }, assumed.clone());
    }
    if let Some(plan) = &sheet.decision.plan {
        line("Strategy", format!("{}: {}", plan.strategy, sort(plan.strategy)));
        line("", why(sheet.decision, plan.strategy));
    }
    style.list(rows)
}

/// A node with its address and version.
pub(super) fn told(node: &Node) -> String {
    let family = match node.flavour {
        Flavour::MariaDb => "MariaDB",
        Flavour::MySql => "MySQL",
    };
    let text = node.version_text.as_str();
    let version = if text.contains(family) { text.to_owned() } else { format!("{family} {text}") };
    // Nobody has an address for a server that is only assumed.
    let at = if node.address.is_empty() { String::new() } else { format!(" at {}", node.address) };
    format!("{}{at}, {version}", node.name)
}

pub(super) fn table(facts: &Facts) -> String {
    let Load { rows, data_bytes, index_bytes, .. } = facts.load;
    if facts.table.columns.is_empty() {
        return facts.name.to_string();
    }
    format!(
        "{}, about {}, {} of rows, {} of indexes",
        facts.name,
        many(rows, "row"),
        bytes(data_bytes),
        bytes(index_bytes)
    )
}

/// The clauses; what was asked for beside them is followed by an ALTER of the table itself, and left out of a copy.
pub(super) fn change(alter: &Alter, plan: Option<&Plan>) -> String {
    let mut text = if alter.ignore { "IGNORE ".to_owned() } else { String::new() } + &alter.text();
    if text.is_empty() {
        text.push_str("none");
    }
    if !alter.hints.is_empty() {
        let hints = alter.hints.join(", ");
        text = match plan.map(|plan| &plan.work) {
            Some(Work::Direct(_) | Work::Rolling(_)) => format!("{text} (beside it: {hints})"),
            Some(Work::Copy(_) | Work::Stream(_)) | None => {
                format!("{text} (left out, because driftless decides that: {hints})")
            }
        };
    }
    text
}

pub(super) fn servers(topology: &Topology) -> String {
    match topology {
        Topology::Single => "one primary, no cluster".to_owned(),
        Topology::Galera { uuid, epoch, size, arbitrators } => {
            let arbitrators = match arbitrators {
                0 => String::new(),
                number => format!(" ({})", many(u64::from(*number), "arbitrator")),
            };
            // A cluster that is only assumed has neither.
            let view = if uuid.is_empty() { ",".to_owned() } else { format!(" {uuid}, view {epoch},") };
            format!("Galera cluster{view} {}{arbitrators}", many(u64::from(*size), "member"))
        }
    }
}

/// The strategy in a few words.
pub(super) const fn sort(strategy: StrategyName) -> &'static str {
    match strategy {
        StrategyName::Native => "the server's own ALTER, beside its writers",
        StrategyName::Toi => "one ALTER in total order",
        StrategyName::Rsu => "node by node, desynced",
        StrategyName::Nbo => "the server's non-blocking operation",
        StrategyName::TriggerCopy => {
            "a shadow table, kept in step by triggers, filled by chunks, switched in by one RENAME"
        }
        StrategyName::BinlogStream => {
            "a shadow table, kept in step from the binlog, filled by chunks, switched in behind a fence"
        }
    }
}

pub(super) fn why(decision: &Decision, chosen: StrategyName) -> String {
    if decision.plan.as_ref().is_some_and(|plan| plan.options.force.is_some()) {
        return "chosen because --strategy asks for it".to_owned();
    }
    let before: Vec<String> = decision
        .verdicts
        .iter()
        .take_while(|verdict| verdict.strategy != chosen)
        .map(|verdict| verdict.strategy.to_string())
        .collect();
    if before.is_empty() {
        return "chosen because it is the most preferred".to_owned();
    }
    let does = if before.len() == 1 { "does" } else { "do" };
    format!("chosen because it fits and {}, which would be preferred, {does} not", list(&before))
}

fn verdicts(decision: &Decision, style: &Style) -> String {
    let chosen = decision.plan.as_ref().map(|plan| plan.strategy);
    let rows = decision.verdicts.iter().flat_map(|verdict| verdict_rows(verdict, chosen)).collect();
    style.table(&["strategy", "verdict", "code", "why"], rows)
}

fn verdict_rows(verdict: &Verdict, chosen: Option<StrategyName>) -> Vec<Row> {
    let (role, word) = match verdict.fits {
        Fits::Yes if chosen == Some(verdict.strategy) => (Role::Good, "chosen"),
        Fits::Yes => (Role::Good, "fits"),
        Fits::No => (Role::Bad, "no"),
    };
    let mut name = (Role::Plain, verdict.strategy.to_string());
    let mut word = (role, word.to_owned());
    if verdict.fits == Fits::Yes {
        let text = match chosen {
            Some(_) => "nothing speaks against it",
            None => "nothing speaks against it once the way is free",
        };
        let text = text.to_owned();
        return vec![vec![name, word, (Role::Plain, String::new()), (Role::Plain, text)]];
    }
    let mut rows = Vec::new();
    for reason in &verdict.reasons {
        rows.push(vec![name, word, (Role::Plain, reason.code.as_str().to_owned()), (Role::Plain, reason.what.clone())]);
        name = (Role::Plain, String::new());
        word = (Role::Plain, String::new());
    }
    rows
}

/// The name of a step, as in the plan's JSON.
pub(super) const fn step_name(step: &Step) -> &'static str {
    match step {
        Step::Journal => "journal",
        Step::Shadow { .. } => "shadow",
        Step::Alter { .. } => "alter",
        Step::NonBlocking { .. } => "alter",
        Step::Roll { .. } => "roll",
        Step::Triggers => "triggers",
        Step::Follow { .. } => "follow",
        Step::Close { .. } => "close",
        Step::Copy => "copy",
        Step::Verify => "verify",
        Step::Switch => "switch",
        Step::ForeignKeys { .. } => "foreign-keys",
        Step::Drop => "drop",
        Step::Keep => "keep",
    }
}

fn steps(plan: &Plan, style: &Style) -> String {
    let row = |(index, (step, cost)): (usize, (&Step, &StepCost))| {
        vec![
            (Role::Dim, (index + 1).to_string()),
            (Role::Title, step_name(step).to_owned()),
            (Role::Plain, cost.what.clone()),
            (Role::Plain, cost.blocks.clone()),
            (Role::Plain, format!("{} ms", count(cost.stall_ms))),
            (Role::Plain, cost.undo.clone()),
        ]
    };
    let rows = plan.steps.iter().zip(&plan.costs).enumerate().map(row).collect();
    style.table(&["#", "step", "does", "blocks", "stall", "undo"], rows)
}

fn copy(copy: &CopySpec, source: &TableShape, style: &Style) -> String {
    let key: Vec<String> = copy.key.columns.iter().map(|column| format!("`{}`", column.source)).collect();
    let renamed: Vec<String> = copy
        .columns
        .iter()
        .filter(|pair| pair.source != pair.shadow)
        .map(|pair| format!("`{}` as `{}`", pair.source, pair.shadow))
        .collect();
    let lossy: Vec<String> = copy
        .columns
        .iter()
        .filter(|pair| pair.compare == Compare::Lossy)
        .map(|pair| format!("`{}`", pair.shadow))
        .collect();
    let fresh: Vec<String> = copy
        .target
        .columns
        .iter()
        .filter(|column| column.generated.is_none() && !copy.columns.iter().any(|pair| pair.shadow.same(&column.name)))
        .map(|column| format!("`{}`", column.name))
        .collect();
    let dropped: Vec<String> = source
        .columns
        .iter()
        .filter(|column| column.generated.is_none() && !copy.columns.iter().any(|pair| pair.source.same(&column.name)))
        .map(|column| format!("`{}`", column.name))
        .collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut line = |label: &str, text: String| rows.push(vec![(Role::Dim, label.to_owned()), (Role::Plain, text)]);
    line("Chunks by", format!("key `{}` ({})", copy.key.source_index, key.join(", ")));
    line("Columns", format!("{} copied", count(copy.columns.len() as u64)));
    let mut some = |label: &str, names: &[String]| {
        if !names.is_empty() {
            line(label, names.join(", "));
        }
    };
    some("Renamed", &renamed);
    some("New", &fresh);
    some("Dropped", &dropped);
    some("May lose", &lossy);
    some("New unique", &copy.new_unique.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>());
    style.list(rows)
}

/// What of the table itself will be another.
fn direct(spec: &DirectSpec, style: &Style) -> String {
    let differing = |one: &TableShape, other: &TableShape| -> Vec<String> {
        let same = |column: &Column| other.columns.iter().any(|found| found == column);
        one.columns
            .iter()
            .filter(|column| !same(column))
            .map(|column| format!("`{}` {}", column.name, column.column_type))
            .collect()
    };
    let keys = |one: &TableShape, other: &TableShape| -> Vec<String> {
        one.keys.iter().filter(|key| !other.keys.contains(key)).map(|key| format!("`{}`", key.name)).collect()
    };
    let (before, after) = (&spec.source, &spec.target);
    let tied: Vec<String> = spec.linked.iter().map(ToString::to_string).collect();
    let lines = [
        ("Columns before", differing(before, after)),
        ("Columns after", differing(after, before)),
        ("Keys before", keys(before, after)),
        ("Keys after", keys(after, before)),
        ("Tied to it", tied),
    ];
    let some = lines.into_iter().filter(|(_, names)| !names.is_empty());
    style
        .list(some.map(|(label, names)| vec![(Role::Dim, label.to_owned()), (Role::Plain, names.join(", "))]).collect())
}

/// Estimated seconds in words.
fn about(estimated: u64) -> String {
    if estimated == 0 { seconds(0) } else { format!("about {}", seconds(estimated)) }
}

fn estimates(plan: &Plan, facts: &Facts, style: &Style) -> String {
    let rows = estimate_rows(plan, facts).into_iter();
    style.list(rows.map(|(label, text)| vec![(Role::Dim, label.to_owned()), (Role::Plain, text)]).collect())
}

/// What the change takes, and how that was found out.
pub(super) fn estimate_rows(plan: &Plan, facts: &Facts) -> [(&'static str, String); 6] {
    let estimate = &plan.estimate;
    let binlog = match estimate.binlog_bytes {
        0 => "none".to_owned(),
        size => format!("{} on every node that writes one", bytes(size)),
    };
    let time = match plan.work {
        Work::Copy(_) | Work::Stream(_) => format!("{} to copy and compare", about(estimate.seconds)),
        Work::Direct(_) if plan.cluster.is_none() => about(estimate.seconds),
        Work::Direct(_) => format!("{}, on all nodes at once", about(estimate.seconds)),
        Work::Rolling(_) => format!("{}, one node after the other", about(estimate.seconds)),
    };
    let disk = match (&plan.work, estimate.extra_disk_bytes) {
        (Work::Direct(_) | Work::Rolling(_), 0) => "none".to_owned(),
        (Work::Direct(_) | Work::Rolling(_), size) => format!("about {} more where it is at work", bytes(size)),
        (Work::Copy(_) | Work::Stream(_), size) => {
            format!("about {} more on every node until the end", bytes(size))
        }
    };
    [
        ("Rows", format!("about {}", count(estimate.rows))),
        ("Time", time),
        ("Disk", disk + &free(facts, estimate.extra_disk_bytes)),
        ("Binlog", binlog),
        ("Longest stall", format!("about {} ms", count(estimate.stall_ms))),
        ("Basis", estimate.basis.clone()),
    ]
}

/// What is free for it, where that is known.
fn free(facts: &Facts, needed: u64) -> String {
    if needed == 0 {
        return String::new();
    }
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for node in &facts.nodes {
        let seen = node.disk.as_ref().map_or_else(|| "not known".to_owned(), |disk| bytes(disk.free_bytes));
        match groups.iter_mut().find(|(known, _)| *known == seen) {
            Some((_, names)) => names.push(&node.name),
            None => groups.push((seen, vec![&node.name])),
        }
    }
    let told: Vec<String> = groups.iter().map(|(seen, names)| format!("{seen} on {}", list(names))).collect();
    let unknown = facts.nodes.iter().any(|node| node.disk.is_none() && node.flavour == Flavour::MariaDb);
    let remedy = if unknown && facts.assumed.is_empty() { " (INSTALL SONAME 'disks' lets it be seen)" } else { "" };
    format!("; free: {}{remedy}", told.join(", "))
}

fn sql(plan: &Plan, statements: &dyn Fn(&Step) -> Vec<String>, style: &Style) -> String {
    const INDENT: &str = "    ";
    let mut text = String::new();
    for (index, step) in plan.steps.iter().enumerate() {
        text.push_str(&style.paint(Role::Dim, &format!(" {} {}", index + 1, step_name(step))));
        text.push('\n');
        let statements = statements(step);
        if statements.is_empty() {
            text.push_str(INDENT);
            text.push_str("(none)\n");
        }
        for statement in statements {
            let end = if statement.trim_end().ends_with(';') { "" } else { ";" };
            let width = usize::from(style.width).saturating_sub(INDENT.len());
            for line in wrap_sql(&(statement.trim_end().to_owned() + end), width) {
                text.push_str(INDENT);
                text.push_str(&line);
                text.push('\n');
            }
        }
    }
    text
}
