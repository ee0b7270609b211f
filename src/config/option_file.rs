//! Option files as MySQL and MariaDB programs read them.
//!
//! # Source
//! MySQL manual, "Using Option Files"; MariaDB, "Configuring MariaDB with Option Files".

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Warning};

/// Deepest nesting of `!include`.
const MAX_DEPTH: usize = 10;

/// One option that stands in a group that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOption {
    /// The group it stands in.
    pub group: String,
    /// Its name: lower case, dashes for underscores, without `loose-`.
    pub name: String,
    /// Its value; `None` for a bare option.
    pub value: Option<String>,
    /// Whether it was `loose-`: then a name or value that is not understood is passed over.
    pub loose: bool,
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl FileOption {
    /// `file:line: name`, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}: {}", self.file.display(), self.line, self.name)
    }
}

/// What the files say, in order: a later option wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The options.
    pub options: Vec<FileOption>,
    /// What was left out.
    pub warnings: Vec<Warning>,
}

/// Whether a file must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It was named by a flag: it must be there and readable.
    Must,
    /// It is read when it is there.
    May,
}

impl Options {
    /// Reads a file and what it includes, keeping the options of `groups`.
    ///
    /// # Errors
    /// `Unreadable` when a file that must be there can't be read, `OptionFile` when a line can't be understood.
    pub fn read(&mut self, file: &Path, need: Need, groups: &[String]) -> Result<(), ConfigError> {
        self.read_at(file, need, groups, 0)
    }

    fn read_at(&mut self, file: &Path, need: Need, groups: &[String], depth: usize) -> Result<(), ConfigError> {
        let read = std::fs::metadata(file).and_then(|meta| Ok((meta, std::fs::read(file)?)));
        let (meta, bytes) = match read {
            Ok(read) => read,
            Err(error) if need == Need::Must => {
                return Err(ConfigError::Unreadable {
                    place: "option file".into(),
                    file: file.into(),
                    what: error.to_string(),
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && depth == 0 => return Ok(()),
            Err(error) => {
                self.warnings.push(Warning::LeftOut { file: file.into(), what: error.to_string() });
                return Ok(());
            }
        };
        if meta.is_file() && meta.permissions().mode() & 0o002 != 0 {
            self.warnings.push(Warning::WorldWritable(file.into()));
            return Ok(());
        }
        let before = self.options.len();
        self.parse(file, &bytes, groups, depth)?;
        let holds_password = self.options[before..].iter().any(|it| it.file == file && it.name == "password");
        if holds_password && others_can_read(&meta) {
            self.warnings.push(Warning::PasswordReadable(file.into()));
        }
        Ok(())
    }

    fn parse(&mut self, file: &Path, bytes: &[u8], groups: &[String], depth: usize) -> Result<(), ConfigError> {
        let mut group: Option<(String, bool)> = None;
        for (index, raw) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = index + 1;
            let wrong = |what: &str| ConfigError::OptionFile { file: file.into(), line, what: what.into() };
            let raw = raw.trim_ascii();
            if raw.is_empty() || raw.starts_with(b"#") || raw.starts_with(b";") {
                continue;
            }
            let text = std::str::from_utf8(raw).map_err(|_| wrong("the line is not UTF-8"))?;
            if let Some(directive) = text.strip_prefix('!') {
                self.include(file, line, directive, groups, depth)?;
            } else if let Some(rest) = text.strip_prefix('[') {
                let (name, _) = rest.split_once(']').ok_or_else(|| wrong("the group has no closing bracket"))?;
                let name = name.trim().to_owned();
                let wanted = groups.contains(&name);
                group = Some((name, wanted));
            } else {
                let (name, wanted) = group.as_ref().ok_or_else(|| wrong("the option stands before any [group]"))?;
                if *wanted {
                    let option = option(name, text, file, line).map_err(|what| wrong(&what))?;
                    self.options.push(option);
                }
            }
        }
        Ok(())
    }

    fn include(
        &mut self,
        file: &Path,
        line: usize,
        directive: &str,
        groups: &[String],
        depth: usize,
    ) -> Result<(), ConfigError> {
        let wrong = |what: String| ConfigError::OptionFile { file: file.into(), line, what };
        let (word, path) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
        let path = Path::new(path.trim());
        if path.as_os_str().is_empty() {
            return Err(wrong(format!("`!{directive}` names no file or folder")));
        }
        if depth == MAX_DEPTH {
            return Err(wrong(format!("!include is nested deeper than {MAX_DEPTH} files")));
        }
        match word {
            "include" => self.read_at(path, Need::May, groups, depth + 1),
            "includedir" => {
                for found in self.cnf_files(path) {
                    self.read_at(&found, Need::May, groups, depth + 1)?;
                }
                Ok(())
            }
            other => Err(wrong(format!("`!{other}` is neither !include nor !includedir"))),
        }
    }

    fn cnf_files(&mut self, folder: &Path) -> Vec<PathBuf> {
        let listed = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match listed {
            Ok(entries) => {
                let paths = entries.into_iter().map(|entry| entry.path());
                let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ext| ext == "cnf")).collect();
                files.sort();
                files
            }
            Err(error) => {
                self.warnings.push(Warning::LeftOut { file: folder.into(), what: error.to_string() });
                Vec::new()
            }
        }
    }
}

