//! A schema file gives the shapes that the server's catalog gives.

use std::process::Command;

use driftless::ddl::{SchemaTable, dump_version, read_schema};
use driftless_strategies::{Flavour, Ident, TableShape, Version};

use crate::inspect::{Schema, facts, nodes, run};

/// Tables of every kind, in an order in which they can be made.
const TABLES: [(&str, &str); 18] = [
    ("parent", "id INT PRIMARY KEY, k INT UNIQUE"),
    (
        "zoo",
        "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, a INT(5) ZEROFILL DEFAULT 3, \
         b VARCHAR(20) CHARACTER SET latin1 DEFAULT 'it''s', c TEXT DEFAULT (CONCAT('x', UUID())), \
         d DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), \
         e ENUM('a', 'b,''ö', 'c\\\\') NOT NULL DEFAULT 'a', f SET('x', 'y'), g INT AS (a + 1) VIRTUAL, \
         h INT AS (a * 2) STORED, i INT INVISIBLE DEFAULT 5, j JSON, k FLOAT, l DOUBLE(10, 2), \
         m DECIMAL(65, 30) DEFAULT -1.5, n BIT(64) DEFAULT b'101', o YEAR, p TIME(3), q TIMESTAMP(3) NULL, \
         r DATE DEFAULT '0000-00-00', s BINARY(3), t VARBINARY(20) DEFAULT 'ab', u TINYBLOB, v MEDIUMTEXT, w LONGBLOB, \
         x POINT NOT NULL, y INET6, z UUID, parent INT, `odd ``name` TINYINT(1), ünï SMALLINT COMMENT 'it''s ö\\\\n\\n\"', \
         dd INT DEFAULT (1 + 2), de VARCHAR(20) DEFAULT CONCAT('a', 'b'), \
         ts TIMESTAMP NOT NULL DEFAULT NOW() ON UPDATE NOW(), \
         vb VARCHAR(10) CHARACTER SET utf8 COLLATE utf8_bin DEFAULT 'a\\\\b\\nc', cc VARCHAR(10) COMPRESSED DEFAULT 'q', \
         fl FLOAT UNSIGNED DEFAULT 1e3, lit CHAR(3) DEFAULT _latin1'abc', nb NATIONAL VARCHAR(5), \
         dt DATE DEFAULT (CURDATE()), ck INT CHECK (ck > 1), ge GEOMETRY, ml MULTILINESTRING, hid TIMESTAMP INVISIBLE NULL \
         DEFAULT NOW() ON UPDATE NOW(), gi INT AS (a) INVISIBLE, PRIMARY KEY (id, e), \
         UNIQUE KEY prefixed (b(5), a DESC), KEY hidden (a) IGNORED, FULLTEXT KEY words (v), SPATIAL KEY place (x), \
         KEY computed (g) COMMENT 'kk', CONSTRAINT positive CHECK (a > 0), UNIQUE KEY lng (v), \
         UNIQUE KEY hh (k) USING HASH, CONSTRAINT up FOREIGN KEY up_key (parent) REFERENCES parent (k) ON DELETE CASCADE \
         ON UPDATE SET NULL) COMMENT 'it''s; (a)' ROW_FORMAT = DYNAMIC CHECKSUM = 1 STATS_PERSISTENT = 0 \
         AUTO_INCREMENT = 77 #",
    ),
    (
        "opts",
        "a INT PRIMARY KEY) ROW_FORMAT = COMPRESSED KEY_BLOCK_SIZE = 8 PAGE_CHECKSUM = 1 DELAY_KEY_WRITE = 1 MAX_ROWS = 10 \
         MIN_ROWS = 2 AVG_ROW_LENGTH = 100 PACK_KEYS = 1 STATS_AUTO_RECALC = 1 STATS_SAMPLE_PAGES = 7 #",
    ),
    ("opts2", "a INT PRIMARY KEY, b INT) `encrypted` = 'no' `page_compressed` = '1' TRANSACTIONAL = 1 #"),
    ("latin", "a VARCHAR(3), b CHAR(4) CHARSET utf8mb4, c ENUM('x') COLLATE latin1_bin, d TEXT) CHARSET latin1 #"),
    ("unicode", "a VARCHAR(3), b TINYTEXT CHARSET latin1, c CHAR BINARY) COLLATE utf8mb4_unicode_ci #"),
    ("bin", "a VARCHAR(3), b TEXT, c CHAR(2) CHARSET latin1) CHARSET binary #"),
    (
        "child",
        "a INT, b INT, FOREIGN KEY (a) REFERENCES parent (id), CONSTRAINT named FOREIGN KEY (b) REFERENCES parent (k) \
         ON DELETE NO ACTION ON UPDATE CASCADE, self INT UNIQUE, FOREIGN KEY (a) REFERENCES child (self)",
    ),
    (
        "parted",
        "id INT PRIMARY KEY, n INT) ROW_FORMAT = DYNAMIC PARTITION BY RANGE (id) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 \
         (PARTITION p0 VALUES LESS THAN (10) COMMENT = 'low', PARTITION p1 VALUES LESS THAN MAXVALUE) #",
    ),
    ("parted_hash", "id INT PRIMARY KEY, n INT) PARTITION BY HASH (id + 1) PARTITIONS 3 #"),
    ("parted_key", "id INT PRIMARY KEY, n INT) PARTITION BY LINEAR KEY (id) PARTITIONS 2 #"),
    ("parted_any_key", "id INT PRIMARY KEY, n INT) PARTITION BY KEY () PARTITIONS 2 #"),
    (
        "parted_list",
        "id INT, n INT, PRIMARY KEY (id, n)) PARTITION BY LIST (id) (PARTITION a VALUES IN (1, 2), PARTITION b VALUES IN (3), \
         PARTITION c DEFAULT) #",
    ),
    (
        "parted_columns",
        "id VARCHAR(10), n DATE, PRIMARY KEY (id, n)) PARTITION BY LIST COLUMNS (id, n) \
         (PARTITION a VALUES IN (('a', '2020-01-01'), ('b', '2020-01-01'))) #",
    ),
    (
        "parted_range_columns",
        "id VARCHAR(10), n DATE, PRIMARY KEY (id, n)) PARTITION BY RANGE COLUMNS (n, id) \
         (PARTITION a VALUES LESS THAN ('2020-01-01', 'z'), PARTITION b VALUES LESS THAN (MAXVALUE, MAXVALUE)) #",
    ),
    (
        "parted_days",
        "n DATE PRIMARY KEY) PARTITION BY RANGE (TO_DAYS(n)) (PARTITION a VALUES LESS THAN (TO_DAYS('2020-01-01')), \
         PARTITION b VALUES LESS THAN (MAXVALUE)) #",
    ),
    ("versions", "id INT PRIMARY KEY) WITH SYSTEM VERSIONING #"),
    (
        "periods",
        "id INT PRIMARY KEY, x INT WITHOUT SYSTEM VERSIONING, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, \
         e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING #",
    ),
];

