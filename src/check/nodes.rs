//! All nodes asked at once, and asked again before a difference is called drift.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::TableName;
use driftless_strategies::facts::{Channel, Flavour, Topology, Version};
use futures_util::future::join_all;

use crate::discover::Sighting;
use crate::error::Fault;
use crate::inspect::unfit;
use crate::ports::clock::Clock;
use crate::ports::members::{Connector, Discovered, pairs};
use crate::ports::server::Server;
use crate::sql::catalog;
use crate::sql::catalog_table::Dialect;

use super::definition::{Catalog, Kind};
use super::diff::{Difference, differences};
use super::leftovers::{Left, left};
use super::read::{Order, Reading, read};
use super::scope::Scope;

/// How often a difference is looked at again before it is drift.
const LOOKS_AGAIN: u32 = 2;
/// Before each: a change that is under way on one node has reached the others by then.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Longest that a replica may take to say who it is.
const REPLICA_LIMIT: Duration = Duration::from_secs(10);
/// How a replica is found at its right address.
const FINDING: &str = " (a replica is found by its report_host and report_port)";

/// What is asked of whom.
pub struct Question<'a> {
    /// The servers.
    pub discovered: &'a Discovered,
    /// How replicas are reached.
    pub connector: &'a dyn Connector,
    /// What is compared.
    pub scope: &'a Scope,
    /// Tables that jobs of driftless work on now: what those have made is no leftover.
    pub at_work: &'a [TableName],
    /// For the pauses.
    pub clock: &'a dyn Clock,
}

/// Why a server is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes part in the cluster, or is the single server.
    Member,
    /// It reads from that one.
    ReplicaOf(String),
}

/// One server and what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Its name.
    pub name: String,
    /// Where it was asked.
    pub address: String,
    /// Why it is compared.
    pub role: Role,
    /// What is wrong with it, in words; empty when it is healthy.
    pub problems: Vec<String>,
    /// How many tables were compared; `None` when it could not be compared.
    pub tables: Option<usize>,
}

/// All that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The servers, members first.
    pub nodes: Vec<NodeState>,
    /// Members that were not reached, in words.
    pub unreached: Vec<String>,
    /// What differs.
    pub drift: Vec<Difference>,
    /// What tools left.
    pub leftovers: Vec<Left>,
    /// What was named but is on no node.
    pub unknown: Vec<String>,
}

impl Report {
    /// Whether every server is healthy and was compared.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.unreached.is_empty() && self.nodes.iter().all(|node| node.problems.is_empty() && node.tables.is_some())
    }
}

/// Asks every server, concurrently, what it is and what it has.
pub async fn check(question: &Question<'_>) -> Report {
    let (mut peers, mut nodes) = peers(question).await;
    let mut readings = look(&peers, &mut nodes, question.scope).await;
    let leftovers = left(&readings, question.at_work);
    let unknown = unknown(question.scope, &readings);
    let mut drift = compare(&mut readings);
    peers.retain(|peer| readings.iter().any(|(name, _)| *name == peer.name));
    for _ in 0..LOOKS_AGAIN {
        if drift.is_empty() {
            break;
        }
        question.clock.sleep(LOOK_PAUSE).await;
        let mut again = look(&peers, &mut nodes, &question.scope.narrowed(&drift)).await;
        // Who has stopped answering proves nothing either way: what was seen stands.
        if again.len() < peers.len() {
            break;
        }
        let before = drift;
        let seen = |now: &Difference| before.iter().any(|was| was.object == now.object && was.aspect == now.aspect);
        drift = compare(&mut again).into_iter().filter(seen).collect();
    }
    Report { nodes, unreached: question.discovered.unreached.clone(), drift, leftovers, unknown }
}

fn compare(readings: &mut [(String, Reading)]) -> Vec<Difference> {
    let catalogs: Vec<(String, Catalog)> =
        readings.iter_mut().map(|(name, reading)| (name.clone(), std::mem::take(&mut reading.catalog))).collect();
    differences(&catalogs)
}

/// A server that can be read, and how.
struct Peer {
    name: String,
    server: Arc<dyn Server>,
    dialect: Dialect,
    order: Order,
}