/// Whether others than the owner and the group may read the file.
#[must_use]
pub fn others_can_read(meta: &Metadata) -> bool {
    meta.is_file() && meta.permissions().mode() & 0o004 != 0
}

fn option(group: &str, text: &str, file: &Path, line: usize) -> Result<FileOption, String> {
    let text = without_comment(text).trim_end();
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    let name = name.trim().to_ascii_lowercase().replace('_', "-");
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err("the line is neither an option, a [group], nor a comment".into());
    }
    let (name, loose) = match name.strip_prefix("loose-") {
        Some(rest) => (rest.to_owned(), true),
        None => (name, false),
    };
    let value = value.map(|value| unescaped(unquoted(value.trim())));
    Ok(FileOption { group: group.into(), name, value, loose, file: file.into(), line })
}

/// Cuts a comment that begins inside the line: at a `#` outside quotes.
fn without_comment(text: &str) -> &str {
    let (mut quote, mut escaped) = (None, false);
    for (index, c) in text.char_indices() {
        match (quote, c) {
            (None, '#') => return &text[..index],
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c && !escaped => quote = None,
            _ => {}
        }
        escaped = quote.is_some() && c == '\\' && !escaped;
    }
    text
}

fn unquoted(value: &str) -> &str {
    ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value)
}

fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('s') => out.push(' '),
            Some(plain @ ('\\' | '"' | '\'')) => out.push(plain),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Options, ConfigError> {
        let mut options = Options::default();
        options.parse(Path::new("my.cnf"), text.as_bytes(), &["client".into(), "driftless".into()], 0)?;
        Ok(options)
    }

    #[test]
    fn reads_lines_as_the_client_does() {
        //   line                          name         value               why
        let cases = [
            ("password=abc", "password", Some("abc"), "plain"),
            ("  password =  a b  ", "password", Some("a b"), "blanks around, not inside"),
            ("password='a#b'", "password", Some("a#b"), "a quoted # is no comment"),
            ("password=a#b", "password", Some("a"), "an unquoted # is one"),
            ("password=\"a'b\" # x", "password", Some("a'b"), "one quote inside the other, comment behind"),
            (r##"password="a\"#b""##, "password", Some("a\"#b"), "an escaped quote does not end the quotes"),
            (r"password=a\sb\\c\qd", "password", Some(r"a b\c\qd"), "escapes; an unknown one stays"),
            ("password=a;b", "password", Some("a;b"), "; is a comment at the start of a line only"),
            ("password=a=b", "password", Some("a=b"), "the first = counts"),
            ("password=", "password", Some(""), "empty"),
            ("password='", "password", Some("'"), "a lone quote is itself"),
            ("ssl_ca=/x", "ssl-ca", Some("/x"), "underscores are dashes"),
            ("SSL-CA=/x", "ssl-ca", Some("/x"), "case does not count"),
            ("ssl", "ssl", None, "bare"),
        ];
        for (line, name, value, why) in cases {
            let options = read(&format!("[client]\n{line}\n")).unwrap().options;
            assert_eq!(options.len(), 1, "{why}");
            assert_eq!((options[0].name.as_str(), options[0].value.as_deref()), (name, value), "{why}");
            assert_eq!(options[0].line, 2, "{why}");
        }
    }

    #[test]
    fn keeps_only_the_groups_asked_for() {
        let text = "# c\n; c\n\n[mysqld]\nport=1\n[client]\nport=2\r\n[other]\nport=3\n[driftless]\nloose_port=4\n";
        let options = read(text).unwrap().options;
        let seen: Vec<_> = options.iter().map(|it| (it.group.as_str(), it.value.as_deref(), it.loose)).collect();
        assert_eq!(seen, [("client", Some("2"), false), ("driftless", Some("4"), true)]);
    }

    #[test]
    fn names_file_and_line_of_what_is_wrong() {
        //   text                       message                                                        why
        let cases = [
            ("[client\n", "my.cnf:1: the group has no closing bracket", "bracket"),
            ("\nport=1\n", "my.cnf:2: the option stands before any [group]", "no group"),
            ("[client]\nwhat is this\n", "my.cnf:2: the line is neither an option", "not an option"),
            ("[client]\n!inclde x\n", "my.cnf:2: `!inclde` is neither", "bad directive"),
            ("!include\n", "my.cnf:1: `!include` names no file", "no path"),
        ];
        for (text, message, why) in cases {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{why}: {error}");
        }
        let error = Options::default().parse(Path::new("f"), b"[client]\npassword=\xff", &["client".into()], 0);
        assert_eq!(error.unwrap_err().to_string(), "f:2: the line is not UTF-8");
    }

    #[test]
    fn follows_includes_and_judges_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, mode: u32| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            path
        };
        std::fs::create_dir(dir.path().join("d")).unwrap();
        write("d/b.cnf", "[client]\nuser=b\n", 0o644);
        write("d/a.cnf", "[client]\nuser=a\n", 0o644);
        write("d/c.txt", "[client]\nuser=no\n", 0o644);
        let open = write("open.cnf", "[client]\nuser=evil\n", 0o666);
        let seen = write("seen.cnf", "[client]\npassword=x\n", 0o644);
        let at = dir.path().display();
        let text = format!(
            "[client]\nuser=1\n!includedir {at}/d\n!include {at}/open.cnf\n!include {at}/seen.cnf\n!include {at}/none\nuser=2\n"
        );
        let main = write("my.cnf", &text, 0o600);
        let mut options = Options::default();
        options.read(&main, Need::Must, &["client".into()]).unwrap();
        let values: Vec<_> = options.options.iter().filter_map(|it| it.value.as_deref()).collect();
        assert_eq!(values, ["1", "a", "b", "x", "2"], "in order, .cnf only, sorted");
        assert_eq!(options.warnings[0], Warning::WorldWritable(open));
        assert_eq!(options.warnings[1], Warning::PasswordReadable(seen));
        assert!(matches!(&options.warnings[2], Warning::LeftOut { file, .. } if file.ends_with("none")));

        let own = write("loop.cnf", &format!("!include {at}/loop.cnf\n"), 0o600);
        let error = options.read(&own, Need::Must, &[]).unwrap_err().to_string();
        assert!(error.ends_with("!include is nested deeper than 10 files"), "{error}");
        let error = options.read(Path::new("/none/x"), Need::Must, &[]).unwrap_err().to_string();
        assert!(error.starts_with("option file: can't read /none/x:"), "{error}");
        options.read(Path::new("/none/x"), Need::May, &[]).unwrap();
    }
}
