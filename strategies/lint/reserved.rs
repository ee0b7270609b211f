//! Reserved words of MySQL and MariaDB: what can't be a name without backquotes.
//!
//! # Source
//! MySQL manuals 8.0 to 9.6, "Keywords and Reserved Words". MariaDB, "Reserved Words", less what MariaDB 10.11 takes as a
//! name all the same (`DATABASE`, `WINDOW`, …).

use crate::facts::{Flavour, Version};

/// Reserved in both families, in every version that still runs.
const BOTH: &str = "\
    ACCESSIBLE ADD ALL ALTER ANALYZE AND AS ASC ASENSITIVE BEFORE BETWEEN BIGINT BINARY BLOB BOTH BY CALL \
    CASCADE CASE CHANGE CHAR CHARACTER CHECK COLLATE COLUMN CONDITION CONSTRAINT CONTINUE CONVERT CREATE CROSS \
    CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURSOR DATABASES DAY_HOUR DAY_MICROSECOND \
    DAY_MINUTE DAY_SECOND DEC DECIMAL DECLARE DEFAULT DELAYED DELETE DESC DESCRIBE DETERMINISTIC DISTINCT \
    DISTINCTROW DIV DOUBLE DROP DUAL EACH ELSE ELSEIF ENCLOSED ESCAPED EXISTS EXIT EXPLAIN FALSE FETCH FLOAT \
    FLOAT4 FLOAT8 FOR FORCE FOREIGN FROM FULLTEXT GRANT GROUP HAVING HIGH_PRIORITY HOUR_MICROSECOND HOUR_MINUTE \
    HOUR_SECOND IF IGNORE IN INDEX INFILE INNER INOUT INSENSITIVE INSERT INT INT1 INT2 INT3 INT4 INT8 INTEGER \
    INTERVAL INTO IS ITERATE JOIN KEY KEYS KILL LEADING LEAVE LEFT LIKE LIMIT LINEAR LINES LOAD LOCALTIME \
    LOCALTIMESTAMP LOCK LONG LONGBLOB LONGTEXT LOOP LOW_PRIORITY MASTER_SSL_VERIFY_SERVER_CERT MATCH MAXVALUE \
    MEDIUMBLOB MEDIUMINT MEDIUMTEXT MIDDLEINT MINUTE_MICROSECOND MINUTE_SECOND MOD MODIFIES NATURAL NOT \
    NO_WRITE_TO_BINLOG NULL NUMERIC ON OPTIMIZE OPTIONALLY OR ORDER OUT OUTER OUTFILE PARTITION PRECISION \
    PRIMARY PROCEDURE PURGE RANGE READ READS READ_WRITE REAL REFERENCES REGEXP RELEASE RENAME REPEAT REPLACE \
    REQUIRE RESIGNAL RESTRICT RETURN REVOKE RIGHT RLIKE SCHEMAS SECOND_MICROSECOND SELECT SENSITIVE SEPARATOR \
    SET SHOW SIGNAL SMALLINT SPATIAL SPECIFIC SQL SQLEXCEPTION SQLSTATE SQLWARNING SQL_BIG_RESULT \
    SQL_CALC_FOUND_ROWS SQL_SMALL_RESULT SSL STARTING STRAIGHT_JOIN TABLE TERMINATED THEN TINYBLOB TINYINT \
    TINYTEXT TO TRAILING TRIGGER TRUE UNDO UNION UNIQUE UNLOCK UNSIGNED UPDATE USAGE USE USING UTC_DATE \
    UTC_TIME UTC_TIMESTAMP VALUES VARBINARY VARCHAR VARCHARACTER VARYING WHEN WHERE WHILE WITH WRITE XOR \
    YEAR_MONTH ZEROFILL";

/// Reserved in MySQL only.
const MYSQL: &str = "\
    DATABASE GENERATED GET IO_AFTER_GTIDS IO_BEFORE_GTIDS MASTER_BIND OPTIMIZER_COSTS OPTION SCHEMA STORED \
    VIRTUAL";

/// Reserved in MariaDB only.
const MARIADB: &str = "\
    CURRENT_ROLE DELETE_DOMAIN_ID DO_DOMAIN_IDS EXCEPT IGNORE_DOMAIN_IDS INTERSECT OVER PAGE_CHECKSUM \
    PARSE_VCOL_EXPR RECURSIVE REF_SYSTEM_ID RETURNING ROWS STATS_AUTO_RECALC STATS_PERSISTENT \
    STATS_SAMPLE_PAGES";

/// Reserved in MySQL since that version.
const MYSQL_SINCE: [(&str, Version); 34] = [
    ("CUBE", Version::new(8, 0, 1)),
    ("CUME_DIST", Version::new(8, 0, 2)),
    ("DENSE_RANK", Version::new(8, 0, 2)),
    ("EMPTY", Version::new(8, 0, 4)),
    ("EXCEPT", Version::new(8, 0, 0)),
    ("FIRST_VALUE", Version::new(8, 0, 2)),
    ("FUNCTION", Version::new(8, 0, 1)),
    ("GROUPING", Version::new(8, 0, 1)),
    ("GROUPS", Version::new(8, 0, 2)),
    ("INTERSECT", Version::new(8, 0, 31)),
    ("JSON_TABLE", Version::new(8, 0, 4)),
    ("LAG", Version::new(8, 0, 2)),
    ("LAST_VALUE", Version::new(8, 0, 2)),
    ("LATERAL", Version::new(8, 0, 14)),
    ("LEAD", Version::new(8, 0, 2)),
    ("NTH_VALUE", Version::new(8, 0, 2)),
    ("NTILE", Version::new(8, 0, 2)),
    ("OF", Version::new(8, 0, 1)),
    ("OVER", Version::new(8, 0, 2)),
    ("PERCENT_RANK", Version::new(8, 0, 2)),
    ("RANK", Version::new(8, 0, 2)),
    ("RECURSIVE", Version::new(8, 0, 1)),
    ("ROW", Version::new(8, 0, 2)),
    ("ROWS", Version::new(8, 0, 2)),
    ("ROW_NUMBER", Version::new(8, 0, 2)),
    ("SYSTEM", Version::new(8, 0, 3)),
    ("WINDOW", Version::new(8, 0, 2)),
    ("MANUAL", Version::new(8, 4, 0)),
    ("PARALLEL", Version::new(8, 4, 0)),
    ("QUALIFY", Version::new(8, 4, 0)),
    ("TABLESAMPLE", Version::new(8, 4, 0)),
    ("LIBRARY", Version::new(9, 2, 0)),
    ("EXTERNAL", Version::new(9, 4, 0)),
    ("SETS", Version::new(9, 6, 0)),
];

/// Reserved in MariaDB since that version.
const MARIADB_SINCE: [(&str, Version); 3] =
    [("OFFSET", Version::new(10, 6, 0)), ("ROW_NUMBER", Version::new(10, 7, 1)), ("VECTOR", Version::new(11, 7, 1))];

/// Since when the family reserves a word; `None` when it does not.
pub(super) fn since(flavour: Flavour, word: &str) -> Option<Version> {
    let (own, since): (&str, &[(&str, Version)]) = match flavour {
        Flavour::MySql => (MYSQL, &MYSQL_SINCE),
        Flavour::MariaDb => (MARIADB, &MARIADB_SINCE),
    };
    let known = |list: &str| list.split_whitespace().any(|other| other.eq_ignore_ascii_case(word));
    if known(BOTH) || known(own) {
        return Some(Version::new(0, 0, 0));
    }
    since.iter().find(|(other, _)| other.eq_ignore_ascii_case(word)).map(|(_, version)| *version)
}
