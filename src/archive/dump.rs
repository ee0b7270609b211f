//! A dump: INSERT statements that any client can load, one row a line.

use std::borrow::Cow;

use driftless_strategies::{Column, TableName};

use super::error::ArchiveError;
use super::field::{Field, float_text};
use super::rows::{unhex, width};
use crate::ports::server::Row;
use crate::sql::archive as sql;
use driftless_strategies::column_type::ColumnType;

/// A statement is ended when it is longer, bytes: far below any server's max_allowed_packet.
const STATEMENT_BYTES: usize = 512 * 1024;

/// What stands before the rows.
pub(crate) fn head(table: &TableName) -> Vec<u8> {
    let mut out = format!("-- Rows of {} by driftless archive.\n", one_line(&table.quoted())).into_bytes();
    statements(&mut out, &sql::dump_head());
    out
}

/// What stands after them.
pub(crate) fn foot() -> Vec<u8> {
    let mut out = Vec::new();
    statements(&mut out, &sql::dump_foot());
    out
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn statements(out: &mut Vec<u8>, all: &[crate::sql::Sql]) {
    for statement in all {
        out.extend_from_slice(statement.as_str().as_bytes());
        out.extend(b";\n");
    }
}

/// Whether strict servers would refuse the row: it has what an ENUM once refused.
pub(crate) fn needs_lax(fields: &[Field], row: &Row) -> bool {
    fields
        .iter()
        .zip(&row.0)
        .any(|(field, value)| matches!(field.kind, ColumnType::Enum { .. }) && value.as_deref() == Some(b"0"))
}

fn insert(table: &TableName, fields: &[Field]) -> Vec<u8> {
    let columns: Vec<&Column> = fields.iter().map(|field| &field.column).collect();
    sql::insert_here(&table.table, &columns).as_str().as_bytes().to_vec()
}

/// Statements of the rows.
pub(crate) fn encode(table: &TableName, fields: &[Field], rows: &[Row]) -> Result<Vec<u8>, ArchiveError> {
    let insert = insert(table, fields);
    let mut out = Vec::new();
    let mut begun = 0;
    let mut open = false;
    let mut lax = false;
    for row in rows {
        width(fields, row)?;
        let wants_lax = needs_lax(fields, row);
        if open && (wants_lax != lax || out.len() - begun > STATEMENT_BYTES) {
            close(&mut out);
            open = false;
        }
        if wants_lax != lax {
            statements(&mut out, &[if wants_lax { sql::lax() } else { sql::strict() }]);
            lax = wants_lax;
        }
        if open {
            out.extend(b",\n");
        } else {
            begun = out.len();
            out.extend_from_slice(&insert);
            open = true;
        }
        tuple(&mut out, fields, row)?;
    }
    if open {
        close(&mut out);
    }
    if lax {
        statements(&mut out, &[sql::strict()]);
    }
    Ok(out)
}

fn close(out: &mut Vec<u8>) {
    out.extend(b";\n");
}

fn tuple(out: &mut Vec<u8>, fields: &[Field], row: &Row) -> Result<(), ArchiveError> {
    for (index, (field, value)) in fields.iter().zip(&row.0).enumerate() {
        out.push(if index == 0 { b'(' } else { b',' });
        let literal = sql::literal(&field.kind, field.column.charset.as_deref(), value.as_deref());
        let odd = || ArchiveError::value(&field.column.name, format!("it is no value of {}", field.column.column_type));
        out.extend_from_slice(literal.ok_or_else(odd)?.as_str().as_bytes());
    }
    out.push(b')');
    Ok(())
}

/// The rows of such statements; in words why not.
pub(crate) fn decode(table: &TableName, fields: &[Field], bytes: &[u8]) -> Result<Vec<Row>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("the text is not UTF-8: {error}"))?;
    let insert = String::from_utf8(insert(table, fields)).map_err(|error| error.to_string())?;
    let modes = [sql::lax(), sql::strict()].map(|mode| format!("{};\n", mode.as_str()));
    let mut rest = text;
    let mut rows = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = modes.iter().find_map(|mode| rest.strip_prefix(mode.as_str())) {
            rest = after;
            continue;
        }
        let odd = |why: &str| format!("row {}: {why}", rows.len() + 1);
        rest = rest.strip_prefix(insert.as_str()).ok_or_else(|| odd("no INSERT of this table where it should be"))?;
        loop {
            let row = line(fields, &mut rest).ok_or_else(|| format!("row {} can't be read", rows.len() + 1))?;
            rows.push(row);
            match (rest.strip_prefix(",\n"), rest.strip_prefix(";\n")) {
                (Some(after), _) => rest = after,
                (None, Some(after)) => {
                    rest = after;
                    break;
                }
                (None, None) => return Err(format!("row {} does not end where it should", rows.len())),
            }
        }
    }
    Ok(rows)
}

fn line(fields: &[Field], rest: &mut &str) -> Option<Row> {
    let mut values = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        *rest = rest.strip_prefix(if index == 0 { '(' } else { ',' })?;
        let value = literal(rest)?;
        let float = matches!(field.kind, ColumnType::Float { .. } | ColumnType::Double { .. });
        values.push(match value {
            Some(bytes) if float => {
                let number: f64 = std::str::from_utf8(&bytes).ok()?.parse().ok()?;
                Some(float_text(number).into_bytes())
            }
            Some(bytes) => Some(bytes.into_owned()),
            None => None,
        });
    }
    *rest = rest.strip_prefix(')')?;
    Some(Row(values))
}

/// One literal: NULL, digits, `'…'`, `x'…'`, the last two perhaps with a character set in front.
fn literal<'a>(rest: &mut &'a str) -> Option<Option<Cow<'a, [u8]>>> {
    if let Some(after) = rest.strip_prefix("NULL") {
        *rest = after;
        return Some(None);
    }
    let end = rest.find([',', ')', '\''])?;
    let (front, after) = rest.split_at(end);
    let Some(inner) = after.strip_prefix('\'') else {
        *rest = after;
        return (!front.is_empty()).then_some(Some(Cow::Borrowed(front.as_bytes())));
    };
    let (content, after) = inner.split_once('\'')?;
    *rest = after;
    let hex = front == "x" || (front.starts_with('_') && front.ends_with(" x"));
    if hex {
        return unhex(content.as_bytes()).map(|bytes| Some(Cow::Owned(bytes)));
    }
    (front.is_empty() || front.starts_with('_')).then_some(Some(Cow::Borrowed(content.as_bytes())))
}
