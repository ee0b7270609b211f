//! Whether a node's binlog can be followed: what it leaves out, who may read it, how long it stays.

use std::collections::BTreeMap;

use driftless_strategies::Ident;
use driftless_strategies::facts::{Binlog, Node};

use crate::error::Fault;
use crate::ports::server::{ErrorKind, Row, Session};
use crate::sql::{binlog, catalog};

use super::look::dialect;
use super::privileges::missing_to_follow;

/// Variables that let a server leave changes out of what it applies, and so out of its own binlog.
const APPLY_FILTERS: [&str; 6] = [
    "replicate_do_db",
    "replicate_do_table",
    "replicate_ignore_db",
    "replicate_ignore_table",
    "replicate_wild_do_table",
    "replicate_wild_ignore_table",
];

/// Seconds of a day.
const DAY: u64 = 86_400;

/// What the node says of its binlog; `None` when it has none. `locked` as for `missing_to_follow`.
///
/// # Errors
/// As the server says.
pub(crate) async fn read_binlog(
    session: &mut dyn Session,
    node: &Node,
    variables: &BTreeMap<String, String>,
    locked: Option<&Ident>,
) -> Result<Option<Binlog>, Fault> {
    let of = |name: &str| variables.get(name).map_or("", String::as_str);
    if !matches!(of("log_bin"), "ON" | "1") {
        return Ok(None);
    }
    let dialect = dialect(node);
    let grants = session.query(&catalog::grants()).await?;
    let grants: Vec<String> = grants.iter().filter_map(|row| row.text(0)).collect();
    let missing = missing_to_follow(dialect, &grants, variables, locked);
    let status = match session.query(&binlog::end(dialect.flavour, dialect.version)).await {
        Ok(rows) => rows,
        // Whoever may not ask is told so by the privileges.
        Err(error) if error.kind == ErrorKind::Denied => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut filters = status.first().map(status_filters).unwrap_or_default();
    let set = |name: &&&str| !of(name).is_empty();
    filters.extend(APPLY_FILTERS.iter().filter(set).map(|name| format!("{name} = {}", of(name))));
    Ok(Some(Binlog { filters, missing_privileges: missing, kept_s: kept(variables) }))
}

/// What is written and what is not, by schema: third and fourth column.
fn status_filters(row: &Row) -> Vec<String> {
    let named = [("binlog_do_db", 2), ("binlog_ignore_db", 3)];
    let filter = |(name, index): (&str, usize)| {
        row.text(index).filter(|schemas| !schemas.is_empty()).map(|schemas| format!("{name} = {schemas}"))
    };
    named.into_iter().filter_map(filter).collect()
}

/// Seconds for which files are kept; `None` for ever. Servers that have both variables keep them in step, or let the finer
/// one win.
fn kept(variables: &BTreeMap<String, String>) -> Option<u64> {
    let of = |name: &str| variables.get(name).and_then(|text| text.parse::<f64>().ok());
    if variables.get("binlog_expire_logs_auto_purge").is_some_and(|purges| purges == "OFF") {
        return None;
    }
    let whole = |number: f64| format!("{number:.0}").parse::<u64>().ok().filter(|number| *number > 0);
    whole(of("binlog_expire_logs_seconds").unwrap_or(0.0))
        .or_else(|| whole(of("expire_logs_days").unwrap_or(0.0)).map(|days| days * DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_kept_as_long_as_the_server_says() {
        type Given = &'static [(&'static str, &'static str)];
        let cases: [(Given, Option<u64>); 6] = [
            (&[], None),
            (&[("binlog_expire_logs_seconds", "2592000")], Some(2_592_000)),
            (&[("binlog_expire_logs_seconds", "0"), ("expire_logs_days", "0.000000")], None),
            (&[("expire_logs_days", "2")], Some(172_800)),
            (&[("binlog_expire_logs_seconds", "60"), ("expire_logs_days", "0.000694")], Some(60)),
            (&[("binlog_expire_logs_seconds", "60"), ("binlog_expire_logs_auto_purge", "OFF")], None),
        ];
        for (given, expected) in cases {
            let variables = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(kept(&variables), expected, "{given:?}");
        }
    }

    #[test]
    fn filters_are_told() {
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let row = Row(vec![text("bin.000001"), text("4"), text("a,b"), text("")]);
        assert_eq!(status_filters(&row), ["binlog_do_db = a,b"]);
        assert!(status_filters(&Row(vec![text("bin.000001"), text("4"), text(""), text("")])).is_empty());
    }
}
