//! What driftless, pt-online-schema-change and gh-ost left behind, on all nodes: pure.

use std::collections::BTreeMap;

use driftless_strategies::{Ident, TableName};

use crate::inspect::{Kind, Leftover, Tool, table_leftovers, trigger_tool};

use super::definition::{Catalog, Kind as ObjectKind};
use super::read::Reading;

/// One thing left behind, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// In words.
    pub what: String,
    /// The nodes that have it.
    pub nodes: Vec<String>,
    /// What to do.
    pub remedy: &'static str,
}

/// What is left for the tables in the readings. What stands for a table that a job of driftless works on now is none.
pub(crate) fn left(nodes: &[(String, Reading)], at_work: &[TableName]) -> Vec<Left> {
    let mut found: BTreeMap<String, Left> = BTreeMap::new();
    for (node, reading) in nodes {
        for left in tables(reading).into_iter().chain(triggers(&reading.catalog)) {
            if left.0.tool == Tool::Driftless && at_work.contains(&left.1) {
                continue;
            }
            let what = left.0.to_string();
            let remedy = remedy(left.0.tool);
            let entry = found.entry(what.clone()).or_insert_with(|| Left { what, nodes: Vec::new(), remedy });
            if !entry.nodes.contains(node) {
                entry.nodes.push(node.clone());
            }
        }
    }
    found.into_values().collect()
}

const fn remedy(tool: Tool) -> &'static str {
    match tool {
        Tool::Driftless => "`driftless cleanup` lists what may go; `--retired` with it also old tables that were kept",
        Tool::PtOnlineSchemaChange | Tool::GhOst => {
            "see that the tool does not run any more, then drop its triggers first and its tables after"
        }
    }
}

/// Tables by their names beside those that were read, each with the table that it was made for.
fn tables(reading: &Reading) -> Vec<(Leftover, TableName)> {
    let mut found = Vec::new();
    for (schema, names) in &reading.names {
        let underscored: Vec<Ident> = names
            .iter()
            .filter(|name| name.starts_with('_'))
            .filter_map(|name| Ident::new(name.as_str()).ok())
            .collect();
        let Ok(ident) = Ident::new(schema.as_str()) else { continue };
        if underscored.is_empty() {
            continue;
        }
        for object in
            reading.catalog.keys().filter(|object| object.schema == *schema && object.kind == ObjectKind::Table)
        {
            let Ok(table) = Ident::new(object.name.as_str()) else { continue };
            let table = TableName::new(ident.clone(), table);
            found.extend(table_leftovers(&table, &underscored).into_iter().map(|left| (left, table.clone())));
        }
    }
    found
}

fn triggers(catalog: &Catalog) -> Vec<(Leftover, TableName)> {
    let mut found = Vec::new();
    for (object, aspects) in catalog {
        for aspect in aspects.keys() {
            let Some(name) = aspect.strip_prefix("trigger `").and_then(|rest| rest.strip_suffix('`')) else { continue };
            let (Some(tool), Ok(schema), Ok(table), Ok(trigger)) = (
                trigger_tool(name),
                Ident::new(object.schema.as_str()),
                Ident::new(object.name.as_str()),
                Ident::new(name.replace("``", "`")),
            ) else {
                continue;
            };
            let table = TableName::new(schema, table);
            found.push((Leftover { tool, kind: Kind::Trigger, table: table.clone(), trigger: Some(trigger) }, table));
        }
    }
    found
}
