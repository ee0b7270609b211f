//! What the catalog of every node says of every kind of table.

use std::time::Duration;

use driftless_strategies::TableName;
use driftless_strategies::shape::{Generated, KeyKind};

use super::direct::Way;
use super::{LIMITS, RealClock, Schema, alter, cluster, connect, facts, run, synced};
use driftless::discover::discover;
use driftless::inspect::inspect;
use driftless::ports::clock::Clock;
use driftless_strategies::ClauseKind;

const ZOO: &str = "CREATE TABLE zoo (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, a INT(5) ZEROFILL DEFAULT 3,
  b VARCHAR(20) CHARACTER SET latin1 DEFAULT 'it''s', c TEXT DEFAULT (CONCAT('x', UUID())),
  d DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  e ENUM('a', 'b,''ö') NOT NULL DEFAULT 'a', f SET('x', 'y'), g INT AS (a + 1) VIRTUAL, h INT AS (a * 2) STORED,
  i INT INVISIBLE DEFAULT 5, j JSON, k FLOAT, l DOUBLE(10, 2), m DECIMAL(65, 30) DEFAULT -1.5, n BIT(64) DEFAULT b'101',
  o YEAR, p TIME(3), q TIMESTAMP(3) NULL, r DATE DEFAULT '0000-00-00', s BINARY(3), t VARBINARY(20) DEFAULT 0x00FF,
  u TINYBLOB, v MEDIUMTEXT, w LONGBLOB, x POINT NOT NULL, y INET6, z UUID, parent INT, `odd ``name` TINYINT(1),
  ünï SMALLINT COMMENT 'it''s ö',
  PRIMARY KEY (id, e), UNIQUE KEY prefixed (b(5), a DESC), KEY hidden (a) IGNORED, FULLTEXT KEY words (v),
  SPATIAL KEY place (x), KEY computed (g) COMMENT 'kk', CONSTRAINT positive CHECK (a > 0),
  CONSTRAINT up FOREIGN KEY up_key (parent) REFERENCES parent (k) ON DELETE CASCADE ON UPDATE SET NULL
) COMMENT 'it''s' ROW_FORMAT = DYNAMIC CHECKSUM = 1";

async fn zoo(schema: &mut Schema) -> TableName {
    schema.run("SET sql_mode = 'NO_ENGINE_SUBSTITUTION'").await;
    schema.run("CREATE TABLE parent (id INT PRIMARY KEY, k INT UNIQUE)").await;
    schema.run(ZOO).await;
    schema.run("CREATE TRIGGER theirs BEFORE INSERT ON zoo FOR EACH ROW SET NEW.a = 1").await;
    schema.run("CREATE TRIGGER driftless_ours AFTER INSERT ON zoo FOR EACH ROW DO 1").await;
    schema.table("zoo")
}

#[tokio::test]
async fn a_shape_is_whole_equal_on_all_nodes_and_stable() {
    let mut schema = Schema::new("shapes").await;
    let table = zoo(&mut schema).await;
    let facts = facts(&table, None).await;
    let prints: Vec<_> = facts.nodes.iter().map(|node| node.fingerprint.clone().unwrap()).collect();
    assert!(prints.iter().all(|print| *print == prints[0] && print.0.len() == 64));
    let shape = &facts.table;
    let column = |name: &str| shape.columns.iter().find(|column| column.name.as_str() == name).unwrap();
    assert_eq!(shape.columns.len(), 30);
    assert_eq!(column("b").default.as_deref(), Some("'it''s'"));
    assert_eq!(column("b").collation.as_deref(), Some("latin1_swedish_ci"));
    assert_eq!(column("c").default.as_deref(), Some("concat('x',uuid())"));
    assert_eq!(column("d").extra, "on update current_timestamp(6)");
    assert_eq!(column("e").column_type, "enum('a','b,''ö')");
    assert_eq!((column("g").generated, column("g").expression.as_deref()), (Some(Generated::Virtual), Some("`a` + 1")));
    assert_eq!((column("h").generated, column("id").auto_increment()), (Some(Generated::Stored), true));
    assert!(column("i").invisible && column("a").unsigned() && column("odd `name").nullable);
    let key = |name: &str| shape.keys.iter().find(|key| key.name.as_str() == name).unwrap();
    let prefixed: Vec<_> = key("prefixed").parts.iter().map(|part| (part.prefix, part.descending)).collect();
    assert_eq!(prefixed, [(Some(5), false), (None, true)]);
    assert!(!key("hidden").visible && key("computed").comment == "kk");
    let kinds = ["PRIMARY", "prefixed", "words", "place", "up"].map(|name| key(name).kind);
    let wanted = [KeyKind::Primary, KeyKind::Unique, KeyKind::Fulltext, KeyKind::Spatial, KeyKind::Plain];
    assert_eq!(kinds, wanted);
    assert_eq!(shape.checks.len(), 2, "positive, and JSON's own: {:?}", shape.checks);
    let up = &shape.foreign_keys[0];
    assert_eq!((up.on_delete.as_str(), up.on_update.as_str()), ("CASCADE", "SET NULL"));
    let triggers: Vec<_> = shape.triggers.iter().map(|trigger| trigger.name.as_str()).collect();
    assert_eq!(triggers, ["theirs"], "ours is a leftover, not a part of the table");
    assert!(facts.nodes.iter().all(|node| node.leftovers.len() == 1 && node.leftovers[0].contains("driftless_ours")));
    assert_eq!((shape.engine.as_str(), shape.comment.as_str()), ("InnoDB", "it's"));
    same_after(&mut schema, &table, &prints[0].0).await;
    schema.gone().await;
}

