//! The reader of ALTER text, against cases in testdata and against anything at all.

#![expect(clippy::unwrap_used, reason = "a test may fail in its helper functions too")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use driftless::ddl::{AlterError, parse_alter_in};
use driftless_strategies::{Alter, ClauseKind, Flavour, Ident, Version};
use proptest::prelude::*;

const MYSQL: (Flavour, Version) = (Flavour::MySql, Version::new(8, 0, 36));
const MARIADB: (Flavour, Version) = (Flavour::MariaDb, Version::new(10, 11, 19));

fn read(text: &str, (flavour, version): (Flavour, Version)) -> Result<Alter, AlterError> {
    parse_alter_in(text, &Ident::new("shop").unwrap(), flavour, version)
}

/// The form in which the case files state what is expected.
fn shown(result: &Result<Alter, AlterError>) -> String {
    let alter = match result {
        Err(error) => return format!("{}:{} {}", error.line, error.column, error.problem),
        Ok(alter) => alter,
    };
    let mut parts = Vec::new();
    parts.extend(alter.table.as_ref().map(|table| format!("on {table}")));
    parts.extend(alter.ignore.then(|| "IGNORE".to_owned()));
    parts.extend(alter.clauses.iter().map(|clause| kind(&clause.kind)));
    parts.extend(alter.hints.iter().map(|hint| format!("hint {hint}")));
    parts.join("; ")
}

fn kind(kind: &ClauseKind) -> String {
    let serde_json::Value::Object(fields) = serde_json::to_value(kind).unwrap() else { unreachable!() };
    let mut text = String::new();
    for (key, value) in &fields {
        let value = value.to_string().replace('"', "");
        if key == "kind" {
            text.insert_str(0, &value);
        } else {
            write!(text, " {value}").unwrap();
        }
    }
    text
}

fn case_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/alter");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn reads_every_case() {
    let (mut wrong, mut cases) = (String::new(), 0);
    for file in case_files() {
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            if line.starts_with('#') {
                continue;
            }
            let mut fields = line.splitn(2, " | ");
            let family = fields.next().unwrap();
            let (text, expected) = fields.next().unwrap_or_default().rsplit_once(" | ").unwrap_or(("", "NONE"));
            let text = text.replace('⏎', "\n");
            let servers: &[_] = match family {
                "both" => &[MYSQL, MARIADB],
                "mysql" => &[MYSQL],
                "mariadb" => &[MARIADB],
                other => panic!("{}:{}: no family `{other}`", file.display(), number + 1),
            };
            for server in servers {
                cases += 1;
                let got = shown(&read(&text, *server));
                if got != expected {
                    writeln!(wrong, "{}:{} {line}\n    got: {got}", file.display(), number + 1).unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases > 400, "only {cases} cases were read");
}

#[test]
fn keeps_the_words_of_the_user() {
    //  text                                                         clauses                          why
    let cases: [(&str, &[&str], &str); 8] = [
        ("ADD  a\tINT , DROP b", &["ADD  a\tINT", "DROP b"], "white space inside stays, around it goes"),
        ("ADD/* x */a INT -- y\n, DROP b", &["ADD a INT", "DROP b"], "a comment is a blank"),
        ("ADD a INT COMMENT 'x\\', y', DROP b", &["ADD a INT COMMENT 'x\\', y'", "DROP b"], "escapes are not touched"),
        ("ADD a INT /*M!100600 INVISIBLE*/", &["ADD a INT  INVISIBLE"], "an executable comment loses its marks"),
        ("ADD a INT PARTITION BY KEY() PARTITIONS 2", &["ADD a INT", "PARTITION BY KEY() PARTITIONS 2"], "no comma"),
        ("ADD (a INT, KEY (a))", &["ADD a INT", "ADD KEY (a)"], "a mixed list comes apart"),
        ("ENGINE=InnoDB COMMENT='a,b'", &["ENGINE=InnoDB", "COMMENT='a,b'"], "options come apart"),
        (
            "CREATE OR REPLACE UNIQUE INDEX `i 1` USING BTREE ON t /* x */ (a , b(3)) COMMENT 'c' WAIT 3 LOCK=NONE",
            &["DROP INDEX IF EXISTS `i 1`", "ADD UNIQUE INDEX `i 1` USING BTREE (a , b(3)) COMMENT 'c' WAIT 3"],
            "another statement is put together from its parts; WAIT is only known before the options",
        ),
    ];
    for (text, clauses, why) in cases {
        let alter = read(text, MARIADB).unwrap();
        let texts: Vec<_> = alter.clauses.iter().map(|clause| clause.text.as_str()).collect();
        assert_eq!(texts, clauses, "{why}");
    }
    let alter = read("ADD a INT, FORCE PARTITION BY KEY() PARTITIONS 2", MYSQL).unwrap();
    assert_eq!(alter.text(), "ADD a INT, FORCE PARTITION BY KEY() PARTITIONS 2", "no comma before partitions");
}

#[test]
fn points_at_the_place_of_an_error() {
    let error = read("ADD a INT,\n  ADD b INT COMMENT 'x", MYSQL).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read the alter: this string is never closed (line 2, column 21)\n    ADD b INT COMMENT 'x\n                      ^"
    );
}

