//! Tasks that sample every server, and the pace that follows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::decide::{Decision, Held, decide};
use super::limits::Limits;
use super::sample::{Sample, Window};
use super::signals;
use super::totals::Totals;
use super::watch::{Role, Watch, Watcher};
use crate::ports::clock::Clock;
use crate::ports::pace::{Gate, Pace};
use crate::ports::server::ServerError;

/// Time from one sample to the next.
pub const PERIOD: Duration = Duration::from_millis(250);

/// Time from a failed sample to the next attempt, which connects anew.
pub const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// How often `wait` looks again.
const POLL: Duration = Duration::from_millis(100);

/// Watches servers from `start` until it is dropped.
pub struct Sampler {
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    limits: Limits,
    seen: Mutex<Seen>,
}

struct Seen {
    servers: Vec<Watched>,
    held: Held,
}

struct Watched {
    role: Role,
    window: Window,
    totals: Totals,
    error: String,
}

impl Sampler {
    /// Starts one task a server. The gate is closed until each has answered once. Needs a tokio runtime.
    #[must_use]
    pub fn start(servers: Vec<Watch>, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let watched = servers.iter().map(|watch| Watched {
            role: watch.role,
            window: Window::default(),
            totals: Totals::new(watch.name.clone()),
            error: String::new(),
        });
        let seen = Mutex::new(Seen { servers: watched.collect(), held: Held::default() });
        let shared = Arc::new(Shared { clock: Arc::clone(&clock), limits, seen });
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for (index, watch) in servers.into_iter().enumerate() {
            let watcher = Watcher::new(watch, &shared.limits, Arc::clone(&clock));
            tasks.spawn(Arc::clone(&shared).follow(index, watcher, stop.clone()));
        }
        Self { shared, stop, tasks }
    }

    /// What each server has suffered since `start`, in the order given there.
    #[must_use]
    pub fn samples(&self) -> Vec<Totals> {
        self.shared.lock().servers.iter().map(|server| server.totals.clone()).collect()
    }

    /// Stops and waits for the sessions to be closed; at most one sample's deadline.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // A sample under way ends by itself within its deadline: cutting it off could leave its statement running.
        self.stop.cancel();
        self.tasks.detach_all();
    }
}

#[async_trait::async_trait]
impl Pace for Sampler {
    fn gate(&self) -> Gate {
        self.shared.decide().gate
    }

    async fn wait(&self, limit: Duration) -> Gate {
        let clock = &self.shared.clock;
        let begun = clock.now();
        loop {
            let gate = self.gate();
            let left = limit.saturating_sub(clock.now().saturating_sub(begun));
            match gate {
                Gate::Closed { .. } if !left.is_zero() => clock.sleep(left.min(POLL)).await,
                Gate::Closed { .. } | Gate::Open { .. } => return gate,
            }
        }
    }

    fn why(&self) -> Option<String> {
        self.shared.decide().why
    }
}

