//! Names that break careless tools must work from end to end.

use crate::child::{on, prepare};
use crate::support::shared;
use driftless_strategies::{Ident, TableName};

#[tokio::test]
async fn odd_names_work_from_plan_to_cleanup() {
    let test = shared().await;
    let long = "n".repeat(64);
    let wide = "列".repeat(64);
    let ticks = "`".repeat(20);
    //  schema           table              column          why
    let cases = [
        ("pl`ain 1", long.as_str(), "id", "64 characters"),
        ("sché.ma", "表表表表表表表表表表表表", wide.as_str(), "utf8mb4, dots, 64 wide characters"),
        ("sel%ect_", "select", "order", "reserved words, wildcards of GRANT"),
        ("-- x", ticks.as_str(), "c`o.l m", "comments, backticks, blanks"),
        ("S'q\"\\", " lead'\"\\", "o'r\"\\x", "quotes and backslashes"),
        ("MixedCase", "Ünïcode#?{}%s", "#ID?", "case, signs of other languages"),
    ];
    for (schema, table, column, why) in cases {
        let ident = |text: &str| Ident::new(text).unwrap();
        let name = TableName::new(ident(schema), ident(table));
        let (quoted, key) = (name.quoted(), ident(column).quoted());
        let cut: String = column.chars().take(60).collect();
        let (value, renamed) = (ident(&format!("{cut}2")).quoted(), ident(&format!("{cut}3")).quoted());
        prepare(
            &test,
            &[
                &format!("CREATE SCHEMA {}", name.schema.quoted()),
                &format!("CREATE TABLE {quoted} ({key} INT PRIMARY KEY, {value} VARCHAR(20) NOT NULL DEFAULT 'x')"),
                &format!("INSERT INTO {quoted} ({key}, {value}) VALUES (1, 'a'), (2, 'b')"),
            ],
        )
        .await;
        let alter = format!("ADD `{}` INT DEFAULT 7, CHANGE {value} {renamed} VARCHAR(30) NOT NULL", "d".repeat(64));
        let planned = on(&test, "plan", &["--format", "json", "--table", &quoted, "--alter", &alter]).await;
        planned.must(0, &[], why);
        on(&test, "run", &["--yes", "--table", &quoted, "--alter", &alter]).await.must(0, &["proven equal"], why);
        let read = format!("SELECT {key}, {renamed}, `{}` FROM {quoted} ORDER BY 1", "d".repeat(64));
        for node in 0..3 {
            let rows = test.plain(node).run(&["SET SESSION wsrep_sync_wait = 15", &read]).await;
            assert_eq!(rows, [["1", "a", "7"], ["2", "b", "7"]], "{why}, node {node}");
        }
        // A whole statement names the table as well as --table does.
        let statement = format!("ALTER TABLE {quoted} DROP COLUMN {renamed}");
        on(&test, "run", &["--yes", "--alter", &statement]).await.must(0, &["proven equal"], why);
        on(&test, "status", &["--all"]).await.must(0, &["done"], why);
        on(&test, "cleanup", &[]).await.must(0, &[], why);
        let text = schema.replace('\\', "\\\\").replace('\'', "''");
        let tables = format!("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{text}'");
        assert_eq!(test.plain(0).run(&[&tables]).await, [[table]], "{why}: something is left");
        prepare(&test, &[&format!("DROP SCHEMA {}", name.schema.quoted())]).await;
    }
}
