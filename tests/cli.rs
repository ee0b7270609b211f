//! The command line without a server: help, completions, the manual page, and what is refused before connecting.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

use std::process::{Command, Output, Stdio};

const COMMANDS: [&str; 11] =
    ["plan", "run", "status", "pause", "resume", "cutover", "abort", "cleanup", "demo", "completions", "man"];

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
    for flag in
        ["--host", "--node", "--table", "--alter", "--strategy", "--allow-lossy", "--out", "--format", "--max-stall"]
    {
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
