//! Channels that write into a server, and replicas that read from it.

use driftless_strategies::facts::{Channel, Flavour};

use crate::ports::server::Row;
use crate::sql::catalog::ChannelColumns;

use super::address::with_port;

/// The channels in a `SHOW [ALL] SLAVE | REPLICA STATUS`. Group replication's own channels have no host; the group
/// writes through them, so they count.
pub(crate) fn channels(flavour: Flavour, rows: &[Row]) -> Vec<Channel> {
    let columns = ChannelColumns::of(flavour);
    let text = |row: &Row, index: usize| row.text(index).unwrap_or_default();
    rows.iter()
        .map(|row| Channel {
            name: text(row, columns.name),
            source: format!("{}:{}", text(row, columns.host), text(row, columns.port)),
            running: text(row, columns.applier).eq_ignore_ascii_case("yes"),
        })
        .collect()
}

/// Addresses of replicas: what they registered (`report_host`), and the client hosts of binlog threads that no
/// registration accounts for. The number of threads is the truth where both are known.
pub(crate) fn replicas(hosts: &[Row], dumps: &[Row]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut nameless = Vec::new();
    for row in hosts {
        let (host, port) = (row.text(1).unwrap_or_default(), row.text(2).unwrap_or_default());
        if host.is_empty() {
            nameless.push(format!("server-id {}", row.text(0).unwrap_or_default()));
        } else if port.is_empty() || port == "0" {
            found.push(with_port(&host));
        } else {
            found.push(format!("{host}:{port}"));
        }
    }
    let clients: Vec<String> = dumps.iter().filter_map(|row| row.text(0)).map(|text| host_of(&text)).collect();
    let mut accounted = found.len();
    for client in &clients {
        let registered = found.iter().any(|address| host_of(address) == *client);
        if !registered && accounted < clients.len() {
            found.push(client.clone());
            accounted += 1;
        }
    }
    let missing = (hosts.len()).saturating_sub(found.len());
    found.extend(nameless.into_iter().take(missing));
    found
}

/// The host of `host:port`; a processlist's port is the client's own and of no use.
fn host_of(address: &str) -> String {
    address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned()
}
