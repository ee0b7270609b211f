//! One ALTER in total order.

use crate::alter::Alter;
use crate::choose::{Fit, Options, Strategy, not_built_yet};
use crate::facts::{Facts, Topology};
use crate::plan::StrategyName;
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::seconds;

/// Bytes a second that a copying ALTER rewrites.
///
/// # Source
/// Measured on MariaDB 10.11 with Galera: 200 MB in 6.3 to 11.7 s.
const REBUILD_BYTES_PER_S: u64 = 20_000_000;

/// One ALTER, ordered in the cluster; every commit waits for it.
pub struct Toi;

impl Strategy for Toi {
    fn name(&self) -> StrategyName {
        StrategyName::Toi
    }

    fn judge(&self, facts: &Facts, _: &Alter, wishes: &Options) -> Result<Fit, Vec<Reason>> {
        let mut reasons = Vec::new();
        match facts.topology {
            Topology::Single => reasons.push(Reason::new(
                Code::WrongTopology,
                "total order needs a Galera cluster, and this is a single primary",
                "nothing to do: driftless takes the next strategy that fits",
            )),
            Topology::Galera { .. } => reasons.extend(too_long(facts, wishes)),
        }
        reasons.push(not_built_yet("send one ALTER in total order"));
        Err(reasons)
    }
}

/// A rebuild would stop every commit of the cluster; only a table that is rebuilt in a moment is worth that.
fn too_long(facts: &Facts, wishes: &Options) -> Option<Reason> {
    let bytes = facts.load.data_bytes.saturating_add(facts.load.index_bytes);
    let ms = bytes.saturating_mul(1000) / REBUILD_BYTES_PER_S;
    (ms > wishes.max_stall_ms).then(|| {
        let what =
            format!("if it rebuilds the table, every commit in the cluster waits for about {}", seconds(ms / 1000));
        Reason::new(Code::StallTooLong, what, "--max-stall, if the application can wait that long")
    })
}
