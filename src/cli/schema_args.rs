//! The flags of `plan --schema`.

use std::path::PathBuf;

use clap::Args;
use driftless_strategies::{Flavour, Version};

/// A server that nobody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerVersion {
    pub(super) flavour: Flavour,
    pub(super) version: Version,
}

/// A schema file in place of servers.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "A schema file (plan --schema)")]
pub(super) struct SchemaArgs {
    /// Judge from CREATE TABLE statements (mysqldump --no-data, SHOW CREATE TABLE) and ask no server; repeatable
    #[arg(long, value_name = "FILE", conflicts_with_all = super::args::OF_SERVERS, conflicts_with = "facts")]
    pub(super) schema: Vec<PathBuf>,
    /// The server that the schema is for: 10.11, mariadb-11.4, mysql-8.0.36; a dump's own header says it too
    #[arg(long, value_name = "VERSION", requires = "schema", value_parser = server_version)]
    pub(super) server_version: Option<ServerVersion>,
    /// A Galera cluster of that many nodes; without it, one server
    #[arg(long, value_name = "NODES", requires = "schema", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) galera: Option<u32>,
    /// About how many rows the table has
    #[arg(long, value_name = "N", requires = "schema")]
    pub(super) rows: Option<u64>,
    /// About how many bytes its rows take, indexes not counted
    #[arg(long, value_name = "BYTES", requires = "schema")]
    pub(super) bytes: Option<u64>,
}

/// Reads `10.11`, `8.0.36`, `mysql-8.4`, `11.4.2-MariaDB`. A bare number of 10 or more is MariaDB's: MySQL has none yet.
fn server_version(text: &str) -> Result<ServerVersion, String> {
    let lower = text.trim().to_ascii_lowercase();
    let bad = || format!("'{text}' is not a version; write 10.11, mariadb-11.4 or mysql-8.0.36");
    let (family, number) = match lower.split_once('-') {
        Some((family @ ("mysql" | "mariadb" | "percona"), number)) => (Some(family), number),
        Some((number, rest)) => (rest.contains("mariadb").then_some("mariadb"), number),
        None => (None, lower.as_str()),
    };
    let number = number.split('-').next().unwrap_or_default();
    let parts: Result<Vec<u32>, _> = number.split('.').map(str::parse).collect();
    let parts = parts.map_err(|_| bad())?;
    let (major, minor, patch) = match parts.as_slice() {
        [major, minor] => (*major, *minor, 0),
        [major, minor, patch, ..] => (*major, *minor, *patch),
        [] | [_] => return Err(bad()),
    };
    let flavour = match family {
        Some("mariadb") => Flavour::MariaDb,
        None if major >= 10 => Flavour::MariaDb,
        Some(_) | None => Flavour::MySql,
    };
    Ok(ServerVersion { flavour, version: Version::new(major, minor, patch) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        use Flavour::{MariaDb, MySql};
        let cases = [
            ("10.11", MariaDb, Version::new(10, 11, 0)),
            ("mariadb-11.4", MariaDb, Version::new(11, 4, 0)),
            ("10.6.16-MariaDB-log", MariaDb, Version::new(10, 6, 16)),
            ("mysql-8.0.36", MySql, Version::new(8, 0, 36)),
            ("8.4.0", MySql, Version::new(8, 4, 0)),
            ("percona-8.0.35-27", MySql, Version::new(8, 0, 35)),
            ("8.0.35-27", MySql, Version::new(8, 0, 35)),
            ("5.7.44", MySql, Version::new(5, 7, 44)),
        ];
        for (text, flavour, version) in cases {
            assert_eq!(server_version(text), Ok(ServerVersion { flavour, version }), "{text}");
        }
        for bad in ["", "10", "mysql", "mysql-", "new", "10.x", "mariadb-latest"] {
            assert!(server_version(bad).unwrap_err().contains("write 10.11"), "{bad}");
        }
    }
}
