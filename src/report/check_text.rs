//! What `check` found, as a DBA reads it at a glance.

use std::fmt::Write as _;
use std::time::Duration;

use crate::check::{Difference, Group, Kind, NodeState, PRESENCE, Report, Role as Part, Scope};

use super::exit::ExitCode;
use super::figures::grouped;
use super::style::{Role, Style};

/// Longest definition that is shown whole.
const SHOWN_CHARS: usize = 200;
/// How much is shown before the first character that differs.
const BEFORE_CHARS: usize = 40;
/// How many objects are shown; all are in the JSON.
const SHOWN_OBJECTS: usize = 50;

/// What a check is printed from.
#[derive(Clone, Copy)]
pub struct CheckSheet<'a> {
    /// What was found.
    pub report: &'a Report,
    /// What was compared.
    pub scope: &'a Scope,
    /// Whether the servers are a Galera cluster.
    pub galera: bool,
    /// How the command ends.
    pub exit: ExitCode,
}

impl CheckSheet<'_> {
    /// What was compared, in words.
    #[must_use]
    pub fn compared(&self) -> String {
        if self.scope.is_all() {
            return "all schemas".to_owned();
        }
        let schemas = self.scope.schemas.iter().map(|name| format!("schema {name}"));
        schemas.chain(self.scope.tables.iter().map(|name| format!("table {name}"))).collect::<Vec<_>>().join(", ")
    }

    /// What to do about one object that differs.
    #[must_use]
    pub fn remedy(&self, found: &[&Difference]) -> String {
        let Some(first) = found.first() else { return String::new() };
        let object = &first.object;
        let way = match (self.galera, object.kind) {
            (true, Kind::Table) => {
                "on that node alone (`driftless repair` does that for columns, keys and constraints; by hand: SET SESSION \
                 wsrep_OSU_method = 'RSU')"
            }
            (true, Kind::Schema | Kind::View | Kind::Routine | Kind::Event) => {
                "on that node alone (SET SESSION wsrep_OSU_method = 'RSU')"
            }
            (false, _) => "on that server alone (SET SESSION sql_log_bin = 0)",
        };
        let danger = match (object.kind, self.galera) {
            (Kind::Table, true) => {
                "; until then make no schema change to it and write nothing that only one form takes: a node that \
                 can't apply a row leaves the cluster"
            }
            (Kind::Schema | Kind::Table | Kind::View | Kind::Routine | Kind::Event, _) => "",
        };
        match (first.majority(), minority(found)) {
            (Some(majority), Some(minority)) => format!(
                "make it on {} what it is on {}: compare what SHOW CREATE says on both, then change it {way}{danger}",
                minority.join(", "),
                majority.nodes.join(", "),
            ),
            _ => format!(
                "no majority: find out which form is right (migrations, version control), then change the others, each \
                 {way}{danger}"
            ),
        }
    }
}

