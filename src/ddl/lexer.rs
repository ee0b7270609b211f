//! Text to lexemes. sqlparser's MySQL tokenizer finds where strings, names and comments end; what it and a server could
//! read differently is refused here, so that a clause can't hide anything from us.

use std::any::TypeId;

use driftless_strategies::{Flavour, Version};
use sqlparser::dialect::{Dialect, MySqlDialect};
use sqlparser::tokenizer::{Location, Token, Tokenizer, TokenizerError, Whitespace, Word};

use super::comment;
use super::error::{AlterError, Problem};

/// The server that will run the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Era {
    /// Its family.
    pub flavour: Flavour,
    /// Its version.
    pub version: Version,
}

/// What a lexeme is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in backquotes.
    Quoted,
    /// A string in single or double quotes.
    Text,
    /// A number, a bit or hex literal.
    Number,
    /// `,`
    Comma,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Semicolon,
    /// `.`
    Period,
    /// `=`
    Equals,
    /// `-`
    Minus,
    /// Any other operator.
    Operator,
}

/// One piece of the text that means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lexeme {
    /// What it is.
    pub kind: Kind,
    /// Names and strings without quotes; else as written.
    pub value: String,
    /// First byte in the source.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// White space before it, as written; a comment counts as one blank.
    pub gap: String,
}

impl Lexeme {
    /// Whether it is this keyword: without quotes, case ignored.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.value.eq_ignore_ascii_case(keyword)
    }
}

/// MySQL's dialect, but comments stay comments: sqlparser would expand every `/*!…*/` whatever the version.
#[derive(Debug)]
struct PlainComments(MySqlDialect);

impl Dialect for PlainComments {
    fn dialect(&self) -> TypeId {
        self.0.dialect()
    }
    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }
    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_delimited_identifier_start(ch)
    }
    fn supports_string_literal_backslash_escape(&self) -> bool {
        self.0.supports_string_literal_backslash_escape()
    }
    fn supports_numeric_prefix(&self) -> bool {
        self.0.supports_numeric_prefix()
    }
    fn requires_single_line_comment_whitespace(&self) -> bool {
        self.0.requires_single_line_comment_whitespace()
    }
    fn supports_multiline_comment_hints(&self) -> bool {
        false
    }
}

/// A text and the part of it that is read: the whole, or the content of an executable comment.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    /// The whole text, for errors.
    pub source: &'a str,
    /// First byte that is read.
    pub from: usize,
    /// Byte after the last.
    pub to: usize,
}

impl Part<'_> {
    fn text(&self) -> &str {
        self.source.get(self.from..self.to).unwrap_or_default()
    }

    /// An error at that byte.
    pub(super) fn error(&self, problem: Problem, at: usize) -> AlterError {
        AlterError::new(problem, self.source, at)
    }
}

/// Reads the whole text.
///
/// # Errors
/// Anything that is not closed, not allowed outside quotes, or could be read in two ways.
pub(super) fn lex(source: &str, era: Era) -> Result<Vec<Lexeme>, AlterError> {
    let mut gap = String::new();
    let mut lexemes = lex_part(Part { source, from: 0, to: source.len() }, era, &mut gap)?;
    drop_bare_comment(source, &mut lexemes);
    Ok(lexemes)
}

/// Reads a part; `gap` is the white space so far, before and after.
///
/// # Errors
/// As `lex`.
pub(super) fn lex_part(part: Part<'_>, era: Era, gap: &mut String) -> Result<Vec<Lexeme>, AlterError> {
    let places = Places::new(part.text());
    let dialect = PlainComments(MySqlDialect {});
    let tokens = Tokenizer::new(&dialect, part.text())
        .tokenize_with_location()
        .map_err(|error| part.error(problem(&error), part.from + places.byte(error.location)))?;
    let mut lexemes = Vec::new();
    for token in tokens {
        let start = part.from + places.byte(token.span.start);
        let end = part.from + places.byte(token.span.end);
        let written = part.source.get(start..end).unwrap_or_default();
        if let Token::Whitespace(white) = &token.token {
            let inside = Part { source: part.source, from: start, to: end };
            lexemes.extend(read_white(inside, white, era, gap)?);
        } else {
            let (kind, value) = read_token(token.token, written).map_err(|problem| part.error(problem, start))?;
            lexemes.push(Lexeme { kind, value, start, end, gap: std::mem::take(gap) });
        }
    }
    Ok(lexemes)
}

/// White space and comments. Only an executable comment yields lexemes.
fn read_white(part: Part<'_>, white: &Whitespace, era: Era, gap: &mut String) -> Result<Vec<Lexeme>, AlterError> {
    match white {
        Whitespace::Space | Whitespace::Newline | Whitespace::Tab => gap.push_str(part.text()),
        Whitespace::SingleLineComment { comment, prefix } => {
            if prefix == "--" && comment.chars().next().is_some_and(|c| !c.is_ascii()) {
                let what = "a server begins a comment only where an ordinary blank follows the two dashes";
                return Err(part.error(Problem::Unreadable(what.into()), part.from));
            }
            blank(gap);
        }
        Whitespace::MultiLineComment(body) => {
            blank(gap);
            if let Some(content) = comment::content(part, body, era)? {
                let lexemes = lex_part(content, era, gap)?;
                blank(gap);
                return Ok(lexemes);
            }
        }
    }
    Ok(Vec::new())
}

