//! The demo's table, its data, its writers' statements and its proof.
//!
//! Every column but `id` and `revision` is a function of these two, so that any wrong value in any row is seen.

use driftless_strategies::{Ident, TableName};

use super::Sql;

/// What the demo changes when nothing else is asked for: a new column, a wider number, a new key.
pub const ALTER: &str = "ADD COLUMN channel VARCHAR(20) NOT NULL DEFAULT 'web', MODIFY total DECIMAL(16,4) NOT NULL, ADD KEY by_reference (reference)";

/// How a node sees itself; empty values without Galera.
#[must_use]
pub fn node_view() -> Sql {
    Sql::new(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_state_comment', 'wsrep_cluster_size', 'wsrep_provider_name')",
    )
}

/// An account for TCP connections of this machine to a server that has `root` at `localhost` only; a file's text, one
/// statement a line.
#[must_use]
pub fn local_root() -> Sql {
    Sql::new(
        "CREATE USER root@'127.0.0.1' IDENTIFIED BY '';\nGRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n",
    )
}

/// Makes the schema.
#[must_use]
pub fn create_schema(table: &TableName) -> Sql {
    Sql::new("CREATE SCHEMA IF NOT EXISTS ").name(&table.schema)
}

/// Makes the table.
#[must_use]
pub fn create_table(table: &TableName) -> Sql {
    Sql::new("CREATE TABLE ").table(table).text(
        " (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, \
         revision BIGINT UNSIGNED NOT NULL, \
         customer INT UNSIGNED NOT NULL, \
         status ENUM('new','paid','sent','done') NOT NULL, \
         total DECIMAL(12,2) NOT NULL, \
         placed_at DATETIME(6) NOT NULL, \
         reference VARCHAR(60) NOT NULL, \
         note TEXT NULL, \
         payload VARBINARY(64) NOT NULL, \
         weight DOUBLE NOT NULL, \
         PRIMARY KEY (id), KEY by_customer (customer, placed_at)) \
         ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
    )
}

/// Most rows that `load` makes.
pub const LOADED_AT_ONCE: u64 = 20_000;

/// Loads the rows with numbers `from..=to`; an id is `stride` times its number. Numbers come from digits, which every
/// server can multiply.
#[must_use]
pub fn load(table: &TableName, from: u64, to: u64, stride: u64) -> Sql {
    const DIGIT: &str = "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
                         UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) AS ";
    let key = || Sql::new("s.id");
    let number = || Sql::new("(").number(from).text(" + a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n)");
    let digits = ["a", "b", "c", "d"].iter().map(|name| Sql::new(DIGIT).text(name));
    let ids = Sql::new("(SELECT ")
        .sql(&number())
        .text(" * ")
        .number(stride)
        .text(" AS id FROM ")
        .join(", ", digits)
        .text(", (SELECT 0 AS n UNION ALL SELECT 1) AS e WHERE ")
        .sql(&number())
        .text(" <= ")
        .number(to)
        .text(" ORDER BY 1");
    Sql::new("INSERT INTO ")
        .table(table)
        .text(" (id, revision, ")
        .join(", ", names())
        .text(") SELECT s.id, 0, ")
        .join(", ", values(&key()))
        .text(" FROM ")
        .sql(&ids)
        .text(") AS s")
}

/// Writes a new row.
#[must_use]
pub fn insert(table: &TableName, id: u64, revision: u64) -> Sql {
    Sql::new("INSERT INTO ")
        .table(table)
        .text(" (id, revision, ")
        .join(", ", names())
        .text(") VALUES (")
        .number(id)
        .text(", ")
        .number(revision)
        .text(", ")
        .join(", ", values(&literal(id, revision)))
        .text(")")
}

/// Gives the row under `old` a new revision, and another id when `new` differs.
#[must_use]
pub fn update(table: &TableName, old: u64, new: u64, revision: u64) -> Sql {
    let start = Sql::new("UPDATE ").table(table).text(" SET revision = ").number(revision);
    let start = if old == new { start } else { start.text(", id = ").number(new) };
    let pairs = names().zip(values(&literal(new, revision))).map(|(name, value)| name.text(" = ").sql(&value));
    start.text(", ").join(", ", pairs).text(" WHERE id = ").number(old)
}

/// Removes a row.
#[must_use]
pub fn delete(table: &TableName, id: u64) -> Sql {
    Sql::new("DELETE FROM ").table(table).text(" WHERE id = ").number(id)
}

/// Opens a transaction.
#[must_use]
pub fn begin() -> Sql {
    Sql::new("START TRANSACTION")
}

/// Commits it.
#[must_use]
pub fn commit() -> Sql {
    Sql::new("COMMIT")
}

/// Gives it up.
#[must_use]
pub fn rollback() -> Sql {
    Sql::new("ROLLBACK")
}

/// Lets every read of this session wait until the node has applied what the cluster had committed before.
#[must_use]
pub fn read_causally() -> Sql {
    Sql::new("SET SESSION wsrep_sync_wait = 15")
}

/// A read that waits, when reads are causal.
#[must_use]
pub fn look() -> Sql {
    Sql::new("SELECT 1")
}

/// Takes `read_causally` back.
#[must_use]
pub fn read_freely() -> Sql {
    Sql::new("SET SESSION wsrep_sync_wait = 0")
}

