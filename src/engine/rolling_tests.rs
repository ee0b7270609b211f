//! Every answer in a node's turn against everything that the nodes may show, forward and back.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::{Algorithm, Lock, Step, StrategyName, Work};
use tokio_util::sync::CancellationToken;

use super::altering::Limits;
use super::altering_tests::{Answer, Has, NEW, ODD, OLD, Script, World, busy, fine, job, lost, no, ports, word, world};
use super::draining::Draining;
use super::ending::Ending;
use super::rolling::Turning;
use crate::error::Fault;
use crate::ports::journal::{Job, Phase};
use crate::ports::proxy::{Drains, Stand};
use crate::ports::rolling::{Rolling, Way};

#[async_trait::async_trait]
impl Rolling for World {
    async fn well(&self, _: &str) -> Result<(), Fault> {
        Ok(())
    }
    async fn free(&self, node: &str) -> Result<(), Fault> {
        let answer = self.ready.lock().unwrap().pop_front().map_or(Ok(()), |answer| answer());
        if answer.is_ok() {
            self.say(&format!("free {node}"));
        }
        answer
    }
    async fn alter(&self, node: &str, way: Way) -> Result<(), Fault> {
        let last = self.log.lock().unwrap().last().cloned().unwrap_or_default();
        assert_eq!(last, format!("free {node}"), "a node is changed only when it was found free just before");
        self.say(&format!("{way:?} {node}"));
        let (answer, nodes) = self.script.lock().unwrap().pop_front().expect("one more ALTER than the test foresees");
        *self.nodes.lock().unwrap() = nodes;
        answer()
    }
    async fn gone(&self, _: &str) -> bool {
        false
    }
    async fn back(&self, _: &str) -> Result<(), Fault> {
        Ok(())
    }
}

fn rolling(phase: Phase) -> Job {
    let mut job = job(phase);
    let Work::Direct(spec) = job.plan.work.clone() else { panic!("a direct plan") };
    job.plan.work = Work::Rolling(spec);
    job.plan.strategy = StrategyName::Rsu;
    let turn = |node: &str| Step::Roll {
        node: node.into(),
        alter: "ADD KEY k (a)".into(),
        algorithm: Algorithm::Nocopy,
        lock: Lock::Shared,
    };
    job.plan.steps = vec![Step::Journal, turn("n1"), turn("n2")];
    job
}

/// Nobody stands before the nodes; and nobody was taken out.
struct NoDrains;

#[async_trait::async_trait]
impl Drains for NoDrains {
    async fn taken_out(&self) -> Result<Vec<(String, Vec<Stand>)>, Fault> {
        Ok(Vec::new())
    }
    async fn take_out(&self, _: &str, _: &[Stand]) -> Result<(), Fault> {
        Ok(())
    }
    async fn put_back(&self, _: &str) -> Result<(), Fault> {
        Ok(())
    }
}

fn no_proxy() -> Draining {
    let now = tokio::sync::Mutex::default();
    Draining { proxies: Vec::new(), drains: Arc::new(NoDrains), nodes: Vec::new(), put_back: false, now }
}

fn engine(world: &Arc<World>, phase: Phase) -> Turning {
    let job = rolling(phase);
    let Work::Rolling(spec) = job.plan.work.clone() else { panic!("a rolling plan") };
    let limits = Limits { attempts: 3, patience: Duration::from_secs(600) };
    let turns = Arc::clone(world) as Arc<dyn Rolling>;
    Turning::new(ports(world), turns, no_proxy(), limits, job, spec, CancellationToken::new())
}

