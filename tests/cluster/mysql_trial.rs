//! On MySQL a dry run shows the very table that the ALTER then makes, in the catalog's words.

use std::time::Duration;

use driftless::inspect::{dry_run, read_table};
use driftless::ports::server::Server as _;
use driftless::sql::catalog_table::Dialect;
use driftless_strategies::facts::DryRun;
use driftless_strategies::{Flavour, TableShape};

use crate::support::{TestMysql, bounded, mysql};

const LIMIT: Duration = Duration::from_secs(120);

/// Everything that MySQL prints in one way for a table and in another for a temporary one.
const TABLE: &str = "(id INT PRIMARY KEY, a INT DEFAULT (uuid_short()) INVISIBLE, \
    b TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP INVISIBLE, c VARBINARY(10) DEFAULT 0x00ff, \
    d VARCHAR(20) DEFAULT '(none)', e VARCHAR(20) DEFAULT ('x'), f JSON DEFAULT (json_array()), g BINARY(3) DEFAULT 'a', \
    h BIT(3) DEFAULT b'1', i ENUM('a''b','c\\\\d') DEFAULT 'a''b', j VARCHAR(30) DEFAULT 'it''s \\\\ here', \
    k GEOMETRY SRID 4326, l POINT NOT NULL SRID 0, m DECIMAL(10,2) DEFAULT 1.5, n DATE DEFAULT '2020-01-01', \
    o VARCHAR(40) DEFAULT 'CURRENT_TIMESTAMP', p DATETIME DEFAULT '2020-01-01 00:00:00', \
    q DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), \
    r INT AS (id + 1) VIRTUAL INVISIBLE COMMENT 'x (y', s INT, t VARCHAR(20) NOT NULL DEFAULT '', u DOUBLE DEFAULT 1e10, \
    v SET('a','b') DEFAULT 'a,b', w TIME DEFAULT '10:00:00', x YEAR DEFAULT 2020, \
    y VARCHAR(100) COLLATE utf8mb4_bin DEFAULT _latin1'abc', z BOOLEAN DEFAULT TRUE, z1 VECTOR(3), \
    z2 VARCHAR(9) CHARACTER SET latin1, KEY k1 ((s + 1)), KEY k2 (b DESC), \
    KEY k3 ((CONCAT(d, 'x''y'))) COMMENT 'it''s' INVISIBLE, KEY k4 (t(5)), \
    KEY k5 ((CAST(f->'$.a' AS UNSIGNED ARRAY))), SPATIAL KEY k6 (l), CONSTRAINT positive CHECK (s > 0))";

const ALTERS: &[&str] = &[
    "FORCE",
    "ADD COLUMN n1 INT",
    "ADD COLUMN n1 VARCHAR(20) NOT NULL DEFAULT 'it''s \\\\ x' COMMENT 'DEFAULT (1) SRID 5' FIRST",
    "ADD COLUMN n1 VARCHAR(20) DEFAULT '(x)', ADD COLUMN n2 VARCHAR(20) DEFAULT (CONCAT('a''b', 'c\\\\', d))",
    "ADD COLUMN n1 TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP INVISIBLE AFTER a",
    "ADD COLUMN n1 DATETIME(3) DEFAULT NOW(3), ADD COLUMN n2 VARCHAR(40) DEFAULT 'CURRENT_TIMESTAMP'",
    "ADD COLUMN n1 JSON DEFAULT (JSON_OBJECT('a', 1)), ADD COLUMN n2 TEXT DEFAULT ('x')",
    "ADD COLUMN n1 POINT SRID 4326, ADD COLUMN n2 VECTOR(4)",
    "ADD COLUMN n1 VARBINARY(9) DEFAULT 0xff00aa, ADD COLUMN n2 BINARY(4) DEFAULT 'ab', ADD COLUMN n3 BIT(7) DEFAULT 5",
    "ADD COLUMN n1 INT AS (s * 2 + LENGTH('a)b')) STORED, ADD KEY kn (n1 DESC, d(3))",
    "ADD COLUMN n1 ENUM('x','y''z') CHARACTER SET latin1 NOT NULL DEFAULT 'y''z'",
    "MODIFY a BIGINT UNSIGNED DEFAULT 7 VISIBLE",
    "MODIFY d VARCHAR(30) COLLATE utf8mb4_bin NOT NULL DEFAULT '' AFTER z",
    "CHANGE j jj VARCHAR(60) DEFAULT 'CURRENT_TIMESTAMP' COMMENT 'c'",
    "ALTER COLUMN d SET DEFAULT (UUID()), ALTER COLUMN e DROP DEFAULT, ALTER COLUMN s SET INVISIBLE",
    "RENAME COLUMN q TO qq, DROP COLUMN p, DROP KEY k4",
    "ADD UNIQUE KEY un ((LOWER(CONCAT(d, '\\\\')))), ADD KEY kd (m DESC, n), RENAME KEY k2 TO k22, ALTER INDEX k3 VISIBLE",
    "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "DROP PRIMARY KEY, ADD PRIMARY KEY (id, w)",
];

