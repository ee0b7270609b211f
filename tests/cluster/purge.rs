//! Purges and archives on the real cluster: which rows go, which stay, and what is refused.

use std::collections::BTreeSet;
use std::time::Duration;

use driftless::demo::Random;
use serde_json::Value;

use crate::child::{Ran, on, prepare, program, to};
use crate::support::{TestCluster, shared};

async fn purge(test: &TestCluster, more: &[&str]) -> Ran {
    let table = test.table("t").quoted();
    on(test, "purge", &[&["--yes", "--table", &table], more].concat()).await
}

async fn archive(test: &TestCluster, into: &str, more: &[&str]) -> Ran {
    let (table, into) = (test.table("t").quoted(), test.table(into).quoted());
    on(test, "archive", &[&["--yes", "--table", &table, "--to-table", &into], more].concat()).await
}

/// One column of one statement, on a node.
async fn column(test: &TestCluster, node: usize, statement: &str) -> Vec<String> {
    let schema = format!("USE {}", test.schema.quoted());
    test.plain(node).run(&[&schema, statement]).await.into_iter().filter_map(|row| row.into_iter().next()).collect()
}

/// Every row of the table, each as one text that tells NULL from any value.
async fn rows(test: &TestCluster, table: &str, columns: &str) -> Vec<String> {
    let text = format!("SELECT CONCAT_WS('|', {columns}) FROM {table} ORDER BY 1");
    let first = column(test, 0, &text).await;
    for node in 1..3 {
        assert_eq!(column(test, node, &text).await, first, "node {node}");
    }
    first
}

/// Composite, nullable and collated indexes, conditions of all kinds, odd batch sizes: what is left is what was to stay.
#[tokio::test]
async fn the_right_rows_go_whatever_index_is_walked() {
    let test = shared().await;
    prepare(
        &test,
        &["CREATE TABLE t (a INT NOT NULL, s VARCHAR(10) COLLATE utf8mb4_general_ci NOT NULL, n INT NULL, \
           w VARCHAR(10) NULL, b VARBINARY(5) NULL, e ENUM('x','y','z') NOT NULL, d DECIMAL(6,2) NOT NULL, \
           PRIMARY KEY (s, a), KEY n (n), KEY wn (w, n), KEY b (b), KEY en (e, n), KEY d (d)) DEFAULT CHARSET=utf8mb4"],
    )
    .await;
    let words = ["'A'", "'a'", "'ä'", "'Ä'", "''", "' '", "'ab'", "'Ab'", "'ß'", "'s'"];
    let mut random = Random::new(7);
    let conditions =
        ["n IS NULL OR n < 3", "w = 'a'", "s LIKE 'a%'", "d >= 2 AND e <> 'y'", "b > 'b'", "1=1", "n = 99"];
    for (round, index) in ["PRIMARY", "n", "wn", "b", "en", "d", "", "n"].into_iter().enumerate() {
        let condition = conditions[round % conditions.len()];
        let mut values = Vec::new();
        for a in 0..400 {
            let mut of = |n: u64| random.below(n);
            let word = |n: u64| words[usize::try_from(n).unwrap()];
            let (s, n, w, b) = (word(of(9)), of(6), of(12), of(4));
            let n = if n == 5 { "NULL".to_owned() } else { n.to_string() };
            let w = if w > 9 { "NULL" } else { word(w) };
            let b = if b == 0 { "NULL".to_owned() } else { format!("x'{:02x}ff'", 95 + b) };
            values.push(format!("({a}, {s}, {n}, {w}, {b}, {}, {}.5)", 1 + of(3), of(5)));
        }
        let fill = format!("INSERT INTO t (a, s, n, w, b, e, d) VALUES {}", values.join(", "));
        prepare(&test, &["DELETE FROM t", &fill]).await;
        let stay = format!("SELECT CONCAT(HEX(s), '-', a) FROM t WHERE ({condition}) IS NOT TRUE ORDER BY 1");
        let expected = column(&test, 0, &stay).await;
        let size = (1 + random.below(150)).to_string();
        let mut args = vec!["--where", condition, "--chunk-rows", &size];
        if !index.is_empty() {
            args.extend(["--index", index]);
        }
        let ran = purge(&test, &args).await;
        ran.must(0, &["none that matched is left"], &format!("{condition} by {index}"));
        for node in 0..3 {
            let left = column(&test, node, "SELECT CONCAT(HEX(s), '-', a) FROM t ORDER BY 1").await;
            assert_eq!(left, expected, "{condition} by {index}, batches of {size}, node {node}");
        }
    }
}

