//! All facts about one change, from all nodes at once.

use std::collections::BTreeMap;
use std::time::Duration;

use driftless_strategies::facts::{DryRun, Facts, Load, Node, Topology};
use driftless_strategies::verdict::{Reason, ReasonCode};
use driftless_strategies::{Alter, TableName};
use futures_util::future::join_all;

use crate::error::{Fault, Remedy};
use crate::ports::members::{Discovered, Member, pairs};
use crate::ports::server::{ErrorKind, Session};
use crate::sql::catalog_table::Dialect;
use crate::sql::{catalog, catalog_table, ddl, innodb};

use super::binlog::read_binlog;
use super::disk::space;
use super::fitness::{provider_options, read_only, unfit};
use super::holders::{LockView, who_holds};
use super::look::{Look, Question, dialect, look};
use super::privileges::{Needs, missing_privileges};
use super::reading::{Reading, Size};
use super::session::open;
use super::trial::dry_run;

/// How often is looked again at what may be gone already: nodes that differ or a table that can't be read while a DDL is on
/// its way, transactions that InnoDB still shows.
const LOOKS: u32 = 3;
/// Between two looks. InnoDB's list of transactions is renewed only when nobody has read it for 100 ms.
const LOOK_PAUSE: Duration = Duration::from_millis(150);

/// From when on something is worth naming.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A transaction open for so long is old.
    pub old_transaction: Duration,
}

