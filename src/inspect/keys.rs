//! Keys, from rows of the catalog.

use driftless_strategies::Key;
use driftless_strategies::shape::{KeyKind, KeyPart};

use crate::error::Fault;
use crate::ports::server::Row;

use super::session::{name, text};

/// Keys from `catalog_table::keys`, which gives the parts of a key one after the other; sorted by name.
pub(crate) fn keys(rows: &[Row]) -> Result<Vec<Key>, Fault> {
    let mut keys: Vec<Key> = Vec::new();
    for row in rows {
        let name = name(row, 0)?;
        let kind = kind(name.as_str(), &text(row, 1), &text(row, 6));
        let part = part(row, kind)?;
        match keys.iter_mut().find(|key| key.name == name) {
            Some(key) => key.parts.push(part),
            None => keys.push(Key {
                name,
                kind,
                parts: vec![part],
                visible: text(row, 7).eq_ignore_ascii_case("yes"),
                comment: text(row, 8),
            }),
        }
    }
    keys.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(keys)
}

fn part(row: &Row, kind: KeyKind) -> Result<KeyPart, Fault> {
    let column = if row.bytes(2).is_some() { Some(name(row, 2)?) } else { None };
    let whole = matches!(kind, KeyKind::Spatial | KeyKind::Fulltext);
    Ok(KeyPart {
        column,
        expression: row.text(3),
        // MariaDB gives a spatial key a prefix of 32, its size in the index.
        prefix: if whole { None } else { row.u64(4).and_then(|length| u32::try_from(length).ok()) },
        descending: text(row, 5).eq_ignore_ascii_case("d"),
    })
}

fn kind(name: &str, not_unique: &str, index_type: &str) -> KeyKind {
    match index_type.to_ascii_uppercase().as_str() {
        "FULLTEXT" => KeyKind::Fulltext,
        "SPATIAL" => KeyKind::Spatial,
        _ if name == "PRIMARY" => KeyKind::Primary,
        // MariaDB: USING HASH, and unique keys too long for an index; no range can be read by it.
        "HASH" if not_unique == "0" => KeyKind::UniqueHash,
        _ if not_unique == "0" => KeyKind::Unique,
        _ => KeyKind::Plain,
    }
}
