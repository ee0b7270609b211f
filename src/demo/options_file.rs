//! The option file of one server.

use std::fmt::Write as _;
use std::path::Path;

use super::spec::{Replication, Spec};

/// What one server needs to know of itself.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    /// Its index, from 0.
    pub(super) index: usize,
    /// Its directory; data, socket, pid file and log are in it.
    pub(super) dir: &'a Path,
    /// The system user that it runs as, when started by root.
    pub(super) user: Option<&'a str>,
    /// Its SQL port.
    pub(super) port: u16,
    /// Galera's group port of every node, itself included.
    pub(super) group: &'a [u16],
    /// Its port for incremental transfers.
    pub(super) ist: u16,
    /// Its port for whole transfers.
    pub(super) sst: u16,
    /// The Galera library.
    pub(super) provider: &'a Path,
}

/// Writes `[mysqld]`. Settings that speed up a throw-away server stand here, and only here.
pub(super) fn text(spec: &Spec, place: &Place<'_>) -> String {
    let dir = place.dir.display();
    let number = place.index + 1;
    let mut lines = vec![
        format!("datadir={dir}/data"),
        // Its own: a starting server deletes every internal table of a shared one, and whoever uses it crashes.
        format!("tmpdir={dir}"),
        format!("socket={dir}/s.sock"),
        format!("pid-file={dir}/pid"),
        format!("log-error={dir}/log.err"),
        format!("port={}", place.port),
        "bind-address=127.0.0.1".to_owned(),
        "skip-name-resolve".to_owned(),
        format!("server-id={number}"),
        "character-set-server=utf8mb4".to_owned(),
        "max_connections=300".to_owned(),
        "binlog_format=ROW".to_owned(),
        // A relative name: a whole state transfer moves binlogs and fails on paths that differ between nodes.
        "log_bin=bin".to_owned(),
        "log_slave_updates=ON".to_owned(),
        "sync_binlog=0".to_owned(),
        format!("innodb_buffer_pool_size={}M", spec.buffer_pool_mib),
        "innodb_log_file_size=96M".to_owned(),
        "innodb_flush_log_at_trx_commit=2".to_owned(),
        "innodb_autoinc_lock_mode=2".to_owned(),
    ];
    lines.extend(place.user.map(|user| format!("user={user}")));
    if spec.replication == Replication::Galera {
        lines.extend(galera(place));
    }
    lines.extend(spec.extra_of(place.index).map(str::to_owned));
    let mut text = String::from("[mysqld]\n");
    for line in lines {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{line}");
    }
    text
}

fn galera(place: &Place<'_>) -> Vec<String> {
    let number = place.index + 1;
    let base = place.group.get(place.index).copied().unwrap_or_default();
    let peers: Vec<String> = place.group.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    // The two evs periods and pc.announce_timeout only shorten the wait for the first view, from up to ten seconds
    // to one; when a silent node counts as lost stays as Galera has it.
    let provider_options = [
        format!("base_port={base}"),
        format!("gmcast.listen_addr=tcp://127.0.0.1:{base}"),
        format!("ist.recv_addr=127.0.0.1:{}", place.ist),
        "gcache.size=128M".to_owned(),
        "evs.join_retrans_period=PT0.2S".to_owned(),
        "evs.inactive_check_period=PT0.1S".to_owned(),
        "pc.announce_timeout=PT0.5S".to_owned(),
    ]
    .join(";");
    vec![
        "wsrep_on=ON".to_owned(),
        format!("wsrep_provider={}", place.provider.display()),
        "wsrep_cluster_name=driftless-demo".to_owned(),
        format!("wsrep_cluster_address=gcomm://{}", peers.join(",")),
        format!("wsrep_node_name=n{number}"),
        format!("wsrep_node_address=127.0.0.1:{base}"),
        format!("wsrep_node_incoming_address=127.0.0.1:{}", place.port),
        format!("wsrep_provider_options=\"{provider_options}\""),
        format!("wsrep_sst_receive_address=127.0.0.1:{}", place.sst),
        "wsrep_sst_method=rsync".to_owned(),
        "wsrep_slave_threads=4".to_owned(),
        "wsrep_gtid_mode=ON".to_owned(),
        "wsrep_gtid_domain_id=7".to_owned(),
        format!("gtid_domain_id={}", 10 + number),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::spec::Lines;

    fn place(index: usize) -> Place<'static> {
        Place {
            index,
            dir: Path::new("/d/n2"),
            user: Some("mysql"),
            port: 11,
            group: &[21, 22, 23],
            ist: 31,
            sst: 41,
            provider: Path::new("/g.so"),
        }
    }

    #[test]
    fn every_address_is_on_loopback_and_its_own() {
        let text = text(&Spec::galera(3), &place(1));
        for line in [
            "port=11",
            "bind-address=127.0.0.1",
            "wsrep_node_address=127.0.0.1:22",
            "wsrep_cluster_address=gcomm://127.0.0.1:21,127.0.0.1:22,127.0.0.1:23",
            "wsrep_sst_receive_address=127.0.0.1:41",
            "user=mysql",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} in {text}");
        }
        assert!(text.contains("ist.recv_addr=127.0.0.1:31;"));
    }

    #[test]
    fn extra_lines_come_last_and_only_where_they_belong() {
        let spec = Spec::galera(3).with(Lines::All, "a=1").with(Lines::Node(1), "b=2").with(Lines::Node(2), "c=3");
        assert!(text(&spec, &place(1)).ends_with("a=1\nb=2\n"));
        assert!(text(&spec, &place(2)).ends_with("a=1\nc=3\n"));
    }

    #[test]
    fn a_single_server_knows_no_galera() {
        assert!(!text(&Spec::single(), &place(0)).contains("wsrep"));
    }
}
