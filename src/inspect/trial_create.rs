//! What MySQL tells of a temporary table's columns in SHOW CREATE TABLE only, in the catalog's words.
//!
//! # Source
//! MySQL 9.7.4, our own test (`tests/cluster/mysql_trial.rs`): of a temporary table SHOW COLUMNS prints `NULL` for an empty
//! EXTRA, leaves DEFAULT_GENERATED out, sets an expression as a default in brackets that a literal may have too, prints
//! binary defaults in full where the catalog stops at the first NUL, and no SRID; where the catalog has expressions with
//! their quotes and backslashes escaped, it has them as they are.

/// What follows a column's name in SHOW CREATE TABLE under a `sql_mode` without ANSI_QUOTES and NO_BACKSLASH_ESCAPES.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'a>(&'a str);

impl<'a> Written<'a> {
    /// Finds a column's line.
    pub(super) fn find(create: &'a str, column: &str) -> Option<Self> {
        let start = format!("  `{}` ", column.replace('`', "``"));
        create.lines().find_map(|line| line.strip_prefix(start.as_str())).map(Self)
    }

    /// An expression as a default, as the catalog prints it.
    pub(super) fn computed_default(self) -> Option<String> {
        self.after(" DEFAULT (").and_then(bracketed).map(escaped)
    }

    /// The expression of a generated column, as the catalog prints it.
    pub(super) fn expression(self) -> Option<String> {
        self.after(" GENERATED ALWAYS AS (").and_then(bracketed).map(escaped)
    }

    /// The reference system of a spatial column.
    pub(super) fn srid(self) -> Option<&'a str> {
        let rest = self.after(" SRID ")?;
        rest.find(|c: char| !c.is_ascii_digit()).and_then(|end| rest.get(..end))
    }

    /// What follows these words, where they stand outside of quotes and brackets.
    fn after(self, words: &str) -> Option<&'a str> {
        let mut scan = Scan { text: self.0, at: 0 };
        let mut depth = 0_u32;
        loop {
            if depth == 0
                && let Some(rest) = self.0.get(scan.at..).and_then(|rest| rest.strip_prefix(words))
            {
                return Some(rest);
            }
            match scan.step()? {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
}

/// A text, character by character; what is quoted counts as one.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl Scan<'_> {
    /// The next character, or the quote of what was quoted.
    fn step(&mut self) -> Option<char> {
        let mut rest = self.text.get(self.at..)?.char_indices();
        let (_, first) = rest.next()?;
        if !matches!(first, '\'' | '`') {
            self.at += first.len_utf8();
            return Some(first);
        }
        let mut skip = false;
        // Two quotes that stand for one end a quoted piece and begin another: that is as good.
        let end = rest.find(|(_, c)| {
            let ends = !skip && *c == first;
            skip = !skip && *c == '\\' && first == '\'';
            ends
        });
        self.at = end.map_or(self.text.len(), |(end, c)| self.at + end + c.len_utf8());
        Some(first)
    }
}

/// The text up to the bracket that closes it.
fn bracketed(text: &str) -> Option<&str> {
    let mut scan = Scan { text, at: 0 };
    let mut depth = 1_u32;
    while depth > 0 {
        match scan.step()? {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    text.get(..scan.at.checked_sub(1)?)
}

/// As the catalog escapes expressions.
pub(super) fn escaped(expression: &str) -> String {
    expression.replace('\\', "\\\\").replace('\'', "\\'")
}

/// A binary default as the catalog prints it: hex digits up to the first NUL.
pub(super) fn binary_default(shown: &str) -> String {
    let digits = shown.strip_prefix("0x").filter(|digits| digits.chars().all(|digit| digit.is_ascii_hexdigit()));
    let hex = digits
        .map_or_else(|| shown.bytes().map(|byte| format!("{byte:02X}")).collect::<String>(), str::to_ascii_uppercase);
    let pairs = hex.as_bytes().chunks(2).take_while(|pair| *pair != b"00");
    pairs.fold("0x".to_owned(), |text, pair| text + &String::from_utf8_lossy(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: &str = "CREATE TEMPORARY TABLE `p` (\n  \
        `id` int NOT NULL,\n  \
        `a` int DEFAULT (uuid_short()) /*!80023 INVISIBLE */,\n  \
        `d` varchar(20) DEFAULT '(none)' COMMENT ' DEFAULT (x) SRID 7 ',\n  \
        `e` varchar(20) DEFAULT (concat(_utf8mb4'x\\')',`d)`)),\n  \
        `i` enum('a'' DEFAULT (','c\\\\') DEFAULT 'a',\n  \
        `k` geometry /*!80003 SRID 4326 */ DEFAULT NULL,\n  \
        `r``s` int GENERATED ALWAYS AS ((`a` + 1)) VIRTUAL,\n  \
        PRIMARY KEY (`id`)\n)";

    #[test]
    fn columns_are_read_outside_of_quotes() {
        type Case = (&'static str, Option<&'static str>, Option<&'static str>, Option<&'static str>);
        //  column   default                                  expression          SRID
        let cases: [Case; 7] = [
            ("id", None, None, None),
            ("a", Some("uuid_short()"), None, None),
            ("d", None, None, None),
            ("e", Some(r"concat(_utf8mb4\'x\\\')\',`d)`)"), None, None),
            ("i", None, None, None),
            ("k", None, None, Some("4326")),
            ("r`s", None, Some("(`a` + 1)"), None),
        ];
        for (column, default, expression, srid) in cases {
            let written = Written::find(CREATE, column).unwrap();
            assert_eq!(written.computed_default().as_deref(), default, "{column}");
            assert_eq!(written.expression().as_deref(), expression, "{column}");
            assert_eq!(written.srid(), srid, "{column}");
        }
        assert!(Written::find(CREATE, "none").is_none());
    }

    #[test]
    fn binary_defaults_end_where_the_catalog_ends_them() {
        for (shown, catalog) in [("0x00FF", "0x"), ("0xFF00", "0xFF"), ("a\0\0", "0x61"), ("0xZZ", "0x30785A5A")] {
            assert_eq!(binary_default(shown), catalog, "{shown:?}");
        }
    }
}
