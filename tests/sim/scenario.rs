//! One whole migration in one world: lives of the process until it ends, and the oracle.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftless::copy::sizer::Limits;
use driftless::engine::{Ending, Engine, Follow, Options, Ports};
use driftless::ports::changes::Changes;
use driftless::ports::journal::{Job, JobId, Phase, Wishes};
use driftless::ports::objects::Keep;
use driftless::sql::meaning::Names;

use super::application::Application;
use super::binlog::SimChanges;
use super::chaos::{self, Chaos, Order};
use super::cluster::difference;
use super::fence::{SimCutover, Weak};
use super::journal::{LEASE, SimJournal, claim, over};
use super::objects::{Alter, Emptied, Late, SimObjects};
use super::prng::Prng;
use super::process::{FakeClock, Faults, Process};
use super::rows::SimRows;
use super::surroundings::{Listener, Outside, SimNodes, SimPace, plan};
use super::syncing::SimSyncing;
use super::tables::{JobRow, Name, Row, Store};
use super::time;
use super::world::{MS, S, US, World};
use super::writes::{Conflicts, Semantics, Tombstones};

/// Lives after which no more errors are made: the job must come to its end then.
const LIVES_WITH_FAULTS: u32 = 8;
/// Lives in all.
const LIVES: u32 = 16;
/// Virtual time that one life may take.
const LIFE: u64 = 3_600 * S;

/// Which unique keys there are on the column `tag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unique {
    /// Source and shadow.
    Kept,
    /// Only the source.
    Dropped,
    /// Only the shadow, and the application never writes equal values.
    Added,
    /// Only the shadow, and the application does write equal values.
    Violated,
}

/// What follows a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Resume,
    Abort,
}

/// How changes come into the shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Triggers,
    /// From the binlog of the copying node.
    Stream,
}

/// Everything that a run depends on.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    pub(crate) weak: Weak,
    /// Row events in a thousand that tell of what was rolled back.
    pub(crate) phantoms: u64,
    /// Applications never rest.
    pub(crate) busy: bool,
    /// What operators do, each so many milliseconds after the beginning.
    pub(crate) orders: Vec<(u64, Order)>,
    pub(crate) nodes: usize,
    pub(crate) rows: i64,
    pub(crate) clients: usize,
    pub(crate) workers: usize,
    pub(crate) tombstones: Tombstones,
    pub(crate) conflicts: Conflicts,
    pub(crate) unique: Unique,
    pub(crate) rejected: bool,
    pub(crate) again: bool,
    pub(crate) keep: Keep,
    pub(crate) emptied: Emptied,
    pub(crate) faults: Faults,
    pub(crate) chaos: Chaos,
    /// Places where one life after the other is killed.
    pub(crate) kills: Vec<u64>,
    pub(crate) then: Then,
    pub(crate) late: Late,
    /// Places where a signal comes, Ctrl-C, in one life after the other.
    pub(crate) signals: Vec<u64>,
    /// Rows in a compared range.
    pub(crate) compare_rows: u64,
}

impl Scenario {
    /// A small job without errors.
    pub(crate) const fn calm(seed: u64) -> Self {
        Self {
            seed,
            kind: Kind::Triggers,
            weak: Weak::No,
            phantoms: 0,
            busy: false,
            orders: Vec::new(),
            nodes: 3,
            rows: 24,
            clients: 1,
            workers: 2,
            tombstones: Tombstones::On,
            conflicts: Conflicts::RecordedUntilSwitching,
            unique: Unique::Kept,
            rejected: false,
            again: false,
            keep: Keep::Drop,
            emptied: Emptied::Never,
            faults: Faults { busy: 0, lost: 0, hangs: 0 },
            chaos: Chaos::NONE,
            kills: Vec::new(),
            then: Then::Resume,
            late: Late::Never,
            signals: Vec::new(),
            compare_rows: 7,
        }
    }

    /// Whether the retired table must stand at the end.
    fn keeps(&self) -> bool {
        self.keep == Keep::Keep || self.emptied == Emptied::AtTheSwitch
    }

    const fn new_unique(&self) -> bool {
        matches!(self.unique, Unique::Added | Unique::Violated)
    }

    fn store(&self) -> Store {
        let mut rng = Prng::new(self.seed ^ 0xA5A5);
        let mut rows = BTreeMap::new();
        for key in 0..self.keys() {
            if rng.chance(600) {
                rows.insert(key, Row { tag: (!rng.chance(100)).then_some(10_000 + key), value: rng.key(1_000_000) });
            }
        }
        let job = JobRow {
            phase: Phase::Planned,
            end: None,
            end_known: false,
            keep: self.keep,
            stopped: String::new(),
            again: self.again,
            token: 0,
            lease_until: 0,
            wishes: Wishes::default(),
            mark: None,
        };
        Store::new(rows, matches!(self.unique, Unique::Kept | Unique::Dropped), job)
    }

