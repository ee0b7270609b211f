//! The programs that a throw-away cluster needs.

use std::path::{Path, PathBuf};

use super::error::DemoError;
use super::install;
use super::spec::Replication;

/// Whether missing packages may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Install {
    /// With the system's package tool.
    Yes,
    /// No: they are named and nothing is changed.
    No,
}

/// Whose server it is: they are set up and configured in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// MariaDB.
    MariaDb,
    /// MySQL.
    MySql,
}

/// Where the programs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// Whose they are.
    pub product: Product,
    /// `mariadbd` or `mysqld`.
    pub server: PathBuf,
    /// What makes the system tables: `mariadb-install-db`, or `mysqld` itself.
    pub install_db: PathBuf,
    /// `mariadb` or `mysql`, the command-line client.
    pub client: PathBuf,
    /// The Galera library; empty when the servers stand alone.
    pub provider: PathBuf,
    /// What stands for `/usr`, when the programs are not the machine's own.
    pub base: Option<PathBuf>,
}

/// Directories searched after `PATH`; an ordinary user's `PATH` has no sbin.
const PLACES: [&str; 7] =
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin"];

/// Where distributions put the library.
///
/// # Source
/// File lists of Debian's and Ubuntu's galera-4 and galera-3, of MariaDB's galera-4 RPM, and of Arch's galera.
const PROVIDERS: [&str; 5] = [
    "/usr/lib/galera/libgalera_smm.so",
    "/usr/lib/galera-4/libgalera_smm.so",
    "/usr/lib64/galera-4/libgalera_smm.so",
    "/usr/lib64/galera/libgalera_smm.so",
    "/usr/lib/libgalera_smm.so",
];

/// Directories in which programs are searched, `PATH` first.
pub(super) fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(PLACES.iter().map(PathBuf::from)).collect()
}

/// Finds the programs.
///
/// # Errors
/// `Missing`, with the names of all programs and packages that are not there and what to do.
pub fn find(replication: Replication) -> Result<Tools, DemoError> {
    look(replication, &search_path(), &PROVIDERS.map(Path::new))
}

/// Finds the programs; installs what is missing when that is allowed.
///
/// # Errors
/// `Missing` when something isn't there and must not be installed, `CannotInstall` when it can't be, `Install` when the
/// package tool fails.
pub async fn ensure(replication: Replication, wish: Install) -> Result<Tools, DemoError> {
    let missing = match (find(replication), wish) {
        (Err(DemoError::Missing { packages, .. }), Install::Yes) => packages,
        (answer, _) => return answer,
    };
    install::packages(&missing).await?;
    find(replication)
}

/// Finds the programs of a server in packages that are unpacked under `root`, as `tests/servers.sh` leaves them.
///
/// # Errors
/// `Missing` as `find`; what only the machine itself can have (`rsync`) is searched there.
pub fn find_under(root: &Path, replication: Replication) -> Result<Tools, DemoError> {
    let base = root.join("usr");
    let places = [base.join("sbin"), base.join("bin"), base.join("libexec")];
    if base.join("sbin/mysqld").is_file() && !base.join("sbin/mariadbd").is_file() {
        return mysql(base, &places);
    }
    let path: Vec<PathBuf> = places.into_iter().chain(search_path()).collect();
    let tools = look(replication, &path, &[&base.join("lib/galera/libgalera_smm.so")])?;
    Ok(Tools { base: Some(base), ..tools })
}

fn mysql(base: PathBuf, places: &[PathBuf]) -> Result<Tools, DemoError> {
    let mut missing = Missing::default();
    let server = missing.program(places, &["mysqld"], "mysql-server-core");
    let client = missing.program(places, &["mysql"], "mysql-client-core");
    let tools = Tools {
        product: Product::MySql,
        install_db: server.clone(),
        server,
        client,
        provider: PathBuf::new(),
        base: Some(base),
    };
    missing.or(tools)
}

fn look(replication: Replication, path: &[PathBuf], providers: &[&Path]) -> Result<Tools, DemoError> {
    let mut missing = Missing::default();
    let server = missing.program(path, &["mariadbd"], "mariadb-server");
    let install_db = missing.program(path, &["mariadb-install-db"], "mariadb-server");
    let client = missing.program(path, &["mariadb"], "mariadb-client");
    let mut provider = PathBuf::new();
    if replication == Replication::Galera {
        provider = missing.library(providers);
        missing.program(path, &["rsync"], "rsync");
        // wsrep_sst_rsync asks one of them who listens on its port.
        missing.program(path, &["lsof", "ss"], "lsof");
    }
    missing.or(Tools { product: Product::MariaDb, server, install_db, client, provider, base: None })
}

