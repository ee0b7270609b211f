//! Plain lines, where there is no terminal: a log that a person reads the next morning.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::outcome::{Output, Summary};
use super::sparse::Sparse;
use super::words::Narrator;
use crate::ports::clock::Clock;
use crate::ports::report::{Event, Reporter};

/// Width of tables in a log.
const WIDTH: u16 = 100;

/// Writes a line for each event, with the time since it was made; progress at most every `sparse::EVERY`.
pub struct Lines {
    clock: Arc<dyn Clock>,
    begun: Duration,
    log: Mutex<Log>,
}

struct Log {
    out: Box<dyn Write + Send>,
    narrator: Narrator,
    progress: Sparse,
}

impl Lines {
    /// Begins at time 0 now.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, clock: Arc<dyn Clock>) -> Self {
        let begun = clock.now();
        Self { clock, begun, log: Mutex::new(Log { out, narrator: Narrator::default(), progress: Sparse::default() }) }
    }

    fn since(&self) -> Duration {
        self.clock.now().saturating_sub(self.begun)
    }
}

impl Reporter for Lines {
    fn event(&self, event: &Event) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.since();
        let lines = log.lines(event, now);
        log.write(now, &lines);
    }
}

impl Output for Lines {
    fn summary(&self, summary: &Summary) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.put(&summary.text(WIDTH));
    }
}

impl Log {
    fn lines(&mut self, event: &Event, now: Duration) -> Vec<String> {
        match event {
            Event::Progress { .. } => {
                self.progress.admit(now).map(|_| self.narrator.progress(event)).into_iter().collect()
            }
            Event::Entered { .. } => {
                self.progress.reset();
                self.narrator.lines(event, now)
            }
            Event::Started { .. }
            | Event::Paused { .. }
            | Event::Resumed
            | Event::Retried { .. }
            | Event::Verified { .. }
            | Event::Held { .. }
            | Event::Aborting { .. }
            | Event::Rolled { .. }
            | Event::Altered { .. }
            | Event::Switched { .. }
            | Event::Ended { .. } => self.narrator.lines(event, now),
        }
    }

