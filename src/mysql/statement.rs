//! One statement in a task of its own, read to its end whatever becomes of the caller.
//!
//! The driver's futures must not be dropped half-way: the connection would then hand out this statement's rows as those
//! of the next. So the task owns the connection, and the caller only waits for the reply.

use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Value};
use tokio::sync::{oneshot, watch};

use crate::mysql::classify::classify;
use crate::mysql::rescue::{Fate, Rescue};
use crate::ports::server::{Done, ErrorKind, Row, ServerError};

/// How long saying goodbye to a server may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// What is wanted of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Its rows.
    Rows,
    /// What it did.
    Done,
}

/// What came of the statement.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The rows of the first result, when they were wanted.
    pub(super) rows: Vec<Row>,
    /// What it did.
    pub(super) done: Done,
}

/// What the caller gets.
pub(super) struct Reply {
    /// The connection, when it can take another statement.
    pub(super) conn: Option<Conn>,
    /// The answer.
    pub(super) result: Result<Answer, ServerError>,
}

/// Counts statements that are under way; the count falls when their tasks are over.
#[derive(Clone, Debug)]
pub(super) struct UnderWay(Arc<watch::Sender<usize>>);

impl Default for UnderWay {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl UnderWay {
    /// Counts one until what is returned is dropped.
    pub(super) fn enter(&self) -> Entered {
        self.0.send_modify(|count| *count += 1);
        Entered(self.clone())
    }

    /// Returns when none is under way.
    pub(super) async fn none(&self) {
        let mut count = self.0.subscribe();
        // The sender lives as long as self, so this can't fail.
        drop(count.wait_for(|count| *count == 0).await);
    }
}

/// One that is under way.
pub(super) struct Entered(UnderWay);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// A statement that is to be run.
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) want: Want,
    pub(super) deadline: Duration,
}

/// Starts the statement. When the receiver is dropped, the statement is ended on the server.
pub(super) fn start(
    conn: Conn,
    statement: Statement,
    rescue: Arc<Rescue>,
    under_way: &UnderWay,
) -> oneshot::Receiver<Reply> {
    let (reply, receiver) = oneshot::channel();
    let entered = under_way.enter();
    tokio::spawn(async move {
        let _entered = entered;
        run(conn, statement, &rescue, reply).await;
    });
    receiver
}

async fn run(conn: Conn, statement: Statement, rescue: &Rescue, mut reply: oneshot::Sender<Reply>) {
    let Statement { text, want, deadline } = statement;
    let mut driving = Box::pin(drive(conn, text, want));
    let cut = tokio::select! {
        biased;
        (conn, result) = &mut driving => {
            let answer = settle(conn, result, rescue).await;
            return give(answer, reply).await;
        }
        () = tokio::time::sleep(deadline) => Cut::Deadline,
        () = reply.closed() => Cut::GivenUp,
    };
    let fate = end(driving, rescue).await;
    match cut {
        Cut::GivenUp => {
            if let Fate::Unsure(why) = fate {
                tracing::warn!(
                    node = rescue.node(),
                    id = rescue.id(),
                    why,
                    "a statement that was given up may still run"
                );
            }
        }
        Cut::Deadline => {
            let message = format!("no answer within {deadline:?}, the statement's deadline; {fate}");
            give(Reply { conn: None, result: Err(rescue.lost(message)) }, reply).await;
        }
    }
}

/// Why a statement is not waited for any longer.
enum Cut {
    Deadline,
    GivenUp,
}

/// Ends the statement on the server; meanwhile it is read on, as a server that can't send may not notice that it was killed.
async fn end(driving: impl Future<Output = (Conn, mysql_async::Result<Answer>)>, rescue: &Rescue) -> Fate {
    let mut driving = std::pin::pin!(driving);
    let mut ending = std::pin::pin!(rescue.end());
    let fate = tokio::select! {
        fate = &mut ending => return fate,
        (conn, _) = &mut driving => {
            // The connection is not used again: nobody knows whether the KILL comes before or after the next statement.
            goodbye(conn).await;
            ending.await
        }
    };
    fate
}

/// Decides whether the connection can be used again.
async fn settle(conn: Conn, result: mysql_async::Result<Answer>, rescue: &Rescue) -> Reply {
    let error = match result {
        Ok(answer) => return Reply { conn: Some(conn), result: Ok(answer) },
        Err(error) => error,
    };
    if let mysql_async::Error::Server(server) = error {
        let kind = classify(server.code, &server.message);
        let error = ServerError { node: rescue.node().into(), code: server.code, message: server.message, kind };
        let conn = (kind != ErrorKind::Lost).then_some(conn);
        return Reply { conn, result: Err(error) };
    }
    drop(conn);
    // The connection broke, but the server may not have noticed and work on.
    let fate = rescue.end().await;
    Reply { conn: None, result: Err(rescue.lost(format!("the connection broke: {}; {fate}", words(&error)))) }
}

async fn give(answer: Reply, reply: oneshot::Sender<Reply>) {
    if let Err(Reply { conn: Some(conn), .. }) = reply.send(answer) {
        goodbye(conn).await;
    }
}

/// Leaves the server, so that it rolls back at once.
pub(super) async fn goodbye(conn: Conn) {
    // Whether the server heard it does not matter: the connection is closed either way.
    drop(tokio::time::timeout(GOODBYE, conn.disconnect()).await);
}

/// The driver's words, without its wrapping.
pub(super) fn words(error: &mysql_async::Error) -> String {
    match error {
        mysql_async::Error::Server(error) => error.message.clone(),
        mysql_async::Error::Io(mysql_async::IoError::Io(error)) => error.to_string(),
        mysql_async::Error::Io(mysql_async::IoError::Tls(error)) => error.to_string(),
        mysql_async::Error::Driver(error) => error.to_string(),
        mysql_async::Error::Other(error) => error.to_string(),
        mysql_async::Error::Url(error) => error.to_string(),
    }
}

async fn drive(mut conn: Conn, text: String, want: Want) -> (Conn, mysql_async::Result<Answer>) {
    let result = ask(&mut conn, text, want).await;
    (conn, result)
}

/// Runs a statement and reads everything that it answers. Not cancel-safe.
pub(super) async fn ask(conn: &mut Conn, text: String, want: Want) -> mysql_async::Result<Answer> {
    let mut result = conn.query_iter(text).await?;
    let rows = match want {
        Want::Rows => result.map(row).await?,
        Want::Done => Vec::new(),
    };
    result.drop_result().await?;
    let done = Done { affected: conn.affected_rows(), warnings: conn.get_warnings() };
    Ok(Answer { rows, done })
}

fn row(row: mysql_async::Row) -> Row {
    Row(row.unwrap_raw().into_iter().map(|value| value.and_then(bytes)).collect())
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(bytes),
        // The text protocol has no others.
        other @ (Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Date(..)
        | Value::Time(..)) => Some(other.as_sql(true).into_bytes()),
    }
}
