//! Servers newer than the machine's own, unpacked by `tests/servers.sh`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What `tests/servers.sh` can get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newer {
    /// MySQL.
    MySql,
    /// MariaDB with Galera.
    MariaDb,
}

impl Newer {
    const fn name(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
        }
    }

    /// Where it is. `None` when the runner could not get it and has said so: the test then returns at once, and is counted
    /// by its line `SKIPPED: …`. Without a word of the runner it fails.
    pub fn tree(self) -> Option<PathBuf> {
        let name = self.name();
        let place = place().join(name);
        if place.join("version").is_file() {
            return Some(place);
        }
        let without = std::env::var("DRIFTLESS_TEST_WITHOUT").unwrap_or_default();
        assert!(
            without.split_whitespace().any(|word| word == name),
            "there is no {name} in {}; `bash tests/servers.sh {name}` gets it",
            place.display()
        );
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        // Not by a macro: the test runner would keep the line to itself. It may stand in the middle of a line of its own.
        drop(writeln!(std::io::stderr(), "\nSKIPPED: {test}: {name} of Debian unstable can't be had here"));
        None
    }
}

/// As `tests/servers.sh` chooses it.
fn place() -> PathBuf {
    if let Some(place) = std::env::var_os("DRIFTLESS_TEST_SERVERS").filter(|place| !place.is_empty()) {
        return place.into();
    }
    let common = Path::new("/var/cache/driftless-tests");
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let own = cache.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    match own.map(|own| own.join("driftless-tests")) {
        Some(own) if !common.is_dir() => own,
        Some(_) | None => common.to_owned(),
    }
}
