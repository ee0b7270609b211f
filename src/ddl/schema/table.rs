//! One CREATE TABLE to a shape.

use driftless_strategies::shape::{KeyKind, KeyPart};
use driftless_strategies::{Flavour, ForeignKey, Ident, Key, TableName, TableShape};

use crate::ddl::column::elements;
use crate::ddl::cursor::Cursor;
use crate::ddl::error::Problem;
use crate::ddl::lexer::{Era, Kind, Lexeme};
use crate::ddl::split::{Fault, one_statement};

use super::charsets::Charset;
use super::column::{column, expected};
use super::defaults::inside;
use super::dump::SchemaTable;
use super::error::unreadable;
use super::keys::{References, WrittenKey, key, names, references};
use super::options::{Options, options};
use super::partitions::partitions;

/// Reads the statement; names without schema lie in `schema`.
///
/// # Errors
/// What is not understood, with its place.
pub(super) fn create_table(source: &str, lexemes: &[Lexeme], era: Era, schema: &Ident) -> Result<SchemaTable, Fault> {
    let end = lexemes.last().map_or(0, |last| last.end);
    let lexemes = one_statement(lexemes, end)?;
    let at_end = |(problem, at): Fault| (problem, at.min(end));
    let mut cursor = Cursor::new(lexemes);
    cursor.eat(&["CREATE"]);
    cursor.eat(&["OR", "REPLACE"]);
    cursor.eat(&["TABLE"]);
    cursor.eat(&["IF", "NOT", "EXISTS"]);
    let first = cursor.name().ok_or_else(|| at_end(expected(&cursor, "the table's name")))?;
    let point = cursor.eat_kind(Kind::Period);
    let name = if point {
        TableName::new(first, cursor.name().ok_or_else(|| at_end(expected(&cursor, "the table's name")))?)
    } else {
        TableName::new(schema.clone(), first)
    };
    let place =
        at_end(expected(&cursor, "the columns in parentheses (LIKE and SELECT can't be read without a server)"));
    let group = cursor.peek().filter(|next| next.kind == Kind::Open).and_then(|_| cursor.group()).ok_or(place)?;
    let options = options(source, &mut cursor, era).map_err(at_end)?;
    let partitions = partitions(source, &mut cursor).map_err(at_end)?;
    let mut maker = Maker::new(source, era, &name, &options);
    for element in elements(group) {
        let place = group.last().map_or(end, |last| last.start);
        maker.element(element, place).map_err(at_end)?;
    }
    let default_charset = options.charset.is_none();
    let auto_increment = options.auto_increment;
    Ok(SchemaTable { shape: maker.finish(&options, partitions), name, auto_increment, default_charset })
}

struct Maker<'a> {
    source: &'a str,
    era: Era,
    name: &'a TableName,
    charset: Charset,
    shape: TableShape,
    /// Foreign keys without a name, and checks, get numbers.
    numbered_keys: usize,
    numbered_checks: usize,
    /// Names that keys get which InnoDB makes for foreign keys; a written key may still come that serves.
    own_indexes: Vec<Option<Ident>>,
}

impl<'a> Maker<'a> {
    fn new(source: &'a str, era: Era, name: &'a TableName, options: &Options) -> Self {
        let charset = options.charset.clone().unwrap_or_else(|| Charset::of_server(era));
        let own_indexes = Vec::new();
        let shape = TableShape::default();
        Self { source, era, name, charset, shape, numbered_keys: 0, numbered_checks: 0, own_indexes }
    }

