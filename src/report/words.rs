//! Events as sentences: the same words above a progress bar and in plain lines.

use std::time::Duration;

use super::figures::{grouped, millis, percent, span, whole};
use super::outcome;
use super::sparse::Sparse;
use crate::ports::journal::Phase;
use crate::ports::report::Event;

/// What a phase does.
#[must_use]
pub const fn doing(phase: Phase) -> &'static str {
    match phase {
        Phase::Planned => "recorded in the journal",
        Phase::Shadowing => "making the shadow table",
        Phase::Arming => "making the triggers",
        Phase::Copying => "copying every row",
        Phase::Verifying => "comparing every row",
        Phase::Holding => "proven, ready for the last step",
        Phase::Altering => "changing the table itself",
        Phase::Switching => "switching the names",
        Phase::Finishing => "tidying up behind the switch",
        Phase::Done => "done",
        Phase::Undoing => "undoing: triggers and shadow table go",
        Phase::Undone => "undone",
    }
}

/// Turns events into lines, and leaves out what comes too often. Progress is not its business.
#[derive(Debug, Default)]
pub struct Narrator {
    retries: Sparse,
    pauses: Sparse,
    pause_said: bool,
    paused: bool,
}

impl Narrator {
    /// `copying 41 %: 412,000 of 1,000,000 rows, 38,120/s, 15 s left, chunks of 4,000; pace 62 %: …`; empty for any other
    /// event.
    #[must_use]
    pub fn progress(&self, event: &Event) -> String {
        let Event::Progress { phase, rows, of, rate, eta_s, chunk_rows, pace } = event else {
            return String::new();
        };
        let left = eta_s.map_or_else(String::new, |seconds| format!(", {} left", span(seconds)));
        format!(
            "{} {} %: {} of {} rows, {}/s{left}, chunks of {}; {}",
            phase.as_str(),
            percent(*rows, *of),
            grouped(*rows),
            grouped(*of),
            whole(*rate),
            grouped(*chunk_rows),
            self.pace(pace.as_deref()),
        )
    }

    /// `full pace`, `pace 62 %: …` or `paused: …`.
    #[must_use]
    pub fn pace(&self, pace: Option<&str>) -> String {
        match (self.paused, pace) {
            (true, Some(why)) => format!("paused: {why}"),
            (true, None) => "paused".to_owned(),
            (false, why) => why.unwrap_or("full pace").to_owned(),
        }
    }

    /// The lines for an event; none for progress and for what would repeat itself within `sparse::EVERY`.
    pub fn lines(&mut self, event: &Event, now: Duration) -> Vec<String> {
        match event {
            Event::Paused { .. } => self.paused = true,
            Event::Resumed | Event::Entered { .. } => self.paused = false,
            Event::Started { .. }
            | Event::Progress { .. }
            | Event::Retried { .. }
            | Event::Verified { .. }
            | Event::Held { .. }
            | Event::Aborting { .. }
            | Event::Altered { .. }
            | Event::Rolled { .. }
            | Event::Switched { .. }
            | Event::Ended { .. } => {}
        }
        match event {
            Event::Progress { .. } => Vec::new(),
            Event::Started { job, table, strategy, phase, rows } => vec![started(job, table, strategy, *phase, *rows)],
            Event::Entered { phase } => vec![doing(*phase).to_owned()],
            Event::Paused { why } => {
                let admitted = self.pauses.admit(now);
                self.pause_said = admitted.is_some();
                admitted.map(|others| format!("paused: {why}{}", also(others))).into_iter().collect()
            }
            // A pause that was not told has no end to be told.
            Event::Resumed if std::mem::take(&mut self.pause_said) => vec!["goes on".to_owned()],
            Event::Resumed => Vec::new(),
            Event::Retried { what, why, attempt } => {
                let line = |others| format!("tried {what} again (attempt {attempt}): {why}{}", also(others));
                self.retries.admit(now).map(line).into_iter().collect()
            }
            Event::Verified { rows, differences, ms } => vec![verified(*rows, *differences, *ms)],
            Event::Held { why } => vec![format!("held: {why}")],
            Event::Aborting { sessions } => {
                sessions.iter().map(|session| format!("will be aborted if still open: {session}")).collect()
            }
            Event::Altered { ms, attempts } => vec![altered(*ms, *attempts)],
            Event::Rolled { node, ms, left } => {
                let nodes = if *left == 1 { "node is" } else { "nodes are" };
                vec![format!("{node} is through in {}; {left} {nodes} left", millis(*ms))]
            }
            Event::Switched { ms, attempts } => vec![switched(*ms, *attempts)],
            Event::Ended { code, what, next, details } => outcome::ending(*code, what, next, details),
        }
    }
}

