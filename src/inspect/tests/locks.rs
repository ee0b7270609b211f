//! Metadata locks, as the plugin and the performance schema print them (rows taken from MariaDB 10.11 and MySQL's manual).

use driftless_strategies::TableName;

use crate::inspect::holders::{Lock, held};

use super::row;

#[test]
fn only_explicit_locks_hold() {
    let plugin = |mode: &str, kind: &str, schema: &str, name: &str| row(&["7", mode, kind, schema, name, "\0"]);
    let schema = |mode: &str, kind: &str, name: &str, duration: &str| row(&["7", mode, kind, "s", name, duration]);
    let cases = [
        (plugin("MDL_SHARED_READ_ONLY", "Table metadata lock", "s", "t"), true, "LOCK TABLES READ"),
        (plugin("MDL_SHARED_NO_READ_WRITE", "Table metadata lock", "s", "t"), true, "LOCK TABLES WRITE"),
        (plugin("MDL_SHARED_NO_READ_WRITE", "Table metadata lock", "s", "u"), false, "of another table"),
        (plugin("MDL_SHARED_NO_READ_WRITE", "Table metadata lock", "r", "t"), false, "of another schema"),
        (plugin("MDL_SHARED_NO_WRITE", "Table metadata lock", "s", "t"), true, "FLUSH TABLES t WITH READ LOCK"),
        (plugin("MDL_BACKUP_FTWRL2", "Backup lock", "", ""), true, "FLUSH TABLES WITH READ LOCK"),
        (plugin("MDL_BACKUP_START", "Backup lock", "", ""), true, "BACKUP STAGE START"),
        (plugin("MDL_BACKUP_WAIT_DDL", "Backup lock", "", ""), true, "BACKUP STAGE BLOCK_DDL"),
        (plugin("MDL_BACKUP_DDL", "Backup lock", "", ""), false, "a DDL on any table"),
        (plugin("MDL_BACKUP_TRANS_DML", "Backup lock", "", ""), false, "any write"),
        (plugin("MDL_SHARED_READ", "Table metadata lock", "s", "t"), false, "a transaction that reads"),
        (plugin("MDL_SHARED_WRITE", "Table metadata lock", "s", "t"), false, "a transaction that writes"),
        (plugin("MDL_INTENTION_EXCLUSIVE", "Schema metadata lock", "s", ""), false, "a schema's lock"),
        (plugin("MDL_SHARED", "Global read lock", "", ""), true, "FLUSH TABLES WITH READ LOCK, 10.3"),
        (plugin("MDL_SHARED_NO_WRITE", "User lock", "x", ""), false, "GET_LOCK alone"),
        (schema("SHARED_HIGH_PRIO", "TABLE", "t", "EXPLICIT"), true, "BACKUP LOCK"),
        (schema("SHARED_HIGH_PRIO", "TABLE", "t", "TRANSACTION"), false, "somebody reads the catalog"),
        (schema("SHARED_READ", "TABLE", "t", "EXPLICIT"), true, "HANDLER OPEN"),
        (schema("EXCLUSIVE", "TABLE", "t", "TRANSACTION"), true, "a DDL"),
        (schema("SHARED", "BACKUP LOCK", "", "EXPLICIT"), true, "LOCK INSTANCE FOR BACKUP"),
        (schema("INTENTION_EXCLUSIVE", "BACKUP LOCK", "", "TRANSACTION"), false, "a DDL on any table"),
        (schema("SHARED", "GLOBAL", "", "EXPLICIT"), true, "FLUSH TABLES WITH READ LOCK"),
        (schema("INTENTION_EXCLUSIVE", "GLOBAL", "", "STATEMENT"), false, "any write"),
    ];
    let table = TableName::parse("s.t").unwrap();
    for (row, wanted, why) in cases {
        let found = held(&[Lock::of(&row)], &table);
        assert_eq!(!found.is_empty(), wanted, "{why}: {found:?}");
        assert!(found.iter().all(|words| words.contains("session 7")), "{why}: {found:?}");
    }
}

#[test]
fn a_user_lock_counts_beside_the_table() {
    let lock = |session: &str, mode: &str, kind: &str, schema: &str, name: &str| {
        Lock::of(&row(&[session, mode, kind, schema, name, "\0"]))
    };
    let table = TableName::parse("s.t").unwrap();
    let user = lock("7", "MDL_SHARED_NO_WRITE", "User lock", "x", "");
    let same = lock("7", "MDL_SHARED_READ", "Table metadata lock", "s", "t");
    let other = lock("8", "MDL_SHARED_READ", "Table metadata lock", "s", "t");
    assert!(held(&[user.clone(), other], &table).is_empty());
    let found = held(&[user, same], &table);
    assert!(found[0].starts_with("session 7 uses s.t and holds a lock of GET_LOCK (x)"), "{found:?}");
}
