//! The three triggers that keep the shadow in step.
//!
//! Every change of a row leaves a certified key on the shadow, also when the row is not there yet: else a delete on one
//! node slips past a chunk that another node copies, and the row comes back. The old row is inserted and deleted again.
//! Inserting first (not deleting first) also takes no gap lock, over which applications would deadlock.
//!
//! Servers fire AFTER UPDATE also for a row that is left as it was: because nothing in it changes, or because UPDATE IGNORE
//! met a duplicate or a missing parent, and then NEW is a row that never was. The trigger looks, and does nothing. A write
//! to the shadow alone would be worse than useless: its write-set names the source's table but none of its rows, so other
//! nodes apply it beside the next CREATE or DROP TRIGGER, the two wait for each other, and the cluster stands still for
//! good (MariaDB 10.11 with several appliers).
//!
//! A write that the new table can't take is recorded in the journal, where the job finds it and stops; the application
//! does not feel it. Just before the switch the job closes its gate: from then on such a write fails, as it will on the
//! new table, so that none can slip in between the last look and the RENAME. Deadlocks and lock waits are not caught: they roll the application's own statement back.

use driftless_strategies::plan::{ColumnPair, Compare, CopySpec, KeyColumn, Literal};
use driftless_strategies::{Ident, TableName};

use super::Sql;
use crate::ports::journal::JobId;

/// Beginning of every trigger name.
pub const PREFIX: &str = "driftless_";

/// What a trigger fires on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// AFTER DELETE.
    Delete,
    /// AFTER UPDATE.
    Update,
    /// AFTER INSERT.
    Insert,
}

impl Change {
    /// All three, in the order in which they are made.
    pub const ALL: [Self; 3] = [Self::Delete, Self::Update, Self::Insert];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Delete => "del",
            Self::Update => "upd",
            Self::Insert => "ins",
        }
    }
}

/// The trigger's name: unique in the schema by the job's id.
#[must_use]
pub fn trigger_name(job: &JobId, change: Change) -> String {
    format!("{PREFIX}{job}_{}", change.suffix())
}

/// `schema`.`trigger`.
pub(super) fn qualified(spec: &CopySpec, job: &JobId, change: Change) -> Sql {
    // The name is letters, digits and underscores by construction.
    Sql::new("").name(&spec.source.schema).text(".`").trusted(&trigger_name(job, change)).text("`")
}

/// Drops one trigger.
#[must_use]
pub fn drop_trigger(spec: &CopySpec, job: &JobId, change: Change) -> Sql {
    Sql::new("DROP TRIGGER IF EXISTS ").sql(&qualified(spec, job, change))
}

/// Makes one trigger.
#[must_use]
pub fn create_trigger(spec: &CopySpec, job: &JobId, change: Change) -> Sql {
    let head = |when: &'static str| {
        Sql::new("CREATE TRIGGER ")
            .sql(&qualified(spec, job, change))
            .text(when)
            .table(&spec.source)
            .text(" FOR EACH ROW BEGIN ")
    };
    match change {
        Change::Delete => head(" AFTER DELETE ON ").sql(&tombstone(spec)).text("END"),
        Change::Update => head(" AFTER UPDATE ON ")
            .sql(&record_conflicts(spec, job))
            .text("BEGIN DECLARE unchanged INT DEFAULT 0; ")
            .sql(&look_for_change(spec))
            .text("IF unchanged = 0 THEN IF NOT (")
            .join(" AND ", spec.key.columns.iter().map(key_kept))
            // A warning of INSERT IGNORE would set off the handler that records conflicts: it gets one of its own.
            .text(") THEN BEGIN DECLARE CONTINUE HANDLER FOR ")
            .text(UNFIT)
            .text(", ")
            .text(ROUNDED)
            .text(" BEGIN END; ")
            .sql(&tombstone(spec))
            .text("END; END IF; ")
            .sql(&upsert(spec))
            .text("END IF; END; END"),
        Change::Insert => head(" AFTER INSERT ON ").sql(&record_conflicts(spec, job)).sql(&upsert(spec)).text("END"),
    }
}

