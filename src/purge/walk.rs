//! Which index is walked, and by which key rows are deleted. Pure.

use driftless_strategies::chunk_key::key_literal;
use driftless_strategies::shape::{Key, KeyKind};
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Ident, Reason, TableName, TableShape, choose_key};

use crate::sql::purge::{Walk, WalkColumn};

/// Who says which index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The user.
    Index(Ident),
    /// The server's EXPLAIN of the condition: the index that it would read a range of, if any.
    Explained(Option<Ident>),
}

/// A walk and why it goes that way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The walk.
    pub walk: Walk,
    /// In a sentence.
    pub why: String,
}

/// Chooses the walk.
///
/// # Errors
/// `no-usable-key` when nothing tells the rows apart, or when the user's index can't be walked.
pub fn choose(table: &TableName, shape: &TableShape, wanted: &Wanted) -> Result<Chosen, Reason> {
    let pairs: Vec<(Ident, Ident)> =
        shape.columns.iter().map(|column| (column.name.clone(), column.name.clone())).collect();
    let key = choose_key(shape, shape, &pairs).map_err(|reason| {
        Reason::new(
            ReasonCode::NoUsableKey,
            format!("{table} has no key that tells its rows apart: {}", reason.what),
            "add a primary key, or a unique key over whole NOT NULL columns: without one nobody can delete exactly the rows \
             that were read",
        )
    })?;
    let by_key = || Walk {
        table: table.clone(),
        index: key.source_index.clone(),
        columns: key
            .columns
            .iter()
            .map(|column| WalkColumn { name: column.source.clone(), literal: column.literal.clone(), nullable: false })
            .collect(),
        key_index: key.source_index.clone(),
        key: (0..key.columns.len()).collect(),
    };
    let name = match wanted {
        Wanted::Index(name) => name,
        Wanted::Explained(Some(name)) => name,
        Wanted::Explained(None) => {
            let why =
                format!("no index narrows the condition down, so `{}` is walked from end to end", key.source_index);
            return Ok(Chosen { walk: by_key(), why });
        }
    };
    if name.same(&key.source_index) {
        return Ok(Chosen { walk: by_key(), why: format!("`{name}` is the key by which rows are deleted") });
    }
    match by_index(by_key(), shape, name) {
        Ok(walk) => {
            let why = match wanted {
                Wanted::Index(_) => format!("`{name}` was asked for"),
                Wanted::Explained(_) => format!("the server reads a range of `{name}` for the condition"),
            };
            Ok(Chosen { walk, why })
        }
        Err(why) => match wanted {
            Wanted::Index(_) => Err(Reason::new(
                ReasonCode::NoUsableKey,
                format!("index `{name}` of {table} can't be walked: {why}"),
                "name another index, or leave --index out",
            )),
            Wanted::Explained(_) => {
                let why = format!("`{name}` can't be walked ({why}), so `{}` is, from end to end", key.source_index);
                Ok(Chosen { walk: by_key(), why })
            }
        },
    }
}

/// The walk by another index, with the key's columns behind its own: so InnoDB keeps its entries.
fn by_index(by_key: Walk, shape: &TableShape, name: &Ident) -> Result<Walk, String> {
    let index = shape.keys.iter().find(|key| key.name.same(name)).ok_or("there is none of that name")?;
    fit(index)?;
    let mut columns = Vec::new();
    for part in &index.parts {
        let column = part.column.as_ref().and_then(|name| shape.column(name)).ok_or("it has an expression")?;
        let literal = key_literal(column)
            .ok_or_else(|| format!("values of {} `{}` have no exact order", column.column_type, column.name))?;
        columns.push(WalkColumn { name: column.name.clone(), literal, nullable: column.nullable });
    }
    let mut key = Vec::new();
    for own in by_key.columns {
        let place = columns.iter().position(|column| column.name.same(&own.name)).unwrap_or(columns.len());
        if place == columns.len() {
            columns.push(own);
        }
        key.push(place);
    }
    Ok(Walk { table: by_key.table, index: index.name.clone(), columns, key_index: by_key.key_index, key })
}

