//! Non-blocking operations of PXC.

use crate::alter::Alter;
use crate::choose::{Fit, Options, Strategy, not_built_yet};
use crate::facts::{Facts, Flavour, Topology, Version};
use crate::plan::StrategyName;
use crate::verdict::{Reason, ReasonCode as Code};

/// The first PXC with NBO.
///
/// # Source
/// PXC manual, "Non-Blocking Operations"; MariaDB community answers 1231 to `wsrep_OSU_method = 'NBO'`.
const FIRST: Version = Version::new(8, 0, 33);

/// The server alters while only writes to the one table wait.
pub struct Nbo;

impl Strategy for Nbo {
    fn name(&self) -> StrategyName {
        StrategyName::Nbo
    }

    fn judge(&self, facts: &Facts, _: &Alter, _: &Options) -> Result<Fit, Vec<Reason>> {
        let galera = matches!(facts.topology, Topology::Galera { .. });
        let able = facts.nodes.iter().all(|node| node.flavour == Flavour::MySql && node.version >= FIRST);
        let mut reasons = Vec::new();
        if !galera || !able {
            reasons.push(Reason::new(
                Code::WrongTopology,
                "non-blocking operations need Percona XtraDB Cluster 8.0.33 or later on every node",
                "nothing to do: driftless takes the next strategy that fits",
            ));
        }
        reasons.push(not_built_yet("run non-blocking operations"));
        Err(reasons)
    }
}