#[derive(Debug, Default)]
struct Missing {
    tools: Vec<String>,
    packages: Vec<&'static str>,
}

impl Missing {
    /// Any one of these programs.
    fn program(&mut self, path: &[PathBuf], names: &[&str], package: &'static str) -> PathBuf {
        let all = path.iter().flat_map(|dir| names.iter().map(move |name| dir.join(name)));
        self.first(all, names.join(" or "), package)
    }

    fn library(&mut self, providers: &[&Path]) -> PathBuf {
        let all = providers.iter().map(|path| path.to_path_buf());
        self.first(all, "Galera library (libgalera_smm.so)".to_owned(), "galera-4")
    }

    /// The tools, when all are there.
    fn or(self, tools: Tools) -> Result<Tools, DemoError> {
        if self.tools.is_empty() {
            return Ok(tools);
        }
        let remedy = install::remedy(&self.packages);
        Err(DemoError::Missing { tools: self.tools, packages: self.packages, remedy })
    }

    fn first(&mut self, mut places: impl Iterator<Item = PathBuf>, tool: String, package: &'static str) -> PathBuf {
        places.find(|place| place.is_file()).unwrap_or_else(|| {
            self.tools.push(tool);
            if !self.packages.contains(&package) {
                self.packages.push(package);
            }
            PathBuf::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(programs: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for program in programs {
            std::fs::write(dir.path().join(program), "").unwrap();
        }
        dir
    }

    fn missing(replication: Replication, programs: &[&str]) -> (Vec<String>, Vec<&'static str>) {
        let dir = machine(programs);
        let library = dir.path().join("libgalera_smm.so");
        match look(replication, &[dir.path().to_owned()], &[Path::new("/nowhere.so"), &library]) {
            Ok(_) => (vec![], vec![]),
            Err(DemoError::Missing { tools, packages, .. }) => (tools, packages),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn names_what_is_missing_and_its_package() {
        const ALL: [&str; 6] = ["mariadbd", "mariadb-install-db", "mariadb", "libgalera_smm.so", "rsync", "ss"];
        let without = |name: &str| ALL.iter().copied().filter(|have| *have != name).collect::<Vec<_>>();
        assert_eq!(missing(Replication::Galera, &ALL).0, Vec::<String>::new());
        //  not there             package           why
        let cases = [
            ("mariadbd", "mariadb-server", "the server"),
            ("mariadb-install-db", "mariadb-server", "its setup"),
            ("mariadb", "mariadb-client", "the client that looks whether a node is synced"),
            ("libgalera_smm.so", "galera-4", "the provider"),
            ("rsync", "rsync", "state transfer"),
            ("ss", "lsof", "state transfer's port check takes lsof or ss"),
        ];
        for (name, package, why) in cases {
            let (tools, packages) = missing(Replication::Galera, &without(name));
            assert_eq!(packages, [package], "{why}");
            assert!(tools[0].contains(name), "{tools:?} {why}");
        }
        assert_eq!(
            missing(Replication::Galera, &[]).1,
            ["mariadb-server", "mariadb-client", "galera-4", "rsync", "lsof"]
        );
    }

    #[test]
    fn unpacked_packages_say_whose_they_are() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let file = root.path().join("usr").join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        };
        put("sbin/mysqld");
        let refused = find_under(root.path(), Replication::Alone).unwrap_err();
        assert!(refused.to_string().contains("mysql-client-core"), "{refused}");
        put("bin/mysql");
        let tools = find_under(root.path(), Replication::Alone).unwrap();
        assert_eq!((tools.product, &tools.server), (Product::MySql, &root.path().join("usr/sbin/mysqld")));
        for name in ["sbin/mariadbd", "bin/mariadb-install-db", "bin/mariadb"] {
            put(name);
        }
        let tools = find_under(root.path(), Replication::Alone).unwrap();
        assert_eq!(tools.product, Product::MariaDb, "its mysqld is another name for mariadbd");
        assert_eq!(tools.base, Some(root.path().join("usr")));
    }

    #[test]
    fn a_server_alone_needs_no_galera() {
        assert!(missing(Replication::Alone, &["mariadbd", "mariadb-install-db", "mariadb"]).0.is_empty());
    }
}
