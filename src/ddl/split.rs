//! A clause list to its clauses.

use super::cursor::{Cursor, outside};
use super::error::Problem;
use super::lexer::{Kind, Lexeme};

/// Verbs that work on partitions when PARTITION follows.
pub(super) const PARTITION_VERBS: [&str; 14] = [
    "ADD",
    "ANALYZE",
    "CHECK",
    "COALESCE",
    "CONVERT",
    "DISCARD",
    "DROP",
    "EXCHANGE",
    "IMPORT",
    "OPTIMIZE",
    "REBUILD",
    "REORGANIZE",
    "REPAIR",
    "TRUNCATE",
];

/// Something wrong, and the byte where.
pub(super) type Fault = (Problem, usize);

/// Checks parentheses and drops the `;` at the end; `end` is the byte after the text.
///
/// # Errors
/// A parenthesis without its other half, or something after a `;`.
pub(super) fn one_statement(lexemes: &[Lexeme], end: usize) -> Result<&[Lexeme], Fault> {
    let mut open = Vec::new();
    for (index, lexeme) in lexemes.iter().enumerate() {
        match lexeme.kind {
            Kind::Open => open.push(lexeme.start),
            Kind::Close => {
                open.pop().ok_or((Problem::StrayParenthesis, lexeme.start))?;
            }
            Kind::Semicolon => {
                let after = lexemes.get(index..).unwrap_or_default();
                if let Some(more) = after.iter().find(|lexeme| lexeme.kind != Kind::Semicolon) {
                    return Err((Problem::SeveralStatements, more.start));
                }
                let begun = open.pop().map_or(Ok(()), |at| Err((Problem::OpenParenthesis, at)));
                return begun.map(|()| lexemes.get(..index).unwrap_or_default());
            }
            Kind::Word
            | Kind::Quoted
            | Kind::Text
            | Kind::Number
            | Kind::Comma
            | Kind::Period
            | Kind::Equals
            | Kind::Minus
            | Kind::Operator => {}
        }
    }
    match open.pop() {
        Some(at) => Err((Problem::OpenParenthesis, at.min(end))),
        None => Ok(lexemes),
    }
}

/// Splits at the commas between clauses, and before a partitioning clause, which follows without one.
///
/// # Errors
/// `NoClause` where two commas meet or the text ends with one.
pub(super) fn split(lexemes: &[Lexeme], end: usize) -> Result<Vec<&[Lexeme]>, Fault> {
    let mut clauses = Vec::new();
    let mut rest = lexemes;
    while !rest.is_empty() {
        let length = length(rest);
        let (clause, after) = rest.split_at(length);
        if clause.is_empty() {
            return Err((Problem::NoClause, rest.first().map_or(end, |lexeme| lexeme.start)));
        }
        clauses.push(clause);
        rest = match after.split_first() {
            Some((comma, [])) if comma.kind == Kind::Comma => return Err((Problem::NoClause, comma.end)),
            Some((comma, after)) if comma.kind == Kind::Comma => after,
            Some(_) | None => after,
        };
    }
    Ok(clauses)
}

/// How many lexemes the first clause has.
fn length(lexemes: &[Lexeme]) -> usize {
    let greed = greed(lexemes);
    if greed == Greed::Rest {
        return lexemes.len();
    }
    for (index, lexeme) in outside(lexemes) {
        let after = Cursor::new(lexemes.get(index..).unwrap_or_default());
        let partitioning = index > 0 && (after.at(&["PARTITION", "BY"]) || removes_partitions(after));
        if partitioning || (lexeme.kind == Kind::Comma && greed == Greed::Clause) {
            return index;
        }
    }
    lexemes.len()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Greed {
    /// Ends at a comma.
    Clause,
    /// Its commas are its own; only a partitioning clause can follow.
    Commas,
    /// Nothing can follow.
    Rest,
}

fn greed(lexemes: &[Lexeme]) -> Greed {
    let mut cursor = Cursor::new(lexemes);
    if cursor.at(&["ORDER", "BY"]) {
        return Greed::Commas;
    }
    if cursor.at(&["PARTITION", "BY"]) || removes_partitions(cursor) {
        return Greed::Rest;
    }
    if cursor.eat_any(&PARTITION_VERBS) && cursor.at(&["PARTITION"]) {
        return Greed::Rest;
    }
    Greed::Clause
}

/// Neither word is reserved: only at the end of the text are they surely the clause.
fn removes_partitions(cursor: Cursor<'_>) -> bool {
    cursor.at(&["REMOVE", "PARTITIONING"]) && cursor.rest().len() == 2
}
