//! What stands before the nodes, from flags to proxies.

use std::sync::Arc;

use clap::Args;
use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Plan, Reason, Work};

use super::error::CliError;
use crate::config::{ConnectArgs, ProxyLoginArgs, Surroundings};
use crate::error::Fault;
use crate::mysql::AdminServer;
use crate::ports::members::{Discovered, Member};
use crate::ports::proxy::{Backend, Proxy};
use crate::proxy::{Commands, Haproxy, Login, MaintMode, Maxscale, Proxysql, Rest};
use crate::report::Complaint;

/// What stands between applications and nodes, for `--strategy rsu`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Nodes and proxies (--strategy rsu)")]
pub(super) struct ProxyArgs {
    /// Drain each node in this HAProxy for its turn: its runtime socket, a path or HOST:PORT; repeatable
    #[arg(long, value_name = "SOCKET")]
    pub(super) haproxy: Vec<String>,
    /// ProxySQL and MaxScale.
    #[command(flatten)]
    pub(super) login: ProxyLoginArgs,
    /// Set pxc_maint_mode of each node to MAINTENANCE for its turn (Percona XtraDB Cluster)
    #[arg(long)]
    pub(super) pxc_maint_mode: bool,
    /// Take a node out by this command (sh -c; DRIFTLESS_NODE, DRIFTLESS_ADDRESS are set)
    #[arg(long, value_name = "COMMAND", requires = "undrain_command")]
    pub(super) drain_command: Option<String>,
    /// Put it back by this command
    #[arg(long, value_name = "COMMAND", requires = "drain_command")]
    pub(super) undrain_command: Option<String>,
    /// Nodes that an earlier run of the job has left out are put back already
    #[arg(long)]
    pub(super) put_back: bool,
    /// This node of the plan never comes back, or only with a whole state transfer; repeatable
    #[arg(long, value_name = "NODE")]
    pub(super) gone: Vec<String>,
}

/// The proxies, asked for nothing yet, and what the operator says of nodes.
#[derive(Clone, Default)]
pub(super) struct Front {
    pub(super) proxies: Vec<Arc<dyn Proxy>>,
    /// Where they were reached from: the nodes as a proxy may know them.
    pub(super) nodes: Vec<Backend>,
    pub(super) put_back: bool,
    pub(super) gone: Vec<String>,
}

impl Front {
    /// Reads the settings.
    pub(super) fn of(args: &ProxyArgs, connect: &ConnectArgs, discovered: &Discovered) -> Result<Self, CliError> {
        let (around, mut warnings) = (Surroundings::real(), Vec::new());
        let proxysql = args.login.proxysql(connect, &around, &mut warnings)?;
        let maxscale = args.login.maxscale(connect, &around, &mut warnings)?;
        for warning in warnings {
            Complaint::new(warning.to_string()).print();
        }
        let mut proxies: Vec<Arc<dyn Proxy>> = Vec::new();
        for socket in &args.haproxy {
            proxies.push(Arc::new(Haproxy { socket: socket.clone() }));
        }
        for connection in proxysql {
            proxies.push(Arc::new(Proxysql { server: Arc::new(AdminServer::new(&connection, &connection.endpoint)) }));
        }
        for settings in maxscale {
            if settings.in_clear() {
                Complaint::new(format!("the password for {} goes over the network in clear", settings.base))
                    .with_remedy("https://, which MaxScale speaks with admin_ssl_key and admin_ssl_cert")
                    .print();
            }
            let password = settings.password.expose().to_owned();
            let login = Login { user: settings.user, password, ca: settings.ca };
            let rest = Rest::new(&settings.base, &login)
                .map_err(|what| CliError::Usage(format!("[driftless-maxscale] ssl-ca: {what}"), String::new()))?;
            proxies.push(Arc::new(Maxscale { rest }));
        }
        if args.pxc_maint_mode {
            let node = |member: &Member| (member.node.name.clone(), Arc::clone(&member.server));
            proxies.push(Arc::new(MaintMode { nodes: discovered.members.iter().map(node).collect() }));
        }
        if let Some((drain, undrain)) = args.drain_command.clone().zip(args.undrain_command.clone()) {
            proxies.push(Arc::new(Commands { drain, undrain }));
        }
        let twice = |at: &usize| proxies[..*at].iter().any(|other| other.flag() == proxies[*at].flag());
        if let Some(at) = (0..proxies.len()).find(twice) {
            let what = format!("{} is named twice", proxies[at].flag());
            return Err(CliError::Usage(what, "name each proxy once".into()));
        }
        let backend =
            |member: &Member| Backend { name: member.node.name.clone(), address: member.node.address.clone() };
        let nodes = discovered.members.iter().map(backend).collect();
        Ok(Self { proxies, nodes, put_back: args.put_back, gone: args.gone.clone() })
    }

    /// Whatever is wrong with a proxy is said before there is a job.
    pub(super) async fn known(&self, plan: &Plan) -> Result<(), CliError> {
        if !self.proxies.is_empty() && !matches!(plan.work, Work::Rolling(_)) {
            let flags: Vec<String> = self.proxies.iter().map(|proxy| proxy.flag()).collect();
            let what =
                format!("{}: proxies are for --strategy rsu, and the plan is {}", flags.join(" "), plan.strategy);
            return Err(CliError::Usage(what, "leave them out, or ask for --strategy rsu".into()));
        }
        for proxy in &self.proxies {
            proxy.knows(&self.nodes).await.map_err(refused)?;
        }
        Ok(())
    }
}

/// Nothing was begun, and nothing will be.
fn refused(fault: Fault) -> CliError {
    let reason = match fault {
        Fault::Refused(reason) | Fault::Full(reason) | Fault::Rows { reason, .. } => *reason,
        Fault::Busy(what) | Fault::Lost(what) | Fault::Failed(what) => {
            let remedy = "check its address, its user and its password; nothing was begun";
            Reason::new(ReasonCode::ProxyUnusable, what, remedy)
        }
    };
    CliError::Refused(vec![reason])
}
