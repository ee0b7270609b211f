//! Duplicates under new unique keys, NULLs where they are no longer allowed, values that are too big.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::plan::CopySpec;
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Ident, Reason, TableShape};

use crate::error::Fault;
use crate::ports::server::{ErrorKind, Server};
use crate::sql::{Sql, precheck};

/// What a look through the table found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Rows that stand in the way.
    pub refusals: Vec<Reason>,
    /// What could not be looked through in time: the copy will find it.
    pub unsure: Vec<String>,
}

/// Looks through the table; each question takes at most `limit`.
///
/// # Errors
/// As from the server; running out of time is not one.
pub async fn look(
    server: &Arc<dyn Server>,
    spec: &CopySpec,
    source: &TableShape,
    limit: Duration,
) -> Result<Found, Fault> {
    let duplicates = questions(precheck::duplicates(spec), ReasonCode::DuplicateRows);
    let nulls = questions(precheck::nulls(spec, source), ReasonCode::NullRows);
    let big = questions(precheck::too_big(spec, source), ReasonCode::ValuesDoNotFit);
    let mut found = Found::default();
    for question in duplicates.into_iter().chain(nulls).chain(big) {
        ask(server, spec, &question, limit, &mut found).await?;
    }
    Ok(found)
}

struct Question {
    about: Ident,
    code: ReasonCode,
    sql: Sql,
}

fn questions(statements: Vec<(Ident, Sql)>, code: ReasonCode) -> Vec<Question> {
    statements.into_iter().map(|(about, sql)| Question { about, code, sql }).collect()
}

async fn ask(
    server: &Arc<dyn Server>,
    spec: &CopySpec,
    question: &Question,
    limit: Duration,
    found: &mut Found,
) -> Result<(), Fault> {
    // A connection of its own: past the limit it is gone.
    let mut session = server.connect().await?;
    session.set_deadline(limit);
    let rows = match session.query(&question.sql).await {
        Ok(rows) => rows,
        Err(error) if error.kind == ErrorKind::Lost => {
            found.unsure.push(format!(
                "{} was not looked through for {} within {} s; the copy stops at the first such row",
                spec.source,
                question.about,
                limit.as_secs()
            ));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let shown: Vec<String> = rows.iter().filter_map(|row| row.text(0)).collect();
    if !shown.is_empty() {
        found.refusals.push(reason(spec, question, &shown));
    }
    Ok(())
}

fn reason(spec: &CopySpec, question: &Question, shown: &[String]) -> Reason {
    let (table, about, list) = (&spec.source, &question.about, format!("({})", shown.join("), (")));
    let (what, remedy) = if question.code == ReasonCode::DuplicateRows {
        (
            format!("rows of {table} are equal under the new unique key {about}: values {list}"),
            "make the rows distinct, or leave the unique key out",
        )
    } else if question.code == ReasonCode::NullRows {
        (
            format!("column {about} of {table} becomes NOT NULL but is NULL in rows with key {list}"),
            "give these rows a value, or keep the column nullable",
        )
    } else {
        (
            format!("column {about} of {table} has values that do not fit the new type, in rows with key {list}"),
            "change these rows, or choose a type that holds them",
        )
    };
    Reason::new(question.code, what, remedy)
}
