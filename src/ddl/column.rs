//! A column's definition, as far as it brings keys with it.

use driftless_strategies::{ClauseKind, Flavour, Ident, Version};

use super::cursor::{Cursor, outside};
use super::lexer::{Era, Kind, Lexeme};

/// Since when `REFERENCES` in a column's definition makes a foreign key.
///
/// # Source
/// MariaDB, "CREATE TABLE", Foreign Key (10.5; measured on 10.11). MySQL 9.0 release notes.
const INLINE_FOREIGN_KEYS: (Version, Version) = (Version::new(10, 5, 0), Version::new(9, 0, 0));

/// What a new column of that definition is: a plain one, or one that brings a key.
pub(super) fn added(name: Ident, definition: &[Lexeme], era: Era) -> ClauseKind {
    if !has_type(definition) {
        return ClauseKind::Unknown;
    }
    if references(definition) && era.version >= since(era.flavour) {
        return ClauseKind::AddForeignKey;
    }
    let mut unique = false;
    let mut before: Option<&Lexeme> = None;
    for (_, lexeme) in outside(definition) {
        let after_unique = before.is_some_and(|before| before.is("UNIQUE"));
        // KEY alone means PRIMARY KEY.
        if lexeme.is("KEY") && !after_unique {
            return ClauseKind::AddPrimary;
        }
        unique = unique || lexeme.is("UNIQUE") || lexeme.is("SERIAL");
        before = Some(lexeme);
    }
    if unique { ClauseKind::AddUnique } else { ClauseKind::AddColumn { names: vec![name] } }
}

/// Whether a definition begins with a type.
pub(super) fn has_type(definition: &[Lexeme]) -> bool {
    definition.first().is_some_and(|lexeme| lexeme.kind == Kind::Word)
}

/// Whether `REFERENCES` stands in the definition.
pub(super) fn references(definition: &[Lexeme]) -> bool {
    outside(definition).any(|(_, lexeme)| lexeme.is("REFERENCES"))
}

const fn since(flavour: Flavour) -> Version {
    match flavour {
        Flavour::MariaDb => INLINE_FOREIGN_KEYS.0,
        Flavour::MySql => INLINE_FOREIGN_KEYS.1,
    }
}

/// The elements of `ADD (a INT, b INT, KEY (a))`.
pub(super) fn elements(group: &[Lexeme]) -> Vec<&[Lexeme]> {
    let inside = group.get(1..group.len().saturating_sub(1)).unwrap_or_default();
    let mut elements = Vec::new();
    let mut start = 0;
    for (index, lexeme) in outside(inside) {
        if lexeme.kind == Kind::Comma {
            elements.push(inside.get(start..index).unwrap_or_default());
            start = index + 1;
        }
    }
    elements.push(inside.get(start..).unwrap_or_default());
    elements
}

/// The names of all elements of a list; `None` when one is not a plain column.
pub(super) fn names(kinds: &[ClauseKind]) -> Option<Vec<Ident>> {
    let mut all = Vec::new();
    for kind in kinds {
        if let ClauseKind::AddColumn { names } = kind {
            all.extend(names.iter().cloned());
        } else {
            return None;
        }
    }
    Some(all)
}

/// Reads a name and checks that a type follows.
pub(super) fn defined(cursor: &mut Cursor<'_>) -> Option<Ident> {
    let name = cursor.column()?;
    (has_type(cursor.rest()) && !references(cursor.rest())).then_some(name)
}
