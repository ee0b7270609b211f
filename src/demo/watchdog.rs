//! What ends the servers when driftless can't.
//!
//! A shell waits at the end of a pipe. When driftless goes, in whatever way (also by `kill -9`), the pipe closes, and
//! the shell kills every process group that stands in the directory and removes the directory. `PR_SET_PDEATHSIG`
//! would not do: it follows the thread that started the server, is cleared when the server changes its user, and
//! leaves the files.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::error::{DemoError, files};

/// Stops and removes; also what a person runs after `--keep`. A process whose command line does not name the directory
/// is somebody else's that got an old number.
const STOP: &str = r#"#!/bin/sh
# Kills the throw-away servers of this directory and removes it.
dir=$(cd "$(dirname "$0")" && pwd) || exit 1
: > "$dir/closed"
for file in "$dir"/*.group; do
    [ -f "$file" ] || continue
    pid=$(cat "$file")
    [ -n "$pid" ] || continue
    line=$(tr '\0' ' ' 2>/dev/null < "/proc/$pid/cmdline")
    case "$line" in
        '' | *"$dir"*) kill -s KILL -- "-$pid" 2>/dev/null ;;
    esac
done
tries=0
while [ -e "$dir" ] && [ "$tries" -lt 100 ]; do
    rm -rf -- "$dir" 2>/dev/null || sleep 0.1
    tries=$((tries + 1))
done
[ ! -e "$dir" ]
"#;

/// Waits for the end of the pipe; the word `keep` sends it home.
const WAIT: &str = r#"read -r word; [ "$word" = keep ] && exit 0; exec sh "$0""#;

/// Writes the process's number where `STOP` looks, then becomes the program. When `STOP` ran in between, either the
/// write fails or the mark is seen: no server starts after the end.
const LAUNCH: &str = r#"echo $$ > "$1/$2.group" || exit 1; if [ -e "$1/closed" ]; then exit 1; fi; shift 2; exec "$@""#;

/// Longest time for killing and removing.
const LIMIT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(10);

/// The guard of one directory.
#[derive(Debug)]
pub(super) struct Watchdog {
    shell: Child,
    dir: PathBuf,
}

impl Watchdog {
    /// Sets it on a directory that exists.
    pub(super) fn set(dir: &Path) -> Result<Self, DemoError> {
        let stop = stop_script(dir);
        std::fs::write(&stop, STOP).map_err(files(format!("write {}", stop.display())))?;
        let mut command = Command::new("sh");
        command.args(["-c", WAIT]).arg(&stop).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own: Ctrl-C in the terminal must not reach it.
        let shell = command.current_dir("/").process_group(0).spawn().map_err(files("run sh"))?;
        Ok(Self { shell, dir: dir.to_owned() })
    }

    /// Lets directory and servers be.
    pub(super) fn keep(mut self) -> Result<(), DemoError> {
        if let Some(mut pipe) = self.shell.stdin.take() {
            pipe.write_all(b"keep\n").map_err(files("write to the watchdog"))?;
        }
        self.shell.wait().map_err(files("wait for the watchdog"))?;
        Ok(())
    }

    /// Kills and removes now; waits until that is done.
    pub(super) fn release(mut self) {
        drop(self.shell.stdin.take());
        if !ended(&mut self.shell) || self.dir.exists() {
            tracing::warn!(dir = %self.dir.display(), "the throw-away directory could not be removed");
        }
    }
}

/// Where the script stands.
pub(super) fn stop_script(dir: &Path) -> PathBuf {
    dir.join("stop")
}

/// A command that runs a program under the watchdog of `dir`, in a process group of its own, known as `name`.
pub(super) fn under(dir: &Path, name: &str, program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", LAUNCH, "sh"]).arg(dir).arg(name).arg(program);
    command.stdin(Stdio::null()).process_group(0);
    command
}

/// Forgets a process that has ended, before its number is given to another.
pub(super) fn forget(dir: &Path, name: &str) {
    // Gone already is as good.
    drop(std::fs::remove_file(dir.join(format!("{name}.group"))));
}

/// Waits a bounded time for a process that was killed or is about to end.
pub(super) fn ended(child: &mut Child) -> bool {
    for _ in 0..LIMIT.as_millis() / POLL.as_millis() {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(POLL),
            Ok(Some(_)) | Err(_) => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    /// A process that outlives its parent's patience, with a child of its own, under the watchdog.
    fn sleeper(dir: &Path, name: &str) -> Child {
        let script = dir.join("sleeper.sh");
        std::fs::write(&script, "sleep 60 & wait").unwrap();
        let child = under(dir, name, Path::new("sh")).arg(script).spawn().unwrap();
        let file = dir.join(format!("{name}.group"));
        while std::fs::read_to_string(&file).unwrap_or_default().trim() != child.id().to_string() {
            std::thread::sleep(POLL);
        }
        child
    }

    #[test]
    fn the_end_of_the_pipe_ends_everything() {
        let dir = tempfile::tempdir().unwrap();
        let watchdog = Watchdog::set(dir.path()).unwrap();
        let (mut one, mut two) = (sleeper(dir.path(), "one"), sleeper(dir.path(), "two"));
        watchdog.release();
        assert!(ended(&mut one) && ended(&mut two));
        assert!(!dir.path().exists(), "the directory is gone");
    }

    #[test]
    fn keep_ends_nothing_and_the_script_does() {
        let dir = tempfile::tempdir().unwrap();
        let watchdog = Watchdog::set(dir.path()).unwrap();
        let mut one = sleeper(dir.path(), "one");
        watchdog.keep().unwrap();
        assert!(alive(one.id()) && dir.path().exists());
        assert!(Command::new("sh").arg(stop_script(dir.path())).status().unwrap().success());
        assert!(ended(&mut one) && !dir.path().exists());
    }

    #[test]
    fn a_stranger_with_an_old_number_is_spared() {
        let dir = tempfile::tempdir().unwrap();
        let watchdog = Watchdog::set(dir.path()).unwrap();
        let mut stranger = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        std::fs::write(dir.path().join("n1.group"), stranger.id().to_string()).unwrap();
        watchdog.release();
        assert!(alive(stranger.id()) && !dir.path().exists());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[test]
    fn nothing_starts_after_the_end() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("closed"), "").unwrap();
        let mark = dir.path().join("started");
        let status = under(dir.path(), "late", Path::new("touch")).arg(&mark).status().unwrap();
        assert!(!status.success() && !mark.exists());
    }
}
