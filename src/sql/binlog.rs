//! What is asked of a server about its binlog, and what a connection says before it follows it.

use std::time::Duration;

use driftless_strategies::facts::{Flavour, Version};

use super::Sql;

/// What tells a server's binlog from any other, and how to read it.
#[must_use]
pub fn identity() -> Sql {
    const NAMES: [&str; 10] = [
        "hostname",
        "log_bin",
        "log_bin_basename",
        "lower_case_table_names",
        "port",
        "server_id",
        "server_uuid",
        "version",
        "version_comment",
        "wsrep_on",
    ];
    Sql::new("SHOW GLOBAL VARIABLES WHERE Variable_name IN (")
        .join(", ", NAMES.into_iter().map(|name| Sql::default().string(name)))
        .text(")")
}

/// Where the binlog ends: file, offset, and what is filtered. No row when there is none.
///
/// # Source
/// MySQL 8.2 has the new word, 8.4 no longer the old one.
#[must_use]
pub fn end(flavour: Flavour, version: Version) -> Sql {
    if flavour == Flavour::MySql && version >= Version::new(8, 2, 0) {
        Sql::new("SHOW BINARY LOG STATUS")
    } else {
        Sql::new("SHOW MASTER STATUS")
    }
}

/// The files that are there, with their sizes.
#[must_use]
pub fn files() -> Sql {
    Sql::new("SHOW BINARY LOGS")
}

/// All transactions that a MariaDB binlog has up to a place.
#[must_use]
pub fn gtids_at(file: &str, offset: u64) -> Sql {
    Sql::new("SELECT BINLOG_GTID_POS(").string(file).text(", ").number(offset).text(")")
}

/// All transactions that a MySQL server has committed. To be read before `end`: then none is in it that comes later.
#[must_use]
pub fn gtids_executed() -> Sql {
    Sql::new("SELECT @@GLOBAL.gtid_executed")
}

/// What a connection says before it follows the binlog: how often it wants to hear that nothing happened, and that it knows
/// MariaDB's events; without that the server sends others in their stead, as long as the originals.
///
/// # Source
/// MariaDB, "Replication Protocol"; MySQL, `Binlog_sender` reads both names of the heartbeat's.
#[must_use]
pub fn follow(flavour: Flavour, heartbeat: Duration) -> Vec<Sql> {
    let nanos = u64::try_from(heartbeat.as_nanos()).unwrap_or(u64::MAX);
    let mut all = vec![
        Sql::new("SET @master_heartbeat_period = ").number(nanos).text(", @source_heartbeat_period = ").number(nanos),
    ];
    match flavour {
        Flavour::MariaDb => all.push(Sql::new("SET @mariadb_slave_capability = 4")),
        Flavour::MySql => {}
    }
    all
}
