//! One node after the other changes the table itself. Where each stands is what it has, never what the journal says.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::{DirectSpec, Step};
use tokio_util::sync::CancellationToken;

use super::altering::{Limits, Ports};
use super::draining::Draining;
use super::ending::{Ending, Tally};
use super::helm::{Helm, LOOK};
use super::standing::{Side, Standing, side, standing, words};
use crate::error::Fault;
use crate::ports::journal::{Job, Phase};
use crate::ports::pace::Gate;
use crate::ports::report::Event;
use crate::ports::rolling::{Rolling, Way};

/// Between two looks whether a node can have its turn.
const REST: Duration = Duration::from_secs(1);
/// Longest that an ALTER whose sender is gone may still be on its way to the server.
const LATE_ALTER: Duration = Duration::from_secs(5);
/// Longest wait for a node that is not in the cluster.
const AWAY_LIMIT: Duration = Duration::from_secs(20);
/// Waits are told when they are longer.
const QUIET: Duration = Duration::from_secs(3);
/// Between two looks whether the others still count the node whose turn it is as one of them.
const MEMBER_LOOK: Duration = Duration::from_secs(5);
/// Between two looks whether a node that is altered is still out of the proxies.
const PROXY_LOOK: Duration = Duration::from_secs(5);
/// Looks in a row in which a node must have something else before it is believed (3 s).
const ODD_LOOKS: u32 = 12;

/// One run of one job whose plan goes node by node.
pub struct Turning {
    ports: Ports,
    turns: Arc<dyn Rolling>,
    draining: Draining,
    /// Nodes that never come back with what they had, as the operator says.
    gone: Vec<String>,
    limits: Limits,
    spec: DirectSpec,
    helm: Helm,
}

/// What the nodes have, in the order in which they go forward.
type Sides = Vec<(String, Side)>;

impl Turning {
    /// Takes a job that this process holds the lease of, and what its plan works with.
    #[must_use]
    pub fn new(
        ports: Ports,
        turns: Arc<dyn Rolling>,
        draining: Draining,
        limits: Limits,
        job: Job,
        spec: DirectSpec,
        stop: CancellationToken,
    ) -> Self {
        let helm = Helm::new(ports.hands(limits.attempts), job, stop);
        Self { ports, turns, draining, gone: Vec::new(), limits, spec, helm }
    }

    /// Does without these nodes of the plan.
    #[must_use]
    pub fn without(mut self, gone: Vec<String>) -> Self {
        self.gone = gone;
        self
    }

    /// Runs the job to its end, or to where it must stop. Gives the lease back in any case.
    pub async fn run(mut self) -> (Ending, Tally, Job) {
        let beating = self.helm.start_beating();
        let ending = match self.carry_out().await {
            Ok(()) => Ending::Done,
            Err(ending) => match self.helm.turn(ending).await {
                Some(ending) => ending,
                None => self.close().await,
            },
        };
        self.helm.leave(&beating, ending).await
    }

    /// Takes every node back to what it had. Gives the lease back in any case.
    pub async fn undo(mut self) -> (Ending, Tally, Job) {
        let beating = self.helm.start_beating();
        let ending = self.close().await;
        self.helm.leave(&beating, ending).await
    }

    async fn carry_out(&mut self) -> Result<(), Ending> {
        match self.helm.job.phase {
            Phase::Planned | Phase::Holding => {
                self.helm.enter(Phase::Holding).await?;
                self.helm.hold(true).await?;
                self.helm.enter(Phase::Altering).await?;
            }
            Phase::Altering => {
                // The ALTER of a process that was killed may still be on its way.
                self.ports.clock.sleep(LATE_ALTER).await;
                self.put_back().await?;
            }
            Phase::Done => return Ok(()),
            Phase::Undoing | Phase::Undone => return Err(self.close().await),
            at @ (Phase::Shadowing
            | Phase::Arming
            | Phase::Copying
            | Phase::Verifying
            | Phase::Switching
            | Phase::Finishing) => {
                return Err(Ending::Failed { phase: at, what: "BUG: a rolling job is in a phase of a copy".into() });
            }
        }
        self.all(Way::Forward).await?;
        self.well().await?;
        self.helm.enter(Phase::Done).await
    }

    /// Takes every node that way, one after the other.
    async fn all(&mut self, way: Way) -> Result<(), Ending> {
        loop {
            let sides = self.settled(way).await?;
            let Some(node) = next(&sides, way) else { return Ok(()) };
            if way == Way::Forward {
                self.helm.hold(false).await?;
            }
            let untouched = sides.iter().all(|(_, side)| *side == Side::Before);
            self.turn_of(&node, way, untouched).await?;
        }
    }

