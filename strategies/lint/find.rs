//! The list of rules, and what the user allows.

use crate::alter::Alter;
use crate::choose::Options;
use crate::facts::Facts;
use crate::verdict::{Reason, ReasonCode as Code};

use super::change::Change;
use super::{attributes, charsets, key_length, keys, names, ranges};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lints {
    /// What the user should look at.
    pub found: Vec<Reason>,
    /// What was found and is allowed.
    pub allowed: Vec<Reason>,
    /// Permissions for what was not found.
    pub idle: Vec<Reason>,
}

/// Every rule, in the order in which findings are shown: what the change does to values, keys and names, and last what is
/// so without it.
const RULES: [fn(&Change<'_>) -> Vec<Reason>; 20] = [
    attributes::implicit_default,
    attributes::timestamp_default,
    attributes::lost,
    ranges::enum_order,
    charsets::converted,
    charsets::text_widened,
    charsets::table_default,
    charsets::utf8mb3,
    charsets::unique_collation,
    keys::duplicate,
    keys::redundant,
    keys::nullable_unique,
    key_length::too_long,
    keys::no_primary,
    keys::foreign_key_index,
    charsets::foreign_key_column,
    names::reserved,
    names::renamed,
    names::reused,
    ranges::integer_range,
];

/// Looks at a change by every rule. Nothing is found in an alter that a server has refused.
#[must_use]
pub fn find(facts: &Facts, alter: &Alter, wishes: &Options) -> Lints {
    let Some(change) = Change::of(facts, alter, wishes.target.as_ref()) else { return Lints::default() };
    let all = RULES.iter().flat_map(|rule| rule(&change));
    let (allowed, found): (Vec<Reason>, Vec<Reason>) = all.partition(|reason| wishes.allow.contains(&reason.code));
    // Whether a plan fits on the disks is looked at where there is one.
    let asked = wishes.allow.iter().filter(|code| **code != Code::DiskSpace);
    let idle = asked.filter(|code| !allowed.iter().any(|reason| reason.code == **code));
    let idle = idle.map(|code| idle_permission(*code)).collect();
    Lints { found, allowed, idle }
}

fn idle_permission(code: Code) -> Reason {
    Reason::new(
        Code::IdlePermission,
        format!("{} is allowed, and the change does nothing of the kind", code.as_str()),
        "take it out of --allow, or of allow in the plan file: it would hide what a later change does",
    )
}

/// A finding as it stands in the way when lints are denied.
#[must_use]
pub fn denied(lint: &Reason) -> Reason {
    let remedy = format!("{}; if it is meant, --allow {}", lint.remedy, lint.code.as_str());
    Reason { remedy, ..lint.clone() }
}

/// The code of a lint, or of another guess that a user may know better, by the word that the user writes.
///
/// # Errors
/// A sentence with the codes that there are.
pub fn code(text: &str) -> Result<Code, String> {
    let mut lints = Code::ALL.iter().filter(|code| code.is_lint()).chain(&[Code::DiskSpace]);
    lints.clone().find(|code| code.as_str() == text).copied().ok_or_else(|| {
        let all: Vec<&str> = lints.by_ref().map(|code| code.as_str()).collect();
        format!("no lint is called '{text}'; there are {}", all.join(", "))
    })
}