/// Sets `unchanged` when the row stands in the source as it was before the update. A locking read: it sees what was
/// committed after the transaction's snapshot.
fn look_for_change(spec: &CopySpec) -> Sql {
    Sql::new("SELECT IFNULL(MIN(")
        .join(" AND ", spec.columns.iter().map(|pair| same_bytes(spec, pair)))
        .text("), 0) INTO unchanged FROM ")
        .table(&spec.source)
        .text(" WHERE ")
        .join(" AND ", spec.key.columns.iter().map(|c| match_key(&spec.source, &c.source, c, "OLD.")))
        .text(" LOCK IN SHARE MODE; ")
}

/// Equal as values and as bytes: a collation takes different texts for equal, a time zone different moments for the same
/// text, and a float shows only some of its digits. Of members of an ENUM or SET the number counts.
fn same_bytes(spec: &CopySpec, pair: &ColumnPair) -> Sql {
    let numbered = spec.target.column(&pair.shadow).is_some_and(|c| ["enum", "set"].contains(&c.data_type.as_str()));
    let stands = || Sql::new("").table(&spec.source).text(".").name(&pair.source);
    let was = || Sql::new("OLD.").name(&pair.source);
    if numbered && pair.compare == Compare::Same {
        return stands().text("+0 <=> ").sql(&was()).text("+0");
    }
    stands().text(" <=> ").sql(&was()).text(" AND BINARY ").sql(&stands()).text(" <=> BINARY ").sql(&was())
}

fn key_kept(column: &KeyColumn) -> Sql {
    Sql::new("OLD.").name(&column.source).text(" <=> NEW.").name(&column.source)
}

/// The old row, inserted where it is missing and deleted in any case. IGNORE can lose nothing: the row goes either way.
fn tombstone(spec: &CopySpec) -> Sql {
    insert(spec, "INSERT IGNORE INTO ", "OLD.")
        .text("; DELETE FROM ")
        .table(&spec.shadow)
        .text(" WHERE ")
        .join(" AND ", spec.key.columns.iter().map(|c| match_key(&spec.shadow, &c.shadow, c, "OLD.")))
        .text("; ")
}

/// The new row, inserted or updated. With a unique key that the source does not enforce, an upsert could hit another
/// row: then the row is looked for by its key, and what is left is a conflict.
fn upsert(spec: &CopySpec) -> Sql {
    let assign = |between: fn(&Ident, &Ident) -> Sql| spec.columns.iter().map(move |p| between(&p.shadow, &p.source));
    if spec.new_unique.is_empty() {
        return insert(spec, "INSERT INTO ", "NEW.")
            .text(" ON DUPLICATE KEY UPDATE ")
            .join(", ", assign(|shadow, _| Sql::new("").name(shadow).text(" = VALUES(").name(shadow).text(")")))
            .text("; ");
    }
    let one = |c: &KeyColumn| match_key(&spec.shadow, &c.shadow, c, "NEW.");
    let by_key = || Sql::new("").join(" AND ", spec.key.columns.iter().map(one));
    Sql::new("BEGIN DECLARE taken INT DEFAULT 0; DECLARE found INT DEFAULT 0; ")
        .text("BEGIN DECLARE CONTINUE HANDLER FOR 1062 SET taken = 1; ")
        .sql(&insert(spec, "INSERT INTO ", "NEW."))
        .text("; END; IF taken = 1 THEN SELECT COUNT(*) INTO found FROM ")
        .table(&spec.shadow)
        .text(" WHERE ")
        .sql(&by_key())
        .text(" FOR UPDATE; IF found = 0 THEN SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062, ")
        .text("MESSAGE_TEXT = 'duplicate on a unique key of the new table'; ELSE UPDATE ")
        .table(&spec.shadow)
        .text(" SET ")
        .join(", ", assign(|shadow, source| Sql::new("").name(shadow).text(" = NEW.").name(source)))
        .text(" WHERE ")
        .sql(&by_key())
        .text("; END IF; END IF; END; ")
}

fn insert(spec: &CopySpec, verb: &'static str, row: &'static str) -> Sql {
    Sql::new(verb)
        .table(&spec.shadow)
        .text(" (")
        .join(", ", spec.columns.iter().map(|pair| Sql::new("").name(&pair.shadow)))
        .text(") VALUES (")
        .join(", ", spec.columns.iter().map(|pair| Sql::new(row).name(&pair.source)))
        .text(")")
}

fn match_key(table: &TableName, name: &Ident, column: &KeyColumn, row: &'static str) -> Sql {
    Sql::new("").table(table).text(".").name(name).text(" = ").text(row).name(&column.source)
}

