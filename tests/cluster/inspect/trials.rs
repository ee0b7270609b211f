//! Dry runs and rights.

use driftless::inspect::inspect;
use driftless_strategies::facts::DryRun;
use driftless_strategies::{Alter, Clause, ClauseKind, Ident, TableShape};

use super::direct::Way;
use super::{LIMITS, Schema, alter, connect, facts, run, seek};
use driftless::discover::discover;

fn accepted(answer: DryRun) -> TableShape {
    match answer {
        DryRun::Accepted { shape } => *shape,
        other @ (DryRun::Rejected { .. } | DryRun::Impossible { .. }) => panic!("{other:?}"),
    }
}

async fn committed() -> u64 {
    let mut session = connect(0).await;
    run(&mut *session, "SHOW GLOBAL STATUS LIKE 'wsrep_last_committed'").await[0].u64(1).unwrap()
}

#[tokio::test]
async fn a_dry_run_shows_the_altered_table() {
    let mut schema = Schema::new("trial").await;
    schema.run("CREATE TABLE parent (id INT PRIMARY KEY)").await;
    let table =
        "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(10) DEFAULT 'it''s' COMMENT 'x', g INT AS (id + 1) VIRTUAL,
                 p INT, h INT INVISIBLE, CONSTRAINT up FOREIGN KEY (p) REFERENCES parent (id), KEY ig (h) IGNORED)";
    schema.run(table).await;
    let table = schema.table("t");
    let source = facts(&table, None).await.table;
    let same = accepted(facts(&table, Some(&alter("FORCE", ClauseKind::Force))).await.dry_run);
    assert_eq!((&same.columns, &same.keys), (&source.columns, &source.keys), "SHOW and the catalog agree");
    let name = Ident::new("a").unwrap();
    let modify = alter("MODIFY a VARCHAR(20) NOT NULL DEFAULT 'x''y' FIRST", ClauseKind::ModifyColumn { name });
    let shape = accepted(facts(&table, Some(&modify)).await.dry_run);
    assert_eq!(shape.columns[0].column_type, "varchar(20)");
    assert_eq!((shape.columns[0].default.as_deref(), shape.columns[0].nullable), (Some("'x''y'"), false));
    assert_eq!(shape.columns[0].charset.as_deref(), Some("utf8mb4"));
    let mut both = alter("ADD COLUMN b INT", ClauseKind::Unknown);
    let key = Clause { text: "ADD FOREIGN KEY (b) REFERENCES parent (id)".to_owned(), kind: ClauseKind::AddForeignKey };
    both.clauses.push(key);
    assert!(
        accepted(facts(&table, Some(&both)).await.dry_run).columns.iter().any(|column| column.name.as_str() == "b")
    );
    schema.gone().await;
}

#[tokio::test]
async fn a_dry_run_is_refused_or_impossible_for_a_reason() {
    let mut schema = Schema::new("refused").await;
    schema.run("CREATE TABLE t (id INT PRIMARY KEY, a TEXT)").await;
    schema.run("CREATE TABLE parted (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 2").await;
    schema.run("CREATE TABLE words (id INT PRIMARY KEY, a TEXT, FULLTEXT (a))").await;
    let ask = async |table: &str, alter: &Alter| super::facts(&schema.table(table), Some(alter)).await.dry_run;
    let add = |text: &str| alter(text, ClauseKind::Unknown);
    let facts = facts(&schema.table("t"), Some(&add("ADD COLUMN a INT"))).await;
    let DryRun::Rejected { code, node, .. } = facts.dry_run else { panic!("{:?}", facts.dry_run) };
    assert_eq!((code, node), (1060, facts.nodes[0].name.clone()));
    let DryRun::Rejected { code, .. } = ask("t", &add("ADD COLUMN b INT DEFAULT 'x'")).await else {
        panic!("accepted")
    };
    assert_eq!(code, 1067, "strict");
    let impossible = [
        ("parted", add("ADD COLUMN b INT")),
        ("words", add("ADD COLUMN b INT")),
        ("t", add("ADD FULLTEXT KEY (a)")),
        ("t", alter("ADD FULLTEXT KEY (a)", ClauseKind::AddFulltext)),
        ("t", add("ADD COLUMN b INT REFERENCES words (id)")),
        ("t", add("ADD SYSTEM VERSIONING")),
        ("t", alter("PARTITION BY HASH (id)", ClauseKind::Partitioning)),
    ];
    for (table, alter) in impossible {
        let answer = ask(table, &alter).await;
        assert!(matches!(answer, DryRun::Impossible { .. }), "{}: {answer:?}", alter.text());
    }
    schema.gone().await;
}

