//! The demo's data, writers and proof, and that the proof can fail.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftless::demo::{
    Afterwards, Connect, DemoError, Install, Migration, Mix, Note, Options, Parts, Spec, Stage, Workload, Writers,
    load, orders, prove, run,
};
use driftless::error::Fault;
use driftless::ports::clock::Clock;
use driftless::sql;

use crate::support::{PlainConnect, PlainServer, RealClock, exclusive, shared};

const MINUTES: Duration = Duration::from_secs(180);

fn clock() -> Arc<dyn Clock> {
    Arc::new(RealClock::new())
}

/// Deletes, key changes and transactions at full speed.
fn rough() -> Workload {
    let mix = Mix { insert: 3, update: 3, delete: 3, rekey: 3, transactions: 50 };
    Workload { writers_per_node: 2, rate: None, mix, seed: 11, deadline: Duration::from_secs(20) }
}

/// Waits until that many more operations are acknowledged.
async fn written(writers: &Writers, more: u64) {
    let wanted = writers.acknowledged() + more;
    while writers.acknowledged() < wanted {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_untouched_table_is_proven_after_hard_writing() {
    let test = shared().await;
    let work = async {
        let servers = test.servers();
        let loaded = load(servers[0].as_ref(), &test.table("orders"), 50_000).await.unwrap();
        let writers = Writers::start(&servers, &loaded, &rough(), &clock());
        written(&writers, 1_000).await;
        writers.next_lap();
        written(&writers, 300).await;
        let (laps, ledger) = writers.stop().await.unwrap();
        assert_eq!(laps.len(), 2);
        assert!(laps.iter().all(|lap| lap.operations > 100 && lap.surprises.is_empty()), "{laps:?}");
        assert!(laps[0].latencies.count() > laps[0].operations, "transactions have several statements");
        let proof = prove(&servers, &loaded.table, &ledger).await.unwrap();
        assert!(proof.holds(), "{proof:?}");
        assert!(proof.acknowledged > 500 && proof.nodes.len() == 3, "{proof:?}");
        assert_ne!(proof.nodes[0].rows, 50_000, "inserts and deletes don't cancel out by chance");
    };
    test.bounded(MINUTES, work).await;
}

#[tokio::test]
async fn the_proof_sees_every_kind_of_damage() {
    let test = shared().await;
    let servers = test.servers();
    let table = test.table("orders");
    let loaded = load(servers[0].as_ref(), &table, 20_000).await.unwrap();
    let workload = Workload { rate: Some(200), ..rough() };
    let writers = Writers::start(&servers, &loaded, &workload, &clock());
    test.bounded(MINUTES, written(&writers, 300)).await;
    let (_, ledger) = writers.stop().await.unwrap();
    let quoted = table.quoted();
    //  damage, undone by                                          on one node only   why
    let cases = [
        ("DELETE FROM {t} WHERE revision = 0 LIMIT 1", false, "an untouched row is lost"),
        ("DELETE FROM {t} WHERE revision > 0 LIMIT 1", false, "a written row is lost"),
        (
            "INSERT INTO {t} SELECT 900001, 0, customer, status, total, placed_at, reference, note, payload, weight FROM {t} LIMIT 1",
            false,
            "a row is invented",
        ),
        ("UPDATE {t} SET note = 'x' WHERE revision = 0 LIMIT 1", false, "a value is changed"),
        ("UPDATE {t} SET reference = UPPER(reference) LIMIT 1", false, "only the case is changed"),
        ("UPDATE {t} SET payload = CONCAT(payload, x'00') LIMIT 1", true, "one node differs in one byte"),
        ("ALTER TABLE {t} ADD COLUMN extra INT", true, "one node has another column"),
    ];
    for (damage, one_node, why) in cases {
        let statement = damage.replace("{t}", &quoted);
        let keep = [
            format!("CREATE TABLE {quoted}_keep LIKE {quoted}"),
            format!("INSERT INTO {quoted}_keep SELECT * FROM {quoted}"),
        ];
        let keep = keep.map(|sql| sql.replace("`_keep", "_keep`"));
        test.plain(0).run(&[&keep[0], &keep[1]]).await;
        assert!(prove(&servers, &table, &ledger).await.unwrap().holds(), "before: {why}");
        let apart = if one_node { "SET SESSION wsrep_on = OFF" } else { "DO 0" };
        test.plain(2).run(&[apart, &statement]).await;
        let proof = prove(&servers, &table, &ledger).await.unwrap();
        assert!(!proof.holds(), "{why}");
        assert_eq!(proof.nodes_equal(), !one_node, "{why}: {proof:?}");
        let back = format!("{quoted}_keep").replace("`_keep", "_keep`");
        if one_node {
            test.plain(2)
                .run(&[
                    apart,
                    &format!("DROP TABLE {quoted}"),
                    &format!("CREATE TABLE {quoted} LIKE {back}"),
                    &format!("INSERT INTO {quoted} SELECT * FROM {back}"),
                ])
                .await;
            test.plain(0).run(&[&format!("DROP TABLE {back}")]).await;
        } else {
            test.plain(0).run(&[&format!("DROP TABLE {quoted}"), &format!("RENAME TABLE {back} TO {quoted}")]).await;
        }
    }
}

#[tokio::test]
async fn writers_outlive_a_killed_node_and_the_ledger_stays_true() {
    let alone = exclusive().await;
    let test = &alone.test;
    let work = async {
        let servers = test.servers();
        let loaded = load(servers[0].as_ref(), &test.table("orders"), 20_000).await.unwrap();
        let workload = Workload { deadline: Duration::from_secs(10), ..rough() };
        let writers = Writers::start(&servers, &loaded, &workload, &clock());
        tokio::time::sleep(Duration::from_secs(2)).await;
        test.cluster().kill9(2);
        tokio::time::sleep(Duration::from_secs(8)).await;
        test.cluster().restart(2).await.unwrap();
        let before = writers.acknowledged();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(writers.acknowledged() > before, "writing goes on");
        let (laps, ledger) = writers.stop().await.unwrap();
        assert!(laps[0].errors.contains_key(&0), "the lost connections are counted: {:?}", laps[0].errors);
        assert!(laps[0].surprises.is_empty(), "{:?}", laps[0].surprises);
        let proof = prove(&servers, &loaded.table, &ledger).await.unwrap();
        assert!(proof.holds(), "{proof:?}");
    };
    test.bounded(MINUTES, work).await;
}

/// The server's own ALTER: one total-order statement.
struct NativeAlter;

#[async_trait::async_trait]
impl Migration for NativeAlter {
    async fn migrate(&self, stage: &Stage) -> Result<(), Fault> {
        let mut session = PlainConnect.server(&stage.nodes[0]).connect().await?;
        let alter = sql::Sql::new("ALTER TABLE ").table(&stage.table).text(" ").trusted(&stage.alter);
        session.execute(&alter).await?;
        Ok(())
    }
}

struct Refusing;

#[async_trait::async_trait]
impl Migration for Refusing {
    async fn migrate(&self, _: &Stage) -> Result<(), Fault> {
        Err(Fault::Failed("not today".to_owned()))
    }
}

fn options(parent: &std::path::Path) -> Options {
    Options {
        install: Install::No,
        afterwards: Afterwards::Remove,
        spec: Spec { parent: parent.to_owned(), ..Spec::galera(3) },
        table: orders().unwrap(),
        rows: 200_000,
        workload: Workload::default(),
        warm_up: Duration::from_secs(3),
        alter: sql::demo::ALTER.to_owned(),
    }
}

fn parent() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    parent
}

#[tokio::test]
async fn the_whole_demo_proves_and_leaves_nothing() {
    // Three more servers on a small machine: not beside tests that measure or disturb.
    let _alone = exclusive().await;
    let parent = parent();
    let notes = Mutex::new(Vec::new());
    let take = |note: &Note| notes.lock().unwrap().push(note.to_string());
    let parts = Parts { connect: &PlainConnect, clock: clock(), migration: &NativeAlter, notes: &take };
    let options = options(parent.path());
    let outcome = tokio::time::timeout(MINUTES, run(&options, &parts)).await.expect("in time").unwrap();
    assert!(outcome.good(), "{outcome:?}");
    assert!(outcome.before.operations > 50 && outcome.during.operations > 0, "{outcome:?}");
    assert!(outcome.proof.nodes[2].columns.contains(&"channel".to_owned()), "the change is made everywhere");
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "nothing is left");
    assert_eq!(notes.lock().unwrap().len(), 7, "{notes:?}");
}

