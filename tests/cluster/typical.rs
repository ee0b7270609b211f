//! What `plan` says to typical changes: `docs/plans.md` is written by this test (`UPDATE=1`), and must stay true.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use driftless::demo::load;

use crate::child::{Ran, preferred};
use crate::support::{TestCluster, shared};

const LIMIT: Duration = Duration::from_secs(180);
const ROWS: u64 = 200_000;

//  what                                                the change
const CHANGES: [(&str, &str); 13] = [
    ("A column that may be empty", "ADD COLUMN channel VARCHAR(30) NULL"),
    ("A column with a default", "ADD COLUMN priority TINYINT NOT NULL DEFAULT 0"),
    ("A column that nobody gives a value", "ADD COLUMN region INT NOT NULL"),
    ("One column less", "DROP COLUMN weight"),
    ("Another name for a column", "RENAME COLUMN note TO remark"),
    ("A longer text", "MODIFY COLUMN reference VARCHAR(63) NOT NULL"),
    ("A wider number", "MODIFY COLUMN customer BIGINT UNSIGNED NOT NULL"),
    ("A narrower number", "MODIFY COLUMN customer SMALLINT UNSIGNED NOT NULL"),
    ("One more value of an ENUM", "MODIFY COLUMN status ENUM('new','paid','sent','done','returned') NOT NULL"),
    ("An index", "ADD INDEX by_reference (reference)"),
    ("A unique index", "ADD UNIQUE INDEX once (customer, reference)"),
    ("No more NULLs", "MODIFY COLUMN note TEXT NOT NULL"),
    ("Another character set", "CONVERT TO CHARACTER SET latin1"),
];

const HEAD: &str = "\
# Plans of typical changes

What `driftless plan` prints for the demo's table of orders with 200 000 rows, on its cluster of three MariaDB nodes. This
page is written by a test (`UPDATE=1 tests/run.sh --test cluster -- typical`), which also keeps it true. The statements
themselves, which `plan` prints below all this, are left out here.
";

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/plans.md")
}

/// The plan without what is different in every cluster, and without the SQL, which is long.
fn lasting(test: &TestCluster, ran: &Ran) -> String {
    let mut text = if ran.out.trim().is_empty() { ran.err.clone() } else { ran.out.clone() };
    if let Some(end) = text.find("\nSQL\n") {
        text.truncate(end);
    }
    text = text.replace(&format!("{}.", test.schema.as_str()), "shop.");
    for (index, node) in test.nodes().iter().enumerate() {
        text = text.replace(&format!("127.0.0.1:{}", node.port), &format!("10.0.0.{}:3306", index + 1));
    }
    text.lines().map(|line| anonymous(line).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A cluster's number and view change with every start, and what is free with every machine.
fn anonymous(line: &str) -> String {
    if let Some((before, after)) = line.split_once("; free: ")
        && let Some((_, nodes)) = after.split_once(" on n1")
    {
        return format!("{before}; free: 200 GiB on n1{nodes}");
    }
    match (line.split_once("Galera cluster "), line.rsplit_once(", ")) {
        (Some((before, _)), Some((_, members))) => format!("{before}Galera cluster, {members}"),
        _ => line.to_owned(),
    }
}

/// What must not change unseen: how it ended and which strategy was chosen.
fn verdict(code: i32, text: &str) -> String {
    let chosen = text.lines().find_map(|line| line.strip_prefix(" Strategy  ")).unwrap_or("none");
    format!("exit {code}, {}", chosen.split(':').next().unwrap_or(chosen))
}

#[tokio::test]
async fn typical_changes_are_planned_as_documented() {
    let test = shared().await;
    test.bounded(LIMIT, async {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), ROWS).await.unwrap();
        test.plain(0).run(&[&format!("ANALYZE TABLE {}", loaded.table.quoted())]).await;
        let mut written = HEAD.to_owned();
        let mut verdicts = Vec::new();
        for (what, alter) in CHANGES {
            let ran = preferred(&test, "plan", &["--table", &loaded.table.quoted(), "--alter", alter]).await;
            let text = lasting(&test, &ran);
            let verdict = verdict(ran.code, &text);
            write!(written, "\n## {what}\n\n`{alter}` ({verdict})\n\n```text\n{}\n```\n", text.trim_end()).unwrap();
            verdicts.push(format!("`{alter}` ({verdict})"));
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(page(), &written).unwrap();
        }
        let known = std::fs::read_to_string(page()).unwrap();
        for verdict in verdicts {
            assert!(known.contains(&verdict), "docs/plans.md does not say {verdict}: run with UPDATE=1");
        }
    })
    .await;
}