    const fn keys(&self) -> i64 {
        self.rows * 2
    }
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// How each life ended; `None` when it was killed.
    pub(crate) endings: Vec<Option<Ending>>,
    pub(crate) violations: Vec<String>,
    /// Places where the first life could be killed.
    pub(crate) points: u64,
    pub(crate) trace: u64,
    /// Sleepers that were woken.
    pub(crate) events: u64,
    pub(crate) acknowledged: u64,
    pub(crate) replayed: u64,
    pub(crate) uncertified: u64,
    pub(crate) retried: u64,
    /// Whether the retired table stands at the end.
    pub(crate) retired: bool,
}

/// What the parts of one run share.
struct Stage {
    scenario: Scenario,
    world: Arc<World>,
    outside: Arc<Outside>,
    application: Arc<Application>,
    endings: Mutex<Vec<Option<Ending>>>,
    retried: AtomicU64,
}

/// Runs a scenario to its end.
pub(crate) fn run(scenario: &Scenario) -> Outcome {
    let world = World::new(scenario.seed, scenario.nodes, &scenario.store());
    world.state().followed = scenario.kind == Kind::Stream;
    world.state().late = if scenario.late == Late::Never { 0 } else { 150 };
    let application = Arc::new(Application {
        world: Arc::clone(&world),
        how: Semantics {
            tombstones: scenario.tombstones,
            conflicts: scenario.conflicts,
            new_unique: scenario.new_unique(),
        },
        keys: scenario.keys(),
        tags: match scenario.unique {
            Unique::Kept | Unique::Dropped | Unique::Violated => Some(scenario.keys() * 4),
            Unique::Added => None,
        },
        pause: 3 * MS,
        busy: scenario.busy,
        over: AtomicBool::new(false),
        acknowledged: AtomicU64::new(0),
        next_tag: AtomicU64::new(1_000_000),
    });
    let stage = Arc::new(Stage {
        scenario: scenario.clone(),
        world: Arc::clone(&world),
        outside: Arc::new(Outside::default()),
        application,
        endings: Mutex::new(Vec::new()),
        retried: AtomicU64::new(0),
    });
    time::run(&Arc::clone(&world.time), stage.play())
}

impl Stage {
    async fn play(self: Arc<Self>) -> Outcome {
        for node in 0..self.scenario.nodes {
            tokio::spawn(Arc::clone(&self.world).apply(node));
            for _ in 0..self.scenario.clients {
                tokio::spawn(Arc::clone(&self.application).write(node));
            }
        }
        let chaos =
            tokio::spawn(chaos::reign(Arc::clone(&self.world), Arc::clone(&self.outside), self.scenario.chaos.clone()));
        let orders = self.scenario.orders.clone();
        tokio::spawn(chaos::obey(Arc::clone(&self.world), Arc::clone(&self.outside), orders));
        self.world.upto(20 * MS).await;
        let points = self.lives(&chaos.abort_handle()).await;
        chaos.abort();
        chaos::calm(&self.world, &self.outside);
        self.world.time.sleep(100 * MS).await;
        self.application.over.store(true, Ordering::SeqCst);
        self.quiet().await;
        self.judge();
        let mut state = self.world.state();
        Outcome {
            endings: std::mem::take(&mut *self.endings.lock().expect("endings")),
            violations: std::mem::take(&mut state.cluster.violations),
            points,
            trace: state.trace ^ self.world.time.now() ^ self.world.time.woken(),
            events: self.world.time.woken(),
            acknowledged: self.application.acknowledged.load(Ordering::SeqCst),
            replayed: state.cluster.replayed,
            uncertified: state.cluster.uncertified,
            retried: self.retried.load(Ordering::SeqCst),
            retired: state.cluster.reference.tables.contains_key(&Name::Retired),
        }
    }