/// The names of the table's columns, in order.
#[must_use]
pub fn columns(table: &TableName) -> Sql {
    Sql::new("SELECT column_name FROM information_schema.columns WHERE table_schema = ")
        .string(table.schema.as_str())
        .text(" AND table_name = ")
        .string(table.table.as_str())
        .text(" ORDER BY ordinal_position")
}

/// Number of rows and a sum over all rows of half a SHA-224 over all columns, in which lengths keep values apart. A sum,
/// not an XOR of CRCs: that is blind to values swapped between rows.
#[must_use]
pub fn node_sum(table: &TableName, columns: &[Ident]) -> Sql {
    let pieces = columns.iter().map(|column| {
        let length = Sql::new("IFNULL(CONCAT(LENGTH(").name(column).text("), ':', CAST(");
        length.name(column).text(" AS BINARY)), 'N')")
    });
    Sql::new("SELECT COUNT(*), SUM(CAST(CONV(LEFT(SHA2(CONCAT(")
        .join(", ", pieces)
        .text("), 224), 15), 16, 10) AS UNSIGNED)) FROM ")
        .table(table)
}

/// Ids and revisions of the rows after an id, in order, at most `limit`.
#[must_use]
pub fn revisions(table: &TableName, after: u64, limit: u64) -> Sql {
    Sql::new("SELECT id, revision FROM ")
        .table(table)
        .text(" FORCE INDEX (PRIMARY) WHERE id > ")
        .number(after)
        .text(" ORDER BY id LIMIT ")
        .number(limit)
}

/// Ids of rows in which one of these columns is not what id and revision say, at most `limit`. Columns that the demo
/// did not make are not looked at.
#[must_use]
pub fn wrong_values(table: &TableName, columns: &[Ident], limit: u64) -> Sql {
    let key = Sql::new("(id + revision * 131)");
    let made = COLUMNS.iter().filter(|(name, _)| columns.iter().any(|column| column.as_str() == *name));
    let tests = made.map(|(name, value)| match *name {
        // As bytes: a collation takes 'a' for 'A'.
        "status" | "reference" | "note" => {
            Sql::new("CAST(").text(name).text(" AS BINARY) <=> CAST(").sql(&value(&key)).text(" AS BINARY)")
        }
        _ => Sql::new("").text(name).text(" <=> ").sql(&value(&key)),
    });
    Sql::new("SELECT id FROM ")
        .table(table)
        .text(" WHERE NOT (TRUE AND ")
        .join(" AND ", tests.chain([Sql::new("TRUE")]))
        .text(") LIMIT ")
        .number(limit)
}

type Value = fn(&Sql) -> Sql;

/// Each column with its value for a key, which is `id + revision * 131`.
const COLUMNS: [(&str, Value); 8] = [
    ("customer", |key| key.clone().text(" % 50021")),
    ("status", |key| Sql::new("ELT(1 + ").sql(key).text(" % 4, 'new', 'paid', 'sent', 'done')")),
    ("total", |key| Sql::new("CAST((").sql(key).text(" % 1000003) / 100 AS DECIMAL(12,2))")),
    ("placed_at", |key| {
        let day = Sql::new("CAST('2026-01-01' AS DATETIME(6)) + INTERVAL ").sql(key).text(" % 31000000 SECOND");
        day.text(" + INTERVAL ").sql(key).text(" % 1000000 MICROSECOND")
    }),
    ("reference", |key| Sql::new("CONCAT('ref-', LOWER(HEX(").sql(key).text(")))")),
    ("note", |key| {
        let some = Sql::new("CONCAT('note ', ").sql(key).text(", CONVERT(x'20F09F93A6' USING utf8mb4))");
        Sql::new("IF(").sql(key).text(" % 7 = 0, NULL, ").sql(&some).text(")")
    }),
    ("payload", |key| Sql::new("UNHEX(SHA2(").sql(key).text(", 224))")),
    ("weight", |key| Sql::new("CAST(").sql(key).text(" AS DOUBLE) / 8")),
];

fn names() -> impl Iterator<Item = Sql> {
    COLUMNS.iter().map(|(name, _)| Sql::new(name))
}

fn values(key: &Sql) -> Vec<Sql> {
    COLUMNS.iter().map(|(_, value)| value(key)).collect()
}

fn literal(id: u64, revision: u64) -> Sql {
    Sql::new("").number(id + revision * 131)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> TableName {
        TableName::parse("shop.orders").unwrap()
    }

    #[test]
    fn a_write_names_its_row_and_all_columns() {
        let update = update(&orders(), 4, 9, 2);
        assert!(
            update.as_str().starts_with("UPDATE `shop`.`orders` SET revision = 2, id = 9, customer = 271 % 50021, ")
        );
        assert!(update.as_str().ends_with(" WHERE id = 4"));
        assert!(!super::update(&orders(), 4, 4, 2).as_str().contains("id = 4,"), "the key stays out when it stays");
        let insert = insert(&orders(), 9, 0);
        for (name, _) in COLUMNS {
            assert!(insert.as_str().contains(name) && update.as_str().contains(name), "{name}");
        }
    }

    #[test]
    fn only_columns_that_are_there_are_looked_at() {
        let all: Vec<Ident> = COLUMNS.iter().map(|(name, _)| Ident::new(*name).unwrap()).collect();
        assert!(wrong_values(&orders(), &all, 5).as_str().contains("weight <=> "));
        assert!(!wrong_values(&orders(), &all[..3], 5).as_str().contains("weight"));
        assert!(wrong_values(&orders(), &[], 5).as_str().contains("NOT (TRUE AND TRUE)"), "nothing left to look at");
    }
}
