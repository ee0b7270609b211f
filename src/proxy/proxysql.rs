//! ProxySQL by its admin interface: `OFFLINE_SOFT` in every hostgroup where the node is, in memory and in force, never on
//! disk: a ProxySQL that is restarted has forgotten it.
//!
//! `LOAD MYSQL SERVERS TO RUNTIME` puts in force all that stands in memory. What somebody else has left there, and what the
//! Galera monitor has moved only in force, would go with it; so a first drain waits until the two layers are the same.
//!
//! # Source
//! ProxySQL manual, "Main (runtime)" and "Galera configuration"; `update_galera_set_writer` of its source (what the Galera monitor
//! rewrites: the status of a node that is not `OFFLINE_SOFT` in all of its hostgroups). Tried against a stand-in only
//! (`tests/cluster/prove_proxysql.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::{Place, unknown};
use crate::error::Fault;
use crate::ports::proxy::{Backend, Proxy, Stand};
use crate::ports::server::{ErrorKind, Row, Server, ServerError, Session};
use crate::sql::{Sql, proxy as sql};

/// Longest wait for one answer.
const LIMIT: Duration = Duration::from_secs(10);
/// How long what was loaded may take to be in force, with a monitor in between.
const IN_FORCE: Duration = Duration::from_secs(5);
/// Between two looks at that.
const LOOK: Duration = Duration::from_millis(200);
const ONLINE: &str = "ONLINE";
const SHUNNED: &str = "SHUNNED";
const OFFLINE_SOFT: &str = "OFFLINE_SOFT";
const OFFLINE_HARD: &str = "OFFLINE_HARD";

/// One ProxySQL.
pub struct Proxysql {
    /// Its admin interface.
    pub server: Arc<dyn Server>,
}

/// A server in one hostgroup, as put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Was {
    hostgroup: u64,
    host: String,
    port: u64,
    status: String,
}

/// A row of `mysql_servers` or `runtime_mysql_servers`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    hostgroup: u64,
    host: String,
    port: u64,
    status: String,
    /// Weight, limits, comment: only compared.
    rest: Vec<Option<String>>,
}

impl Listed {
    fn read(row: &Row) -> Option<Self> {
        let status = row.text(3)?.to_ascii_uppercase();
        if ![ONLINE, SHUNNED, OFFLINE_SOFT, OFFLINE_HARD].contains(&status.as_str()) {
            return None;
        }
        let rest = (sql::SERVER_COLUMNS..row.0.len()).map(|column| row.text(column)).collect();
        Some(Self { hostgroup: row.u64(0)?, host: row.text(1)?, port: row.u64(2)?, status, rest })
    }

    /// Whether it gets new connections, or would when it answers again.
    fn serves(&self) -> bool {
        self.status == ONLINE || self.status == SHUNNED
    }

    /// What must be the same in both layers. `SHUNNED` is a state of the moment.
    fn gist(&self) -> (u64, String, u64, String, Vec<Option<String>>) {
        let status = if self.serves() { ONLINE } else { self.status.as_str() };
        (self.hostgroup, self.host.clone(), self.port, status.to_owned(), self.rest.clone())
    }
}

/// Both layers, and where the node is.
struct Seen {
    memory: Vec<Listed>,
    runtime: Vec<Listed>,
    /// Hosts and ports that are the node.
    own: BTreeSet<(String, u64)>,
}

impl Seen {
    fn is_own(&self, listed: &Listed) -> bool {
        self.own.contains(&(listed.host.clone(), listed.port))
    }

    fn own<'a>(&'a self, layer: &'a [Listed]) -> impl Iterator<Item = &'a Listed> {
        layer.iter().filter(|listed| self.is_own(listed) && listed.status != OFFLINE_HARD)
    }

