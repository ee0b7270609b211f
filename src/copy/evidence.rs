//! Why a chunk can't be copied: the rows that prove it.

use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;

use super::table::{Kept, Setting};
use crate::error::Fault;
use crate::mysql::kept::KeptSession;
use crate::ports::rows::Range;
use crate::ports::server::{ErrorKind, ServerError};
use crate::sql::precheck;

/// A subquery of two rows: how the copying statement reports a conflict on a unique key of the new table only.
const TWO_ROWS: u16 = 1242;

/// Turns a server's answer to a chunk into rows and a reason.
pub(super) async fn of(setting: &Setting, session: &mut KeptSession, range: &Range, error: &ServerError) -> Fault {
    let table = &setting.spec.source;
    if error.kind == ErrorKind::Duplicate || error.code == TWO_ROWS {
        let rows = duplicates(setting, session, range).await;
        if rows.is_empty() && matches!(setting.kept, Kept::ByStream(_)) {
            // A value that has gone to another row since: the shadow hears of it a little later.
            return Fault::Busy(error.to_string());
        }
        let names = setting.spec.new_unique.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Fault::Rows {
            reason: Box::new(Reason::new(
                ReasonCode::DuplicateRows,
                format!("rows of {table} are equal under a unique key of the new table ({names})"),
                "make the rows distinct, or leave the unique key out, and run again",
            )),
            rows,
        };
    }
    if error.kind == ErrorKind::Data {
        return Fault::Rows {
            reason: Box::new(Reason::new(
                ReasonCode::ValuesDoNotFit,
                format!("a row of {table} does not fit the new table: {}", error.message),
                "change the row, or choose a type that holds it, and run again",
            )),
            rows: offending_key(setting, session, range, &error.message).await.into_iter().collect(),
        };
    }
    Fault::from(error.clone())
}

async fn duplicates(setting: &Setting, session: &mut KeptSession, range: &Range) -> Vec<String> {
    let mut found = Vec::new();
    for sql in precheck::conflicting(&setting.spec, range) {
        if let Ok(rows) = session.read(&sql).await {
            found.extend(rows.iter().filter_map(|row| row.text(0)));
        }
    }
    found.truncate(5);
    found
}

/// The key of the row that the server names by its place ("… at row 5").
async fn offending_key(setting: &Setting, session: &mut KeptSession, range: &Range, message: &str) -> Option<String> {
    let place: u64 = message.rsplit("at row ").next()?.trim().parse().ok()?;
    let rows = session.read(&precheck::shown_key_at(&setting.spec, range, place)).await.ok()?;
    rows.first()?.text(0).map(|key| format!("key ({key})"))
}
