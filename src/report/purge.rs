//! What a purge says: lines for people and mail, JSON for programs, a textfile for Prometheus.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::figures::{grouped, millis, percent, whole};
use super::json::Json;
use super::sparse::Sparse;
use crate::ports::clock::Clock;
use crate::ports::purge::{PurgeEvent, PurgeReporter};

/// Plain lines with the time since the beginning; progress and pauses at most every five seconds.
pub struct PurgeLines {
    clock: Arc<dyn Clock>,
    begun: Duration,
    log: Mutex<Log>,
}

struct Log {
    out: Box<dyn Write + Send>,
    progress: Sparse,
    pauses: Sparse,
    pause_said: bool,
}

impl PurgeLines {
    /// Begins at time 0 now.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, clock: Arc<dyn Clock>) -> Self {
        let log = Log { out, progress: Sparse::default(), pauses: Sparse::default(), pause_said: false };
        Self { begun: clock.now(), clock, log: Mutex::new(log) }
    }
}

impl PurgeReporter for PurgeLines {
    fn event(&self, event: &PurgeEvent) {
        let now = self.clock.now().saturating_sub(self.begun);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = log.lines(event, now);
        let text: String = lines.iter().map(|line| format!("[{:>9.1} s] {line}\n", now.as_secs_f64())).collect();
        // A log that can't be written must not stop a purge.
        drop(log.out.write_all(text.as_bytes()).and_then(|()| log.out.flush()));
    }
}

impl Log {
    fn lines(&mut self, event: &PurgeEvent, now: Duration) -> Vec<String> {
        match event {
            PurgeEvent::Started { table, destination, index, rows } => {
                let to = if destination.is_empty() { String::new() } else { format!(" into {destination}") };
                vec![format!("{table}{to}: about {} rows by index {index}", grouped(*rows))]
            }
            PurgeEvent::Progress { rows, of, rate, batch_rows, pace } => {
                if self.progress.admit(now).is_none() {
                    return Vec::new();
                }
                vec![format!(
                    "deleting {} %: {} of about {} rows, {}/s, batches of {}; {}",
                    percent(*rows, *of),
                    grouped(*rows),
                    grouped(*of),
                    whole(*rate),
                    grouped(*batch_rows),
                    pace.as_deref().unwrap_or("full pace")
                )]
            }
            PurgeEvent::Paused { why } => {
                self.pause_said = self.pauses.admit(now).is_some();
                if self.pause_said { vec![format!("paused: {why}")] } else { Vec::new() }
            }
            PurgeEvent::Resumed if self.pause_said => vec!["goes on".into()],
            PurgeEvent::Resumed => Vec::new(),
            PurgeEvent::Retried { why, attempt } => vec![format!("tried a batch again (attempt {attempt}): {why}")],
            PurgeEvent::Ended { what, next, details, ms, .. } => {
                let mut lines = vec![format!("{what} ({})", millis(*ms))];
                lines.extend(details.iter().map(|detail| format!("  {detail}")));
                if !next.is_empty() {
                    lines.push(format!("  do: {next}"));
                }
                lines
            }
        }
    }
}

impl PurgeReporter for Json {
    fn event(&self, event: &PurgeEvent) {
        self.line(event);
    }
}

/// How one job ended, for a monitoring system.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The table.
    pub table: String,
    /// The exit code.
    pub code: u8,
    /// Rows deleted.
    pub rows: u64,
    /// Milliseconds that it took.
    pub ms: u64,
    /// Milliseconds that the pace held it back.
    pub paused_ms: u64,
    /// Batches tried again.
    pub retries: u64,
    /// Seconds since 1970 when it ended.
    pub ended: u64,
}

