//! One table on one node.

use driftless_strategies::{Fingerprint, Ident, TableName, TableShape, Trigger};

use crate::error::Fault;
use crate::ports::server::{Row, Session};
use crate::sql::catalog_table::{self, Dialect};

use super::fingerprint::fingerprint;
use super::session::{name, text};
use super::{columns, foreign_keys, keys, leftovers};

/// A table as one node has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Schema and name as the server stores them.
    pub name: TableName,
    /// Its shape, without what a job of driftless itself adds (its triggers, foreign keys of its shadow or retired table).
    pub shape: TableShape,
    /// The shape's fingerprint.
    pub fingerprint: Fingerprint,
    /// Triggers of driftless on it.
    pub own_triggers: Vec<Ident>,
    /// Sizes.
    pub size: Size,
}

/// Sizes, as the engine estimates them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub rows: u64,
    /// Bytes of rows.
    pub data_bytes: u64,
    /// Bytes of secondary indexes.
    pub index_bytes: u64,
    /// Average bytes of a row.
    pub row_bytes: u64,
    /// The next AUTO_INCREMENT value; `None` when the table has none.
    pub auto_increment: Option<u64>,
}

/// Reads a table; `None` when it is not there.
///
/// # Errors
/// `Busy` when somebody's DDL keeps the table from being read, else as the server says.
pub async fn read_table(
    session: &mut dyn Session,
    dialect: Dialect,
    table: &TableName,
) -> Result<Option<Reading>, Fault> {
    let rows = session.query(&catalog_table::table(table)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let stored = TableName::new(name(row, 0)?, name(row, 1)?);
    let mut shape = header(row);
    // The catalog leaves out what it can't open in time, and says so only in a warning.
    let node = session.node().to_owned();
    let unreadable = || Fault::Busy(format!("{node}: {stored} can't be read, somebody is changing it"));
    if shape.table_type == "BASE TABLE" && shape.engine.is_empty() {
        return Err(unreadable());
    }
    shape.columns = columns::columns(&session.query(&catalog_table::columns(dialect, &stored)).await?)?;
    if shape.columns.is_empty() {
        return Err(unreadable());
    }
    shape.keys = keys::keys(&session.query(&catalog_table::keys(dialect, &stored)).await?)?;
    let rows = session.query(&catalog_table::foreign_keys(&stored)).await?;
    shape.foreign_keys = foreign_keys::foreign_keys(&rows, foreign_keys::printed_rules)?;
    shape.referenced_by = foreign_keys::referencing(session, dialect, &stored).await?;
    let (shadow, retired) = (stored.shadow(), stored.retired());
    shape
        .referenced_by
        .retain(|key| key.schema != stored.schema || (key.table != shadow.table && key.table != retired.table));
    shape.checks = checks(session, dialect, &stored).await?;
    let (own, others) = triggers(&session.query(&catalog_table::triggers(&stored)).await?)?;
    shape.triggers = others;
    shape.partitions = partitions(&session.query(&catalog_table::partitions(&stored)).await?);
    let size = size(row);
    Ok(Some(Reading { fingerprint: fingerprint(&shape)?, name: stored, shape, own_triggers: own, size }))
}

fn header(row: &Row) -> TableShape {
    TableShape {
        table_type: text(row, 2),
        engine: text(row, 3),
        row_format: text(row, 4),
        collation: text(row, 5),
        options: text(row, 6),
        comment: text(row, 7),
        ..TableShape::default()
    }
}

fn size(row: &Row) -> Size {
    let number = |index: usize| row.u64(index).unwrap_or(0);
    Size {
        rows: number(8),
        data_bytes: number(9),
        index_bytes: number(10),
        row_bytes: number(11),
        auto_increment: row.u64(12),
    }
}

async fn checks(session: &mut dyn Session, dialect: Dialect, table: &TableName) -> Result<Vec<(Ident, String)>, Fault> {
    let Some(sql) = catalog_table::checks(dialect, table) else { return Ok(Vec::new()) };
    let mut checks = Vec::new();
    for row in &session.query(&sql).await? {
        let enforced = if text(row, 2).eq_ignore_ascii_case("no") { " NOT ENFORCED" } else { "" };
        checks.push((name(row, 0)?, text(row, 1) + enforced));
    }
    checks.sort();
    Ok(checks)
}

/// Names of driftless's own triggers, and everybody else's triggers in firing order.
fn triggers(rows: &[Row]) -> Result<(Vec<Ident>, Vec<Trigger>), Fault> {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for row in rows {
        let name = name(row, 0)?;
        if leftovers::is_own_trigger(&name) {
            own.push(name);
            continue;
        }
        others.push(Trigger {
            name,
            timing: text(row, 1),
            event: text(row, 2),
            statement: text(row, 3),
            sql_mode: text(row, 4),
            definer: text(row, 5),
        });
    }
    Ok((own, others))
}

/// One line a partition: `RANGE (`id`) p0: 10; HASH (`id`) p0sp0; comment`.
fn partitions(rows: &[Row]) -> Vec<String> {
    rows.iter()
        .map(|row| {
            let mut line = format!("{} ({}) {}: {}", text(row, 1), text(row, 2), text(row, 0), text(row, 3));
            if let Some(sub) = row.text(4) {
                line = format!("{line}; {} ({}) {sub}", text(row, 5), text(row, 6));
            }
            match row.text(7) {
                Some(comment) if !comment.is_empty() => format!("{line}; {comment}"),
                Some(_) | None => line,
            }
        })
        .collect()
}