impl Shared {
    async fn follow(self: Arc<Self>, index: usize, mut watcher: Watcher, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let begun = self.clock.now();
            let outcome = watcher.sample().await;
            let period = if outcome.is_ok() { PERIOD } else { RECONNECT_AFTER };
            self.store(index, outcome);
            let took = self.clock.now().saturating_sub(begun);
            // A server that answers slowly is not asked without a break.
            let rest = period.saturating_sub(took).max(PERIOD / 5);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.clock.sleep(rest) => {}
            }
        }
    }

    fn store(&self, index: usize, outcome: Result<Sample, ServerError>) {
        let mut seen = self.lock();
        if let Some(server) = seen.servers.get_mut(index) {
            match outcome {
                Ok(sample) => {
                    server.totals.add(server.window.last(), &sample);
                    server.window.push(sample);
                    server.error.clear();
                }
                Err(error) => {
                    tracing::debug!(node = %server.totals.node, %error, "sample failed");
                    server.totals.miss();
                    server.error = error.to_string();
                }
            }
        }
        self.decide_on(&mut seen);
    }

    fn decide(&self) -> Decision {
        self.decide_on(&mut self.lock())
    }

    fn decide_on(&self, seen: &mut Seen) -> Decision {
        let now = self.clock.now();
        let mut readings = Vec::new();
        for Watched { role, window, totals, error } in &seen.servers {
            readings.extend(signals::read(&totals.node, *role, window, now, error, &self.limits));
        }
        let (held, decision) = decide(&seen.held, &readings, now);
        seen.held = held;
        decision
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // Nothing in here panics between two related writes.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use driftless_strategies::{Flavour, Version};

    use super::*;
    use crate::ports::server::{Done, ErrorKind, Row, Server, Session};
    use crate::sql::Sql;

    /// Tokio's clock, which tests pause.
    pub(in crate::throttle) struct TestClock(tokio::time::Instant);

    impl Default for TestClock {
        fn default() -> Self {
            Self(tokio::time::Instant::now())
        }
    }

    #[async_trait::async_trait]
    impl Clock for TestClock {
        fn now(&self) -> Duration {
            self.0.elapsed()
        }
        async fn sleep(&self, time: Duration) {
            tokio::time::sleep(time).await;
        }
    }

    /// What a fake server says and does.
    #[derive(Default)]
    struct State {
        status: Mutex<BTreeMap<String, u64>>,
        seconds_behind: Mutex<Option<u64>>,
        refuses: AtomicBool,
        hangs: AtomicBool,
        connects: AtomicU64,
        open: AtomicU64,
        statements: Mutex<Vec<String>>,
    }

    impl State {
        fn set(&self, name: &str, value: u64) {
            self.status.lock().unwrap().insert(name.to_owned(), value);
        }
        fn error(kind: ErrorKind, message: &str) -> ServerError {
            ServerError { node: "10.0.0.9:3306".into(), code: 0, message: message.into(), kind }
        }
    }

    struct FakeServer(Arc<State>);
    struct FakeSession(Arc<State>, Duration);

    #[async_trait::async_trait]
    impl Server for FakeServer {
        async fn connect(&self) -> Result<Box<dyn Session>, ServerError> {
            self.0.connects.fetch_add(1, Ordering::SeqCst);
            if self.0.refuses.load(Ordering::SeqCst) {
                return Err(State::error(ErrorKind::Connect, "connection refused"));
            }
            if self.0.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            self.0.open.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(FakeSession(Arc::clone(&self.0), Duration::MAX)))
        }
        fn address(&self) -> &'static str {
            "10.0.0.9:3306"
        }
    }

    impl Drop for FakeSession {
        fn drop(&mut self) {
            self.0.open.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[async_trait::async_trait]
    impl Session for FakeSession {
        async fn query(&mut self, sql: &Sql) -> Result<Vec<Row>, ServerError> {
            self.0.statements.lock().unwrap().push(sql.as_str().to_owned());
            if self.0.hangs.load(Ordering::SeqCst) {
                tokio::time::sleep(self.1).await;
                return Err(State::error(ErrorKind::Lost, "deadline passed"));
            }
            if self.0.refuses.load(Ordering::SeqCst) {
                return Err(State::error(ErrorKind::Lost, "connection reset"));
            }
            let text = |text: &str| Some(text.as_bytes().to_vec());
            Ok(match sql.as_str() {
                "SHOW GLOBAL VARIABLES LIKE 'wsrep_provider_options'" => {
                    vec![Row(vec![text("wsrep_provider_options"), text("gcs.fc_limit = 16; pc.weight = 1")])]
                }
                "SHOW ALL SLAVES STATUS" => {
                    let mut row = vec![text("x"); 34];
                    row.push(self.0.seconds_behind.lock().unwrap().and_then(|seconds| text(&seconds.to_string())));
                    vec![Row(row)]
                }
                _ => {
                    let status = self.0.status.lock().unwrap();
                    // Servers write these names with capitals where they like.
                    status
                        .iter()
                        .map(|(name, value)| Row(vec![text(&name.to_uppercase()), text(&value.to_string())]))
                        .collect()
                }
            })
        }
        async fn execute(&mut self, _: &Sql) -> Result<Done, ServerError> {
            Err(State::error(ErrorKind::Other, "the sampler never writes"))
        }
        fn set_deadline(&mut self, deadline: Duration) {
            self.1 = deadline;
        }
        fn id(&self) -> u64 {
            1
        }
        fn node(&self) -> &str {
            "10.0.0.9:3306"
        }
    }

    fn node(name: &str) -> (Arc<State>, Watch) {
        let state = Arc::new(State::default());
        for name in signals::NAMES {
            state.set(name, 0);
        }
        state.status.lock().unwrap().remove(super::super::queue::INTERVAL_HIGH);
        state.set("wsrep_cluster_size", 4);
        state.set("wsrep_local_state", 4);
        let server = Arc::new(FakeServer(Arc::clone(&state)));
        (state, Watch { name: name.into(), server, role: Role::Node })
    }

    fn start(watches: Vec<Watch>) -> Sampler {
        Sampler::start(watches, Limits::default(), Arc::new(TestClock::default()))
    }

    async fn after(ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn closed_until_all_have_answered() {
        let ((_, one), (late, two)) = (node("n1"), node("n2"));
        late.refuses.store(true, Ordering::SeqCst);
        let sampler = start(vec![one, two]);
        assert!(matches!(sampler.gate(), Gate::Closed { .. }), "nobody has answered");
        after(300).await;
        let why = "n2 has not answered yet: 10.0.0.9:3306: connection refused".to_owned();
        assert_eq!(sampler.gate(), Gate::Closed { why });
        late.refuses.store(false, Ordering::SeqCst);
        assert!(matches!(sampler.wait(Duration::from_secs(5)).await, Gate::Open { share } if share >= 1.0));
        assert_eq!(sampler.why(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn samples_four_times_a_second_on_one_session() {
        let (state, watch) = node("n1");
        let sampler = start(vec![watch]);
        after(10_100).await;
        assert_eq!(sampler.samples()[0].samples, 41);
        assert_eq!(state.connects.load(Ordering::SeqCst), 1, "the session stays open");
        let options = state.statements.lock().unwrap().iter().filter(|sql| sql.contains("provider_options")).count();
        assert_eq!(options, 2, "options are read again every ten seconds");
        sampler.stop().await;
        assert_eq!(state.open.load(Ordering::SeqCst), 0, "no session is left");
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_closes_and_opens() {
        let (state, watch) = node("n2");
        let sampler = start(vec![watch]);
        after(300).await;
        state.set("wsrep_local_recv_queue", 26);
        after(300).await;
        assert_eq!(sampler.gate(), Gate::Closed { why: "receive queue 26 on n2 (limit 26)".into() });
        let still = sampler.wait(Duration::from_secs(3)).await;
        assert!(matches!(still, Gate::Closed { .. }), "the limit of the wait is kept");
        state.set("wsrep_local_recv_queue", 0);
        assert!(matches!(sampler.wait(Duration::from_secs(3)).await, Gate::Open { .. }));
        assert_eq!(sampler.samples()[0].worst_queue, 26);
    }

    #[tokio::test(start_paused = true)]
    async fn flow_control_by_its_growth() {
        let (state, watch) = node("n1");
        state.set("wsrep_flow_control_paused_ns", 9_000_000_000);
        let sampler = start(vec![watch]);
        after(2_100).await;
        assert!(matches!(sampler.gate(), Gate::Open { .. }), "what was before does not count");
        state.set("wsrep_flow_control_paused_ns", 9_200_000_000);
        after(250).await;
        assert_eq!(sampler.gate(), Gate::Closed { why: "flow control 10 % on n1 (limit 5 %)".into() });
        assert!(matches!(sampler.wait(Duration::from_secs(5)).await, Gate::Open { .. }), "the window passes");
        assert_eq!(sampler.samples()[0].flow_control_ns, 200_000_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_node_closes_the_gate() {
        let ((_, one), (silent, two)) = (node("n1"), node("n2"));
        let sampler = start(vec![one, two]);
        after(1_000).await;
        assert!(matches!(sampler.gate(), Gate::Open { .. }));
        silent.hangs.store(true, Ordering::SeqCst);
        after(1_700).await;
        assert!(matches!(sampler.gate(), Gate::Open { .. }), "not yet two seconds");
        after(400).await;
        let Gate::Closed { why } = sampler.gate() else { panic!("open although n2 is silent") };
        assert!(why.starts_with("n2 has not answered for 2.") && why.contains("(limit 2 s)"), "{why}");
        after(5_000).await;
        let why = sampler.why().unwrap();
        assert!(why.contains("no connection within 2000 ms"), "a hanging connect is bounded too: {why}");
        assert_eq!(sampler.samples()[0].misses, 0, "the other node is sampled on time");
        assert!(sampler.samples()[0].samples > 30);
        silent.hangs.store(false, Ordering::SeqCst);
        assert!(matches!(sampler.wait(Duration::from_secs(5)).await, Gate::Open { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_by_its_lag() {
        let (state, mut watch) = node("r1");
        watch.role = Role::Replica { flavour: Flavour::MariaDb, version: Version::new(10, 11, 19) };
        let sampler = start(vec![watch]);
        after(300).await;
        assert_eq!(sampler.gate(), Gate::Closed { why: "replication on r1 is stopped".into() });
        *state.seconds_behind.lock().unwrap() = Some(9);
        after(300).await;
        assert_eq!(sampler.gate(), Gate::Closed { why: "r1 is 9 s behind (limit 5 s)".into() });
        *state.seconds_behind.lock().unwrap() = Some(0);
        assert!(matches!(sampler.wait(Duration::from_secs(3)).await, Gate::Open { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn stops_when_dropped() {
        let (state, watch) = node("n1");
        let sampler = start(vec![watch]);
        after(1_000).await;
        drop(sampler);
        after(10).await;
        assert_eq!(state.open.load(Ordering::SeqCst), 0, "the session is closed");
        let asked = state.statements.lock().unwrap().len();
        after(5_000).await;
        assert_eq!(state.statements.lock().unwrap().len(), asked, "nothing is asked any more");
    }
}
