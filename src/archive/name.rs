//! Names of files from a pattern.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use driftless_strategies::TableName;

use super::error::ArchiveError;

/// Longest file name, bytes, with room for what is put behind it meanwhile.
const LONGEST: usize = 240;

/// What a pattern may have in braces.
const KEYS: &str = "{schema}, {table}, {date}, {time}, {n}";

/// A pattern: a path whose file name has `{schema}`, `{table}`, `{date}`, `{time}` (UTC) and `{n}` (the first number that is
/// free) in it; its directories may have the first two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    dir: PathBuf,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Date,
    Time,
    Number,
}

impl Pattern {
    /// Reads a pattern for a table.
    ///
    /// # Errors
    /// `Pattern` in words.
    pub fn parse(text: &str, table: &TableName) -> Result<Self, ArchiveError> {
        let wrong = |why: String| ArchiveError::Pattern(format!("{text}: {why}"));
        let (dir, name) =
            text.rsplit_once('/').map_or((".", text), |(dir, name)| (if dir.is_empty() { "/" } else { dir }, name));
        if name.is_empty() {
            return Err(wrong("it ends in a directory; add a file name".into()));
        }
        let pieces = pieces(name, table).map_err(wrong)?;
        let parts = self::pieces(dir, table).map_err(wrong)?;
        let mut path = String::new();
        for part in parts {
            match part {
                Piece::Text(text) => path.push_str(&text),
                Piece::Date | Piece::Time | Piece::Number => {
                    return Err(wrong(
                        "only {schema} and {table} can stand in a directory; put the rest in the file name".into(),
                    ));
                }
            }
        }
        let pattern = Self { dir: path.into(), pieces };
        let longest = pattern.name("2000-01-01", "000000", 1_000_000).len();
        if longest > LONGEST {
            return Err(wrong(format!("file names would have {longest} bytes, more than {LONGEST}; make it shorter")));
        }
        Ok(pattern)
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The format and compression that its end stands for.
    #[must_use]
    pub fn format(&self) -> Option<(super::Format, super::Compression)> {
        super::Format::of_name(&self.name("", "", 1))
    }

    /// Whether the same day can have several files.
    pub(super) fn numbered(&self) -> bool {
        self.pieces.contains(&Piece::Number)
    }

    /// Whether each day has its own.
    pub(super) fn dated(&self) -> bool {
        self.numbered() || self.pieces.contains(&Piece::Date)
    }

    /// The path at a time, with a number.
    pub(super) fn path(&self, now: DateTime<Utc>, number: u64) -> PathBuf {
        let (date, time) = (now.format("%Y-%m-%d").to_string(), now.format("%H%M%S").to_string());
        self.dir.join(self.name(&date, &time, number))
    }

    /// Whether a path is one that the pattern gives at some time, with some number.
    pub(super) fn matches(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str());
        path.parent() == Some(self.dir.as_path()) && name.is_some_and(|name| fits(&self.pieces, name))
    }

    fn name(&self, date: &str, time: &str, number: u64) -> String {
        let mut name = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Date => name.push_str(date),
                Piece::Time => name.push_str(time),
                Piece::Number => name.push_str(&number.to_string()),
            }
        }
        name
    }
}

fn fits(pieces: &[Piece], name: &str) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return name.is_empty() };
    let shaped = |length: usize| {
        let (piece, after) = name.split_at_checked(length)?;
        piece.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-').then_some(after)
    };
    match first {
        Piece::Text(text) => name.strip_prefix(text.as_str()).is_some_and(|after| fits(rest, after)),
        Piece::Date => shaped(10).is_some_and(|after| fits(rest, after)),
        Piece::Time => shaped(6).is_some_and(|after| fits(rest, after)),
        Piece::Number => {
            let digits = name.bytes().take_while(u8::is_ascii_digit).count();
            (1..=digits).any(|length| name.get(length..).is_some_and(|after| fits(rest, after)))
        }
    }
}

fn pieces(text: &str, table: &TableName) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (key, after) = after.split_once('}').ok_or_else(|| format!("a brace is not closed; keys are {KEYS}"))?;
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(match key {
            "schema" => Piece::Text(harmless(table.schema.as_str())),
            "table" => Piece::Text(harmless(table.table.as_str())),
            "date" => Piece::Date,
            "time" => Piece::Time,
            "n" => Piece::Number,
            other => return Err(format!("there is no key {{{other}}}; keys are {KEYS}")),
        });
        rest = after;
    }
    if rest.contains('}') {
        return Err(format!("a brace is closed that was not opened; keys are {KEYS}"));
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

/// An identifier as part of a file name: what could lead elsewhere stands as `%` and hex.
fn harmless(name: &str) -> String {
    let mut out = String::new();
    for (index, c) in name.chars().enumerate() {
        let hidden = index == 0 && c == '.';
        if c.is_control() || "/%\\".contains(c) || hidden {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                out.push('%');
                out.push_str(&super::rows::hex(&[byte]));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use driftless_strategies::Ident;

    use super::*;

    fn table(schema: &str, table: &str) -> TableName {
        TableName::new(Ident::new(schema).unwrap(), Ident::new(table).unwrap())
    }

    #[test]
    fn names_say_what_is_in_them() {
        let pattern = Pattern::parse("/a/{schema}/{table}-{date}-{n}.csv.zst", &table("shop", "orders")).unwrap();
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        assert_eq!(pattern.path(now, 3), Path::new("/a/shop/orders-2023-11-14-3.csv.zst"));
        assert_eq!(pattern.format(), Some((super::super::Format::Csv, super::super::Compression::Zstd)));
        let plain = Pattern::parse("x.sql", &table("shop", "orders")).unwrap();
        assert_eq!((plain.path(now, 1), plain.numbered()), (PathBuf::from("./x.sql"), false));
        for (path, ours) in [
            ("/a/shop/orders-2020-01-01-17.csv.zst", true),
            ("/a/shop/orders-2020-01-01-.csv.zst", false),
            ("/a/shop/orders-2020-01-01-1.csv", false),
            ("/b/shop/orders-2020-01-01-1.csv.zst", false),
        ] {
            assert_eq!(pattern.matches(Path::new(path)), ours, "{path}");
        }
        let odd = Pattern::parse("{schema}.{table}.csv", &table("../..", "a/b%\n")).unwrap();
        assert_eq!(odd.path(now, 1), Path::new("./%2e.%2f...a%2fb%25%0a.csv"));
    }

    #[test]
    fn wrong_patterns_are_refused() {
        let long = "x".repeat(300);
        for pattern in ["a/", "{tabel}.csv", "{table.csv", "table}.csv", "{date}/x.csv", &long] {
            let refused = Pattern::parse(pattern, &table("s", "t")).unwrap_err().to_string();
            assert!(refused.contains(pattern), "{refused}");
        }
    }
}