    /// One node's turn: out of the proxy, that way, and back, whatever came of it.
    async fn turn_of(&mut self, node: &str, way: Way, untouched: bool) -> Result<(), Ending> {
        let at = self.helm.job.phase;
        let done = self.one(node, way, untouched).await;
        // The node may be in the hands of whoever has the job now.
        let taken = matches!(self.ports.journal.beat().await, Err(Fault::Refused(_)));
        if taken || self.helm.deposed.is_cancelled() {
            return done;
        }
        match (done, self.draining.done(self.turns.as_ref(), self.ports.clock.as_ref()).await) {
            (done, Ok(())) => done,
            // Drift is told before all else; the journal knows what is out.
            (drifted @ Err(Ending::Drifted { .. }), Err(_)) => drifted,
            // Whatever else came of it: the job stays until the node is back.
            (_, Err(fault)) => Err(Ending::Stopped { phase: at, why: fault.to_string() }),
        }
    }

    /// Puts back what an earlier run has left out of the proxy.
    async fn put_back(&self) -> Result<(), Ending> {
        let at = self.helm.job.phase;
        let back = self.draining.left_out(self.turns.as_ref(), self.ports.clock.as_ref()).await;
        back.map_err(|fault| Ending::of(fault, at).job_stays(at))
    }

    /// Takes one node that way, however often it must be tried.
    async fn one(&mut self, node: &str, way: Way, untouched: bool) -> Result<(), Ending> {
        let at = self.helm.job.phase;
        let since = self.ports.clock.now();
        let mut attempt = 0;
        loop {
            self.room(node, way, untouched).await?;
            attempt += 1;
            let began = self.ports.clock.now();
            let answer = self.alter(node, way).await;
            let took = self.ports.clock.now().saturating_sub(began);
            if matches!(answer, Err(Fault::Lost(_))) {
                self.ports.clock.sleep(LATE_ALTER).await;
            }
            let sides = self.settled(way).await?;
            if sides.iter().any(|(name, side)| name == node && *side == wanted(way)) {
                self.helm.tally.switch_attempts = self.helm.tally.switch_attempts.max(attempt);
                self.helm.tally.switch_ms = self.helm.tally.switch_ms.max(millis(took));
                let left = sides.iter().filter(|(_, side)| *side != wanted(way)).count();
                self.ports.reporter.event(&Event::Rolled { node: node.to_owned(), ms: millis(took), left });
                return Ok(());
            }
            let why = match answer {
                Ok(()) => {
                    let what = format!("{node} says that the table is changed, and does not show it");
                    return Err(Ending::Drifted { what, nodes: told(&sides) });
                }
                Err(Fault::Busy(why) | Fault::Lost(why)) => why,
                Err(fault) if untouched => return Err(Ending::of(fault, at)),
                Err(fault) => return Err(Ending::of(fault, at).job_stays(at)),
            };
            if way == Way::Forward && self.helm.stop.is_cancelled() {
                return Err(self.helm.stopped());
            }
            if attempt >= self.limits.attempts || self.ports.clock.now().saturating_sub(since) >= self.limits.patience {
                return Err(Ending::Stopped { phase: at, why: format!("{node}: {why}") });
            }
            self.helm.tally.retries += 1;
            self.helm.retried(&format!("the ALTER on {node}"), &why, attempt).await;
        }
    }

    /// The ALTER on that node, which is kept out of the proxies meanwhile.
    async fn alter(&self, node: &str, way: Way) -> Result<(), Fault> {
        let over = CancellationToken::new();
        let altering = async {
            let answer = tokio::select! {
                answer = self.turns.alter(node, way) => answer,
                () = self.cut(way) => Err(Fault::Lost("the ALTER was ended".into())),
                () = self.cast_out(node) => Err(Fault::Lost(format!("{node} is no longer in the cluster"))),
            };
            over.cancel();
            answer
        };
        tokio::join!(altering, self.keep_out(node, &over)).0
    }

    /// Keeps the node out of the proxies while it is altered, until `over`. Never given up half-way, so that nothing comes after
    /// it is put back; never done for a job that another process has.
    async fn keep_out(&self, node: &str, over: &CancellationToken) {
        loop {
            tokio::select! {
                () = over.cancelled() => return,
                () = self.ports.clock.sleep(PROXY_LOOK) => {}
            }
            let hold = async {
                self.ports.journal.beat().await?;
                self.draining.hold(node).await
            };
            if let Err(fault) = hold.await {
                tracing::warn!(node, %fault, "it can't be seen to that the node stays out of the proxies");
            }
        }
    }

