//! What a definition says by not saying it: implicit defaults, and attributes that a new definition leaves out.

use crate::column_type::ColumnType;
use crate::facts::Flavour;
use crate::shape::Column;
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::list;

use super::change::{Change, Redefined, Seen};
use super::definition::{Attribute, Definition};

/// Longest part of a comment that a finding repeats.
const COMMENT_CHARS: usize = 40;

/// A new column that is NOT NULL and has no default. When a server has tried the alter, the strategies refuse it.
pub(super) fn implicit_default(change: &Change<'_>) -> Vec<Reason> {
    if change.seen == Seen::Server {
        return Vec::new();
    }
    let bare = |definition: &&Definition| {
        let column = &definition.column;
        let fed = column.nullable || column.auto_increment() || column.generated.is_some();
        !fed && !definition.says(Attribute::Default) && !invents_default(change, column)
    };
    let one = |definition: &Definition| {
        let column = &definition.column;
        let what = if let ColumnType::Enum { members } = ColumnType::of(column) {
            let first = members.first().map_or("", String::as_str);
            format!("every row that exists gets the first member, `{first}`")
        } else {
            "rows that exist have no value for it, and driftless refuses the change on live servers".to_owned()
        };
        Reason::new(
            Code::LintImplicitDefault,
            format!("new column `{}` is NOT NULL without a DEFAULT: {what}", column.name),
            "give it a DEFAULT, or let it be NULL until it is filled",
        )
    };
    change.added().filter(bare).map(one).collect()
}

fn is_timestamp(column: &Column) -> bool {
    column.data_type.eq_ignore_ascii_case("timestamp")
}

/// Whether the server thinks up a default for a TIMESTAMP that names none.
fn invents_default(change: &Change<'_>, column: &Column) -> bool {
    let off = |value: &str| value.eq_ignore_ascii_case("OFF") || value == "0";
    is_timestamp(column) && change.variable("explicit_defaults_for_timestamp").is_some_and(off)
}

/// A TIMESTAMP that names no default and gets one, perhaps one that every UPDATE renews.
pub(super) fn timestamp_default(change: &Change<'_>) -> Vec<Reason> {
    let redefined = change.redefined().map(|redefined| redefined.definition);
    let silent = |definition: &&Definition| {
        let said = [Attribute::Default, Attribute::OnUpdate].into_iter().any(|said| definition.says(said));
        let column = &definition.column;
        let nullable = column.nullable && definition.says(Attribute::Null);
        if !is_timestamp(column) || said || nullable || column.generated.is_some() {
            return false;
        }
        match (change.seen, change.after.column(&column.name)) {
            (Seen::Server, Some(shown)) => default(shown).is_some() || shown.extra.contains("on update"),
            (Seen::Server, None) => false,
            (Seen::Clauses, _) => invents_default(change, column),
        }
    };
    let one = |definition: &Definition| {
        let name = &definition.column.name;
        Reason::new(
            Code::LintTimestampDefault,
            format!(
                "`{name}` is a TIMESTAMP that names no default, and explicit_defaults_for_timestamp is OFF: the server \
                 makes it NOT NULL with a default of its own; the table's first one is set to the time of every UPDATE"
            ),
            format!("say what is meant: `{name}` TIMESTAMP NULL, or DEFAULT and ON UPDATE as they should be"),
        )
    };
    change.added().chain(redefined).filter(silent).map(one).collect()
}

/// The default that a column really has; MariaDB prints NULL for none.
fn default(column: &Column) -> Option<&str> {
    column.default.as_deref().filter(|value| !value.eq_ignore_ascii_case("NULL"))
}

/// MODIFY and CHANGE replace the whole definition: what they leave out is gone.
pub(super) fn lost(change: &Change<'_>) -> Vec<Reason> {
    let one = |redefined: Redefined<'_>| {
        let lost = all_lost(change, &redefined);
        let name = &redefined.old.name;
        (!lost.is_empty()).then(|| {
            Reason::new(
                Code::LintAttributeLost,
                format!("the new definition of `{name}` leaves out what the column has now: {}", list(&lost)),
                "MODIFY and CHANGE replace the whole definition: repeat what shall stay",
            )
        })
    };
    change.redefined().filter_map(one).collect()
}

fn all_lost(change: &Change<'_>, redefined: &Redefined<'_>) -> Vec<String> {
    let Redefined { old, new, definition } = redefined;
    // What the server computes or counts has no default and no NULL of its own.
    let own_value = !definition.says(Attribute::Generated) && !definition.says(Attribute::AutoIncrement);
    let silent = |attribute: Attribute| {
        let of_value = matches!(attribute, Attribute::Null | Attribute::Default | Attribute::OnUpdate);
        !definition.says(attribute) && (own_value || !of_value)
    };
    let mut lost = Vec::new();
    if !old.nullable && new.nullable && silent(Attribute::Null) {
        lost.push("NOT NULL".to_owned());
    }
    if let Some(value) = default(old).filter(|_| default(new).is_none() && silent(Attribute::Default)) {
        lost.push(format!("DEFAULT {}", literal(change.flavour(), old, value)));
    }
    if old.auto_increment() && !new.auto_increment() && silent(Attribute::AutoIncrement) {
        lost.push("AUTO_INCREMENT".to_owned());
    }
    if let Some(renewal) = renewal(old).filter(|_| renewal(new).is_none() && silent(Attribute::OnUpdate)) {
        lost.push(renewal);
    }
    let computed = old.generated.is_some() && new.generated.is_none() && silent(Attribute::Generated);
    if let Some(expression) = old.expression.as_ref().filter(|_| computed) {
        lost.push(format!("GENERATED ALWAYS AS ({expression})"));
    }
    if old.invisible && !new.invisible && silent(Attribute::Visibility) {
        lost.push("INVISIBLE".to_owned());
    }
    if change.flavour() == Flavour::MariaDb && silent(Attribute::Check) {
        lost.extend(check(change, old));
    }
    if !old.comment.is_empty() && new.comment.is_empty() && silent(Attribute::Comment) {
        lost.push(format!("COMMENT {}", shortened(&old.comment)));
    }
    lost
}

/// `ON UPDATE CURRENT_TIMESTAMP`, when the column has it.
fn renewal(column: &Column) -> Option<String> {
    let extra = column.extra.to_ascii_lowercase();
    let at = extra.find("on update")?;
    extra.get(at..).map(str::to_ascii_uppercase)
}

/// The default as one would write it. MySQL prints texts without quotes.
fn literal(flavour: Flavour, column: &Column, value: &str) -> String {
    let expression = column.extra.to_ascii_lowercase().contains("default_generated");
    let number = value.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
    let call = value.to_ascii_lowercase().starts_with("current_timestamp");
    if flavour == Flavour::MariaDb || expression || number || call {
        return value.to_owned();
    }
    format!("'{value}'")
}

/// MariaDB gives a check that stands in a column's definition the column's name.
fn check(change: &Change<'_>, column: &Column) -> Option<String> {
    let (_, clause) = change.before.checks.iter().find(|(name, _)| name.same(&column.name))?;
    Some(format!("CHECK ({clause})"))
}

fn shortened(comment: &str) -> String {
    let line: String = comment.chars().take(COMMENT_CHARS).collect();
    let more = if comment.chars().count() > COMMENT_CHARS { "…" } else { "" };
    format!("'{line}{more}'")
}
