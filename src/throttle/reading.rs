//! One signal of one node, brought to a common form.

use std::fmt;

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// The node did not answer.
    Silence,
    /// Share of the time in which flow control paused the cluster.
    FlowControl,
    /// Write-sets that a node has received and not applied.
    Queue,
    /// Seconds that a replica is behind.
    Lag,
    /// `Threads_running`.
    Threads,
    /// Transactions a second that lost to certification or to a brute-force abort.
    Conflicts,
    /// A condition of the user's; its text.
    Status(String),
}

/// What a signal shows on a node, and between which values it slows driftless down.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Which signal.
    pub signal: Signal,
    /// Which node.
    pub node: String,
    /// What was seen.
    pub seen: f64,
    /// Up to this value the pace is full.
    pub calm: f64,
    /// Above this value the gate closes.
    pub limit: f64,
    /// What else is known (a status variable's value, the last error); empty when nothing.
    pub note: String,
}

impl Reading {
    /// Above the limit.
    #[must_use]
    pub fn over(&self) -> bool {
        self.seen > self.limit
    }

    /// Low enough to open the gate that this reading closed: half-way back to calm, so that it does not flap.
    #[must_use]
    pub fn relieved(&self) -> bool {
        self.seen <= self.calm + (self.limit - self.calm) / 2.0
    }

    /// 0 when calm, 1 at the limit, more above.
    #[must_use]
    pub fn pressure(&self) -> f64 {
        if self.seen <= self.calm {
            0.0
        } else if self.limit > self.calm {
            (self.seen - self.calm) / (self.limit - self.calm)
        } else {
            f64::INFINITY
        }
    }
}

/// `flow control 12 % on n2 (limit 5 %)`.
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, seen, limit, note, .. } = self;
        match &self.signal {
            Signal::Silence if seen.is_infinite() => write!(f, "{node} has not answered yet")?,
            Signal::Silence => {
                write!(f, "{node} has not answered for {} s (limit {} s)", short(*seen), short(*limit))?;
            }
            Signal::FlowControl => {
                write!(f, "flow control {} % on {node} (limit {} %)", short(seen * 100.0), short(limit * 100.0))?;
            }
            Signal::Queue => write!(f, "receive queue {} on {node} (limit {})", short(*seen), short(*limit))?,
            Signal::Lag if seen.is_infinite() => write!(f, "replication on {node} is stopped")?,
            Signal::Lag => write!(f, "{node} is {} s behind (limit {} s)", short(*seen), short(*limit))?,
            Signal::Threads => write!(f, "Threads_running {} on {node} (limit {})", short(*seen), short(*limit))?,
            Signal::Conflicts => write!(f, "{} conflicts/s on {node} (limit {}/s)", short(*seen), short(*limit))?,
            Signal::Status(condition) => write!(f, "{condition} on {node}")?,
        }
        if note.is_empty() { Ok(()) } else { write!(f, ": {note}") }
    }
}

/// One decimal below ten, none above, no trailing zero.
fn short(value: f64) -> String {
    let text = if value.abs() < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    text.strip_suffix(".0").map_or_else(|| text.clone(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(signal: Signal, seen: f64, limit: f64, note: &str) -> Reading {
        Reading { signal, node: "n2".into(), seen, calm: 0.0, limit, note: note.into() }
    }

    #[test]
    fn speaks_in_numbers() {
        let cases = [
            (reading(Signal::FlowControl, 0.12, 0.05, ""), "flow control 12 % on n2 (limit 5 %)"),
            (reading(Signal::FlowControl, 0.0625, 0.005, ""), "flow control 6.2 % on n2 (limit 0.5 %)"),
            (reading(Signal::Queue, 14.0, 13.856, ""), "receive queue 14 on n2 (limit 14)"),
            (reading(Signal::Lag, 7.0, 5.0, ""), "n2 is 7 s behind (limit 5 s)"),
            (reading(Signal::Lag, f64::INFINITY, 5.0, ""), "replication on n2 is stopped"),
            (reading(Signal::Threads, 61.0, 50.0, ""), "Threads_running 61 on n2 (limit 50)"),
            (reading(Signal::Conflicts, 7.46, 5.0, ""), "7.5 conflicts/s on n2 (limit 5/s)"),
            (
                reading(Signal::Status("Threads_cached>3".into()), 1.0, 0.5, "it is 8"),
                "Threads_cached>3 on n2: it is 8",
            ),
            (reading(Signal::Silence, 2.34, 2.0, "gone"), "n2 has not answered for 2.3 s (limit 2 s): gone"),
            (reading(Signal::Silence, f64::INFINITY, 2.0, ""), "n2 has not answered yet"),
        ];
        for (reading, text) in cases {
            assert_eq!(reading.to_string(), text);
        }
    }

    #[test]
    fn pressure_between_calm_and_limit() {
        let at = |seen, calm, limit| Reading { calm, ..reading(Signal::Queue, seen, limit, "") };
        //  seen   calm  limit  pressure       over   relieved  why
        let cases = [
            (0.0, 4.0, 14.0, 0.0, false, true, "calm"),
            (9.0, 4.0, 14.0, 0.5, false, true, "half-way"),
            (14.0, 4.0, 14.0, 1.0, false, false, "at the limit: slow, not closed"),
            (24.0, 4.0, 14.0, 2.0, true, false, "over"),
            (0.0, 0.0, 0.0, 0.0, false, true, "a limit of nothing, nothing seen"),
            (0.1, 0.0, 0.0, f64::INFINITY, true, false, "a limit of nothing, something seen"),
        ];
        for (seen, calm, limit, pressure, over, relieved, why) in cases {
            let reading = at(seen, calm, limit);
            assert_eq!((reading.pressure(), reading.over(), reading.relieved()), (pressure, over, relieved), "{why}");
        }
    }
}
