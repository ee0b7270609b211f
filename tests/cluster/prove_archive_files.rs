//! `driftless archive --to-file` on a real cluster: rows leave, files prove themselves, rows come back; and the same with
//! kills in between.

use std::path::{Path, PathBuf};
use std::time::Duration;

use driftless::demo::Random;

use crate::support::{Call, Ended, TestCluster, shared, tell};

const LIMIT: Duration = Duration::from_secs(300);
const ENDING: Duration = Duration::from_secs(120);

async fn made(test: &TestCluster, rows: u64) {
    let (source, first, back) = (test.table("t").quoted(), test.table("first").quoted(), test.table("back").quoted());
    let statements = [
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

fn words(test: &TestCluster, pattern: &str, more: &[&str]) -> Vec<String> {
    let table = test.table("t").to_string();
    let own = ["archive", "--yes", "--table", &table, "--where", "1=1", "--to-file", pattern];
    own.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

fn start(test: &TestCluster, pattern: &str, more: &[&str]) -> Call {
    let words = words(test, pattern, more);
    Call::start(&test.nodes()[0], &words.iter().map(String::as_str).collect::<Vec<_>>())
}

async fn count(test: &TestCluster, table: &str) -> u64 {
    let select = format!("SELECT COUNT(*) FROM {}", test.table(table).quoted());
    test.plain(0).run(&[&select]).await[0][0].parse().unwrap()
}

async fn checksum(test: &TestCluster, table: &str) -> String {
    test.plain(0).run(&[&format!("CHECKSUM TABLE {}", test.table(table).quoted())]).await[0][1].clone()
}

/// The files of a directory that are no manifests.
fn files(dir: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = all.filter(|path| path.extension().is_none_or(|end| end != "manifest")).collect();
    files.sort();
    files
}

async fn verify(test: &TestCluster, file: &Path, more: &[&str]) -> Ended {
    tell(&test.nodes()[0], &[&["archive", "verify", file.to_str().unwrap()], more].concat()).await
}

async fn load(test: &TestCluster, file: &Path) -> (u64, u64) {
    let ended = verify(test, file, &["--load", "--into", &test.table("back").to_string()]).await;
    assert_eq!(ended.code, Some(0), "{}: {ended:?}", file.display());
    let number = |name: &str| ended.events[0][name].as_u64().unwrap();
    (number("inserted"), number("present"))
}

#[tokio::test]
async fn rows_go_into_files_and_come_back() {
    let test = shared().await;
    let work = async {
        made(&test, 2_000).await;
        let (source, first, back) =
            (test.table("t").quoted(), test.table("first").quoted(), test.table("back").quoted());
        for end in ["csv.zst", "ndjson", "sql.gz", "parquet"] {
            let dir = tempfile::tempdir().unwrap();
            let pattern = format!("{}/{{table}}-{{n}}.{end}", dir.path().display());
            let ended = start(&test, &pattern, &["--chunk-rows", "300", "--file-bytes", "20000"]).end(ENDING).await;
            assert_eq!(ended.code, Some(0), "{end}: {ended:?}");
            assert_eq!(count(&test, "t").await, 0, "{end}");
            let made = files(dir.path());
            assert!(made.len() > 1, "{end}: {made:?}");
            let mut rows = 0;
            for file in &made {
                let (inserted, present) = load(&test, file).await;
                assert_eq!(present, 0, "{end}");
                rows += inserted;
            }
            assert_eq!(rows, 2_000, "{end}");
            assert_eq!(checksum(&test, "back").await, checksum(&test, "first").await, "{end}");
            // A bit that was flipped is found.
            let mut bytes = std::fs::read(&made[0]).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&made[0], bytes).unwrap();
            let bent = verify(&test, &made[0], &[]).await;
            assert_eq!(bent.code, Some(4), "{end}: {bent:?}");
            let again = [format!("TRUNCATE TABLE {back}"), format!("INSERT INTO {source} SELECT * FROM {first}")];
            test.plain(0).run(&[&again[0], &again[1]]).await;
        }
    };
    test.bounded(LIMIT, work).await;
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
            let ended = start(&test, &pattern, &[]).end(ENDING).await;
            assert_eq!(ended.code, Some(code), "{pattern}: {ended:?}");
            assert!(ended.said.contains(says), "{pattern}: {ended:?}");
            assert_eq!(count(&test, "t").await, 50, "{pattern}");
        }
        let sized = start(&test, &format!("{here}/x.csv"), &["--file-bytes", "1000"]).end(ENDING).await;
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

/// Killed again and again while rows change between the runs: each row is in one file, once, in its last version.
#[tokio::test]
async fn kills_neither_lose_nor_double_rows() {
    let test = shared().await;
    let work = async {
        const ROWS: u64 = 3_000;
        made(&test, ROWS).await;
        let source = test.table("t").quoted();
        for (end, seed) in [("csv.zst", 7), ("parquet", 8)] {
            let dir = tempfile::tempdir().unwrap();
            let pattern = format!("{}/x-{{n}}.{end}", dir.path().display());
            let mut chance = Random::new(seed);
            let mut killed = 0;
            for round in 1..=10 {
                test.plain(0).insist(&format!("UPDATE {source} SET ver = {round}")).await;
                let mut call = start(&test, &pattern, &["--chunk-rows", "60", "--max-rows-per-second", "2000"]);
                tokio::time::sleep(Duration::from_millis(700 + chance.below(900))).await;
                call.kill9();
                killed += u64::from(call.end(ENDING).await.code.is_none());
            }
            let left = count(&test, "t").await;
            let ended = start(&test, &pattern, &[]).end(ENDING).await;
            assert_eq!(ended.code, Some(0), "{end}: {ended:?}");
            assert!(killed >= 5, "{end}: {killed} kills, {left} rows left for the last run");
            let mut rows = 0;
            for file in files(dir.path()) {
                let (inserted, present) = load(&test, &file).await;
                assert_eq!(present, 0, "{end}: {} has rows that another file has", file.display());
                rows += inserted;
            }
            assert_eq!((rows, count(&test, "back").await), (ROWS, ROWS), "{end}");
            let (first, back) = (test.table("first").quoted(), test.table("back").quoted());
            let again = [format!("TRUNCATE TABLE {back}"), format!("INSERT INTO {source} SELECT * FROM {first}")];
            test.plain(0).run(&[&again[0], &again[1]]).await;
        }
    };
    test.bounded(LIMIT, work).await;
}