    /// What the layers have different, as one row in words; the node's own status apart.
    fn pending(&self) -> Option<String> {
        let gists = |layer: &[Listed]| -> BTreeSet<_> {
            layer.iter().filter(|listed| listed.status != OFFLINE_HARD).map(Listed::gist).collect()
        };
        let (memory, runtime) = (gists(&self.memory), gists(&self.runtime));
        let (hostgroup, host, port, ..) = memory.symmetric_difference(&runtime).next()?;
        Some(format!("{host}:{port} in hostgroup {hostgroup}"))
    }
}

impl Proxysql {
    fn failed(&self, why: impl std::fmt::Display) -> Fault {
        Fault::Failed(format!("failed to work with ProxySQL at {}: {why}", self.server.address()))
    }

    /// What an answer to a statement means. It answers 1045 to whatever it does not take.
    fn fault(&self, error: &ServerError) -> Fault {
        let at = self.server.address();
        match error.kind {
            ErrorKind::Connect | ErrorKind::Lost | ErrorKind::NotReady => {
                Fault::Busy(format!("failed to ask ProxySQL's admin interface: {error}"))
            }
            ErrorKind::Denied
            | ErrorKind::Conflict
            | ErrorKind::Duplicate
            | ErrorKind::Data
            | ErrorKind::Missing
            | ErrorKind::Full
            | ErrorKind::Other => Fault::Failed(format!(
                "{at} does not answer like ProxySQL's admin interface, which has a port of its own (6032) and wants a user of \
                 admin-admin_credentials: {}",
                error.message
            )),
        }
    }

    fn turned_away(&self, error: &ServerError) -> Fault {
        if error.kind != ErrorKind::Denied {
            return self.fault(error);
        }
        let at = self.server.address();
        Fault::Failed(format!(
            "ProxySQL at {at} does not let the user in: {}; its admin-admin_credentials are needed, by --proxysql-user and the \
             password of PROXYSQL_PWD, --proxysql-password-file or [driftless-proxysql] of an option file",
            error.message
        ))
    }

    async fn open(&self) -> Result<Box<dyn Session>, Fault> {
        let mut session = self.server.connect().await.map_err(|error| self.turned_away(&error))?;
        session.set_deadline(LIMIT);
        Ok(session)
    }

    async fn ask(&self, session: &mut dyn Session, statement: &Sql) -> Result<Vec<Row>, Fault> {
        session.query(statement).await.map_err(|error| self.fault(&error))
    }

    async fn layer(&self, session: &mut dyn Session, layer: usize) -> Result<Vec<Listed>, Fault> {
        let rows = self.ask(session, &sql::servers(layer)).await?;
        let listed: Option<Vec<Listed>> = rows.iter().map(Listed::read).collect();
        listed.ok_or_else(|| self.failed(format!("it does not show {} as ProxySQL does", sql::SERVERS[layer.min(1)])))
    }

    async fn look(&self, session: &mut dyn Session, node: &Backend) -> Result<Seen, Fault> {
        let (memory, runtime) = (self.layer(session, 0).await?, self.layer(session, 1).await?);
        let mut place = Place::of(node).await;
        let mut own = BTreeSet::new();
        for listed in memory.iter().chain(&runtime) {
            if place.is(&listed.host, &listed.port.to_string()).await {
                own.insert((listed.host.clone(), listed.port));
            }
        }
        Ok(Seen { memory, runtime, own })
    }

    /// The same, of a node that must be there.
    async fn find(&self, session: &mut dyn Session, node: &Backend) -> Result<Seen, Fault> {
        let seen = self.look(session, node).await?;
        let proxy = format!("ProxySQL at {}", self.server.address());
        if seen.own(&seen.memory).next().is_some() {
            return Ok(seen);
        }
        let remedy = if seen.own(&seen.runtime).next().is_some() {
            "it is in runtime_mysql_servers only: make mysql_servers the same (SAVE MYSQL SERVERS TO MEMORY)"
        } else {
            "name servers in mysql_servers by the address that driftless reaches the node at"
        };
        Err(unknown(&proxy, node, remedy))
    }

