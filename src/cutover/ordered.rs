//! One DDL statement, ordered in the whole cluster, on a connection of its own with bounded waits.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Fault;
use crate::ports::server::{ErrorKind, Row, Server, ServerError, Session};
use crate::sql::Sql;
use crate::sql::copy::transaction;
use crate::sql::ddl;

/// How long the server may take for one DDL on an empty table or on names only; past it the outcome is unknown.
pub(super) const DDL_DEADLINE: Duration = Duration::from_secs(60);

/// A fresh connection for DDL that waits no longer than `wait` for a metadata lock.
pub(super) async fn connect(server: &Arc<dyn Server>, wait: Duration) -> Result<Box<dyn Session>, Fault> {
    let mut session = server.connect().await?;
    session.set_deadline(DDL_DEADLINE);
    session.execute(&transaction::metadata_lock_wait(wait.as_secs().max(1))).await?;
    Ok(session)
}

/// Runs one DDL statement.
///
/// A lost connection is `Lost`: DDL may have happened and the caller must look.
pub(super) async fn run(session: &mut dyn Session, sql: &Sql) -> Result<(), Fault> {
    match session.execute(sql).await {
        Ok(_) => Ok(()),
        Err(error) => Err(fault(error)),
    }
}

/// Reads the catalog. A table that somebody's DDL holds is left out of the answer with nothing but a warning: that is
/// `Busy`, not "it is not there".
pub(super) async fn catalog(session: &mut dyn Session, sql: &Sql) -> Result<Vec<Row>, Fault> {
    let rows = session.query(sql).await?;
    match session.query(&ddl::warnings()).await?.first().and_then(|row| row.u64(0)) {
        Some(0) => Ok(rows),
        Some(_) | None => {
            Err(Fault::Busy(format!("{}: the catalog can't be read now, a DDL is under way", session.node())))
        }
    }
}

pub(super) fn fault(error: ServerError) -> Fault {
    match error.kind {
        ErrorKind::Conflict | ErrorKind::NotReady | ErrorKind::Connect => Fault::Busy(error.to_string()),
        ErrorKind::Lost => Fault::Lost(error.to_string()),
        ErrorKind::Full => error.into(),
        ErrorKind::Denied | ErrorKind::Duplicate | ErrorKind::Data | ErrorKind::Missing | ErrorKind::Other => {
            Fault::Failed(error.to_string())
        }
    }
}
