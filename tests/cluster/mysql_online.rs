//! What `strategies/online.rs` says of MySQL, against the server itself: every kind of change, with each algorithm.

use std::time::Duration;

use driftless::inspect::{dry_run, read_table};
use driftless::ports::server::Server as _;
use driftless::sql::catalog_table::Dialect;
use driftless_strategies::Flavour;
use driftless_strategies::facts::DryRun;
use driftless_strategies::online::{Algorithm, fastest};
use mysql_async::prelude::Queryable as _;

use crate::prove_toi::{RUN, done};
use crate::support::{Call, TestMysql, bounded, mysql};

const LIMIT: Duration = Duration::from_secs(240);

const TABLE: &str = "(id INT PRIMARY KEY, a INT, b VARCHAR(50) CHARACTER SET utf8mb4, \
    c VARCHAR(100) CHARACTER SET utf8mb4, e ENUM('x','y'), s SET('x','y'), d INT, f INT NOT NULL, g INT, \
    l VARCHAR(10) CHARACTER SET utf8mb3, KEY ka (a), KEY kc (c))";

/// What the facts must know exactly; of anything else they may only say too little.
const KNOWN: &[(&str, Algorithm)] = &[
    ("ADD COLUMN z INT", Algorithm::Instant),
    ("ADD COLUMN z INT FIRST", Algorithm::Instant),
    ("ADD z1 VARCHAR(10) NOT NULL DEFAULT 'x' AFTER a, ADD z2 DATETIME(3) FIRST", Algorithm::Instant),
    ("ADD COLUMN z JSON, ADD COLUMN z2 VECTOR(3)", Algorithm::Instant),
    ("DROP COLUMN s", Algorithm::Instant),
    ("DROP COLUMN d, ADD COLUMN z INT", Algorithm::Instant),
    ("DROP COLUMN a", Algorithm::Inplace),
    ("RENAME COLUMN b TO bb", Algorithm::Instant),
    ("RENAME COLUMN a TO aa, ADD COLUMN z INT", Algorithm::Instant),
    ("CHANGE b bb VARCHAR(60) CHARACTER SET utf8mb4", Algorithm::Inplace),
    ("MODIFY e ENUM('x','y','z')", Algorithm::Instant),
    ("MODIFY s SET('x','y','z')", Algorithm::Instant),
    ("MODIFY e ENUM('y','x')", Algorithm::Copy),
    ("ALTER COLUMN a SET DEFAULT 7", Algorithm::Instant),
    ("MODIFY b VARCHAR(50) CHARACTER SET utf8mb4 DEFAULT 'q' COMMENT 'hi'", Algorithm::Instant),
    ("ALTER COLUMN b SET INVISIBLE", Algorithm::Instant),
    ("MODIFY b VARCHAR(50) CHARACTER SET utf8mb4 FIRST", Algorithm::Inplace),
    ("MODIFY b VARCHAR(63) CHARACTER SET utf8mb4", Algorithm::Inplace),
    ("MODIFY b VARCHAR(64) CHARACTER SET utf8mb4", Algorithm::Copy),
    ("MODIFY c VARCHAR(200) CHARACTER SET utf8mb4", Algorithm::Inplace),
    ("MODIFY d BIGINT", Algorithm::Copy),
    ("MODIFY f INT NULL", Algorithm::Inplace),
    ("ADD KEY kb (b DESC)", Algorithm::Inplace),
    ("DROP KEY ka, ADD KEY ka (a, d)", Algorithm::Inplace),
    ("RENAME KEY ka TO kaa", Algorithm::Inplace),
    ("ALTER INDEX ka INVISIBLE", Algorithm::Inplace),
    ("ADD COLUMN q INT NOT NULL DEFAULT 7 FIRST, ADD KEY kq (q)", Algorithm::Inplace),
    ("MODIFY d INT DEFAULT 3 AFTER id, ADD KEY k2 (d, e)", Algorithm::Inplace),
];

const OTHERS: &[&str] = &[
    "ADD COLUMN z INT INVISIBLE",
    "ADD COLUMN z DATETIME DEFAULT CURRENT_TIMESTAMP",
    "ADD COLUMN z INT DEFAULT (7)",
    "ADD COLUMN z POINT SRID 4326",
    "ADD COLUMN z INT AS (d + 1) VIRTUAL",
    "ADD COLUMN z INT AS (d + 1) STORED",
    "ALTER COLUMN a SET DEFAULT (1 + 1)",
    "MODIFY b VARCHAR(40) CHARACTER SET utf8mb4",
    "MODIFY l VARCHAR(10) CHARACTER SET utf8mb4",
    "MODIFY d INT NOT NULL",
    "MODIFY id INT UNSIGNED",
    "ADD KEY kb ((d + 1))",
    "ADD UNIQUE KEY ub (b)",
    "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "DROP PRIMARY KEY, ADD PRIMARY KEY (id, f)",
    "FORCE",
];