    /// Hostgroups in which others stand in for each hostgroup's servers; those that need nobody stand for themselves alone.
    async fn stand_ins(&self, session: &mut dyn Session) -> Result<BTreeMap<u64, Vec<u64>>, Fault> {
        let rows = match session.query(&sql::galera_hostgroups()).await {
            Ok(rows) => rows,
            // Before ProxySQL 2.0 there is no such table.
            Err(error) if error.message.contains("no such table") => return Ok(BTreeMap::new()),
            Err(error) => return Err(self.fault(&error)),
        };
        let mut groups = BTreeMap::new();
        for row in rows {
            let (Some(writer), Some(backup)) = (row.u64(0), row.u64(1)) else {
                return Err(self.failed("it does not show runtime_mysql_galera_hostgroups as ProxySQL does"));
            };
            // The monitor makes a backup writer a writer; backup writers and what is offline need nobody.
            groups.insert(writer, vec![writer, backup]);
            groups.insert(backup, Vec::new());
            if let Some(offline) = row.u64(3) {
                groups.insert(offline, Vec::new());
            }
        }
        Ok(groups)
    }

    /// The first hostgroup that would be left without a server.
    fn alone(seen: &Seen, stand_ins: &BTreeMap<u64, Vec<u64>>) -> Option<u64> {
        let serving = seen.own(&seen.runtime).filter(|listed| listed.serves());
        serving.map(|listed| listed.hostgroup).find(|group| {
            let own = vec![*group];
            let groups = stand_ins.get(group).unwrap_or(&own);
            let takes =
                |other: &Listed| other.status == ONLINE && !seen.is_own(other) && groups.contains(&other.hostgroup);
            !groups.is_empty() && !seen.runtime.iter().any(takes)
        })
    }

    fn was(&self, stand: &Stand) -> Result<Vec<Was>, Fault> {
        serde_json::from_str(&stand.was)
            .map_err(|_| self.failed("what is to be put back is not in the journal in words that this version reads"))
    }

    /// Loads what stands in memory, and waits until the node is in force as wanted.
    async fn load(
        &self,
        session: &mut dyn Session,
        node: &Backend,
        wanted: impl Fn(&Seen) -> Option<String>,
    ) -> Result<(), Fault> {
        session.execute(&sql::load_servers()).await.map_err(|error| self.fault(&error))?;
        let mut left = IN_FORCE;
        loop {
            let seen = self.look(session, node).await?;
            let Some(why) = wanted(&seen) else { return Ok(()) };
            if left.is_zero() {
                let what = format!("{} {why} of ProxySQL at {}", node.name, self.server.address());
                return Err(Fault::Busy(what));
            }
            tokio::time::sleep(LOOK).await;
            left = left.saturating_sub(LOOK);
        }
    }
}

/// Where the node still gets connections, in words.
fn serving(seen: &Seen) -> Option<String> {
    let listed = seen.own(&seen.runtime).find(|listed| listed.serves())?;
    Some(format!("is {} again in hostgroup {}, made so by a monitor or a scheduler,", listed.status, listed.hostgroup))
}

/// Where it does not yet get connections again, in words.
fn held_back(seen: &Seen) -> Option<String> {
    let still = |listed: &&Listed| {
        listed.status == OFFLINE_SOFT
            && !seen.own(&seen.memory).any(|kept| kept.hostgroup == listed.hostgroup && kept.status == OFFLINE_SOFT)
    };
    let listed = seen.own(&seen.runtime).find(still)?;
    Some(format!("is still {OFFLINE_SOFT} in hostgroup {}", listed.hostgroup))
}

#[async_trait::async_trait]
impl Proxy for Proxysql {
    fn flag(&self) -> String {
        format!("--proxysql {}", self.server.address())
    }

