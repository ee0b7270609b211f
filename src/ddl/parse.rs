//! The way from text to `Alter`.

use driftless_strategies::{Alter, Clause, ClauseKind, Flavour, Ident, TableName, Version};

use super::classify::{classify, mixed};
use super::cursor::written;
use super::error::{AlterError, Problem};
use super::header::{Body, Header, Named, header, hint_length};
use super::lexer::{Era, Kind, Lexeme, lex};
use super::options;
use super::split::{Fault, one_statement, split};
use super::statement::statement;

/// Reads a clause list, or a whole `ALTER TABLE`, `CREATE INDEX`, `DROP INDEX` or `OPTIMIZE TABLE` that names its table
/// with its schema.
///
/// # Errors
/// `AlterError` with the place: not closed, not understood outside quotes, a second statement, a statement of another
/// kind, no change at all, a table without schema.
pub fn parse_alter(text: &str, flavour: Flavour, version: Version) -> Result<Alter, AlterError> {
    parse(text, None, Era { flavour, version })
}

/// As `parse_alter`; a table without schema lies in `schema`.
///
/// # Errors
/// As `parse_alter`, but for the missing schema.
pub fn parse_alter_in(text: &str, schema: &Ident, flavour: Flavour, version: Version) -> Result<Alter, AlterError> {
    parse(text, Some(schema), Era { flavour, version })
}

fn parse(text: &str, schema: Option<&Ident>, era: Era) -> Result<Alter, AlterError> {
    let lexemes = lex(text, era)?;
    read(text, &lexemes, schema, era).map_err(|(problem, at)| AlterError::new(problem, text, at))
}

fn read(text: &str, lexemes: &[Lexeme], schema: Option<&Ident>, era: Era) -> Result<Alter, Fault> {
    let lexemes = one_statement(lexemes, text.len())?;
    let Header { table, ignore, mut hints, body } = header(text, lexemes, text.len())?;
    let table = table.map(|named| qualified(named, schema)).transpose()?;
    let clauses = match body {
        Body::Clauses(lexemes) => clauses(text, lexemes, era, &mut hints)?,
        Body::Rewritten(texts) => {
            let mut clauses = Vec::new();
            for text in texts {
                clauses.extend(reread(&text, era)?);
            }
            clauses
        }
    };
    if clauses.is_empty() {
        return Err((Problem::Empty, text.len()));
    }
    Ok(Alter { table, clauses, hints, ignore })
}

/// Clauses that were put together from another statement: made of parts that have been read once.
fn reread(text: &str, era: Era) -> Result<Vec<Clause>, Fault> {
    let lexemes = lex(text, era).map_err(|error| (error.problem, 0))?;
    clauses(text, &lexemes, era, &mut Vec::new())
}

fn clauses(text: &str, lexemes: &[Lexeme], era: Era, hints: &mut Vec<String>) -> Result<Vec<Clause>, Fault> {
    let mut clauses = Vec::new();
    for part in split(lexemes, text.len())? {
        if let Some(name) = statement(part) {
            return Err((Problem::NotAnAlter(name), part.first().map_or(0, |lexeme| lexeme.start)));
        }
        // A clause that ends in two of them would turn into a comment when something is written after it.
        if let Some(minus) = part.last().filter(|last| last.kind == Kind::Minus) {
            return Err((Problem::Expected("a value after the minus sign"), minus.end));
        }
        // The same within it, where a comment that becomes a blank follows two of them.
        if let Some([_, minus, _]) = part.windows(3).find(|three| comment_to_be(three)) {
            return Err((Problem::Expected("a value after the minus sign"), minus.end));
        }
        if hint_length(part) == Some(part.len()) {
            hints.push(written(text, part));
        } else {
            clauses.extend(clauses_of(text, part, era));
        }
    }
    Ok(clauses)
}

fn comment_to_be(three: &[Lexeme]) -> bool {
    let [first, second, next] = three else { return false };
    first.kind == Kind::Minus && second.kind == Kind::Minus && second.gap.is_empty() && !next.gap.is_empty()
}

/// One clause, or several that share one comma-free text or one pair of parentheses.
fn clauses_of(text: &str, part: &[Lexeme], era: Era) -> Vec<Clause> {
    if let Some(elements) = mixed(part, era) {
        let clause = |(part, kind): (&[Lexeme], _)| Clause { text: format!("ADD {}", written(text, part)), kind };
        return elements.into_iter().map(clause).collect();
    }
    let kind = classify(part, era);
    if kind == ClauseKind::Unknown
        && let Some(options) = options::divide(part, era)
    {
        return options.into_iter().map(|(part, kind)| Clause { text: written(text, part), kind }).collect();
    }
    vec![Clause { text: written(text, part), kind }]
}

fn qualified(named: Named, schema: Option<&Ident>) -> Result<TableName, Fault> {
    let schema = named.schema.or_else(|| schema.cloned()).ok_or((Problem::NoSchema, named.at))?;
    Ok(TableName::new(schema, named.table))
}