/// The text that Prometheus's node exporter reads from a file (`--collector.textfile.directory`).
#[must_use]
pub fn textfile(metrics: &[Metric]) -> String {
    type Value = fn(&Metric) -> String;
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1_000, ms % 1_000);
    let families: [(&str, &str, Value); 5] = [
        ("exit_code", "How the last run ended (0 done)", |metric| metric.code.to_string()),
        ("rows_deleted", "Rows that the last run deleted", |metric| metric.rows.to_string()),
        ("retries", "Batches that the last run tried again", |metric| metric.retries.to_string()),
        ("end_timestamp_seconds", "When the last run ended", |metric| metric.ended.to_string()),
        ("success", "Whether the last run ended with 0", |metric| u8::from(metric.code == 0).to_string()),
    ];
    let label = |metric: &Metric| {
        let name = metric.table.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{{table=\"{name}\"}}")
    };
    let family = |name: &str, what: &str, value: &dyn Fn(&Metric) -> String| {
        let head = format!("# HELP driftless_purge_{name} {what}.\n# TYPE driftless_purge_{name} gauge\n");
        let line = |metric: &Metric| format!("driftless_purge_{name}{} {}\n", label(metric), value(metric));
        std::iter::once(head).chain(metrics.iter().map(line)).collect::<String>()
    };
    let whole: String = families.iter().map(|(name, what, value)| family(name, what, value)).collect();
    let took = family("duration_seconds", "Time that the last run took", &|metric| seconds(metric.ms));
    let paused =
        family("paused_seconds", "Time that the pace held the last run back", &|metric| seconds(metric.paused_ms));
    whole + &took + &paused
}

#[cfg(test)]
mod tests {
    use super::super::lines::tests::{Captured, SetClock};
    use super::*;

    fn run() -> Vec<(u64, PurgeEvent)> {
        let progress = |rows| PurgeEvent::Progress { rows, of: 1_000, rate: 812.4, batch_rows: 50, pace: None };
        vec![
            (
                0,
                PurgeEvent::Started { table: "s.t".into(), destination: "s.a".into(), index: "at".into(), rows: 1_000 },
            ),
            (300, progress(50)),
            (600, progress(100)),
            (700, PurgeEvent::Paused { why: "receive queue 15 on n2 (limit 14)".into() }),
            (900, PurgeEvent::Resumed),
            (
                1_500,
                PurgeEvent::Ended {
                    code: 0,
                    what: "1,000 rows of s.t are deleted".into(),
                    next: "nothing".into(),
                    rows: 1_000,
                    ms: 1_500,
                    details: vec!["x".into()],
                },
            ),
        ]
    }

    #[test]
    fn golden() {
        let (out, clock) = (Captured::default(), Arc::new(SetClock::default()));
        let lines = PurgeLines::new(Box::new(out.clone()), clock.clone());
        let json_out = Captured::default();
        let json = Json::new(Box::new(json_out.clone()), clock.clone());
        for (ms, event) in run() {
            clock.set(ms);
            lines.event(&event);
            PurgeReporter::event(&json, &event);
        }
        let expected = "\
[      0.0 s] s.t into s.a: about 1,000 rows by index at
[      0.3 s] deleting 5 %: 50 of about 1,000 rows, 812/s, batches of 50; full pace
[      0.7 s] paused: receive queue 15 on n2 (limit 14)
[      0.9 s] goes on
[      1.5 s] 1,000 rows of s.t are deleted (1.5 s)
[      1.5 s]   x
[      1.5 s]   do: nothing
";
        assert_eq!(out.text(), expected);
        let first = json_out.text().lines().next().unwrap().to_owned();
        assert_eq!(
            first,
            r#"{"seq":1,"t_ms":0,"event":"started","table":"s.t","destination":"s.a","index":"at","rows":1000}"#
        );
    }

    #[test]
    fn metrics_are_a_textfile() {
        let metric = Metric {
            table: "s.\"t\"".into(),
            code: 5,
            rows: 7,
            ms: 1_250,
            paused_ms: 3,
            retries: 1,
            ended: 1_700_000_000,
        };
        let text = textfile(&[metric]);
        assert!(
            text.contains(
                "# TYPE driftless_purge_exit_code gauge\ndriftless_purge_exit_code{table=\"s.\\\"t\\\"\"} 5\n"
            )
        );
        assert!(text.contains("driftless_purge_duration_seconds{table=\"s.\\\"t\\\"\"} 1.250\n"), "{text}");
        assert!(text.contains("driftless_purge_success{table=\"s.\\\"t\\\"\"} 0\n"));
    }
}