#[tokio::test]
async fn limits_keep_what_they_promise() {
    let test = shared().await;
    let made = [
        "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME NOT NULL, ts TIMESTAMP NOT NULL, KEY at (at))",
        // A minute more: a row is not older than itself within one second.
        "INSERT INTO t SELECT seq, NOW() - INTERVAL seq * 1440 + 1 MINUTE, NOW() - INTERVAL seq * 1440 + 1 MINUTE FROM seq_1_to_1000",
    ];
    prepare(&test, &made).await;
    let count = "SELECT COUNT(*) FROM t";
    purge(&test, &["--where", "1=1", "--limit-rows", "130", "--chunk-rows", "60"]).await.must(
        0,
        &["130 rows", "which was the limit; more may be left"],
        "rows",
    );
    assert_eq!(column(&test, 1, count).await, ["870"]);
    purge(&test, &["--older-than", "900d", "--column", "at"]).await.must(0, &["101 rows"], "older by DATETIME");
    purge(&test, &["--older-than", "800d", "--column", "ts"]).await.must(0, &["100 rows"], "older by TIMESTAMP");
    purge(&test, &["--keep-newest", "600"]).await.must(0, &["69 rows"], "the greatest keys stay");
    assert_eq!(column(&test, 2, "SELECT CONCAT(COUNT(*), '-', MIN(id)) FROM t").await, ["600-200"]);
    purge(&test, &["--where", "1=1", "--run-time", "0s"]).await.must(0, &["nothing was done", "the limit"], "time");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("stop");
    std::fs::write(&file, "").unwrap();
    purge(&test, &["--where", "1=1", "--stop-file", file.to_str().unwrap()]).await.must(0, &["exists"], "a file");
    let hour: u64 = column(&test, 0, "SELECT HOUR(CURTIME())").await[0].parse().unwrap();
    let other = format!("{:02}:00-{:02}:00", (hour + 3) % 24, (hour + 4) % 24);
    purge(&test, &["--where", "1=1", "--between", &other]).await.must(
        0,
        &["nothing was done", "not between"],
        "time of day",
    );
    assert_eq!(column(&test, 0, count).await, ["600"]);
    let around = format!("{:02}:00-{:02}:00", (hour + 23) % 24, (hour + 2) % 24);
    purge(&test, &["--where", "id > 700", "--between", &around]).await.must(0, &["99 rows"], "inside the window");
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_says_all() {
    let test = shared().await;
    prepare(
        &test,
        &[
            "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME NOT NULL, v TEXT, KEY at (at))",
            "INSERT INTO t SELECT seq, '2020-01-01' + INTERVAL seq DAY, REPEAT('x', 100) FROM seq_1_to_2000",
        ],
    )
    .await;
    let ran = purge(&test, &["--where", "at < '2020-02-01'", "--dry-run"]).await;
    let says = [
        "30 match now",
        "the server reads a range of `at` for the condition",
        "FORCE INDEX (`at`)",
        "FORCE INDEX (`PRIMARY`)",
        "range by index at",
        "nothing was changed",
        "at 5,000 rows a second",
    ];
    ran.must(0, &says, "text");
    let ran = purge(&test, &["--where", "v = 'y'", "--dry-run", "--format", "json"]).await;
    ran.must(0, &[], "json");
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&document["rows"], &document["index"]), (&0.into(), &"PRIMARY".into()));
    assert_eq!(column(&test, 0, "SELECT COUNT(*) FROM t").await, ["2000"]);
    let table = test.table("t").quoted();
    let ran = on(&test, "purge", &["--table", &table, "--where", "1=1"]).await;
    ran.must(2, &["no terminal to ask", "add --yes"], "nobody says yes");
    assert_eq!(column(&test, 0, "SELECT COUNT(*) FROM t").await, ["2000"]);
}

