//! A server's binlog, event by event, to the changes of one table.
//!
//! In:    the table's `CopySpec` and shape, a place to begin at, events in their order.
//! Out:   `ports::changes::Change`, with keys as literals; whole rows as values when they are wanted.
//! Never: connects, reads more of a row than it needs, or guesses: what can't be read for sure is an error.

mod bytes;
mod decimal;
mod error;
mod event;
mod follower;
mod gtid;
mod header;
mod image;
mod inflate;
mod key;
mod layout;
mod literal;
mod moment;
mod rows;
mod statement;
mod value;
mod watch;

#[cfg(test)]
mod tests;

pub use error::DecodeError;
pub use event::{Checksum, Event, kind};
pub use follower::Follower;
pub use image::whole_rows;
pub use layout::Layout;
pub use rows::Pair;
pub use value::Value;
pub use watch::Watch;
