//! Walks over lexemes.

use driftless_strategies::Ident;

use super::lexer::{Kind, Lexeme};

/// Words that can't name anything without quotes, as far as it matters for telling clauses apart.
const RESERVED: [&str; 50] = [
    "ADD",
    "ALTER",
    "AND",
    "AS",
    "ASC",
    "BY",
    "CASCADE",
    "CHANGE",
    "CHARACTER",
    "CHECK",
    "COLLATE",
    "COLUMN",
    "CONSTRAINT",
    "CONVERT",
    "CREATE",
    "CROSS",
    "DATABASE",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DROP",
    "EXISTS",
    "FOREIGN",
    "FULLTEXT",
    "GRANT",
    "IF",
    "IN",
    "INDEX",
    "INSERT",
    "INTO",
    "KEY",
    "KEYS",
    "LOCK",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "PRIMARY",
    "REFERENCES",
    "RENAME",
    "RESTRICT",
    "SCHEMA",
    "SELECT",
    "SET",
    "SPATIAL",
    "TABLE",
    "TO",
    "UNIQUE",
    "UPDATE",
];

/// A place in a list of lexemes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [Lexeme],
}

impl<'a> Cursor<'a> {
    /// At the first of them.
    pub(super) const fn new(rest: &'a [Lexeme]) -> Self {
        Self { rest }
    }

    /// What has not been read.
    pub(super) const fn rest(&self) -> &'a [Lexeme] {
        self.rest
    }

    /// Whether all has been read.
    pub(super) const fn done(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next one.
    pub(super) fn peek(&self) -> Option<&'a Lexeme> {
        self.rest.first()
    }

    /// Reads the next one.
    pub(super) fn next(&mut self) -> Option<&'a Lexeme> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Whether these keywords come next.
    pub(super) fn at(&self, keywords: &[&str]) -> bool {
        self.rest.len() >= keywords.len() && self.rest.iter().zip(keywords).all(|(lexeme, keyword)| lexeme.is(keyword))
    }

    /// Whether one of these keywords comes next.
    pub(super) fn at_any(&self, keywords: &[&str]) -> bool {
        self.peek().is_some_and(|lexeme| keywords.iter().any(|keyword| lexeme.is(keyword)))
    }

    /// Reads these keywords when they come next.
    pub(super) fn eat(&mut self, keywords: &[&str]) -> bool {
        let found = self.at(keywords);
        if found {
            self.rest = self.rest.get(keywords.len()..).unwrap_or_default();
        }
        found
    }

    /// Reads one of these keywords when it comes next.
    pub(super) fn eat_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.eat(&[keyword]))
    }

    /// Reads a lexeme of that kind when it comes next.
    pub(super) fn eat_kind(&mut self, kind: Kind) -> bool {
        let found = self.peek().is_some_and(|lexeme| lexeme.kind == kind);
        if found {
            self.next();
        }
        found
    }

    /// Reads one name; `None` when none comes, or one that no server accepts.
    pub(super) fn name(&mut self) -> Option<Ident> {
        let lexeme = self.peek()?;
        let name = match lexeme.kind {
            Kind::Quoted => Ident::new(lexeme.value.clone()).ok()?,
            Kind::Word if RESERVED.iter().any(|word| lexeme.is(word)) => return None,
            Kind::Word => Ident::new(lexeme.value.clone()).ok()?,
            Kind::Text
            | Kind::Number
            | Kind::Comma
            | Kind::Open
            | Kind::Close
            | Kind::Semicolon
            | Kind::Period
            | Kind::Equals
            | Kind::Minus
            | Kind::Operator => return None,
        };
        self.next();
        Some(name)
    }

    /// Reads a column's name, which may have its table's and schema's in front.
    pub(super) fn column(&mut self) -> Option<Ident> {
        let mut name = self.name()?;
        while self.peek().is_some_and(|lexeme| lexeme.kind == Kind::Period) {
            self.next();
            name = self.name()?;
        }
        Some(name)
    }

    /// Reads from `(` to its `)`.
    pub(super) fn group(&mut self) -> Option<&'a [Lexeme]> {
        let mut depth = 0_usize;
        for (index, lexeme) in self.rest.iter().enumerate() {
            match lexeme.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.checked_sub(1)?,
                Kind::Word
                | Kind::Quoted
                | Kind::Text
                | Kind::Number
                | Kind::Comma
                | Kind::Semicolon
                | Kind::Period
                | Kind::Equals
                | Kind::Minus
                | Kind::Operator => {}
            }
            if depth == 0 {
                let (group, rest) = self.rest.split_at(index + 1);
                self.rest = rest;
                return (lexeme.kind == Kind::Close).then_some(group);
            }
        }
        None
    }
}

/// The text of these lexemes as it was written, comments dropped.
pub(super) fn written(source: &str, lexemes: &[Lexeme]) -> String {
    let mut text = String::new();
    for lexeme in lexemes {
        if !text.is_empty() {
            text.push_str(&lexeme.gap);
        }
        text.push_str(source.get(lexeme.start..lexeme.end).unwrap_or_default());
    }
    text
}

/// The lexemes at depth 0, with their index.
pub(super) fn outside(lexemes: &[Lexeme]) -> impl Iterator<Item = (usize, &Lexeme)> {
    let mut depth = 0_usize;
    lexemes.iter().enumerate().filter(move |(_, lexeme)| {
        if lexeme.kind == Kind::Close {
            depth = depth.saturating_sub(1);
        }
        let out = depth == 0;
        if lexeme.kind == Kind::Open {
            depth += 1;
        }
        out
    })
}
