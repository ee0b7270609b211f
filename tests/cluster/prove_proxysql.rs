//! Turns of nodes behind ProxySQL, as a stand-in of ours knows it: nobody has to do anything, nothing is saved, and what was
//! there before is there again, after a crash too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use driftless::demo::load;
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use crate::prove_toi::{BUSY, RUN, done};
use crate::standins::{PASSWORD, ProxysqlStandIn};
use crate::support::{Call, Ended, PlainServer, TestCluster, exclusive, job_on, resume, tell};

const LIMIT: Duration = Duration::from_secs(400);
pub(crate) const ALTER: &str = "ADD KEY by_all (revision, id)";

/// A file with the proxy's password, and the flags that name the proxy.
pub(crate) struct Flags {
    _dir: tempfile::TempDir,
    words: Vec<String>,
}

impl Flags {
    pub(crate) fn new(kind: &str, address: &str, password: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pw");
        std::fs::write(&file, format!("{password}\n")).unwrap();
        let own = |end: &str| format!("--{kind}{end}");
        let file = file.display().to_string();
        let words = vec![own(""), address.to_owned(), own("-user"), "radmin".to_owned(), own("-password-file"), file];
        Self { _dir: dir, words }
    }

    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    pub(crate) fn with<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [more, &self.words()].concat()
    }

    /// A change node by node.
    pub(crate) fn rsu(&self, test: &TestCluster, table: &str) -> Call {
        let words = [&BUSY[..], &["--strategy", "rsu"], &self.words()].concat();
        Call::preferred(&test.nodes()[0], table, ALTER, &words)
    }
}

