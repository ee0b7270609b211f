//! Shadow, switch and drop.

use driftless_strategies::plan::{CopySpec, ForeignKeyStep};
use driftless_strategies::shape::{ForeignKey, Key, KeyKind};
use driftless_strategies::{Algorithm, Flavour, Ident, Lock, TableName, TableShape};

use super::Sql;
use super::repair::key_clauses;
use crate::ports::journal::JobId;

/// Makes the shadow like the source, empty; foreign keys and triggers are not copied by the server.
#[must_use]
pub fn create_shadow(spec: &CopySpec) -> Sql {
    Sql::new("CREATE TABLE ").table(&spec.shadow).text(" LIKE ").table(&spec.source)
}

/// Applies the user's clauses to the empty shadow.
#[must_use]
pub fn alter_shadow(spec: &CopySpec, alter: &str) -> Sql {
    Sql::new("ALTER TABLE ").table(&spec.shadow).text(" ").trusted(alter)
}

/// Changes the table itself, in no other way than the one that is named.
#[must_use]
pub fn alter_directly(table: &TableName, alter: &str, algorithm: Algorithm, lock: Lock) -> Sql {
    let sql = Sql::new("ALTER TABLE ").table(table).text(" ").trusted(alter);
    sql.text(", ALGORITHM=").text(algorithm.as_str()).text(", LOCK=").text(lock.as_str())
}

/// The same on one node alone: neither sent to the others nor written into its binlog.
#[must_use]
pub fn alone() -> [Sql; 2] {
    [Sql::new("SET SESSION wsrep_OSU_method = 'RSU'"), Sql::new("SET SESSION sql_log_bin = 0")]
}

/// Lets the next ALTER hold up only its own table.
#[must_use]
pub fn non_blocking() -> Sql {
    Sql::new("SET SESSION wsrep_OSU_method = 'NBO'")
}

/// Lets the next ALTER be ordered like any other.
#[must_use]
pub fn total_order() -> Sql {
    Sql::new("SET SESSION wsrep_OSU_method = 'TOI'")
}

/// The clauses that make a table's plain keys `wanted` again; empty when they are. Other keys are left as they are.
#[must_use]
pub fn keys_back(has: &TableShape, wanted: &TableShape, flavour: Flavour) -> String {
    let plain = |table: &TableShape| -> Vec<Key> {
        table.keys.iter().filter(|key| key.kind == KeyKind::Plain).cloned().collect()
    };
    let clauses = key_clauses(&plain(has), &plain(wanted), flavour);
    Sql::new("").join(", ", clauses).as_str().to_owned()
}

/// Sessions that work on one of these statements, to the letter.
#[must_use]
pub fn working_on(statements: &[&Sql]) -> Sql {
    Sql::new("SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND INFO IN (")
        .join(", ", statements.iter().map(|sql| Sql::new("").string(sql.as_str())))
        .text(")")
}

/// Sessions that carry out DDL for that table at this moment, appliers included.
#[must_use]
pub fn altering(table: &TableName) -> Sql {
    // Not by COMMAND: appliers are said to sleep while they work.
    Sql::new("SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND (INFO LIKE 'ALTER %' OR INFO LIKE ")
        .text("'BEGIN NOT ATOMIC %') AND LOCATE(")
        .string(&table.quoted())
        .text(", INFO) > 0")
}

/// Gives the shadow the source's foreign keys, under their interim names.
///
/// `CREATE TABLE … LIKE` copies an index that the server made for a foreign key as one that the next `ADD CONSTRAINT`
/// may replace by one of another name (MariaDB 10.11, our own test); an index that is made in the same statement stays.
#[must_use]
pub fn add_foreign_keys(spec: &CopySpec, steps: &[ForeignKeyStep], flavour: Flavour) -> Sql {
    let indexes = spec.target.keys.iter().filter(|key| {
        let columns: Option<Vec<&Ident>> = key.parts.iter().map(|part| part.column.as_ref()).collect();
        key.kind == KeyKind::Plain
            && key.parts.iter().all(|part| part.prefix.is_none() && !part.descending)
            && columns.is_some_and(|columns| steps.iter().any(|step| same_columns(&columns, &step.definition.columns)))
    });
    let kept = indexes.flat_map(|key| {
        let columns = key.parts.iter().filter_map(|part| part.column.as_ref()).map(|column| Sql::new("").name(column));
        [
            Sql::new("DROP KEY ").name(&key.name),
            Sql::new("ADD KEY ").name(&key.name).text(" (").join(", ", columns).text(")"),
        ]
    });
    let adds = steps.iter().map(|step| add_foreign_key(&step.interim, &step.definition, flavour));
    Sql::new("ALTER TABLE ").table(&spec.shadow).text(" ").join(", ", kept.chain(adds))
}

