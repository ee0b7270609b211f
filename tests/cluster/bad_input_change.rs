//! Changes that can't be made as asked: one clear message, exit 2 or 3, and nothing is changed anywhere.

use crate::child::{Snapshot, on, prepare};
use crate::support::{TestCluster, shared};

/// A change that is refused by `run --yes`.
struct Case {
    table: &'static str,
    alter: &'static str,
    code: i32,
    says: &'static [&'static str],
}

const fn case(table: &'static str, alter: &'static str, code: i32, says: &'static [&'static str]) -> Case {
    Case { table, alter, code, says }
}

/// Everything that the cases are about.
const TABLES: [&str; 29] = [
    "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(20), c BIGINT NULL, u INT UNSIGNED NOT NULL DEFAULT 0)",
    "INSERT INTO t VALUES (1, 1, 'x', NULL, 0), (2, 1, 'yyyyyyyyyyyyyyyy', 5, 4000000000), (3, 70000, 'z', 5000000000, 1)",
    "CREATE VIEW v AS SELECT * FROM t",
    "CREATE TABLE keyless (a INT, b INT)",
    "CREATE TABLE null_key (a INT, UNIQUE (a))",
    "CREATE TABLE prefix_key (a VARCHAR(50) NOT NULL, UNIQUE (a(10)))",
    "CREATE TABLE myisam (a INT PRIMARY KEY) ENGINE=MyISAM",
    "CREATE TABLE aria (a INT PRIMARY KEY) ENGINE=Aria",
    "CREATE TABLE memory (a INT PRIMARY KEY) ENGINE=MEMORY",
    "CREATE TABLE versioned (id INT PRIMARY KEY, a INT) WITH SYSTEM VERSIONING",
    "CREATE TABLE parted (id INT PRIMARY KEY, a INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (9), PARTITION p1 VALUES LESS THAN (99))",
    "INSERT INTO parted VALUES (1, 1), (50, 2)",
    "CREATE TABLE triggered (a INT PRIMARY KEY, b INT)",
    "CREATE TRIGGER their_own BEFORE INSERT ON triggered FOR EACH ROW SET NEW.b = 1",
    "CREATE TABLE parent (id INT PRIMARY KEY)",
    "CREATE TABLE cascading (id INT PRIMARY KEY, p INT, CONSTRAINT fk_cascade FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
    "CREATE TABLE referenced (id INT PRIMARY KEY)",
    "CREATE TABLE child (id INT PRIMARY KEY, p INT, CONSTRAINT fk_plain FOREIGN KEY (p) REFERENCES referenced (id))",
    "CREATE TABLE half_done (a INT PRIMARY KEY)",
    "CREATE TABLE _half_done_shadow (a INT PRIMARY KEY)",
    "CREATE TABLE left_trigger (a INT PRIMARY KEY)",
    "CREATE TRIGGER driftless_0123456789ab_ins AFTER INSERT ON left_trigger FOR EACH ROW BEGIN END",
    "CREATE TABLE percona (a INT PRIMARY KEY)",
    "CREATE TABLE _percona_new (a INT PRIMARY KEY)",
    "CREATE TRIGGER pt_osc_x_percona_del AFTER DELETE ON percona FOR EACH ROW BEGIN END",
    "CREATE TABLE ghost (a INT PRIMARY KEY)",
    "CREATE TABLE _ghost_gho (a INT PRIMARY KEY)",
    "CREATE TABLE _ghost_ghc (a INT PRIMARY KEY)",
    "CREATE TABLE _ghost_20260131235959_del (a INT PRIMARY KEY)",
];

