//! Every answer of the server against everything that the nodes may show.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{
    DirectSpec, Estimate, Fingerprint, Options, Plan, Reason, StrategyName, TableName, TableShape, Work,
};
use tokio_util::sync::CancellationToken;

use super::altering::{Altering, Limits, Ports};
use super::ending::Ending;
use crate::error::Fault;
use crate::ports::clock::Clock;
use crate::ports::direct::{Direct, Sight, Sighting};
use crate::ports::journal::{Job, JobId, Journal, Mark, Phase, Watermark, Wishes};
use crate::ports::nodes::Nodes;
use crate::ports::objects::Keep;
use crate::ports::pace::{Gate, Pace};
use crate::ports::report::{Event, Reporter};

pub(super) const OLD: &str = "old";
pub(super) const NEW: &str = "new";
pub(super) const ODD: &str = "odd";

/// The table with a comment that tells which it is.
pub(super) fn shape(which: &str) -> TableShape {
    TableShape { comment: which.to_owned(), ..TableShape::default() }
}

pub(super) type Answer = fn() -> Result<(), Fault>;
/// What two nodes have.
pub(super) type Has = [&'static str; 2];
/// What ALTERs answer, and what the nodes have then.
pub(super) type Script = &'static [(Answer, Has)];

pub(super) fn fine() -> Result<(), Fault> {
    Ok(())
}

pub(super) fn busy() -> Result<(), Fault> {
    Err(Fault::Busy("deadlock".into()))
}

pub(super) fn lost() -> Result<(), Fault> {
    Err(Fault::Lost("the connection went".into()))
}

pub(super) fn no() -> Result<(), Fault> {
    Err(Fault::Refused(Box::new(Reason::new(ReasonCode::AlterRejected, "no", ""))))
}

/// A cluster of two nodes, its journal and its clock.
#[derive(Default)]
pub(super) struct World {
    /// What the nodes have; `-` gives no answer, `!` is no table.
    pub(super) nodes: Mutex<Has>,
    /// What each ALTER answers, and what the nodes have then.
    pub(super) script: Mutex<VecDeque<(Answer, Has)>>,
    /// What is answered to the question whether all is well, before and after.
    pub(super) ready: Mutex<VecDeque<Answer>>,
    pub(super) well: Mutex<VecDeque<Answer>>,
    /// Looks in which the first node is not synced yet.
    pub(super) catching_up: Mutex<u32>,
    /// Answers that a session still works on it.
    pub(super) under_way: Mutex<u32>,
    pub(super) now: Mutex<Duration>,
    /// Phases as they were saved, and `ALTER` when it was sent.
    pub(super) log: Mutex<Vec<String>>,
}

impl World {
    pub(super) fn say(&self, what: &str) {
        let mut log = self.log.lock().unwrap();
        if log.last().is_none_or(|last| last != what) {
            log.push(what.to_owned());
        }
    }
}

#[async_trait::async_trait]
impl Clock for World {
    fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }
    async fn sleep(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
        tokio::task::yield_now().await;
    }
}

#[async_trait::async_trait]
impl Direct for World {
    async fn rehearse(&self) -> Result<(), Fault> {
        self.ready.lock().unwrap().pop_front().map_or(Ok(()), |answer| answer())
    }
    async fn calm(&self) -> Result<(), Fault> {
        Ok(())
    }
    async fn users(&self) -> Vec<String> {
        Vec::new()
    }
    async fn alter(&self) -> Result<(), Fault> {
        let before = self.log.lock().unwrap().last().cloned().unwrap();
        assert!(before == "altering" || before == "ALTER", "journalled before it is sent: {before}");
        self.say("ALTER");
        let (answer, nodes) = self.script.lock().unwrap().pop_front().expect("one more ALTER than the test foresees");
        *self.nodes.lock().unwrap() = nodes;
        answer()
    }
    async fn under_way(&self) -> Result<bool, Fault> {
        let mut left = self.under_way.lock().unwrap();
        let busy = *left > 0;
        *left = left.saturating_sub(1);
        Ok(busy)
    }
    async fn end(&self) -> Result<(), Fault> {
        self.say("end");
        Ok(())
    }
    async fn look(&self) -> Vec<Sighting> {
        let mut nodes = *self.nodes.lock().unwrap();
        let mut catching_up = self.catching_up.lock().unwrap();
        if *catching_up > 0 {
            *catching_up -= 1;
            nodes[0] = "-";
        }
        let sight = |which: &str| match which {
            "-" => Sight::Silent("gone".into()),
            "!" => Sight::Missing,
            other => Sight::Table { fingerprint: Fingerprint(other.into()), shape: Box::new(shape(other)) },
        };
        ["n1", "n2"]
            .into_iter()
            .zip(nodes)
            .map(|(node, has)| Sighting { node: node.into(), sight: sight(has) })
            .collect()
    }
}

#[async_trait::async_trait]
impl Nodes for World {
    async fn fit(&self, at: Phase) -> Result<(), Fault> {
        if at.over() { self.well.lock().unwrap().pop_front().map_or(Ok(()), |answer| answer()) } else { Ok(()) }
    }
    async fn same(&self, _at: Phase) -> Result<(), Fault> {
        Ok(())
    }

