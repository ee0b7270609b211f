//! What a clause does, as far as its keywords tell. A clause that is not read to its end is `Unknown`.

use driftless_strategies::ClauseKind;

use super::column;
use super::cursor::Cursor;
use super::lexer::{Era, Kind, Lexeme};
use super::split::PARTITION_VERBS;

/// The kind of a clause that is not a list of table options.
pub(super) fn classify(clause: &[Lexeme], era: Era) -> ClauseKind {
    let mut cursor = Cursor::new(clause);
    let mut verb = cursor;
    if verb.eat_any(&PARTITION_VERBS) && verb.at(&["PARTITION"]) {
        return ClauseKind::PartitionManagement;
    }
    let kind = if cursor.eat(&["ADD"]) {
        add(cursor, era)
    } else if cursor.eat(&["DROP"]) {
        drop(cursor)
    } else if cursor.eat(&["MODIFY"]) {
        modify(cursor)
    } else if cursor.eat(&["CHANGE"]) {
        change(cursor)
    } else if cursor.eat(&["ALTER"]) {
        alter(cursor)
    } else if cursor.eat(&["RENAME"]) {
        rename(cursor)
    } else {
        others(cursor)
    };
    kind.unwrap_or(ClauseKind::Unknown)
}

/// After `ADD`.
fn add(mut cursor: Cursor<'_>, era: Era) -> Option<ClauseKind> {
    if let Some(kind) = add_key(cursor, era) {
        return Some(kind);
    }
    if cursor.at(&["SYSTEM", "VERSIONING"]) && cursor.rest().len() == 2 || cursor.at(&["PERIOD", "FOR"]) {
        return Some(ClauseKind::Versioning);
    }
    cursor.eat(&["COLUMN"]);
    cursor.eat(&["IF", "NOT", "EXISTS"]);
    if cursor.peek()?.kind == Kind::Open {
        let group = cursor.group()?;
        let kinds: Vec<_> = column::elements(group).into_iter().map(|element| element_kind(element, era)).collect();
        let names = column::names(&kinds).filter(|_| cursor.done())?;
        return Some(ClauseKind::AddColumn { names });
    }
    let name = cursor.column()?;
    Some(column::added(name, cursor.rest(), era))
}

/// The elements of `ADD (a INT, KEY (a))`, each of which can stand as an `ADD` of its own; `None` for any other clause,
/// a list of nothing but columns among them.
pub(super) fn mixed(clause: &[Lexeme], era: Era) -> Option<Vec<(&[Lexeme], ClauseKind)>> {
    let mut cursor = Cursor::new(clause);
    if !cursor.eat(&["ADD"]) {
        return None;
    }
    cursor.eat(&["COLUMN"]);
    let elements = column::elements(cursor.group().filter(|_| cursor.done())?);
    let kinds: Vec<_> = elements.iter().map(|element| element_kind(element, era)).collect();
    let apart = column::names(&kinds).is_none() && !kinds.contains(&ClauseKind::Unknown);
    apart.then(|| elements.into_iter().zip(kinds).collect())
}

/// One element of `ADD (…)`.
fn element_kind(element: &[Lexeme], era: Era) -> ClauseKind {
    let mut cursor = Cursor::new(element);
    add_key(cursor, era)
        .or_else(|| cursor.column().map(|name| column::added(name, cursor.rest(), era)))
        .unwrap_or(ClauseKind::Unknown)
}

/// `ADD` of a key or a constraint; `None` when it is neither.
fn add_key(mut cursor: Cursor<'_>, era: Era) -> Option<ClauseKind> {
    let key = ["INDEX", "KEY"];
    if cursor.eat(&["CONSTRAINT"]) {
        return Some(constraint(cursor).unwrap_or(ClauseKind::Unknown));
    }
    if let Some(kind) = constraint_kind(&mut cursor) {
        return Some(kind);
    }
    if cursor.eat_any(&key) {
        return Some(ClauseKind::AddKey);
    }
    for (word, kind) in [("FULLTEXT", ClauseKind::AddFulltext), ("SPATIAL", ClauseKind::AddSpatial)] {
        if cursor.eat(&[word]) {
            return Some(kind);
        }
    }
    // A vector index is neither of the kinds above, and VECTOR may as well name a column.
    let vector = era.flavour == driftless_strategies::Flavour::MariaDb && cursor.eat(&["VECTOR"]);
    (vector && cursor.at_any(&key)).then_some(ClauseKind::Unknown)
}

/// After `ADD CONSTRAINT`.
fn constraint(mut cursor: Cursor<'_>) -> Option<ClauseKind> {
    cursor.eat(&["IF", "NOT", "EXISTS"]);
    if let Some(kind) = constraint_kind(&mut cursor) {
        return Some(kind);
    }
    cursor.name()?;
    cursor.eat(&["IF", "NOT", "EXISTS"]);
    constraint_kind(&mut cursor)
}

fn constraint_kind(cursor: &mut Cursor<'_>) -> Option<ClauseKind> {
    let kinds = [
        (&["PRIMARY", "KEY"][..], ClauseKind::AddPrimary),
        (&["UNIQUE"], ClauseKind::AddUnique),
        (&["FOREIGN", "KEY"], ClauseKind::AddForeignKey),
        (&["CHECK"], ClauseKind::AddCheck),
    ];
    kinds.into_iter().find_map(|(words, kind)| cursor.eat(words).then_some(kind))
}

