//! A file to its statements, as the servers' clients cut it: by the delimiter in force, outside quotes and comments.

use crate::ddl::comment::marker;
use crate::ddl::error::Problem;
use crate::ddl::lexer::Era;
use crate::ddl::split::Fault;

use super::error::unreadable;

/// Most tokens that are looked at to tell what a statement is.
const HEAD_TOKENS: usize = 40;

/// A statement: bytes in the file, without its delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// A word, a quoted text or a single character at the beginning of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// As written.
    pub text: String,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

impl Token {
    /// Whether it is that word, case ignored.
    pub(super) fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

/// Cuts the file.
///
/// # Errors
/// A string, name or comment that is never closed; DELIMITER without one.
pub(super) fn statements(text: &str, era: Era) -> Result<Vec<Statement>, Fault> {
    let mut cutter =
        Cutter { text, era, at: 0, start: None, delimiter: ";".to_owned(), executable: None, found: Vec::new() };
    while cutter.at < text.len() {
        cutter.step()?;
    }
    if let Some(at) = cutter.executable {
        return Err((Problem::OpenComment, at));
    }
    cutter.cut();
    Ok(cutter.found)
}

struct Cutter<'a> {
    text: &'a str,
    era: Era,
    at: usize,
    /// Where the statement begins, once something but white space has come.
    start: Option<usize>,
    delimiter: String,
    /// Where the executable comment begins that we are in.
    executable: Option<usize>,
    found: Vec<Statement>,
}

impl<'a> Cutter<'a> {
    fn step(&mut self) -> Result<(), Fault> {
        let rest = self.rest();
        if self.start.is_none() && self.client_command()? {
            return Ok(());
        }
        if self.executable.is_some() && rest.starts_with("*/") {
            self.executable = None;
            self.at += 2;
        } else if self.executable.is_none() && rest.starts_with(&self.delimiter) {
            self.cut();
            self.at += self.delimiter.len();
        } else if let Some(marker) = marker(rest, self.era) {
            self.start = self.start.or(Some(self.at));
            self.executable = Some(self.at);
            self.at += marker;
        } else if let Some(length) = comment(rest, self.at)? {
            self.at += length;
        } else if let Some(length) = quoted(rest, self.at)? {
            self.start = self.start.or(Some(self.at));
            self.at += length;
        } else {
            let c = rest.chars().next().unwrap_or(' ');
            if !c.is_whitespace() {
                self.start = self.start.or(Some(self.at));
            }
            self.at += c.len_utf8();
        }
        Ok(())
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// DELIMITER and USE are the client's own: they end with their line.
    fn client_command(&mut self) -> Result<bool, Fault> {
        let rest = self.rest();
        let line = rest.lines().next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next());
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Ok(false);
        }
        if first.eq_ignore_ascii_case("DELIMITER") {
            let missing = (unreadable("DELIMITER names no delimiter"), self.at);
            second.ok_or(missing)?.clone_into(&mut self.delimiter);
            self.at += line.len();
            return Ok(true);
        }
        if first.eq_ignore_ascii_case("USE") && !line.contains(self.delimiter.as_str()) {
            self.found.push(Statement { start: self.at, end: self.at + line.trim_end().len() });
            self.at += line.len();
            return Ok(true);
        }
        Ok(false)
    }

    fn cut(&mut self) {
        if let Some(start) = self.start.take() {
            let written = self.text.get(start..self.at).unwrap_or_default();
            self.found.push(Statement { start, end: start + written.trim_end().len() });
        }
    }
}

/// Bytes of a comment that no server executes, when one begins here.
fn comment(rest: &str, at: usize) -> Result<Option<usize>, Fault> {
    if rest.starts_with("/*") {
        let end = rest.get(2..).and_then(|rest| rest.find("*/")).ok_or((Problem::OpenComment, at))?;
        return Ok(Some(end + 4));
    }
    let dashes = rest.strip_prefix("--").is_some_and(|more| more.is_empty() || more.starts_with(char::is_whitespace));
    let line = dashes || rest.starts_with('#');
    Ok(line.then(|| rest.find('\n').unwrap_or(rest.len())))
}

/// Bytes of a string or a quoted name, when one begins here.
fn quoted(rest: &str, at: usize) -> Result<Option<usize>, Fault> {
    let Some(quote) = rest.chars().next().filter(|c| matches!(c, '\'' | '"' | '`')) else { return Ok(None) };
    let mut chars = rest.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        if c == '\\' && quote != '`' {
            chars.next();
        } else if c == quote {
            return Ok(Some(index + 1));
        }
    }
    Err((if quote == '`' { Problem::OpenName } else { Problem::OpenString }, at))
}

/// The first tokens of a statement.
pub(super) fn head(text: &str, statement: Statement, era: Era) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = statement.start;
    while at < statement.end && tokens.len() < HEAD_TOKENS {
        let rest = text.get(at..statement.end).unwrap_or_default();
        let Some(c) = rest.chars().next() else { break };
        let skipped = marker(rest, era).or_else(|| comment(rest, at).ok().flatten());
        let skipped = skipped.or_else(|| rest.starts_with("*/").then_some(2));
        let skipped = skipped.or_else(|| c.is_whitespace().then(|| c.len_utf8()));
        if let Some(length) = skipped {
            at += length;
            continue;
        }
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        let length = match quoted(rest, at) {
            Ok(Some(length)) => length,
            Ok(None) | Err(_) if word(c) => rest.find(|c: char| !word(c)).unwrap_or(rest.len()),
            Ok(None) | Err(_) => c.len_utf8(),
        };
        let text = rest.get(..length).unwrap_or_default().to_owned();
        tokens.push(Token { text, start: at, end: at + length });
        at += length;
    }
    tokens
}
