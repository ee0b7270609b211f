//! `driftless check` on real nodes: equal ones, each kind of drift, leftovers, nodes that can't be compared.
//!
//! Other tests work in the same cluster: every check here is of the test's own schema.

use driftless::ports::server::Server as _;
use driftless::sql::Sql;

use crate::child::{Ran, on};
use crate::support::{TestCluster, exclusive, shared};

/// A bit of everything that a schema can hold.
const ALL_KINDS: [&str; 10] = [
    "CREATE TABLE p (id INT PRIMARY KEY) COMMENT 'parent'",
    "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, c VARCHAR(20) NOT NULL DEFAULT 'x', d INT, \
     e INT GENERATED ALWAYS AS (d + 1) VIRTUAL, KEY kc (c(5)), KEY kd (d), CONSTRAINT big CHECK (d > 0), \
     CONSTRAINT fp FOREIGN KEY (d) REFERENCES p (id) ON DELETE CASCADE) ROW_FORMAT = DYNAMIC",
    "CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), \
     PARTITION p1 VALUES LESS THAN MAXVALUE)",
    "CREATE TRIGGER bi BEFORE INSERT ON t FOR EACH ROW SET NEW.c = CONCAT(NEW.c, '!')",
    "CREATE VIEW v AS SELECT id, c FROM t WHERE d > 1",
    "CREATE VIEW broken AS SELECT id FROM p",
    "CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN a + 1",
    "CREATE PROCEDURE q(IN a INT, OUT b INT) SET b = a",
    "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO SET @x = 1",
    "CREATE EVENT off ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DISABLE DO SET @x = 1",
];

/// Runs statements on one node only, or on all through it.
async fn run(test: &TestCluster, node: usize, first: &str, statements: &[&str]) {
    let schema = format!("USE {}", test.schema.quoted());
    let all: Vec<&str> = [first, &schema].into_iter().chain(statements.iter().copied()).collect();
    test.plain(node).run(&all).await;
}

const TOGETHER: &str = "SELECT 1";
const ALONE: &str = "SET SESSION wsrep_on = OFF";
const RSU: &str = "SET SESSION wsrep_OSU_method = 'RSU'";

async fn check(test: &TestCluster, args: &[&str]) -> Ran {
    let all: Vec<&str> = ["--schema", test.schema.as_str()].into_iter().chain(args.iter().copied()).collect();
    on(test, "check", &all).await
}

#[tokio::test]
async fn nodes_that_are_equal() {
    let test = shared().await;
    run(&test, 0, TOGETHER, &ALL_KINDS).await;
    check(&test, &[]).await.must(0, &["n1", "n2", "n3", "healthy", "no difference between 3 servers"], "equal");
    // Where the next number stands is each node's own, and so is the order in which keys were made.
    let again = ["ALTER TABLE t DROP KEY kc", "ALTER TABLE t ADD KEY kc (c(5))", "ALTER TABLE t AUTO_INCREMENT = 500"];
    run(&test, 1, ALONE, &again).await;
    check(&test, &[]).await.must(0, &["no difference"], "what may differ");
    // A view over something that is gone is a warning in the catalog, not a reason not to read it.
    run(&test, 0, TOGETHER, &["CREATE TABLE gone (id INT)", "CREATE OR REPLACE VIEW broken AS SELECT id FROM gone"])
        .await;
    run(&test, 0, TOGETHER, &["DROP TABLE gone"]).await;
    check(&test, &[]).await.must(0, &["no difference"], "a broken view");
}

