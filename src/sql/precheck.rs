//! Looking for rows that the new table can't take, before anything is made and after a chunk failed.

use driftless_strategies::plan::{CopySpec, Literal};
use driftless_strategies::shape::Key;
use driftless_strategies::{Ident, TableShape};

use super::Sql;
use super::copy::{Side, from_range, within};
use crate::ports::rows::Range;

/// The chunk key as a person reads it.
fn shown_key(spec: &CopySpec, side: Side, of: Option<&'static str>) -> Sql {
    let prefix = || Sql::new(of.unwrap_or(""));
    let pieces = spec.key.columns.iter().map(|column| match column.literal {
        Literal::Bytes => Sql::new("HEX(").sql(&prefix()).name(side.key(column)).text(")"),
        Literal::Number | Literal::Ordinal | Literal::Text { .. } | Literal::Quoted => prefix().name(side.key(column)),
    });
    Sql::new("CONVERT(CONCAT_WS(', ', ").join(", ", pieces).text(") USING utf8mb4)")
}

/// The key of the `place`-th row (from 1) of a range.
#[must_use]
pub fn shown_key_at(spec: &CopySpec, range: &Range, place: u64) -> Sql {
    Sql::new("SELECT ")
        .sql(&shown_key(spec, Side::Source, None))
        .sql(&from_range(spec, Side::Source, range))
        .text(" ORDER BY ")
        .join(", ", spec.key.columns.iter().map(|column| Sql::new("").name(&column.source)))
        .text(" LIMIT 1 OFFSET ")
        .number(place.saturating_sub(1))
}

/// A key's columns: name in the source, name in the shadow, prefix length.
type Parts<'a> = Vec<(&'a Ident, &'a Ident, Option<u32>)>;

/// For each new unique key whose columns the source has: its columns, by source name.
fn new_keys(spec: &CopySpec) -> Vec<(&Key, Parts<'_>)> {
    let source_of = |name: &Ident| spec.columns.iter().find(|pair| pair.shadow.same(name));
    let columns = |key: &Key| {
        key.parts
            .iter()
            .map(|part| {
                let pair = source_of(part.column.as_ref()?)?;
                Some((&pair.source, &pair.shadow, part.prefix))
            })
            .collect::<Option<Vec<_>>>()
    };
    let named = |key: &&Key| key.unique() && spec.new_unique.iter().any(|name| name.same(&key.name));
    spec.target.keys.iter().filter(named).filter_map(|key| Some((key, columns(key)?))).collect()
}

fn part(column: &Ident, prefix: Option<u32>, of: &'static str) -> Sql {
    match prefix {
        Some(length) => Sql::new("LEFT(").text(of).name(column).text(", ").number(length.into()).text(")"),
        None => Sql::new(of).name(column),
    }
}

/// The value as the new table would compare it: in the new column's collation.
fn as_target(spec: &CopySpec, sql: Sql, shadow: &Ident) -> Sql {
    let column = spec.target.column(shadow);
    match column.and_then(|column| Some((column.charset.as_ref()?, column.collation.as_ref()?))) {
        // Names of character sets and collations come from the server's catalog.
        Some((charset, collation)) => {
            Sql::new("CONVERT(").sql(&sql).text(" USING ").trusted(charset).text(") COLLATE ").trusted(collation)
        }
        None => sql,
    }
}

/// Values that occur more than once under each new unique key, over the whole source; one statement a key.
#[must_use]
pub fn duplicates(spec: &CopySpec) -> Vec<(Ident, Sql)> {
    let one = |(key, columns): (&Key, Parts<'_>)| {
        let values =
            || columns.iter().map(|(source, shadow, prefix)| as_target(spec, part(source, *prefix, ""), shadow));
        let present = columns.iter().map(|(source, _, _)| Sql::new("").name(source).text(" IS NOT NULL"));
        let sql = Sql::new("SELECT CONCAT_WS(', ', ")
            .join(", ", values())
            .text("), COUNT(*) FROM ")
            .table(&spec.source)
            .text(" WHERE ")
            .join(" AND ", present)
            .text(" GROUP BY ")
            .join(", ", values())
            .text(" HAVING COUNT(*) > 1 LIMIT 5");
        (key.name.clone(), sql)
    };
    new_keys(spec).into_iter().map(one).collect()
}

