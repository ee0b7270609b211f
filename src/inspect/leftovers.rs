//! Tables and triggers that an earlier or another tool left for a table.

use std::fmt;

use driftless_strategies::name::MAX_CHARS;
use driftless_strategies::{Ident, TableName};

use super::reading::Reading;

/// How the names of driftless's own triggers begin.
const OWN_PREFIX: &str = "driftless_";
/// How pt-online-schema-change's triggers begin.
const PT_PREFIX: &str = "pt_osc_";
/// Digits of the time in gh-ost's `_table_20260131235959_del`.
const STAMP_DIGITS: usize = 14;

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Ours.
    Driftless,
    /// pt-online-schema-change, or a tool of the same names (spirit).
    PtOnlineSchemaChange,
    /// gh-ost.
    GhOst,
}

/// One thing left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Whose it is.
    pub tool: Tool,
    /// What it is.
    pub kind: Kind,
    /// Where it is, or the table that it is on.
    pub table: TableName,
    /// The trigger's name; `None` for a table.
    pub trigger: Option<Ident>,
}

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table.
    Table,
    /// A trigger.
    Trigger,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tool = match self.tool {
            Tool::Driftless => "driftless",
            Tool::PtOnlineSchemaChange => "pt-online-schema-change or a like tool",
            Tool::GhOst => "gh-ost",
        };
        match &self.trigger {
            Some(trigger) => write!(f, "trigger {} on {} of {tool}", trigger.quoted(), self.table.quoted()),
            None => write!(f, "table {} of {tool}", self.table.quoted()),
        }
    }
}

/// Whether a trigger is driftless's own.
pub(crate) fn is_own_trigger(name: &Ident) -> bool {
    name.as_str().starts_with(OWN_PREFIX)
}

/// Whose a trigger is, by its name.
pub(crate) fn trigger_tool(name: &str) -> Option<Tool> {
    if name.starts_with(OWN_PREFIX) {
        Some(Tool::Driftless)
    } else {
        name.starts_with(PT_PREFIX).then_some(Tool::PtOnlineSchemaChange)
    }
}

/// What is left for a table: `tables` are the names in its schema that begin with an underscore.
#[must_use]
pub fn leftovers(reading: &Reading, tables: &[Ident]) -> Vec<Leftover> {
    let own = reading.own_triggers.iter().map(|name| (Tool::Driftless, name));
    let pt =
        reading.shape.triggers.iter().map(|trigger| &trigger.name).filter(|name| name.as_str().starts_with(PT_PREFIX));
    let triggers = own.chain(pt.map(|name| (Tool::PtOnlineSchemaChange, name))).map(|(tool, name)| Leftover {
        tool,
        kind: Kind::Trigger,
        table: reading.name.clone(),
        trigger: Some(name.clone()),
    });
    table_leftovers(&reading.name, tables).into_iter().chain(triggers).collect()
}

/// The tables among them.
pub(crate) fn table_leftovers(table: &TableName, tables: &[Ident]) -> Vec<Leftover> {
    let found = tables.iter().filter_map(|name| tool(table, name).map(|tool| (tool, name)));
    found
        .map(|(tool, name)| Leftover {
            tool,
            kind: Kind::Table,
            table: TableName::new(table.schema.clone(), name.clone()),
            trigger: None,
        })
        .collect()
}

/// Whose table a name with a leading underscore is, if it is made from `table`'s name.
fn tool(table: &TableName, name: &Ident) -> Option<Tool> {
    if [table.shadow(), table.retired(), table.sentry()].iter().any(|own| own.table == *name) {
        return Some(Tool::Driftless);
    }
    let base = table.table.as_str();
    let rest = name.as_str().strip_prefix('_')?;
    for suffix in ["_gho", "_ghc", "_del"] {
        let stem = rest.strip_suffix(suffix).map(without_stamp);
        if stem.is_some_and(|stem| names(stem, base, name)) {
            return Some(Tool::GhOst);
        }
    }
    // pt-online-schema-change puts further underscores in front while the name is taken.
    let mut rest = Some(rest);
    while let Some(bare) = rest {
        for suffix in ["_new", "_old", "_chkpnt"] {
            if bare.strip_suffix(suffix).is_some_and(|stem| names(stem, base, name)) {
                return Some(Tool::PtOnlineSchemaChange);
            }
        }
        rest = bare.strip_prefix('_');
    }
    None
}

/// Whether `stem` is the table's name, or as much of it as fitted into the longest name allowed.
fn names(stem: &str, base: &str, whole: &Ident) -> bool {
    stem == base || (whole.as_str().chars().count() == MAX_CHARS && !stem.is_empty() && base.starts_with(stem))
}

fn without_stamp(stem: &str) -> &str {
    match stem.rsplit_once('_') {
        Some((head, stamp)) if stamp.len() == STAMP_DIGITS && stamp.bytes().all(|b| b.is_ascii_digit()) => head,
        Some(_) | None => stem,
    }
}
