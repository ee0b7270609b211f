//! What a session says and asks before anything else, and how another session ends it.

use std::time::Duration;

use driftless_strategies::Flavour;

use super::Sql;

/// Whether the server replicates by Galera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cluster {
    /// A wsrep provider is loaded.
    Galera,
    /// None is.
    None,
}

/// The sql_mode of every session.
///
/// Strict, so that no value is bent to fit. Zero dates pass, because rows may hold them; what to do about them is decided
/// where rows are copied. 0 in an AUTO_INCREMENT column stays 0. Quotes and backslashes mean what they mean by default.
pub const SQL_MODE: &str =
    "NO_AUTO_VALUE_ON_ZERO,STRICT_TRANS_TABLES,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

/// Seconds that a statement waits for a metadata lock, unless told otherwise.
pub const METADATA_WAIT_S: u64 = 5;

/// Seconds that a statement waits for a row lock, unless told otherwise.
pub const ROW_WAIT_S: u64 = 5;

/// Seconds that a session may be idle.
const IDLE_S: u64 = 28_800;

/// Seconds that a transfer may stand still.
const TRANSFER_S: u64 = 600;

/// Longest result of GROUP_CONCAT, bytes.
const GROUP_CONCAT_BYTES: u64 = 67_108_864;

/// Variables that every session must read back with these values, whatever the server's own settings say.
///
/// The first two can't be set without a privilege and are only read.
pub const MUST_BE: [(&str, &str); 7] = [
    ("sql_log_bin", "ON"),
    ("autocommit", "ON"),
    ("foreign_key_checks", "ON"),
    ("unique_checks", "ON"),
    ("time_zone", "+00:00"),
    ("character_set_client", "utf8mb4"),
    ("character_set_results", "utf8mb4"),
];

/// The same, on Galera besides.
pub const MUST_BE_ON_GALERA: [(&str, &str); 2] = [("wsrep_on", "ON"), ("wsrep_osu_method", "TOI")];

/// The statements that open a session, in order. A server that does not know a variable answers 1193, which is to be
/// passed over: each variable that only some versions know stands alone. None of them needs a privilege (on MySQL 9
/// `max_error_count` would).
#[must_use]
pub fn opening(flavour: Flavour, cluster: Cluster) -> Vec<Sql> {
    let mut all = vec![
        Sql::new("SET NAMES utf8mb4"),
        Sql::new("SET SESSION sql_mode = ").string(SQL_MODE),
        Sql::new("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"),
        Sql::new("SET SESSION time_zone = '+00:00', autocommit = 1, completion_type = 0")
            .text(", foreign_key_checks = 1, unique_checks = 1")
            .text(", sql_safe_updates = 0, sql_select_limit = DEFAULT, sql_auto_is_null = 0")
            .text(", sql_notes = 1")
            .text(", group_concat_max_len = ")
            .number(GROUP_CONCAT_BYTES)
            .text(", wait_timeout = ")
            .number(IDLE_S)
            .text(", net_read_timeout = ")
            .number(TRANSFER_S)
            .text(", net_write_timeout = ")
            .number(TRANSFER_S),
        lock_waits(Duration::from_secs(METADATA_WAIT_S), Duration::from_secs(ROW_WAIT_S)),
    ];
    match flavour {
        Flavour::MariaDb => all.extend([
            Sql::new("SET SESSION max_statement_time = 0"),
            Sql::new("SET SESSION check_constraint_checks = 1"),
            // Notes on unusable keys would count as warnings of a copy.
            Sql::new("SET SESSION note_verbosity = 'basic'"),
        ]),
        Flavour::MySql => all.push(Sql::new("SET SESSION max_execution_time = 0")),
    }
    match cluster {
        Cluster::Galera => all.extend([
            Sql::new("SET SESSION wsrep_osu_method = 'TOI'"),
            Sql::new("SET SESSION wsrep_trx_fragment_size = 0"),
            reads_at_once(),
        ]),
        Cluster::None => {}
    }
    all
}

