//! Encryption as the `mysql` client does it, against a server of the test's own; and values of 40 MB.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use driftless::config::{AddressMap, Connection, Endpoint, HostPort, Secret, Tls, TlsIdentity, TlsMode};
use driftless::mysql::MysqlServer;
use driftless::ports::server::{ErrorKind, Server, ServerError};
use driftless::sql::Sql;

#[path = "mysql_tls/private.rs"]
mod private;

use private::Private;

struct Case<'a> {
    private: &'a Private,
    user: &'a str,
    host: &'a str,
    tls: Tls,
}

impl<'a> Case<'a> {
    fn new(private: &'a Private, mode: TlsMode) -> Self {
        Self { private, user: "op", host: "127.0.0.1", tls: Tls { mode, ca: None, identity: None } }
    }

    fn ca(mut self, ca: &Path) -> Self {
        self.tls.ca = Some(ca.into());
        self
    }

    fn host(self, host: &'a str) -> Self {
        Self { host, ..self }
    }

    fn user(self, user: &'a str) -> Self {
        Self { user, ..self }
    }

    fn identity(mut self, (cert, key): &(PathBuf, PathBuf)) -> Self {
        self.tls.identity = Some(TlsIdentity { cert: cert.clone(), key: key.clone() });
        self
    }

    fn server(&self, endpoint: &Endpoint) -> MysqlServer {
        let connection = Connection {
            endpoint: endpoint.clone(),
            user: self.user.into(),
            password: Secret::new("pass 'word\\é"),
            tls: self.tls.clone(),
            connect_timeout: Duration::from_secs(5),
            nodes: vec![],
            address_map: AddressMap::default(),
        };
        MysqlServer::new(&connection, endpoint)
    }

    fn tcp(&self) -> Endpoint {
        Endpoint::Tcp(HostPort::new(self.host, self.private.port))
    }

