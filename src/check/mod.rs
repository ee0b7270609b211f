//! What each node has, node against node.
//!
//! In:    `Discovered` members and replicas, a scope: all schemas, some, some tables.
//! Out:   `Report`: health, drift (who has what, who is the minority), leftovers, what could not be read.
//! Never: writes anything, calls a difference drift before a second look, or takes an unread node for an equal one.

mod definition;
mod diff;
mod leftovers;
mod nodes;
mod read;
mod rows;
mod scope;

#[cfg(test)]
mod tests;

pub use definition::{Aspects, Catalog, Kind, Object};
pub use diff::{Difference, Group, PRESENCE, differences};
pub use leftovers::Left;
pub use nodes::{NodeState, Question, Report, Role, check};
pub use scope::Scope;