/// Rows, counters, statistics and our own triggers change nothing; everything else does.
async fn same_after(schema: &mut Schema, table: &TableName, before: &str) {
    let print = async || facts(table, None).await.nodes[2].fingerprint.clone().unwrap().0;
    schema.run("DROP TRIGGER driftless_ours").await;
    schema.run("INSERT INTO zoo (b, e, x) VALUES ('one', 'a', POINT(1, 1)), ('two', 'a', POINT(2, 2))").await;
    schema.run("ALTER TABLE zoo AUTO_INCREMENT = 1000").await;
    schema.run("ANALYZE TABLE zoo").await;
    assert_eq!(print().await, before);
    let changes = [
        ("ALTER TABLE zoo ALTER b SET DEFAULT 'its'", "ALTER TABLE zoo ALTER b SET DEFAULT 'it''s'"),
        ("ALTER TABLE zoo MODIFY l DOUBLE(10, 3)", "ALTER TABLE zoo MODIFY l DOUBLE(10, 2)"),
        ("ALTER TABLE zoo COMMENT 'its'", "ALTER TABLE zoo COMMENT 'it''s'"),
        ("ALTER TABLE zoo ALTER KEY hidden NOT IGNORED", "ALTER TABLE zoo ALTER KEY hidden IGNORED"),
        (
            "ALTER TABLE zoo DROP KEY place, ADD KEY place (id)",
            "ALTER TABLE zoo DROP KEY place, ADD SPATIAL KEY place (x)",
        ),
        ("CREATE TRIGGER more AFTER DELETE ON zoo FOR EACH ROW DO 1", "DROP TRIGGER more"),
        ("CREATE TABLE kid (a BIGINT UNSIGNED REFERENCES zoo (id))", "DROP TABLE kid"),
        ("ALTER TABLE zoo ADD CONSTRAINT c2 CHECK (a < 100)", "ALTER TABLE zoo DROP CONSTRAINT c2"),
        ("ALTER TABLE zoo CHECKSUM = 0", "ALTER TABLE zoo CHECKSUM = 1"),
    ];
    for (change, back) in changes {
        schema.run(change).await;
        assert_ne!(print().await, before, "{change}");
        schema.run(back).await;
        assert_eq!(print().await, before, "{back}");
    }
}

#[tokio::test]
async fn foreign_keys_are_seen_from_both_ends_over_schemas_and_odd_names() {
    let mut schema = Schema::new("fks").await;
    schema.run("CREATE TABLE `pär/ent-x` (id INT, k INT, PRIMARY KEY (id, k)) ENGINE = InnoDB").await;
    schema.run("DROP DATABASE IF EXISTS `inspect_öther.x`").await;
    schema.run("CREATE DATABASE `inspect_öther.x`").await;
    let child = "CREATE TABLE `inspect_öther.x`.`kïnd é` (b INT, a INT, CONSTRAINT `f-ö/x` FOREIGN KEY (a, b)
                 REFERENCES inspect_fks.`pär/ent-x` (id, k) ON DELETE SET NULL ON UPDATE CASCADE)";
    schema.run(child).await;
    schema.run("CREATE TABLE `_pär/ent-x_shadow` (a INT, KEY (a), FOREIGN KEY (a) REFERENCES `pär/ent-x` (id))").await;
    let parent = facts(&schema.table("pär/ent-x"), None).await;
    let from_child = facts(&TableName::parse("`inspect_öther.x`.`kïnd é`").unwrap(), None).await;
    assert_eq!(
        parent.table.referenced_by.len(),
        1,
        "the shadow's key is not the table's: {:?}",
        parent.table.referenced_by
    );
    assert_eq!(parent.table.referenced_by, from_child.table.foreign_keys, "both views of the catalog say the same");
    let key = &parent.table.referenced_by[0];
    assert_eq!((key.name.as_str(), key.schema.as_str(), key.table.as_str()), ("f-ö/x", "inspect_öther.x", "kïnd é"));
    assert_eq!(key.columns.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((key.on_delete.as_str(), key.on_update.as_str()), ("SET NULL", "CASCADE"));
    assert!(parent.nodes.iter().all(|node| node.fingerprint == parent.nodes[0].fingerprint));
    schema.run("DROP DATABASE `inspect_öther.x`").await;
    schema.gone().await;
}

