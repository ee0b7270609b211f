//! Node by node, desynced.

use crate::alter::Alter;
use crate::choose::{Fit, Options, Strategy, not_built_yet};
use crate::facts::{Facts, Topology};
use crate::plan::StrategyName;
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::count;

/// Nodes below which taking one away leaves no spare.
const NODES_MIN: u32 = 3;

/// One node after the other leaves the cluster's pace, alters, and catches up.
pub struct Rsu;

impl Strategy for Rsu {
    fn name(&self) -> StrategyName {
        StrategyName::Rsu
    }

    fn judge(&self, facts: &Facts, _: &Alter, _: &Options) -> Result<Fit, Vec<Reason>> {
        let what = match facts.topology {
            Topology::Single => Some("node by node needs a Galera cluster, and this is a single primary".to_owned()),
            Topology::Galera { size, arbitrators, .. } => {
                let data = size.saturating_sub(arbitrators);
                (data < NODES_MIN).then(|| {
                    format!("node by node needs {NODES_MIN} nodes with data; there are {}", count(data.into()))
                })
            }
        };
        let remedy = "nothing to do: driftless takes the next strategy that fits";
        let mut reasons: Vec<Reason> =
            what.map(|what| Reason::new(Code::WrongTopology, what, remedy)).into_iter().collect();
        reasons.push(not_built_yet("alter node by node"));
        Err(reasons)
    }
}