#[tokio::test]
async fn a_failed_migration_is_told_with_the_proof_and_leaves_nothing() {
    let _alone = exclusive().await;
    let parent = parent();
    let parts = Parts { connect: &PlainConnect, clock: clock(), migration: &Refusing, notes: &|_| {} };
    let options = Options { rows: 1_000, warm_up: Duration::from_millis(200), ..options(parent.path()) };
    let outcome = tokio::time::timeout(MINUTES, run(&options, &parts)).await.expect("in time").unwrap();
    assert!(!outcome.good() && outcome.proof.holds());
    assert!(matches!(&outcome.migrated, Err(DemoError::Migration(fault)) if fault.to_string() == "not today"));
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "nothing is left");
}

#[tokio::test]
async fn a_kept_cluster_answers_until_its_script_is_run() {
    let _alone = exclusive().await;
    let parent = parent();
    let notes = Mutex::new(Vec::new());
    let take = |note: &Note| notes.lock().unwrap().push(note.to_string());
    let parts = Parts { connect: &PlainConnect, clock: clock(), migration: &Refusing, notes: &take };
    let options = Options {
        rows: 1_000,
        warm_up: Duration::from_millis(200),
        afterwards: Afterwards::Keep,
        spec: Spec { parent: parent.path().to_owned(), ..Spec::galera(2) },
        ..options(parent.path())
    };
    let outcome = tokio::time::timeout(MINUTES, run(&options, &parts)).await.expect("in time").unwrap();
    let kept = outcome.kept.unwrap();
    let last = notes.lock().unwrap().last().unwrap().clone();
    for node in &kept.nodes {
        assert_eq!(PlainServer::new(node.port).run(&["SELECT COUNT(*) > 0 FROM shop.orders"]).await, [["1"]]);
        assert!(last.contains(&format!("--port={}", node.port)), "how to connect is said: {last}");
    }
    let stop = last.lines().last().unwrap().strip_prefix("stop and remove: ").unwrap();
    assert!(Command::new("sh").args(["-c", stop]).status().unwrap().success(), "{stop}");
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "nothing is left");
    for node in &kept.nodes {
        assert!(!std::path::Path::new(&format!("/proc/{}", node.pid)).exists() || zombie(node.pid), "{node:?}");
    }
}

