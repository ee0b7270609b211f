//! Rows of the catalog to definitions: pure.

use std::collections::BTreeMap;

use crate::inspect::{rules_of, text};
use crate::ports::server::Row;

use super::definition::{Aspects, Catalog, Kind, Object};
use super::diff::AS_ELSEWHERE;

/// An event's status on every node but the one that it was made or last changed on, whether it is enabled there or not.
const HELD: &str = "SLAVESIDE_DISABLED";

/// A catalog that grows row by row, of one schema.
pub(crate) struct Growing<'a> {
    pub(crate) schema: &'a str,
    pub(crate) catalog: &'a mut Catalog,
    /// Whether it has views: only then it is asked whether a table is one.
    pub(crate) views: bool,
}

impl Growing<'_> {
    fn aspects(&mut self, kind: Kind, name: &str) -> &mut Aspects {
        let object = Object { schema: self.schema.to_owned(), kind, name: name.to_owned() };
        self.catalog.entry(object).or_default()
    }

    /// An aspect of a table. What hangs on a view (its columns) belongs to the view.
    fn set(&mut self, table: &str, aspect: String, definition: String) {
        let view = || Object { schema: self.schema.to_owned(), kind: Kind::View, name: table.to_owned() };
        let kind = if self.views && self.catalog.contains_key(&view()) { Kind::View } else { Kind::Table };
        self.aspects(kind, table).insert(aspect, definition);
    }

    /// The schema itself.
    pub(crate) fn schema(&mut self, row: &Row) {
        let (charset, collation) = (text(row, 1), text(row, 2));
        let aspects = self.aspects(Kind::Schema, "");
        aspects.insert("character set".into(), charset);
        aspects.insert("collation".into(), collation);
    }

    /// From `catalog_all::tables`; says whether any is partitioned.
    pub(crate) fn tables(&mut self, rows: &[Row]) -> bool {
        let mut partitioned = false;
        for row in rows {
            let (name, kind) = (text(row, 0), text(row, 1));
            if kind.contains("VIEW") {
                self.views = true;
                self.aspects(Kind::View, &name);
                continue;
            }
            let options = text(row, 5);
            partitioned |= options.contains("partitioned");
            let aspects = self.aspects(Kind::Table, &name);
            let named = [
                ("type", kind),
                ("engine", text(row, 2)),
                ("row format", text(row, 3)),
                ("collation", text(row, 4)),
                ("options", options),
                ("comment", text(row, 6)),
            ];
            aspects.extend(named.map(|(aspect, definition)| (aspect.to_owned(), definition)));
        }
        partitioned
    }

    /// From `catalog_all::columns`.
    pub(crate) fn columns(&mut self, rows: &[Row]) {
        let mut orders: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows {
            let (table, name) = (text(row, 0), quoted(row, 1));
            self.set(&table, format!("column {name}"), column(row));
            orders.entry(table).or_default().push(name);
        }
        for (table, order) in orders {
            self.set(&table, "column order".into(), order.join(", "));
        }
    }

    /// From `catalog_all::keys`.
    pub(crate) fn keys(&mut self, rows: &[Row]) {
        let mut keys: BTreeMap<(String, String), (&Row, Vec<String>)> = BTreeMap::new();
        for row in rows {
            let key = keys.entry((text(row, 0), quoted(row, 1))).or_insert_with(|| (row, Vec::new()));
            key.1.push(part(row));
        }
        for ((table, name), (row, parts)) in keys {
            let unique = if text(row, 2) == "0" { "UNIQUE " } else { "" };
            let ignored = if text(row, 8).eq_ignore_ascii_case("yes") { "" } else { " IGNORED" };
            let definition = format!("{unique}({}) {}{ignored}{}", parts.join(", "), text(row, 7), comment(row, 9));
            self.set(&table, format!("key {name}"), definition);
        }
    }

    /// From `catalog_all::checks`.
    pub(crate) fn checks(&mut self, rows: &[Row]) {
        for row in rows {
            let enforced = if text(row, 3).eq_ignore_ascii_case("no") { " NOT ENFORCED" } else { "" };
            self.set(&text(row, 0), format!("check {}", quoted(row, 1)), text(row, 2) + enforced);
        }
    }

    /// From `catalog_all::partitions`.
    pub(crate) fn partitions(&mut self, rows: &[Row]) {
        for row in rows {
            let sub =
                row.text(5).map_or_else(String::new, |sub| format!("; {} ({}) {sub}", text(row, 6), text(row, 7)));
            let name = match row.text(5) {
                Some(sub) => format!("partition `{}` `{sub}`", text(row, 1)),
                None => format!("partition {}", quoted(row, 1)),
            };
            let definition = format!("{} ({}) {}{sub}{}", text(row, 2), text(row, 3), text(row, 4), comment(row, 8));
            self.set(&text(row, 0), name, definition);
        }
    }

    /// From `catalog_all::foreign_keys` and `catalog_all::foreign_key_rules`.
    pub(crate) fn foreign_keys(&mut self, rows: &[Row], rules: &[Row]) {
        let rule = |row: &Row| format!(" ON DELETE {} ON UPDATE {}", text(row, 2), text(row, 3));
        let rules: BTreeMap<_, _> = rules.iter().map(|row| ((text(row, 0), quoted(row, 1)), rule(row))).collect();
        let mut keys: BTreeMap<(String, String), Columns<'_>> = BTreeMap::new();
        for row in rows {
            let key = keys.entry((text(row, 0), quoted(row, 1))).or_insert_with(|| (row, Vec::new(), Vec::new()));
            key.1.push(quoted(row, 2));
            key.2.push(quoted(row, 5));
        }
        for ((table, name), (row, columns, parents)) in keys {
            let key = (table, name);
            let rules = rules.get(&key).map_or("", String::as_str);
            let definition = reference(&columns, (&quoted(row, 3), &quoted(row, 4)), &parents, rules);
            self.set(&key.0, format!("foreign key {}", key.1), definition);
        }
    }

    /// One from `innodb_foreign_keys`.
    pub(crate) fn foreign_key(&mut self, table: &str, (name, definition): &Linked) {
        self.set(table, format!("foreign key {name}"), definition.clone());
    }

    /// From `catalog_all::triggers`.
    pub(crate) fn triggers(&mut self, rows: &[Row]) {
        for row in rows {
            let definition = format!(
                "{} {} #{} {} [definer {}, sql_mode {}, {}, {}]",
                text(row, 2),
                text(row, 3),
                text(row, 7),
                text(row, 4),
                text(row, 6),
                text(row, 5),
                text(row, 8),
                text(row, 9),
            );
            self.set(&text(row, 0), format!("trigger {}", quoted(row, 1)), definition);
        }
    }

    /// From `catalog_all::views`.
    pub(crate) fn views(&mut self, rows: &[Row]) {
        let names = ["definition", "check option", "definer", "security", "character set", "collation"];
        for row in rows {
            let aspects = self.aspects(Kind::View, &text(row, 0));
            aspects.extend(named(row, 1, &names));
        }
    }

    /// From `catalog_all::routines`.
    pub(crate) fn routines(&mut self, rows: &[Row]) {
        let names = [
            "returns",
            "body",
            "deterministic",
            "data access",
            "security",
            "sql_mode",
            "definer",
            "comment",
            "character set",
            "collation",
            "database collation",
        ];
        for row in rows {
            let aspects = self.aspects(Kind::Routine, &routine(row));
            aspects.extend(named(row, 2, &names));
        }
    }

    /// From `catalog_all::parameters`.
    pub(crate) fn parameters(&mut self, rows: &[Row]) {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows {
            let parameter = format!("{} {} {}", text(row, 2), quoted(row, 3), text(row, 4));
            all.entry(routine(row)).or_default().push(parameter.trim_start().to_owned());
        }
        for (routine, parameters) in all {
            self.aspects(Kind::Routine, &routine).insert("parameters".into(), parameters.join(", "));
        }
    }

    /// From `catalog_all::events`.
    pub(crate) fn events(&mut self, rows: &[Row]) {
        let names = [
            "body",
            "type",
            "at",
            "every",
            "unit",
            "starts",
            "ends",
            "status",
            "on completion",
            "time zone",
            "sql_mode",
            "definer",
            "comment",
            "character set",
            "collation",
            "database collation",
        ];
        for row in rows {
            let aspects = self.aspects(Kind::Event, &text(row, 0));
            aspects.extend(named(row, 1, &names));
            if aspects.get("status").is_some_and(|status| status == HELD) {
                aspects.insert("status".into(), AS_ELSEWHERE.into());
            }
        }
    }
}

