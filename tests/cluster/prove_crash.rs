//! `kill -9` and `Ctrl-C` at every point of a run, under writers; then `run --resume`, or `abort`.

use std::time::Duration;

use driftless::demo::{Ledger, Loaded, Random, load};

use crate::support::{Call, RoughWriters, TestCluster, job_on, resume, shared, tell};

const LIMIT: Duration = Duration::from_secs(300);
/// Longest that a run of this table may take.
const RUN: Duration = Duration::from_secs(60);
const ROWS: u64 = 12_000;
/// A copy of about two seconds in about eighty chunks.
const PACE: [&str; 6] = ["--max-rows-per-second", "6000", "--chunk-rows", "150", "--max-flow-control-paused", "0.5"];

/// Where a run is ended.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// When a phase begins, and so many milliseconds later.
    Phase(&'static str, u64),
    /// When that many of the rows are copied, in per cent.
    Copied(u64),
    /// When that many of the three triggers stand, seen from another node.
    Triggers(u64),
    /// So many milliseconds after the start, whatever goes on then.
    After(u64),
}

/// Waits for the point; `false` when the run was over before.
async fn reach(point: Point, call: &mut Call, test: &TestCluster) -> bool {
    match point {
        Point::Phase(phase, later) => {
            let entered = call.entered(phase).await;
            tokio::time::sleep(Duration::from_millis(later)).await;
            entered
        }
        Point::Copied(share) => call.copied(ROWS * share / 100).await,
        Point::Triggers(wanted) => {
            let name = test.schema.as_str();
            let sql = format!("SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = '{name}'");
            for _ in 0..2_000 {
                if test.plain(1).number(&sql).await >= Some(wanted) {
                    return true;
                }
            }
            false
        }
        Point::After(later) => {
            tokio::time::sleep(Duration::from_millis(later)).await;
            true
        }
    }
}

/// One table under writers; each kill begins on a table that is whole and ends with one.
struct Trial<'a> {
    test: &'a TestCluster,
    strategy: &'static str,
    loaded: Loaded,
    ledger: Ledger,
    round: u64,
    /// Kills that found the program running.
    killed: u32,
}

impl<'a> Trial<'a> {
    async fn new(test: &'a TestCluster) -> Self {
        Self::by("trigger-copy", test).await
    }

    async fn by(strategy: &'static str, test: &'a TestCluster) -> Self {
        let loaded = load(test.servers()[0].as_ref(), &test.table("orders"), ROWS).await.unwrap();
        let ledger = Ledger::new(loaded.last_id());
        Self { test, strategy, loaded, ledger, round: 0, killed: 0 }
    }

    fn table(&self) -> String {
        self.loaded.table.to_string()
    }

    fn writers(&mut self) -> RoughWriters {
        self.round += 1;
        let pause = Duration::from_millis(20);
        RoughWriters::start(&self.test.servers(), &self.loaded.table, &self.ledger, 1, pause, self.round)
    }

    async fn proven(&mut self, writers: RoughWriters, when: &str) {
        let done = writers.stop(&mut self.ledger).await;
        self.test.proven(&self.loaded.table, &self.ledger, when).await;
        assert_eq!(done.surprises, Vec::<String>::new(), "{when}: answers that must not be");
        assert!(done.operations > 5, "{when}: nobody wrote: {done:?}");
        self.test.only(&["orders"], when).await;
    }

    /// Starts a run and kills it there; the job's id, or the exit code when it was through before.
    async fn kill(&mut self, point: Point, alter: &str) -> Result<Option<String>, i32> {
        let mut call = Call::by(self.strategy, &self.test.nodes()[0], &self.table(), alter, &PACE);
        reach(point, &mut call, self.test).await;
        call.kill9();
        let ended = call.end(RUN).await;
        match ended.code {
            None => self.killed += 1,
            Some(0) => return Err(0),
            Some(code) => panic!("{point:?}: code {code}: {:?} {}", ended.last("ended"), ended.said),
        }
        Ok(job_on(&self.test.nodes()[1], &self.table()).await)
    }

