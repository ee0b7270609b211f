//! The cluster of the tests itself: it starts, breaks, heals and goes.

use std::process::Command;
use std::time::Duration;

use driftless::demo::{Cluster, DemoError, Lines, Running, Spec};

use crate::support::{PlainServer, bounded, exclusive, shared};

const MINUTES: Duration = Duration::from_secs(180);

async fn wsrep(server: &PlainServer, name: &str) -> String {
    let rows = server.run(&[&format!("SHOW GLOBAL STATUS LIKE 'wsrep_{name}'")]).await;
    rows[0][1].clone()
}

#[tokio::test]
async fn three_synced_nodes_share_what_is_written() {
    let test = shared().await;
    let table = test.table("t").quoted();
    let write = [format!("CREATE TABLE {table} (a INT PRIMARY KEY)"), format!("INSERT INTO {table} VALUES (1), (2)")];
    test.plain(1).run(&[&write[0], &write[1]]).await;
    for index in 0..3 {
        let node = test.plain(index);
        assert_eq!(wsrep(&node, "cluster_size").await, "3");
        assert_eq!(wsrep(&node, "local_state_comment").await, "Synced");
        let count = format!("SELECT COUNT(*) FROM {table}");
        assert_eq!(node.run(&["SET SESSION wsrep_sync_wait = 15", &count]).await, [["2"]], "node {index}");
    }
    let addresses = wsrep(&test.plain(0), "incoming_addresses").await;
    for node in test.nodes() {
        assert!(addresses.contains(&format!("127.0.0.1:{}", node.port)), "{addresses}: discovery sees every port");
    }
}

#[tokio::test]
async fn a_killed_node_comes_back_with_the_rows() {
    let alone = exclusive().await;
    let (test, table) = (&alone.test, alone.test.table("t").quoted());
    let work = async {
        test.plain(0).run(&[&format!("CREATE TABLE {table} (a INT PRIMARY KEY)")]).await;
        // It must have the table before it is killed: one that was killed at that moment came back Synced without it, once.
        test.plain(2).run(&["SET SESSION wsrep_sync_wait = 1", &format!("SELECT a FROM {table}")]).await;
        test.cluster().kill9(2);
        assert_eq!(test.cluster().running(2), Running::No);
        assert_eq!(test.nodes()[2].pid, 0);
        test.cluster().wait_synced(Duration::from_secs(30)).await.unwrap();
        test.plain(0).run(&[&format!("INSERT INTO {table} VALUES (7)")]).await;
        test.cluster().restart(2).await.unwrap();
        let read = format!("SELECT a FROM {table}");
        assert_eq!(test.plain(2).run(&["SET SESSION wsrep_sync_wait = 1", &read]).await, [["7"]]);
    };
    bounded(MINUTES, &test.nodes(), work).await;
}

#[tokio::test]
async fn a_frozen_node_is_silent_until_it_thaws() {
    let alone = exclusive().await;
    let test = &alone.test;
    test.cluster().freeze(1);
    let silent = tokio::time::timeout(Duration::from_secs(1), test.plain(1).run(&["SELECT 1"])).await;
    assert!(silent.is_err(), "a frozen node answers");
    test.cluster().thaw(1);
    let look = test.plain(1);
    let answered = test.bounded(Duration::from_secs(30), look.run(&["SELECT 1"])).await;
    assert_eq!(answered, [["1"]]);
}

#[tokio::test]
async fn a_cluster_that_lost_all_nodes_is_founded_anew() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        for index in 0..3 {
            test.cluster().kill9(index);
        }
        test.cluster().heal().await.unwrap();
        assert_eq!(wsrep(&test.plain(2), "cluster_size").await, "3");
    };
    bounded(MINUTES, &test.nodes(), work).await;
}

#[tokio::test]
async fn a_single_server_stops_and_leaves_nothing() {
    let spec = Spec::single().with(Lines::All, "max_connections=77");
    let single = Cluster::start(spec).await.unwrap();
    let (node, dir) = (single.nodes()[0].clone(), single.dir().to_owned());
    let plain = PlainServer::new(node.port);
    assert_eq!(plain.run(&["SELECT @@max_connections"]).await, [["77"]], "extra lines win");
    assert!(node.socket.exists() && node.pid > 0);
    single.stop().await;
    assert!(!dir.exists() && !running(node.pid), "process {} or {} is left", node.pid, dir.display());
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why_and_leaves_nothing() {
    let parent = tempfile::tempdir_in("/tmp").unwrap();
    open(parent.path());
    let spec = Spec { parent: parent.path().to_owned(), ..Spec::single() };
    let refused = Cluster::start(spec.with(Lines::All, "no-such-option=1")).await.unwrap_err();
    assert!(matches!(&refused, DemoError::Node { name, .. } if name == "n1"), "{refused}");
    assert!(refused.to_string().contains("no-such-option"), "the log's end is shown: {refused}");
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "nothing is left");
}

#[tokio::test]
async fn a_start_that_is_dropped_half_way_leaves_nothing() {
    let parent = tempfile::tempdir_in("/tmp").unwrap();
    open(parent.path());
    for millis in [50, 400, 900, 2500] {
        let spec = Spec { parent: parent.path().to_owned(), ..Spec::galera(2) };
        let dropped = tokio::time::timeout(Duration::from_millis(millis), Cluster::start(spec)).await;
        assert!(dropped.is_err(), "two nodes in {millis} ms");
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "a directory is left after {millis} ms");
        assert_eq!(strays(parent.path().to_str().unwrap()), Vec::<String>::new(), "after {millis} ms");
    }
}

/// This test runs itself in another process, which is then killed as hard as can be.
#[tokio::test]
async fn nothing_outlives_a_killed_process() {
    const CHILD: &str = "DRIFTLESS_TEST_KILLED_PARENT";
    if let Ok(parent) = std::env::var(CHILD) {
        let cluster = Cluster::start(Spec { parent: parent.into(), ..Spec::galera(2) }).await.unwrap();
        std::fs::write(cluster.dir().parent().unwrap().join("up"), "").unwrap();
        tokio::time::sleep(MINUTES).await;
        return;
    }
    let parent = tempfile::tempdir_in("/tmp").unwrap();
    open(parent.path());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "harness::nothing_outlives_a_killed_process"])
        .env(CHILD, parent.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let place = parent.path().to_str().unwrap();
    wait(Duration::from_secs(60), || parent.path().join("up").exists()).await;
    assert!(strays(place).len() >= 3, "two servers and a watchdog: {:?}", strays(place));
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(parent.path().join("up")).unwrap();
    wait(Duration::from_secs(20), || strays(place).is_empty()).await;
    wait(Duration::from_secs(20), || std::fs::read_dir(parent.path()).unwrap().count() == 0).await;
}

async fn wait(limit: Duration, done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(limit, wait).await.expect("in time");
}

/// Lets the servers' user pass.
fn open(dir: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn running(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// Command lines of processes that name a directory, this test's own excepted.
fn strays(place: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(place)).collect()
}
