//! Keys that do nothing, do less than one would think, or are missing.

use crate::facts::Topology;
use crate::shape::{Key, KeyKind};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::list;

use super::change::Change;

/// A new key over exactly the columns of another one.
pub(super) fn duplicate(change: &Change<'_>) -> Vec<Reason> {
    let one = |(key, other): (&Key, &Key)| {
        (key.parts == other.parts && serves(other, key)).then(|| {
            let remedy = if key.unique() && !other.unique() {
                format!("add DROP INDEX `{}` to the same alter: the new key does all that it does", other.name)
            } else {
                format!("leave `{}` out", key.name)
            };
            let what = format!("{} has the same columns as {}: every write keeps both", told(key), told(other));
            Reason::new(Code::LintDuplicateKey, what, remedy)
        })
    };
    pairs(change).into_iter().filter_map(one).collect()
}

/// A key that another one begins with: the new one, or one that the new one makes useless.
pub(super) fn redundant(change: &Change<'_>) -> Vec<Reason> {
    let mut found = Vec::new();
    for (new, other) in pairs(change) {
        if begins_with(other, new) {
            found.push(Reason::new(
                Code::LintRedundantKey,
                format!("{} is the beginning of {}, which serves the same queries", told(new), told(other)),
                format!("leave `{}` out, unless it is there to be small", new.name),
            ));
        } else if begins_with(new, other) {
            found.push(Reason::new(
                Code::LintRedundantKey,
                format!("{} begins with the columns of {}, which is not needed then", told(new), told(other)),
                format!("add DROP INDEX `{}` to the same alter, unless it is there to be small", other.name),
            ));
        }
    }
    found
}

/// Every new key with every other one; two new ones once.
fn pairs<'a>(change: &'a Change<'_>) -> Vec<(&'a Key, &'a Key)> {
    let news = change.new_keys();
    let mut pairs = Vec::new();
    for (index, new) in news.iter().enumerate() {
        let earlier = |other: &Key| news.iter().take(index).any(|known| known.name == other.name);
        let others = change.after.keys.iter().filter(|other| other.name != new.name && !earlier(other));
        pairs.extend(others.map(|other| (*new, other)));
    }
    pairs
}

/// Whether a key does all that another over the same columns does, or the other way round.
const fn serves(one: &Key, other: &Key) -> bool {
    let alike = matches!(
        (one.kind, other.kind),
        (KeyKind::Fulltext, KeyKind::Fulltext)
            | (KeyKind::Spatial, KeyKind::Spatial)
            | (KeyKind::UniqueHash, KeyKind::UniqueHash)
    );
    one.visible && other.visible && (alike || !(is_special(one.kind) || is_special(other.kind)))
}

const fn is_special(kind: KeyKind) -> bool {
    matches!(kind, KeyKind::Fulltext | KeyKind::Spatial | KeyKind::UniqueHash)
}

/// Whether a longer key does all that the shorter one does: not when the shorter one forbids equal rows.
fn begins_with(long: &Key, short: &Key) -> bool {
    let ordered = |key: &Key| key.visible && !is_special(key.kind);
    ordered(long)
        && ordered(short)
        && short.kind == KeyKind::Plain
        && long.parts.len() > short.parts.len()
        && long.parts.starts_with(&short.parts)
}

/// `key `a` (`x`, `y`)`.
fn told(key: &Key) -> String {
    let parts: Vec<String> = key
        .parts
        .iter()
        .map(|part| {
            let name = part.column.as_ref().map(|name| format!("`{name}`")).or_else(|| part.expression.clone());
            let prefix = part.prefix.map(|prefix| format!("({prefix})")).unwrap_or_default();
            let order = if part.descending { " DESC" } else { "" };
            format!("{}{prefix}{order}", name.unwrap_or_default())
        })
        .collect();
    let kind = match key.kind {
        KeyKind::Primary => return format!("the primary key ({})", parts.join(", ")),
        KeyKind::Unique | KeyKind::UniqueHash => "unique key",
        KeyKind::Plain => "key",
        KeyKind::Fulltext => "full-text key",
        KeyKind::Spatial => "spatial key",
    };
    format!("{kind} `{}` ({})", key.name, parts.join(", "))
}

/// A new unique key over several columns of which one may be NULL: such rows never collide.
pub(super) fn nullable_unique(change: &Change<'_>) -> Vec<Reason> {
    let one = |key: &Key| {
        let nullable: Vec<String> = key
            .parts
            .iter()
            .filter_map(|part| change.after.column(part.column.as_ref()?))
            .filter(|column| column.nullable && column.generated.is_none())
            .map(|column| format!("`{}`", column.name))
            .collect();
        // A single column that may be NULL is the usual way to say "unique where it is set".
        (key.parts.len() > 1 && !nullable.is_empty()).then(|| {
            Reason::new(
                Code::LintNullableUnique,
                format!(
                    "{} lets in any number of equal rows where {} is NULL: NULLs are never equal to each other",
                    told(key),
                    list(&nullable)
                ),
                format!("if such rows must not repeat, make {} NOT NULL", list(&nullable)),
            )
        })
    };
    change.new_keys().into_iter().filter(|key| key.unique()).filter_map(one).collect()
}

/// A table that has a primary key now and will have none.
pub(super) fn no_primary(change: &Change<'_>) -> Vec<Reason> {
    if change.before.primary().is_none() || change.after.primary().is_some() {
        return Vec::new();
    }
    let bites = match change.facts.topology {
        Topology::Galera { .. } => {
            "Galera wants one in every table, supports no DELETE without, and keeps no common order of rows"
        }
        Topology::Single => "replicas then look through the whole table for every row that changes",
    };
    vec![Reason::new(
        Code::LintNoPrimaryKey,
        format!("the table loses its primary key and gets no other: {bites}"),
        "add the new primary key in the same alter",
    )]
}

/// A foreign key of the table that no index serves any more: the server makes one by itself.
pub(super) fn foreign_key_index(change: &Change<'_>) -> Vec<Reason> {
    let mut found = Vec::new();
    for foreign in change.foreign_keys() {
        let columns: Option<Vec<_>> = foreign.columns.iter().map(|name| change.successor(name)).collect();
        let Some(columns) = columns else { continue };
        let leads = |key: &Key| {
            !is_special(key.kind)
                && key.parts.len() >= columns.len()
                && key.parts.iter().zip(&columns).all(|(part, column)| {
                    part.prefix.is_none() && part.column.as_ref().is_some_and(|name| name.same(&column.name))
                })
        };
        if change.after.keys.iter().any(leads) {
            continue;
        }
        found.push(Reason::new(
            Code::LintForeignKeyIndex,
            format!(
                "no index begins with the columns of foreign key `{}` any more: a server that lets it go makes an index of \
                 that name by itself",
                foreign.name
            ),
            "keep the index, add another that begins with these columns, or drop the foreign key too",
        ));
    }
    found
}
