//! The journal's tables and statements.

use driftless_strategies::TableName;

use super::Sql;
use crate::ports::journal::JobId;
use crate::ports::rows::Bound;

/// The schema that the journal lives in.
pub const SCHEMA: &str = "driftless";

/// How a bound is stored: its literals as JSON.
#[must_use]
pub fn bound_text(bound: &Bound) -> String {
    serde_json::to_string(&bound.0).unwrap_or_default()
}

/// Stands before the bound of a checkpoint that all earlier ones were folded into.
pub const FOLDED: &str = "folded ";

/// Reads `bound_text` back, folded or not; `None` when it is not one.
#[must_use]
pub fn read_bound(text: &str) -> Option<Bound> {
    serde_json::from_str(text.strip_prefix(FOLDED).unwrap_or(text)).ok().map(Bound)
}

/// The names of the journal's tables.
pub const TABLES: [&str; 7] = ["job", "chunk", "conflict", "gate", "drain", "slot", "place"];

/// Tables of the journal that are there.
#[must_use]
pub fn present() -> Sql {
    Sql::new("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ").string(SCHEMA)
}

/// Creates the schema.
#[must_use]
pub fn create_schema() -> Sql {
    Sql::new("CREATE DATABASE IF NOT EXISTS `driftless` CHARACTER SET utf8mb4")
}

/// Creates the journal's tables, by name.
#[must_use]
pub fn create_table(name: &str) -> Option<Sql> {
    match name {
        "job" => Some(Sql::new(
            "CREATE TABLE IF NOT EXISTS `driftless`.`job` (\
             id CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, \
             format INT UNSIGNED NOT NULL, \
             source VARCHAR(200) COLLATE utf8mb4_bin NOT NULL, \
             active VARCHAR(200) COLLATE utf8mb4_bin NULL, \
             phase VARCHAR(20) CHARACTER SET ascii NOT NULL, \
             plan LONGTEXT COLLATE utf8mb4_bin NOT NULL, \
             keep_retired TINYINT NOT NULL, \
             end_known TINYINT NOT NULL DEFAULT 0, \
             end_bound MEDIUMTEXT NULL, \
             stopped TEXT NULL, \
             token BIGINT UNSIGNED NOT NULL DEFAULT 0, \
             owner VARCHAR(255) NOT NULL DEFAULT '', \
             lease_until DATETIME(3) NOT NULL DEFAULT '1970-01-02 00:00:00', \
             beats BIGINT UNSIGNED NOT NULL DEFAULT 0, \
             pause TINYINT NOT NULL DEFAULT 0, \
             cutover TINYINT NOT NULL DEFAULT 0, \
             abort TINYINT NOT NULL DEFAULT 0, \
             created DATETIME NOT NULL, \
             updated DATETIME NOT NULL, \
             UNIQUE KEY active (active)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
        )),
        "chunk" => Some(Sql::new(
            "CREATE TABLE IF NOT EXISTS `driftless`.`chunk` (\
             job CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, \
             number BIGINT UNSIGNED NOT NULL, \
             upto MEDIUMTEXT NOT NULL, \
             row_count BIGINT UNSIGNED NOT NULL, \
             PRIMARY KEY (job, number)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
        )),
        "conflict" => Some(Sql::new(
            "CREATE TABLE IF NOT EXISTS `driftless`.`conflict` (\
             id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, \
             job CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, \
             what TEXT NOT NULL, \
             KEY job (job)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
        )),
        "gate" => Some(Sql::new(
            "CREATE TABLE IF NOT EXISTS `driftless`.`gate` (\
             job CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, \
             hits TINYINT NOT NULL, \
             is_open TINYINT NOT NULL) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
        )),
        "drain" => Some(Sql::new(
            "CREATE TABLE IF NOT EXISTS `driftless`.`drain` (\
             job CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, \
             node VARCHAR(180) COLLATE utf8mb4_bin NOT NULL, \
             proxies TEXT NOT NULL, \
             PRIMARY KEY (job, node)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
        )),
        "slot" => Some(Sql::new(
            "CREATE TABLE IF NOT EXISTS `driftless`.`slot` (\
             job CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, \
             number BIGINT UNSIGNED NOT NULL, \
             token BIGINT UNSIGNED NOT NULL, \
             turns BIGINT UNSIGNED NOT NULL, \
             PRIMARY KEY (job, number)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
        )),
        "place" => Some(Sql::new(
            "CREATE TABLE IF NOT EXISTS `driftless`.`place` (\
             job CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, \
             upto TEXT COLLATE utf8mb4_bin NOT NULL) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
        )),
        _ => None,
    }
}

