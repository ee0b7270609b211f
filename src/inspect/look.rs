//! One node, looked at once: its state, the tables, who is in the way.

use std::collections::BTreeMap;
use std::time::Duration;

use driftless_strategies::facts::{Binlog, Node, Topology};
use driftless_strategies::{Ident, TableName};

use crate::error::Fault;
use crate::ports::members::pairs;
use crate::ports::server::Session;
use crate::sql::catalog_table::Dialect;
use crate::sql::{Sql, catalog, catalog_table};

use super::disk::Space;
use super::fitness::SYNCED;
use super::holders::{LockView, holders, transactions, users};
use super::leftovers::{Leftover, leftovers, table_leftovers};
use super::reading::{Reading, read_table};
use super::session::name;

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// How the servers hang together.
    pub(crate) topology: &'a Topology,
    /// The tables, the one to be changed first.
    pub(crate) tables: &'a [TableName],
    /// From what age on a transaction is named.
    pub(crate) old: Duration,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    /// `wsrep_…`; empty outside Galera.
    pub(crate) status: BTreeMap<String, String>,
    /// The variables that were asked for.
    pub(crate) variables: BTreeMap<String, String>,
    /// Each table, or that it is not there. Empty when the node is not ready for such questions.
    pub(crate) readings: Vec<Option<Reading>>,
    /// What is left for the first table.
    pub(crate) leftovers: Vec<Leftover>,
    /// Explicit locks and backups.
    pub(crate) holders: Vec<String>,
    /// Old transactions.
    pub(crate) old: Vec<String>,
    /// Transactions that use the tables, or may.
    pub(crate) users: Vec<String>,
    /// Whether it takes NBO; known only when it was asked.
    pub(crate) non_blocking: bool,
    /// Its binlog; known only when it was asked.
    pub(crate) binlog: Option<Binlog>,
    /// What is free on its disks; known only when it was asked.
    pub(crate) space: Space,
    /// Age of the oldest transaction, seconds.
    pub(crate) longest_s: u64,
}

/// The dialect that a node's catalog speaks.
pub(crate) const fn dialect(node: &Node) -> Dialect {
    Dialect { flavour: node.flavour, version: node.version }
}

/// Looks once. A node that is not ready answers only for its state.
///
/// # Errors
/// As the server says.
pub(crate) async fn look(
    session: &mut dyn Session,
    node: &Node,
    view: LockView,
    variables: &Sql,
    question: Question<'_>,
) -> Result<Look, Fault> {
    let mut look = Look { variables: pairs(&session.query(variables).await?), ..Look::default() };
    if matches!(question.topology, Topology::Galera { .. }) {
        look.status = pairs(&session.query(&catalog::wsrep_status()).await?);
        if look.status.get("wsrep_ready").is_none_or(|ready| ready != "ON") {
            return Ok(look);
        }
        if look.status.get("wsrep_local_state").is_some_and(|state| state == SYNCED) {
            catch_up(session).await?;
        }
    }
    look.readings = read_tables(session, node, question.tables).await?;
    if let Some(first) = question.tables.first() {
        let stored = look.readings.first().and_then(Option::as_ref).map_or(first, |reading| &reading.name);
        let names = underscored(session, stored).await?;
        look.leftovers = match look.readings.first() {
            Some(Some(reading)) => leftovers(reading, &names),
            Some(None) | None => table_leftovers(first, &names),
        };
    }
    let present: Vec<TableName> = look.readings.iter().flatten().map(|reading| reading.name.clone()).collect();
    look.holders = holders(session, node.flavour, view, &present).await?;
    (look.old, look.longest_s) = transactions(session, question.old).await?;
    look.users = users(session, view, &present).await?;
    Ok(look)
}

/// Looks at the tables alone; nothing when the node has not applied all that was ordered, or can't say so.
///
/// # Errors
/// As the server says.
pub(crate) async fn tables(
    session: &mut dyn Session,
    node: &Node,
    question: Question<'_>,
) -> Result<Vec<Option<Reading>>, Fault> {
    if matches!(question.topology, Topology::Galera { .. }) {
        let status = pairs(&session.query(&catalog::wsrep_status()).await?);
        let is = |name: &str, value: &str| status.get(name).is_some_and(|seen| seen == value);
        if !is("wsrep_ready", "ON") || !is("wsrep_local_state", SYNCED) {
            return Ok(Vec::new());
        }
        catch_up(session).await?;
    }
    read_tables(session, node, question.tables).await
}

async fn read_tables(
    session: &mut dyn Session,
    node: &Node,
    tables: &[TableName],
) -> Result<Vec<Option<Reading>>, Fault> {
    let mut readings = Vec::new();
    for table in tables {
        readings.push(read_table(session, dialect(node), table).await?);
    }
    Ok(readings)
}

/// Waits until the node has applied all that is ordered now, DDL of a moment ago too. One read pays for all that follow.
/// Never asked of a node that is desynced or paused: it would not answer.
async fn catch_up(session: &mut dyn Session) -> Result<(), Fault> {
    session.execute(&catalog::causal()).await?;
    let waited = session.query(&catalog::nothing()).await;
    session.execute(&catalog::not_causal()).await?;
    waited?;
    Ok(())
}

async fn underscored(session: &mut dyn Session, table: &TableName) -> Result<Vec<Ident>, Fault> {
    session.query(&catalog_table::underscored(table)).await?.iter().map(|row| name(row, 0)).collect()
}
