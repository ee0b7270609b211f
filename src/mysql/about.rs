//! What a server says of itself when a session opens.

use std::collections::BTreeMap;

use driftless_strategies::Flavour;

use crate::ports::server::Row;
use crate::sql::session::{Cluster, MUST_BE, MUST_BE_ON_GALERA, SQL_MODE};

/// Variables that tell one server from another, together; a proxy may send two connections to two servers.
const IDENTITY: [&str; 7] = ["hostname", "port", "socket", "datadir", "pid_file", "server_uuid", "server_id"];

/// Variables of a session, by lower-case name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct About(BTreeMap<String, String>);

/// Which server it is; two equal ones are the same server (or one that was started again).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity(Vec<Option<String>>);

impl About {
    pub(super) fn new(rows: &[Row]) -> Self {
        let pair = |row: &Row| Some((row.text(0)?.to_ascii_lowercase(), row.text(1).unwrap_or_default()));
        Self(rows.iter().filter_map(pair).collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(super) fn flavour(&self) -> Flavour {
        let text = format!("{} {}", self.get("version"), self.get("version_comment")).to_ascii_lowercase();
        if text.contains("mariadb") { Flavour::MariaDb } else { Flavour::MySql }
    }

    pub(super) fn cluster(&self) -> Cluster {
        match self.get("wsrep_provider") {
            "" | "none" => Cluster::None,
            _ => Cluster::Galera,
        }
    }

    pub(super) fn identity(&self) -> Identity {
        Identity(IDENTITY.iter().map(|name| self.0.get(*name).cloned()).collect())
    }

    /// Longest statement, bytes; `None` when the server did not say.
    pub(super) fn max_statement(&self) -> Option<usize> {
        self.get("max_allowed_packet").parse().ok()
    }

    /// What is not as every session must be, in words; `None` when all is.
    pub(super) fn unfit(&self) -> Option<String> {
        let on_galera: &[_] = if self.cluster() == Cluster::Galera { &MUST_BE_ON_GALERA } else { &[] };
        let wrong = MUST_BE.iter().chain(on_galera).find_map(|(name, expected)| {
            let is = self.get(name);
            (!is.eq_ignore_ascii_case(expected))
                .then(|| format!("{name} is `{is}` in this session and must be {expected}"))
        });
        wrong.or_else(|| {
            let is = self.get("sql_mode");
            let missing = SQL_MODE.split(',').find(|mode| !is.split(',').any(|set| set == *mode));
            let strange = is.split(',').find(|set| !SQL_MODE.split(',').any(|mode| mode == *set));
            missing
                .map(|mode| format!("sql_mode could not be set: {mode} is missing from `{is}`"))
                .or_else(|| strange.map(|mode| format!("sql_mode could not be set: it still has {mode}")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(pairs: &[(&str, &str)]) -> About {
        let value = |text: &str| Some(text.as_bytes().to_vec());
        let rows: Vec<_> = pairs.iter().map(|(name, is)| Row(vec![value(name), value(is)])).collect();
        About::new(&rows)
    }

    #[test]
    fn tells_the_server() {
        let mariadb = about(&[("version", "10.11.19-MariaDB-log"), ("wsrep_provider", "/usr/lib/galera/x.so")]);
        assert_eq!((mariadb.flavour(), mariadb.cluster()), (Flavour::MariaDb, Cluster::Galera));
        let masked = about(&[("version", "10.6.1"), ("version_comment", "mariadb.org binary distribution")]);
        assert_eq!((masked.flavour(), masked.cluster()), (Flavour::MariaDb, Cluster::None));
        let mysql = about(&[("version", "9.7.4"), ("version_comment", "(Debian)"), ("wsrep_provider", "none")]);
        assert_eq!((mysql.flavour(), mysql.cluster()), (Flavour::MySql, Cluster::None));
    }

    #[test]
    fn tells_servers_apart() {
        let one = about(&[("hostname", "a"), ("port", "1"), ("version", "x")]);
        let same = about(&[("hostname", "a"), ("port", "1"), ("version", "y")]);
        let other = about(&[("hostname", "a"), ("port", "2"), ("version", "x")]);
        assert!(one.identity() == same.identity() && one.identity() != other.identity());
    }

    #[test]
    fn finds_what_is_not_as_it_must_be() {
        let mut good: Vec<_> = MUST_BE.iter().chain(&MUST_BE_ON_GALERA).copied().collect();
        good.extend([("wsrep_provider", "x"), ("sql_mode", SQL_MODE)]);
        assert_eq!(about(&good).unfit(), None);
        for (name, _) in MUST_BE.iter().chain(&MUST_BE_ON_GALERA) {
            let bad: Vec<_> = good.iter().map(|(it, is)| (*it, if it == name { "x" } else { *is })).collect();
            let why = about(&bad).unfit().unwrap_or_default();
            assert!(why.starts_with(name), "{name}: {why}");
        }
        let mode = |mode: &'static str| {
            let all: Vec<_> = good.iter().map(|(it, is)| (*it, if *it == "sql_mode" { mode } else { *is })).collect();
            about(&all).unfit().unwrap_or_default()
        };
        assert!(mode("STRICT_TRANS_TABLES").contains("NO_AUTO_VALUE_ON_ZERO is missing"));
        assert!(mode(concat_ansi()).contains("it still has ANSI_QUOTES"));
        let single = about(&[&good[..MUST_BE.len()], &[("sql_mode", SQL_MODE)]].concat());
        assert_eq!(single.unfit(), None, "no wsrep variables without a provider");
    }

    fn concat_ansi() -> &'static str {
        format!("{SQL_MODE},ANSI_QUOTES").leak()
    }
}
