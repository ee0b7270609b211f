//! The house rules that a machine can keep. Each test prints `file:line` of what breaks its rule.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Who may use whom: a room uses rooms of the rows above it only, never one of its own row. The doc has the same table.
const ROWS: [&[&str]; 10] = [
    &["strategies"],
    &["error", "ports", "sql"],
    &["config", "ddl", "binlog"],
    &["mysql"],
    &["discover", "inspect"],
    &["archive", "check", "copy", "verify", "throttle", "cutover", "proxy"],
    &["engine", "purge"],
    &["demo"],
    &["report"],
    &["cli"],
];

/// The vocabulary: ports speak of errors and SQL, so these three may name each other.
const VOCABULARY: usize = 1;

/// Files that may turn text into SQL, and what they vouch for; never a value.
const TRUSTED: [&str; 9] = [
    // Digits of numbers, dates and names of character sets, checked byte by byte.
    "src/sql/archive.rs",
    "src/sql/builder.rs",
    // The user's own clauses, which `ddl` has read and of which it lets through one alter only.
    "src/sql/catalog_trial.rs",
    "src/sql/ddl.rs",
    // Boundary literals that `copy::bound` made.
    "src/sql/copy.rs",
    // Names of character sets and collations from the server's catalog; numbers.
    "src/sql/precheck.rs",
    // Bounds that `Walk::bound` made; the user's condition, which `ddl` has read as one expression.
    "src/sql/purge.rs",
    // Types, defaults and expressions as the server's own catalog prints them.
    "src/sql/repair.rs",
    // Trigger names of hex digits.
    "src/sql/triggers.rs",
];

/// Files with words of SQL that are read or shown, never sent: what a parser knows, what a processlist says, what a
/// privilege is called.
const READ_ONLY_WORDS: [&str; 6] = [
    "src/binlog/statement.rs",
    "src/ddl/header.rs",
    "src/ddl/schema/dump.rs",
    "src/ddl/statement.rs",
    "src/inspect/holders.rs",
    "src/inspect/privileges.rs",
];

const TOP: [&str; 8] = ["Cargo.lock", "Cargo.toml", "README.md", "docs", "src", "strategies", "testdata", "tests"];

const LINES: usize = 500;
const DOOR_LINES: usize = 60;
const README_LINES: usize = 200;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A Rust file with its path from the root.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines that are not in a test module, with their numbers. Test modules stand last in a file.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.take_while(|(_, line)| line.trim() != "#[cfg(test)]")
    }

    /// The same without comments.
    fn statements(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn under(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Whether it holds tests only.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("_tests.rs")
    }

    /// The room: the first folder or file under `src`.
    fn room(&self) -> Option<&str> {
        let inner = self.path.strip_prefix("src/")?;
        let room = inner.split('/').next()?.trim_end_matches(".rs");
        (!["lib", "main"].contains(&room)).then_some(room)
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut found);
    }
    assert!(!found.is_empty(), "no sources under {folders:?}");
    found
}

fn walk(dir: &Path, found: &mut Vec<Source>) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            found.push(Source { path: name, text: std::fs::read_to_string(&path).unwrap() });
        }
    }
}

fn clean(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

/// Words of a line, as names in code.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Rooms that a line names by `crate::`; also in `crate::{a::X, b::Y}` on one line.
fn rooms_named(line: &str) -> Vec<&str> {
    let mut rooms = Vec::new();
    for rest in line.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => rooms.extend(words(rest).next()),
            Some(group) => {
                let group = group.split('}').next().unwrap_or_default();
                rooms.extend(group.split(',').filter_map(|part| words(part).next()));
            }
        }
    }
    rooms
}

fn row(room: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&room))
}

#[test]
fn rooms_use_only_rows_above() {
    let mut broken = Vec::new();
    for source in sources(&["src"]) {
        let Some(room) = source.room() else { continue };
        let own = row(room).unwrap_or_else(|| panic!("{}: the room {room} is in no row", source.path));
        for (number, line) in source.statements() {
            for used in rooms_named(line) {
                let allowed =
                    used == room || row(used).is_some_and(|row| row < own || (row == own && own == VOCABULARY));
                if !allowed {
                    broken.push(format!("{}:{number}: {room} uses {used}", source.path));
                }
            }
        }
    }
    clean(&broken, "a room may use only rows above its own");
}

#[test]
fn the_decision_is_pure() {
    // `INSTANT` is also an algorithm; the type of that name comes from `std::time` only.
    let foreign = ["tokio", "mysql_async", "SystemTime", "async"];
    let mut broken = Vec::new();
    for source in sources(&["strategies"]) {
        for (number, line) in source.statements() {
            broken.extend(
                words(line)
                    .filter(|word| foreign.contains(word))
                    .chain(line.contains("std::time").then_some("std::time"))
                    .map(|word| format!("{}:{number}: {word}", source.path)),
            );
        }
    }
    clean(&broken, "strategies know values only");
}

