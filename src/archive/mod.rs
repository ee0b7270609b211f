//! Rows that leave a table, as files that prove themselves: CSV, NDJSON, SQL dump, Parquet.
//!
//! In:    batches of rows (`ports::destination::Taken`), a table's columns, a pattern of names.
//! Out:   files with a manifest beside each; what `verify` finds in them; their rows back in a table.
//! Never: says that a batch is taken before it would outlast a crash, overwrites a file, or trusts one without a look.

mod convert;
mod csv;
mod destination;
mod dump;
pub mod error;
mod field;
pub mod files;
mod format;
mod load;
pub mod manifest;
mod name;
mod ndjson;
mod pack;
mod parquet_read;
mod parquet_type;
mod parquet_write;
mod recover;
mod rows;
mod scan;
mod text;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use destination::{FileDestination, Now, Roll, Wanted};
pub use error::ArchiveError;
pub use field::{Field, fields};
pub use format::{Format, Layout};
pub use load::{Loaded, Target, load};
pub use name::Pattern;
pub use pack::Compression;
pub use verify::{Proof, verify};