    /// Lives of the process until the job is over.
    async fn lives(&self, chaos: &tokio::task::AbortHandle) -> u64 {
        let mut first = None;
        let mut then = self.scenario.then;
        for life in 0..LIVES {
            if life == LIVES_WITH_FAULTS {
                chaos.abort();
                chaos::calm(&self.world, &self.outside);
            }
            let row = claim(&self.world).await;
            if over(row.phase) {
                break;
            }
            let faults = if life < LIVES_WITH_FAULTS { self.scenario.faults } else { Faults::default() };
            let at = |places: &[u64]| usize::try_from(life).ok().and_then(|life| places.get(life)).copied();
            let fate = (at(&self.scenario.kills), at(&self.scenario.signals));
            let process = Process::new(&self.world, row.token, faults, fate);
            self.world.state().cluster.forget_seen();
            let ending = self.live(&process, row, life > 0 && then == Then::Abort).await;
            first.get_or_insert_with(|| process.points());
            if let Some(ending) = &ending {
                self.check_ending(&process, ending);
                if matches!(ending, Ending::Failed { .. }) && self.switched() {
                    // Too late to be undone: the operator lets it finish.
                    then = Then::Resume;
                }
            }
            let different = matches!(ending, Some(Ending::Different { .. }));
            self.endings.lock().expect("endings").push(ending);
            if different {
                return first.unwrap_or_default();
            }
            // Longer and longer, as a person would look what is wrong.
            self.world.upto(u64::from(life + 1) * S / 4).await;
        }
        if !over(self.world.state().cluster.reference.job.phase) {
            let endings = format!("{:?}", self.endings.lock().expect("endings"));
            self.world.state().violate(format!("after {LIVES} lives the job is not over: {endings}"));
        }
        first.unwrap_or_default()
    }

    /// Whether the new table has the name, as the order has it.
    fn switched(&self) -> bool {
        let state = self.world.state();
        state.cluster.reference.tables.get(&Name::Source).is_some_and(|table| table.altered)
    }

    /// One life: the ending, or `None` when it was killed.
    async fn live(&self, process: &Arc<Process>, row: JobRow, undoes: bool) -> Option<Ending> {
        let rows = u64::try_from(self.scenario.rows).unwrap_or(0);
        let job = Job {
            id: JobId("0123456789ab".into()),
            plan: plan(self.scenario.kind, self.scenario.new_unique(), rows, row.again),
            phase: row.phase,
            keep: row.keep,
            end: row.end,
            end_known: row.end_known,
            stopped: row.stopped,
        };
        let engine = Engine::new(self.ports(process), self.options(), job, process.stop.clone());
        // A task of its own, so that a death leaves nothing of it running.
        let mut running = tokio::spawn(async move { if undoes { engine.undo().await } else { engine.run().await } });
        let limit = self.world.time.sleep(LIFE);
        tokio::select! {
            biased;
            ended = &mut running => match ended {
                Ok((ending, tally, _)) => {
                    self.retried.fetch_add(tally.retries, Ordering::SeqCst);
                    Some(ending)
                }
                Err(error) => {
                    process.violate(format!("the engine panicked: {error}"));
                    None
                }
            },
            () = process.death.notified() => {
                running.abort();
                None
            }
            () = limit => {
                process.violate(format!("the engine hangs; it last did {:?}", process.deeds().last_call));
                running.abort();
                None
            }
        }
    }

    fn ports(&self, process: &Arc<Process>) -> Ports {
        let (outside, new_unique) = (Arc::clone(&self.outside), self.scenario.new_unique());
        let rows = u64::try_from(self.scenario.rows).unwrap_or(0);
        let unique = matches!(self.scenario.unique, Unique::Kept | Unique::Added | Unique::Violated);
        let (kind, weak) = (self.scenario.kind, self.scenario.weak);
        Ports {
            clock: Arc::new(FakeClock(Arc::clone(process))),
            objects: Arc::new(SimObjects {
                process: Arc::clone(process),
                late: self.scenario.late,
                emptied: self.scenario.emptied,
                kind,
                alter: if self.scenario.rejected { Alter::Rejected } else { Alter::Unique(unique) },
            }),
            rows: Arc::new(SimRows { process: Arc::clone(process), new_unique, kind, weak, row_step: 800 * US }),
            nodes: Arc::new(SimNodes(Arc::clone(process))),
            pace: Arc::new(SimPace(Arc::clone(&self.outside))),
            journal: Arc::new(SimJournal { process: Arc::clone(process) }),
            reporter: Arc::new(Listener { process: Arc::clone(process), entered: Mutex::default() }),
            hold: Arc::new(move || outside.held.load(Ordering::SeqCst).then(|| "a file exists".into())),
            follow: (kind == Kind::Stream).then(|| self.follow(process)),
            respec: Arc::new(move |_| Ok(plan(kind, new_unique, rows, false).work.copy().expect("a copy").clone())),
        }
    }

    fn follow(&self, process: &Arc<Process>) -> Follow {
        let (weak, phantoms, new_unique) = (self.scenario.weak, self.scenario.phantoms, self.scenario.new_unique());
        let spec = plan(Kind::Stream, new_unique, 0, false).work.copy().expect("a copy").clone();
        let changes: Arc<dyn Changes> = Arc::new(SimChanges { process: Arc::clone(process), weak, phantoms });
        Follow {
            everywhere: vec![Arc::clone(&changes)],
            changes,
            syncing: Arc::new(SimSyncing { process: Arc::clone(process), new_unique, weak }),
            names: Names::of(&JobId("0123456789ab".into()), &spec),
            cutover: Arc::new(SimCutover { process: Arc::clone(process), weak }),
        }
    }

