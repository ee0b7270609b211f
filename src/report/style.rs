//! How text looks: colour, tables, and what may reach a terminal.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, Width, presets};

/// What the user asked for with `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColourChoice {
    /// When a person reads it.
    #[default]
    Auto,
    /// Even into a file.
    Always,
    /// Never.
    Never,
}

/// Where the text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A terminal.
    Terminal,
    /// A file or a pipe.
    File,
}

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// They are.
    On,
    /// They are not.
    Off,
}

impl Colour {
    /// The user's word first, then `NO_COLOR` (any value but an empty one), then who reads.
    ///
    /// # Source
    /// no-color.org.
    #[must_use]
    pub fn decide(choice: ColourChoice, reader: Reader, no_color: Option<&str>) -> Self {
        match (choice, reader) {
            (ColourChoice::Always, Reader::Terminal | Reader::File) => Self::On,
            (ColourChoice::Never, Reader::Terminal | Reader::File) | (ColourChoice::Auto, Reader::File) => Self::Off,
            (ColourChoice::Auto, Reader::Terminal) => {
                if no_color.is_some_and(|value| !value.is_empty()) {
                    Self::Off
                } else {
                    Self::On
                }
            }
        }
    }
}

/// What a piece of text is for; decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Ordinary text.
    Plain,
    /// A heading.
    Title,
    /// Good news.
    Good,
    /// Something to know.
    Warn,
    /// Something in the way.
    Bad,
    /// What matters less.
    Dim,
}

/// Narrowest width that tables are laid out for.
const WIDTH_MIN: u16 = 60;
/// Longest word that a column is kept wide enough for.
const WORD_MAX: usize = 30;

/// Width and colour of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether colours are used.
    pub colour: Colour,
    /// Columns of the terminal.
    pub width: u16,
}

impl Style {
    /// The text in its role's colour.
    #[must_use]
    pub fn paint(&self, role: Role, text: &str) -> String {
        let code = match role {
            Role::Plain => return text.to_owned(),
            Role::Title => "1",
            Role::Good => "32",
            Role::Warn => "33",
            Role::Bad => "31",
            Role::Dim => "2",
        };
        match self.colour {
            Colour::On => format!("\x1b[{code}m{text}\x1b[0m"),
            Colour::Off => text.to_owned(),
        }
    }

    /// Columns with a heading each, words kept whole where a column can be wide enough.
    #[must_use]
    pub fn table(&self, headings: &[&str], rows: Vec<Vec<(Role, String)>>) -> String {
        let mut table = self.bare();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.style_mut().row_separator = LineStyle::none();
        table.set_header(headings.iter().map(|heading| cell(Role::Title, heading)));
        self.fill(table, Some(headings), rows)
    }

    /// Columns without lines and headings: labels and texts, wrapped.
    #[must_use]
    pub fn list(&self, rows: Vec<Vec<(Role, String)>>) -> String {
        let mut table = self.bare();
        table.load_style(presets::NOTHING);
        self.fill(table, None, rows)
    }

    fn bare(&self) -> Table {
        let mut table = Table::new();
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(self.width.max(WIDTH_MIN)).force_no_tty();
        match self.colour {
            Colour::On => {
                table.enforce_styling();
                table.style_text_only();
            }
            Colour::Off => {}
        }
        table
    }

    fn fill(&self, mut table: Table, headings: Option<&[&str]>, rows: Vec<Vec<(Role, String)>>) -> String {
        let columns = rows.iter().map(Vec::len).max().unwrap_or_default().max(headings.map_or(0, <[&str]>::len));
        let texts = |index: usize| {
            let heading = headings.and_then(|all| all.get(index)).map(|text| (*text).to_owned());
            rows.iter().filter_map(move |row| row.get(index)).map(|(_, text)| clean(text)).chain(heading)
        };
        let constraints: Vec<ColumnConstraint> = (0..columns)
            .map(|index| {
                let widest = texts(index)
                    .flat_map(|text| text.split_whitespace().map(|word| word.chars().count()).collect::<Vec<_>>());
                let widest = widest.max().unwrap_or_default().min(WORD_MAX);
                // Two more for the column's padding.
                ColumnConstraint::LowerBoundary(Width::Fixed(u16::try_from(widest + 2).unwrap_or(WIDTH_MIN)))
            })
            .collect();
        for row in rows {
            table.add_row(row.iter().map(|(role, text)| cell(*role, text)));
        }
        table.set_constraints(constraints);
        table.trim_fmt() + "\n"
    }
}

fn cell(role: Role, text: &str) -> Cell {
    let cell = Cell::new(clean(text));
    if text.is_empty() {
        return cell;
    }
    match role {
        Role::Plain => cell,
        Role::Title => cell.add_attribute(Attribute::Bold),
        Role::Good => cell.fg(Color::DarkGreen),
        Role::Warn => cell.fg(Color::DarkYellow),
        Role::Bad => cell.fg(Color::DarkRed),
        Role::Dim => cell.add_attribute(Attribute::Dim),
    }
}

