//! What the nodes have after an ALTER that may or may not have happened. Pure.

use driftless_strategies::{Column, DirectSpec, Fingerprint, TableShape};

use crate::ports::direct::{Sight, Sighting};

/// What all nodes come to. The lists say what each node has, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The table is on every node what it was.
    Before,
    /// It is on every node what the plan says.
    After,
    /// It is the same on every node, and neither.
    Neither(Vec<String>),
    /// The nodes differ.
    Differ(Vec<String>),
    /// A node gives no answer; what the others have.
    Silent {
        /// Whether a node shows the change.
        changed: bool,
        /// Each node.
        nodes: Vec<String>,
    },
}

/// What one node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// The table as it was.
    Before,
    /// The table as it is planned.
    After,
    /// Something else, in words.
    Else(String),
    /// It gives no answer, and why.
    Silent(String),
}

/// Sorts what was seen.
#[must_use]
pub fn standing(spec: &DirectSpec, before: &Fingerprint, seen: &[Sighting]) -> Standing {
    let sides: Vec<Side> = seen.iter().map(|sighting| side(spec, before, &sighting.sight)).collect();
    let nodes =
        || seen.iter().zip(&sides).map(|(sighting, side)| format!("{}: {}", sighting.node, words(side))).collect();
    if seen.is_empty() || sides.iter().any(|side| matches!(side, Side::Silent(_))) {
        return Standing::Silent { changed: sides.contains(&Side::After), nodes: nodes() };
    }
    let prints: Vec<Option<&Fingerprint>> = seen.iter().map(|sighting| print(&sighting.sight)).collect();
    if prints.iter().any(|print| Some(print) != prints.first()) {
        return Standing::Differ(nodes());
    }
    match sides.first() {
        Some(Side::Before) => Standing::Before,
        Some(Side::After) => Standing::After,
        Some(Side::Else(_) | Side::Silent(_)) | None => Standing::Neither(nodes()),
    }
}

fn print(sight: &Sight) -> Option<&Fingerprint> {
    match sight {
        Sight::Table { fingerprint, .. } => Some(fingerprint),
        Sight::Missing | Sight::Silent(_) => None,
    }
}

/// Sorts what one node has.
#[must_use]
pub fn side(spec: &DirectSpec, before: &Fingerprint, sight: &Sight) -> Side {
    match sight {
        Sight::Silent(why) => Side::Silent(why.clone()),
        Sight::Missing => Side::Else("has no such table".to_owned()),
        Sight::Table { fingerprint, .. } if fingerprint == before => Side::Before,
        Sight::Table { shape, .. } => differences(&spec.target, shape)
            .map_or(Side::After, |found| Side::Else(format!("looks otherwise: {found}"))),
    }
}

/// What a node has, in words.
#[must_use]
pub fn words(side: &Side) -> String {
    match side {
        Side::Before => "is as it was".to_owned(),
        Side::After => "is changed".to_owned(),
        Side::Else(what) => what.clone(),
        Side::Silent(why) => format!("gives no answer ({why})"),
    }
}

/// How a table differs from what was planned; `None` when it does not. The order of keys means nothing, and the dry run
/// shows defaults with other quotes and escapes than the catalog.
fn differences(planned: &TableShape, real: &TableShape) -> Option<String> {
    let (planned, real) = (sorted(planned), sorted(real));
    if planned == real {
        return None;
    }
    let mut found = Vec::new();
    for column in &real.columns {
        match planned.column(&column.name) {
            Some(other) if other == column => {}
            Some(other) => found.push(format!("column `{}` is {}, not {}", column.name, told(column), told(other))),
            None => found.push(format!("column `{}` was not planned", column.name)),
        }
    }
    for column in planned.columns.iter().filter(|column| real.column(&column.name).is_none()) {
        found.push(format!("column `{}` is missing", column.name));
    }
    if planned.keys != real.keys {
        found.push("its keys differ".to_owned());
    }
    if found.is_empty() {
        found.push("the order of its columns, a constraint, a trigger or an option differs".to_owned());
    }
    Some(found.join(", "))
}