/// The nodes that are in no majority of one object's differences; `None` when one of them has no majority.
fn minority<'a>(found: &[&'a Difference]) -> Option<Vec<&'a str>> {
    let mut names: Vec<&str> = Vec::new();
    for difference in found {
        for name in difference.minority()? {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Some(names)
}

/// Differences by object, in order.
pub(super) fn by_object(drift: &[Difference]) -> Vec<Vec<&Difference>> {
    let mut all: Vec<Vec<&Difference>> = Vec::new();
    for difference in drift {
        match all.last_mut() {
            Some(last) if last.first().is_some_and(|first| first.object == difference.object) => last.push(difference),
            Some(_) | None => all.push(vec![difference]),
        }
    }
    all
}

/// The whole report.
#[must_use]
pub fn check_text(sheet: &CheckSheet<'_>, style: &Style) -> String {
    let report = sheet.report;
    let mut text = style.table(&["node", "address", "state", "tables"], report.nodes.iter().map(node).collect());
    text.push('\n');
    for missing in &report.unreached {
        let _ = writeln!(text, "{} {missing}", style.paint(Role::Bad, "NOT REACHED"));
    }
    for found in by_object(&report.drift).iter().take(SHOWN_OBJECTS) {
        drifted(&mut text, sheet, found, style);
    }
    let objects = by_object(&report.drift).len();
    if objects > SHOWN_OBJECTS {
        let _ = writeln!(text, "… and {} more; --format json has all\n", objects - SHOWN_OBJECTS);
    }
    for left in &report.leftovers {
        let _ = writeln!(text, "{} {} on {}", style.paint(Role::Warn, "LEFTOVER"), left.what, left.nodes.join(", "));
        let _ = writeln!(text, "  do: {}", left.remedy);
    }
    let (role, verdict) = verdict(sheet);
    text.push_str(&style.paint(role, &verdict));
    text.push('\n');
    text
}

/// One round of many, in a line: when, and what of it is not as it should be.
#[must_use]
pub fn check_line(sheet: &CheckSheet<'_>, since: Duration, style: &Style) -> String {
    let (role, verdict) = verdict(sheet);
    let ill = sheet.report.nodes.iter().filter(|node| !node.problems.is_empty());
    let ill = ill.map(|node| format!("{}: {}", node.name, node.problems.join(", ")));
    let missing = sheet.report.unreached.iter().map(|name| format!("{name}: not reached"));
    let left = sheet.report.leftovers.iter().map(|left| format!("left: {} on {}", left.what, left.nodes.join(", ")));
    let parts: Vec<String> = std::iter::once(verdict).chain(ill).chain(missing).chain(left).collect();
    format!("[{:>9.1} s] {}", since.as_secs_f64(), style.paint(role, &parts.join("; ")))
}

fn node(node: &NodeState) -> Vec<(Role, String)> {
    let (role, mut state) = match (node.problems.is_empty(), node.tables) {
        (true, Some(_)) => (Role::Good, "healthy".to_owned()),
        (true, None) => (Role::Bad, "not compared".to_owned()),
        (false, Some(_)) => (Role::Warn, node.problems.join("; ")),
        (false, None) => (Role::Bad, format!("NOT COMPARED: {}", node.problems.join("; "))),
    };
    if let Part::ReplicaOf(of) = &node.role {
        state = format!("{state} (replica of {of})");
    }
    let tables =
        node.tables.map_or_else(|| "-".to_owned(), |tables| grouped(u64::try_from(tables).unwrap_or(u64::MAX)));
    vec![(Role::Plain, node.name.clone()), (Role::Plain, node.address.clone()), (role, state), (Role::Plain, tables)]
}

fn drifted(text: &mut String, sheet: &CheckSheet<'_>, found: &[&Difference], style: &Style) {
    let Some(first) = found.first() else { return };
    let all = first.groups.iter().flat_map(|group| &group.nodes).map(String::as_str);
    let who = match minority(found) {
        Some(names) => {
            let others: Vec<&str> = all.filter(|name| !names.contains(name)).collect();
            let others = if others.is_empty() { "the majority".to_owned() } else { others.join(", ") };
            format!("{} {} from {others}", names.join(", "), if names.len() == 1 { "differs" } else { "differ" })
        }
        None => "no majority".to_owned(),
    };
    let _ = writeln!(
        text,
        "{} {}: {who}",
        style.paint(Role::Bad, "DRIFT"),
        style.paint(Role::Title, &first.object.to_string())
    );
    for difference in found {
        let aspect = if difference.aspect == PRESENCE { "whole" } else { &difference.aspect };
        let _ = writeln!(text, "  {aspect}");
        let names: Vec<String> = difference.groups.iter().map(|group| group.nodes.join(", ")).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
        let shown = shown(&difference.groups);
        for (place, (name, definition)) in names.iter().zip(shown).enumerate() {
            let mark = if place == 0 && difference.majority().is_some() { ' ' } else { '>' };
            let role = if mark == '>' { Role::Bad } else { Role::Plain };
            let _ = writeln!(text, "  {}", style.paint(role, &format!("{mark} {name:<width$}  {definition}")));
        }
    }
    let _ = writeln!(text, "  do: {}\n", sheet.remedy(found));
}

/// Definitions on one line each, long ones from shortly before where they part.
fn shown(groups: &[Group]) -> Vec<String> {
    let lines: Vec<Option<Vec<char>>> = groups
        .iter()
        .map(|group| {
            let text = group.definition.as_deref()?;
            Some(super::style::clean(&text.replace(['\n', '\r', '\t'], " ")).chars().collect())
        })
        .collect();
    let mut there = lines.iter().flatten();
    let first = there.next().cloned().unwrap_or_default();
    let equal = |line: &Vec<char>| first.iter().zip(line).take_while(|(one, other)| one == other).count();
    let parted = there.map(equal).min().unwrap_or(0);
    let from = if lines.iter().flatten().any(|line| line.len() > SHOWN_CHARS) {
        parted.saturating_sub(BEFORE_CHARS)
    } else {
        0
    };
    let one = |line: &Option<Vec<char>>| match line {
        None => "MISSING".to_owned(),
        Some(line) => {
            let piece: String = line.iter().skip(from).take(SHOWN_CHARS).collect();
            let (before, after) =
                (if from > 0 { "…" } else { "" }, if line.len() > from + SHOWN_CHARS { "…" } else { "" });
            if piece.is_empty() { "(empty)".to_owned() } else { format!("{before}{piece}{after}") }
        }
    };
    lines.iter().map(one).collect()
}

fn verdict(sheet: &CheckSheet<'_>) -> (Role, String) {
    let report = sheet.report;
    let (objects, compared) = (by_object(&report.drift).len(), sheet.compared());
    let mut parts = Vec::new();
    let mut role = Role::Good;
    let read = report.nodes.iter().filter(|node| node.tables.is_some()).count();
    let servers = report.nodes.len() + report.unreached.len();
    if objects > 0 {
        role = Role::Bad;
        let word = if objects == 1 { "object differs" } else { "objects differ" };
        parts.push(format!("{objects} {word} between {read} servers ({compared})"));
    } else if read > 1 {
        parts.push(format!("no difference between {read} servers ({compared})"));
    } else {
        parts.push(format!("{read} of {servers} servers read, nothing to compare it with ({compared})"));
    }
    if !report.healthy() {
        role = if role == Role::Good { Role::Warn } else { role };
        parts.push("NOT ALL SERVERS ARE HEALTHY AND COMPARED".to_owned());
    }
    if !report.leftovers.is_empty() {
        role = if role == Role::Good { Role::Warn } else { role };
        parts.push(format!("{} leftovers", report.leftovers.len()));
    }
    (role, parts.join("; "))
}