/// A foreign key as a node's InnoDB has it: name and definition.
type Linked = (String, String);

/// Such keys by schema and table, both in lower case.
pub(crate) type ForeignKeys = BTreeMap<(String, String), Vec<Linked>>;

/// A foreign key's first row, its columns, its parent's columns.
type Columns<'a> = (&'a Row, Vec<String>, Vec<String>);

/// From `catalog_all::innodb_foreign_keys` and `catalog_all::innodb_foreign_columns`.
pub(crate) fn innodb_foreign_keys(keys: &[Row], columns: &[Row]) -> ForeignKeys {
    let mut of: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for row in columns {
        let pair = of.entry(text(row, 0)).or_default();
        pair.0.push(quoted(row, 1));
        pair.1.push(quoted(row, 2));
    }
    let mut found = ForeignKeys::new();
    for row in keys {
        let (columns, parents) = of.get(&text(row, 0)).cloned().unwrap_or_default();
        let (on_delete, on_update) = rules_of(row.u64(6).unwrap_or(0));
        let rules = format!(" ON DELETE {on_delete} ON UPDATE {on_update}");
        let definition = reference(&columns, (&quoted(row, 4), &quoted(row, 5)), &parents, &rules);
        let table = (text(row, 2).to_lowercase(), text(row, 3).to_lowercase());
        found.entry(table).or_default().push((quoted(row, 1), definition));
    }
    found
}