    fn write(&mut self, now: Duration, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("[{:>9.1} s] {line}\n", now.as_secs_f64())).collect();
        self.put(&text);
    }

    /// A log that can't be written must not stop a migration.
    fn put(&mut self, text: &str) {
        if !text.is_empty() {
            drop(self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::ports::journal::Phase;

    /// A handle whose bytes a test can read.
    #[derive(Clone, Default)]
    pub(in crate::report) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(in crate::report) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A clock that a test sets; it begins at an odd time on purpose.
    #[derive(Default)]
    pub(in crate::report) struct SetClock(AtomicU64);

    impl SetClock {
        pub(in crate::report) fn set(&self, ms: u64) {
            self.0.store(ms, Ordering::SeqCst);
        }
    }

    #[async_trait::async_trait]
    impl Clock for SetClock {
        fn now(&self) -> Duration {
            Duration::from_millis(77_777 + self.0.load(Ordering::SeqCst))
        }
        async fn sleep(&self, _: Duration) {}
    }

    /// A run with a bit of everything: milliseconds and event.
    pub(in crate::report) fn run() -> Vec<(u64, Event)> {
        let progress = |phase, rows, pace: Option<&str>| Event::Progress {
            phase,
            rows,
            of: 1_000_000,
            rate: 38_120.4,
            eta_s: (rows > 0).then(|| (1_000_000 - rows) / 38_120),
            chunk_rows: 4_000,
            pace: pace.map(ToOwned::to_owned),
        };
        let queue = "receive queue 15 on n2 (limit 14)";
        vec![
            (
                0,
                Event::Started {
                    job: "0a1b2c3d4e5f".into(),
                    table: "shop.orders".into(),
                    strategy: "trigger-copy".into(),
                    phase: Phase::Planned,
                    rows: 1_000_000,
                },
            ),
            (40, Event::Entered { phase: Phase::Shadowing }),
            (110, Event::Entered { phase: Phase::Copying }),
            (360, progress(Phase::Copying, 0, None)),
            (610, progress(Phase::Copying, 8_000, None)),
            (5_400, progress(Phase::Copying, 412_000, Some("pace 62 %: receive queue 9 on n2 (limit 14)"))),
            (5_500, Event::Paused { why: queue.into() }),
            (5_600, progress(Phase::Copying, 412_000, Some(queue))),
            (6_100, Event::Resumed),
            (
                6_200,
                Event::Retried { what: "chunk 103".into(), why: "10.0.0.1:3306: Deadlock (1213)".into(), attempt: 1 },
            ),
            (
                6_300,
                Event::Retried { what: "chunk 104".into(), why: "10.0.0.1:3306: Deadlock (1213)".into(), attempt: 1 },
            ),
            (20_000, progress(Phase::Copying, 1_000_000, None)),
            (20_001, Event::Entered { phase: Phase::Verifying }),
            (20_251, progress(Phase::Verifying, 250_000, None)),
            (23_000, Event::Verified { rows: 1_000_000, differences: 0, ms: 2_999 }),
            (23_010, Event::Held { why: "/tmp/hold exists".into() }),
            (25_000, Event::Entered { phase: Phase::Switching }),
            (25_030, Event::Switched { ms: 12, attempts: 2 }),
            (
                25_100,
                Event::Ended {
                    code: 0,
                    what: "shop.orders is changed on 3 nodes".into(),
                    next: String::new(),
                    details: vec!["1,000,000 rows equal".into()],
                },
            ),
        ]
    }

    #[test]
    fn golden() {
        let (out, clock) = (Captured::default(), Arc::new(SetClock::default()));
        let lines = Lines::new(Box::new(out.clone()), clock.clone());
        for (ms, event) in run() {
            clock.set(ms);
            lines.event(&event);
        }
        let expected = "\
[      0.0 s] job 0a1b2c3d4e5f: shop.orders by trigger-copy, about 1,000,000 rows
[      0.0 s] making the shadow table
[      0.1 s] copying every row
[      0.4 s] copying 0 %: 0 of 1,000,000 rows, 38,120/s, chunks of 4,000; full pace
[      5.4 s] copying 41 %: 412,000 of 1,000,000 rows, 38,120/s, 15 s left, chunks of 4,000; pace 62 %: receive queue 9 on n2 (limit 14)
[      5.5 s] paused: receive queue 15 on n2 (limit 14)
[      6.1 s] goes on
[      6.2 s] tried chunk 103 again (attempt 1): 10.0.0.1:3306: Deadlock (1213)
[     20.0 s] copying 100 %: 1,000,000 of 1,000,000 rows, 38,120/s, 0 s left, chunks of 4,000; full pace
[     20.0 s] comparing every row
[     20.3 s] verifying 25 %: 250,000 of 1,000,000 rows, 38,120/s, 19 s left, chunks of 4,000; full pace
[     23.0 s] verified 1,000,000 rows in 2.9 s: no difference
[     23.0 s] held: /tmp/hold exists
[     25.0 s] switching the names
[     25.0 s] switched in 12 ms at attempt 2
[     25.1 s] shop.orders is changed on 3 nodes
[     25.1 s]   1,000,000 rows equal
";
        assert_eq!(out.text(), expected);
    }

    #[test]
    fn summary_is_a_table() {
        let (out, clock) = (Captured::default(), Arc::new(SetClock::default()));
        let lines = Lines::new(Box::new(out.clone()), clock);
        lines.summary(&super::super::outcome::tests::summary());
        assert_eq!(out.text(), super::super::outcome::tests::summary().text(WIDTH));
    }

    #[test]
    fn a_broken_pipe_stops_nothing() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
        }
        let lines = Lines::new(Box::new(Broken), Arc::new(SetClock::default()));
        lines.event(&Event::Resumed);
        lines.event(&Event::Held { why: "x".into() });
    }
}