#[test]
fn files_are_short_and_doors_have_cards() {
    let mut broken = Vec::new();
    for source in sources(&["src", "strategies", "tests"]) {
        let lines = source.text.lines().count();
        let door = (source.path.ends_with("/mod.rs") || source.path == "strategies/lib.rs") && !source.is_test();
        let limit = if door { DOOR_LINES } else { LINES };
        if lines > limit {
            broken.push(format!("{}:{lines}: more than {limit} lines", source.path));
        }
        if door {
            let card: Vec<&str> = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
            for mark in ["//! In:", "//! Out:", "//! Never:"] {
                if !card.iter().any(|line| line.starts_with(mark)) {
                    broken.push(format!("{}:1: the card has no `{mark}`", source.path));
                }
            }
            for (number, line) in source.statements() {
                if line.trim_start().starts_with("fn ") || line.contains(" fn ") {
                    broken.push(format!("{}:{number}: logic in the door", source.path));
                }
            }
        }
    }
    clean(&broken, "short files; each door says what comes in, what goes out, and what never happens");
}

#[test]
fn only_one_room_names_the_driver() {
    let mut broken = Vec::new();
    for source in sources(&["src", "strategies"]).iter().filter(|source| !source.under("src/mysql")) {
        let named = source.code().filter(|(_, line)| words(line).any(|word| word == "mysql_async"));
        broken.extend(named.map(|(number, _)| format!("{}:{number}", source.path)));
    }
    clean(&broken, "mysql_async is named under src/mysql only");
}

#[test]
fn sql_stands_in_one_room() {
    let mut broken = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| !source.under("src/sql")) {
        if source.is_test() || READ_ONLY_WORDS.contains(&source.path.as_str()) {
            continue;
        }
        let end = source.code().last().map_or(0, |(number, _)| number);
        for (number, literal) in literals(&source.text) {
            if number <= end && is_statement(&literal) {
                broken.push(format!("{}:{number}: {literal}", source.path));
            }
        }
    }
    clean(&broken, "SQL text stands under src/sql only");
}

fn is_statement(literal: &str) -> bool {
    const BEGIN: [&str; 22] = [
        "SELECT ",
        "INSERT ",
        "UPDATE ",
        "DELETE ",
        "REPLACE ",
        "ALTER TABLE ",
        "CREATE ",
        "DROP ",
        "RENAME TABLE ",
        "TRUNCATE ",
        "SET SESSION ",
        "SET GLOBAL ",
        "SET @@",
        "SHOW ",
        "START TRANSACTION",
        "COMMIT",
        "ROLLBACK",
        "LOCK TABLES ",
        "UNLOCK TABLES",
        "KILL ",
        "FLUSH ",
        "XA ",
    ];
    BEGIN.iter().any(|begin| literal.trim_start().starts_with(begin))
}

/// All string literals of a Rust file with the line that they begin in.
fn literals(text: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut found, mut line, mut index) = (Vec::new(), 1, 0);
    while index < chars.len() {
        let hashes = (index + 1..).take_while(|next| at(*next) == '#').count();
        match at(index) {
            '\n' => line += 1,
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && at(index + 1) != '\n' {
                    index += 1;
                }
            }
            // A quote as a character, '"' or '\"', begins no string.
            '\'' if at(index + 1) == '"' || (at(index + 1) == '\\' && at(index + 2) == '"') => {
                index += if at(index + 1) == '"' { 2 } else { 3 };
            }
            'r' if at(index + 1 + hashes) == '"' && !(at(index.wrapping_sub(1)).is_alphanumeric()) => {
                let start = index + 2 + hashes;
                let end = format!("\"{}", "#".repeat(hashes));
                let rest: String = chars[start..].iter().collect();
                let literal = rest.split(end.as_str()).next().unwrap_or_default().to_owned();
                index = start + literal.chars().count() + hashes;
                let lines = literal.matches('\n').count();
                found.push((line, literal));
                line += lines;
            }
            '"' => {
                let (start, first) = (index + 1, line);
                index = start;
                while index < chars.len() && at(index) != '"' {
                    line += usize::from(at(index) == '\n');
                    if at(index) == '\\' {
                        index += 1;
                        line += usize::from(at(index) == '\n');
                    }
                    index += 1;
                }
                found.push((first, chars[start..index.min(chars.len())].iter().collect()));
            }
            _ => {}
        }
        index += 1;
    }
    found
}

