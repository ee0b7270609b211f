//! The rows of one job's tables on the copying node.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::Flavour;
use driftless_strategies::plan::CopySpec;
use tokio::sync::Mutex;

use super::slot::Slots;
use super::syncer::RowSyncer;
use super::worker::Worker;
use crate::error::Fault;
use crate::mysql::kept::KeptSession;
use crate::ports::journal::JobId;
use crate::ports::rows::{Bound, Range, RowWorker, Rows};
use crate::ports::server::Server;
use crate::ports::syncing::{Syncer, Syncing};
use crate::sql::checksum::Digest;
use crate::sql::{self, Sql};

/// What all connections of a job's copy share.
#[derive(Clone)]
pub struct Setting {
    /// The copying node.
    pub server: Arc<dyn Server>,
    /// The other nodes of a Galera cluster, whose applying is waited for.
    pub others: Vec<Arc<dyn Server>>,
    /// Its family: only MariaDB can be told not to wait for a row lock.
    pub flavour: Flavour,
    /// The job.
    pub job: JobId,
    /// Names, columns, key.
    pub spec: Arc<CopySpec>,
    /// How rows are compared.
    pub digest: Arc<Digest>,
    /// Longest wait for a row lock of a patient attempt.
    pub row_lock_wait: Duration,
    /// How changes of the source come into the shadow.
    pub kept: Kept,
}

/// How changes of the source come into the shadow while rows are copied.
#[derive(Clone, Debug)]
pub enum Kept {
    /// By triggers, in the application's own transactions: what is there is in step.
    ByTriggers,
    /// From the binlog, a little later: what is there may be old. Every write is marked.
    ByStream(Slots),
}

impl Setting {
    /// A connection that writes to the shadow: strict sql_mode, READ COMMITTED (no gap locks).
    pub(super) fn writer(&self) -> KeptSession {
        KeptSession::new(Arc::clone(&self.server), vec![sql::copy::writing_mode(&self.spec)])
    }
}

/// The `Rows` port over real servers.
pub struct TableRows {
    setting: Setting,
    reader: Mutex<KeptSession>,
}

impl TableRows {
    /// Connects when first asked.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        // The writers' sql_mode: under a stricter one an impossible date in a bound would be no date at all.
        let reader = Mutex::new(setting.writer());
        Self { setting, reader }
    }

    async fn bound(&self, sql: &Sql) -> Result<Option<Bound>, Fault> {
        let rows = self.reader.lock().await.read(sql).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        match sql::copy::bound(&self.setting.spec, row) {
            Some(bound) => Ok(Some(bound)),
            None => {
                Err(Fault::Failed(format!("failed to read a key of {}: unexpected form", self.setting.spec.source)))
            }
        }
    }
}

#[async_trait::async_trait]
impl Rows for TableRows {
    async fn last(&self) -> Result<Option<Bound>, Fault> {
        self.bound(&sql::copy::last_key(&self.setting.spec)).await
    }

    async fn next(&self, after: Option<&Bound>, upto: &Bound, rows: u64) -> Result<Option<(Bound, u64)>, Fault> {
        let range = Range { after: after.cloned(), upto: Some(upto.clone()) };
        if let Some(bound) = self.bound(&sql::copy::key_at(&self.setting.spec, &range, rows)).await? {
            return Ok(Some((bound, rows)));
        }
        let counted = self.reader.lock().await.read(&sql::copy::count(&self.setting.spec, &range)).await?;
        let left = counted.first().and_then(|row| row.u64(0)).unwrap_or(0);
        // The last chunk goes to the end even when its rows have gone meanwhile: completion is a reached key.
        Ok(if after == Some(upto) { None } else { Some((upto.clone(), left)) })
    }

    async fn worker(&self) -> Result<Box<dyn RowWorker>, Fault> {
        Ok(Box::new(Worker::new(self.setting.clone())))
    }

    async fn conflicts(&self) -> Result<Vec<String>, Fault> {
        if matches!(self.setting.kept, Kept::ByStream(_)) {
            return Ok(Vec::new());
        }
        let rows = self.reader.lock().await.read(&sql::copy::conflicts(&self.setting.job)).await?;
        Ok(rows.iter().filter_map(|row| row.text(0)).collect())
    }

    async fn close_gate(&self) -> Result<bool, Fault> {
        if matches!(self.setting.kept, Kept::ByStream(_)) {
            return Ok(true);
        }
        let mut reader = self.reader.lock().await;
        if reader.write(&sql::journal::close_gate(&self.setting.job)).await?.affected == 1 {
            return Ok(true);
        }
        let rows = reader.read(&sql::journal::gate(&self.setting.job)).await?;
        let flag = |index| rows.first().and_then(|row| row.u64(index));
        match (flag(0), flag(1)) {
            (Some(0), Some(0)) => Ok(true),
            (Some(1), _) => Ok(false),
            (Some(_), _) => Err(Fault::Busy("the gate for conflicts is not closed yet".into())),
            (None, _) => Err(Fault::Failed(format!("job {} has no gate for conflicts", self.setting.job))),
        }
    }

    async fn open_gate(&self) -> Result<(), Fault> {
        if matches!(self.setting.kept, Kept::ByStream(_)) {
            return Ok(());
        }
        self.reader.lock().await.write(&sql::journal::open_gate(&self.setting.job)).await?;
        Ok(())
    }
}

#[async_trait::async_trait]
impl Syncing for TableRows {
    async fn take_over(&self) -> Result<(), Fault> {
        self.reader.lock().await.write(&sql::sync::close_slots(&self.setting.job)).await?;
        Ok(())
    }

    async fn syncer(&self) -> Result<Box<dyn Syncer>, Fault> {
        Ok(Box::new(RowSyncer::new(self.setting.clone())))
    }
}
