//! The search itself: who is there, asked all at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::facts::{Replica, Topology};
use futures_util::future::join_all;

use crate::error::Fault;
use crate::ports::members::{Connector, Discovered, Member};
use crate::ports::server::Server;
use crate::sql::catalog;

use super::address::{Entry, mapped, with_port};
use super::galera::{Standing, View, judge, refused, same, unreached};
use super::sighting::Sighting;

/// Longest that one address may take to answer.
const ADDRESS_LIMIT: Duration = Duration::from_secs(10);
/// Longest that it is tried to reach the first node by its own address instead of the one that the user named.
const DIRECT_LIMIT: Duration = Duration::from_secs(2);
/// How often a view that changes meanwhile is read again.
const VIEW_TRIES: u32 = 5;
/// Between two readings of a view.
const VIEW_PAUSE: Duration = Duration::from_millis(200);

/// Where to look.
#[derive(Clone)]
pub struct Seek {
    /// The server that the user connected to; it copies.
    pub first: Arc<dyn Server>,
    /// How to connect to others.
    pub connector: Arc<dyn Connector>,
    /// Further addresses that the user named (`--node`).
    pub nodes: Vec<String>,
    /// Addresses as the cluster names them, to addresses that can be reached from here (NAT); with or without a port.
    pub addresses: BTreeMap<String, String>,
}

/// Finds every server that takes part, and proves of each that it is another member of the same cluster.
///
/// # Errors
/// What connecting to the first server says; `Refused` when it is not in a primary component, or when its address leads
/// to different servers. Other members that can't be reached are a finding, not an error.
pub async fn discover(seek: &Seek) -> Result<Discovered, Fault> {
    let mut tries = 0;
    loop {
        let first = Sighting::of(Arc::clone(&seek.first)).await?;
        if !first.galera() {
            return single(seek, first).await;
        }
        let view = View::of(&first)?;
        let found = cluster(seek, &view, first).await?;
        tries += 1;
        // A view that is about to change may count members before it lists them (MariaDB 11.8, our own test).
        if (found.steady && view.listed()) || tries == VIEW_TRIES {
            return Ok(found.into_discovered(seek, &view));
        }
        tokio::time::sleep(VIEW_PAUSE).await;
    }
}

struct Found {
    members: Vec<Sighting>,
    unreached: Vec<String>,
    steady: bool,
}

impl Found {
    fn into_discovered(self, seek: &Seek, view: &View) -> Discovered {
        let mut unreached = self.unreached;
        for member in &self.members {
            let epoch = member.status("wsrep_cluster_conf_id");
            if epoch != view.epoch.to_string() {
                unreached.push(format!("{} sees view {epoch} of the cluster, not {}", member.name(), view.epoch));
            }
        }
        let mut members: Vec<Member> = self.members.iter().map(member).collect();
        // The cluster lists them in an order of its own, which changes with every start.
        if let Some(others) = members.get_mut(1..) {
            others.sort_by(|one, other| one.node.name.cmp(&other.node.name));
        }
        Discovered {
            topology: view.topology(),
            replicas: self.members.iter().flat_map(Sighting::readers).collect(),
            members,
            unreached,
            connector: Arc::clone(&seek.connector),
        }
    }
}

async fn cluster(seek: &Seek, view: &View, first: Sighting) -> Result<Found, Fault> {
    let first = direct(seek, view, first).await?;
    let mut search = Search { view, members: vec![first], wrong: Vec::new(), tried: BTreeMap::new() };
    let named: Vec<(String, Option<usize>)> = seek.nodes.iter().map(|node| (with_port(node), None)).collect();
    search.ask(seek, named).await;
    if !search.complete() {
        let listed = view.entries.iter().enumerate().filter_map(|(place, entry)| match entry {
            Entry::Client(address) => Some((mapped(address, &seek.addresses), Some(place))),
            Entry::Unknown | Entry::Arbitrator => None,
        });
        let listed = listed.filter(|(_, place)| place.is_none_or(|place| !search.has(place))).collect();
        search.ask(seek, listed).await;
    }
    let names = if search.complete() { BTreeMap::new() } else { member_names(&search.members).await };
    let mut missing = unreached(
        view,
        &search.members,
        |address| names.get(address).cloned(),
        |address| search.tried.get(&mapped(address, &seek.addresses)).cloned(),
    );
    missing.append(&mut search.wrong);
    let steady = search.members.iter().all(|seen| seen.status("wsrep_cluster_conf_id") == view.epoch.to_string());
    let mut members = search.members;
    if let Some((_, others)) = members.split_first_mut() {
        others.sort_by_key(|seen| seen.status("wsrep_local_index").parse::<u32>().unwrap_or(u32::MAX));
    }
    Ok(Found { members, unreached: missing, steady })
}

struct Search<'a> {
    view: &'a View,
    members: Vec<Sighting>,
    /// What was found at addresses that should have been members.
    wrong: Vec<String>,
    /// Why an address gave no member.
    tried: BTreeMap<String, String>,
}

