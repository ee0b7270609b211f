//! Bringing rows in step by key: what is gone goes, what is there is read anew.

use driftless_strategies::plan::{CopySpec, Literal};

use super::Sql;
use super::checksum::Digest;
use super::copy::{Side, among, from_source, from_where, key_expressions, within};
use crate::ports::journal::JobId;
use crate::ports::rows::{Bound, Range};
use crate::ports::syncing::{Last, Touched};

/// Whether equal keys are always equal texts: a collation takes different texts for one key.
#[must_use]
pub fn exact(spec: &CopySpec) -> bool {
    !spec.key.columns.iter().any(|column| matches!(column.literal, Literal::Text { .. }))
}

/// Takes out of the shadow what must not stay: rows that are gone, rows in doubt, and where a unique key of the new table
/// forbids to overwrite, every one of them. `None` when nothing must go.
#[must_use]
pub fn remove(spec: &CopySpec, touched: &[Touched]) -> Option<Sql> {
    let all = !spec.new_unique.is_empty() || !exact(spec);
    let keys: Vec<&Bound> = touched.iter().filter(|one| all || one.last != Last::There).map(|one| &one.key).collect();
    if keys.is_empty() {
        return None;
    }
    // With a table list, because only that takes an index hint: a table without statistics would be read whole.
    let rows = from_where(spec, Side::Shadow, &among(spec, Side::Shadow, keys));
    Some(Sql::new("DELETE ").table(&spec.shadow).sql(&rows))
}

/// Reads rows anew that may be there, `locked` against change; `None` when all are gone. Under a collation a gone key may be another's spelling.
#[must_use]
pub fn bring(spec: &CopySpec, touched: &[Touched], locked: bool) -> Option<Sql> {
    let exact = exact(spec);
    let keys: Vec<&Bound> = touched.iter().filter(|one| !exact || one.last != Last::Gone).map(|one| &one.key).collect();
    if keys.is_empty() {
        return None;
    }
    let verb = if spec.new_unique.is_empty() { "REPLACE INTO " } else { "INSERT INTO " };
    let rows = from_where(spec, Side::Source, &among(spec, Side::Source, keys));
    Some(from_source(spec, verb, &rows, locked))
}

/// Changes the row of a connection, in each of its transactions.
#[must_use]
pub fn mark(job: &JobId, slot: u64, token: u64) -> Sql {
    Sql::new("UPDATE `driftless`.`slot` SET turns = turns + 1 WHERE job = ")
        .string(&job.0)
        .text(" AND number = ")
        .number(slot)
        .text(" AND token = ")
        .number(token)
}

/// Changes the job's row, for the holder of the lease only.
#[must_use]
pub fn hold_job(job: &JobId, token: u64) -> Sql {
    Sql::new("UPDATE `driftless`.`job` SET beats = beats + 1 WHERE id = ")
        .string(&job.0)
        .text(" AND token = ")
        .number(token)
}

/// Makes that row, for the holder of the lease only.
#[must_use]
pub fn open_slot(job: &JobId, slot: u64, token: u64) -> Sql {
    Sql::new("INSERT INTO `driftless`.`slot` (job, number, token, turns) SELECT id, ")
        .number(slot)
        .text(", ")
        .number(token)
        .text(", 0 FROM `driftless`.`job` WHERE id = ")
        .string(&job.0)
        .text(" AND token = ")
        .number(token)
}

/// Deletes the rows of whoever worked on the job.
#[must_use]
pub fn close_slots(job: &JobId) -> Sql {
    Sql::new("DELETE FROM `driftless`.`slot` WHERE job = ").string(&job.0)
}

/// Keys whose rows are on one side only or differ, among those given.
#[must_use]
pub fn differing(spec: &CopySpec, digest: &Digest, keys: &[Bound]) -> Sql {
    let limit = u64::try_from(keys.len()).unwrap_or(u64::MAX).saturating_mul(2);
    odd_ones(spec, digest, |side| among(spec, side, keys), limit)
}

/// Keys of a range whose rows are on one side only or differ, at most `limit`.
#[must_use]
pub fn differing_in(spec: &CopySpec, digest: &Digest, range: &Range, limit: u64) -> Sql {
    odd_ones(spec, digest, |side| within(spec, side, range), limit)
}

