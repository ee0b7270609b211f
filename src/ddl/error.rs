//! What is wrong with the text, and where.

use driftless_strategies::name::NameError;

/// Most characters of the line that are shown around the place.
const EXCERPT_CHARS: usize = 72;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nothing to change is in the text.
    #[error("the text asks for no change")]
    Empty,
    /// A string without its closing quote.
    #[error("this string is never closed")]
    OpenString,
    /// A quoted name without its closing backquote.
    #[error("this quoted name is never closed")]
    OpenName,
    /// A comment without its end.
    #[error("a comment is never closed")]
    OpenComment,
    /// `(` without `)`.
    #[error("this parenthesis is never closed")]
    OpenParenthesis,
    /// `)` without `(`.
    #[error("this parenthesis closes nothing")]
    StrayParenthesis,
    /// Something that has no meaning outside quotes, or that driftless and the server could read differently.
    #[error("{0}")]
    Unreadable(String),
    /// An executable comment that can't be evaluated with certainty.
    #[error("this executable comment can't be evaluated ({0}); write its content without the comment")]
    Executable(&'static str),
    /// More than one statement.
    #[error("a second statement begins here; give one statement, or only its clauses")]
    SeveralStatements,
    /// A statement that does not alter one table.
    #[error("{0} does not alter one table; give ALTER TABLE, CREATE INDEX, DROP INDEX, OPTIMIZE TABLE, or clauses")]
    NotAnAlter(String),
    /// More than one table.
    #[error("only one table can be changed at a time")]
    SeveralTables,
    /// Two commas with nothing between, or a comma at the end.
    #[error("a clause is expected here")]
    NoClause,
    /// Something else had to stand here.
    #[error("{0} is expected here")]
    Expected(&'static str),
    /// A table without schema where none is known.
    #[error("the table is named without its schema; write schema.table, or give only the clauses")]
    NoSchema,
    /// A name that no server accepts.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Why a text is no `Alter`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the alter: {problem} (line {line}, column {column})\n{excerpt}")]
pub struct AlterError {
    /// What is wrong.
    pub problem: Problem,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The line, or the part of it around the place, and a caret below.
    pub excerpt: String,
}

impl AlterError {
    /// Finds line, column and excerpt of the byte `at`.
    pub(super) fn new(problem: Problem, source: &str, at: usize) -> Self {
        let before = source.get(..at).unwrap_or(source);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let before = before.get(start..).unwrap_or_default();
        let whole = source.get(start..).and_then(|rest| rest.split('\n').next()).unwrap_or_default();
        let column = before.chars().count() + 1;
        let line = source.get(..start).unwrap_or_default().matches('\n').count() + 1;
        Self { problem, line, column, excerpt: excerpt(whole, column) }
    }
}

/// The part of the line around the column, and a caret below it.
fn excerpt(line: &str, column: usize) -> String {
    let skipped = column.saturating_sub(EXCERPT_CHARS / 2 + 1);
    // A tab or a control character would move the caret away from its place.
    let shown: String =
        line.chars().skip(skipped).take(EXCERPT_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let indent = column.saturating_sub(skipped + 1);
    format!("  {}\n  {}^", shown.trim_end(), " ".repeat(indent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_at_the_place() {
        let error = AlterError::new(Problem::NoClause, "ADD a INT,\n\té ADD", 14);
        assert_eq!((error.line, error.column), (2, 3));
        assert_eq!(error.excerpt, "   é ADD\n    ^");
        let long = format!("ADD {} INT", "x".repeat(500));
        let error = AlterError::new(Problem::NoClause, &long, 505);
        assert!(error.excerpt.lines().all(|line| line.chars().count() <= EXCERPT_CHARS + 3), "{}", error.excerpt);
        assert_eq!(AlterError::new(Problem::Empty, "", 0).excerpt, "  \n  ^");
    }
}
