//! Chunks: boundary search, the copying INSERT … SELECT, and its checkpoint.

use driftless_strategies::Ident;
use driftless_strategies::TableName;
use driftless_strategies::plan::{CopySpec, KeyColumn, Literal};

use super::Sql;
use super::journal;
use crate::ports::journal::JobId;
use crate::ports::rows::{Bound, Chunk, Range};

/// Which of the two tables a statement reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The source.
    Source,
    /// The shadow.
    Shadow,
}

impl Side {
    /// The table.
    #[must_use]
    pub const fn table(self, spec: &CopySpec) -> &TableName {
        match self {
            Self::Source => &spec.source,
            Self::Shadow => &spec.shadow,
        }
    }

    /// The chunk key's index.
    #[must_use]
    pub const fn index(self, spec: &CopySpec) -> &Ident {
        match self {
            Self::Source => &spec.key.source_index,
            Self::Shadow => &spec.key.shadow_index,
        }
    }

    /// A key column's name.
    #[must_use]
    pub const fn key(self, column: &KeyColumn) -> &Ident {
        match self {
            Self::Source => &column.source,
            Self::Shadow => &column.shadow,
        }
    }
}

/// The key's columns as expressions from which `bound` makes literals, the source's whichever side they are read from.
pub(super) fn key_expressions(spec: &CopySpec, side: Side) -> Vec<Sql> {
    let one = |column: &KeyColumn| {
        let name = Sql::new("").name(side.key(column));
        match &column.literal {
            Literal::Number | Literal::Quoted => name,
            Literal::Ordinal => name.text("+0"),
            // The shadow's column may have another character set.
            Literal::Text { charset } if side == Side::Shadow => {
                Sql::new("HEX(CONVERT(").sql(&name).text(" USING ").trusted(charset).text("))")
            }
            Literal::Text { .. } | Literal::Bytes => Sql::new("HEX(").sql(&name).text(")"),
        }
    };
    spec.key.columns.iter().map(one).collect()
}

/// Makes the literals of a bound from a row of `key_expressions`; `None` when a value is not what its type promises.
#[must_use]
pub fn bound(spec: &CopySpec, row: &crate::ports::server::Row) -> Option<Bound> {
    let literal = |(index, column): (usize, &KeyColumn)| {
        let text = row.text(index)?;
        let plain = |extra: &[u8]| text.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b));
        match &column.literal {
            Literal::Number | Literal::Ordinal => plain(b"-.").then_some(text),
            Literal::Text { charset } => plain(b"").then(|| format!("_{charset} x'{text}'")),
            Literal::Bytes => plain(b"").then(|| format!("x'{text}'")),
            Literal::Quoted => plain(b" -:.").then(|| format!("'{text}'")),
        }
    };
    spec.key.columns.iter().enumerate().map(literal).collect::<Option<Vec<_>>>().map(Bound)
}

/// `(a > x) OR (a = x AND b > y) …`, with the first column's range in front, where the optimizer finds it.
fn beyond(
    spec: &CopySpec,
    side: Side,
    bound: &Bound,
    strict: &'static str,
    loose: &'static str,
    last: &'static str,
) -> Sql {
    let columns: Vec<(&Ident, &String)> =
        spec.key.columns.iter().map(|column| side.key(column)).zip(&bound.0).collect();
    let one = |(name, value): (&Ident, &String), op: &'static str| Sql::new("").name(name).text(op).trusted(value);
    let branch = |index: usize| {
        let op = if index + 1 == columns.len() { last } else { strict };
        let equal = columns[..index].iter().map(|column| one(*column, " = "));
        Sql::new("(").join(" AND ", equal.chain([one(columns[index], op)])).text(")")
    };
    if columns.len() == 1 {
        return one(columns[0], last);
    }
    let branches = Sql::new("").join(" OR ", (0..columns.len()).map(branch));
    one(columns[0], loose).text(" AND (").sql(&branches).text(")")
}

/// The condition of a range on one side; `TRUE` when it has no end.
#[must_use]
pub fn within(spec: &CopySpec, side: Side, range: &Range) -> Sql {
    let after = range.after.as_ref().map(|bound| beyond(spec, side, bound, " > ", " >= ", " > "));
    let upto = range.upto.as_ref().map(|bound| beyond(spec, side, bound, " < ", " <= ", " <= "));
    let ends: Vec<Sql> = [after, upto].into_iter().flatten().collect();
    if ends.is_empty() { Sql::new("TRUE") } else { Sql::new("").join(" AND ", ends) }
}

