//! From flags to a decision: connects, finds all nodes, reads the table, judges the change.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_strategies::choose::{self, Options};
use driftless_strategies::rsu::ADDRESSES;
use driftless_strategies::{Alter, Decision, Facts, Flavour, Ident, Reason, ReasonCode, TableName, Version};

use super::args::ChangeArgs;
use super::error::CliError;
use crate::config::{self, ConnectArgs, Connection, Endpoint, HostPort, Surroundings};
use crate::engine::journal::JournalStore;
use crate::error::Fault;
use crate::mysql::MysqlServer;
use crate::ports::members::{Connector, Discovered};
use crate::ports::server::{ErrorKind, Server};
use crate::{ddl, discover, inspect, report, verify};

/// How long connecting to a server of this machine may take.
const LOOPBACK_CONNECT: std::time::Duration = std::time::Duration::from_secs(10);
/// The port when none is told.
const MYSQL_PORT: u16 = 3306;

/// How servers are reached, with the user's credentials.
pub(super) struct Reach {
    connection: Connection,
}

impl Connector for Reach {
    fn server(&self, address: &str) -> Arc<dyn Server> {
        let endpoint = HostPort::parse(address, MYSQL_PORT)
            .map_or_else(|_| Endpoint::Socket(address.into()), |told| self.connection.reach(&told));
        Arc::new(MysqlServer::new(&self.connection, &endpoint))
    }
}

/// The servers, connected to and found.
pub(super) struct Servers {
    pub(super) first: Arc<dyn Server>,
    reach: Arc<Reach>,
    nodes: Vec<String>,
}

impl Servers {
    /// Reads the settings; connects to nothing yet.
    pub(super) fn of(args: &ConnectArgs) -> Result<Self, CliError> {
        let resolved = config::resolve(args, &Surroundings::real(), &mut config::password::ask_on_terminal)?;
        for warning in &resolved.warnings {
            report::Complaint::new(warning.to_string()).print();
        }
        let connection = resolved.connection;
        let first = Arc::new(MysqlServer::new(&connection, &connection.endpoint));
        let nodes = connection.nodes.iter().map(ToString::to_string).collect();
        Ok(Self { first, reach: Arc::new(Reach { connection }), nodes })
    }

    /// A server of this machine that lets root in without a password, as the demo's do.
    pub(super) fn loopback(port: u16) -> Arc<dyn Server> {
        let endpoint = Endpoint::Tcp(HostPort::new("127.0.0.1", port));
        let connection = Connection {
            endpoint: endpoint.clone(),
            user: "root".into(),
            password: config::Secret::new(""),
            tls: config::Tls { mode: config::TlsMode::Disabled, ca: None, identity: None },
            connect_timeout: LOOPBACK_CONNECT,
            nodes: Vec::new(),
            address_map: config::AddressMap::default(),
        };
        Arc::new(MysqlServer::new(&connection, &endpoint))
    }

    /// How other servers are reached.
    pub(super) fn connector(&self) -> &dyn Connector {
        &*self.reach
    }

    /// The journal, for commands that need nothing else.
    pub(super) async fn journal(&self) -> Result<JournalStore, CliError> {
        // A wrong password or port is said in its own words.
        drop(self.first.connect().await?);
        Ok(JournalStore::new(Arc::clone(&self.first)))
    }

    /// Finds all nodes.
    pub(super) async fn discover(&self) -> Result<Discovered, CliError> {
        // A wrong password or port is said in its own words before anything else is tried.
        drop(self.first.connect().await?);
        let seek = discover::Seek {
            first: Arc::clone(&self.first),
            connector: Arc::clone(&self.reach) as Arc<dyn Connector>,
            nodes: self.nodes.clone(),
            addresses: BTreeMap::new(),
        };
        Ok(discover::discover(&seek).await?)
    }
}

/// A change as it was judged.
pub(super) struct Judged {
    pub(super) facts: Facts,
    pub(super) alter: Alter,
    pub(super) decision: Decision,
    /// What was not looked through for rows in the way, in words.
    pub(super) unsure: Vec<String>,
}

/// All that is known about a change, and what was decided.
pub(super) struct Gathered {
    pub(super) discovered: Discovered,
    pub(super) judged: Judged,
}

/// The change as flags name it.
pub(super) struct Asked<'a> {
    table: Option<TableName>,
    text: &'a str,
}

impl<'a> Asked<'a> {
    /// Takes the flags; what they lack is said before anything is asked.
    pub(super) fn of(change: &'a ChangeArgs) -> Result<Self, CliError> {
        let table = change.table.as_deref().map(table_name).transpose()?;
        let Some(text) = change.alter.as_deref() else {
            return Err(CliError::Usage(
                "--alter is missing".into(),
                "say what to change, for example --alter 'ADD COLUMN note text'".into(),
            ));
        };
        Ok(Self { table, text })
    }

    /// Reads the alter as that server would, and finds the table's name in one place or the other.
    pub(super) fn read(self, flavour: Flavour, version: Version) -> Result<(TableName, Alter), CliError> {
        let alter = match &self.table {
            Some(table) => ddl::parse_alter_in(self.text, &table.schema, flavour, version)?,
            None => ddl::parse_alter(self.text, flavour, version)?,
        };
        match (self.table, alter.table.clone()) {
            (Some(flag), Some(statement)) if flag != statement => Err(CliError::Usage(
                format!("--table says {flag}, the statement says {statement}"),
                "leave one of them out".into(),
            )),
            (Some(table), _) | (None, Some(table)) => Ok((table, alter)),
            (None, None) => Err(CliError::Usage("--table is missing".into(), "add --table schema.table".into())),
        }
    }
}

