//! The same on MySQL, which numbers, compresses and shortens its events in ways of its own.

use driftless::demo::{Cluster, Lines};
use driftless::mysql::MysqlChanges;
use driftless::ports::changes::{Change, Changes};
use driftless::sql::catalog_table::Dialect;
use driftless_strategies::{Flavour, Version};

use crate::ground::{HEARTBEAT, Watched, commits, key, rows, server, statements};
use crate::support::{Newer, PlainServer, mysql_spec};

const MYSQL: Dialect = Dialect { flavour: Flavour::MySql, version: Version::new(9, 0, 0) };

const TYPES: &[(&str, &str)] = &[
    ("TINYINT", "(-128),(-1),(127)"),
    ("MEDIUMINT", "(-8388608),(-1),(8388607)"),
    ("MEDIUMINT UNSIGNED", "(0),(16777215)"),
    ("BIGINT", "(-9223372036854775808),(9223372036854775807)"),
    ("BIGINT UNSIGNED", "(0),(18446744073709551615)"),
    ("DECIMAL(65,30)", "(-1),(0),(12345678901234567890123456789012345.123456789012345678901234567891)"),
    ("DECIMAL(7,2) ZEROFILL", "(1.5),(0.05)"),
    ("DATE", "('0000-00-00'),('2024-00-00'),('9999-12-31')"),
    ("DATETIME(6)", "('2024-01-02 03:04:05.678912'),('0000-00-00')"),
    ("TIMESTAMP(6)", "('2024-06-02 03:04:05.678912'),('2038-01-18 03:14:07')"),
    ("TIME(2)", "('-00:00:00.01'),('838:59:59'),('-12:34:56.78')"),
    ("YEAR", "(0),(1901),(2155)"),
    ("ENUM('x','é')", "('x'),('é')"),
    ("SET('a','b','c')", "(''),('a,c')"),
    ("BIT(64)", "(0),(18446744073709551615)"),
    ("CHAR(64)", "(REPEAT('😀',64)),(''),('a')"),
    ("VARCHAR(300) CHARACTER SET latin1", "('café'),('€')"),
    ("BINARY(16)", "(x'00112233445566778899aabbccddee00'),(x'00')"),
    ("VARBINARY(300)", "(x''),(x'ff00fe00')"),
];

async fn start(tree: std::path::PathBuf, lines: &[&str]) -> (Cluster, PlainServer, u16) {
    let spec = lines.iter().fold(mysql_spec(tree, 1), |spec, line| spec.with(Lines::All, *line));
    let cluster = Cluster::start(spec).await.expect("MySQL");
    let port = cluster.nodes()[0].port;
    let plain = PlainServer::new(port);
    plain.run(&["CREATE DATABASE s"]).await;
    (cluster, plain, port)
}