/// ` FROM table FORCE INDEX (key) WHERE range`.
#[must_use]
pub fn from_range(spec: &CopySpec, side: Side, range: &Range) -> Sql {
    from_where(spec, side, &within(spec, side, range))
}

/// ` FROM table FORCE INDEX (key) WHERE condition`.
pub(super) fn from_where(spec: &CopySpec, side: Side, condition: &Sql) -> Sql {
    Sql::new(" FROM ")
        .table(side.table(spec))
        .text(" FORCE INDEX (")
        .name(side.index(spec))
        .text(") WHERE ")
        .sql(condition)
}

/// Rows of exactly these keys; `FALSE` when there is none.
pub(super) fn among<'a>(spec: &CopySpec, side: Side, keys: impl IntoIterator<Item = &'a Bound>) -> Sql {
    let names: Vec<&Ident> = spec.key.columns.iter().map(|column| side.key(column)).collect();
    let mut keys = keys.into_iter().peekable();
    if keys.peek().is_none() {
        return Sql::new("FALSE");
    }
    if let [name] = names.as_slice() {
        let values = keys.filter_map(|key| key.0.first()).map(|value| Sql::new("").trusted(value));
        return Sql::new("").name(name).text(" IN (").join(", ", values).text(")");
    }
    // Not (a, b) IN (…): MariaDB does not look such a list up in an index.
    let one = |key: &Bound| {
        let parts = names.iter().zip(&key.0).map(|(name, value)| Sql::new("").name(name).text(" = ").trusted(value));
        Sql::new("(").join(" AND ", parts).text(")")
    };
    Sql::new("(").join(" OR ", keys.map(one)).text(")")
}

fn order(spec: &CopySpec, direction: &'static str) -> Sql {
    let names = spec.key.columns.iter().map(|column| Sql::new("").name(&column.source).text(direction));
    Sql::new(" ORDER BY ").join(", ", names)
}

/// The greatest key of the source.
#[must_use]
pub fn last_key(spec: &CopySpec) -> Sql {
    Sql::new("SELECT ")
        .join(", ", key_expressions(spec, Side::Source))
        .sql(&from_range(spec, Side::Source, &Range::default()))
        .sql(&order(spec, " DESC"))
        .text(" LIMIT 1")
}

/// The key `rows` rows into the range; no row when the range has fewer.
#[must_use]
pub fn key_at(spec: &CopySpec, range: &Range, rows: u64) -> Sql {
    Sql::new("SELECT ")
        .join(", ", key_expressions(spec, Side::Source))
        .sql(&from_range(spec, Side::Source, range))
        .sql(&order(spec, ""))
        .text(" LIMIT 1 OFFSET ")
        .number(rows.saturating_sub(1))
}

/// How many rows the source has in the range.
#[must_use]
pub fn count(spec: &CopySpec, range: &Range) -> Sql {
    Sql::new("SELECT COUNT(*)").sql(&from_range(spec, Side::Source, range))
}

/// The copying statement. A row that a trigger brought already is left as it is; a conflict on any other unique key
/// fails with 1242 (a subquery of two rows), because a no-op update would swallow the row.
#[must_use]
pub fn copy_chunk(spec: &CopySpec, range: &Range) -> Sql {
    copy_rows(spec, &from_range(spec, Side::Source, range))
}

/// The copying statement where nothing keeps the shadow in step within the application's own transactions: a row that is
/// there already is overwritten with what the source has now, and so is a row that holds a unique value which the source has given to
/// another row since; that row's own change is still to come. The locking read waits for a commit that is under way.
/// Where the new table has unique keys of its own, nothing may be overwritten by them.
#[must_use]
pub fn overwrite_chunk(spec: &CopySpec, range: &Range) -> Sql {
    if spec.new_unique.is_empty() {
        from_source(spec, "REPLACE INTO ", &from_range(spec, Side::Source, range), true)
    } else {
        copy_chunk(spec, range)
    }
}

