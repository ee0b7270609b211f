//! The server's own INSTANT or INPLACE.

use crate::alter::Alter;
use crate::choose::{Fit, Options, Strategy, not_built_yet};
use crate::facts::Facts;
use crate::plan::StrategyName;
use crate::verdict::Reason;

/// The server's own fast path, never let to fall back.
pub struct Native;

impl Strategy for Native {
    fn name(&self) -> StrategyName {
        StrategyName::Native
    }

    fn judge(&self, _: &Facts, _: &Alter, _: &Options) -> Result<Fit, Vec<Reason>> {
        Err(vec![not_built_yet("prove that the server changes the table at once")])
    }
}
