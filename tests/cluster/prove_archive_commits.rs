//! `driftless archive --to-file` when a COMMIT or its answer is lost, or the program dies at it: what stands in a file is
//! neither cut off nor kept on a guess.

use std::path::Path;
use std::time::Duration;

use driftless::sql::Sql;
use driftless_strategies::TableName;

use crate::commits::{Commit, Relay};
use crate::prove_archive_files::{ENDING, archive, count, files, load_all, made, start, told, verify};
use crate::support::{Call, TestCluster, mysql, shared, tell};

const LIMIT: Duration = Duration::from_secs(300);
const ROWS: u64 = 600;
const BATCHES: [&str; 4] = ["--chunk-rows", "50", "--chunk-time", "10s"];

fn pattern(dir: &Path) -> String {
    format!("{}/x-{{n}}.csv.zst", dir.display())
}

/// Archives through a relay until a COMMIT waits, and kills the program there.
async fn killed_at(test: &TestCluster, commit: Commit, pattern: &str) {
    let mut relay = Relay::start(&test.nodes()[0], &[Commit::Passes, Commit::Passes, commit]).await;
    let flags: Vec<&str> = relay.flags.iter().map(String::as_str).collect();
    let mut call = start(test, &relay.node, pattern, &[&BATCHES[..], &flags].concat());
    let waits = tokio::time::timeout(ENDING, relay.waits()).await;
    call.kill9();
    let ended = call.end(ENDING).await;
    assert!(waits.is_ok() && ended.code.is_none(), "{ended:?}");
}

/// Rows that are left become others, so that a version tells when it was archived.
async fn change(test: &TestCluster) {
    let update = format!("UPDATE {} SET ver = ver + 1", test.table("t").quoted());
    test.plain(1).run(&["SET SESSION wsrep_sync_wait = 15", &update]).await;
}

async fn loaded(test: &TestCluster, version: u64) -> u64 {
    let select = format!("SELECT COUNT(*) FROM {} WHERE ver = {version}", test.table("back").quoted());
    test.plain(0).run(&[&select]).await[0][0].parse().unwrap()
}

#[tokio::test]
async fn lost_answers_are_asked_for() {
    let test = shared().await;
    let work = async {
        made(&test, ROWS).await;
        let dir = tempfile::tempdir().unwrap();
        let fates = [Commit::Passes, Commit::LosesItsAnswer, Commit::IsLost, Commit::IsLost, Commit::LosesItsAnswer];
        let relay = Relay::start(&test.nodes()[0], &fates.repeat(2)).await;
        let flags: Vec<&str> = relay.flags.iter().map(String::as_str).collect();
        let ended = start(&test, &relay.node, &pattern(dir.path()), &[&BATCHES[..], &flags].concat()).end(ENDING).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(relay.is_over(), "some COMMITs did not come");
        assert_eq!((count(&test, "t").await, load_all(&test, dir.path(), "back").await), (0, ROWS));
    };
    test.bounded(LIMIT, work).await;
}

/// Killed with a batch in the file whose delete never came to be: those rows, changed since, are archived by a run into
/// another directory. The first file, put in order later, must not have them too.
#[tokio::test]
async fn a_batch_that_was_never_deleted_goes_whatever_came_after() {
    let test = shared().await;
    let work = async {
        made(&test, ROWS).await;
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        killed_at(&test, Commit::Waits, &pattern(one.path())).await;
        assert_eq!(count(&test, "t").await, ROWS - 100);
        let open = verify(&test, Path::new(&format!("{}/x-1.csv.zst", one.path().display())), &[]).await;
        assert_eq!(open.code, Some(4), "{open:?}");
        assert!(open.said.contains("not complete"), "{open:?}");
        change(&test).await;
        let ended = archive(&test, &pattern(other.path()), &BATCHES).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let ended = archive(&test, &pattern(one.path()), &BATCHES).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(load_all(&test, one.path(), "back").await, 100);
        assert_eq!(load_all(&test, other.path(), "back").await, ROWS - 100);
        assert_eq!((loaded(&test, 0).await, loaded(&test, 1).await), (100, ROWS - 100));
    };
    test.bounded(LIMIT, work).await;
}

