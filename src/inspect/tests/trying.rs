//! What of an alter is tried, and what all nodes' answers make together.

use driftless_strategies::facts::DryRun;
use driftless_strategies::{Alter, Clause, ClauseKind, Flavour, ForeignKey, Ident, TableShape};

use crate::inspect::facts::verdict;
use crate::inspect::trial::tryable;

fn alter(clauses: &[(&str, ClauseKind)]) -> Alter {
    let clauses = clauses.iter().map(|(text, kind)| Clause { text: (*text).to_owned(), kind: kind.clone() }).collect();
    Alter { table: None, clauses, hints: Vec::new(), ignore: false }
}

fn source() -> TableShape {
    let name = |text: &str| Ident::new(text).unwrap();
    let key = ForeignKey {
        name: name("up"),
        schema: name("s"),
        table: name("t"),
        columns: vec![name("p")],
        parent_schema: name("s"),
        parent_table: name("parent"),
        parent_columns: vec![name("id")],
        on_delete: "CASCADE".to_owned(),
        on_update: "RESTRICT".to_owned(),
    };
    TableShape { foreign_keys: vec![key], ..TableShape::default() }
}

#[test]
fn what_a_temporary_table_can_have_is_tried() {
    let other = || ClauseKind::OtherConstraint;
    let alter = alter(&[
        ("ADD a INT", ClauseKind::AddColumn { names: vec![Ident::new("a").unwrap()] }),
        ("ADD FOREIGN KEY (a) REFERENCES p (id)", ClauseKind::AddForeignKey),
        ("DROP CONSTRAINT `UP`", other()),
        ("DROP CONSTRAINT positive", other()),
        ("REMOVE PARTITIONING", ClauseKind::Partitioning),
        ("FROBNICATE", ClauseKind::Unknown),
    ]);
    let what = tryable(&alter, &source(), Flavour::MariaDb);
    assert_eq!(what.clauses, ["ADD a INT", "DROP CONSTRAINT positive", "FROBNICATE"]);
    assert_eq!((what.left_out.len(), what.incomplete), (3, None));
    let what = tryable(&alter, &source(), Flavour::MySql);
    assert_eq!(what.clauses, ["ADD a INT", "FROBNICATE"], "MySQL names a copy's checks anew");
}

#[test]
fn keys_that_would_be_missing_are_said() {
    let alter = alter(&[("ADD FULLTEXT (t)", ClauseKind::AddFulltext), ("FORCE", ClauseKind::Force)]);
    let what = tryable(&alter, &source(), Flavour::MariaDb);
    assert_eq!(what.clauses, ["FORCE"]);
    assert_eq!(what.incomplete.as_deref(), Some("a temporary table can't have this: ADD FULLTEXT (t)"));
}

#[test]
fn one_answer_is_made_of_all() {
    let accepted = |comment: &str| DryRun::Accepted {
        shape: Box::new(TableShape { comment: comment.to_owned(), ..TableShape::default() }),
    };
    let rejected = |node: &str, code| DryRun::Rejected { node: node.to_owned(), code, message: "m".to_owned() };
    let impossible = || DryRun::Impossible { why: "w".to_owned() };
    let ask = |answers: &[DryRun]| {
        verdict(answers.iter().zip(1..).map(|(answer, n)| (format!("n{n}"), answer.clone())).collect())
    };
    assert_eq!(ask(&[accepted(""), accepted("")]), accepted(""));
    assert_eq!(ask(&[accepted(""), impossible()]), impossible());
    assert_eq!(ask(&[impossible(), accepted(""), rejected("10.0.0.3:3306", 1060)]), rejected("n3", 1060));
    assert!(matches!(ask(&[]), DryRun::Impossible { .. }));
    let DryRun::Rejected { node, code, message } = ask(&[accepted(""), accepted("other")]) else { panic!("accepted") };
    assert_eq!((node.as_str(), code), ("n2", 0));
    assert!(message.contains("another table here than on n1"), "{message}");
}
