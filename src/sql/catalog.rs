//! What a server says of itself: variables, status, replication, rights.

use driftless_strategies::facts::{Flavour, Version};

use super::Sql;

/// Global variables that a decision may need, and those that tell a server from any other. One that a server does not
/// have is simply missing from the answer.
const VARIABLES: &[&str] = &[
    "binlog_expire_logs_auto_purge",
    "binlog_expire_logs_seconds",
    "binlog_format",
    "binlog_row_image",
    "binlog_row_value_options",
    "binlog_space_limit",
    "character_set_server",
    "collation_server",
    "default_storage_engine",
    "enforce_gtid_consistency",
    "event_scheduler",
    "expire_logs_days",
    "explicit_defaults_for_timestamp",
    "foreign_key_checks",
    "gtid_mode",
    "gtid_strict_mode",
    "hostname",
    "innodb_autoinc_lock_mode",
    "innodb_instant_alter_column_allowed",
    "innodb_default_row_format",
    "innodb_file_per_table",
    "innodb_lock_wait_timeout",
    "innodb_page_size",
    "innodb_read_only",
    "innodb_strict_mode",
    "lock_wait_timeout",
    "log_bin",
    "log_bin_trust_function_creators",
    "log_replica_updates",
    "log_slave_updates",
    "lower_case_table_names",
    "max_allowed_packet",
    "max_binlog_total_size",
    "max_statement_time",
    "old_mode",
    "partial_revokes",
    "performance_schema",
    "port",
    "pxc_maint_mode",
    "pxc_strict_mode",
    "read_only",
    "replicate_do_db",
    "replicate_do_table",
    "replicate_ignore_db",
    "replicate_ignore_table",
    "replicate_wild_do_table",
    "replicate_wild_ignore_table",
    "report_host",
    "report_port",
    "secure_timestamp",
    "server_id",
    "server_uid",
    "server_uuid",
    "slave_type_conversions",
    "sql_mode",
    "sql_require_primary_key",
    "super_read_only",
    "system_time_zone",
    "system_versioning_alter_history",
    "time_zone",
    "transaction_isolation",
    "tx_isolation",
    "version",
    "version_comment",
    "wsrep_auto_increment_control",
    "wsrep_causal_reads",
    "wsrep_certify_nonpk",
    "wsrep_cluster_address",
    "wsrep_convert_lock_to_trx",
    "wsrep_desync",
    "wsrep_gtid_mode",
    "wsrep_ignore_apply_errors",
    "wsrep_load_data_splitting",
    "wsrep_max_ws_rows",
    "wsrep_max_ws_size",
    "wsrep_mode",
    "wsrep_node_incoming_address",
    "wsrep_node_name",
    "wsrep_on",
    "wsrep_osu_method",
    "wsrep_provider",
    "wsrep_provider_options",
    "wsrep_reject_queries",
    "wsrep_retry_autocommit",
    "wsrep_slave_fk_checks",
    "wsrep_slave_threads",
    "wsrep_applier_threads",
    "wsrep_slave_uk_checks",
    "wsrep_sst_donor_rejects_queries",
    "wsrep_sync_wait",
    "wsrep_trx_fragment_size",
];

/// Where the server keeps things: data directory, the binlog's path without its number (empty without one), the file with its
/// process number, its machine's name.
#[must_use]
pub fn places() -> Sql {
    Sql::new("SELECT @@datadir, IF(@@log_bin, @@log_bin_basename, ''), @@pid_file, @@hostname")
}

/// File systems by MariaDB's plugin DISKS: path and free bytes. Without the plugin there is no such table; without the right
/// FILE it is empty.
#[must_use]
pub fn disks() -> Sql {
    Sql::new("SELECT path, available * 1024 FROM information_schema.disks")
}

/// Global variables. `SHOW`, not `SELECT`: a Galera node that is not ready answers only the former.
#[must_use]
pub fn global_variables() -> Sql {
    Sql::new("SHOW GLOBAL VARIABLES WHERE Variable_name IN (")
        .join(", ", VARIABLES.iter().map(|name| Sql::new("").string(name)))
        .text(")")
}

/// Variables that only a session has and that decide what its statements do.
#[must_use]
pub fn session_variables() -> Sql {
    Sql::new("SHOW SESSION VARIABLES WHERE Variable_name IN ('sql_log_bin')")
}

/// The few variables that may change under a running job, and those that prove who answers.
#[must_use]
pub fn watched_variables() -> Sql {
    Sql::new(
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'wsrep_reject_queries', \
         'server_uuid', 'server_uid', 'hostname', 'port', 'server_id', 'wsrep_on', 'wsrep_provider_options')",
    )
}

