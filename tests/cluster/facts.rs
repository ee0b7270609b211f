//! What `inspect --out` saves is judged by `plan --facts` as the live servers are by `plan`.

use serde_json::Value;

use crate::child::{on, prepare, run};
use crate::support::shared;

#[tokio::test]
async fn a_plan_from_saved_facts_is_the_live_plan() {
    let test = shared().await;
    prepare(
        &test,
        &[
            "CREATE TABLE {s}.parent (id INT PRIMARY KEY)",
            "CREATE TABLE {s}.`or|d``ers` (id BIGINT PRIMARY KEY, who INT, amount DECIMAL(10,2) NOT NULL, remark TEXT, \
             KEY (who), CONSTRAINT fk_who FOREIGN KEY (who) REFERENCES parent (id))",
            "INSERT INTO {s}.parent VALUES (1)",
            "INSERT INTO {s}.`or|d``ers` VALUES (1, 1, 1.5, 'a'), (2, NULL, 2.5, NULL)",
        ],
    )
    .await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("facts.json");
    let file = file.to_str().unwrap();
    let table = test.table("or|d`ers").quoted();

    let summary = on(&test, "inspect", &["--table", &table]).await;
    summary.must(0, &["or|d`ers", "4 columns, 2 keys, 1 foreign key, 0 triggers", "3 members"], "a summary");
    on(&test, "inspect", &["--table", &table, "--out", file]).await.must(0, &["The facts are in"], "saved");
    on(&test, "inspect", &["--table", &table, "--out", file]).await.must(2, &["--force"], "not replaced");
    let saved = std::fs::read_to_string(file).unwrap();
    let printed = on(&test, "inspect", &["--table", &table, "--format", "json", "--out", file, "--force"]).await;
    printed.must(0, &[], "replaced");
    assert_eq!(printed.out, std::fs::read_to_string(file).unwrap(), "what is printed is what is saved");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing beside it");
    let facts: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!((&facts["format"], &facts["driftless"]), (&1.into(), &env!("CARGO_PKG_VERSION").into()));
    on(&test, "inspect", &["--table", &test.table("none").quoted()]).await.must(3, &["table-missing"], "no table");

    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let changes = [
        "ADD COLUMN note TEXT",
        "DROP COLUMN remark, CHANGE amount price DECIMAL(12,2) NOT NULL",
        "ADD KEY k (amount)",
        "FORCE",
    ];
    for alter in changes {
        let live = on(&test, "plan", &["--table", &table, "--alter", alter, "--format", "json"]).await;
        live.must(0, &[], alter);
        let asked = ["plan", "--facts", file, "--table", &table, "--alter", alter, "--format", "json"];
        let offline = run(&asked).await;
        offline.must(0, &["no server has tried the statement"], alter);
        assert_eq!(run(&asked).await.out, offline.out, "{alter}: the same bytes");
        let (live, offline) = (json(&live.out), json(&offline.out));
        for part in ["strategy", "table", "alter", "steps", "cluster", "epoch", "nodes", "fingerprint"] {
            let plan = |document: &Value| document["decision"]["plan"][part].clone();
            assert_eq!(plan(&offline), plan(&live), "{alter}: {part}");
            assert!(!plan(&live).is_null(), "{part}");
        }
        // How a column is compared depends on its new type, which only a server knows.
        let steps = |document: &Value| document["sql"].as_array().unwrap().clone();
        for (offline, live) in steps(&offline).iter().zip(&steps(&live)).filter(|(_, live)| live["step"] != "verify") {
            assert_eq!(offline, live, "{alter}: the statements");
        }
    }
    // Refused on the servers, refused from the file, by the same code.
    for (alter, code) in [("DROP PRIMARY KEY", "no-usable-key"), ("RENAME TO elsewhere", "clause-unsupported")] {
        on(&test, "plan", &["--table", &table, "--alter", alter]).await.must(3, &[code], alter);
        let offline = run(&["plan", "--facts", file, "--table", &table, "--alter", alter]).await;
        offline.must(3, &[code], alter);
    }
    let markdown = on(&test, "plan", &["--table", &table, "--alter", "FORCE", "--format", "markdown"]).await;
    markdown.must(0, &["can be changed by trigger-copy", "or\\|d\\`ers"], "Markdown of a live plan");
}

#[tokio::test]
async fn what_sessions_run_is_told_but_not_saved() {
    let test = shared().await;
    prepare(&test, &["CREATE TABLE {s}.t (id INT PRIMARY KEY, pass VARCHAR(40))", "INSERT INTO {s}.t VALUES (1, 'x')"])
        .await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("facts.json");
    let table = test.table("t").quoted();
    let update = format!("UPDATE {table} SET pass = CONCAT('correct horse', SLEEP(20)) WHERE id = 1");
    let plain = test.plain(1);
    let busy = tokio::spawn(async move { plain.run(&["START TRANSACTION", &update, "ROLLBACK"]).await });
    let args = ["--table", &table, "--max-transaction-age", "1s", "--out", file.to_str().unwrap(), "--force"];
    let mut saved = String::new();
    for _ in 0..15 {
        on(&test, "inspect", &args).await.must(0, &[], "saved");
        saved = std::fs::read_to_string(&file).unwrap();
        if saved.contains("in a statement") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert!(saved.contains("in a statement"), "{saved}");
    assert!(!saved.contains("correct horse"), "{saved}");
    let blocked = run(&["plan", "--facts", file.to_str().unwrap(), "--table", &table, "--alter", "FORCE"]).await;
    blocked.must(3, &["old-transaction", "open for"], "what was in the way stays in the way");
    busy.await.unwrap();
}
