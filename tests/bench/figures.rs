//! What was measured, and how it compares.

use std::fmt::Write as _;
use std::time::Duration;

use crate::tools::{Ran, Tool};
use crate::writers::Felt;

/// Share of a run in flow control that counts as none.
const NO_FLOW_CONTROL: f64 = 0.01;

/// Without or with writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Idle,
    Loaded,
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Loaded => "loaded",
        }
    }
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) tool: Tool,
    pub(crate) mode: Mode,
    pub(crate) ran: Ran,
    pub(crate) paused: Duration,
    pub(crate) felt: Option<Felt>,
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "a benchmark is there to print")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

impl Figures {
    const fn name(&self) -> &'static str {
        match self.tool {
            Tool::Driftless => "driftless",
            Tool::Peer => "pt-osc",
            Tool::Bare => "bare copy",
        }
    }

    /// One line, and how it failed when it did.
    pub(crate) fn line(&self) -> String {
        let ran = &self.ran;
        let mut line = format!(
            "{:6} {:9}  total {:6.2} s  copy {:6.2} s  flow control {:5.2} s",
            self.mode.name(),
            self.name(),
            ran.total.as_secs_f64(),
            ran.copy.as_secs_f64(),
            self.paused.as_secs_f64()
        );
        // Writing to a String can't fail.
        if ran.peak_kib > 0 {
            let _ = write!(line, "  peak {:3} MiB", ran.peak_kib / 1024);
        }
        if let Some(felt) = &self.felt {
            let codes: Vec<String> = felt.errors.iter().map(|(code, count)| format!("{code}:{count}")).collect();
            let _ = write!(
                line,
                "  p99 {:.0} ms  worst {:.0} ms  {} transactions  errors {} [{}]  given up {}",
                millis(felt.worst_p99()),
                millis(felt.worst()),
                felt.transactions,
                felt.error_count(),
                codes.join(" "),
                felt.given_up
            );
        }
        if !ran.phases.is_empty() {
            let phases = ran.phases.iter().map(|(name, at)| format!("{name} {:.2}", at.as_secs_f64()));
            let _ = write!(line, "\n       from: {}", phases.collect::<Vec<_>>().join(", "));
        }
        if let Some(failed) = &ran.failed {
            let _ = write!(line, "\n       FAILED: {failed}");
        }
        line
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// All runs, by round.
#[derive(Debug, Default)]
pub(crate) struct Book {
    runs: Vec<(u32, Figures)>,
}

/// Least, middle and greatest.
#[derive(Clone, Copy)]
struct Spread {
    least: f64,
    middle: f64,
    greatest: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let half = values.len() / 2;
        let upper = *values.get(half)?;
        let middle = if values.len().is_multiple_of(2) { f64::midpoint(*values.get(half - 1)?, upper) } else { upper };
        Some(Self { least: *values.first()?, middle, greatest: *values.last()? })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} / {:.2} / {:.2}", self.least, self.middle, self.greatest)
    }
}

/// A figure of a run that two tools are compared by.
type Figure = dyn Fn(&Figures) -> Option<f64>;

impl Book {
    pub(crate) fn add(&mut self, round: u32, figures: Figures) {
        self.runs.push((round, figures));
    }

    fn good(&self, mode: Mode, tool: Tool) -> impl Iterator<Item = &(u32, Figures)> {
        self.runs.iter().filter(move |(_, run)| run.mode == mode && run.tool == tool && run.ran.failed.is_none())
    }

    /// Ours to another's, round by round.
    fn ratios(&self, mode: Mode, other: Tool, figure: &Figure) -> Option<Spread> {
        let pair = |(round, ours): &(u32, Figures)| {
            let (_, theirs) = self.good(mode, other).find(|(other, _)| other == round)?;
            let (ours, theirs) = (figure(ours)?, figure(theirs)?);
            (theirs > 0.0).then_some(ours / theirs)
        };
        Spread::of(self.good(mode, Tool::Driftless).filter_map(pair).collect())
    }