/// A row that is the same on both sides gives the same hash twice; the key is part of what is hashed.
fn odd_ones(spec: &CopySpec, digest: &Digest, condition: impl Fn(Side) -> Sql, limit: u64) -> Sql {
    let numbered = |(number, key): (u64, Sql)| Sql::new("CAST(").sql(&key).text(" AS CHAR) k").number(number);
    let rows = |side: Side| {
        Sql::new("SELECT ")
            .join(", ", (0..).zip(key_expressions(spec, side)).map(numbered))
            .text(", ")
            .sql(&digest.row(spec, side))
            .text(" h")
            .sql(&from_where(spec, side, &condition(side)))
    };
    let shown = (0..).zip(&spec.key.columns).map(|(number, _)| Sql::new("MIN(k").number(number).text(")"));
    Sql::new("SELECT ")
        .join(", ", shown)
        .text(" FROM (")
        .sql(&rows(Side::Source))
        .text(" UNION ALL ")
        .sql(&rows(Side::Shadow))
        .text(") u GROUP BY h HAVING COUNT(*) = 1 LIMIT ")
        .number(limit)
}

#[cfg(test)]
mod tests {
    use driftless_strategies::plan::{ChunkKey, KeyColumn};
    use driftless_strategies::{Ident, TableName, TableShape};

    use super::*;

    fn spec() -> CopySpec {
        let name = |text: &str| Ident::new(text).unwrap();
        let table = |text: &str| TableName { schema: name("shop"), table: name(text) };
        let id = KeyColumn { source: name("id"), shadow: name("nr"), literal: Literal::Number };
        CopySpec {
            source: table("t"),
            shadow: table("_t_new"),
            retired: table("_t_old"),
            columns: Vec::new(),
            key: ChunkKey { source_index: name("PRIMARY"), shadow_index: name("PRIMARY"), columns: vec![id] },
            new_unique: Vec::new(),
            zero_dates: false,
            target: TableShape::default(),
        }
    }

    fn touched(last: Last, n: u64) -> Touched {
        Touched { key: Bound(vec![n.to_string()]), last }
    }

    #[test]
    fn gone_rows_go_and_others_are_read_anew() {
        let batch = [touched(Last::There, 1), touched(Last::Gone, 2), touched(Last::Doubtful, 3)];
        let removed = remove(&spec(), &batch).unwrap();
        assert!(removed.as_str().ends_with("WHERE `nr` IN (2, 3)"), "{removed:?}");
        let brought = bring(&spec(), &batch, true).unwrap();
        assert!(brought.as_str().starts_with("REPLACE INTO "), "{brought:?}");
        assert!(brought.as_str().ends_with("`id` IN (1, 3) LOCK IN SHARE MODE"), "{brought:?}");
        assert_eq!((remove(&spec(), &batch[..1]), bring(&spec(), &batch[1..2], true)), (None, None));
    }

    #[test]
    fn nothing_is_overwritten_under_a_new_unique_key_or_by_another_spelling() {
        let batch = [touched(Last::There, 1), touched(Last::Gone, 2)];
        let unique = CopySpec { new_unique: vec![Ident::new("u").unwrap()], ..spec() };
        assert!(remove(&unique, &batch).unwrap().as_str().ends_with("IN (1, 2)"));
        assert!(bring(&unique, &batch, true).unwrap().as_str().starts_with("INSERT INTO "));
        let mut text = spec();
        text.key.columns[0].literal = Literal::Text { charset: "utf8mb4".into() };
        assert!(remove(&text, &batch).unwrap().as_str().ends_with("IN (1, 2)"));
        assert!(
            bring(&text, &batch, true).unwrap().as_str().contains("IN (1, 2)"),
            "2 may be a spelling of a row that is there"
        );
    }

    #[test]
    fn several_columns_are_looked_up_one_by_one() {
        let mut spec = spec();
        let second =
            KeyColumn { source: Ident::new("b").unwrap(), shadow: Ident::new("b").unwrap(), literal: Literal::Number };
        spec.key.columns.push(second);
        let key = Bound(vec!["1".into(), "2".into()]);
        let condition = among(&spec, Side::Source, [&key, &key]);
        assert_eq!(condition.as_str(), "((`id` = 1 AND `b` = 2) OR (`id` = 1 AND `b` = 2))");
        assert_eq!(among(&spec, Side::Source, []).as_str(), "FALSE");
    }
}
