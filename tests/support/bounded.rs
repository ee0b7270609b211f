//! Tests that hang say where.

use std::time::Duration;

use driftless::demo::NodeProcess;

use super::plain::PlainServer;

const LOOK: Duration = Duration::from_secs(5);

/// Awaits the work for at most `limit`; past it, fails the test with what every node was doing.
pub async fn bounded<T>(limit: Duration, nodes: &[NodeProcess], work: impl Future<Output = T>) -> T {
    if let Ok(done) = tokio::time::timeout(limit, work).await {
        return done;
    }
    let mut report = vec![format!("no end after {limit:?}; the nodes are doing:")];
    for node in nodes {
        report.push(format!("{} (port {}, process {}):", node.name, node.port, node.pid));
        let server = PlainServer::new(node.port);
        let look = server.run(&["SHOW FULL PROCESSLIST"]);
        // A node that panics or hangs on this look must not hide the others.
        match tokio::time::timeout(LOOK, futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(look)))
            .await
        {
            Ok(Ok(rows)) => report.extend(rows.iter().map(|row| format!("  {}", row.join(" | ")))),
            Ok(Err(_)) | Err(_) => report.push("  (no answer)".to_owned()),
        }
    }
    panic!("{}", report.join("\n"));
}