    /// A column, a key or a constraint; `place` is where one is missing.
    fn element(&mut self, element: &[Lexeme], place: usize) -> Result<(), Fault> {
        let mut cursor = Cursor::new(element);
        let constraint = cursor.eat(&["CONSTRAINT"]);
        let starts = ["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"];
        let named = if constraint && !cursor.at_any(&starts) { cursor.name() } else { None };
        if let Some(written) = key(self.source, &mut cursor, named.clone(), self.era)? {
            self.add_key(written);
            return Ok(());
        }
        if cursor.eat(&["FOREIGN", "KEY"]) {
            return self.foreign_key(&mut cursor, named);
        }
        if cursor.eat(&["CHECK"]) {
            let group = cursor.group().ok_or_else(|| expected(&cursor, "an expression in parentheses"))?;
            let off = cursor.eat(&["NOT", "ENFORCED"]);
            let clause = inside(self.source, group) + if off { " NOT ENFORCED" } else { "" };
            self.add_check(named, clause);
            return Ok(());
        }
        if constraint {
            return Err(expected(&cursor, "PRIMARY KEY, UNIQUE, FOREIGN KEY or CHECK"));
        }
        if cursor.eat(&["PERIOD", "FOR"]) {
            return Ok(());
        }
        if element.is_empty() {
            return Err((Problem::Expected("a column or a key"), place));
        }
        self.column(element)
    }

    fn column(&mut self, element: &[Lexeme]) -> Result<(), Fault> {
        let defined = column(self.source, element, &self.charset, self.era)?;
        let at = element.first().map_or(0, |lexeme| lexeme.start);
        let name = defined.column.name.clone();
        if self.shape.column(&name).is_some() {
            return Err((unreadable(format!("a second column `{name}`")), at));
        }
        self.shape.columns.push(defined.column);
        if let Some(key) = defined.key {
            let Key { kind, parts, visible, comment, .. } = key;
            let name = (kind == KeyKind::Unique).then(|| name.clone());
            self.add_key(WrittenKey { name, kind, parts, visible, comment });
        }
        if let Some((given, clause)) = defined.check {
            // MariaDB knows a column's check by the column's name; MySQL makes it one of the table's.
            let own = (self.era.flavour == Flavour::MariaDb).then(|| name.clone());
            self.add_check(given.or(own), clause);
        }
        if let Some(references) = defined.references {
            self.add_foreign_key(references, None, None, vec![name]);
        }
        Ok(())
    }

    fn add_key(&mut self, written: WrittenKey) {
        let WrittenKey { name, kind, parts, visible, comment } = written;
        let primary = kind == KeyKind::Primary;
        let base = parts.first().and_then(|part| part.column.clone());
        let fallback = if primary { "PRIMARY" } else { "functional_index" };
        let given = if primary { None } else { name.or_else(|| base.map(|base| self.unused(&base))) };
        let Some(name) = given.or_else(|| Ident::new(fallback).ok()) else { return };
        self.shape.keys.push(Key { name, kind, parts, visible, comment });
    }

    /// The first of `a`, `a_2`, `a_3` that names no key yet.
    fn unused(&self, base: &Ident) -> Ident {
        let free = |name: &Ident| !self.shape.keys.iter().any(|key| key.name.same(name));
        let others = (2..).map_while(|number| Ident::new(format!("{base}_{number}")).ok());
        std::iter::once(base.clone()).chain(others).find(free).unwrap_or_else(|| base.clone())
    }

    fn foreign_key(&mut self, cursor: &mut Cursor<'_>, named: Option<Ident>) -> Result<(), Fault> {
        cursor.eat(&["IF", "NOT", "EXISTS"]);
        let index = cursor.name();
        let place = expected(cursor, "the foreign key's columns");
        let columns = cursor.group().and_then(names).ok_or(place)?;
        let place = expected(cursor, "REFERENCES, a table and its columns");
        let references = references(cursor).ok_or(place)?;
        if let Some(next) = cursor.peek() {
            return Err((unreadable(format!("`{}` is not understood in a foreign key", next.value)), next.start));
        }
        self.add_foreign_key(references, named, index, columns);
        Ok(())
    }

    fn add_foreign_key(&mut self, to: References, named: Option<Ident>, index: Option<Ident>, columns: Vec<Ident>) {
        self.numbered_keys += usize::from(named.is_none());
        let numbered = || Ident::new(format!("{}_ibfk_{}", self.name.table, self.numbered_keys)).ok();
        let Some(name) = named.clone().or_else(numbered) else { return };
        let key = to.of(self.name, name, columns, self.era);
        self.own_indexes.push(named.or(index));
        self.shape.foreign_keys.push(key);
    }

