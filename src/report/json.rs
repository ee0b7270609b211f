//! One JSON object a line, for programs: every event, none left out.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::figures::as_millis;
use super::outcome::{Output, Summary};
use crate::ports::clock::Clock;
use crate::ports::report::{Event, Reporter};

/// Writes `{"seq":1,"t_ms":0,"event":"started",…}`: `seq` counts from 1 without gaps, `t_ms` never falls.
pub struct Json {
    clock: Arc<dyn Clock>,
    begun: Duration,
    stream: Mutex<Stream>,
}

struct Stream {
    out: Box<dyn Write + Send>,
    seq: u64,
}

#[derive(Serialize)]
struct Line<'a, T: Serialize> {
    seq: u64,
    t_ms: u64,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize)]
struct Tagged {
    event: &'static str,
    #[serde(flatten)]
    fields: serde_json::Value,
}

impl Json {
    /// Begins at time 0 now.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, clock: Arc<dyn Clock>) -> Self {
        let begun = clock.now();
        Self { clock, begun, stream: Mutex::new(Stream { out, seq: 0 }) }
    }

    /// Writes any event that says which it is.
    pub(super) fn line<T: Serialize>(&self, event: &T) {
        self.write(event);
    }

    fn write<T: Serialize>(&self, body: &T) {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        // Time is read under the lock, so that it rises with the number.
        let t_ms = as_millis(self.clock.now().saturating_sub(self.begun));
        let seq = stream.seq + 1;
        if let Ok(mut line) = serde_json::to_vec(&Line { seq, t_ms, body }) {
            line.push(b'\n');
            stream.seq = seq;
            // A reader that went away must not stop a migration.
            drop(stream.out.write_all(&line).and_then(|()| stream.out.flush()));
        }
    }
}

impl Reporter for Json {
    fn event(&self, event: &Event) {
        self.write(event);
    }
}

impl Output for Json {
    fn summary(&self, summary: &Summary) {
        self.write(&Tagged { event: "summary", fields: summary.json() });
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::tests::{Captured, SetClock, run};
    use super::super::outcome::tests::summary;
    use super::*;

    fn captured() -> (Captured, Arc<SetClock>, Json) {
        let (out, clock) = (Captured::default(), Arc::new(SetClock::default()));
        let json = Json::new(Box::new(out.clone()), clock.clone());
        (out, clock, json)
    }

    #[test]
    fn golden() {
        let (out, clock, json) = captured();
        for (ms, event) in run() {
            clock.set(ms);
            json.event(&event);
        }
        let text = out.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), run().len(), "every event");
        let golden = [
            (
                0,
                r#"{"seq":1,"t_ms":0,"event":"started","job":"0a1b2c3d4e5f","table":"shop.orders","strategy":"trigger-copy","phase":"planned","rows":1000000}"#,
            ),
            (1, r#"{"seq":2,"t_ms":40,"event":"entered","phase":"shadowing"}"#),
            (
                3,
                r#"{"seq":4,"t_ms":360,"event":"progress","phase":"copying","rows":0,"of":1000000,"rate":38120.4,"eta_s":null,"chunk_rows":4000,"pace":null}"#,
            ),
            (
                5,
                r#"{"seq":6,"t_ms":5400,"event":"progress","phase":"copying","rows":412000,"of":1000000,"rate":38120.4,"eta_s":15,"chunk_rows":4000,"pace":"pace 62 %: receive queue 9 on n2 (limit 14)"}"#,
            ),
            (6, r#"{"seq":7,"t_ms":5500,"event":"paused","why":"receive queue 15 on n2 (limit 14)"}"#),
            (8, r#"{"seq":9,"t_ms":6100,"event":"resumed"}"#),
            (
                9,
                r#"{"seq":10,"t_ms":6200,"event":"retried","what":"chunk 103","why":"10.0.0.1:3306: Deadlock (1213)","attempt":1}"#,
            ),
            (14, r#"{"seq":15,"t_ms":23000,"event":"verified","rows":1000000,"differences":0,"ms":2999}"#),
            (15, r#"{"seq":16,"t_ms":23010,"event":"held","why":"/tmp/hold exists"}"#),
            (17, r#"{"seq":18,"t_ms":25030,"event":"switched","ms":12,"attempts":2}"#),
            (
                18,
                r#"{"seq":19,"t_ms":25100,"event":"ended","code":0,"what":"shop.orders is changed on 3 nodes","next":"","details":["1,000,000 rows equal"]}"#,
            ),
        ];
        for (index, line) in golden {
            assert_eq!(lines[index], line);
        }
    }

    #[test]
    fn summary_is_a_line_like_any_other() {
        let (out, _, json) = captured();
        json.event(&Event::Resumed);
        json.summary(&summary());
        let text = out.text();
        let line: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        assert_eq!(line["seq"].as_u64(), Some(2));
        assert_eq!(line["event"].as_str(), Some("summary"));
        assert_eq!(line["flow_control_ms"].as_u64(), Some(20));
    }

    #[test]
    fn numbers_rise_under_many_threads_and_text_stays_on_its_line() {
        let (out, _, json) = captured();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..100).for_each(|_| json.event(&Event::Held { why: "two\nlines \"quoted\" é".into() }))
                });
            }
        });
        let progress = Event::Progress {
            phase: crate::ports::journal::Phase::Copying,
            rows: 0,
            of: 0,
            rate: f64::NAN,
            eta_s: None,
            chunk_rows: 0,
            pace: None,
        };
        json.event(&progress);
        let numbers: Vec<u64> = out
            .text()
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(numbers, (1..=401).collect::<Vec<u64>>(), "a rate that is no number is written too");
    }
}