fn reference(columns: &[String], parent: (&str, &str), parents: &[String], rules: &str) -> String {
    format!("({}) REFERENCES {}.{} ({}){rules}", columns.join(", "), parent.0, parent.1, parents.join(", "))
}

fn named<'a>(row: &'a Row, from: usize, names: &'a [&str]) -> impl Iterator<Item = (String, String)> + 'a {
    names.iter().enumerate().map(move |(place, name)| ((*name).to_owned(), text(row, from + place)))
}

fn routine(row: &Row) -> String {
    format!("{} {}", text(row, 0).to_lowercase(), text(row, 1))
}

fn quoted(row: &Row, index: usize) -> String {
    format!("`{}`", text(row, index).replace('`', "``"))
}

fn comment(row: &Row, index: usize) -> String {
    let comment = text(row, index);
    if comment.is_empty() { comment } else { format!(" COMMENT {comment:?}") }
}

fn column(row: &Row) -> String {
    let mut words = text(row, 2);
    let mut add = |before: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty() || before == " DEFAULT ") {
            words.push_str(before);
            words.push_str(&value);
        }
    };
    add(" CHARACTER SET ", row.text(6));
    add(" COLLATE ", row.text(7));
    add(" ", Some(if text(row, 3).eq_ignore_ascii_case("no") { "NOT NULL" } else { "NULL" }.to_owned()));
    add(" DEFAULT ", row.text(4));
    add(" ", row.text(5));
    add(" AS ", row.text(8));
    add(" SRID ", row.text(10));
    add("", Some(comment(row, 9)));
    words
}

fn part(row: &Row) -> String {
    let what = match row.text(4) {
        Some(expression) => format!("({expression})"),
        None => quoted(row, 3),
    };
    let prefix = row.text(5).map_or_else(String::new, |prefix| format!("({prefix})"));
    let order = if text(row, 6).eq_ignore_ascii_case("d") { " DESC" } else { "" };
    format!("{what}{prefix}{order}")
}
