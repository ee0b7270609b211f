//! What a purge rests on: the table and the condition, judged by driftless and by the server.

use std::time::Duration;

use driftless_strategies::column_type::ColumnType;
use driftless_strategies::facts::Facts;
use driftless_strategies::{Ident, Reason, ReasonCode, TableName};

use super::archive_args::FilesArgs;
use super::error::CliError;
use super::gather::table_name;
use super::purge_args::{PurgeJob, RowsArgs};
use super::run;
use crate::archive;
use crate::ddl::check_condition;
use crate::inspect;
use crate::ports::members::{Discovered, Member};
use crate::ports::server::{ErrorKind, Row, ServerError, Session};
use crate::purge::table::{Target, target};
use crate::purge::walk::{Chosen, Wanted, choose};
use crate::sql::purge as sql;

/// Everything that a run rests on.
pub(super) struct Ready {
    pub(super) facts: Facts,
    pub(super) chosen: Chosen,
    pub(super) condition: String,
    pub(super) target: Option<Target>,
    /// Files where the rows go.
    pub(super) files: Option<archive::Wanted>,
    /// Rows that match, estimated.
    pub(super) estimate: u64,
    /// What the user should know.
    pub(super) remarks: Vec<String>,
    /// Seconds since midnight and since 1970, by the server.
    pub(super) clock: (u64, u64),
}

/// Judges a job. Changes nothing.
pub(super) async fn judge(discovered: &Discovered, job: &PurgeJob) -> Result<Ready, CliError> {
    let Some(first) = discovered.members.first() else {
        return Err(CliError::Surroundings("no server answered".into()));
    };
    let Some(table) = &job.rows.table else {
        return Err(CliError::Usage("--table is missing".into(), "add --table schema.table".into()));
    };
    let table = table_name(table)?;
    if job.rows.condition.is_none() && job.rows.older_than.is_none() && job.rows.keep_newest == 0 {
        return Err(CliError::Usage(
            "it is not said which rows".into(),
            "give --where, or --older-than with --column, or --keep-newest; --where 1=1 means every row".into(),
        ));
    }
    if let Some(text) = &job.rows.condition {
        check_condition(text, first.node.flavour, first.node.version)
            .map_err(|error| CliError::Usage(format!("--where: {error}"), error.remedy.into()))?;
    }
    let facts = inspect_table(discovered, &table).await?;
    let mut remarks = Vec::new();
    let against = against(&facts, job, &mut remarks);
    if !against.is_empty() {
        return Err(CliError::Refused(against));
    }
    let target = match &job.to_table {
        Some(name) => Some(destination(discovered, &facts, name, job).await?),
        None => None,
    };
    let mut session = first.server.connect().await?;
    session.execute(&sql::every_value()).await?;
    let condition = condition(session.as_mut(), first, &facts, &job.rows).await?;
    let explained = explain(session.as_mut(), &facts.name, &condition).await?;
    let wanted = match &job.rows.index {
        Some(name) => Wanted::Index(ident("--index", name)?),
        None => Wanted::Explained(explained.index.clone()),
    };
    let chosen = choose(&facts.name, &facts.table, &wanted).map_err(|reason| CliError::Refused(vec![reason]))?;
    let estimate = explained.rows.unwrap_or(facts.load.rows);
    let clock = clock(first).await?;
    let files = match &job.files.to_file {
        Some(pattern) => Some(files(pattern, &facts, &chosen, &job.files)?),
        None => None,
    };
    Ok(Ready { facts, chosen, condition, target, files, estimate, remarks, clock })
}

async fn inspect_table(discovered: &Discovered, table: &TableName) -> Result<Facts, CliError> {
    let limits = inspect::Limits { old_transaction: Duration::MAX };
    Ok(inspect::inspect(discovered, table, None, &limits).await?)
}

fn ident(flag: &str, text: &str) -> Result<Ident, CliError> {
    Ident::new(text).map_err(|error| CliError::Usage(format!("{flag}: {error}"), "check the name".into()))
}

/// Nodes that have the table otherwise than the first, or not, or can't say: a change of rows that one of them can't apply
/// makes it leave the cluster.
fn drift(facts: &Facts) -> Option<Reason> {
    let first = facts.nodes.first()?;
    let apart = facts.nodes.iter().filter(|node| node.fingerprint.is_none() || node.fingerprint != first.fingerprint);
    let said: Vec<String> = apart
        .map(|node| match &node.fingerprint {
            Some(_) => format!("{} has it otherwise than {}", node.name, first.name),
            None if node.unfit.is_empty() => format!("{} has no such table", node.name),
            None => format!("{} is {}", node.name, node.unfit.join(", ")),
        })
        .collect();
    if said.is_empty() {
        return None;
    }
    let what = format!(
        "{} is not known to be the same on all nodes ({}): a node may leave the cluster when rows are changed",
        facts.name,
        said.join("; ")
    );
    Some(Reason::new(ReasonCode::SchemaDrift, what, "see driftless check, and make the nodes equal first"))
}

