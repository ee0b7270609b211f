//! What purges keep on the servers: one lease a table, the last batch, and the history of runs.

use driftless_strategies::TableName;

use super::Sql;

/// The tables' names.
pub const TABLES: [&str; 4] = ["purge", "purge_mark", "purge_file", "purge_run"];

/// The newest format of these tables that this version knows.
pub const FORMAT: u32 = 1;

/// Creates a table, by name.
#[must_use]
pub fn create_table(name: &str) -> Option<Sql> {
    match name {
        "purge" => Some(Sql::new(
            "CREATE TABLE IF NOT EXISTS `driftless`.`purge` (\
             source VARCHAR(300) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, \
             format INT UNSIGNED NOT NULL, \
             token BIGINT UNSIGNED NOT NULL, \
             owner VARCHAR(255) NOT NULL, \
             lease_until DATETIME(3) NOT NULL, \
             beats BIGINT UNSIGNED NOT NULL DEFAULT 0) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
        )),
        "purge_mark" => Some(Sql::new(
            "CREATE TABLE IF NOT EXISTS `driftless`.`purge_mark` (\
             source VARCHAR(300) COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, \
             token BIGINT UNSIGNED NOT NULL, \
             batch BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
        )),
        "purge_file" => Some(Sql::new(
            "CREATE TABLE IF NOT EXISTS `driftless`.`purge_file` (\
             source VARCHAR(300) COLLATE utf8mb4_bin NOT NULL, \
             run VARCHAR(40) COLLATE utf8mb4_bin NOT NULL, \
             batch BIGINT UNSIGNED NOT NULL, \
             PRIMARY KEY (source, run)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
        )),
        "purge_run" => Some(Sql::new(
            "CREATE TABLE IF NOT EXISTS `driftless`.`purge_run` (\
             id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, \
             source VARCHAR(300) COLLATE utf8mb4_bin NOT NULL, \
             destination TEXT NOT NULL, \
             begun DATETIME NOT NULL, \
             ended DATETIME NOT NULL, \
             code TINYINT UNSIGNED NOT NULL, \
             row_count BIGINT UNSIGNED NOT NULL, \
             seconds DOUBLE NOT NULL, \
             said TEXT NOT NULL, \
             KEY source (source, id)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4",
        )),
        _ => None,
    }
}

/// Makes the row of a table that was never purged; leaves one that is there.
#[must_use]
pub fn begin(source: &TableName) -> [Sql; 2] {
    let source = source.quoted();
    [
        Sql::new("INSERT IGNORE INTO `driftless`.`purge` (source, format, token, owner, lease_until) VALUES (")
            .string(&source)
            .text(", ")
            .number(FORMAT.into())
            .text(", 0, '', '1970-01-02 00:00:00')"),
        Sql::new("INSERT IGNORE INTO `driftless`.`purge_mark` (source, token, batch) VALUES (")
            .string(&source)
            .text(", 0, 0)"),
    ]
}

/// Takes the lease when it is free, run out, or held by a process that is known to be dead.
#[must_use]
pub fn claim(source: &TableName, owner: &str, lease_s: u64, dead_owner: Option<&str>) -> Sql {
    let sql = Sql::new("UPDATE `driftless`.`purge` SET token = token + 1, beats = beats + 1, owner = ")
        .string(owner)
        .text(", lease_until = UTC_TIMESTAMP(3) + INTERVAL ")
        .number(lease_s)
        .text(" SECOND WHERE source = ")
        .string(&source.quoted())
        .text(" AND (lease_until < UTC_TIMESTAMP(3)");
    match dead_owner {
        Some(dead) => sql.text(" OR owner = ").string(dead).text(")"),
        None => sql.text(")"),
    }
}

/// Format, token, owner and seconds of lease left.
#[must_use]
pub fn holder(source: &TableName) -> Sql {
    Sql::new(
        "SELECT format, token, owner, TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), lease_until) FROM `driftless`.`purge` \
         WHERE source = ",
    )
    .string(&source.quoted())
}

/// From now on only this token's batches pass.
#[must_use]
pub fn fence(source: &TableName, token: u64) -> Sql {
    Sql::new("UPDATE `driftless`.`purge_mark` SET token = ")
        .number(token)
        .text(" WHERE source = ")
        .string(&source.quoted())
        .text(" AND token < ")
        .number(token)
}

/// Notes a batch, in its transaction; changes no row when another process has taken the lease.
#[must_use]
pub fn mark(source: &TableName, token: u64, batch: u64) -> Sql {
    Sql::new("UPDATE `driftless`.`purge_mark` SET batch = ")
        .number(batch)
        .text(" WHERE source = ")
        .string(&source.quoted())
        .text(" AND token = ")
        .number(token)
}

