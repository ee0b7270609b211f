//! Columns, keys and tables for tests, written as a server would print them.

use crate::name::Ident;
use crate::shape::{Column, Generated, Key, KeyKind, KeyPart, TableShape};

/// A name.
pub(crate) fn ident(name: &str) -> Ident {
    Ident::new(name).unwrap()
}

/// A column from `type [charset/collation] [NULL] [AUTO] [STORED expression] [DEFAULT value]`, NOT NULL unless said.
pub(crate) fn column(name: &str, definition: &str) -> Column {
    let (definition, default) = split(definition, " DEFAULT ");
    let (definition, expression) = split(definition, " STORED ");
    let auto = definition.contains(" AUTO");
    let nullable = definition.contains(" NULL");
    let definition = definition.replace(" AUTO", "").replace(" NULL", "");
    let (column_type, collation) = match definition.rsplit_once(' ') {
        Some((column_type, collation)) if collation.contains('_') || collation == "binary" => {
            (column_type.to_owned(), Some(collation.to_owned()))
        }
        Some(_) | None => (definition, None),
    };
    let end = column_type.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(column_type.len());
    Column {
        name: ident(name),
        data_type: column_type[..end].to_owned(),
        column_type,
        nullable,
        default: default.map(str::to_owned),
        extra: if auto { "auto_increment".to_owned() } else { String::new() },
        charset: collation.as_ref().map(|collation| collation.split('_').next().unwrap().to_owned()),
        collation,
        generated: expression.map(|_| Generated::Stored),
        expression: expression.map(str::to_owned),
        invisible: false,
        comment: String::new(),
    }
}

fn split<'a>(text: &'a str, at: &str) -> (&'a str, Option<&'a str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// A key from `name kind part part …`; a part is `column`, `column(prefix)`, `column-` (descending) or `=expression`.
pub(crate) fn key(definition: &str) -> Key {
    let mut words = definition.split(' ');
    let name = ident(words.next().unwrap());
    let (kind, visible) = match words.next().unwrap() {
        "primary" => (KeyKind::Primary, true),
        "unique" => (KeyKind::Unique, true),
        "hidden" => (KeyKind::Unique, false),
        "hash" => (KeyKind::UniqueHash, true),
        "plain" => (KeyKind::Plain, true),
        other => panic!("no kind {other}"),
    };
    Key { name, kind, parts: words.map(part).collect(), visible, comment: String::new() }
}

fn part(word: &str) -> KeyPart {
    if let Some(expression) = word.strip_prefix('=') {
        return KeyPart { column: None, expression: Some(expression.to_owned()), prefix: None, descending: false };
    }
    let descending = word.ends_with('-');
    let word = word.trim_end_matches('-');
    let (name, prefix) = split(word, "(");
    let prefix = prefix.map(|prefix| prefix.trim_end_matches(')').parse().unwrap());
    KeyPart { column: Some(ident(name)), expression: None, prefix, descending }
}

/// A table of those columns and keys.
pub(crate) fn table(columns: &[(&str, &str)], keys: &[&str]) -> TableShape {
    TableShape {
        columns: columns.iter().map(|(name, definition)| column(name, definition)).collect(),
        keys: keys.iter().map(|definition| key(definition)).collect(),
        ..TableShape::default()
    }
}
