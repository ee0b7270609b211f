//! Client addresses as a cluster lists them.

use std::collections::BTreeMap;

/// The port of a server that names none.
const DEFAULT_PORT: &str = "3306";

/// One entry of `wsrep_incoming_addresses`, by the member's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// `host:port`, as the member itself would have clients connect.
    Client(String),
    /// A server that does not know its own address (`AUTO`).
    Unknown,
    /// A member that has no clients: an arbitrator (garbd).
    Arbitrator,
}

/// Splits the list. `size` members are there; an empty list (no entry at all) is as many unknown ones.
pub(crate) fn entries(list: &str, size: usize) -> Vec<Entry> {
    if list.trim().is_empty() && size > 1 {
        return vec![Entry::Unknown; size];
    }
    let mut entries: Vec<Entry> = list.split(',').map(entry).collect();
    while entries.len() < size {
        entries.push(Entry::Unknown);
    }
    entries
}

fn entry(text: &str) -> Entry {
    let text = text.trim();
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    if text.is_empty() {
        Entry::Arbitrator
    } else if host.eq_ignore_ascii_case("AUTO") || host.eq_ignore_ascii_case("unspecified") || text.ends_with(":0") {
        Entry::Unknown
    } else {
        Entry::Client(with_port(text))
    }
}

/// `host` as `host:3306`, `host:port` as it is; an IPv6 address without brackets gets them.
pub(crate) fn with_port(text: &str) -> String {
    if text.starts_with('/') {
        return text.to_owned();
    }
    let colons = text.matches(':').count();
    match (text.starts_with('['), colons) {
        (true, _) if text.ends_with(']') => format!("{text}:{DEFAULT_PORT}"),
        (false, 0) => format!("{text}:{DEFAULT_PORT}"),
        (false, 2..) => format!("[{text}]:{DEFAULT_PORT}"),
        (true | false, _) => text.to_owned(),
    }
}

/// The address to use for one that the cluster names: the map may have it whole, or only its host.
pub(crate) fn mapped(address: &str, map: &BTreeMap<String, String>) -> String {
    if let Some(other) = map.get(address) {
        return with_port(other);
    }
    let Some((host, port)) = address.rsplit_once(':') else { return address.to_owned() };
    match map.get(host) {
        Some(other) if other == &with_port(other) => other.clone(),
        Some(other) => format!("{other}:{port}"),
        None => address.to_owned(),
    }
}
