//! What is wrong with a schema file, and where.

use crate::ddl::error::{AlterError, Problem};

/// Why a text is no schema file that can be read with certainty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (line {line}, column {column})\n{excerpt}")]
pub struct SchemaError {
    /// What is wrong.
    pub problem: Problem,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The line, or the part of it around the place, and a caret below.
    pub excerpt: String,
}

impl From<AlterError> for SchemaError {
    fn from(error: AlterError) -> Self {
        let AlterError { problem, line, column, excerpt } = error;
        Self { problem, line, column, excerpt }
    }
}

impl SchemaError {
    /// Finds line, column and excerpt of the byte `at`.
    pub(super) fn new(problem: Problem, source: &str, at: usize) -> Self {
        AlterError::new(problem, source, at).into()
    }
}

/// What cannot be understood, in words.
pub(super) fn unreadable(what: impl Into<String>) -> Problem {
    Problem::Unreadable(what.into())
}
