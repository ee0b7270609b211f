//! Character sets and collations that change by the way, or do not change where one would think so.

use crate::charset;
use crate::column_type::ColumnType;
use crate::shape::{Column, ForeignKey};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::list;

use super::change::Change;
use super::clauses::{Charset, Part};
use super::definition::{Attribute, charset_of};

/// MODIFY or CHANGE without a character set: the column gets the table's default.
pub(super) fn converted(change: &Change<'_>) -> Vec<Reason> {
    let whole = change.parts.iter().any(|part| matches!(part, Part::Converted(_)));
    let silent = change.redefined().filter(|redefined| !whole && !redefined.definition.says(Attribute::Charset));
    let one = |(old, new): (&Column, &Column)| {
        let (from, to) = old.collation.as_ref().zip(new.collation.as_ref())?;
        (from != to).then(|| {
            let charset = old.charset.clone().unwrap_or_else(|| charset_of(from));
            Reason::new(
                Code::LintCharsetConverted,
                format!(
                    "the new definition of `{}` names no character set: the column goes from {from} to the table's \
                     default, {to}, and compares and sorts by that",
                    old.name
                ),
                format!("to keep it, add CHARACTER SET {charset} COLLATE {from}; to change it, name the new one"),
            )
        })
    };
    silent.filter_map(|redefined| one((redefined.old, redefined.new))).collect()
}

/// CONVERT TO CHARACTER SET makes types bigger so that as many characters fit as before.
pub(super) fn text_widened(change: &Change<'_>) -> Vec<Reason> {
    if !change.parts.iter().any(|part| matches!(part, Part::Converted(_))) {
        return Vec::new();
    }
    let wider = |(old, new): &(&Column, &Column)| {
        let text = |column: &Column| {
            if let ColumnType::Text { bytes } = ColumnType::of(column) { Some(bytes) } else { None }
        };
        !change.defines(&new.name) && old.charset.is_some() && text(new).is_some_and(|new| text(old) != Some(new))
    };
    let grown: Vec<String> = change
        .pairs()
        .filter(wider)
        .map(|(old, new)| format!("`{}` from {} to {}", new.name, old.column_type, new.column_type))
        .collect();
    if grown.is_empty() {
        return Vec::new();
    }
    vec![Reason::new(
        Code::LintTextWidened,
        format!("CONVERT TO CHARACTER SET changes types too: {}", list(&grown)),
        "where the old type is long enough, add MODIFY with that type and the new character set to the same alter",
    )]
}

/// A new default character set: columns that exist keep theirs.
pub(super) fn table_default(change: &Change<'_>) -> Vec<Reason> {
    let whole = change.parts.iter().any(|part| matches!(part, Part::Converted(_)));
    let mut found = Vec::new();
    for part in &change.parts {
        let Part::TableCharset(said) = part else { continue };
        let differs = |column: &&Column| !agrees(said, column.charset.as_deref(), column.collation.as_deref());
        if whole || agrees(said, Some(&charset_of(&change.before.collation)), Some(&change.before.collation)) {
            continue;
        }
        let stays = |column: &&Column| {
            let text = column.charset.as_deref().is_some_and(|charset| charset != "binary");
            text && !change.defines(&column.name) && differs(column)
        };
        let left: Vec<String> =
            change.after.columns.iter().filter(stays).map(|column| format!("`{}`", column.name)).collect();
        if !left.is_empty() {
            found.push(Reason::new(
                Code::LintDefaultCharset,
                format!(
                    "the new default, {}, holds for columns that are added later, and changes nothing in {}",
                    told(said),
                    some(&left)
                ),
                format!("to change the columns too: CONVERT TO {}", clause(said)),
            ));
        }
    }
    found
}

/// Whether that character set and collation are the ones said; what is not known agrees.
fn agrees(said: &Charset, charset: Option<&str>, collation: Option<&str>) -> bool {
    let one = said.charset.as_deref().zip(charset).is_none_or(|(said, have)| charset::same(said, have));
    one && said.collation.as_deref().zip(collation).is_none_or(|(said, have)| said == have)
}

fn told(said: &Charset) -> String {
    said.collation.clone().or_else(|| said.charset.clone()).unwrap_or_default()
}

fn clause(said: &Charset) -> String {
    let charset = said.charset.clone().or_else(|| said.collation.as_deref().map(charset_of)).unwrap_or_default();
    let collation = said.collation.as_ref().map(|name| format!(" COLLATE {name}")).unwrap_or_default();
    format!("CHARACTER SET {charset}{collation}")
}

/// Names, shortened when there are many.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 4;
    match names.get(..SHOWN) {
        Some(first) if names.len() > SHOWN => format!("{} and {} more", first.join(", "), names.len() - SHOWN),
        Some(_) | None => list(names),
    }
}

fn is_utf8mb3(charset: Option<&str>) -> bool {
    charset.is_some_and(|name| charset::same(name, "utf8mb3"))
}

