//! All that one node has, in bulk.

use std::collections::BTreeMap;
use std::time::Duration;

use driftless_strategies::Ident;
use driftless_strategies::facts::Flavour;

use crate::error::Fault;
use crate::inspect::text;
use crate::ports::server::{ErrorKind, Row, Session};
use crate::sql::catalog_all::{self, Part, Span};
use crate::sql::catalog_table::Dialect;
use crate::sql::{Sql, catalog, session};

use super::definition::Catalog;
use super::rows::{ForeignKeys, Growing, innodb_foreign_keys};
use super::scope::Scope;

/// Longest that one question for many tables may take.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// Seconds that a question waits behind somebody's DDL.
const LOCK_WAIT_S: u64 = 2;
/// How often the same question is asked while a DDL keeps tables from being read.
const TRIES: u32 = 4;
/// Between two tries.
const TRY_PAUSE: Duration = Duration::from_millis(500);
/// Smallest part of a schema that is asked for at once, however small the server's cache is.
const PART_MIN: usize = 150;
/// Largest part: bounds the memory of an answer.
const PART_MAX: usize = 5_000;
/// Warnings that say nothing about whether the answer is whole: a view over something that is gone (1356), a definer that
/// is gone (1449).
const HARMLESS: [u64; 2] = [1356, 1449];

/// What one node has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// Objects and their definitions.
    pub(crate) catalog: Catalog,
    /// All names of tables by schema, those outside the scope too: leftovers stand beside the tables.
    pub(crate) names: BTreeMap<String, Vec<String>>,
}

/// Whether a read first waits until the node has applied what the cluster has ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// A Galera node that is synced.
    Causal,
    /// Any other server.
    AsItIs,
}

/// Reads everything in the scope.
///
/// # Errors
/// `Busy` when somebody's DDL keeps tables from being read, or the catalog can't be trusted; else as the server says.
pub(crate) async fn read(
    session: &mut dyn Session,
    dialect: Dialect,
    order: Order,
    scope: &Scope,
) -> Result<Reading, Fault> {
    session.set_deadline(READ_LIMIT);
    session.execute(&catalog::lock_wait(LOCK_WAIT_S)).await?;
    if order == Order::Causal {
        session.execute(&session::reads_in_order(dialect.flavour)).await?;
        let waited = session.query(&session::nothing()).await;
        session.execute(&session::reads_at_once()).await?;
        waited?;
    }
    if dialect.flavour == Flavour::MariaDb {
        session.execute(&catalog_all::all_warnings()).await?;
    }
    let mut asking = Asking { session, dialect, part: part_size(dialect, None), linked: None };
    asking.prepare().await?;
    let mut reading = Reading::default();
    let schemas = asking.ask(&catalog_all::schemas()).await?;
    for row in &schemas {
        let name = text(row, 0);
        let tables: Vec<&Ident> =
            scope.tables.iter().filter(|table| table.schema.as_str() == name).map(|table| &table.table).collect();
        let whole = scope.whole(&name);
        if !whole && tables.is_empty() {
            continue;
        }
        let schema = Ident::new(&name).map_err(|error| Fault::Failed(format!("the catalog's schema: {error}")))?;
        let names: Vec<String> =
            asking.ask(&catalog_all::names(&schema)).await?.iter().map(|row| text(row, 0)).collect();
        let spans =
            if whole { spans(&names, asking.part) } else { tables.into_iter().cloned().map(Span::One).collect() };
        let mut growing = Growing { schema: &name, catalog: &mut reading.catalog, views: false };
        for span in spans {
            asking.part(&Part { schema: schema.clone(), span }, &mut growing).await?;
        }
        if whole {
            growing.schema(row);
            growing.routines(&asking.ask(&catalog_all::routines(&schema)).await?);
            growing.parameters(&asking.ask(&catalog_all::parameters(&schema)).await?);
            growing.events(&asking.ask(&catalog_all::events(&schema)).await?);
        }
        reading.names.insert(name, names);
    }
    Ok(reading)
}

/// How many tables are asked for at once: on MariaDB what stays open in the cache, with room for others.
fn part_size(dialect: Dialect, cache: Option<u64>) -> usize {
    match (dialect.flavour, cache.and_then(|cache| usize::try_from(cache).ok())) {
        (Flavour::MySql, _) => PART_MAX,
        (Flavour::MariaDb, Some(cache)) => (cache / 2).clamp(PART_MIN, PART_MAX),
        (Flavour::MariaDb, None) => PART_MIN,
    }
}