/// What happened in 2014: a column added on one node under RSU, later on the others with another type. Everything says
/// Synced until a row comes that one node can't take.
#[tokio::test]
async fn the_column_that_one_node_has_otherwise() {
    let test = shared().await;
    run(&test, 0, TOGETHER, &["CREATE TABLE t (id INT PRIMARY KEY, c INT)"]).await;
    check(&test, &[]).await.must(0, &["no difference"], "before");
    run(&test, 2, RSU, &["ALTER TABLE t ADD d INT"]).await;
    let table = format!("DRIFT table {}.t: n3 differs from n1, n2", test.schema.as_str());
    let says = [&table, "column `d`", "n1, n2 MISSING", "> n3 int(11) NULL", "make it on n3 what it is on n1, n2"];
    check(&test, &[]).await.must(4, &says, "one node has it");
    // The cluster takes the second ALTER: the nodes do not compare.
    run(&test, 0, TOGETHER, &["ALTER TABLE t ADD d VARCHAR(10)"]).await;
    let says = [&table, "column `d`", "n1, n2 varchar(10)", "> n3 int(11) NULL", "leaves the cluster"];
    check(&test, &[]).await.must(4, &says, "one node has it otherwise");
    run(&test, 2, RSU, &["ALTER TABLE t MODIFY d VARCHAR(10)"]).await;
    check(&test, &[]).await.must(0, &["no difference"], "after the repair");
}

/// Each kind of drift: done on n2 alone, undone by, what is said.
const CASES: [(&str, &str, &[&str]); 17] = [
    (
        "ALTER TABLE t MODIFY c VARCHAR(30) NOT NULL DEFAULT 'x'",
        "ALTER TABLE t MODIFY c VARCHAR(20) NOT NULL DEFAULT 'x'",
        &["t:", "column `c`", "varchar(30)"],
    ),
    (
        "ALTER TABLE t ALTER c SET DEFAULT 'y'",
        "ALTER TABLE t ALTER c SET DEFAULT 'x'",
        &["t:", "column `c`", "DEFAULT 'y'"],
    ),
    ("ALTER TABLE t ADD z INT FIRST", "ALTER TABLE t DROP z", &["t:", "column `z`", "column order"]),
    (
        "ALTER TABLE t ADD KEY k2 (d, id)",
        "ALTER TABLE t DROP KEY k2",
        &["t:", "key `k2`", "n1, n3 MISSING", "(`d`, `id`)"],
    ),
    (
        "ALTER TABLE t DROP KEY kc, ADD KEY kc (c(6))",
        "ALTER TABLE t DROP KEY kc, ADD KEY kc (c(5))",
        &["key `kc`", "(`c`(6))"],
    ),
    (
        "DROP TRIGGER bi",
        "CREATE TRIGGER bi BEFORE INSERT ON t FOR EACH ROW SET NEW.c = CONCAT(NEW.c, '!')",
        &["t:", "trigger `bi`", "> n2 MISSING"],
    ),
    (
        "ALTER TABLE t DROP FOREIGN KEY fp",
        "ALTER TABLE t ADD CONSTRAINT fp FOREIGN KEY (d) REFERENCES p (id) ON DELETE CASCADE",
        &["t:", "foreign key `fp`", "> n2 MISSING", "ON DELETE CASCADE"],
    ),
    (
        "ALTER TABLE t DROP CONSTRAINT big",
        "ALTER TABLE t ADD CONSTRAINT big CHECK (d > 0)",
        &["t:", "check `big`", "> n2 MISSING"],
    ),
    ("CREATE TABLE extra (id INT)", "DROP TABLE extra", &["extra:", "whole", "n1, n3 MISSING", "> n2 present"]),
    ("DROP VIEW broken", "CREATE VIEW broken AS SELECT id FROM p", &["view", "broken:", "> n2 MISSING"]),
    (
        "ALTER VIEW v AS SELECT id, c FROM t WHERE d > 2",
        "ALTER VIEW v AS SELECT id, c FROM t WHERE d > 1",
        &["view", "v:", "definition", "> 2"],
    ),
    (
        "DROP FUNCTION f",
        "CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN a + 1",
        &["function", "f:", "> n2 MISSING"],
    ),
    (
        "DROP EVENT ev",
        "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO SET @x = 1",
        &["event", "ev:", "> n2 MISSING"],
    ),
    (
        "ALTER TABLE p CONVERT TO CHARACTER SET latin1",
        "ALTER TABLE p CONVERT TO CHARACTER SET utf8mb4",
        &["p:", "collation", "latin1_swedish_ci"],
    ),
    ("ALTER TABLE p ROW_FORMAT = COMPACT", "ALTER TABLE p ROW_FORMAT = DEFAULT", &["p:", "row format", "Compact"]),
    (
        "ALTER TABLE parts REORGANIZE PARTITION p0 INTO (PARTITION p0 VALUES LESS THAN (5), PARTITION pm VALUES LESS THAN (10))",
        "ALTER TABLE parts REORGANIZE PARTITION p0, pm INTO (PARTITION p0 VALUES LESS THAN (10))",
        &["parts:", "partition `pm`", "partition `p0`"],
    ),
    (
        "ALTER SCHEMA CHARACTER SET latin1",
        "ALTER SCHEMA CHARACTER SET utf8mb4",
        &["schema", "character set", "> n2 latin1"],
    ),
];

