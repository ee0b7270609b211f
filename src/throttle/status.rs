//! Any condition on a status variable that the user gives: `Threads_running>50`.

use std::fmt;
use std::str::FromStr;

use super::reading::{Reading, Signal};
use super::sample::Sample;

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `=`
    Is,
    /// `!=`
    IsNot,
}

impl Comparison {
    /// The longer ones first, so that `>=` is not read as `>`.
    const ALL: [Self; 6] = [Self::AtLeast, Self::AtMost, Self::IsNot, Self::Above, Self::Below, Self::Is];

    /// As it is typed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Is => "=",
            Self::IsNot => "!=",
        }
    }
}

/// The gate closes on a node where this holds.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusLimit {
    /// The variable, as the user typed it.
    pub variable: String,
    /// How.
    pub comparison: Comparison,
    /// With what: a number, or a word for `=` and `!=`.
    pub value: String,
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusLimitError {
    /// No comparison in it.
    #[error("`{0}` is not of the form variable>number (>, >=, <, <=, = and != are known)")]
    NoComparison(String),
    /// Not a status variable's name.
    #[error("`{0}` is not the name of a status variable")]
    BadName(String),
    /// Greater or less than a word.
    #[error("`{0}` is not a number")]
    NotANumber(String),
}

impl FromStr for StatusLimit {
    type Err = StatusLimitError;

    fn from_str(text: &str) -> Result<Self, StatusLimitError> {
        let (variable, comparison, value) = Comparison::ALL
            .iter()
            .find_map(|&comparison| {
                let (variable, value) = text.split_once(comparison.as_str())?;
                Some((variable.trim(), comparison, value.trim()))
            })
            .ok_or_else(|| StatusLimitError::NoComparison(text.to_owned()))?;
        if variable.is_empty() || !variable.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(StatusLimitError::BadName(variable.to_owned()));
        }
        let words_allowed = matches!(comparison, Comparison::Is | Comparison::IsNot) && !value.is_empty();
        if !words_allowed && !value.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(StatusLimitError::NotANumber(value.to_owned()));
        }
        Ok(Self { variable: variable.to_owned(), comparison, value: value.to_owned() })
    }
}

impl fmt::Display for StatusLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.variable, self.comparison.as_str(), self.value)
    }
}

impl StatusLimit {
    /// The variable's key in a sample.
    #[must_use]
    pub fn key(&self) -> String {
        self.variable.to_ascii_lowercase()
    }

    fn holds(&self, seen: &str) -> Option<bool> {
        let numbers = seen.parse::<f64>().ok().zip(self.value.parse::<f64>().ok());
        match self.comparison {
            Comparison::Above => numbers.map(|(seen, value)| seen > value),
            Comparison::AtLeast => numbers.map(|(seen, value)| seen >= value),
            Comparison::Below => numbers.map(|(seen, value)| seen < value),
            Comparison::AtMost => numbers.map(|(seen, value)| seen <= value),
            Comparison::Is => Some(same(numbers, seen, &self.value)),
            Comparison::IsNot => Some(!same(numbers, seen, &self.value)),
        }
    }
}

#[expect(clippy::float_cmp, reason = "the user asked for this very number")]
fn same(numbers: Option<(f64, f64)>, seen: &str, value: &str) -> bool {
    numbers.map_or_else(|| seen.eq_ignore_ascii_case(value), |(seen, value)| seen == value)
}

/// Whether the condition holds now. A variable that the server lacks, or that is no number, holds: a limit that can't be
/// kept must be seen.
#[must_use]
pub fn read(node: &str, after: &Sample, limit: &StatusLimit) -> Reading {
    let seen = after.status.get(&limit.key());
    let (holds, note) = match seen.map(|seen| (limit.holds(seen), seen)) {
        Some((Some(holds), seen)) => (holds, format!("it is {seen}")),
        Some((None, seen)) => (true, format!("it is {seen}, which is not a number")),
        None => (true, "the server has no such status variable".to_owned()),
    };
    Reading {
        signal: Signal::Status(limit.to_string()),
        node: node.to_owned(),
        seen: if holds { 1.0 } else { 0.0 },
        calm: 0.5,
        limit: 0.5,
        note,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn reads_conditions() {
        //  text                     value    holds  why
        let cases = [
            ("Threads_running>50", "51", true, "above"),
            ("Threads_running > 50", "50", false, "blanks; not above"),
            ("threads_RUNNING>=50", "50", true, "any case; at least"),
            ("Threads_running<=50", "50", true, "at most"),
            ("Threads_running<50", "50", false, "not below"),
            ("Threads_running!=50", "50.0", false, "equal as numbers"),
            ("Threads_running=on", "ON", true, "words ignore case"),
            ("Threads_running!=ON", "OFF", true, "other word"),
            ("Threads_running>50", "ON", true, "can't be judged: closes"),
        ];
        for (text, value, holds, why) in cases {
            let limit: StatusLimit = text.parse().unwrap();
            assert_eq!(read("n1", &sample(0, &[("threads_running", value)]), &limit).over(), holds, "{why}");
        }
        let missing = read("n1", &sample(0, &[]), &"Nonsense>1".parse().unwrap());
        assert_eq!(missing.to_string(), "Nonsense>1 on n1: the server has no such status variable");
        assert!(missing.over());
    }

    #[test]
    fn refuses_what_is_no_condition() {
        for bad in
            ["", "Threads_running", ">5", "a b>5", "x'>5", "Threads_running>", "Threads_running>many", "x=", "x>inf"]
        {
            assert!(bad.parse::<StatusLimit>().is_err(), "{bad}");
        }
    }
}
