//! What `check` found, for programs.

use serde::Serialize;

use crate::check::{Group, Role};

use super::check_text::{CheckSheet, by_object};
use super::exit::ExitCode;

/// Version of this document's format.
pub const CHECK_DOCUMENT_FORMAT: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    outcome: &'static str,
    exit: u8,
    compared: String,
    nodes: Vec<Node<'a>>,
    unreached: Vec<&'a str>,
    drift: Vec<Drift<'a>>,
    leftovers: Vec<Leftover<'a>>,
    unknown: &'a [String],
}

#[derive(Serialize)]
struct Node<'a> {
    name: &'a str,
    address: &'a str,
    replica_of: Option<&'a str>,
    healthy: bool,
    problems: &'a [String],
    tables: Option<usize>,
}

#[derive(Serialize)]
struct Drift<'a> {
    kind: &'static str,
    schema: &'a str,
    name: &'a str,
    aspects: Vec<Aspect<'a>>,
    remedy: String,
}

#[derive(Serialize)]
struct Aspect<'a> {
    aspect: &'a str,
    groups: &'a [Group],
    majority: Option<&'a [String]>,
    minority: Option<Vec<&'a str>>,
}

#[derive(Serialize)]
struct Leftover<'a> {
    what: &'a str,
    nodes: &'a [String],
    remedy: &'a str,
}

/// One JSON document: nodes, drift by object, leftovers; the same bytes for the same findings.
///
/// # Errors
/// Only if a value can't be JSON at all, which none here is.
pub fn check_json(sheet: &CheckSheet<'_>) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&document(sheet))
}

/// The same in one line, for one round of many.
///
/// # Errors
/// As `check_json`.
pub fn check_json_line(sheet: &CheckSheet<'_>) -> serde_json::Result<String> {
    serde_json::to_string(&document(sheet))
}

fn document<'a>(sheet: &CheckSheet<'a>) -> Document<'a> {
    let report = sheet.report;
    let nodes = report.nodes.iter().map(|node| Node {
        name: &node.name,
        address: &node.address,
        replica_of: match &node.role {
            Role::Member => None,
            Role::ReplicaOf(of) => Some(of),
        },
        healthy: node.problems.is_empty(),
        problems: &node.problems,
        tables: node.tables,
    });
    let mut nodes: Vec<Node<'_>> = nodes.collect();
    nodes.sort_by_key(|node| (node.replica_of, node.name));
    let mut unreached: Vec<&str> = report.unreached.iter().map(String::as_str).collect();
    unreached.sort_unstable();
    let drift = by_object(&report.drift).into_iter().filter_map(|found| {
        let object = &found.first()?.object;
        let aspects = found.iter().map(|difference| Aspect {
            aspect: &difference.aspect,
            groups: &difference.groups,
            majority: difference.majority().map(|group| group.nodes.as_slice()),
            minority: difference.minority(),
        });
        Some(Drift {
            kind: object.kind.as_str(),
            schema: &object.schema,
            name: &object.name,
            aspects: aspects.collect(),
            remedy: sheet.remedy(&found),
        })
    });
    let left = report.leftovers.iter();
    Document {
        format: CHECK_DOCUMENT_FORMAT,
        outcome: match sheet.exit {
            ExitCode::Done => "equal",
            ExitCode::Differences => "drift",
            ExitCode::Failed | ExitCode::Usage | ExitCode::Refused | ExitCode::Stopped | ExitCode::Unknown => "unfit",
        },
        exit: sheet.exit.code(),
        compared: sheet.compared(),
        nodes,
        unreached,
        drift: drift.collect(),
        leftovers: left.map(|left| Leftover { what: &left.what, nodes: &left.nodes, remedy: left.remedy }).collect(),
        unknown: &report.unknown,
    }
}
