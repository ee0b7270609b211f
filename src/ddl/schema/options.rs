//! What follows the columns of a CREATE TABLE, up to its partitions.

use crate::ddl::cursor::{Cursor, written};
use crate::ddl::error::Problem;
use crate::ddl::lexer::{Era, Kind, Lexeme};
use crate::ddl::split::Fault;

use super::charsets::Charset;
use super::column::{expected, text, word};
use super::error::unreadable;

/// The options.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// The storage engine, as written.
    pub engine: Option<String>,
    /// Character set and collation.
    pub charset: Option<Charset>,
    /// The comment.
    pub comment: String,
    /// `AUTO_INCREMENT`.
    pub auto_increment: Option<u64>,
    /// The row format, as written.
    pub row_format: Option<String>,
    /// `WITH SYSTEM VERSIONING`.
    pub versioned: bool,
    /// The rest, as `CREATE_OPTIONS` has it.
    pub others: Vec<String>,
}

/// Options that the catalog does not show.
const UNSEEN: [&str; 9] = [
    "CONNECTION",
    "DATA DIRECTORY",
    "ENGINE_ATTRIBUTE",
    "INDEX DIRECTORY",
    "INSERT_METHOD",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "STORAGE",
    "TABLESPACE",
    "UNION",
];

/// Reads them; leaves the cursor at `PARTITION BY` or the end.
///
/// # Errors
/// What is no option.
pub(super) fn options(source: &str, cursor: &mut Cursor<'_>, era: Era) -> Result<Options, Fault> {
    let mut options = Options::default();
    while let Some(next) = cursor.peek() {
        if cursor.at(&["PARTITION", "BY"]) {
            break;
        }
        if next.kind == Kind::Comma {
            cursor.next();
            continue;
        }
        option(source, cursor, &mut options, era)?;
    }
    Ok(options)
}

fn option(source: &str, cursor: &mut Cursor<'_>, into: &mut Options, era: Era) -> Result<(), Fault> {
    if cursor.eat(&["WITH", "SYSTEM", "VERSIONING"]) {
        into.versioned = true;
        return Ok(());
    }
    let first = cursor.peek().map_or(usize::MAX, |next| next.start);
    cursor.eat(&["DEFAULT"]);
    let equals = |cursor: &mut Cursor<'_>| cursor.eat_kind(Kind::Equals);
    if cursor.eat(&["CHARACTER", "SET"]) || cursor.eat(&["CHARSET"]) {
        equals(cursor);
        into.charset = Some(Charset::named(&word(cursor, "a character set")?, era));
    } else if cursor.eat(&["COLLATE"]) {
        equals(cursor);
        let set = into.charset.clone().unwrap_or_else(|| Charset::of_server(era)).name;
        into.charset = Some(Charset::collated(&word(cursor, "a collation")?, &set, era));
    } else if cursor.eat(&["ENGINE"]) {
        equals(cursor);
        into.engine = Some(word(cursor, "a storage engine")?);
    } else if cursor.eat(&["COMMENT"]) {
        equals(cursor);
        into.comment = text(cursor)?;
    } else if cursor.eat(&["AUTO_INCREMENT"]) {
        equals(cursor);
        let number = cursor.next().and_then(|value| value.value.parse().ok());
        into.auto_increment = Some(number.ok_or((Problem::Expected("a number"), first))?);
    } else {
        return other(source, cursor, into, first);
    }
    Ok(())
}

/// `NAME = value`, where the catalog shows it as `name=value`.
fn other(source: &str, cursor: &mut Cursor<'_>, into: &mut Options, first: usize) -> Result<(), Fault> {
    let missing = (unreadable("no option of a table that driftless knows"), first);
    let named = cursor.next().ok_or_else(|| missing.clone())?;
    let name = match named.kind {
        Kind::Word => named.value.to_ascii_lowercase(),
        Kind::Quoted => written(source, std::slice::from_ref(named)),
        Kind::Text
        | Kind::Number
        | Kind::Comma
        | Kind::Open
        | Kind::Close
        | Kind::Semicolon
        | Kind::Period
        | Kind::Equals
        | Kind::Minus
        | Kind::Operator => return Err(missing),
    };
    let directory = cursor.eat(&["DIRECTORY"]);
    let name = if directory { format!("{name} directory") } else { name };
    cursor.eat_kind(Kind::Equals);
    let value = cursor.peek().ok_or_else(|| expected(cursor, "the option's value"))?;
    let value_text = match value.kind {
        Kind::Open => {
            let group = cursor.group().ok_or_else(|| expected(cursor, "a list"))?;
            written(source, group)
        }
        Kind::Word | Kind::Quoted | Kind::Text | Kind::Number => value_of(source, cursor),
        Kind::Comma | Kind::Close | Kind::Semicolon | Kind::Period | Kind::Equals | Kind::Minus | Kind::Operator => {
            return Err((Problem::Expected("the option's value"), value.start));
        }
    };
    if name == "row_format" {
        into.row_format = Some(value_text.clone());
    }
    let default = name == "row_format" && value_text.eq_ignore_ascii_case("DEFAULT");
    if !default && !UNSEEN.iter().any(|unseen| name.eq_ignore_ascii_case(unseen)) {
        into.others.push(format!("{name}={value_text}"));
    }
    Ok(())
}

fn value_of(source: &str, cursor: &mut Cursor<'_>) -> String {
    let value: Option<&Lexeme> = cursor.next();
    value.map(|value| written(source, std::slice::from_ref(value))).unwrap_or_default()
}
