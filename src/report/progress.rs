//! The progress bar of a terminal: two lines at the bottom, events above.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState, ProgressStyle, TermLike};

use super::figures::{compact, grouped, percent, span, whole};
use super::outcome::{Output, Summary};
use super::words::{Narrator, doing};
use crate::ports::clock::Clock;
use crate::ports::journal::Phase;
use crate::ports::report::{Event, Reporter};

/// Table width when the terminal's is not known.
const WIDTH: u16 = 80;

/// Copying and comparing.
const WITH_ROWS: &str = "{prefix:<9} {wide_bar} {figures}\n  {wide_msg}";

/// Any other phase has nothing to count.
const WITHOUT_ROWS: &str = "{wide_msg}";

/// Draws phase, share, rows, rate, time left, chunk, pace and its reason.
pub struct Progress {
    bar: ProgressBar,
    width: u16,
    clock: Arc<dyn Clock>,
    begun: Duration,
    figures: Arc<Mutex<String>>,
    narrator: Mutex<Narrator>,
}

impl Progress {
    /// Draws on standard error, which must be a terminal: on anything else indicatif shows nothing.
    #[must_use]
    pub fn stderr(clock: Arc<dyn Clock>) -> Self {
        let width = comfy_table::Table::new().use_stderr().width().unwrap_or(WIDTH);
        Self::on(ProgressDrawTarget::stderr(), width, clock)
    }

    /// Draws with the codes of an ANSI terminal of that width.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, width: u16, clock: Arc<dyn Clock>) -> Self {
        let screen = Screen { out: Mutex::new(out), width };
        Self::on(ProgressDrawTarget::term_like(Box::new(screen)), width, clock)
    }

    fn on(target: ProgressDrawTarget, width: u16, clock: Arc<dyn Clock>) -> Self {
        let bar = ProgressBar::with_draw_target(Some(1), target).with_finish(ProgressFinish::AndClear);
        bar.set_style(style(WITHOUT_ROWS, &Arc::default()));
        let begun = clock.now();
        Self { bar, width, clock, begun, figures: Arc::default(), narrator: Mutex::default() }
    }

    fn draw(&self, event: &Event, narrator: &Narrator) {
        match event {
            Event::Started { .. }
            | Event::Retried { .. }
            | Event::Verified { .. }
            | Event::Aborting { .. }
            | Event::Rolled { .. }
            | Event::Altered { .. }
            | Event::Switched { .. } => {}
            Event::Entered { phase } => self.enter(*phase),
            Event::Progress { phase, rows, of, rate, eta_s, chunk_rows, pace } => {
                let rows = Rows { done: *rows, of: *of, rate: *rate, eta_s: *eta_s };
                let pace = narrator.pace(pace.as_deref());
                let chunks =
                    if *chunk_rows == 0 { None } else { Some(format!("chunks of {} rows", grouped(*chunk_rows))) };
                let message = chunks.map_or_else(|| pace.clone(), |chunks| format!("{chunks} · {pace}"));
                self.advance(*phase, &rows, message);
            }
            Event::Paused { why } => self.bar.set_message(format!("paused: {why}")),
            Event::Resumed => self.bar.set_message("goes on"),
            Event::Held { why } => self.bar.set_message(format!("held: {why}")),
            Event::Ended { .. } => self.bar.finish_and_clear(),
        }
    }

    fn enter(&self, phase: Phase) {
        match phase {
            Phase::Copying | Phase::Verifying => {
                self.advance(phase, &Rows { done: 0, of: 0, rate: f64::NAN, eta_s: None }, doing(phase).to_owned());
                self.bar.set_style(style(WITH_ROWS, &self.figures));
                self.bar.tick();
            }
            Phase::Planned
            | Phase::Shadowing
            | Phase::Arming
            | Phase::Holding
            | Phase::Altering
            | Phase::Switching
            | Phase::Finishing
            | Phase::Done
            | Phase::Undoing
            | Phase::Undone => {
                self.bar.set_style(style(WITHOUT_ROWS, &self.figures));
                self.bar.set_message(doing(phase));
            }
        }
    }

    fn advance(&self, phase: Phase, rows: &Rows, message: String) {
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = rows.figures();
        self.bar.update(|state| {
            state.set_len(rows.of.max(1));
            state.set_pos(rows.done);
        });
        if self.bar.prefix() != phase.as_str() {
            self.bar.set_prefix(phase.as_str());
        }
        // Last, because it draws everything.
        self.bar.set_message(message);
    }
}

