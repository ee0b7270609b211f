//! The altered table as its clauses describe it, for when no server has tried them.

use crate::alter::Alter;
use crate::charset::max_bytes;
use crate::column_type::ColumnType;
use crate::copy_spec::guess;
use crate::name::Ident;
use crate::shape::{Column, Key, KeyKind, KeyPart, TableShape};

use super::clauses::{Charset, Part};
use super::definition::{Attribute, Definition, charset_of};

/// The table after the clauses that could be read. A collation that only the server knows is `None` on a column; on the
/// table it is the character set and an underscore.
pub(super) fn shape(before: &TableShape, alter: &Alter, parts: &[Part]) -> TableShape {
    let mut after = guess(before, alter);
    for part in parts {
        if let Part::TableCharset(said) | Part::Converted(said) = part {
            after.collation = table_collation(said);
        }
    }
    for part in parts {
        apply(&mut after, part);
    }
    let primary: Vec<_> = after.primary().into_iter().flat_map(|key| key.parts.clone()).collect();
    for column in &mut after.columns {
        column.nullable = column.nullable && !primary.iter().any(|part| part.column.as_ref() == Some(&column.name));
    }
    after
}

fn apply(after: &mut TableShape, part: &Part) {
    match part {
        Part::Converted(said) => {
            let widest = max_bytes(&said.charset.clone().unwrap_or_else(|| charset_of(&after.collation)));
            for column in &mut after.columns {
                convert(column, &after.collation, widest);
            }
        }
        Part::Added(definition) => {
            let column = filled(definition, &after.collation);
            definition.key.into_iter().for_each(|kind| add_key(after, inline_key(&column, kind), false));
            after.columns.push(column);
        }
        Part::Redefined { definition, .. } => {
            let column = filled(definition, &after.collation);
            if let Some(place) = after.columns.iter_mut().find(|old| old.name.same(&column.name)) {
                *place = column.clone();
                definition.key.into_iter().for_each(|kind| add_key(after, inline_key(&column, kind), false));
            }
        }
        Part::Default { column, value } => {
            if let Some(column) = after.columns.iter_mut().find(|old| old.name.same(column)) {
                column.default.clone_from(value);
            }
        }
        Part::Key { key, named, .. } => add_key(after, key.clone(), *named || key.kind == KeyKind::Primary),
        Part::RenamedKey { from, to } => {
            if let Some(key) = after.keys.iter_mut().find(|key| key.name.same(from)) {
                key.name = to.clone();
            }
        }
        Part::TableCharset(_) => {}
    }
}

/// Adds a key; one that nobody named gets a number where its name is taken, as on the servers.
fn add_key(after: &mut TableShape, mut key: Key, named: bool) {
    let taken = |name: &Ident| after.keys.iter().any(|other| other.name.same(name));
    let numbered = (2..=after.keys.len() + 1).filter_map(|number| Ident::new(format!("{}_{number}", key.name)).ok());
    if !named
        && taken(&key.name)
        && let Some(free) = numbered.into_iter().find(|name| !taken(name))
    {
        key.name = free;
    }
    after.keys.push(key);
}

fn table_collation(said: &Charset) -> String {
    match (&said.charset, &said.collation) {
        (_, Some(collation)) => collation.clone(),
        (Some(charset), None) => format!("{charset}_"),
        (None, None) => String::new(),
    }
}

/// The table's default as a column gets it.
fn inherited(table_collation: &str) -> (Option<String>, Option<String>) {
    let charset = (!table_collation.is_empty()).then(|| charset_of(table_collation));
    let collation = charset.as_ref().filter(|_| !table_collation.ends_with('_')).map(|_| table_collation.to_owned());
    (charset, collation)
}

fn textual(kind: &ColumnType) -> bool {
    matches!(
        kind,
        ColumnType::Char { .. }
            | ColumnType::VarChar { .. }
            | ColumnType::Text { .. }
            | ColumnType::Enum { .. }
            | ColumnType::Set { .. }
    )
}

/// The column with the table's default character set where its definition names none.
fn filled(definition: &Definition, table_collation: &str) -> Column {
    let mut column = definition.column.clone();
    if textual(&ColumnType::of(&column)) && !definition.says(Attribute::Charset) {
        (column.charset, column.collation) = inherited(table_collation);
    }
    column
}

fn inline_key(column: &Column, kind: KeyKind) -> Key {
    let name = if kind == KeyKind::Primary { "PRIMARY" } else { column.name.as_str() };
    let part = KeyPart { column: Some(column.name.clone()), expression: None, prefix: None, descending: false };
    Key {
        name: Ident::new(name).unwrap_or_else(|_| column.name.clone()),
        kind,
        parts: vec![part],
        visible: true,
        comment: String::new(),
    }
}

/// What `CONVERT TO CHARACTER SET` does to a column: TEXT types grow so that as many characters fit as before.
///
/// # Source
/// MySQL manual, "ALTER TABLE Statement", Changing the Character Set; MariaDB does the same.
fn convert(column: &mut Column, table_collation: &str, widest: u64) {
    let kind = ColumnType::of(column);
    let Some(charset) = column.charset.clone().filter(|charset| charset != "binary" && textual(&kind)) else { return };
    (column.charset, column.collation) = inherited(table_collation);
    let ColumnType::Text { bytes } = kind else { return };
    let wanted = bytes.saturating_mul(widest).div_ceil(max_bytes(&charset));
    let types = [(0xff, "tinytext"), (0xffff, "text"), (0xff_ffff, "mediumtext"), (u64::MAX, "longtext")];
    if wanted > bytes
        && let Some((_, name)) = types.into_iter().find(|(most, _)| *most >= wanted)
    {
        column.data_type = name.to_owned();
        column.column_type = name.to_owned();
    }
}
