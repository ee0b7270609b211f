//! State, and what it means.

use std::collections::BTreeMap;

use driftless_strategies::Topology;

use crate::inspect::fitness::{Passing, provider_options, read_only, unfit};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn healthy() -> BTreeMap<String, String> {
    map(&[
        ("wsrep_cluster_status", "Primary"),
        ("wsrep_connected", "ON"),
        ("wsrep_ready", "ON"),
        ("wsrep_local_state", "4"),
        ("wsrep_local_state_comment", "Synced"),
        ("wsrep_desync_count", "0"),
        ("wsrep_cluster_state_uuid", "u"),
        ("wsrep_cluster_conf_id", "5"),
    ])
}

#[test]
fn every_state_but_one_is_unfit() {
    let topology = Topology::Galera { uuid: "u".to_owned(), epoch: 5, size: 3, arbitrators: 0 };
    let fine = map(&[("wsrep_on", "ON"), ("wsrep_reject_queries", "NONE")]);
    assert_eq!(unfit(&topology, &healthy(), &fine), []);
    //  status                                     what is said                                     may it pass
    let cases = [
        (("wsrep_cluster_status", "non-Primary"), "not in the primary component (non-Primary)", Passing::No),
        (("wsrep_connected", "OFF"), "not connected to the cluster", Passing::No),
        (("wsrep_ready", "OFF"), "not ready for queries", Passing::No),
        (("wsrep_local_state", "2"), "not synced: Synced", Passing::Perhaps),
        (("wsrep_desync_count", "1"), "desynced on purpose (wsrep_desync_count 1)", Passing::Perhaps),
        (("wsrep_cluster_state_uuid", "x"), "in another cluster", Passing::No),
        (("wsrep_cluster_conf_id", "6"), "in view 6 of the cluster, not 5", Passing::No),
    ];
    for ((name, value), said, passing) in cases {
        let mut status = healthy();
        status.insert(name.to_owned(), value.to_owned());
        let found = unfit(&topology, &status, &fine);
        assert_eq!((found.len(), found[0].what.as_str(), found[0].passing), (1, said, passing), "{name}");
    }
    let variables = map(&[("wsrep_on", "OFF"), ("wsrep_reject_queries", "ALL")]);
    assert_eq!(unfit(&topology, &healthy(), &variables).len(), 2);
    assert_eq!(unfit(&topology, &BTreeMap::new(), &fine).len(), 6, "no answer is no good answer");
    assert_eq!(unfit(&Topology::Single, &BTreeMap::new(), &fine), []);
}

#[test]
fn read_only_has_many_spellings() {
    let says = |name: &str, value: &str| read_only(&map(&[(name, value)]));
    assert!(says("read_only", "ON") && says("super_read_only", "1") && says("read_only", "NO_LOCK_NO_ADMIN"));
    assert!(!says("read_only", "OFF") && !says("super_read_only", "0") && !says("other", "ON"));
}

#[test]
fn provider_options_are_chosen() {
    let text = "base_dir = /var/lib/; gcs.fc_limit = 16; gcache.size=128M; socket.ssl_key = /etc/key.pem; gmcast.segment = 0; ";
    let wanted = map(&[("gcs.fc_limit", "16"), ("gcache.size", "128M"), ("gmcast.segment", "0")]);
    assert_eq!(provider_options(text), wanted);
}