/// A schema's tables in parts of at most that many. The first has no beginning and the last no end, so that no table falls
/// between two, whatever is made meanwhile and however the server sorts.
fn spans(names: &[String], size: usize) -> Vec<Span> {
    let starts = names.iter().step_by(size.max(1)).skip(1).filter_map(|name| Ident::new(name.as_str()).ok());
    let mut spans = Vec::new();
    let mut from = None;
    for start in starts {
        spans.push(Span::Range(from.replace(start.clone()), Some(start)));
    }
    spans.push(Span::Range(from, None));
    spans
}

/// A session that asks the catalog.
struct Asking<'a> {
    session: &'a mut dyn Session,
    dialect: Dialect,
    part: usize,
    /// Foreign keys by schema and table; `None` where each part has to be asked for its own.
    linked: Option<ForeignKeys>,
}

impl Asking<'_> {
    async fn prepare(&mut self) -> Result<(), Fault> {
        let cache = self.session.query(&catalog_all::definition_cache()).await?;
        self.part = part_size(self.dialect, cache.first().and_then(|row| row.u64(0)));
        let Some(sql) = catalog_all::innodb_foreign_keys(self.dialect) else { return Ok(()) };
        match self.session.query(&sql).await {
            Ok(keys) => {
                let columns = self.session.query(&catalog_all::innodb_foreign_columns()).await?;
                self.linked = Some(innodb_foreign_keys(&keys, &columns));
            }
            // Without PROCESS each part is asked.
            Err(error) if error.kind == ErrorKind::Denied => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// All kinds for one part, one after the other, while its tables are open.
    async fn part(&mut self, part: &Part, growing: &mut Growing<'_>) -> Result<(), Fault> {
        let dialect = self.dialect;
        let rows = self.ask(&catalog_all::tables(part)).await?;
        let partitioned = growing.tables(&rows);
        if rows.is_empty() {
            return Ok(());
        }
        growing.columns(&self.ask(&catalog_all::columns(dialect, part)).await?);
        growing.keys(&self.ask(&catalog_all::keys(dialect, part)).await?);
        if let Some(sql) = catalog_all::checks(dialect, part) {
            growing.checks(&self.ask(&sql).await?);
        }
        if partitioned {
            growing.partitions(&self.ask(&catalog_all::partitions(part)).await?);
        }
        match &self.linked {
            Some(linked) => {
                let schema = part.schema.as_str().to_lowercase();
                for table in rows.iter().map(|row| text(row, 0)) {
                    let keys = linked.get(&(schema.clone(), table.to_lowercase()));
                    keys.into_iter().flatten().for_each(|key| growing.foreign_key(&table, key));
                }
            }
            None => {
                let columns = self.ask(&catalog_all::foreign_keys(part)).await?;
                growing.foreign_keys(&columns, &self.ask(&catalog_all::foreign_key_rules(part)).await?);
            }
        }
        growing.triggers(&self.ask(&catalog_all::triggers(part)).await?);
        if rows.iter().any(|row| text(row, 1).contains("VIEW")) {
            growing.views(&self.ask(&catalog_all::views(part)).await?);
        }
        Ok(())
    }

    /// Asks until the answer is whole. A table that somebody's DDL holds is left out of it with nothing but a warning, which
    /// must never be read as "it is not there".
    async fn ask(&mut self, sql: &Sql) -> Result<Vec<Row>, Fault> {
        let mut tries = 0;
        loop {
            let rows = self.session.query(sql).await?;
            let warnings = self.session.query(&catalog_all::warnings()).await?;
            let Some(warning) = warnings.iter().find(|row| !row.u64(1).is_some_and(|code| HARMLESS.contains(&code)))
            else {
                return Ok(rows);
            };
            tries += 1;
            if tries == TRIES {
                let why = format!("{} ({})", text(warning, 2), text(warning, 1));
                return Err(Fault::Busy(format!(
                    "{}: the catalog can't be read now, a DDL is under way or a table is broken: {why}",
                    self.session.node()
                )));
            }
            tokio::time::sleep(TRY_PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_once() {
        let names: Vec<String> = (0..7).map(|n| format!("t{n}")).collect();
        for size in 1..9 {
            let spans = spans(&names, size);
            for name in names.iter().map(String::as_str).chain(["", "a", "t00", "t3x", "z"]) {
                let holds = |span: &&Span| match span {
                    Span::One(_) => false,
                    Span::Range(from, to) => {
                        from.as_ref().is_none_or(|from| from.as_str() <= name)
                            && to.as_ref().is_none_or(|to| name < to.as_str())
                    }
                };
                assert_eq!(spans.iter().filter(holds).count(), 1, "{name} in parts of {size}");
            }
        }
        assert_eq!(spans(&[], 3), [Span::Range(None, None)]);
    }
}
