//! Where to connect, as whom, and how safely.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

/// The port when none is given.
pub const DEFAULT_PORT: u16 = 3306;

/// A password. `Debug` shows `***`; there is no `Display` and no serialisation.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes a password.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password in clear, for the handshake only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A TCP address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl HostPort {
    /// Puts the two together.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Reads `HOST`, `HOST:PORT`, `[IPV6]`, `[IPV6]:PORT` or a bare IPv6 address.
    ///
    /// # Errors
    /// In words, when the host is empty or the port is not one.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let (host, port) = split(text)?;
        let port = port.map_or(Ok(default_port), |port| parse_port(&port))?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Reads a TCP port.
///
/// # Errors
/// In words, when it is not a number from 1 to 65535.
pub fn parse_port(text: &str) -> Result<u16, String> {
    text.parse().ok().filter(|port| *port != 0).ok_or_else(|| format!("`{text}` is not a port (1 to 65535)"))
}

fn split(text: &str) -> Result<(String, Option<String>), String> {
    let bad = || format!("`{text}` is not of the form HOST:PORT");
    let (host, port) = if text.parse::<Ipv6Addr>().is_ok() {
        (text, None)
    } else if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
        if host.parse::<Ipv6Addr>().is_err() {
            return Err(bad());
        }
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(bad()),
        }
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c == '/') {
        return Err(bad());
    }
    Ok((host.to_owned(), port.map(str::to_owned)))
}

/// What to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Over the network.
    Tcp(HostPort),
    /// By a Unix socket of this machine; never encrypted, never leaves the machine.
    Socket(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}

/// How a connection over the network is encrypted; the words of the `mysql` client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TlsMode {
    /// Not at all.
    Disabled,
    /// When the server can, else not.
    Preferred,
    /// Always; the certificate is not looked at.
    Required,
    /// Always, and the certificate must come from the CA.
    VerifyCa,
    /// Always, and the certificate must come from the CA and name the host.
    VerifyIdentity,
}

/// The client's own certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    /// PEM file with the certificate chain.
    pub cert: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Encryption of connections over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// How strictly.
    pub mode: TlsMode,
    /// PEM file of the CAs to trust; without it the public ones.
    pub ca: Option<PathBuf>,
    /// The client's own certificate.
    pub identity: Option<TlsIdentity>,
}

/// Translations of addresses that servers tell of each other into addresses that can be reached from here (NAT).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressMap(Vec<(Pattern, Pattern)>);

/// A host with any port, or one port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    host: String,
    port: Option<u16>,
}

impl AddressMap {
    /// Adds `HOST[:PORT]=HOST[:PORT]`: without a port on the left every port is meant, without one on the right it stays.
    ///
    /// # Errors
    /// In words, when it is not of that form or the left side is there already.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let bad = || format!("`{text}` is not of the form HOST[:PORT]=HOST[:PORT]");
        let (from, to) = text.split_once('=').ok_or_else(bad)?;
        let (from, to) = (Pattern::parse(from)?, Pattern::parse(to)?);
        if self.0.iter().any(|(known, _)| *known == from) {
            return Err(format!("`{text}` maps an address that is mapped already"));
        }
        self.0.push((from, to));
        Ok(())
    }

    /// Where to go for an address; one with a port goes before one without.
    #[must_use]
    pub fn translate(&self, address: &HostPort) -> HostPort {
        let named = |port: Option<u16>| {
            self.0.iter().find(|(from, _)| from.port == port && from.host.eq_ignore_ascii_case(&address.host))
        };
        named(Some(address.port)).or_else(|| named(None)).map_or_else(
            || address.clone(),
            |(_, to)| HostPort { host: to.host.clone(), port: to.port.unwrap_or(address.port) },
        )
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = split(text.trim())?;
        Ok(Self { host, port: port.map(|port| parse_port(&port)).transpose()? })
    }
}

/// All that is needed to connect to one server, and to its fellow nodes with the same user, password and encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The server that was named.
    pub endpoint: Endpoint,
    /// As whom.
    pub user: String,
    /// With which password; empty when none was given.
    pub password: Secret,
    /// Encryption over the network.
    pub tls: Tls,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// Nodes that were named besides; discovery adds to them.
    pub nodes: Vec<HostPort>,
    /// Translations of addresses.
    pub address_map: AddressMap,
}

impl Connection {
    /// Where to reach a node that a server told of: translated by the address map.
    #[must_use]
    pub fn reach(&self, told: &HostPort) -> Endpoint {
        Endpoint::Tcp(self.address_map.translate(told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses() {
        //   text                   expected                 why
        let cases = [
            ("db1", Some("db1:3306"), "default port"),
            ("db1:4401", Some("db1:4401"), "both"),
            ("::1", Some("[::1]:3306"), "bare IPv6"),
            ("[fe80::1]:33", Some("[fe80::1]:33"), "IPv6 with a port"),
            ("[::1]", Some("[::1]:3306"), "IPv6 in brackets"),
            ("db1:0", None, "port 0"),
            ("db1:70000", None, "port too big"),
            ("db1:", None, "empty port"),
            (":3306", None, "empty host"),
            ("", None, "nothing"),
            ("[::1]x", None, "rest after the bracket"),
            ("[db1]:3306", None, "brackets are for IPv6"),
            ("db 1", None, "blank"),
        ];
        for (text, expected, why) in cases {
            let got = HostPort::parse(text, DEFAULT_PORT).ok().map(|address| address.to_string());
            assert_eq!(got.as_deref(), expected, "{why}");
        }
    }

    #[test]
    fn translates_addresses() {
        let mut map = AddressMap::default();
        map.add("10.0.0.1=127.0.0.1").unwrap();
        map.add("10.0.0.1:3307=127.0.0.1:4402").unwrap();
        map.add("10.0.0.3=127.0.0.1:4403").unwrap();
        //  told                expected           why
        let cases = [
            ("10.0.0.1:3306", "127.0.0.1:3306", "host only: the port stays"),
            ("10.0.0.1:3307", "127.0.0.1:4402", "host and port win over host"),
            ("10.0.0.2:3306", "10.0.0.2:3306", "not mapped"),
            ("10.0.0.3:3306", "127.0.0.1:4403", "any port of a host to one port"),
        ];
        for (told, expected, why) in cases {
            let told = HostPort::parse(told, DEFAULT_PORT).unwrap();
            assert_eq!(map.translate(&told).to_string(), expected, "{why}");
        }
        for bad in ["10.0.0.1", "10.0.0.1=x", "=b", "a=", "a:x=b:1"] {
            assert!(map.add(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_hides_the_password() {
        let text = format!("{:?}", Secret::new("hunter2"));
        assert_eq!(text, "***");
    }
}
