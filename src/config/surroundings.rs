//! What this machine says of the user, as data, so that tests can make their own.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Option files that every user shares, in the order in which they are read.
const GLOBAL_FILES: [&str; 2] = ["/etc/my.cnf", "/etc/mysql/my.cnf"];

/// Where servers put their socket: Debian, Red Hat, the MySQL default.
const SOCKETS: [&str; 3] = ["/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"];

/// Environment, login name, places of files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The variables that are looked at.
    pub env: BTreeMap<String, String>,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// The login name.
    pub login: Option<String>,
    /// Option files that every user shares.
    pub global_files: Vec<PathBuf>,
    /// Places of a server's socket; the first that exists is taken.
    pub sockets: Vec<PathBuf>,
}

impl Surroundings {
    /// Looks at this machine.
    #[must_use]
    pub fn real() -> Self {
        let servers = ["MYSQL_HOST", "MYSQL_TCP_PORT", "MYSQL_UNIX_PORT", "MYSQL_PWD", "MYSQL_GROUP_SUFFIX"];
        let names = servers.into_iter().chain(["PROXYSQL_PWD", "MAXSCALE_PWD"]);
        let env = names.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))).collect();
        let account = account();
        let home = std::env::var_os("HOME").map(PathBuf::from);
        Self {
            env,
            home: home.or_else(|| account.as_ref().map(|(_, home)| home.clone())),
            login: account.map(|(login, _)| login).or_else(|| std::env::var("USER").ok()),
            global_files: GLOBAL_FILES.map(PathBuf::from).to_vec(),
            sockets: SOCKETS.map(PathBuf::from).to_vec(),
        }
    }

    /// The socket to use when none was named.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        let there = self.sockets.iter().find(|path| path.exists()).or_else(|| self.sockets.first());
        there.cloned().unwrap_or_else(|| SOCKETS[0].into())
    }
}

/// Login name and home of the effective user, from the account list.
fn account() -> Option<(String, PathBuf)> {
    let uid = std::fs::metadata("/proc/self").ok()?.uid();
    let list = std::fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    account_of(&list, uid)
}

fn account_of(list: &str, uid: u32) -> Option<(String, PathBuf)> {
    list.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let found = fields.get(2)?.parse::<u32>().ok()? == uid;
        found.then_some((fields.first()?.to_string(), PathBuf::from(fields.get(5)?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_account() {
        let list = "root:x:0:0:root:/root:/bin/bash\nbroken\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(account_of(list, 1000), Some(("ann".into(), "/home/ann".into())));
        assert_eq!(account_of(list, 7), None);
    }

    #[test]
    fn takes_the_first_socket_that_exists() {
        let here = Surroundings { sockets: vec!["/none/a".into(), "/proc".into()], ..Surroundings::default() };
        assert_eq!(here.socket(), PathBuf::from("/proc"));
        let none = Surroundings { sockets: vec!["/none/a".into(), "/none/b".into()], ..Surroundings::default() };
        assert_eq!(none.socket(), PathBuf::from("/none/a"));
    }
}
