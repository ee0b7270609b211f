//! Names of schemas, tables, columns and keys: any legal identifier, and the names that driftless derives.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest identifier that MySQL and MariaDB accept, in characters.
///
/// # Source
/// MySQL manual, "Identifier Length Limits"; MariaDB, "Identifier Names".
pub const MAX_CHARS: usize = 64;

/// Longest encoded table name that still fits a file name with its suffix (`.ibd`, `#p#…`).
///
/// A character outside `[0-9A-Za-z_]` takes five bytes in a file name.
const MAX_FILE_BYTES: usize = 200;

/// Why a text can't be an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing between the quotes, or nothing at all.
    #[error("the name is empty")]
    Empty,
    /// More than 64 characters.
    #[error("the name `{0}` is longer than 64 characters")]
    TooLong(String),
    /// A character that no server accepts in a name.
    #[error("the name `{0}` has a character that is not allowed in a name")]
    BadCharacter(String),
    /// `db.table` was expected.
    #[error("`{0}` is not of the form schema.table (quote odd names as `schema`.`table`)")]
    NotQualified(String),
}

/// One identifier, unquoted. Case is kept; comparing is the server's business.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ident(String);

impl Ident {
    /// Takes any legal identifier, without quotes.
    ///
    /// # Errors
    /// `NameError` when no server would accept it.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.chars().count() > MAX_CHARS {
            return Err(NameError::TooLong(text));
        }
        if text.ends_with(' ') || text.chars().any(|c| c == '\0' || u32::from(c) > 0xFFFF) {
            return Err(NameError::BadCharacter(text));
        }
        Ok(Self(text))
    }

    /// The name without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in backquotes, any inside doubled.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("`{}`", self.0.replace('`', "``"))
    }

    /// The name with a suffix; one that would be too long is cut and gets a hash of the whole name, so that two long
    /// names with the same beginning differ. The suffix must be short and plain.
    #[must_use]
    pub fn suffixed(&self, suffix: &str) -> Self {
        let whole = format!("{}{suffix}", self.0);
        if whole.chars().count() <= MAX_CHARS {
            return Self(whole);
        }
        let tail = format!("_{:08x}{suffix}", fnv1a(&self.0));
        let head: String = self.0.chars().take(MAX_CHARS.saturating_sub(tail.chars().count())).collect();
        Self(head + &tail)
    }

    /// Whether both name the same column or key (these ignore case on every server).
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.0 == other.0 || self.0.to_lowercase() == other.0.to_lowercase()
    }
}

impl TryFrom<String> for Ident {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<Ident> for String {
    fn from(name: Ident) -> Self {
        name.0
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table with its schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The schema (database).
    pub schema: Ident,
    /// The table.
    pub table: Ident,
}

impl TableName {
    /// Puts two identifiers together.
    #[must_use]
    pub const fn new(schema: Ident, table: Ident) -> Self {
        Self { schema, table }
    }

    /// Reads `schema.table`, each part plain or in backquotes.
    ///
    /// # Errors
    /// `NotQualified` when there are not exactly two parts, else what `Ident::new` says.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut parts = Vec::new();
        let mut part = String::new();
        let mut quoted = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '`' if quoted && chars.peek() == Some(&'`') => {
                    chars.next();
                    part.push('`');
                }
                '`' => quoted = !quoted,
                '.' if !quoted => parts.push(std::mem::take(&mut part)),
                other => part.push(other),
            }
        }
        parts.push(part);
        let [schema, table] = <[String; 2]>::try_from(parts).map_err(|_| NameError::NotQualified(text.into()))?;
        if quoted {
            return Err(NameError::NotQualified(text.into()));
        }
        Ok(Self::new(Ident::new(schema)?, Ident::new(table)?))
    }

    /// The table being filled: `_name_shadow`, shortened when too long.
    #[must_use]
    pub fn shadow(&self) -> Self {
        self.derived("shadow")
    }

    /// The old table after the switch: `_name_retired`, shortened when too long.
    #[must_use]
    pub fn retired(&self) -> Self {
        self.derived("retired")
    }

    /// The empty table that keeps a switch from happening too early: `_name_switch`, shortened when too long. It sorts
    /// after the shadow, which the order of the servers' locks follows.
    #[must_use]
    pub fn sentry(&self) -> Self {
        self.derived("switch")
    }

    /// `_name_suffix`; a name that would be too long is cut and gets a hash of the whole name, so that two long names
    /// with the same beginning differ.
    fn derived(&self, suffix: &str) -> Self {
        let whole = format!("_{}_{suffix}", self.table.0);
        let table = if fits(&whole) { whole } else { shortened(&self.table.0, suffix) };
        Self { schema: self.schema.clone(), table: Ident(table) }
    }

    /// Schema and table in backquotes.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("{}.{}", self.schema.quoted(), self.table.quoted())
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

