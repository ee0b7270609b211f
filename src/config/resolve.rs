//! Precedence: a flag, else the environment, else the option files, else the default.

use std::io;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::args::ConnectArgs;
use super::connection::{
    AddressMap, Connection, DEFAULT_PORT, Endpoint, HostPort, Secret, Tls, TlsIdentity, TlsMode, parse_port,
};
use super::error::{ConfigError, Warning};
use super::option_file::{FileOption, Need, Options};
use super::password;
use super::surroundings::Surroundings;

/// Groups of an option file that are read, each also with the suffix.
const GROUPS: [&str; 4] = ["client", "client-server", "client-mariadb", OWN_GROUP];

/// The group that belongs to driftless alone: an unknown option there is an error.
const OWN_GROUP: &str = "driftless";

/// What `OWN_GROUP` may hold.
const OWN_OPTIONS: [&str; 17] = [
    "host",
    "port",
    "socket",
    "protocol",
    "user",
    "password",
    "ssl-mode",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl",
    "skip-ssl",
    "disable-ssl",
    "ssl-verify-server-cert",
    "connect-timeout",
    "node",
    "address-map",
];

/// How long opening a connection may take when nothing is said.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest that may be said, seconds.
const MAX_CONNECT_TIMEOUT_S: u64 = 3600;

/// The settings, and what the user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Where and how to connect.
    pub connection: Connection,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// Puts flags, environment and option files together. `ask` is called with a question when a password must be asked for.
///
/// # Errors
/// `ConfigError`: one message that names the flag, the variable, or file and line.
pub fn resolve(
    args: &ConnectArgs,
    around: &Surroundings,
    ask: &mut dyn FnMut(&str) -> io::Result<String>,
) -> Result<Resolved, ConfigError> {
    resolve_in(args, around, ask, &GROUPS, &OWN_OPTIONS)
}

/// The same with other groups of the option files; the last of them is driftless's own, and takes `own` alone.
pub(super) fn resolve_in(
    args: &ConnectArgs,
    around: &Surroundings,
    ask: &mut dyn FnMut(&str) -> io::Result<String>,
    groups: &[&str],
    own: &[&str],
) -> Result<Resolved, ConfigError> {
    if args.password.as_ref().is_some_and(|given| !given.expose().is_empty()) {
        return Err(ConfigError::PasswordOnCommandLine);
    }
    let mut options = read_files(args, around, groups)?;
    let warnings = std::mem::take(&mut options.warnings);
    check_own_group(&options.options, groups.last().copied().unwrap_or(OWN_GROUP), own)?;
    let mut sources = Sources { args, around, options: options.options, warnings };
    let endpoint = sources.endpoint()?;
    let user = sources.user()?;
    let tls = sources.tls()?;
    let connect_timeout = sources.connect_timeout()?;
    let nodes = sources.nodes(&endpoint)?;
    let address_map = sources.address_map()?;
    let password = sources.password(&user, &endpoint, ask)?;
    let connection = Connection { endpoint, user, password, tls, connect_timeout, nodes, address_map };
    Ok(Resolved { connection, warnings: sources.warnings })
}

fn read_files(args: &ConnectArgs, around: &Surroundings, base: &[&str]) -> Result<Options, ConfigError> {
    let suffix = args.defaults_group_suffix.as_ref().or_else(|| around.env.get("MYSQL_GROUP_SUFFIX"));
    let mut groups: Vec<String> = base.iter().map(|group| (*group).to_owned()).collect();
    if let Some(suffix) = suffix {
        groups.extend(base.iter().map(|group| format!("{group}{suffix}")));
    }
    let mut options = Options::default();
    if args.no_defaults {
        return Ok(options);
    }
    if let Some(only) = &args.defaults_file {
        options.read(only, Need::Must, &groups)?;
        return Ok(options);
    }
    for file in &around.global_files {
        options.read(file, Need::May, &groups)?;
    }
    if let Some(extra) = &args.defaults_extra_file {
        options.read(extra, Need::Must, &groups)?;
    }
    if let Some(home) = &around.home {
        options.read(&home.join(".my.cnf"), Need::May, &groups)?;
    }
    Ok(options)
}

fn check_own_group(options: &[FileOption], group: &str, takes: &[&str]) -> Result<(), ConfigError> {
    let own = options.iter().filter(|option| option.group.starts_with(group) && !option.loose);
    for option in own {
        if !takes.contains(&option.name.as_str()) {
            let what = format!("unknown option; [{group}] takes {}", takes.join(", "));
            return Err(ConfigError::Value { place: option.place(), what });
        }
    }
    Ok(())
}

struct Sources<'a> {
    args: &'a ConnectArgs,
    around: &'a Surroundings,
    options: Vec<FileOption>,
    warnings: Vec<Warning>,
}

/// A value and where it stood.
struct Found {
    place: String,
    value: String,
}

impl Found {
    fn flag(name: &str, value: Option<&str>) -> Option<Self> {
        value.map(|value| Self { place: name.into(), value: value.into() })
    }

    fn wrong(&self, what: impl Into<String>) -> ConfigError {
        ConfigError::Value { place: self.place.clone(), what: what.into() }
    }
}

