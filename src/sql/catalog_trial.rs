//! An alter tried on an empty temporary table: no other session sees it and nothing is replicated.

use driftless_strategies::{Ident, TableName};

use super::Sql;

/// Strict as a job's own sessions are, and never another engine than the one asked for.
#[must_use]
pub fn strict() -> Sql {
    Sql::new("SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")
}

/// Keeps temporary tables out of a binlog whose format would log them.
#[must_use]
pub fn row_format() -> Sql {
    Sql::new("SET SESSION binlog_format = 'ROW'")
}

/// An empty copy that only this session sees.
#[must_use]
pub fn create(trial: &TableName, table: &TableName) -> Sql {
    Sql::new("CREATE TEMPORARY TABLE ").table(trial).text(" LIKE ").table(table)
}

/// The user's clauses on it.
#[must_use]
pub fn alter(trial: &TableName, clauses: &str) -> Sql {
    Sql::new("ALTER TABLE ").table(trial).text(" ").trusted(clauses)
}

/// Its end. `TEMPORARY`, so that it can never hit a table that others see.
#[must_use]
pub fn drop(trial: &TableName) -> Sql {
    Sql::new("DROP TEMPORARY TABLE IF EXISTS ").table(trial)
}

/// Columns as SHOW prints them: name, type, collation, nullable, key, default, extra, privileges, comment.
/// information_schema does not list temporary tables.
#[must_use]
pub fn columns(table: &TableName) -> Sql {
    Sql::new("SHOW FULL COLUMNS FROM ").sql(&in_schema(table))
}

/// Keys as SHOW prints them: table, not unique, key, place, column, order, cardinality, prefix, packed, nullable, kind,
/// comment, key's comment, then MySQL 8: visible, expression; MariaDB 10.6: ignored.
#[must_use]
pub fn keys(table: &TableName) -> Sql {
    Sql::new("SHOW INDEX FROM ").sql(&in_schema(table))
}

/// The whole statement that would make it: name, statement.
#[must_use]
pub fn written(table: &TableName) -> Sql {
    Sql::new("SHOW CREATE TABLE ").table(table)
}

fn in_schema(table: &TableName) -> Sql {
    let schema: &Ident = &table.schema;
    Sql::new("").name(&table.table).text(" IN ").name(schema)
}