#[tokio::test]
async fn the_facts_promise_nothing_that_the_server_does_not_keep() {
    let Some(test) = mysql().await else { return };
    let work = async {
        let mut wrong = Vec::new();
        let all = KNOWN.iter().map(|(alter, known)| (*alter, Some(*known)));
        for (alter, known) in all.chain(OTHERS.iter().map(|alter| (*alter, None))) {
            let (said, kept) = (said(&test, alter).await, kept(&test, alter).await);
            if said < kept || known.is_some_and(|known| (known, known) != (said, kept)) {
                wrong.push(format!("{alter}: the facts say {said}, the server takes {kept}, expected {known:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    };
    bounded(LIMIT, &[test.node()], work).await;
}

async fn made_anew(test: &TestMysql) -> String {
    let table = test.table("kinds").quoted();
    let rows = format!("INSERT INTO {table} (id, a, d, f, g) VALUES (1, 1, 1, 1, 1), (2, 2, 2, 2, 2)");
    let plain = test.plain();
    plain.run(&[&format!("DROP TABLE IF EXISTS {table}"), &format!("CREATE TABLE {table} {TABLE}"), &rows]).await;
    table
}

/// What the facts say.
async fn said(test: &TestMysql, clauses: &str) -> Algorithm {
    made_anew(test).await;
    let version = test.version().await;
    let dialect = Dialect { flavour: Flavour::MySql, version };
    let table = test.table("kinds");
    let mut session = test.plain().connect().await.unwrap();
    let source = read_table(&mut *session, dialect, &table).await.unwrap().unwrap().shape;
    let alter = driftless::ddl::parse_alter(clauses, dialect.flavour, version).unwrap();
    let variables = std::collections::BTreeMap::new();
    let trial = dry_run(&mut *session, dialect, &table, &source, &alter, &variables).await.unwrap();
    let DryRun::Accepted { shape } = trial.outcome else { return Algorithm::Copy };
    fastest((Flavour::MySql, version, Some(0)), &source, &shape, &alter).algorithm
}

/// The fastest that the server takes beside writers.
async fn kept(test: &TestMysql, clauses: &str) -> Algorithm {
    for (algorithm, lock) in [(Algorithm::Instant, "DEFAULT"), (Algorithm::Inplace, "NONE")] {
        let table = made_anew(test).await;
        let url = format!("mysql://root@127.0.0.1:{}", test.node().port);
        let mut conn = mysql_async::Conn::from_url(url).await.unwrap();
        let alter = format!("ALTER TABLE {table} {clauses}, ALGORITHM={algorithm}, LOCK={lock}");
        let answer = conn.query_drop(&alter).await;
        conn.disconnect().await.unwrap();
        match answer {
            Ok(()) => return algorithm,
            // Not supported, for this reason or that one.
            Err(mysql_async::Error::Server(error)) if [1845, 1846].contains(&error.code) => {}
            Err(error) => panic!("{alter}: {error}"),
        }
    }
    Algorithm::Copy
}

/// Past the last row version the server refuses INSTANT; driftless knows before and takes another way.
#[tokio::test]
async fn row_versions_run_out_and_are_counted() {
    let Some(test) = mysql().await else { return };
    // A name that InnoDB writes in letters of its own.
    let table = test.table("row-versions `é`");
    let quoted = table.quoted();
    let work = async {
        let plain = test.plain();
        plain.run(&[&format!("CREATE TABLE {quoted} (id INT PRIMARY KEY)")]).await;
        let most: u32 = if (test.version().await.major, test.version().await.minor) < (9, 1) { 64 } else { 255 };
        let mut alters: Vec<String> = (1..most)
            .map(|number| match number % 2 {
                1 => format!("ALTER TABLE {quoted} ADD COLUMN c INT, ALGORITHM=INSTANT"),
                _ => format!("ALTER TABLE {quoted} DROP COLUMN c, ALGORITHM=INSTANT"),
            })
            .collect();
        alters.push(format!("INSERT INTO {quoted} (id) VALUES (1), (2)"));
        plain.run(&alters.iter().map(String::as_str).collect::<Vec<_>>()).await;
        for (alter, algorithm) in [("ADD COLUMN last INT", "INSTANT"), ("ADD COLUMN more INT", "INPLACE")] {
            let planned = crate::support::tell(&test.node(), &["plan", "--table", &quoted, "--alter", alter]).await;
            let steps = planned.events.iter().map(ToString::to_string).collect::<String>();
            assert!(steps.contains(&format!("{alter}, ALGORITHM={algorithm}")), "{alter}: {steps} {}", planned.said);
            let ended = Call::preferred(&test.node(), &quoted, alter, &["--strategy", "native"]).end(RUN).await;
            done(&ended, 0, &["is changed"], alter);
        }
    };
    bounded(LIMIT, &[test.node()], work).await;
}
