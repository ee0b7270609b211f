//! Keys and foreign keys of a CREATE TABLE.

use driftless_strategies::shape::{KeyKind, KeyPart};
use driftless_strategies::{Flavour, ForeignKey, Ident, TableName, Version};

use crate::ddl::column::elements;
use crate::ddl::cursor::Cursor;
use crate::ddl::error::Problem;
use crate::ddl::lexer::{Era, Kind, Lexeme};
use crate::ddl::split::Fault;

use super::column::{expected, text};
use super::defaults::inside;
use super::error::unreadable;

/// What REFERENCES says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct References {
    schema: Option<Ident>,
    table: Ident,
    columns: Vec<Ident>,
    on_delete: Option<String>,
    on_update: Option<String>,
}

impl References {
    /// The foreign key of those columns of `child`.
    pub(super) fn of(self, child: &TableName, name: Ident, columns: Vec<Ident>, era: Era) -> ForeignKey {
        // MySQL 8 prints what was not said as NO ACTION; the others as RESTRICT (measured on MariaDB 10.11).
        let unsaid = match era.flavour {
            Flavour::MySql if era.version >= Version::new(8, 0, 0) => "NO ACTION",
            Flavour::MySql | Flavour::MariaDb => "RESTRICT",
        };
        let rule = |rule: Option<String>| rule.unwrap_or_else(|| unsaid.to_owned());
        ForeignKey {
            name,
            schema: child.schema.clone(),
            table: child.table.clone(),
            columns,
            parent_schema: self.schema.unwrap_or_else(|| child.schema.clone()),
            parent_table: self.table,
            parent_columns: self.columns,
            on_delete: rule(self.on_delete),
            on_update: rule(self.on_update),
        }
    }
}

/// Reads `REFERENCES t (a, b) ON DELETE …`; `None` when it is not understood.
pub(super) fn references(cursor: &mut Cursor<'_>) -> Option<References> {
    if !cursor.eat(&["REFERENCES"]) {
        return None;
    }
    let first = cursor.name()?;
    let (schema, table) = if cursor.eat_kind(Kind::Period) { (Some(first), cursor.name()?) } else { (None, first) };
    let columns = names(cursor.group()?)?;
    let (mut on_delete, mut on_update) = (None, None);
    loop {
        if cursor.eat(&["MATCH"]) {
            cursor.next();
        } else if cursor.eat(&["ON", "DELETE"]) {
            on_delete = Some(rule(cursor)?);
        } else if cursor.eat(&["ON", "UPDATE"]) {
            on_update = Some(rule(cursor)?);
        } else {
            return Some(References { schema, table, columns, on_delete, on_update });
        }
    }
}

fn rule(cursor: &mut Cursor<'_>) -> Option<String> {
    let rules: [&[&str]; 5] = [&["CASCADE"], &["RESTRICT"], &["NO", "ACTION"], &["SET", "NULL"], &["SET", "DEFAULT"]];
    rules.into_iter().find(|words| cursor.eat(words)).map(|words| words.join(" "))
}

/// The names in a group.
pub(super) fn names(group: &[Lexeme]) -> Option<Vec<Ident>> {
    elements(group).into_iter().map(|element| Cursor::new(element).name()).collect()
}

/// A key without its name, when none is written.
pub(super) struct WrittenKey {
    pub(super) name: Option<Ident>,
    pub(super) kind: KeyKind,
    pub(super) parts: Vec<KeyPart>,
    pub(super) visible: bool,
    pub(super) comment: String,
}

