//! Foreign keys in both directions, from rows of the catalog.

use driftless_strategies::shape::Rule;
use driftless_strategies::{ForeignKey, TableName};

use crate::error::Fault;
use crate::ports::server::{ErrorKind, Row, Session};
use crate::sql::catalog_table::{self, Dialect};

use super::session::{name, text};

/// Foreign keys from rows of one column each: name, child schema, child, column, parent schema, parent, parent's column,
/// and the rules, which `rules` reads; sorted by child and name.
pub(crate) fn foreign_keys(rows: &[Row], rules: fn(&Row) -> (Rule, Rule)) -> Result<Vec<ForeignKey>, Fault> {
    let mut keys: Vec<ForeignKey> = Vec::new();
    for row in rows {
        let (constraint, schema, table) = (name(row, 0)?, name(row, 1)?, name(row, 2)?);
        let (column, parent) = (name(row, 3)?, name(row, 6)?);
        let known = keys.iter_mut().find(|key| key.name == constraint && key.schema == schema && key.table == table);
        if let Some(key) = known {
            key.columns.push(column);
            key.parent_columns.push(parent);
            continue;
        }
        let (on_delete, on_update) = rules(row);
        keys.push(ForeignKey {
            name: constraint,
            schema,
            table,
            columns: vec![column],
            parent_schema: name(row, 4)?,
            parent_table: name(row, 5)?,
            parent_columns: vec![parent],
            on_delete,
            on_update,
        });
    }
    keys.sort_by(|one, other| (&one.schema, &one.table, &one.name).cmp(&(&other.schema, &other.table, &other.name)));
    Ok(keys)
}

/// The rules as the standard views print them.
pub(crate) fn printed_rules(row: &Row) -> (Rule, Rule) {
    (text(row, 7), text(row, 8))
}

/// The rules as InnoDB's bits.
pub(crate) fn innodb_rules(row: &Row) -> (Rule, Rule) {
    rules_of(row.u64(7).unwrap_or(0))
}

/// ON DELETE and ON UPDATE in words, from InnoDB's bits.
///
/// # Source
/// `dict_foreign_t::type` in `storage/innobase/include/dict0mem.h`; printed as the standard views do.
pub(crate) fn rules_of(bits: u64) -> (Rule, Rule) {
    let rule = |cascade: u64, set_null: u64, no_action: u64| {
        let word = if bits & cascade != 0 {
            "CASCADE"
        } else if bits & set_null != 0 {
            "SET NULL"
        } else if bits & no_action != 0 {
            "NO ACTION"
        } else {
            "RESTRICT"
        };
        word.to_owned()
    };
    (rule(1, 2, 16), rule(4, 8, 32))
}

/// Foreign keys that point at the table. Where InnoDB's dictionary must not be read (no PROCESS) the standard views
/// answer, which costs an opening of every table.
pub(crate) async fn referencing(
    session: &mut dyn Session,
    dialect: Dialect,
    table: &TableName,
) -> Result<Vec<ForeignKey>, Fault> {
    if let Some(sql) = catalog_table::referencing_in_innodb(dialect, table) {
        match session.query(&sql).await {
            Ok(rows) => return foreign_keys(&rows, innodb_rules),
            Err(error) if error.kind == ErrorKind::Denied => {}
            Err(error) => return Err(error.into()),
        }
    }
    let rows = session.query(&catalog_table::referencing(table)).await?;
    foreign_keys(&rows, printed_rules)
}
