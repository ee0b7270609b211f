//! The command line without a server: help, completions, the manual page, and what is refused before connecting.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

const COMMANDS: [&str; 12] = [
    "plan",
    "inspect",
    "run",
    "status",
    "pause",
    "resume",
    "cutover",
    "abort",
    "cleanup",
    "demo",
    "completions",
    "man",
];

fn driftless(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
    for name in ["MYSQL_PWD", "MYSQL_HOST", "MYSQL_TCP_PORT", "MYSQL_UNIX_PORT", "MYSQL_GROUP_SUFFIX", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.env("HOME", "/nonexistent").args(args).stdin(Stdio::null()).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn help_names_every_command_and_every_exit_code() {
    let help = driftless(&["--help"]);
    assert_eq!(code(&help), 0);
    for command in COMMANDS {
        assert!(out(&help).lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{command}");
    }
    let text = out(&help).split_whitespace().collect::<Vec<_>>().join(" ");
    for exit in ["0 done", "1 failed", "2 usage", "3 refused", "4 drift", "5 stopped", "6 unknown"] {
        assert!(text.contains(exit), "{exit}: {text}");
    }
    assert_eq!(out(&driftless(&["--version"])), format!("driftless {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_has_help_of_its_own() {
    for command in COMMANDS {
        let help = driftless(&[command, "--help"]);
        assert_eq!(code(&help), 0, "{command}");
        assert!(out(&help).contains(&format!("Usage: driftless {command}")), "{command}: {}", out(&help));
        assert!(err(&help).is_empty(), "{command}");
        let again = driftless(&["help", command]);
        assert_eq!(code(&again), 0, "help {command}");
    }
    // -h is the host, as in the mysql client, wherever there is one.
    assert_eq!(code(&driftless(&["plan", "-h"])), 2);
    let plan = out(&driftless(&["plan", "--help"]));
    for flag in [
        "--host",
        "--node",
        "--table",
        "--alter",
        "--strategy",
        "--allow-lossy",
        "--out",
        "--format",
        "--max-stall",
        "--facts",
    ] {
        assert!(plan.contains(flag), "{flag}");
    }
    let run = out(&driftless(&["run", "--help"]));
    for flag in
        ["--yes", "--resume", "--postpone-cutover-file", "--max-load", "--max-lag", "--workers", "--keep-retired"]
    {
        assert!(run.contains(flag), "{flag}");
    }
    assert!(!plan.contains("--password "), "the flag that is only there to be refused is not advertised");
}

#[test]
fn wrong_command_lines_are_usage_errors() {
    //  arguments                                                             says
    let cases: [(&[&str], &str); 19] = [
        (&[], "Usage: driftless"),
        (&["nosuchcommand"], "unrecognized subcommand 'nosuchcommand'"),
        (&["paln"], "plan"),
        (&["plan", "--nosuchflag"], "unexpected argument '--nosuchflag'"),
        (&["plan"], "--alter is missing"),
        (&["run"], "--alter is missing"),
        (&["plan", "--no-defaults", "--table", "t", "--alter", "FORCE"], "is not of the form schema.table"),
        (&["plan", "--no-defaults", "--table", "a.b", "--alter", "FORCE", "--max-stall", "2 parsecs"], "unknown unit"),
        (&["plan", "--no-defaults", "--defaults-file", "/x"], "cannot be used with"),
        (&["plan", "--defaults-file", "/nowhere/my.cnf", "--table", "a.b", "--alter", "FORCE"], "/nowhere/my.cnf"),
        (&["run", "--no-defaults", "--table", "a.b", "--alter", "FORCE", "--max-load", "x"], "--max-load"),
        (&["run", "--no-defaults", "/nowhere/plan.json"], "/nowhere/plan.json"),
        (&["run", "--no-defaults", "/nowhere/plan.toml"], "/nowhere/plan.toml"),
        (&["plan", "--no-defaults", "/nowhere/plan.json"], "is not a plan file"),
        (&["run", "plan.json", "--alter", "FORCE"], "cannot be used with"),
        (&["status", "--no-defaults", "--port", "70000"], "--port"),
        (&["completions", "tcsh"], "tcsh"),
        (&["completions"], "<SHELL>"),
        (&["demo", "--rows", "1"], "1000..=5000000"),
    ];
    for (args, says) in cases {
        let output = driftless(args);
        assert_eq!(code(&output), 2, "{args:?}: {}", err(&output));
        assert!(err(&output).contains(says), "{args:?}: \"{says}\" is not in: {}", err(&output));
        assert!(out(&output).is_empty(), "{args:?}: results go to standard output, complaints don't");
        assert!(!err(&output).contains("panicked"), "{args:?}");
    }
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    for given in [&["--password=hunter2"][..], &["-phunter2"], &["--password", "hunter2"], &["-p", "hunter2"]] {
        for command in ["plan", "run", "status", "abort"] {
            let output = driftless(&[&[command], given].concat());
            assert_eq!(code(&output), 2, "{command} {given:?}");
            assert!(err(&output).contains("--password-file"), "{command} {given:?}: {}", err(&output));
            assert!(!err(&output).contains("hunter2") && out(&output).is_empty(), "{command} {given:?}: repeated");
        }
    }
}

#[test]
fn nobody_at_that_address_is_a_refusal() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let to = ["--no-defaults", "--host", "127.0.0.1", "--port", &free, "--user", "root"];
    for command in ["status", "abort", "pause", "resume", "cutover", "cleanup"] {
        let output = driftless(&[&[command], &to[..]].concat());
        assert_eq!(code(&output), 3, "{command}: {}", err(&output));
        for says in ["no connection to the server", "where:", &free, "why:", "Connection refused", "do:"] {
            assert!(err(&output).contains(says), "{command}: \"{says}\" is not in: {}", err(&output));
        }
    }
    let json =
        driftless(&[&["run", "--yes", "--format", "json", "--table", "a.b", "--alter", "FORCE"], &to[..]].concat());
    let line: serde_json::Value = serde_json::from_str(out(&json).trim()).unwrap();
    assert_eq!((&line["event"], &line["code"]), (&"ended".into(), &3.into()), "{line}");
}

#[test]
fn completions_for_every_shell_and_a_manual_page() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = driftless(&["completions", shell]);
        assert_eq!(code(&script), 0, "{shell}");
        assert!(out(&script).contains("postpone-cutover-file") && err(&script).is_empty(), "{shell}");
    }
    let page = driftless(&["man"]);
    assert_eq!(code(&page), 0);
    assert!(out(&page).contains(".TH") && out(&page).contains("driftless"), "roff");
}

#[test]
fn a_closed_pipe_is_no_error() {
    for args in [&["completions", "bash"][..], &["man"], &["--help"], &["run", "--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = Command::new(env!("CARGO_BIN_EXE_driftless"))
            .args(args)
            .stdout(Stdio::from(writer))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), err(&output)), (0, String::new()), "{args:?}");
    }
}

