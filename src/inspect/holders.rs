//! Who holds an explicit lock or runs a backup, and whose transactions are old.

use std::collections::BTreeMap;
use std::time::Duration;

use driftless_strategies::TableName;
use driftless_strategies::facts::Flavour;

use crate::ports::server::{ErrorKind, Row, ServerError, Session};
use crate::sql::catalog_locks;

use super::session::{permitted, text};

/// Table locks that a writer's or reader's transaction never takes.
const STRONG: &[&str] =
    &["SHARED_UPGRADABLE", "SHARED_READ_ONLY", "SHARED_NO_WRITE", "SHARED_NO_READ_WRITE", "EXCLUSIVE"];

/// Who the server's own sessions belong to.
const APPLIER: &str = "system user";
/// Transactions that are named one by one.
const SHOWN_USERS: usize = 5;

/// What stands before the text of a statement in the words of this file, which may have values of rows in it.
const RUNS: &str = ") runs ";
const IN: &str = ", in ";

/// The words without the text of a statement.
pub(crate) fn without_statement(words: &str) -> String {
    let cut = [RUNS, IN].iter().filter_map(|mark| words.find(mark).map(|at| at + mark.len())).min();
    match cut.and_then(|at| words.get(..at)) {
        Some(before) => format!("{before}a statement"),
        None => words.to_owned(),
    }
}

/// Where metadata locks can be seen, beside the performance schema: that one is empty when it is off, and then only the
/// probe tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockView {
    /// Nowhere else.
    Schema,
    /// In MariaDB's METADATA_LOCK_INFO too.
    Plugin,
}

impl LockView {
    /// Finds out what this server has. A Galera node that is not ready does not answer, and has no locks to show.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) async fn of(session: &mut dyn Session) -> Result<Self, ServerError> {
        match session.query(&catalog_locks::lock_plugin()).await {
            Ok(rows) if rows.is_empty() => Ok(Self::Schema),
            Ok(_) => Ok(Self::Plugin),
            Err(error) if error.kind == ErrorKind::NotReady => Ok(Self::Schema),
            Err(error) => Err(error),
        }
    }
}

/// Everything that holds an explicit lock on one of the tables or a backup lock on the server, in words.
///
/// # Errors
/// As the server says; a lock that is held is an answer, not an error.
pub(crate) async fn holders(
    session: &mut dyn Session,
    flavour: Flavour,
    view: LockView,
    tables: &[TableName],
) -> Result<Vec<String>, ServerError> {
    let mut found = Vec::new();
    for row in &session.query(&catalog_locks::locking_statements()).await? {
        found.push(format!("session {} ({}@{}{RUNS}{}", text(row, 0), text(row, 1), text(row, 2), text(row, 3)));
    }
    let locks: Vec<Lock> = locks(session, view).await?.iter().map(Lock::of).collect();
    for table in tables {
        let seen = held(&locks, table);
        if seen.is_empty() && !probe(session, flavour, table).await? {
            found.push(format!("a session holds {table} locked (LOCK TABLES, FLUSH TABLES or a DDL)"));
        }
        found.extend(seen.into_iter().filter(|words| !found.contains(words)).collect::<Vec<_>>());
    }
    for row in &permitted(session, &catalog_locks::prepared_xa()).await? {
        found.push(format!("a prepared XA transaction ({}) keeps its locks", text(row, 3)));
    }
    Ok(found)
}

/// Who keeps a table from being read, as far as this server shows its locks.
pub(crate) async fn who_holds(session: &mut dyn Session, view: LockView, table: &TableName) -> Vec<String> {
    let seen = locks(session, view).await.unwrap_or_default();
    held(&seen.iter().map(Lock::of).collect::<Vec<_>>(), table)
}

async fn locks(session: &mut dyn Session, view: LockView) -> Result<Vec<Row>, ServerError> {
    let mut locks = match permitted(session, &catalog_locks::schema_locks()).await {
        // The table of locks came with MySQL 5.7 and MariaDB 10.5.2; before, there is nothing to see.
        Err(error) if error.kind == ErrorKind::Missing => Vec::new(),
        answer => answer?,
    };
    if view == LockView::Plugin {
        locks.extend(session.query(&catalog_locks::plugin_locks()).await?);
    }
    Ok(locks)
}

/// Whether a writer would get through.
async fn probe(session: &mut dyn Session, flavour: Flavour, table: &TableName) -> Result<bool, ServerError> {
    match session.query(&catalog_locks::probe(flavour, table)).await {
        Ok(_) => Ok(true),
        Err(error) => match error.kind {
            // A lock that was not had at once, or an ordered DDL that threw the probe out.
            ErrorKind::Conflict => Ok(false),
            // Not allowed to write, or no such table or a view: said elsewhere.
            ErrorKind::Denied | ErrorKind::Missing | ErrorKind::Full | ErrorKind::Other => Ok(true),
            ErrorKind::NotReady | ErrorKind::Lost | ErrorKind::Connect | ErrorKind::Duplicate | ErrorKind::Data => {
                Err(error)
            }
        },
    }
}

/// One metadata lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lock {
    session: String,
    mode: String,
    kind: String,
    schema: String,
    name: String,
    explicit: bool,
}