    /// Kills a run, goes on with it from another node, and proves the result.
    async fn killed_and_resumed(&mut self, point: Point) {
        let writers = self.writers();
        let column = format!("extra_{}", self.round);
        let alter = format!("ADD COLUMN {column} INT NOT NULL DEFAULT 7");
        let node = self.test.nodes()[usize::try_from(self.round).unwrap() % 3].clone();
        if let Ok(job) = self.kill(point, &alter).await {
            let call = match &job {
                Some(job) => resume(&node, job, &PACE),
                // Nothing was begun yet, or all was done.
                None if self.test.columns(&self.loaded.table).await.contains(&column) => {
                    return self.proven(writers, &format!("{point:?}, done")).await;
                }
                None => Call::by(self.strategy, &node, &self.table(), &alter, &PACE),
            };
            let ended = call.end(RUN).await;
            assert_eq!(ended.code, Some(0), "{point:?}, resumed: {:?}\n{}", ended.last("ended"), ended.said);
        }
        self.proven(writers, &format!("{point:?}, resumed")).await;
        assert!(self.test.columns(&self.loaded.table).await.contains(&column), "{point:?}: the change is made");
    }

    /// Kills a run, undoes it from another node, and proves that the table is as it was.
    async fn killed_and_aborted(&mut self, point: Point) {
        let writers = self.writers();
        let before = self.test.columns(&self.loaded.table).await;
        let node = self.test.nodes()[usize::try_from(self.round).unwrap() % 3].clone();
        let job = self.kill(point, "ADD COLUMN never INT").await;
        if let Ok(Some(job)) = &job {
            let aborted = tell(&node, &["abort", job]).await;
            let after = self.test.columns(&self.loaded.table).await;
            if after == before {
                assert_eq!(aborted.code, Some(0), "{point:?}, aborted: {aborted:?}");
            } else {
                // The names were switched when it was killed: abort must say no, and resume must finish.
                assert_ne!(aborted.code, Some(0), "{point:?}: it can't be undone: {aborted:?}");
                let ended = resume(&node, job, &PACE).end(RUN).await;
                assert_eq!(ended.code, Some(0), "{point:?}, resumed: {:?}", ended.last("ended"));
            }
            let again = tell(&node, &["abort", job]).await;
            assert_eq!(again.code, Some(if after == before { 0 } else { 2 }), "{point:?}, aborted again: {again:?}");
        }
        self.proven(writers, &format!("{point:?}, aborted")).await;
        if self.test.columns(&self.loaded.table).await != before {
            let table = self.loaded.table.quoted();
            self.test.plain(0).run(&[&format!("ALTER TABLE {table} DROP COLUMN never")]).await;
        }
    }
}