    /// The cipher, empty when not encrypted.
    async fn cipher(&self) -> Result<String, ServerError> {
        let mut session = self.server(&self.tcp()).connect().await?;
        let rows = session.query(&Sql::new("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).await?;
        Ok(rows[0].text(1).unwrap_or_default())
    }

    async fn expect(&self, expected: Expected, why: &str) {
        match (self.cipher().await, expected) {
            (Ok(cipher), Expected::Plain) => assert_eq!(cipher, "", "{why}"),
            (Ok(cipher), Expected::Encrypted) => assert!(cipher.starts_with("TLS_"), "{why}: `{cipher}`"),
            (Err(error), Expected::Fails(kind, word)) => {
                assert_eq!(error.kind, kind, "{why}: {error}");
                assert!(error.message.contains(word), "{why}: {error}");
            }
            (other, _) => panic!("{why}: {other:?}"),
        }
    }
}

enum Expected {
    Plain,
    Encrypted,
    Fails(ErrorKind, &'static str),
}

use Expected::{Encrypted, Fails, Plain};

const UNKNOWN: Expected = Fails(ErrorKind::Connect, "check --ssl-ca");

fn ssl(ca: &Path, cert: &(PathBuf, PathBuf)) -> Vec<String> {
    let flag = |name: &str, path: &Path| format!("--ssl-{name}={}", path.display());
    vec![flag("ca", ca), flag("cert", &cert.0), flag("key", &cert.1)]
}

async fn make_users(private: &Private) {
    // root has no password on a fresh server.
    let root = Connection {
        endpoint: Endpoint::Socket(private.socket()),
        user: "root".into(),
        password: Secret::default(),
        tls: Tls { mode: TlsMode::VerifyIdentity, ca: None, identity: None },
        connect_timeout: Duration::from_secs(5),
        nodes: vec![],
        address_map: AddressMap::default(),
    };
    let mut session = MysqlServer::new(&root, &root.endpoint).connect().await.expect("a socket needs no encryption");
    let users = [("op", ""), ("strict", " REQUIRE SSL"), ("x509", " REQUIRE X509"), ("poor", "")];
    for (name, require) in users {
        let named = |verb: &'static str| Sql::new(verb).string(name).text("@'%'");
        let by = named("CREATE USER ").text(" IDENTIFIED BY 'pass \\'word\\\\é'").text(require);
        session.execute(&by).await.unwrap();
        if name != "poor" {
            session.execute(&named("GRANT ALL ON *.* TO ")).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modes_do_what_they_say() {
    let mut private = Private::new();
    let (ca, other_ca) = (private.ca("ca"), private.ca("other"));
    let named = private.cert("ca", "named", "2", "subjectAltName=DNS:localhost\n");
    let nameless = private.cert("ca", "nameless", "2", "basicConstraints=CA:FALSE\n");
    let expired = private.cert("ca", "expired", "-1", "subjectAltName=DNS:localhost\n");
    let old = private.cert("ca", "old", "2", "");
    let client = private.cert("ca", "client", "2", "basicConstraints=CA:FALSE\n");

    private.start(&ssl(&ca, &named));
    make_users(&private).await;
    let case = |mode| Case::new(&private, mode);
    case(TlsMode::Disabled).expect(Plain, "not asked for").await;
    case(TlsMode::Preferred).expect(Encrypted, "the server can").await;
    case(TlsMode::Required).expect(Encrypted, "any certificate").await;
    case(TlsMode::VerifyCa).ca(&ca).expect(Encrypted, "the CA signed it; the name 127.0.0.1 does not count").await;
    case(TlsMode::VerifyCa).ca(&other_ca).expect(UNKNOWN, "another CA").await;
    case(TlsMode::VerifyIdentity).ca(&ca).host("localhost").expect(Encrypted, "CA and name").await;
    let wrong_name = Fails(ErrorKind::Connect, "give the host by a name that the certificate has");
    case(TlsMode::VerifyIdentity).ca(&ca).expect(wrong_name, "the certificate names localhost").await;
    case(TlsMode::VerifyIdentity).ca(&other_ca).host("localhost").expect(UNKNOWN, "another CA").await;
    case(TlsMode::VerifyIdentity).host("localhost").expect(UNKNOWN, "no public CA signed it").await;
    let denied = || Fails(ErrorKind::Denied, "Access denied");
    case(TlsMode::Disabled).user("strict").expect(denied(), "the account wants encryption").await;
    case(TlsMode::Preferred).user("strict").expect(Encrypted, "and gets it").await;
    case(TlsMode::Required).user("x509").expect(denied(), "the account wants a certificate").await;
    case(TlsMode::Required).user("x509").identity(&client).expect(Encrypted, "and gets it").await;
    case(TlsMode::Preferred).user("poor").expect(Encrypted, "a session opens without any privilege").await;
    past_the_deadline_over_tls(&case(TlsMode::VerifyCa).ca(&ca)).await;
    past_the_deadline_over_tls(&case(TlsMode::Preferred).user("poor")).await;
    forty_megabytes_pass(&case(TlsMode::Preferred)).await;

    private.start(&ssl(&ca, &nameless));
    let case = |mode| Case::new(&private, mode).ca(&ca).host("localhost");
    case(TlsMode::VerifyCa).expect(Encrypted, "no subjectAltName, as servers make their own certificates").await;
    let no_name = Fails(ErrorKind::Connect, "it has no subjectAltName");
    case(TlsMode::VerifyIdentity).expect(no_name, "a common name is no name").await;
    case(TlsMode::VerifyCa).ca(&other_ca).expect(UNKNOWN, "no subjectAltName and another CA").await;

    private.start(&ssl(&ca, &expired));
    let case = |mode| Case::new(&private, mode).ca(&ca).host("localhost");
    case(TlsMode::Required).expect(Encrypted, "the certificate is not looked at").await;
    let expired = || Fails(ErrorKind::Connect, "Expired");
    case(TlsMode::VerifyCa).expect(expired(), "any name is not any certificate").await;
    case(TlsMode::VerifyIdentity).expect(expired(), "expired").await;

    private.start(&ssl(&ca, &old));
    let case = |mode| Case::new(&private, mode).ca(&ca);
    case(TlsMode::Required).expect(Fails(ErrorKind::Connect, "version 1"), "X.509 version 1").await;
    case(TlsMode::Preferred).expect(Plain, "what can't be had is not preferred").await;

    private.start(&["--skip-ssl".into()]);
    let case = |mode| Case::new(&private, mode);
    case(TlsMode::Preferred).expect(Plain, "the server can't").await;
    let cannot = || Fails(ErrorKind::Connect, "the server does not offer encryption");
    case(TlsMode::Required).expect(cannot(), "never plain").await;
    case(TlsMode::VerifyCa).ca(&ca).expect(cannot(), "never plain").await;
}

/// The connection that kills is encrypted and verified like the one it ends.
async fn past_the_deadline_over_tls(case: &Case<'_>) {
    let mut session = case.server(&case.tcp()).connect().await.unwrap();
    session.set_deadline(Duration::from_millis(200));
    let error = session.query(&Sql::new("SELECT SLEEP(600)")).await.unwrap_err();
    assert!(error.kind == ErrorKind::Lost && error.message.contains("it was ended on the server"), "{error}");
}

async fn forty_megabytes_pass(case: &Case<'_>) {
    const LENGTH: usize = 40_000_000;
    let mut session = case.server(&case.tcp()).connect().await.unwrap();
    let big: Vec<u8> = (0..LENGTH).map(|index| u8::try_from(index % 251).unwrap()).collect();
    session.execute(&Sql::new("CREATE TABLE mysql.h_big (v LONGBLOB)")).await.unwrap();
    session.execute(&Sql::new("INSERT INTO mysql.h_big VALUES (").bytes(&big).text(")")).await.unwrap();
    let rows = session.query(&Sql::new("SELECT v, 'after' FROM mysql.h_big")).await.unwrap();
    assert!(rows[0].bytes(0) == Some(&big), "40 MB came back different");
    assert_eq!(rows[0].text(1).as_deref(), Some("after"));
}
