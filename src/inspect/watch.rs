//! The same questions again, on open sessions, before each ordered step.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::TableName;
use driftless_strategies::facts::{Node, Topology};
use driftless_strategies::verdict::{Reason, ReasonCode};
use futures_util::future::join_all;
use tokio::sync::{Mutex, RwLock};

use crate::error::Fault;
use crate::ports::clock::Clock;
use crate::ports::journal::Phase;
use crate::ports::members::{Discovered, Member, pairs};
use crate::ports::nodes::Nodes;
use crate::ports::server::{Server, Session};
use crate::sql::catalog;

use super::facts::Limits;
use super::fitness::{Passing, SYNCED};
use super::health::{Expectation, Finding, judge, tables};
use super::holders::LockView;
use super::look::{self, Look, Question, look};
use super::reading::Reading;
use super::session::open;

/// How often what may be gone already is looked at again: tables that differ while a DDL is on its way, transactions that
/// InnoDB still shows.
const LOOKS: u32 = 3;
/// Between two looks. InnoDB shows transactions from a cache that it renews only when nobody has read it for 100 ms: who
/// asks more often sees the same ones for ever.
const LOOK_PAUSE: Duration = Duration::from_millis(150);
/// Longest that nodes may take to catch up with the copying one.
const BARRIER_LIMIT: Duration = Duration::from_secs(10);
/// Write-sets that may wait on a node before an ordered ALTER: under load there are always some.
pub(super) const WAITING_MAX: u64 = 10;
/// Between two questions how far they are.
const BARRIER_POLL: Duration = Duration::from_millis(20);

