//! Inspection's pure parts, on rows and words.

mod dialects;
mod expecting;
mod judging;
mod left;
mod locks;
mod rights;
mod rows;
mod trying;

use crate::ports::server::Row;

/// A row of text; `"\0"` stands for NULL.
fn row(values: &[&str]) -> Row {
    Row(values.iter().map(|value| (*value != "\0").then(|| value.as_bytes().to_vec())).collect())
}
