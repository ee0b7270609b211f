//! Other programs, each with a limit.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use super::error::{DemoError, files};

/// Runs a program to its end and returns what it printed; kills it past the limit or when dropped.
pub(super) async fn output<A: AsRef<OsStr>>(program: &OsStr, args: &[A], limit: Duration) -> Result<String, DemoError> {
    let name = program.to_string_lossy().into_owned();
    let mut command = tokio::process::Command::new(program);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(limit, command.output());
    let Ok(output) = ended.await else {
        return Err(DemoError::Command { what: name, why: format!("no end after {} s", limit.as_secs()) });
    };
    let output = output.map_err(files(format!("run {name}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(DemoError::Command { what: name, why: format!("{}: {why}", output.status) })
}

/// Sends a signal to a process, or to a whole group when `target` begins with a minus. Nobody there is no error.
///
/// `sh` has `kill` built in; the program of that name is missing on small systems.
pub(super) fn signal(signal: &str, target: &str) {
    let sent = std::process::Command::new("sh")
        .args(["-c", r#"kill -s "$0" -- "$1""#, signal, target])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if let Err(error) = sent {
        tracing::warn!(%error, signal, target, "signal not sent");
    }
}

/// The last lines of a text.
pub(super) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_is_bounded_and_its_words_are_kept() {
        let sh = OsStr::new("sh");
        assert_eq!(output(sh, &["-c", "echo yes"], Duration::from_secs(5)).await.unwrap(), "yes\n");
        let failed = output(sh, &["-c", "echo because >&2; exit 3"], Duration::from_secs(5)).await.unwrap_err();
        assert!(failed.to_string().contains("because"), "{failed}");
        let late = output(sh, &["-c", "sleep 5"], Duration::from_millis(50)).await.unwrap_err();
        assert!(late.to_string().contains("no end"), "{late}");
        let none = output(OsStr::new("/no/such/program"), &[""], Duration::from_secs(1)).await.unwrap_err();
        assert!(none.to_string().contains("/no/such/program"), "{none}");
    }

    #[test]
    fn tail_keeps_the_end() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 5), "a");
    }
}
