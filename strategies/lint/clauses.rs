//! The clauses of an alter, read as far as the lints need them.

use crate::alter::{Alter, Clause, ClauseKind};
use crate::facts::Flavour;
use crate::name::Ident;
use crate::shape::{Key, KeyKind, KeyPart, TableShape};

use super::definition::{Definition, value};
use super::words::{Cursor, Word, pieces, read};

/// One thing that a clause does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A new column.
    Added(Definition),
    /// A column that gets a new definition, and perhaps a new name.
    Redefined {
        /// Its name now.
        from: Ident,
        /// Its definition afterwards.
        definition: Definition,
    },
    /// A new key, and whether the user chose its name and wrote `USING HASH`.
    Key { key: Key, named: bool, hash: bool },
    /// A key's new name.
    RenamedKey { from: Ident, to: Ident },
    /// A column's new default; `None` when it loses the one that it has.
    Default { column: Ident, value: Option<String> },
    /// The character set or collation of columns that are added later; what is not said is `None`.
    TableCharset(Charset),
    /// The same for all columns.
    Converted(Charset),
}

/// A character set as a clause names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Charset {
    pub(super) charset: Option<String>,
    pub(super) collation: Option<String>,
}

/// Reads what can be read; the rest is left out.
pub(super) fn parts(alter: &Alter, before: &TableShape, flavour: Flavour) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for part in alter.clauses.iter().flat_map(|clause| of_clause(clause, before, flavour)) {
        match (parts.last_mut(), part) {
            // `CHARSET x COLLATE y` are two clauses and one wish.
            (Some(Part::TableCharset(said)), Part::TableCharset(more)) => {
                said.charset = more.charset.or(said.charset.take());
                said.collation = more.collation.or(said.collation.take());
            }
            (_, part) => parts.push(part),
        }
    }
    parts
}

fn of_clause(clause: &Clause, before: &TableShape, flavour: Flavour) -> Vec<Part> {
    let words = read(&clause.text);
    let mut cursor = Cursor::new(&words);
    match &clause.kind {
        ClauseKind::AddColumn { .. }
        | ClauseKind::AddKey
        | ClauseKind::AddUnique
        | ClauseKind::AddFulltext
        | ClauseKind::AddSpatial
        | ClauseKind::AddPrimary
        | ClauseKind::AddForeignKey => added(cursor, before, flavour),
        ClauseKind::ModifyColumn { .. } | ClauseKind::ChangeColumn { .. } => {
            redefined(&mut cursor, flavour).into_iter().collect()
        }
        ClauseKind::AlterColumn { .. } => default(&mut cursor).into_iter().collect(),
        ClauseKind::RenameKey => renamed_key(&mut cursor).into_iter().collect(),
        ClauseKind::ConvertCharset => {
            cursor.eat(&["CONVERT", "TO"]);
            charset(cursor).map(Part::Converted).into_iter().collect()
        }
        ClauseKind::TableOption => charset(cursor).map(Part::TableCharset).into_iter().collect(),
        ClauseKind::DropColumn { .. }
        | ClauseKind::RenameColumn { .. }
        | ClauseKind::DropKey { .. }
        | ClauseKind::DropPrimary
        | ClauseKind::AlterKey
        | ClauseKind::DropForeignKey { .. }
        | ClauseKind::AddCheck
        | ClauseKind::OtherConstraint
        | ClauseKind::RenameTable
        | ClauseKind::Engine { .. }
        | ClauseKind::Force
        | ClauseKind::OrderBy
        | ClauseKind::Partitioning
        | ClauseKind::PartitionManagement
        | ClauseKind::Versioning
        | ClauseKind::Tablespace
        | ClauseKind::Hint
        | ClauseKind::Unknown => Vec::new(),
    }
}

