//! Shadow table, binlog stream, chunks, fenced switch.

use crate::alter::Alter;
use crate::choose::{Fit, Options, Strategy, is_set, not_built_yet};
use crate::facts::{Facts, Node, Topology};
use crate::plan::StrategyName;
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::list;

/// Rows by chunks, changes from the binlog.
pub struct BinlogStream;

impl Strategy for BinlogStream {
    fn name(&self) -> StrategyName {
        StrategyName::BinlogStream
    }

    fn judge(&self, facts: &Facts, _: &Alter, _: &Options) -> Result<Fit, Vec<Reason>> {
        let mut reasons = Vec::new();
        let lacking = facts.nodes.iter().map(|node| lacks(node, &facts.topology)).min_by_key(Vec::len);
        if let Some(settings) = lacking.filter(|settings| !settings.is_empty()) {
            reasons.push(Reason::new(
                Code::ServerSetting,
                format!(
                    "no node has a binlog that every change can be read from; the nearest lacks {}",
                    list(&settings)
                ),
                format!("set {} on one node", list(&settings)),
            ));
        }
        reasons.push(not_built_yet("follow the binlog"));
        Err(reasons)
    }
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