impl Reporter for Progress {
    fn event(&self, event: &Event) {
        let now = self.clock.now().saturating_sub(self.begun);
        // Held while drawing, so that two events' lines do not mix.
        let mut narrator = self.narrator.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = narrator.lines(event, now);
        match event {
            // The bar itself shows the phase.
            Event::Entered { .. } => {}
            Event::Started { .. }
            | Event::Progress { .. }
            | Event::Paused { .. }
            | Event::Resumed
            | Event::Retried { .. }
            | Event::Verified { .. }
            | Event::Held { .. }
            | Event::Aborting { .. }
            | Event::Rolled { .. }
            | Event::Altered { .. }
            | Event::Switched { .. }
            | Event::Ended { .. } => lines.into_iter().for_each(|line| self.bar.println(line)),
        }
        self.draw(event, &narrator);
    }
}

impl Output for Progress {
    fn summary(&self, summary: &Summary) {
        self.bar.println(summary.text(self.width).trim_end());
    }
}

struct Rows {
    done: u64,
    of: u64,
    rate: f64,
    eta_s: Option<u64>,
}

impl Rows {
    /// ` 41 %  412k of 1.00M rows  38,120/s  15 s left`.
    fn figures(&self) -> String {
        if self.of == 0 {
            return String::new();
        }
        let left = self.eta_s.map_or_else(String::new, |seconds| format!("  {} left", span(seconds)));
        let share = percent(self.done, self.of);
        format!("{share:>3} %  {} of {} rows  {}/s{left}", compact(self.done), compact(self.of), whole(self.rate))
    }
}

fn style(template: &str, figures: &Arc<Mutex<String>>) -> ProgressStyle {
    let figures = Arc::clone(figures);
    // The templates are constants, so that the fallback is never seen.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▉▊▋▌▍▎▏░")
        .with_key("figures", move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = out.write_str(&figures.lock().unwrap_or_else(PoisonError::into_inner));
        })
}

/// An ANSI terminal behind a handle.
struct Screen {
    out: Mutex<Box<dyn Write + Send>>,
    width: u16,
}