/// Writers that connect through a door for each write, until they are stopped; how many writes there were.
pub(crate) struct Knockers {
    stop: CancellationToken,
    written: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Knockers {
    pub(crate) async fn start(test: &TestCluster, door: u16) -> Self {
        test.plain(0)
            .run(&[&format!("CREATE TABLE {} (id INT PRIMARY KEY AUTO_INCREMENT)", test.table("w").quoted())])
            .await;
        let (stop, written) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let task = |_| {
            let (stop, written, server) = (stop.clone(), Arc::clone(&written), PlainServer::new(door));
            let insert = format!("INSERT INTO {} () VALUES ()", test.table("w").quoted());
            tokio::spawn(async move {
                while !stop.is_cancelled() {
                    server.run(&[&insert]).await;
                    written.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        };
        let tasks = (0..3).map(task).collect();
        Self { stop, written, tasks }
    }

    /// Stops them; every write must be on every node.
    pub(crate) async fn stop(self, test: &TestCluster) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.expect("no write fails");
        }
        let written = self.written.load(Ordering::Relaxed);
        assert!(written > 50, "hardly anybody wrote meanwhile: {written}");
        let count = format!("SELECT COUNT(*) FROM {}", test.table("w").quoted());
        for node in 0..3 {
            let rows = test.plain(node).run(&["SET SESSION wsrep_sync_wait = 15", &count]).await.concat().concat();
            assert_eq!(rows, written.to_string(), "node {node}");
        }
    }
}

/// Nothing that was printed or written into the journal tells the password.
pub(crate) async fn tells_no_secret(test: &TestCluster, ended: &Ended) {
    let printed = format!("{ended:?}");
    assert!(!printed.contains(PASSWORD), "{printed}");
    let rows = test.plain(0).run(&["SELECT * FROM driftless.job"]).await.concat().concat();
    let drains = test.plain(0).run(&["SELECT * FROM driftless.drain"]).await.concat().concat();
    assert!(!rows.contains(PASSWORD) && !drains.contains(PASSWORD), "{rows} {drains}");
}

/// A proxy with every node among writers (10) and readers (20).
async fn flat(test: &TestCluster) -> ProxysqlStandIn {
    let ports: Vec<u16> = test.nodes().iter().map(|node| node.port).collect();
    let rows: Vec<(u64, u16, &str, u64)> =
        [10, 20].iter().flat_map(|group| ports.iter().map(|port| (*group, *port, "ONLINE", 1))).collect();
    ProxysqlStandIn::start(&rows).await
}

async fn back(test: &TestCluster, table: &str) {
    test.plain(0).run(&[&format!("ALTER TABLE {table} DROP KEY by_all")]).await;
}

async fn until(what: &str, mut seen: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if seen() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn turns_need_nobody_behind_galera_hostgroups() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 20_000).await.unwrap();
        let [n1, n2, n3] = [0, 1, 2].map(|index| test.nodes()[index].port);
        // As the monitor leaves it: one writer, the others its backups and the readers.
        let mut rows = vec![(10, n1, "ONLINE", 100)];
        rows.extend([30, 20].into_iter().flat_map(|group| [(group, n2, "ONLINE", 50), (group, n3, "ONLINE", 1)]));
        let mut proxy = ProxysqlStandIn::start(&rows).await;
        proxy.galera();
        let before = proxy.layers();
        assert!(before[0] == before[1] && before[1] == before[2], "{before:?}");
        let writers = Knockers::start(test, proxy.door).await;
        let flags = Flags::new("proxysql", &proxy.address(), PASSWORD);
        let ended = flags.rsu(test, &loaded.table.to_string()).end(RUN).await;
        writers.stop(test).await;
        done(&ended, 0, &["proven equal"], "behind ProxySQL");
        tells_no_secret(test, &ended).await;
        let turns: Vec<&str> = ended
            .events
            .iter()
            .filter(|line| line["event"] == "rolled")
            .filter_map(|line| line["node"].as_str())
            .collect();
        assert_eq!(turns, ["n3", "n2", "n1"], "the writer comes last");
        until("it settles", || proxy.layers() == before).await;
        let said = proxy.said();
        assert!(!said.iter().any(|text| text.to_ascii_uppercase().contains("SAVE")), "{said:?}");
        assert_eq!(said.iter().filter(|text| text.starts_with("LOAD")).count(), 6, "one out, one back, a node");
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_crash_leaves_what_was_there() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 20_000).await.unwrap();
        let (table, n3) = (loaded.table.to_string(), test.nodes()[2].port);
        let mut proxy = flat(test).await;
        // Somebody has taken n3 out of the readers, and it is to stay so.
        for layer in ["mysql_servers", "runtime_mysql_servers", "disk_mysql_servers"] {
            proxy.run(&format!("UPDATE {layer} SET status = 'OFFLINE_SOFT' WHERE hostgroup_id = 20 AND port = {n3}"));
        }
        let (before, flags) = (proxy.layers(), Flags::new("proxysql", &proxy.address(), PASSWORD));
        for (abort, restarted) in [(false, false), (true, true)] {
            let mut call = flags.rsu(test, &table);
            until("n3 is out", || proxy.is_out(n3)).await;
            call.kill9();
            call.end(RUN).await;
            assert!(proxy.is_out(n3), "the crash leaves it out");
            let status = tell(&test.nodes()[2], &["status"]).await;
            let told = status.events.iter().map(ToString::to_string).collect::<String>().replace('\\', "");
            let by_hand =
                format!("SET status = 'ONLINE' WHERE hostgroup_id = 10 AND hostname = '127.0.0.1' AND port = {n3}");
            for words in ["\"out_of_proxy\":[\"n3\"]", &format!("--proxysql {}", proxy.address()), &by_hand] {
                assert!(told.contains(words), "{words}: {told}");
            }
            let job = job_on(&test.nodes()[1], &table).await.expect("it can go on");
            let silent = resume(&test.nodes()[1], &job, &BUSY).end(RUN).await;
            done(&silent, 5, &["has taken n3 out of a proxy", &by_hand, "--put-back"], "nobody says how");
            if restarted {
                proxy.restart().await;
                assert_eq!(proxy.layers(), before, "it has forgotten what was never saved");
            }
            if abort {
                let aborted = tell(&test.nodes()[1], &flags.with(&["abort", &job])).await;
                assert_eq!(aborted.code, Some(0), "{aborted:?}");
            } else {
                let ended = resume(&test.nodes()[1], &job, &flags.with(&BUSY)).end(RUN).await;
                done(&ended, 0, &["proven equal"], "resumed");
                back(test, &loaded.table.quoted()).await;
            }
            assert_eq!(proxy.layers(), before, "as it was, hostgroup by hostgroup");
        }
        // Gone when the node is to be put back: the job stays open and says what to do.
        let call = flags.rsu(test, &table);
        until("n3 is out", || proxy.is_out(n3)).await;
        proxy.stop();
        call.interrupt();
        let ended = call.end(LIMIT).await;
        done(
            &ended,
            5,
            &["n3 stays out of the proxy", "failed to ask ProxySQL", "WHERE hostgroup_id = 10"],
            "no proxy",
        );
        tells_no_secret(test, &ended).await;
        proxy.resume().await;
        assert!(proxy.is_out(n3), "it remembers");
        let job = job_on(&test.nodes()[1], &table).await.expect("it stays");
        let aborted = tell(&test.nodes()[1], &flags.with(&["abort", &job])).await;
        assert_eq!((aborted.code, proxy.layers()), (Some(0), before), "{aborted:?}");
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_node_that_is_not_out_is_not_altered() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 2_000).await.unwrap();
        let (table, [n1, n2, n3]) = (loaded.table.to_string(), [0, 1, 2].map(|index| test.nodes()[index].port));
        let mut proxy = flat(test).await;
        let (before, flags) = (proxy.layers(), Flags::new("proxysql", &proxy.address(), PASSWORD));
        let keys = format!("SHOW KEYS FROM {} WHERE Key_name = 'by_all'", loaded.table.quoted());
        // Each holds the run until Ctrl-C; then all is as it was.
        let edit = format!("UPDATE mysql_servers SET weight = 7 WHERE port = {n1}");
        let unedit = format!("UPDATE mysql_servers SET weight = 1 WHERE port = {n1}");
        let others = |status: &str| {
            let set = |table: &str| {
                format!("UPDATE {table} SET status = '{status}' WHERE hostgroup_id = 20 AND port IN ({n1}, {n2})")
            };
            format!("{}; {}", set("mysql_servers"), set("runtime_mysql_servers"))
        };
        let cases = [
            (edit.clone(), unedit, "would put that in force", "somebody's edits are not loaded yet"),
            (others("OFFLINE_SOFT"), others("ONLINE"), "is the only server of hostgroup 20", "nobody else reads"),
            (String::new(), String::new(), "made so by a monitor or a scheduler", "a scheduler makes it ONLINE"),
            (String::new(), String::new(), "in use: 1", "a connection is in use"),
        ];
        for (make, unmake, says, why) in cases {
            proxy.run(&make);
            if why.contains("scheduler") {
                proxy.meddle();
            }
            let mut used = None;
            if why.contains("connection") {
                // Only n3 is picked.
                let only = |status: &str| {
                    format!(
                        "UPDATE runtime_mysql_servers SET status = '{status}' WHERE hostgroup_id = 10 AND port <> {n3}"
                    )
                };
                proxy.run(&only("SHUNNED"));
                used = Some(driftless::ports::server::Server::connect(&PlainServer::new(proxy.door)).await.unwrap());
                proxy.run(&only("ONLINE"));
            }
            let mut call = flags.rsu(test, &table);
            let held = call.event(|line| line["event"] == "held" && line["why"].to_string().contains(says)).await;
            assert!(held.is_some(), "{why}: {:?}", call.seen());
            tokio::time::sleep(Duration::from_millis(1500)).await;
            assert_eq!(test.plain(2).run(&[&keys]).await, Vec::<Vec<String>>::new(), "{why}: it was altered");
            proxy.rest();
            call.interrupt();
            done(&call.end(RUN).await, 5, &["stopped by a signal"], why);
            drop(used);
            proxy.run(&unmake);
            assert_eq!(proxy.layers(), before, "{why}: as it was");
            let job = job_on(&test.nodes()[1], &table).await.expect("it can go on");
            let aborted = tell(&test.nodes()[1], &flags.with(&["abort", &job])).await;
            assert_eq!(aborted.code, Some(0), "{aborted:?}");
        }
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_proxy_that_is_no_use_is_told_before_anything_is_changed() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 2_000).await.unwrap();
        let table = loaded.table.to_string();
        let proxy = flat(test).await;
        let [n1, n2, n3] = [0, 1, 2].map(|index| test.nodes()[index].port);
        let strange = ProxysqlStandIn::start(&[(10, n1, "ONLINE", 1), (10, n2, "ONLINE", 1)]).await;
        let moved = ProxysqlStandIn::start(&[(10, n1, "ONLINE", 1), (10, n2, "ONLINE", 1)]).await;
        moved.run(&format!(
            "INSERT INTO runtime_mysql_servers (hostgroup_id, hostname, port) VALUES (99, '127.0.0.1', {n3})"
        ));
        let rubbish = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = rubbish.local_addr().unwrap().to_string();
        let talking = tokio::spawn(async move {
            while let Ok((mut client, _)) = rubbish.accept().await {
                drop(client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\nno such thing").await);
            }
        });
        let node = format!("127.0.0.1:{n1}");
        //  address             password  code                     says                              why
        let cases = [
            ("127.0.0.1:1", PASSWORD, "proxy-unusable", "127.0.0.1:1", "nobody listens"),
            (&proxy.address(), "wrong", "proxy-unusable", "admin-admin_credentials", "wrong password"),
            (&strange.address(), PASSWORD, "proxy-unknown", "knows no server n3", "not its node"),
            (&moved.address(), PASSWORD, "proxy-unknown", "SAVE MYSQL SERVERS TO MEMORY", "only in force"),
            (&node, PASSWORD, "proxy-unusable", "does not let the user in", "a server of the cluster"),
            (&at, PASSWORD, "proxy-unusable", &at, "rubbish"),
        ];
        for (address, password, code, says, why) in cases {
            let ended = Flags::new("proxysql", address, password).rsu(test, &table).end(RUN).await;
            done(&ended, 3, &[code, says], why);
            assert!(!format!("{ended:?}").contains(PASSWORD), "{why}: {ended:?}");
            assert_eq!(job_on(&test.nodes()[0], &table).await, None, "{why}: there is no job");
        }
        talking.abort();
        let twice = Flags::new("proxysql", &proxy.address(), PASSWORD);
        let address = proxy.address();
        let words = [&BUSY[..], &["--strategy", "rsu", "--proxysql", &address], &twice.words()].concat();
        done(&Call::preferred(&test.nodes()[0], &table, ALTER, &words).end(RUN).await, 2, &["is named twice"], "twice");
        let words = [&BUSY[..], &["--strategy", "rsu", "--proxysql", "radmin:hunter2@127.0.0.1:1"]].concat();
        let ended = Call::preferred(&test.nodes()[0], &table, ALTER, &words).end(RUN).await;
        done(&ended, 2, &["takes no user and no password"], "a password in argv");
        assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
    };
    test.bounded(LIMIT, work).await;
}
