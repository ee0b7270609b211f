//! While applications write to the same rows on every node, and whatever is killed: every row is in one place, in its last
//! version.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use driftless::demo::Random;
use driftless::ports::server::{ErrorKind, Server as _, Session};
use driftless::sql::Sql;
use tokio::task::JoinSet;

use crate::child::{on, prepare, program, to};
use crate::support::{PlainServer, TestCluster, exclusive, shared};

const LIMIT: Duration = Duration::from_secs(300);

/// What a writer knows of its rows: the version that was acknowledged, or two of which one is true.
pub(crate) type Known = BTreeMap<u64, Vec<Option<u64>>>;

/// Writes to rows `id % 6 == own` on one node until told to stop: updates (also into and out of the condition), deletes,
/// inserts of ids that were never there. Each acknowledged write is known exactly.
struct Writer {
    server: PlainServer,
    table: String,
    own: u64,
    rows: u64,
    random: Random,
}

impl Writer {
    async fn run(mut self, stop: Arc<AtomicBool>) -> Known {
        let mut known = Known::new();
        let mut session: Option<Box<dyn Session>> = None;
        let (mut version, mut fresh) = (0, self.rows);
        while !stop.load(Ordering::Relaxed) {
            version += 1;
            let place = self.random.below(self.rows / 6) * 6 + self.own;
            let (table, state) = (&self.table, self.random.below(2));
            let (id, text, now) = match self.random.below(10) {
                0..=5 => {
                    let text = format!("UPDATE {table} SET ver = {version}, state = {state} WHERE id = {place}");
                    (place, text, Some(version))
                }
                6 => (place, format!("DELETE FROM {table} WHERE id = {place}"), None),
                _ => {
                    fresh += 6;
                    let id = fresh - fresh % 6 + self.own;
                    (
                        id,
                        format!("INSERT INTO {table} (id, ver, state) VALUES ({id}, {version}, {state})"),
                        Some(version),
                    )
                }
            };
            if session.is_none() {
                session = self.server.connect().await.ok();
            }
            let Some(open) = session.as_mut() else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            match open.execute(&Sql::new("").trusted(&text)).await {
                // A row that the archive has taken is not there any more: nothing was written.
                Ok(done) if done.affected == 0 => {}
                Ok(_) => {
                    known.insert(id, vec![now]);
                }
                Err(error) if error.kind == ErrorKind::Conflict => {}
                Err(_) => {
                    let before = (id < self.rows).then_some(0);
                    known.entry(id).or_insert_with(|| vec![before]).push(now);
                    session = None;
                }
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        known
    }
}

pub(crate) struct Writers {
    tasks: JoinSet<Known>,
    stop: Arc<AtomicBool>,
}

impl Writers {
    pub(crate) fn start(test: &TestCluster, rows: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for own in 0..6 {
            let node = test.nodes()[usize::try_from(own % 3).unwrap()].clone();
            let table = test.table("t").quoted();
            let writer = Writer { server: PlainServer::new(node.port), table, own, rows, random: Random::new(own + 1) };
            tasks.spawn(writer.run(Arc::clone(&stop)));
        }
        Self { tasks, stop }
    }

    pub(crate) async fn stop(mut self) -> Known {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Known::new();
        while let Some(known) = self.tasks.join_next().await {
            all.extend(known.unwrap());
        }
        all
    }
}

pub(crate) async fn made(test: &TestCluster, rows: u64) {
    let last = rows - 1;
    prepare(
        test,
        &[
            "CREATE TABLE t (id INT UNSIGNED PRIMARY KEY, ver BIGINT NOT NULL DEFAULT 0, state TINYINT NOT NULL, pad CHAR(40) NOT NULL DEFAULT 'x', KEY state (state))",
            "CREATE TABLE kept LIKE t",
            &format!("INSERT INTO t (id, ver, state) SELECT seq, 0, seq % 2 FROM seq_0_to_{last}"),
        ],
    )
    .await;
}

/// Id and version of every row of a table on a node.
async fn read(test: &TestCluster, node: usize, table: &str) -> BTreeMap<u64, u64> {
    let text = format!("SELECT id, ver FROM {}", test.table(table).quoted());
    let rows = test.plain(node).run(&[&text]).await;
    rows.iter().map(|row| (row[0].parse().unwrap(), row[1].parse().unwrap())).collect()
}

/// Every row that was acknowledged last as there is in exactly one of the tables, in that version; on every node the same.
pub(crate) async fn prove(test: &TestCluster, rows: u64, known: &Known) {
    let (source, kept) = (read(test, 0, "t").await, read(test, 0, "kept").await);
    for node in 1..3 {
        assert!(read(test, node, "t").await == source, "node {node} has another table");
        assert!(read(test, node, "kept").await == kept, "node {node} has another archive");
    }
    let ids = (0..rows).chain(known.keys().copied().filter(|id| *id >= rows));
    let mut wrong = Vec::new();
    for id in ids {
        let expected = known.get(&id).cloned().unwrap_or_else(|| vec![Some(0)]);
        let found = [source.get(&id), kept.get(&id)];
        let twice = found.iter().flatten().count() > 1;
        let version = found.iter().flatten().next().map(|version| **version);
        if twice || !expected.contains(&version) {
            wrong.push(format!("row {id}: expected one of {expected:?}, found {found:?}"));
        }
    }
    wrong.truncate(10);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let unknown = source.keys().chain(kept.keys()).find(|id| **id >= rows && !known.contains_key(*id));
    assert!(unknown.is_none(), "{unknown:?} was invented");
}

#[tokio::test]
async fn writers_on_every_node_lose_nothing_while_an_archive_runs() {
    let test = shared().await;
    let work = async {
        let rows = 30_000;
        made(&test, rows).await;
        let writers = Writers::start(&test, rows);
        let (table, into) = (test.table("t").quoted(), test.table("kept").quoted());
        for index in ["PRIMARY", "state"] {
            let args = ["--yes", "--table", &table, "--to-table", &into, "--where", "state = 1", "--index", index];
            on(&test, "archive", &[&args[..], &["--chunk-rows", "700"]].concat()).await.must(0, &["are moved"], index);
        }
        let known = writers.stop().await;
        assert!(known.len() > 200, "writers wrote to {} rows only", known.len());
        prove(&test, rows, &known).await;
        assert!(read(&test, 0, "kept").await.len() > 10_000);
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn killed_at_any_point_an_archive_goes_on_and_loses_nothing() {
    let test = shared().await;
    let work = async {
        let rows = 24_000;
        made(&test, rows).await;
        let writers = Writers::start(&test, rows);
        let (table, into) = (test.table("t").quoted(), test.table("kept").quoted());
        let base = ["--yes", "--table", &table, "--to-table", &into, "--where", "state = 1", "--chunk-rows", "120"];
        let mut random = Random::new(3);
        for round in 0..12 {
            let mut command = program();
            command.arg("archive").args(to(&test, round % 3)).args(base);
            let mut child = command.spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(150 + random.below(900))).await;
            child.start_kill().unwrap();
            child.wait().await.unwrap();
        }
        on(&test, "archive", &base).await.must(0, &["none that matched is left"], "the last one");
        let known = writers.stop().await;
        prove(&test, rows, &known).await;
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_killed_node_loses_nothing() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let rows = 20_000;
        made(test, rows).await;
        let (table, into) = (test.table("t").quoted(), test.table("kept").quoted());
        let base = ["--yes", "--table", &table, "--to-table", &into, "--where", "state = 1", "--chunk-rows", "100"];
        let mut command = program();
        // Through the node that is killed.
        command.arg("archive").args(to(test, 2)).args(base).args(["--max-rows-per-second", "2000"]);
        let child = command.spawn().unwrap();
        for _ in 0..300 {
            if !read(test, 0, "kept").await.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        test.cluster().kill9(2);
        let ended = child.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert_eq!(ended.status.code(), Some(5), "{said}");
        test.cluster().heal().await.unwrap();
        on(test, "archive", &base).await.must(0, &["none that matched is left"], "the next run");
        prove(test, rows, &Known::new()).await;
        assert_eq!(read(test, 0, "kept").await.len(), 10_000);
    };
    test.bounded(LIMIT, work).await;
}