fn fits(name: &str) -> bool {
    name.chars().count() <= MAX_CHARS && file_bytes(name) <= MAX_FILE_BYTES
}

fn file_bytes(name: &str) -> usize {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { 1 } else { 5 }).sum()
}

fn shortened(name: &str, suffix: &str) -> String {
    let tail = format!("_{:08x}_{suffix}", fnv1a(name));
    let mut head = String::from("_");
    for c in name.chars() {
        let longer = format!("{head}{c}{tail}");
        if !fits(&longer) {
            break;
        }
        head.push(c);
    }
    head + &tail
}

/// 32-bit FNV-1a: stable over versions and platforms, which names on servers need.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_qualified_names() {
        //  text                 schema     table       why
        let cases = [
            ("shop.orders", "shop", "orders", "plain"),
            ("`a.b`.`c``d`", "a.b", "c`d", "dots and backquotes inside quotes"),
            ("shop.`order by`", "shop", "order by", "reserved words and spaces"),
        ];
        for (text, schema, table, why) in cases {
            let name = TableName::parse(text).unwrap();
            assert_eq!((name.schema.as_str(), name.table.as_str()), (schema, table), "{why}");
        }
        for bad in ["orders", "a.b.c", "a.", ".b", "`a.b", ""] {
            assert!(TableName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn derived_names_fit_and_differ() {
        let long = |end: &str| TableName::parse(&format!("s.{}{end}", "x".repeat(60))).unwrap();
        let (one, two) = (long("aaaa"), long("bbbb"));
        assert_ne!(one.shadow(), two.shadow(), "same beginning, other table");
        for name in [&one, &two, &TableName::parse(&format!("s.{}", "é".repeat(64))).unwrap()] {
            assert!(name.sentry().table.as_str() > name.shadow().table.as_str(), "the order of the locks");
            for derived in [name.shadow(), name.retired(), name.sentry()] {
                assert!(fits(derived.table.as_str()), "{derived}");
                Ident::new(derived.table.as_str()).unwrap();
            }
        }
        assert_eq!(TableName::parse("s.t").unwrap().shadow().table.as_str(), "_t_shadow");
    }

    #[test]
    fn suffixed_names_fit_and_differ() {
        let name = |text: &str| Ident::new(text).unwrap();
        assert_eq!(name("fk_x").suffixed("_driftless").as_str(), "fk_x_driftless");
        let (one, two) = (name(&"é".repeat(64)), name(&format!("{}x", "é".repeat(63))));
        assert_ne!(one.suffixed("_driftless"), two.suffixed("_driftless"), "same beginning, other name");
        for long in [one, two] {
            assert_eq!(long.suffixed("_driftless").as_str().chars().count(), MAX_CHARS);
        }
    }

    #[test]
    fn quotes_names() {
        assert_eq!(Ident::new("a`b").unwrap().quoted(), "`a``b`");
        assert!(Ident::new("a ").is_err() && Ident::new("x".repeat(65)).is_err());
    }
}