/// What stands in the way, and what is only to be known.
fn against(facts: &Facts, job: &PurgeJob, remarks: &mut Vec<String>) -> Vec<Reason> {
    let (name, table) = (&facts.name, &facts.table);
    let mut all = Vec::new();
    if table.table_type != "BASE TABLE" {
        let what = format!("{name} is no plain table but {}", table.table_type.to_lowercase());
        all.push(Reason::new(ReasonCode::NotABaseTable, what, "name the table that holds the rows"));
    } else if !table.engine.eq_ignore_ascii_case("innodb") {
        let what = format!("{name} is kept by {}, which can't take a delete back", table.engine);
        all.push(Reason::new(ReasonCode::UnsupportedEngine, what, "change the table to InnoDB first"));
    }
    all.extend(drift(facts));
    if let Some(node) = facts.nodes.first().filter(|node| node.read_only) {
        let what = format!("{} is read-only", node.name);
        all.push(Reason::new(ReasonCode::ReadOnly, what, "connect to the server that takes writes"));
    }
    let deletes: Vec<String> = table
        .triggers
        .iter()
        .filter(|trigger| trigger.event.eq_ignore_ascii_case("delete"))
        .map(|trigger| trigger.name.to_string())
        .collect();
    if !deletes.is_empty() {
        let what = format!("{name} has DELETE triggers, which fire for every row: {}", deletes.join(", "));
        if job.rows.allow_triggers {
            remarks.push(what);
        } else {
            all.push(Reason::new(ReasonCode::ExistingTriggers, what, "read them, then add --allow-triggers"));
        }
    }
    let cascades: Vec<String> = table
        .referenced_by
        .iter()
        .filter(|key| !matches!(key.on_delete.to_ascii_uppercase().as_str(), "RESTRICT" | "NO ACTION"))
        .map(|key| format!("{}.{} (ON DELETE {})", key.schema, key.table, key.on_delete.to_uppercase()))
        .collect();
    if !cascades.is_empty() {
        let what = format!("deleting rows of {name} changes rows of {}", cascades.join(", "));
        if job.allow_cascade {
            remarks.push(what);
        } else {
            let remedy = if job.to_table.is_some() || job.files.to_file.is_some() {
                "archive the rows of those tables first: the server would delete or empty them unarchived"
            } else {
                "purge the rows of those tables first, or add --allow-cascade"
            };
            all.push(Reason::new(ReasonCode::CascadingForeignKey, what, remedy));
        }
    }
    remarks.extend(facts.unreached.iter().map(|node| format!("not reached: {node}")));
    all
}

/// The files that are wanted, judged without touching any.
fn files(pattern: &str, facts: &Facts, chosen: &Chosen, args: &FilesArgs) -> Result<archive::Wanted, CliError> {
    let pattern = archive::Pattern::parse(pattern, &facts.name).map_err(CliError::Archive)?;
    let Some((format, compression)) = pattern.format() else {
        return Err(CliError::Usage(
            "--to-file: the end of the name does not say the format".into(),
            "let it end in .csv, .ndjson, .sql (with .gz or .zst behind to compress) or .parquet".into(),
        ));
    };
    let walk = &chosen.walk;
    let key = walk.key.iter().filter_map(|index| walk.columns.get(*index)).map(|column| column.name.clone()).collect();
    let layout = archive::Layout::new(facts.name.clone(), &facts.table.columns, key, format, compression);
    let roll = archive::Roll { bytes: args.file_bytes, daily: args.file_daily };
    let wanted = archive::Wanted { pattern, layout: layout.map_err(CliError::Archive)?, roll, run: run::fresh_id().0 };
    wanted.judge().map_err(CliError::Archive)?;
    Ok(wanted)
}

async fn destination(discovered: &Discovered, facts: &Facts, name: &str, job: &PurgeJob) -> Result<Target, CliError> {
    let into = TableName::parse(name)
        .map_err(|error| CliError::Usage(format!("--to-table: {error}"), "write --to-table schema.table".into()))?;
    let there = inspect_table(discovered, &into).await?;
    if there.name == facts.name {
        return Err(CliError::Usage("--to-table is the table itself".into(), "name another table".into()));
    }
    if let Some(reason) = drift(&there) {
        return Err(CliError::Refused(vec![reason]));
    }
    target((&facts.name, &facts.table), (&there.name, &there.table), job.rows.allow_triggers)
        .map_err(|reason| CliError::Refused(vec![reason]))
}