/// The turns as they were taken.
fn turns(world: &World) -> String {
    let log = world.log.lock().unwrap();
    let turns = log.iter().filter(|line| line.starts_with("Forward") || line.starts_with("Back"));
    turns.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// ALTERs with what they answer, and how it ends.
type Run = (Script, &'static str);

const THERE: (Answer, Has) = (fine, [NEW, OLD]);

#[tokio::test]
async fn what_the_nodes_have_decides_whose_turn_it_is() {
    let both = "Forward n1, Forward n2";
    //  answers of the ALTERs and what stands then         ending     journal          turns   why
    let cases: [(Script, &str, Phase, &str, &str); 10] = [
        (&[THERE, (fine, [NEW; 2])], "done", Phase::Done, both, "as it should be"),
        (&[(lost, [NEW, OLD]), (busy, [NEW; 2])], "done", Phase::Done, both, "answers were lost, changes were not"),
        (
            &[(busy, [OLD; 2]), THERE, (fine, [NEW; 2])],
            "done",
            Phase::Done,
            "Forward n1, Forward n1, Forward n2",
            "a lock",
        ),
        (
            &[(busy, [OLD; 2]), (busy, [OLD; 2]), (busy, [OLD; 2])],
            "stopped",
            Phase::Altering,
            "Forward n1, Forward n1, Forward n1",
            "as often as is tried",
        ),
        (&[(no, [OLD; 2])], "refused", Phase::Undone, "Forward n1", "the first node says no: nothing was changed"),
        (&[THERE, (no, [NEW, OLD])], "stopped", Phase::Altering, both, "the second says no: one has it"),
        (&[(fine, [OLD; 2])], "drifted", Phase::Altering, "Forward n1", "said to be done, and not shown"),
        (&[(fine, [ODD, OLD])], "drifted", Phase::Altering, "Forward n1", "something else came of it"),
        (&[(fine, ["-", OLD])], "stopped", Phase::Altering, "Forward n1", "the node is gone"),
        (&[(fine, [NEW, "!"])], "drifted", Phase::Altering, "Forward n1", "the other lost the table"),
    ];
    for (script, expected, phase, taken, why) in cases {
        let world = world([OLD; 2], script);
        let (ending, _, job) = engine(&world, Phase::Planned).run().await;
        assert_eq!((word(&ending), job.phase), (expected, phase), "{why}: {ending:?}");
        assert_eq!(turns(&world), taken, "{why}");
        assert!(world.script.lock().unwrap().is_empty(), "{why}: fewer ALTERs than foreseen");
    }
}

#[tokio::test]
async fn a_job_goes_on_or_back_from_anywhere() {
    let forward: Script = &[(fine, [NEW; 2])];
    let all: Script = &[THERE, (fine, [NEW; 2])];
    let back: Script = &[(fine, [OLD; 2])];
    let twice: Script = &[(fine, [NEW, OLD]), (fine, [OLD; 2])];
    //  journal          nodes       run: ALTERs, ending  undo: ALTERs, ending  turns back          why
    let cases: [(Phase, Has, Run, Run, &str, &str); 8] = [
        (Phase::Planned, [OLD; 2], (all, "done"), (&[], "undone"), "", "nothing was begun"),
        (Phase::Holding, [OLD; 2], (all, "done"), (&[], "undone"), "", "nothing was begun"),
        (Phase::Altering, [OLD; 2], (all, "done"), (&[], "undone"), "", "nothing came of it"),
        (Phase::Altering, [NEW, OLD], (forward, "done"), (back, "undone"), "Back n1", "half-way"),
        (Phase::Altering, [NEW; 2], (&[], "done"), (twice, "undone"), "Back n2, Back n1", "all through, not said yet"),
        (Phase::Undoing, [NEW, OLD], (back, "undone"), (back, "undone"), "Back n1", "on the way back"),
        (Phase::Altering, [ODD, OLD], (&[], "drifted"), (&[], "drifted"), "", "somebody else changed it"),
        (Phase::Altering, [NEW, "-"], (&[], "stopped"), (&[], "stopped"), "", "a node is away"),
    ];
    for (phase, nodes, (script, ran), (undo, undone), turned, why) in cases {
        let run = world(nodes, script);
        let (ending, _, _) = engine(&run, phase).run().await;
        assert_eq!(word(&ending), ran, "run, {why}: {ending:?}");
        assert!(run.script.lock().unwrap().is_empty(), "run, {why}: fewer ALTERs than foreseen");
        let undoing = world(nodes, undo);
        let (ending, _, job) = engine(&undoing, phase).undo().await;
        assert_eq!(word(&ending), undone, "abort, {why}: {ending:?}");
        assert_eq!(turns(&undoing), turned, "abort, {why}");
        assert_eq!(job.phase == Phase::Undone, undone == "undone", "abort, {why}: {:?}", job.phase);
    }
}

#[tokio::test]
async fn a_turn_is_waited_for_and_refused_only_before_the_first() {
    let waiting = world([OLD; 2], &[THERE, (fine, [NEW; 2])]);
    waiting.ready.lock().unwrap().extend([fine as Answer, busy, fine, lost]);
    let (ending, tally, _) = engine(&waiting, Phase::Planned).run().await;
    assert_eq!((word(&ending), tally.retries), ("done", 0), "waiting is no attempt: {ending:?}");
    let refused = world([OLD; 2], &[]);
    refused.ready.lock().unwrap().extend([fine as Answer, no]);
    let (ending, _, job) = engine(&refused, Phase::Planned).run().await;
    assert_eq!((word(&ending), job.phase), ("refused", Phase::Undone), "{ending:?}");
    let half = world([NEW, OLD], &[]);
    half.ready.lock().unwrap().push_back(no);
    let (ending, _, job) = engine(&half, Phase::Altering).run().await;
    assert_eq!((word(&ending), job.phase), ("stopped", Phase::Altering), "one node has it: {ending:?}");
    let never = world([OLD; 2], &[]);
    never.ready.lock().unwrap().extend([fine as Answer].into_iter().chain([busy as Answer; 9_000]));
    let (ending, _, job) = engine(&never, Phase::Planned).run().await;
    assert_eq!((word(&ending), job.phase), ("stopped", Phase::Altering), "patience ends: {ending:?}");
}

#[tokio::test]
async fn a_stop_ends_the_turn_and_an_undo_does_not_hear_it() {
    let stopped = world([NEW, OLD], &[]);
    let job = rolling(Phase::Altering);
    let Work::Rolling(spec) = job.plan.work.clone() else { panic!("a rolling plan") };
    let limits = Limits { attempts: 3, patience: Duration::from_secs(600) };
    let stop = CancellationToken::new();
    stop.cancel();
    let turns = Arc::clone(&stopped) as Arc<dyn Rolling>;
    let (ending, _, _) =
        Turning::new(ports(&stopped), turns, no_proxy(), limits, job, spec.clone(), stop.clone()).run().await;
    assert_eq!(word(&ending), "stopped", "{ending:?}");
    let undone = world([NEW, OLD], &[(fine, [OLD; 2])]);
    let turns = Arc::clone(&undone) as Arc<dyn Rolling>;
    let job = rolling(Phase::Altering);
    let (ending, _, _) = Turning::new(ports(&undone), turns, no_proxy(), limits, job, spec, stop).undo().await;
    assert_eq!(word(&ending), "undone", "{ending:?}");
}

#[tokio::test]
async fn a_node_of_the_plan_that_is_away_is_never_forgotten() {
    let third = |phase| {
        let mut job = rolling(phase);
        let mut step = job.plan.steps[1].clone();
        if let Step::Roll { node, .. } = &mut step {
            *node = "n3".to_owned();
        }
        job.plan.steps.push(step);
        job
    };
    let turning = |world: &Arc<World>, job: Job| {
        let Work::Rolling(spec) = job.plan.work.clone() else { panic!("a rolling plan") };
        let limits = Limits { attempts: 3, patience: Duration::from_secs(600) };
        let turns = Arc::clone(world) as Arc<dyn Rolling>;
        Turning::new(ports(world), turns, no_proxy(), limits, job, spec, CancellationToken::new())
    };
    for nodes in [[OLD; 2], [NEW; 2], [NEW, OLD]] {
        let away = world(nodes, &[]);
        let (ending, _, job) = turning(&away, third(Phase::Altering)).run().await;
        assert_eq!((word(&ending), job.phase), ("stopped", Phase::Altering), "{nodes:?}: {ending:?}");
        let Ending::Stopped { why, .. } = ending else { panic!() };
        assert!(why.contains("n3: gives no answer (it is not in the cluster)"), "{why}");
        let away = world(nodes, &[]);
        let (ending, _, job) = turning(&away, third(Phase::Altering)).undo().await;
        assert_eq!((word(&ending), job.phase), ("stopped", Phase::Undoing), "{nodes:?}: {ending:?}");
    }
    let without = world([NEW; 2], &[]);
    let (ending, _, _) = turning(&without, third(Phase::Altering)).without(vec!["n3".into()]).run().await;
    assert_eq!(word(&ending), "done", "the operator says that it never comes back: {ending:?}");
}

#[tokio::test]
async fn a_table_that_somebody_else_changed_everywhere_closes_the_job() {
    for nodes in [[ODD; 2], ["!"; 2]] {
        let other = world(nodes, &[]);
        let (ending, _, job) = engine(&other, Phase::Altering).undo().await;
        assert_eq!((word(&ending), job.phase), ("drifted", Phase::Undone), "{nodes:?}: {ending:?}");
    }
}

/// A node that has built an index for an hour may need minutes to catch up: it is waited for, and is no node that is away.
#[tokio::test]
async fn a_node_that_catches_up_is_waited_for() {
    let slow = world([NEW, OLD], &[(fine, [NEW; 2])]);
    *slow.catching_up.lock().unwrap() = 100;
    let (ending, _, _) = engine(&slow, Phase::Altering).run().await;
    assert_eq!(word(&ending), "done", "{ending:?}");
}