#[tokio::test]
async fn a_dry_run_shows_what_the_alter_makes() {
    let Some(test) = mysql().await else { return };
    let work = async {
        let mut wrong = Vec::new();
        for alter in ALTERS {
            wrong.extend(differences(&test, alter).await);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    };
    bounded(LIMIT, &[test.node()], work).await;
}

async fn differences(test: &TestMysql, clauses: &str) -> Vec<String> {
    let plain = test.plain();
    let table = test.table("`trial'd`".trim_matches('`'));
    let quoted = table.quoted();
    plain.run(&[&format!("DROP TABLE IF EXISTS {quoted}"), &format!("CREATE TABLE {quoted} {TABLE}")]).await;
    let mut session = plain.connect().await.unwrap();
    let version = test.version().await;
    let dialect = Dialect { flavour: Flavour::MySql, version };
    let alter = driftless::ddl::parse_alter(clauses, dialect.flavour, version).unwrap();
    let source = read_table(&mut *session, dialect, &table).await.unwrap().unwrap().shape;
    let variables = std::collections::BTreeMap::new();
    let trial = dry_run(&mut *session, dialect, &table, &source, &alter, &variables).await.unwrap();
    let DryRun::Accepted { shape } = trial.outcome else { return vec![format!("{clauses}: {:?}", trial.outcome)] };
    plain.run(&[&format!("ALTER TABLE {quoted} {clauses}")]).await;
    let real = read_table(&mut *session, dialect, &table).await.unwrap().unwrap().shape;
    let (mut tried, mut made) = (shape.keys.clone(), real.keys.clone());
    tried.sort_by(|one, other| one.name.cmp(&other.name));
    made.sort_by(|one, other| one.name.cmp(&other.name));
    let columns = shape.columns.iter().zip(&real.columns).filter(|(tried, made)| tried != made);
    let columns = columns.map(|(tried, made)| format!("{clauses}:\n  tried {tried:?}\n  made  {made:?}"));
    let keys = tried.iter().zip(&made).filter(|(tried, made)| tried != made);
    let keys = keys.map(|(tried, made)| format!("{clauses}:\n  tried {tried:?}\n  made  {made:?}"));
    let mut found: Vec<String> = columns.chain(keys).collect();
    if (shape.columns.len(), tried.len()) != (real.columns.len(), made.len()) {
        let names = |shape: &TableShape| {
            let columns = shape.columns.iter().map(|column| column.name.as_str().to_owned());
            columns.chain(shape.keys.iter().map(|key| key.name.as_str().to_owned())).collect::<Vec<_>>().join(" ")
        };
        found.push(format!("{clauses}:\n  tried {}\n  made  {}", names(&shape), names(&real)));
    }
    found
}