/// `verb` shadow (columns) SELECT columns of those rows of the source, `locked` against change.
pub(super) fn from_source(spec: &CopySpec, verb: &'static str, rows: &Sql, locked: bool) -> Sql {
    let shadow = spec.columns.iter().map(|pair| Sql::new("").name(&pair.shadow));
    let source = spec.columns.iter().map(|pair| Sql::new("").name(&pair.source));
    Sql::new(verb)
        .table(&spec.shadow)
        .text(" (")
        .join(", ", shadow)
        .text(") SELECT ")
        .join(", ", source)
        .sql(rows)
        .text(if locked { " LOCK IN SHARE MODE" } else { "" })
}

/// The copying statement over no row: what a server can't do with such a table it says before it looks for rows.
#[must_use]
pub fn copy_nothing(spec: &CopySpec) -> Sql {
    copy_rows(spec, &Sql::new(" FROM ").table(&spec.source).text(" WHERE FALSE"))
}

fn copy_rows(spec: &CopySpec, rows: &Sql) -> Sql {
    from_source(spec, "INSERT INTO ", rows, true).text(" ON DUPLICATE KEY UPDATE ").sql(&keep_present(spec))
}

fn keep_present(spec: &CopySpec) -> Sql {
    let there = |name: &Ident| Sql::new("").table(&spec.shadow).text(".").name(name);
    let Some(first) = spec.key.columns.first() else { return Sql::new("") };
    let assign = Sql::new("").name(&first.shadow).text(" = ");
    if spec.new_unique.is_empty() {
        return assign.sql(&there(&first.shadow));
    }
    let same =
        spec.key.columns.iter().map(|column| there(&column.shadow).text(" <=> VALUES(").name(&column.shadow).text(")"));
    assign.text("IF(").join(" AND ", same).text(", ").sql(&there(&first.shadow)).text(", (SELECT 1 UNION SELECT 2))")
}

/// The checkpoint of a chunk, in the chunk's transaction.
#[must_use]
pub fn checkpoint(job: &JobId, chunk: &Chunk) -> Sql {
    let upto = chunk.range.upto.as_ref().map(journal::bound_text).unwrap_or_default();
    Sql::new("INSERT INTO `driftless`.`chunk` (job, number, upto, row_count) VALUES (")
        .string(&job.0)
        .text(", ")
        .number(chunk.number)
        .text(", ")
        .string(&upto)
        .text(", ")
        .number(chunk.whole)
        .text(")")
}

/// Whether a chunk's checkpoint is there: asked after the connection was lost during COMMIT. A locking read, so that it
/// waits for a COMMIT that is still under way.
#[must_use]
pub fn checkpoint_exists(job: &JobId, number: u64) -> Sql {
    Sql::new("SELECT COUNT(*) FROM `driftless`.`chunk` WHERE job = ")
        .string(&job.0)
        .text(" AND number = ")
        .number(number)
        .text(" LOCK IN SHARE MODE")
}

/// Conflicts that triggers recorded.
#[must_use]
pub fn conflicts(job: &JobId) -> Sql {
    Sql::new("SELECT what FROM `driftless`.`conflict` WHERE job = ").string(&job.0).text(" ORDER BY id LIMIT 5")
}

/// Statements that frame a chunk's transaction.
pub mod transaction {
    use super::Sql;

    /// Begins.
    #[must_use]
    pub fn start() -> Sql {
        Sql::new("START TRANSACTION")
    }

    /// Commits.
    #[must_use]
    pub fn commit() -> Sql {
        Sql::new("COMMIT")
    }

    /// Rolls back.
    #[must_use]
    pub fn rollback() -> Sql {
        Sql::new("ROLLBACK")
    }

    /// How long a row lock is waited for, whole seconds; 0 (not at all) is understood by MariaDB only.
    #[must_use]
    pub fn row_lock_wait(seconds: u64) -> Sql {
        Sql::new("SET SESSION innodb_lock_wait_timeout = ").number(seconds)
    }

    /// How long a metadata lock is waited for, whole seconds.
    #[must_use]
    pub fn metadata_lock_wait(seconds: u64) -> Sql {
        Sql::new("SET SESSION lock_wait_timeout = ").number(seconds)
    }
}

/// The sql_mode of everything that writes to the shadow: strict, zero as a value; zero and impossible dates only where
/// the source may hold them.
#[must_use]
pub fn writing_mode(spec: &CopySpec) -> Sql {
    if spec.zero_dates {
        Sql::new(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION'",
        )
    } else {
        Sql::new(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION'",
        )
    }
}