    /// Prints ratios and aims.
    pub(crate) fn conclude(&self) {
        let figures: [(&str, &Figure); 6] = [
            ("total time", &|run| Some(run.ran.total.as_secs_f64())),
            ("copy time", &|run| Some(run.ran.copy.as_secs_f64())),
            ("flow-control time", &|run| Some(run.paused.as_secs_f64())),
            ("peak memory", &|run| Some(f64::from(u32::try_from(run.ran.peak_kib).unwrap_or(u32::MAX)))),
            ("worst p99", &|run| run.felt.as_ref().map(|felt| millis(felt.worst_p99()))),
            ("errors", &errors),
        ];
        say("\nratios driftless / pt-osc by pairs: least / median / greatest");
        for mode in [Mode::Idle, Mode::Loaded] {
            for (name, figure) in figures {
                if let Some(spread) = self.ratios(mode, Tool::Peer, figure) {
                    say(&format!("  {:6} {name:18} {spread}", mode.name()));
                }
            }
        }
        let copy = self.ratios(Mode::Idle, Tool::Bare, &|run| Some(run.ran.copy.as_secs_f64()));
        if let Some(spread) = copy {
            say(&format!("  idle   copy / bare copy   {spread}"));
        }
        say("\naims");
        let total: &Figure = &|run| Some(run.ran.total.as_secs_f64());
        aim("total, idle, at most 0.95 of pt-osc", middle(self.ratios(Mode::Idle, Tool::Peer, total)), 0.95);
        aim("total, loaded, at most 0.8 of pt-osc", middle(self.ratios(Mode::Loaded, Tool::Peer, total)), 0.8);
        aim("copy, idle, at most 1.1 of the bare parallel INSERT … SELECT", middle(copy), 1.1);
        aim("application errors, at most a tenth of pt-osc's", self.error_share(), 0.1);
        for mode in [Mode::Idle, Mode::Loaded] {
            let shares = self.good(mode, Tool::Driftless);
            let shares = shares.map(|(_, run)| run.paused.as_secs_f64() / run.ran.total.as_secs_f64());
            aim(
                &format!("flow control, {}, at most {NO_FLOW_CONTROL} of the time", mode.name()),
                middle(Spread::of(shares.collect())),
                NO_FLOW_CONTROL,
            );
        }
        let peaks = self.runs.iter().filter(|(_, run)| run.tool == Tool::Driftless).map(|(_, run)| run.ran.peak_kib);
        let peak = peaks.max().and_then(|kib| u32::try_from(kib / 1024).ok()).map(f64::from);
        aim("peak memory, at most 63 MiB", peak, 63.0);
        let failed = self.runs.iter().filter(|(_, run)| run.ran.failed.is_some()).count();
        if failed > 0 {
            say(&format!("\n{failed} runs failed and are in no ratio"));
        }
    }

    /// Errors in all loaded runs, ours to theirs.
    fn error_share(&self) -> Option<f64> {
        let sum = |tool| self.good(Mode::Loaded, tool).filter_map(|(_, run)| errors(run)).sum::<f64>();
        let (ours, theirs) = (sum(Tool::Driftless), sum(Tool::Peer));
        (theirs > 0.0).then(|| ours / theirs)
    }
}

fn errors(run: &Figures) -> Option<f64> {
    let felt = run.felt.as_ref()?;
    u32::try_from(felt.error_count()).ok().map(f64::from)
}

fn middle(spread: Option<Spread>) -> Option<f64> {
    spread.map(|spread| spread.middle)
}

fn aim(what: &str, seen: Option<f64>, limit: f64) {
    match seen {
        Some(seen) if seen <= limit => say(&format!("  met      {seen:6.3}  {what}")),
        Some(seen) => say(&format!("  NOT MET  {seen:6.3}  {what}")),
        None => say(&format!("  no figure       {what}")),
    }
}