    async fn barrier(&self) -> Result<(), Fault> {
        Ok(())
    }
}

#[async_trait::async_trait]
impl Pace for World {
    fn gate(&self) -> Gate {
        Gate::Open { share: 1.0 }
    }
    async fn wait(&self, _: Duration) -> Gate {
        self.gate()
    }
}

#[async_trait::async_trait]
impl Journal for World {
    async fn save(&self, job: &Job) -> Result<(), Fault> {
        self.say(job.phase.as_str());
        Ok(())
    }
    async fn watermark(&self) -> Result<Watermark, Fault> {
        Ok(Watermark::default())
    }
    async fn forget_chunks(&self) -> Result<(), Fault> {
        Ok(())
    }
    async fn mark(&self, _: &Mark) -> Result<(), Fault> {
        Ok(())
    }
    async fn marked(&self) -> Result<Option<Mark>, Fault> {
        Ok(None)
    }
    async fn beat(&self) -> Result<Wishes, Fault> {
        Ok(Wishes::default())
    }
    async fn release(&self) -> Result<(), Fault> {
        Ok(())
    }
}

impl Reporter for World {
    fn event(&self, _: &Event) {}
}

pub(super) fn job(phase: Phase) -> Job {
    let spec = DirectSpec { source: shape(OLD), target: shape(NEW), linked: Vec::new() };
    let plan = Plan {
        format: 2,
        strategy: StrategyName::Toi,
        table: TableName::parse("s.t").unwrap(),
        alter: "ADD z INT".into(),
        options: Options::default(),
        cluster: None,
        epoch: None,
        nodes: Vec::new(),
        fingerprint: Fingerprint(OLD.into()),
        work: Work::Direct(spec),
        steps: Vec::new(),
        costs: Vec::new(),
        estimate: Estimate::default(),
        warnings: Vec::new(),
    };
    let id = JobId("0123456789ab".into());
    Job { id, plan, phase, keep: Keep::Drop, end: None, end_known: false, stopped: String::new() }
}

pub(super) fn ports(world: &Arc<World>) -> Ports {
    Ports {
        clock: Arc::clone(world) as Arc<dyn Clock>,
        direct: Arc::clone(world) as Arc<dyn Direct>,
        nodes: Arc::clone(world) as Arc<dyn Nodes>,
        pace: Arc::clone(world) as Arc<dyn Pace>,
        journal: Arc::clone(world) as Arc<dyn Journal>,
        reporter: Arc::clone(world) as Arc<dyn Reporter>,
        hold: Arc::new(|| None),
    }
}

fn engine(world: &Arc<World>, phase: Phase) -> Altering {
    let job = job(phase);
    let Work::Direct(spec) = job.plan.work.clone() else { panic!("a direct plan") };
    let limits = Limits { attempts: 3, patience: Duration::from_secs(600) };
    Altering::new(ports(world), limits, job, spec, CancellationToken::new())
}

pub(super) fn world(nodes: Has, script: &[(Answer, Has)]) -> Arc<World> {
    let world = World::default();
    *world.nodes.lock().unwrap() = nodes;
    world.script.lock().unwrap().extend(script.iter().copied());
    Arc::new(world)
}

pub(super) fn word(ending: &Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::Undone => "undone",
        Ending::Again => "again",
        Ending::Stopped { .. } => "stopped",
        Ending::Refused { .. } => "refused",
        Ending::Different { .. } => "different",
        Ending::Drifted { .. } => "drifted",
        Ending::Unknown { .. } => "unknown",
        Ending::Failed { .. } => "failed",
    }
}

#[tokio::test]
async fn what_the_nodes_have_decides_and_not_the_answer() {
    let old = [OLD; 2];
    //  answers of the ALTERs and what stands then                     ending      journal     why
    let cases: [(Script, &str, Phase, &str); 13] = [
        (&[(fine, [NEW; 2])], "done", Phase::Done, "as it should be"),
        (&[(lost, [NEW; 2])], "done", Phase::Done, "the answer was lost, the change was not"),
        (&[(busy, [NEW; 2])], "done", Phase::Done, "an error, and yet it is there"),
        (&[(no, [NEW; 2])], "done", Phase::Done, "sent twice: the second one is refused"),
        (&[(busy, [OLD; 2]), (fine, [NEW; 2])], "done", Phase::Done, "thrown out once"),
        (
            &[(busy, [OLD; 2]), (busy, [OLD; 2]), (busy, [OLD; 2])],
            "stopped",
            Phase::Altering,
            "thrown out as often as is tried",
        ),
        (&[(no, [OLD; 2])], "refused", Phase::Undone, "the server says no"),
        (&[(lost, [OLD; 2])], "stopped", Phase::Altering, "never sent again by the same run"),
        (&[(fine, [OLD; 2])], "drifted", Phase::Altering, "said to be done, seen nowhere"),
        (&[(fine, [NEW, OLD])], "drifted", Phase::Altering, "one node failed alone"),
        (&[(fine, [NEW, "!"])], "drifted", Phase::Altering, "one node lost the table"),
        (&[(fine, [NEW, "-"])], "stopped", Phase::Altering, "done, but not known of one node"),
        (&[(lost, ["-", "-"])], "unknown", Phase::Altering, "nobody answers"),
    ];
    for (script, expected, phase, why) in cases {
        let world = world(old, script);
        let (ending, _, job) = engine(&world, Phase::Planned).run().await;
        assert_eq!((word(&ending), job.phase), (expected, phase), "{why}: {ending:?}");
        assert!(world.script.lock().unwrap().is_empty(), "{why}: fewer ALTERs than foreseen");
        assert_eq!(world.log.lock().unwrap().last().unwrap(), phase.as_str(), "{why}: the journal says so too");
    }
    let world = world(old, &[(fine, [NEW, ODD])]);
    let (ending, _, _) = engine(&world, Phase::Planned).run().await;
    let Ending::Drifted { nodes, .. } = ending else { panic!("{ending:?}") };
    assert!(nodes[0] == "n1: is changed" && nodes[1].starts_with("n2: looks otherwise"), "{nodes:?}");
}

