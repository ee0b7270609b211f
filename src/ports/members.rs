//! The servers that take part: how they are reached, and what was found.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_strategies::facts::{Flavour, Node, Replica, Topology};

use super::server::{Row, Server};

/// Makes a server out of an address, with the user's credentials and TLS settings.
pub trait Connector: Send + Sync {
    /// The server at `host:port`, or at a socket's path; nothing is connected yet.
    fn server(&self, address: &str) -> Arc<dyn Server>;
}

/// A server that takes part, and who it proved to be.
#[derive(Clone)]
pub struct Member {
    /// Where to connect.
    pub server: Arc<dyn Server>,
    /// Name, identity, version and channels; what concerns a table is empty until it is inspected.
    pub node: Node,
}

/// What hangs together with the server that the user named.
#[derive(Clone)]
pub struct Discovered {
    /// How.
    pub topology: Topology,
    /// Every server that takes part, the one to copy on first.
    pub members: Vec<Member>,
    /// Replicas that read from them.
    pub replicas: Vec<Replica>,
    /// How these are reached.
    pub connector: Arc<dyn Connector>,
    /// Members that were not reached and addresses that led elsewhere, in words.
    pub unreached: Vec<String>,
}

/// Names and values of a two-column answer (`SHOW STATUS`, `SHOW VARIABLES`), names in lower case.
#[must_use]
pub fn pairs(rows: &[Row]) -> BTreeMap<String, String> {
    rows.iter().filter_map(|row| Some((row.text(0)?.to_ascii_lowercase(), row.text(1)?))).collect()
}

/// What tells this server from any other: `wsrep_gcomm_uuid` on MariaDB Galera, else `server_uuid` or `server_uid`; on
/// servers without any of these, host name, port and server id.
#[must_use]
pub fn identity(flavour: Flavour, status: &BTreeMap<String, String>, variables: &BTreeMap<String, String>) -> String {
    let of = |map: &BTreeMap<String, String>, name: &str| map.get(name).filter(|value| !value.is_empty()).cloned();
    let unique = match flavour {
        Flavour::MariaDb => of(status, "wsrep_gcomm_uuid").or_else(|| of(variables, "server_uid")),
        Flavour::MySql => of(variables, "server_uuid").or_else(|| of(status, "wsrep_gcomm_uuid")),
    };
    unique.unwrap_or_else(|| {
        let part = |name: &str| of(variables, name).unwrap_or_default();
        format!("{}:{}:{}", part("hostname"), part("port"), part("server_id"))
    })
}