/// Text from a server or a user, made safe for a terminal: what could move the cursor or turn the writing's direction
/// stands as its escape; line feeds stay.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push(c),
            '\t' => safe.push(' '),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                safe.extend(c.escape_unicode())
            }
            other if other.is_control() => safe.extend(other.escape_default()),
            other => safe.push(other),
        }
    }
    safe
}

/// A statement in lines that fit, broken at blanks outside quotes only, so that it still does the same.
#[must_use]
pub fn wrap_sql(statement: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for source in words(statement) {
        let mut line = String::new();
        for word in source {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
                line.push(' ');
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&clean(&word));
        }
        if !line.is_empty() {
            lines.push(line);
        }
    }
    lines
}

/// The words of each line; what stands in quotes is one word with what touches it, even over several lines.
fn words(statement: &str) -> Vec<Vec<String>> {
    let (mut lines, mut words, mut word, mut quote) = (Vec::new(), Vec::new(), String::new(), None);
    let mut chars = statement.chars();
    while let Some(c) = chars.next() {
        match quote {
            // The indentation of a line stays with its first word.
            None if c == ' ' && words.is_empty() && word.trim().is_empty() => {}
            None if c.is_whitespace() => {
                if !word.trim().is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                if c == '\n' {
                    word.clear();
                    lines.push(std::mem::take(&mut words));
                }
                continue;
            }
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            Some('\'' | '"') if c == '\\' => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            Some(open) if open == c => quote = None,
            None | Some(_) => {}
        }
        word.push(c);
    }
    words.push(word);
    lines.push(words);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_follows_the_user_then_the_environment_then_the_reader() {
        use ColourChoice::{Always, Auto, Never};
        use Reader::{File, Terminal};
        //  --color  reader    NO_COLOR   colour       why
        let cases = [
            (Auto, Terminal, None, Colour::On, "a person reads"),
            (Auto, File, None, Colour::Off, "a pipe"),
            (Auto, Terminal, Some("1"), Colour::Off, "NO_COLOR"),
            (Auto, Terminal, Some(""), Colour::On, "an empty NO_COLOR says nothing"),
            (Always, File, Some("1"), Colour::On, "the flag is stronger"),
            (Never, Terminal, None, Colour::Off, "the flag is stronger"),
        ];
        for (choice, reader, no_color, expected, why) in cases {
            assert_eq!(Colour::decide(choice, reader, no_color), expected, "{why}");
        }
    }

    #[test]
    fn nothing_reaches_the_terminal_that_could_move_its_cursor() {
        assert_eq!(clean("a\x1b[2Jb\tc\r\u{202e}d\ne"), "a\\u{1b}[2Jb c\\r\\u{202e}d\ne");
    }

    #[test]
    fn statements_break_outside_quotes_only() {
        let sql = "SELECT 'a  b c d e f', `g h` FROM t WHERE x = 'it\\'s here' AND y = 1";
        let lines = wrap_sql(sql, 20);
        assert_eq!(lines.iter().map(|line| line.trim_start()).collect::<Vec<_>>().join(" "), sql, "nothing lost");
        assert!(lines.len() > 3 && lines.iter().any(|line| line.contains("'a  b c d e f',")), "{lines:?}");
        assert_eq!(wrap_sql("BEGIN\n  x 'a\n b';\nEND", 40), ["BEGIN", "  x 'a\n b';", "END"]);
    }

    #[test]
    fn columns_are_wide_enough_for_their_words() {
        let style = Style { colour: Colour::Off, width: 60 };
        let long = "one two three four five six seven eight nine ten eleven twelve thirteen";
        let row = || ["referenced-by-foreign-key", long, long].map(|text| (Role::Plain, text.to_owned())).to_vec();
        let text = style.table(&["code", "a", "b"], vec![row()]);
        assert!(text.contains("referenced-by-foreign-key") && text.contains("thirteen"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    }

    #[test]
    fn colours_do_not_change_the_layout() {
        let rows = || vec![vec![(Role::Bad, "no".to_owned()), (Role::Good, "yes yes".to_owned())]];
        let off = Style { colour: Colour::Off, width: 60 }.table(&["a", "b"], rows());
        let on = Style { colour: Colour::On, width: 60 }.table(&["a", "b"], rows());
        assert!(on.contains("\x1b[") && !off.contains('\x1b'));
        let mut bare = String::new();
        let mut rest = on.as_str();
        while let Some((before, after)) = rest.split_once("\x1b[") {
            bare.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        bare.push_str(rest);
        let trimmed = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(trimmed(&bare), trimmed(&off));
    }
}