#[tokio::test]
async fn nothing_is_sent_while_something_is_in_the_way() {
    let ready = |answers: &[Answer], script: &[(Answer, Has)]| {
        let world = world([OLD; 2], script);
        world.ready.lock().unwrap().extend(answers.iter().copied());
        world
    };
    let refused = ready(&[no], &[]);
    let (ending, _, job) = engine(&refused, Phase::Planned).run().await;
    assert_eq!((word(&ending), job.phase), ("refused", Phase::Undone));
    let passing = ready(&[busy, busy], &[(fine, [NEW; 2])]);
    let (ending, tally, _) = engine(&passing, Phase::Planned).run().await;
    assert_eq!((word(&ending), tally.retries), ("done", 0), "waiting is no attempt");
    let staying = ready(&[busy as Answer; 400], &[]);
    let (ending, _, job) = engine(&staying, Phase::Planned).run().await;
    assert_eq!((word(&ending), job.phase), ("stopped", Phase::Altering));
}

#[tokio::test]
async fn a_job_is_taken_up_by_what_stands() {
    let one: Script = &[(fine, [NEW; 2])];
    //  journal           nodes        ALTERs  run        abort      why
    let cases: [(Phase, Has, Script, &str, &str, &str); 9] = [
        (Phase::Planned, [OLD; 2], one, "done", "undone", "nothing was sent"),
        (Phase::Holding, [OLD; 2], one, "done", "undone", "nothing was sent"),
        (Phase::Altering, [OLD; 2], one, "done", "undone", "it was not carried out"),
        (Phase::Altering, [NEW; 2], &[], "done", "failed", "it was carried out"),
        (Phase::Altering, [NEW, OLD], &[], "drifted", "drifted", "on one node only"),
        (Phase::Altering, [ODD; 2], &[], "drifted", "drifted", "somebody else changed it"),
        (Phase::Altering, [NEW, "-"], &[], "stopped", "stopped", "a node is away"),
        (Phase::Altering, [OLD, "-"], &[], "unknown", "unknown", "a node is away, and it may have it"),
        (Phase::Copying, [OLD; 2], &[], "failed", "undone", "no phase of an ALTER"),
    ];
    for (phase, nodes, script, ran, undone, why) in cases {
        let (ending, _, _) = engine(&world(nodes, script), phase).run().await;
        assert_eq!(word(&ending), ran, "run, {why}: {ending:?}");
        let (ending, _, job) = engine(&world(nodes, &[]), phase).undo().await;
        assert_eq!(word(&ending), undone, "abort, {why}: {ending:?}");
        let closed = undone == "undone" || nodes == [ODD; 2];
        assert_eq!(job.phase == Phase::Undone, closed, "abort, {why}: {:?}", job.phase);
    }
}

#[tokio::test]
async fn what_is_still_under_way_is_waited_for() {
    let late = world([OLD; 2], &[(fine, [NEW; 2])]);
    *late.under_way.lock().unwrap() = 4;
    let (ending, _, _) = engine(&late, Phase::Altering).run().await;
    assert_eq!((word(&ending), *late.under_way.lock().unwrap()), ("done", 0));
    let stuck = world([OLD; 2], &[]);
    *stuck.under_way.lock().unwrap() = u32::MAX;
    let (ending, _, _) = engine(&stuck, Phase::Altering).run().await;
    assert_eq!(word(&ending), "unknown", "{ending:?}");
}

#[tokio::test]
async fn nodes_that_are_not_well_afterwards_stop_the_job() {
    let world = world([OLD; 2], &[(fine, [NEW; 2])]);
    world.well.lock().unwrap().extend([no as Answer; 40]);
    let (ending, _, job) = engine(&world, Phase::Planned).run().await;
    let Ending::Stopped { why, .. } = &ending else { panic!("{ending:?}") };
    assert!(why.contains("changed on every node, but"), "{why}");
    assert_eq!(job.phase, Phase::Altering);
}
