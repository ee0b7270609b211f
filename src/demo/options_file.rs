//! The option file of one server.

use std::fmt::Write as _;
use std::path::Path;

use super::packages::{Product, Tools};
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
    /// What runs there.
    pub(super) tools: &'a Tools,
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
        "sync_binlog=0".to_owned(),
        format!("innodb_buffer_pool_size={}M", spec.buffer_pool_mib),
        "innodb_flush_log_at_trx_commit=2".to_owned(),
        "innodb_autoinc_lock_mode=2".to_owned(),
    ];
    lines.extend(of_product(place.tools));
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

/// What each of them calls otherwise, and where its files are.
fn of_product(tools: &Tools) -> Vec<String> {
    let mut lines: Vec<String> = match tools.product {
        Product::MariaDb => vec!["log_slave_updates=ON".to_owned(), "innodb_log_file_size=96M".to_owned()],
        Product::MySql => vec![
            "log_replica_updates=ON".to_owned(),
            "innodb_redo_log_capacity=192M".to_owned(),
            "gtid_mode=ON".to_owned(),
            "enforce_gtid_consistency=ON".to_owned(),
            // A replica is found by what it registers.
            "report_host=127.0.0.1".to_owned(),
            // Its second protocol has a fixed port, its import a fixed directory.
            "mysqlx=OFF".to_owned(),
            "secure_file_priv=NULL".to_owned(),
        ],
    };
    if let Some(base) = &tools.base {
        let at = base.display();
        let share = if tools.product == Product::MySql { "mysql" } else { "mariadb" };
        lines.push(format!("basedir={at}"));
        lines.push(format!("plugin_dir={at}/lib/mysql/plugin"));
        lines.push(format!("lc_messages_dir={at}/share/{share}"));
        lines.push(format!("character_sets_dir={at}/share/{share}/charsets"));
    }
    lines
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
        format!("wsrep_provider={}", place.tools.provider.display()),
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

    fn tools(product: Product, base: Option<&str>) -> Tools {
        let none = std::path::PathBuf::new();
        let provider = "/g.so".into();
        let base = base.map(Into::into);
        Tools { product, server: none.clone(), install_db: none.clone(), client: none, provider, base }
    }

    fn of(tools: &Tools, spec: &Spec, index: usize) -> String {
        text(spec, &place(tools, index))
    }

    fn place(tools: &Tools, index: usize) -> Place<'_> {
        Place {
            index,
            dir: Path::new("/d/n2"),
            user: Some("mysql"),
            port: 11,
            group: &[21, 22, 23],
            ist: 31,
            sst: 41,
            tools,
        }
    }

    #[test]
    fn every_address_is_on_loopback_and_its_own() {
        let text = of(&tools(Product::MariaDb, None), &Spec::galera(3), 1);
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
        let tools = tools(Product::MariaDb, None);
        assert!(of(&tools, &spec, 1).ends_with("a=1\nb=2\n"));
        assert!(of(&tools, &spec, 2).ends_with("a=1\nc=3\n"));
    }

    #[test]
    fn a_single_server_knows_no_galera() {
        assert!(!of(&tools(Product::MariaDb, None), &Spec::single(), 0).contains("wsrep"));
    }

    #[test]
    fn mysql_has_its_own_words_and_files() {
        let text = of(&tools(Product::MySql, Some("/tree/usr")), &Spec::single(), 0);
        for line in
            ["mysqlx=OFF", "log_replica_updates=ON", "basedir=/tree/usr", "lc_messages_dir=/tree/usr/share/mysql"]
        {
            assert!(text.lines().any(|have| have == line), "{line} in {text}");
        }
        assert!(!text.contains("slave") && !text.contains("log_file_size"), "MySQL 9 has no such option: {text}");
    }
}
