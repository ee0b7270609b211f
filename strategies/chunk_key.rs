//! The key that rows are chunked by, and the unique keys that the alter adds or tightens.

use crate::column_type::ColumnType;
use crate::convert::{Conversion, conversion};
use crate::name::Ident;
use crate::plan::{ChunkKey, KeyColumn, Literal};
use crate::shape::{Column, Key, KeyKind, TableShape};
use crate::verdict::{Reason, ReasonCode};

/// Chooses the key whose ranges hold the same rows in source and target: unique and NOT NULL in both, over whole columns
/// that sort alike. `pairs` are the copied columns.
///
/// # Errors
/// `no-usable-key`, with what speaks against each unique key of the source.
pub fn choose_key(source: &TableShape, target: &TableShape, pairs: &[(Ident, Ident)]) -> Result<ChunkKey, Reason> {
    let tables = Tables { source, target, pairs };
    let (mut usable, mut against) = (Vec::new(), Vec::new());
    for key in source.keys.iter().filter(|key| key.unique()) {
        match tables.candidate(key) {
            Ok(candidate) => usable.push(candidate),
            Err(why) => against.push(format!("`{}`: {why}", key.name)),
        }
    }
    usable.sort_by(|one, two| one.cost.cmp(&two.cost).then_with(|| one.key.source_index.cmp(&two.key.source_index)));
    usable.into_iter().next().map(|candidate| candidate.key).ok_or_else(|| {
        let why = if against.is_empty() { "the table has no unique key".to_owned() } else { against.join("; ") };
        Reason::new(
            ReasonCode::NoUsableKey,
            format!("no key can tell the rows apart before and after the change ({why})"),
            "keep or add a primary key, or a unique key over whole NOT NULL columns, that the change leaves alone",
        )
    })
}

/// Unique keys of the target that could refuse rows of the source: no unique key of the source forbids the same.
#[must_use]
pub fn new_unique(source: &TableShape, target: &TableShape, pairs: &[(Ident, Ident)]) -> Vec<Ident> {
    let tables = Tables { source, target, pairs };
    let news = target.keys.iter().filter(|key| key.unique() && !source.keys.iter().any(|old| tables.implies(old, key)));
    news.map(|key| key.name.clone()).collect()
}

struct Tables<'a> {
    source: &'a TableShape,
    target: &'a TableShape,
    pairs: &'a [(Ident, Ident)],
}

struct Candidate {
    key: ChunkKey,
    cost: (Rank, usize, u64),
}

/// InnoDB keeps rows in the order of the primary key: ranges of it are read best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Primary,
    Other,
}

impl<'a> Tables<'a> {
    fn candidate(&self, key: &'a Key) -> Result<Candidate, String> {
        fit(key)?;
        let (mut columns, mut bytes) = (Vec::new(), 0);
        for part in &key.parts {
            let from = part.column.as_ref().and_then(|name| self.source.column(name)).ok_or("it has an expression")?;
            let to = self.copied(from).ok_or_else(|| format!("`{}` is not copied", from.name))?;
            for (column, side) in [(from, ""), (to, " in the altered table")] {
                if column.nullable {
                    return Err(format!("`{}` may be NULL{side}", column.name));
                }
            }
            let old = ColumnType::of(from);
            let literal = literal(from, &old)
                .ok_or_else(|| format!("{} `{}` has no exact order", from.column_type, from.name))?;
            if !sorts_alike(from, to) {
                return Err(format!("`{}` sorts or compares otherwise as {}", from.name, described(to)));
            }
            bytes += width(&old);
            columns.push(KeyColumn { source: from.name.clone(), shadow: to.name.clone(), literal });
        }
        let shadow =
            self.counterpart(&columns).ok_or("the altered table has no visible unique key over the same columns")?;
        let rank = if key.kind == KeyKind::Primary { Rank::Primary } else { Rank::Other };
        let cost = (rank, columns.len(), bytes);
        let key = ChunkKey { source_index: key.name.clone(), shadow_index: shadow.name.clone(), columns };
        Ok(Candidate { key, cost })
    }

