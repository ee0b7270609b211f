//! Turns of nodes behind a real HAProxy: nobody has to do anything, and nobody stays out after a crash.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use driftless::demo::{ReservedPorts, load};
use tokio_util::sync::CancellationToken;

use crate::prove_toi::{BUSY, RUN, done};
use crate::support::{Call, PlainServer, TestCluster, exclusive, job_on, resume, tell};

const LIMIT: Duration = Duration::from_secs(240);
const ALTER: &str = "ADD KEY by_all (revision, id)";

/// HAProxy before the nodes, ended with the value.
struct Front {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
    _ports: ReservedPorts,
}

impl Front {
    async fn start(servers: &[(String, u16)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // A second backend whose servers follow the first one's.
        let reserved = ReservedPorts::new(2).unwrap();
        let &[port, second] = reserved.ports() else { panic!("two ports were wanted") };
        let lines: String = servers
            .iter()
            .map(|(name, port)| format!("  server {name} 127.0.0.1:{port} check inter 200ms\n"))
            .collect();
        let tracking: String = servers
            .iter()
            .map(|(name, port)| format!("  server r_{name} 127.0.0.1:{port} track db/{name}\n"))
            .collect();
        let socket = dir.path().join("h.sock");
        let text = format!(
            "global\n  stats socket {} mode 600 level admin\ndefaults\n  mode tcp\n  timeout connect 2s\n  timeout client 60s\n  \
             timeout server 60s\nlisten db\n  bind 127.0.0.1:{port}\n  balance leastconn\n{lines}listen readers\n  bind 127.0.0.1:{second}\n{tracking}",
            socket.display()
        );
        let config = dir.path().join("h.cfg");
        std::fs::write(&config, text).unwrap();
        let program = ["/usr/sbin/haproxy", "haproxy"].into_iter().find(|path| std::path::Path::new(path).exists());
        let mut command = Command::new(program.unwrap_or("haproxy"));
        command.args(["-db", "-f"]).arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("start haproxy (package haproxy)");
        let front = Self { child, port, dir, _ports: reserved };
        for _ in 0..100 {
            if front.socket().exists() && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return front;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("haproxy does not come up");
    }

    async fn of(test: &TestCluster) -> Self {
        Self::start(&test.nodes().iter().map(|node| (node.name.clone(), node.port)).collect::<Vec<_>>()).await
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("h.sock")
    }

    fn ask(&self, command: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        writeln!(stream, "{command}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Names of the servers that somebody has taken out.
    fn out(&self) -> Vec<String> {
        let answer = self.ask("show servers state");
        let fields = answer.lines().skip(2).map(|line| line.split(' ').collect::<Vec<_>>());
        fields.filter(|fields| fields.len() > 6 && fields[6] != "0").map(|fields| fields[3].to_owned()).collect()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn rsu(test: &TestCluster, table: &str, front: &Front) -> Call {
    let socket = front.socket().display().to_string();
    let words = [&BUSY[..], &["--strategy", "rsu", "--haproxy", &socket]].concat();
    Call::preferred(&test.nodes()[0], table, ALTER, &words)
}

#[tokio::test]
async fn turns_need_nobody_when_the_proxy_can_be_asked() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 20_000).await.unwrap();
        test.plain(0)
            .run(&[&format!("CREATE TABLE {} (id INT PRIMARY KEY AUTO_INCREMENT)", test.table("w").quoted())])
            .await;
        let front = Front::of(test).await;
        let (stop, written) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let mut writers = Vec::new();
        for _ in 0..4 {
            let (stop, written, server) = (stop.clone(), Arc::clone(&written), PlainServer::new(front.port));
            let insert = format!("INSERT INTO {} () VALUES ()", test.table("w").quoted());
            writers.push(tokio::spawn(async move {
                while !stop.is_cancelled() {
                    server.run(&[&insert]).await;
                    written.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
            }));
        }
        let ended = rsu(test, &loaded.table.to_string(), &front).end(RUN).await;
        let during = written.load(Ordering::Relaxed);
        stop.cancel();
        for writer in writers {
            writer.await.expect("no write fails");
        }
        done(&ended, 0, &["proven equal"], "behind a proxy");
        assert!(during > 100, "hardly anybody wrote meanwhile: {during}");
        assert_eq!(front.out(), Vec::<String>::new(), "all are back");
        let count = format!("SELECT COUNT(*) FROM {}", test.table("w").quoted());
        for node in 0..3 {
            let rows = test.plain(node).run(&["SET SESSION wsrep_sync_wait = 15", &count]).await.concat().concat();
            assert_eq!(rows, written.load(Ordering::Relaxed).to_string(), "node {node}");
        }
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_crash_leaves_nobody_out_for_good() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 20_000).await.unwrap();
        let table = loaded.table.to_string();
        let front = Front::of(test).await;
        let socket = front.socket().display().to_string();
        for abort in [false, true] {
            let mut call = rsu(test, &table, &front);
            assert!(call.entered("altering").await, "{:?}", call.seen());
            while front.out().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            call.kill9();
            call.end(RUN).await;
            assert_eq!(front.out(), ["n3", "r_n3"], "the crash leaves it out");
            let job = job_on(&test.nodes()[1], &table).await.expect("it can go on");
            let status = tell(&test.nodes()[2], &["status"]).await;
            let told = status.events.iter().map(ToString::to_string).collect::<String>().replace('\\', "");
            assert!(told.contains("out_of_proxy\":[\"n3\"]"), "{told}");
            let silent = resume(&test.nodes()[1], &job, &BUSY).end(RUN).await;
            done(&silent, 5, &["has taken n3 out of", "--put-back"], "nobody says how it is put back");
            if abort {
                let aborted = tell(&test.nodes()[1], &["abort", &job, "--haproxy", &socket]).await;
                assert_eq!(aborted.code, Some(0), "{aborted:?}");
            } else {
                let words = [&BUSY[..], &["--haproxy", &socket]].concat();
                done(&resume(&test.nodes()[1], &job, &words).end(RUN).await, 0, &["proven equal"], "resumed");
                test.plain(0).run(&[&format!("ALTER TABLE {} DROP KEY by_all", loaded.table.quoted())]).await;
            }
            assert_eq!(front.out(), Vec::<String>::new(), "all are back");
        }
        // A node that dies while it is out keeps the job open until it is back.
        let mut holder = driftless::ports::server::Server::connect(&test.plain(2)).await.unwrap();
        holder.execute(&driftless::sql::Sql::new("BEGIN")).await.unwrap();
        holder.query(&driftless::sql::Sql::new("SELECT COUNT(*) FROM ").table(&loaded.table)).await.unwrap();
        let call = rsu(test, &table, &front);
        while front.out().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        test.cluster().kill9(2);
        let ended = call.end(LIMIT).await;
        done(&ended, 5, &["n3 stays out of the proxy"], "it died while it was out");
        test.cluster().restart(2).await.unwrap();
        let job = job_on(&test.nodes()[1], &table).await.expect("it stays");
        let aborted = tell(&test.nodes()[1], &["abort", &job, "--haproxy", &socket]).await;
        assert_eq!(aborted.code, Some(0), "{aborted:?}");
        assert_eq!(front.out(), Vec::<String>::new(), "all are back");
        // Ctrl-C while a node is out: it is put back before the run ends.
        front.ask("set server db/n1 state drain");
        front.ask("set server db/n2 state drain");
        let mut call = rsu(test, &table, &front);
        let held = call.event(|line| line["event"] == "held").await.map(|line| line.to_string()).unwrap_or_default();
        assert!(held.contains("n3 is the only server of backend db"), "{held}");
        call.interrupt();
        done(&call.end(RUN).await, 5, &["stopped by a signal"], "Ctrl-C");
        assert_eq!(front.out(), ["n1", "n2", "r_n1", "r_n2"], "what others have taken out stays out");
        let job = job_on(&test.nodes()[1], &table).await.expect("it can go on");
        let aborted = tell(&test.nodes()[1], &["abort", &job, "--haproxy", &socket]).await;
        assert_eq!(aborted.code, Some(0), "{aborted:?}");
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_proxy_that_does_not_know_the_node_is_told_before_anything_is_changed() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 2_000).await.unwrap();
        let table = loaded.table.to_string();
        let front = Front::start(&[("other".into(), 1), ("another".into(), 2)]).await;
        let ended = rsu(test, &table, &front).end(RUN).await;
        done(&ended, 3, &["proxy-unknown"], "unknown");
        let nobody = [&BUSY[..], &["--strategy", "rsu", "--haproxy", "/nowhere/h.sock"]].concat();
        let ended = Call::preferred(&test.nodes()[0], &table, ALTER, &nobody).end(RUN).await;
        done(&ended, 3, &["proxy-unusable", "failed to ask HAProxy at /nowhere/h.sock"], "no such socket");
        assert_eq!(job_on(&test.nodes()[0], &table).await, None, "there is no job");
        let other = [&BUSY[..], &["--strategy", "trigger-copy", "--haproxy", "/nowhere/h.sock"]].concat();
        let ended = Call::preferred(&test.nodes()[0], &table, ALTER, &other).end(RUN).await;
        done(&ended, 2, &["proxies are for --strategy rsu"], "another strategy");
    };
    test.bounded(LIMIT, work).await;
}