    async fn knows(&self, nodes: &[Backend]) -> Result<(), Fault> {
        let mut session = self.open().await?;
        for node in nodes {
            self.find(session.as_mut(), node).await?;
        }
        self.ask(session.as_mut(), &sql::connections()).await?;
        self.stand_ins(session.as_mut()).await.map(|_| ())
    }

    async fn stands(&self, node: &Backend) -> Result<Option<Stand>, Fault> {
        let mut session = self.open().await?;
        let seen = self.find(session.as_mut(), node).await?;
        let at = self.server.address();
        if let Some(row) = seen.pending() {
            return Err(Fault::Busy(format!(
                "mysql_servers and runtime_mysql_servers of ProxySQL at {at} differ ({row}), and LOAD MYSQL SERVERS TO RUNTIME \
                 would put that in force: make them the same first, by that, or by SAVE MYSQL SERVERS TO MEMORY"
            )));
        }
        if let Some(group) = Self::alone(&seen, &self.stand_ins(session.as_mut()).await?) {
            return Err(Fault::Busy(format!(
                "{} is the only server of hostgroup {group} of ProxySQL at {at} that is ONLINE",
                node.name
            )));
        }
        let was: Vec<Was> = seen
            .own(&seen.memory)
            .filter(|listed| listed.serves())
            .map(|listed| {
                let Listed { hostgroup, host, port, status, .. } = listed.clone();
                Was { hostgroup, host, port, status }
            })
            .collect();
        if was.is_empty() {
            return Ok(None);
        }
        let back = |was: &Was| sql::set_status(was.hostgroup, &was.host, was.port, OFFLINE_SOFT, &was.status);
        let mut by_hand: Vec<String> = was.iter().map(|was| back(was).as_str().to_owned()).collect();
        by_hand.push(sql::load_servers().as_str().to_owned());
        let by_hand = format!("`{}` at the admin interface {at}", by_hand.join("; "));
        let was = serde_json::to_string(&was).map_err(|error| self.failed(error))?;
        Ok(Some(Stand { flag: self.flag(), was, by_hand }))
    }

    async fn drain(&self, node: &Backend, stand: &Stand) -> Result<(), Fault> {
        let mut session = self.open().await?;
        let seen = self.find(session.as_mut(), node).await?;
        if serving(&seen).is_none() {
            return Ok(());
        }
        let was = self.was(stand)?;
        let taken = |listed: &&Listed| {
            let same =
                |was: &Was| (was.hostgroup, &was.host, was.port) == (listed.hostgroup, &listed.host, listed.port);
            listed.serves() && was.iter().any(same)
        };
        for listed in seen.own(&seen.memory).filter(taken) {
            let out = sql::set_status(listed.hostgroup, &listed.host, listed.port, &listed.status, OFFLINE_SOFT);
            session.execute(&out).await.map_err(|error| self.fault(&error))?;
        }
        self.load(session.as_mut(), node, serving).await
    }

    async fn is_out(&self, node: &Backend) -> Result<(), Fault> {
        let mut session = self.open().await?;
        match serving(&self.find(session.as_mut(), node).await?) {
            None => Ok(()),
            Some(why) => Err(Fault::Busy(format!("{} {why} of ProxySQL at {}", node.name, self.server.address()))),
        }
    }

    async fn let_go(&self, node: &Backend) -> Result<(), Fault> {
        let mut session = self.open().await?;
        let rows = self.ask(session.as_mut(), &sql::connections()).await?;
        let mut place = Place::of(node).await;
        let mut used = 0;
        for row in rows {
            let (Some(host), Some(port), Some(count)) = (row.text(0), row.text(1), row.u64(2)) else {
                return Err(self.failed("it does not show stats_mysql_connection_pool as ProxySQL does"));
            };
            if place.is(&host, &port).await {
                used += count;
            }
        }
        if used == 0 {
            return Ok(());
        }
        let at = self.server.address();
        Err(Fault::Busy(format!("ProxySQL at {at} has connections to {} in use: {used}", node.name)))
    }

