//! Whether a plan fits on the disks that can be seen.

use crate::facts::{Disk, Facts, Flavour, Node};
use crate::plan::{Estimate, Plan};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::{bytes, list};

/// Sizes are the engine's guesses and disks fill meanwhile: so much more than the estimate must be free, per cent.
const MARGIN_PERCENT: u64 = 20;

/// Bytes from which on it is said that nobody could look.
const WARNING_BYTES: u64 = 1 << 30;
/// Variables that bound all binlog files of a server together, which then removes old ones by itself.
const BINLOG_LIMITS: [&str; 2] = ["max_binlog_total_size", "binlog_space_limit"];

/// The plan with what is to be said of disks.
///
/// # Errors
/// The nodes on whose disks it does not fit, unless the user has said that it does. A disk that nobody could look at
/// stands in nobody's way.
pub(crate) fn fitted(mut plan: Plan, facts: &Facts) -> Result<Plan, Vec<Reason>> {
    let lacking: Vec<Reason> = facts.nodes.iter().flat_map(|node| on(node, &plan.estimate)).collect();
    if !lacking.is_empty() && !plan.options.allow.contains(&Code::DiskSpace) {
        return Err(lacking);
    }
    plan.warnings.extend(lacking);
    plan.warnings.extend(unseen(facts, &plan.estimate));
    Ok(plan)
}

fn on(node: &Node, estimate: &Estimate) -> Vec<Reason> {
    let (rows, log) = (node.disk.as_ref(), node.binlog_disk.as_ref());
    let limit = BINLOG_LIMITS.iter().filter_map(|name| node.variables.get(*name)?.parse().ok());
    let written = limit.filter(|limit| *limit > 0).chain([estimate.binlog_bytes]).min().unwrap_or(0);
    let together = rows.is_some() && rows.map(|disk| &disk.path) == log.map(|disk| &disk.path);
    let all = estimate.extra_disk_bytes.saturating_add(if together { written } else { 0 });
    let mut needs = vec![(rows, all, "the new rows and indexes")];
    if !together {
        needs.push((log, written, "the binlog"));
    }
    needs.into_iter().filter_map(|(disk, need, what)| lacks(node, disk?, need, what)).collect()
}

fn lacks(node: &Node, disk: &Disk, need: u64, what: &str) -> Option<Reason> {
    let wanted = need.saturating_add(need / 100 * MARGIN_PERCENT);
    (need > 0 && disk.free_bytes < wanted).then(|| {
        Reason::new(
            Code::DiskSpace,
            format!(
                "{} has {} free on {}, and {what} need about {} (with a fifth to spare)",
                node.name,
                bytes(disk.free_bytes),
                disk.path,
                bytes(wanted)
            ),
            format!(
                "make room on {} (old binlogs: PURGE BINARY LOGS), then plan again; when the table needs less than its \
                 statistics say, --allow {}",
                node.name,
                Code::DiskSpace.as_str()
            ),
        )
    })
}

/// Said of what takes much, where nobody could look.
fn unseen(facts: &Facts, estimate: &Estimate) -> Option<Reason> {
    let need = estimate.extra_disk_bytes;
    let dark: Vec<&Node> = facts.nodes.iter().filter(|node| node.disk.is_none()).collect();
    let names: Vec<&str> = dark.iter().map(|node| node.name.as_str()).collect();
    (need >= WARNING_BYTES && !dark.is_empty()).then(|| {
        let what = format!("what is free on {} is not known, and the change needs about {}", list(&names), bytes(need));
        let asks = facts.assumed.is_empty() && dark.iter().any(|node| node.flavour == Flavour::MariaDb);
        let plugin = if asks { "; INSTALL SONAME 'disks' lets MariaDB tell" } else { "" };
        Reason::new(Code::DiskSpace, what, format!("check that it is there, and as much for the binlog{plugin}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Version;

    fn node(disk: Option<(&str, u64)>, log: Option<(&str, u64)>) -> Node {
        let seen = |disk: Option<(&str, u64)>| disk.map(|(path, free_bytes)| Disk { path: path.into(), free_bytes });
        let mut node = crate::lint::sample::node(Flavour::MariaDb, Version::new(10, 11, 0));
        node.name = "n1".into();
        (node.disk, node.binlog_disk) = (seen(disk), seen(log));
        node
    }

    #[test]
    fn what_does_not_fit_is_told_and_what_is_not_known_is_not() {
        let mib = |n: u64| n << 20;
        //  rows on           binlog on         extra binlog  refused for
        let cases = [
            (None, None, 100, 100, vec![]),
            (Some(("/d", 121)), None, 100, 100, vec![]),
            (Some(("/d", 119)), None, 100, 0, vec!["rows"]),
            (Some(("/d", 0)), None, 0, 0, vec![]),
            (Some(("/d", 200)), Some(("/d", 200)), 100, 100, vec!["rows"]),
            (Some(("/d", 250)), Some(("/d", 250)), 100, 100, vec![]),
            (Some(("/d", 130)), Some(("/l", 130)), 100, 100, vec![]),
            (Some(("/d", 130)), Some(("/l", 110)), 100, 100, vec!["binlog"]),
            (Some(("/d", 110)), Some(("/l", 110)), 100, 100, vec!["rows", "binlog"]),
        ];
        for (disk, log, extra, binlog, expected) in cases {
            let scaled = |seen: Option<(&'static str, u64)>| seen.map(|(path, free)| (path, mib(free)));
            let estimate = Estimate { extra_disk_bytes: mib(extra), binlog_bytes: mib(binlog), ..Estimate::default() };
            let found = on(&node(scaled(disk), scaled(log)), &estimate);
            let about = |reason: &Reason| if reason.what.contains("the binlog") { "binlog" } else { "rows" };
            assert_eq!(found.iter().map(about).collect::<Vec<_>>(), expected, "{disk:?} {log:?} {found:?}");
            assert!(found.iter().all(|reason| reason.code == Code::DiskSpace && reason.what.starts_with("n1 has")));
        }
    }

    #[test]
    fn a_server_that_bounds_its_binlog_needs_no_more_than_that() {
        let estimate = Estimate { binlog_bytes: 1000, ..Estimate::default() };
        for (name, limit, refused) in [
            ("max_binlog_total_size", "50", false),
            ("binlog_space_limit", "500", true),
            ("binlog_space_limit", "0", true),
        ] {
            let mut node = node(None, Some(("/l", 100)));
            node.variables.insert(name.into(), limit.into());
            assert_eq!(!on(&node, &estimate).is_empty(), refused, "{name} = {limit}");
        }
    }
}
