//! Looking for rows that are to go, in the order of an index, and deleting exactly those that were found.

use driftless_strategies::plan::Literal;
use driftless_strategies::{Flavour, Ident, TableName};

use super::Sql;
use crate::ports::rows::Bound;
use crate::ports::server::Row;

/// A column that a walk goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkColumn {
    /// Its name.
    pub name: Ident,
    /// How its values travel.
    pub literal: Literal,
    /// Whether it may be NULL, which sorts before everything else.
    pub nullable: bool,
}

/// The order in which rows are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The table.
    pub table: TableName,
    /// The index that is walked.
    pub index: Ident,
    /// Its columns, and behind them those of the key that it lacks: together they tell every row apart.
    pub columns: Vec<WalkColumn>,
    /// The unique NOT NULL key by which rows are deleted.
    pub key_index: Ident,
    /// Which of `columns` are that key's, in its order.
    pub key: Vec<usize>,
}

/// What stands for NULL in a bound.
const NULL: &str = "NULL";

impl Walk {
    /// Makes the bound of a row that was read by `expressions`; `None` when a value is not what its type promises.
    #[must_use]
    pub fn bound(&self, row: &Row) -> Option<Bound> {
        let one = |(index, column): (usize, &WalkColumn)| literal(column, row.text(index).as_deref());
        self.columns.iter().enumerate().map(one).collect::<Option<Vec<_>>>().map(Bound)
    }

    /// Makes the key of a row that was read by `lock`.
    #[must_use]
    pub fn key_bound(&self, row: &Row) -> Option<Bound> {
        let one = |(index, column): (usize, &WalkColumn)| literal(column, row.text(index).as_deref());
        self.key_columns().enumerate().map(one).collect::<Option<Vec<_>>>().map(Bound)
    }

    /// The part of a bound that is the key.
    #[must_use]
    pub fn key_of(&self, bound: &Bound) -> Bound {
        Bound(self.key.iter().filter_map(|index| bound.0.get(*index).cloned()).collect())
    }

    fn key_columns(&self) -> impl Iterator<Item = &WalkColumn> {
        self.key.iter().filter_map(|index| self.columns.get(*index))
    }
}

fn literal(column: &WalkColumn, text: Option<&str>) -> Option<String> {
    let Some(text) = text else { return column.nullable.then(|| NULL.to_owned()) };
    let plain = |extra: &[u8]| text.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b));
    match &column.literal {
        Literal::Number | Literal::Ordinal => (!text.is_empty() && plain(b"-.")).then(|| text.to_owned()),
        Literal::Text { charset } => plain(b"").then(|| format!("_{charset} x'{text}'")),
        Literal::Bytes => plain(b"").then(|| format!("x'{text}'")),
        Literal::Quoted => plain(b" -:.").then(|| format!("'{text}'")),
    }
}

fn expression(column: &WalkColumn) -> Sql {
    match column.literal {
        Literal::Number | Literal::Quoted => Sql::new("").name(&column.name),
        Literal::Ordinal => Sql::new("").name(&column.name).text("+0"),
        Literal::Text { .. } | Literal::Bytes => Sql::new("HEX(").name(&column.name).text(")"),
    }
}

/// One side of a comparison of a column with a value of a bound.
#[derive(Clone, Copy)]
enum Than {
    Equal,
    Greater,
    AtLeast,
    Less,
    AtMost,
}

/// `None` where it always holds.
fn compare(column: &WalkColumn, than: Than, value: &str) -> Option<Sql> {
    let name = || Sql::new("").name(&column.name);
    let op = |op: &'static str| name().text(op).trusted(value);
    // NULL is less than everything else.
    let or_null = |sql: Sql| {
        if column.nullable { Sql::new("(").sql(&sql).text(" OR ").sql(&name()).text(" IS NULL)") } else { sql }
    };
    let null = value == NULL;
    match than {
        Than::Equal | Than::AtMost if null => Some(name().text(" IS NULL")),
        Than::Greater if null => Some(name().text(" IS NOT NULL")),
        Than::AtLeast if null => None,
        Than::Less if null => Some(Sql::new("FALSE")),
        Than::Equal => Some(op(" = ")),
        Than::Greater => Some(op(" > ")),
        Than::AtLeast => Some(op(" >= ")),
        Than::Less => Some(or_null(op(" < "))),
        Than::AtMost => Some(or_null(op(" <= "))),
    }
}