    async fn undrain(&self, node: &Backend, stand: &Stand) -> Result<(), Fault> {
        let mut session = self.open().await?;
        let mut changed = 0;
        for was in self.was(stand)? {
            let back = sql::set_status(was.hostgroup, &was.host, was.port, OFFLINE_SOFT, &was.status);
            let done = session.execute(&back).await.map_err(|error| self.fault(&error))?;
            changed += done.affected;
        }
        let seen = self.look(session.as_mut(), node).await?;
        // A ProxySQL that was restarted meanwhile has forgotten it: then nothing is loaded.
        if changed == 0 && held_back(&seen).is_none() {
            return Ok(());
        }
        self.load(session.as_mut(), node, held_back).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(hostgroup: u64, host: &str, status: &str) -> Listed {
        Listed { hostgroup, host: host.into(), port: 3306, status: status.into(), rest: vec![Some("1".into())] }
    }

    fn seen(memory: &[(u64, &str, &str)], runtime: &[(u64, &str, &str)]) -> Seen {
        let layer =
            |rows: &[(u64, &str, &str)]| rows.iter().map(|(group, host, is)| listed(*group, host, is)).collect();
        Seen { memory: layer(memory), runtime: layer(runtime), own: [("a".to_owned(), 3306)].into() }
    }

    #[test]
    fn what_would_be_loaded_besides_is_found() {
        let same = [(10, "a", "ONLINE"), (20, "b", "ONLINE")];
        assert_eq!(seen(&same, &same).pending(), None);
        //  runtime                                            found                     why
        let cases = [
            (vec![(10, "a", "SHUNNED"), (20, "b", "ONLINE")], None, "a state of the moment"),
            (vec![(10, "a", "ONLINE"), (20, "b", "ONLINE"), (10, "c", "OFFLINE_HARD")], None, "removed, not yet gone"),
            (vec![(10, "a", "ONLINE"), (30, "b", "ONLINE")], Some("b:3306 in hostgroup 20"), "moved by the monitor"),
            (vec![(10, "a", "OFFLINE_SOFT"), (20, "b", "ONLINE")], Some("a:3306 in hostgroup 10"), "edited"),
            (vec![(10, "a", "ONLINE")], Some("b:3306 in hostgroup 20"), "added"),
        ];
        for (runtime, found, why) in cases {
            assert_eq!(seen(&same, &runtime).pending().as_deref(), found, "{why}");
        }
        let mut heavier = seen(&same, &same);
        heavier.memory[1].rest = vec![Some("2".into())];
        assert!(heavier.pending().is_some(), "a weight that is not loaded yet");
    }

    #[test]
    fn no_hostgroup_loses_its_last_server() {
        let galera = BTreeMap::from([(10, vec![10, 30]), (30, vec![]), (99, vec![])]);
        let none = BTreeMap::new();
        //  runtime                                                       galera  alone     why
        let cases = [
            (vec![(10, "a", "ONLINE"), (10, "b", "ONLINE")], &none, None, "another one"),
            (vec![(10, "a", "ONLINE"), (10, "b", "SHUNNED")], &none, Some(10), "which is not well"),
            (vec![(10, "a", "ONLINE"), (30, "b", "ONLINE")], &none, Some(10), "a backup that nobody promotes"),
            (vec![(10, "a", "ONLINE"), (30, "b", "ONLINE")], &galera, None, "a backup that the monitor promotes"),
            (vec![(10, "b", "ONLINE"), (30, "a", "ONLINE")], &galera, None, "the only backup"),
            (vec![(20, "a", "ONLINE"), (10, "b", "ONLINE")], &galera, Some(20), "the only reader"),
            (vec![(10, "a", "OFFLINE_SOFT"), (20, "b", "ONLINE")], &galera, None, "out already"),
        ];
        for (runtime, stand_ins, alone, why) in cases {
            assert_eq!(Proxysql::alone(&seen(&[], &runtime), stand_ins), alone, "{why}");
        }
    }
}