#[tokio::test]
async fn every_kind_of_drift() {
    let test = shared().await;
    run(&test, 0, TOGETHER, &ALL_KINDS).await;
    check(&test, &[]).await.must(0, &["no difference"], "before");
    for (apart, back, says) in CASES {
        run(&test, 1, ALONE, &[apart]).await;
        let all: Vec<&str> = ["DRIFT", "n2 differs from n1, n3"].into_iter().chain(says.iter().copied()).collect();
        check(&test, &[]).await.must(4, &all, apart);
        run(&test, 1, ALONE, &[back]).await;
    }
    check(&test, &[]).await.must(0, &["no difference"], "after");
}

#[tokio::test]
async fn three_nodes_with_three_forms_have_no_majority() {
    let test = shared().await;
    run(&test, 0, TOGETHER, &["CREATE TABLE t (id INT PRIMARY KEY)"]).await;
    run(&test, 1, ALONE, &["ALTER TABLE t ADD d INT"]).await;
    run(&test, 2, ALONE, &["ALTER TABLE t ADD d DATE"]).await;
    check(&test, &[]).await.must(4, &["t: no majority", "> n1 MISSING", "> n2 int(11)", "> n3 date"], "three forms");
    for node in [1, 2] {
        run(&test, node, ALONE, &["ALTER TABLE t DROP d"]).await;
    }
}

#[tokio::test]
async fn what_other_tools_left() {
    let test = shared().await;
    run(&test, 0, TOGETHER, &["CREATE TABLE x (id INT PRIMARY KEY)", "CREATE TABLE y (id INT PRIMARY KEY)"]).await;
    check(&test, &[]).await.must(0, &["no difference"], "before");
    run(&test, 0, TOGETHER, &["CREATE TABLE _x_gho (id INT)"]).await;
    let says = ["LEFTOVER", "_x_gho", "gh-ost", "on n1, n2, n3", "no difference between 3 servers", "1 leftovers"];
    check(&test, &[]).await.must(3, &says, "gh-ost's");
    let pt = [
        "DROP TABLE _x_gho",
        "CREATE TABLE _x_new (id INT)",
        "CREATE TRIGGER pt_osc_a_x_del AFTER DELETE ON x FOR EACH ROW DELETE FROM _x_new WHERE id = OLD.id",
    ];
    run(&test, 0, TOGETHER, &pt).await;
    check(&test, &[]).await.must(3, &["_x_new", "pt_osc_a_x_del", "pt-online-schema-change"], "pt's");
    let (x, y) = (format!("{}.x", test.schema.as_str()), format!("{}.y", test.schema.as_str()));
    on(&test, "check", &["--table", &x]).await.must(3, &["_x_new", "pt_osc_a_x_del"], "of one table");
    on(&test, "check", &["--table", &y]).await.must(0, &["no difference"], "of another");
}

#[tokio::test]
async fn one_table_and_names_that_are_not_there() {
    let test = shared().await;
    run(&test, 0, TOGETHER, &["CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE b (id INT PRIMARY KEY)"]).await;
    run(&test, 0, TOGETHER, &["CREATE VIEW w AS SELECT id FROM a"]).await;
    run(&test, 2, ALONE, &["ALTER TABLE b ADD d INT"]).await;
    let name = |table: &str| format!("{}.{table}", test.schema.as_str());
    on(&test, "check", &["--table", &name("a")]).await.must(0, &["no difference"], "the equal one");
    on(&test, "check", &["--table", &name("w")]).await.must(0, &["no difference"], "a view");
    on(&test, "check", &["--table", &name("b")]).await.must(4, &["b: n3", "column `d`"], "the other one");
    on(&test, "check", &["--table", &name("no")]).await.must(2, &["there is no table", "on any node"], "no table");
    on(&test, "check", &["--schema", "no_such"]).await.must(2, &["there is no schema no_such"], "no schema");
    on(&test, "check", &["--table", "b"]).await.must(2, &["--table"], "not schema.table");
    on(&test, "check", &["--format", "xml"]).await.must(2, &["xml"], "a wrong flag");
    run(&test, 2, ALONE, &["ALTER TABLE b DROP d"]).await;
}

