//! `pxc_maint_mode` of Percona XtraDB Cluster: the node itself says that it wants no connections. ProxySQL's Galera monitor,
//! its scheduler scripts and `clustercheck` behind HAProxy read it.
//!
//! # Source
//! PXC manual, "Assisted maintenance"; `sql/wsrep_var.cc` (MAINTENANCE is refused while it is MAINTENANCE) and
//! `sql/sql_parse.cc` (the statement sleeps for `pxc_maint_transition_period` once the mode is set). Tried against a stand-in
//! only (`tests/cluster/prove_maint_mode.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::Reason;
use driftless_strategies::verdict::ReasonCode;

use crate::error::Fault;
use crate::ports::members::pairs;
use crate::ports::proxy::{Backend, Proxy, Stand};
use crate::ports::server::{ErrorKind, Server, ServerError, Session};
use crate::sql::proxy as sql;

/// Longest `pxc_maint_transition_period` that is waited for: nothing else can be done meanwhile.
const LONGEST: Duration = Duration::from_secs(120);
/// What the statement may take besides.
const AROUND: Duration = Duration::from_secs(30);
const DISABLED: &str = "DISABLED";
const MAINTENANCE: &str = "MAINTENANCE";

/// The nodes of one cluster.
pub struct MaintMode {
    /// Each node's name, and where it is reached.
    pub nodes: Vec<(String, Arc<dyn Server>)>,
}

/// What a node says.
struct Mode {
    mode: String,
    period: Duration,
}

impl MaintMode {
    async fn open(&self, node: &str) -> Result<Box<dyn Session>, Fault> {
        let found = self.nodes.iter().find(|(name, _)| name == node);
        let (_, server) =
            found.ok_or_else(|| Fault::Busy(format!("{node} is not among the nodes that can be reached")))?;
        Ok(server.connect().await?)
    }

    async fn ask(session: &mut dyn Session, node: &str) -> Result<Mode, Fault> {
        let all: BTreeMap<String, String> = pairs(&session.query(&sql::maint_mode()).await?);
        let Some(mode) = all.get("pxc_maint_mode") else {
            let what = format!("{node} has no pxc_maint_mode: it is not a node of Percona XtraDB Cluster 5.7 or later");
            let remedy = "leave --pxc-maint-mode out, and name what stands before the nodes";
            return Err(Fault::Refused(Box::new(Reason::new(ReasonCode::ProxyUnknown, what, remedy))));
        };
        let period = all.get("pxc_maint_transition_period").and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
        let period = Duration::from_secs(period);
        if period > LONGEST {
            let what = format!("pxc_maint_transition_period of {node} is {} s", period.as_secs());
            let remedy = format!("set it to at most {} s: so long every change of the mode takes", LONGEST.as_secs());
            return Err(Fault::Refused(Box::new(Reason::new(ReasonCode::ServerSetting, what, remedy))));
        }
        Ok(Mode { mode: mode.to_ascii_uppercase(), period })
    }

    async fn mode(&self, node: &str) -> Result<Mode, Fault> {
        Self::ask(self.open(node).await?.as_mut(), node).await
    }

    async fn set(&self, node: &str, from: &str, to: &str) -> Result<(), Fault> {
        let mut session = self.open(node).await?;
        let now = Self::ask(session.as_mut(), node).await?;
        if now.mode == from {
            session.set_deadline(now.period + AROUND);
            session.execute(&sql::set_maint_mode(to == MAINTENANCE)).await.map_err(|error| denied(node, error))?;
        }
        let now = self.mode(node).await?.mode;
        if now == to {
            return Ok(());
        }
        Err(Fault::Busy(format!("pxc_maint_mode of {node} is {now}, and was set to {to}")))
    }
}

fn denied(node: &str, error: ServerError) -> Fault {
    if error.kind != ErrorKind::Denied {
        return error.into();
    }
    let what = format!("pxc_maint_mode of {node} may not be set by this user: {error}");
    Fault::Refused(Box::new(Reason::new(
        ReasonCode::PrivilegeMissing,
        what,
        "grant SYSTEM_VARIABLES_ADMIN (5.7: SUPER)",
    )))
}

#[async_trait::async_trait]
impl Proxy for MaintMode {
    fn flag(&self) -> String {
        "--pxc-maint-mode".to_owned()
    }

    async fn knows(&self, nodes: &[Backend]) -> Result<(), Fault> {
        for node in nodes {
            self.mode(&node.name).await?;
        }
        Ok(())
    }

    async fn stands(&self, node: &Backend) -> Result<Option<Stand>, Fault> {
        let own = self.mode(&node.name).await?.mode;
        if own == MAINTENANCE {
            return Ok(None);
        }
        if own != DISABLED {
            return Err(Fault::Busy(format!("pxc_maint_mode of {} is {own}", node.name)));
        }
        for (other, _) in self.nodes.iter().filter(|(name, _)| *name != node.name) {
            if self.mode(other).await.is_ok_and(|seen| seen.mode == DISABLED) {
                let back = sql::set_maint_mode(false);
                let by_hand = format!("`{}` on {}", back.as_str(), node.name);
                return Ok(Some(Stand { flag: self.flag(), was: own, by_hand }));
            }
        }
        Err(Fault::Busy(format!("{} is the only node whose pxc_maint_mode is {DISABLED}", node.name)))
    }

    async fn drain(&self, node: &Backend, _: &Stand) -> Result<(), Fault> {
        self.set(&node.name, DISABLED, MAINTENANCE).await
    }

    async fn is_out(&self, node: &Backend) -> Result<(), Fault> {
        match self.mode(&node.name).await?.mode.as_str() {
            DISABLED => Err(Fault::Busy(format!("pxc_maint_mode of {} is {DISABLED} again", node.name))),
            _ => Ok(()),
        }
    }

    /// Connections are the proxies': that nobody writes on the node is asked of the node.
    async fn let_go(&self, _: &Backend) -> Result<(), Fault> {
        Ok(())
    }

    /// A node that was restarted is `DISABLED` already.
    async fn undrain(&self, node: &Backend, _: &Stand) -> Result<(), Fault> {
        self.set(&node.name, MAINTENANCE, DISABLED).await
    }
}