#[tokio::test]
async fn looking_and_trying_replicate_nothing() {
    let mut schema = Schema::new("silent").await;
    schema.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    let table = schema.table("t");
    let alter = alter("ADD COLUMN b INT, ADD UNIQUE (b)", ClauseKind::Unknown);
    // Others may write to the cluster meanwhile; what we replicate ourselves would show in every try.
    let mut least = u64::MAX;
    for _ in 0..20 {
        let before = committed().await;
        accepted(facts(&table, Some(&alter)).await.dry_run);
        least = least.min(committed().await - before);
    }
    assert_eq!(least, 0);
    let mut session = connect(0).await;
    let left = run(&mut *session, "SHOW TABLES FROM inspect_silent").await;
    assert_eq!(left.len(), 1, "{left:?}");
    schema.gone().await;
}

#[tokio::test]
async fn missing_rights_are_named_as_one_grants_them() {
    let mut schema = Schema::new("rights").await;
    schema.run("CREATE TABLE parent (id INT PRIMARY KEY)").await;
    schema.run("CREATE TABLE t (id INT PRIMARY KEY REFERENCES parent (id))").await;
    schema.run("CREATE OR REPLACE USER inspect_user@'%' IDENTIFIED BY 'secret'").await;
    schema.run("CREATE OR REPLACE ROLE inspect_role").await;
    for grant in [
        "GRANT ALL ON `inspect\\_rights`.* TO inspect_role",
        "GRANT inspect_role TO inspect_user@'%'",
        "SET DEFAULT ROLE inspect_role FOR inspect_user@'%'",
        "GRANT ALL ON `drift%`.* TO inspect_user@'%'",
        "GRANT PROCESS ON *.* TO inspect_user@'%'",
    ] {
        schema.run(grant).await;
    }
    let way = Way { user: "inspect_user", password: "secret", routes: Vec::new() };
    let table = schema.table("t");
    let ask = async || inspect(&discover(&seek(&way)).await.unwrap(), &table, None, &LIMITS).await.unwrap();
    let first = ask().await;
    assert_eq!(first.missing_privileges, ["SLAVE MONITOR ON *.*", "SUPER ON *.*"]);
    assert_eq!(first.table.foreign_keys.len(), 1);
    schema.run("REVOKE ALL ON `inspect\\_rights`.* FROM inspect_role").await;
    schema.run("GRANT SELECT, UPDATE ON `inspect\\_rights`.* TO inspect_role").await;
    schema.run("REVOKE PROCESS ON *.* FROM inspect_user@'%'").await;
    schema.run("GRANT SLAVE MONITOR, SUPER ON *.* TO inspect_user@'%'").await;
    let second = ask().await;
    let wanted =
        ["INSERT", "DELETE", "CREATE", "ALTER", "DROP", "INDEX", "TRIGGER", "CREATE TEMPORARY TABLES", "REFERENCES"];
    let mut wanted: Vec<String> = wanted.iter().map(|name| format!("{name} ON `inspect\\_rights`.*")).collect();
    wanted.push("PROCESS ON *.*".to_owned());
    assert_eq!(second.missing_privileges, wanted);
    for missing in &wanted {
        schema.run(&format!("GRANT {missing} TO inspect_user@'%'")).await;
    }
    assert_eq!(ask().await.missing_privileges, Vec::<String>::new(), "what it asked for is enough");
    schema.run("DROP USER inspect_user@'%'").await;
    schema.run("DROP ROLE inspect_role").await;
    schema.gone().await;
}
