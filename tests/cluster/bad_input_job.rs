//! Jobs, saved plans and plan files that can't be carried out as asked.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::child::{Snapshot, jobs, on, prepare, program, to};
use crate::support::{TestCluster, shared};

const ALL: [usize; 3] = [0, 1, 2];

async fn made() -> TestCluster {
    let test = shared().await;
    prepare(
        &test,
        &[
            "CREATE TABLE t (id INT PRIMARY KEY, a INT)",
            "INSERT INTO t SELECT seq, seq FROM seq_1_to_500",
            "CREATE TABLE other (id INT PRIMARY KEY)",
        ],
    )
    .await;
    test
}

async fn saved_plan(test: &TestCluster, file: &Path) -> Value {
    let table = test.table("t").quoted();
    let args = ["--table", &table, "--alter", "ADD d INT", "--out", file.to_str().unwrap()];
    on(test, "plan", &args).await.must(0, &["trigger-copy"], "a plan is saved");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[tokio::test]
async fn a_saved_plan_is_run_only_while_it_is_true() {
    let test = made().await;
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (dir.path().join("plan.json"), dir.path().join("bad.json"));
    let plan = saved_plan(&test, &good).await;
    let before = Snapshot::of(&test, &ALL).await;
    let set = |pointer: &str, value: Value| {
        let mut plan = plan.clone();
        *plan.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        plan.to_string()
    };
    let with = |pointer: &str, key: &str| {
        let mut plan = plan.clone();
        plan.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert(key.into(), 1.into());
        plan.to_string()
    };
    let mut short = plan.clone();
    short.as_object_mut().unwrap().remove("steps");
    let epoch = plan["epoch"].as_u64().unwrap();
    //  file                                              exit  says
    let cases: [(String, i32, &[&str]); 15] = [
        (set("/fingerprint", "0123".into()), 3, &["plan-stale", "the table's fingerprint changed", "make a new plan"]),
        (set("/epoch", (epoch - 1).into()), 3, &["plan-stale", "the cluster's view (epoch)"]),
        (set("/cluster", "00000000-0000-0000-0000-000000000000".into()), 3, &["plan-stale", "the cluster"]),
        (set("/nodes/1/identity", "x".into()), 3, &["plan-stale", "the nodes"]),
        (set("/alter", "DROP COLUMN a".into()), 3, &["plan-stale", "the steps"]),
        (set("/copy/shadow/table", "evil".into()), 3, &["plan-stale", "names of the copy"]),
        (set("/table/table", "other".into()), 3, &["plan-stale"]),
        (set("/table/table", "nowhere".into()), 3, &["table-missing"]),
        (set("/options/max_stall_ms", "5 parsecs".into()), 2, &["can't be read", "5 parsecs", "plan again"]),
        (set("/format", 999.into()), 2, &["can't be read", "newer"]),
        (with("", "chunk_tme"), 2, &["can't be read", "unknown field `chunk_tme`"]),
        (with("/options", "max_stal"), 2, &["can't be read", "unknown field `max_stal`"]),
        (short.to_string(), 2, &["can't be read", "missing field `steps`"]),
        ("not a plan".into(), 2, &["can't be read", "it is not a plan of driftless"]),
        (String::new(), 2, &["can't be read", "it is not a plan of driftless"]),
    ];
    let file = bad.to_str().unwrap();
    for (text, code, says) in cases {
        std::fs::write(&bad, &text).unwrap();
        let ran = on(&test, "run", &[file, "--yes"]).await;
        ran.must(code, says, &text);
        assert_eq!(Snapshot::of(&test, &ALL).await, before, "{says:?}: something changed");
    }
    on(&test, "run", &["/nowhere/plan.json", "--yes"]).await.must(
        2,
        &["/nowhere/plan.json", "No such file"],
        "no file",
    );
    prepare(&test, &["ALTER TABLE t COMMENT 'moved on'"]).await;
    let run = on(&test, "run", &[good.to_str().unwrap(), "--yes"]).await;
    run.must(3, &["plan-stale", "the table's fingerprint"], "the table has changed since");
    saved_plan(&test, &good).await;
    on(&test, "run", &[good.to_str().unwrap(), "--yes"]).await.must(0, &["proven equal"], "a true plan is run");
}

#[tokio::test]
async fn plan_files_are_judged_whole_before_anything_is_begun() {
    let test = made().await;
    let dir = tempfile::tempdir().unwrap();
    let (path, table) = (dir.path().join("jobs.toml"), test.table("t"));
    let first = format!("[[change]]\ntable = '{table}'\nalter = 'ADD d INT'\n");
    let before = Snapshot::of(&test, &ALL).await;
    //  the second change                                           says
    let cases: [(&str, &[&str]); 12] = [
        ("alter = 'FORCE'", &["--table is missing"]),
        ("table = 'no'\nalter = 'FORCE'", &["schema.table"]),
        ("table = 'a.b'\nalter = 'ADD COLUMN (c INT'", &["never closed"]),
        ("alter = 'FORCE'\nchunk-tme = '1s'", &["change 2", "unknown field `chunk-tme`"]),
        ("alter = 'FORCE'\nchunk-time = '1 parsec'", &["change 2", "parsec", "150ms, 3s, 5m or 1h"]),
        ("alter = 'FORCE'\nworkers = 0", &["--workers", "1 to 64"]),
        ("alter = 'FORCE'\nchunk-rows = 0", &["--chunk-rows"]),
        ("alter = 'FORCE'\nmax-load = ['Threads_running']", &["--max-load", "variable>number"]),
        ("alter = 'FORCE'\nmax-flow-control-paused = 7.0", &["--max-flow-control-paused"]),
        ("alter = 'FORCE'\nstrategy = 'magic'", &["change 2", "magic"]),
        ("table = 'a.b'", &["change 2", "missing field `alter`"]),
        ("alter = ", &["jobs.toml"]),
    ];
    for (second, says) in cases {
        std::fs::write(&path, format!("{first}[[change]]\n{second}\n")).unwrap();
        on(&test, "run", &[path.to_str().unwrap(), "--yes"]).await.must(2, says, second);
        assert_eq!(Snapshot::of(&test, &ALL).await, before, "{second}: something changed");
    }
}

#[tokio::test]
async fn flags_are_judged_before_a_job_is_begun() {
    let test = made().await;
    let before = Snapshot::of(&test, &ALL).await;
    let table = test.table("t").quoted();
    //  flags                                   exit  says
    let cases: [(&[&str], i32, &[&str]); 17] = [
        (&["--yes", "--max-load", "Threads_running>"], 2, &["--max-load", "is not a number", "Threads_running>50"]),
        (&["--yes", "--max-load", "much"], 2, &["--max-load", "variable>number"]),
        (&["--yes", "--max-load", "a b>3"], 2, &["--max-load", "`a b`"]),
        (&["--yes", "--max-flow-control-paused=-1"], 2, &["--max-flow-control-paused", "0 to 1"]),
        (&["--yes", "--max-flow-control-paused=nan"], 2, &["--max-flow-control-paused"]),
        (&["--yes", "--chunk-time", "5x"], 2, &["--chunk-time", "150ms, 3s, 5m or 1h"]),
        (&["--yes", "--max-lag=-3s"], 2, &["--max-lag"]),
        (&["--yes", "--patience", "forever"], 2, &["--patience", "'forever'"]),
        (&["--yes", "--workers", "0"], 2, &["--workers", "1..=64"]),
        (&["--yes", "--chunk-rows", "many"], 2, &["--chunk-rows", "many"]),
        (&["--yes", "--strategy", "magic"], 2, &["magic", "trigger-copy"]),
        (&["--yes", "--strategy", "native"], 3, &["forced", "native was asked for", "--strategy toi fits"]),
        (&["--yes", "--allow-lossy", ""], 2, &["--allow-lossy", "the name is empty"]),
        (&["--yes", "--format", "xml"], 2, &["xml", "json"]),
        (&[], 2, &["no terminal to ask", "add --yes"]),
        (&["--resume", "x"], 2, &["cannot be used with"]),
        (&["x.json"], 2, &["cannot be used with"]),
    ];
    for (flags, code, says) in cases {
        let args = [&["--table", &table, "--alter", "ADD d INT"], flags].concat();
        on(&test, "run", &args).await.must(code, says, &format!("{flags:?}"));
    }
    for (table, alter, says) in [
        (None, Some("ADD d INT"), "--table is missing"),
        (Some("`a`.`b`"), None, "--alter is missing"),
        (Some("b"), Some("FORCE"), "is not of the form schema.table"),
        (Some("a.b.c"), Some("FORCE"), "is not of the form schema.table"),
        (Some("a."), Some("FORCE"), "the name is empty"),
    ] {
        let mut args = Vec::new();
        args.extend(table.map(|table| ["--table", table]).into_iter().flatten());
        args.extend(alter.map(|alter| ["--alter", alter]).into_iter().flatten());
        on(&test, "plan", &args).await.must(2, &[says], says);
    }
    assert_eq!(Snapshot::of(&test, &ALL).await, before);
}

#[tokio::test]
async fn jobs_that_are_not_there_or_over() {
    let test = made().await;
    let table = test.table("t").quoted();
    let done = on(&test, "run", &["--yes", "--format", "json", "--table", &table, "--alter", "ADD d INT"]).await;
    done.must(0, &[], "a job is done");
    let lines: Vec<Value> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=lines.len() as u64).collect::<Vec<_>>(), "no line is left out");
    assert_eq!((&lines[lines.len() - 1]["event"], &lines[lines.len() - 1]["code"]), (&"ended".into(), &0.into()));
    let id = lines[0]["job"].as_str().unwrap().to_owned();
    let before = Snapshot::of(&test, &ALL).await;
    //  command    arguments                        exit  says
    let cases: [(&str, &[&str], i32, &[&str]); 8] = [
        ("run", &["--resume", "nosuchjob"], 2, &["there is no job nosuchjob", "driftless status --all"]),
        ("run", &["--resume", &id], 2, &["job", &id, "is over", "driftless status --all"]),
        ("abort", &["nosuchjob"], 2, &["there is no job nosuchjob"]),
        ("abort", &[&id], 2, &[&id, "is done", "nothing can be aborted"]),
        ("pause", &["nosuchjob"], 2, &["there is no job nosuchjob"]),
        ("resume", &["nosuchjob"], 2, &["there is no job nosuchjob"]),
        ("cutover", &["nosuchjob"], 2, &["there is no job nosuchjob"]),
        ("run", &["--resume", "x'; DROP TABLE driftless.job; --"], 2, &["there is no job"]),
    ];
    for (command, args, code, says) in cases {
        on(&test, command, args).await.must(code, says, &format!("{command} {args:?}"));
    }
    let status = on(&test, "status", &["--all", "--format", "json"]).await;
    let status: Value = serde_json::from_str(&status.out).unwrap();
    let listed = status["jobs"].as_array().unwrap().iter().any(|job| job["job"] == *id && job["phase"] == "done");
    assert!(listed, "{status}");
    assert_eq!(Snapshot::of(&test, &ALL).await, before);
}

