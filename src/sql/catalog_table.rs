//! One table's shape, from information_schema; every name is compared as the server stores it.

use driftless_strategies::TableName;
use driftless_strategies::facts::{Flavour, Version};

use super::Sql;

/// Server family and version, which decide what columns the catalog has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Family.
    pub flavour: Flavour,
    /// Version.
    pub version: Version,
}

impl Dialect {
    pub(super) const fn mysql_since(self, major: u32, minor: u32, patch: u32) -> bool {
        matches!(self.flavour, Flavour::MySql) && self.since(major, minor, patch)
    }

    pub(super) const fn mariadb_since(self, major: u32, minor: u32, patch: u32) -> bool {
        matches!(self.flavour, Flavour::MariaDb) && self.since(major, minor, patch)
    }

    /// Whether a key may be used: YES or NO.
    pub(super) const fn key_visible(self) -> &'static str {
        if self.mysql_since(8, 0, 0) {
            "is_visible"
        } else if self.mariadb_since(10, 6, 0) {
            "IF(ignored = 'YES', 'NO', 'YES')"
        } else {
            "'YES'"
        }
    }

    const fn since(self, major: u32, minor: u32, patch: u32) -> bool {
        let version = self.version;
        if version.major != major {
            return version.major > major;
        }
        if version.minor != minor {
            return version.minor > minor;
        }
        version.patch >= patch
    }
}

/// `schema` = … AND `table` = … over two catalog columns. These two conditions alone make the server open one table
/// instead of all of them.
fn named(schema: &'static str, table: &'static str, name: &TableName) -> Sql {
    Sql::new(schema)
        .text(" = ")
        .string(name.schema.as_str())
        .text(" AND ")
        .text(table)
        .text(" = ")
        .string(name.table.as_str())
}

/// Makes MySQL read sizes from the engine instead of a day-old cache; `None` where there is no such cache.
#[must_use]
pub fn fresh_sizes(dialect: Dialect) -> Option<Sql> {
    dialect.mysql_since(8, 0, 3).then(|| Sql::new("SET SESSION information_schema_stats_expiry = 0"))
}

/// The table itself: stored schema and name, type, engine, row format, collation, options, comment; rows, data bytes,
/// index bytes, average row, next AUTO_INCREMENT value.
#[must_use]
pub fn table(name: &TableName) -> Sql {
    Sql::new(
        "SELECT table_schema, table_name, table_type, engine, row_format, table_collation, create_options, \
         table_comment, table_rows, data_length, index_length, avg_row_length, auto_increment \
         FROM information_schema.tables WHERE ",
    )
    .sql(&named("table_schema", "table_name", name))
}

/// Columns in order: name, type, whole type, nullable, default, extra, charset, collation, expression, comment, SRID.
#[must_use]
pub fn columns(dialect: Dialect, name: &TableName) -> Sql {
    let srid = if dialect.mysql_since(8, 0, 3) { "srs_id" } else { "NULL" };
    Sql::new(
        "SELECT column_name, data_type, column_type, is_nullable, column_default, extra, character_set_name, \
         collation_name, generation_expression, column_comment, ",
    )
    .text(srid)
    .text(" FROM information_schema.columns WHERE ")
    .sql(&named("table_schema", "table_name", name))
    .text(" ORDER BY ordinal_position")
}

/// Key parts by key and place: key, whether not unique, column, expression, prefix, order, kind, visible, comment.
#[must_use]
pub fn keys(dialect: Dialect, name: &TableName) -> Sql {
    let expression = if dialect.mysql_since(8, 0, 13) { "expression" } else { "NULL" };
    Sql::new("SELECT index_name, non_unique, column_name, ")
        .text(expression)
        .text(", sub_part, collation, index_type, ")
        .text(dialect.key_visible())
        .text(", index_comment FROM information_schema.statistics WHERE ")
        .sql(&named("table_schema", "table_name", name))
        .text(" ORDER BY index_name, seq_in_index")
}

/// Foreign keys of the table, a row a column: name, child schema, child, column, parent schema, parent, parent's column,
/// ON DELETE, ON UPDATE.
#[must_use]
pub fn foreign_keys(name: &TableName) -> Sql {
    foreign_key_rows()
        .text(" AND ")
        .sql(&named("rc.constraint_schema", "rc.table_name", name))
        .text(" WHERE ")
        .sql(&named("kcu.table_schema", "kcu.table_name", name))
        .text(" AND kcu.referenced_table_name IS NOT NULL ORDER BY kcu.constraint_name, kcu.ordinal_position")
}

fn foreign_key_rows() -> Sql {
    Sql::new(
        "SELECT kcu.constraint_name, kcu.table_schema, kcu.table_name, kcu.column_name, kcu.referenced_table_schema, \
         kcu.referenced_table_name, kcu.referenced_column_name, rc.delete_rule, rc.update_rule \
         FROM information_schema.key_column_usage kcu JOIN information_schema.referential_constraints rc \
         ON rc.constraint_schema = kcu.constraint_schema AND rc.constraint_name = kcu.constraint_name \
         AND rc.table_name = kcu.table_name",
    )
}