/// What a comment leaves: a blank, unless there is white space already.
fn blank(gap: &mut String) {
    if gap.is_empty() {
        gap.push(' ');
    }
}

/// Kind and value of a token that is not white space. What is not in the list is refused: several of sqlparser's
/// operators (`|/`, for one) swallow the beginning of a comment.
#[expect(clippy::wildcard_enum_match_arm, reason = "these are sqlparser's tokens; what is not listed is refused")]
fn read_token(token: Token, written: &str) -> Result<(Kind, String), Problem> {
    let as_written = written.to_owned();
    let kind = match token {
        Token::Word(word) => return read_word(word),
        Token::SingleQuotedString(value) | Token::DoubleQuotedString(value) | Token::NationalStringLiteral(value) => {
            return Ok((Kind::Text, value));
        }
        // A backslash in these would end the literal at another place on the server.
        Token::HexStringLiteral(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => Kind::Number,
        Token::SingleQuotedByteStringLiteral(digits) if digits.bytes().all(|b| matches!(b, b'0' | b'1')) => {
            Kind::Number
        }
        Token::Number(..) => Kind::Number,
        Token::Comma => Kind::Comma,
        Token::LParen => Kind::Open,
        Token::RParen => Kind::Close,
        Token::SemiColon => Kind::Semicolon,
        Token::Period => Kind::Period,
        Token::Eq => Kind::Equals,
        Token::Minus => Kind::Minus,
        other if operator(&other) => Kind::Operator,
        other => return Err(Problem::Unreadable(unreadable(&other, written))),
    };
    Ok((kind, as_written))
}

fn operator(token: &Token) -> bool {
    matches!(
        token,
        Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Spaceship
            | Token::Plus
            | Token::Mul
            | Token::Div
            | Token::Mod
            | Token::StringConcat
            | Token::Overlap
            | Token::Pipe
            | Token::Ampersand
            | Token::Caret
            | Token::Tilde
            | Token::ExclamationMark
            | Token::Arrow
            | Token::LongArrow
            | Token::ShiftLeft
            | Token::ShiftRight
            | Token::LBrace
            | Token::RBrace
    )
}

fn unreadable(token: &Token, written: &str) -> String {
    if let Token::Char(c) = token
        && c.is_control()
    {
        return format!("{} is not allowed outside quotes", described(*c));
    }
    format!("`{written}` has no meaning in a table definition")
}

/// A character that may be invisible.
fn described(c: char) -> String {
    if c.is_ascii_graphic() { format!("`{c}`") } else { format!("the character U+{:04X}", u32::from(c)) }
}

fn read_word(word: Word) -> Result<(Kind, String), Problem> {
    if word.quote_style.is_some() {
        return Ok((Kind::Quoted, word.value));
    }
    if let Some(odd) = word.value.chars().find(|c| *c == '@' || *c == '\u{feff}' || c.is_whitespace() || c.is_control())
    {
        return Err(Problem::Unreadable(format!("{} is not allowed in a name without quotes", described(odd))));
    }
    Ok((Kind::Word, word.value))
}

/// `--` as the very last characters: a comment to the server, two minus signs to the tokenizer.
fn drop_bare_comment(source: &str, lexemes: &mut Vec<Lexeme>) {
    if let [.., one, two] = lexemes.as_slice()
        && one.kind == Kind::Minus
        && two.kind == Kind::Minus
        && one.end == two.start
        && two.end == source.len()
    {
        lexemes.truncate(lexemes.len() - 2);
    }
}

fn problem(error: &TokenizerError) -> Problem {
    if error.message.starts_with("Unterminated string") {
        Problem::OpenString
    } else if error.message.starts_with("Expected close delimiter") {
        Problem::OpenName
    } else if error.message.contains("multi-line comment") {
        Problem::OpenComment
    } else {
        Problem::Unreadable(error.message.clone())
    }
}

/// From the tokenizer's line and column to bytes.
struct Places {
    /// Byte of each line's first character, and the bytes of all its characters.
    lines: Vec<Vec<usize>>,
    end: usize,
}

impl Places {
    fn new(text: &str) -> Self {
        let mut lines = vec![Vec::new()];
        for (byte, c) in text.char_indices() {
            if let Some(line) = lines.last_mut() {
                line.push(byte);
            }
            if c == '\n' {
                lines.push(Vec::new());
            }
        }
        Self { lines, end: text.len() }
    }

    /// The byte at that location; past the last character, the end of the text.
    fn byte(&self, at: Location) -> usize {
        let line = usize::try_from(at.line).unwrap_or(1).saturating_sub(1);
        let column = usize::try_from(at.column).unwrap_or(1).saturating_sub(1);
        self.lines.get(line).and_then(|line| line.get(column)).copied().unwrap_or(self.end)
    }
}