impl Lock {
    /// From `plugin_locks` or `schema_locks`.
    pub(crate) fn of(row: &Row) -> Self {
        Self {
            session: text(row, 0),
            mode: text(row, 1).trim_start_matches("MDL_").to_owned(),
            kind: text(row, 2).to_uppercase(),
            schema: text(row, 3),
            name: text(row, 4),
            explicit: text(row, 5) == "EXPLICIT",
        }
    }

    fn on(&self, table: &TableName) -> bool {
        self.kind.starts_with("TABLE") && self.schema == table.schema.as_str() && self.name == table.table.as_str()
    }

    /// The name of a user's lock, which the plugin has where others have the schema.
    fn user_lock(&self) -> &str {
        if self.name.is_empty() { &self.schema } else { &self.name }
    }

    /// A lock of its own kind that stops DDL or commits everywhere: a backup's, or that of FLUSH TABLES WITH READ LOCK.
    fn stops_all(&self) -> bool {
        let backup = self.kind.starts_with("BACKUP");
        let stage = ["START", "FLUSH", "WAIT_FLUSH", "WAIT_DDL", "WAIT_COMMIT", "FTWRL1", "FTWRL2", "BLOCK_DDL"];
        let staged = backup && self.mode.strip_prefix("BACKUP_").is_some_and(|mode| stage.contains(&mode));
        let global = self.kind.starts_with("GLOBAL") || self.kind.starts_with("COMMIT");
        staged || (backup && self.explicit) || (global && self.mode == "SHARED")
    }
}

/// What the locks mean for the table, in words: at most one of each sort a session, as it may show in two places.
pub(crate) fn held(locks: &[Lock], table: &TableName) -> Vec<String> {
    let mut found = BTreeMap::new();
    for lock in locks {
        let (session, mode) = (&lock.session, &lock.mode);
        if lock.stops_all() {
            let words = || format!("session {session} runs a backup or holds a global read lock ({mode})");
            found.entry((session, 0)).or_insert_with(words);
        } else if lock.on(table) && (lock.explicit || STRONG.contains(&mode.as_str())) {
            let words = || format!("session {session} holds {table} locked ({mode})");
            found.entry((session, 1)).or_insert_with(words);
        } else if lock.kind.starts_with("USER")
            && locks.iter().any(|other| other.session == *session && other.on(table))
        {
            // A cluster's ordered DDL throws out transactions, but waits for a session that also holds any explicit lock.
            let words =
                || format!("session {session} uses {table} and holds a lock of GET_LOCK ({})", lock.user_lock());
            found.entry((session, 2)).or_insert_with(words);
        }
    }
    found.into_values().collect()
}

/// Open transactions of at least that age in words, oldest first, and the age of the oldest of all.
///
/// # Errors
/// As the server says; without the right to look there are none.
pub(crate) async fn transactions(
    session: &mut dyn Session,
    older: Duration,
) -> Result<(Vec<String>, u64), ServerError> {
    let rows = permitted(session, &catalog_locks::transactions(Duration::ZERO)).await?;
    let longest = rows.first().and_then(|row| row.u64(3)).unwrap_or(0);
    let old = rows.iter().filter(|row| row.u64(3).is_some_and(|age| age >= older.as_secs().max(1)));
    Ok((old.map(transaction).collect(), longest))
}

/// Sessions whose open transactions use one of the tables, in words, oldest first. Where locks can't be seen, all that
/// have one: they may. Appliers are not among them.
///
/// # Errors
/// As the server says; without the right to look there are none.
pub(crate) async fn users(
    session: &mut dyn Session,
    view: LockView,
    tables: &[TableName],
) -> Result<Vec<String>, ServerError> {
    let open = permitted(session, &catalog_locks::transactions(Duration::ZERO)).await?;
    let open: Vec<&Row> = open.iter().filter(|row| row.text(1).is_some_and(|user| user != APPLIER)).collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let locks: Vec<Lock> = locks(session, view).await?.iter().map(Lock::of).collect();
    let seen = view == LockView::Plugin || !locks.is_empty();
    let uses = |row: &&&Row| {
        let id = text(row, 0);
        !seen || locks.iter().any(|lock| lock.session == id && tables.iter().any(|table| lock.on(table)))
    };
    let mut found: Vec<String> = open.iter().filter(uses).take(SHOWN_USERS).map(|row| user(row, seen)).collect();
    let more = open.iter().filter(uses).count().saturating_sub(SHOWN_USERS);
    if more > 0 {
        found.push(format!("{more} more"));
    }
    Ok(found)
}

fn user(row: &Row, seen: bool) -> String {
    let unsure = if seen { "" } else { ", which may use it" };
    format!("session {} ({}@{}), open for {} s{unsure}", text(row, 0), text(row, 1), text(row, 2), text(row, 3))
}

fn transaction(row: &Row) -> String {
    let who = match row.text(1) {
        Some(user) => format!("session {} ({user}@{})", text(row, 0), text(row, 2)),
        None => "a transaction without a session".to_owned(),
    };
    let doing = row.text(4).map_or_else(|| ", idle".to_owned(), |query| format!("{IN}{query}"));
    format!("{who}, open for {} s{doing}", text(row, 3))
}