    /// InnoDB makes a key for a foreign key that has none.
    fn index_for(&mut self, foreign: &ForeignKey, name: Option<Ident>) {
        let part = |column: &Ident| KeyPart {
            column: Some(column.clone()),
            expression: None,
            prefix: None,
            descending: false,
        };
        let parts: Vec<KeyPart> = foreign.columns.iter().map(part).collect();
        let same = |own: &KeyPart, wanted: &KeyPart| match (&own.column, &wanted.column) {
            (Some(name), Some(wanted)) => name.same(wanted) && own.prefix.is_none(),
            (_, None) | (None, Some(_)) => false,
        };
        let serves = |key: &Key| {
            let ordered = !matches!(key.kind, KeyKind::Fulltext | KeyKind::Spatial | KeyKind::UniqueHash);
            ordered && key.parts.len() >= parts.len() && key.parts.iter().zip(&parts).all(|(own, one)| same(own, one))
        };
        if !self.shape.keys.iter().any(serves) {
            self.add_key(WrittenKey { name, kind: KeyKind::Plain, parts, visible: true, comment: String::new() });
        }
    }

    fn add_check(&mut self, named: Option<Ident>, clause: String) {
        self.numbered_checks += usize::from(named.is_none());
        let number = self.numbered_checks;
        let numbered = || match self.era.flavour {
            Flavour::MariaDb => Ident::new(format!("CONSTRAINT_{number}")).ok(),
            Flavour::MySql => Ident::new(format!("{}_chk_{number}", self.name.table)).ok(),
        };
        self.shape.checks.extend(named.or_else(numbered).map(|name| (name, clause)));
    }

    fn finish(mut self, options: &Options, partitions: Vec<String>) -> TableShape {
        let own = std::mem::take(&mut self.own_indexes);
        for (foreign, name) in self.shape.foreign_keys.clone().iter().zip(own) {
            self.index_for(foreign, name);
        }
        let mut shape = self.shape;
        let primary: Vec<Ident> =
            shape.primary().into_iter().flat_map(|key| &key.parts).filter_map(|part| part.column.clone()).collect();
        for column in shape.columns.iter_mut().filter(|column| primary.iter().any(|name| column.name.same(name))) {
            // A key's NULL that was only the lack of a default goes with the permission.
            column.default = column.default.take().filter(|default| !column.nullable || default != "NULL");
            column.nullable = false;
        }
        shape.keys.sort_by(|one, other| one.name.cmp(&other.name));
        shape.foreign_keys.sort_by(|one, other| one.name.cmp(&other.name));
        shape.checks.sort();
        let mut others = options.others.clone();
        if !partitions.is_empty() {
            others.push("partitioned".to_owned());
        }
        TableShape {
            table_type: if options.versioned { "SYSTEM VERSIONED" } else { "BASE TABLE" }.to_owned(),
            engine: engine(options.engine.as_deref()),
            row_format: row_format(options.row_format.as_deref()),
            collation: self.charset.collation,
            options: others.join(" "),
            comment: options.comment.clone(),
            partitions,
            ..shape
        }
    }
}

/// As the servers print it.
fn engine(written: Option<&str>) -> String {
    let known = ["InnoDB", "MyISAM", "Aria", "MEMORY", "ARCHIVE", "CSV", "BLACKHOLE", "ROCKSDB", "MRG_MyISAM"];
    let written = written.unwrap_or("InnoDB");
    known.into_iter().find(|name| name.eq_ignore_ascii_case(written)).unwrap_or(written).to_owned()
}

/// As the catalog prints it; InnoDB's own default when none is written.
fn row_format(written: Option<&str>) -> String {
    let written = written.filter(|format| !format.eq_ignore_ascii_case("DEFAULT")).unwrap_or("Dynamic");
    let mut chars = written.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars.map(|c| c.to_ascii_lowercase())).collect()
}
