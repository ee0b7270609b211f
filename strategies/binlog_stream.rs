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
        let mut reasons = Vec::new();
        if let Some(node) = facts.nodes.first() {
            let settings = lacks(node, &facts.topology);
            if !settings.is_empty() {
                reasons.push(Reason::new(
                    Code::ServerSetting,
                    format!(
                        "{} has no binlog that every change can be read from: it lacks {}",
                        node.name,
                        list(&settings)
                    ),
                    elsewhere(facts).unwrap_or_else(|| format!("set {} on it", list(&settings))),
                ));
            }
        }
        let (copy, mut remarks) = judge_copy(facts, alter, wishes, By::Stream, reasons)?;
        if wishes.force != Some(StrategyName::BinlogStream) {
            let what = "it is new, and used only where it is asked for";
            return Err(vec![Reason::new(Code::NotAsked, what, "--strategy binlog-stream")]);
        }
        remarks.extend(soft(facts, alter));
        remarks.extend(copy_steps::remarks(facts, wishes, By::Stream));
        Ok(Fit { work: Work::Stream(copy), remarks })
    }

    fn plan(&self, fit: &Fit, facts: &Facts, alter: &Alter, wishes: &Options) -> Draft {
        fit.work.copy().map_or_else(Draft::default, |copy| copy_steps::draft(facts, copy, alter, wishes, By::Stream))
    }
}

/// What to do when another node has the binlog that the first one lacks.
fn elsewhere(facts: &Facts) -> Option<String> {
    let other = facts.nodes.iter().skip(1).find(|node| lacks(node, &facts.topology).is_empty())?;
    Some(format!("connect to {} instead, which has one", other.address))
}

/// Settings without which the node's binlog does not hold every change of the whole topology.
fn lacks(node: &Node, topology: &Topology) -> Vec<String> {
    let cluster = matches!(topology, Topology::Galera { .. });
    let wanted = [
        ("log_bin", "ON", true),
        ("binlog_format", "ROW", true),
        ("binlog_row_image", "FULL", true),
        ("log_slave_updates", "ON", cluster),
    ];
    wanted
        .iter()
        .filter(|(name, value, needed)| *needed && !is_set(node, name, value))
        .map(|(name, value, _)| format!("{name}={value}"))
        .collect()
}
