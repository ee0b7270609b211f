//! What one table is on every node, and whether the nodes are fit to change it.
//!
//! In:    `Discovered` members, a table's name, an alter to try, limits.
//! Out:   `Facts`, also as a file's text and back; during a job, `NodeWatch`: the same questions again before each ordered step.
//! Never: reads DDL text, writes anything that others see, decides what a finding means for a strategy.

mod binlog;
mod columns;
mod disk;
mod facts;
mod facts_file;
mod fingerprint;
mod fitness;
mod foreign_keys;
mod health;
mod holders;
mod keys;
mod leftovers;
mod look;
mod privileges;
mod reading;
mod session;
mod trial;
mod trial_create;
mod trial_shape;
mod turn;
mod watch;

#[cfg(test)]
mod tests;

pub use facts::{Limits, inspect};
pub use facts_file::{FACTS_FORMAT, FactsFileError, facts_text, read_facts, without_statements};
pub use fingerprint::fingerprint;
pub(crate) use fitness::unfit;
pub(crate) use foreign_keys::rules_of;
pub use health::{Expectation, Expected, OwnTriggers};
pub use leftovers::{Kind, Leftover, Tool, leftovers};
pub(crate) use leftovers::{table_leftovers, trigger_tool};
pub use privileges::{Needs, missing_privileges};
pub use reading::{Reading, Size, read_table};
pub(crate) use session::text;
pub use trial::{Trial, dry_run};
pub use watch::NodeWatch;
