//! Partitions of a CREATE TABLE, a line each, as `inspect` makes them of the catalog.

use driftless_strategies::Ident;

use crate::ddl::column::elements;
use crate::ddl::cursor::Cursor;
use crate::ddl::error::Problem;
use crate::ddl::lexer::{Kind, Lexeme};
use crate::ddl::split::Fault;

use super::column::{compact, expected, text};
use super::error::unreadable;
use super::keys::names;

/// Most partitions that servers take (MySQL 8.0 and MariaDB: 8192); a number above is a slip.
const MOST: u64 = 8192;

/// How rows are spread.
#[derive(Default)]
struct Method {
    /// `RANGE`, `LINEAR KEY`, `LIST COLUMNS`.
    name: String,
    /// The expression or the columns.
    expression: String,
    count: Option<u64>,
}

/// One partition as it is written, or as the server names it.
struct Part {
    name: String,
    description: String,
    comment: String,
    subs: Vec<String>,
}

/// Reads from `PARTITION BY` to the end.
///
/// # Errors
/// What is not understood, with its place.
pub(super) fn partitions(source: &str, cursor: &mut Cursor<'_>) -> Result<Vec<String>, Fault> {
    if !cursor.eat(&["PARTITION", "BY"]) {
        return Ok(Vec::new());
    }
    let mut by = method(source, cursor)?;
    by.count = count(cursor, "PARTITIONS")?;
    let mut sub = None;
    if cursor.eat(&["SUBPARTITION", "BY"]) {
        let mut method = method(source, cursor)?;
        method.count = count(cursor, "SUBPARTITIONS")?;
        sub = Some(method);
    }
    let mut parts = Vec::new();
    if cursor.peek().is_some_and(|next| next.kind == Kind::Open) {
        let group = cursor.group().ok_or_else(|| expected(cursor, "partitions in parentheses"))?;
        for element in elements(group) {
            parts.push(part(source, element)?);
        }
    } else {
        let unnamed = |index| Part::named(format!("p{index}"));
        parts = (0..by.count.unwrap_or(1)).map(unnamed).collect();
    }
    if let Some(next) = cursor.peek() {
        return Err((unreadable(format!("`{}` is not understood after the partitions", next.value)), next.start));
    }
    Ok(parts.iter().flat_map(|part| lines(&by, sub.as_ref(), part)).collect())
}

impl Part {
    const fn named(name: String) -> Self {
        Self { name, description: String::new(), comment: String::new(), subs: Vec::new() }
    }
}

fn method(source: &str, cursor: &mut Cursor<'_>) -> Result<Method, Fault> {
    let linear = cursor.eat(&["LINEAR"]);
    let known = ["HASH", "KEY", "RANGE", "LIST", "SYSTEM_TIME"].into_iter().find(|word| cursor.eat(&[word]));
    let known = known.ok_or_else(|| expected(cursor, "HASH, KEY, RANGE, LIST or SYSTEM_TIME"))?;
    if known == "SYSTEM_TIME" {
        // INTERVAL, LIMIT, STARTS, AUTO: the catalog has none of it.
        while !cursor.done() && !cursor.at_any(&["PARTITIONS", "SUBPARTITION"]) {
            if cursor.peek().is_some_and(|next| next.kind == Kind::Open) {
                break;
            }
            cursor.next();
        }
        return Ok(Method { name: known.to_owned(), ..Method::default() });
    }
    if cursor.eat(&["ALGORITHM"]) {
        cursor.eat_kind(Kind::Equals);
        cursor.next();
    }
    let columns = cursor.eat(&["COLUMNS"]);
    let group = cursor.group().ok_or_else(|| expected(cursor, "an expression in parentheses"))?;
    let by_name = columns || known == "KEY";
    let expression = if by_name {
        let listed =
            if group.len() > 2 { names(group).ok_or_else(|| expected(cursor, "columns"))? } else { Vec::new() };
        listed.iter().map(Ident::quoted).collect::<Vec<_>>().join(",")
    } else {
        compact(source, group.get(1..group.len() - 1).unwrap_or_default())
    };
    let name = format!("{}{known}{}", if linear { "LINEAR " } else { "" }, if columns { " COLUMNS" } else { "" });
    Ok(Method { name, expression, count: None })
}