#[tokio::test]
async fn bad_input_is_one_clear_message() {
    let test = shared().await;
    prepare(
        &test,
        &[
            "CREATE TABLE t (id INT PRIMARY KEY, at DATETIME NOT NULL, n INT NULL, s VARCHAR(9), KEY s (s(3)))",
            "INSERT INTO t SELECT seq, '2020-01-01', seq, seq FROM seq_1_to_300",
            "CREATE TABLE nokey (id INT, n INT)",
            "CREATE VIEW seen AS SELECT * FROM t",
            "CREATE TABLE parent (id INT PRIMARY KEY)",
            "CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
            "CREATE TABLE strict_parent (id INT PRIMARY KEY)",
            "CREATE TABLE strict_child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES strict_parent (id))",
            "INSERT INTO strict_parent VALUES (1), (2)",
            "INSERT INTO strict_child VALUES (1, 2)",
            "CREATE TABLE fired (id INT PRIMARY KEY)",
            "CREATE TRIGGER f AFTER DELETE ON fired FOR EACH ROW SET @x = 1",
            "CREATE TABLE isam (id INT PRIMARY KEY) ENGINE=MyISAM",
        ],
    )
    .await;
    //  table     flags                                              exit  says
    let cases: [(&str, &[&str], i32, &[&str]); 25] = [
        ("t", &[], 2, &["not said which rows", "--where 1=1"]),
        ("t", &["--where", ""], 2, &["condition is empty"]),
        ("t", &["--where", "id = "], 2, &["--where", "does not take it", "syntax"]),
        ("t", &["--where", "id = 1) OR (1 = 1"], 2, &["closes nothing"]),
        ("t", &["--where", "id = 1; DROP TABLE t"], 2, &["second statement"]),
        ("t", &["--where", "id IN (SELECT 1)"], 2, &["subquery", "mark the rows first"]),
        ("t", &["--where", "at < NOW() - INTERVAL 90 DAY"], 2, &["NOW is another value", "--older-than 90d"]),
        ("t", &["--where", "nope = 1"], 2, &["does not have", "nope"]),
        ("t", &["--where", "at < 'last year'"], 2, &["the server warns", "last year"]),
        ("t", &["--where", "1=1", "--index", "nope"], 3, &["no-usable-key", "`nope`", "none of that name"]),
        ("t", &["--where", "1=1", "--index", "s"], 3, &["only a prefix of `s`"]),
        ("t", &["--older-than", "90d"], 2, &["--column"]),
        ("t", &["--older-than", "90", "--column", "at"], 2, &["no unit", "90d"]),
        ("t", &["--older-than", "90d", "--column", "n"], 2, &["not a date or time"]),
        ("t", &["--older-than", "90d", "--column", "nope"], 2, &["no column `nope`"]),
        ("t", &["--where", "1=1", "--between", "1-5"], 2, &["01:00-05:00"]),
        ("t", &["--where", "1=1", "--limit-rows", "0"], 2, &["--limit-rows"]),
        ("nowhere", &["--where", "1=1"], 3, &["table-missing"]),
        ("nokey", &["--where", "1=1"], 3, &["no-usable-key", "add a primary key"]),
        ("seen", &["--where", "1=1"], 3, &["not-a-base-table"]),
        ("isam", &["--where", "1=1"], 3, &["unsupported-engine", "InnoDB"]),
        ("parent", &["--where", "1=1"], 3, &["cascading-foreign-key", "child", "ON DELETE CASCADE"]),
        ("strict_parent", &["--where", "1=1"], 3, &["referenced-by-foreign-key", "purge the child rows first"]),
        ("fired", &["--where", "1=1"], 3, &["existing-triggers", "--allow-triggers"]),
        ("t", &["--where", "1=1", "--max-load", "much"], 2, &["--max-load"]),
    ];
    for (table, flags, code, says) in cases {
        let table = test.table(table).quoted();
        on(&test, "purge", &[&["--yes", "--table", &table], flags].concat()).await.must(
            code,
            says,
            &format!("{flags:?}"),
        );
    }
    assert_eq!(column(&test, 0, "SELECT COUNT(*) FROM t").await, ["300"], "nothing was deleted");
    assert_eq!(column(&test, 0, "SELECT COUNT(*) FROM strict_parent").await, ["2"], "a batch is whole or not at all");
    let fired = test.table("fired").quoted();
    on(&test, "purge", &["--yes", "--table", &fired, "--where", "1=1", "--allow-triggers"]).await.must(
        0,
        &[],
        "allowed",
    );
}