#[tokio::test]
async fn for_programs() {
    let test = shared().await;
    run(&test, 0, TOGETHER, &["CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE _t_gho (id INT)"]).await;
    run(&test, 2, ALONE, &["ALTER TABLE t ADD d INT"]).await;
    let (one, other) = (check(&test, &["--format", "json"]).await, check(&test, &["--format", "json"]).await);
    assert_eq!((one.code, &one.out), (4, &other.out), "the same bytes for the same state");
    assert!(one.out.contains("\"outcome\": \"drift\"") && one.out.contains("\"exit\": 4"), "{}", one.out);
    let document: Vec<&str> = one.out.split_whitespace().collect();
    let document = document.join(" ");
    for words in [
        "\"kind\": \"table\"",
        "\"aspect\": \"column `d`\"",
        "\"majority\": [ \"n1\", \"n2\" ]",
        "\"minority\": [ \"n3\" ]",
        "{ \"nodes\": [ \"n3\" ], \"definition\": \"int(11) NULL DEFAULT NULL\" }",
        "_t_gho",
    ] {
        assert!(document.contains(words), "{words}: {document}");
    }
    run(&test, 2, ALONE, &["ALTER TABLE t DROP d"]).await;
}

#[tokio::test]
async fn a_node_that_cannot_be_compared_is_never_an_equal_one() {
    let alone = exclusive().await;
    let test = &alone.test;
    run(test, 0, TOGETHER, &["CREATE TABLE t (id INT PRIMARY KEY)"]).await;
    let set = |sql: &'static str| async move { test.plain(2).run(&[sql]).await };
    set("SET GLOBAL wsrep_desync = ON").await;
    check(test, &[]).await.must(3, &["NOT COMPARED", "Donor/Desynced", "NOT ALL SERVERS"], "desynced");
    set("SET GLOBAL wsrep_desync = OFF").await;
    set("SET GLOBAL wsrep_reject_queries = ALL").await;
    check(test, &[]).await.must(3, &["n3", "NOT ALL SERVERS"], "rejects queries");
    test.plain(2).run(&["SET GLOBAL wsrep_reject_queries = NONE"]).await;
    set("SET GLOBAL wsrep_OSU_method = RSU").await;
    let says = ["wsrep_osu_method = RSU", "no difference between 3 servers", "NOT ALL SERVERS"];
    check(test, &[]).await.must(3, &says, "the next schema change would make drift");
    set("SET GLOBAL wsrep_OSU_method = TOI").await;
    check(test, &[]).await.must(0, &["no difference"], "healed");
    test.cluster().kill9(2);
    test.cluster().wait_synced(std::time::Duration::from_secs(30)).await.unwrap();
    let flag = format!("127.0.0.1:{}", test.nodes()[2].port);
    check(test, &["--node", &flag]).await.must(3, &["NOT REACHED", &flag], "killed, but named");
    test.cluster().restart(2).await.unwrap();
    check(test, &[]).await.must(0, &["no difference between 3 servers"], "back");
}

/// A DDL that holds a table makes the catalog leave it out: that is not drift, and it is not equality.
#[tokio::test]
async fn a_table_that_cannot_be_read_is_not_a_missing_one() {
    let test = shared().await;
    run(&test, 0, TOGETHER, &["CREATE TABLE t (id INT PRIMARY KEY)"]).await;
    let table = test.table("t");
    let mut held = test.plain(1).connect().await.unwrap();
    let sql = Sql::new("LOCK TABLES ").table(&table).text(" WRITE");
    held.execute(&sql).await.unwrap();
    let ran = check(&test, &[]).await;
    assert!(matches!(ran.code, 0 | 3) && !ran.said().contains("MISSING"), "{}", ran.said());
    drop(held);
}