/// Errors that mean "the new table can't take this row": duplicate, NULL, range, length, conversion, missing default,
/// checks, foreign keys, JSON; row size, geometry, dates, the end of AUTO_INCREMENT, partitions, character sets.
const UNFIT: &str = "1062, 1048, 1264, 1364, 1366, 1406, 1411, 1452, 1690, 3140, 3819, 4025, \
     1118, 1263, 1300, 1367, 1369, 1416, 1441, 1467, 1525, 1526, 1748, 3156, 3854";

/// Errors that are also the notes of a rounded value (1265, 1292), and handlers fire on notes too.
const ROUNDED: &str = "1265, 1292";

fn record_conflicts(spec: &CopySpec, job: &JobId) -> Sql {
    let key = spec.key.columns.iter().map(|column| {
        let open = match column.literal {
            Literal::Bytes => "HEX(NEW.",
            Literal::Number | Literal::Ordinal | Literal::Text { .. } | Literal::Quoted => "(NEW.",
        };
        Sql::new(open).name(&column.source).text(")")
    });
    // Where the user allowed a loss, a rounded value is no conflict; a row that failed is found by the comparison.
    let rounded = if spec.columns.iter().any(|pair| pair.compare == Compare::Lossy) {
        Sql::new("DECLARE CONTINUE HANDLER FOR ").text(ROUNDED).text(" BEGIN END; DECLARE EXIT HANDLER FOR ")
    } else {
        Sql::new("DECLARE EXIT HANDLER FOR ").text(ROUNDED).text(", ")
    };
    rounded
        .text(UNFIT)
        .text(" BEGIN DECLARE why TEXT DEFAULT ''; DECLARE known INT DEFAULT 0; ")
        .text("GET DIAGNOSTICS CONDITION 1 why = MESSAGE_TEXT; ")
        .sql(&pass_gate(job))
        .text("INSERT INTO `driftless`.`conflict` (job, what) VALUES (")
        .string(&job.0)
        .text(", LEFT(CONCAT('row ', CONCAT_WS(', ', ")
        .join(", ", key)
        .text("), ': ', why), 1000)); END; ")
}

/// Notes the first conflict in the gate's row; raises the error again when the gate is closed. Later conflicts only read
/// the row, so that applications do not wait for each other.
fn pass_gate(job: &JobId) -> Sql {
    let row = || Sql::new(" FROM `driftless`.`gate` WHERE job = ").string(&job.0).text(" AND hits = 1");
    Sql::new("SELECT COUNT(*) INTO known")
        .sql(&row())
        .text("; IF known = 0 THEN UPDATE `driftless`.`gate` SET hits = 1 WHERE is_open = 1 AND job = ")
        .string(&job.0)
        // A locking read: another transaction's hit counts although this one's snapshot is older.
        .text("; SELECT COUNT(*) INTO known")
        .sql(&row())
        .text(" LOCK IN SHARE MODE; IF known = 0 THEN RESIGNAL; END IF; END IF; ")
}

/// The job's triggers that stand on one table on one node. Both names of the table must be given, or the server opens
/// every table of the schema.
#[must_use]
pub fn standing(table: &TableName, job: &JobId) -> Sql {
    Sql::new("SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ")
        .string(table.schema.as_str())
        .text(" AND EVENT_OBJECT_TABLE = ")
        .string(table.table.as_str())
        .text(" AND TRIGGER_NAME IN (")
        .join(", ", Change::ALL.iter().map(|change| Sql::new("").string(&trigger_name(job, *change))))
        .text(")")
}

/// Sessions that carry out DDL for the job's triggers or tables at this moment, appliers included: what a killed process
/// has left may still be coming.
#[must_use]
pub fn under_way(spec: &CopySpec, job: &JobId) -> Sql {
    let named = |name: &str| Sql::new("LOCATE(").string(name).text(", INFO) > 0");
    // Not by COMMAND: appliers are said to sleep while they work.
    let names = [named(&format!("{PREFIX}{job}_")), named(&spec.shadow.quoted()), named(&spec.retired.quoted())];
    Sql::new("SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND (")
        .join(
            " OR ",
            ["CREATE ", "ALTER ", "DROP ", "RENAME ", "BEGIN NOT ATOMIC "]
                .map(|verb| Sql::new("INFO LIKE ").string(&format!("{verb}%"))),
        )
        .text(") AND (")
        .join(" OR ", names)
        .text(")")
}