#[tokio::test]
async fn partitions_views_and_versions_are_told_apart() {
    let mut schema = Schema::new("kinds").await;
    let parted = "CREATE TABLE parted (id INT PRIMARY KEY, n INT) PARTITION BY RANGE (id) SUBPARTITION BY HASH (id)
                  SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (10) COMMENT = 'low', PARTITION p1 VALUES LESS THAN MAXVALUE)";
    schema.run(parted).await;
    schema.run("CREATE VIEW seen AS SELECT 1 AS a").await;
    schema.run("CREATE TABLE versions (id INT PRIMARY KEY) WITH SYSTEM VERSIONING").await;
    schema.run("CREATE TABLE T (one INT PRIMARY KEY)").await;
    schema.run("CREATE TABLE t (two INT PRIMARY KEY, KEY more (two))").await;
    let kind = async |name: &str| facts(&schema.table(name), None).await.table;
    let parted = kind("parted").await;
    assert_eq!(parted.partitions.len(), 4);
    assert_eq!(parted.partitions[0], "RANGE (`id`) p0: 10; HASH (`id`) p0sp0; low");
    assert_eq!(kind("seen").await.table_type, "VIEW");
    assert_eq!(kind("versions").await.table_type, "SYSTEM VERSIONED");
    let (upper, lower) = (kind("T").await, kind("t").await);
    assert_eq!((upper.columns[0].name.as_str(), upper.keys.len()), ("one", 1));
    assert_eq!((lower.columns[0].name.as_str(), lower.keys.len()), ("two", 2));
    let missing = inspect(&cluster().await, &schema.table("nothing"), None, &LIMITS).await.unwrap_err();
    assert!(missing.to_string().contains("[table-missing]"), "{missing}");
    schema.gone().await;
}

#[tokio::test]
async fn drift_and_leftovers_on_one_node_show() {
    let mut schema = Schema::new("drift").await;
    schema.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let local = async |node: usize, sql: &str| {
        let mut session = connect(node).await;
        run(&mut *session, "SET SESSION wsrep_OSU_method = 'RSU'").await;
        run(&mut *session, &format!("USE {}", schema.name)).await;
        run(&mut *session, sql).await;
        synced().await;
    };
    local(2, "ALTER TABLE t ADD d INT").await;
    local(1, "CREATE TABLE _t_new (id INT PRIMARY KEY)").await;
    let found = facts(&schema.table("t"), None).await;
    let prints: Vec<_> = found.nodes.iter().map(|node| node.fingerprint.clone().unwrap()).collect();
    local(2, "ALTER TABLE t DROP d").await;
    local(1, "DROP TABLE _t_new").await;
    let undone = facts(&schema.table("t"), None).await;
    schema.gone().await;
    assert!(prints[0] == prints[1] && prints[0] != prints[2], "{prints:?}");
    let left: Vec<_> = found.nodes.iter().map(|node| node.leftovers.len()).collect();
    assert_eq!(left, [0, 1, 0], "{:?}", found.nodes);
    assert!(found.nodes[1].leftovers[0].contains("`_t_new`"));
    assert!(
        undone.nodes.iter().all(|node| node.fingerprint == undone.nodes[0].fingerprint && node.leftovers.is_empty())
    );
}

#[tokio::test]
async fn state_variables_and_speed() {
    let mut schema = Schema::new("speed").await;
    let table = zoo(&mut schema).await;
    let clock = RealClock::start();
    let mut best = Duration::MAX;
    let alter = alter("ADD COLUMN added INT", ClauseKind::Unknown);
    for _ in 0..5 {
        let discovered = discover(&super::seek(&Way::root())).await.unwrap();
        let before = clock.now();
        let facts = inspect(&discovered, &table, Some(&alter), &LIMITS).await.unwrap();
        best = best.min(clock.now() - before);
        for node in &facts.nodes {
            assert_eq!((node.unfit.as_slice(), node.read_only), (&[][..], false), "{}", node.name);
            for name in ["wsrep_osu_method", "sql_log_bin", "binlog_format", "gcs.fc_limit", "lower_case_table_names"] {
                assert!(node.variables.contains_key(name), "{name}");
            }
            assert!(!node.variables.contains_key("wsrep_provider_options"));
        }
    }
    assert!(best < Duration::from_millis(200), "{best:?}");
    schema.gone().await;
}