const NAMES: [Case; 6] = [
    case("nowhere", "ADD d INT", 3, &["table-missing", "there is no table", ".nowhere", "check the name"]),
    case("T", "ADD d INT", 3, &["table-missing", "case counts"]),
    case("v", "ADD d INT", 3, &["not-a-base-table", ".v", "view", "the table that the view reads from"]),
    case("t", "DROP COLUMN nope", 3, &["alter-rejected", "`nope`", "(1091)", "correct the alter"]),
    case("t", "MODIFY nope INT", 3, &["alter-rejected", "Unknown column 'nope' in 't'", "(1054)"]),
    case("t", "ADD KEY (nope)", 3, &["alter-rejected", "'nope' doesn't exist in table", "(1072)"]),
];

const TABLE_KINDS: [Case; 11] = [
    case("keyless", "ADD d INT", 3, &["no-usable-key", "no unique key", "add a primary key"]),
    case("null_key", "ADD d INT", 3, &["no-usable-key", "`a` may be NULL"]),
    case("prefix_key", "ADD d INT", 3, &["no-usable-key", "`a`"]),
    case("t", "DROP PRIMARY KEY", 3, &["no-usable-key", "PRIMARY"]),
    case("myisam", "ADD d INT", 3, &["unsupported-engine", "MyISAM", "move it to InnoDB"]),
    case("aria", "ADD d INT", 3, &["unsupported-engine", "Aria"]),
    case("memory", "ADD d INT", 3, &["unsupported-engine", "MEMORY"]),
    case("versioned", "ADD d INT", 3, &["not-a-base-table", "system versioned", "alter it natively"]),
    case("triggered", "ADD d INT", 3, &["existing-triggers", "`their_own` (BEFORE INSERT)"]),
    case("cascading", "ADD d INT", 3, &["cascading-foreign-key", "`fk_cascade`", "ON DELETE CASCADE", "RESTRICT"]),
    case("referenced", "ADD d INT", 3, &["referenced-by-foreign-key", "`fk_plain`", ".child"]),
];

const STATEMENTS: [Case; 21] = [
    case("t", "ADD d INT DEFAULT 'x", 2, &["never closed", "line 1, column 19", "^"]),
    case("t", "ADD (d INT", 2, &["line 1, column 5"]),
    case("t", "", 2, &["asks for no change"]),
    case("t", "ADD d INT; DROP TABLE t", 2, &["a second statement begins here", "column 12"]),
    case("t", "DROP TABLE t", 2, &["DROP TABLE does not alter one table"]),
    case("t", "RENAME TABLE t TO q", 2, &["RENAME TABLE does not alter one table"]),
    case("t", "ALTER TABLE elsewhere.t ADD d INT", 2, &["--table says", "elsewhere.t", "leave one of them out"]),
    case("t", "AD d INT", 3, &["alter-rejected", "near 'd INT'", "(1064)"]),
    case("t", "ADD d NOSUCHTYPE", 3, &["alter-rejected", "NOSUCHTYPE"]),
    case("t", "ADD a INT", 3, &["alter-rejected", "Duplicate column name 'a'", "(1060)"]),
    case("t", "ADD d INT NOT NULL", 3, &["implicit-default", "`d`", "DEFAULT"]),
    case("t", "DROP a, ADD a INT", 3, &["drop-and-add", "`a`", "--allow-drop-add a"]),
    case("t", "ALTER IGNORE TABLE t ADD UNIQUE (a)", 3, &["clause-unsupported", "ALTER IGNORE", "leave IGNORE out"]),
    case("t", "RENAME TO tt", 3, &["clause-unsupported", "`RENAME TO tt`", "renames the table itself"]),
    case(
        "parent",
        "ADD FOREIGN KEY (id) REFERENCES parent (id)",
        3,
        &["referenced-by-foreign-key", "the table itself"],
    ),
    case("t", "ENGINE=MyISAM", 3, &["unsupported-engine", "`ENGINE=MyISAM`", "only InnoDB"]),
    case("t", "ADD SYSTEM VERSIONING", 3, &["clause-unsupported", "`ADD SYSTEM VERSIONING`"]),
    case("t", "DISCARD TABLESPACE", 3, &["clause-unsupported", "`DISCARD TABLESPACE`"]),
    case("parted", "DROP PARTITION p0", 3, &["clause-unsupported", "`DROP PARTITION p0`", "run it natively"]),
    case("parted", "TRUNCATE PARTITION p0", 3, &["clause-unsupported", "`TRUNCATE PARTITION p0`"]),
    case("t", "ADD g POINT NOT NULL, ADD SPATIAL (g)", 3, &["implicit-default", "`g`"]),
];