/// Everything that the cluster's provider says of itself.
#[must_use]
pub fn wsrep_status() -> Sql {
    Sql::new("SHOW GLOBAL STATUS LIKE 'wsrep\\_%'")
}

/// Whether a node is in the cluster's pace.
#[must_use]
pub fn wsrep_pace() -> Sql {
    Sql::new("SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_state', 'wsrep_desync_count')")
}

/// How many members a node sees in its cluster.
#[must_use]
pub fn wsrep_members() -> Sql {
    Sql::new("SHOW GLOBAL STATUS LIKE 'wsrep\\_cluster\\_size'")
}

/// How far a node has committed.
#[must_use]
pub fn wsrep_last_committed() -> Sql {
    Sql::new("SHOW GLOBAL STATUS LIKE 'wsrep\\_last\\_committed'")
}

/// Bounds every wait of the session for a metadata lock, so that reading the catalog never queues behind a DDL.
#[must_use]
pub fn lock_wait(seconds: u64) -> Sql {
    Sql::new("SET SESSION lock_wait_timeout = ").number(seconds)
}

/// What must not change while the nodes are relied on: the view's number, its size, and whether the node may write.
#[must_use]
pub fn wsrep_view() -> Sql {
    Sql::new(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_conf_id', 'wsrep_cluster_size', \
         'wsrep_cluster_state_uuid', 'wsrep_cluster_status', 'wsrep_local_state', 'wsrep_ready')",
    )
}

/// Makes every read of the session wait until the node has applied what the cluster had ordered when it was asked.
#[must_use]
pub fn causal() -> Sql {
    Sql::new("SET SESSION wsrep_sync_wait = 1")
}

/// Reads see what the node has applied.
#[must_use]
pub fn not_causal() -> Sql {
    Sql::new("SET SESSION wsrep_sync_wait = 0")
}

/// A read of nothing.
#[must_use]
pub fn nothing() -> Sql {
    Sql::new("SELECT 1")
}

/// The cluster's members by name: uuid, name, client address.
#[must_use]
pub fn cluster_members() -> Sql {
    Sql::new("SELECT node_uuid, node_name, node_incoming_address FROM mysql.wsrep_cluster_members")
}

/// Channels that write into the server. `ChannelColumns` says where what stands.
#[must_use]
pub fn channels(flavour: Flavour, version: Version) -> Sql {
    match flavour {
        Flavour::MariaDb => Sql::new("SHOW ALL SLAVES STATUS"),
        Flavour::MySql if version >= Version::new(8, 0, 22) => Sql::new("SHOW REPLICA STATUS"),
        Flavour::MySql => Sql::new("SHOW SLAVE STATUS"),
    }
}

/// Where the columns of `channels` stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelColumns {
    /// The channel's name.
    pub name: usize,
    /// The primary's host.
    pub host: usize,
    /// The primary's port.
    pub port: usize,
    /// Whether the applier runs: `Yes`.
    pub applier: usize,
}

impl ChannelColumns {
    /// # Source
    /// MariaDB, "SHOW REPLICA STATUS" (`ALL` puts the name and a state in front); MySQL manual, "SHOW REPLICA STATUS"
    /// (its first columns have kept their places since 5.7.6, `Channel_Name` too).
    #[must_use]
    pub const fn of(flavour: Flavour) -> Self {
        match flavour {
            Flavour::MariaDb => Self { name: 0, host: 3, port: 5, applier: 13 },
            Flavour::MySql => Self { name: 55, host: 1, port: 3, applier: 11 },
        }
    }
}

/// Replicas that registered here: server id, host, port.
#[must_use]
pub fn replica_hosts(flavour: Flavour, version: Version) -> Sql {
    match flavour {
        Flavour::MariaDb => Sql::new("SHOW SLAVE HOSTS"),
        Flavour::MySql if version >= Version::new(8, 0, 22) => Sql::new("SHOW REPLICAS"),
        Flavour::MySql => Sql::new("SHOW SLAVE HOSTS"),
    }
}

/// Client hosts of the threads that send the binlog to somebody.
#[must_use]
pub fn binlog_dumps() -> Sql {
    Sql::new("SELECT host FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
}

/// The session's own rights, those of its active roles too. (MariaDB leaves the roles out when a user is named.)
#[must_use]
pub fn grants() -> Sql {
    Sql::new("SHOW GRANTS")
}