/// `a >= x AND ((a > x) OR (a = x AND b > y) …)`: the first column's range stands in front, where the optimizer finds it.
fn beyond(walk: &Walk, bound: &Bound, strict: Than, loose: Than, last: Than) -> Sql {
    let pairs: Vec<(&WalkColumn, &String)> = walk.columns.iter().zip(&bound.0).collect();
    let branch = |index: usize| {
        let than = if index + 1 == pairs.len() { last } else { strict };
        let equal = pairs.iter().take(index).filter_map(|(column, value)| compare(column, Than::Equal, value));
        let own = pairs.get(index).and_then(|(column, value)| compare(column, than, value));
        Sql::new("(").join(" AND ", equal.chain(own)).text(")")
    };
    let Some((first, value)) = pairs.first() else { return Sql::new("TRUE") };
    if pairs.len() == 1 {
        return compare(first, last, value).unwrap_or_else(|| Sql::new("TRUE"));
    }
    let branches = Sql::new("(").join(" OR ", (0..pairs.len()).map(branch)).text(")");
    match compare(first, loose, value) {
        Some(front) => front.text(" AND ").sql(&branches),
        None => branches,
    }
}

/// Where a stretch begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At the first row.
    Start,
    /// At this place.
    At(Bound),
    /// Behind this place.
    After(Bound),
}

/// The condition of a stretch; `upto` is in it.
#[must_use]
pub fn within(walk: &Walk, begin: &Begin, upto: Option<&Bound>) -> Sql {
    let begin = match begin {
        Begin::Start => None,
        Begin::At(bound) => Some(beyond(walk, bound, Than::Greater, Than::AtLeast, Than::AtLeast)),
        Begin::After(bound) => Some(beyond(walk, bound, Than::Greater, Than::AtLeast, Than::Greater)),
    };
    let upto = upto.map(|bound| beyond(walk, bound, Than::Less, Than::AtMost, Than::AtMost));
    let ends: Vec<Sql> = [begin, upto].into_iter().flatten().collect();
    if ends.is_empty() { Sql::new("TRUE") } else { Sql::new("").join(" AND ", ends) }
}

/// The user's condition as a whole. The line end closes a comment that it may end with.
fn whole(condition: &str) -> Sql {
    Sql::new("(").trusted(condition).text("\n)")
}

/// `column < 'time'`, for rows older than a moment.
#[must_use]
pub fn older(column: &Ident, moment: &str) -> Sql {
    Sql::new("").name(column).text(" < ").string(moment)
}

/// Both conditions.
#[must_use]
pub fn both(one: &str, other: &Sql) -> Sql {
    whole(one).text(" AND ").sql(other)
}

fn from(walk: &Walk, index: &Ident) -> Sql {
    Sql::new(" FROM ").table(&walk.table).text(" FORCE INDEX (").name(index).text(") WHERE ")
}

fn order(walk: &Walk, direction: &'static str) -> Sql {
    let names = walk.columns.iter().map(|column| Sql::new("").name(&column.name).text(direction));
    Sql::new(" ORDER BY ").join(", ", names)
}

fn select(walk: &Walk) -> Sql {
    Sql::new("SELECT ").join(", ", walk.columns.iter().map(expression)).sql(&from(walk, &walk.index))
}

/// Which end of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The least.
    First,
    /// The greatest.
    Last,
}

