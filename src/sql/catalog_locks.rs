//! Who holds what: explicit locks, backups, prepared XA, old transactions.

use std::time::Duration;

use driftless_strategies::TableName;
use driftless_strategies::facts::Flavour;

use super::Sql;

/// Longest piece of somebody's statement that is shown.
const SHOWN_CHARS: u64 = 80;

/// Sessions that are inside a statement which locks or backs up: id, user, host, statement.
#[must_use]
pub fn locking_statements() -> Sql {
    Sql::new("SELECT id, user, host, LEFT(info, ").number(SHOWN_CHARS).text(
        ") FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND info REGEXP \
             '^[[:space:]]*(/[*].*[*]/)?[[:space:]]*(LOCK|FLUSH|BACKUP|HANDLER)[[:space:]]' ORDER BY id",
    )
}

/// Takes and releases the lock that every writer takes, without waiting and without touching a row. It fails with 1205
/// while anyone holds `LOCK TABLES … READ` or `WRITE`, `FLUSH TABLES …`, `FLUSH TABLES WITH READ LOCK` or a DDL's lock on
/// the table. It replicates nothing.
///
/// MariaDB's NOWAIT covers metadata locks; MySQL's does not, so there the session's `lock_wait_timeout` bounds it.
#[must_use]
pub fn probe(flavour: Flavour, name: &TableName) -> Sql {
    let sql = Sql::new("SELECT 1 FROM ").table(name).text(" WHERE FALSE FOR UPDATE");
    match flavour {
        Flavour::MariaDb => sql.text(" NOWAIT"),
        Flavour::MySql => sql,
    }
}

/// Prepared XA transactions: format, lengths, id.
#[must_use]
pub fn prepared_xa() -> Sql {
    Sql::new("XA RECOVER")
}

/// Whether MariaDB's plugin that shows metadata locks is loaded.
#[must_use]
pub fn lock_plugin() -> Sql {
    Sql::new(
        "SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'METADATA_LOCK_INFO' AND plugin_status = 'ACTIVE'",
    )
}

/// Metadata locks by the plugin: session, mode, kind, schema, name, duration.
#[must_use]
pub fn plugin_locks() -> Sql {
    Sql::new(
        "SELECT thread_id, lock_mode, lock_type, table_schema, table_name, NULL \
         FROM information_schema.metadata_lock_info WHERE thread_id <> CONNECTION_ID()",
    )
}

/// Metadata locks by the performance schema, the same columns. Empty when it is off. A prepared XA transaction's locks
/// have no session.
#[must_use]
pub fn schema_locks() -> Sql {
    Sql::new(
        "SELECT t.processlist_id, m.lock_type, m.object_type, m.object_schema, m.object_name, m.lock_duration \
         FROM performance_schema.metadata_locks m LEFT JOIN performance_schema.threads t \
         ON t.thread_id = m.owner_thread_id \
         WHERE m.lock_status = 'GRANTED' AND IFNULL(t.processlist_id, 0) <> CONNECTION_ID()",
    )
}

/// Open transactions, oldest first: session, user, host, age in seconds, statement. Of at least that age; the age of the
/// oldest one is wanted too, so `Duration::ZERO` gives all.
///
/// InnoDB prints the start in the system's time zone, whatever the session's is.
#[must_use]
pub fn transactions(older: Duration) -> Sql {
    Sql::new(
        "SELECT t.id, p.user, p.host, t.age, t.query FROM (SELECT trx_mysql_thread_id AS id, \
         TIMESTAMPDIFF(SECOND, CONVERT_TZ(trx_started, 'SYSTEM', '+00:00'), UTC_TIMESTAMP()) AS age, LEFT(trx_query, ",
    )
    .number(SHOWN_CHARS)
    .text(
        ") AS query FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <> CONNECTION_ID()) t \
         LEFT JOIN information_schema.processlist p ON p.id = t.id WHERE t.age >= ",
    )
    .number(older.as_secs())
    .text(" ORDER BY t.age DESC, t.id")
}