/// Killed with a batch in the file whose delete is committed and not noted: it must stay.
#[tokio::test]
async fn a_batch_that_was_deleted_stays_whatever_came_after() {
    let test = shared().await;
    let work = async {
        made(&test, ROWS).await;
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        killed_at(&test, Commit::WaitsForItsAnswer, &pattern(one.path())).await;
        assert_eq!(count(&test, "t").await, ROWS - 150);
        change(&test).await;
        for dir in [&other, &one] {
            let ended = archive(&test, &pattern(dir.path()), &BATCHES).await;
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
        assert_eq!(load_all(&test, one.path(), "back").await, 150);
        assert_eq!(load_all(&test, other.path(), "back").await, ROWS - 150);
        assert_eq!((loaded(&test, 0).await, loaded(&test, 1).await), (150, ROWS - 150));
    };
    test.bounded(LIMIT, work).await;
}

/// A name that is for one run: the next one completes the file, and deletes nothing.
#[tokio::test]
async fn a_name_without_a_number_is_for_one_run() {
    let test = shared().await;
    let work = async {
        made(&test, ROWS).await;
        let dir = tempfile::tempdir().unwrap();
        let name = format!("{}/x.csv", dir.path().display());
        killed_at(&test, Commit::Waits, &name).await;
        let ended = archive(&test, &name, &BATCHES).await;
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(ended.said.contains("never overwritten"), "{ended:?}");
        assert_eq!((load_all(&test, dir.path(), "back").await, count(&test, "t").await), (100, ROWS - 100));
    };
    test.bounded(LIMIT, work).await;
}

/// A journal that never heard of the run can't say what became of its last batch: nothing is cut off, nothing deleted.
#[tokio::test]
async fn an_unknown_run_is_left_alone() {
    let test = shared().await;
    let work = async {
        made(&test, ROWS).await;
        let dir = tempfile::tempdir().unwrap();
        killed_at(&test, Commit::WaitsForItsAnswer, &pattern(dir.path())).await;
        let forget = format!("DELETE FROM driftless.purge_file WHERE source = '{}'", test.table("t").quoted());
        test.plain(0).run(&[&forget]).await;
        let stands = files(dir.path());
        let bytes = std::fs::read(&stands[0]).unwrap();
        let ended = archive(&test, &pattern(dir.path()), &BATCHES).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(told(&ended).contains("knows nothing of the run that wrote it"), "{ended:?}");
        assert_eq!((files(dir.path()), std::fs::read(&stands[0]).unwrap()), (stands, bytes));
        assert_eq!(count(&test, "t").await, ROWS - 150);
    };
    test.bounded(LIMIT, work).await;
}

/// A batch that is in the file waits, is given up and is tried again, while another node changes its rows: the file has
/// them as they are when they are deleted.
#[tokio::test]
async fn rows_that_change_while_a_batch_waits_are_taken_again() {
    let test = shared().await;
    let work = async {
        made(&test, ROWS).await;
        let dir = tempfile::tempdir().unwrap();
        let slow = ["--chunk-rows", "50", "--max-rows-per-second", "200"];
        let mut call = start(&test, &test.nodes()[0], &pattern(dir.path()), &slow);
        assert!(call.event(|line| line["event"] == "progress" && line["rows"].as_u64() > Some(50)).await.is_some());
        let mut holder = test.servers()[0].connect().await.unwrap();
        let mark =
            format!("SELECT 1 FROM driftless.purge_mark WHERE source = '{}' FOR UPDATE", test.table("t").quoted());
        holder.execute(&Sql::new("START TRANSACTION")).await.unwrap();
        holder.query(&Sql::new("").trusted(&mark)).await.unwrap();
        // Long enough that the next batch is in the file and waits for its mark.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let (mut changed, mut other) = (None, test.servers()[1].connect().await.unwrap());
        let update = format!("UPDATE {} SET ver = 1", test.table("t").quoted());
        while changed.is_none() {
            changed = other.execute(&Sql::new("").trusted(&update)).await.ok().map(|done| done.affected);
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        holder.execute(&Sql::new("ROLLBACK")).await.unwrap();
        let ended = call.end(ENDING).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let changed = changed.unwrap_or_default();
        assert!((50..ROWS).contains(&changed), "{changed} rows were changed");
        assert_eq!(load_all(&test, dir.path(), "back").await, ROWS);
        assert_eq!((loaded(&test, 0).await, loaded(&test, 1).await), (ROWS - changed, changed));
    };
    test.bounded(LIMIT, work).await;
}

/// Its lease runs out while a COMMIT waits, and another process archives the same rows into another directory: the first
/// can't commit any more, and does not judge its last batch itself.
#[tokio::test]
async fn who_lost_the_lease_judges_nothing() {
    let test = shared().await;
    let work = async {
        made(&test, ROWS).await;
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut relay = Relay::start(&test.nodes()[0], &[Commit::Passes, Commit::Passes, Commit::Waits]).await;
        let flags: Vec<&str> = relay.flags.iter().map(String::as_str).collect();
        let call = start(&test, &relay.node, &pattern(one.path()), &[&BATCHES[..], &flags].concat());
        relay.waits().await;
        let source = test.table("t").quoted();
        let expire =
            format!("UPDATE driftless.purge SET lease_until = '1971-01-01', beats = 0 WHERE source = '{source}'");
        let call_second = loop {
            test.plain(1).insist(&expire).await;
            let ended =
                start(&test, &test.nodes()[1], &pattern(other.path()), &["--if-running", "3"]).end(ENDING).await;
            if ended.code != Some(3) {
                break ended;
            }
        };
        assert_eq!(call_second.code, Some(0), "{call_second:?}");
        relay.breaks();
        let first = call.end(ENDING).await;
        assert_eq!(first.code, Some(5), "{first:?}");
        assert_eq!(files(one.path()).len(), 1, "its file is not complete");
        let ended = archive(&test, &pattern(one.path()), &BATCHES).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(load_all(&test, one.path(), "back").await, 100);
        assert_eq!(load_all(&test, other.path(), "back").await, ROWS - 100);
    };
    test.bounded(LIMIT, work).await;
}

/// The same program with MySQL, whose sessions, lists of keys and catalog are others.
#[tokio::test]
async fn rows_of_mysql_go_into_files_and_come_back() {
    let Some(test) = mysql().await else { return };
    let (source, back) = (test.table("t"), test.table("back"));
    let plain = test.plain();
    let rows =
        (1..=300).map(|id| format!("({id}, 'é{id}', '{{\"a\": {id}}}', {id} / 7)")).collect::<Vec<_>>().join(",");
    let statements = [
        format!("CREATE TABLE {} (id INT PRIMARY KEY, note VARCHAR(30), doc JSON, d DOUBLE)", source.quoted()),
        format!("CREATE TABLE {} LIKE {}", back.quoted(), source.quoted()),
        format!("INSERT INTO {} VALUES {rows}", source.quoted()),
    ];
    plain.run(&statements.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let sum = |table: &TableName| format!("CHECKSUM TABLE {}", table.quoted());
    let before = plain.run(&[&sum(&source)]).await[0][1].clone();
    let dir = tempfile::tempdir().unwrap();
    for (end, condition) in [("csv.gz", "id <= 100"), ("parquet", "id <= 200"), ("sql.zst", "1=1")] {
        let pattern = format!("{}/x-{{n}}.{end}", dir.path().display());
        let words = ["archive", "--yes", "--table", &source.to_string(), "--to-file", &pattern, "--where", condition];
        let ended = Call::start(&test.node(), &[&words[..], &["--chunk-rows", "40"]].concat()).end(ENDING).await;
        assert_eq!(ended.code, Some(0), "{end}: {ended:?}");
    }
    for file in files(dir.path()) {
        let words = ["archive", "verify", file.to_str().unwrap(), "--load", "--into", &back.to_string()];
        let ended = tell(&test.node(), &words).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.events[0]["inserted"], 100, "{ended:?}");
    }
    assert_eq!(plain.run(&[&sum(&back)]).await[0][1], before);
}
