//! Columns, from rows of the catalog.

use driftless_strategies::Column;
use driftless_strategies::shape::Generated;

use crate::error::Fault;
use crate::ports::server::Row;

use super::session::{name, text};

/// Columns from `catalog_table::columns`.
pub(crate) fn columns(rows: &[Row]) -> Result<Vec<Column>, Fault> {
    rows.iter().map(column).collect()
}

fn column(row: &Row) -> Result<Column, Fault> {
    let mut extra = text(row, 5).to_lowercase();
    let generated = generated(&extra);
    // The reference system decides what values a spatial column takes, and the catalog keeps it apart.
    if let Some(srid) = row.text(10) {
        extra = format!("{extra} srid {srid}").trim_start().to_owned();
    }
    Ok(Column {
        name: name(row, 0)?,
        data_type: text(row, 1).to_lowercase(),
        column_type: text(row, 2),
        nullable: text(row, 3).eq_ignore_ascii_case("yes"),
        default: row.text(4),
        invisible: extra.contains("invisible"),
        charset: row.text(6),
        collation: row.text(7),
        expression: generated.and_then(|_| row.text(8)).filter(|expression| !expression.is_empty()),
        generated,
        comment: text(row, 9),
        extra,
    })
}

/// How a column with that `EXTRA` is generated. `default_generated` (MySQL) is an expression as a default, no generated
/// column; `persistent` is what MariaDB called a stored one.
pub(crate) fn generated(extra: &str) -> Option<Generated> {
    if extra.contains("virtual generated") {
        Some(Generated::Virtual)
    } else if extra.contains("stored generated") || extra.contains("persistent") {
        Some(Generated::Stored)
    } else {
        None
    }
}
