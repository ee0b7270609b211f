//! How a run went: the ending in a few lines, and the figures that a DBA keeps.

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

use super::exit::ExitCode;
use super::figures::{grouped, millis, whole};
use super::words::differ;
use crate::ports::report::Reporter;
use crate::throttle::Totals;

/// A reporter that also shows the summary. Call it before `Event::Ended`, which is the last event.
pub trait Output: Reporter {
    /// Shows the summary.
    fn summary(&self, summary: &Summary);
}

/// What a run did and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// The job's id.
    pub job: String,
    /// The table.
    pub table: String,
    /// The strategy.
    pub strategy: String,
    /// Rows copied.
    pub rows: u64,
    /// Seconds, all told.
    pub seconds: f64,
    /// Rows compared.
    pub verified_rows: u64,
    /// Differences found.
    pub differences: u64,
    /// Milliseconds that the switch took; `None` when there was none.
    pub switch_ms: Option<u64>,
    /// Milliseconds that the ALTER of the table itself took; `None` when this run sent none, or none that came through.
    pub altered_ms: Option<u64>,
    /// Whether the table itself was to be changed: there are no rows to speak of then.
    #[serde(skip)]
    pub direct: bool,
    /// Attempts at the switch, or at the ALTER.
    pub switch_attempts: u32,
    /// Statements that were tried again.
    pub retries: u64,
    /// Milliseconds in which the gate was closed.
    pub paused_ms: u64,
    /// What each node felt.
    pub nodes: Vec<NodeSummary>,
}

/// What one node felt, from the first sample to the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeSummary {
    /// The node.
    pub node: String,
    /// Milliseconds in which flow control paused the cluster, as this node counts them.
    pub flow_control_ms: u64,
    /// Longest receive queue seen.
    pub worst_queue: u64,
    /// Most threads running.
    pub worst_threads: u64,
    /// Transactions that a brute-force abort ended.
    pub bf_aborts: u64,
    /// Transactions that failed certification.
    pub cert_failures: u64,
    /// Samples that it did not answer.
    pub missed_samples: u64,
}

impl From<&Totals> for NodeSummary {
    fn from(totals: &Totals) -> Self {
        Self {
            node: totals.node.clone(),
            flow_control_ms: totals.flow_control_ns / 1_000_000,
            worst_queue: totals.worst_queue,
            worst_threads: totals.worst_threads,
            bf_aborts: totals.bf_aborts,
            cert_failures: totals.cert_failures,
            missed_samples: totals.misses,
        }
    }
}

impl Summary {
    /// Flow control pauses the whole cluster at once, so the node that counted most counts.
    #[must_use]
    pub fn flow_control_ms(&self) -> u64 {
        self.nodes.iter().map(|node| node.flow_control_ms).max().unwrap_or(0)
    }

    /// Transactions lost on all nodes, applications' and ours.
    #[must_use]
    pub fn conflicts(&self) -> u64 {
        self.nodes.iter().map(|node| node.bf_aborts.saturating_add(node.cert_failures)).fold(0, u64::saturating_add)
    }

    /// One JSON object, the sums among its fields.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.insert("flow_control_ms".to_owned(), self.flow_control_ms().into());
            fields.insert("conflicts".to_owned(), self.conflicts().into());
        }
        value
    }

    /// Tables, at most `width` columns wide, with a line break at the end.
    #[must_use]
    pub fn text(&self, width: u16) -> String {
        let title = format!("{} · {} · job {}", self.table, self.strategy, self.job);
        let mut text = format!("{title}\n{}\n", self.figures(width));
        if !self.nodes.is_empty() {
            text.push_str(&self.felt(width).to_string());
            text.push('\n');
        }
        text
    }

    fn figures(&self, width: u16) -> Table {
        let rate = if self.seconds > 0.0 { counted(self.rows) / self.seconds } else { f64::INFINITY };
        let switch = self.switch_ms.map_or_else(
            || "not switched".to_owned(),
            |ms| format!("{}, attempt {}", millis(ms), self.switch_attempts),
        );
        let mut table = empty(width);
        if self.direct {
            let sent = self.altered_ms.map(|ms| format!("{}, attempt {}", millis(ms), self.switch_attempts));
            table.add_row(["ALTER", &sent.unwrap_or_else(|| "none by this run".to_owned())]);
            table.add_row(["time, all told", &format!("{:.1} s", self.seconds)]);
        } else {
            table.add_row(["rows copied", &grouped(self.rows)]);
            table.add_row(["time, all told", &format!("{:.1} s ({} rows/s)", self.seconds, whole(rate))]);
            table.add_row(["verified", &format!("{} rows, {}", grouped(self.verified_rows), differ(self.differences))]);
            table.add_row(["switch", &switch]);
        }
        table.add_row(["tried again", &grouped(self.retries)]);
        table.add_row(["paused", &millis(self.paused_ms)]);
        table.add_row(["flow control", &millis(self.flow_control_ms())]);
        table.add_row(["conflicts", &format!("{} transactions, on all nodes", grouped(self.conflicts()))]);
        table
    }

    fn felt(&self, width: u16) -> Table {
        let mut table = empty(width);
        table.set_header(["node", "flow control", "queue", "threads", "aborted", "not certified", "missed"]);
        for node in &self.nodes {
            table.add_row([
                node.node.clone(),
                millis(node.flow_control_ms),
                grouped(node.worst_queue),
                grouped(node.worst_threads),
                grouped(node.bf_aborts),
                grouped(node.cert_failures),
                grouped(node.missed_samples),
            ]);
        }
        table
    }
}

