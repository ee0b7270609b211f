//! Files as people and servers write them; what a real server makes of the same is compared in `tests/cluster`.

use driftless_strategies::shape::{Column, Generated, KeyKind};
use driftless_strategies::{Flavour, Ident, Key, Version};

use super::{SchemaError, SchemaTable, dump_version, read_schema};

const MARIADB: (Flavour, Version) = (Flavour::MariaDb, Version::new(10, 11, 6));
const MYSQL: (Flavour, Version) = (Flavour::MySql, Version::new(8, 0, 36));

fn read(text: &str, (flavour, version): (Flavour, Version)) -> Result<Vec<SchemaTable>, SchemaError> {
    read_schema(text, &Ident::new("shop").unwrap(), flavour, version)
}

fn one(text: &str, server: (Flavour, Version)) -> SchemaTable {
    let mut tables = read(text, server).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(tables.len(), 1, "{text}");
    tables.remove(0)
}

fn column<'a>(table: &'a SchemaTable, name: &str) -> &'a Column {
    table.shape.columns.iter().find(|column| column.name.as_str() == name).unwrap()
}

fn key<'a>(table: &'a SchemaTable, name: &str) -> &'a Key {
    table.shape.keys.iter().find(|key| key.name.as_str() == name).unwrap()
}

/// As MySQL 8.0.36 prints it.
const OF_MYSQL: &str = "CREATE TABLE `orders` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT,
  `who` int NOT NULL DEFAULT '0',
  `uid` binary(16) DEFAULT (uuid_to_bin(uuid())),
  `state` enum('new','it''s') COLLATE utf8mb4_bin NOT NULL DEFAULT 'it''s',
  `at` datetime(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  `total` decimal(10,2) GENERATED ALWAYS AS ((`who` * 2)) STORED,
  `flags` bit(3) DEFAULT b'101',
  `doc` json DEFAULT NULL,
  `place` point NOT NULL /*!80003 SRID 4326 */,
  `hidden` int DEFAULT NULL /*!80023 INVISIBLE */,
  `note` text CHARACTER SET latin1 COLLATE latin1_swedish_ci,
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`who`,`state` DESC) /*!80000 INVISIBLE */,
  KEY `f` ((lower(`note`))),
  CONSTRAINT `fk` FOREIGN KEY (`who`) REFERENCES `people` (`id`) ON DELETE CASCADE,
  CONSTRAINT `orders_chk_1` CHECK ((`who` >= 0)) /*!80016 NOT ENFORCED */
) ENGINE=InnoDB AUTO_INCREMENT=42 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci COMMENT='a; b'
/*!50100 PARTITION BY RANGE (`id`)
(PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB,
 PARTITION p1 VALUES LESS THAN MAXVALUE ENGINE = InnoDB) */";

#[test]
fn reads_what_mysql_prints() {
    let table = one(OF_MYSQL, MYSQL);
    assert_eq!((table.auto_increment, table.default_charset), (Some(42), false));
    assert_eq!(column(&table, "id").column_type, "bigint unsigned");
    assert_eq!((column(&table, "who").default.as_deref(), column(&table, "who").extra.as_str()), (Some("0"), ""));
    let uid = column(&table, "uid");
    assert_eq!((uid.default.as_deref(), uid.extra.as_str()), (Some("uuid_to_bin(uuid())"), "default_generated"));
    let state = column(&table, "state");
    assert_eq!((state.default.as_deref(), state.collation.as_deref()), (Some("it's"), Some("utf8mb4_bin")));
    let at = column(&table, "at");
    assert_eq!(at.extra, "default_generated on update current_timestamp(3)");
    assert_eq!(at.default.as_deref(), Some("CURRENT_TIMESTAMP(3)"));
    let total = column(&table, "total");
    assert_eq!((total.generated, total.expression.as_deref()), (Some(Generated::Stored), Some("(`who` * 2)")));
    assert_eq!(column(&table, "doc").charset, None);
    assert_eq!(column(&table, "doc").default, None);
    assert_eq!(column(&table, "place").extra, "srid 4326");
    assert!(column(&table, "hidden").invisible && column(&table, "note").nullable);
    assert!(key(&table, "u").parts[1].descending && !key(&table, "u").visible);
    assert_eq!(key(&table, "f").parts[0].expression.as_deref(), Some("lower(`note`)"));
    let fk = &table.shape.foreign_keys[0];
    assert_eq!((fk.on_delete.as_str(), fk.on_update.as_str()), ("CASCADE", "NO ACTION"));
    assert_eq!(table.shape.checks[0].1, "(`who` >= 0) NOT ENFORCED");
    assert_eq!(table.shape.partitions, ["RANGE (`id`) p0: 10", "RANGE (`id`) p1: MAXVALUE"]);
    assert_eq!(table.shape.comment, "a; b");
}

