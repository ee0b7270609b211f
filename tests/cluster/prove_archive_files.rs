//! `driftless archive --to-file` on a real cluster: rows leave, files prove themselves, rows come back; beside writers, kills,
//! a full disk and an ALTER each row is in one place, once, in its last version.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use driftless::demo::{NodeProcess, Random};
use serde_json::Value;

use crate::prove_purge::{self, Writers};
use crate::support::{Call, Ended, TestCluster, exclusive, shared, tell};

const LIMIT: Duration = Duration::from_secs(300);
pub(crate) const ENDING: Duration = Duration::from_secs(120);

/// Rows to archive in `t`, the same again in `first`, and `back`, into which they are loaded.
pub(crate) async fn made(test: &TestCluster, rows: u64) {
    let (source, first, back) = (test.table("t").quoted(), test.table("first").quoted(), test.table("back").quoted());
    let statements = [
        format!("USE {}", test.schema.quoted()),
        format!(
            "CREATE TABLE {source} (id INT PRIMARY KEY, ver INT NOT NULL DEFAULT 0, note VARCHAR(60) CHARSET latin1, \
             raw VARBINARY(40), at TIMESTAMP(3) NULL, f FLOAT)"
        ),
        format!(
            "INSERT INTO {source} SELECT seq, 0, IF(seq % 7 = 0, NULL, CONCAT(CHAR(233 USING latin1), '\\n\"', seq)), \
             UNHEX(MD5(seq)), FROM_UNIXTIME(1700000000 + seq), seq / 3 FROM seq_1_to_{rows}"
        ),
        format!("CREATE TABLE {first} LIKE {source}"),
        format!("INSERT INTO {first} SELECT * FROM {source}"),
        format!("CREATE TABLE {back} LIKE {source}"),
    ];
    test.plain(0).run(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// Starts to archive rows of `t`.
pub(crate) fn start(test: &TestCluster, node: &NodeProcess, pattern: &str, more: &[&str]) -> Call {
    let table = test.table("t").to_string();
    let own = ["archive", "--yes", "--table", &table, "--to-file", pattern];
    let which: &[&str] = if more.contains(&"--where") { &[] } else { &["--where", "1=1"] };
    Call::start(node, &[&own, which, more].concat())
}

/// Archives rows of `t` to the end.
pub(crate) async fn archive(test: &TestCluster, pattern: &str, more: &[&str]) -> Ended {
    start(test, &test.nodes()[0], pattern, more).end(ENDING).await
}

pub(crate) async fn count(test: &TestCluster, table: &str) -> u64 {
    let select = format!("SELECT COUNT(*) FROM {}", test.table(table).quoted());
    test.plain(0).run(&[&select]).await[0][0].parse().unwrap()
}

async fn checksum(test: &TestCluster, table: &str) -> String {
    test.plain(0).run(&[&format!("CHECKSUM TABLE {}", test.table(table).quoted())]).await[0][1].clone()
}

/// The files of a directory that are no manifests.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = all.filter(|path| path.extension().is_none_or(|end| end != "manifest")).collect();
    files.sort();
    files
}

pub(crate) async fn verify(test: &TestCluster, file: &Path, more: &[&str]) -> Ended {
    tell(&test.nodes()[0], &[&["archive", "verify", file.to_str().unwrap()], more].concat()).await
}

/// Proves every file of a directory and loads it; how many rows. None of them may be in the table already.
pub(crate) async fn load_all(test: &TestCluster, dir: &Path, into: &str) -> u64 {
    let mut rows = 0;
    for file in files(dir) {
        let ended = verify(test, &file, &["--load", "--into", &test.table(into).to_string()]).await;
        assert_eq!(ended.code, Some(0), "{}: {ended:?}", file.display());
        let said = &ended.events[0];
        assert_eq!(said["present"], 0, "{} has rows that another file has", file.display());
        assert_eq!(said["deleted"], said["rows"], "{}: the deletes of all rows are noted", file.display());
        rows += said["inserted"].as_u64().unwrap();
    }
    rows
}

/// What the last line of a run says.
pub(crate) fn told(ended: &Ended) -> String {
    ended.last("ended").and_then(|event| event["what"].as_str()).unwrap_or(&ended.said).to_owned()
}

#[tokio::test]
async fn rows_go_into_files_and_come_back() {
    let test = shared().await;
    let work = async {
        const ROWS: u64 = 1_200;
        made(&test, ROWS).await;
        let (source, first, back) =
            (test.table("t").quoted(), test.table("first").quoted(), test.table("back").quoted());
        for (end, size) in
            [("csv", "60000"), ("csv.zst", "20000"), ("ndjson", "90000"), ("sql.gz", "20000"), ("parquet", "20000")]
        {
            let dir = tempfile::tempdir().unwrap();
            let pattern = format!("{}/{{table}}-{{n}}.{end}", dir.path().display());
            let ended = archive(&test, &pattern, &["--chunk-rows", "200", "--file-bytes", size]).await;
            assert_eq!(ended.code, Some(0), "{end}: {ended:?}");
            assert_eq!(count(&test, "t").await, 0, "{end}");
            let made = files(dir.path());
            assert!(made.len() > 1, "{end}: {made:?}");
            let named = ended.last("ended").unwrap()["details"].as_array().unwrap().clone();
            assert_eq!(named, made.iter().map(|path| Value::from(path.to_str().unwrap())).collect::<Vec<_>>(), "{end}");
            assert_eq!(load_all(&test, dir.path(), "back").await, ROWS, "{end}");
            assert_eq!(checksum(&test, "back").await, checksum(&test, "first").await, "{end}");
            broken(&test, &made[0], end).await;
            let again = [format!("TRUNCATE TABLE {back}"), format!("INSERT INTO {source} SELECT * FROM {first}")];
            test.plain(0).run(&[&again[0], &again[1]]).await;
        }
    };
    test.bounded(LIMIT, work).await;
}

/// A bit that was flipped, a file that was cut and a manifest that was changed are found, and nothing of them is loaded.
async fn broken(test: &TestCluster, file: &Path, end: &str) {
    test.plain(0).run(&[&format!("TRUNCATE TABLE {}", test.table("back").quoted())]).await;
    let manifest = PathBuf::from(format!("{}.manifest", file.display()));
    let (whole, noted) = (std::fs::read(file).unwrap(), std::fs::read(&manifest).unwrap());
    let bent = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    let cases = [
        ("a flipped bit", bent(&whole), noted.clone()),
        ("a cut file", whole[..whole.len() - 1].to_vec(), noted.clone()),
        ("a manifest that was changed", whole.clone(), bent(&noted)),
    ];
    for (what, bytes, lines) in cases {
        std::fs::write(file, bytes).unwrap();
        std::fs::write(&manifest, lines).unwrap();
        let told = verify(test, file, &["--load", "--into", &test.table("back").to_string()]).await;
        assert_eq!(told.code, Some(4), "{end}: {what}: {told:?}");
        assert_eq!(told.events[0]["proven"], false, "{end}: {what}: {told:?}");
    }
    assert_eq!(count(test, "back").await, 0, "{end}");
}

/// What can't be written to is said before any row is touched.
#[tokio::test]
async fn bad_names_change_nothing() {
    let test = shared().await;
    let work = async {
        made(&test, 50).await;
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().display();
        std::fs::write(dir.path().join("there.csv"), "x").unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", dir.path().join("link.csv")).unwrap();
        //  pattern                              code  says
        let cases = [
            (format!("{here}/{{tabel}}.csv"), 2, "there is no key {tabel}"),
            (format!("{here}/x.txt"), 2, "does not say the format"),
            (format!("{here}/none/x.csv"), 3, "make the directory"),
            (format!("{here}/there.csv"), 3, "never overwritten"),
            (format!("{here}/link.csv"), 3, "never overwritten"),
            ("/proc/x.csv".to_owned(), 3, "failed to make"),
        ];
        for (pattern, code, says) in cases {
            let ended = archive(&test, &pattern, &[]).await;
            assert_eq!(ended.code, Some(code), "{pattern}: {ended:?}");
            assert!(ended.said.contains(says), "{pattern}: {ended:?}");
            assert_eq!(count(&test, "t").await, 50, "{pattern}");
        }
        let sized = archive(&test, &format!("{here}/x.csv"), &["--file-bytes", "1000"]).await;
        assert_eq!(sized.code, Some(2), "{sized:?}");
        let missing = verify(&test, &dir.path().join("none.csv"), &[]).await;
        assert_eq!(missing.code, Some(2), "{missing:?}");
        let bare = verify(&test, &dir.path().join("there.csv"), &[]).await;
        assert_eq!(bare.code, Some(4), "{bare:?}");
        assert!(bare.said.contains("its manifest"), "{bare:?}");
        assert_eq!(files(dir.path()).len(), 2, "nothing was made: {:?}", files(dir.path()));
    };
    test.bounded(LIMIT, work).await;
}

/// Applications write to the same rows on every node while runs are killed again and again, in two directories and formats
/// by turns: each row is in the table or in one file, once, in its last version.
#[tokio::test]
async fn kills_beside_writers_neither_lose_nor_double_rows() {
    let test = shared().await;
    let work = async {
        const ROWS: u64 = 8_400;
        prove_purge::made(&test, ROWS).await;
        let writers = Writers::start(&test, ROWS);
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let patterns = [(&dirs[0], "csv.zst"), (&dirs[1], "parquet")]
            .map(|(dir, end)| format!("{}/x-{{n}}.{end}", dir.path().display()));
        let own = ["--where", "state = 1", "--chunk-rows", "60", "--file-bytes", "16000"];
        let (mut chance, mut killed) = (Random::new(7), 0);
        for round in 0..12 {
            let mut call = start(&test, &test.nodes()[round % 3], &patterns[round % 2], &own);
            let begun = call.event(|line| line["event"] == "started").await.is_some();
            tokio::time::sleep(Duration::from_millis(chance.below(700))).await;
            call.kill9();
            killed += u64::from(begun && call.end(ENDING).await.code.is_none());
        }
        assert!(killed >= 8, "{killed} kills");
        for pattern in &patterns {
            let ended = archive(&test, pattern, &own).await;
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
        let known = writers.stop().await;
        assert!(known.len() > 100, "writers wrote to {} rows only", known.len());
        let mut rows = 0;
        for dir in &dirs {
            rows += load_all(&test, dir.path(), "kept").await;
        }
        assert!(rows > 3_000, "{rows} rows were archived");
        prove_purge::prove(&test, ROWS, &known).await;
        let runs = format!("SELECT COUNT(*) FROM driftless.purge_file WHERE source = '{}'", test.table("t").quoted());
        assert!(
            test.plain(0).run(&[&runs]).await[0][0].parse::<u64>().unwrap() <= killed,
            "runs that are over are forgotten"
        );
    };
    test.bounded(LIMIT, work).await;
}

/// The node that the run works on is killed beside writers: the next run, on another node, goes on.
#[tokio::test]
async fn a_killed_node_neither_loses_nor_doubles_rows() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        const ROWS: u64 = 6_000;
        prove_purge::made(test, ROWS).await;
        let writers = Writers::start(test, ROWS);
        let dir = tempfile::tempdir().unwrap();
        let pattern = format!("{}/x-{{n}}.ndjson.zst", dir.path().display());
        let own = ["--where", "state = 1", "--chunk-rows", "50"];
        let slow = [&own[..], &["--max-rows-per-second", "1000"]].concat();
        let mut call = start(test, &test.nodes()[2], &pattern, &slow);
        assert!(call.event(|line| line["event"] == "progress" && line["rows"].as_u64() > Some(300)).await.is_some());
        test.cluster().kill9(2);
        let ended = call.end(ENDING).await;
        assert_eq!(ended.code, Some(5), "{ended:?}");
        let ended = archive(test, &pattern, &own).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        test.cluster().heal().await.unwrap();
        let known = writers.stop().await;
        load_all(test, dir.path(), "kept").await;
        prove_purge::prove(test, ROWS, &known).await;
    };
    test.bounded(LIMIT, work).await;
}

