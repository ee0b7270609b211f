//! A column's default, as the catalog of that server prints it.

use driftless_strategies::Flavour;

use crate::ddl::cursor::{Cursor, written};
use crate::ddl::lexer::{Era, Kind, Lexeme};

/// Words that name the present moment.
const NOW: [&str; 4] = ["CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"];

/// A default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DefaultValue {
    /// As the catalog has it; `None` when it has nothing.
    pub text: Option<String>,
    /// Whether it is computed (MySQL's `DEFAULT_GENERATED`).
    pub computed: bool,
}

/// What a nullable column without a default has.
pub(super) fn implicit(era: Era) -> Option<String> {
    // MariaDB since 10.2.7 tells it from none.
    (era.flavour == Flavour::MariaDb).then(|| "NULL".to_owned())
}

/// Reads what follows DEFAULT; `None` when it is not understood.
pub(super) fn default(source: &str, cursor: &mut Cursor<'_>, era: Era) -> Option<DefaultValue> {
    let plain = |text: Option<String>| Some(DefaultValue { text, computed: false });
    let computed = |text: String| Some(DefaultValue { text: Some(text), computed: true });
    if cursor.eat(&["NULL"]) {
        return plain(implicit(era));
    }
    if let Some(text) = moment(cursor, era) {
        return computed(text);
    }
    let first = cursor.peek()?;
    match first.kind {
        Kind::Open => {
            let group = cursor.group()?;
            let own = era.flavour == Flavour::MySql;
            computed(if own { inside(source, group) } else { written(source, group) })
        }
        Kind::Text => plain(Some(string(source, cursor.next()?, era))),
        Kind::Number => plain(Some(cursor.next()?.value.clone())),
        Kind::Minus | Kind::Operator if matches!(first.value.as_str(), "-" | "+") => {
            cursor.next();
            let number = cursor.next().filter(|next| next.kind == Kind::Number)?;
            let sign = if first.kind == Kind::Minus { "-" } else { "" };
            plain(Some(format!("{sign}{}", number.value)))
        }
        Kind::Word if first.is("TRUE") || first.is("FALSE") => {
            cursor.next();
            plain(Some(if first.is("TRUE") { "1" } else { "0" }.to_owned()))
        }
        Kind::Word | Kind::Quoted => worded(source, cursor, era),
        Kind::Comma | Kind::Close | Kind::Semicolon | Kind::Period | Kind::Equals | Kind::Minus | Kind::Operator => {
            None
        }
    }
}

/// A text with its character set in front, or a call of a function.
fn worded(source: &str, cursor: &mut Cursor<'_>, era: Era) -> Option<DefaultValue> {
    let first = cursor.next()?;
    let next = cursor.peek();
    if let Some(text) = next.filter(|next| first.value.starts_with('_') && next.kind == Kind::Text) {
        cursor.next();
        return Some(DefaultValue { text: Some(string(source, text, era)), computed: false });
    }
    let group = next.filter(|next| next.kind == Kind::Open).and_then(|_| cursor.group())?;
    let call = source.get(first.start..group.last()?.end)?.to_owned();
    Some(DefaultValue { text: Some(call), computed: true })
}

/// `current_timestamp(6)` and its other names; `None` when another thing comes.
pub(super) fn moment(cursor: &mut Cursor<'_>, era: Era) -> Option<String> {
    let mut ahead = *cursor;
    if !ahead.eat_any(&NOW) {
        return None;
    }
    let group = ahead.peek().filter(|next| next.kind == Kind::Open).and_then(|_| ahead.group());
    let digits: String = group.unwrap_or_default().iter().filter(|one| one.kind == Kind::Number).map(digits).collect();
    *cursor = ahead;
    Some(match era.flavour {
        Flavour::MariaDb => format!("current_timestamp({digits})"),
        Flavour::MySql if digits.is_empty() => "CURRENT_TIMESTAMP".to_owned(),
        Flavour::MySql => format!("CURRENT_TIMESTAMP({digits})"),
    })
}

fn digits(lexeme: &Lexeme) -> &str {
    &lexeme.value
}

/// A text: MariaDB's catalog has it in quotes, MySQL's as it is.
fn string(source: &str, text: &Lexeme, era: Era) -> String {
    let as_written = source.get(text.start..text.end).unwrap_or_default();
    match era.flavour {
        Flavour::MySql => text.value.clone(),
        Flavour::MariaDb if as_written.starts_with('\'') => as_written.to_owned(),
        Flavour::MariaDb => format!("'{}'", text.value.replace('\\', "\\\\").replace('\'', "''")),
    }
}

/// The text between a group's parentheses.
pub(super) fn inside(source: &str, group: &[Lexeme]) -> String {
    written(source, group.get(1..group.len().saturating_sub(1)).unwrap_or_default())
}
