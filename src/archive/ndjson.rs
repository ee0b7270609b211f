//! One JSON object a line: NULL is null, integers and floating numbers are numbers, DECIMAL and dates are strings, bytes
//! that are no text are `{"hex":"…"}`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use super::error::ArchiveError;
use super::field::{Back, Cell, Field};
use super::rows::{hex, unhex, width};
use crate::ports::server::Row;

/// One line a row.
pub(crate) fn encode(fields: &[Field], rows: &[Row]) -> Result<Vec<u8>, ArchiveError> {
    let names: Vec<Vec<u8>> = fields.iter().map(|field| string(field.column.name.as_str())).collect();
    let mut out = Vec::new();
    for row in rows {
        width(fields, row)?;
        for (index, ((field, name), value)) in fields.iter().zip(&names).zip(&row.0).enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            out.extend_from_slice(name);
            out.push(b':');
            match field.cell(value.as_deref())? {
                Cell::Null => out.extend(b"null"),
                Cell::Number(digits) => out.extend_from_slice(digits.as_bytes()),
                Cell::Plain(text) => out.extend(string(text)),
                Cell::Text(text) => out.extend(string(&text)),
                Cell::Bytes(bytes) => {
                    out.extend(b"{\"hex\":\"");
                    out.extend_from_slice(hex(bytes).as_bytes());
                    out.extend(b"\"}");
                }
            }
        }
        out.extend(b"}\n");
    }
    Ok(out)
}

fn string(text: &str) -> Vec<u8> {
    Value::from(text).to_string().into_bytes()
}

/// The rows of such lines; in words why not.
pub(crate) fn decode(fields: &[Field], bytes: &[u8]) -> Result<Vec<Row>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("the text is not UTF-8: {error}"))?;
    let names: Vec<String> = fields.iter().map(|field| Value::from(field.column.name.as_str()).to_string()).collect();
    let mut rows = Vec::new();
    for line in text.split_inclusive('\n') {
        let odd = |why: &str| format!("line {}: {why}", rows.len() + 1);
        let mut rest = line;
        let mut values = Vec::with_capacity(fields.len());
        for (index, (field, name)) in fields.iter().zip(&names).enumerate() {
            let begin = if index == 0 { "{" } else { "," };
            let after = rest.strip_prefix(begin).and_then(|rest| rest.strip_prefix(name.as_str()));
            rest = after
                .and_then(|rest| rest.strip_prefix(':'))
                .ok_or_else(|| odd(&format!("no {name} where it should be")))?;
            let back = item(&mut rest).ok_or_else(|| odd(&format!("the value of {name} can't be read")))?;
            values.push(field.value(back).map_err(|error| odd(&error.to_string()))?);
        }
        if rest != "}\n" {
            return Err(odd("it does not end after the last column"));
        }
        rows.push(Row(values));
    }
    Ok(rows)
}

fn item<'a>(rest: &mut &'a str) -> Option<Back<'a>> {
    if let Some(after) = rest.strip_prefix("null") {
        *rest = after;
        return Some(Back::Null);
    }
    if let Some(after) = rest.strip_prefix("{\"hex\":\"") {
        let (digits, after) = after.split_once("\"}")?;
        *rest = after;
        return unhex(digits.as_bytes()).map(Back::Bytes);
    }
    if rest.starts_with('"') {
        let end = closing(rest.as_bytes())?;
        let (quoted, after) = rest.split_at_checked(end + 1)?;
        *rest = after;
        return Cow::<str>::deserialize(&mut serde_json::Deserializer::from_str(quoted)).ok().map(Back::Text);
    }
    let end = rest.find([',', '}'])?;
    let (bare, after) = rest.split_at(end);
    *rest = after;
    (!bare.is_empty()).then_some(Back::Bare(bare))
}

/// Where the quote is that ends the string which the text begins with.
fn closing(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