#[tokio::test]
async fn one_job_a_table() {
    let test = made().await;
    let table = test.table("t").quoted();
    let dir = tempfile::tempdir().unwrap();
    let hold = dir.path().join("hold");
    std::fs::write(&hold, "").unwrap();
    let mut first = program();
    first.arg("run").args(to(&test, 0)).args(["--yes", "--format", "json", "--table", &table]);
    first.args(["--alter", "ADD d INT", "--postpone-cutover-file", hold.to_str().unwrap()]);
    let first = first.spawn().unwrap();
    for _ in 0..300 {
        if jobs(&test).await.iter().any(|job| job.ends_with("holding")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let before = Snapshot::of(&test, &ALL).await;
    for node in [0, 1] {
        let mut args = vec!["run".to_owned()];
        args.extend(to(&test, node));
        args.extend(["--yes", "--table", &table, "--alter", "ADD e INT"].map(str::to_owned));
        let ran = crate::child::run(&args.iter().map(String::as_str).collect::<Vec<_>>()).await;
        ran.must(3, &["job-active", "works on", "holding", "held by", "driftless abort"], "a second job");
        assert!(!ran.said().contains("leftovers"), "a job under way is no leftover: {}", ran.said());
    }
    let id = before_id(&before);
    on(&test, "run", &["--resume", &id]).await.must(3, &["job-active", "is held by"], "a job that somebody works on");
    on(&test, "cleanup", &["--yes"]).await.must(0, &[], "cleanup leaves a job under way alone");
    assert_eq!(Snapshot::of(&test, &ALL).await, before, "the first job is left in peace");
    std::fs::remove_file(&hold).unwrap();
    let output = first.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

fn before_id(snapshot: &Snapshot) -> String {
    let text = format!("{snapshot:?}");
    let at = text.find("\"job ").unwrap() + 5;
    text[at..at + 12].to_owned()
}

/// What only the copy can find is undone, and said with the row.
#[tokio::test]
async fn what_the_copy_finds_is_undone() {
    let test = made().await;
    let table = test.table("t").quoted();
    let alter = "PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (100))";
    let ran = on(&test, "run", &["--yes", "--table", &table, "--alter", alter]).await;
    ran.must(3, &["is as it was, nothing is left of the job"], alter);
    let left =
        format!("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{}'", test.schema.as_str());
    assert_eq!(test.plain(0).run(&[&left]).await, [["other"], ["t"]]);
    let triggers =
        format!("SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{}'", test.schema.as_str());
    assert_eq!(test.plain(1).run(&[&triggers]).await, [["0"]]);
    assert!(jobs(&test).await.iter().all(|job| job.ends_with("undone")));
}

#[tokio::test]
async fn files_and_pipes_that_can_not_be_written() {
    let test = made().await;
    let before = Snapshot::of(&test, &ALL).await;
    let table = test.table("t").quoted();
    for (file, says) in [("/nowhere/plan.json", "No such file"), ("/tmp", "Is a directory")] {
        let ran = on(&test, "plan", &["--table", &table, "--alter", "ADD d INT", "--out", file]).await;
        ran.must(2, &["the plan can't be saved", file, says, "that you may write to"], file);
    }
    assert_eq!(Snapshot::of(&test, &ALL).await, before);
    // Nobody reads: the commands end as they would, and a run is not stopped by it.
    for (command, args) in
        [("status", &["--all"][..]), ("plan", &["--alter", "ADD d INT"]), ("run", &["--alter", "ADD d INT", "--yes"])]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = program();
        child.arg(command).args(to(&test, 0)).args(args).stdout(Stdio::from(writer));
        if command != "status" {
            child.args(["--table", &table]);
        }
        let output = child.spawn().unwrap().wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.contains("panicked")), (Some(0), false), "{command}: {said}");
    }
    let columns = format!(
        "SELECT GROUP_CONCAT(COLUMN_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{}' AND TABLE_NAME = 't'",
        test.schema.as_str()
    );
    assert_eq!(test.plain(0).run(&[&columns]).await, [["id,a,d"]]);
}
