//! Whole schemas from information_schema: one query a kind for many tables, not one a table.
//!
//! MariaDB opens each table for most of what it is asked, and forgets it when more tables than its definition cache holds
//! have been opened since. So all kinds are asked for one part after the other, each small enough to stay in that cache:
//! every table is opened once.

use driftless_strategies::Ident;

use super::Sql;
use super::catalog_table::Dialect;

/// The server's own schemas.
pub const OWN_SCHEMAS: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];

/// Some tables of one schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The schema.
    pub schema: Ident,
    /// Which of its tables.
    pub span: Span,
}

/// Which tables of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// This one.
    One(Ident),
    /// From the first name, up to but without the second, in the order in which the catalog sorts; `None` has no end.
    Range(Option<Ident>, Option<Ident>),
}

impl Part {
    fn on(&self, schema: &'static str, table: &'static str) -> Sql {
        let sql = Sql::new(schema).text(" = ").string(self.schema.as_str());
        let compared =
            |sql: Sql, how: &'static str, name: &Ident| sql.text(" AND ").text(table).text(how).string(name.as_str());
        match &self.span {
            Span::One(name) => compared(sql, " = ", name),
            Span::Range(from, to) => {
                let sql = from.iter().fold(sql, |sql, from| compared(sql, " >= ", from));
                to.iter().fold(sql, |sql, to| compared(sql, " < ", to))
            }
        }
    }
}

/// Lets all warnings of a statement be read, not only the first 64. MariaDB only: MySQL's catalog is a dictionary, which
/// gives none.
#[must_use]
pub fn all_warnings() -> Sql {
    Sql::new("SET SESSION max_error_count = 65535")
}

/// The warnings of the last statement: level, code, text.
#[must_use]
pub fn warnings() -> Sql {
    Sql::new("SHOW WARNINGS")
}

/// How many tables the server keeps open definitions of.
#[must_use]
pub fn definition_cache() -> Sql {
    Sql::new("SELECT @@global.table_definition_cache")
}

/// All schemas: name, character set, collation.
#[must_use]
pub fn schemas() -> Sql {
    Sql::new(
        "SELECT schema_name, default_character_set_name, default_collation_name FROM information_schema.schemata \
         ORDER BY schema_name",
    )
}

/// Names of a schema's tables and views as the catalog sorts them. Opens none of them.
#[must_use]
pub fn names(schema: &Ident) -> Sql {
    Sql::new("SELECT table_name FROM information_schema.tables WHERE table_schema = ")
        .string(schema.as_str())
        .text(" ORDER BY table_name")
}

/// Tables: name, type, engine, row format, collation, options, comment.
#[must_use]
pub fn tables(part: &Part) -> Sql {
    Sql::new(
        "SELECT table_name, table_type, engine, row_format, table_collation, create_options, table_comment \
         FROM information_schema.tables WHERE ",
    )
    .sql(&part.on("table_schema", "table_name"))
}

/// Columns by table in order: table, name, whole type, nullable, default, extra, charset, collation, expression, comment,
/// SRID.
#[must_use]
pub fn columns(dialect: Dialect, part: &Part) -> Sql {
    let srid = if dialect.mysql_since(8, 0, 3) { "srs_id" } else { "NULL" };
    Sql::new(
        "SELECT table_name, column_name, column_type, is_nullable, column_default, extra, character_set_name, \
         collation_name, generation_expression, column_comment, ",
    )
    .text(srid)
    .text(" FROM information_schema.columns WHERE ")
    .sql(&part.on("table_schema", "table_name"))
    .text(" ORDER BY table_name, ordinal_position")
}

/// Key parts by table, key and place: table, key, whether not unique, column, expression, prefix, order, kind, visible,
/// comment.
#[must_use]
pub fn keys(dialect: Dialect, part: &Part) -> Sql {
    let expression = if dialect.mysql_since(8, 0, 13) { "expression" } else { "NULL" };
    Sql::new("SELECT table_name, index_name, non_unique, column_name, ")
        .text(expression)
        .text(", sub_part, collation, index_type, ")
        .text(dialect.key_visible())
        .text(", index_comment FROM information_schema.statistics WHERE ")
        .sql(&part.on("table_schema", "table_name"))
        .text(" ORDER BY table_name, index_name, seq_in_index")
}

/// Check constraints: table, name, clause, whether enforced. `None` where the server has none.
#[must_use]
pub fn checks(dialect: Dialect, part: &Part) -> Option<Sql> {
    if dialect.mysql_since(8, 0, 16) {
        let sql = Sql::new(
            "SELECT tc.table_name, cc.constraint_name, cc.check_clause, tc.enforced \
             FROM information_schema.table_constraints tc JOIN information_schema.check_constraints cc \
             ON cc.constraint_schema = tc.constraint_schema AND cc.constraint_name = tc.constraint_name \
             WHERE tc.constraint_type = 'CHECK' AND ",
        );
        return Some(sql.sql(&part.on("tc.table_schema", "tc.table_name")));
    }
    dialect.mariadb_since(10, 3, 10).then(|| {
        Sql::new(
            "SELECT table_name, constraint_name, check_clause, 'YES' FROM information_schema.check_constraints WHERE ",
        )
        .sql(&part.on("constraint_schema", "table_name"))
    })
}

