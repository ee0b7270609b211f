//! Writers that do nothing but measure how long a write takes, on every node, from its first attempt to its answer.

use std::sync::Arc;
use std::time::Duration;

use driftless::ports::server::{ErrorKind, Server, Session};
use driftless::sql::Sql;
use driftless_strategies::TableName;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two writes of a node.
const PAUSE: Duration = Duration::from_millis(10);
/// Longest that one statement may take before it counts as that and is asked anew.
const DEADLINE: Duration = Duration::from_secs(30);

/// What one node's writer saw.
#[derive(Clone, Debug, Default)]
pub struct Beat {
    /// The longest time from a write's first attempt to its answer.
    pub worst: Duration,
    /// Writes that were answered.
    pub writes: u64,
    /// Attempts that failed and were repeated.
    pub errors: u64,
}

/// Running writers, one a node.
pub struct Pulse {
    tasks: JoinSet<(usize, Beat)>,
    stop: CancellationToken,
}

impl Pulse {
    /// Each node's writer inserts rows of its own into the table, whose columns are a node and a number and may be more.
    pub fn start(servers: &[Arc<dyn Server>], table: &TableName) -> Self {
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        for (node, server) in servers.iter().enumerate() {
            tasks.spawn(beat(node, Arc::clone(server), table.clone(), stop.clone()));
        }
        Self { tasks, stop }
    }

    /// The statement that makes a table for it.
    pub fn table(table: &TableName) -> String {
        format!("CREATE TABLE {} (node INT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (node, n))", table.quoted())
    }

    /// Ends them; what each saw, by node.
    pub async fn stop(mut self) -> Vec<Beat> {
        self.stop.cancel();
        let mut all: Vec<(usize, Beat)> = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            all.push(ended.expect("a writer ends"));
        }
        all.sort_by_key(|(node, _)| *node);
        all.into_iter().map(|(_, beat)| beat).collect()
    }
}

async fn beat(node: usize, server: Arc<dyn Server>, table: TableName, stop: CancellationToken) -> (usize, Beat) {
    let (mut seen, mut number) = (Beat::default(), 0_u64);
    let mut session: Option<Box<dyn Session>> = None;
    let node_number = u64::try_from(node).expect("few nodes");
    while !stop.is_cancelled() {
        number += 1;
        let insert = Sql::new("INSERT INTO ").table(&table).text(" (node, n) VALUES (").number(node_number);
        let insert = insert.text(", ").number(number).text(")");
        let began = Instant::now();
        loop {
            let answer = match session.as_mut() {
                Some(session) => session.execute(&insert).await,
                None => match server.connect().await {
                    Ok(mut fresh) => {
                        fresh.set_deadline(DEADLINE);
                        session = Some(fresh);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match answer {
                Ok(_) => break,
                // It was written, and the answer was lost.
                Err(error) if error.kind == ErrorKind::Duplicate => break,
                Err(error) => {
                    seen.errors += 1;
                    if !matches!(error.kind, ErrorKind::Conflict) {
                        session = None;
                    }
                }
            }
            if stop.is_cancelled() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        seen.worst = seen.worst.max(began.elapsed());
        seen.writes += 1;
        tokio::time::sleep(PAUSE).await;
    }
    (node, seen)
}