#[test]
fn reads_what_people_write() {
    let text = "
        -- orders; of the shop
        create table if not exists orders (
            id integer primary key auto_increment,  # the key
            code char unique, n numeric not null default +5, r real, b bool default true, j json, t tinyint unsigned,
            at timestamp null default now() on update now(), s serial, parent int references orders (id),
            `key` varchar(5) default \"it's\", f float(30), y year, index (code, n), unique (code, n),
            check (n > 0), fulltext (`key`), e enum('a' , 'b'), nn national char varying(3)
        ) default charset utf8mb4";
    let table = one(text, MARIADB);
    let types = |name: &str| column(&table, name).column_type.clone();
    for (name, kind) in [
        ("id", "int(11)"),
        ("code", "char(1)"),
        ("n", "decimal(10,0)"),
        ("r", "double"),
        ("b", "tinyint(1)"),
        ("j", "longtext"),
        ("t", "tinyint(3) unsigned"),
        ("s", "bigint(20) unsigned"),
        ("f", "double"),
        ("y", "year(4)"),
        ("e", "enum('a','b')"),
        ("nn", "varchar(3)"),
    ] {
        assert_eq!(types(name), kind, "{name}");
    }
    assert_eq!(column(&table, "at").extra, "on update current_timestamp()");
    assert_eq!(column(&table, "key").default.as_deref(), Some("'it''s'"));
    assert_eq!(column(&table, "b").default.as_deref(), Some("1"));
    assert_eq!(column(&table, "id").default, None);
    assert_eq!(column(&table, "code").collation.as_deref(), Some("utf8mb4_general_ci"));
    assert_eq!(column(&table, "nn").charset.as_deref(), Some("utf8mb3"));
    let kinds = ["PRIMARY", "code", "code_2", "code_3", "key", "parent", "s"].map(|name| key(&table, name).kind);
    use KeyKind::{Fulltext, Plain, Primary, Unique};
    assert_eq!(kinds, [Primary, Unique, Plain, Unique, Fulltext, Plain, Unique]);
    assert_eq!(table.shape.foreign_keys[0].name.as_str(), "orders_ibfk_1");
    assert_eq!(table.shape.referenced_by, table.shape.foreign_keys, "the table refers to itself");
    let checks: Vec<_> = table.shape.checks.iter().map(|(name, clause)| format!("{name}: {clause}")).collect();
    assert_eq!(checks, ["CONSTRAINT_1: n > 0", "j: json_valid(`j`)"]);
}

#[test]
fn takes_a_server_s_default_character_set_and_says_so() {
    let text = "CREATE TABLE t (a VARCHAR(3))";
    for (server, collation) in [
        (MARIADB, "latin1_swedish_ci"),
        ((Flavour::MariaDb, Version::new(11, 8, 2)), "utf8mb4_uca1400_ai_ci"),
        (MYSQL, "utf8mb4_0900_ai_ci"),
        ((Flavour::MySql, Version::new(5, 7, 44)), "latin1_swedish_ci"),
    ] {
        let table = one(text, server);
        assert_eq!((table.shape.collation.as_str(), table.default_charset), (collation, true));
        assert_eq!(column(&table, "a").collation.as_deref(), Some(collation));
    }
}

