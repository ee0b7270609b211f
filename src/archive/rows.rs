//! Rows as bytes in one form only: what digests are made of, and what a Parquet file is gathered in.
//!
//! A value is one byte (0 for NULL, 1 else), then its length in four bytes, low first, then its bytes.

use sha2::{Digest as _, Sha256};

use super::error::ArchiveError;
use super::field::Field;
use crate::ports::server::Row;

/// Longest value, bytes: a LONGBLOB.
const LONGEST: u64 = u32::MAX as u64;

/// The rows' bytes.
///
/// # Errors
/// `Value` for a value that its type can't have, and for a row of another number of columns.
pub(crate) fn encode(fields: &[Field], rows: &[Row]) -> Result<Vec<u8>, ArchiveError> {
    let mut out = Vec::new();
    for row in rows {
        width(fields, row)?;
        for (field, value) in fields.iter().zip(&row.0) {
            let Some(value) = value else {
                out.push(0);
                continue;
            };
            let value = field.normal(value)?;
            let long = || ArchiveError::value(&field.column.name, format!("it is longer than {LONGEST} bytes"));
            let length = u32::try_from(value.len()).map_err(|_| long())?;
            out.push(1);
            out.extend(length.to_le_bytes());
            out.extend_from_slice(&value);
        }
    }
    Ok(out)
}

/// The rows of such bytes; in words why not.
pub(crate) fn decode(fields: &[Field], mut bytes: &[u8]) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let values = fields.iter().map(|_| value(&mut bytes)).collect::<Option<Vec<_>>>();
        rows.push(Row(values.ok_or_else(|| format!("row {} is not whole", rows.len() + 1))?));
    }
    Ok(rows)
}

fn value(bytes: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    let (mark, rest) = bytes.split_first()?;
    *bytes = rest;
    if *mark == 0 {
        return Some(None);
    }
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *bytes = rest;
    (*mark == 1).then(|| Some(value.to_vec()))
}

/// Whether a row has a value a field.
pub(crate) fn width(fields: &[Field], row: &Row) -> Result<(), ArchiveError> {
    if row.0.len() == fields.len() {
        return Ok(());
    }
    let why = format!("the row has {} values, the file {} columns", row.0.len(), fields.len());
    Err(ArchiveError::Value { column: "(all)".into(), why })
}

/// SHA-256 in lower-case hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(|half| char::from(DIGITS[usize::from(half)])).collect()
}

/// Bytes of hex, either case; `None` when it is not.
pub(crate) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let half = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks(2).map(|pair| Some(half(*pair.first()?)? << 4 | half(*pair.get(1)?)?)).collect()
}
