//! The `Rolling` port over real servers: the ALTER on one node alone, proven to be out of the cluster's pace.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::copy_steps::LOCK_WAIT_MS;
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Algorithm, DirectSpec, Flavour, Lock, Plan, Reason, Step, TableName, Topology};

use super::ordered;
use crate::error::Fault;
use crate::inspect::{Expectation, Expected, NodeWatch, OwnTriggers};
use crate::ports::journal::{JobId, Movable, Phase};
use crate::ports::members::{Discovered, Member, pairs};
use crate::ports::nodes::Nodes as _;
use crate::ports::rolling::{Rolling, Way};
use crate::ports::server::{ErrorKind, Server, ServerError};
use crate::sql::{Sql, catalog, ddl};

/// Longest ALTER on one node; then it is ended, and undone by the server.
const LONGEST: Duration = Duration::from_secs(72 * 3600);
/// How soon a node must be seen out of the cluster's pace: servers go on with the ALTER when leaving it has failed.
const LEAVES: Duration = Duration::from_secs(1);
/// Between two looks at that.
const LOOK: Duration = Duration::from_millis(20);

/// What the calls need.
pub struct Turns {
    /// Every node.
    pub discovered: Discovered,
    /// The nodes under watch.
    pub watch: Arc<NodeWatch>,
    /// The plan.
    pub plan: Plan,
    /// The table before and after.
    pub spec: DirectSpec,
    /// The job.
    pub job: JobId,
    /// The fencing token of the lease under which this works.
    pub token: u64,
    /// The job's journal, which moves away from the node whose turn it is.
    pub journal: Arc<dyn Movable>,
}

impl Turns {
    fn member(&self, node: &str) -> Result<&Member, Fault> {
        let found = self.discovered.members.iter().find(|member| member.node.name == node);
        found.ok_or_else(|| Fault::Busy(format!("{node} is not among the nodes that can be reached")))
    }

    fn expected(&self) -> Expectation {
        let table = &self.plan.table;
        let absent = |name: TableName| (name, Expected::Absent);
        let own = [(table.clone(), Expected::There), absent(table.shadow()), absent(table.retired())];
        let linked = self.spec.linked.iter().map(|name| (name.clone(), Expected::Same));
        Expectation {
            topology: self.discovered.topology.clone(),
            tables: own.into_iter().chain(linked).collect(),
            own_triggers: OwnTriggers::Forbidden,
        }
    }

    /// What one node needs for the ALTER, as estimated.
    fn needed(&self) -> Duration {
        let turns = self.plan.steps.iter().filter(|step| step.turn().is_some()).count().max(1);
        Duration::from_secs(self.plan.estimate.seconds) / u32::try_from(turns).unwrap_or(u32::MAX)
    }

    fn statement(&self, way: Way, flavour: Flavour) -> Result<Sql, Fault> {
        let planned = self.plan.steps.iter().find_map(Step::alter);
        let Some((alter, algorithm, lock)) = planned else {
            return Err(Fault::Failed("failed to find the ALTER: the plan has none".into()));
        };
        let statement = match way {
            Way::Forward => ddl::alter_directly(&self.plan.table, alter, algorithm, lock),
            Way::Back => {
                let keys = ddl::keys_back(&self.spec.target, &self.spec.source, flavour);
                // What was INSTANT one way may have to build a key on the way back.
                let builds = if flavour == Flavour::MariaDb { Algorithm::Nocopy } else { Algorithm::Inplace };
                ddl::alter_directly(&self.plan.table, &keys, algorithm.max(builds), Lock::Shared)
            }
        };
        Ok(ddl::by_holder(&statement, &self.job, self.token, flavour))
    }
}

#[async_trait::async_trait]
impl Rolling for Turns {
    async fn well(&self, node: &str) -> Result<(), Fault> {
        let away = self.discovered.members.iter().find(|member| member.node.name != node);
        let Some(away) = away else { return Err(Fault::Failed("failed to find a second node".into())) };
        self.journal.move_to(&away.server).await;
        self.watch.expect(self.expected()).await;
        self.watch.fit(Phase::Altering).await
    }