/// Reads a key from its first word on; `None` when the element is no key. `name` is the constraint's.
///
/// # Errors
/// Parts or options that are not known.
pub(super) fn key(
    source: &str,
    cursor: &mut Cursor<'_>,
    name: Option<Ident>,
    era: Era,
) -> Result<Option<WrittenKey>, Fault> {
    let kind = if cursor.eat(&["PRIMARY", "KEY"]) {
        KeyKind::Primary
    } else if cursor.at(&["UNIQUE"]) || cursor.at(&["FULLTEXT"]) || cursor.at(&["SPATIAL"]) {
        let kind = if cursor.eat(&["UNIQUE"]) {
            KeyKind::Unique
        } else if cursor.eat(&["FULLTEXT"]) {
            KeyKind::Fulltext
        } else {
            cursor.next();
            KeyKind::Spatial
        };
        cursor.eat_any(&["KEY", "INDEX"]);
        kind
    } else if cursor.eat_any(&["KEY", "INDEX"]) {
        KeyKind::Plain
    } else {
        return Ok(None);
    };
    cursor.eat(&["IF", "NOT", "EXISTS"]);
    let own = if cursor.at(&["USING"]) { None } else { cursor.name() };
    let mut key = WrittenKey { name: own.or(name), kind, parts: Vec::new(), visible: true, comment: String::new() };
    using(cursor, &mut key, era);
    let place = expected(cursor, "the key's columns in parentheses");
    let group = cursor.peek().filter(|next| next.kind == Kind::Open).and_then(|_| cursor.group()).ok_or(place)?;
    let whole = matches!(kind, KeyKind::Fulltext | KeyKind::Spatial);
    for element in elements(group) {
        let at = element.first().or_else(|| group.last()).map_or(usize::MAX, |lexeme| lexeme.start);
        let part = part(source, element).ok_or((Problem::Expected("a column of the key"), at))?;
        key.parts.push(KeyPart { prefix: if whole { None } else { part.prefix }, ..part });
    }
    while let Some(next) = cursor.peek() {
        if !option(cursor, &mut key, era)? {
            return Err((
                unreadable(format!("`{}` is no option of a key that driftless knows", next.value)),
                next.start,
            ));
        }
    }
    Ok(Some(key))
}

/// MariaDB keeps a unique key by hash when it is told to, or must; MySQL's InnoDB never does.
fn using(cursor: &mut Cursor<'_>, key: &mut WrittenKey, era: Era) -> bool {
    if !cursor.eat(&["USING"]) {
        return false;
    }
    if cursor.at(&["HASH"]) && key.kind == KeyKind::Unique && era.flavour == Flavour::MariaDb {
        key.kind = KeyKind::UniqueHash;
    }
    cursor.next();
    true
}

fn option(cursor: &mut Cursor<'_>, key: &mut WrittenKey, era: Era) -> Result<bool, Fault> {
    if using(cursor, key, era) || cursor.eat(&["NOT", "IGNORED"]) || cursor.eat(&["VISIBLE"]) {
        return Ok(true);
    }
    if cursor.eat_any(&["IGNORED", "INVISIBLE"]) {
        key.visible = false;
    } else if cursor.eat(&["COMMENT"]) {
        key.comment = text(cursor)?;
    } else if cursor.eat(&["WITH", "PARSER"]) {
        cursor.next();
    } else if cursor.eat_any(&["KEY_BLOCK_SIZE", "CLUSTERING", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"]) {
        cursor.eat_kind(Kind::Equals);
        cursor.next();
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// `col`, `col(10)`, `col DESC`, `(expression)`.
fn part(source: &str, element: &[Lexeme]) -> Option<KeyPart> {
    let mut cursor = Cursor::new(element);
    let mut part = KeyPart { column: None, expression: None, prefix: None, descending: false };
    if cursor.peek()?.kind == Kind::Open {
        part.expression = Some(inside(source, cursor.group()?));
    } else {
        part.column = Some(cursor.name()?);
        if cursor.peek().is_some_and(|next| next.kind == Kind::Open) {
            part.prefix = inside(source, cursor.group()?).trim().parse().ok();
            part.prefix?;
        }
    }
    part.descending = cursor.eat(&["DESC"]);
    cursor.eat(&["ASC"]);
    cursor.done().then_some(part)
}