/// Rows of a range that are equal, under a new unique key, to a row of the shadow with another key, or to each other.
#[must_use]
pub fn conflicting(spec: &CopySpec, range: &Range) -> Vec<Sql> {
    let one = |(key, columns): (&Key, Parts<'_>)| {
        let values =
            || columns.iter().map(|(source, shadow, prefix)| as_target(spec, part(source, *prefix, ""), shadow));
        Sql::new("SELECT CONCAT('key ', ")
            .string(key.name.as_str())
            .text(", ': value (', CONVERT(CONCAT_WS(', ', ")
            .join(", ", values())
            .text(") USING utf8mb4), ') in rows (', GROUP_CONCAT(")
            .sql(&shown_key(spec, Side::Source, None))
            .text(" SEPARATOR '), ('), ')') FROM ")
            .table(&spec.source)
            .text(" WHERE ")
            .sql(&within(spec, Side::Source, &Range { after: None, upto: range.upto.clone() }))
            .text(" GROUP BY ")
            .join(", ", values())
            .text(" HAVING COUNT(*) > 1 LIMIT 5")
    };
    new_keys(spec).into_iter().map(one).collect()
}

/// Rows with NULL in a column that becomes NOT NULL; one statement a column.
#[must_use]
pub fn nulls(spec: &CopySpec, source: &TableShape) -> Vec<(Ident, Sql)> {
    let tightened = spec.columns.iter().filter(|pair| {
        let was = source.column(&pair.source).is_some_and(|column| column.nullable);
        let is = spec.target.column(&pair.shadow).is_some_and(|column| column.nullable);
        was && !is
    });
    tightened
        .map(|pair| {
            let sql = Sql::new("SELECT ")
                .sql(&shown_key(spec, Side::Source, None))
                .text(" FROM ")
                .table(&spec.source)
                .text(" WHERE ")
                .name(&pair.source)
                .text(" IS NULL LIMIT 5");
            (pair.source.clone(), sql)
        })
        .collect()
}

/// Rows whose text is longer, or whose number lies outside, what the new column takes; one statement a column.
#[must_use]
pub fn too_big(spec: &CopySpec, source: &TableShape) -> Vec<(Ident, Sql)> {
    let one = |pair: &driftless_strategies::plan::ColumnPair| {
        let (from, to) = (source.column(&pair.source)?, spec.target.column(&pair.shadow)?);
        if from.column_type == to.column_type {
            return None;
        }
        let column = || Sql::new("").name(&pair.source);
        let misfit = match to.data_type.as_str() {
            "char" | "varchar" => {
                Sql::new("CHAR_LENGTH(").sql(&column()).text(") > ").number(declared_length(&to.column_type)?)
            }
            "binary" | "varbinary" => {
                Sql::new("LENGTH(").sql(&column()).text(") > ").number(declared_length(&to.column_type)?)
            }
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" if integer(&from.data_type) => {
                let (low, high) = integer_range(&to.data_type, to.unsigned())?;
                column().text(" NOT BETWEEN ").trusted(&low.to_string()).text(" AND ").trusted(&high.to_string())
            }
            _ => return None,
        };
        let sql = Sql::new("SELECT ")
            .sql(&shown_key(spec, Side::Source, None))
            .text(" FROM ")
            .table(&spec.source)
            .text(" WHERE ")
            .sql(&misfit)
            .text(" LIMIT 5");
        Some((pair.source.clone(), sql))
    };
    spec.columns.iter().filter_map(one).collect()
}

fn integer(kind: &str) -> bool {
    matches!(kind, "tinyint" | "smallint" | "mediumint" | "int" | "bigint")
}

/// 20 in `varchar(20)`.
fn declared_length(column_type: &str) -> Option<u64> {
    column_type.split_once('(')?.1.split_once(')')?.0.parse().ok()
}

fn integer_range(kind: &str, unsigned: bool) -> Option<(i128, i128)> {
    let bits = match kind {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" => 32,
        "bigint" => 64,
        _ => return None,
    };
    let span = 1_i128 << bits;
    Some(if unsigned { (0, span - 1) } else { (-span / 2, span / 2 - 1) })
}
