//! One server, asked who it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::facts::{Channel, Flavour, Node, Replica, Version};

use crate::ports::members::{identity, pairs};
use crate::ports::server::{Row, Server, ServerError, Session};
use crate::sql::catalog;

use super::replication;

/// Longest that one question to a server may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What one server says of itself.
#[derive(Clone)]
pub(crate) struct Sighting {
    pub(crate) server: Arc<dyn Server>,
    pub(crate) flavour: Flavour,
    pub(crate) version: Version,
    pub(crate) version_text: String,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) status: BTreeMap<String, String>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) replicas: Vec<String>,
}

impl Sighting {
    /// Connects and asks. Only SHOW: a Galera node that is not ready answers nothing else.
    pub(crate) async fn of(server: Arc<dyn Server>) -> Result<Self, ServerError> {
        let mut session = server.connect().await?;
        session.set_deadline(ANSWER_LIMIT);
        let variables = pairs(&session.query(&catalog::global_variables()).await?);
        let status = pairs(&session.query(&catalog::wsrep_status()).await?);
        let version_text = variables.get("version").cloned().unwrap_or_default();
        let comment = variables.get("version_comment").map_or("", String::as_str);
        let (flavour, version) = (flavour(&version_text, comment), version(&version_text));
        // A user who may not ask is told so by `missing_privileges`; the inspection fails there, not here.
        let channels = asked(&mut *session, &catalog::channels(flavour, version)).await;
        let hosts = asked(&mut *session, &catalog::replica_hosts(flavour, version)).await;
        let dumps = asked(&mut *session, &catalog::binlog_dumps()).await;
        Ok(Self {
            server,
            flavour,
            version,
            version_text,
            channels: replication::channels(flavour, &channels),
            replicas: replication::replicas(&hosts, &dumps),
            variables,
            status,
        })
    }

    /// Whether it is part of a Galera cluster.
    pub(crate) fn galera(&self) -> bool {
        let provider = self.variable("wsrep_provider");
        self.variable("wsrep_on").eq_ignore_ascii_case("on") && !provider.is_empty() && provider != "none"
    }

    pub(crate) fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    pub(crate) fn status(&self, name: &str) -> &str {
        self.status.get(name).map_or("", String::as_str)
    }

    pub(crate) fn identity(&self) -> String {
        identity(self.flavour, &self.status, &self.variables)
    }

    /// `wsrep_node_name`, else the address.
    pub(crate) fn name(&self) -> String {
        let name = self.variable("wsrep_node_name");
        if self.galera() && !name.is_empty() { name.to_owned() } else { self.server.address().to_owned() }
    }

    /// The replicas that read from it.
    pub(crate) fn readers(&self) -> impl Iterator<Item = Replica> + '_ {
        self.replicas.iter().map(|address| Replica { address: address.clone(), of: self.name() })
    }

    /// What discovery knows of the node; the rest is the inspection's.
    pub(crate) fn node(&self) -> Node {
        Node {
            name: self.name(),
            address: self.server.address().to_owned(),
            identity: self.identity(),
            flavour: self.flavour,
            version: self.version,
            version_text: self.version_text.clone(),
            unfit: Vec::new(),
            read_only: false,
            variables: BTreeMap::new(),
            channels: self.channels.clone(),
            fingerprint: None,
            leftovers: Vec::new(),
            holders: Vec::new(),
            old_transactions: Vec::new(),
            open_transactions: Vec::new(),
            non_blocking: false,
            binlog: None,
            disk: None,
            binlog_disk: None,
        }
    }
}

async fn asked(session: &mut dyn Session, sql: &crate::sql::Sql) -> Vec<Row> {
    session.query(sql).await.unwrap_or_default()
}

pub(crate) fn flavour(version: &str, comment: &str) -> Flavour {
    let says = |text: &str| text.to_ascii_lowercase().contains("mariadb");
    if says(version) || says(comment) { Flavour::MariaDb } else { Flavour::MySql }
}

/// The first three numbers of `@@version`; what is missing counts as 0.
pub(crate) fn version(text: &str) -> Version {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    Version::new(next(), next(), next())
}