async fn peers(question: &Question<'_>) -> (Vec<Peer>, Vec<NodeState>) {
    let found = question.discovered;
    let members = join_all(found.members.iter().map(|member| async {
        let node = &member.node;
        let (mut problems, readable) = match health(&*member.server, &found.topology).await {
            Ok(health) => health,
            Err(fault) => (vec![format!("can't be asked: {fault}")], false),
        };
        problems.extend(stopped(&node.channels));
        let galera = matches!(found.topology, Topology::Galera { .. });
        let order = if galera { Order::Causal } else { Order::AsItIs };
        let state = (node.name.clone(), Role::Member, problems);
        (Arc::clone(&member.server), readable.then_some((node.flavour, node.version, order)), state)
    }))
    .await;
    let replicas = join_all(found.replicas.iter().map(|replica| async {
        let server = question.connector.server(&replica.address);
        let role = Role::ReplicaOf(replica.of.clone());
        let name = format!("replica {}", replica.address);
        match tokio::time::timeout(REPLICA_LIMIT, Sighting::of(Arc::clone(&server))).await {
            Ok(Ok(seen)) => {
                let state = (name, role, stopped(&seen.channels));
                (server, Some((seen.flavour, seen.version, Order::AsItIs)), state)
            }
            Ok(Err(error)) => (server, None, (name, role, vec![format!("can't be asked: {error}{FINDING}")])),
            Err(_) => {
                let why = format!("can't be asked: no answer in {} s{FINDING}", REPLICA_LIMIT.as_secs());
                (server, None, (name, role, vec![why]))
            }
        }
    }))
    .await;
    let (mut peers, mut nodes) = (Vec::new(), Vec::<NodeState>::new());
    for (server, way, (name, role, problems)) in members.into_iter().chain(replicas) {
        // A server that reads from several members is named by each.
        if nodes.iter().any(|node| node.name == name) {
            continue;
        }
        let address = server.address().to_owned();
        nodes.push(NodeState { name: name.clone(), address, role, problems, tables: None });
        if let Some((flavour, version, order)) = way {
            peers.push(Peer { name, server, dialect: dialect(flavour, version), order });
        }
    }
    (peers, nodes)
}

const fn dialect(flavour: Flavour, version: Version) -> Dialect {
    Dialect { flavour, version }
}

/// What is wrong with a member, and whether it can be compared all the same: one that is not synced shows a schema of its
/// own past.
async fn health(server: &dyn Server, topology: &Topology) -> Result<(Vec<String>, bool), Fault> {
    let mut session = server.connect().await?;
    let variables = pairs(&session.query(&catalog::global_variables()).await?);
    let Topology::Galera { .. } = topology else { return Ok((Vec::new(), true)) };
    let status = pairs(&session.query(&catalog::wsrep_status()).await?);
    let mut problems: Vec<String> = unfit(topology, &status, &variables).into_iter().map(|unfit| unfit.what).collect();
    let readable = problems.is_empty();
    if variables.get("wsrep_osu_method").is_some_and(|method| method.eq_ignore_ascii_case("rsu")) {
        problems.push("set to make every schema change on itself alone (wsrep_osu_method = RSU)".to_owned());
    }
    Ok((problems, readable))
}

fn stopped(channels: &[Channel]) -> Vec<String> {
    let stopped = channels.iter().filter(|channel| !channel.running);
    stopped.map(|channel| format!("its replication from {} is stopped", channel.source)).collect()
}

/// Reads all that can be read; what can't is written down with the node.
async fn look(peers: &[Peer], nodes: &mut [NodeState], scope: &Scope) -> Vec<(String, Reading)> {
    let answers = join_all(peers.iter().map(|peer| async move {
        let answer = match peer.server.connect().await {
            Ok(mut session) => read(&mut *session, peer.dialect, peer.order, scope).await,
            Err(error) => Err(error.into()),
        };
        (peer, answer)
    }))
    .await;
    let mut readings = Vec::new();
    for (peer, answer) in answers {
        let Some(node) = nodes.iter_mut().find(|node| node.name == peer.name) else { continue };
        match answer {
            Ok(reading) => {
                let tables = reading.catalog.keys().filter(|object| object.kind == Kind::Table).count();
                node.tables = node.tables.or(Some(tables));
                readings.push((peer.name.clone(), reading));
            }
            Err(fault) => node.problems.push(format!("can't be read: {fault}")),
        }
    }
    readings
}

/// What was named but is on none of the nodes that were read.
fn unknown(scope: &Scope, readings: &[(String, Reading)]) -> Vec<String> {
    if readings.is_empty() {
        return Vec::new();
    }
    let schema = |name: &str| readings.iter().any(|(_, reading)| reading.names.contains_key(name));
    let table = |table: &TableName| {
        readings.iter().any(|(_, reading)| {
            let names = reading.names.get(table.schema.as_str());
            names.is_some_and(|names| names.iter().any(|name| name == table.table.as_str()))
        })
    };
    let schemas = scope.schemas.iter().filter(|name| !schema(name.as_str())).map(|name| format!("schema {name}"));
    let tables = scope.tables.iter().filter(|name| !table(name)).map(|name| format!("table {name}"));
    schemas.chain(tables).collect()
}
