//! The ALTER that makes one node's table like another's, and what proves that their rows are equal.

use driftless_strategies::shape::{Generated, Key, KeyKind, KeyPart};
use driftless_strategies::{Column, Flavour, Ident, TableName, TableShape};

use super::Sql;
use super::checksum::RowHash;
use super::ddl::add_foreign_key;

/// Why no ALTER is written; in words that follow on "the nodes differ in".
pub type Beyond = &'static str;

/// The clauses that make `has` like `wanted`, in the order in which a server takes them.
///
/// # Errors
/// What they differ in that no clause of these makes equal.
pub fn clauses(has: &TableShape, wanted: &TableShape, flavour: Flavour) -> Result<Vec<Sql>, Beyond> {
    let beyond = [
        (has.table_type != wanted.table_type, "the kind of table"),
        (has.engine != wanted.engine, "the storage engine"),
        (has.partitions != wanted.partitions, "their partitions"),
        (has.triggers != wanted.triggers, "their triggers"),
        (has.row_format != wanted.row_format || has.options != wanted.options, "row format or table options"),
        (has.referenced_by != wanted.referenced_by, "the foreign keys of other tables that point at it"),
        (
            checked(has, wanted) && (has.columns != wanted.columns || has.checks != wanted.checks),
            "columns or checks of a table with check constraints (JSON columns have one), of which some belong to columns",
        ),
        (renamed(has, wanted), "columns, of which one may have been renamed: an ALTER would lose its values"),
        (odd_default(has, wanted), "a default of bytes, which the catalog does not show as they are"),
    ];
    if let Some((_, what)) = beyond.into_iter().find(|(differs, _)| *differs) {
        return Err(what);
    }
    let mut clauses = Vec::new();
    foreign_keys_off(has, wanted, &mut clauses);
    keys(&has.keys, &wanted.keys, flavour, Part::Drop, &mut clauses);
    columns(has, wanted, flavour, &mut clauses);
    keys(&has.keys, &wanted.keys, flavour, Part::Add, &mut clauses);
    for (name, clause) in wanted.checks.iter().filter(|check| !has.checks.contains(check)) {
        clauses.push(Sql::new("ADD CONSTRAINT ").name(name).text(" CHECK (").trusted(clause).text(")"));
    }
    for key in wanted.foreign_keys.iter().filter(|key| !has.foreign_keys.contains(key)) {
        clauses.push(add_foreign_key(&key.name, key, flavour));
    }
    if has.collation != wanted.collation {
        clauses.push(Sql::new("DEFAULT COLLATE = ").trusted(&wanted.collation));
    }
    if has.comment != wanted.comment {
        clauses.push(Sql::new("COMMENT = ").literal(&wanted.comment));
    }
    Ok(clauses)
}

fn checked(has: &TableShape, wanted: &TableShape) -> bool {
    !has.checks.is_empty() || !wanted.checks.is_empty()
}

/// Whether each has a stored column that the other lacks.
fn renamed(has: &TableShape, wanted: &TableShape) -> bool {
    let lacks = |one: &TableShape, other: &TableShape| {
        one.columns.iter().any(|column| column.generated.is_none() && other.column(&column.name).is_none())
    };
    lacks(has, wanted) && lacks(wanted, has)
}

fn odd_default(has: &TableShape, wanted: &TableShape) -> bool {
    let bytes = |column: &&Column| ["binary", "varbinary", "bit"].contains(&column.data_type.as_str());
    let changed = |column: &&Column| has.column(&column.name) != Some(*column) && column.default.is_some();
    wanted.columns.iter().filter(bytes).any(|column| changed(&column) && column.default.as_deref() != Some("NULL"))
}

/// Stored columns that only this node has: their values go with them.
#[must_use]
pub fn lost_columns(has: &TableShape, wanted: &TableShape) -> Vec<Ident> {
    let only_here = |column: &&Column| column.generated.is_none() && wanted.column(&column.name).is_none();
    has.columns.iter().filter(only_here).map(|column| column.name.clone()).collect()
}

/// The statement that shows a table's whole definition: what no catalog of ours reads is in it, too.
#[must_use]
pub fn show(table: &TableName) -> Sql {
    Sql::new("SHOW CREATE TABLE ").table(table)
}