impl Search<'_> {
    fn complete(&self) -> bool {
        let wanted = self.view.size.saturating_sub(self.view.arbitrators());
        u32::try_from(self.members.len()).is_ok_and(|found| found >= wanted)
    }

    fn has(&self, place: usize) -> bool {
        self.members.iter().any(|seen| seen.status("wsrep_local_index") == place.to_string())
    }

    /// Asks addresses at once. A `None` place is an address that the user named: if it is no member, that is said.
    async fn ask(&mut self, seek: &Seek, addresses: Vec<(String, Option<usize>)>) {
        let known: Vec<String> = self.members.iter().map(|seen| seen.server.address().to_owned()).collect();
        let asked = addresses.into_iter().filter(|(address, _)| !known.contains(address));
        let answers = join_all(asked.map(|(address, place)| async move {
            let server = seek.connector.server(&address);
            // An address map may lead elsewhere, which is where to look then.
            let way = Some(server.address().to_owned()).filter(|way| *way != address);
            let seen = sight(server, ADDRESS_LIMIT).await;
            let seen = seen.map_err(|why| way.map_or_else(|| why.clone(), |way| format!("reached as {way}: {why}")));
            (address, place, seen)
        }));
        for (address, place, answer) in answers.await {
            let (fault, standing) = match answer {
                Err(why) => (Some(why), None),
                Ok(seen) => match judge(self.view, &self.members, &seen, place) {
                    Standing::New => (None, Some(seen)),
                    Standing::Known => (None, None),
                    Standing::Wrong(why) => (Some(why), None),
                },
            };
            self.members.extend(standing);
            let Some(why) = fault else { continue };
            if place.is_none() {
                self.wrong.push(format!("--node {address}: {why}"));
            }
            self.tried.insert(address, why);
        }
    }
}

/// The first node by its own address when that can be reached: the user's may be a proxy that leads elsewhere one day.
/// Otherwise the user's address must lead to the same node twice.
async fn direct(seek: &Seek, view: &View, first: Sighting) -> Result<Sighting, Fault> {
    if let Some(Entry::Client(address)) = view.entries.get(view.index) {
        let address = mapped(address, &seek.addresses);
        if address == first.server.address() {
            return Ok(first);
        }
        if let Ok(seen) = sight(seek.connector.server(&address), DIRECT_LIMIT).await
            && same(&seen, &first)
        {
            return Ok(seen);
        }
    }
    steady(first).await
}

/// Connects a second time: an address that leads to different servers can't be worked through.
async fn steady(first: Sighting) -> Result<Sighting, Fault> {
    let again = Sighting::of(Arc::clone(&first.server)).await?;
    if same(&first, &again) {
        return Ok(first);
    }
    let (address, one, other) = (first.server.address(), first.name(), again.name());
    let what = format!("{address} leads to different servers: {one}, then {other}");
    Err(refused(what, "connect to a server directly, not through a load balancer"))
}

async fn sight(server: Arc<dyn Server>, limit: Duration) -> Result<Sighting, String> {
    match tokio::time::timeout(limit, Sighting::of(server)).await {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(error)) => Err(error.message),
        Err(_) => Err(format!("no answer in {} s", limit.as_secs())),
    }
}

/// Names by client address, as far as the cluster's own table gives them; only for saying who is missing.
async fn member_names(members: &[Sighting]) -> BTreeMap<String, String> {
    let Some(first) = members.first() else { return BTreeMap::new() };
    let Ok(mut session) = first.server.connect().await else { return BTreeMap::new() };
    let rows = session.query(&catalog::cluster_members()).await.unwrap_or_default();
    rows.iter().filter_map(|row| Some((with_port(&row.text(2)?), row.text(1)?))).collect()
}

async fn single(seek: &Seek, first: Sighting) -> Result<Discovered, Fault> {
    let first = steady(first).await?;
    let mut replicas: Vec<Replica> = first.readers().collect();
    let mut unreached = Vec::new();
    let asked = seek.nodes.iter().map(|node| with_port(node)).filter(|address| address != first.server.address());
    let answers =
        join_all(asked.map(|address| async move {
            (address.clone(), sight(seek.connector.server(&address), ADDRESS_LIMIT).await)
        }));
    for (address, answer) in answers.await {
        match answer {
            Err(why) => unreached.push(format!("--node {address}: {why}")),
            Ok(seen) if same(&seen, &first) => {}
            Ok(seen) if seen.channels.is_empty() => {
                unreached
                    .push(format!("--node {address}: neither a replica of {} nor in a cluster with it", first.name()));
            }
            Ok(_) if replicas.iter().any(|known| known.address == address) => {}
            Ok(_) => replicas.push(Replica { address, of: first.name() }),
        }
    }
    let connector = Arc::clone(&seek.connector);
    Ok(Discovered { topology: Topology::Single, members: vec![member(&first)], replicas, unreached, connector })
}

fn member(seen: &Sighting) -> Member {
    Member { server: Arc::clone(&seen.server), node: seen.node() }
}