/// The first or last place of the index, with the condition of rows that match it; `skip` places further in.
#[must_use]
pub fn end(walk: &Walk, condition: Option<&str>, end: End, skip: u64) -> Sql {
    let direction = match end {
        End::First => "",
        End::Last => " DESC",
    };
    let condition = condition.map_or_else(|| Sql::new("TRUE"), whole);
    select(walk).sql(&condition).sql(&order(walk, direction)).text(" LIMIT 1 OFFSET ").number(skip)
}

/// The place `rows` rows into the stretch; no row when it has fewer.
#[must_use]
pub fn place_at(walk: &Walk, begin: &Begin, upto: &Bound, rows: u64) -> Sql {
    select(walk)
        .sql(&within(walk, begin, Some(upto)))
        .sql(&order(walk, ""))
        .text(" LIMIT 1 OFFSET ")
        .number(rows.saturating_sub(1))
}

/// Places in the stretch whose rows match, in order. Locks nothing.
#[must_use]
pub fn candidates(walk: &Walk, begin: &Begin, upto: &Bound, condition: &str, limit: u64) -> Sql {
    select(walk)
        .sql(&within(walk, begin, Some(upto)))
        .text(" AND ")
        .sql(&whole(condition))
        .sql(&order(walk, ""))
        .text(" LIMIT ")
        .number(limit)
}

/// Rows with one of these keys. Composite keys stand as OR of ANDs: MariaDB finds no range in a list of rows.
fn keyed(walk: &Walk, keys: &[Bound]) -> Sql {
    let columns: Vec<&WalkColumn> = walk.key_columns().collect();
    if let [only] = columns.as_slice() {
        let values = keys.iter().filter_map(|key| key.0.first()).map(|value| Sql::new("").trusted(value));
        return Sql::new("").name(&only.name).text(" IN (").join(", ", values).text(")");
    }
    let one = |key: &Bound| {
        let parts = columns
            .iter()
            .zip(&key.0)
            .map(|(column, value)| Sql::new("").name(&column.name).text(" = ").trusted(value));
        Sql::new("(").join(" AND ", parts).text(")")
    };
    Sql::new("(").join(" OR ", keys.iter().map(one)).text(")")
}

/// Deletes the rows of these keys that match when they are locked. The form of several tables takes an index by name.
#[must_use]
pub fn delete(walk: &Walk, keys: &[Bound], condition: Option<&str>) -> Sql {
    let sql = Sql::new("DELETE ").table(&walk.table).sql(&from(walk, &walk.key_index)).sql(&keyed(walk, keys));
    match condition {
        Some(condition) => sql.text(" AND ").sql(&whole(condition)),
        None => sql,
    }
}

/// Locks the rows of these keys that match, and gives their keys and `more`.
#[must_use]
pub fn lock(walk: &Walk, keys: &[Bound], condition: &str, more: &[Sql]) -> Sql {
    Sql::new("SELECT ")
        .join(", ", walk.key_columns().map(expression).chain(more.iter().cloned()))
        .sql(&from(walk, &walk.key_index))
        .sql(&keyed(walk, keys))
        .text(" AND ")
        .sql(&whole(condition))
        .text(" FOR UPDATE")
}

/// Copies rows that are locked into another table of the server.
#[must_use]
pub fn insert(walk: &Walk, into: &TableName, columns: &[Ident], keys: &[Bound]) -> Sql {
    let names = || columns.iter().map(|name| Sql::new("").name(name));
    Sql::new("INSERT INTO ")
        .table(into)
        .text(" (")
        .join(", ", names())
        .text(") SELECT ")
        .join(", ", names())
        .sql(&from(walk, &walk.key_index))
        .sql(&keyed(walk, keys))
}

/// Columns, types and character sets of a table now: asked within the transaction that has locked rows of it, so that no
/// ALTER comes between.
#[must_use]
pub fn columns_now(table: &TableName) -> Sql {
    Sql::new("SELECT COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME FROM information_schema.COLUMNS")
        .text(" WHERE TABLE_SCHEMA = ")
        .string(table.schema.as_str())
        .text(" AND TABLE_NAME = ")
        .string(table.table.as_str())
        .text(" ORDER BY ORDINAL_POSITION")
}