/// How long the session's statements wait for metadata locks and for row locks; whole seconds, at least one.
#[must_use]
pub fn lock_waits(metadata: Duration, rows: Duration) -> Sql {
    Sql::new("SET SESSION lock_wait_timeout = ")
        .number(metadata.as_secs().max(1))
        .text(", innodb_lock_wait_timeout = ")
        .number(rows.as_secs().max(1))
}

/// From now on reads, SHOW included, first wait until this Galera node has applied what the cluster has committed.
///
/// # Source
/// MariaDB: bit 1 SELECT and BEGIN, bit 8 SHOW. PXC: bit 1 is all of these, 8 does not exist.
#[must_use]
pub fn reads_in_order(flavour: Flavour) -> Sql {
    match flavour {
        Flavour::MariaDb => Sql::new("SET SESSION wsrep_sync_wait = 9"),
        Flavour::MySql => Sql::new("SET SESSION wsrep_sync_wait = 1"),
    }
}

/// Reads nothing from no table; in a session that reads in order it answers when the node has caught up.
#[must_use]
pub fn nothing() -> Sql {
    Sql::new("SELECT 1")
}

/// From now on reads do not wait for the cluster.
#[must_use]
pub fn reads_at_once() -> Sql {
    Sql::new("SET SESSION wsrep_sync_wait = 0")
}

/// What a session must know of its server, as name and value. SHOW, because a Galera node that is not ready answers no
/// SELECT but must still be asked why.
#[must_use]
pub fn about() -> Sql {
    const IDENTITY: [&str; 12] = [
        "version",
        "version_comment",
        "max_allowed_packet",
        "sql_mode",
        "wsrep_provider",
        "hostname",
        "port",
        "socket",
        "datadir",
        "pid_file",
        "server_uuid",
        "server_id",
    ];
    let checked = MUST_BE.iter().chain(&MUST_BE_ON_GALERA).map(|(name, _)| *name);
    let names = IDENTITY.into_iter().chain(checked).map(|name| Sql::default().string(name));
    Sql::new("SHOW SESSION VARIABLES WHERE Variable_name IN (").join(", ", names).text(")")
}

/// Seconds since the server started, as the second value of a row.
#[must_use]
pub fn uptime() -> Sql {
    Sql::new("SHOW GLOBAL STATUS LIKE 'Uptime'")
}

/// Ends another connection and its statement; 1094 when there is none of that id.
#[must_use]
pub fn kill(id: u64) -> Sql {
    Sql::new("KILL CONNECTION ").number(id)
}

/// Ends what another connection is doing, and nothing when it does nothing.
#[must_use]
pub fn kill_statement(id: u64) -> Sql {
    Sql::new("KILL QUERY ").number(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(flavour: Flavour, cluster: Cluster) -> String {
        opening(flavour, cluster).iter().map(Sql::as_str).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn opening_fits_the_server() {
        //   word                    MariaDB  MySQL  Galera only   why
        let cases = [
            ("max_statement_time", true, false, false, "MariaDB's statement limit"),
            ("max_execution_time", false, true, false, "MySQL's"),
            ("note_verbosity", true, false, false, "MariaDB's notes"),
            ("wsrep_osu_method = 'TOI'", true, true, true, "ordered DDL"),
            ("wsrep_trx_fragment_size = 0", true, true, true, "no streaming replication"),
            ("sql_log_bin", false, false, false, "never set, only checked"),
            ("binlog_format", false, false, false, "never touched"),
            ("READ COMMITTED, READ WRITE", true, true, false, "isolation"),
        ];
        for (word, mariadb, mysql, galera_only, why) in cases {
            for (flavour, expected) in [(Flavour::MariaDb, mariadb), (Flavour::MySql, mysql)] {
                assert_eq!(text(flavour, Cluster::Galera).contains(word), expected, "{why}");
                assert_eq!(text(flavour, Cluster::None).contains(word), expected && !galera_only, "{why}");
            }
        }
        assert!(!SQL_MODE.contains("ANSI") && !SQL_MODE.contains("BACKSLASH") && !SQL_MODE.contains("ZERO_DATE"));
    }

    #[test]
    fn lock_waits_never_reach_zero() {
        let sql = lock_waits(Duration::from_millis(1), Duration::from_secs(7));
        assert_eq!(sql.as_str(), "SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 7");
    }
}