impl Screen {
    fn put(&self, text: &str) -> io::Result<()> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes())
    }

    fn steer(&self, by: usize, letter: char) -> io::Result<()> {
        if by == 0 { Ok(()) } else { self.put(&format!("\x1b[{by}{letter}")) }
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("width", &self.width).finish_non_exhaustive()
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.width
    }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.steer(n, 'A')
    }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.steer(n, 'B')
    }
    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.steer(n, 'C')
    }
    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.steer(n, 'D')
    }
    fn write_line(&self, s: &str) -> io::Result<()> {
        self.put(&format!("{s}\n"))
    }
    fn write_str(&self, s: &str) -> io::Result<()> {
        self.put(s)
    }
    fn clear_line(&self) -> io::Result<()> {
        self.put("\r\x1b[2K")
    }
    fn flush(&self) -> io::Result<()> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::tests::{Captured, SetClock, run};
    use super::*;

    /// What an ANSI terminal shows after those bytes: wraps at `width`, knows what `Screen` writes.
    fn screen(bytes: &str, width: usize) -> Vec<String> {
        let mut rows: Vec<Vec<char>> = vec![Vec::new()];
        let (mut row, mut column) = (0, 0);
        let mut chars = bytes.chars();
        while let Some(c) = chars.next() {
            match c {
                '\n' => (row, column) = (row + 1, 0),
                '\r' => column = 0,
                '\x1b' => {
                    assert_eq!(chars.next(), Some('['));
                    let mut number = String::new();
                    let letter = chars.by_ref().find(|c| {
                        if c.is_ascii_digit() {
                            number.push(*c);
                            false
                        } else {
                            true
                        }
                    });
                    let by: usize = number.parse().unwrap();
                    match letter {
                        Some('A') => row -= by,
                        Some('B') => row += by,
                        Some('K') => rows[row].clear(),
                        other => panic!("a code that Screen does not write: {other:?}"),
                    }
                }
                other => {
                    if column == width {
                        (row, column) = (row + 1, 0);
                    }
                    rows.resize(rows.len().max(row + 1), Vec::new());
                    let reach = rows[row].len().max(column + 1);
                    rows[row].resize(reach, ' ');
                    rows[row][column] = other;
                    column += 1;
                }
            }
            rows.resize(rows.len().max(row + 1), Vec::new());
        }
        rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
    }

    /// The screen after the events up to that one.
    fn shown(width: u16, upto: usize) -> Vec<String> {
        let (out, clock) = (Captured::default(), Arc::new(SetClock::default()));
        let progress = Progress::new(Box::new(out.clone()), width, clock.clone());
        for (ms, event) in run().into_iter().take(upto) {
            clock.set(ms);
            progress.event(&event);
        }
        let shown = screen(&out.text(), usize::from(width));
        progress.bar.abandon();
        shown
    }

    #[test]
    fn golden_at_80_columns() {
        let bar = |upto| shown(80, upto).split_off(1).join("\n");
        let paused = "paused: receive queue 15 on n2 (limit 14)";
        let again = "tried chunk 103 again (attempt 1): 10.0.0.1:3306: Deadlock (1213)";
        let cases = [
            (2, "making the shadow table".to_owned()),
            (
                4,
                "copying   ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░   0 %  0 of 1.00M rows  38,120/s\n  \
                 chunks of 4,000 rows · full pace"
                    .to_owned(),
            ),
            (
                6,
                "copying   █████████▌░░░░░░░░░░░░░  41 %  412k of 1.00M rows  38,120/s  15 s left\n  \
                 chunks of 4,000 rows · pace 62 %: receive queue 9 on n2 (limit 14)"
                    .to_owned(),
            ),
            (
                8,
                format!(
                    "{paused}\n\
                     copying   █████████▌░░░░░░░░░░░░░  41 %  412k of 1.00M rows  38,120/s  15 s left\n  \
                     chunks of 4,000 rows · {paused}"
                ),
            ),
            (
                12,
                format!(
                    "{paused}\ngoes on\n{again}\n\
                     copying   ███████████████████████ 100 %  1.00M of 1.00M rows  38,120/s  0 s left\n  \
                     chunks of 4,000 rows · full pace"
                ),
            ),
            (
                16,
                format!(
                    "{paused}\ngoes on\n{again}\nverified 1,000,000 rows in 2.9 s: no difference\n\
                     held: /tmp/hold exists\n\
                     verifying █████▊░░░░░░░░░░░░░░░░░  25 %  250k of 1.00M rows  38,120/s  19 s left\n  \
                     held: /tmp/hold exists"
                ),
            ),
        ];
        for (upto, expected) in cases {
            assert_eq!(bar(upto), expected, "after {upto} events");
        }
    }

    #[test]
    fn the_bar_goes_and_the_events_stay() {
        let end = shown(80, run().len()).join("\n");
        let expected = "\
job 0a1b2c3d4e5f: shop.orders by trigger-copy, about 1,000,000 rows
paused: receive queue 15 on n2 (limit 14)
goes on
tried chunk 103 again (attempt 1): 10.0.0.1:3306: Deadlock (1213)
verified 1,000,000 rows in 2.9 s: no difference
held: /tmp/hold exists
switched in 12 ms at attempt 2
shop.orders is changed on 3 nodes
  1,000,000 rows equal";
        assert_eq!(end.trim_end(), expected);
    }

    #[test]
    fn never_wider_than_the_terminal() {
        let why = "a reason that goes on and on ".repeat(9);
        let wide = Event::Progress {
            phase: Phase::Verifying,
            rows: 12_345_678_901,
            of: 98_765_432_109,
            rate: 1_234_567.0,
            eta_s: Some(273_600),
            chunk_rows: 1_000_000,
            pace: Some(why),
        };
        for width in [80_u16, 100] {
            let (out, clock) = (Captured::default(), Arc::new(SetClock::default()));
            let progress = Progress::new(Box::new(out.clone()), width, clock);
            progress.event(&Event::Entered { phase: Phase::Verifying });
            progress.event(&wide);
            // A screen so wide that nothing wraps shows how long the lines are.
            let shown = screen(&out.text(), usize::from(width));
            let drawn: Vec<&String> = shown.iter().filter(|line| !line.is_empty()).collect();
            assert_eq!(drawn.len(), 2, "what is too wide would wrap to a third line: {shown:?}");
            assert!(drawn[0].ends_with("12 %  12.3G of 98.7G rows  1,234,567/s  3 d 04 h left"), "{drawn:?}");
            progress.bar.abandon();
        }
    }

    #[test]
    fn summary_stands_above_the_bar() {
        let (out, clock) = (Captured::default(), Arc::new(SetClock::default()));
        let progress = Progress::new(Box::new(out.clone()), 80, clock);
        let summary = super::super::outcome::tests::summary();
        progress.summary(&summary);
        progress.event(&Event::Ended { code: 0, what: "all done".into(), next: String::new(), details: vec![] });
        let shown = screen(&out.text(), 80).join("\n");
        assert_eq!(shown.trim_end(), format!("{}all done", summary.text(80)));
    }
}