#[tokio::test]
async fn mysql_is_followed() {
    let Some(tree) = Newer::MySql.tree() else { return };
    let lines = ["gtid_mode=ON", "enforce_gtid_consistency=ON", "default_time_zone=+02:00"];
    let (cluster, plain, port) = start(tree, &lines).await;
    for (index, (definition, values)) in TYPES.iter().enumerate() {
        // Every second one compressed: a whole transaction in one event.
        let compressed = format!("SET SESSION binlog_transaction_compression = {}", index % 2);
        let create = format!("CREATE TABLE s.k{index} (k {definition} NOT NULL, n INT, PRIMARY KEY (k))");
        plain.run(&["SET SESSION sql_mode = ''", &create]).await;
        let watched = Watched::new(server(port, "root", ""), MYSQL, &format!("k{index}")).await;
        let from = watched.position().await;
        let insert = format!("INSERT INTO s.k{index} (k) VALUES {values}");
        plain.run(&["SET SESSION sql_mode = ''", "SET SESSION time_zone = '+05:30'", &compressed, &insert]).await;
        let changes = watched.since(&from).await;
        let mut seen: Vec<_> = rows(&changes).into_iter().map(|(_, after)| after.unwrap()).collect();
        let mut read = watched.keys().await;
        seen.sort_by(|one, other| one.0.cmp(&other.0));
        read.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(seen, read, "{definition}");
        let end = commits(&changes).last().unwrap().clone();
        let executed = plain.run(&["SELECT @@GLOBAL.gtid_executed"]).await[0][0].replace('\n', "");
        assert_eq!(end.gtid, Some(executed), "{definition}");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn mysql_transactions_end_where_they_end() {
    let Some(tree) = Newer::MySql.tree() else { return };
    let (cluster, plain, port) = start(tree, &["binlog_row_value_options=PARTIAL_JSON", "max_binlog_size=8192"]).await;
    plain.run(&["CREATE TABLE s.t (id INT PRIMARY KEY, j JSON, k JSON, v LONGTEXT)"]).await;
    plain.run(&["CREATE TABLE s.other (id INT PRIMARY KEY)"]).await;
    let watched = Watched::new(server(port, "root", ""), MYSQL, "t").await;
    let from = watched.position().await;
    plain
        .run(&[
            r#"INSERT INTO s.t VALUES (1, '{"a": 1, "b": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}', '[1]', 'v')"#,
            "UPDATE s.t SET j = JSON_SET(j, '$.a', 2)",
            "UPDATE s.t SET id = 2, j = JSON_SET(j, '$.a', 3), k = JSON_SET(k, '$[0]', 3)",
            "SET SESSION binlog_transaction_compression = 1",
            "UPDATE s.t SET id = 3, j = JSON_SET(j, '$.a', 4)",
            "INSERT INTO s.t VALUES (9, NULL, NULL, REPEAT('a', 18000000))",
            "BEGIN",
            "INSERT INTO s.t (id) VALUES (4)",
            "SAVEPOINT a",
            "INSERT INTO s.other VALUES (4)",
            "INSERT INTO s.t (id) VALUES (5)",
            "COMMIT",
            "SET SESSION binlog_transaction_compression = 0",
            "XA START 'x'",
            "INSERT INTO s.t (id) VALUES (6)",
            "XA END 'x'",
            "XA PREPARE 'x'",
            "XA COMMIT 'x'",
            "CREATE TABLE s.made AS SELECT id FROM s.t",
            "ALTER TABLE s.t ADD COLUMN w INT, ALGORITHM=INSTANT",
        ])
        .await;
    let changes = watched.since(&from).await;
    let expected = [
        (None, key("1")),
        (key("1"), key("1")),
        (key("1"), key("2")),
        (key("2"), key("3")),
        (None, key("9")),
        (None, key("4")),
        (None, key("5")),
        (None, key("6")),
    ];
    assert_eq!(rows(&changes), expected);
    let places = commits(&changes);
    assert_eq!(places.len(), 10, "{places:?}");
    let told = statements(&changes);
    assert!(told.last().unwrap().contains("ADD COLUMN w"), "{told:?}");
    for place in &places {
        let index =
            changes.iter().position(|change| matches!(change, Change::Committed { at } if at == place)).unwrap();
        let again = watched.since(place).await;
        assert_eq!(rows(&again), rows(&changes[index..]), "from {place}");
    }
    // The rows now lie otherwise than the shape says.
    plain.run(&["INSERT INTO s.t (id) VALUES (70)"]).await;
    let mut source = watched.changes.open(&from).await.unwrap();
    let error = crate::ground::failure(&mut *source).await;
    assert!(error.to_string().contains("not as it was"), "{error}");
    cluster.stop().await;
}

#[tokio::test]
async fn mysql_tells_who_may_not() {
    let Some(tree) = Newer::MySql.tree() else { return };
    let (cluster, plain, port) = start(tree, &[]).await;
    plain.run(&["CREATE TABLE s.t (id INT PRIMARY KEY)", "CREATE USER u@'%' IDENTIFIED BY 'p'"]).await;
    plain.run(&["GRANT SELECT ON *.* TO u@'%'"]).await;
    let watched = Watched::new(server(port, "root", ""), MYSQL, "t").await;
    let from = watched.position().await;
    let limited = || MysqlChanges::new(server(port, "u", "p"), watched.spec.clone(), watched.shape.clone(), HEARTBEAT);
    let error = limited().position().await.unwrap_err();
    assert!(matches!(error, driftless::ports::changes::StreamError::Refused { .. }), "{error}");
    plain.run(&["GRANT REPLICATION CLIENT ON *.* TO u@'%'"]).await;
    let error = limited().open(&from).await.err().expect("no right");
    assert!(matches!(error, driftless::ports::changes::StreamError::Refused { .. }), "{error}");
    plain.run(&["GRANT REPLICATION SLAVE ON *.* TO u@'%'"]).await;
    limited().open(&from).await.map(drop).unwrap();
    cluster.stop().await;
}