#[tokio::test]
async fn one_run_a_table_and_its_history() {
    let test = shared().await;
    prepare(&test, &["CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT seq, seq FROM seq_1_to_3000"])
        .await;
    let (table, dir) = (test.table("t").quoted(), tempfile::tempdir().unwrap());
    let mut slow = program();
    slow.arg("purge").args(to(&test, 0)).args([
        "--yes",
        "--table",
        &table,
        "--where",
        "1=1",
        "--max-rows-per-second",
        "300",
    ]);
    let first = slow.spawn().unwrap();
    for _ in 0..200 {
        if column(&test, 0, "SELECT COUNT(*) FROM t").await != ["3000"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    purge(&test, &["--where", "1=1"]).await.must(0, &["another run works on it", "nothing was done"], "a second cron");
    purge(&test, &["--where", "1=1", "--if-running", "3"]).await.must(3, &["another run works on it"], "its own code");
    let pid = first.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ended = first.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(5), "{said}");
    assert!(said.contains("stopped by a signal") && said.contains("run the same command again"), "{said}");
    let metrics = dir.path().join("purge.prom");
    let ran = purge(&test, &["--where", "1=1", "--metrics-file", metrics.to_str().unwrap(), "--format", "json"]).await;
    ran.must(0, &[], "the rest");
    assert_eq!(column(&test, 2, "SELECT COUNT(*) FROM t").await, ["0"]);
    let text = std::fs::read_to_string(&metrics).unwrap();
    assert!(text.contains("driftless_purge_success{table=") && text.contains("} 1\n"), "{text}");
    let history = format!("SELECT CONCAT(code, '') FROM driftless.purge_run WHERE source = '{table}' ORDER BY id");
    assert_eq!(column(&test, 1, &history).await, ["5", "0"]);
}

/// Every type, odd bytes, zero dates: what is in the archive is what was in the table, bit by bit.
#[tokio::test]
async fn an_archive_keeps_every_value() {
    let test = shared().await;
    let columns = "id INT UNSIGNED NOT NULL, t LONGTEXT, l VARCHAR(300) CHARACTER SET latin1, b LONGBLOB, f FLOAT, d DOUBLE, \
                   n DECIMAL(30,10), bi BIT(13), e ENUM('a','b'), st SET('x','y'), da DATE, dt DATETIME(6), ts TIMESTAMP(3) NULL, \
                   ti TIME(2), y YEAR, j JSON, g GEOMETRY, u UUID, i6 INET6, v BIGINT AS (id + 1) VIRTUAL, \
                   PRIMARY KEY (id)";
    let create = |name: &str| format!("CREATE TABLE {name} ({columns}) DEFAULT CHARSET=utf8mb4");
    let bytes: String = (0..=255).map(|byte: u32| format!("{byte:02x}")).collect();
    prepare(
        &test,
        &[
            &create("t"),
            &create("kept"),
            "SET SESSION sql_mode = ''",
            &format!(
                "INSERT INTO t (id, t, l, b, f, d, n, bi, e, st, da, dt, ts, ti, y, j, g, u, i6) VALUES \
                 (1, 'a\\nb\\tc\\\\', _latin1 x'{bytes}', x'{bytes}', 0.1, 1e-300, 1.0000000001, b'1010101010101', 'b', 'x,y', \
                 '0000-00-00', '2020-02-31 00:00:00', '2020-01-01 01:02:03.004', '-838:59:59', 2155, '{{\"a\": [1, \"ü\"]}}', \
                 ST_GeomFromText('POINT(1 2)', 4326), UUID(), '::1'), \
                 (2, 'NULL', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), \
                 (0, '', '', '', -0.0, 5e-324, 0, 0, '', '', '2020-00-00', '0000-00-00', NULL, 0, 0, '1', NULL, NULL, NULL), \
                 (4294967295, 'last', 'x', 'y', 1, 1, 1, 1, 1, 1, '9999-12-31', '9999-12-31', NULL, 1, 1901, '[]', NULL, NULL, NULL)"
            ),
        ],
    )
    .await;
    let all = "id, IFNULL(HEX(t),'-'), IFNULL(HEX(l),'-'), IFNULL(HEX(b),'-'), IFNULL(f,'-'), IFNULL(d,'-'), IFNULL(n,'-'), \
               IFNULL(bi+0,'-'), IFNULL(e+0,'-'), IFNULL(st+0,'-'), IFNULL(da,'-'), IFNULL(dt,'-'), IFNULL(ts,'-'), \
               IFNULL(ti,'-'), IFNULL(y,'-'), IFNULL(j,'-'), IFNULL(HEX(g),'-'), IFNULL(CAST(u AS CHAR),'-'), IFNULL(CAST(i6 AS CHAR),'-'), v";
    let before = rows(&test, "t", all).await;
    assert_eq!(before.len(), 4);
    archive(&test, "kept", &["--where", "id <> 7"]).await.must(0, &["4 rows", "are moved into"], "all of it");
    assert_eq!(rows(&test, "kept", all).await, before);
    assert_eq!(rows(&test, "t", all).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_destination_that_does_not_fit_is_refused_and_loses_nothing() {
    let test = shared().await;
    prepare(
        &test,
        &[
            "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4)",
            "INSERT INTO t SELECT seq, seq FROM seq_1_to_500",
            "CREATE TABLE less (id INT PRIMARY KEY)",
            "CREATE TABLE narrow (id INT PRIMARY KEY, v VARCHAR(10))",
            "CREATE TABLE other (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET latin1)",
            "CREATE TABLE more (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4, w INT NOT NULL)",
            "CREATE TABLE isam (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4) ENGINE=MyISAM",
            "CREATE TABLE fired LIKE t",
            "CREATE TRIGGER f BEFORE INSERT ON fired FOR EACH ROW SET NEW.v = 'changed'",
            "CREATE TABLE taken LIKE t",
            "INSERT INTO taken VALUES (300, 'there already')",
            "CREATE TABLE checked (id INT PRIMARY KEY CHECK (id < 400), v VARCHAR(20) CHARACTER SET utf8mb4)",
        ],
    )
    .await;
    //  into      exit  says                                                      rows left, and kept
    let cases: [(&str, i32, &[&str]); 9] = [
        ("nowhere", 3, &["table-missing"]),
        ("t", 2, &["is the table itself"]),
        ("less", 3, &["no column `v`", "CREATE TABLE"]),
        ("narrow", 3, &["varchar(10), not varchar(20)"]),
        ("other", 3, &["character set latin1, not utf8mb4"]),
        ("more", 3, &["`w` gets no value"]),
        ("isam", 3, &["can't commit with the delete"]),
        ("fired", 3, &["INSERT triggers"]),
        ("taken", 3, &["duplicate-rows", "300"]),
    ];
    for (into, code, says) in cases {
        archive(&test, into, &["--where", "1=1"]).await.must(code, says, into);
        if into != "taken" {
            assert_eq!(column(&test, 0, "SELECT COUNT(*) FROM t").await, ["500"], "{into}");
        }
    }
    archive(&test, "checked", &["--where", "1=1"]).await.must(3, &["values-do-not-fit", "checked"], "a check");
    let everywhere = "SELECT id FROM t UNION ALL SELECT id FROM taken WHERE v = id UNION ALL SELECT id FROM checked";
    let ids = column(&test, 1, everywhere).await;
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), distinct.len()), (500, 500), "every row is in one place");
}

