//! What the pace reads on every node, four times a second.

use driftless_strategies::{Flavour, Version};

use super::Sql;

/// Status variables, by name, as (name, value). SHOW, not SELECT: a node that is not Primary answers it too.
#[must_use]
pub fn status<'a>(names: impl IntoIterator<Item = &'a str>) -> Sql {
    Sql::new("SHOW GLOBAL STATUS WHERE Variable_name IN (")
        .join(", ", names.into_iter().map(|name| Sql::default().string(name)))
        .text(")")
}

/// `wsrep_provider_options`, as (name, value); no row outside Galera.
#[must_use]
pub fn provider_options() -> Sql {
    Sql::new("SHOW GLOBAL VARIABLES LIKE 'wsrep_provider_options'")
}

/// Every channel of a replica, one row each.
///
/// # Source
/// MySQL 8.0.22 renamed the statement and 8.4 dropped the old one; MariaDB shows all channels only with ALL.
#[must_use]
pub fn replica_status(flavour: Flavour, version: Version) -> Sql {
    match flavour {
        Flavour::MariaDb => Sql::new("SHOW ALL SLAVES STATUS"),
        Flavour::MySql if version >= Version::new(8, 0, 22) => Sql::new("SHOW REPLICA STATUS"),
        Flavour::MySql => Sql::new("SHOW SLAVE STATUS"),
    }
}

/// Which column of `replica_status` holds the seconds behind.
///
/// # Source
/// MariaDB puts the connection's name and the applier's state before the columns that MySQL has.
#[must_use]
pub const fn seconds_behind_column(flavour: Flavour) -> usize {
    match flavour {
        Flavour::MariaDb => 34,
        Flavour::MySql => 32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements() {
        assert_eq!(
            status(["Threads_running", "o'x"]).as_str(),
            "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_running', _utf8mb4 x'6f2778')"
        );
        //  flavour            version                 statement                 column  why
        let cases = [
            (Flavour::MariaDb, Version::new(10, 11, 19), "SHOW ALL SLAVES STATUS", 34, "all channels"),
            (Flavour::MySql, Version::new(5, 7, 44), "SHOW SLAVE STATUS", 32, "the old word"),
            (Flavour::MySql, Version::new(8, 0, 22), "SHOW REPLICA STATUS", 32, "the new word"),
            (Flavour::MySql, Version::new(9, 7, 4), "SHOW REPLICA STATUS", 32, "the old word is gone"),
        ];
        for (flavour, version, text, column, why) in cases {
            assert_eq!(replica_status(flavour, version).as_str(), text, "{why}");
            assert_eq!(seconds_behind_column(flavour), column, "{why}");
        }
    }
}
