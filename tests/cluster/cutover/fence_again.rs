//! A fence right after one that failed: whatever that one left on a node, the next one lets nobody through.

use std::sync::Arc;
use std::time::Duration;

use driftless::error::Fault;
use driftless::ports::server::{Done, Row, Server, ServerError, Session};
use driftless::sql::Sql;

use super::bed::WORK;
use super::fence::{bed, code};
use super::writers::{Mode, Writers, assert_rows};
use crate::support::PlainServer;

const LIMIT: Duration = Duration::from_secs(400);
/// Attempts that a node disturbs.
const ROUNDS: u64 = 4;
/// Later attempts until one switches.
const ATTEMPTS: usize = 12;

#[tokio::test]
async fn what_a_failed_fence_left_opens_no_later_one() {
    let (alone, bed) = bed(0xfe_0021).await;
    let cluster = alone.test.cluster();
    let work = async {
        let writers = Writers::start(&bed, &[0, 1, 2], 3, Mode::Transactions).await;
        writers.more(50).await;
        let standing = format!(
            "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = '{}'",
            bed.spec.source.schema.as_str()
        );
        let mut disturbed = 0;
        for round in 0..ROUNDS {
            // Silent for longer than the look at all nodes may take, and for less than it is thrown out after.
            let node = 1 + usize::try_from(round % 2).unwrap();
            let silence = async {
                while bed.plain(0).number(&standing).await == Some(0) {}
                cluster.freeze(node);
                tokio::time::sleep(Duration::from_millis(4_300)).await;
                cluster.thaw(node);
            };
            let (first, ()) = tokio::join!(bed.switch(), silence);
            eprintln!("round {round}, n{} silent: {first:?}", node + 1);
            disturbed += u64::from(first.is_err());
            let mut later = 0;
            while let Err(fault) = bed.switch().await {
                assert!(matches!(fault, Fault::Busy(_) | Fault::Refused(_)), "{fault:?}");
                eprintln!("round {round}: {fault}");
                later += 1;
                assert!(later < ATTEMPTS, "no switch any more: {fault}");
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            writers.more(30).await;
        }
        let (felt, rows) = writers.stop().await;
        eprintln!("{disturbed} of {ROUNDS} attempts failed; {felt:?}");
        assert_rows(&bed, &rows).await;
        assert!(disturbed > 0, "no attempt was disturbed");
        assert!(felt.errors.keys().all(|code| [1213, 1205, 1064].contains(code)), "{felt:?}");
        bed.shadow().await;
        bed.cleaned().await;
        bed.assert_clean("after all").await;
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}

/// A server beside which another keeps a trigger of an earlier fence, which nobody saw before this one was made.
struct Beside {
    server: Arc<dyn Server>,
    other: u16,
    left: String,
}

struct BesideSession {
    session: Box<dyn Session>,
    other: u16,
    left: String,
}

#[async_trait::async_trait]
impl Server for Beside {
    async fn connect(&self) -> Result<Box<dyn Session>, ServerError> {
        let session = self.server.connect().await?;
        Ok(Box::new(BesideSession { session, other: self.other, left: self.left.clone() }))
    }
    fn address(&self) -> &str {
        self.server.address()
    }
}

#[async_trait::async_trait]
impl Session for BesideSession {
    async fn query(&mut self, sql: &Sql) -> Result<Vec<Row>, ServerError> {
        self.session.query(sql).await
    }
    async fn execute(&mut self, sql: &Sql) -> Result<Done, ServerError> {
        if sql.as_str().contains("CREATE TRIGGER") {
            PlainServer::new(self.other).run(&["SET SESSION wsrep_on = OFF", &self.left]).await;
        }
        self.session.execute(sql).await
    }
    fn set_deadline(&mut self, deadline: Duration) {
        self.session.set_deadline(deadline);
    }
    fn id(&self) -> u64 {
        self.session.id()
    }
    fn node(&self) -> &str {
        self.session.node()
    }
}

/// A trigger of the same name whose end has passed lets writers through: it is none of this fence.
#[tokio::test]
async fn a_trigger_of_an_earlier_fence_does_not_count() {
    let (alone, bed) = bed(0xfe_0022).await;
    let work = async {
        bed.shadow().await;
        let (other, source) = (bed.ports[2], bed.source());
        let schema = bed.spec.source.schema.quoted();
        let left = format!(
            "CREATE TRIGGER {schema}.driftless_{}_del BEFORE DELETE ON {source} FOR EACH ROW BEGIN DECLARE waits INT; END",
            bed.job
        );
        let first = bed.ports[0];
        let wrap = |server: Arc<dyn Server>| -> Arc<dyn Server> {
            if server.address().ends_with(&format!(":{first}")) {
                Arc::new(Beside { server, other, left: left.clone() })
            } else {
                server
            }
        };
        let cutover = bed.cutover_on(1, Arc::new(bed.outlook().await), wrap);
        let answer = cutover.close(WORK).await.map(|_| ());
        assert!(matches!(&answer, Err(Fault::Busy(why)) if why.contains("did not all answer")), "{answer:?}");
        assert_eq!(code(other, &[&format!("DELETE FROM {source} WHERE id = 9")]).await, 0, "it is open again");
        bed.cleaned().await;
        bed.assert_clean("given up").await;
        bed.switch().await.unwrap();
        bed.forget().await;
    };
    alone.test.bounded(LIMIT, work).await;
}