const ROWS: [Case; 7] = [
    case("t", "ADD UNIQUE (a)", 3, &["duplicate-rows", "unique key a", "(1)", "make the rows distinct"]),
    case(
        "t",
        "MODIFY c BIGINT NOT NULL",
        3,
        &["null-rows", "column c", "rows with key (1)", "give these rows a value"],
    ),
    case("t", "MODIFY a SMALLINT", 3, &["values-do-not-fit", "column a", "rows with key (3)"]),
    case("t", "MODIFY u INT", 3, &["values-do-not-fit", "column u", "rows with key (2)"]),
    case("t", "MODIFY c INT", 3, &["values-do-not-fit", "column c", "rows with key (3)"]),
    case("t", "MODIFY b VARCHAR(3)", 3, &["values-do-not-fit", "column b", "rows with key (2)"]),
    case("t", "MODIFY b INT", 3, &["lossy-conversion", "`b` goes from varchar(20) to int", "--allow-lossy b"]),
];

const LEFTOVERS: [Case; 4] = [
    case("half_done", "ADD d INT", 3, &["leftovers", "`_half_done_shadow` of driftless", "driftless status --all"]),
    case("left_trigger", "ADD d INT", 3, &["leftovers", "`driftless_0123456789ab_ins`", "triggers first"]),
    case("percona", "ADD d INT", 3, &["leftovers", "`_percona_new`", "`pt_osc_x_percona_del`", "drop its triggers"]),
    case("ghost", "ADD d INT", 3, &["`_ghost_gho`", "`_ghost_ghc`", "`_ghost_20260131235959_del`", "no gh-ost runs"]),
];

async fn made() -> TestCluster {
    let test = shared().await;
    prepare(&test, &TABLES).await;
    test
}

/// Runs every case for real; a refused one must leave all three nodes as they were.
async fn refused(cases: &[Case]) {
    let test = made().await;
    let before = Snapshot::of(&test, &[0, 1, 2]).await;
    for case in cases {
        let table = test.table(case.table).quoted();
        let args = ["--yes", "--table", &table, "--alter", case.alter];
        let why = format!("{} {}", case.table, case.alter);
        on(&test, "run", &args).await.must(case.code, case.says, &why);
        assert_eq!(Snapshot::of(&test, &[0, 1, 2]).await, before, "{why}: something changed");
    }
}

#[tokio::test]
async fn names_that_are_not_there() {
    refused(&NAMES).await;
}

#[tokio::test]
async fn tables_that_can_not_be_copied() {
    refused(&TABLE_KINDS).await;
}

#[tokio::test]
async fn statements_that_make_no_change() {
    refused(&STATEMENTS).await;
}

#[tokio::test]
async fn rows_in_the_way_are_shown() {
    refused(&ROWS).await;
}

#[tokio::test]
async fn leftovers_of_every_tool() {
    refused(&LEFTOVERS).await;
}