    fn options(&self) -> Options {
        Options {
            workers: self.scenario.workers,
            chunk: Limits { target: Duration::from_millis(6), floor: 2, ceiling: 6, bytes: 1_000_000 },
            compare_rows: self.scenario.compare_rows,
            row_bytes: 0,
            rows: u64::try_from(self.scenario.rows).unwrap_or(0),
            attempts: 25,
            patience: Duration::from_secs(20),
        }
    }

    /// An ending never lies, and the lease is given back.
    fn check_ending(&self, process: &Process, ending: &Ending) {
        if !process.deeds().gave_back {
            process.violate(format!("{ending:?}: the lease is not given back"));
        }
        let (clean, switched, phase, lease) = {
            let state = self.world.state();
            let store = &state.cluster.reference;
            let switched = store.tables.get(&Name::Source).is_some_and(|table| table.altered);
            (store.untouched(), switched, store.job.phase, store.job.lease_until)
        };
        // With errors or without its node it could not be given back: it runs out.
        let troubled = process.faults.lost + process.faults.busy + self.scenario.chaos.home_loss > 0;
        let free = lease == 0 || lease > self.world.time.now() + LEASE || troubled;
        let lie = match ending {
            Ending::Done => !switched || phase != Phase::Done,
            Ending::Undone | Ending::Refused { .. } => !clean || !over(phase),
            Ending::Different { .. } => self.scenario.tombstones == Tombstones::On && self.scenario.weak == Weak::No,
            Ending::Failed { .. } => false,
            // A copy ends otherwise when nodes differ.
            Ending::Drifted { .. } => true,
            Ending::Stopped { .. } | Ending::Unknown { .. } | Ending::Again => over(phase),
        };
        if lie || !free {
            process.violate(format!("{ending:?}, but: clean {clean}, switched {switched}, journal {phase:?}, {lease}"));
        }
    }

    /// Waits until everything that was sent has arrived everywhere.
    async fn quiet(&self) {
        for _ in 0..10_000 {
            self.world.time.sleep(20 * MS).await;
            let state = self.world.state();
            let applied = (0..state.cluster.nodes.len()).all(|at| state.cluster.pending(at) == 0);
            if applied && state.cluster.txs.is_empty() {
                return;
            }
        }
        self.world.state().violate("the cluster does not come to rest");
    }

    /// The oracle: every node has what the application committed, in the order of its commits, and what the journal
    /// says.
    fn judge(&self) {
        let mut state = self.world.state();
        let mut found = Vec::new();
        let phase = state.cluster.reference.job.phase;
        // What could not be proven after the switch keeps the retired table.
        let doubtful = |ending: &Option<Ending>| matches!(ending, Some(Ending::Failed { phase: Phase::Switching, .. }));
        let doubted = self.endings.lock().expect("endings").iter().any(doubtful);
        for (at, node) in state.cluster.nodes.iter().enumerate() {
            if node.store != state.cluster.reference {
                found.push(format!("node {at} is not like the others"));
            }
            let Some(source) = node.store.tables.get(&Name::Source) else {
                found.push(format!("node {at} has no table"));
                continue;
            };
            if source.rows != state.cluster.truth {
                let text = difference(&state.cluster.truth, &source.rows);
                found.push(format!("node {at} has not what was committed: {text}"));
            }
            let there = node.store.tables.contains_key(&Name::Retired);
            let kept = there == self.scenario.keeps() || (there && doubted);
            let now = self.world.time.now();
            if node.store.tables.values().any(|table| table.fence.values().any(|until| *until > now)) {
                found.push(format!("node {at} is still closed"));
            }
            let done = source.altered && kept && !node.store.tables.contains_key(&Name::Shadow);
            let tidy = match phase {
                Phase::Done => done && node.store.triggers() == 0,
                Phase::Undone => node.store.untouched(),
                Phase::Planned
                | Phase::Shadowing
                | Phase::Arming
                | Phase::Copying
                | Phase::Verifying
                | Phase::Holding
                | Phase::Switching
                | Phase::Finishing
                | Phase::Undoing => true,
                Phase::Altering => false,
            };
            if !tidy {
                found.push(format!("node {at} after {phase:?}: {:?}", node.store.tables.keys()));
            }
        }
        state.cluster.violations.extend(found);
    }
}