impl Sources<'_> {
    fn env(&self, name: &str) -> Option<Found> {
        let value = self.around.env.get(name)?;
        Some(Found { place: name.into(), value: value.clone() })
    }

    /// The last option of that name; a bare one, or an empty one, is an error unless it is loose.
    fn file(&self, name: &str) -> Result<Option<Found>, ConfigError> {
        let Some(option) = self.options.iter().rev().find(|option| option.name == name) else { return Ok(None) };
        match &option.value {
            Some(value) if !value.is_empty() => Ok(Some(Found { place: option.place(), value: value.clone() })),
            Some(_) | None if option.loose => Ok(None),
            Some(_) | None => Err(ConfigError::Value { place: option.place(), what: "needs a value".into() }),
        }
    }

    fn endpoint(&self) -> Result<Endpoint, ConfigError> {
        let flag_host = Found::flag("--host", self.args.host.as_deref());
        if let Some(socket) = &self.args.socket {
            if let Some(host) = flag_host.filter(|host| !host.value.eq_ignore_ascii_case("localhost")) {
                return Err(host.wrong("stands beside --socket, which connects on this machine; give one of them"));
            }
            return Ok(Endpoint::Socket(socket.clone()));
        }
        let host = match flag_host.or_else(|| self.env("MYSQL_HOST")) {
            Some(found) => Some(found),
            None => self.file("host")?,
        };
        let host = host.unwrap_or_else(|| Found { place: "host".into(), value: "localhost".into() });
        let port = self.port()?;
        let local = host.value.eq_ignore_ascii_case("localhost");
        if local && self.args.port.is_none() && self.protocol()? == Protocol::ByHost {
            return self.socket().map(Endpoint::Socket);
        }
        if host.value.contains(':') && host.value.parse::<Ipv6Addr>().is_err() {
            return Err(host.wrong("takes no port; give it by --port"));
        }
        HostPort::parse(&host.value, port).map(Endpoint::Tcp).map_err(|what| host.wrong(what))
    }

    fn port(&self) -> Result<u16, ConfigError> {
        let found = Found::flag("--port", self.args.port.as_deref()).or_else(|| self.env("MYSQL_TCP_PORT"));
        let found = match found {
            Some(found) => Some(found),
            None => self.file("port")?,
        };
        found.map_or(Ok(DEFAULT_PORT), |found| parse_port(&found.value).map_err(|what| found.wrong(what)))
    }

    fn protocol(&self) -> Result<Protocol, ConfigError> {
        let Some(found) = self.file("protocol")? else { return Ok(Protocol::ByHost) };
        match found.value.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Protocol::Tcp),
            "socket" => Ok(Protocol::ByHost),
            other => Err(found.wrong(format!("`{other}` is neither tcp nor socket"))),
        }
    }

    fn socket(&self) -> Result<PathBuf, ConfigError> {
        let found = match self.env("MYSQL_UNIX_PORT") {
            Some(found) => Some(found),
            None => self.file("socket")?,
        };
        Ok(found.map_or_else(|| self.around.socket(), |found| found.value.into()))
    }

    fn user(&self) -> Result<String, ConfigError> {
        if let Some(user) = &self.args.user {
            return Ok(user.clone());
        }
        if let Some(found) = self.file("user")? {
            return Ok(found.value);
        }
        self.around.login.clone().ok_or_else(|| ConfigError::Value {
            place: "--user".into(),
            what: "no user was given, and this machine does not say who you are".into(),
        })
    }

    fn password(
        &mut self,
        user: &str,
        endpoint: &Endpoint,
        ask: &mut dyn FnMut(&str) -> io::Result<String>,
    ) -> Result<Secret, ConfigError> {
        if self.args.asks() {
            let answer = ask(&format!("Password of {user} at {endpoint}: "));
            return answer.map(Secret::new).map_err(|error| ConfigError::Prompt(error.to_string()));
        }
        if let Some(file) = &self.args.password_file {
            return password::from_file("--password-file", file, &mut self.warnings);
        }
        if let Some(found) = self.env("MYSQL_PWD") {
            return Ok(Secret::new(found.value));
        }
        let Some(option) = self.options.iter().rev().find(|option| option.name == "password") else {
            return Ok(Secret::default());
        };
        // A bare `password` in a file makes the mysql client ask; a job under cron would hang there.
        option.value.clone().map(Secret::new).ok_or_else(|| ConfigError::Value {
            place: option.place(),
            what: "needs a value (use --ask-password to be asked)".into(),
        })
    }

    fn tls(&self) -> Result<Tls, ConfigError> {
        let ca = self.readable("--ssl-ca", self.args.ssl_ca.as_ref(), "ssl-ca")?;
        let cert = self.readable("--ssl-cert", self.args.ssl_cert.as_ref(), "ssl-cert")?;
        let key = self.readable("--ssl-key", self.args.ssl_key.as_ref(), "ssl-key")?;
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some(TlsIdentity { cert, key }),
            (None, None) => None,
            (Some(_), None) => return Err(alone("--ssl-cert", "--ssl-key")),
            (None, Some(_)) => return Err(alone("--ssl-key", "--ssl-cert")),
        };
        let mode = match self.args.ssl_mode {
            Some(mode) => Some(mode),
            None => self.file_ssl_mode()?,
        };
        // As the mysql client: naming a CA asks for it to be checked.
        let mode = mode.unwrap_or(if ca.is_some() { TlsMode::VerifyCa } else { TlsMode::Preferred });
        if mode == TlsMode::VerifyCa && ca.is_none() {
            let what = "VERIFY_CA needs the CA's certificate: give --ssl-ca".into();
            return Err(ConfigError::Value { place: "--ssl-mode".into(), what });
        }
        Ok(Tls { mode, ca, identity })
    }

    fn readable(&self, flag: &str, given: Option<&PathBuf>, option: &str) -> Result<Option<PathBuf>, ConfigError> {
        let (place, file) = match given {
            Some(file) => (flag.to_owned(), file.clone()),
            None => match self.file(option)? {
                Some(found) => (found.place, PathBuf::from(found.value)),
                None => return Ok(None),
            },
        };
        match std::fs::read(&file) {
            Ok(_) => Ok(Some(file)),
            Err(error) => Err(ConfigError::Unreadable { place, file, what: error.to_string() }),
        }
    }

    /// The last of the options that speak of encryption, MySQL's and MariaDB's.
    fn file_ssl_mode(&self) -> Result<Option<TlsMode>, ConfigError> {
        let mut mode = None;
        for option in &self.options {
            let value = option.value.as_deref();
            let said = match option.name.as_str() {
                "ssl-mode" => TlsMode::from_str(value.unwrap_or_default(), true)
                    .map(Some)
                    .map_err(|_| "is not DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY"),
                "ssl" => on(value).map(|on| Some(if on { TlsMode::Required } else { TlsMode::Disabled })),
                "skip-ssl" | "disable-ssl" => on(value).map(|on| on.then_some(TlsMode::Disabled)),
                "ssl-verify-server-cert" => on(value).map(|on| on.then_some(TlsMode::VerifyIdentity)),
                _ => Ok(None),
            };
            match said {
                Ok(said) => mode = said.or(mode),
                Err(_) if option.loose => {}
                Err(what) => {
                    let what = format!("`{}` {what}", value.unwrap_or_default());
                    return Err(ConfigError::Value { place: option.place(), what });
                }
            }
        }
        Ok(mode)
    }

    fn connect_timeout(&self) -> Result<Duration, ConfigError> {
        let found = match Found::flag("--connect-timeout", self.args.connect_timeout.as_deref()) {
            Some(found) => Some(found),
            None => self.file("connect-timeout")?,
        };
        let Some(found) = found else { return Ok(CONNECT_TIMEOUT) };
        let seconds = found.value.parse().ok().filter(|seconds| (1..=MAX_CONNECT_TIMEOUT_S).contains(seconds));
        let wrong =
            || found.wrong(format!("`{}` is not a number of seconds (1 to {MAX_CONNECT_TIMEOUT_S})", found.value));
        seconds.map(Duration::from_secs).ok_or_else(wrong)
    }

    /// `--node`s, else those of the option files; the port is the connection's when none is given.
    fn nodes(&self, endpoint: &Endpoint) -> Result<Vec<HostPort>, ConfigError> {
        let port = match endpoint {
            Endpoint::Tcp(address) => address.port,
            Endpoint::Socket(_) => DEFAULT_PORT,
        };
        let mut nodes = Vec::new();
        for found in self.all("--node", &self.args.nodes, "node")? {
            let node = HostPort::parse(found.value.trim(), port).map_err(|what| found.wrong(what))?;
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        Ok(nodes)
    }

    fn address_map(&self) -> Result<AddressMap, ConfigError> {
        let mut map = AddressMap::default();
        for found in self.all("--address-map", &self.args.address_map, "address-map")? {
            map.add(&found.value).map_err(|what| found.wrong(what))?;
        }
        Ok(map)
    }

    fn all(&self, flag: &str, given: &[String], option: &str) -> Result<Vec<Found>, ConfigError> {
        if !given.is_empty() {
            return Ok(given.iter().map(|value| Found { place: flag.into(), value: value.clone() }).collect());
        }
        let named = self.options.iter().filter(|it| it.name == option);
        let found = named.map(|it| match &it.value {
            Some(value) => Ok(Found { place: it.place(), value: value.clone() }),
            None => Err(ConfigError::Value { place: it.place(), what: "needs a value".into() }),
        });
        found.collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    ByHost,
    Tcp,
}

fn alone(given: &str, missing: &str) -> ConfigError {
    ConfigError::Value { place: given.into(), what: format!("needs {missing} beside it") }
}

/// How option files say yes and no; a bare option says yes.
fn on(value: Option<&str>) -> Result<bool, &'static str> {
    match value.map(str::to_ascii_lowercase).as_deref() {
        None | Some("1" | "on" | "true") => Ok(true),
        Some("0" | "off" | "false") => Ok(false),
        Some(_) => Err("is neither on nor off"),
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
