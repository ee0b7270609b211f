//! Where a proxy's user and password come from.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::TlsMode;

struct Place {
    dir: tempfile::TempDir,
    around: Surroundings,
}

impl Place {
    fn new(cnf: &str, env: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let around = Surroundings {
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            home: Some(dir.path().into()),
            login: Some("ann".into()),
            ..Surroundings::default()
        };
        let place = Self { dir, around };
        place.write(".my.cnf", cnf);
        place
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    fn proxysql(&self, args: &ProxyLoginArgs) -> Result<Connection, ConfigError> {
        args.proxysql(&ConnectArgs::default(), &self.around, &mut Vec::new()).map(|mut all| all.remove(0))
    }

    fn maxscale(&self, args: &ProxyLoginArgs) -> Result<RestSettings, ConfigError> {
        args.maxscale(&ConnectArgs::default(), &self.around, &mut Vec::new()).map(|mut all| all.remove(0))
    }
}

fn proxysql(address: &str) -> ProxyLoginArgs {
    ProxyLoginArgs { proxysql: vec![address.into()], ..ProxyLoginArgs::default() }
}

fn maxscale(url: &str) -> ProxyLoginArgs {
    ProxyLoginArgs { maxscale: vec![url.into()], ..ProxyLoginArgs::default() }
}

#[test]
fn a_proxy_has_settings_of_its_own() {
    let servers = "[client]\nuser=app\npassword=servers\nssl-mode=VERIFY_IDENTITY\nhost=db1\n";
    let place = Place::new(servers, &[("MYSQL_PWD", "servers"), ("MYSQL_HOST", "db2")]);
    let plain = place.proxysql(&proxysql("h")).unwrap();
    assert_eq!((plain.user.as_str(), plain.password.expose()), ("admin", ""), "nothing of the servers");
    assert_eq!((plain.endpoint.to_string().as_str(), plain.tls.mode), ("h:6032", TlsMode::Preferred));

    let place = Place::new("[driftless-proxysql]\nuser=radmin\npassword=file\nssl-mode=REQUIRED\n", &[]);
    let filed = place.proxysql(&proxysql("h:7")).unwrap();
    assert_eq!((filed.user.as_str(), filed.password.expose()), ("radmin", "file"));
    assert_eq!((filed.endpoint.to_string().as_str(), filed.tls.mode), ("h:7", TlsMode::Required));
    let place = Place { around: Place::new("", &[("PROXYSQL_PWD", "env")]).around, ..place };
    assert_eq!(place.proxysql(&proxysql("h")).unwrap().password.expose(), "env", "the environment goes before");
    let named = ProxyLoginArgs {
        proxysql_user: Some("me".into()),
        proxysql_password_file: Some(place.write("pw", "first\nsecond\n")),
        ..proxysql("localhost")
    };
    let named = place.proxysql(&named).unwrap();
    assert_eq!((named.user.as_str(), named.password.expose()), ("me", "first"), "a flag goes before all");
    assert_eq!(named.endpoint.to_string(), "localhost:6032", "no socket");
}

#[test]
fn a_rest_api_is_named_by_its_url() {
    let place = Place::new("[driftless-maxscale]\npassword=x\n", &[]);
    //  given               base                     why
    let cases = [
        ("h", "http://h:8989", "as maxctrl: http and its port"),
        ("https://h", "https://h:8989", "encrypted"),
        ("https://[::1]:99/", "https://[::1]:99", "IPv6, a port, a slash"),
    ];
    for (given, base, why) in cases {
        let settings = place.maxscale(&maxscale(given)).unwrap();
        assert_eq!((settings.base.as_str(), settings.in_clear()), (base, base == "http://h:8989"), "{why}");
    }
    let settings = place.maxscale(&maxscale("h")).unwrap();
    assert_eq!((settings.user.as_str(), settings.password.expose(), settings.ca), ("admin", "x", None));
}

#[test]
fn what_is_wrong_is_said_once_and_never_with_a_password() {
    let place = Place::new("", &[]);
    let said = |error: ConfigError| error.to_string();
    for error in [
        said(place.proxysql(&proxysql("admin:hunter2@h:6032")).unwrap_err()),
        said(place.maxscale(&maxscale("http://admin:hunter2@h:8989")).unwrap_err()),
    ] {
        assert!(error.contains("takes no user and no password") && !error.contains("hunter2"), "{error}");
    }
    assert!(said(place.maxscale(&maxscale("ftp://h")).unwrap_err()).contains("neither http"));
    assert!(said(place.proxysql(&proxysql("h:x")).unwrap_err()).starts_with("--proxysql: "));
    let missing = ProxyLoginArgs { proxysql_password_file: Some("/none/pw".into()), ..proxysql("h") };
    assert!(said(place.proxysql(&missing).unwrap_err()).starts_with("--proxysql-password-file: can't read /none/pw"));
    let odd = Place::new("[driftless-maxscale]\nhost=h\n", &[]);
    let error = said(odd.maxscale(&maxscale("h")).unwrap_err());
    assert!(
        error.contains(".my.cnf:2: host: unknown option; [driftless-maxscale] takes user, password, ssl-ca"),
        "{error}"
    );
}