#[tokio::test]
async fn a_file_of_jobs_is_read_whole_and_each_is_tried() {
    let test = shared().await;
    prepare(
        &test,
        &[
            "CREATE TABLE t (id INT PRIMARY KEY)",
            "INSERT INTO t SELECT seq FROM seq_1_to_300",
            "CREATE TABLE u LIKE t",
            "INSERT INTO u SELECT seq FROM seq_1_to_300",
            "CREATE TABLE kept LIKE u",
        ],
    )
    .await;
    let dir = tempfile::tempdir().unwrap();
    let (file, prom) = (dir.path().join("jobs.toml"), dir.path().join("purge.prom"));
    let (t, u, kept) = (test.table("t").quoted(), test.table("u").quoted(), test.table("kept").quoted());
    let first = format!("[defaults]\nchunk-rows = 100\n[[job]]\ntable = '{t}'\nwhere = 'id <= 200'\n");
    let args = ["--yes", file.to_str().unwrap(), "--metrics-file", prom.to_str().unwrap()];
    //  the second job                              exit  says
    let cases: [(&str, i32, &[&str]); 4] = [
        ("where = '1=1'", 2, &["job 2: it names no `table`"]),
        ("table = 'a.b'\nchunk-tme = '1s'", 2, &["job 2", "--chunk-tme"]),
        ("table = 'a.b'\nmax-load = ['much']", 2, &["--max-load"]),
        ("table = ", 2, &["can't be understood"]),
    ];
    for (second, code, says) in cases {
        std::fs::write(&file, format!("{first}[[job]]\n{second}\n")).unwrap();
        on(&test, "purge", &args).await.must(code, says, second);
        assert_eq!(column(&test, 0, "SELECT COUNT(*) FROM t").await, ["300"], "{second}");
    }
    let more = format!(
        "[[job]]\ntable = 'no.where'\nwhere = '1=1'\n[[job]]\ntable = '{u}'\nwhere = 'id > 290'\nto-table = '{kept}'\n"
    );
    std::fs::write(&file, format!("{first}{more}")).unwrap();
    on(&test, "purge", &args).await.must(
        3,
        &["200 rows", "table-missing", "10 rows", "are moved into"],
        "one of three fails",
    );
    assert_eq!(
        column(&test, 1, "SELECT CONCAT((SELECT COUNT(*) FROM t), ' ', (SELECT COUNT(*) FROM kept))").await,
        ["100 10"]
    );
    let text = std::fs::read_to_string(&prom).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("driftless_purge_success")).count(), 3, "{text}");
    on(&test, "purge", &["--yes", file.to_str().unwrap(), "--where", "1=1"]).await.must(
        2,
        &["cannot be used with"],
        "both",
    );
}