#[tokio::test]
async fn a_run_killed_anywhere_is_resumed_and_nothing_is_lost() {
    let test = shared().await;
    let work = async {
        let mut trial = Trial::new(&test).await;
        let mut random = Random::new(3);
        let points = [
            Point::Phase("planned", 0),
            Point::Phase("shadowing", 8),
            Point::Triggers(1),
            Point::Triggers(2),
            Point::Phase("arming", 25),
            Point::Phase("copying", 1),
            Point::Copied(30),
            Point::Copied(85),
            Point::Phase("verifying", 5),
            Point::Phase("verifying", 60),
            Point::Phase("holding", 0),
            Point::Phase("switching", 0),
            Point::Phase("switching", 12),
            Point::Phase("finishing", 0),
            Point::Phase("finishing", 15),
            Point::After(1_200 + random.below(1_500)),
            Point::After(2_500 + random.below(1_500)),
        ];
        for point in points {
            trial.killed_and_resumed(point).await;
        }
        eprintln!("{} of {} kills found it running", trial.killed, points.len());
        assert!(trial.killed >= 12, "only {} kills found it running", trial.killed);
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_run_killed_anywhere_is_aborted_and_nothing_is_left() {
    let test = shared().await;
    let work = async {
        let mut trial = Trial::new(&test).await;
        let points = [
            Point::Phase("planned", 0),
            Point::Phase("shadowing", 12),
            Point::Phase("arming", 0),
            Point::Triggers(1),
            Point::Triggers(2),
            Point::Phase("copying", 3),
            Point::Copied(25),
            Point::Copied(90),
            Point::Phase("verifying", 20),
            Point::Phase("holding", 0),
            Point::Phase("switching", 0),
            Point::Phase("switching", 25),
            Point::Phase("finishing", 0),
        ];
        for point in points {
            trial.killed_and_aborted(point).await;
        }
        eprintln!("{} of {} kills found it running", trial.killed, points.len());
        // A slow machine may kill a run that is over; most must be under way.
        assert!(trial.killed >= 7, "only {} kills found it running", trial.killed);
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_run_that_follows_the_binlog_is_killed_anywhere_and_resumed() {
    let test = shared().await;
    let work = async {
        let mut trial = Trial::by("binlog-stream", &test).await;
        let points = [
            Point::Phase("arming", 5),
            Point::Copied(85),
            Point::Phase("verifying", 30),
            Point::Phase("switching", 0),
            Point::Triggers(1),
            Point::Triggers(3),
            Point::Phase("switching", 40),
            Point::Phase("switching", 70),
            Point::Phase("finishing", 0),
        ];
        for point in points {
            trial.killed_and_resumed(point).await;
        }
        eprintln!("{} of {} kills found it running", trial.killed, points.len());
        assert!(trial.killed >= 6, "only {} kills found it running", trial.killed);
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn a_run_that_follows_the_binlog_is_killed_anywhere_and_aborted() {
    let test = shared().await;
    let work = async {
        let mut trial = Trial::by("binlog-stream", &test).await;
        let points = [
            Point::Copied(50),
            Point::Phase("verifying", 10),
            Point::Phase("switching", 5),
            Point::Triggers(1),
            Point::Triggers(3),
            Point::Phase("switching", 60),
            Point::Phase("finishing", 0),
        ];
        for point in points {
            trial.killed_and_aborted(point).await;
        }
        eprintln!("{} of {} kills found it running", trial.killed, points.len());
        assert!(trial.killed >= 4, "only {} kills found it running", trial.killed);
    };
    test.bounded(LIMIT, work).await;
}

#[tokio::test]
async fn ctrl_c_stops_resumably_and_a_running_job_is_aborted_from_elsewhere() {
    let test = shared().await;
    let work = async {
        let mut trial = Trial::new(&test).await;
        let writers = trial.writers();
        let node = test.nodes()[0].clone();
        let mut call = Call::run(&node, &trial.table(), "ADD COLUMN one INT", &PACE);
        assert!(call.copied(ROWS / 4).await);
        call.interrupt();
        let ended = call.end(RUN).await;
        assert_eq!(ended.code, Some(5), "{:?} {}", ended.last("ended"), ended.said);
        assert_eq!(ended.last("ended").unwrap()["code"], 5, "the event says the same");
        let job = job_on(&test.nodes()[1], &trial.table()).await.expect("the job waits");
        let mut call = resume(&test.nodes()[1], &job, &PACE);
        assert!(call.entered("verifying").await);
        call.interrupt();
        let ended = call.end(RUN).await;
        if ended.code != Some(0) {
            assert_eq!(ended.code, Some(5), "{:?} {}", ended.last("ended"), ended.said);
            let ended = resume(&test.nodes()[2], &job, &PACE).end(RUN).await;
            assert_eq!(ended.code, Some(0), "{:?} {}", ended.last("ended"), ended.said);
        }
        trial.proven(writers, "stopped twice and resumed").await;
        let writers = trial.writers();
        // Held, so that it can't be done before the abort reaches it, however slow the machine is.
        let held = [&PACE[..], &["--postpone-cutover-file", "/"]].concat();
        let mut call = Call::run(&node, &trial.table(), "ADD COLUMN two INT", &held);
        assert!(call.copied(ROWS / 4).await);
        let job = job_on(&test.nodes()[1], &trial.table()).await.expect("the job runs");
        let taken = resume(&test.nodes()[1], &job, &PACE).end(RUN).await;
        assert_eq!(taken.code, Some(3), "somebody works on it: {taken:?}");
        let aborted = tell(&test.nodes()[2], &["abort", &job]).await;
        assert_eq!(aborted.code, Some(0), "{aborted:?}");
        let ended = call.end(RUN).await;
        assert_eq!(ended.code, Some(1), "an aborted run is not done: {:?} {}", ended.last("ended"), ended.said);
        trial.proven(writers, "aborted from elsewhere").await;
    };
    test.bounded(LIMIT, work).await;
}

/// Servers under load sometimes fail to make a trigger on one node, or lose it there, and say so only in that node's log.
#[tokio::test]
async fn a_trigger_that_one_node_lost_is_made_anew_or_undone() {
    let test = shared().await;
    let work = async {
        let mut trial = Trial::new(&test).await;
        for lost in ["del", "upd"] {
            let job = trial.kill(Point::Triggers(2), &format!("ADD COLUMN after_{lost} INT")).await.unwrap().unwrap();
            let trigger = format!("{}.driftless_{job}_{lost}", test.schema.quoted());
            test.standing("all nodes have caught up").await;
            let drop = format!("DROP TRIGGER {trigger}");
            // With nobody writing: a DDL that does not replicate, among writers, once left the whole cluster waiting.
            test.plain(2).run(&["SET SESSION wsrep_on = OFF", &drop]).await;
            let writers = trial.writers();
            let ended = resume(&test.nodes()[1], &job, &PACE).end(RUN).await;
            if ended.code != Some(0) {
                // It was copying already: what was written meanwhile is not known, so it must not go on.
                assert_eq!(ended.code, Some(1), "{:?} {}", ended.last("ended"), ended.said);
                let aborted = tell(&test.nodes()[0], &["abort", &job]).await;
                assert_eq!(aborted.code, Some(0), "{aborted:?}");
            }
            trial.proven(writers, &format!("{lost} was lost on a node")).await;
        }
    };
    test.bounded(LIMIT, work).await;
}

/// Seen after kills while triggers were made: a node has the trigger's body (`.TRG`) and not its name (`.TRN`). It fires, and
/// DROP TRIGGER says that it does not exist.
#[tokio::test]
async fn a_trigger_without_a_name_is_dropped() {
    let test = shared().await;
    let work = async {
        let mut trial = Trial::new(&test).await;
        for (round, change) in ["ins", "del"].into_iter().enumerate() {
            let file = tempfile::NamedTempFile::new().unwrap();
            let held = [&PACE[..], &["--postpone-cutover-file", file.path().to_str().unwrap()]].concat();
            let mut call = Call::run(&test.nodes()[0], &trial.table(), "ADD COLUMN never INT", &held);
            assert!(call.event(|line| line["event"] == "held").await.is_some(), "it is held: {:?}", call.seen());
            let job = job_on(&test.nodes()[1], &trial.table()).await.expect("it is held");
            call.kill9();
            call.end(RUN).await;
            let name = format!("data/{}/driftless_{job}_{change}.TRN", test.schema.as_str());
            std::fs::remove_file(test.nodes()[0].dir.join(name)).unwrap();
            let writers = trial.writers();
            let aborted = tell(&test.nodes()[round], &["abort", &job]).await;
            assert_eq!(aborted.code, Some(0), "{aborted:?}");
            trial.proven(writers, &format!("{change} had no name")).await;
        }
    };
    test.bounded(LIMIT, work).await;
}