/// The place of a binlog up to which every change is in the shadow.
#[must_use]
pub fn place(id: &JobId) -> Sql {
    Sql::new("SELECT upto FROM `driftless`.`place` WHERE job = ").string(&id.0)
}

/// Stores it; nothing happens when the lease is another's.
#[must_use]
pub fn set_place(id: &JobId, token: u64, upto: &str) -> Sql {
    let row = Sql::new("REPLACE INTO `driftless`.`place` (job, upto) SELECT id, ")
        .string(upto)
        .text(" FROM `driftless`.`job`");
    held(row, id, token)
}

/// Forgets it.
#[must_use]
pub fn forget_place(id: &JobId) -> Sql {
    Sql::new("DELETE FROM `driftless`.`place` WHERE job = ").string(&id.0)
}

/// Creates the table of repairs' leases.
#[must_use]
pub fn create_repair() -> Sql {
    Sql::new(
        "CREATE TABLE IF NOT EXISTS `driftless`.`repair` (\
         source VARCHAR(200) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, \
         owner VARCHAR(255) NOT NULL, \
         lease_until DATETIME(3) NOT NULL) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
    )
}

/// Takes the lease of a table's repair when it is free, has run out, or is held by `dead`. Both servers assign from left to
/// right, so that the second sees the first.
#[must_use]
pub fn take_repair(table: &TableName, owner: &str, lease_s: u64, dead: Option<&str>) -> Sql {
    Sql::new("INSERT INTO `driftless`.`repair` (source, owner, lease_until) VALUES (")
        .string(&table.quoted())
        .text(", ")
        .string(owner)
        .text(", UTC_TIMESTAMP(3) + INTERVAL ")
        .number(lease_s)
        .text(" SECOND) ON DUPLICATE KEY UPDATE owner = IF(lease_until < UTC_TIMESTAMP(3) OR owner = ")
        .string(dead.unwrap_or(owner))
        .text(", VALUES(owner), owner), lease_until = IF(owner = VALUES(owner), VALUES(lease_until), lease_until)")
}

/// Who holds the lease of a table's repair, and for how many seconds.
#[must_use]
pub fn repair_holder(table: &TableName) -> Sql {
    Sql::new(
        "SELECT owner, TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), lease_until) FROM `driftless`.`repair` WHERE source = ",
    )
    .string(&table.quoted())
}

/// Renews it; changes no row when another holds it.
#[must_use]
pub fn beat_repair(table: &TableName, owner: &str, lease_s: u64) -> Sql {
    Sql::new("UPDATE `driftless`.`repair` SET lease_until = UTC_TIMESTAMP(3) + INTERVAL ")
        .number(lease_s)
        .text(" SECOND WHERE source = ")
        .string(&table.quoted())
        .text(" AND owner = ")
        .string(owner)
}

/// Gives it back.
#[must_use]
pub fn release_repair(table: &TableName, owner: &str) -> Sql {
    Sql::new("DELETE FROM `driftless`.`repair` WHERE source = ")
        .string(&table.quoted())
        .text(" AND owner = ")
        .string(owner)
}

/// Nodes that a job has taken out of the proxy.
#[must_use]
pub fn drained(id: &JobId) -> Sql {
    Sql::new("SELECT node, proxies FROM `driftless`.`drain` WHERE job = ").string(&id.0).text(" ORDER BY node")
}

/// Every node that any job has taken out: job, node and the proxies.
#[must_use]
pub fn all_drained() -> Sql {
    Sql::new("SELECT job, node, proxies FROM `driftless`.`drain` ORDER BY job, node")
}

/// Says that a node is about to be taken out; nothing happens when the lease is another's.
#[must_use]
pub fn drain(id: &JobId, token: u64, node: &str, proxies: &str) -> Sql {
    let row = Sql::new("REPLACE INTO `driftless`.`drain` (job, node, proxies) SELECT id, ")
        .string(node)
        .text(", ")
        .string(proxies)
        .text(" FROM `driftless`.`job`");
    held(row, id, token)
}

/// Says that it is back.
#[must_use]
pub fn undrained(id: &JobId, node: &str) -> Sql {
    Sql::new("DELETE FROM `driftless`.`drain` WHERE job = ").string(&id.0).text(" AND node = ").string(node)
}

/// What a new job's row holds.
#[derive(Clone, Debug)]
pub struct NewJob<'a> {
    /// Its id.
    pub id: &'a JobId,
    /// `JOURNAL_FORMAT`.
    pub format: u32,
    /// The table.
    pub source: &'a TableName,
    /// The plan as JSON.
    pub plan: &'a str,
    /// Whether the retired table stays.
    pub keep: bool,
    /// Who holds the lease.
    pub owner: &'a str,
    /// Seconds of the lease.
    pub lease_s: u64,
}