/// A node that can't apply a change of rows leaves the cluster: neither source nor destination may differ anywhere.
#[tokio::test]
async fn tables_that_differ_on_a_node_are_refused() {
    let test = shared().await;
    prepare(
        &test,
        &[
            "CREATE TABLE t (id INT PRIMARY KEY, v INT)",
            "INSERT INTO t SELECT seq, 1 FROM seq_1_to_300",
            "CREATE TABLE kept LIKE t",
            "CREATE TABLE gone LIKE t",
            "CREATE TABLE lone LIKE t",
        ],
    )
    .await;
    let (schema, apart) = (format!("USE {}", test.schema.quoted()), "SET SESSION wsrep_on = OFF");
    test.plain(1).run(&[&schema, apart, "ALTER TABLE kept ADD UNIQUE KEY v (v)"]).await;
    test.plain(2).run(&[&schema, apart, "DROP TABLE gone"]).await;
    test.plain(2).run(&[&schema, apart, "DROP TABLE lone"]).await;
    //  into     says
    for (into, says) in [("kept", ["schema-drift", "otherwise than"]), ("gone", ["schema-drift", "has no such table"])]
    {
        archive(&test, into, &["--where", "1=1"]).await.must(3, &says, into);
    }
    let lone = test.table("lone").quoted();
    let ran = on(&test, "purge", &["--yes", "--table", &lone, "--where", "1=1"]).await;
    ran.must(3, &["schema-drift", "has no such table"], "the source");
    assert_eq!(rows(&test, "t", "id").await.len(), 300, "nothing was deleted");
    test.plain(1).run(&[&schema, apart, "DROP TABLE kept"]).await;
    for (node, tables) in [(0, ["kept", "gone", "lone"].as_slice()), (1, &["gone", "lone"]), (2, &["kept"])] {
        for table in tables {
            test.plain(node).run(&[&schema, apart, &format!("DROP TABLE {table}")]).await;
        }
    }
}

