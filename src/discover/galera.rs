//! Who is in the cluster's view, and who of them answered.

use driftless_strategies::facts::Topology;
use driftless_strategies::verdict::{Reason, ReasonCode};

use crate::error::Fault;

use super::address::{Entry, entries};
use super::sighting::Sighting;

/// The cluster as one member sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// `wsrep_cluster_state_uuid`.
    pub(crate) uuid: String,
    /// `wsrep_cluster_conf_id`.
    pub(crate) epoch: u64,
    /// `wsrep_cluster_size`.
    pub(crate) size: u32,
    /// This member's place in it.
    pub(crate) index: usize,
    /// Client addresses by place.
    pub(crate) entries: Vec<Entry>,
    listed: bool,
}

impl View {
    /// Reads it from a member's status.
    ///
    /// # Errors
    /// `Refused` when the member is not in a primary component.
    pub(crate) fn of(seen: &Sighting) -> Result<Self, Fault> {
        let status = seen.status("wsrep_cluster_status");
        if status != "Primary" {
            let what = format!("{} is not in the cluster's primary component ({status})", seen.name());
            return Err(refused(
                what,
                "connect to a node of the primary component, or bring the cluster back together",
            ));
        }
        let number = |name: &str| seen.status(name).parse::<u64>().ok();
        let broken = || Fault::Failed(format!("{} gives no readable cluster view", seen.name()));
        let epoch = number("wsrep_cluster_conf_id").ok_or_else(broken)?;
        let size = number("wsrep_cluster_size").and_then(|size| u32::try_from(size).ok()).ok_or_else(broken)?;
        let index = number("wsrep_local_index").and_then(|index| usize::try_from(index).ok()).ok_or_else(broken)?;
        let places = usize::try_from(size).map_err(|_| broken())?;
        let list = seen.status("wsrep_incoming_addresses");
        Ok(Self {
            uuid: seen.status("wsrep_cluster_state_uuid").to_owned(),
            epoch,
            size,
            index,
            entries: entries(list, places),
            // An empty list is what a server gives that never lists anybody.
            listed: list.trim().is_empty() || list.split(',').count() >= places,
        })
    }

    /// Whether every member has a place in the list of addresses, whatever stands there.
    pub(crate) const fn listed(&self) -> bool {
        self.listed
    }

    /// How many members are arbitrators.
    pub(crate) fn arbitrators(&self) -> u32 {
        let count = self.entries.iter().filter(|entry| **entry == Entry::Arbitrator).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The facts' form of it.
    pub(crate) fn topology(&self) -> Topology {
        Topology::Galera {
            uuid: self.uuid.clone(),
            epoch: self.epoch,
            size: self.size,
            arbitrators: self.arbitrators(),
        }
    }
}

/// What became of an address that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A member that was not known yet.
    New,
    /// A member that is known already, rightly reached twice.
    Known,
    /// Not the server that it should be; why, in words.
    Wrong(String),
}

/// Judges who answered at an address. `meant` is the place in the view whose address it is; `None` for an address that
/// the user named.
pub(crate) fn judge(view: &View, known: &[Sighting], seen: &Sighting, meant: Option<usize>) -> Standing {
    let (address, name) = (seen.server.address(), seen.name());
    if !seen.galera() {
        return Standing::Wrong(format!("{address} answers, but is not a Galera node"));
    }
    let theirs = match View::of(seen) {
        Ok(theirs) => theirs,
        Err(fault) => return Standing::Wrong(format!("{address} answers, but {fault}")),
    };
    if theirs.uuid != view.uuid {
        let (here, there) = (&view.uuid, &theirs.uuid);
        return Standing::Wrong(format!("{address} answers as {name} of another cluster ({there}, not {here})"));
    }
    if let Some(place) = meant
        && theirs.epoch == view.epoch
        && theirs.index != place
        && !speaks_for(view, place, seen)
    {
        return Standing::Wrong(format!(
            "{address} should be member {place} of the view but {name} (member {}) answers there: a proxy, or a wrong \
             address map",
            theirs.index
        ));
    }
    if known.iter().any(|other| same(other, seen)) {
        return Standing::Known;
    }
    match known.iter().find(|other| other.status("wsrep_local_index") == seen.status("wsrep_local_index")) {
        Some(other) if theirs.epoch == view.epoch => {
            Standing::Wrong(format!("{address} ({name}) claims the place of {} in the view", other.name()))
        }
        Some(_) | None => Standing::New,
    }
}

/// Whether the node itself claims the client address of that place.
fn speaks_for(view: &View, place: usize, seen: &Sighting) -> bool {
    let own = seen.variable("wsrep_node_incoming_address");
    view.entries.get(place).is_some_and(|entry| *entry == Entry::Client(super::address::with_port(own)))
}

/// Whether two answers came from one server.
pub(crate) fn same(one: &Sighting, other: &Sighting) -> bool {
    one.identity() == other.identity()
}

/// Members of the view that nobody answered for, in words. `name` gives a member's name by its client address; `tried`
/// what became of an address.
pub(crate) fn unreached(
    view: &View,
    found: &[Sighting],
    name: impl Fn(&str) -> Option<String>,
    tried: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let taken: Vec<&str> = found.iter().map(|seen| seen.status("wsrep_local_index")).collect();
    let mut missing = Vec::new();
    for (place, entry) in view.entries.iter().enumerate() {
        if taken.contains(&place.to_string().as_str()) {
            continue;
        }
        match entry {
            Entry::Arbitrator => {}
            Entry::Unknown => {
                missing.push(format!("member {place} of the view does not give a client address: name it with --node"))
            }
            Entry::Client(address) => {
                let who =
                    name(address).map_or_else(|| format!("member {place}"), |name| format!("{name} (member {place})"));
                let why = tried(address).unwrap_or_else(|| "not asked".to_owned());
                missing.push(format!("{who} at {address}: {why}"));
            }
        }
    }
    missing
}

pub(crate) fn refused(what: String, remedy: &str) -> Fault {
    Fault::Refused(Box::new(Reason::new(ReasonCode::NodeUnfit, what, remedy)))
}