/// Ended, and not yet collected by whoever inherited it.
fn zombie(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default().contains(") Z ")
}

/// This test runs itself in another process, which gets what Ctrl-C sends.
#[tokio::test]
async fn an_interrupted_demo_leaves_nothing() {
    const CHILD: &str = "DRIFTLESS_TEST_INTERRUPTED_DEMO";
    if let Ok(parent) = std::env::var(CHILD) {
        let up = std::path::Path::new(&parent).join("up");
        let take = |note: &Note| {
            if matches!(note, Note::Writing { .. }) {
                std::fs::write(&up, "").unwrap();
            }
        };
        let parts = Parts { connect: &PlainConnect, clock: clock(), migration: &Refusing, notes: &take };
        let options = Options {
            rows: 1_000,
            warm_up: MINUTES,
            afterwards: Afterwards::Keep,
            spec: Spec { parent: parent.clone().into(), ..Spec::galera(2) },
            ..options(parent.as_ref())
        };
        let ended = run(&options, &parts).await.unwrap_err();
        assert!(matches!(ended, DemoError::Interrupted), "{ended}");
        return;
    }
    let _alone = exclusive().await;
    let parent = parent();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "demo::an_interrupted_demo_leaves_nothing"])
        .env(CHILD, parent.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let up = parent.path().join("up");
    for _ in 0..600 {
        if up.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    std::fs::remove_file(&up).expect("the demo writes within a minute");
    let sent = Command::new("sh").args(["-c", r#"kill -s INT "$0""#, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert!(child.wait().unwrap().success(), "the demo ends as interrupted");
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "nothing is left, though it was to be kept");
}