/// The last batch that is committed: asked after the connection was lost during COMMIT. A locking read, so that it waits
/// for a COMMIT that is still under way.
#[must_use]
pub fn marked(source: &TableName) -> Sql {
    Sql::new("SELECT batch FROM `driftless`.`purge_mark` WHERE source = ")
        .string(&source.quoted())
        .text(" LOCK IN SHARE MODE")
}

/// Makes a run that puts rows into files known, before it takes any.
#[must_use]
pub fn file_begin(source: &TableName, run: &str) -> Sql {
    Sql::new("INSERT INTO `driftless`.`purge_file` (source, run, batch) VALUES (")
        .string(&source.quoted())
        .text(", ")
        .string(run)
        .text(", 0)")
}

/// Notes a batch whose rows are in a file, in the transaction that deletes them; changes no row when the run is not known.
#[must_use]
pub fn file_mark(source: &TableName, run: &str, batch: u64) -> Sql {
    Sql::new("UPDATE `driftless`.`purge_file` SET batch = ").number(batch).sql(&of_run(source, run))
}

/// The last batch of a run whose rows are in a file and whose delete is committed; locked.
#[must_use]
pub fn file_marked(source: &TableName, run: &str) -> Sql {
    Sql::new("SELECT batch FROM `driftless`.`purge_file`").sql(&of_run(source, run)).text(" FOR UPDATE")
}

/// Forgets a run whose files are complete.
#[must_use]
pub fn file_forget(source: &TableName, run: &str) -> Sql {
    Sql::new("DELETE FROM `driftless`.`purge_file`").sql(&of_run(source, run))
}

fn of_run(source: &TableName, run: &str) -> Sql {
    Sql::new(" WHERE source = ").string(&source.quoted()).text(" AND run = ").string(run)
}

/// Renews the lease.
#[must_use]
pub fn beat(source: &TableName, token: u64, lease_s: u64) -> Sql {
    Sql::new("UPDATE `driftless`.`purge` SET beats = beats + 1, lease_until = UTC_TIMESTAMP(3) + INTERVAL ")
        .number(lease_s)
        .text(" SECOND WHERE source = ")
        .string(&source.quoted())
        .text(" AND token = ")
        .number(token)
}

/// Lets the lease run out now.
#[must_use]
pub fn release(source: &TableName, token: u64) -> Sql {
    Sql::new("UPDATE `driftless`.`purge` SET beats = beats + 1, owner = '', lease_until = '1970-01-02 00:00:00' WHERE source = ")
        .string(&source.quoted())
        .text(" AND token = ")
        .number(token)
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ran<'a> {
    /// The table.
    pub source: &'a TableName,
    /// Where its rows went, in words; empty when they were only deleted.
    pub destination: &'a str,
    /// The exit code.
    pub code: u8,
    /// Rows deleted.
    pub rows: u64,
    /// Milliseconds that it took.
    pub ms: u64,
    /// The last sentence.
    pub said: &'a str,
}

/// Writes a run into the history.
#[must_use]
pub fn history(ran: &Ran<'_>) -> Sql {
    Sql::new(
        "INSERT INTO `driftless`.`purge_run` (source, destination, begun, ended, code, row_count, seconds, said) VALUES (",
    )
    .string(&ran.source.quoted())
    .text(", ")
    .string(ran.destination)
    .text(", UTC_TIMESTAMP() - INTERVAL ")
    .number(ran.ms / 1_000)
    .text(" SECOND, UTC_TIMESTAMP(), ")
    .number(ran.code.into())
    .text(", ")
    .number(ran.rows)
    .text(", ")
    .number(ran.ms)
    .text(" / 1000, ")
    .string(ran.said)
    .text(")")
}

/// Deletes the history of a table that is older than so many days.
#[must_use]
pub fn forget_history(source: &TableName, days: u64) -> Sql {
    Sql::new("DELETE FROM `driftless`.`purge_run` WHERE source = ")
        .string(&source.quoted())
        .text(" AND ended < UTC_TIMESTAMP() - INTERVAL ")
        .number(days)
        .text(" DAY")
}

/// Rows a second of the last run that deleted at least a thousand rows.
#[must_use]
pub fn last_rate(source: &TableName) -> Sql {
    Sql::new("SELECT ROUND(row_count / GREATEST(seconds, 0.001)) FROM `driftless`.`purge_run` WHERE source = ")
        .string(&source.quoted())
        .text(" AND row_count >= 1000 ORDER BY id DESC LIMIT 1")
}