/// The rest of a CREATE TABLE: up to a `#` what stands after the columns too.
fn create(name: &str, rest: &str) -> String {
    let end = rest.strip_suffix('#').map_or_else(|| format!("{rest})"), str::to_owned);
    format!("CREATE TABLE {name} ({end}")
}

/// What no file has: the sql_mode that a trigger runs under.
fn tellable(mut shape: TableShape) -> TableShape {
    for trigger in &mut shape.triggers {
        trigger.sql_mode.clear();
    }
    shape
}

/// In which columns, keys and other parts two shapes differ.
fn differences(name: &str, file: &TableShape, server: &TableShape) -> Vec<String> {
    let mut found = Vec::new();
    let columns = file.columns.iter().zip(&server.columns).filter(|(file, server)| file != server);
    found.extend(columns.map(|(file, server)| format!("{name}: file   {file:?}\n{name}: server {server:?}")));
    let keys = file.keys.iter().zip(&server.keys).filter(|(file, server)| file != server);
    found.extend(keys.map(|(file, server)| format!("{name}: file   {file:?}\n{name}: server {server:?}")));
    let rest = |shape: &TableShape| TableShape { columns: Vec::new(), keys: Vec::new(), ..shape.clone() };
    let (file_rest, server_rest) = (rest(file), rest(server));
    if found.is_empty() && file != server || file_rest != server_rest {
        found.push(format!("{name}: file   {file_rest:?}\n{name}: server {server_rest:?}"));
    }
    found
}

