//! Brings single rows in step, on one connection.

use driftless_strategies::Flavour;

use super::evidence;
use super::slot::{Slot, Unmarked, deposed};
use super::table::{Kept, Setting};
use crate::error::Fault;
use crate::mysql::kept::KeptSession;
use crate::ports::rows::{Bound, Range};
use crate::ports::server::{ErrorKind, Row};
use crate::ports::syncing::{Reading, Syncer, Touched};
use crate::sql::copy::transaction;
use crate::sql::{self, Sql};

/// A connection with its lock-wait setting.
pub(super) struct RowSyncer {
    setting: Setting,
    session: KeptSession,
    /// Seconds that the session now waits for a row lock; `None` when not set yet.
    waits: Option<u64>,
    slot: Slot,
}

impl RowSyncer {
    pub(super) fn new(setting: Setting) -> Self {
        Self { session: setting.writer(), setting, waits: None, slot: Slot::default() }
    }

    async fn change(&mut self, touched: &[Touched], reading: Reading) -> Result<(), Unmarked> {
        let spec = self.setting.spec.clone();
        let longest = self.setting.row_lock_wait.as_secs().max(1);
        let seconds = if reading == Reading::Patient || self.setting.flavour != Flavour::MariaDb { longest } else { 0 };
        if self.waits != Some(seconds) {
            self.session.write(&transaction::row_lock_wait(seconds)).await?;
            self.waits = Some(seconds);
        }
        if let Kept::ByStream(slots) = &self.setting.kept {
            self.slot.open(&mut self.session, &self.setting.job, slots).await?;
        }
        self.session.write(&transaction::start()).await?;
        if let Kept::ByStream(slots) = &self.setting.kept {
            self.slot.mark(&mut self.session, &self.setting.job, slots).await?;
        }
        for statement in
            [sql::sync::remove(&spec, touched), sql::sync::bring(&spec, touched, reading != Reading::Unlocked)]
                .into_iter()
                .flatten()
        {
            self.session.write(&statement).await?;
        }
        self.session.write(&transaction::commit()).await?;
        Ok(())
    }

    /// Leaves no transaction open, whatever state the connection is in.
    async fn abandon(&mut self) {
        if self.session.write(&transaction::rollback()).await.is_err() {
            self.session.forget();
            self.waits = None;
        }
    }

    async fn keys(&mut self, sql: &Sql) -> Result<Vec<Bound>, Fault> {
        let rows = self.session.read(sql).await?;
        let spec = &self.setting.spec;
        let one = |row: &Row| {
            sql::copy::bound(spec, row)
                .ok_or_else(|| Fault::Failed(format!("failed to read a key of {}: unexpected form", spec.source)))
        };
        let mut keys = rows.iter().map(one).collect::<Result<Vec<_>, _>>()?;
        keys.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        keys.dedup();
        Ok(keys)
    }
}

#[async_trait::async_trait]
impl Syncer for RowSyncer {
    async fn sync(&mut self, touched: &[Touched], reading: Reading, explain: bool) -> Result<(), Fault> {
        let error = match self.change(touched, reading).await {
            Ok(()) => return Ok(()),
            Err(Unmarked::Server(error)) => error,
            Err(Unmarked::Deposed) => {
                self.abandon().await;
                return Err(deposed(&self.setting.job));
            }
        };
        if matches!(error.kind, ErrorKind::NotReady | ErrorKind::Connect | ErrorKind::Lost) {
            self.session.forget();
            self.waits = None;
            return Err(Fault::Busy(error.to_string()));
        }
        self.abandon().await;
        Err(match error.kind {
            ErrorKind::Duplicate | ErrorKind::Data if explain => {
                match evidence::of(&self.setting, &mut self.session, &Range::default(), &error).await {
                    // No two rows of the source are equal: what is in the way is an old row of the shadow, which goes.
                    Fault::Rows { rows, .. } if rows.is_empty() && error.kind == ErrorKind::Duplicate => {
                        Fault::Busy(error.to_string())
                    }
                    fault @ (Fault::Rows { .. }
                    | Fault::Busy(_)
                    | Fault::Lost(_)
                    | Fault::Refused(_)
                    | Fault::Full(_)
                    | Fault::Failed(_)) => fault,
                }
            }
            ErrorKind::Duplicate
            | ErrorKind::Data
            | ErrorKind::Conflict
            | ErrorKind::NotReady
            | ErrorKind::Connect
            | ErrorKind::Lost => Fault::Busy(error.to_string()),
            ErrorKind::Denied | ErrorKind::Missing | ErrorKind::Full | ErrorKind::Other => error.into(),
        })
    }

    async fn differing(&mut self, keys: &[Bound]) -> Result<Vec<Bound>, Fault> {
        let sql = sql::sync::differing(&self.setting.spec, &self.setting.digest, keys);
        self.keys(&sql).await
    }

    async fn differing_in(&mut self, range: &Range, limit: u64) -> Result<Vec<Bound>, Fault> {
        let sql = sql::sync::differing_in(&self.setting.spec, &self.setting.digest, range, limit);
        self.keys(&sql).await
    }
}