/// A small file system; unmounted with its test.
struct Small(tempfile::TempDir);

impl Small {
    /// `None` for whoever may not mount, which is said as the runner counts it.
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        if mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", dir.path().to_str().unwrap()]) {
            return Some(Self(dir));
        }
        // Not by a macro: the test runner would keep the line to itself.
        drop(writeln!(std::io::stderr(), "\nSKIPPED: a_full_disk_keeps_the_rows: only root may mount a small disk"));
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0.path()).status());
    }
}

fn mount(args: &[&str]) -> bool {
    Command::new("mount").args(args).status().is_ok_and(|status| status.success())
}

#[tokio::test]
async fn a_full_disk_keeps_the_rows() {
    let test = shared().await;
    let work = async {
        const ROWS: u64 = 3_000;
        made(&test, ROWS).await;
        for end in ["ndjson", "parquet"] {
            let Some(disk) = Small::new("160k") else { return };
            let dir = disk.0.path();
            let pattern = format!("{}/x-{{n}}.{end}", dir.display());
            let own = ["--chunk-rows", "100"];
            let full = archive(&test, &pattern, &own).await;
            assert_eq!(full.code, Some(1), "{end}: {full:?}");
            assert!(told(&full).contains("free space there and run again"), "{end}: {full:?}");
            let left = count(&test, "t").await;
            assert!(left > 0 || end == "parquet", "{end}: {left} rows are left");
            assert!(mount(&["-o", "remount,size=8m", dir.to_str().unwrap()]));
            let ended = archive(&test, &pattern, &own).await;
            assert_eq!(ended.code, Some(0), "{end}: {ended:?}");
            assert_eq!(load_all(&test, dir, "back").await, ROWS, "{end}");
            assert_eq!(checksum(&test, "back").await, checksum(&test, "first").await, "{end}");
            let (source, first, back) = (test.table("t"), test.table("first"), test.table("back"));
            let again = [
                format!("TRUNCATE TABLE {}", back.quoted()),
                format!("INSERT INTO {} SELECT * FROM {}", source.quoted(), first.quoted()),
            ];
            test.plain(0).run(&[&again[0], &again[1]]).await;
        }
    };
    test.bounded(LIMIT, work).await;
}

