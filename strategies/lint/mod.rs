//! The lint of the change itself: what it does that its author may not have meant.
//!
//! In:    `Facts`, an `Alter` and the codes that the user allows.
//! Out:   `Lints`: a `Reason` a finding, its code begins with `lint-`; those that are allowed stand apart.
//! Never: stops a change unless asked to, says again what a strategy refuses, guesses where a clause can't be read.

mod attributes;
mod change;
mod charsets;
mod clauses;
#[cfg(test)]
mod columns_tests;
mod definition;
mod find;
mod key_length;
mod keys;
#[cfg(test)]
mod keys_tests;
mod names;
mod ranges;
mod reserved;
#[cfg(test)]
pub(crate) mod sample;
mod words;
mod written;

pub use find::{Lints, code, denied, find};
