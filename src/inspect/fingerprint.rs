//! One short text for everything that a table accepts, stores and enforces.

use std::fmt::Write as _;

use driftless_strategies::{Fingerprint, TableShape};
use sha2::{Digest, Sha256};

use crate::error::Fault;

/// SHA-256 over the shape's JSON, whose fields stand in a fixed order; lists whose order means nothing are sorted first.
///
/// # Errors
/// `Failed` when the shape can't be written as JSON, which no shape from a server brings about.
pub fn fingerprint(shape: &TableShape) -> Result<Fingerprint, Fault> {
    let mut shape = shape.clone();
    shape.keys.sort_by(|one, other| one.name.cmp(&other.name));
    shape.foreign_keys.sort_by(|one, other| one.name.cmp(&other.name));
    shape
        .referenced_by
        .sort_by(|one, other| (&one.schema, &one.table, &one.name).cmp(&(&other.schema, &other.table, &other.name)));
    shape.checks.sort();
    let json = serde_json::to_vec(&shape).map_err(|error| Fault::Failed(format!("no fingerprint: {error}")))?;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(&json) {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(Fingerprint(text))
}