fn empty(width: u16) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people has three figures")]
const fn counted(rows: u64) -> f64 {
    rows as f64
}

/// The ending in lines: what, what proves it, what to type next, and the exit code when it is not 0.
#[must_use]
pub fn ending(code: u8, what: &str, next: &str, details: &[String]) -> Vec<String> {
    let mut lines = vec![what.to_owned()];
    lines.extend(details.iter().map(|detail| format!("  {detail}")));
    if !next.is_empty() {
        lines.push(format!("next: {next}"));
    }
    if code != ExitCode::Done.code() {
        let meaning = ExitCode::from_code(code).map_or("", ExitCode::meaning);
        lines.push(format!("exit code {code}: {meaning}"));
    }
    lines
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::report) fn summary() -> Summary {
        let node = |node: &str, flow_control_ms, bf_aborts| NodeSummary {
            node: node.into(),
            flow_control_ms,
            worst_queue: 9,
            worst_threads: 4,
            bf_aborts,
            cert_failures: 1,
            missed_samples: 0,
        };
        Summary {
            job: "0a1b2c3d4e5f".into(),
            table: "shop.orders".into(),
            strategy: "trigger-copy".into(),
            rows: 1_000_000,
            seconds: 12.34,
            verified_rows: 1_000_000,
            differences: 0,
            switch_ms: Some(12),
            altered_ms: None,
            direct: false,
            switch_attempts: 1,
            retries: 3,
            paused_ms: 1_250,
            nodes: vec![node("n1", 20, 2), node("n2", 19, 0), node("n3", 0, 1_000)],
        }
    }

    #[test]
    fn text_is_a_table_that_fits() {
        let text = summary().text(80);
        let expected = "\
shop.orders · trigger-copy · job 0a1b2c3d4e5f
┌────────────────┬──────────────────────────────────┐
│ rows copied    ┆ 1,000,000                        │
│ time, all told ┆ 12.3 s (81,037 rows/s)           │
│ verified       ┆ 1,000,000 rows, no difference    │
│ switch         ┆ 12 ms, attempt 1                 │
│ tried again    ┆ 3                                │
│ paused         ┆ 1.2 s                            │
│ flow control   ┆ 20 ms                            │
│ conflicts      ┆ 1,005 transactions, on all nodes │
└────────────────┴──────────────────────────────────┘
┌──────┬──────────────┬───────┬─────────┬─────────┬───────────────┬────────┐
│ node ┆ flow control ┆ queue ┆ threads ┆ aborted ┆ not certified ┆ missed │
╞══════╪══════════════╪═══════╪═════════╪═════════╪═══════════════╪════════╡
│ n1   ┆ 20 ms        ┆ 9     ┆ 4       ┆ 2       ┆ 1             ┆ 0      │
│ n2   ┆ 19 ms        ┆ 9     ┆ 4       ┆ 0       ┆ 1             ┆ 0      │
│ n3   ┆ 0 ms         ┆ 9     ┆ 4       ┆ 1,000   ┆ 1             ┆ 0      │
└──────┴──────────────┴───────┴─────────┴─────────┴───────────────┴────────┘
";
        assert_eq!(text, expected, "{text}");
        for width in [60, 80, 100] {
            let text = summary().text(width);
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= usize::from(width), "{widest} > {width}:\n{text}");
        }
    }

    #[test]
    fn json_has_the_sums() {
        let json = summary().json();
        assert_eq!((json["flow_control_ms"].as_u64(), json["conflicts"].as_u64()), (Some(20), Some(1_005)));
        assert_eq!(json["nodes"][2]["bf_aborts"].as_u64(), Some(1_000));
        assert_eq!(json["switch_ms"].as_u64(), Some(12));
    }

    #[test]
    fn endings() {
        assert_eq!(ending(0, "shop.orders is changed", "", &[]), ["shop.orders is changed"]);
        let stopped = ending(5, "stopped by Ctrl-C", "driftless run --resume", &["at row 412,000".into()]);
        let expected = [
            "stopped by Ctrl-C",
            "  at row 412,000",
            "next: driftless run --resume",
            "exit code 5: stopped; can be resumed",
        ];
        assert_eq!(stopped, expected);
    }
}