fn started(job: &str, table: &str, strategy: &str, phase: Phase, rows: u64) -> String {
    let begins = match phase {
        Phase::Planned => String::new(),
        Phase::Shadowing
        | Phase::Arming
        | Phase::Copying
        | Phase::Verifying
        | Phase::Holding
        | Phase::Altering
        | Phase::Switching
        | Phase::Finishing
        | Phase::Done
        | Phase::Undoing
        | Phase::Undone => format!(", goes on at {}", phase.as_str()),
    };
    format!("job {job}: {table} by {strategy}, about {} rows{begins}", grouped(rows))
}

/// `verified 1,000,000 rows in 3.2 s: no difference`.
#[must_use]
pub fn verified(rows: u64, differences: u64, ms: u64) -> String {
    format!("verified {} rows in {}: {}", grouped(rows), millis(ms), differ(differences))
}

/// `no difference`, `1 difference`, `3 differences`.
#[must_use]
pub fn differ(differences: u64) -> String {
    match differences {
        0 => "no difference".to_owned(),
        1 => "1 difference".to_owned(),
        many => format!("{} differences", grouped(many)),
    }
}

fn switched(ms: u64, attempts: u32) -> String {
    format!("switched in {}{}", millis(ms), at_attempt(attempts))
}

fn altered(ms: u64, attempts: u32) -> String {
    format!("changed in {}{}", millis(ms), at_attempt(attempts))
}

fn at_attempt(attempts: u32) -> String {
    if attempts > 1 { format!(" at attempt {attempts}") } else { String::new() }
}

fn also(others: u64) -> String {
    if others == 0 { String::new() } else { format!(" (and {} more since the last such line)", grouped(others)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_left_out_and_counted() {
        let mut narrator = Narrator::default();
        let mut say = |event: Event, ms| narrator.lines(&event, Duration::from_millis(ms)).join("|");
        let retry = |attempt| Event::Retried { what: "chunk 7".into(), why: "deadlock".into(), attempt };
        let pause = || Event::Paused { why: "receive queue 20 on n2 (limit 14)".into() };
        assert_eq!(say(retry(1), 0), "tried chunk 7 again (attempt 1): deadlock");
        assert_eq!(say(retry(2), 100), "");
        assert_eq!(say(pause(), 200), "paused: receive queue 20 on n2 (limit 14)");
        assert_eq!(say(Event::Resumed, 700), "goes on");
        assert_eq!(say(pause(), 900), "");
        assert_eq!(say(Event::Resumed, 1_000), "", "its pause was not told");
        assert_eq!(
            say(retry(9), 6_000),
            "tried chunk 7 again (attempt 9): deadlock (and 1 more since the last such line)"
        );
    }

    #[test]
    fn every_phase_has_words() {
        let phases = [Phase::Planned, Phase::Copying, Phase::Undone];
        assert_eq!(phases.map(doing), ["recorded in the journal", "copying every row", "undone"]);
        let start = |phase| started("0a1b", "s.t", "trigger-copy", phase, 1_000);
        assert_eq!(start(Phase::Planned), "job 0a1b: s.t by trigger-copy, about 1,000 rows");
        assert_eq!(start(Phase::Copying), "job 0a1b: s.t by trigger-copy, about 1,000 rows, goes on at copying");
    }
}
