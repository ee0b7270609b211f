//! One node's table made like another's: tried on a temporary table, then changed on that node alone.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::facts::{DryRun, Node};
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Fingerprint, Ident, Reason, TableName, TableShape};
use futures_util::future::join_all;

use super::rolling::alter_alone;
use crate::ddl;
use crate::error::Fault;
use crate::inspect::{self, NodeWatch};
use crate::ports::members::Member;
use crate::sql::catalog_table::Dialect;
use crate::sql::checksum::RowHash;
use crate::sql::{Sql, catalog, repair};

/// Longest count over all rows of one node.
const SUM_DEADLINE: Duration = Duration::from_secs(4 * 3600);
/// How often rows are compared before it is said that they differ: writers may be between two nodes.
const SUMS: u32 = 5;
const SUM_PAUSE: Duration = Duration::from_secs(1);
/// Between two looks whether a node may leave the cluster's pace, and whether it is back.
const LOOK: Duration = Duration::from_millis(250);
/// Longest that a node may take to catch up.
const BACK: Duration = Duration::from_secs(600);

/// What is to be done on one node.
#[derive(Clone, Debug)]
pub struct Repair {
    /// The node.
    pub node: String,
    /// What it has.
    pub has: TableShape,
    /// The one ALTER.
    pub statement: Sql,
    /// Columns whose values go with them.
    pub loses: Vec<Ident>,
    clauses: String,
}

impl Repair {
    /// Writes the ALTER that makes `has` like `wanted`.
    ///
    /// # Errors
    /// `Refused` when no ALTER does.
    pub fn of(node: &Node, table: &TableName, has: &TableShape, wanted: &TableShape) -> Result<Self, Fault> {
        let by_hand = |why: String| {
            let remedy =
                "make it equal by hand on that node alone (wsrep_OSU_method = 'RSU'), or give it a state transfer";
            Fault::Refused(Box::new(Reason::new(ReasonCode::NotProvable, why, remedy)))
        };
        let clauses = repair::clauses(has, wanted, node.flavour)
            .map_err(|beyond| by_hand(format!("{table} on {} differs in {beyond}", node.name)))?;
        if clauses.is_empty() {
            return Err(by_hand(format!("{table} on {} differs in what no clause of an ALTER says", node.name)));
        }
        let joined = Sql::new("").join(", ", clauses.iter().cloned()).as_str().to_owned();
        Ok(Self {
            node: node.name.clone(),
            has: has.clone(),
            statement: repair::alter(table, &clauses),
            loses: repair::lost_columns(has, wanted),
            clauses: joined,
        })
    }

    /// Tries it on a temporary table of that node, and holds what comes of it against what is wanted.
    ///
    /// # Errors
    /// `Refused` when the node turns it down, or something else comes of it.
    pub async fn rehearse(&self, member: &Member, table: &TableName, wanted: &TableShape) -> Result<(), Fault> {
        let (flavour, version) = (member.node.flavour, member.node.version);
        let refused = |what: String| {
            let remedy = "make it equal by hand on that node alone, or give it a state transfer";
            Fault::Refused(Box::new(Reason::new(ReasonCode::AlterRejected, what, remedy)))
        };
        let alter = ddl::parse_alter_in(&self.clauses, &table.schema, flavour, version)
            .map_err(|error| refused(format!("BUG: driftless can't read its own ALTER: {error}")))?;
        let mut session = member.server.connect().await?;
        let variables = member.node.variables.clone();
        let dialect = Dialect { flavour, version };
        let trial = inspect::dry_run(session.as_mut(), dialect, table, &self.has, &alter, &variables).await?;
        match trial.outcome {
            DryRun::Rejected { node, message, .. } => Err(refused(format!("{node} rejects it: {message}"))),
            DryRun::Impossible { .. } => Ok(()),
            DryRun::Accepted { shape } if same(&shape, wanted) => Ok(()),
            DryRun::Accepted { .. } => Err(refused(format!("on {} something else would come of it", self.node))),
        }
    }

