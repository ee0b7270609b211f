//! Whether a node can take part, and the variables that say how.

use std::collections::BTreeMap;

use driftless_strategies::facts::Topology;

/// `wsrep_local_state` of a node that keeps up.
pub(crate) const SYNCED: &str = "4";

/// Provider options that say how much a cluster bears; the others may hold paths and secrets and stay out of the facts.
const PROVIDER_OPTIONS: &[&str] = &[
    "cert.optimistic_pa",
    "gcache.size",
    "gcs.fc_factor",
    "gcs.fc_limit",
    "gcs.fc_master_slave",
    "gcs.fc_single_primary",
    "gcs.max_throttle",
    "gcs.recv_q_hard_limit",
    "gcs.sync_donor",
    "gmcast.segment",
    "repl.max_ws_size",
];

/// One thing that keeps a node from taking part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// In words.
    pub(crate) what: String,
    /// Whether waiting may help.
    pub(crate) passing: Passing,
}

/// Whether a finding may pass by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    /// It may.
    Perhaps,
    /// Somebody has to act, or the plan is void.
    No,
}

/// What keeps a member of that topology from taking part now.
pub(crate) fn unfit(
    topology: &Topology,
    status: &BTreeMap<String, String>,
    variables: &BTreeMap<String, String>,
) -> Vec<Unfit> {
    let Topology::Galera { uuid, epoch, .. } = topology else { return Vec::new() };
    let of = |name: &str| status.get(name).map_or("", String::as_str);
    let variable = |name: &str| variables.get(name).map_or("", String::as_str);
    let mut found = Vec::new();
    let mut add = |wrong: bool, passing: Passing, what: String| {
        if wrong {
            found.push(Unfit { what, passing });
        }
    };
    let cluster = of("wsrep_cluster_status");
    add(cluster != "Primary", Passing::No, format!("not in the primary component ({cluster})"));
    add(of("wsrep_connected") != "ON", Passing::No, "not connected to the cluster".to_owned());
    add(of("wsrep_ready") != "ON", Passing::No, "not ready for queries".to_owned());
    let state = of("wsrep_local_state");
    add(state != SYNCED, Passing::Perhaps, format!("not synced: {}", of("wsrep_local_state_comment")));
    let desynced = of("wsrep_desync_count");
    add(
        !matches!(desynced, "0" | "") && state == SYNCED,
        Passing::Perhaps,
        format!("desynced on purpose (wsrep_desync_count {desynced})"),
    );
    let rejects = variable("wsrep_reject_queries");
    add(!matches!(rejects, "NONE" | ""), Passing::No, format!("rejects queries (wsrep_reject_queries = {rejects})"));
    let on = variable("wsrep_on");
    add(on.eq_ignore_ascii_case("off"), Passing::No, "does not replicate (wsrep_on = OFF)".to_owned());
    add(of("wsrep_cluster_state_uuid") != uuid, Passing::No, "in another cluster".to_owned());
    let view = of("wsrep_cluster_conf_id");
    add(view != epoch.to_string(), Passing::No, format!("in view {view} of the cluster, not {epoch}"));
    found
}

/// The provider's options by name, as far as a decision may need them.
pub(crate) fn provider_options(text: &str) -> BTreeMap<String, String> {
    text.split(';')
        .filter_map(|option| option.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .filter(|(name, _)| PROVIDER_OPTIONS.contains(&name.as_str()))
        .collect()
}

/// Whether a server says that it takes no writes.
pub(crate) fn read_only(variables: &BTreeMap<String, String>) -> bool {
    // MariaDB 12 prints how strictly: ON, NO_LOCK, NO_LOCK_NO_ADMIN.
    let on = |name: &str| variables.get(name).is_some_and(|value| !matches!(value.as_str(), "OFF" | "0" | ""));
    on("read_only") || on("super_read_only")
}
