//! What `inspect` read, for people: a few lines, findings first to be seen.

use driftless_strategies::Facts;
use driftless_strategies::words::many;

use super::plan_text;
use super::style::{Role, Style};

/// The facts in short: the table, the servers, and what on them would stand in the way of a change.
#[must_use]
pub fn facts_text(facts: &Facts, style: &Style) -> String {
    let mut rows = Vec::new();
    let mut line = |role: Role, label: &str, text: String| rows.push(vec![(Role::Dim, label.to_owned()), (role, text)]);
    line(Role::Plain, "Table", plan_text::table(facts));
    line(Role::Plain, "", shape(facts));
    line(Role::Plain, "Servers", plan_text::servers(&facts.topology));
    for (index, node) in facts.nodes.iter().enumerate() {
        line(Role::Plain, if index == 0 { "Nodes" } else { "" }, plan_text::told(node));
        let of_here = |text: &String| format!("{}: {text}", node.name);
        let found = [&node.unfit, &node.leftovers, &node.holders, &node.old_transactions];
        found.into_iter().flatten().for_each(|text| line(Role::Bad, "", of_here(text)));
    }
    for member in &facts.unreached {
        line(Role::Bad, "Unreached", member.clone());
    }
    for replica in &facts.replicas {
        line(Role::Plain, "Replica", format!("{} of {}", replica.address, replica.of));
    }
    let mut prints: Vec<_> = facts.nodes.iter().map(|node| node.fingerprint.as_ref()).collect();
    prints.dedup();
    if prints.len() > 1 {
        line(Role::Bad, "Drift", "the table is not the same on every node".to_owned());
    }
    for privilege in &facts.missing_privileges {
        line(Role::Bad, "Lacks", privilege.clone());
    }
    style.list(rows)
}

fn shape(facts: &Facts) -> String {
    let table = &facts.table;
    let mut parts = Vec::new();
    for (number, one) in [
        (table.columns.len(), "column"),
        (table.keys.len(), "key"),
        (table.foreign_keys.len(), "foreign key"),
        (table.triggers.len(), "trigger"),
    ] {
        parts.push(many(number as u64, one));
    }
    parts.join(", ")
}