/// Foreign keys that point at the table, the same columns as `foreign_keys`, by way of the standard views. On MySQL 8
/// these are a dictionary; elsewhere the server opens every table for it.
#[must_use]
pub fn referencing(name: &TableName) -> Sql {
    foreign_key_rows()
        .text(" WHERE ")
        .sql(&named("kcu.referenced_table_schema", "kcu.referenced_table_name", name))
        .text(" ORDER BY kcu.table_schema, kcu.table_name, kcu.constraint_name, kcu.ordinal_position")
}

/// Foreign keys that point at the table, from InnoDB's own dictionary, which opens no table: ids and names in the
/// encoding of file names turned into text, columns, and the rules as InnoDB's bits. `None` on MySQL 8, which does not
/// need it.
///
/// Name, child schema, child, column, parent schema, parent, parent's column, bits.
#[must_use]
pub fn referencing_in_innodb(dialect: Dialect, name: &TableName) -> Option<Sql> {
    if dialect.mysql_since(8, 0, 0) {
        return None;
    }
    let part = |value: &str| Sql::new("CONVERT(CONVERT(").string(value).text(" USING filename) USING binary)");
    let decoded = |piece: &'static str| {
        Sql::new("CONVERT(CONVERT(CAST(").text(piece).text(" AS BINARY) USING filename) USING utf8)")
    };
    let sql = Sql::new("SELECT SUBSTR(f.id, LOCATE('/', f.id) + 1), ")
        .sql(&decoded("SUBSTRING_INDEX(f.for_name, '/', 1)"))
        .text(", ")
        .sql(&decoded("SUBSTRING_INDEX(f.for_name, '/', -1)"))
        .text(", c.for_col_name, ")
        .sql(&decoded("SUBSTRING_INDEX(f.ref_name, '/', 1)"))
        .text(", ")
        .sql(&decoded("SUBSTRING_INDEX(f.ref_name, '/', -1)"))
        .text(
            ", c.ref_col_name, f.type FROM information_schema.innodb_sys_foreign f \
             JOIN information_schema.innodb_sys_foreign_cols c ON c.id = f.id WHERE CAST(f.ref_name AS BINARY) = CONCAT(",
        )
        .sql(&part(name.schema.as_str()))
        .text(", '/', ")
        .sql(&part(name.table.as_str()))
        .text(") ORDER BY f.for_name, f.id, c.pos");
    Some(sql)
}

/// Check constraints by name: name, clause, whether enforced. `None` where the server has none.
#[must_use]
pub fn checks(dialect: Dialect, name: &TableName) -> Option<Sql> {
    if dialect.mysql_since(8, 0, 16) {
        let sql = Sql::new(
            "SELECT cc.constraint_name, cc.check_clause, tc.enforced FROM information_schema.table_constraints tc \
             JOIN information_schema.check_constraints cc ON cc.constraint_schema = tc.constraint_schema \
             AND cc.constraint_name = tc.constraint_name WHERE tc.constraint_type = 'CHECK' AND ",
        );
        return Some(sql.sql(&named("tc.table_schema", "tc.table_name", name)));
    }
    dialect.mariadb_since(10, 3, 10).then(|| {
        Sql::new("SELECT constraint_name, check_clause, 'YES' FROM information_schema.check_constraints WHERE ")
            .sql(&named("constraint_schema", "table_name", name))
    })
}

/// Triggers in the order in which they fire: name, timing, event, body, sql_mode, definer.
#[must_use]
pub fn triggers(name: &TableName) -> Sql {
    Sql::new(
        "SELECT trigger_name, action_timing, event_manipulation, action_statement, sql_mode, definer \
         FROM information_schema.triggers WHERE ",
    )
    .sql(&named("event_object_schema", "event_object_table", name))
    .text(" ORDER BY event_manipulation, action_timing, action_order")
}

/// Partitions in order: name, method, expression, description, subpartition's name, method and expression, comment.
#[must_use]
pub fn partitions(name: &TableName) -> Sql {
    Sql::new(
        "SELECT partition_name, partition_method, partition_expression, partition_description, subpartition_name, \
         subpartition_method, subpartition_expression, partition_comment FROM information_schema.partitions WHERE ",
    )
    .sql(&named("table_schema", "table_name", name))
    .text(" AND partition_name IS NOT NULL ORDER BY partition_ordinal_position, subpartition_ordinal_position")
}

/// Names of a schema's tables that begin with an underscore. Asking for nothing but names opens no table.
#[must_use]
pub fn underscored(name: &TableName) -> Sql {
    Sql::new("SELECT table_name FROM information_schema.tables WHERE table_schema = ")
        .string(name.schema.as_str())
        .text(" AND table_name LIKE '\\_%' ORDER BY table_name")
}
