//! Looks against expectations.

use std::sync::Arc;

use driftless_strategies::facts::{Flavour, Node, Version};
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Fingerprint, Ident, TableName, TableShape, Topology};

use crate::error::Fault;
use crate::inspect::fitness::Passing;
use crate::inspect::health::judge;
use crate::inspect::look::Look;
use crate::inspect::watch::Watched;
use crate::inspect::{Expectation, Expected, Kind, Leftover, OwnTriggers, Reading, Size, Tool};
use crate::ports::members::Member;
use crate::ports::server::{Server, ServerError, Session};

struct Nowhere;

#[async_trait::async_trait]
impl Server for Nowhere {
    async fn connect(&self) -> Result<Box<dyn Session>, ServerError> {
        panic!("judging asks nobody")
    }
    fn address(&self) -> &str {
        "nowhere"
    }
}

fn watched(name: &str) -> Watched {
    let node = Node {
        name: name.to_owned(),
        address: format!("{name}:1"),
        identity: format!("uid-{name}"),
        flavour: Flavour::MariaDb,
        version: Version::new(10, 11, 0),
        version_text: String::new(),
        unfit: Vec::new(),
        read_only: false,
        variables: [].into(),
        channels: Vec::new(),
        fingerprint: None,
        leftovers: Vec::new(),
        holders: Vec::new(),
        old_transactions: Vec::new(),
        open_transactions: Vec::new(),
        non_blocking: false,
        binlog: None,
        disk: None,
        binlog_disk: None,
    };
    Watched::of(&Member { server: Arc::new(Nowhere), node })
}

fn table() -> TableName {
    TableName::parse("s.t").unwrap()
}

fn reading(print: &str) -> Reading {
    Reading {
        name: table(),
        shape: TableShape::default(),
        fingerprint: Fingerprint(print.to_owned()),
        own_triggers: Vec::new(),
        size: Size::default(),
    }
}

/// A look at a healthy single server with these tables.
fn look(name: &str, prints: &[Option<&str>]) -> Look {
    let variables = [("server_uid".to_owned(), format!("uid-{name}")), ("read_only".to_owned(), "OFF".to_owned())];
    Look {
        variables: variables.into(),
        readings: prints.iter().map(|print| print.map(reading)).collect(),
        ..Look::default()
    }
}

fn expectation(tables: &[Expected]) -> Expectation {
    Expectation {
        topology: Topology::Single,
        tables: tables.iter().map(|expected| (table(), expected.clone())).collect(),
        own_triggers: OwnTriggers::Forbidden,
    }
}

fn codes(expectation: &Expectation, looks: Vec<Result<Look, Fault>>) -> Vec<(ReasonCode, Passing)> {
    let watched = [watched("a"), watched("b")];
    let nodes: Vec<_> = watched.iter().zip(looks).collect();
    judge(expectation, &nodes).into_iter().map(|finding| (finding.reason.code, finding.passing)).collect()
}

#[test]
fn tables_are_compared_with_each_other_and_with_the_plan() {
    let exactly = || Expected::Exactly(Fingerprint("x".to_owned()));
    let no = |code| vec![(code, Passing::No)];
    //  expected            on a        on b        found
    let cases = [
        (exactly(), Some("x"), Some("x"), vec![]),
        (exactly(), Some("y"), Some("y"), no(ReasonCode::PlanStale)),
        (exactly(), Some("x"), Some("y"), no(ReasonCode::SchemaDrift)),
        (exactly(), Some("x"), None, no(ReasonCode::SchemaDrift)),
        (exactly(), None, None, no(ReasonCode::TableMissing)),
        (Expected::Same, Some("y"), Some("y"), vec![]),
        (Expected::Same, Some("x"), Some("y"), no(ReasonCode::SchemaDrift)),
        (Expected::Same, None, None, no(ReasonCode::TableMissing)),
        (Expected::Absent, None, None, vec![]),
        (Expected::Absent, Some("x"), Some("x"), no(ReasonCode::Leftovers)),
        (Expected::Absent, None, Some("x"), no(ReasonCode::SchemaDrift)),
    ];
    for (expected, one, other, wanted) in cases {
        let found =
            codes(&expectation(std::slice::from_ref(&expected)), vec![Ok(look("a", &[one])), Ok(look("b", &[other]))]);
        assert_eq!(found, wanted, "{expected:?} {one:?} {other:?}");
    }
}

#[test]
fn a_second_table_is_not_taken_for_the_first() {
    let wanted = expectation(&[Expected::Exactly(Fingerprint("x".to_owned())), Expected::Absent]);
    let fine = || Ok(look("a", &[Some("x"), None]));
    assert_eq!(codes(&wanted, vec![fine(), Ok(look("b", &[Some("x"), None]))]), []);
    let found = codes(&wanted, vec![fine(), Ok(look("b", &[Some("x"), Some("x")]))]);
    assert_eq!(found, [(ReasonCode::SchemaDrift, Passing::No)]);
}

#[test]
fn servers_have_to_be_those_of_the_plan() {
    let wanted = expectation(&[]);
    let found = codes(&wanted, vec![Ok(look("a", &[])), Ok(look("c", &[]))]);
    assert_eq!(found, [(ReasonCode::PlanStale, Passing::No)], "another server answers");
    let mut closed = look("a", &[]);
    closed.variables.insert("read_only".to_owned(), "ON".to_owned());
    assert_eq!(codes(&wanted, vec![Ok(closed.clone())]), [(ReasonCode::ReadOnly, Passing::No)]);
    closed.variables.insert("server_uid".to_owned(), "uid-b".to_owned());
    assert_eq!(codes(&wanted, vec![Ok(look("a", &[])), Ok(closed)]), [], "only the copying node has to take writes");
    let words = || "words".to_owned();
    let found = codes(&wanted, vec![Err(Fault::Lost(words())), Err(Fault::Busy(words()))]);
    assert_eq!(found, [(ReasonCode::NodeUnreached, Passing::No), (ReasonCode::NodeUnfit, Passing::Perhaps)]);
}

#[test]
fn what_may_pass_is_told_from_what_may_not() {
    let left = |tool, kind| Leftover {
        tool,
        kind,
        table: table(),
        trigger: (kind == Kind::Trigger).then(|| Ident::new("driftless_1").unwrap()),
    };
    let mut seen = look("a", &[]);
    seen.holders = vec!["session 7 holds s.t locked".to_owned()];
    seen.old = vec!["session 8, open for 9 s".to_owned()];
    seen.leftovers =
        vec![left(Tool::Driftless, Kind::Table), left(Tool::Driftless, Kind::Trigger), left(Tool::GhOst, Kind::Table)];
    let mut wanted = expectation(&[]);
    let perhaps = [(ReasonCode::LockHeld, Passing::Perhaps), (ReasonCode::OldTransaction, Passing::Perhaps)];
    let leftover = (ReasonCode::Leftovers, Passing::No);
    let before = [&[leftover, leftover], &perhaps[..]].concat();
    assert_eq!(codes(&wanted, vec![Ok(seen.clone())]), before, "our trigger and gh-ost's table");
    wanted.own_triggers = OwnTriggers::Allowed;
    assert_eq!(codes(&wanted, vec![Ok(seen)]), [&[leftover], &perhaps[..]].concat(), "gh-ost's table");
}