/// Gathers facts for the change that flags name, and decides.
pub(super) async fn gather(servers: &Servers, change: &ChangeArgs) -> Result<Gathered, CliError> {
    looked(servers, change).await.map_err(vanished)
}

/// A server that went while it was asked is one that is not there: nothing but questions was under way.
fn vanished(error: CliError) -> CliError {
    let what = match error {
        CliError::Fault(Fault::Lost(what)) => what,
        CliError::Server(error) if error.kind == ErrorKind::Lost => error.to_string(),
        other @ (CliError::Config(_)
        | CliError::Usage(..)
        | CliError::Alter(_)
        | CliError::File(..)
        | CliError::Server(_)
        | CliError::Fault(_)
        | CliError::Archive(_)
        | CliError::Refused(_)
        | CliError::Surroundings(_)) => return other,
    };
    let remedy = "start that server, or correct the way to it; nothing was changed";
    CliError::Refused(vec![Reason::new(
        ReasonCode::NodeUnreached,
        format!("a server went while it was asked: {what}"),
        remedy,
    )])
}

async fn looked(servers: &Servers, change: &ChangeArgs) -> Result<Gathered, CliError> {
    let asked = Asked::of(change)?;
    let wishes = options(change)?;
    let discovered = servers.discover().await?;
    let Some(first) = discovered.members.first() else {
        return Err(CliError::Surroundings("no server answered".into()));
    };
    let (flavour, version) = (first.node.flavour, first.node.version);
    let (table, alter) = asked.read(flavour, version)?;
    let mut gathered = decide(discovered, !servers.nodes.is_empty(), &table, alter, &wishes, change).await?;
    at_work(&mut gathered).await?;
    precheck(&mut gathered, change).await?;
    Ok(gathered)
}

async fn decide(
    discovered: Discovered,
    named: bool,
    table: &TableName,
    alter: Alter,
    wishes: &Options,
    change: &ChangeArgs,
) -> Result<Gathered, CliError> {
    let limits = inspect::Limits { old_transaction: change.max_transaction_age };
    let mut facts = inspect::inspect(&discovered, table, Some(&alter), &limits).await?;
    if named {
        // Whoever names the nodes knows better than a list that may be out of date.
        facts.nodes.iter_mut().for_each(|node| drop(node.variables.remove(ADDRESSES)));
    }
    let decision = choose::choose(&facts, &alter, wishes);
    Ok(Gathered { discovered, judged: Judged { facts, alter, decision, unsure: Vec::new() } })
}

/// A job that is not over on the table blocks another; what it has made are no leftovers.
async fn at_work(gathered: &mut Gathered) -> Result<(), CliError> {
    let Some(first) = gathered.discovered.members.first() else { return Ok(()) };
    // Who may not read the journal is told so already.
    if !gathered.judged.facts.missing_privileges.is_empty() {
        return Ok(());
    }
    let store = JournalStore::new(Arc::clone(&first.server));
    let entries = if store.exists().await? { store.entries(false).await? } else { Vec::new() };
    let Some(entry) = entries.iter().find(|entry| entry.job.plan.table == gathered.judged.facts.name) else {
        return Ok(());
    };
    let (id, phase) = (&entry.job.id, entry.job.phase.as_str());
    let held = if entry.held() { format!("held by {}", entry.owner) } else { "held by nobody".to_owned() };
    let what = format!("job {id} works on {} already ({phase}, {held})", gathered.judged.facts.name);
    let remedy =
        format!("wait for it, go on with `driftless run --resume {id}`, or undo it with `driftless abort {id}`");
    let decision = &mut gathered.judged.decision;
    decision.blockers.retain(|reason| reason.code != ReasonCode::Leftovers || !reason.what.contains("of driftless"));
    decision.blockers.insert(0, Reason::new(ReasonCode::JobActive, what, remedy));
    decision.plan = None;
    Ok(())
}

/// Looks for rows that the new table can't take; what is found blocks the plan.
async fn precheck(gathered: &mut Gathered, change: &ChangeArgs) -> Result<(), CliError> {
    let (Some(plan), Some(first)) = (&gathered.judged.decision.plan, gathered.discovered.members.first()) else {
        return Ok(());
    };
    // What depends on rows is never done without a copy.
    let Some(copy) = plan.work.copy() else { return Ok(()) };
    let found = verify::precheck::look(&first.server, copy, &gathered.judged.facts.table, change.precheck_time).await?;
    gathered.judged.unsure = found.unsure;
    if !found.refusals.is_empty() {
        gathered.judged.decision.blockers.extend(found.refusals);
        gathered.judged.decision.plan = None;
    }
    Ok(())
}

/// The flags as the decision takes them.
pub(super) fn options(change: &ChangeArgs) -> Result<Options, CliError> {
    let idents = |flag: &str, names: &[String]| -> Result<Vec<Ident>, CliError> {
        let one = |name: &String| {
            Ident::new(name).map_err(|error| CliError::Usage(format!("{flag}: {error}"), "name a column".into()))
        };
        names.iter().map(one).collect()
    };
    Ok(Options {
        force: change.strategy,
        allow_lossy: idents("--allow-lossy", &change.allow_lossy)?,
        allow_drop_add: idents("--allow-drop-add", &change.allow_drop_add)?,
        allow: change.allow.clone(),
        deny_lints: change.deny_lints,
        keep_retired: change.keep_retired,
        max_stall_ms: u64::try_from(change.max_stall.as_millis()).unwrap_or(u64::MAX),
        ..Options::default()
    })
}

/// Reads `schema.table`.
pub(super) fn table_name(text: &str) -> Result<TableName, CliError> {
    TableName::parse(text)
        .map_err(|error| CliError::Usage(format!("--table: {error}"), "write --table schema.table".into()))
}