/// `utf8`, which is utf8mb3, where it was not before.
pub(super) fn utf8mb3(change: &Change<'_>) -> Vec<Reason> {
    let table_has = is_utf8mb3(Some(&charset_of(&change.before.collation)));
    let mut places = Vec::new();
    for definition in change.added() {
        let seen = change.after.column(&definition.column.name).and_then(|column| column.charset.as_deref());
        if definition.says(Attribute::Charset) && is_utf8mb3(seen) {
            places.push(format!("`{}`", definition.column.name));
        }
    }
    for redefined in change.redefined() {
        let new = is_utf8mb3(redefined.new.charset.as_deref()) && !is_utf8mb3(redefined.old.charset.as_deref());
        if new && redefined.definition.says(Attribute::Charset) {
            places.push(format!("`{}`", redefined.new.name));
        }
    }
    for part in &change.parts {
        if let Part::TableCharset(said) | Part::Converted(said) = part {
            let charset = said.charset.clone().or_else(|| said.collation.as_deref().map(charset_of));
            if is_utf8mb3(charset.as_deref()) && !table_has {
                places.push("the table".to_owned());
            }
        }
    }
    if places.is_empty() || utf8_is_utf8mb4(change) {
        return Vec::new();
    }
    vec![Reason::new(
        Code::LintUtf8mb3,
        format!(
            "{} gets utf8mb3, which holds three bytes a character: emoji and rare Chinese characters are refused or cut",
            list(&places)
        ),
        "use utf8mb4; utf8mb3 is deprecated on every server",
    )]
}

/// MariaDB takes `utf8` for utf8mb4 when `old_mode` says so.
fn utf8_is_utf8mb4(change: &Change<'_>) -> bool {
    change.variable("old_mode").is_some_and(|mode| !mode.to_ascii_uppercase().contains("UTF8_IS_UTF8MB3"))
}

/// A unique key whose column gets another collation: what is equal changes.
pub(super) fn unique_collation(change: &Change<'_>) -> Vec<Reason> {
    let news = change.new_keys();
    let mut found = Vec::new();
    for key in change.after.keys.iter().filter(|key| key.unique() && !news.iter().any(|new| new.name == key.name)) {
        let names = key.parts.iter().filter_map(|part| part.column.as_ref());
        for (old, new) in names.filter_map(|name| Some((change.origin(name)?, change.after.column(name)?))) {
            let Some((from, to)) = old.collation.as_deref().zip(new.collation.as_deref()) else { continue };
            if same_equality(from, to) {
                continue;
            }
            let what = if to.ends_with("_bin") || to == "binary" {
                "values that were equal become different, so that the key lets in what it kept out"
            } else {
                "values that were different may become equal, and two such rows stop the copy"
            };
            found.push(Reason::new(
                Code::LintUniqueCollation,
                format!("`{}` in unique key `{}` goes from {from} to {to}: {what}", new.name, key.name),
                "look for such values first (GROUP BY the column COLLATE the new one), or keep the collation",
            ));
        }
    }
    found
}

/// Whether two collations find the same values equal, as far as their names tell.
fn same_equality(from: &str, to: &str) -> bool {
    let unicode = |name: &str| ["utf8mb4", "utf8mb3", "utf8"].contains(&charset_of(name).as_str());
    let rules = |name: &str| name.split_once('_').map(|(_, rules)| rules.to_owned());
    from == to || (unicode(from) && unicode(to) && rules(from) == rules(to))
}

/// A foreign key's column that gets another type or collation than the column it points at.
pub(super) fn foreign_key_column(change: &Change<'_>) -> Vec<Reason> {
    let mut found = Vec::new();
    for key in change.foreign_keys().filter(|key| !of_itself(change, key)) {
        for name in &key.columns {
            let Some((old, new)) = change.before.column(name).zip(change.successor(name)) else { continue };
            let Some((from, to)) = incompatible(old, new) else { continue };
            found.push(Reason::new(
                Code::LintForeignKeyColumn,
                format!(
                    "`{}` belongs to foreign key `{}` and goes from {from} to {to}, while {}.{} stays: a server refuses a \
                     foreign key between the two",
                    new.name, key.name, key.parent_schema, key.parent_table
                ),
                format!(
                    "drop the foreign key in the same alter, change the column in {}.{} likewise, then add the key again",
                    key.parent_schema, key.parent_table
                ),
            ));
        }
    }
    found
}

fn of_itself(change: &Change<'_>, key: &ForeignKey) -> bool {
    key.parent_schema == change.facts.name.schema && key.parent_table == change.facts.name.table
}

/// Both as the server compares them, when they can't stand in one foreign key.
///
/// # Source
/// MySQL manual, "FOREIGN KEY Constraints", Conditions and Restrictions; MariaDB, "Foreign Keys".
fn incompatible(old: &Column, new: &Column) -> Option<(String, String)> {
    if let Some((from, to)) = old.collation.as_ref().zip(new.collation.as_ref()) {
        return (from != to).then(|| (from.clone(), to.clone()));
    }
    let integer = |column: &Column| {
        if let ColumnType::Integer { bits, sign } = ColumnType::of(column) { Some((bits, sign.unsigned)) } else { None }
    };
    let differs = integer(old).is_some() && integer(old) != integer(new);
    differs.then(|| (old.column_type.clone(), new.column_type.clone()))
}
