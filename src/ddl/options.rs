//! Table options: several may stand in one clause, with blanks between.

use driftless_strategies::{ClauseKind, Flavour};

use super::cursor::Cursor;
use super::lexer::{Era, Kind, Lexeme};

/// Options whose value may follow without `=`.
const KNOWN: [&str; 36] = [
    "AUTOEXTEND_SIZE",
    "AUTO_INCREMENT",
    "AVG_ROW_LENGTH",
    "CHARSET",
    "CHECKSUM",
    "COLLATE",
    "COMMENT",
    "COMPRESSION",
    "CONNECTION",
    "DELAY_KEY_WRITE",
    "ENCRYPTED",
    "ENCRYPTION",
    "ENCRYPTION_KEY_ID",
    "ENGINE",
    "ENGINE_ATTRIBUTE",
    "IETF_QUOTES",
    "INSERT_METHOD",
    "KEY_BLOCK_SIZE",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "PAGE_COMPRESSED",
    "PAGE_COMPRESSION_LEVEL",
    "PASSWORD",
    "ROW_FORMAT",
    "SECONDARY_ENGINE",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "STORAGE",
    "TABLESPACE",
    "TABLE_CHECKSUM",
    "TRANSACTIONAL",
    "UNION",
];

/// Options of two words.
const PAIRS: [[&str; 2]; 3] = [["CHARACTER", "SET"], ["DATA", "DIRECTORY"], ["INDEX", "DIRECTORY"]];

/// Divides a clause into its options; `None` when it is anything else or not read to its end.
pub(super) fn divide(clause: &[Lexeme], era: Era) -> Option<Vec<(&[Lexeme], ClauseKind)>> {
    let mut options = Vec::new();
    let mut cursor = Cursor::new(clause);
    while !cursor.done() {
        let before = cursor.rest();
        let kind = option(&mut cursor, era)?;
        let read = before.len() - cursor.rest().len();
        options.push((before.get(..read)?, kind));
    }
    Some(options)
}

fn option(cursor: &mut Cursor<'_>, era: Era) -> Option<ClauseKind> {
    cursor.eat(&["DEFAULT"]);
    if PAIRS.iter().any(|pair| cursor.eat(pair)) {
        cursor.eat_kind(Kind::Equals);
        return value(cursor).map(|_| ClauseKind::TableOption);
    }
    let name = cursor.peek()?;
    let known = KNOWN.iter().any(|option| name.is(option));
    if known {
        cursor.next();
    } else {
        cursor.name()?;
    }
    let equals = cursor.eat_kind(Kind::Equals);
    // MariaDB's engines define options of their own, always with `=`; SEQUENCE would make the table another thing.
    let other = ["ALGORITHM", "LOCK", "SEQUENCE"].iter().any(|word| name.is(word));
    let own = era.flavour == Flavour::MariaDb && equals && !other;
    if !known && !own {
        return None;
    }
    let value = value(cursor)?;
    Some(if name.is("ENGINE") { ClauseKind::Engine { name: value } } else { ClauseKind::TableOption })
}

/// Reads one value: a word, a string, a number or a list in parentheses.
fn value(cursor: &mut Cursor<'_>) -> Option<String> {
    let lexeme = cursor.peek()?;
    match lexeme.kind {
        Kind::Word | Kind::Quoted | Kind::Text | Kind::Number => {
            cursor.next();
            Some(lexeme.value.clone())
        }
        Kind::Open => cursor.group().map(|_| String::new()),
        Kind::Comma | Kind::Close | Kind::Semicolon | Kind::Period | Kind::Equals | Kind::Minus | Kind::Operator => {
            None
        }
    }
}
