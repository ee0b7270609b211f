//! Shadow table, binlog stream, chunks, fenced switch.

use crate::alter::Alter;
use crate::choose::{Draft, Fit, Options, Strategy, is_set};
use crate::copy_steps::{self, By};
use crate::facts::{Facts, Node, Topology};
use crate::plan::{StrategyName, Work};
use crate::trigger_copy::{judge_copy, soft};
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::list;

/// Rows by chunks, changes from the binlog.
pub struct BinlogStream;

impl Strategy for BinlogStream {
    fn name(&self) -> StrategyName {
        StrategyName::BinlogStream
    }

    fn judge(&self, facts: &Facts, alter: &Alter, wishes: &Options) -> Result<Fit, Vec<Reason>> {
        let mut reasons = unreadable(facts);
        reasons.extend(old_times(facts));
        let (copy, mut remarks) = judge_copy(facts, alter, wishes, By::Stream, reasons)?;
        if wishes.force != Some(StrategyName::BinlogStream) {
            let what = "it is new, and used only where it is asked for";
            return Err(vec![Reason::new(Code::NotAsked, what, "--strategy binlog-stream")]);
        }
        remarks.extend(soft(facts, alter));
        remarks.extend(facts.nodes.first().and_then(short_memory));
        remarks.extend(copy_steps::remarks(facts, wishes, By::Stream));
        Ok(Fit { work: Work::Stream(copy), remarks })
    }

    fn plan(&self, fit: &Fit, facts: &Facts, alter: &Alter, wishes: &Options) -> Draft {
        fit.work.copy().map_or_else(Draft::default, |copy| copy_steps::draft(facts, copy, alter, wishes, By::Stream))
    }
}

/// Why the first node's binlog does not tell every change, or not to this user.
#[must_use]
pub fn unreadable(facts: &Facts) -> Vec<Reason> {
    let Some(node) = facts.nodes.first() else { return Vec::new() };
    [settings(node, facts), filters(node, facts), privileges(node)].into_iter().flatten().collect()
}

/// Shortest time for which a binlog should be kept, seconds: a job that stopped longer ago begins again.
const MEMORY: u64 = 86_400;

/// Settings that every change needs to be in the binlog, as it is.
fn settings(node: &Node, facts: &Facts) -> Option<Reason> {
    let settings = lacks(node, &facts.topology);
    if settings.is_empty() {
        return None;
    }
    Some(Reason::new(
        Code::ServerSetting,
        format!("{} has no binlog that every change can be read from: it lacks {}", node.name, list(&settings)),
        elsewhere(facts).unwrap_or_else(|| format!("set {} on it", list(&settings))),
    ))
}

/// Changes that the server leaves out: of which tables is not always told by the filter's text.
fn filters(node: &Node, facts: &Facts) -> Option<Reason> {
    let filters = node.binlog.as_ref().map(|binlog| &binlog.filters).filter(|filters| !filters.is_empty())?;
    Some(Reason::new(
        Code::ServerSetting,
        format!("{} leaves changes out of its binlog: {}", node.name, list(filters)),
        elsewhere(facts).unwrap_or_else(|| "take the filter out of its configuration and start it again".into()),
    ))
}

/// Rights that only this strategy needs.
fn privileges(node: &Node) -> Option<Reason> {
    let missing = node.binlog.as_ref().map(|binlog| &binlog.missing_privileges).filter(|all| !all.is_empty())?;
    Some(Reason::new(
        Code::PrivilegeMissing,
        format!("on {} the user may not follow the binlog: it lacks {}", node.name, list(missing)),
        format!("GRANT {}, or use a user who has it", list(missing)),
    ))
}

/// Values of these columns come without their length: nobody can read such rows.
///
/// # Source
/// MariaDB, "Fractional seconds" (`mysql56_temporal_format`); mariadb-binlog prints nonsense for them too, which we saw.
fn old_times(facts: &Facts) -> Option<Reason> {
    let old =
        |column: &&crate::shape::Column| column.column_type.contains("mariadb-5.3") && column.column_type.contains('(');
    let columns: Vec<String> =
        facts.table.columns.iter().filter(old).map(|column| format!("`{}`", column.name)).collect();
    if columns.is_empty() {
        return None;
    }
    Some(Reason::new(
        Code::ServerSetting,
        format!("{} keeps fractions of a second in the old format, which the binlog does not describe", list(&columns)),
        "rebuild the table once with mysql56_temporal_format=ON (ALTER TABLE … FORCE), or use trigger-copy",
    ))
}

/// What a job that has to wait should know.
fn short_memory(node: &Node) -> Option<Reason> {
    let kept = node.binlog.as_ref()?.kept_s.filter(|kept| *kept < MEMORY)?;
    Some(Reason::new(
        Code::ServerSetting,
        format!(
            "{} removes binlog files after {kept} seconds; a job that falls behind or stops for longer begins again",
            node.name
        ),
        "raise binlog_expire_logs_seconds for the time of the change",
    ))
}

/// What to do when another node has the binlog that the first one lacks.
fn elsewhere(facts: &Facts) -> Option<String> {
    let whole = |node: &&Node| {
        lacks(node, &facts.topology).is_empty() && node.binlog.as_ref().is_none_or(|binlog| binlog.filters.is_empty())
    };
    let other = facts.nodes.iter().skip(1).find(whole)?;
    Some(format!("connect to {} instead, which has one", other.address))
}

/// Settings without which the node's binlog does not hold every change of the whole topology.
fn lacks(node: &Node, topology: &Topology) -> Vec<String> {
    // What others wrote first, a node writes to its own binlog only when it is told to.
    let applies = matches!(topology, Topology::Galera { .. }) || !node.channels.is_empty();
    let wanted: [(&[&str], &[&str], bool); 4] = [
        (&["log_bin"], &["ON"], true),
        (&["binlog_format"], &["ROW"], true),
        // MariaDB 11.4: the image before is whole, and the one after has what changed.
        (&["binlog_row_image"], &["FULL", "FULL_NODUP"], true),
        (&["log_slave_updates", "log_replica_updates"], &["ON"], applies),
    ];
    let is =
        |names: &[&str], values: &[&str]| names.iter().any(|name| values.iter().any(|value| is_set(node, name, value)));
    let missing = wanted.iter().filter(|(names, values, needed)| *needed && !is(names, values));
    missing.filter_map(|(names, values, _)| Some(format!("{}={}", names.first()?, values.first()?))).collect()
}