/// After `DROP`.
fn drop(mut cursor: Cursor<'_>) -> Option<ClauseKind> {
    if cursor.at(&["SYSTEM", "VERSIONING"]) && cursor.rest().len() == 2 || cursor.at(&["PERIOD", "FOR"]) {
        return Some(ClauseKind::Versioning);
    }
    let kind = if cursor.eat(&["PRIMARY", "KEY"]) {
        ClauseKind::DropPrimary
    } else if cursor.eat(&["FOREIGN", "KEY"]) {
        cursor.eat(&["IF", "EXISTS"]);
        ClauseKind::DropForeignKey { name: cursor.name()? }
    } else if cursor.eat_any(&["INDEX", "KEY"]) {
        cursor.eat(&["IF", "EXISTS"]);
        let name = cursor.name()?;
        // On every server this is the name of the primary key and of no other.
        if name.as_str().eq_ignore_ascii_case("PRIMARY") {
            ClauseKind::DropPrimary
        } else {
            ClauseKind::DropKey { name }
        }
    } else if cursor.eat_any(&["CHECK", "CONSTRAINT"]) {
        cursor.eat(&["IF", "EXISTS"]);
        cursor.name()?;
        ClauseKind::OtherConstraint
    } else {
        cursor.eat(&["COLUMN"]);
        cursor.eat(&["IF", "EXISTS"]);
        let name = cursor.column()?;
        cursor.eat_any(&["RESTRICT", "CASCADE"]);
        ClauseKind::DropColumn { name }
    };
    cursor.done().then_some(kind)
}

/// After `MODIFY`.
fn modify(mut cursor: Cursor<'_>) -> Option<ClauseKind> {
    cursor.eat(&["COLUMN"]);
    cursor.eat(&["IF", "EXISTS"]);
    Some(ClauseKind::ModifyColumn { name: column::defined(&mut cursor)? })
}

/// After `CHANGE`.
fn change(mut cursor: Cursor<'_>) -> Option<ClauseKind> {
    cursor.eat(&["COLUMN"]);
    cursor.eat(&["IF", "EXISTS"]);
    let from = cursor.column()?;
    Some(ClauseKind::ChangeColumn { from, to: column::defined(&mut cursor)? })
}

/// After `ALTER`.
fn alter(mut cursor: Cursor<'_>) -> Option<ClauseKind> {
    if cursor.eat_any(&["INDEX", "KEY"]) {
        cursor.eat(&["IF", "EXISTS"]);
        cursor.name()?;
        cursor.eat(&["NOT"]);
        let known = cursor.eat_any(&["VISIBLE", "INVISIBLE", "IGNORED"]) && cursor.done();
        return known.then_some(ClauseKind::AlterKey);
    }
    if cursor.eat_any(&["CHECK", "CONSTRAINT"]) {
        cursor.name()?;
        return Some(ClauseKind::OtherConstraint);
    }
    cursor.eat(&["COLUMN"]);
    cursor.eat(&["IF", "EXISTS"]);
    let name = cursor.column()?;
    let known = cursor.at(&["SET", "DEFAULT"])
        || cursor.at(&["DROP", "DEFAULT"])
        || cursor.eat(&["SET"]) && cursor.eat_any(&["VISIBLE", "INVISIBLE"]) && cursor.done();
    known.then_some(ClauseKind::AlterColumn { name })
}

/// After `RENAME`.
fn rename(mut cursor: Cursor<'_>) -> Option<ClauseKind> {
    let column = cursor.eat(&["COLUMN"]);
    if column || cursor.eat_any(&["INDEX", "KEY"]) {
        cursor.eat(&["IF", "EXISTS"]);
        let from = cursor.column()?;
        let to = if cursor.eat(&["TO"]) { cursor.name()? } else { return None };
        let kind = if column { ClauseKind::RenameColumn { from, to } } else { ClauseKind::RenameKey };
        return cursor.done().then_some(kind);
    }
    if !cursor.eat_any(&["TO", "AS"]) {
        cursor.eat_kind(Kind::Equals);
    }
    cursor.column()?;
    cursor.done().then_some(ClauseKind::RenameTable)
}

/// Clauses of other verbs.
fn others(mut cursor: Cursor<'_>) -> Option<ClauseKind> {
    let begins = [
        (&["CONVERT", "TO", "CHARACTER", "SET"][..], ClauseKind::ConvertCharset),
        (&["CONVERT", "TO", "CHARSET"], ClauseKind::ConvertCharset),
        (&["CONVERT", "TABLE"], ClauseKind::PartitionManagement),
        (&["ORDER", "BY"], ClauseKind::OrderBy),
        (&["PARTITION", "BY"], ClauseKind::Partitioning),
    ];
    if let Some((_, kind)) = begins.into_iter().find(|(words, _)| cursor.at(words)) {
        return Some(kind);
    }
    let whole = [
        (&["FORCE"][..], ClauseKind::Force),
        (&["REMOVE", "PARTITIONING"], ClauseKind::Partitioning),
        (&["WITH", "SYSTEM", "VERSIONING"], ClauseKind::Versioning),
        (&["DISCARD", "TABLESPACE"], ClauseKind::Tablespace),
        (&["IMPORT", "TABLESPACE"], ClauseKind::Tablespace),
        (&["DISABLE", "KEYS"], ClauseKind::Tablespace),
        (&["ENABLE", "KEYS"], ClauseKind::Tablespace),
    ];
    let (_, kind) = whole.into_iter().find(|(words, _)| cursor.eat(words))?;
    cursor.done().then_some(kind)
}