/// `ADD` of a key, a column or a list of columns.
fn added(mut cursor: Cursor<'_>, before: &TableShape, flavour: Flavour) -> Vec<Part> {
    cursor.eat(&["ADD"]);
    if at_any(cursor, &["CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "FULLTEXT", "SPATIAL", "INDEX", "KEY"]) {
        return key(cursor, before).into_iter().collect();
    }
    cursor.eat(&["COLUMN"]);
    let only_if_new = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let lists = if cursor.at_mark('(') { cursor.group().map(pieces).unwrap_or_default() } else { Vec::new() };
    let mut places: Vec<Cursor<'_>> = lists.into_iter().map(Cursor::new).collect();
    if places.is_empty() {
        places.push(cursor);
    }
    let mut parts = Vec::new();
    for mut place in places {
        let definition = place.name().and_then(|name| Definition::read(name, &mut place, flavour));
        let new = definition.filter(|new| !only_if_new || before.column(&new.column.name).is_none());
        parts.extend(new.map(Part::Added));
    }
    parts
}

fn redefined(cursor: &mut Cursor<'_>, flavour: Flavour) -> Option<Part> {
    let change = cursor.eat(&["CHANGE"]);
    cursor.eat(&["MODIFY"]);
    cursor.eat(&["COLUMN"]);
    cursor.eat(&["IF", "EXISTS"]);
    let from = cursor.name()?;
    let to = if change { cursor.name()? } else { from.clone() };
    Some(Part::Redefined { from, definition: Definition::read(to, cursor, flavour)? })
}

/// `ALTER [COLUMN] c SET DEFAULT v | DROP DEFAULT`.
fn default(cursor: &mut Cursor<'_>) -> Option<Part> {
    cursor.eat(&["ALTER"]);
    cursor.eat(&["COLUMN"]);
    cursor.eat(&["IF", "EXISTS"]);
    let column = cursor.name()?;
    if cursor.eat(&["DROP", "DEFAULT"]) {
        return Some(Part::Default { column, value: None });
    }
    cursor.eat(&["SET", "DEFAULT"]).then(|| Part::Default { column, value: value(cursor) })
}

fn renamed_key(cursor: &mut Cursor<'_>) -> Option<Part> {
    cursor.eat(&["RENAME"]);
    cursor.eat_any(&["INDEX", "KEY"]);
    cursor.eat(&["IF", "EXISTS"]);
    let from = cursor.name()?;
    cursor.eat(&["TO"]).then_some(())?;
    Some(Part::RenamedKey { from, to: cursor.name()? })
}

/// `[DEFAULT] CHARACTER SET [=] x [[DEFAULT] COLLATE [=] y]`, or the collation alone.
fn charset(mut cursor: Cursor<'_>) -> Option<Charset> {
    let mut said = Charset::default();
    let named = |cursor: &mut Cursor<'_>| {
        cursor.eat_mark('=');
        cursor.next().map(|word| word.value().to_lowercase())
    };
    cursor.eat(&["DEFAULT"]);
    if cursor.eat(&["CHARACTER", "SET"]) || cursor.eat(&["CHARSET"]) {
        said.charset = named(&mut cursor);
        cursor.eat(&["DEFAULT"]);
    }
    if cursor.eat(&["COLLATE"]) {
        said.collation = named(&mut cursor);
    }
    (said != Charset::default()).then_some(said)
}

/// A key's definition after `ADD`; `None` when it is a column, a foreign key or a check.
fn key(mut cursor: Cursor<'_>, before: &TableShape) -> Option<Part> {
    let mut name = None;
    if cursor.eat(&["CONSTRAINT"]) && !at_any(cursor, &["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) {
        name = cursor.name();
    }
    let kind = if cursor.eat(&["PRIMARY", "KEY"]) {
        KeyKind::Primary
    } else if cursor.eat(&["UNIQUE"]) {
        KeyKind::Unique
    } else if cursor.eat(&["FULLTEXT"]) {
        KeyKind::Fulltext
    } else if cursor.eat(&["SPATIAL"]) {
        KeyKind::Spatial
    } else if cursor.eat_any(&["INDEX", "KEY"]) {
        KeyKind::Plain
    } else {
        return None;
    };
    cursor.eat_any(&["INDEX", "KEY"]);
    let only_if_new = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let mut hash = false;
    if !cursor.at_mark('(') && !cursor.eat(&["USING"]) {
        name = cursor.name();
        cursor.eat(&["USING"]);
    }
    while let Some(word) = cursor.peek().filter(|word| !matches!(word, Word::Mark('('))) {
        hash = hash || word.is("HASH");
        cursor.next();
    }
    let parts: Vec<KeyPart> = pieces(cursor.group()?).into_iter().map(key_part).collect::<Option<_>>()?;
    let mut visible = true;
    while let Some(word) = cursor.next() {
        hash = hash || word.is("HASH");
        visible = visible && !word.is("INVISIBLE") && !word.is("IGNORED");
    }
    let named = name.is_some();
    let first = parts.first().and_then(|part| part.column.clone());
    let name = if kind == KeyKind::Primary { Ident::new("PRIMARY").ok()? } else { name.or(first)? };
    let there = only_if_new && before.keys.iter().any(|key| key.name.same(&name));
    let key = Key { name, kind, parts, visible, comment: String::new() };
    (!there).then_some(Part::Key { key, named: named && kind != KeyKind::Primary, hash })
}

fn at_any(cursor: Cursor<'_>, keywords: &[&str]) -> bool {
    cursor.peek().is_some_and(|word| keywords.iter().any(|keyword| word.is(keyword)))
}

fn key_part(words: &[Word]) -> Option<KeyPart> {
    let mut cursor = Cursor::new(words);
    let descending = words.last().is_some_and(|last| last.is("DESC"));
    if cursor.at_mark('(') {
        let expression = cursor.group()?.iter().map(Word::value).collect::<Vec<_>>().join(" ");
        return Some(KeyPart { column: None, expression: Some(expression), prefix: None, descending });
    }
    let column = Some(cursor.name()?);
    let prefix = if cursor.at_mark('(') { cursor.group()?.first()?.value().parse().ok() } else { None };
    Some(KeyPart { column, expression: None, prefix, descending })
}