    /// The target's column that a source's column is copied into.
    fn copied(&self, from: &Column) -> Option<&'a Column> {
        let (_, to) = self.pairs.iter().find(|(source, _)| source.same(&from.name))?;
        self.target.column(to)
    }

    /// The target's unique key over the same columns: the primary one, else one in the same order, else any.
    fn counterpart(&self, columns: &[KeyColumn]) -> Option<&'a Key> {
        let same = |key: &&Key| {
            key.unique()
                && fit(key).is_ok()
                && key.parts.len() == columns.len()
                && columns.iter().all(|column| covers(key, &column.shadow))
        };
        let in_order = |key: &Key| {
            let mut both = key.parts.iter().zip(columns);
            both.all(|(part, column)| part.column.as_ref().is_some_and(|name| name.same(&column.shadow)))
        };
        let preference = |key: &&Key| (key.kind != KeyKind::Primary, !in_order(key), key.name.clone());
        self.target.keys.iter().filter(same).min_by_key(preference)
    }

    /// Whether rows that `old` lets into the source can't collide on `new` in the target.
    fn implies(&self, old: &Key, new: &Key) -> bool {
        if !old.unique() {
            return false;
        }
        if [old, new].iter().any(|key| key.parts.iter().any(|part| part.expression.is_some())) {
            return old.parts == new.parts && self.unchanged();
        }
        old.parts.iter().all(|part| {
            let Some(from) = part.column.as_ref().and_then(|name| self.source.column(name)) else { return false };
            let covered = |to: &Column| {
                new.parts.iter().any(|other| {
                    other.column.as_ref().is_some_and(|name| name.same(&to.name)) && other.prefix == part.prefix
                })
            };
            if from.generated.is_some() {
                let to = self.target.column(&from.name);
                return to.is_some_and(|to| same_expression(from, to) && covered(to)) && self.unchanged();
            }
            self.copied(from).is_some_and(|to| sorts_alike(from, to) && covered(to))
        })
    }

    /// Whether every copied column keeps name, type and collation, so that expressions over them keep their values.
    fn unchanged(&self) -> bool {
        self.pairs.iter().all(|(source, target)| {
            let columns = self.source.column(source).zip(self.target.column(target));
            source.same(target)
                && columns.is_some_and(|(from, to)| {
                    conversion(from, to) == Conversion::Same && from.collation == to.collation
                })
        })
    }
}

/// Whether a key can serve at all, apart from its columns.
fn fit(key: &Key) -> Result<(), String> {
    if !key.visible {
        return Err("the optimizer may not use it".into());
    }
    if key.kind == KeyKind::UniqueHash {
        return Err("the server keeps it by hash, without order".into());
    }
    if key.parts.iter().any(|part| part.column.is_none() || part.expression.is_some()) {
        return Err("it has an expression".into());
    }
    if let Some(part) = key.parts.iter().find(|part| part.prefix.is_some()) {
        let name = part.column.as_ref().map_or("", Ident::as_str);
        return Err(format!("only a prefix of `{name}` is in it"));
    }
    let descending = key.parts.iter().filter(|part| part.descending).count();
    if descending != 0 && descending != key.parts.len() {
        return Err("it mixes ascending and descending columns".into());
    }
    if key.parts.is_empty() { Err("it has no columns".into()) } else { Ok(()) }
}

fn covers(key: &Key, name: &Ident) -> bool {
    key.parts.iter().any(|part| part.column.as_ref().is_some_and(|column| column.same(name)))
}

fn same_expression(from: &Column, to: &Column) -> bool {
    from.expression == to.expression && from.column_type == to.column_type && from.collation == to.collation
}

fn described(column: &Column) -> String {
    match &column.collation {
        Some(collation) => format!("{} {collation}", column.column_type),
        None => column.column_type.clone(),
    }
}

/// How a value of a column travels; `None` for types whose values have no exact text or order.
#[must_use]
pub fn key_literal(column: &Column) -> Option<Literal> {
    literal(column, &ColumnType::of(column))
}

/// Members that a SET may have in a key. The server makes a number of it in floating point, which it prints exactly up to
/// fifteen digits.
pub const EXACT_MEMBERS: usize = 49;