#[tokio::test]
async fn a_schema_file_has_the_shapes_that_the_server_has() {
    let mut schema = Schema::new("schema_file").await;
    schema.run("SET sql_mode = 'NO_ENGINE_SUBSTITUTION', innodb_strict_mode = 0").await;
    for (name, rest) in TABLES {
        schema.run(&create(name, rest)).await;
    }
    schema.run("CREATE VIEW seen AS SELECT id FROM parent").await;
    schema.run("CREATE PROCEDURE p() BEGIN SELECT ';'; SELECT 2; END").await;
    schema.run("CREATE TRIGGER first BEFORE INSERT ON zoo FOR EACH ROW SET NEW.a = 1 /* ; */").await;
    schema.run("CREATE TRIGGER later AFTER DELETE ON zoo FOR EACH ROW BEGIN DO 1; DO ';'; END").await;
    schema.run("INSERT INTO parent VALUES (1, 2)").await;

    let version = Version::new(10, 11, 0);
    let own = Ident::new(&schema.name).unwrap();
    let read =
        |text: &str| read_schema(text, &own, Flavour::MariaDb, version).unwrap_or_else(|error| panic!("{error}"));
    let found = |tables: &[SchemaTable], name: &str| {
        tables.iter().find(|table| table.name.table.as_str() == name).unwrap().clone()
    };
    let mut shown = String::new();
    for (name, _) in TABLES {
        shown += &(schema.shown(name).await + ";\n\n");
    }
    let port = nodes()[0].rsplit(':').next().unwrap().to_owned();
    let dump = |flags: &[&str]| {
        let mut command = Command::new("mariadb-dump");
        command.args(["--no-defaults", "--host=127.0.0.1", "--user=root", "--port", &port]).args(flags);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let dumps = [
        dump(&["--no-data", "--routines", &schema.name]),
        dump(&["--no-data", "--databases", &schema.name]),
        // With its rows, as a file that somebody had at hand.
        dump(&["--databases", &schema.name, "--skip-comments", "--compact"]),
    ];
    assert_eq!(
        dump_version(&dumps[0]).map(|(flavour, v)| (flavour, v.major, v.minor)),
        Some((Flavour::MariaDb, 10, 11))
    );
    let (from_shown, from_dumps) = (read(&shown), dumps.each_ref().map(|text| read(text)));
    let mut differ = Vec::new();
    for (name, _) in TABLES {
        let server = tellable(facts(&schema.table(name), None).await.table);
        // SHOW CREATE TABLE shows no trigger.
        let bare = TableShape { triggers: Vec::new(), ..server.clone() };
        differ.extend(differences(name, &found(&from_shown, name).shape, &bare));
        for tables in &from_dumps {
            differ.extend(differences(name, &found(tables, name).shape, &server));
            assert_eq!(tables.len(), TABLES.len(), "no more and no fewer");
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert_eq!(found(&from_shown, "zoo").auto_increment, Some(77));
    schema.gone().await;
}

impl Schema {
    async fn shown(&mut self, table: &str) -> String {
        let mut session = crate::inspect::connect(0).await;
        let name = self.table(table).quoted();
        let rows = run(&mut *session, &format!("SHOW CREATE TABLE {name}")).await;
        rows[0].text(1).unwrap()
    }
}