/// The facts of a test as a file of `inspect --out`.
fn facts_file(dir: &Path, name: &str, change: impl FnOnce(&mut serde_json::Value)) -> String {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/facts/galera-3.json");
    let facts: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(sample).unwrap()).unwrap();
    let mut file = serde_json::json!({ "format": 1, "driftless": "0.1.0", "facts": facts });
    change(&mut file);
    let path = dir.join(name);
    std::fs::write(&path, file.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_plan_from_facts_asks_no_server_and_is_the_same_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let good = facts_file(dir.path(), "facts.json", |_| {});
    let other = facts_file(dir.path(), "other.json", |file| file["facts"]["name"]["table"] = "items".into());
    let plan = |more: &[&str]| driftless(&[&["plan", "--facts", good.as_str()], more].concat());
    let add = ["--table", "shop.orders", "--alter", "ADD COLUMN note TEXT"];
    for format in ["text", "json", "markdown"] {
        let (one, two) =
            (plan(&[&add[..], &["--format", format]].concat()), plan(&[&add[..], &["--format", format]].concat()));
        assert_eq!((code(&one), err(&one).as_str()), (0, ""), "{format}");
        assert_eq!(one.stdout, two.stdout, "{format}");
        let said = out(&one).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("no server has tried the statement"), "{format}: {said}");
        assert!(said.contains("trigger-copy"), "{format}: {said}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&out(&plan(&[&add[..], &["--format", "json"]].concat()))).unwrap();
    assert_eq!((&json["outcome"], &json["decision"]["plan"]["strategy"]), (&"planned".into(), &"trigger-copy".into()));
    // What the clauses alone tell is refused as it would be on the servers, in every form.
    for format in ["text", "json", "markdown"] {
        let refused = plan(&["--table", "shop.orders", "--alter", "DROP COLUMN id", "--format", format]);
        assert_eq!((code(&refused), err(&refused).as_str()), (3, ""), "{format}: {}", out(&refused));
        assert!(out(&refused).contains("no-usable-key"), "{format}: {}", out(&refused));
    }
    let modified = plan(&["--alter", "ALTER TABLE shop.orders MODIFY amount INT"]);
    let said = out(&modified).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("whether values of `amount` survive the new definition is not judged"), "{said}");

    // A plan file with changes of several tables, each with facts of its own.
    let changes = dir.path().join("changes.toml");
    let two = "[[change]]\ntable = 'shop.orders'\nalter = 'FORCE'\n[[change]]\ntable = 'shop.items'\nalter = 'FORCE'\n";
    std::fs::write(&changes, two).unwrap();
    let both = plan(&["--facts", &other, changes.to_str().unwrap(), "--format", "markdown"]);
    assert_eq!(code(&both), 0, "{}", err(&both));
    assert!(out(&both).contains("shop.orders can be") && out(&both).contains("shop.items can be"), "{}", out(&both));
}

