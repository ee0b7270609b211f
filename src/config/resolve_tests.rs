//! Flags are parsed by clap as the binary does, so that names and conflicts are tested too.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::{Parser, Subcommand};

use super::*;

#[derive(Parser, Debug)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    Run {
        #[command(flatten)]
        connect: ConnectArgs,
        #[arg(long)]
        yes: bool,
    },
}

fn args(flags: &str) -> ConnectArgs {
    let Cli { verb: Verb::Run { connect, .. } } =
        Cli::try_parse_from(["driftless", "run"].into_iter().chain(flags.split_whitespace())).unwrap();
    connect
}

struct Place {
    dir: tempfile::TempDir,
    around: Surroundings,
}

impl Place {
    /// A home with this `.my.cnf`, and these variables.
    fn new(cnf: &str, env: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let around = Surroundings {
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            home: Some(dir.path().into()),
            login: Some("ann".into()),
            global_files: vec![],
            sockets: vec!["/s/default.sock".into()],
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

    fn resolve(&self, flags: &str) -> Result<Resolved, ConfigError> {
        resolve(&args(flags), &self.around, &mut |_| Ok("asked".into()))
    }

    fn connection(&self, flags: &str) -> Connection {
        self.resolve(flags).unwrap().connection
    }
}

#[test]
fn endpoint_follows_the_client() {
    let none: &[(&str, &str)] = &[];
    let all_env: &[(&str, &str)] = &[("MYSQL_HOST", "e"), ("MYSQL_TCP_PORT", "5"), ("MYSQL_UNIX_PORT", "/s/env")];
    let file = "[client]\nhost=f\nport=7\nsocket=/s/file\n";
    //   flags                  environment  file        endpoint            why
    let cases = [
        ("", none, "", "/s/default.sock", "nothing said: localhost, so the socket"),
        ("--host localhost", none, "", "/s/default.sock", "localhost is the socket"),
        ("-h 127.0.0.1", none, "", "127.0.0.1:3306", "an address is TCP; -h is the host"),
        ("-h db1 -P 4401", none, "", "db1:4401", "host and port"),
        ("-P 4401", none, "", "localhost:4401", "a port flag asks for TCP"),
        ("-h localhost -P 4401", none, "", "localhost:4401", "also with localhost"),
        ("-S /s/x", all_env, file, "/s/x", "the socket flag wins over host by file and environment"),
        ("", all_env, file, "e:5", "environment before file"),
        ("", none, file, "f:7", "file before default"),
        ("-h g", all_env, file, "g:5", "flag before environment, each setting by itself"),
        ("-h localhost", all_env, file, "/s/env", "socket from the environment"),
        ("-h localhost", none, file, "/s/file", "socket from the file; its port is for TCP"),
        ("", none, "[client]\nprotocol=tcp\nport=9\n", "localhost:9", "the file may ask for TCP"),
        ("-h ::1", none, "", "[::1]:3306", "IPv6"),
        ("", none, "[client]\nhost=a\n[driftless]\nhost=b\n[mysqld]\nhost=c\n", "b:3306", "later group wins"),
        ("", none, "[client]\nhost=a\n[client-mariadb]\nport=1\n[mysql]\nhost=x\n", "a:1", "[mysql] is not ours"),
        ("--no-defaults -h a", none, file, "a:3306", "no file is read"),
    ];
    for (flags, env, cnf, endpoint, why) in cases {
        assert_eq!(Place::new(cnf, env).connection(flags).endpoint.to_string(), endpoint, "{why}");
    }
}

#[test]
fn password_has_one_source() {
    let place = Place::new("[client]\npassword='from file'\n", &[]);
    place.write("pw", "from password file\r\nsecond line\n");
    let with_file = format!("--password-file {}", place.dir.path().join("pw").display());
    assert_eq!(place.connection("").password.expose(), "from file");
    assert_eq!(place.connection(&with_file).password.expose(), "from password file");
    assert_eq!(place.connection("--ask-password").password.expose(), "asked");
    assert_eq!(place.connection("-p --yes").password.expose(), "asked", "a bare -p asks, as in the mysql client");
    let env = Place::new("[client]\npassword=x\n", &[("MYSQL_PWD", "")]);
    assert_eq!(env.connection("").password.expose(), "", "an empty variable is a password");
    assert_eq!(Place::new("", &[]).connection("").password.expose(), "");
    std::fs::set_permissions(place.dir.path().join("pw"), PermissionsExt::from_mode(0o644)).unwrap();
    let warnings = place.resolve(&with_file).unwrap().warnings;
    assert_eq!(warnings, [Warning::PasswordReadable(place.dir.path().join("pw"))]);
    let failed = resolve(&args("--ask-password"), &place.around, &mut |_| Err(io::Error::other("no tty")));
    assert!(failed.unwrap_err().to_string().contains("no tty"));
}

#[test]
fn a_password_on_the_command_line_is_refused_unseen() {
    for flags in ["--password=hunter2", "-phunter2", "--password hunter2", "-p hunter2"] {
        let error = Place::new("", &[]).resolve(flags).unwrap_err();
        assert_eq!(error, ConfigError::PasswordOnCommandLine, "{flags}");
        assert!(!format!("{error} {:?}", args(flags)).contains("hunter2"), "{flags}");
        assert!(error.to_string().contains("--password-file"), "it says what to do instead");
    }
}

#[test]
fn help_needs_its_long_name() {
    let help = Cli::try_parse_from(["driftless", "run", "--help"]).unwrap_err();
    assert_eq!(help.kind(), clap::error::ErrorKind::DisplayHelp);
    let text = help.to_string();
    assert!(text.contains("-h, --host <HOST>") && !text.contains("--password "), "{text}");
    let top = Cli::try_parse_from(["driftless", "-h"]).unwrap_err();
    assert_eq!(top.kind(), clap::error::ErrorKind::DisplayHelp, "-h is help where no host is taken");
}

#[test]
fn tls_follows_the_client() {
    let place = Place::new("", &[]);
    let ca = place.write("ca.pem", "x").display().to_string();
    let key = place.write("key.pem", "x").display().to_string();
    //   flags                                  file                        mode                    why
    let cases = [
        (String::new(), String::new(), TlsMode::Preferred, "default"),
        ("--ssl-mode required".into(), String::new(), TlsMode::Required, "case does not count"),
        (format!("--ssl-ca {ca}"), String::new(), TlsMode::VerifyCa, "a CA asks for it to be checked"),
        (format!("--ssl-ca {ca} --ssl-mode VERIFY_IDENTITY"), String::new(), TlsMode::VerifyIdentity, "said"),
        (format!("--ssl-ca {ca} --ssl-mode DISABLED"), String::new(), TlsMode::Disabled, "said"),
        (String::new(), format!("ssl-ca={ca}"), TlsMode::VerifyCa, "from the file"),
        (String::new(), "ssl-mode=VERIFY_IDENTITY".into(), TlsMode::VerifyIdentity, "public CAs"),
        (String::new(), "ssl".into(), TlsMode::Required, "MariaDB's word"),
        (String::new(), "ssl=0".into(), TlsMode::Disabled, "MariaDB's word"),
        (String::new(), "ssl\nskip-ssl".into(), TlsMode::Disabled, "the later wins"),
        (String::new(), "ssl-verify-server-cert".into(), TlsMode::VerifyIdentity, "MariaDB's word"),
        (String::new(), "loose-ssl-mode=WHAT".into(), TlsMode::Preferred, "loose: passed over"),
        ("--ssl-mode DISABLED".into(), "ssl-mode=REQUIRED".into(), TlsMode::Disabled, "flag before file"),
    ];
    for (flags, cnf, mode, why) in cases {
        place.write(".my.cnf", &format!("[client]\n{cnf}\n"));
        assert_eq!(place.connection(&flags).tls.mode, mode, "{why}");
    }
    place.write(".my.cnf", "");
    let both = place.connection(&format!("--ssl-cert {ca} --ssl-key {key}"));
    assert_eq!(both.tls.identity, Some(TlsIdentity { cert: ca.into(), key: key.into() }));
}

#[test]
fn nodes_and_map_take_the_connection_with_them() {
    let place = Place::new("[client]\nuser=op\npassword=x\n[driftless]\nnode=c\nnode=d:1\n", &[]);
    let told = HostPort::new("10.0.0.2", 3306);
    let own = place.connection("-h db1 -P 4401 --node a --node a:4402 --node a --address-map 10.0.0.2=127.0.0.1:4402");
    assert_eq!(own.nodes, [HostPort::new("a", 4401), HostPort::new("a", 4402)], "no twins; flags before file");
    assert_eq!(own.user, "op");
    assert_eq!(place.connection("-h db1").nodes, [HostPort::new("c", 3306), HostPort::new("d", 1)]);
    let mapped = place.connection("--address-map 10.0.0.2:3306=127.0.0.1:4402");
    assert_eq!(mapped.reach(&told), Endpoint::Tcp(HostPort::new("127.0.0.1", 4402)));
}

#[test]
fn every_mistake_is_one_clear_message() {
    //   flags                              file                             message ({} is the home)
    let cases = [
        ("-P x", "", "--port: `x` is not a port (1 to 65535)"),
        ("-P 0", "", "--port: `0` is not a port (1 to 65535)"),
        ("-h a:1", "", "--host: takes no port; give it by --port"),
        ("-h a -S /s", "", "--host: stands beside --socket, which connects on this machine; give one of them"),
        ("--connect-timeout 0", "", "--connect-timeout: `0` is not a number of seconds (1 to 3600)"),
        ("--connect-timeout 5s", "", "--connect-timeout: `5s` is not a number of seconds (1 to 3600)"),
        ("--node a:b", "", "--node: `b` is not a port (1 to 65535)"),
        ("--address-map a", "", "--address-map: `a` is not of the form HOST[:PORT]=HOST[:PORT]"),
        ("--ssl-mode VERIFY_CA", "", "--ssl-mode: VERIFY_CA needs the CA's certificate: give --ssl-ca"),
        ("--ssl-ca /none", "", "--ssl-ca: can't read /none: No such file or directory (os error 2)"),
        ("--ssl-cert {}/.my.cnf", "", "--ssl-cert: needs --ssl-key beside it"),
        ("--defaults-file /none", "", "option file: can't read /none: No such file or directory (os error 2)"),
        ("--password-file /none", "", "--password-file: can't read /none: No such file or directory (os error 2)"),
        ("", "[client]\n\nport=x\n", "{}/.my.cnf:3: port: `x` is not a port (1 to 65535)"),
        ("", "[client]\nhost\n", "{}/.my.cnf:2: host: needs a value"),
        ("", "[client]\npassword\n", "{}/.my.cnf:2: password: needs a value (use --ask-password to be asked)"),
        ("", "[client]\nprotocol=pipe\n", "{}/.my.cnf:2: protocol: `pipe` is neither tcp nor socket"),
        ("", "[client]\nssl=maybe\n", "{}/.my.cnf:2: ssl: `maybe` is neither on nor off"),
        (
            "",
            "[client]\nssl-ca=/none\n",
            "{}/.my.cnf:2: ssl-ca: can't read /none: No such file or directory (os error 2)",
        ),
        ("", "[client\n", "{}/.my.cnf:1: the group has no closing bracket"),
    ];
    for (flags, cnf, message) in cases {
        let place = Place::new(cnf, &[]);
        let home = place.dir.path().display().to_string();
        let got = place.resolve(&flags.replace("{}", &home)).unwrap_err().to_string();
        assert_eq!(got, message.replace("{}", &home), "{flags} {cnf}");
    }
    let unknown = Place::new("[client]\ndefault-character-set=x\n[driftless]\nloose-hots=x\nhots=x\n", &[]);
    let message = unknown.resolve("").unwrap_err().to_string();
    assert!(message.contains(".my.cnf:5: hots: unknown option; [driftless] takes host, port"), "{message}");
}

#[test]
fn files_are_read_in_order_and_by_suffix() {
    let place = Place::new("[client]\nuser=home\n", &[]);
    let extra = place.write("extra.cnf", "[client]\nuser=extra\nhost=x\n[client_b]\nuser=suffixed\n");
    let global = place.write("global.cnf", "[client]\nuser=global\nhost=g\nport=3\n");
    let place = Place { around: Surroundings { global_files: vec![global], ..place.around }, dir: place.dir };
    let extra = Path::new(&extra).display();
    let with_extra = place.connection(&format!("--defaults-extra-file {extra}"));
    assert_eq!((with_extra.user.as_str(), with_extra.endpoint.to_string().as_str()), ("home", "x:3"));
    let only = place.connection(&format!("--defaults-file {extra} --defaults-group-suffix _b"));
    assert_eq!((only.user.as_str(), only.endpoint.to_string().as_str()), ("suffixed", "x:3306"));
    assert_eq!(place.connection("--no-defaults").user, "ann", "the login name");
}
