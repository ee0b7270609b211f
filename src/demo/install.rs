//! Installing packages, without starting the services that they bring.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::command::{output, signal, tail};
use super::error::{DemoError, files};

/// Longest time for fetching and unpacking.
const LIMIT: Duration = Duration::from_secs(900);
const POLL: Duration = Duration::from_millis(100);

/// Runs in a shell of its own, so that the policy file goes even when driftless is killed meanwhile: a `policy-rc.d`
/// left behind would keep every later service of the machine from starting.
const SCRIPT: &str = r#"set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends "$@"
"#;

/// What to do when these are missing, on this machine, by this user.
pub(super) fn remedy(packages: &[&str]) -> String {
    let list = packages.join(" ");
    if !apt() {
        return format!("install them with this system's package tool (Debian calls them: {list})");
    }
    format!(
        "run the demo with --install as root, or by hand: apt-get update && apt-get install --no-install-recommends {list}"
    )
}

/// Installs Debian packages.
///
/// # Errors
/// `CannotInstall` when there is no apt-get or no right to use it; `Install` when it fails or takes more than 15 minutes.
pub(super) async fn packages(packages: &[&'static str]) -> Result<(), DemoError> {
    let refuse = |why| DemoError::CannotInstall { packages: packages.to_vec(), why, remedy: remedy(packages) };
    if !apt() {
        return Err(refuse("this system has no apt-get"));
    }
    if !root().await? {
        return Err(refuse("only root may install"));
    }
    let log = std::env::temp_dir().join(format!("driftless-install-{}.log", std::process::id()));
    let failed = |why: String| DemoError::Install {
        packages: packages.to_vec(),
        why,
        log: log.clone(),
        tail: tail(&std::fs::read_to_string(&log).unwrap_or_default(), 15),
    };
    let mut child = Apt(spawn(packages, &log)?);
    let polls = LIMIT.as_millis() / POLL.as_millis();
    for _ in 0..polls {
        match child.0.try_wait().map_err(files("wait for apt-get"))? {
            Some(status) if status.success() => {
                return std::fs::remove_file(&log).map_err(files("remove the install log"));
            }
            Some(status) => return Err(failed(format!("apt-get ended with {status}"))),
            None => tokio::time::sleep(POLL).await,
        }
    }
    drop(child);
    Err(failed(format!("no end after {} s", LIMIT.as_secs())))
}

/// Whether the process may do what root may.
pub(super) async fn root() -> Result<bool, DemoError> {
    let id = output("id".as_ref(), &["-u"], Duration::from_secs(10)).await?;
    Ok(id.trim() == "0")
}

fn apt() -> bool {
    Path::new("/usr/bin/apt-get").is_file()
}

fn spawn(packages: &[&str], log: &PathBuf) -> Result<std::process::Child, DemoError> {
    let at = || format!("write {}", log.display());
    let out = std::fs::File::create(log).map_err(files(at()))?;
    let err = out.try_clone().map_err(files(at()))?;
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh"]).args(packages).stdin(Stdio::null()).stdout(out).stderr(err);
    command.process_group(0).spawn().map_err(files("run sh"))
}

/// A running installation; ended, not abandoned, when it is no longer waited for.
struct Apt(std::process::Child);

impl Drop for Apt {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            signal("TERM", &format!("-{}", self.0.id()));
        }
    }
}
