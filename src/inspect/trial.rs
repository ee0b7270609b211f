//! The alter, tried on an empty temporary table.

use std::collections::BTreeMap;

use driftless_strategies::facts::{DryRun, Flavour};
use driftless_strategies::{Alter, Clause, ClauseKind, Ident, TableName, TableShape};

use crate::error::Fault;
use crate::ports::server::{ErrorKind, ServerError, Session};
use crate::sql::catalog_table::Dialect;
use crate::sql::catalog_trial;

use super::trial_shape::{Shown, altered};

/// How a temporary table is told from any that others could see.
const TRIAL_PREFIX: &str = "_driftless_trial_";

/// Errors that say what a temporary table can't have, not what is wrong with the alter: partitions (1478, 1505, 1562),
/// full text (1796), tablespaces (3007), compression (3500, 4047), versioning (4137), periods (4152).
const TEMPORARY_ONLY: &[u16] = &[1478, 1505, 1562, 1796, 3007, 3500, 4047, 4137, 4152];
/// The answer to a malformed foreign key, which on a temporary table every foreign key is.
const FOREIGN_KEY: u16 = 1005;

/// What trying gave on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The answer, in the facts' form.
    pub outcome: DryRun,
    /// Clauses that could not be tried and were left out, as written.
    pub left_out: Vec<String>,
}

/// What of an alter can be tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tryable {
    /// The clauses to try.
    pub(crate) clauses: Vec<String>,
    /// Those left out.
    pub(crate) left_out: Vec<String>,
    /// Why the altered columns and keys will not be the whole truth; `None` when they will.
    pub(crate) incomplete: Option<String>,
}

/// Tries the alter on one node in a session that is used for nothing else afterwards: its sql_mode is the job's then.
/// Replicates nothing; the temporary table is gone when it returns.
///
/// # Errors
/// `Busy` or `Lost` as the connection goes; whatever the server says of the alter is an answer, not an error.
pub async fn dry_run(
    session: &mut dyn Session,
    dialect: Dialect,
    table: &TableName,
    source: &TableShape,
    alter: &Alter,
    variables: &BTreeMap<String, String>,
) -> Result<Trial, Fault> {
    let what = tryable(alter, source, dialect.flavour);
    let impossible = |why: String| Ok(Trial { outcome: DryRun::Impossible { why }, left_out: what.left_out.clone() });
    if what.clauses.is_empty() {
        return impossible("a temporary table can have nothing of what the alter changes".to_owned());
    }
    if let Some(why) = quiet(session, variables).await? {
        return impossible(why);
    }
    session.execute(&catalog_trial::strict()).await?;
    let name = format!("{TRIAL_PREFIX}{}", session.id());
    let trial = Ident::new(name).map_err(|error| Fault::Failed(error.to_string()))?;
    let trial = TableName::new(table.schema.clone(), trial);
    if let Err(error) = session.execute(&catalog_trial::create(&trial, table)).await {
        let message = answer(error)?.message;
        return impossible(format!("no temporary table can be made like {table}: {message}"));
    }
    let tried = attempt(session, dialect, table, &trial, source, alter, &what).await;
    // The table ends with the session at the latest; an error here would hide what was found.
    let _dropped = session.execute(&catalog_trial::drop(&trial)).await;
    Ok(Trial { outcome: tried?, left_out: what.left_out })
}

async fn attempt(
    session: &mut dyn Session,
    dialect: Dialect,
    table: &TableName,
    trial: &TableName,
    source: &TableShape,
    alter: &Alter,
    what: &Tryable,
) -> Result<DryRun, Fault> {
    let clauses = what.clauses.join(", ");
    // MySQL shows temporary tables otherwise than others: like is compared with like.
    let like = if dialect.flavour == Flavour::MySql { trial } else { table };
    let before = session.query(&catalog_trial::columns(like)).await?;
    if let Err(error) = session.execute(&catalog_trial::alter(trial, &clauses)).await {
        let mut error = answer(error)?;
        // The trial's name says nothing to whoever reads the server's words.
        error.message = error.message.replace(trial.table.as_str(), table.table.as_str());
        let references = clauses.to_ascii_uppercase().contains("REFERENCES");
        return Ok(if TEMPORARY_ONLY.contains(&error.code) || (error.code == FOREIGN_KEY && references) {
            DryRun::Impossible { why: format!("a temporary table can't have this: {}", error.message) }
        } else {
            DryRun::Rejected { node: session.node().to_owned(), code: error.code, message: error.message }
        });
    }
    if let Some(why) = &what.incomplete {
        return Ok(DryRun::Impossible { why: why.clone() });
    }
    let shown = Shown {
        before,
        after: session.query(&catalog_trial::columns(trial)).await?,
        keys: session.query(&catalog_trial::keys(trial)).await?,
        written: match dialect.flavour {
            Flavour::MySql => session.query(&catalog_trial::written(trial)).await?.first().and_then(|row| row.text(1)),
            Flavour::MariaDb => None,
        },
    };
    let shape = altered(dialect, source, alter, &shown)?;
    Ok(DryRun::Accepted { shape: Box::new(shape) })
}