    /// Waits until that node may leave the cluster's pace.
    async fn room(&self, node: &str, way: Way, untouched: bool) -> Result<(), Ending> {
        let at = self.helm.job.phase;
        let since = self.ports.clock.now();
        let mut said = None;
        loop {
            if self.ends(way) {
                return Err(self.helm.stopped());
            }
            let why = match self.ready(node, way, untouched).await {
                Ok(()) => return Ok(()),
                Err(Fault::Busy(why) | Fault::Lost(why)) => why,
                Err(fault) if untouched => return Err(Ending::of(fault, at)),
                Err(fault) => return Err(Ending::of(fault, at).job_stays(at)),
            };
            if self.ports.clock.now().saturating_sub(since) >= self.limits.patience {
                return Err(Ending::Stopped { phase: at, why });
            }
            self.helm.held(&mut said, why);
            self.ports.clock.sleep(REST).await;
        }
    }

    /// Everything that must be true when a node leaves the cluster's pace; what can change soonest is asked last.
    async fn ready(&self, node: &str, way: Way, untouched: bool) -> Result<(), Fault> {
        if untouched && way == Way::Forward {
            self.ports.direct.rehearse().await?;
        }
        if let Gate::Closed { why } = self.ports.pace.gate() {
            return Err(Fault::Busy(why));
        }
        self.turns.well(node).await?;
        // A job that was taken over while this process slept must take nobody out.
        self.ports.journal.beat().await?;
        self.draining.out(node).await?;
        self.turns.free(node).await?;
        self.draining.is_out(node).await?;
        // A job that was taken over while this process slept or looked must not act.
        self.ports.journal.beat().await.map(|_| ())
    }

    /// Returns when the others have gone on without that node, twice in a row.
    async fn cast_out(&self, node: &str) {
        let mut gone = 0;
        while gone < 2 {
            self.ports.clock.sleep(MEMBER_LOOK).await;
            gone = if self.turns.gone(node).await { gone + 1 } else { 0 };
        }
    }

    /// Returns when the ALTER must be ended.
    async fn cut(&self, way: Way) {
        match way {
            Way::Forward => self.helm.stop.cancelled().await,
            Way::Back => self.helm.deposed.cancelled().await,
        }
    }

    /// What every node of the plan has, once none works on an ALTER and all are in the cluster's pace.
    async fn settled(&self, way: Way) -> Result<Sides, Ending> {
        let at = self.helm.job.phase;
        let began = self.ports.clock.now();
        let (mut odd, mut told_of) = (0, None);
        loop {
            let busy = self.ports.direct.under_way().await.unwrap_or(true);
            let sides = if busy { Vec::new() } else { self.sides().await };
            let behind = self.behind(&sides).await;
            let clear = |(_, side): &(String, Side)| matches!(side, Side::Before | Side::After);
            if !sides.is_empty() && sides.iter().all(clear) && behind.is_none() {
                return Ok(sides);
            }
            let strange = sides.iter().any(|(_, side)| matches!(side, Side::Else(_)));
            odd = if strange { odd + 1 } else { 0 };
            if odd >= ODD_LOOKS {
                let what = "a node has neither the table as it was nor as it was planned".to_owned();
                return Err(Ending::Drifted { what, nodes: told(&sides) });
            }
            if self.ends(way) {
                return Err(self.helm.stopped());
            }
            let missing: Vec<String> = told(&sides).into_iter().chain(behind).collect();
            let why = if busy { "a node still works on an ALTER of the table".to_owned() } else { missing.join("; ") };
            let waited = self.ports.clock.now().saturating_sub(began);
            // One that has much to catch up with is silent, too, and is waited for.
            if waited >= self.limits.patience || (waited >= AWAY_LIMIT && self.away(&sides).await) {
                let why = format!(
                    "not every node of the plan says what it has: {why}; bring it back first (--gone NODE: it never comes \
                     back, or with a whole state transfer)"
                );
                return Err(Ending::Stopped { phase: at, why });
            }
            if waited >= QUIET {
                self.helm.held(&mut told_of, why);
            }
            self.ports.clock.sleep(LOOK).await;
        }
    }

    /// Whether a node that gives no answer is not in the cluster.
    async fn away(&self, sides: &Sides) -> bool {
        for (node, side) in sides {
            if matches!(side, Side::Silent(_)) && self.turns.gone(node).await {
                return true;
            }
        }
        false
    }

