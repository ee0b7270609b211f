//! What is in the tables when all writers have stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::{Ident, TableName};

use super::error::{DemoError, sql as failed};
use super::ledger::{Ledger, Revision};
use crate::ports::server::{ErrorKind, Row, Server, ServerError, Session};
use crate::sql;

/// Longest time for one statement; a scan of the table on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);
/// Rows read at a time.
const PAGE: u64 = 20_000;
/// Findings that are named; all are counted.
const NAMED: usize = 10;

/// Number and content of one node's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSum {
    /// `host:port`.
    pub node: String,
    /// Its rows.
    pub rows: u64,
    /// A sum of hashes of all its rows over all columns; empty when there are no rows.
    pub sum: String,
    /// Its columns in order.
    pub columns: Vec<String>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Each node.
    pub nodes: Vec<NodeSum>,
    /// Rows that a writer was told are written, and that were looked for.
    pub acknowledged: u64,
    /// Rows whose last write was never answered: either outcome is right.
    pub doubtful: u64,
    /// Rows that are lost, invented or changed.
    pub wrong: u64,
    /// Some of them, in words.
    pub examples: Vec<String>,
}

impl Proof {
    /// Whether nothing is lost, invented or changed, and all nodes are equal.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.wrong == 0 && self.nodes_equal()
    }

    /// Whether all nodes have the same columns and rows.
    #[must_use]
    pub fn nodes_equal(&self) -> bool {
        let mut pairs = self.nodes.iter().zip(self.nodes.iter().skip(1));
        pairs.all(|(one, two)| (one.rows, &one.sum, &one.columns) == (two.rows, &two.sum, &two.columns))
    }

    fn wrong(&mut self, what: String) {
        self.wrong += 1;
        if self.examples.len() < NAMED {
            self.examples.push(what);
        }
    }
}

/// Compares all nodes with each other, and the first with what the writers know. The writers must have stopped.
///
/// Each node first applies what the cluster has committed. Every row of the table is read once by id and revision, and
/// once on each node in full.
///
/// # Errors
/// `Sql` when a node doesn't answer or the columns `id` and `revision` are gone.
pub async fn prove(servers: &[Arc<dyn Server>], table: &TableName, ledger: &Ledger) -> Result<Proof, DemoError> {
    let doubtful = u64::try_from(ledger.doubtful()).unwrap_or(u64::MAX);
    let touched = u64::try_from(ledger.touched()).unwrap_or(u64::MAX);
    let mut proof = Proof { acknowledged: touched - doubtful, doubtful, ..Proof::default() };
    for (index, server) in servers.iter().enumerate() {
        let mut session = causal_session(server.as_ref()).await.map_err(failed("connect for the proof"))?;
        let columns = column_names(session.as_mut(), table).await?;
        proof.nodes.push(node_sum(session.as_mut(), table, &columns).await?);
        if index == 0 {
            let found = revisions(session.as_mut(), table).await?;
            compare(ledger, &found, &mut proof);
            values(session.as_mut(), table, &columns, &mut proof).await?;
        }
    }
    Ok(proof)
}

/// A session whose reads see all that the cluster had committed before them.
pub(super) async fn causal_session(server: &dyn Server) -> Result<Box<dyn Session>, ServerError> {
    let mut session = server.connect().await?;
    session.set_deadline(DEADLINE);
    match session.execute(&sql::demo::read_causally()).await {
        Ok(_) => Ok(session),
        // MySQL without Galera has no such variable, and nothing to wait for.
        Err(ServerError { code: 1193, .. }) => Ok(session),
        Err(error) => Err(error),
    }
}

async fn column_names(session: &mut dyn Session, table: &TableName) -> Result<Vec<Ident>, DemoError> {
    let rows = session.query(&sql::demo::columns(table)).await.map_err(failed("read the columns"))?;
    let names = rows.iter().filter_map(|row| row.text(0)).map(Ident::new);
    names.collect::<Result<_, _>>().map_err(|error| odd(session, "read the columns", &error.to_string()))
}

async fn node_sum(session: &mut dyn Session, table: &TableName, columns: &[Ident]) -> Result<NodeSum, DemoError> {
    let rows = session.query(&sql::demo::node_sum(table, columns)).await.map_err(failed("sum up the rows"))?;
    let row = rows.first();
    Ok(NodeSum {
        node: session.node().to_owned(),
        rows: row.and_then(|row| row.u64(0)).unwrap_or(0),
        sum: row.and_then(|row| row.text(1)).unwrap_or_default(),
        columns: columns.iter().map(|column| column.as_str().to_owned()).collect(),
    })
}