#[test]
fn needs_a_schema_from_somewhere() {
    let parse = driftless::ddl::parse_alter;
    let error = parse("ALTER TABLE orders FORCE", MYSQL.0, MYSQL.1).unwrap_err();
    assert_eq!(error.problem, driftless::ddl::Problem::NoSchema);
    let alter = parse("ALTER TABLE shop.orders FORCE", MYSQL.0, MYSQL.1).unwrap();
    assert_eq!(alter.table.unwrap().to_string(), "shop.orders");
    assert_eq!(parse("FORCE", MYSQL.0, MYSQL.1).unwrap().table, None);
}

/// Names, plain and quoted, that look like something else.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9_]{0,8}".prop_filter("not reserved", |name| !RESERVED.contains(&name.as_str())),
        "[ -~]{1,12}"
            .prop_filter("legal", |name| !name.ends_with(' '))
            .prop_map(|n| format!("`{}`", n.replace('`', "``"))),
        Just("`drop table x; --`".to_owned()),
        Just("größe".to_owned()),
    ]
}

const RESERVED: [&str; 12] = ["add", "as", "by", "if", "in", "index", "key", "keys", "on", "or", "to", "set"];

/// A string literal with any characters, in either quotes.
fn literal() -> impl Strategy<Value = String> {
    (any::<String>(), any::<bool>()).prop_map(|(text, double)| {
        let quote = if double { '"' } else { '\'' };
        let escaped: String = text
            .chars()
            .map(|c| match c {
                '\\' => "\\\\".to_owned(),
                c if c == quote => format!("{c}{c}"),
                c => c.to_string(),
            })
            .collect();
        format!("{quote}{escaped}{quote}")
    })
}

/// A clause and its kind's name.
fn clause() -> impl Strategy<Value = (String, &'static str)> {
    prop_oneof![
        (name(), literal()).prop_map(|(n, l)| (format!("ADD COLUMN {n} VARCHAR(9) DEFAULT {l} AFTER b"), "add-column")),
        (name(), name()).prop_map(|(a, b)| (format!("ADD ({a} INT, {b} DECIMAL(9,2) DEFAULT (1, 2))"), "add-column")),
        (name(), literal()).prop_map(|(n, l)| (format!("ADD {n} ENUM({l}, 'b,c')"), "add-column")),
        name().prop_map(|n| (format!("DROP COLUMN {n}"), "drop-column")),
        (name(), name()).prop_map(|(a, b)| (format!("CHANGE {a} {b} INT"), "change-column")),
        (name(), name()).prop_map(|(a, b)| (format!("RENAME COLUMN {a} TO {b}"), "rename-column")),
        (name(), name()).prop_map(|(a, b)| (format!("ADD UNIQUE KEY {a} ({b}(10), a DESC)"), "add-unique")),
        (name(), name()).prop_map(|(a, b)| (format!("ADD CONSTRAINT {a} CHECK ({b} IN (1, 2))"), "add-check")),
        name().prop_map(|n| (format!("DROP INDEX {n}"), "drop-")),
        literal().prop_map(|l| (format!("COMMENT={l}"), "table-option")),
        Just(("ENGINE=InnoDB".to_owned(), "engine")),
        Just(("FORCE".to_owned(), "force")),
        Just(("CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin".to_owned(), "convert-charset")),
    ]
}

