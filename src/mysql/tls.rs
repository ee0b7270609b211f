//! Settings to the driver's options.

use std::path::PathBuf;
use std::time::Duration;

use mysql_async::{ClientIdentity, Opts, OptsBuilder, SslOpts};

use crate::config::{Connection, Endpoint, Tls, TlsMode};

/// Idle time after which the system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What the driver would otherwise ask by a SELECT, which a Galera node that is not ready refuses. The server's own
/// limit is kept by the session.
const MAX_PACKET: usize = 1 << 30;

/// The same; only pools use it.
const WAIT_TIMEOUT_S: usize = 28_800;

/// The driver (0.37) is to pass over a wrong name by `with_danger_skip_domain_validation`, and recognises that error by
/// the text `NotValidForName`, which rustls no longer prints. But rustls prints the name that it expected; so this name
/// makes the driver see what it looks for. Only errors of the name carry it, and rustls looks at the name after
/// everything else of the certificate, so nothing else is passed over. Should either change, connecting fails.
const ANY_NAME: &str = "NotValidForName";

/// The ways to try, in this order: one, or for PREFERRED encrypted and then not.
pub(super) fn ways(connection: &Connection, endpoint: &Endpoint) -> Vec<Opts> {
    let plain = || OptsBuilder::from_opts(base(connection, endpoint));
    let encrypted = |ssl: SslOpts| Opts::from(plain().ssl_opts(ssl));
    match endpoint {
        // The driver can't encrypt a socket, and need not: it does not leave the machine.
        Endpoint::Socket(_) => vec![plain().into()],
        Endpoint::Tcp(_) => match connection.tls.mode {
            TlsMode::Disabled => vec![plain().into()],
            TlsMode::Preferred => vec![encrypted(unverified(&connection.tls)), plain().into()],
            TlsMode::Required => vec![encrypted(unverified(&connection.tls))],
            TlsMode::VerifyCa => vec![encrypted(any_name(verified(&connection.tls)))],
            TlsMode::VerifyIdentity => vec![encrypted(verified(&connection.tls))],
        },
    }
}

fn base(connection: &Connection, endpoint: &Endpoint) -> OptsBuilder {
    let opts = OptsBuilder::default()
        .user(Some(&connection.user))
        .pass(Some(connection.password.expose()))
        .prefer_socket(false)
        .max_allowed_packet(Some(MAX_PACKET))
        .wait_timeout(Some(WAIT_TIMEOUT_S))
        .stmt_cache_size(0)
        .tcp_keepalive(Some(KEEPALIVE))
        .connect_attribute("program_name", "driftless");
    match endpoint {
        Endpoint::Tcp(address) => opts.ip_or_hostname(&address.host).tcp_port(address.port),
        Endpoint::Socket(path) => opts.socket(Some(path.to_string_lossy())),
    }
}

fn unverified(tls: &Tls) -> SslOpts {
    SslOpts::default().with_client_identity(identity(tls)).with_danger_accept_invalid_certs(true)
}

fn verified(tls: &Tls) -> SslOpts {
    let ssl = SslOpts::default().with_client_identity(identity(tls));
    match &tls.ca {
        Some(ca) => ssl.with_root_certs(vec![PathBuf::from(ca).into()]).with_disable_built_in_roots(true),
        None => ssl,
    }
}

fn any_name(ssl: SslOpts) -> SslOpts {
    ssl.with_danger_skip_domain_validation(true).with_danger_tls_hostname_override(Some(ANY_NAME))
}

fn identity(tls: &Tls) -> Option<ClientIdentity> {
    let own = tls.identity.as_ref()?;
    Some(ClientIdentity::new(own.cert.clone().into(), own.key.clone().into()))
}

