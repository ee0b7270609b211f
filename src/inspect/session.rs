//! Sessions that only look, and never wait long.

use std::time::Duration;

use driftless_strategies::Ident;

use crate::error::Fault;
use crate::ports::server::{ErrorKind, Row, Server, ServerError, Session};
use crate::sql::{Sql, catalog};

/// Longest that one question to a server may take.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Longest that a question waits behind somebody's DDL, in the smallest unit that every server takes.
const LOCK_WAIT_S: u64 = 1;

/// Connects for looking.
pub(crate) async fn open(server: &dyn Server) -> Result<Box<dyn Session>, ServerError> {
    let mut session = server.connect().await?;
    session.set_deadline(ANSWER_LIMIT);
    session.execute(&catalog::lock_wait(LOCK_WAIT_S)).await?;
    Ok(session)
}

/// Asks what the user may have no right to ask: nothing then. Whoever lacks a right that matters is told by
/// `missing_privileges`, before anything is done.
pub(crate) async fn permitted(session: &mut dyn Session, sql: &Sql) -> Result<Vec<Row>, ServerError> {
    match session.query(sql).await {
        Err(error) if error.kind == ErrorKind::Denied => Ok(Vec::new()),
        answer => answer,
    }
}

/// A value as text; NULL is empty.
pub(crate) fn text(row: &Row, index: usize) -> String {
    row.text(index).unwrap_or_default()
}

/// A value that has to be a name.
pub(crate) fn name(row: &Row, index: usize) -> Result<Ident, Fault> {
    Ident::new(text(row, index))
        .map_err(|error| Fault::Failed(format!("the catalog gives a name that is none: {error}")))
}
