//! Servers that answer from maps, found by address.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::discover::Seek;
use crate::ports::members::Connector;
use crate::ports::server::{Done, ErrorKind, Row, Server, ServerError, Session};
use crate::sql::Sql;

type Pairs = Vec<(&'static str, String)>;

/// What one server says.
#[derive(Clone, Default)]
pub(super) struct Says {
    pub(super) variables: Pairs,
    pub(super) status: Pairs,
    pub(super) channels: Vec<Row>,
    pub(super) hosts: Vec<Row>,
    pub(super) dumps: Vec<Row>,
    pub(super) members: Vec<Row>,
}

pub(super) fn row(values: &[&str]) -> Row {
    Row(values.iter().map(|value| Some(value.as_bytes().to_vec())).collect())
}

/// A member at `index` of a cluster of `size` whose clients' addresses are `list`.
pub(super) fn member(name: &str, index: u32, size: u32, list: &str) -> Says {
    let variables = vec![
        ("version", "10.11.19-MariaDB-log".to_owned()),
        ("wsrep_on", "ON".to_owned()),
        ("wsrep_provider", "/usr/lib/libgalera_smm.so".to_owned()),
        ("wsrep_node_name", name.to_owned()),
    ];
    let status = vec![
        ("wsrep_cluster_status", "Primary".to_owned()),
        ("wsrep_cluster_state_uuid", "u".to_owned()),
        ("wsrep_cluster_conf_id", "5".to_owned()),
        ("wsrep_cluster_size", size.to_string()),
        ("wsrep_local_index", index.to_string()),
        ("wsrep_gcomm_uuid", format!("g-{name}")),
        ("wsrep_incoming_addresses", list.to_owned()),
    ];
    Says { variables, status, ..Says::default() }
}

impl Says {
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        let pairs =
            if self.status.iter().any(|(own, _)| *own == name) { &mut self.status } else { &mut self.variables };
        pairs.retain(|(own, _)| *own != name);
        pairs.push((name, value.to_owned()));
        self
    }
}

/// Addresses and what answers there: the n-th connection gets the n-th answer, later ones the last.
#[derive(Clone, Default)]
pub(super) struct Net(Arc<Mutex<BTreeMap<String, Arc<Place>>>>);

struct Place {
    answers: Vec<Says>,
    connections: AtomicUsize,
}

impl Net {
    pub(super) fn put(&self, address: &str, answers: Vec<Says>) {
        let place = Place { answers, connections: AtomicUsize::new(0) };
        self.0.lock().unwrap().insert(address.to_owned(), Arc::new(place));
    }

    pub(super) fn seek(&self, first: &str) -> Seek {
        Seek {
            first: self.server(first),
            connector: Arc::new(self.clone()),
            nodes: Vec::new(),
            addresses: BTreeMap::new(),
        }
    }
}

impl Connector for Net {
    fn server(&self, address: &str) -> Arc<dyn Server> {
        Arc::new(FakeServer { address: address.to_owned(), net: self.clone() })
    }
}

struct FakeServer {
    address: String,
    net: Net,
}

#[async_trait::async_trait]
impl Server for FakeServer {
    async fn connect(&self) -> Result<Box<dyn Session>, ServerError> {
        let place = self.net.0.lock().unwrap().get(&self.address).cloned();
        let Some(place) = place else {
            let message = "connection refused".to_owned();
            return Err(ServerError { node: self.address.clone(), code: 0, message, kind: ErrorKind::Connect });
        };
        let number = place.connections.fetch_add(1, Ordering::Relaxed).min(place.answers.len() - 1);
        Ok(Box::new(FakeSession { says: place.answers[number].clone(), node: self.address.clone() }))
    }

    fn address(&self) -> &str {
        &self.address
    }
}

struct FakeSession {
    says: Says,
    node: String,
}

#[async_trait::async_trait]
impl Session for FakeSession {
    async fn query(&mut self, sql: &Sql) -> Result<Vec<Row>, ServerError> {
        let pairs = |pairs: &Pairs| pairs.iter().map(|(name, value)| row(&[name, value])).collect();
        let says = &self.says;
        Ok(match sql.as_str() {
            text if text.starts_with("SHOW GLOBAL VARIABLES") => pairs(&says.variables),
            text if text.starts_with("SHOW GLOBAL STATUS") => pairs(&says.status),
            "SHOW ALL SLAVES STATUS" | "SHOW REPLICA STATUS" => says.channels.clone(),
            "SHOW SLAVE HOSTS" | "SHOW REPLICAS" => says.hosts.clone(),
            text if text.contains("'Binlog Dump%'") => says.dumps.clone(),
            text if text.contains("mysql.wsrep_cluster_members") => says.members.clone(),
            other => panic!("not expected: {other}"),
        })
    }

    async fn execute(&mut self, sql: &Sql) -> Result<Done, ServerError> {
        panic!("discovery changes nothing: {}", sql.as_str())
    }

    fn set_deadline(&mut self, _deadline: Duration) {}

    fn id(&self) -> u64 {
        1
    }

    fn node(&self) -> &str {
        &self.node
    }
}