/// One ALTER of these clauses.
#[must_use]
pub fn alter(table: &TableName, clauses: &[Sql]) -> Sql {
    Sql::new("ALTER TABLE ").table(table).text(" ").join(", ", clauses.iter().cloned())
}

fn foreign_keys_off(has: &TableShape, wanted: &TableShape, clauses: &mut Vec<Sql>) {
    for key in has.foreign_keys.iter().filter(|key| !wanted.foreign_keys.contains(key)) {
        clauses.push(Sql::new("DROP FOREIGN KEY ").name(&key.name));
    }
    for (name, _) in has.checks.iter().filter(|check| !wanted.checks.contains(check)) {
        clauses.push(Sql::new("DROP CONSTRAINT ").name(name));
    }
}

fn columns(has: &TableShape, wanted: &TableShape, flavour: Flavour, clauses: &mut Vec<Sql>) {
    for column in has.columns.iter().filter(|column| wanted.column(&column.name).is_none()) {
        clauses.push(Sql::new("DROP COLUMN ").name(&column.name));
    }
    let kept = |table: &TableShape, other: &TableShape| -> Vec<String> {
        let both = table.columns.iter().filter(|column| other.column(&column.name).is_some());
        both.map(|column| column.name.as_str().to_lowercase()).collect()
    };
    let moved = kept(has, wanted) != kept(wanted, has);
    let mut before: Option<&Ident> = None;
    for column in &wanted.columns {
        let place = match before {
            None => Sql::new(" FIRST"),
            Some(name) => Sql::new(" AFTER ").name(name),
        };
        match has.column(&column.name) {
            None => clauses.push(Sql::new("ADD COLUMN ").sql(&definition(column, flavour)).sql(&place)),
            Some(old) if old == column && !moved => {}
            Some(old) => {
                let place = if moved { place } else { Sql::new("") };
                let change = Sql::new("CHANGE COLUMN ").name(&old.name).text(" ").sql(&definition(column, flavour));
                clauses.push(change.sql(&place));
            }
        }
        before = Some(&column.name);
    }
}

/// A column as CREATE TABLE would have it. What a server prints of types, defaults and expressions it also reads.
fn definition(column: &Column, flavour: Flavour) -> Sql {
    let mut sql = Sql::new("").name(&column.name).text(" ").trusted(&column.column_type);
    if let (Some(charset), Some(collation)) = (&column.charset, &column.collation) {
        sql = sql.text(" CHARACTER SET ").trusted(charset).text(" COLLATE ").trusted(collation);
    }
    if let (Some(kind), Some(expression)) = (column.generated, &column.expression) {
        sql = sql.text(" AS (").trusted(expression).text(match kind {
            Generated::Virtual => ") VIRTUAL",
            Generated::Stored => ") STORED",
        });
    } else {
        sql = sql.text(if column.nullable { " NULL" } else { " NOT NULL" });
        if let Some(default) = &column.default {
            sql = sql.text(" DEFAULT ").sql(&self::default(column, default, flavour));
        }
        if column.auto_increment() {
            sql = sql.text(" AUTO_INCREMENT");
        }
        if let Some((_, when)) = column.extra.split_once("on update ") {
            sql = sql.text(" ON UPDATE ").trusted(when);
        }
    }
    if column.invisible {
        sql = sql.text(" INVISIBLE");
    }
    if column.comment.is_empty() { sql } else { sql.text(" COMMENT ").literal(&column.comment) }
}