/// How many rows match.
#[must_use]
pub fn count(table: &TableName, condition: &str) -> Sql {
    Sql::new("SELECT COUNT(*) FROM ").table(table).text(" WHERE ").sql(&whole(condition))
}

/// The keys of matching rows as the server would look for them, left to itself.
#[must_use]
pub fn at_will(table: &TableName, condition: &str) -> Sql {
    Sql::new("SELECT * FROM ").table(table).text(" WHERE ").sql(&whole(condition))
}

/// Judges one row, any: what the server says of the condition's values comes as warnings, which EXPLAIN does not give
/// (MariaDB 10.11, our own test).
#[must_use]
pub fn probe(table: &TableName, condition: &str) -> Sql {
    Sql::new("SELECT COUNT(*) FROM (SELECT * FROM ")
        .table(table)
        .text(" LIMIT 1) AS ")
        .name(&table.table)
        .text(" WHERE ")
        .sql(&whole(condition))
}

/// How the server would carry a statement out.
#[must_use]
pub fn explain(statement: &Sql) -> Sql {
    Sql::new("EXPLAIN ").sql(statement)
}

/// What the last statement left.
#[must_use]
pub fn warnings() -> Sql {
    Sql::new("SHOW WARNINGS")
}

/// The moment so many seconds ago, as the server's own clock and zone write it.
#[must_use]
pub fn moment_ago(seconds: u64) -> Sql {
    Sql::new("SELECT NOW() - INTERVAL ").number(seconds).text(" SECOND")
}

/// From now on times are those of the server's own zone, as applications see them that set none.
#[must_use]
pub fn servers_zone() -> Sql {
    Sql::new("SET SESSION time_zone = DEFAULT")
}

/// Seconds since midnight and since 1970, by the server's clock.
#[must_use]
pub fn time_of_day() -> Sql {
    Sql::new("SELECT TIME_TO_SEC(CURTIME()), UNIX_TIMESTAMP()")
}

/// What a session that deletes by long lists of keys needs.
///
/// # Source
/// MariaDB: a list of more values than `in_predicate_conversion_threshold` becomes a join with a temporary table. MySQL: a
/// list whose ranges need more than `range_optimizer_max_mem_size` becomes a scan of the table.
#[must_use]
pub fn long_lists(flavour: Flavour) -> Sql {
    match flavour {
        Flavour::MariaDb => Sql::new("SET SESSION in_predicate_conversion_threshold = 0"),
        Flavour::MySql => Sql::new("SET SESSION range_optimizer_max_mem_size = 0"),
    }
}