/// Whether the server can't or won't encrypt, so that PREFERRED goes on without.
pub(super) fn refuses_encryption(error: &mysql_async::Error) -> bool {
    match error {
        mysql_async::Error::Driver(error) => matches!(error, mysql_async::DriverError::NoClientSslFlagFromServer),
        mysql_async::Error::Io(mysql_async::IoError::Tls(_)) => true,
        // A failed handshake comes as invalid data.
        mysql_async::Error::Io(mysql_async::IoError::Io(io)) => io.kind() == std::io::ErrorKind::InvalidData,
        mysql_async::Error::Other(_) | mysql_async::Error::Server(_) | mysql_async::Error::Url(_) => false,
    }
}

/// What the driver and rustls say, and what it means for the user.
const HINTS: [(&str, &str); 6] = [
    ("UnknownIssuer", "none of the trusted certificate authorities signed the server's certificate: check --ssl-ca"),
    ("not valid for any names", "it has no subjectAltName, so its name can't be verified: --ssl-mode VERIFY_CA can"),
    ("not valid for name", "give the host by a name that the certificate has, or use --ssl-mode VERIFY_CA"),
    (
        "UnsupportedCertVersion",
        "the server's certificate is of X.509 version 1, which is not supported: make a new one",
    ),
    ("Client asked for SSL", "the server does not offer encryption, and --ssl-mode demands it"),
    ("HandshakeFailure", "server and client have no version or cipher of TLS in common (1.2 or later is needed)"),
];

/// The words of a failed connection, with what to do about it where that is known.
pub(super) fn explained(words: &str) -> String {
    let hint = HINTS.iter().find(|(sign, _)| words.contains(sign));
    hint.map_or_else(|| words.to_owned(), |(_, hint)| format!("{words}; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AddressMap, HostPort, Secret};

    fn connection(mode: TlsMode) -> Connection {
        let endpoint = Endpoint::Tcp(HostPort::new("db1", 3306));
        let tls = Tls { mode, ca: Some("/ca.pem".into()), identity: None };
        let (user, password) = ("op".to_owned(), Secret::new("hunter2"));
        let connect_timeout = Duration::from_secs(1);
        Connection { endpoint, user, password, tls, connect_timeout, nodes: vec![], address_map: AddressMap::default() }
    }

    #[test]
    fn each_mode_has_its_ways() {
        //   mode                   ways  (encrypted, accepts any certificate, any name) of the first   why
        let cases = [
            (TlsMode::Disabled, 1, None, "plain"),
            (TlsMode::Preferred, 2, Some((true, false)), "then plain"),
            (TlsMode::Required, 1, Some((true, false)), "encrypted, never plain"),
            (TlsMode::VerifyCa, 1, Some((false, true)), "the CA, any name"),
            (TlsMode::VerifyIdentity, 1, Some((false, false)), "CA and name"),
        ];
        for (mode, count, first, why) in cases {
            let connection = connection(mode);
            let ways = ways(&connection, &connection.endpoint);
            let ssl = ways[0].ssl_opts().map(|ssl| (ssl.accept_invalid_certs(), ssl.skip_domain_validation()));
            assert_eq!((ways.len(), ssl), (count, first), "{why}");
            assert!(ways[0].ssl_opts().is_none_or(|ssl| ssl.accept_invalid_certs() || ssl.disable_built_in_roots()));
            assert!(ways.get(1).is_none_or(|second| second.ssl_opts().is_none()), "{why}");
            assert!(!ways[0].prefer_socket(), "{why}");
        }
        let socket = ways(&connection(TlsMode::VerifyIdentity), &Endpoint::Socket("/s".into()));
        assert!(socket.len() == 1 && socket[0].ssl_opts().is_none() && socket[0].socket() == Some("/s"));
    }

    #[test]
    fn attributes_hold_no_secret() {
        let connection = connection(TlsMode::Disabled);
        let ways = ways(&connection, &connection.endpoint);
        let attributes = ways[0].connect_attributes().unwrap();
        assert_eq!(attributes.get("program_name").map(String::as_str), Some("driftless"));
        assert!(!format!("{attributes:?}").contains("hunter2"));
    }
}