fn same_columns(index: &[&Ident], key: &[Ident]) -> bool {
    index.len() == key.len() && index.iter().zip(key).all(|(one, other)| one.same(other))
}

/// The clause that makes a foreign key.
pub(super) fn add_foreign_key(name: &Ident, key: &ForeignKey, flavour: Flavour) -> Sql {
    let parent = TableName::new(key.parent_schema.clone(), key.parent_table.clone());
    Sql::new("ADD CONSTRAINT ")
        .name(name)
        .text(" FOREIGN KEY (")
        .join(", ", key.columns.iter().map(|column| Sql::new("").name(column)))
        .text(") REFERENCES ")
        .table(&parent)
        .text(" (")
        .join(", ", key.parent_columns.iter().map(|column| Sql::new("").name(column)))
        .text(")")
        .sql(&rule(" ON DELETE ", &key.on_delete, flavour))
        .sql(&rule(" ON UPDATE ", &key.on_update, flavour))
}

/// A referential action, by the words that information_schema prints.
///
/// On MariaDB RESTRICT is what a key without the clause has, and what an in-place ALTER makes NO ACTION of when it is
/// written out (10.11, our own test).
fn rule(event: &'static str, text: &str, flavour: Flavour) -> Sql {
    let action = match text.to_ascii_uppercase().as_str() {
        "CASCADE" => "CASCADE",
        "SET NULL" => "SET NULL",
        "SET DEFAULT" => "SET DEFAULT",
        "NO ACTION" => "NO ACTION",
        _ if flavour == Flavour::MariaDb => return Sql::new(""),
        _ => "RESTRICT",
    };
    Sql::new(event).text(action)
}

/// Takes the foreign keys off the retired table, so that their names are free and parents are not held.
#[must_use]
pub fn drop_foreign_keys(table: &TableName, steps: &[ForeignKeyStep]) -> Sql {
    let drops = steps.iter().map(|step| Sql::new("DROP FOREIGN KEY ").name(&step.name));
    Sql::new("ALTER TABLE ").table(table).text(" ").join(", ", drops)
}

/// Gives the foreign keys their names back: metadata only, because `foreign_key_checks` is off.
#[must_use]
pub fn rename_foreign_keys(table: &TableName, steps: &[ForeignKeyStep], flavour: Flavour) -> Sql {
    let swaps = steps.iter().flat_map(|step| {
        [Sql::new("DROP FOREIGN KEY ").name(&step.interim), add_foreign_key(&step.name, &step.definition, flavour)]
    });
    Sql::new("ALTER TABLE ").table(table).text(" ").join(", ", swaps).text(", ALGORITHM=INPLACE, LOCK=NONE")
}

/// Whether foreign keys are checked in this session.
#[must_use]
pub fn foreign_key_checks(on: bool) -> Sql {
    Sql::new("SET SESSION foreign_key_checks = ").number(on.into())
}

/// The switch: one statement, atomic on every node.
#[must_use]
pub fn switch(spec: &CopySpec) -> Sql {
    Sql::new("RENAME TABLE ")
        .table(&spec.source)
        .text(" TO ")
        .table(&spec.retired)
        .text(", ")
        .table(&spec.shadow)
        .text(" TO ")
        .table(&spec.source)
}

/// Renames a table to a free name and back, at once: its files are written anew, nobody sees it under the other name.
#[must_use]
pub fn rename_there_and_back(table: &TableName, spare: &TableName) -> Sql {
    let step = |from: &TableName, to: &TableName| Sql::new("").table(from).text(" TO ").table(to);
    Sql::new("RENAME TABLE ").sql(&step(table, spare)).text(", ").sql(&step(spare, table))
}

