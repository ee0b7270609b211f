//! Keys that are longer than InnoDB takes.

use crate::charset::max_bytes;
use crate::column_type::ColumnType;
use crate::shape::{Column, Key, KeyKind, KeyPart};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::{count, many};

use super::change::{Change, Seen};
use super::clauses::Part;

/// Most bytes of a key with pages of 16 KiB and more.
///
/// # Source
/// MySQL manual, "InnoDB Limits"; MariaDB, "InnoDB Limitations".
const KEY_BYTES: u64 = 3072;
/// Most bytes of one column of a key in the old row formats.
const PART_BYTES_OLD: u64 = 767;

/// A key that the server cuts to a prefix, keeps by hash or refuses because it is too long.
pub(super) fn too_long(change: &Change<'_>) -> Vec<Reason> {
    let judge = |key: &Key| match change.seen {
        Seen::Server => bent(change, key),
        Seen::Clauses => over(change, key),
    };
    change.after.keys.iter().filter_map(judge).collect()
}

fn reason(what: String) -> Reason {
    Reason::new(
        Code::LintKeyTooLong,
        what,
        "index a prefix that is long enough (`column`(191), for instance), or a shorter column",
    )
}

/// The key as it should be: as it is now, or as the clause says.
fn meant(change: &Change<'_>, key: &Key) -> Option<(Key, bool)> {
    let kept = change.kept_keys().into_iter().find(|old| old.name.same(&key.name));
    let written = || {
        change.parts.iter().find_map(|part| {
            let Part::Key { key: written, hash, .. } = part else { return None };
            written.name.same(&key.name).then(|| (written.clone(), *hash))
        })
    };
    kept.map(|old| (old.clone(), old.kind == KeyKind::UniqueHash)).or_else(written)
}

/// What a server made of a key that it found too long.
fn bent(change: &Change<'_>, key: &Key) -> Option<Reason> {
    let (meant, hash) = meant(change, key)?;
    if key.kind == KeyKind::UniqueHash && !hash {
        let what = format!(
            "unique key `{}` is too long for an ordinary index: the server keeps it by hash, which finds equal values and \
             serves no range, no order and no prefix",
            key.name
        );
        return Some(reason(what));
    }
    let cut = key.parts.iter().zip(&meant.parts).find(|(part, meant)| part.prefix.is_some() && meant.prefix.is_none());
    let (part, _) = cut.filter(|_| matches!(key.kind, KeyKind::Plain | KeyKind::Unique | KeyKind::Primary))?;
    let (column, prefix) = (part.column.as_ref()?, part.prefix?);
    let text = change.after.column(column).is_some_and(|column| column.charset.is_some());
    let unit = if text { "character" } else { "byte" };
    let what = format!(
        "key `{}` is too long: the server keeps only the first {} of `{column}`, and the key can't cover a query",
        key.name,
        many(prefix.into(), unit)
    );
    Some(reason(what))
}

/// A key that is too long by its columns; only one that is new or has a column that changes.
fn over(change: &Change<'_>, key: &Key) -> Option<Reason> {
    let (_, hash) = meant(change, key).unwrap_or_else(|| (key.clone(), false));
    let ordered = matches!(key.kind, KeyKind::Plain | KeyKind::Unique | KeyKind::Primary);
    if hash || !ordered || !touched(change, key) {
        return None;
    }
    let parts: Vec<u64> = key.parts.iter().map(|part| bytes(change, part)).collect::<Option<_>>()?;
    let total: u64 = parts.iter().sum();
    let (most, least) = (most(change), PART_BYTES_OLD);
    let old_format = ["compact", "redundant"].iter().any(|name| change.before.row_format.eq_ignore_ascii_case(name));
    let widest = parts.iter().max().copied().unwrap_or(0);
    let (have, limit) = if total > most {
        (total, most)
    } else if old_format && widest > least {
        (widest, least)
    } else {
        return None;
    };
    let (have, limit) = (count(have), count(limit));
    Some(reason(format!(
        "key `{}` can take {have} bytes, and InnoDB takes {limit} here: the server refuses it, cuts it or keeps it by hash",
        key.name
    )))
}

fn touched(change: &Change<'_>, key: &Key) -> bool {
    let changed = |part: &KeyPart| {
        let Some(name) = &part.column else { return false };
        let (old, new) = (change.origin(name), change.after.column(name));
        old.zip(new).is_some_and(|(old, new)| old.column_type != new.column_type || old.charset != new.charset)
    };
    change.new_keys().iter().any(|new| new.name == key.name) || key.parts.iter().any(changed)
}

fn most(change: &Change<'_>) -> u64 {
    match change.variable("innodb_page_size") {
        Some("4096") => KEY_BYTES / 4,
        Some("8192") => KEY_BYTES / 2,
        Some(_) | None => KEY_BYTES,
    }
}

/// Most bytes of a part; `None` when it can't be told.
fn bytes(change: &Change<'_>, part: &KeyPart) -> Option<u64> {
    let column: &Column = change.after.column(part.column.as_ref()?)?;
    let of_chars = |chars: u64| {
        let charset = column.charset.as_deref()?;
        Some(part.prefix.map_or(chars, u64::from).min(chars) * max_bytes(charset))
    };
    match ColumnType::of(column) {
        ColumnType::Char { chars } | ColumnType::VarChar { chars } => of_chars(chars),
        ColumnType::Text { bytes } => part.prefix.and_then(|_| of_chars(bytes)),
        ColumnType::Binary { bytes } | ColumnType::VarBinary { bytes } => Some(part.prefix.map_or(bytes, u64::from)),
        ColumnType::Blob { .. } => part.prefix.map(u64::from),
        ColumnType::Integer { bits, .. } => Some(u64::from(bits / 8)),
        ColumnType::Enum { .. } | ColumnType::Year => Some(1),
        ColumnType::Date => Some(3),
        ColumnType::Float { .. } | ColumnType::Timestamp { .. } | ColumnType::Inet4 => Some(4),
        ColumnType::Double { .. } | ColumnType::DateTime { .. } | ColumnType::Time { .. } => Some(5),
        ColumnType::Uuid | ColumnType::Inet6 => Some(16),
        ColumnType::Decimal { .. }
        | ColumnType::Bit { .. }
        | ColumnType::Set { .. }
        | ColumnType::Json
        | ColumnType::Geometry { .. }
        | ColumnType::Other { .. } => None,
    }
}