/// Partitions by table in order: table, name, method, expression, description, subpartition's name, method and
/// expression, comment.
#[must_use]
pub fn partitions(part: &Part) -> Sql {
    Sql::new(
        "SELECT table_name, partition_name, partition_method, partition_expression, partition_description, \
         subpartition_name, subpartition_method, subpartition_expression, partition_comment \
         FROM information_schema.partitions WHERE ",
    )
    .sql(&part.on("table_schema", "table_name"))
    .text(
        " AND partition_name IS NOT NULL ORDER BY table_name, partition_ordinal_position, \
         subpartition_ordinal_position",
    )
}

/// Columns of foreign keys by table, key and place: table, key, column, parent schema, parent, parent's column. Not joined
/// with `foreign_key_rules`: MariaDB would compare each row of one with each of the other.
#[must_use]
pub fn foreign_keys(part: &Part) -> Sql {
    Sql::new(
        "SELECT table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name, \
         referenced_column_name FROM information_schema.key_column_usage WHERE ",
    )
    .sql(&part.on("table_schema", "table_name"))
    .text(" AND referenced_table_name IS NOT NULL ORDER BY table_name, constraint_name, ordinal_position")
}

/// Rules of foreign keys: table, key, ON DELETE, ON UPDATE.
#[must_use]
pub fn foreign_key_rules(part: &Part) -> Sql {
    Sql::new(
        "SELECT table_name, constraint_name, delete_rule, update_rule \
         FROM information_schema.referential_constraints WHERE ",
    )
    .sql(&part.on("constraint_schema", "table_name"))
}

/// All foreign keys from InnoDB's own dictionary, which opens no table, names in the encoding of file names turned into
/// text: id, name, schema, table, parent schema, parent, the rules as InnoDB's bits. `None` on MySQL 8, which does not
/// need it.
#[must_use]
pub fn innodb_foreign_keys(dialect: Dialect) -> Option<Sql> {
    if dialect.mysql_since(8, 0, 0) {
        return None;
    }
    let decoded = |piece: &'static str| {
        Sql::new("CONVERT(CONVERT(CAST(").text(piece).text(" AS BINARY) USING filename) USING utf8)")
    };
    let pieces = [
        "SUBSTRING_INDEX(for_name, '/', 1)",
        "SUBSTRING_INDEX(for_name, '/', -1)",
        "SUBSTRING_INDEX(ref_name, '/', 1)",
        "SUBSTRING_INDEX(ref_name, '/', -1)",
    ];
    let sql = Sql::new("SELECT id, SUBSTR(id, LOCATE('/', id) + 1), ").join(", ", pieces.map(decoded));
    Some(sql.text(", type FROM information_schema.innodb_sys_foreign"))
}

/// Their columns in order: id, column, parent's column.
#[must_use]
pub fn innodb_foreign_columns() -> Sql {
    Sql::new("SELECT id, for_col_name, ref_col_name FROM information_schema.innodb_sys_foreign_cols ORDER BY id, pos")
}

/// Triggers by table: table, name, timing, event, body, sql_mode, definer, place among its like, charset, collation.
#[must_use]
pub fn triggers(part: &Part) -> Sql {
    Sql::new(
        "SELECT event_object_table, trigger_name, action_timing, event_manipulation, action_statement, sql_mode, \
         definer, action_order, character_set_client, collation_connection FROM information_schema.triggers WHERE ",
    )
    .sql(&part.on("event_object_schema", "event_object_table"))
}

/// Views: name, definition, check option, definer, security, charset, collation.
#[must_use]
pub fn views(part: &Part) -> Sql {
    Sql::new(
        "SELECT table_name, view_definition, check_option, definer, security_type, character_set_client, \
         collation_connection FROM information_schema.views WHERE ",
    )
    .sql(&part.on("table_schema", "table_name"))
}

/// Routines of a schema: type, name, returned type, body, deterministic, data access, security, sql_mode, definer,
/// comment, charset, collation, database collation.
#[must_use]
pub fn routines(schema: &Ident) -> Sql {
    Sql::new(
        "SELECT routine_type, routine_name, dtd_identifier, routine_definition, is_deterministic, sql_data_access, \
         security_type, sql_mode, definer, routine_comment, character_set_client, collation_connection, \
         database_collation FROM information_schema.routines WHERE routine_schema = ",
    )
    .string(schema.as_str())
}

/// Their parameters in order: routine's type, its name, mode, parameter, type.
#[must_use]
pub fn parameters(schema: &Ident) -> Sql {
    Sql::new(
        "SELECT routine_type, specific_name, parameter_mode, parameter_name, dtd_identifier \
         FROM information_schema.parameters WHERE specific_schema = ",
    )
    .string(schema.as_str())
    .text(" AND ordinal_position > 0 ORDER BY routine_type, specific_name, ordinal_position")
}

/// Events of a schema: name, body, type, at, every, unit, starts, ends, status, on completion, time zone, sql_mode,
/// definer, comment, charset, collation, database collation.
#[must_use]
pub fn events(schema: &Ident) -> Sql {
    Sql::new(
        "SELECT event_name, event_definition, event_type, execute_at, interval_value, interval_field, starts, ends, \
         status, on_completion, time_zone, sql_mode, definer, event_comment, character_set_client, \
         collation_connection, database_collation FROM information_schema.events WHERE event_schema = ",
    )
    .string(schema.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_name_their_tables() {
        let ident = |text: &str| Ident::new(text).unwrap();
        let part = |span| Part { schema: ident("s"), span }.on("a", "b").as_str().to_owned();
        assert_eq!(part(Span::One(ident("t"))), "a = 's' AND b = 't'");
        assert_eq!(part(Span::Range(None, None)), "a = 's'");
        assert_eq!(part(Span::Range(Some(ident("c")), Some(ident("d")))), "a = 's' AND b >= 'c' AND b < 'd'");
    }
}