/// An ALTER of the destination between two batches could make it take values otherwise than they are.
#[tokio::test]
async fn a_destination_that_is_altered_meanwhile_is_seen() {
    let test = shared().await;
    prepare(
        &test,
        &[
            "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) NOT NULL)",
            "INSERT INTO t SELECT seq, seq FROM seq_1_to_3000",
            "CREATE TABLE kept LIKE t",
        ],
    )
    .await;
    let slowly = ["--where", "1=1", "--max-rows-per-second", "300"];
    let altered = async {
        for _ in 0..200 {
            if column(&test, 0, "SELECT COUNT(*) FROM kept").await != ["0"] {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        prepare(&test, &["ALTER TABLE kept MODIFY v CHAR(20) NOT NULL"]).await;
    };
    let (ran, ()) = tokio::join!(archive(&test, "kept", &slowly), altered);
    ran.must(3, &["plan-stale", "kept", "was altered while rows of"], "altered");
    let left =
        "SELECT CONCAT((SELECT COUNT(*) FROM t) + (SELECT COUNT(*) FROM kept), ' ', (SELECT COUNT(*) FROM t) > 0)";
    assert_eq!(column(&test, 1, left).await, ["3000 1"], "every row is in one place");
}

/// What the run did decides how the program ends, and a run that never began is told of too.
#[tokio::test]
async fn metrics_never_hide_how_it_ended() {
    let test = shared().await;
    prepare(&test, &["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_300"]).await;
    let dir = tempfile::tempdir().unwrap();
    let (nowhere, file) = (dir.path().join("no/purge.prom"), dir.path().join("purge.prom"));
    let (nowhere, prom) = (nowhere.to_str().unwrap(), file.to_str().unwrap());
    let first = ["--where", "id <= 100", "--metrics-file"];
    purge(&test, &[&first[..], &[nowhere]].concat()).await.must(1, &["100 rows", "metrics can't be written"], "done");
    purge(&test, &["--where", "1=1", "--index", "nope", "--metrics-file", nowhere]).await.must(
        3,
        &["no-usable-key", "metrics can't be written"],
        "its own code",
    );
    std::fs::write(&file, "driftless_purge_success{table=\"old\"} 1\n").unwrap();
    let never = ["--where", "1=1", "--index", "nope", "--metrics-file", prom];
    purge(&test, &[&never[..], &["--dry-run"]].concat()).await.must(3, &["no-usable-key"], "a dry run");
    assert!(std::fs::read_to_string(&file).unwrap().contains("} 1\n"), "a dry run is no run");
    purge(&test, &never).await.must(3, &["no-usable-key"], "before the run");
    let text = std::fs::read_to_string(&file).unwrap();
    let success = text.lines().find(|line| line.starts_with("driftless_purge_success"));
    assert!(success.is_some_and(|line| line.ends_with("} 0")), "{text}");
    assert_eq!(rows(&test, "t", "id").await.len(), 200);
}
