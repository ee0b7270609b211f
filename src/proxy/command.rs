//! The user's own commands.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::error::Fault;
use crate::ports::proxy::{Backend, Proxy, Stand};

/// Longest time that a command may take; then it is killed.
const LIMIT: Duration = Duration::from_secs(60);

/// Two commands for `sh -c`, with `DRIFTLESS_NODE` (name) and `DRIFTLESS_ADDRESS` (`host:port`) in their environment.
pub struct Commands {
    /// Takes the node out.
    pub drain: String,
    /// Puts it back.
    pub undrain: String,
}

/// Runs in a process group of its own: a Ctrl-C in the terminal is meant for driftless, which then puts the node back. What
/// it says is not kept: it may hold a password, and the journal is read by many.
async fn run(what: &str, command: &str, node: &Backend) -> Result<(), Fault> {
    let mut sh = Command::new("sh");
    sh.arg("-c").arg(command).env("DRIFTLESS_NODE", &node.name).env("DRIFTLESS_ADDRESS", &node.address);
    sh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
    let failed = |why: String| Fault::Failed(format!("failed to {what} {}: {why}", node.name));
    match tokio::time::timeout(LIMIT, sh.status()).await {
        Err(_) => Err(failed(format!("the command has not ended after {} s", LIMIT.as_secs()))),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(failed(format!("the command ended with {status}; run it by hand to see what it says"))),
    }
}

#[async_trait::async_trait]
impl Proxy for Commands {
    fn flag(&self) -> String {
        "--undrain-command".to_owned()
    }

    async fn knows(&self, _: &[Backend]) -> Result<(), Fault> {
        Ok(())
    }

    /// Only the operator knows; what the command is stands in no journal: it may hold a password.
    async fn stands(&self, node: &Backend) -> Result<Option<Stand>, Fault> {
        let by_hand = format!("the command of --undrain-command, with DRIFTLESS_NODE={}", node.name);
        Ok(Some(Stand { flag: self.flag(), was: String::new(), by_hand }))
    }

    async fn drain(&self, node: &Backend, _: &Stand) -> Result<(), Fault> {
        run("drain", &self.drain, node).await
    }

    /// A command is not known to be harmless when it is run again.
    async fn keep_out(&self, _: &Backend, _: &Stand) -> Result<(), Fault> {
        Ok(())
    }

    async fn is_out(&self, _: &Backend) -> Result<(), Fault> {
        Ok(())
    }

    async fn let_go(&self, _: &Backend) -> Result<(), Fault> {
        Ok(())
    }

    async fn undrain(&self, node: &Backend, _: &Stand) -> Result<(), Fault> {
        run("put back", &self.undrain, node).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commands_know_the_node_and_their_failure_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("said");
        let drain = format!("echo out $DRIFTLESS_NODE $DRIFTLESS_ADDRESS >> {}", file.display());
        let commands = Commands { drain, undrain: "echo no such pool >&2; exit 3".into() };
        let node = Backend { name: "n 2".into(), address: "10.0.0.2:3306".into() };
        let stand = commands.stands(&node).await.unwrap().expect("it can be taken out");
        commands.drain(&node, &stand).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "out n 2 10.0.0.2:3306\n");
        let Err(Fault::Failed(why)) = commands.undrain(&node, &stand).await else { panic!("it fails") };
        assert!(
            why.contains("put back n 2") && why.contains("exit status: 3") && !why.contains("no such pool"),
            "{why}"
        );
    }
}