/// The same text in other bytes is not what the file says that it has: the run stops, and what it has stays right.
#[tokio::test]
async fn another_character_set_meanwhile_stops_it() {
    let test = shared().await;
    let work = async {
        const ROWS: u64 = 2_000;
        made(&test, ROWS).await;
        let dir = tempfile::tempdir().unwrap();
        let pattern = format!("{}/x.csv", dir.path().display());
        let slow = ["--chunk-rows", "50", "--max-rows-per-second", "300"];
        let mut call = start(&test, &test.nodes()[0], &pattern, &slow);
        assert!(call.event(|line| line["event"] == "progress" && line["rows"].as_u64() > Some(100)).await.is_some());
        let alter = "MODIFY note VARCHAR(60) CHARACTER SET utf8mb4";
        test.plain(1).run(&[&format!("ALTER TABLE {} {alter}", test.table("t").quoted())]).await;
        let ended = call.end(ENDING).await;
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(told(&ended).contains("was altered while rows of"), "{ended:?}");
        let rows = load_all(&test, dir.path(), "back").await;
        assert_eq!(rows + count(&test, "t").await, ROWS);
        let same = format!(
            "SELECT COUNT(*) FROM {} b JOIN {} f ON b.id = f.id AND b.note <=> f.note AND b.raw = f.raw",
            test.table("back").quoted(),
            test.table("first").quoted()
        );
        assert_eq!(test.plain(0).run(&[&same]).await[0][0], rows.to_string());
        let taken = archive(&test, &pattern, &[]).await;
        assert_eq!(taken.code, Some(3), "{taken:?}");
    };
    test.bounded(LIMIT, work).await;
}

