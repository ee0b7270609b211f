//! What a purge would do, before it does it.

use serde_json::json;

use super::args::{Format, ShowArgs};
use super::error::CliError;
use super::purge::about;
use super::purge_args::PurgeJob;
use super::purge_judge::{Ready, access};
use super::terminal;
use crate::ports::members::Member;
use crate::ports::rows::Bound;
use crate::ports::server::Session;
use crate::purge::lease::Leases;
use crate::report::figures::{grouped, span};
use crate::sql::Sql;
use crate::sql::archive;
use crate::sql::purge::{self as sql, Begin, End};

/// Rows a second where no run has shown it yet; a slow cluster.
const RATE: u64 = 5_000;
/// Rows that stand for a batch in the statements that are shown.
const EXAMPLE: u64 = 3;

/// A statement, what it is for, and how the server would carry it out.
struct Shown {
    what: &'static str,
    text: String,
    plan: String,
}

/// Where the rows go; empty when they are only deleted.
pub(super) fn place(ready: &Ready, job: &PurgeJob) -> String {
    match (&ready.target, &job.files.to_file) {
        (Some(target), _) => target.name.to_string(),
        (None, Some(pattern)) => pattern.clone(),
        (None, None) => String::new(),
    }
}

/// The job in words.
pub(super) fn summary(ready: &Ready, job: &PurgeJob) -> String {
    let table = &ready.facts.name;
    let what = match place(ready, job).as_str() {
        "" => format!("rows of {table} are deleted"),
        place => format!("rows of {table} go into {place}, then they are deleted"),
    };
    let mut lines = vec![
        what,
        format!("  where  {}", ready.condition),
        format!("  index  {}: {}", ready.chosen.walk.index, ready.chosen.why),
        format!("  rows   about {} of {}", grouped(ready.estimate), grouped(ready.facts.load.rows)),
    ];
    if job.rows.keep_newest > 0 {
        lines.push(format!("  keeps  the last {} rows of the index", grouped(job.rows.keep_newest)));
    }
    lines.extend(ready.remarks.iter().map(|remark| format!("  note   {remark}")));
    lines.join("\n")
}

/// Counts, shows the statements with their plans, and estimates the time.
pub(super) async fn dry_run(
    first: &Member,
    ready: &Ready,
    job: &PurgeJob,
    leases: &Leases,
    show: &ShowArgs,
) -> Result<(), CliError> {
    let mut session = first.server.connect().await?;
    session.execute(&sql::every_value()).await?;
    let shown = statements(session.as_mut(), ready).await?;
    // Counting may take longer than a statement may: the estimate is said then.
    let counted = match session.query(&sql::count(&ready.facts.name, &ready.condition)).await {
        Ok(rows) => rows.first().and_then(|row| row.u64(0)),
        Err(_) => None,
    };
    let rate = leases.last_rate(&ready.facts.name).await?;
    let rows = job.run.limit_rows.unwrap_or(u64::MAX).min(counted.unwrap_or(ready.estimate));
    let seconds = about(rows, rate.unwrap_or(RATE)).as_secs();
    match show.format {
        Format::Json => {
            let statements: Vec<_> = shown
                .iter()
                .map(|shown| json!({ "what": shown.what, "sql": shown.text, "plan": shown.plan }))
                .collect();
            let document = json!({
                "table": ready.facts.name.to_string(),
                "destination": Some(place(ready, job)).filter(|place| !place.is_empty()),
                "condition": ready.condition,
                "index": ready.chosen.walk.index.to_string(),
                "why": ready.chosen.why,
                "rows": counted,
                "estimate": ready.estimate,
                "seconds": seconds,
                "remarks": ready.remarks,
                "statements": statements,
            });
            terminal::print(&document.to_string());
        }
        Format::Text => {
            let counted =
                counted.map_or_else(|| "not counted in time".into(), |rows| format!("{} match now", grouped(rows)));
            let by = if rate.is_some() { "as fast as the last run" } else { "at 5,000 rows a second" };
            let mut lines = vec![
                summary(ready, job),
                format!("  count  {counted}"),
                format!("  time   about {} {by}", span(seconds)),
            ];
            for shown in shown {
                lines.push(format!("{}:\n  {}\n  plan: {}", shown.what, shown.text.replace('\n', "\n  "), shown.plan));
            }
            lines.push("nothing was changed".into());
            terminal::print(&lines.join("\n"));
        }
    }
    Ok(())
}

async fn statements(session: &mut dyn Session, ready: &Ready) -> Result<Vec<Shown>, CliError> {
    let walk = &ready.chosen.walk;
    let last = session.query(&sql::end(walk, None, End::Last, 0)).await?;
    let Some(upto) = last.first().and_then(|row| walk.bound(row)) else { return Ok(Vec::new()) };
    let far = session.query(&sql::place_at(walk, &Begin::Start, &upto, EXAMPLE)).await?;
    let far = far.first().and_then(|row| walk.bound(row)).unwrap_or_else(|| upto.clone());
    let found = session.query(&sql::place_at(walk, &Begin::Start, &far, 1)).await?;
    let keys: Vec<Bound> = found.iter().filter_map(|row| walk.bound(row)).map(|place| walk.key_of(&place)).collect();
    let look = sql::candidates(walk, &Begin::Start, &far, &ready.condition, EXAMPLE);
    let mut all = vec![("looks for rows (no lock)", look)];
    match (&ready.target, &ready.files) {
        (None, Some(_)) => {
            let columns = archive::select_list(&ready.facts.table);
            all.push((
                "locks and reads what was found and still matches",
                sql::lock(walk, &keys, &ready.condition, &columns),
            ));
            all.push(("deletes what is in a file", sql::delete(walk, &keys, None)));
        }
        (None, None) => {
            all.push(("deletes what was found and still matches", sql::delete(walk, &keys, Some(&ready.condition))))
        }
        (Some(target), _) => {
            all.push(("locks what was found and still matches", sql::lock(walk, &keys, &ready.condition, &[])));
            all.push(("copies what is locked", sql::insert(walk, &target.name, &target.columns, &keys)));
            all.push(("deletes what was copied", sql::delete(walk, &keys, None)));
        }
    }
    let mut shown = Vec::new();
    for (what, statement) in all {
        let plan = plan(session, &statement).await?;
        shown.push(Shown { what, text: statement.as_str().to_owned(), plan });
    }
    Ok(shown)
}

async fn plan(session: &mut dyn Session, statement: &Sql) -> Result<String, CliError> {
    let rows = session.query(&sql::explain(statement)).await?;
    let Some(row) = rows.last() else { return Ok("nothing to read".into()) };
    let seen = access(row);
    if seen.kind.is_empty() {
        return Ok("no row can match".into());
    }
    let key = seen.key.map_or_else(|| "no index".into(), |key| format!("index {key}"));
    let rows = seen.rows.map_or_else(String::new, |rows| format!(", about {} rows", grouped(rows)));
    Ok(format!("{} by {key}{rows}", seen.kind))
}