/// What may stand between a clause and its comma.
fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", " ", "\n", "\t ", " /* a, b; 'c' */ ", " -- d, 'e\n", "# f;(\n", "\r\n", " /*+ g */"])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clauses_come_out_as_they_went_in(
        parts in prop::collection::vec((clause(), space(), space()), 1..8),
        hint in prop::option::of(Just("ALGORITHM=INPLACE")),
        end in prop::sample::select(vec!["", ";", " ;\n;", " -- end"]),
    ) {
        let mut written: Vec<String> =
            parts.iter().map(|((text, _), before, after)| format!("{before}{text}{after}")).collect();
        written.extend(hint.map(str::to_owned));
        let text = written.join(",") + end;
        for (header, server) in [("", MYSQL), ("", MARIADB), ("ALTER TABLE `a b`.c ", MYSQL)] {
            let alter = read(&format!("{header}{text}"), server).unwrap();
            let got: Vec<_> = alter.clauses.iter().map(|clause| clause.text.clone()).collect();
            let expected: Vec<_> = parts.iter().map(|((text, _), ..)| text.clone()).collect();
            prop_assert_eq!(got, expected);
            for (clause, ((_, expected), ..)) in alter.clauses.iter().zip(&parts) {
                prop_assert!(kind(&clause.kind).starts_with(expected), "{:?} is no {}", clause, expected);
            }
            prop_assert_eq!(alter.hints.len(), usize::from(hint.is_some()));
            prop_assert_eq!(alter.table.is_some(), !header.is_empty());
            let again = read(&alter.text(), server).unwrap();
            prop_assert_eq!(again.clauses, alter.clauses, "reading its own text changes nothing");
        }
    }

    #[test]
    fn a_second_statement_is_never_let_through(
        first in clause(), second in clause(), between in space(), after in space(),
    ) {
        let text = format!("{}{between};{after}{}", first.0, second.0);
        prop_assert!(read(&text, MYSQL).is_err(), "{}", text);
    }

    #[test]
    fn nothing_makes_it_panic(text in any::<String>()) {
        for server in [MYSQL, MARIADB] {
            if let Err(error) = read(&text, server) {
                prop_assert!(error.line > 0 && error.column > 0 && error.excerpt.contains('^'));
            }
        }
    }

    #[test]
    fn what_it_accepts_it_reads_again_alike(pieces in prop::collection::vec(piece(), 0..14)) {
        for server in [MYSQL, MARIADB] {
            if let Ok(alter) = read(&pieces.concat(), server) {
                let again = read(&alter.text(), server);
                prop_assert_eq!(again.map(|again| again.clauses), Ok(alter.clauses), "{}", pieces.concat());
            }
        }
    }
}

/// Pieces of SQL that hurt.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "'", "\"", "`", "\\", "/*", "*/", "/*!", "/*!50000 ", "/*!99999 ", "/*M!100000", "--", "-- ", "#", "\n", ";",
            ",", "(", ")", "|", "/", "*", "b'01'", "x'", "N'", "0x", "_utf8", ".", "=", "@", "1", "-",
        ]).prop_map(str::to_owned),
        4 => prop::sample::select(vec![
            " ADD ", " DROP ", " a ", " INT ", "COLUMN", " ALTER TABLE t ", "CREATE INDEX i ON t (a)", " PARTITION BY ",
            "ALGORITHM=COPY", " ENGINE=InnoDB ", " REMOVE PARTITIONING ", "CHANGE a b INT", "IF EXISTS ", " KEY ",
            "ORDER BY a, b", "DROP PARTITION p, q", "ADD (a INT, KEY (a))", "COMMENT 'x'", "DROP INDEX i ON t",
        ]).prop_map(str::to_owned),
        2 => literal(),
        1 => any::<char>().prop_map(String::from),
    ]
}