    /// Whether this run is to end: on the way back only when the job is another's.
    fn ends(&self, way: Way) -> bool {
        self.helm.deposed.is_cancelled() || (way == Way::Forward && self.helm.stop.is_cancelled())
    }

    /// The first node that is not in the cluster's pace, in words.
    async fn behind(&self, sides: &Sides) -> Option<String> {
        for (node, _) in sides {
            if let Err(fault) = self.turns.back(node).await {
                return Some(fault.to_string());
            }
        }
        None
    }

    /// What each node has, in the plan's order; nodes that came since then come last.
    async fn sides(&self) -> Sides {
        let seen = self.ports.direct.look().await;
        let before = &self.helm.job.plan.fingerprint;
        let mut sides: Sides =
            seen.into_iter().map(|seen| (seen.node, side(&self.spec, before, &seen.sight))).collect();
        let order: Vec<&str> = self.helm.job.plan.steps.iter().filter_map(Step::turn).collect();
        // A node that is away comes back with what it had: without it nothing can be said of all.
        for name in order.iter().filter(|name| !self.gone.iter().any(|gone| gone == *name)) {
            if !sides.iter().any(|(node, _)| node == name) {
                sides.push(((*name).to_owned(), Side::Silent("it is not in the cluster".to_owned())));
            }
        }
        sides.sort_by_key(|(node, _)| order.iter().position(|name| *name == node).unwrap_or(order.len()));
        sides
    }

    /// All nodes have the same: now they must be well, too.
    async fn well(&self) -> Result<(), Ending> {
        let at = self.helm.job.phase;
        let mut attempt = 0;
        loop {
            let look = async {
                self.ports.nodes.barrier().await?;
                self.ports.nodes.fit(Phase::Done).await
            };
            let Err(fault) = look.await else { return Ok(()) };
            attempt += 1;
            if attempt >= self.limits.attempts {
                let why = format!("the table is the same on every node, but: {fault}");
                return Err(Ending::Stopped { phase: at, why });
            }
            self.helm.retried("the look at all nodes afterwards", &fault.to_string(), attempt).await;
        }
    }

    /// When every node has the same table, and it is neither, somebody else has changed it: there is nothing to go back to.
    async fn other_table(&mut self) -> Result<(), Ending> {
        let seen = self.ports.direct.look().await;
        let all = self.sides().await.len() == seen.len();
        let Standing::Neither(nodes) = standing(&self.spec, &self.helm.job.plan.fingerprint, &seen) else {
            return Ok(());
        };
        if !all {
            return Ok(());
        }
        self.helm.enter(Phase::Undone).await?;
        let what = "the job is closed, but somebody else has changed the table since it was planned".to_owned();
        Err(Ending::Drifted { what, nodes })
    }

    /// Takes every changed node back, the last one first, and closes the job.
    async fn close(&mut self) -> Ending {
        let closed = async {
            match self.helm.job.phase {
                Phase::Planned | Phase::Holding | Phase::Undone => {}
                Phase::Done => {
                    let what = "the table is changed on every node already: it is done".to_owned();
                    return Err(Ending::Failed { phase: Phase::Done, what });
                }
                Phase::Altering
                | Phase::Undoing
                | Phase::Shadowing
                | Phase::Arming
                | Phase::Copying
                | Phase::Verifying
                | Phase::Switching
                | Phase::Finishing => {
                    self.helm.enter(Phase::Undoing).await?;
                    if let Err(fault) = self.ports.direct.end().await {
                        tracing::warn!(%fault, "an ALTER that was left may still run");
                    }
                    self.ports.clock.sleep(LATE_ALTER).await;
                    self.put_back().await?;
                    self.other_table().await?;
                    self.all(Way::Back).await?;
                    self.well().await?;
                }
            }
            self.helm.enter(Phase::Undone).await
        };
        match closed.await {
            Ok(()) => Ending::Undone,
            Err(ending) => ending.job_stays(self.helm.job.phase),
        }
    }
}

const fn wanted(way: Way) -> Side {
    match way {
        Way::Forward => Side::After,
        Way::Back => Side::Before,
    }
}

/// Whose turn it is.
fn next(sides: &Sides, way: Way) -> Option<String> {
    let mut left = sides.iter().filter(|(_, side)| *side != wanted(way));
    let node = match way {
        Way::Forward => left.next(),
        Way::Back => left.next_back(),
    };
    node.map(|(node, _)| node.clone())
}

fn told(sides: &Sides) -> Vec<String> {
    sides.iter().map(|(node, side)| format!("{node}: {}", words(side))).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
