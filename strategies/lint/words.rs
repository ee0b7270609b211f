//! A clause as words. `ddl` has read it once and dropped its comments, so that only words, names, texts and marks are left.

use crate::name::Ident;

/// One word of a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A keyword, a name without quotes or a number.
    Plain(String),
    /// A name in backquotes.
    Quoted(String),
    /// A string.
    Text(String),
    /// Anything else: one character.
    Mark(char),
}

impl Word {
    /// Whether it is this keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Plain(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// What it says, without quotes.
    pub(super) fn value(&self) -> String {
        match self {
            Self::Plain(text) | Self::Quoted(text) | Self::Text(text) => text.clone(),
            Self::Mark(mark) => mark.to_string(),
        }
    }

    /// The name that it is.
    pub(super) fn name(&self) -> Option<Ident> {
        match self {
            Self::Plain(text) | Self::Quoted(text) => Ident::new(text.clone()).ok(),
            Self::Text(_) | Self::Mark(_) => None,
        }
    }
}

/// Reads a clause.
pub(super) fn read(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        if matches!(c, '`' | '\'' | '"') {
            let text = quoted(&mut chars, c);
            words.push(if c == '`' { Word::Quoted(text) } else { Word::Text(text) });
        } else if in_word(c) {
            let mut word = c.to_string();
            while let Some(next) = chars.next_if(|next| in_word(*next)) {
                word.push(next);
            }
            words.push(Word::Plain(word));
        } else {
            words.push(Word::Mark(c));
        }
    }
    words
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

/// After the opening quote, to the closing one.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, quote: char) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        if c == '\\' && quote != '`' {
            text.extend(chars.next());
        } else if c != quote {
            text.push(c);
        } else if chars.next_if_eq(&quote).is_some() {
            text.push(quote);
        } else {
            break;
        }
    }
    text
}

/// A place in a list of words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [Word],
}

impl<'a> Cursor<'a> {
    /// At the first of them.
    pub(super) const fn new(rest: &'a [Word]) -> Self {
        Self { rest }
    }

    /// The next one.
    pub(super) fn peek(&self) -> Option<&'a Word> {
        self.rest.first()
    }

    /// Reads the next one.
    pub(super) fn next(&mut self) -> Option<&'a Word> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Reads these keywords when they come next.
    pub(super) fn eat(&mut self, keywords: &[&str]) -> bool {
        let found =
            self.rest.len() >= keywords.len() && self.rest.iter().zip(keywords).all(|(word, keyword)| word.is(keyword));
        if found {
            self.rest = self.rest.get(keywords.len()..).unwrap_or_default();
        }
        found
    }

    /// Reads one of these keywords when it comes next.
    pub(super) fn eat_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.eat(&[keyword]))
    }

    /// Whether that mark comes next.
    pub(super) fn at_mark(&self, mark: char) -> bool {
        self.peek() == Some(&Word::Mark(mark))
    }

    /// Reads that mark when it comes next.
    pub(super) fn eat_mark(&mut self, mark: char) -> bool {
        let found = self.at_mark(mark);
        if found {
            self.next();
        }
        found
    }

    /// Reads a name, which may have its table's and schema's in front.
    pub(super) fn name(&mut self) -> Option<Ident> {
        let mut name = self.next()?.name()?;
        while self.eat_mark('.') {
            name = self.next()?.name()?;
        }
        Some(name)
    }

    /// Reads from `(` to its `)`; what is between them.
    pub(super) fn group(&mut self) -> Option<&'a [Word]> {
        let mut depth = 0_usize;
        for (index, word) in self.rest.iter().enumerate() {
            match word {
                Word::Mark('(') => depth += 1,
                Word::Mark(')') => depth = depth.checked_sub(1)?,
                Word::Plain(_) | Word::Quoted(_) | Word::Text(_) | Word::Mark(_) => {}
            }
            if depth == 0 {
                let inside = self.rest.get(1..index)?;
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Some(inside);
            }
        }
        None
    }
}

/// The pieces between commas that stand in no parentheses.
pub(super) fn pieces(words: &[Word]) -> Vec<&[Word]> {
    let mut depth = 0_usize;
    let between = move |word: &Word| {
        match word {
            Word::Mark('(') => depth += 1,
            Word::Mark(')') => depth = depth.saturating_sub(1),
            Word::Plain(_) | Word::Quoted(_) | Word::Text(_) | Word::Mark(_) => {}
        }
        depth == 0 && *word == Word::Mark(',')
    };
    words.split(between).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
        let plain = |text: &str| Word::Plain(text.into());
        let cases = [
            (
                "ADD `a``b` INT(11)",
                vec![
                    plain("ADD"),
                    Word::Quoted("a`b".into()),
                    plain("INT"),
                    Word::Mark('('),
                    plain("11"),
                    Word::Mark(')'),
                ],
            ),
            (r"'it''s' 'a\'b,(' größe", vec![Word::Text("it's".into()), Word::Text("a'b,(".into()), plain("größe")]),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn groups_and_pieces_keep_their_parentheses() {
        let words = read("(a(1), 'b,c', (d, e)) f");
        let mut cursor = Cursor::new(&words);
        let inside = cursor.group().unwrap();
        assert_eq!(pieces(inside).iter().map(|piece| piece.len()).collect::<Vec<_>>(), [4, 1, 5]);
        assert!(cursor.eat(&["F"]) && cursor.peek().is_none());
        assert_eq!(Cursor::new(&read("(a")).group(), None, "without its end it is none");
    }
}