/// Sorts the clauses by whether a temporary table can have them.
pub(crate) fn tryable(alter: &Alter, source: &TableShape, flavour: Flavour) -> Tryable {
    let mut what = Tryable::default();
    for clause in &alter.clauses {
        match fate(clause, source, flavour) {
            Fate::Try => what.clauses.push(clause.text.clone()),
            Fate::LeaveOut => what.left_out.push(clause.text.clone()),
            Fate::Miss => {
                what.incomplete = Some(format!("a temporary table can't have this: {}", clause.text));
                what.left_out.push(clause.text.clone());
            }
        }
    }
    what
}

enum Fate {
    Try,
    /// It says nothing about columns and keys.
    LeaveOut,
    /// What it does would be missing from the shape.
    Miss,
}

fn fate(clause: &Clause, source: &TableShape, flavour: Flavour) -> Fate {
    match &clause.kind {
        ClauseKind::AddForeignKey
        | ClauseKind::DropForeignKey { .. }
        | ClauseKind::Partitioning
        | ClauseKind::PartitionManagement
        | ClauseKind::RenameTable
        | ClauseKind::Tablespace
        | ClauseKind::Hint => Fate::LeaveOut,
        ClauseKind::AddFulltext | ClauseKind::Versioning => Fate::Miss,
        // CONSTRAINT may be a foreign key, which the copy does not have; on MySQL the copy's checks get other names.
        ClauseKind::OtherConstraint => {
            let text = clause.text.to_lowercase();
            let foreign = source.foreign_keys.iter().any(|key| text.contains(&key.name.as_str().to_lowercase()));
            if foreign || flavour == Flavour::MySql { Fate::LeaveOut } else { Fate::Try }
        }
        ClauseKind::AddColumn { .. }
        | ClauseKind::DropColumn { .. }
        | ClauseKind::ModifyColumn { .. }
        | ClauseKind::ChangeColumn { .. }
        | ClauseKind::RenameColumn { .. }
        | ClauseKind::AlterColumn { .. }
        | ClauseKind::AddKey
        | ClauseKind::AddUnique
        | ClauseKind::AddSpatial
        | ClauseKind::AddPrimary
        | ClauseKind::DropKey { .. }
        | ClauseKind::DropPrimary
        | ClauseKind::RenameKey
        | ClauseKind::AlterKey
        | ClauseKind::AddCheck
        | ClauseKind::ConvertCharset
        | ClauseKind::Engine { .. }
        | ClauseKind::TableOption
        | ClauseKind::Force
        | ClauseKind::OrderBy
        | ClauseKind::Unknown => Fate::Try,
    }
}

/// Makes sure that no temporary table reaches a binlog; why it can't be tried otherwise.
async fn quiet(session: &mut dyn Session, variables: &BTreeMap<String, String>) -> Result<Option<String>, Fault> {
    let is = |name: &str, value: &str| variables.get(name).is_some_and(|own| own == value);
    if !is("log_bin", "ON") || is("binlog_format", "ROW") || !variables.contains_key("binlog_format") {
        return Ok(None);
    }
    match session.execute(&catalog_trial::row_format()).await {
        Ok(_) => Ok(None),
        Err(error) => {
            let error = answer(error)?;
            Ok(Some(format!("binlog_format is not ROW, so replicas would see the trial ({})", error.message)))
        }
    }
}

/// What the server said of a statement, apart from connections that went and nodes that are not ready.
fn answer(error: ServerError) -> Result<ServerError, Fault> {
    match error.kind {
        ErrorKind::Conflict | ErrorKind::NotReady | ErrorKind::Lost | ErrorKind::Connect | ErrorKind::Full => {
            Err(error.into())
        }
        ErrorKind::Denied | ErrorKind::Duplicate | ErrorKind::Data | ErrorKind::Missing | ErrorKind::Other => Ok(error),
    }
}