async fn revisions(session: &mut dyn Session, table: &TableName) -> Result<BTreeMap<u64, Revision>, DemoError> {
    let mut found = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = sql::demo::revisions(table, after, PAGE);
        let rows = session.query(&page).await.map_err(failed("read ids and revisions"))?;
        if rows.is_empty() {
            return Ok(found);
        }
        for row in &rows {
            let pair = row.u64(0).zip(row.u64(1)).filter(|(id, _)| *id > after);
            let (id, revision) =
                pair.ok_or_else(|| odd(session, "read ids and revisions", &format!("after {after}: {row:?}")))?;
            found.insert(id, revision);
            after = id;
        }
    }
}

fn compare(ledger: &Ledger, found: &BTreeMap<u64, Revision>, proof: &mut Proof) {
    let mut known = 0;
    for id in ledger.ids() {
        let expected = ledger.expected(id);
        let there = found.get(&id).copied();
        known += usize::from(there.is_some());
        if !expected.holds(there) {
            proof.wrong(format!("id {id}: {expected:?} was acknowledged, {there:?} is there"));
        }
    }
    if known < found.len() {
        let mut all: Vec<u64> = ledger.ids().collect();
        all.sort_unstable();
        for (id, revision) in found.iter().filter(|(id, _)| all.binary_search(id).is_err()) {
            proof.wrong(format!("id {id}: nobody wrote it, revision {revision} is there"));
        }
    }
}

async fn values(
    session: &mut dyn Session,
    table: &TableName,
    columns: &[Ident],
    proof: &mut Proof,
) -> Result<(), DemoError> {
    let wrong = sql::demo::wrong_values(table, columns, 1000);
    let rows: Vec<Row> = session.query(&wrong).await.map_err(failed("look at all values"))?;
    for row in rows {
        proof.wrong(format!("id {}: a value is not what was written", row.text(0).unwrap_or_default()));
    }
    Ok(())
}

fn odd(session: &dyn Session, what: &'static str, message: &str) -> DemoError {
    let (node, message) = (session.node().to_owned(), message.to_owned());
    DemoError::Sql { what, source: ServerError { node, code: 0, message, kind: ErrorKind::Other } }
}

#[cfg(test)]
mod tests {
    use super::super::load::STRIDE;
    use super::*;

    fn found(pairs: &[(u64, Revision)]) -> BTreeMap<u64, Revision> {
        pairs.iter().copied().collect()
    }

    #[test]
    fn every_kind_of_wrong_row_is_seen() {
        type Case = (&'static [(u64, Revision)], u64, &'static str);
        let mut ledger = Ledger::new(3 * STRIDE);
        ledger.acknowledge(STRIDE, None);
        ledger.acknowledge(2 * STRIDE, Some(5));
        ledger.acknowledge(9, Some(6));
        ledger.doubt(10, Some(7));
        //  in the table                            wrong  why
        let cases: [Case; 7] = [
            (&[(8, 5), (9, 6), (12, 0)], 0, "all as written, the doubtful one did not happen"),
            (&[(8, 5), (9, 6), (10, 7), (12, 0)], 0, "the doubtful one happened"),
            (&[(4, 0), (8, 5), (9, 6), (12, 0)], 1, "a deleted row came back"),
            (&[(8, 0), (9, 6), (12, 0)], 1, "an update was lost"),
            (&[(8, 5), (12, 0)], 1, "an insert was lost"),
            (&[(8, 5), (9, 6)], 1, "a row that nobody touched was lost"),
            (&[(8, 5), (9, 6), (11, 1), (12, 0), (16, 0)], 2, "rows from nowhere, in and past the range"),
        ];
        for (table, wrong, why) in cases {
            let mut proof = Proof::default();
            compare(&ledger, &found(table), &mut proof);
            assert_eq!(proof.wrong, wrong, "{why}: {:?}", proof.examples);
        }
    }

    #[test]
    fn nodes_must_agree_in_rows_sums_and_columns() {
        let node = |rows, sum: &str, column: &str| NodeSum {
            node: "n".to_owned(),
            rows,
            sum: sum.to_owned(),
            columns: vec![column.to_owned()],
        };
        let holds = |two: NodeSum| Proof { nodes: vec![node(1, "7", "a"), two], ..Proof::default() }.holds();
        assert!(holds(node(1, "7", "a")));
        assert!(!holds(node(2, "7", "a")) && !holds(node(1, "8", "a")) && !holds(node(1, "7", "b")));
        let wrong = Proof { wrong: 1, ..Proof::default() };
        assert!(!wrong.holds());
    }
}
