//! What a statement in the binlog means for transactions, and for the watched table.

use super::watch::Watch;

/// What a statement does to the transaction that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// BEGIN, XA START: a transaction is open.
    Opens,
    /// COMMIT, ROLLBACK, XA COMMIT, XA ROLLBACK: it ended.
    Ends,
    /// SAVEPOINT, ROLLBACK TO, XA END, and what has no word at all: nothing.
    Within,
    /// DDL and the like.
    Other,
}

/// Statements after which no row, column or trigger is another; the table may be named.
const HARMLESS: [&str; 8] = ["CHECK", "CHECKSUM", "FLUSH", "GRANT", "OPTIMIZE", "REPAIR", "REVOKE", "SET"];

/// Statements that change what they name and nothing else. Any other statement may call functions and fire triggers that
/// change rows unseen.
const PLAIN: [&str; 7] = ["ALTER", "CREATE", "DROP", "INSTALL", "RENAME", "TRUNCATE", "UNINSTALL"];

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A name or a keyword, without quotes.
    Word(Vec<u8>),
    /// One character of anything else.
    Mark(u8),
    /// A string or a number.
    Value,
}

/// What it does to the transaction.
pub(super) fn role(statement: &[u8]) -> Role {
    let tokens: Vec<Token> = tokens(statement).take(3).collect();
    let is = |index: usize, word: &str| tokens.get(index).is_some_and(|token| token.is(word));
    if tokens.is_empty() || is(0, "SAVEPOINT") || is(0, "RELEASE") {
        return Role::Within;
    }
    if is(0, "XA") {
        return match () {
            () if is(1, "START") || is(1, "BEGIN") => Role::Opens,
            () if is(1, "COMMIT") || is(1, "ROLLBACK") => Role::Ends,
            () => Role::Within,
        };
    }
    // BEGIN NOT ATOMIC is a block of statements and not written as such; no other statement begins with these words.
    if is(0, "BEGIN") || (is(0, "START") && is(1, "TRANSACTION")) {
        return Role::Opens;
    }
    if is(0, "COMMIT") || is(0, "ROLLBACK") {
        let to = 1 + usize::from(is(1, "WORK"));
        return if is(to, "TO") { Role::Within } else { Role::Ends };
    }
    Role::Other
}

/// Whether the statement may change the watched table, or names it.
pub(super) fn concerns(watch: &Watch, schema: &[u8], statement: &[u8]) -> bool {
    let all: Vec<Token> = tokens(statement).collect();
    let tokens = inner(&all);
    let is = |index: usize, word: &str| tokens.get(index).is_some_and(|token| token.is(word));
    // ANALYZE UPDATE … updates.
    if HARMLESS.iter().any(|word| is(0, word)) || (is(0, "ANALYZE") && is(1, "TABLE")) {
        return false;
    }
    if !PLAIN.iter().any(|word| is(0, word)) {
        return true;
    }
    if tokens.iter().take(4).any(|token| token.is("TEMPORARY")) {
        return false;
    }
    // In another character set the table's name has other bytes, and quotes may be parts of characters.
    if std::str::from_utf8(statement).is_err() && (!watch.table.is_ascii() || contains(statement, &watch.table)) {
        return true;
    }
    if tokens.iter().take(4).any(|token| token.is("DATABASE") || token.is("SCHEMA")) {
        return tokens.iter().any(|token| token.is(&watch.schema));
    }
    let named = |index: usize| tokens.get(index).is_some_and(|token| token.is(&watch.table));
    (0..tokens.len()).filter(|index| named(*index)).any(|index| match qualifier(tokens, index) {
        Some(qualifier) => qualifier.is(&watch.schema),
        None => schema.is_empty() || Token::Word(schema.to_vec()).is(&watch.schema),
    })
}

