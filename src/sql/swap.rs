//! Switching the names on a single primary, under LOCK TABLES.

use driftless_strategies::plan::CopySpec;
use driftless_strategies::{Flavour, TableName};

use super::Sql;
use crate::ports::journal::JobId;

/// Lets nobody write to the source, and locks the sentry that the other session's RENAME trips over. Who reads goes on
/// reading. Writers wait for the metadata lock, behind the RENAME, not for one that it would wait for in turn (InnoDB,
/// MariaDB 10.11 and MySQL 9.7, our own tests).
#[must_use]
pub fn lock_with_sentry(spec: &CopySpec) -> Sql {
    Sql::new("LOCK TABLES ").table(&spec.source).text(" READ, ").table(&spec.source.sentry()).text(" WRITE")
}

/// Releases them.
#[must_use]
pub fn unlock() -> Sql {
    Sql::new("UNLOCK TABLES")
}

/// Lets the server close the session, and so release its locks, once it has said nothing for so long.
#[must_use]
pub fn idle_at_most(seconds: u64) -> Sql {
    Sql::new("SET SESSION wait_timeout = ").number(seconds.max(1))
}

/// Makes the sentry; its comment says whose it is.
#[must_use]
pub fn create_sentry(spec: &CopySpec, job: &JobId) -> Sql {
    Sql::new("CREATE TABLE ")
        .table(&spec.source.sentry())
        .text(" (nothing INT NOT NULL PRIMARY KEY) ENGINE=InnoDB COMMENT=")
        .literal(&comment(job))
}

/// Drops the sentry.
#[must_use]
pub fn drop_sentry(spec: &CopySpec) -> Sql {
    Sql::new("DROP TABLE ").table(&spec.source.sentry())
}

/// The comment of the table that stands under the sentry's name, if one does.
#[must_use]
pub fn sentry_standing(spec: &CopySpec) -> Sql {
    let name = spec.source.sentry();
    Sql::new("SELECT TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = ")
        .string(name.schema.as_str())
        .text(" AND TABLE_NAME = ")
        .string(name.table.as_str())
}

/// What `sentry_standing` answers for a job's own sentry.
#[must_use]
pub fn comment(job: &JobId) -> String {
    format!("sentry of driftless job {job}")
}

/// The switch by way of the sentry's name: it fails whole while the sentry stands. Servers take the locks in the order of
/// the names, so that a session that waits for the sentry has the shadow already.
#[must_use]
pub fn switch_past_sentry(spec: &CopySpec) -> Sql {
    let sentry = spec.source.sentry();
    let step = |from: &TableName, to: &TableName| Sql::new("").table(from).text(" TO ").table(to);
    let steps = [step(&spec.source, &sentry), step(&sentry, &spec.retired), step(&spec.shadow, &spec.source)];
    Sql::new("RENAME TABLE ").join(", ", steps)
}

/// Bounds the wait of the next `waiting`: it may not wait at all, but MySQL knows no shorter limit than a second.
#[must_use]
pub fn hardly_wait(flavour: Flavour) -> Sql {
    Sql::new("SET SESSION lock_wait_timeout = ").number(match flavour {
        Flavour::MariaDb => 0,
        Flavour::MySql => 1,
    })
}

/// Fails with 1205 exactly while a DDL waits for the table, or has it.
///
/// Preparing takes the weakest lock: LOCK TABLES and waiting writers let it pass, a waiting RENAME does not
/// (MDL_SHARED in `sql/mdl.h`; our own test on MariaDB 10.11).
#[must_use]
pub fn waiting(table: &TableName) -> Sql {
    let select = Sql::new("SELECT 1 FROM ").table(table);
    Sql::new("PREPARE driftless_probe FROM ").literal(select.as_str())
}

/// Whether this MySQL shows in its performance schema who waits for which table; it does by default from 8.0 on.
#[must_use]
pub fn shows_waits() -> Sql {
    Sql::new(
        "SELECT 1 FROM performance_schema.setup_instruments WHERE NAME = 'wait/lock/metadata/sql/mdl' AND ENABLED = 'YES'",
    )
}

/// One row while that session waits to have the table for itself.
#[must_use]
pub fn waits_for(session: u64, table: &TableName) -> Sql {
    Sql::new(
        "SELECT 1 FROM performance_schema.metadata_locks AS waiting JOIN performance_schema.threads AS thread \
         ON thread.THREAD_ID = waiting.OWNER_THREAD_ID WHERE waiting.OBJECT_TYPE = 'TABLE' \
         AND waiting.LOCK_TYPE = 'EXCLUSIVE' AND waiting.LOCK_STATUS = 'PENDING' AND thread.PROCESSLIST_ID = ",
    )
    .number(session)
    .text(" AND waiting.OBJECT_SCHEMA = ")
    .string(table.schema.as_str())
    .text(" AND waiting.OBJECT_NAME = ")
    .string(table.table.as_str())
}

/// Sessions other than these that carry out or wait for DDL that names the table.
#[must_use]
pub fn other_ddl(table: &TableName, own: &[u64]) -> Sql {
    Sql::new("SELECT ID FROM information_schema.PROCESSLIST WHERE ID NOT IN (CONNECTION_ID(), ")
        .join(", ", own.iter().map(|id| Sql::new("").number(*id)))
        .text(") AND (")
        .join(
            " OR ",
            ["CREATE ", "ALTER ", "DROP ", "RENAME ", "TRUNCATE ", "OPTIMIZE ", "REPAIR ", "LOCK "]
                .map(|verb| Sql::new("INFO LIKE ").string(&format!("{verb}%"))),
        )
        .text(") AND LOCATE(")
        .string(table.table.as_str())
        .text(", INFO) > 0")
}

#[cfg(test)]
pub(super) mod tests {
    use driftless_strategies::plan::ChunkKey;
    use driftless_strategies::{Ident, TableShape};

    use super::*;

    pub(crate) fn spec() -> CopySpec {
        let ident = |text: &str| Ident::new(text).unwrap();
        let source = TableName::new(ident("s"), ident("t"));
        CopySpec {
            shadow: source.shadow(),
            retired: source.retired(),
            source,
            columns: Vec::new(),
            key: ChunkKey { source_index: ident("PRIMARY"), shadow_index: ident("PRIMARY"), columns: Vec::new() },
            new_unique: Vec::new(),
            zero_dates: false,
            target: TableShape::default(),
        }
    }

    #[test]
    fn the_switch_trips_over_the_sentry() {
        assert_eq!(
            switch_past_sentry(&spec()).as_str(),
            "RENAME TABLE `s`.`t` TO `s`.`_t_switch`, `s`.`_t_switch` TO `s`.`_t_retired`, `s`.`_t_shadow` TO `s`.`t`"
        );
        assert_eq!(waiting(&spec().source).as_str(), "PREPARE driftless_probe FROM 'SELECT 1 FROM `s`.`t`'");
    }
}
