//! Which statements end a transaction, and which concern the table.

use super::watch;
use crate::binlog::statement::{Role, concerns, role};

#[test]
fn statements_have_roles() {
    //   statement                                   role
    let cases = [
        ("BEGIN", Role::Opens),
        ("START TRANSACTION /* x */", Role::Opens),
        ("XA START X'61',X'',1", Role::Opens),
        ("COMMIT", Role::Ends),
        ("ROLLBACK", Role::Ends),
        ("commit work", Role::Ends),
        ("XA COMMIT X'61',X'',1", Role::Ends),
        ("XA ROLLBACK 'a'", Role::Ends),
        ("XA END X'61',X'',1", Role::Within),
        ("SAVEPOINT `a`", Role::Within),
        ("ROLLBACK TO `a`", Role::Within),
        ("ROLLBACK WORK TO SAVEPOINT a", Role::Within),
        ("RELEASE SAVEPOINT a", Role::Within),
        ("# Dummy event replacing event type 160 that slave cannot handle.", Role::Within),
        ("", Role::Within),
        ("-- c\nCREATE TABLE a (b INT)", Role::Other),
        ("BEGINNING", Role::Other),
    ];
    for (statement, expected) in cases {
        assert_eq!(role(statement.as_bytes()), expected, "{statement}");
    }
}

#[test]
fn statements_concern_the_table_or_not() {
    let watch = watch();
    //   default schema  statement                                                    concerns
    let cases: [(&str, &[u8], bool); 30] = [
        ("s", b"ALTER TABLE t ADD COLUMN x INT", true),
        ("s", b"alter table `T` add column x int", true),
        ("", b"ALTER TABLE s.t FORCE", true),
        ("r", b"ALTER TABLE `s`.`t` FORCE", true),
        ("r", b"ALTER TABLE t FORCE", false),
        ("s", b"ALTER TABLE r.t FORCE", false),
        ("s", b"ALTER TABLE tt FORCE", false),
        ("s", b"ALTER TABLE x COMMENT 't'", false),
        ("s", b"ALTER TABLE x COMMENT \"t\"", true),
        ("s", b"ALTER TABLE x COMMENT 'it''s \\' t'", false),
        ("s", b"/* t */ DROP TABLE x -- t\n", false),
        ("s", b"DROP TABLE /*!40000 t */", true),
        ("s", b"DROP TEMPORARY TABLE IF EXISTS `t`", false),
        ("s", b"RENAME TABLE t TO _t_retired, _t_shadow TO t", true),
        ("s", b"TRUNCATE t", true),
        ("s", b"CREATE DEFINER=`root`@`localhost` TRIGGER x BEFORE INSERT ON `s`.`t` FOR EACH ROW SET @a = 1", true),
        ("s", b"SET STATEMENT max_statement_time=1 FOR TRUNCATE TABLE t", true),
        ("s", b"SET STATEMENT max_statement_time=1 FOR TRUNCATE TABLE x", false),
        ("s", b"SET PASSWORD FOR t = 'x'", false),
        ("s", b"GRANT ALL ON s.t TO x", false),
        ("s", b"ANALYZE TABLE t", false),
        ("s", b"ANALYZE UPDATE t SET a = 1", true),
        ("s", b"DROP DATABASE s", true),
        ("s", b"DROP SCHEMA `r`", false),
        ("r", b"INSERT INTO x VALUES (1)", true),
        ("r", b"SELECT `f`()", true),
        ("s", b"DROP VIEW \xe9", false),
        ("s", b"ALTER TABLE \x95\x5c` t", true),
        ("s", b"FLUSH TABLES t", false),
        ("s", b"OPTIMIZE TABLE t", false),
    ];
    for (schema, statement, expected) in cases {
        let text = String::from_utf8_lossy(statement);
        assert_eq!(concerns(&watch, schema.as_bytes(), statement), expected, "{schema}: {text}");
    }
}