/// A schema file as a dump has it.
const SCHEMA: &str = "-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB\n-- Server version\t10.11.6-MariaDB\n
CREATE TABLE `orders` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `who` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `k` (`who`),
  CONSTRAINT `fk` FOREIGN KEY (`who`) REFERENCES `people` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=2000000000 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TABLE `people` (`id` int(11) NOT NULL PRIMARY KEY);
";

#[test]
fn a_plan_from_a_schema_file_asks_no_server_and_says_what_it_assumes() {
    let dir = tempfile::tempdir().unwrap();
    let (file, bare) = (dir.path().join("schema.sql"), dir.path().join("bare.sql"));
    std::fs::write(&file, SCHEMA).unwrap();
    std::fs::write(&bare, SCHEMA.split_once("\n\n").unwrap().1).unwrap();
    let broken = dir.path().join("broken.sql");
    std::fs::write(&broken, format!("{SCHEMA}CREATE TABLE x (\n  a INT,\n  b INT NUL);\n")).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let plan = |schema: &Path, more: &[&str]| driftless(&[&["plan", "--schema", &path(schema)], more].concat());
    let add = ["--table", "shop.orders", "--alter", "ADD COLUMN note TEXT, ADD KEY again (who)"];
    let said = |output: &std::process::Output| out(output).split_whitespace().collect::<Vec<_>>().join(" ");
    for format in ["text", "json", "markdown"] {
        let args = [&add[..], &["--galera", "3", "--rows", "1000000", "--format", format]].concat();
        let (one, two) = (plan(&file, &args), plan(&file, &args));
        assert_eq!((code(&one), err(&one).as_str()), (0, ""), "{format}");
        assert_eq!(one.stdout, two.stdout, "{format}");
        for words in [
            "no server has tried the statement",
            "trigger-copy",
            "a Galera cluster of 3 nodes: MariaDB 10.11.6 (the dump's first lines)",
            "95 MiB of rows, as --rows says, 100 bytes each",
            "lint-duplicate-key",
            "lint-integer-range",
        ] {
            let said = said(&one).replace("\\_", "_");
            assert!(said.contains(words), "{format}: {words}: {said}");
        }
    }
    let lints = plan(&bare, &[&add[..], &["--server-version", "mysql-8.0.36", "--deny-lints"]].concat());
    assert_eq!(code(&lints), 3, "a check that only lints");
    assert!(said(&lints).contains("for neither --rows nor --bytes is given"), "{}", said(&lints));
    let people = plan(&file, &["--table", "shop.people", "--alter", "FORCE"]);
    assert!(said(&people).contains("referenced-by-foreign-key"), "the other table points at it: {}", said(&people));

    let changes = dir.path().join("changes.toml");
    let two =
        "[[change]]\ntable = 'shop.orders'\nalter = 'FORCE'\n[[change]]\ntable = 'shop.nothing'\nalter = 'FORCE'\n";
    std::fs::write(&changes, two).unwrap();
    let saved = path(&dir.path().join("plan.json"));
    //  schema          more flags                                         says
    let cases: [(&Path, Vec<&str>, &[&str]); 9] = [
        (&bare, add.to_vec(), &["does not say for which server", "--server-version 10.11"]),
        (&broken, add.to_vec(), &["the schema can't be read", "broken.sql", "`NUL` is no attribute", "line 14", "^"]),
        (Path::new("/nowhere/schema.sql"), add.to_vec(), &["the schema can't be read", "No such file"]),
        (&file, vec!["--table", "shop.none", "--alter", "FORCE"], &["has shop.orders, shop.people"]),
        (&file, vec![changes.to_str().unwrap()], &["shop.nothing is to be changed"]),
        (&file, [&add[..], &["--out", &saved]].concat(), &["--out can't save a plan that was made from --schema"]),
        (&file, [&add[..], &["--host", "db1"]].concat(), &["cannot be used with"]),
        (&file, [&add[..], &["--server-version", "ten"]].concat(), &["'ten' is not a version"]),
        (&file, [&add[..], &["--schema", file.to_str().unwrap()]].concat(), &["has a table shop.orders too"]),
    ];
    for (schema, more, says) in cases {
        let output = plan(schema, &more);
        assert_eq!(code(&output), 2, "{more:?}: {} {}", out(&output), err(&output));
        for words in says {
            assert!(err(&output).contains(words), "{more:?}: {words}: {}", err(&output));
        }
    }
    assert_eq!(
        code(&driftless(&["plan", "--rows", "3", "--table", "a.b", "--alter", "FORCE"])),
        2,
        "only with --schema"
    );
}

