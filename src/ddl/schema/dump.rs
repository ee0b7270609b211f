//! The whole file: which statements make tables, which mean nothing here, which can't be passed over.

use driftless_strategies::{Flavour, Ident, TableName, TableShape, Trigger, Version};

use crate::ddl::lexer::{Era, Lexeme, Part, lex_part};
use crate::ddl::split::Fault;

use super::error::{SchemaError, unreadable};
use super::statements::{Statement, Token, head, statements};
use super::table::create_table;
use super::trigger::create_trigger;

/// First words of statements that make or change no table.
const PASSED_OVER: [&str; 20] = [
    "ANALYZE", "BEGIN", "CALL", "CHANGE", "COMMIT", "DELETE", "DROP", "FLUSH", "GRANT", "INSERT", "LOCK", "REPLACE",
    "RESET", "REVOKE", "ROLLBACK", "SELECT", "SET", "SHOW", "START", "UNLOCK",
];

/// What CREATE, ALTER and DROP can be about.
const OBJECTS: [&str; 14] = [
    "TABLE",
    "VIEW",
    "TRIGGER",
    "PROCEDURE",
    "FUNCTION",
    "EVENT",
    "DATABASE",
    "SCHEMA",
    "INDEX",
    "SEQUENCE",
    "USER",
    "ROLE",
    "SERVER",
    "PACKAGE",
];

/// A table as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaTable {
    /// Its name; the schema is the file's, or the one that was given.
    pub name: TableName,
    /// Its shape.
    pub shape: TableShape,
    /// `AUTO_INCREMENT`, when it is written.
    pub auto_increment: Option<u64>,
    /// Whether neither a character set nor a collation is written, so that the server's default was taken.
    pub default_charset: bool,
}

/// Reads a schema file for that server.
///
/// # Errors
/// `SchemaError` with the place: not closed, not understood, a table that stands there twice, a statement that would
/// change a table after it was made.
pub fn read_schema(
    text: &str,
    schema: &Ident,
    flavour: Flavour,
    version: Version,
) -> Result<Vec<SchemaTable>, SchemaError> {
    let place = |(problem, at): Fault| SchemaError::new(problem, text, at);
    let text_of = |cut: Statement| text.get(cut.start..cut.end).unwrap_or_default();
    let mut file = File { text, era: Era { flavour, version }, schema: schema.clone(), tables: Vec::new() };
    // A byte order mark is no part of the text.
    for cut in statements(text, file.era).map_err(place)? {
        let skip = if text_of(cut).starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        file.statement(Statement { start: cut.start + skip, end: cut.end })?;
    }
    Ok(file.linked())
}

struct File<'a> {
    text: &'a str,
    era: Era,
    /// What `USE` names, or was given.
    schema: Ident,
    tables: Vec<SchemaTable>,
}

