//! Changes for tests: a table, an alter as one would type it, and what the lint finds.

use std::collections::BTreeMap;

use crate::alter::{Alter, Clause, ClauseKind};
use crate::choose::Options;
use crate::facts::{DryRun, Facts, Flavour, Load, Node, Topology, Version};
use crate::name::{Ident, TableName};
use crate::shape::TableShape;

use super::find::{Lints, find};
use super::words::{Cursor, read};

/// A change to a table of one server.
pub(super) struct Sample {
    pub(super) facts: Facts,
}

impl Sample {
    /// A table whose default is utf8mb4_general_ci, on MariaDB 10.11; no server has tried anything.
    pub(super) fn of(table: TableShape) -> Self {
        let table = TableShape {
            collation: "utf8mb4_general_ci".into(),
            row_format: "Dynamic".into(),
            table_type: "BASE TABLE".into(),
            ..table
        };
        Self {
            facts: Facts {
                topology: Topology::Single,
                nodes: vec![node(Flavour::MariaDb, Version::new(10, 11, 19))],
                replicas: Vec::new(),
                unreached: Vec::new(),
                name: TableName::parse("shop.orders").unwrap(),
                table,
                dry_run: DryRun::Impossible { why: "nobody was asked".into() },
                load: Load::default(),
                missing_privileges: Vec::new(),
                assumed: Vec::new(),
            },
        }
    }

    /// The same on another server.
    pub(super) fn on(mut self, flavour: Flavour, version: Version) -> Self {
        self.facts.nodes = vec![node(flavour, version)];
        self
    }

    /// The same with a variable.
    pub(super) fn with(mut self, variable: &str, value: &str) -> Self {
        self.facts.nodes[0].variables.insert(variable.into(), value.into());
        self
    }

    /// The same where a server has tried the alter and shows that table.
    pub(super) fn shown(mut self, after: TableShape) -> Self {
        let after = TableShape { collation: self.facts.table.collation.clone(), ..after };
        self.facts.dry_run = DryRun::Accepted { shape: Box::new(after) };
        self
    }

    /// What is found in clauses with `;` between them.
    pub(super) fn lints(&self, clauses: &str) -> Lints {
        find(&self.facts, &alter(clauses), &Options::default())
    }

    /// The codes that are found, without `lint-`, with blanks between.
    pub(super) fn codes(&self, clauses: &str) -> String {
        let found = self.lints(clauses).found;
        let codes: Vec<&str> = found.iter().map(|reason| &reason.code.as_str()["lint-".len()..]).collect();
        codes.join(" ")
    }

    /// What the only finding says.
    pub(super) fn said(&self, clauses: &str) -> String {
        let found = self.lints(clauses).found;
        assert_eq!(found.len(), 1, "{clauses}: {found:?}");
        found[0].what.clone()
    }
}

/// A server of which nothing is known but that.
pub(crate) fn node(flavour: Flavour, version: Version) -> Node {
    Node {
        name: "n1".into(),
        address: "n1:3306".into(),
        identity: "1".into(),
        flavour,
        version,
        version_text: String::new(),
        unfit: Vec::new(),
        read_only: false,
        variables: BTreeMap::new(),
        channels: Vec::new(),
        fingerprint: None,
        leftovers: Vec::new(),
        holders: Vec::new(),
        old_transactions: Vec::new(),
        open_transactions: Vec::new(),
        non_blocking: false,
        binlog: None,
        disk: None,
        binlog_disk: None,
    }
}

/// Clauses with `;` between them.
pub(super) fn alter(clauses: &str) -> Alter {
    let clauses = clauses.split(';').map(str::trim).filter(|text| !text.is_empty());
    let clauses = clauses.map(|text| Clause { text: text.to_owned(), kind: kind(text) }).collect();
    Alter { table: None, clauses, hints: Vec::new(), ignore: false }
}

/// As `ddl` would sort them, for the clauses that tests use.
fn kind(text: &str) -> ClauseKind {
    let words = read(text);
    let mut cursor = Cursor::new(&words);
    let name = |cursor: &mut Cursor<'_>| -> Ident { cursor.name().unwrap() };
    if cursor.eat(&["RENAME", "COLUMN"]) {
        let from = name(&mut cursor);
        assert!(cursor.eat(&["TO"]), "{text}");
        return ClauseKind::RenameColumn { from, to: name(&mut cursor) };
    }
    if cursor.eat(&["MODIFY"]) {
        return ClauseKind::ModifyColumn { name: name(&mut cursor) };
    }
    if cursor.eat(&["CHANGE"]) {
        return ClauseKind::ChangeColumn { from: name(&mut cursor), to: name(&mut cursor) };
    }
    if cursor.eat(&["DROP", "PRIMARY"]) {
        return ClauseKind::DropPrimary;
    }
    if cursor.eat(&["DROP", "INDEX"]) {
        return ClauseKind::DropKey { name: name(&mut cursor) };
    }
    if cursor.eat(&["DROP", "FOREIGN", "KEY"]) {
        return ClauseKind::DropForeignKey { name: name(&mut cursor) };
    }
    if cursor.eat(&["DROP"]) {
        return ClauseKind::DropColumn { name: name(&mut cursor) };
    }
    let begins: [(&[&str], ClauseKind); 10] = [
        (&["RENAME", "INDEX"], ClauseKind::RenameKey),
        (&["CONVERT"], ClauseKind::ConvertCharset),
        (&["DEFAULT"], ClauseKind::TableOption),
        (&["COMMENT"], ClauseKind::TableOption),
        (&["COLLATE"], ClauseKind::TableOption),
        (&["ADD", "PRIMARY"], ClauseKind::AddPrimary),
        (&["ADD", "UNIQUE"], ClauseKind::AddUnique),
        (&["ADD", "FULLTEXT"], ClauseKind::AddFulltext),
        (&["ADD", "KEY"], ClauseKind::AddKey),
        (&["ADD"], ClauseKind::AddColumn { names: Vec::new() }),
    ];
    if let Some((_, kind)) = begins.into_iter().find(|(words, _)| cursor.eat(words)) {
        return kind;
    }
    assert!(cursor.eat(&["ALTER"]), "{text}");
    ClauseKind::AlterColumn { name: name(&mut cursor) }
}