/// MariaDB prints defaults as it reads them; MySQL prints literals bare and marks the rest.
fn default(column: &Column, text: &str, flavour: Flavour) -> Sql {
    let now = text.to_ascii_lowercase().starts_with("current_timestamp");
    match flavour {
        Flavour::MariaDb => Sql::new("").trusted(text),
        Flavour::MySql if now => Sql::new("").trusted(text),
        Flavour::MySql if column.extra.contains("default_generated") => Sql::new("(").trusted(text).text(")"),
        Flavour::MySql => Sql::new("").literal(text),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Drop,
    Add,
}

/// Whether two keys differ in nothing but whether the optimizer may use them: dropped and added in one ALTER the server
/// takes them for the same, and changes nothing (MariaDB 10.11, our own test).
fn only_hidden(one: &Key, other: &Key) -> bool {
    one.visible != other.visible && Key { visible: other.visible, ..one.clone() } == *other
}

/// Lets the optimizer use a key, or not.
fn show_key(key: &Key, flavour: Flavour) -> Sql {
    match flavour {
        Flavour::MariaDb => {
            Sql::new("ALTER KEY ").name(&key.name).text(if key.visible { " NOT IGNORED" } else { " IGNORED" })
        }
        Flavour::MySql => {
            Sql::new("ALTER INDEX ").name(&key.name).text(if key.visible { " VISIBLE" } else { " INVISIBLE" })
        }
    }
}

/// The clauses that make `has` the keys `wanted`.
#[must_use]
pub fn key_clauses(has: &[Key], wanted: &[Key], flavour: Flavour) -> Vec<Sql> {
    let mut clauses = Vec::new();
    keys(has, wanted, flavour, Part::Drop, &mut clauses);
    keys(has, wanted, flavour, Part::Add, &mut clauses);
    clauses
}

fn keys(has: &[Key], wanted: &[Key], flavour: Flavour, part: Part, clauses: &mut Vec<Sql>) {
    let hidden_in = |keys: &[Key], key: &Key| keys.iter().any(|other| only_hidden(other, key));
    match part {
        Part::Drop => {
            for key in has.iter().filter(|key| !wanted.contains(key) && !hidden_in(wanted, key)) {
                clauses.push(match key.kind {
                    KeyKind::Primary => Sql::new("DROP PRIMARY KEY"),
                    KeyKind::Unique | KeyKind::UniqueHash | KeyKind::Plain | KeyKind::Fulltext | KeyKind::Spatial => {
                        Sql::new("DROP KEY ").name(&key.name)
                    }
                });
            }
        }
        Part::Add => {
            for key in wanted.iter().filter(|key| !has.contains(key)) {
                clauses.push(if hidden_in(has, key) { show_key(key, flavour) } else { add_key(key, flavour) });
            }
        }
    }
}

/// The clause that makes a key.
#[must_use]
pub fn add_key(key: &Key, flavour: Flavour) -> Sql {
    let part = |part: &KeyPart| {
        let mut sql = match (&part.column, &part.expression) {
            (Some(column), _) => Sql::new("").name(column),
            (None, expression) => Sql::new("(").trusted(expression.as_deref().unwrap_or_default()).text(")"),
        };
        if let Some(prefix) = part.prefix {
            sql = sql.text("(").number(prefix.into()).text(")");
        }
        if part.descending { sql.text(" DESC") } else { sql }
    };
    let named = |kind: &'static str| Sql::new(kind).name(&key.name);
    let head = match key.kind {
        KeyKind::Primary => Sql::new("ADD PRIMARY KEY"),
        KeyKind::Unique | KeyKind::UniqueHash => named("ADD UNIQUE KEY "),
        KeyKind::Plain => named("ADD KEY "),
        KeyKind::Fulltext => named("ADD FULLTEXT KEY "),
        KeyKind::Spatial => named("ADD SPATIAL KEY "),
    };
    let mut sql = head.text(" (").join(", ", key.parts.iter().map(part)).text(")");
    if !key.comment.is_empty() {
        sql = sql.text(" COMMENT ").literal(&key.comment);
    }
    match (key.visible, flavour) {
        (true, _) => sql,
        (false, Flavour::MariaDb) => sql.text(" IGNORED"),
        (false, Flavour::MySql) => sql.text(" INVISIBLE"),
    }
}

/// Number of rows, how many of them could not be hashed, and the sum of their hashes; the same on two nodes exactly when
/// the rows are. A sum, because equal rows would cancel each other in an XOR; of hashes of each value, because a text of all
/// values could be longer than the server lets a function answer.
#[must_use]
pub fn row_sum(table: &TableName, columns: &[Column], hash: RowHash) -> Sql {
    let stored = columns.iter().filter(|column| column.generated.is_none());
    let text = || Sql::new("CONCAT(").join(", ',', ", stored.clone().map(|column| piece(column, hash))).text(")");
    let number = match hash {
        RowHash::CrcProduct => Sql::new("CRC32(").sql(&text()).text(")*CRC32C(").sql(&text()).text(")"),
        RowHash::Sha224 => Sql::new("CAST(CONV(LEFT(SHA2(").sql(&text()).text(", 224), 16), 16, 10) AS UNSIGNED)"),
    };
    Sql::new("SELECT CONCAT(COUNT(*), ':', COUNT(*) - COUNT(")
        .sql(&number)
        .text("), ':', COALESCE(SUM(")
        .sql(&number)
        .text("), 0)) FROM ")
        .table(table)
}

/// One value as a short text. A float as the double that it is, else it shows some of its digits only.
fn piece(column: &Column, hash: RowHash) -> Sql {
    let float = ["float", "double"].contains(&column.data_type.as_str());
    let bytes = || match float {
        true => Sql::new("(").name(&column.name).text("+0e0)"),
        false => Sql::new("CAST(").name(&column.name).text(" AS BINARY)"),
    };
    let digest = match hash {
        RowHash::CrcProduct => Sql::new("CRC32(").sql(&bytes()).text("), '-', CRC32C(").sql(&bytes()).text(")"),
        RowHash::Sha224 => Sql::new("SHA2(").sql(&bytes()).text(", 224)"),
    };
    Sql::new("IF(")
        .name(&column.name)
        .text(" IS NULL, 'N', CONCAT(LENGTH(")
        .sql(&bytes())
        .text("), ':', ")
        .sql(&digest)
        .text("))")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: &str, default: Option<&str>) -> Column {
        Column {
            name: Ident::new(name).unwrap(),
            data_type: kind.split('(').next().unwrap().into(),
            column_type: kind.into(),
            nullable: default == Some("NULL"),
            default: default.map(str::to_owned),
            extra: String::new(),
            charset: None,
            collation: None,
            generated: None,
            expression: None,
            invisible: false,
            comment: String::new(),
        }
    }

    fn table(columns: Vec<Column>) -> TableShape {
        TableShape { columns, ..TableShape::default() }
    }

    fn told(has: &TableShape, wanted: &TableShape) -> String {
        let clauses = clauses(has, wanted, Flavour::MariaDb).unwrap();
        clauses.iter().map(Sql::as_str).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn says_what_makes_one_table_like_another() {
        let id = || column("id", "int(11)", None);
        let d = |kind: &str| column("d", kind, Some("NULL"));
        let wanted = table(vec![id(), d("varchar(10)")]);
        assert_eq!(told(&wanted, &wanted), "");
        let other = table(vec![id(), d("int(11)")]);
        assert_eq!(told(&other, &wanted), "CHANGE COLUMN `d` `d` varchar(10) NULL DEFAULT NULL");
        let less = table(vec![id()]);
        assert_eq!(told(&less, &wanted), "ADD COLUMN `d` varchar(10) NULL DEFAULT NULL AFTER `id`");
        let more = table(vec![id(), d("varchar(10)"), column("e`", "int(11)", None)]);
        assert_eq!(told(&more, &wanted), "DROP COLUMN `e```");
        let moved = table(vec![d("varchar(10)"), id()]);
        let both = "CHANGE COLUMN `id` `id` int(11) NOT NULL FIRST; \
                    CHANGE COLUMN `d` `d` varchar(10) NULL DEFAULT NULL AFTER `id`";
        assert_eq!(told(&moved, &wanted), both);
    }

    #[test]
    fn what_would_lose_or_invent_is_refused() {
        let with = |names: &[&str]| table(names.iter().map(|name| column(name, "int(11)", Some("NULL"))).collect());
        let refused = |has: &TableShape, wanted: &TableShape| clauses(has, wanted, Flavour::MariaDb).is_err();
        assert!(refused(&with(&["a", "z"]), &with(&["a", "b"])), "z may be b");
        let checked = TableShape { checks: vec![(Ident::new("c").unwrap(), "a > 0".into())], ..with(&["a"]) };
        assert!(refused(&with(&["a"]), &checked), "whose check it is, is not known");
        assert_eq!(lost_columns(&with(&["a", "z"]), &with(&["a"])), [Ident::new("z").unwrap()]);
    }

    #[test]
    fn what_no_clause_makes_equal_is_said() {
        let one = table(Vec::new());
        let other = TableShape { engine: "Aria".into(), ..one.clone() };
        assert_eq!(clauses(&one, &other, Flavour::MariaDb), Err("the storage engine"));
    }
}