impl File<'_> {
    fn statement(&mut self, cut: Statement) -> Result<(), SchemaError> {
        let tokens = head(self.text, cut, self.era);
        let Some(first) = tokens.first() else { return Ok(()) };
        if first.is("CREATE") {
            return self.create(cut, &tokens);
        }
        let place = |(problem, at): Fault| SchemaError::new(problem, self.text, at);
        if first.is("USE") {
            let name = tokens.get(1).and_then(|token| Ident::new(unquoted(&token.text)).ok());
            self.schema = name.ok_or_else(|| place((unreadable("USE names no schema"), first.start)))?;
            return Ok(());
        }
        if PASSED_OVER.iter().any(|word| first.is(word)) || first.is("ALTER") && alters_no_shape(&tokens) {
            return Ok(());
        }
        let what = if first.is("ALTER") || first.is("RENAME") {
            format!("{} is not carried out here; write the tables as they are after it", first.text.to_uppercase())
        } else {
            "no statement of a schema file begins like this (CREATE TABLE is expected)".to_owned()
        };
        Err(place((unreadable(what), first.start)))
    }

    fn create(&mut self, cut: Statement, tokens: &[Token]) -> Result<(), SchemaError> {
        let place = |(problem, at): Fault| SchemaError::new(problem, self.text, at);
        let at = tokens.first().map_or(cut.start, |token| token.start);
        let object = tokens.iter().enumerate().find(|(_, token)| OBJECTS.iter().any(|word| token.is(word)));
        let Some((index, object)) = object else {
            return Err(place((unreadable("what this creates is not understood"), at)));
        };
        if object.is("INDEX") {
            let what = "an index of its own statement is not made here (CREATE INDEX); write the key in the table's CREATE TABLE";
            return Err(place((unreadable(what), at)));
        }
        if object.is("TRIGGER") {
            let (table, trigger) = create_trigger(self.text, cut, tokens, index, &self.schema).map_err(place)?;
            return self.add_trigger(&table, trigger).map_err(|what| place((unreadable(what), at)));
        }
        let temporary = tokens.iter().take(index).any(|token| token.is("TEMPORARY"));
        if object.is("VIEW") {
            let name = self.named_after(tokens, index);
            // Older dumps make a table in a view's place first.
            self.tables.retain(|table| Some(&table.name) != name.as_ref());
        }
        if !object.is("TABLE") || temporary {
            return Ok(());
        }
        let lexemes = self.lexemes(cut)?;
        let made = create_table(self.text, &lexemes, self.era, &self.schema).map_err(place)?;
        if self.tables.iter().any(|table| table.name == made.name) {
            return Err(place((unreadable(format!("{} is made a second time", made.name)), at)));
        }
        self.tables.push(made);
        Ok(())
    }

    fn lexemes(&self, cut: Statement) -> Result<Vec<Lexeme>, SchemaError> {
        let part = Part { source: self.text, from: cut.start, to: cut.end };
        Ok(lex_part(part, self.era, &mut String::new())?)
    }

    /// The name after the object's word, as far as the first tokens have it.
    fn named_after(&self, tokens: &[Token], index: usize) -> Option<TableName> {
        let name = |at: usize| tokens.get(at).and_then(|token| Ident::new(unquoted(&token.text)).ok());
        if tokens.get(index + 2).is_some_and(|token| token.is(".")) {
            return Some(TableName::new(name(index + 1)?, name(index + 3)?));
        }
        Some(TableName::new(self.schema.clone(), name(index + 1)?))
    }

    fn add_trigger(&mut self, table: &TableName, trigger: Trigger) -> Result<(), String> {
        let known = self.tables.iter_mut().find(|known| known.name == *table);
        let known = known.ok_or_else(|| format!("the trigger's table {table} is not made before it"))?;
        known.shape.triggers.push(trigger);
        Ok(())
    }

    /// The tables, with the foreign keys that point at each, everything in the order in which a server gives it.
    fn linked(self) -> Vec<SchemaTable> {
        let mut tables = self.tables;
        let keys: Vec<_> = tables.iter().flat_map(|table| table.shape.foreign_keys.clone()).collect();
        for table in &mut tables {
            let shape = &mut table.shape;
            let to_it = |key: &&_| points_at(key, &table.name);
            shape.referenced_by = keys.iter().filter(to_it).cloned().collect();
            shape.referenced_by.sort_by(|one, other| {
                (&one.schema, &one.table, &one.name).cmp(&(&other.schema, &other.table, &other.name))
            });
            let order = |trigger: &Trigger| (trigger.event.clone(), trigger.timing.clone());
            shape.triggers.sort_by_key(order);
        }
        tables
    }
}

fn points_at(key: &driftless_strategies::ForeignKey, table: &TableName) -> bool {
    key.parent_schema == table.schema && key.parent_table == table.table
}

/// `ALTER DATABASE …`, and the two that a dump has around its rows.
fn alters_no_shape(tokens: &[Token]) -> bool {
    let object = tokens.get(1);
    if object.is_some_and(|object| !object.is("TABLE")) {
        return object.is_some_and(|object| OBJECTS.iter().any(|word| object.is(word)));
    }
    let ends = |word: &str| tokens.iter().rev().nth(1).is_some_and(|token| token.is(word));
    tokens.last().is_some_and(|last| last.is("KEYS")) && (ends("DISABLE") || ends("ENABLE"))
}

/// A name without its backquotes.
pub(super) fn unquoted(text: &str) -> String {
    let inside = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    inside.map_or_else(|| text.to_owned(), |inside| inside.replace("``", "`"))
}

/// The server that a dump's first lines name: `-- Server version 10.11.6-MariaDB`, with a tab between.
#[must_use]
pub fn dump_version(text: &str) -> Option<(Flavour, Version)> {
    let line = text.lines().take(10).find_map(|line| line.strip_prefix("-- Server version"))?.trim();
    let flavour = if line.to_ascii_lowercase().contains("mariadb") { Flavour::MariaDb } else { Flavour::MySql };
    let digits = line.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let mut numbers = digits.split('.').map(|part| part.parse().ok());
    let (major, minor) = (numbers.next()??, numbers.next()??);
    Some((flavour, Version::new(major, minor, numbers.next().flatten().unwrap_or(0))))
}
