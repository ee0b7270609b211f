//! Which changes leave row events readable both ways, while some nodes have them and others do not: the rules of RSU.
//!
//! Appliers match columns by their place, not by name, and certification takes its keys from unique keys. What is not
//! certainly harmless is refused.
//!
//! # Source
//! MariaDB, "Replication When the Primary and Replica Have Different Table Definitions"; Percona, "Rolling Schema Upgrades"
//! (2019). Each rule is tried half-way through a change on a real cluster in `tests/cluster/prove_rsu.rs`.

use crate::alter::{Alter, Clause, ClauseKind};
use crate::name::Ident;
use crate::shape::{KeyKind, TableShape};

/// What comes of rows that are written while only some nodes have the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compatible {
    /// They are the same everywhere.
    Yes,
    /// Something else; in words that follow on the clause.
    No(&'static str),
}

const NAMED: Compatible =
    Compatible::No("is safe only for keys that are not unique, and which key it means is not known");
const UNIQUE: Compatible =
    Compatible::No("changes a unique key: nodes would certify the same write by different keys, or refuse a row alone");
const PLACES: Compatible =
    Compatible::No("moves columns, and appliers match them by place: values would land in other columns");
const TYPES: Compatible = Compatible::No(
    "changes how values are stored: a node that meets a row of the other form stops applying and leaves the cluster",
);
const LATE: Compatible =
    Compatible::No("makes a column whose values the nodes without it drop: rows would differ without an error");
const CONSTRAINTS: Compatible =
    Compatible::No("lets one node refuse, or change by itself, what others have committed: it would leave the cluster");
const ENGINE: Compatible = Compatible::No("changes more than keys, and no rule says that rows stay readable");

/// Judges one kind of clause on a table.
#[must_use]
pub fn compatible(kind: &ClauseKind, table: &TableShape) -> Compatible {
    match kind {
        ClauseKind::AddKey => Compatible::Yes,
        ClauseKind::DropKey { name } => plain(name, table),
        // Which keys they name is looked up in the shapes: see `keys_only`.
        ClauseKind::RenameKey | ClauseKind::AlterKey => Compatible::Yes,
        ClauseKind::AddUnique | ClauseKind::AddPrimary | ClauseKind::DropPrimary => UNIQUE,
        ClauseKind::AddColumn { .. } => LATE,
        ClauseKind::DropColumn { .. } => PLACES,
        ClauseKind::ModifyColumn { .. }
        | ClauseKind::AlterColumn { .. }
        | ClauseKind::ChangeColumn { .. }
        | ClauseKind::RenameColumn { .. }
        | ClauseKind::ConvertCharset => TYPES,
        ClauseKind::AddForeignKey
        | ClauseKind::DropForeignKey { .. }
        | ClauseKind::AddCheck
        | ClauseKind::OtherConstraint => CONSTRAINTS,
        ClauseKind::AddFulltext
        | ClauseKind::AddSpatial
        | ClauseKind::RenameTable
        | ClauseKind::Engine { .. }
        | ClauseKind::TableOption
        | ClauseKind::Force
        | ClauseKind::OrderBy
        | ClauseKind::Partitioning
        | ClauseKind::PartitionManagement
        | ClauseKind::Versioning
        | ClauseKind::Tablespace
        | ClauseKind::Hint
        | ClauseKind::Unknown => ENGINE,
    }
}

fn plain(name: &Ident, table: &TableShape) -> Compatible {
    match table.keys.iter().find(|key| key.name.same(name)) {
        Some(key) if key.kind == KeyKind::Plain => Compatible::Yes,
        Some(key) if key.unique() => UNIQUE,
        Some(_) => ENGINE,
        None => NAMED,
    }
}

/// The first clause that rows do not stand, and why.
pub(crate) fn breaks<'a>(alter: &'a Alter, table: &TableShape) -> Option<(&'a Clause, &'static str)> {
    alter.clauses.iter().find_map(|clause| match compatible(&clause.kind, table) {
        Compatible::Yes => None,
        Compatible::No(why) => Some((clause, why)),
    })
}

/// Whether two tables differ in nothing but keys that are not unique: what the clauses came to, whatever they said.
pub(crate) fn keys_only(source: &TableShape, target: &TableShape) -> bool {
    let rest = |table: &TableShape| {
        let mut table = table.clone();
        table.keys.retain(|key| key.kind != KeyKind::Plain);
        table.keys.sort_by(|one, other| one.name.cmp(&other.name));
        table
    };
    rest(source) == rest(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{ident, key, table};

    #[test]
    fn only_plain_keys_may_differ_between_nodes() {
        let source =
            table(&[("id", "int"), ("a", "int"), ("b", "int")], &["PRIMARY primary id", "ka plain a", "ub unique b"]);
        let drop = |name: &str| ClauseKind::DropKey { name: ident(name) };
        let names = || vec![ident("c")];
        let yes = [ClauseKind::AddKey, drop("ka"), drop("KA"), ClauseKind::RenameKey, ClauseKind::AlterKey];
        let no = [
            (drop("ub"), UNIQUE),
            (drop("PRIMARY"), UNIQUE),
            (drop("nobody"), NAMED),
            (ClauseKind::AddUnique, UNIQUE),
            (ClauseKind::AddPrimary, UNIQUE),
            (ClauseKind::AddColumn { names: names() }, LATE),
            (ClauseKind::DropColumn { name: ident("a") }, PLACES),
            (ClauseKind::ModifyColumn { name: ident("a") }, TYPES),
            (ClauseKind::RenameColumn { from: ident("a"), to: ident("d") }, TYPES),
            (ClauseKind::ConvertCharset, TYPES),
            (ClauseKind::AddForeignKey, CONSTRAINTS),
            (ClauseKind::AddCheck, CONSTRAINTS),
            (ClauseKind::Force, ENGINE),
            (ClauseKind::Unknown, ENGINE),
        ];
        for kind in yes {
            assert_eq!(compatible(&kind, &source), Compatible::Yes, "{kind:?}");
        }
        for (kind, why) in no {
            assert_eq!(compatible(&kind, &source), why, "{kind:?}");
        }
    }

    #[test]
    fn what_the_clauses_came_to_counts() {
        let columns = [("id", "int"), ("a", "int")];
        let source = table(&columns, &["PRIMARY primary id", "ka plain a"]);
        let mut target = source.clone();
        target.keys.push(key("kb plain a id"));
        assert!(keys_only(&source, &target));
        target.keys.push(key("ua unique a"));
        assert!(!keys_only(&source, &target), "a unique key is not harmless");
        let renamed = table(&columns, &["PRIMARY primary id", "kz plain a"]);
        assert!(keys_only(&source, &renamed));
        assert!(!keys_only(&source, &table(&columns[..1], &["PRIMARY primary id"])), "a column is gone");
    }
}
