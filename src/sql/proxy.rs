//! What ProxySQL's admin interface is told and asked, and a node's `pxc_maint_mode`. The admin interface is SQLite with words
//! of its own: it knows no hex strings, and a backslash means itself.
//!
//! # Source
//! ProxySQL manual, "Main (runtime)", "Stats", "Admin commands"; its `ProxySQL_Admin_Tables_Definitions.h`.

use super::Sql;

/// The names of two tables that are alike: what is edited, and what is in force.
pub const SERVERS: [&str; 2] = ["mysql_servers", "runtime_mysql_servers"];

/// Columns of `servers` before those that are only compared.
pub const SERVER_COLUMNS: usize = 4;

/// All servers of one layer, an index into `SERVERS`: hostgroup, host, port, status, then what is only compared.
#[must_use]
pub fn servers(layer: usize) -> Sql {
    let from = if layer == 0 { " FROM mysql_servers" } else { " FROM runtime_mysql_servers" };
    Sql::new(
        "SELECT hostgroup_id, hostname, port, status, weight, compression, max_connections, max_replication_lag, use_ssl, \
         max_latency_ms, comment",
    )
    .text(from)
}

/// The Galera hostgroups that are in force: writers, backup writers, readers, offline.
#[must_use]
pub fn galera_hostgroups() -> Sql {
    Sql::new(
        "SELECT writer_hostgroup, backup_writer_hostgroup, reader_hostgroup, offline_hostgroup \
         FROM runtime_mysql_galera_hostgroups WHERE active = 1",
    )
}

/// Changes a server's status in what is edited, when it has that one now.
#[must_use]
pub fn set_status(hostgroup: u64, host: &str, port: u64, from: &str, to: &str) -> Sql {
    Sql::new("UPDATE mysql_servers SET status = ")
        .plain(to)
        .text(" WHERE hostgroup_id = ")
        .number(hostgroup)
        .text(" AND hostname = ")
        .plain(host)
        .text(" AND port = ")
        .number(port)
        .text(" AND status = ")
        .plain(from)
}

/// Puts what is edited in force. What is on disk stays.
#[must_use]
pub fn load_servers() -> Sql {
    Sql::new("LOAD MYSQL SERVERS TO RUNTIME")
}

/// Connections in use: host, port, how many.
#[must_use]
pub fn connections() -> Sql {
    Sql::new("SELECT srv_host, srv_port, ConnUsed FROM stats_mysql_connection_pool")
}

/// A node's `pxc_maint_mode` and the seconds that changing it takes; nothing where there is no such thing.
#[must_use]
pub fn maint_mode() -> Sql {
    Sql::new("SHOW GLOBAL VARIABLES LIKE ").string("pxc_maint_%")
}

/// Sets it.
#[must_use]
pub fn set_maint_mode(on: bool) -> Sql {
    Sql::new(if on { "SET GLOBAL pxc_maint_mode = 'MAINTENANCE'" } else { "SET GLOBAL pxc_maint_mode = 'DISABLED'" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_can_be_anything() {
        let sql = set_status(10, "a'b\\c", 3306, "ONLINE", "OFFLINE_SOFT");
        assert_eq!(
            sql.as_str(),
            "UPDATE mysql_servers SET status = 'OFFLINE_SOFT' WHERE hostgroup_id = 10 AND hostname = 'a''b\\c' AND port = 3306 \
             AND status = 'ONLINE'"
        );
    }
}
