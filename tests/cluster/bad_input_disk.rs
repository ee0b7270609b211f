//! Disks that are too small, and disks that fill while a job works: a schema's directory on a small file system of its own.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use driftless::demo::load;
use driftless::ports::server::Server as _;
use driftless::sql::Sql;
use driftless_strategies::TableName;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::child::{on, preferred};
use crate::prove_toi::BUSY;
use crate::support::{Call, Exclusive, PlainServer, TestCluster, exclusive, job_on, resume};

const MINUTES: Duration = Duration::from_secs(400);
const RUN: Duration = Duration::from_secs(150);
/// Longest that a fence keeps writers out, and what a busy machine takes besides.
const SHUT: Duration = Duration::from_secs(5);

/// A schema's directory on a file system of so many MiB, until it is dropped.
struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    /// `None`, with a word about it, where nobody may mount.
    async fn under(test: &TestCluster, node: usize, mib: u32) -> Option<Self> {
        // The schema must be there first.
        test.plain(node).run(&["SET SESSION wsrep_sync_wait = 15", "SELECT 1"]).await;
        let dir = test.nodes()[node].dir.join("data").join(test.schema.as_str());
        let options = std::fs::read(dir.join("db.opt")).unwrap();
        let size = format!("size={mib}m,mode=777");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&dir).status();
        if !mounted.is_ok_and(|status| status.success()) {
            drop(writeln!(
                std::io::stderr(),
                "\nSKIPPED: bad_input_disk: no file system can be mounted here (it takes root)"
            ));
            return None;
        }
        let disk = Self { dir };
        std::fs::write(disk.dir.join("db.opt"), options).unwrap();
        Some(disk)
    }

    /// Takes what is left.
    fn fill(&self) {
        let mut size = 1 << 20;
        let mut name = 0;
        while size >= 4096 {
            name += 1;
            let file = self.dir.join(format!("filler{name}"));
            if std::fs::write(&file, vec![0; size]).is_err() {
                drop(std::fs::remove_file(&file));
                size /= 4;
            }
        }
    }

    /// Gives it back.
    fn empty(&self) {
        for entry in std::fs::read_dir(&self.dir).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("filler") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.dir).status());
    }
}

/// A directory that is a file system can't be removed with its schema: its tables go first.
async fn gone(alone: &Exclusive, disk: SmallDisk) {
    let test = &alone.test;
    test.plain(0).run(&[&format!("DROP TABLE IF EXISTS {}", test.table("orders").quoted())]).await;
    for node in 0..3 {
        test.plain(node).run(&["SET SESSION wsrep_sync_wait = 15", "SELECT 1"]).await;
    }
    drop(disk);
}

#[tokio::test]
async fn what_does_not_fit_on_a_node_is_refused() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let Some(disk) = SmallDisk::under(test, 2, 24).await else { return };
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 60_000).await.unwrap();
        test.plain(0).run(&[&format!("ANALYZE TABLE {}", loaded.table.quoted())]).await;
        let table = loaded.table.quoted();
        let copy = ["--table", &table, "--alter", "MODIFY note VARCHAR(250)", "--strategy", "trigger-copy"];
        let planned = preferred(test, "plan", &copy).await;
        planned.must(3, &["disk-space", "n3 has", "the new rows and indexes need about", "make room on n3"], "plan");
        let ran = preferred(test, "run", &[&copy[..], &["--yes"]].concat()).await;
        ran.must(3, &["disk-space", "n3 has"], "run");
        test.only(&["orders"], "nothing was begun").await;
        let json = preferred(test, "plan", &[&copy[..], &["--format", "json"]].concat()).await;
        let json: Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(json["decision"]["blockers"][0]["code"], "disk-space", "{json}");
        // Who knows that the table needs less than its statistics say may go on, and is told so still.
        let meant = preferred(test, "plan", &[&copy[..], &["--allow", "disk-space"]].concat()).await;
        meant.must(0, &["disk-space", "n3 has"], "it is allowed");
        // What takes no room is not held up.
        let instant = ["--table", &table, "--alter", "ADD COLUMN d INT", "--yes"];
        preferred(test, "run", &instant).await.must(0, &["proven equal"], "an instant change");
        gone(&alone, disk).await;
    };
    test.bounded(MINUTES, work).await;
}

/// Fills a node's disk in the middle of a copy; the job stops, says where, and goes on once there is room.
async fn fills(strategy: &str, node: usize) {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let Some(disk) = SmallDisk::under(test, node, 90).await else { return };
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 60_000).await.unwrap();
        let table = loaded.table.to_string();
        let slow = [&BUSY[..], &["--max-rows-per-second", "6000", "--workers", "1"]].concat();
        let mut call = Call::by(strategy, &test.nodes()[0], &table, "MODIFY note VARCHAR(250)", &slow);
        assert!(call.copied(5_000).await, "{:?}", call.seen());
        disk.fill();
        let ended = call.end(RUN).await;
        let last = ended.last("ended").map(Value::to_string).unwrap_or_default();
        eprintln!("{strategy}, n{} is full: {:?} {last} {}", node + 1, ended.code, ended.said);
        assert_eq!(ended.code, Some(5), "{last} {}", ended.said);
        let name = format!("n{}", node + 1);
        let address = format!("127.0.0.1:{}", test.nodes()[node].port);
        assert!(last.contains(&name) || last.contains(&address), "which node? {last}");
        if node == 0 {
            for words in ["disk-full", "make room on", "run --resume", "driftless abort"] {
                assert!(last.contains(words), "{words}: {last}");
            }
        }
        disk.empty();
        let mut disk = Some(disk);
        if node != 0 {
            // What it could not write makes it inconsistent: it has left the cluster and needs a state transfer.
            test.cluster().kill9(node);
            drop(disk.take());
            test.cluster().restart(node).await.unwrap();
        }
        let job = job_on(&test.nodes()[0], &table).await.expect("it can go on");
        let again = resume(&test.nodes()[0], &job, &BUSY).end(RUN).await;
        let told = again.last("ended").map(Value::to_string).unwrap_or_default();
        assert_eq!(again.code, Some(0), "{told} {}", again.said);
        test.only(&["orders"], "at the end").await;
        if let Some(disk) = disk {
            gone(&alone, disk).await;
        }
    };
    test.bounded(MINUTES, work).await;
}