fn count(cursor: &mut Cursor<'_>, word: &str) -> Result<Option<u64>, Fault> {
    if !cursor.eat(&[word]) {
        return Ok(None);
    }
    let at = cursor.peek().map_or(usize::MAX, |next| next.start);
    let number: Option<u64> = cursor.next().and_then(|next| next.value.parse().ok());
    number
        .filter(|number| (1..=MOST).contains(number))
        .map(Some)
        .ok_or((Problem::Expected("a number of partitions"), at))
}

fn part(source: &str, element: &[Lexeme]) -> Result<Part, Fault> {
    let mut cursor = Cursor::new(element);
    let place = expected(&cursor, "PARTITION and a name");
    let name = Some(cursor.eat(&["PARTITION"])).filter(|eaten| *eaten).and_then(|_| cursor.name()).ok_or(place)?;
    let mut part = Part::named(name.as_str().to_owned());
    if cursor.eat(&["VALUES"]) {
        part.description = values(source, &mut cursor)?;
    } else if cursor.eat(&["DEFAULT"]) {
        // MariaDB's catalog prints it so (measured on 10.11).
        "0".clone_into(&mut part.description);
    } else if cursor.eat(&["CURRENT"]) {
        "CURRENT".clone_into(&mut part.description);
    } else {
        cursor.eat(&["HISTORY"]);
    }
    while let Some(next) = cursor.peek() {
        if cursor.eat(&["COMMENT"]) {
            cursor.eat_kind(Kind::Equals);
            part.comment = text(&mut cursor)?;
        } else if next.kind == Kind::Open {
            let group = cursor.group().ok_or((Problem::OpenParenthesis, next.start))?;
            for element in elements(group) {
                let mut sub = Cursor::new(element);
                let place = expected(&sub, "SUBPARTITION and a name");
                sub.eat(&["SUBPARTITION"]);
                part.subs.push(sub.name().ok_or(place)?.as_str().to_owned());
            }
        } else {
            // ENGINE, MAX_ROWS, TABLESPACE and their kin.
            cursor.next();
        }
    }
    Ok(part)
}

fn values(source: &str, cursor: &mut Cursor<'_>) -> Result<String, Fault> {
    let than = cursor.eat(&["LESS", "THAN"]);
    if than && cursor.eat(&["MAXVALUE"]) {
        return Ok("MAXVALUE".to_owned());
    }
    if !than && !cursor.eat(&["IN"]) {
        return Err(expected(cursor, "LESS THAN or IN"));
    }
    let place = expected(cursor, "values in parentheses");
    let group = cursor.peek().filter(|next| next.kind == Kind::Open).and_then(|_| cursor.group()).ok_or(place)?;
    Ok(compact(source, group.get(1..group.len() - 1).unwrap_or_default()))
}

/// One line, or one a subpartition.
fn lines(by: &Method, sub: Option<&Method>, part: &Part) -> Vec<String> {
    let first = format!("{} ({}) {}: {}", by.name, by.expression, part.name, part.description);
    let end = if part.comment.is_empty() { String::new() } else { format!("; {}", part.comment) };
    let Some(sub) = sub else { return vec![first + &end] };
    let unnamed = || (0..sub.count.unwrap_or(1)).map(|index| format!("{}sp{index}", part.name)).collect();
    let names: Vec<String> = if part.subs.is_empty() { unnamed() } else { part.subs.clone() };
    names.iter().map(|name| format!("{first}; {} ({}) {name}{end}", sub.name, sub.expression)).collect()
}