/// A signal ends it with whole files, and the same command goes on.
#[tokio::test]
async fn an_interrupt_completes_the_file() {
    let test = shared().await;
    let work = async {
        const ROWS: u64 = 1_000;
        made(&test, ROWS).await;
        let dir = tempfile::tempdir().unwrap();
        let pattern = format!("{}/x-{{n}}.ndjson.gz", dir.path().display());
        let slow = ["--chunk-rows", "50", "--max-rows-per-second", "300"];
        let mut call = start(&test, &test.nodes()[0], &pattern, &slow);
        assert!(call.event(|line| line["event"] == "progress" && line["rows"].as_u64() > Some(100)).await.is_some());
        call.interrupt();
        let ended = call.end(ENDING).await;
        assert_eq!(ended.code, Some(5), "{ended:?}");
        let rows = load_all(&test, dir.path(), "back").await;
        assert_eq!(rows + count(&test, "t").await, ROWS);
        test.plain(0).run(&[&format!("TRUNCATE TABLE {}", test.table("back").quoted())]).await;
        let ended = archive(&test, &pattern, &[]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(load_all(&test, dir.path(), "back").await, ROWS);
    };
    test.bounded(LIMIT, work).await;
}

/// Jobs that begin at the same moment, of different tables and one of the same, with one pattern in one directory.
#[tokio::test]
async fn jobs_share_a_directory() {
    let test = shared().await;
    let work = async {
        const ROWS: u64 = 400;
        made(&test, ROWS).await;
        let dir = tempfile::tempdir().unwrap();
        let pattern = format!("{}/x-{{n}}.csv.gz", dir.path().display());
        let jobs = dir.path().join("jobs.toml");
        let job =
            |table: &str| format!("[[job]]\ntable = '{}'\nwhere = '1=1'\nto-file = '{pattern}'\n", test.table(table));
        std::fs::write(&jobs, job("first")).unwrap();
        let node = &test.nodes()[0];
        let many = ["purge", jobs.to_str().unwrap(), "--yes"];
        let same = ["--if-running", "3", "--chunk-rows", "50"];
        let (one, other, third) = (
            Call::start(node, &many),
            start(&test, node, &pattern, &same),
            start(&test, &test.nodes()[1], &pattern, &same),
        );
        let ended = tokio::join!(one.end(ENDING), other.end(ENDING), third.end(ENDING));
        assert_eq!(ended.0.code, Some(0), "{ended:?}");
        let mut codes = [ended.1.code, ended.2.code];
        codes.sort_unstable();
        assert!(codes == [Some(0), Some(3)] || codes == [Some(0), Some(0)], "{ended:?}");
        std::fs::remove_file(&jobs).unwrap();
        let last = archive(&test, &pattern, &[]).await;
        assert_eq!(last.code, Some(0), "{last:?}");
        let (mut of_first, mut of_t) = (0, 0);
        for file in files(dir.path()) {
            let proof = verify(&test, &file, &[]).await;
            assert_eq!(proof.code, Some(0), "{proof:?}");
            let rows = proof.events[0]["rows"].as_u64().unwrap();
            let first = proof.events[0]["table"] == test.table("first").to_string();
            if first { of_first += rows } else { of_t += rows }
        }
        assert_eq!((of_first, of_t), (ROWS, ROWS));
    };
    test.bounded(LIMIT, work).await;
}