#[test]
fn passes_over_what_makes_no_table() {
    let text = "/*M!999999\\- enable the sandbox mode */
-- Server version\t10.11.6-MariaDB-log
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
CREATE DATABASE /*!32312 IF NOT EXISTS*/ `other`;
use other
DROP TABLE IF EXISTS `a`;
CREATE TABLE `a` (`id` int(11) NOT NULL);
LOCK TABLES `a` WRITE;
/*!40000 ALTER TABLE `a` DISABLE KEYS */;
INSERT INTO `a` VALUES (1,';'),(2,'\\';'),(3,'-- x');
/*!40000 ALTER TABLE `a` ENABLE KEYS */;
UNLOCK TABLES;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`ro;ot`@`%`*/ /*!50003 TRIGGER `tr` BEFORE INSERT ON `a` FOR EACH ROW BEGIN
  SET NEW.id := @x; -- ; done
END */;;
CREATE PROCEDURE p() BEGIN CREATE TABLE nope (a INT); END;;
DELIMITER ;
CREATE TABLE `shop`.`v` (`id` tinyint NOT NULL);
/*!50001 DROP TABLE IF EXISTS `v`*/;
/*!50001 CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW shop.`v` AS select 1 */;
CREATE TEMPORARY TABLE gone (a INT);
CREATE OR REPLACE TABLE b (id INT, FOREIGN KEY (id) REFERENCES shop.c (id))
";
    let tables = read(text, MARIADB).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<_> = tables.iter().map(|table| table.name.to_string()).collect();
    assert_eq!(names, ["other.a", "other.b"]);
    let trigger = &tables[0].shape.triggers[0];
    assert_eq!(
        (trigger.timing.as_str(), trigger.event.as_str(), trigger.definer.as_str()),
        ("BEFORE", "INSERT", "ro;ot@%")
    );
    assert!(trigger.statement.starts_with("BEGIN") && trigger.statement.ends_with("END"), "{}", trigger.statement);
    assert_eq!(tables[1].shape.foreign_keys[0].parent_schema.as_str(), "shop");
    assert_eq!(dump_version(text), Some(MARIADB));
    assert_eq!(dump_version("-- Server version\t8.0.36-28\n"), Some(MYSQL));
    assert_eq!(dump_version("CREATE TABLE t (a INT)"), None);
}

#[test]
fn says_where_a_file_is_wrong() {
    let after = "CREATE TABLE ok (a INT);\n\n";
    //  text                                             line  says
    let cases = [
        ("CREATE TABLE t (a INT", 3, "this parenthesis is never closed"),
        ("CREATE TABLE t a INT", 3, "the columns in parentheses"),
        ("CREATE TABLE t (a INT,\n  b VARCHRA(10) NULLL)", 4, "`NULLL` is no attribute of a column"),
        ("CREATE TABLE t (a INT,\n\n)", 5, "a column or a key is expected"),
        ("CREATE TABLE t (a INT,\n a INT)", 4, "a second column `a`"),
        ("CREATE TABLE t (a INT, KEY (a) LATER)", 3, "`LATER` is no option of a key"),
        ("CREATE TABLE t (a INT DEFAULT)", 3, "a default is expected"),
        ("CREATE TABLE t (a INT) ENGINE", 3, "a storage engine is expected"),
        ("CREATE TABLE t LIKE ok", 3, "LIKE and SELECT can't be read"),
        ("CREATE TABLE t (a INT DEFAULT 'x)", 3, "this string is never closed"),
        ("CREATE TABLE `t (a INT)", 3, "this quoted name is never closed"),
        ("/* CREATE TABLE t (a INT)", 3, "a comment is never closed"),
        ("/*!50003 CREATE TABLE t (a INT)", 3, "a comment is never closed"),
        ("<<<<<<< HEAD\nCREATE TABLE t (a INT);", 3, "no statement of a schema file begins like this"),
        ("*** 1. row ***\nTable: t", 3, "no statement of a schema file begins like this"),
        ("CREAT TABLE t (a INT)", 3, "no statement of a schema file begins like this"),
        ("ALTER TABLE ok ADD b INT", 3, "ALTER is not carried out here"),
        ("CREATE INDEX i ON ok (a)", 3, "an index of its own statement is not made here"),
        ("CREATE TABLE ok (b INT)", 3, "shop.ok is made a second time"),
        ("CREATE TRIGGER x BEFORE INSERT ON nowhere FOR EACH ROW DO 1", 3, "table shop.nowhere is not made before it"),
        ("CREATE TABLE t (a INT) PARTITION BY HASH (a) PARTITIONS 99999999", 3, "a number of partitions is expected"),
    ];
    for (text, line, says) in cases {
        let error = read(&format!("{after}{text}"), MARIADB).unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
        assert_eq!(error.line, line, "{text}: {error}");
    }
    assert_eq!(read("", MARIADB), Ok(Vec::new()));
    assert_eq!(read("\u{feff}-- nothing\n;;\n", MARIADB), Ok(Vec::new()));
}

mod anything {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Pieces of SQL in any order are read or refused; nothing hangs, panics or overflows.
        #[test]
        fn is_read_or_refused(pieces in proptest::collection::vec(piece(), 0..40)) {
            for server in [MARIADB, MYSQL] {
                if let Err(error) = read(&pieces.join(" "), server) {
                    prop_assert!(error.line >= 1);
                }
            }
        }
    }

    fn piece() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(vec![
            "CREATE",
            "TABLE",
            "t",
            "(",
            ")",
            ",",
            ";",
            "a INT",
            "`b` varchar(3)",
            "DEFAULT",
            "NULL",
            "'x'",
            "KEY",
            "PRIMARY KEY",
            "(a)",
            "CONSTRAINT",
            "FOREIGN KEY",
            "REFERENCES",
            "CHECK",
            "PARTITION BY",
            "HASH",
            "RANGE",
            "PARTITIONS 2",
            "VALUES LESS THAN",
            "MAXVALUE",
            "ENGINE=InnoDB",
            "COMMENT",
            "=",
            "/*!50100",
            "/*M!100300",
            "*/",
            "/*",
            "--\n",
            "# x\n",
            "DELIMITER ;;\n",
            ";;",
            "USE s",
            "USE s\n",
            "TRIGGER",
            "BEFORE INSERT ON",
            "FOR EACH ROW",
            "\u{feff}",
            "é",
            "\"",
            "`",
            "\\",
            ".",
            "AS (a)",
            "GENERATED ALWAYS",
            "ON UPDATE",
            "CREATE TABLE t (a INT)",
            "enum('a','b')",
            "-",
            "+ 1",
        ])
    }
}