/// Everything that is known about changing a table.
///
/// # Errors
/// `Refused` when the first node has no such table; or somebody's lock keeps it from being read; else as the first node
/// says. Another node that can't be asked is a finding.
pub async fn inspect(
    discovered: &Discovered,
    table: &TableName,
    alter: Option<&Alter>,
    limits: &Limits,
) -> Result<Facts, Fault> {
    let mut tries = 0;
    let mut seen = loop {
        tries += 1;
        let members = discovered.members.iter();
        let seen = join_all(members.map(|member| examine(member, discovered, table, limits))).await;
        if tries == LOOKS || settled(&seen) {
            break seen;
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    };
    let elsewhere: Vec<String> =
        seen.iter().skip(1).filter(|seen| seen.reading.is_some()).map(|seen| seen.node.name.clone()).collect();
    let Some(first) = seen.first_mut() else { return Err(Fault::Failed("no server to ask".to_owned())) };
    let reading = first_reading(first, table, &elsewhere)?;
    let missing_privileges = privileges(first, &reading).await?;
    let dry_run = match alter {
        Some(alter) => trial(&mut seen, &reading, alter).await?,
        None => DryRun::Impossible { why: "no alter was given".to_owned() },
    };
    Ok(Facts {
        topology: discovered.topology.clone(),
        replicas: discovered.replicas.clone(),
        unreached: discovered.unreached.clone(),
        load: load(largest(reading.size, &seen), &seen),
        nodes: seen.into_iter().map(|seen| seen.node).collect(),
        name: reading.name,
        table: reading.shape,
        dry_run,
        missing_privileges,
        assumed: Vec::new(),
    })
}

/// One node after looking, with the session that looked.
struct Examined {
    node: Node,
    session: Option<Box<dyn Session>>,
    reading: Option<Reading>,
    longest_s: u64,
    row_versions: Option<u32>,
    fault: Option<Fault>,
}

async fn examine(member: &Member, discovered: &Discovered, table: &TableName, limits: &Limits) -> Examined {
    let mut node = member.node.clone();
    match attempt(member, discovered, table, limits).await {
        Ok((session, mut look, row_versions)) => {
            node.unfit =
                unfit(&discovered.topology, &look.status, &look.variables).into_iter().map(|it| it.what).collect();
            let reading = look.readings.pop().flatten();
            node.read_only = read_only(&look.variables);
            node.fingerprint = reading.as_ref().map(|reading| reading.fingerprint.clone());
            node.leftovers = look.leftovers.iter().map(ToString::to_string).collect();
            node.holders = look.holders;
            node.old_transactions = look.old;
            node.open_transactions = look.users;
            node.variables = variables(look.variables);
            node.non_blocking = look.non_blocking;
            node.binlog = look.binlog;
            (node.disk, node.binlog_disk) = (look.space.rows, look.space.binlog);
            Examined { node, session: Some(session), reading, longest_s: look.longest_s, row_versions, fault: None }
        }
        Err(fault) => {
            node.unfit = vec![format!("can't be asked: {fault}")];
            Examined { node, session: None, reading: None, longest_s: 0, row_versions: None, fault: Some(fault) }
        }
    }
}

async fn attempt(
    member: &Member,
    discovered: &Discovered,
    table: &TableName,
    limits: &Limits,
) -> Result<(Box<dyn Session>, Look, Option<u32>), Fault> {
    let mut session = open(&*member.server).await?;
    let view = LockView::of(&mut *session).await?;
    if let Some(sql) = catalog_table::fresh_sizes(dialect(&member.node)) {
        session.execute(&sql).await?;
    }
    let question =
        Question { topology: &discovered.topology, tables: std::slice::from_ref(table), old: limits.old_transaction };
    let mut look = match look(&mut *session, &member.node, view, &catalog::global_variables(), question).await {
        Err(Fault::Busy(why)) => {
            let who = who_holds(&mut *session, view, table).await;
            return Err(locked(&member.node.name, table, if who.is_empty() { why } else { who.join(", ") }));
        }
        look => look?,
    };
    look.variables.extend(pairs(&session.query(&catalog::session_variables()).await?));
    // A node that is not ready answers nothing of the kind.
    if !look.readings.is_empty() {
        let alone = matches!(discovered.topology, Topology::Single);
        let locked = alone.then_some(&table.schema);
        look.binlog = read_binlog(&mut *session, &member.node, &look.variables, locked).await?;
    }
    look.space = space(&mut *session, &member.node, &table.schema, &look.variables).await;
    if matches!(discovered.topology, Topology::Galera { .. }) {
        look.non_blocking = takes_non_blocking(&mut *session).await?;
    }
    let stored = look.readings.first().and_then(Option::as_ref).map(|reading| reading.name.clone());
    let row_versions = match stored {
        Some(stored) => row_versions(&mut *session, dialect(&member.node), &stored).await?,
        None => None,
    };
    Ok((session, look, row_versions))
}

/// Without the PROCESS privilege they can't be read, and a rebuild is planned.
async fn row_versions(session: &mut dyn Session, dialect: Dialect, table: &TableName) -> Result<Option<u32>, Fault> {
    let Some(sql) = innodb::row_versions(table, dialect) else { return Ok(None) };
    match session.query(&sql).await {
        Ok(rows) => Ok(rows.first().and_then(|row| row.u64(0)).and_then(|versions| u32::try_from(versions).ok())),
        Err(error) if error.kind == ErrorKind::Denied => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Tries it, which changes nothing: community servers answer 1231, others take it.
async fn takes_non_blocking(session: &mut dyn Session) -> Result<bool, Fault> {
    match session.execute(&ddl::non_blocking()).await {
        Ok(_) => {
            session.execute(&ddl::total_order()).await?;
            Ok(true)
        }
        Err(error) if error.remedy() == Remedy::Stop => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The provider's options one by one, without those that nobody needs.
fn variables(mut variables: BTreeMap<String, String>) -> BTreeMap<String, String> {
    if let Some(list) = variables.get_mut("wsrep_cluster_address") {
        // What follows is options, which may name keys.
        list.truncate(list.find('?').unwrap_or(list.len()));
    }
    if let Some(options) = variables.remove("wsrep_provider_options") {
        variables.extend(provider_options(&options));
    }
    variables
}

/// The catalog shows nothing of a table that somebody holds: whoever asks waits, as a schema change would.
fn locked(node: &str, table: &TableName, why: String) -> Fault {
    refused(
        ReasonCode::LockHeld,
        format!(
            "{table} can't be read on {node}, somebody holds it locked (LOCK TABLES, FLUSH TABLES or a DDL): {why}"
        ),
        "wait until it is over, or end it: SHOW FULL PROCESSLIST on that node shows who it may be; a schema change would \
         queue behind it and all writers behind that",
    )
}

fn settled(seen: &[Examined]) -> bool {
    let passing = |fault: &Fault| match fault {
        Fault::Busy(_) => true,
        Fault::Refused(reason) => reason.code == ReasonCode::LockHeld,
        Fault::Lost(_) | Fault::Rows { .. } | Fault::Full(_) | Fault::Failed(_) => false,
    };
    let busy = seen.iter().any(|seen| seen.fault.as_ref().is_some_and(passing));
    let mut prints = seen.iter().filter(|seen| seen.fault.is_none()).map(|seen| &seen.node.fingerprint);
    let first = prints.next();
    let old = seen.iter().any(|seen| !seen.node.old_transactions.is_empty());
    !busy && !old && prints.all(|print| Some(print) == first)
}

fn first_reading(first: &mut Examined, table: &TableName, elsewhere: &[String]) -> Result<Reading, Fault> {
    if let Some(fault) = first.fault.take() {
        return Err(fault);
    }
    let name = &first.node.name;
    match first.reading.take() {
        Some(reading) => Ok(reading),
        None if first.node.unfit.is_empty() => {
            if elsewhere.is_empty() {
                let what = format!("there is no table {table} on {name}");
                let remedy = "check the name; case counts unless lower_case_table_names says otherwise";
                return Err(refused(ReasonCode::TableMissing, what, remedy));
            }
            let what = format!("there is no table {table} on {name}, but on {}", elsewhere.join(", "));
            let remedy = "the nodes have drifted apart: make them equal first (SHOW CREATE TABLE, where it is)";
            Err(refused(ReasonCode::TableMissing, what, remedy))
        }
        None => {
            let what = format!("{name} is {}", first.node.unfit.join(", "));
            Err(refused(ReasonCode::NodeUnfit, what, "connect to another node, or wait until this one is synced"))
        }
    }
}

fn refused(code: ReasonCode, what: String, remedy: &str) -> Fault {
    Fault::Refused(Box::new(Reason::new(code, what, remedy)))
}

async fn privileges(first: &mut Examined, reading: &Reading) -> Result<Vec<String>, Fault> {
    let Some(session) = &mut first.session else { return Ok(Vec::new()) };
    let rows = session.query(&catalog::grants()).await?;
    let grants: Vec<String> = rows.iter().filter_map(|row| row.text(0)).collect();
    let needs = Needs {
        dialect: dialect(&first.node),
        table: &reading.name,
        foreign_keys: reading.shape.foreign_keys.len(),
        variables: &first.node.variables,
    };
    Ok(missing_privileges(&needs, &grants))
}

/// Tries the alter on every node at once; one answer for all.
async fn trial(seen: &mut [Examined], reading: &Reading, alter: &Alter) -> Result<DryRun, Fault> {
    if let Some(seen) = seen.iter().find(|seen| !seen.node.unfit.is_empty() || seen.node.fingerprint.is_none()) {
        let why = if seen.node.unfit.is_empty() { "has no such table".to_owned() } else { seen.node.unfit.join(", ") };
        return Ok(DryRun::Impossible { why: format!("{}: {why}", seen.node.name) });
    }
    // The trial would wait for the table too; what holds it blocks the plan by itself.
    if let Some(holder) = seen.iter().find_map(|seen| seen.node.holders.first().map(|held| (&seen.node.name, held))) {
        return Ok(DryRun::Impossible { why: format!("{}: {}", holder.0, holder.1) });
    }
    let trials = join_all(seen.iter_mut().map(|seen| async move {
        let name = seen.node.name.clone();
        let Some(session) = &mut seen.session else { return Err(Fault::Failed(format!("{name}: no session"))) };
        let (dialect, variables) = (dialect(&seen.node), &seen.node.variables);
        let trial = dry_run(&mut **session, dialect, &reading.name, &reading.shape, alter, variables).await?;
        Ok((name, trial.outcome))
    }));
    let answers = trials.await.into_iter().collect::<Result<Vec<_>, Fault>>()?;
    Ok(verdict(answers))
}

/// A refusal anywhere counts, then an impossibility anywhere; else all must have made the same table.
pub(crate) fn verdict(answers: Vec<(String, DryRun)>) -> DryRun {
    let mut accepted: Option<(String, DryRun)> = None;
    let (mut impossible, mut differs) = (None, None);
    for (name, answer) in answers {
        match answer {
            DryRun::Rejected { code, message, .. } => return DryRun::Rejected { node: name, code, message },
            DryRun::Impossible { .. } => impossible = impossible.or(Some(answer)),
            DryRun::Accepted { .. } => match &accepted {
                None => accepted = Some((name, answer)),
                Some((_, first)) if *first == answer => {}
                Some((first, _)) => {
                    let message = format!("it would make another table here than on {first}");
                    differs = Some(DryRun::Rejected { node: name, code: 0, message });
                }
            },
        }
    }
    let accepted = accepted.map(|(_, answer)| answer);
    let nobody = || DryRun::Impossible { why: "no node was asked".to_owned() };
    differs.or(impossible).or(accepted).unwrap_or_else(nobody)
}

/// What takes time takes longest where most is: statistics differ between nodes.
fn largest(first: Size, seen: &[Examined]) -> Size {
    let others = seen.iter().filter_map(|seen| seen.reading.as_ref()).map(|reading| reading.size);
    others.fold(first, |most, size| Size {
        rows: most.rows.max(size.rows),
        data_bytes: most.data_bytes.max(size.data_bytes),
        index_bytes: most.index_bytes.max(size.index_bytes),
        row_bytes: most.row_bytes.max(size.row_bytes),
        auto_increment: most.auto_increment.max(size.auto_increment),
    })
}

fn load(size: Size, seen: &[Examined]) -> Load {
    Load {
        rows: size.rows,
        data_bytes: size.data_bytes,
        index_bytes: size.index_bytes,
        row_bytes: size.row_bytes,
        longest_transaction_s: seen.iter().map(|seen| seen.longest_s).max().unwrap_or(0),
        auto_increment: size.auto_increment,
        // Unknown anywhere, unknown at all.
        row_versions: seen
            .iter()
            .map(|seen| seen.row_versions)
            .collect::<Option<Vec<_>>>()
            .and_then(|all| all.into_iter().max()),
    }
}