/// Every value that a table may hold is taken as it is: also dates that no calendar has.
#[must_use]
pub fn every_value() -> Sql {
    Sql::new(
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(nullable: bool) -> Walk {
        let name = |text: &str| Ident::new(text).unwrap();
        let column = |text: &str, nullable| WalkColumn { name: name(text), literal: Literal::Number, nullable };
        Walk {
            table: TableName::parse("s.t").unwrap(),
            index: name("i"),
            columns: vec![column("a", nullable), column("id", false)],
            key_index: name("PRIMARY"),
            key: vec![1],
        }
    }

    fn bound(a: &str, id: &str) -> Option<Bound> {
        Some(Bound(vec![a.into(), id.into()]))
    }

    #[test]
    fn null_sorts_first() {
        //  nullable  after              upto               condition
        let cases = [
            (false, bound("1", "2"), None, "`a` >= 1 AND ((`a` > 1) OR (`a` = 1 AND `id` > 2))"),
            (
                true,
                None,
                bound("3", "4"),
                "(`a` <= 3 OR `a` IS NULL) AND (((`a` < 3 OR `a` IS NULL)) OR (`a` = 3 AND `id` <= 4))",
            ),
            (true, None, bound("NULL", "4"), "`a` IS NULL AND ((FALSE) OR (`a` IS NULL AND `id` <= 4))"),
        ];
        for (nullable, after, upto, expected) in cases {
            let begin = after.map_or(Begin::Start, Begin::After);
            assert_eq!(within(&walk(nullable), &begin, upto.as_ref()).as_str(), expected);
        }
    }

    /// Ranges that touch hold every row once, whatever NULLs there are: judged by evaluating the same comparisons here.
    #[test]
    fn ranges_divide_all_rows() {
        let value = |n: i64| if n == 0 { "NULL".to_owned() } else { n.to_string() };
        let rows: Vec<(i64, i64)> = (0..4).flat_map(|a| (1..4).map(move |id| (a, id))).collect();
        for (index, (a, id)) in rows.iter().enumerate() {
            let cut = Bound(vec![value(*a), id.to_string()]);
            let above = within(&walk(true), &Begin::After(cut.clone()), None);
            let from = within(&walk(true), &Begin::At(cut.clone()), None);
            let below = within(&walk(true), &Begin::Start, Some(&cut));
            for (place, row) in rows.iter().enumerate() {
                assert_eq!(holds(above.as_str(), *row), place > index, "{row:?} > {a},{id}: {}", above.as_str());
                assert_eq!(holds(from.as_str(), *row), place >= index, "{row:?} >= {a},{id}: {}", from.as_str());
                assert_eq!(holds(below.as_str(), *row), place <= index, "{row:?} <= {a},{id}: {}", below.as_str());
            }
        }
    }

    /// Evaluates what `within` writes for `walk(true)`; 0 stands for NULL.
    fn holds(text: &str, row: (i64, i64)) -> bool {
        let text = text.trim();
        for (between, all) in [(" OR ", false), (" AND ", true)] {
            let parts = split(text, between);
            if parts.len() > 1 {
                return if all {
                    parts.iter().all(|part| holds(part, row))
                } else {
                    parts.iter().any(|part| holds(part, row))
                };
            }
        }
        if let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            return holds(inner, row);
        }
        let mut words = text.splitn(3, ' ');
        let (name, op, value) = (words.next().unwrap(), words.next(), words.next());
        let column = if name == "`a`" { row.0 } else { row.1 };
        let null = column == 0;
        match (op, value) {
            (None, None) => name == "TRUE",
            (Some("IS"), Some("NULL")) => null,
            (Some("IS"), Some("NOT NULL")) => !null,
            (Some(op), Some(value)) => {
                let value: i64 = value.parse().unwrap();
                !null
                    && match op {
                        "=" => column == value,
                        ">" => column > value,
                        ">=" => column >= value,
                        "<" => column < value,
                        "<=" => column <= value,
                        other => panic!("{other}"),
                    }
            }
            other => panic!("{other:?}"),
        }
    }

    /// Splits outside parentheses.
    fn split<'a>(text: &'a str, between: &str) -> Vec<&'a str> {
        let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
        for (index, c) in text.char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 && text[index..].starts_with(between) {
                parts.push(&text[from..index]);
                from = index + between.len();
            }
        }
        parts.push(&text[from..]);
        parts
    }

    #[test]
    fn deletes_by_keys() {
        let key = |id: &str| Bound(vec![id.into()]);
        let sql = delete(&walk(false), &[key("1"), key("2")], Some("a = 3 -- old"));
        assert_eq!(
            sql.as_str(),
            "DELETE `s`.`t` FROM `s`.`t` FORCE INDEX (`PRIMARY`) WHERE `id` IN (1, 2) AND (a = 3 -- old\n)"
        );
        let mut composite = walk(false);
        composite.key = vec![0, 1];
        let sql = delete(&composite, &[Bound(vec!["1".into(), "2".into()])], None);
        assert!(sql.as_str().ends_with("WHERE ((`a` = 1 AND `id` = 2))"), "{}", sql.as_str());
    }
}
