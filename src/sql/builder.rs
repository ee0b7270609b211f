//! SQL that grows only from literals, quoted names and quoted values.

use driftless_strategies::{Ident, TableName};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// One statement for the text protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sql {
    text: String,
}

impl Sql {
    /// Starts with a literal.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        Self { text: text.to_owned() }
    }

    /// Appends a literal.
    #[must_use]
    pub fn text(mut self, text: &'static str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Appends a name in backquotes, any inside doubled.
    #[must_use]
    pub fn name(mut self, name: &Ident) -> Self {
        self.text.push_str(&name.quoted());
        self
    }

    /// Appends `schema`.`table`.
    #[must_use]
    pub fn table(mut self, table: &TableName) -> Self {
        self.text.push_str(&table.quoted());
        self
    }

    /// Appends a character string. It stands as hex, so that no sql_mode or character set can change its meaning.
    #[must_use]
    pub fn string(mut self, value: &str) -> Self {
        if value.bytes().all(|b| b.is_ascii_alphanumeric() || b" _-.,:/=%()+@".contains(&b)) {
            self.text.push('\'');
            self.text.push_str(value);
            self.text.push('\'');
        } else {
            self.text.push_str("_utf8mb4 x'");
            self.push_hex(value.as_bytes());
            self.text.push('\'');
        }
        self
    }

    /// Appends a character string where the grammar takes nothing but a plain one (COMMENT). It is read as written in
    /// the sql_mode that all of driftless's sessions have.
    #[must_use]
    pub fn literal(mut self, value: &str) -> Self {
        self.text.push('\'');
        for c in value.chars() {
            match c {
                '\'' => self.text.push_str("''"),
                '\\' => self.text.push_str("\\\\"),
                '\0' => self.text.push_str("\\0"),
                other => self.text.push(other),
            }
        }
        self.text.push('\'');
        self
    }

    /// Appends a character string as standard SQL and SQLite write it, a quote doubled. For ProxySQL's admin interface
    /// alone: a server's `sql_mode` could read a backslash otherwise.
    #[must_use]
    pub fn plain(mut self, value: &str) -> Self {
        self.text.push('\'');
        self.text.push_str(&value.replace('\'', "''"));
        self.text.push('\'');
        self
    }

    /// Appends a byte string as hex.
    #[must_use]
    pub fn bytes(mut self, value: &[u8]) -> Self {
        self.text.push_str("x'");
        self.push_hex(value);
        self.text.push('\'');
        self
    }

    /// Appends an unsigned number.
    #[must_use]
    pub fn number(mut self, value: u64) -> Self {
        self.text.push_str(&value.to_string());
        self
    }

    /// Appends another piece.
    #[must_use]
    pub fn sql(mut self, other: &Self) -> Self {
        self.text.push_str(&other.text);
        self
    }

    /// Appends pieces with a literal between them.
    #[must_use]
    pub fn join<I: IntoIterator<Item = Self>>(mut self, between: &'static str, pieces: I) -> Self {
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 {
                self.text.push_str(between);
            }
            self.text.push_str(&piece.text);
        }
        self
    }

    /// Appends text that is SQL already: the user's alter clauses, boundary literals that driftless wrote itself, a
    /// server's own expression. Every caller is listed in `tests/tidy.rs`.
    #[must_use]
    pub fn trusted(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// The statement.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn push_hex(&mut self, bytes: &[u8]) {
        self.text.reserve(bytes.len().saturating_mul(2));
        for byte in bytes {
            for half in [byte >> 4, byte & 15] {
                self.text.push(char::from(HEX[usize::from(half)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_by_type() {
        let name = Ident::new("a`b").unwrap();
        let sql = Sql::new("SELECT ").name(&name).text(" = ").string("it's").text(" AND ").string("plain");
        assert_eq!(sql.as_str(), "SELECT `a``b` = _utf8mb4 x'69742773' AND 'plain'");
        assert_eq!(Sql::new("").bytes(b"\x00\xff").as_str(), "x'00ff'");
    }
}
