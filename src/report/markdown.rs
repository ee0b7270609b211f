//! Markdown in which nothing that a server or a user said can be anything but text.

use super::style::clean;

/// Text for a heading, a sentence or a table's cell: one line, shown as it is.
#[must_use]
pub fn text(raw: &str) -> String {
    let line = clean(raw).split('\n').map(str::trim_end).collect::<Vec<_>>().join(" ");
    let mut safe = String::with_capacity(line.len());
    let mut before = ' ';
    let mut chars = line.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '|' | '*' | '_' | '[' | ']' | '~' | '$' => {
                safe.push('\\');
                safe.push(c);
            }
            // At the beginning of a word these call a person or an issue; nothing between them and it keeps them quiet.
            '@' | '#' if !before.is_alphanumeric() && chars.peek().is_some_and(|next| next.is_alphanumeric()) => {
                safe.push(c);
                safe.push_str("<!-- -->");
            }
            other => safe.push(other),
        }
        before = c;
    }
    safe
}

/// A table; cells are raw and made safe here.
#[must_use]
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut made = line(headings.iter().map(|heading| text(heading)).collect());
    made.push_str(&line(headings.iter().map(|_| "---".to_owned()).collect()));
    for row in rows {
        made.push_str(&line(row.iter().map(|cell| text(cell)).collect()));
    }
    made
}

/// A block of code, fenced by more backquotes than stand in it anywhere.
#[must_use]
pub fn code(language: &str, raw: &str) -> String {
    let body = clean(raw);
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", body.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        //  raw                         safe                                            why
        let cases = [
            ("shop.orders", "shop.orders", "plain"),
            ("a|b", "a\\|b", "a pipe ends no cell"),
            ("a\\|b", "a\\\\\\|b", "nor does one after a backslash"),
            ("a\\", "a\\\\", "a backslash at the end does not take the pipe after it"),
            ("`id` and ``", "\\`id\\` and \\`\\`", "backquotes begin no code"),
            ("one\ntwo\r\n\nthree", "one two\\\\r  three", "line feeds end no row"),
            ("<script>&amp;", "&lt;script&gt;&amp;amp;", "no HTML, and entities as they were"),
            ("_x_ *y* ~z~ [a](b) $m$", "\\_x\\_ \\*y\\* \\~z\\~ \\[a\\](b) \\$m\\$", "no emphasis, links or formulas"),
            ("by @all, u@h, @@version", "by @<!-- -->all, u@h, @@<!-- -->version", "nobody is called"),
            ("see #12, a#1", "see #<!-- -->12, a#1", "no issue is linked"),
            ("\u{202e}x\u{1b}[0m", "\\\\u{202e}x\\\\u{1b}\\[0m", "no directions, no control characters"),
            ("  列 é ", "列 é", "other scripts stay, blanks around go"),
        ];
        for (raw, safe, why) in cases {
            assert_eq!(text(raw), safe, "{why}");
        }
    }

    #[test]
    fn a_row_has_as_many_cells_as_the_heading_whatever_is_in_it() {
        let hostile = ["|", "\\", "\\|", "a\n|b", "`|`", "<td>", "", "\\\\|\\"];
        for raw in hostile {
            let made = table(&["a", "b"], &[vec![raw.to_owned(), raw.to_owned()]]);
            let row = made.lines().nth(2).unwrap();
            assert_eq!(made.lines().count(), 3, "{raw:?}: {made}");
            // As a renderer counts: a backslash takes the next character with it.
            let (mut bars, mut chars) = (0, row.chars());
            while let Some(c) = chars.next() {
                match c {
                    '\\' => drop(chars.next()),
                    '|' => bars += 1,
                    _ => {}
                }
            }
            assert_eq!(bars, 3, "{raw:?}: {row}");
        }
    }

    #[test]
    fn code_cannot_leave_its_fence() {
        assert_eq!(code("sql", "ADD x INT\n"), "```sql\nADD x INT\n```\n");
        assert_eq!(code("", "a\n````\nb"), "`````\na\n````\nb\n`````\n");
        assert_eq!(code("", "`a``b`"), "```\n`a``b`\n```\n");
    }
}
