//! Statements that are no clause: told apart by their first words, so that they are refused by name.

use super::cursor::Cursor;
use super::header;
use super::lexer::{Kind, Lexeme};

/// First words that no clause begins with.
const ALWAYS: [&str; 41] = [
    "BACKUP",
    "BEGIN",
    "BINLOG",
    "CALL",
    "COMMIT",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DELIMITER",
    "DESC",
    "DESCRIBE",
    "DO",
    "EXECUTE",
    "EXPLAIN",
    "FLUSH",
    "GET",
    "GRANT",
    "HANDLER",
    "HELP",
    "INSERT",
    "INSTALL",
    "KILL",
    "LOAD",
    "PREPARE",
    "PURGE",
    "RELEASE",
    "REPLACE",
    "RESET",
    "RESIGNAL",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SHOW",
    "SHUTDOWN",
    "SIGNAL",
    "START",
    "TABLE",
    "UPDATE",
    "USE",
];

/// First and second words that no clause begins with.
const PAIRS: [(&str, &[&str]); 13] = [
    ("ANALYZE", &["TABLE", "TABLES", "LOCAL", "NO_WRITE_TO_BINLOG"]),
    ("CACHE", &["INDEX"]),
    ("CHANGE", &["MASTER", "REPLICATION"]),
    ("CHECK", &["TABLE", "TABLES"]),
    ("CHECKSUM", &["TABLE", "TABLES"]),
    ("IMPORT", &["TABLE"]),
    ("LOCK", &["TABLE", "TABLES", "INSTANCE"]),
    ("OPTIMIZE", &["TABLE", "TABLES", "LOCAL", "NO_WRITE_TO_BINLOG"]),
    ("RENAME", &["TABLE", "TABLES", "USER"]),
    ("REPAIR", &["TABLE", "TABLES", "LOCAL", "NO_WRITE_TO_BINLOG"]),
    ("SET", &[]),
    ("UNLOCK", &["TABLE", "TABLES", "INSTANCE"]),
    ("XA", &[]),
];

/// What `ALTER …` and `DROP …` of something else begin with. Names without quotes, most of them: as a column's name
/// they are followed by other words than as a statement.
const OBJECTS: [&str; 24] = [
    "DATABASE",
    "DATABASES",
    "EVENT",
    "FUNCTION",
    "INSTANCE",
    "LOGFILE",
    "PACKAGE",
    "PREPARE",
    "PROCEDURE",
    "RESOURCE",
    "ROLE",
    "SCHEMA",
    "SCHEMAS",
    "SEQUENCE",
    "SERVER",
    "SPATIAL",
    "TABLE",
    "TABLES",
    "TABLESPACE",
    "TEMPORARY",
    "TRIGGER",
    "UNDO",
    "USER",
    "VIEW",
];

/// The name of the statement that begins here; `None` when a clause does.
pub(super) fn statement(lexemes: &[Lexeme]) -> Option<String> {
    let [first, rest @ ..] = lexemes else { return None };
    if first.kind != Kind::Word {
        return None;
    }
    let named = || Some(name(lexemes));
    if ALWAYS.iter().any(|word| first.is(word)) {
        let option = rest.first().is_some_and(|next| next.kind == Kind::Equals);
        return if option { None } else { named() };
    }
    let second = Cursor::new(rest);
    for (word, follow) in PAIRS {
        if first.is(word) && (follow.is_empty() || second.at_any(follow)) {
            // `CHANGE master copy INT` renames a column; TO can't name one.
            let change = first.is("CHANGE") && !rest.get(1).is_some_and(|third| third.is("TO"));
            return if change { None } else { named() };
        }
    }
    if first.is("TRUNCATE") && !second.at(&["PARTITION"]) {
        return named();
    }
    let of_else = first.is("DROP") && second.at_any(&OBJECTS) && drops_object(rest);
    let altered = first.is("ALTER") && second.at_any(&OBJECTS) && alters_object(rest);
    // These two are read as headers; here they stand where a clause should.
    let index = Cursor::new(lexemes);
    let inner = header::drops_index(index) || header::alter_table(&mut { index }).is_some();
    if of_else || altered || inner {
        return named();
    }
    None
}

/// `DROP view` drops a column, `DROP VIEW v` a view.
fn drops_object(rest: &[Lexeme]) -> bool {
    let [object, more @ ..] = rest else { return false };
    object.is("TABLE") || !(more.is_empty() || Cursor::new(more).at_any(&["CASCADE", "RESTRICT"]))
}

/// `ALTER user SET DEFAULT 1` alters a column, `ALTER USER u …` a user.
fn alters_object(rest: &[Lexeme]) -> bool {
    let [object, more @ ..] = rest else { return false };
    object.is("TABLE") || object.is("TABLES") || !Cursor::new(more).at_any(&["DROP", "SET"])
}

/// The first word in upper case, and the second when it is a keyword too.
fn name(lexemes: &[Lexeme]) -> String {
    let mut follow = PAIRS.iter().flat_map(|(_, follow)| follow.iter()).chain(&OBJECTS);
    let keyword = |lexeme: &&Lexeme| lexeme.kind == Kind::Word && follow.any(|word| lexeme.is(word));
    let second = lexemes.get(1).filter(keyword);
    let words: Vec<String> = lexemes.iter().take(1).chain(second).map(|l| l.value.to_ascii_uppercase()).collect();
    words.join(" ")
}