#[test]
fn literals_are_found_where_they_are() {
    let text = "let a = \"x\\\"y\"; // \"no\"\nlet b = '\"'; let c = r#\"SELECT \"q\"\nz\"#;\nlet d = \"e\";\n";
    let expected = [(1, "x\\\"y"), (2, "SELECT \"q\"\nz"), (4, "e")].map(|(line, text)| (line, text.to_owned()));
    assert_eq!(literals(text), expected);
    assert!(is_statement("SELECT \"q\"") && !is_statement("INSERT") && !is_statement("the COMMIT"));
    assert_eq!(rooms_named("use crate::{error::Fault, ports}; crate::sql::x()"), ["error", "ports", "sql"]);
}

#[test]
fn text_becomes_sql_in_listed_files_only() {
    let mut broken = Vec::new();
    for source in sources(&["src", "strategies"]).iter().filter(|source| !TRUSTED.contains(&source.path.as_str())) {
        let used = source.statements().filter(|(_, line)| line.contains(".trusted("));
        broken.extend(used.map(|(number, _)| format!("{}:{number}", source.path)));
    }
    clean(&broken, "text that becomes SQL must be vouched for in tests/tidy.rs");
}

#[test]
fn only_the_report_prints() {
    let marks = ["println!(", "print!(", "io::stdout", "io::stderr", "dbg!("];
    let mut broken = Vec::new();
    for source in sources(&["src", "strategies"]).iter().filter(|source| !source.under("src/report")) {
        let prints = source.statements().filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
        broken.extend(prints.map(|(number, _)| format!("{}:{number}", source.path)));
    }
    clean(&broken, "only src/report writes to a terminal");
}

#[test]
fn names_say_what_things_are() {
    let empty = ["manager", "helper", "util", "utils", "helpers", "misc", "common"];
    let unfinished = ["TODO", "FIXME", "XXX", "HACK", "todo", "unimplemented"];
    let mut broken = Vec::new();
    for source in sources(&["src", "strategies", "tests"]).iter().filter(|source| source.path != "tests/tidy.rs") {
        if words(&source.path.replace('_', " ")).any(|word| empty.contains(&word)) {
            broken.push(format!("{}:1: the file's name says nothing", source.path));
        }
        for (number, line) in source.text.lines().enumerate() {
            let hollow = |word: &&str| ["Manager", "Helper", "Util"].iter().any(|end| word.ends_with(end));
            let bad = words(line).filter(|word| hollow(word) || unfinished.contains(word));
            broken.extend(bad.map(|word| format!("{}:{}: {word}", source.path, number + 1)));
        }
    }
    clean(&broken, "no hollow names, nothing unfinished");
}

#[test]
fn the_map_equals_the_disk() {
    let doc = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let tree = doc.split("```tree").nth(1).expect("a block ```tree").split("```").next().unwrap();
    let mut drawn = BTreeSet::new();
    let mut parent = String::new();
    for line in tree.lines().filter(|line| !line.trim().is_empty()) {
        let name = line.split_whitespace().next().unwrap();
        if line.starts_with(' ') {
            drawn.insert(format!("{parent}{name}"));
        } else {
            parent = name.to_owned();
        }
    }
    let mut there = BTreeSet::new();
    for parent in ["src", "strategies"] {
        for entry in std::fs::read_dir(root().join(parent)).unwrap() {
            let entry = entry.unwrap();
            let end = if entry.path().is_dir() { "/" } else { "" };
            there.insert(format!("{parent}/{}{end}", entry.file_name().to_string_lossy()));
        }
    }
    let undrawn: Vec<_> = there.difference(&drawn).collect();
    let gone: Vec<_> = drawn.difference(&there).collect();
    assert!(undrawn.is_empty() && gone.is_empty(), "docs/architecture.md: not drawn {undrawn:?}, not there {gone:?}");
}

#[test]
fn the_row_table_equals_the_rule() {
    let doc = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    for (number, rooms) in ROWS.iter().enumerate() {
        let rooms: Vec<String> = rooms.iter().map(|room| format!("`{room}`")).collect();
        let line = format!("| {number} | {} |", rooms.join(" "));
        assert!(doc.lines().any(|have| have == line), "docs/architecture.md has no line {line}");
    }
}

#[test]
fn the_top_holds_what_it_should() {
    let names = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<String> = names.filter(|name| !name.starts_with('.') && name != "target").collect();
    assert_eq!(there, TOP.map(str::to_owned).into(), "the top of the repository");
}

#[test]
fn the_readme_is_short() {
    let lines = std::fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES, "README.md:{lines}: more than {README_LINES} lines");
}