fn sorted(shape: &TableShape) -> TableShape {
    let mut shape = shape.clone();
    shape.keys.sort_by(|one, other| one.name.cmp(&other.name));
    shape.foreign_keys.sort_by(|one, other| one.name.cmp(&other.name));
    shape
        .referenced_by
        .sort_by(|one, other| (&one.schema, &one.table, &one.name).cmp(&(&other.schema, &other.table, &other.name)));
    shape.checks.sort();
    for column in &mut shape.columns {
        // Implied by the collation.
        column.charset = None;
        column.default = column.default.as_ref().map(|text| text.replace(['\'', '\\'], ""));
    }
    shape
}

fn told(column: &Column) -> String {
    let null = if column.nullable { "NULL" } else { "NOT NULL" };
    let default = column.default.as_ref().map_or_else(String::new, |value| format!(" DEFAULT {value}"));
    format!("{} {null}{default}", column.column_type)
}

#[cfg(test)]
mod tests {
    use driftless_strategies::Ident;

    use super::*;

    fn table(columns: &[(&str, &str)]) -> TableShape {
        let column = |(name, kind): &(&str, &str)| Column {
            name: Ident::new(*name).unwrap(),
            data_type: (*kind).into(),
            column_type: (*kind).into(),
            nullable: true,
            default: None,
            extra: String::new(),
            charset: None,
            collation: None,
            generated: None,
            expression: None,
            invisible: false,
            comment: String::new(),
        };
        TableShape { columns: columns.iter().map(column).collect(), ..TableShape::default() }
    }

    fn see(node: &str, columns: &[(&str, &str)]) -> Sighting {
        let shape = Box::new(table(columns));
        Sighting { node: node.into(), sight: Sight::Table { fingerprint: Fingerprint(format!("{columns:?}")), shape } }
    }

    const OLD: &[(&str, &str)] = &[("id", "int")];
    const NEW: &[(&str, &str)] = &[("id", "int"), ("d", "varchar(10)")];
    const ODD: &[(&str, &str)] = &[("id", "int"), ("d", "int")];

    fn seen(all: &[Sighting]) -> Standing {
        let spec = DirectSpec { source: table(OLD), target: table(NEW), linked: Vec::new() };
        standing(&spec, &Fingerprint(format!("{OLD:?}")), all)
    }

    #[test]
    fn what_all_nodes_have_decides() {
        let all = |columns| [see("n1", columns), see("n2", columns), see("n3", columns)];
        assert_eq!(seen(&all(OLD)), Standing::Before);
        assert_eq!(seen(&all(NEW)), Standing::After);
        assert!(matches!(seen(&all(ODD)), Standing::Neither(_)));
        let mixed = [see("n1", NEW), see("n2", NEW), see("n3", OLD)];
        let told = ["n1: is changed", "n2: is changed", "n3: is as it was"].map(str::to_owned).to_vec();
        assert_eq!(seen(&mixed), Standing::Differ(told));
    }

    #[test]
    fn a_node_that_fails_alone_is_named_with_what_it_has() {
        let drifted = [see("n1", NEW), see("n2", NEW), see("n3", ODD)];
        let Standing::Differ(nodes) = seen(&drifted) else { panic!("it differs") };
        assert_eq!(nodes[2], "n3: looks otherwise: column `d` is int NULL, not varchar(10) NULL");
        let gone = Sighting { node: "n3".into(), sight: Sight::Missing };
        let Standing::Differ(nodes) = seen(&[see("n1", NEW), gone]) else { panic!("it differs") };
        assert_eq!(nodes[1], "n3: has no such table");
    }

    #[test]
    fn silence_is_never_taken_for_an_answer() {
        let silent = || Sighting { node: "n3".into(), sight: Sight::Silent("gone".into()) };
        for (columns, changed) in [(OLD, false), (NEW, true)] {
            let Standing::Silent { changed: told, nodes } = seen(&[see("n1", columns), silent()]) else { panic!() };
            assert_eq!(told, changed);
            assert_eq!(nodes[1], "n3: gives no answer (gone)");
        }
        assert!(matches!(seen(&[]), Standing::Silent { changed: false, .. }));
    }
}