/// Inserts a job that holds its lease; 1062 on `active` means that another job works on the table.
#[must_use]
pub fn insert(job: &NewJob<'_>) -> Sql {
    let source = job.source.quoted();
    Sql::new(
        "INSERT INTO `driftless`.`job` (id, format, source, active, phase, plan, keep_retired, token, owner, \
         lease_until, created, updated) VALUES (",
    )
    .string(&job.id.0)
    .text(", ")
    .number(job.format.into())
    .text(", ")
    .string(&source)
    .text(", ")
    .string(&source)
    .text(", 'planned', ")
    .string(job.plan)
    .text(", ")
    .number(job.keep.into())
    .text(", 1, ")
    .string(job.owner)
    .text(", UTC_TIMESTAMP(3) + INTERVAL ")
    .number(job.lease_s)
    .text(" SECOND, UTC_TIMESTAMP(), UTC_TIMESTAMP())")
}

/// Columns of a job, in the order in which `edge` code reads them: id, format, source, phase, plan, keep_retired,
/// end_known, end_bound, stopped, token, owner, seconds of lease left, pause, cutover, abort, created, updated.
fn columns() -> Sql {
    Sql::new(
        "SELECT id, format, source, phase, plan, keep_retired, end_known, end_bound, stopped, token, owner, \
         TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), lease_until), pause, cutover, abort, created, updated \
         FROM `driftless`.`job`",
    )
}

/// One job.
#[must_use]
pub fn job(id: &JobId) -> Sql {
    columns().text(" WHERE id = ").string(&id.0)
}

/// The jobs that are not over; all of the last days with `all`.
#[must_use]
pub fn jobs(all: bool) -> Sql {
    if all {
        columns().text(" ORDER BY created DESC LIMIT 100")
    } else {
        columns().text(" WHERE active IS NOT NULL ORDER BY created")
    }
}

/// The job that works on a table.
#[must_use]
pub fn active(source: &TableName) -> Sql {
    columns().text(" WHERE active = ").string(&source.quoted())
}

/// Takes the lease when it is free, run out, or `even_if_held` by a process that is known to be dead.
#[must_use]
pub fn claim(id: &JobId, owner: &str, lease_s: u64, dead_owner: Option<&str>) -> Sql {
    let base = Sql::new("UPDATE `driftless`.`job` SET token = token + 1, beats = beats + 1, owner = ")
        .string(owner)
        .text(", lease_until = UTC_TIMESTAMP(3) + INTERVAL ")
        .number(lease_s)
        .text(" SECOND WHERE id = ")
        .string(&id.0)
        .text(" AND (lease_until < UTC_TIMESTAMP(3)");
    match dead_owner {
        Some(dead) => base.text(" OR owner = ").string(dead).text(")"),
        None => base.text(")"),
    }
}

/// The part of every write that only the lease's holder passes.
fn held(sql: Sql, id: &JobId, token: u64) -> Sql {
    sql.text(" WHERE id = ").string(&id.0).text(" AND token = ").number(token)
}

/// Renews the lease.
#[must_use]
pub fn beat(id: &JobId, token: u64, lease_s: u64) -> Sql {
    let sql = Sql::new("UPDATE `driftless`.`job` SET beats = beats + 1, lease_until = UTC_TIMESTAMP(3) + INTERVAL ")
        .number(lease_s)
        .text(" SECOND");
    held(sql, id, token)
}

/// Lets the lease run out now.
#[must_use]
pub fn release(id: &JobId, token: u64) -> Sql {
    let sql =
        Sql::new("UPDATE `driftless`.`job` SET beats = beats + 1, owner = '', lease_until = '1970-01-02 00:00:00'");
    held(sql, id, token)
}

/// What a save writes.
#[derive(Clone, Debug)]
pub struct Saved<'a> {
    /// The phase's word.
    pub phase: &'static str,
    /// Whether nothing is left to do: frees the table for another job.
    pub over: bool,
    /// The plan as JSON.
    pub plan: &'a str,
    /// Whether the end is known.
    pub end_known: bool,
    /// The end.
    pub end: Option<String>,
    /// Whether the retired table stays.
    pub keep: bool,
    /// Why it stopped.
    pub stopped: &'a str,
}