#[test]
fn lints_warn_are_allowed_by_name_and_stop_a_check_when_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let facts = facts_file(dir.path(), "facts.json", |_| {});
    let plan = |more: &[&str]| driftless(&[&["plan", "--facts", facts.as_str()], more].concat());
    let rename = ["--table", "shop.orders", "--alter", "RENAME COLUMN remark TO note"];
    let allow = ["--allow", "lint-column-rename"];
    //  more flags                                       code  says                                  why
    let cases: [(&[&str], i32, &str, &str); 6] = [
        (&[], 0, "lint-column-rename", "a warning stops nothing"),
        (&allow, 0, "Allowed lint-column-rename", "and is counted where it is allowed"),
        (&["--deny-lints"], 3, "if it is meant, --allow lint-column-rename", "it stops the check that wants that"),
        (&["--deny-lints", allow[0], allow[1]], 0, "Allowed lint-column-rename", "not where it is allowed"),
        (&["--allow", "lint-enum-order"], 0, "idle-permission", "a permission for nothing is told"),
        (&["--format", "markdown"], 0, "lint-column-rename", "in a comment too"),
    ];
    for (more, expected, says, why) in cases {
        let output = plan(&[&rename[..], more].concat());
        let said = out(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!((code(&output), err(&output).as_str()), (expected, ""), "{why}: {said}");
        assert!(said.contains(says), "{why}: {said}");
    }
    let json = plan(&[&rename[..], &allow, &["--format", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    let decision = &json["decision"];
    assert_eq!((&decision["lints"], &decision["allowed_lints"][0]["code"]), (&serde_json::json!([]), &allow[1].into()));
    assert_eq!(decision["plan"]["options"]["allow"], serde_json::json!([allow[1]]), "the plan keeps it");

    let file = dir.path().join("changes.toml");
    let change = "[[change]]\ntable = 'shop.orders'\nalter = 'RENAME COLUMN remark TO note'\n";
    for (text, expected) in [
        (format!("[defaults]\ndeny-lints = true\n{change}"), 3),
        (format!("[defaults]\ndeny-lints = true\n{change}allow = ['lint-column-rename']\n"), 0),
        (format!("{change}allow = ['lint-colum-rename']\n"), 2),
    ] {
        std::fs::write(&file, &text).unwrap();
        let output = plan(&[file.to_str().unwrap()]);
        assert_eq!(code(&output), expected, "{text}: {}", err(&output));
        assert_eq!(err(&output).contains("no lint is called 'lint-colum-rename'; there are"), expected == 2, "{text}");
    }
    let unknown = plan(&[&rename[..], &["--allow", "drop-and-add"]].concat());
    assert_eq!((code(&unknown), out(&unknown).as_str()), (2, ""));
    assert!(err(&unknown).contains("no lint is called 'drop-and-add'; there are lint-"), "{}", err(&unknown));
}

#[test]
fn facts_that_cannot_be_judged_from_are_usage_errors() {
    let dir = tempfile::tempdir().unwrap();
    let good = facts_file(dir.path(), "good.json", |_| {});
    let again = facts_file(dir.path(), "again.json", |_| {});
    let newer = facts_file(dir.path(), "newer.json", |file| file["format"] = 2.into());
    let unknown = facts_file(dir.path(), "unknown.json", |file| file["facts"]["nodes"][1]["colour"] = 1.into());
    let wrong = facts_file(dir.path(), "wrong.json", |file| file["facts"]["load"]["rows"] = "many".into());
    let bare = dir.path().join("bare.json");
    std::fs::write(&bare, "{\"topology\": {").unwrap();
    let bare = bare.to_str().unwrap();
    let add = ["--table", "shop.orders", "--alter", "ADD COLUMN note TEXT"];
    let none: &[&str] = &[];
    //  facts                 more flags                                 says
    let cases: [(&str, &[&str], &[&str]); 13] = [
        (
            bare,
            none,
            &["the facts can't be read", "where: ", "bare.json", "why: ", "it is not JSON", "do: ", "inspect"],
        ),
        ("/nowhere/facts.json", none, &["the facts can't be read", "/nowhere/facts.json", "No such file"]),
        (&newer, none, &["newer.json", "its format is 2 (written by driftless 0.1.0)", "knows 1"]),
        (&unknown, none, &["unknown.json", "the key facts.nodes[1].colour is not one"]),
        (&wrong, none, &["wrong.json", "not a facts file", "expected u64", "line 1"]),
        (&good, &["--host", "db1"], &["--facts", "cannot be used with", "--host"]),
        (&good, &["-P", "4401"], &["--facts", "cannot be used with", "--port"]),
        (&good, &["--node", "db1"], &["--facts", "cannot be used with", "--node"]),
        (&good, &["-u", "root"], &["--facts", "cannot be used with", "--user"]),
        (&good, &["--precheck-time", "1s"], &["--facts", "cannot be used with", "--precheck-time"]),
        (&good, &["--out", "plan.json"], &["--out can't save a plan that was made from --facts", "do: "]),
        (
            &good,
            &["--facts", &again],
            &["two files have the facts of one table", "again.json", "good.json is about shop.orders too"],
        ),
        (&good, &["--color", "blue"], &["--color"]),
    ];
    for (facts, more, says) in cases {
        let output = driftless(&[&["plan", "--facts", facts], &add[..], more].concat());
        assert_eq!(code(&output), 2, "{facts} {more:?}: {}", err(&output));
        let said = err(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        for words in says {
            assert!(said.contains(words.trim_end()), "{facts} {more:?}: \"{words}\" is not in: {said}");
        }
        assert!(out(&output).is_empty() && !said.contains("panicked"), "{facts} {more:?}");
    }
    let asked = ["plan", "--facts", &good, "--table", "shop.items", "--alter", "FORCE"];
    let output = driftless(&asked);
    assert_eq!(code(&output), 2, "{}", err(&output));
    for says in ["the facts are about another table", "good.json", "shop.items is to be changed", "about shop.orders"] {
        assert!(err(&output).contains(says), "{says}: {}", err(&output));
    }
    assert_eq!(code(&driftless(&["plan", "--facts", &good])), 2, "--alter is missing");
    // The format is looked at before the servers are.
    let there = driftless(&["inspect", "--no-defaults", "--table", "shop.orders", "--out", &good]);
    assert_eq!(code(&there), 2, "{}", err(&there));
    assert!(err(&there).contains("there is a file of that name already") && err(&there).contains("--force"));
    assert_eq!(code(&driftless(&["inspect", "--no-defaults"])), 2, "--table is missing");
    assert_eq!(code(&driftless(&["inspect", "--no-defaults", "--table", "a.b", "--force"])), 2, "--force of what");
    assert_eq!(code(&driftless(&["inspect", "--no-defaults", "--table", "a"])), 2, "no schema");
}

/// The script of `docs/ci.md` does what the page says.
#[test]
fn the_documented_ci_script_works() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md")).unwrap();
    let script = page.split("```sh\n#!/bin/sh").nth(1).unwrap().split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("judge.sh"), format!("#!/bin/sh{script}")).unwrap();
    facts_file(dir.path(), "facts.json", |_| {});
    let program = Path::new(env!("CARGO_BIN_EXE_driftless")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    //  change                   facts          exit  comment
    let cases = [
        ("ADD COLUMN note TEXT", "facts.json", 0, "can be changed by"),
        ("DROP COLUMN id", "facts.json", 3, "refused to change"),
        ("ADD COLUMN note TEXT", "nowhere.json", 2, "the facts can't be read"),
    ];
    for (alter, facts, exit, says) in cases {
        let mut sh = Command::new("sh");
        sh.current_dir(dir.path()).env("PATH", &path).args(["judge.sh", facts, "shop.orders", alter]);
        let output = sh.stdin(Stdio::null()).output().unwrap();
        assert_eq!(code(&output), exit, "{alter}: {}{}", out(&output), err(&output));
        let comment = std::fs::read_to_string(dir.path().join("plan.md")).unwrap();
        assert!(comment.contains(says), "{alter}: {comment}");
    }
}
