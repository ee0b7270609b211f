//! A MariaDB server of the test's own, with certificates made on the spot.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use driftless::demo::ReservedPorts;
use tokio::time::Instant;

/// How long the server may take to start.
const START: Duration = Duration::from_secs(60);

pub(crate) struct Private {
    child: Option<Child>,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) port: u16,
    _reserved: ReservedPorts,
}

impl Private {
    /// Makes a server that is not started yet.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let reserved = ReservedPorts::new(1).unwrap();
        let port = reserved.ports()[0];
        let data = format!("--datadir={}", dir.path().join("data").display());
        run(
            "mariadb-install-db",
            &["--no-defaults", &data, "--auth-root-authentication-method=normal", "--skip-test-db"],
        );
        Self { child: None, dir, port, _reserved: reserved }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("data/s.sock")
    }

    /// Stops it when it runs, and starts it with these flags besides.
    pub(crate) fn start(&mut self, flags: &[String]) {
        self.stop();
        let path = |name: &str| self.path(name).display().to_string();
        let log = std::fs::File::create(self.path("log")).unwrap();
        let child = Command::new("mariadbd")
            .args(["--no-defaults", "--user=mysql", "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=64M"])
            .args(["--innodb-flush-log-at-trx-commit=0", "--max-allowed-packet=128M", "--innodb-log-file-size=256M"])
            .arg(format!("--datadir={}", path("data")))
            .arg(format!("--socket={}", path("data/s.sock")))
            .arg(format!("--port={}", self.port))
            .args(flags)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mariadbd must be installed for this test (Debian: mariadb-server)");
        self.child = Some(child);
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = std::fs::read_to_string(self.path("log")).unwrap();
            assert!(start.elapsed() < START, "the server does not start:\n{log}");
            assert!(self.child.as_mut().unwrap().try_wait().unwrap().is_none(), "the server stopped:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Makes a CA.
    pub(crate) fn ca(&self, name: &str) -> PathBuf {
        let (key, cert) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.pem")));
        let subject = format!("/CN={name}");
        let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &subject];
        openssl(&[&new[..], &["-keyout", text(&key), "-out", text(&cert)]].concat());
        cert
    }

    /// Makes a key and a certificate of that CA for that subject, with these extensions; returns certificate and key.
    pub(crate) fn cert(&self, ca: &str, name: &str, days: &str, extensions: &str) -> (PathBuf, PathBuf) {
        let at = |suffix: &str| self.path(&format!("{name}.{suffix}"));
        let (key, request, cert, ext) = (at("key"), at("csr"), at("pem"), at("ext"));
        std::fs::write(&ext, extensions).unwrap();
        let new = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"];
        openssl(&[&new[..], &["-keyout", text(&key), "-out", text(&request)]].concat());
        let (ca_cert, ca_key) = (self.path(&format!("{ca}.pem")), self.path(&format!("{ca}.key")));
        let sign = ["x509", "-req", "-CAcreateserial", "-days", days, "-in", text(&request), "-out", text(&cert)];
        // Without extensions openssl makes a certificate of version 1.
        let with: &[_] = if extensions.is_empty() { &[] } else { &["-extfile", text(&ext)] };
        openssl(&[&sign[..], &["-CA", text(&ca_cert), "-CAkey", text(&ca_key)], with].concat());
        // The server's user must read it.
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
        (cert, key)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.stop();
    }
}

fn openssl(args: &[&str]) {
    run("openssl", args);
}

fn run(program: &str, args: &[&str]) {
    let owner: &[&str] = if program == "mariadb-install-db" { &["--user=mysql"] } else { &[] };
    let out = Command::new(program).args(args).args(owner).output();
    let out = out.unwrap_or_else(|error| panic!("{program} must be installed for this test: {error}"));
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
