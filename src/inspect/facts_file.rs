//! Facts as a file: `inspect --out` writes it, `plan --facts` reads it, with no server in between.

use driftless_strategies::Facts;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::holders::without_statement;

/// Version of the file's format; a reader refuses any other.
pub const FACTS_FORMAT: u32 = 1;

/// Why a text is no facts file that this version can judge from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactsFileError {
    /// Cut short, a merge conflict, another kind of file.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// JSON of another shape.
    #[error("it is not a facts file of driftless: {0}")]
    NotFacts(String),
    /// Written by a later driftless.
    #[error("its format is {format}{writer}; this version of driftless knows {FACTS_FORMAT}")]
    OtherFormat {
        /// The number in the file.
        format: String,
        /// Who wrote it, as far as it says.
        writer: String,
    },
    /// A key that means nothing here: a slip of the hand, or a hand-made file.
    #[error("the key {0} is not one that driftless knows")]
    UnknownKey(String),
    /// A key that every file has.
    #[error("the key {0} is missing")]
    MissingKey(String),
}

/// The file as it is written.
#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    driftless: String,
    facts: Facts,
}

/// The facts as they may be kept: a file travels further than a terminal's page, so the text of what sessions were
/// running, which can hold values of rows, is not in it.
#[must_use]
pub fn without_statements(mut facts: Facts) -> Facts {
    for node in &mut facts.nodes {
        let lists = [&mut node.unfit, &mut node.holders, &mut node.old_transactions];
        for words in lists.into_iter().flatten() {
            *words = without_statement(words);
        }
    }
    facts
}

/// The text of a facts file: the same bytes for the same facts.
///
/// # Errors
/// Only if a value can't be JSON at all, which no fact is.
pub fn facts_text(facts: &Facts) -> serde_json::Result<String> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let document = Document { format: FACTS_FORMAT, driftless: version, facts: facts.clone() };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// Reads the text of a facts file.
///
/// # Errors
/// `FactsFileError`, with the place where one can be named.
pub fn read_facts(text: &str) -> Result<Facts, FactsFileError> {
    let given: Value = serde_json::from_str(text).map_err(|error| FactsFileError::NotJson(error.to_string()))?;
    // The format first: what a later version means by its keys is not for this one to judge.
    let format = given.get("format").ok_or_else(|| FactsFileError::NotFacts("it has no format number".into()))?;
    if format.as_u64() != Some(u64::from(FACTS_FORMAT)) {
        let writer = given.get("driftless").and_then(Value::as_str);
        let writer = writer.map_or_else(String::new, |version| format!(" (written by driftless {version})"));
        return Err(FactsFileError::OtherFormat { format: format.to_string(), writer });
    }
    // From the text, not from the value: so that an error has its line, and a key given twice is one.
    let document: Document = serde_json::from_str(text).map_err(|error| FactsFileError::NotFacts(error.to_string()))?;
    let known = serde_json::to_value(&document).map_err(|error| FactsFileError::NotFacts(error.to_string()))?;
    if let Some(place) = only_in(&given, &known, String::new()) {
        return Err(FactsFileError::UnknownKey(place));
    }
    if let Some(place) = only_in(&known, &given, String::new()) {
        return Err(FactsFileError::MissingKey(place));
    }
    if document.facts.nodes.is_empty() {
        return Err(FactsFileError::NotFacts("it names no server (facts.nodes is empty)".into()));
    }
    Ok(document.facts)
}

/// Where the first has a key that the second has not.
fn only_in(one: &Value, other: &Value, place: String) -> Option<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => one.iter().find_map(|(key, value)| {
            let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            match other.get(key) {
                Some(known) => only_in(value, known, place),
                None => Some(place),
            }
        }),
        (Value::Array(one), Value::Array(other)) => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.into_iter().find_map(|(index, (one, other))| only_in(one, other, format!("{place}[{index}]")))
        }
        (
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_),
            _,
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_the_statement_and_nothing_else() {
        //  words                                                           kept
        let cases = [
            (
                "session 7 (app@db1), open for 61 s, in UPDATE t SET pass = 'x, in y' WHERE a = ') runs '",
                "session 7 (app@db1), open for 61 s, in a statement",
            ),
            ("session 7 (app@db1), open for 61 s, idle", "session 7 (app@db1), open for 61 s, idle"),
            ("session 8 (root@db1) runs /* key=1 */ FLUSH TABLES", "session 8 (root@db1) runs a statement"),
            (
                "session 8 runs a backup or holds a global read lock (X)",
                "session 8 runs a backup or holds a global read lock (X)",
            ),
        ];
        for (words, kept) in cases {
            assert_eq!(without_statement(words), kept);
        }
    }
}