/// The statement, run only while that holder has the job's lease: a process that was stopped and wakes up when another
/// has taken the job must neither switch nor drop. The server checks and acts at once; only MariaDB can do that, elsewhere
/// the statement stands alone.
#[must_use]
pub fn by_holder(statement: &Sql, job: &JobId, token: u64, flavour: Flavour) -> Sql {
    match flavour {
        Flavour::MySql => statement.clone(),
        Flavour::MariaDb => Sql::new("BEGIN NOT ATOMIC IF (SELECT COUNT(*) FROM `driftless`.`job` WHERE id = ")
            .string(&job.0)
            .text(" AND token = ")
            .number(token)
            .text(") = 1 THEN ")
            .sql(statement)
            .text("; ELSE SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'another process has taken the job'; END IF; END"),
    }
}

/// Closes a table on this server alone; who uses it next reads its triggers anew.
#[must_use]
pub fn close_table(table: &TableName) -> Sql {
    Sql::new("FLUSH LOCAL TABLES ").table(table)
}

/// Drops a table; its triggers go with it.
#[must_use]
pub fn drop_table(table: &TableName) -> Sql {
    Sql::new("DROP TABLE IF EXISTS ").table(table)
}

/// Which of the three names are tables, one row each, compared without case; and whether the server tells cases apart (0).
#[must_use]
pub fn standing(spec: &CopySpec) -> Sql {
    Sql::new("SELECT TABLE_NAME, @@lower_case_table_names FROM information_schema.TABLES WHERE TABLE_SCHEMA = ")
        .string(spec.source.schema.as_str())
        .text(" AND TABLE_NAME IN (")
        .join(", ", [&spec.source, &spec.shadow, &spec.retired].map(|name| Sql::new("").string(name.table.as_str())))
        .text(")")
}

/// How many warnings the last statement left.
#[must_use]
pub fn warnings() -> Sql {
    Sql::new("SHOW COUNT(*) WARNINGS")
}

/// Names of the foreign keys that a table has.
#[must_use]
pub fn foreign_key_names(table: &TableName) -> Sql {
    Sql::new(
        "SELECT CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS \
         WHERE CONSTRAINT_TYPE = 'FOREIGN KEY' AND TABLE_SCHEMA = ",
    )
    .string(table.schema.as_str())
    .text(" AND TABLE_NAME = ")
    .string(table.table.as_str())
}

/// Fresh statistics for the new table on this node only.
#[must_use]
pub fn analyze_locally(table: &TableName) -> Sql {
    Sql::new("ANALYZE NO_WRITE_TO_BINLOG TABLE ").table(table)
}

/// The next value that the table's AUTO_INCREMENT column would get; NULL without one.
#[must_use]
pub fn auto_increment(table: &TableName) -> Sql {
    Sql::new("SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = ")
        .string(table.schema.as_str())
        .text(" AND TABLE_NAME = ")
        .string(table.table.as_str())
}

/// Sets the counter of an empty table.
#[must_use]
pub fn set_auto_increment(table: &TableName, next: u64) -> Sql {
    Sql::new("ALTER TABLE ").table(table).text(" AUTO_INCREMENT = ").number(next)
}

/// One row when the table has any.
#[must_use]
pub fn any_row(table: &TableName) -> Sql {
    Sql::new("SELECT 1 FROM ").table(table).text(" LIMIT 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_nobody_wrote_is_not_written() {
        let ident = |text: &str| Ident::new(text).unwrap();
        let definition = |on_delete: &str, on_update: &str| ForeignKey {
            name: ident("fk"),
            schema: ident("s"),
            table: ident("t"),
            columns: vec![ident("a")],
            parent_schema: ident("s"),
            parent_table: ident("p"),
            parent_columns: vec![ident("id")],
            on_delete: on_delete.into(),
            on_update: on_update.into(),
        };
        //  delete       update       server             the end of the statement
        let cases = [
            ("RESTRICT", "RESTRICT", Flavour::MariaDb, "(`id`)"),
            ("NO ACTION", "RESTRICT", Flavour::MariaDb, "(`id`) ON DELETE NO ACTION"),
            ("CASCADE", "SET NULL", Flavour::MariaDb, "(`id`) ON DELETE CASCADE ON UPDATE SET NULL"),
            ("RESTRICT", "NO ACTION", Flavour::MySql, "(`id`) ON DELETE RESTRICT ON UPDATE NO ACTION"),
        ];
        for (on_delete, on_update, flavour, end) in cases {
            let sql = add_foreign_key(&ident("fk"), &definition(on_delete, on_update), flavour);
            assert!(sql.as_str().ends_with(end), "{on_delete} {on_update} {flavour:?}: {}", sql.as_str());
        }
    }
}