#[tokio::test]
async fn the_disk_of_the_node_that_copies_fills() {
    fills("trigger-copy", 0).await;
}

#[tokio::test]
async fn the_disk_of_the_node_that_is_followed_fills() {
    fills("binlog-stream", 0).await;
}

#[tokio::test]
async fn the_disk_of_another_node_fills() {
    fills("trigger-copy", 2).await;
}

/// Changes one row again and again, which keeps its size and needs no room; the longest time from a change's first attempt to
/// its success.
async fn longest(server: PlainServer, table: TableName, stop: CancellationToken) -> Duration {
    let update = Sql::new("UPDATE ").table(&table).text(" SET customer = customer + 1 WHERE id = 1");
    let (mut session, mut worst) = (server.connect().await.unwrap(), Duration::ZERO);
    while !stop.is_cancelled() {
        let began = Instant::now();
        while session.execute(&update).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        worst = worst.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    worst
}

/// Where no trigger can be written, the fence can't close: the job stops, writers are let in, and nothing is switched.
#[tokio::test]
async fn a_disk_that_is_full_at_the_switch_keeps_nobody_out() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let Some(disk) = SmallDisk::under(test, 0, 90).await else { return };
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 2_000).await.unwrap();
        let (table, dir) = (loaded.table.to_string(), tempfile::tempdir().unwrap());
        let file = dir.path().join("hold");
        std::fs::write(&file, "").unwrap();
        let more = [&BUSY[..], &["--postpone-cutover-file", file.to_str().unwrap()]].concat();
        let mut call = Call::by("binlog-stream", &test.nodes()[0], &table, "MODIFY note VARCHAR(250)", &more);
        assert!(call.event(|line| line["event"] == "held").await.is_some(), "it is held: {:?}", call.seen());
        disk.fill();
        let (stop, table_itself) = (CancellationToken::new(), loaded.table.clone());
        let writers: Vec<_> =
            [1, 2].map(|node| tokio::spawn(longest(test.plain(node), table_itself.clone(), stop.clone()))).into();
        std::fs::remove_file(&file).unwrap();
        let ended = call.end(RUN).await;
        let last = ended.last("ended").map(Value::to_string).unwrap_or_default();
        eprintln!("full at the switch: {:?} {last} {}", ended.code, ended.said);
        stop.cancel();
        for writer in writers {
            let waited = writer.await.unwrap();
            eprintln!("a writer waited {waited:?} at most");
            assert!(waited < SHUT, "a writer waited {waited:?}");
        }
        assert_eq!(ended.code, Some(5), "{last} {}", ended.said);
        disk.empty();
        let job = job_on(&test.nodes()[0], &table).await.expect("it can go on");
        let again = resume(&test.nodes()[0], &job, &BUSY).end(RUN).await;
        let told = again.last("ended").map(Value::to_string).unwrap_or_default();
        assert_eq!(again.code, Some(0), "{told} {}", again.said);
        test.only(&["orders"], "at the end").await;
        gone(&alone, disk).await;
    };
    test.bounded(MINUTES, work).await;
}

/// An archive whose destination's disk is full stops between two batches: each row is in one table or in the other.
#[tokio::test]
async fn an_archive_stops_where_the_disk_fills() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let Some(disk) = SmallDisk::under(test, 0, 60).await else { return };
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), 20_000).await.unwrap();
        let (table, kept) = (loaded.table.quoted(), test.table("kept").quoted());
        test.plain(0).run(&[&format!("CREATE TABLE {kept} LIKE {table}")]).await;
        disk.fill();
        let args = ["--yes", "--table", &table, "--to-table", &kept, "--where", "1=1"];
        let ran = on(test, "archive", &[&args[..], &BUSY].concat()).await;
        ran.must(5, &["disk-full", "make room on", "run the same command again"], "an archive");
        let ids = format!(
            "SELECT COUNT(*), COUNT(DISTINCT id) FROM (SELECT id FROM {table} UNION ALL SELECT id FROM {kept}) a"
        );
        assert_eq!(test.plain(0).run(&[&ids]).await, [["20000", "20000"]], "each row is in one of them");
        disk.empty();
        on(test, "archive", &[&args[..], &BUSY].concat()).await.must(0, &["none that matched is left"], "again");
        assert_eq!(test.plain(0).run(&[&format!("SELECT COUNT(*) FROM {kept}")]).await, [["20000"]]);
        test.plain(0).run(&[&format!("DROP TABLE {kept}")]).await;
        gone(&alone, disk).await;
    };
    test.bounded(MINUTES, work).await;
}