fn fit(index: &Key) -> Result<(), String> {
    match index.kind {
        KeyKind::Primary | KeyKind::Unique | KeyKind::Plain => {}
        KeyKind::UniqueHash => return Err("the server keeps it by hash, without order".into()),
        KeyKind::Fulltext | KeyKind::Spatial => return Err("it has no order".into()),
    }
    if !index.visible {
        return Err("the optimizer may not use it".into());
    }
    if let Some(part) = index.parts.iter().find(|part| part.prefix.is_some()) {
        let name = part.column.as_ref().map_or("", Ident::as_str);
        return Err(format!("only a prefix of `{name}` is in it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use driftless_strategies::Column;
    use driftless_strategies::shape::KeyPart;

    use super::*;

    fn name(text: &str) -> Ident {
        Ident::new(text).unwrap()
    }

    fn column(text: &str, column_type: &str, nullable: bool) -> Column {
        let data_type = column_type.split('(').next().unwrap().to_owned();
        let charset = (data_type == "varchar").then(|| "utf8mb4".to_owned());
        Column {
            name: name(text),
            data_type,
            column_type: column_type.into(),
            nullable,
            default: None,
            extra: String::new(),
            collation: charset.as_ref().map(|_| "utf8mb4_general_ci".into()),
            charset,
            generated: None,
            expression: None,
            invisible: false,
            comment: String::new(),
        }
    }

    fn key(text: &str, kind: KeyKind, columns: &[&str]) -> Key {
        let part =
            |column: &&str| KeyPart { column: Some(name(column)), expression: None, prefix: None, descending: false };
        let parts = columns.iter().map(part).collect();
        Key { name: name(text), kind, parts, visible: true, comment: String::new() }
    }

    fn shape(keys: Vec<Key>) -> TableShape {
        let columns = vec![
            column("id", "int(11)", false),
            column("at", "datetime", true),
            column("f", "double", false),
            column("s", "varchar(20)", false),
        ];
        TableShape { columns, keys, ..TableShape::default() }
    }

    fn chosen(keys: Vec<Key>, wanted: &Wanted) -> String {
        match choose(&TableName::parse("s.t").unwrap(), &shape(keys), wanted) {
            Ok(chosen) => {
                let names: Vec<_> = chosen.walk.columns.iter().map(|column| column.name.as_str()).collect();
                format!("{} by {} key {:?}", chosen.walk.index, names.join(","), chosen.walk.key)
            }
            Err(reason) => reason.what,
        }
    }

    #[test]
    fn chooses_and_explains() {
        let primary = || key("PRIMARY", KeyKind::Primary, &["id"]);
        let explained = |text: &str| Wanted::Explained(Some(name(text)));
        let with = |other: Key| vec![primary(), other];
        //  keys                                              wanted                      walk
        let cases = [
            (vec![primary()], Wanted::Explained(None), "PRIMARY by id key [0]"),
            (with(key("a", KeyKind::Plain, &["at"])), explained("a"), "a by at,id key [1]"),
            (with(key("a", KeyKind::Plain, &["id", "at"])), explained("a"), "a by id,at key [0]"),
            (with(key("a", KeyKind::Plain, &["f"])), explained("a"), "PRIMARY by id key [0]"),
            (with(key("a", KeyKind::Plain, &["f"])), Wanted::Index(name("a")), "no exact order"),
            (vec![primary()], Wanted::Index(name("nope")), "there is none of that name"),
            (vec![key("a", KeyKind::Plain, &["id"])], Wanted::Explained(None), "no key that tells its rows apart"),
            (vec![key("u", KeyKind::Unique, &["at"])], Wanted::Explained(None), "may be NULL"),
            (
                vec![key("u", KeyKind::Unique, &["s", "id"]), key("a", KeyKind::Plain, &["at", "s"])],
                explained("a"),
                "a by at,s,id key [1, 2]",
            ),
        ];
        for (keys, wanted, walk) in cases {
            let said = chosen(keys, &wanted);
            assert!(said.contains(walk), "{wanted:?}: {said}");
        }
    }
}
