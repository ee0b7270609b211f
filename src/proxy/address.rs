//! Which server of a proxy is which node.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;

use crate::error::Fault;
use crate::ports::proxy::Backend;

/// The addresses of one node, as names and as numbers.
pub(super) struct Place {
    host: String,
    port: String,
    numbers: Vec<IpAddr>,
    /// What other names stand for, as far as they were asked for.
    names: BTreeMap<String, Vec<IpAddr>>,
}

impl Place {
    /// Looks the node's name up.
    pub(super) async fn of(node: &Backend) -> Self {
        let (host, port) = node.address.rsplit_once(':').unwrap_or((node.address.as_str(), ""));
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Self { numbers: numbers(&host).await, host, port: port.to_owned(), names: BTreeMap::new() }
    }

    /// Whether a proxy's server at that host and port is the node.
    pub(super) async fn is(&mut self, host: &str, port: &str) -> bool {
        if port != self.port {
            return false;
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.eq_ignore_ascii_case(&self.host) {
            return true;
        }
        if !self.names.contains_key(host) {
            self.names.insert(host.to_owned(), numbers(host).await);
        }
        let theirs = self.names.get(host).map_or(&[][..], Vec::as_slice);
        theirs.iter().any(|number| self.numbers.contains(number))
    }
}

/// What a host's name stands for here; nothing when nobody knows.
async fn numbers(host: &str) -> Vec<IpAddr> {
    if let Ok(number) = host.parse() {
        return vec![number];
    }
    let found = tokio::net::lookup_host((host, 0)).await;
    found.map(|all| all.map(|address: SocketAddr| address.ip()).collect()).unwrap_or_default()
}

/// The proxy has no such server.
pub(super) fn unknown(proxy: &str, node: &Backend, remedy: &str) -> Fault {
    let what = format!("{proxy} knows no server {} ({})", node.name, node.address);
    Fault::Refused(Box::new(Reason::new(ReasonCode::ProxyUnknown, what, remedy)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_is_known_by_its_address_however_it_is_written() {
        //  node               host           port    same   why
        let cases = [
            ("127.0.0.1:3306", "127.0.0.1", "3306", true, "the same"),
            ("127.0.0.1:3306", "127.0.0.1", "3307", false, "another port"),
            ("127.0.0.1:3306", "localhost", "3306", true, "a name for it"),
            ("DB1.example:3306", "db1.EXAMPLE", "3306", true, "case does not count"),
            ("127.0.0.1:3306", "no.such.host.invalid", "3306", false, "a name that nobody knows"),
            ("[::1]:3306", "::1", "3306", true, "IPv6"),
            ("/run/s.sock", "127.0.0.1", "3306", false, "a socket"),
        ];
        for (address, host, port, same, why) in cases {
            let mut place = Place::of(&Backend { name: "n".into(), address: address.into() }).await;
            assert_eq!(place.is(host, port).await, same, "{why}");
        }
    }
}
