//! Rows of the source into the shadow, chunk by chunk, and how large the next chunk is.
//!
//! In:    a `CopySpec`, the copying node, the nodes that apply what it commits.
//! Out:   the `Rows` port: boundaries, chunks copied with their checkpoint, ranges compared.
//! Never: decides whether to pause, retries, or locks more than one chunk's rows.

pub mod applied;
mod evidence;
pub mod sizer;
pub mod slot;
mod syncer;
pub mod table;
mod worker;
