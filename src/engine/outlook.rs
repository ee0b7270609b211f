//! What the nodes must be like in each phase, and shapes from the catalog.

use std::sync::Arc;

use driftless_strategies::facts::Topology;
use driftless_strategies::plan::CopySpec;
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Fingerprint, Reason, TableName, TableShape};

use crate::cutover::objects::ShapeReader;
use crate::error::Fault;
use crate::inspect::{Expectation, Expected, NodeWatch, OwnTriggers, read_table};
use crate::ports::journal::Phase;
use crate::ports::nodes::Nodes;
use crate::ports::server::Server;
use crate::sql::catalog_table::Dialect;

/// Nodes under watch, with what each phase expects of the job's tables.
pub struct Outlook {
    /// The watch.
    pub watch: NodeWatch,
    /// The cluster's view when the run began.
    pub topology: Topology,
    /// The job's tables.
    pub spec: Arc<CopySpec>,
    /// The source's fingerprint.
    pub fingerprint: Fingerprint,
}

/// What the tables must be before the next ordered step of a phase.
#[must_use]
pub fn expectation(topology: &Topology, spec: &CopySpec, fingerprint: &Fingerprint, at: Phase) -> Expectation {
    let source = |expected: Expected| (spec.source.clone(), expected);
    let exactly = || source(Expected::Exactly(fingerprint.clone()));
    let (shadow, retired) = (spec.shadow.clone(), spec.retired.clone());
    let tables = match at {
        Phase::Planned | Phase::Shadowing => vec![exactly(), (retired, Expected::Absent)],
        Phase::Arming
        | Phase::Copying
        | Phase::Verifying
        | Phase::Holding
        | Phase::Switching
        // No copy goes through it; the strictest that it could be.
        | Phase::Altering => {
            vec![exactly(), (shadow, Expected::Same), (retired, Expected::Absent)]
        }
        Phase::Finishing | Phase::Done => vec![source(Expected::Same), (shadow, Expected::Absent)],
        Phase::Undoing | Phase::Undone => vec![source(Expected::Same)],
    };
    Expectation { topology: topology.clone(), tables, own_triggers: OwnTriggers::Allowed }
}

/// Nodes under watch, with what each phase of an ALTER of the table itself expects.
pub struct DirectOutlook {
    /// The watch.
    pub watch: Arc<NodeWatch>,
    /// The cluster's view when the run began.
    pub topology: Topology,
    /// The table.
    pub table: TableName,
    /// Tables that foreign keys tie to it.
    pub linked: Vec<TableName>,
    /// The table's fingerprint before.
    pub fingerprint: Fingerprint,
}

/// What the tables must be before and after an ALTER of the first of them.
#[must_use]
pub fn direct_expectation(
    topology: &Topology,
    table: &TableName,
    linked: &[TableName],
    fingerprint: &Fingerprint,
    at: Phase,
) -> Expectation {
    let before = !at.over();
    let own = if before { Expected::Exactly(fingerprint.clone()) } else { Expected::Same };
    let mut tables = vec![(table.clone(), own)];
    if before {
        tables.extend([(table.shadow(), Expected::Absent), (table.retired(), Expected::Absent)]);
    }
    tables.extend(linked.iter().map(|name| (name.clone(), Expected::Same)));
    Expectation { topology: topology.clone(), tables, own_triggers: OwnTriggers::Forbidden }
}

impl DirectOutlook {
    fn expected(&self, at: Phase) -> Expectation {
        direct_expectation(&self.topology, &self.table, &self.linked, &self.fingerprint, at)
    }
}

#[async_trait::async_trait]
impl Nodes for DirectOutlook {
    async fn fit(&self, at: Phase) -> Result<(), Fault> {
        self.watch.expect(self.expected(at)).await;
        self.watch.fit(at).await
    }

    async fn same(&self, at: Phase) -> Result<(), Fault> {
        self.watch.expect(self.expected(at)).await;
        self.watch.same(at).await
    }

    async fn barrier(&self) -> Result<(), Fault> {
        self.watch.barrier().await
    }
}

#[async_trait::async_trait]
impl Nodes for Outlook {
    async fn fit(&self, at: Phase) -> Result<(), Fault> {
        self.watch.expect(expectation(&self.topology, &self.spec, &self.fingerprint, at)).await;
        self.watch.fit(at).await
    }

    async fn same(&self, at: Phase) -> Result<(), Fault> {
        self.watch.expect(expectation(&self.topology, &self.spec, &self.fingerprint, at)).await;
        self.watch.same(at).await
    }

    async fn barrier(&self) -> Result<(), Fault> {
        self.watch.barrier().await
    }
}

/// Reads shapes from information_schema.
pub struct CatalogShapes {
    /// The copying node's family and version.
    pub dialect: Dialect,
}

#[async_trait::async_trait]
impl ShapeReader for CatalogShapes {
    async fn shape(&self, server: &Arc<dyn Server>, table: &TableName) -> Result<TableShape, Fault> {
        let mut session = server.connect().await?;
        match read_table(session.as_mut(), self.dialect, table).await? {
            Some(reading) => Ok(reading.shape),
            None => Err(Fault::Refused(Box::new(Reason::new(
                ReasonCode::TableMissing,
                format!("{table} is not on {}", server.address()),
                "find out who dropped it, then plan again",
            )))),
        }
    }
}