/// Stores a job's state.
#[must_use]
pub fn save(id: &JobId, token: u64, saved: &Saved<'_>) -> Sql {
    let sql = Sql::new("UPDATE `driftless`.`job` SET beats = beats + 1, updated = UTC_TIMESTAMP(), phase = ")
        .string(saved.phase)
        .text(", plan = ")
        .string(saved.plan)
        .text(", end_known = ")
        .number(saved.end_known.into())
        .text(", keep_retired = ")
        .number(saved.keep.into())
        .text(", stopped = ")
        .string(saved.stopped)
        .text(", end_bound = ");
    let sql = match &saved.end {
        Some(end) => sql.string(end),
        None => sql.text("NULL"),
    };
    held(if saved.over { sql.text(", active = NULL") } else { sql }, id, token)
}

/// Sets what an operator wishes.
#[must_use]
pub fn wish(id: &JobId, column: Wish, value: bool) -> Sql {
    let name = match column {
        Wish::Pause => "pause = ",
        Wish::Cutover => "cutover = ",
        Wish::Abort => "abort = ",
    };
    Sql::new("UPDATE `driftless`.`job` SET beats = beats + 1, ")
        .text(name)
        .number(value.into())
        .text(" WHERE id = ")
        .string(&id.0)
}

/// Which wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `pause`, `resume`.
    Pause,
    /// `cutover`.
    Cutover,
    /// `abort`.
    Abort,
}

/// All checkpoints of a job.
#[must_use]
pub fn chunks(id: &JobId) -> Sql {
    Sql::new("SELECT number, upto, row_count FROM `driftless`.`chunk` WHERE job = ")
        .string(&id.0)
        .text(" ORDER BY number")
}

/// Folds all checkpoints up to `number` into it.
#[must_use]
pub fn fold(id: &JobId, number: u64, rows: u64) -> [Sql; 2] {
    [
        Sql::new("UPDATE `driftless`.`chunk` SET upto = IF(upto LIKE 'folded %', upto, CONCAT('folded ', upto)), row_count = ")
            .number(rows)
            .text(" WHERE job = ")
            .string(&id.0)
            .text(" AND number = ")
            .number(number),
        Sql::new("DELETE FROM `driftless`.`chunk` WHERE job = ").string(&id.0).text(" AND number < ").number(number),
    ]
}

/// A folded checkpoint.
#[must_use]
pub fn folded(id: &JobId, number: u64, upto: &Bound, rows: u64) -> Sql {
    let text = format!("{FOLDED}{}", bound_text(upto));
    Sql::new("INSERT INTO `driftless`.`chunk` (job, number, upto, row_count) VALUES (")
        .string(&id.0)
        .text(", ")
        .number(number)
        .text(", ")
        .string(&text)
        .text(", ")
        .number(rows)
        .text(")")
}

/// Forgets the checkpoints behind a gap.
#[must_use]
pub fn drop_chunks_after(id: &JobId, number: u64) -> Sql {
    Sql::new("DELETE FROM `driftless`.`chunk` WHERE job = ").string(&id.0).text(" AND number > ").number(number)
}

/// Lets triggers record conflicts. What was recorded before stays known.
#[must_use]
pub fn open_gate(id: &JobId) -> Sql {
    Sql::new("INSERT INTO `driftless`.`gate` (job, hits, is_open) VALUES (")
        .string(&id.0)
        .text(", 0, 1) ON DUPLICATE KEY UPDATE is_open = 1")
}

/// From now on a conflict fails in the application; changes nothing when one was recorded.
///
/// A trigger that records the first conflict writes the same row, so that certification (or the row's lock) lets only
/// one of the two happen: no conflict is recorded after this one row was changed.
#[must_use]
pub fn close_gate(id: &JobId) -> Sql {
    Sql::new("UPDATE `driftless`.`gate` SET is_open = 0 WHERE is_open = 1 AND hits = 0 AND job = ").string(&id.0)
}

/// Whether conflicts were recorded, and whether more may be.
#[must_use]
pub fn gate(id: &JobId) -> Sql {
    Sql::new("SELECT hits, is_open FROM `driftless`.`gate` WHERE job = ").string(&id.0)
}

/// Forgets all checkpoints and conflicts of a job.
#[must_use]
pub fn forget(id: &JobId) -> [Sql; 3] {
    [
        Sql::new("DELETE FROM `driftless`.`chunk` WHERE job = ").string(&id.0),
        Sql::new("DELETE FROM `driftless`.`conflict` WHERE job = ").string(&id.0),
        Sql::new("DELETE FROM `driftless`.`gate` WHERE job = ").string(&id.0),
    ]
}

/// Deletes the entries of jobs that have been over for `days`.
#[must_use]
pub fn delete_old(days: u64) -> Sql {
    Sql::new("DELETE FROM `driftless`.`job` WHERE active IS NULL AND updated < UTC_TIMESTAMP() - INTERVAL ")
        .number(days)
        .text(" DAY")
}
