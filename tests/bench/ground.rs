//! The cluster and the table, the same before every run.

use std::sync::Arc;
use std::time::Duration;

use driftless::config::{AddressMap, Connection, Endpoint, HostPort, Secret, Tls, TlsMode};
use driftless::demo::{Cluster, Spec};
use driftless::mysql::MysqlServer;
use driftless::ports::server::{Row, Server, Session};
use driftless::sql::Sql;

/// Buffer pool of each node: the table and its copy fit.
const POOL_MIB: u32 = 768;
/// Rows in a filling statement.
const BATCH: u64 = 20_000;
/// Longest time for one statement of ours.
const STATEMENT: Duration = Duration::from_secs(300);
/// Longest time for all nodes to become calm.
const CALM: Duration = Duration::from_secs(120);
/// Rest before a run: what the last one left (purge, flushing) should not be in it.
const REST: Duration = Duration::from_secs(3);

/// Three nodes and sysbench's table, `bench.sbtest1`.
pub(crate) struct Ground {
    pub(crate) cluster: Cluster,
    rows: u64,
}

/// A statement whose text is written here.
pub(crate) fn sql(text: &str) -> Sql {
    Sql::new("").trusted(text)
}

pub(crate) async fn query(session: &mut dyn Session, text: &str) -> Result<Vec<Row>, String> {
    session.query(&sql(text)).await.map_err(|error| format!("{error}: {text}"))
}

impl Ground {
    pub(crate) async fn prepare(rows: u64) -> Result<Self, String> {
        let spec = Spec { buffer_pool_mib: POOL_MIB, ..Spec::galera(3) };
        let started = Cluster::start(spec).await;
        let cluster = started.map_err(|error| format!("{error}\nwhat to do: {}", error.remedy()))?;
        let ground = Self { cluster, rows };
        ground.rebuild().await?;
        Ok(ground)
    }

    /// A node's port.
    pub(crate) fn port(&self, index: usize) -> Result<u16, String> {
        self.cluster.nodes().get(index).map(|node| node.port).ok_or_else(|| format!("there is no node {index}"))
    }

    pub(crate) fn server(&self, index: usize) -> Result<Arc<dyn Server>, String> {
        let endpoint = Endpoint::Tcp(HostPort::new("127.0.0.1", self.port(index)?));
        let connection = Connection {
            endpoint: endpoint.clone(),
            user: "root".into(),
            password: Secret::new(""),
            tls: Tls { mode: TlsMode::Disabled, ca: None, identity: None },
            connect_timeout: Duration::from_secs(10),
            nodes: Vec::new(),
            address_map: AddressMap::default(),
        };
        Ok(Arc::new(MysqlServer::new(&connection, &endpoint)))
    }

    pub(crate) async fn session(&self, index: usize) -> Result<Box<dyn Session>, String> {
        let mut session = self.server(index)?.connect().await.map_err(|error| error.to_string())?;
        session.set_deadline(STATEMENT);
        Ok(session)
    }

    /// Makes the table from nothing, and leaves nothing of a tool.
    pub(crate) async fn rebuild(&self) -> Result<(), String> {
        let mut session = self.session(0).await?;
        for text in [
            "DROP SCHEMA IF EXISTS bench",
            "DROP SCHEMA IF EXISTS driftless",
            "CREATE SCHEMA bench",
            "CREATE TABLE bench.sbtest1 (id INT NOT NULL AUTO_INCREMENT, k INT NOT NULL DEFAULT 0, \
             c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '', PRIMARY KEY (id), KEY k_1 (k)) \
             ENGINE=InnoDB DEFAULT CHARSET=latin1",
        ] {
            query(session.as_mut(), text).await?;
        }
        let mut from = 1;
        while from <= self.rows {
            let to = self.rows.min(from + BATCH - 1);
            // Digits in groups, as sysbench writes them.
            let group = |salt: u32| format!("LPAD(CRC32(CONCAT(seq, '-{salt}')) * 7 + {salt}, 11, '4')");
            let groups = |count: u32| (0..count).map(group).collect::<Vec<_>>().join(", ");
            let fill = format!(
                "INSERT INTO bench.sbtest1 (id, k, c, pad) SELECT seq, 1 + CRC32(seq) % {}, \
                 CONCAT_WS('-', {}), CONCAT_WS('-', {}) FROM bench.seq_{from}_to_{to}",
                self.rows,
                groups(10),
                groups(5)
            );
            query(session.as_mut(), &fill).await?;
            from = to + 1;
        }
        Ok(())
    }

    /// The table without the new column, rebuilt as the server itself does it, and all nodes calm.
    pub(crate) async fn fresh(&self) -> Result<(), String> {
        let mut session = self.session(0).await?;
        query(session.as_mut(), "DROP TABLE IF EXISTS bench.bare").await?;
        let old = "ALTER TABLE bench.sbtest1 DROP COLUMN IF EXISTS x, FORCE, ALGORITHM=COPY";
        query(session.as_mut(), old).await?;
        let calm = async {
            loop {
                let mut states = Vec::new();
                for index in 0..self.cluster.nodes().len() {
                    states.push((
                        self.status(index, "wsrep_last_committed").await?,
                        self.status(index, "wsrep_local_recv_queue").await?,
                    ));
                }
                if states.iter().all(|state| state.1 == 0 && Some(state) == states.first()) {
                    return Ok::<(), String>(());
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(CALM, calm).await.map_err(|_| "the nodes do not become calm".to_owned())??;
        tokio::time::sleep(REST).await;
        Ok(())
    }

    async fn status(&self, index: usize, name: &str) -> Result<u64, String> {
        let mut session = self.session(index).await?;
        let rows = query(session.as_mut(), &format!("SHOW GLOBAL STATUS LIKE '{name}'")).await?;
        let value = rows.first().and_then(|row| row.u64(1));
        value.ok_or_else(|| format!("a node does not say {name}"))
    }

    /// Nanoseconds of flow control, by node.
    pub(crate) async fn paused(&self) -> Result<Vec<u64>, String> {
        let mut all = Vec::new();
        for index in 0..self.cluster.nodes().len() {
            all.push(self.status(index, "wsrep_flow_control_paused_ns").await?);
        }
        Ok(all)
    }

    /// Growth since then, of the node where it grew most.
    pub(crate) async fn paused_since(&self, before: &[u64]) -> Result<Duration, String> {
        let now = self.paused().await?;
        let most = now.iter().zip(before).map(|(now, before)| now.saturating_sub(*before)).max();
        Ok(Duration::from_nanos(most.unwrap_or(0)))
    }

    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }
}