#[tokio::test]
async fn a_refusal_is_the_same_in_json() {
    let test = made().await;
    let before = Snapshot::of(&test, &[0, 1, 2]).await;
    for (table, alter, code, says) in [
        ("t", "ADD UNIQUE (a)", 3, "[duplicate-rows]"),
        ("nowhere", "ADD d INT", 3, "there is no table"),
        ("t", "ADD d INT; DROP TABLE t", 2, "second statement"),
        ("keyless", "ADD d INT", 3, "no key"),
    ] {
        let table = test.table(table).quoted();
        let ran = on(&test, "run", &["--yes", "--format", "json", "--table", &table, "--alter", alter]).await;
        ran.must(code, &[], alter);
        let lines: Vec<serde_json::Value> =
            ran.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect();
        let last = lines.last().unwrap_or_else(|| panic!("{alter}: no line"));
        assert_eq!((&last["event"], &last["code"]), (&"ended".into(), &code.into()), "{last}");
        assert!(last["what"].as_str().unwrap().contains(says) && !last["next"].is_null(), "{last}");
        let ran = on(&test, "plan", &["--format", "json", "--table", &table, "--alter", alter]).await;
        assert_eq!(ran.code, code, "{ran:?}");
        if !ran.out.is_empty() {
            let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
            assert_eq!(document["outcome"], "refused", "{document}");
        }
    }
    assert_eq!(Snapshot::of(&test, &[0, 1, 2]).await, before);
}

/// What looks odd and must work.
#[tokio::test]
async fn changes_that_look_odd_and_are_made() {
    let test = made().await;
    prepare(
        &test,
        &[
            "CREATE TABLE empty (id INT PRIMARY KEY)",
            "CREATE TABLE one (id BIGINT UNSIGNED PRIMARY KEY, a INT)",
            "INSERT INTO one VALUES (18446744073709551615, 1)",
            "CREATE TABLE generated (id INT PRIMARY KEY, twice INT AS (id * 2) STORED, thrice INT AS (id * 3) VIRTUAL)",
            "INSERT INTO generated (id) VALUES (1), (2)",
            "CREATE TABLE worded (id INT PRIMARY KEY, words TEXT)",
            "INSERT INTO worded VALUES (1, 'quick brown fox')",
            "CREATE TABLE placed (id INT PRIMARY KEY, place POINT NOT NULL, SPATIAL INDEX (place))",
            "INSERT INTO placed VALUES (1, POINT(1, 2))",
        ],
    )
    .await;
    //  table        alter                                     then this                                        gives
    let cases = [
        ("empty", "ADD d INT DEFAULT 1", "SELECT COUNT(d) FROM {t}", "0"),
        ("one", "ADD d INT DEFAULT 4", "SELECT CONCAT(id, '-', a, '-', d) FROM {t}", "18446744073709551615-1-4"),
        ("generated", "ADD d INT DEFAULT 1", "SELECT SUM(id + twice + thrice + d) FROM {t}", "20"),
        ("worded", "ADD FULLTEXT (words)", "SELECT id FROM {t} WHERE MATCH (words) AGAINST ('brown')", "1"),
        ("placed", "ADD d INT DEFAULT 1", "SELECT CONCAT(ST_AsText(place), d) FROM {t}", "POINT(1 2)1"),
        ("parted", "PARTITION BY HASH (id) PARTITIONS 4", "SELECT SUM(a) FROM {t} PARTITION (p1, p2)", "3"),
        ("t", "ADD UNIQUE both_differ (a, u), ALGORITHM=INSTANT", "SELECT COUNT(*) FROM {t}", "3"),
    ];
    for (table, alter, question, answer) in cases {
        let table = test.table(table).quoted();
        on(&test, "run", &["--yes", "--table", &table, "--alter", alter]).await.must(0, &["proven equal"], alter);
        let ask = question.replace("{t}", &table);
        for node in 0..3 {
            let rows = test.plain(node).run(&["SET SESSION wsrep_sync_wait = 15", &ask]).await;
            assert_eq!(rows, [[answer]], "{alter} on node {node}");
        }
    }
    let left = format!(
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{}' AND (TABLE_NAME LIKE '%shadow' OR \
         TABLE_NAME LIKE '%retired') AND TABLE_NAME <> '_half_done_shadow'",
        test.schema.as_str()
    );
    assert_eq!(test.plain(0).run(&[&left]).await, [["0"]], "shadows or retired tables are left");
}
