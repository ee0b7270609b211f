//! Plan files: several changes in one TOML file, with the same keys as the flags.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use driftless_strategies::{ReasonCode, lint};
use serde::{Deserialize, Deserializer};

use super::error::ConfigError;
use super::units;

/// What a change, or all of them, may say besides table and alter; what is not said comes from the flags.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// `--strategy`.
    pub strategy: Option<driftless_strategies::StrategyName>,
    /// `--allow-lossy`.
    pub allow_lossy: Option<Vec<String>>,
    /// `--allow-drop-add`.
    pub allow_drop_add: Option<Vec<String>>,
    /// `--allow`.
    #[serde(deserialize_with = "lints")]
    pub allow: Option<Vec<ReasonCode>>,
    /// `--deny-lints`.
    pub deny_lints: Option<bool>,
    /// `--keep-retired`.
    pub keep_retired: Option<bool>,
    /// `--postpone-cutover-file`.
    pub postpone_cutover_file: Option<PathBuf>,
    /// `--max-stall`.
    #[serde(deserialize_with = "time")]
    pub max_stall: Option<Duration>,
    /// `--max-transaction-age`.
    #[serde(deserialize_with = "time")]
    pub max_transaction_age: Option<Duration>,
    /// `--precheck-time`.
    #[serde(deserialize_with = "time")]
    pub precheck_time: Option<Duration>,
    /// `--workers`.
    pub workers: Option<u16>,
    /// `--chunk-time`.
    #[serde(deserialize_with = "time")]
    pub chunk_time: Option<Duration>,
    /// `--chunk-rows`.
    pub chunk_rows: Option<u64>,
    /// `--chunk-bytes`.
    pub chunk_bytes: Option<u64>,
    /// `--max-rows-per-second`.
    pub max_rows_per_second: Option<NonZeroU32>,
    /// `--max-flow-control-paused`.
    pub max_flow_control_paused: Option<f64>,
    /// `--max-lag`.
    #[serde(deserialize_with = "time")]
    pub max_lag: Option<Duration>,
    /// `--max-threads-running`.
    pub max_threads_running: Option<u64>,
    /// `--max-load`.
    pub max_load: Option<Vec<String>>,
    /// `--lock-wait`.
    #[serde(deserialize_with = "time")]
    pub lock_wait: Option<Duration>,
    /// `--patience`.
    #[serde(deserialize_with = "time")]
    pub patience: Option<Duration>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FileChange {
    /// `--table`.
    pub table: Option<String>,
    /// `--alter`.
    pub alter: String,
    /// Its own settings.
    #[serde(skip)]
    pub settings: Settings,
}

/// A whole file.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanFile {
    /// What holds for all changes that do not say otherwise.
    pub defaults: Settings,
    /// The changes, in the order in which they are made.
    pub changes: Vec<FileChange>,
}

/// The file as it is written. A change's own table is read twice: once for its settings, once for what only it can say,
/// because a flattened struct can't refuse unknown keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    defaults: Settings,
    change: Vec<toml::Table>,
}

/// Reads a plan file.
///
/// # Errors
/// `ConfigError` with the file, the place and what is wrong: an unknown key, a wrong unit, a change without an alter.
pub fn read(file: &Path) -> Result<PlanFile, ConfigError> {
    let bad = |what: String| ConfigError::Value { place: file.display().to_string(), what };
    let text = std::fs::read_to_string(file).map_err(|error| ConfigError::Unreadable {
        place: "plan file".into(),
        file: file.to_owned(),
        what: error.to_string(),
    })?;
    parse(&text).map_err(bad)
}

fn parse(text: &str) -> Result<PlanFile, String> {
    let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
    let changes: Result<Vec<FileChange>, String> =
        written.change.into_iter().enumerate().map(|(index, table)| change(index, table)).collect();
    let changes = changes?;
    if changes.is_empty() {
        return Err("it has no [[change]]".into());
    }
    Ok(PlanFile { defaults: written.defaults, changes })
}

fn change(index: usize, mut table: toml::Table) -> Result<FileChange, String> {
    let place = |what: &dyn std::fmt::Display| format!("change {}: {what}", index + 1);
    let mut own = toml::Table::new();
    for key in ["table", "alter"] {
        own.extend(table.remove(key).map(|value| (key.to_owned(), value)));
    }
    let mut change: FileChange = own.try_into().map_err(|error| place(&error))?;
    change.settings = table.try_into().map_err(|error| place(&error))?;
    Ok(change)
}

fn time<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(input)?;
    units::duration(&text).map(Some).map_err(serde::de::Error::custom)
}

fn lints<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Vec<ReasonCode>>, D::Error> {
    let codes = Vec::<String>::deserialize(input)?;
    let codes: Result<Vec<ReasonCode>, String> = codes.iter().map(|text| lint::code(text)).collect();
    codes.map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_changes_with_defaults() {
        let file = parse(
            "[defaults]\nmax-stall = '2s'\ndeny-lints = true\n[[change]]\ntable = 'shop.orders'\nalter = 'ADD COLUMN a int'\n\
             workers = 2\nallow = ['lint-column-rename']\n[[change]]\nalter = 'ALTER TABLE shop.items FORCE'\n",
        )
        .unwrap();
        assert_eq!(file.defaults.max_stall, Some(Duration::from_secs(2)));
        assert_eq!(file.changes[0].settings.workers, Some(2));
        assert_eq!(file.changes[0].settings.allow, Some(vec![ReasonCode::LintColumnRename]));
        assert_eq!((file.defaults.deny_lints, &file.changes[1].settings.allow), (Some(true), &None));
        assert_eq!((file.changes[1].table.clone(), file.changes.len()), (None, 2));
    }

    #[test]
    fn says_what_is_wrong() {
        //  file                                                                          says
        let cases = [
            ("[[change]]\nalter = 'FORCE'\nworker = 2\n", "unknown field `worker`"),
            ("[[change]]\nalter = 'FORCE'\nmax-stall = '2 parsecs'\n", "unknown unit"),
            ("[[change]]\nalter = 'FORCE'\nmax-stall = 2\n", "max-stall"),
            ("[[change]]\ntable = 'a.b'\n", "missing field `alter`"),
            ("[[change]]\nalter = 'FORCE'\nstrategy = 'magic'\n", "magic"),
            (
                "[[change]]\nalter = 'FORCE'\nallow = ['lint-nothing']\n",
                "no lint is called 'lint-nothing'; there are lint-",
            ),
            ("[[change]]\nalter = 'FORCE'\nallow = 'lint-column-rename'\n", "allow"),
            ("[defaults]\nallow = ['drop-and-add']\n[[change]]\nalter = 'FORCE'\n", "no lint is called 'drop-and-add'"),
            ("[[change]]\nalter = 'FORCE'\ndeny-lints = 'yes'\n", "deny-lints"),
            ("[default]\n[[change]]\nalter = 'FORCE'\n", "unknown field `default`"),
            ("", "missing field `change`"),
            ("change = []\n", "no [[change]]"),
            ("[[change]\n", "TOML"),
        ];
        for (text, says) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text:?} gave {error}");
        }
    }
}
