//! The shape of an altered temporary table, from SHOW: information_schema does not list temporary tables.

use driftless_strategies::facts::Flavour;
use driftless_strategies::{Alter, ClauseKind, Column, Ident, TableShape};

use crate::error::Fault;
use crate::ports::server::Row;
use crate::sql::catalog_table::Dialect;

use super::columns::generated;
use super::keys::keys;
use super::session::{name, text};
use super::trial_create::{Written, binary_default, escaped};

/// What SHOW prints of the temporary table.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Columns before the alter (on MariaDB the source's: there both are printed alike).
    pub(super) before: Vec<Row>,
    /// Columns afterwards.
    pub(super) after: Vec<Row>,
    /// Keys afterwards.
    pub(super) keys: Vec<Row>,
    /// MySQL: the statement that makes the altered table.
    pub(super) written: Option<String>,
}

/// Columns and keys after the alter. A column that SHOW prints alike before and after, and that no clause names, is the
/// source's: that keeps what SHOW leaves out (expressions of generated columns, defaults as the catalog quotes them).
pub(super) fn altered(
    dialect: Dialect,
    source: &TableShape,
    alter: &Alter,
    shown: &Shown,
) -> Result<TableShape, Fault> {
    let touched = touched(alter);
    let mut columns = Vec::new();
    for row in &shown.after {
        let column = match &shown.written {
            Some(create) => match Written::find(create, &text(row, 0)) {
                Some(written) => mysql_column(row, written)?,
                // Keys on expressions have hidden columns.
                None => continue,
            },
            None => column(row)?,
        };
        let alike = shown.before.iter().any(|old| same_column(old, row));
        let kept = source.column(&column.name).filter(|_| alike && !touched.iter().any(|name| name.same(&column.name)));
        columns.push(kept.map_or_else(|| column.clone(), |kept| Column { name: column.name.clone(), ..kept.clone() }));
    }
    let index: Vec<Row> = shown.keys.iter().map(|row| as_catalog(dialect.flavour, row)).collect();
    Ok(TableShape {
        columns,
        keys: keys(&index)?,
        engine: engine(alter).unwrap_or_else(|| source.engine.clone()),
        table_type: source.table_type.clone(),
        row_format: source.row_format.clone(),
        collation: source.collation.clone(),
        options: source.options.clone(),
        comment: source.comment.clone(),
        ..TableShape::default()
    })
}

/// Columns that a clause defines anew.
fn touched(alter: &Alter) -> Vec<&Ident> {
    let mut names: Vec<&Ident> = Vec::new();
    for clause in &alter.clauses {
        if let ClauseKind::AddColumn { names: added } = &clause.kind {
            names.extend(added);
        }
        if let ClauseKind::ModifyColumn { name } | ClauseKind::AlterColumn { name } = &clause.kind {
            names.push(name);
        }
        if let ClauseKind::ChangeColumn { to, .. } | ClauseKind::RenameColumn { to, .. } = &clause.kind {
            names.push(to);
        }
    }
    names
}

fn engine(alter: &Alter) -> Option<String> {
    alter
        .clauses
        .iter()
        .rev()
        .find_map(|clause| if let ClauseKind::Engine { name } = &clause.kind { Some(name.clone()) } else { None })
}

/// Name, type, collation, nullable, default, extra and comment are alike; key and privileges don't count.
fn same_column(one: &Row, other: &Row) -> bool {
    let names = text(one, 0).to_lowercase() == text(other, 0).to_lowercase();
    names && [1, 2, 3, 5, 6, 8].iter().all(|index| one.bytes(*index) == other.bytes(*index))
}

/// A column as MySQL prints it for a temporary table, in the catalog's words.
fn mysql_column(row: &Row, written: Written<'_>) -> Result<Column, Fault> {
    let column = column(row)?;
    let mut extra = if column.extra == "null" { String::new() } else { column.extra };
    let computed = written.computed_default();
    let timed = ["timestamp", "datetime"].contains(&column.data_type.as_str());
    let now = timed && row.text(5).is_some_and(|default| default.starts_with("CURRENT_TIMESTAMP"));
    if now || computed.is_some() {
        extra = format!("default_generated {extra}").trim_end().to_owned();
    }
    if let Some(srid) = written.srid() {
        extra = format!("{extra} srid {srid}").trim_start().to_owned();
    }
    let binary = ["binary", "varbinary"].contains(&column.data_type.as_str());
    let shown = row.text(5).map(|shown| if binary { binary_default(&shown) } else { shown });
    let expression = column.generated.and_then(|_| written.expression());
    Ok(Column { default: computed.or(shown), extra, expression, ..column })
}

/// A column as `SHOW FULL COLUMNS` prints it.
fn column(row: &Row) -> Result<Column, Fault> {
    let column_type = text(row, 1);
    let data_type = column_type.split(['(', ' ']).next().unwrap_or_default().to_lowercase();
    let extra = text(row, 6).to_lowercase();
    let nullable = text(row, 3).eq_ignore_ascii_case("yes");
    let collation = row.text(2);
    Ok(Column {
        name: name(row, 0)?,
        nullable,
        default: default(&data_type, nullable, row.text(5)),
        charset: collation.as_ref().map(|name| name.split('_').next().unwrap_or_default().to_owned()),
        collation,
        generated: generated(&extra),
        expression: None,
        invisible: extra.contains("invisible"),
        comment: text(row, 8),
        data_type,
        column_type,
        extra,
    })
}

/// The default as the catalog would print it. MariaDB's catalog quotes literals and has NULL for a nullable column
/// without a default; SHOW does neither. What looks like a call is taken for one.
fn default(data_type: &str, nullable: bool, shown: Option<String>) -> Option<String> {
    let Some(shown) = shown else {
        return nullable.then(|| "NULL".to_owned());
    };
    let quoted = ["char", "text", "enum", "set", "blob", "binary", "date", "time", "inet", "uuid"];
    let literal = quoted.iter().any(|kind| data_type.contains(kind));
    let call = shown.ends_with(')') && shown.starts_with(|c: char| c.is_ascii_alphabetic());
    if call || !literal {
        return Some(shown);
    }
    Some(format!("'{}'", shown.replace('\'', "''")))
}

/// A row of SHOW INDEX in the order of `catalog_table::keys`.
fn as_catalog(flavour: Flavour, row: &Row) -> Row {
    let take = |index: usize| row.bytes(index).map(<[u8]>::to_vec);
    let ignored = flavour == Flavour::MariaDb && row.text(13).is_some_and(|value| value.eq_ignore_ascii_case("yes"));
    let invisible = flavour == Flavour::MySql && row.text(13).is_some_and(|value| value.eq_ignore_ascii_case("no"));
    let visible = if ignored || invisible { "NO" } else { "YES" };
    let expression = row.text(14).filter(|_| flavour == Flavour::MySql).map(|text| escaped(&text).into_bytes());
    Row(vec![take(2), take(1), take(4), expression, take(7), take(5), take(10), Some(visible.into()), take(12)])
}