/// MariaDB's SET STATEMENT … FOR any other: the other.
fn inner(tokens: &[Token]) -> &[Token] {
    let is = |index: usize, word: &str| tokens.get(index).is_some_and(|token| token.is(word));
    if !is(0, "SET") || !is(1, "STATEMENT") {
        return tokens;
    }
    let begin = tokens.iter().position(|token| token.is("FOR")).map_or(tokens.len(), |index| index + 1);
    inner(tokens.get(begin..).unwrap_or_default())
}

/// What stands before the point before a name.
fn qualifier(tokens: &[Token], index: usize) -> Option<&Token> {
    let point = index.checked_sub(1).and_then(|before| tokens.get(before));
    if point != Some(&Token::Mark(b'.')) {
        return None;
    }
    tokens.get(index.checked_sub(2)?)
}

fn contains(statement: &[u8], name: &str) -> bool {
    !name.is_empty() && statement.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name.as_bytes()))
}

impl Token {
    /// Whether it is that word, in whatever case: a name too many is looked at, a name too few is not seen.
    fn is(&self, word: &str) -> bool {
        match self {
            Self::Word(own) => {
                own.eq_ignore_ascii_case(word.as_bytes())
                    || std::str::from_utf8(own).is_ok_and(|own| own.to_lowercase() == word.to_lowercase())
            }
            Self::Mark(_) | Self::Value => false,
        }
    }
}

/// The pieces, without comments; what stands in an executable comment is read as if it stood outside.
fn tokens(statement: &[u8]) -> impl Iterator<Item = Token> {
    let mut rest = statement;
    std::iter::from_fn(move || next(&mut rest))
}

fn next(rest: &mut &[u8]) -> Option<Token> {
    loop {
        let text = *rest;
        let first = *text.first()?;
        match first {
            _ if first.is_ascii_whitespace() => *rest = &text[1..],
            b'#' => *rest = after(text, b"\n"),
            b'-' if text.starts_with(b"--") && text.get(2).is_none_or(u8::is_ascii_whitespace) => {
                *rest = after(text, b"\n");
            }
            b'/' if text.starts_with(b"/*!") || text.starts_with(b"/*M!") => {
                let mark = if text.starts_with(b"/*!") { 3 } else { 4 };
                let digits = text.iter().skip(mark).take_while(|byte| byte.is_ascii_digit()).count();
                *rest = &text[mark + digits..];
            }
            b'/' if text.starts_with(b"/*") => *rest = after(&text[2..], b"*/"),
            b'*' if text.starts_with(b"*/") => *rest = &text[2..],
            _ => return Some(token(first, rest)),
        }
    }
}

fn token(first: u8, rest: &mut &[u8]) -> Token {
    let text = *rest;
    match first {
        // With ANSI_QUOTES, "x" is a name.
        b'`' | b'"' => {
            let (inner, length) = quoted(text, first);
            *rest = &text[length..];
            Token::Word(inner)
        }
        b'\'' => {
            *rest = &text[quoted(text, first).1..];
            Token::Value
        }
        _ if part_of_name(first) => {
            let length = text.iter().take_while(|byte| part_of_name(**byte)).count();
            *rest = &text[length..];
            Token::Word(text[..length].to_vec())
        }
        other => {
            *rest = &text[1..];
            Token::Mark(other)
        }
    }
}

const fn part_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// What is between quotes, and how far it reaches with them. A doubled quote is one; a backslash hides a quote, but not in
/// backticks.
fn quoted(text: &[u8], quote: u8) -> (Vec<u8>, usize) {
    let (mut inner, mut at) = (Vec::new(), 1);
    while let Some(byte) = text.get(at) {
        if *byte == quote {
            if text.get(at + 1) != Some(&quote) {
                return (inner, at + 1);
            }
            at += 1;
        } else if *byte == b'\\' && quote != b'`' {
            at += 1;
        }
        inner.extend(text.get(at));
        at += 1;
    }
    (inner, text.len())
}

fn after<'a>(text: &'a [u8], end: &[u8]) -> &'a [u8] {
    let found = text.windows(end.len()).position(|part| part == end);
    found.map_or(&[], |at| &text[at + end.len()..])
}
