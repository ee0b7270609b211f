//! The real program as a child process, and what a node's catalog says before and after it.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::support::TestCluster;

/// Longest that one command may take before the test gives up on it.
const LIMIT: Duration = Duration::from_secs(120);

/// The strategy of a test that proves something of the copy.
pub(crate) const COPIED: [&str; 2] = ["--strategy", "trigger-copy"];

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Both outputs with every run of blanks as one, so that wrapped lines read on.
    pub(crate) fn said(&self) -> String {
        format!("{} {}", self.out, self.err).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Fails unless it ended with that code and said all of this, and nothing that only a broken program says.
    pub(crate) fn must(&self, code: i32, says: &[&str], why: &str) {
        let said = self.said();
        assert_eq!(self.code, code, "{why}: {said}");
        for words in says {
            assert!(said.contains(words), "{why}: \"{words}\" is not in: {said}");
        }
        for never in ["panicked", "BUG:", "RUST_BACKTRACE", "_driftless_trial_", "not yet implemented"] {
            assert!(!said.contains(never), "{why}: {said}");
        }
    }
}

/// The program, knowing no server and no option file, with nobody at its terminal.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    for name in ["MYSQL_PWD", "MYSQL_HOST", "MYSQL_TCP_PORT", "MYSQL_UNIX_PORT", "MYSQL_GROUP_SUFFIX", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.env("HOME", "/nonexistent");
    command
}

/// Runs it with these arguments.
pub(crate) async fn run(args: &[&str]) -> Ran {
    let mut command = program();
    command.args(args);
    finish(command).await
}

/// Waits for a prepared command.
pub(crate) async fn finish(mut command: Command) -> Ran {
    let ended = tokio::time::timeout(LIMIT, command.output()).await;
    let output = ended.unwrap_or_else(|_| panic!("{command:?} does not end")).unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The flags that lead to a node as root.
pub(crate) fn to(test: &TestCluster, node: usize) -> Vec<String> {
    let port = test.nodes()[node].port.to_string();
    ["--no-defaults", "--host", "127.0.0.1", "--port", &port, "--user", "root"].map(str::to_owned).to_vec()
}

/// Runs a command against the first node, as root. A change goes by a copy unless it names its strategy: what these tests
/// prove is the copy, whatever would be faster.
pub(crate) async fn on(test: &TestCluster, command: &str, args: &[&str]) -> Ran {
    let change = args.contains(&"--alter") && !args.contains(&"--strategy");
    let copied: &[&str] = if change { &COPIED } else { &[] };
    preferred(test, command, &[args, copied].concat()).await
}

/// Runs a command against the first node, as root, and leaves the strategy to driftless.
pub(crate) async fn preferred(test: &TestCluster, command: &str, args: &[&str]) -> Ran {
    let flags = to(test, 0);
    let all: Vec<&str> =
        [command].into_iter().chain(flags.iter().map(String::as_str)).chain(args.iter().copied()).collect();
    run(&all).await
}

/// What the nodes have in the test's schema and what the journal knows of it, line by line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(Vec<String>);

impl Snapshot {
    /// Looks at these nodes.
    pub(crate) async fn of(test: &TestCluster, nodes: &[usize]) -> Self {
        let schema = test.schema.as_str();
        let questions = [
            format!(
                "SELECT 'table', TABLE_NAME, TABLE_TYPE, ENGINE, CREATE_TIME, TABLE_COMMENT FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = '{schema}' ORDER BY 2"
            ),
            format!(
                "SELECT 'column', TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA \
                 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{schema}' ORDER BY 2, ORDINAL_POSITION"
            ),
            format!(
                "SELECT 'key', TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE \
                 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = '{schema}' ORDER BY 2, 3, 4"
            ),
            format!(
                "SELECT 'trigger', TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION \
                 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{schema}' ORDER BY 2"
            ),
        ];
        let mut lines = Vec::new();
        for &node in nodes {
            let plain = test.plain(node);
            for question in &questions {
                // A node that is not Synced still shows its own catalog to whoever asks for dirty reads.
                let rows = plain.run(&["SET SESSION wsrep_dirty_reads = ON", question]).await;
                lines.extend(rows.iter().map(|row| format!("{node}: {}", row.join("|"))));
            }
        }
        lines.extend(jobs(test).await);
        Self(lines)
    }
}

/// Jobs on tables of the test's schema; the journal itself is there only when some test began a job.
pub(crate) async fn jobs(test: &TestCluster) -> Vec<String> {
    let there =
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'driftless' AND TABLE_NAME = 'job'";
    if test.plain(0).run(&[there]).await == [["0"]] {
        return Vec::new();
    }
    let schema = test.schema.quoted();
    let jobs = format!("SELECT id, phase FROM driftless.job WHERE source LIKE '{schema}.%' ORDER BY 1");
    test.plain(0).run(&[&jobs]).await.iter().map(|row| format!("job {}", row.join("|"))).collect()
}

/// Runs statements on the first node, `{s}` standing for the test's schema, and waits until every node has them.
pub(crate) async fn prepare(test: &TestCluster, statements: &[&str]) {
    let schema = test.schema.quoted();
    let statements: Vec<String> = statements.iter().map(|sql| sql.replace("{s}", &schema)).collect();
    let use_schema = format!("USE {schema}");
    let mut all = vec![use_schema.as_str()];
    all.extend(statements.iter().map(String::as_str));
    test.plain(0).run(&all).await;
    for node in 1..3 {
        test.plain(node).run(&["SET SESSION wsrep_sync_wait = 15", "SELECT COUNT(*) FROM mysql.user"]).await;
    }
}