    /// Carries it out on that node alone, as soon as nobody writes there. `told` hears what it waits for.
    ///
    /// # Errors
    /// `Busy` when it could not begin within `patience`; else as the server says.
    pub async fn carry_out(
        &self,
        member: &Member,
        watch: &NodeWatch,
        patience: Duration,
        expected: &[(String, Fingerprint)],
        told: &dyn Fn(&str),
    ) -> Result<(), Fault> {
        let begun = tokio::time::Instant::now();
        let mut said = String::new();
        loop {
            let attempt = async {
                watch.idle(&self.node, Duration::from_secs(60)).await?;
                // What was written for another drift would make one.
                unchanged(watch, expected).await?;
                alter_alone(&self.node, &member.server, &self.statement).await
            };
            match attempt.await {
                Ok(()) => break,
                Err(Fault::Busy(why)) if begun.elapsed() < patience => {
                    // Numbers change all the time.
                    let gist: String = why.chars().filter(|c| !c.is_ascii_digit()).collect();
                    if said != gist {
                        told(&why);
                        said = gist;
                    }
                    tokio::time::sleep(LOOK).await;
                }
                Err(fault) => return Err(fault),
            }
        }
        let sent = tokio::time::Instant::now();
        // Whoever reads the nodes next says what is wrong with one that does not come back.
        while watch.caught_up(&self.node).await.is_err() && sent.elapsed() < BACK {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

/// Passes while every node has what the repair was planned for.
async fn unchanged(watch: &NodeWatch, expected: &[(String, Fingerprint)]) -> Result<(), Fault> {
    let seen = watch.tables().await;
    for (node, answer) in seen {
        let known = expected.iter().find(|(name, _)| *name == node).map(|(_, print)| print);
        if answer?.map(|reading| reading.fingerprint).as_ref() != known {
            let what = format!("the table on {node} is no longer what the repair was planned for");
            return Err(Fault::Refused(Box::new(Reason::new(
                ReasonCode::PlanStale,
                what,
                "run `driftless repair` again",
            ))));
        }
    }
    Ok(())
}

/// How each node shows the table, without counters and without the order of its lines.
///
/// # Errors
/// As from the servers.
pub async fn shown(members: &[Member], table: &TableName) -> Result<Vec<(String, Vec<String>)>, Fault> {
    let one = async |member: &Member| -> Result<(String, Vec<String>), Fault> {
        let mut session = member.server.connect().await?;
        session.execute(&catalog::causal()).await?;
        let rows = session.query(&repair::show(table)).await?;
        let text = rows.first().and_then(|row| row.text(1)).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(plain).collect();
        lines.sort_unstable();
        Ok((member.node.name.clone(), lines))
    };
    join_all(members.iter().map(one)).await.into_iter().collect()
}

fn plain(line: &str) -> String {
    let words = line.trim().trim_end_matches(',').split(' ');
    words.filter(|word| !word.starts_with("AUTO_INCREMENT=")).collect::<Vec<_>>().join(" ")
}

/// Columns and keys, which are all that a temporary table shows.
fn same(shown: &TableShape, wanted: &TableShape) -> bool {
    let keys = |table: &TableShape| {
        let mut keys = table.keys.clone();
        keys.sort_by(|one, other| one.name.cmp(&other.name));
        keys
    };
    let column = |one: &driftless_strategies::Column, other: &driftless_strategies::Column| {
        one.name == other.name && one.column_type == other.column_type && one.nullable == other.nullable
    };
    let columns = shown.columns.len() == wanted.columns.len()
        && shown.columns.iter().zip(&wanted.columns).all(|(one, other)| column(one, other));
    columns && keys(shown) == keys(wanted)
}

/// Rows of the table on every node as number and sum, once they are equal or have differed five times in a row.
///
/// # Errors
/// As from the servers.
pub async fn rows(members: &[Member], table: &TableName, shape: &TableShape) -> Result<Vec<(String, String)>, Fault> {
    let mut tries = 0;
    loop {
        tries += 1;
        let sums = join_all(members.iter().map(|member| sum(member, table, shape))).await;
        let sums: Vec<(String, String)> = sums.into_iter().collect::<Result<_, Fault>>()?;
        let equal = sums.iter().all(|(_, sum)| sums.first().is_some_and(|(_, first)| first == sum));
        if equal || tries == SUMS {
            return Ok(sums);
        }
        tokio::time::sleep(SUM_PAUSE).await;
    }
}

async fn sum(member: &Member, table: &TableName, shape: &TableShape) -> Result<(String, String), Fault> {
    let hash = RowHash::of(member.node.flavour, member.node.version);
    let mut session = Arc::clone(&member.server).connect().await?;
    session.set_deadline(SUM_DEADLINE);
    session.execute(&catalog::causal()).await?;
    let rows = session.query(&repair::row_sum(table, &shape.columns, hash)).await?;
    let sum = rows.first().and_then(|row| row.text(0)).unwrap_or_default();
    Ok((member.node.name.clone(), sum))
}