/// All nodes, with one open session each.
pub struct NodeWatch {
    members: Vec<Watched>,
    expectation: RwLock<Expectation>,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

/// The first table, from a node that has applied all there is: others show what was.
fn settled(look: Look) -> Result<Option<Reading>, Fault> {
    let of = |name: &str| look.status.get(name).map_or("", String::as_str);
    let synced =
        of("wsrep_cluster_status") == "Primary" && of("wsrep_ready") == "ON" && of("wsrep_local_state") == SYNCED;
    if !look.status.is_empty() && !synced {
        let (status, state) = (of("wsrep_cluster_status"), of("wsrep_local_state_comment"));
        return Err(Fault::Busy(format!("it is not synced ({status}, {state})")));
    }
    Ok(look.readings.into_iter().next().flatten())
}

/// One node and its session.
pub(crate) struct Watched {
    pub(crate) node: Node,
    server: Arc<dyn Server>,
    open: Mutex<Option<Open>>,
}

struct Open {
    session: Box<dyn Session>,
    view: LockView,
}

/// A question to one node.
#[derive(Clone, Copy)]
enum Ask<'a> {
    Look(Question<'a>),
    Tables(Question<'a>),
    Committed,
}

enum Answer {
    Look(Box<Look>),
    Tables(Vec<Option<Reading>>),
    Committed(u64),
}

impl NodeWatch {
    /// Watches these members; connects when first asked.
    #[must_use]
    pub fn new(discovered: &Discovered, expectation: Expectation, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self {
            members: discovered.members.iter().map(Watched::of).collect(),
            expectation: RwLock::new(expectation),
            limits,
            clock,
        }
    }

    /// Expects something else from now on: the shadow that stands now, the table's new shape after the switch.
    pub async fn expect(&self, expectation: Expectation) {
        *self.expectation.write().await = expectation;
    }

    /// Asks every node at once and says all that is not as expected.
    ///
    /// # Errors
    /// Every reason, most important ones not first.
    pub async fn health(&self) -> Result<(), Vec<Reason>> {
        let found = self.findings().await;
        if found.is_empty() { Ok(()) } else { Err(found.into_iter().map(|finding| finding.reason).collect()) }
    }

    async fn findings(&self) -> Vec<Finding> {
        let expectation = self.expectation.read().await.clone();
        let tables: Vec<TableName> = expectation.tables.iter().map(|(table, _)| table.clone()).collect();
        let question = Question { topology: &expectation.topology, tables: &tables, old: self.limits.old_transaction };
        let mut tries = 0;
        loop {
            tries += 1;
            let answers =
                join_all(self.members.iter().map(|watched| async move { (watched, watched.look(question).await) }));
            let found = judge(&expectation, &answers.await);
            if tries == LOOKS || !found.iter().any(Finding::may_be_stale) {
                return found;
            }
            self.clock.sleep(LOOK_PAUSE).await;
        }
    }

    /// What is not as expected of the tables on the nodes that can be asked now.
    async fn strange(&self) -> Vec<Finding> {
        let expectation = self.expectation.read().await.clone();
        let names: Vec<TableName> = expectation.tables.iter().map(|(table, _)| table.clone()).collect();
        let question = Question { topology: &expectation.topology, tables: &names, old: self.limits.old_transaction };
        let mut tries = 0;
        loop {
            tries += 1;
            let answers = join_all(self.members.iter().map(|watched| watched.tables(question))).await;
            let seen = self.members.iter().zip(&answers);
            let readings: Vec<_> = seen
                .filter_map(|(watched, answer)| Some((watched.node.name.as_str(), answer.as_ref().ok()?.as_slice())))
                .collect();
            let found = tables(&expectation, &readings);
            if tries == LOOKS || found.is_empty() {
                return found;
            }
            self.clock.sleep(LOOK_PAUSE).await;
        }
    }

    /// The first expected table on every node, after all that was ordered before the question. A node that is not fit to
    /// say so gives a fault; the cluster's view does not matter.
    pub async fn tables(&self) -> Vec<(String, Result<Option<Reading>, Fault>)> {
        let seen = self.looks().await;
        seen.into_iter().map(|(name, look)| (name, look.and_then(settled))).collect()
    }

    /// Open transactions that use the expected tables, or may, by node; a node that can't be asked has none to show.
    pub async fn users(&self) -> Vec<String> {
        let of = |(name, look): (String, Result<Look, Fault>)| {
            let users = look.map(|look| look.users).unwrap_or_default();
            users.into_iter().map(move |user| format!("{name}: {user}"))
        };
        self.looks().await.into_iter().flat_map(of).collect()
    }

    /// Passes when no node has more than a few write-sets waiting.
    ///
    /// # Errors
    /// `Busy` with the node and the number.
    pub async fn calm(&self) -> Result<(), Fault> {
        for (name, look) in self.looks().await {
            let waiting = look?.status.get("wsrep_local_recv_queue").and_then(|number| number.parse::<u64>().ok());
            if let Some(waiting) = waiting.filter(|waiting| *waiting > WAITING_MAX) {
                return Err(Fault::Busy(format!("{waiting} write-sets wait in the receive queue of {name}")));
            }
        }
        Ok(())
    }

    /// One node; `None` when none has that name.
    pub(super) async fn look_at(&self, node: &str) -> Option<Result<Look, Fault>> {
        let watched = self.members.iter().find(|watched| watched.node.name == node)?;
        let expectation = self.expectation.read().await.clone();
        let tables: Vec<TableName> = expectation.tables.iter().map(|(table, _)| table.clone()).collect();
        let question = Question { topology: &expectation.topology, tables: &tables, old: self.limits.old_transaction };
        Some(watched.look(question).await)
    }

    pub(super) async fn looks(&self) -> Vec<(String, Result<Look, Fault>)> {
        let expectation = self.expectation.read().await.clone();
        let tables: Vec<TableName> = expectation.tables.iter().map(|(table, _)| table.clone()).collect();
        let question = Question { topology: &expectation.topology, tables: &tables, old: self.limits.old_transaction };
        let one = |watched| async move { (Watched::name(watched), Watched::look(watched, question).await) };
        join_all(self.members.iter().map(one)).await
    }

    pub(super) async fn pause(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    async fn committed(&self) -> Result<Vec<u64>, Fault> {
        join_all(self.members.iter().map(Watched::committed)).await.into_iter().collect()
    }
}

#[async_trait::async_trait]
impl Nodes for NodeWatch {
    async fn fit(&self, _at: Phase) -> Result<(), Fault> {
        let found = self.findings().await;
        if let Some(finding) = found.iter().find(|finding| finding.passing == Passing::No) {
            return Err(Fault::Refused(Box::new(finding.reason.clone())));
        }
        match found.first() {
            None => Ok(()),
            Some(finding) => Err(Fault::Busy(format!("{} [{}]", finding.reason.what, finding.reason.code.as_str()))),
        }
    }

    async fn same(&self, _at: Phase) -> Result<(), Fault> {
        match self.strange().await.into_iter().next() {
            None => Ok(()),
            Some(finding) => Err(Fault::Refused(Box::new(finding.reason))),
        }
    }

    async fn barrier(&self) -> Result<(), Fault> {
        let galera = matches!(self.expectation.read().await.topology, Topology::Galera { .. });
        let (true, Some(first)) = (galera, self.members.first()) else { return Ok(()) };
        let wanted = first.committed().await?;
        let deadline = self.clock.now() + BARRIER_LIMIT;
        loop {
            let reached = self.committed().await?;
            let behind = self.members.iter().zip(&reached).find(|(_, reached)| **reached < wanted);
            let Some((watched, reached)) = behind else { return Ok(()) };
            if self.clock.now() >= deadline {
                let (name, limit) = (&watched.node.name, BARRIER_LIMIT.as_secs());
                return Err(Fault::Busy(format!("{name} is at {reached}, not yet at {wanted}, after {limit} s")));
            }
            self.clock.sleep(BARRIER_POLL).await;
        }
    }
}

impl Watched {
    /// Nothing is connected yet.
    pub(crate) fn of(member: &Member) -> Self {
        Self { node: member.node.clone(), server: Arc::clone(&member.server), open: Mutex::new(None) }
    }

    fn name(&self) -> String {
        self.node.name.clone()
    }

    async fn look(&self, question: Question<'_>) -> Result<Look, Fault> {
        match self.ask(Ask::Look(question)).await? {
            Answer::Look(look) => Ok(*look),
            Answer::Tables(_) | Answer::Committed(_) => Err(Fault::Failed(format!("{}: no look", self.node.name))),
        }
    }

    async fn committed(&self) -> Result<u64, Fault> {
        match self.ask(Ask::Committed).await? {
            Answer::Committed(number) => Ok(number),
            Answer::Look(_) | Answer::Tables(_) => Err(Fault::Failed(format!("{}: no number", self.node.name))),
        }
    }

    async fn tables(&self, question: Question<'_>) -> Result<Vec<Option<Reading>>, Fault> {
        match self.ask(Ask::Tables(question)).await? {
            Answer::Tables(readings) => Ok(readings),
            Answer::Look(_) | Answer::Committed(_) => Err(Fault::Failed(format!("{}: no tables", self.node.name))),
        }
    }

    /// Asks on the open session; one that was lost is opened anew, once. Questions may be asked twice without harm.
    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, Fault> {
        let mut slot = self.open.lock().await;
        if let Some(open) = slot.as_mut() {
            match self.answer(open, ask).await {
                Err(Fault::Lost(_)) => *slot = None,
                answer => return answer,
            }
        }
        let mut session = open(&*self.server).await?;
        let view = LockView::of(&mut *session).await?;
        let open = slot.insert(Open { session, view });
        let answer = self.answer(open, ask).await;
        if matches!(answer, Err(Fault::Lost(_))) {
            *slot = None;
        }
        answer
    }

    async fn answer(&self, open: &mut Open, ask: Ask<'_>) -> Result<Answer, Fault> {
        let session = &mut *open.session;
        match ask {
            Ask::Look(question) => {
                let look = look(session, &self.node, open.view, &catalog::watched_variables(), question).await?;
                Ok(Answer::Look(Box::new(look)))
            }
            Ask::Tables(question) => Ok(Answer::Tables(look::tables(session, &self.node, question).await?)),
            Ask::Committed => {
                let status = pairs(&session.query(&catalog::wsrep_last_committed()).await?);
                let number = status.get("wsrep_last_committed").and_then(|number| number.parse().ok());
                number.map(Answer::Committed).ok_or_else(|| gone(&self.node.name))
            }
        }
    }
}

/// A node that answers and has no number has left the cluster, and does not come back by itself.
fn gone(name: &str) -> Fault {
    Fault::Refused(Box::new(Reason::new(
        ReasonCode::NodeUnfit,
        format!("{name} runs, and has left the cluster"),
        format!("look into the error log of {name} and start it anew; it may need a state transfer"),
    )))
}