    async fn free(&self, node: &str) -> Result<(), Fault> {
        self.watch.idle(node, self.needed()).await
    }

    async fn alter(&self, node: &str, way: Way) -> Result<(), Fault> {
        let member = self.member(node)?;
        let statement = self.statement(way, member.node.flavour)?;
        alter_alone(node, &member.server, &statement).await
    }

    async fn gone(&self, node: &str) -> bool {
        let Topology::Galera { size, .. } = &self.discovered.topology else { return false };
        let (own, others): (Vec<&Member>, Vec<&Member>) =
            self.discovered.members.iter().partition(|member| member.node.name == node);
        let Some(other) = others.first() else { return false };
        if own.is_empty() {
            return true;
        }
        let look = async { other.server.connect().await?.query(&catalog::wsrep_members()).await };
        let Ok(Ok(rows)) = tokio::time::timeout(LEAVES, look).await else { return false };
        rows.first().and_then(|row| row.u64(1)).is_some_and(|now| now < u64::from(*size))
    }

    async fn back(&self, node: &str) -> Result<(), Fault> {
        self.watch.caught_up(node).await
    }
}

/// Runs one ALTER on one node alone, while it is seen out of the cluster's pace.
///
/// # Errors
/// As `Rolling::alter`.
pub async fn alter_alone(node: &str, server: &Arc<dyn Server>, statement: &Sql) -> Result<(), Fault> {
    let mut session = ordered::connect(server, Duration::from_millis(LOCK_WAIT_MS)).await?;
    for setting in ddl::alone() {
        answered(session.execute(&setting).await.map(|_| ()))?;
    }
    session.set_deadline(LONGEST);
    let altering = session.execute(statement);
    tokio::pin!(altering);
    // Dropping the statement ends it on the server, which then undoes it.
    let proof = tokio::select! {
        answer = &mut altering => return answered(answer.map(|_| ())),
        proof = left(node, server) => proof,
    };
    proof?;
    answered(altering.await.map(|_| ()))
}

/// Waits until the node is seen out of the cluster's pace.
async fn left(node: &str, server: &Arc<dyn Server>) -> Result<(), Fault> {
    let mut witness = server.connect().await?;
    let look = async {
        loop {
            let status = pairs(&witness.query(&catalog::wsrep_pace()).await?);
            let of = |name: &str| status.get(name).map_or("", String::as_str);
            if of("wsrep_local_state") == "2" || !matches!(of("wsrep_desync_count"), "0" | "") {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(LEAVES, look).await.unwrap_or_else(|_| {
        let limit = LEAVES.as_secs();
        Err(Fault::Busy(format!("{node} did not leave the cluster's pace within {limit} s; its ALTER was ended")))
    })
}

fn answered(answer: Result<(), ServerError>) -> Result<(), Fault> {
    let Err(error) = answer else { return Ok(()) };
    match error.kind {
        ErrorKind::Conflict | ErrorKind::NotReady | ErrorKind::Connect => Err(Fault::Busy(error.to_string())),
        ErrorKind::Lost => Err(Fault::Lost(error.to_string())),
        ErrorKind::Full => Err(error.into()),
        ErrorKind::Denied => {
            let what = format!("a node may not be altered alone by this user: {error}");
            let remedy =
                "grant SUPER, or what stands in the server's words (sql_log_bin needs BINLOG ADMIN on MariaDB)";
            Err(Fault::Refused(Box::new(Reason::new(ReasonCode::PrivilegeMissing, what, remedy))))
        }
        ErrorKind::Duplicate | ErrorKind::Data | ErrorKind::Missing | ErrorKind::Other => {
            let what = format!("the server rejects the ALTER: {error}");
            let remedy = "--strategy trigger-copy, or correct the alter";
            Err(Fault::Refused(Box::new(Reason::new(ReasonCode::AlterRejected, what, remedy))))
        }
    }
}
