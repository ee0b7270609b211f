//! CSV as RFC 4180 has it, with what it leaves open: NULL is nothing between the commas, text always stands in quotes,
//! numbers and dates never, and bytes that are no text are `\x` with hex.

use std::borrow::Cow;

use super::error::ArchiveError;
use super::field::{Back, Cell, Field};
use super::rows::{hex, unhex, width};
use crate::ports::server::Row;

const LINE_END: &[u8] = b"\r\n";

/// The line of column names.
pub(crate) fn head(fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        quoted(&mut out, field.column.name.as_str());
    }
    out.extend(LINE_END);
    out
}

/// One record a row.
pub(crate) fn encode(fields: &[Field], rows: &[Row]) -> Result<Vec<u8>, ArchiveError> {
    let mut out = Vec::new();
    for row in rows {
        width(fields, row)?;
        for (index, (field, value)) in fields.iter().zip(&row.0).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            match field.cell(value.as_deref())? {
                Cell::Null => {}
                Cell::Number(text) => out.extend_from_slice(text.as_bytes()),
                Cell::Plain(text) => out.extend_from_slice(text.as_bytes()),
                Cell::Text(text) => quoted(&mut out, &text),
                Cell::Bytes(bytes) => {
                    out.extend(b"\\x");
                    out.extend_from_slice(hex(bytes).as_bytes());
                }
            }
        }
        out.extend(LINE_END);
    }
    Ok(out)
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// The rows of such records; in words why not.
pub(crate) fn decode(fields: &[Field], bytes: &[u8]) -> Result<Vec<Row>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("the text is not UTF-8: {error}"))?;
    let mut rest = text;
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let odd = |why: &str| format!("record {}: {why}", rows.len() + 1);
        let mut values = Vec::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            let back = item(&mut rest).ok_or_else(|| odd("a quote is not closed, or hex is broken"))?;
            values.push(field.value(back).map_err(|error| odd(&error.to_string()))?);
            let end = if index + 1 == fields.len() { "\r\n" } else { "," };
            rest = rest.strip_prefix(end).ok_or_else(|| odd("it has more or fewer fields than the table columns"))?;
        }
        rows.push(Row(values));
    }
    Ok(rows)
}

fn item<'a>(rest: &mut &'a str) -> Option<Back<'a>> {
    if let Some(inner) = rest.strip_prefix('"') {
        let end = closing(inner.as_bytes())?;
        let (text, after) = (inner.get(..end)?, inner.get(end + 1..)?);
        *rest = after;
        return Some(Back::Text(if text.contains('"') { Cow::Owned(text.replace("\"\"", "\"")) } else { text.into() }));
    }
    let end = rest.find([',', '\r']).unwrap_or(rest.len());
    let (bare, after) = rest.split_at(end);
    *rest = after;
    match bare.strip_prefix("\\x") {
        Some(digits) => unhex(digits.as_bytes()).map(Back::Bytes),
        None if bare.is_empty() => Some(Back::Null),
        None => Some(Back::Bare(bare)),
    }
}

/// Where the quote is that ends a text.
fn closing(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text.get(at..)?.iter().position(|byte| *byte == b'"')?;
        if text.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}