/// How a value of the key travels; `None` for types whose values have no exact text or order.
fn literal(column: &Column, of: &ColumnType) -> Option<Literal> {
    Some(match of {
        ColumnType::Integer { .. } | ColumnType::Decimal { .. } | ColumnType::Year => Literal::Number,
        ColumnType::Set { members } if members.len() > EXACT_MEMBERS => return None,
        ColumnType::Enum { .. } | ColumnType::Set { .. } | ColumnType::Bit { .. } => Literal::Ordinal,
        ColumnType::Char { .. } | ColumnType::VarChar { .. } => Literal::Text { charset: column.charset.clone()? },
        ColumnType::Binary { .. } | ColumnType::VarBinary { .. } => Literal::Bytes,
        ColumnType::Date
        | ColumnType::DateTime { .. }
        | ColumnType::Timestamp { .. }
        | ColumnType::Time { .. }
        | ColumnType::Uuid
        | ColumnType::Inet4
        | ColumnType::Inet6 => Literal::Quoted,
        ColumnType::Float { .. }
        | ColumnType::Double { .. }
        | ColumnType::Text { .. }
        | ColumnType::Blob { .. }
        | ColumnType::Json
        | ColumnType::Geometry { .. }
        | ColumnType::Other { .. } => return None,
    })
}

/// Whether two columns hold the same values in the same order, equal exactly when equal.
fn sorts_alike(from: &Column, to: &Column) -> bool {
    if from.collation != to.collation || !keeps_values(from, to) {
        return false;
    }
    match (ColumnType::of(from), ColumnType::of(to)) {
        (ColumnType::Enum { members: old }, ColumnType::Enum { members: new })
        | (ColumnType::Set { members: old }, ColumnType::Set { members: new }) => new.starts_with(&old),
        (old, new) => order(&old).is_some_and(|old| Some(old) == order(&new)),
    }
}

/// Whether all values that the new table takes are kept. Of NULLs and of whole numbers out of range a row stops the job.
fn keeps_values(from: &Column, to: &Column) -> bool {
    let whole = |column: &Column| matches!(ColumnType::of(column), ColumnType::Integer { .. });
    match conversion(from, to) {
        Conversion::Same | Conversion::Widens(_) => true,
        Conversion::Checked(_) if whole(from) && whole(to) => true,
        Conversion::Checked(_) => conversion(&Column { nullable: to.nullable, ..from.clone() }, to).keeps_all(),
        Conversion::Silent { .. } => false,
    }
}

/// Types that sort among each other.
#[derive(PartialEq, Eq)]
enum Order {
    Number,
    Text,
    Bytes,
    Moment,
    Duration,
    Uuid,
    Inet4,
    Inet6,
}

const fn order(of: &ColumnType) -> Option<Order> {
    Some(match of {
        ColumnType::Integer { .. } | ColumnType::Decimal { .. } | ColumnType::Year | ColumnType::Bit { .. } => {
            Order::Number
        }
        ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Text { .. } => Order::Text,
        ColumnType::Binary { .. } | ColumnType::VarBinary { .. } | ColumnType::Blob { .. } => Order::Bytes,
        ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } => Order::Moment,
        ColumnType::Time { .. } => Order::Duration,
        ColumnType::Uuid => Order::Uuid,
        ColumnType::Inet4 => Order::Inet4,
        ColumnType::Inet6 => Order::Inet6,
        ColumnType::Float { .. }
        | ColumnType::Double { .. }
        | ColumnType::Enum { .. }
        | ColumnType::Set { .. }
        | ColumnType::Json
        | ColumnType::Geometry { .. }
        | ColumnType::Other { .. } => return None,
    })
}

/// Bytes of a value, about: for choosing the smaller key.
fn width(of: &ColumnType) -> u64 {
    match of {
        ColumnType::Integer { bits, .. } | ColumnType::Bit { bits } => u64::from(*bits) / 8,
        ColumnType::Decimal { places, .. } => u64::from(places.digits) / 2 + 1,
        ColumnType::Year => 1,
        ColumnType::Enum { .. } => 2,
        ColumnType::Date | ColumnType::Time { .. } => 3,
        ColumnType::Timestamp { .. } | ColumnType::Inet4 => 4,
        ColumnType::DateTime { .. } | ColumnType::Double { .. } | ColumnType::Float { .. } | ColumnType::Set { .. } => {
            8
        }
        ColumnType::Uuid | ColumnType::Inet6 => 16,
        ColumnType::Char { chars } | ColumnType::VarChar { chars } => *chars,
        ColumnType::Binary { bytes }
        | ColumnType::VarBinary { bytes }
        | ColumnType::Text { bytes }
        | ColumnType::Blob { bytes } => *bytes,
        ColumnType::Json | ColumnType::Geometry { .. } | ColumnType::Other { .. } => u64::MAX / 64,
    }
}

#[cfg(test)]
#[path = "chunk_key_tests.rs"]
mod tests;