/// The whole condition; the age is counted now.
async fn condition(
    session: &mut dyn Session,
    first: &Member,
    facts: &Facts,
    rows: &RowsArgs,
) -> Result<String, CliError> {
    let plain = rows.condition.clone().unwrap_or_else(|| "TRUE".into());
    let (Some(age), Some(name)) = (rows.older_than, &rows.column) else { return Ok(plain) };
    let name = ident("--column", name)?;
    let Some(column) = facts.table.column(&name) else {
        return Err(CliError::Usage(
            format!("--column: {} has no column `{name}`", facts.name),
            "check the name".into(),
        ));
    };
    let moment = sql::moment_ago(age.as_secs());
    let kind = ColumnType::of(column);
    let rows_of = if matches!(kind, ColumnType::Timestamp { .. }) {
        // Kept in UTC, which is what the session shows.
        session.query(&moment).await?
    } else if matches!(kind, ColumnType::DateTime { .. } | ColumnType::Date) {
        // Written by applications, most of which leave the zone to the server.
        let mut own = first.server.connect().await?;
        own.execute(&sql::servers_zone()).await?;
        own.query(&moment).await?
    } else {
        let what = format!("--column: `{name}` is {}, not a date or time", column.column_type);
        let remedy = "write the comparison with --where, for example --where 'created < 1700000000'";
        return Err(CliError::Usage(what, remedy.into()));
    };
    let Some(moment) = rows_of.first().and_then(|row| row.text(0)) else {
        return Err(CliError::Usage("--older-than: there is no such time".into(), "choose a shorter age".into()));
    };
    let older = sql::older(&column.name, &moment);
    Ok(if rows.condition.is_some() { sql::both(&plain, &older) } else { older }.as_str().to_owned())
}

/// What EXPLAIN says of the condition.
struct Explained {
    index: Option<Ident>,
    rows: Option<u64>,
}

async fn explain(session: &mut dyn Session, table: &TableName, condition: &str) -> Result<Explained, CliError> {
    let rows = session.query(&sql::explain(&sql::at_will(table, condition))).await.map_err(|error| judged(&error))?;
    session.query(&sql::probe(table, condition)).await.map_err(|error| judged(&error))?;
    let warnings = session.query(&sql::warnings()).await?;
    let warning = warnings.iter().find(|row| row.text(0).is_some_and(|level| level != "Note"));
    if let Some(text) = warning.and_then(|row| row.text(2)) {
        return Err(CliError::Usage(
            format!("--where: the server warns: {text}"),
            "rows would be judged by a value that is not what was meant: write values of the column's own type".into(),
        ));
    }
    let Some(row) = rows.first() else { return Ok(Explained { index: None, rows: None }) };
    let seen = access(row);
    let ranged = matches!(seen.kind.as_str(), "range" | "ref" | "ref_or_null" | "eq_ref" | "const");
    let index = if ranged { seen.key.and_then(|key| Ident::new(key).ok()) } else { None };
    let rows = if seen.kind.is_empty() { Some(0) } else { seen.rows.filter(|_| ranged) };
    Ok(Explained { index, rows })
}

/// One line of EXPLAIN.
pub(super) struct Access {
    pub(super) kind: String,
    pub(super) key: Option<String>,
    pub(super) rows: Option<u64>,
}

/// MySQL has two columns more than MariaDB: partitions and filtered.
pub(super) fn access(row: &Row) -> Access {
    let shift = usize::from(row.0.len() >= 12);
    Access { kind: row.text(3 + shift).unwrap_or_default(), key: row.text(5 + shift), rows: row.u64(8 + shift) }
}

/// The server's judgement of the user's words.
fn judged(error: &ServerError) -> CliError {
    let place =
        |what: &str| CliError::Usage(format!("--where: {what}: {}", error.message), "mend the expression".into());
    match error.kind {
        ErrorKind::Missing => place("it names what the table does not have"),
        ErrorKind::Other | ErrorKind::Data => place("the server does not take it"),
        ErrorKind::Conflict
        | ErrorKind::NotReady
        | ErrorKind::Lost
        | ErrorKind::Connect
        | ErrorKind::Denied
        | ErrorKind::Full
        | ErrorKind::Duplicate => CliError::Server(error.clone()),
    }
}

async fn clock(first: &Member) -> Result<(u64, u64), CliError> {
    let mut session = first.server.connect().await?;
    session.execute(&sql::servers_zone()).await?;
    let rows = session.query(&sql::time_of_day()).await?;
    let number = |index| rows.first().and_then(|row| row.u64(index)).unwrap_or(0);
    Ok((number(0), number(1)))
}
