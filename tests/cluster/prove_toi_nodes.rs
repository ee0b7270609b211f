//! One ALTER in total order while a node is other than the rest, fails alone, or the cluster is another one.

use std::time::Duration;

use crate::child::{Snapshot, preferred, prepare};
use crate::prove_toi::{ALL, BUSY, RUN, columns, done};
use crate::support::{Call, exclusive, job_on, resume, tell};

const LIMIT: Duration = Duration::from_secs(280);
const APART: &str = "SET SESSION wsrep_on = OFF";

/// A node got the column under the same name in another type: the ordered ALTER would fail there and nowhere else, and
/// all three would still say Synced.
#[tokio::test]
async fn drift_on_one_node_is_refused() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        prepare(test, &["CREATE TABLE t (id INT PRIMARY KEY, c CHAR(4))", "INSERT INTO t VALUES (1, 'a')"]).await;
        let table = test.table("t").quoted();
        test.plain(2).run(&["SET SESSION wsrep_OSU_method = RSU", &format!("ALTER TABLE {table} ADD d INT")]).await;
        test.cluster().wait_synced(Duration::from_secs(60)).await.unwrap();
        let before = Snapshot::of(test, &ALL).await;
        let args = ["--yes", "--table", &table, "--alter", "ADD d VARCHAR(10)"];
        preferred(test, "run", &args).await.must(3, &["schema-drift", "n3"], "one node has it already");
        assert_eq!(Snapshot::of(test, &ALL).await, before, "something changed");
        test.plain(2).run(&[APART, &format!("ALTER TABLE {table} DROP d")]).await;
    };
    test.bounded(LIMIT, work).await;
}

/// A full-text key that came and went on one node has left a hidden column there, which no catalog shows and with which
/// the server changes nothing at once.
#[tokio::test]
async fn a_node_that_fails_alone_is_told_with_what_each_has() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        prepare(test, &["CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(10))", "INSERT INTO t VALUES (1, 'x')"]).await;
        let (name, table) = (test.table("t").to_string(), test.table("t").quoted());
        let (add, drop) =
            (format!("ALTER TABLE {table} ADD FULLTEXT KEY f (v)"), format!("ALTER TABLE {table} DROP KEY f"));
        test.plain(2).run(&[APART, &add, &drop]).await;
        let ended = Call::preferred(&test.nodes()[0], &name, "ADD COLUMN z INT", &BUSY).end(RUN).await;
        let says = ["the nodes differ", "n1: is changed", "n2: is changed", "n3: is as it was"];
        done(&ended, 4, &says, "n3 failed alone");
        assert_eq!(
            columns(test, "t").await,
            ["id int(11),v varchar(10),z int(11)"; 2]
                .into_iter()
                .chain(["id int(11),v varchar(10)"])
                .collect::<Vec<_>>()
        );
        let job = job_on(&test.nodes()[1], &name).await.expect("the job is not over");
        let again = resume(&test.nodes()[1], &job, &BUSY).end(RUN).await;
        done(&again, 4, &says, "resumed");
        let aborted = tell(&test.nodes()[1], &["abort", &job]).await;
        assert_eq!(aborted.code, Some(4), "{aborted:?}");
        assert!(aborted.said.contains("the nodes differ"), "{}", aborted.said);
        // Somebody makes them equal.
        test.plain(2).run(&[APART, &format!("ALTER TABLE {table} ADD COLUMN z INT")]).await;
        let again = resume(&test.nodes()[1], &job, &BUSY).end(RUN).await;
        done(&again, 0, &["proven equal"], "made equal by hand");
        assert_eq!(job_on(&test.nodes()[1], &name).await, None);
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_plan_is_void_when_the_cluster_is_another() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        prepare(test, &["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"]).await;
        let dir = tempfile::tempdir().unwrap();
        let (table, file) = (test.table("t").quoted(), dir.path().join("plan.json"));
        let file = file.to_str().unwrap();
        let args = ["--table", &table, "--alter", "ADD COLUMN z INT", "--out", file];
        preferred(test, "plan", &args).await.must(0, &["toi"], "a plan");
        let saved = std::fs::read_to_string(file).unwrap();
        assert!(saved.contains("\"format\": 2") && saved.contains("\"direct\""), "{saved}");
        let before = columns(test, "t").await;
        test.cluster().kill9(2);
        test.cluster().wait_synced(Duration::from_secs(60)).await.unwrap();
        test.cluster().restart(2).await.unwrap();
        preferred(test, "run", &[file, "--yes"]).await.must(3, &["plan-stale", "epoch"], "another view");
        assert_eq!(columns(test, "t").await, before);
        preferred(test, "plan", &args).await.must(0, &["toi"], "a new plan");
        preferred(test, "run", &[file, "--yes"]).await.must(0, &["proven equal"], "and then it works");
    };
    test.bounded(LIMIT, work).await;
}

/// The ALTER waits on one node for a lock that came at the last moment, and that node dies.
#[tokio::test]
async fn a_node_that_dies_under_the_alter_stops_the_job() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        prepare(test, &["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"]).await;
        let name = test.table("t").to_string();
        let mut call = Call::preferred(&test.nodes()[0], &name, "ADD COLUMN z INT", &BUSY);
        assert!(call.entered("altering").await);
        test.cluster().kill9(2);
        let ended = call.end(RUN).await;
        let told = ended.last("ended").unwrap().to_string();
        eprintln!("killed under it: {:?} {told}", ended.code);
        assert!(matches!(ended.code, Some(0 | 3 | 5)), "{told} {}", ended.said);
        test.cluster().restart(2).await.unwrap();
        if ended.code == Some(5) {
            let job = job_on(&test.nodes()[1], &name).await.expect("the job waits");
            let again = resume(&test.nodes()[1], &job, &BUSY).end(RUN).await;
            done(&again, 0, &["proven equal"], "resumed");
        }
        let all = columns(test, "t").await;
        assert!(all.iter().all(|node| *node == all[0]), "{all:?}");
        assert_eq!(all[0].contains("z int"), ended.code != Some(3), "{all:?}");
    };
    test.bounded(LIMIT, work).await;
}
