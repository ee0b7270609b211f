//! One repair a table at a time: a lease in the journal, like that of a job.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Reason, TableName};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::journal::{JournalStore, LEASE};
use crate::error::{Fault, Remedy};
use crate::mysql::kept::KeptSession;
use crate::ports::clock::Clock;
use crate::ports::server::Server;
use crate::sql::journal as sql;

/// How often the lease is renewed.
const BEAT: Duration = Duration::from_secs(2);
/// Without a renewal for so long it is taken for lost, before another may take it.
const DOUBT: Duration = Duration::from_secs(12);
/// Stands for the rows of a beat without an answer; one that has one changes one row or none.
const NO_ANSWER: u64 = u64::MAX;
/// Attempts to take it: two that ask at the same moment throw each other out.
const ATTEMPTS: u32 = 5;

/// The lease, renewed in the background until it is given back or dropped; then it runs out by itself.
pub struct RepairLease {
    session: KeptSession,
    table: TableName,
    owner: String,
    beating: JoinHandle<()>,
}

impl Drop for RepairLease {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

impl RepairLease {
    /// Takes it through a server that the repair does not change. `dead` tells whether an owner is known to be gone; `lost` is
    /// cancelled when the lease can't be kept.
    ///
    /// # Errors
    /// `Refused` with `job-active` while another repair holds it; else as from the server.
    pub async fn take(
        server: &Arc<dyn Server>,
        table: &TableName,
        owner: &str,
        dead: fn(&str) -> bool,
        clock: Arc<dyn Clock>,
        lost: CancellationToken,
    ) -> Result<Self, Fault> {
        JournalStore::new(Arc::clone(server)).prepare().await?;
        let mut session = KeptSession::new(Arc::clone(server), Vec::new());
        session.write(&sql::create_repair()).await?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match claim(&mut session, table, owner, dead).await {
                Err(fault) if fault.remedy() == Remedy::Retry && attempt < ATTEMPTS => clock.sleep(BEAT / 10).await,
                Err(fault) => return Err(fault),
                Ok(()) => break,
            }
        }
        let beats = Beats { server: Arc::clone(server), table: table.clone(), owner: owner.to_owned(), clock, lost };
        let beating = tokio::spawn(beats.keep());
        Ok(Self { session, table: table.clone(), owner: owner.to_owned(), beating })
    }

    /// Gives it back. A failure changes nothing: it runs out.
    pub async fn release(mut self) {
        self.beating.abort();
        if let Err(error) = self.session.write(&sql::release_repair(&self.table, &self.owner)).await {
            tracing::warn!(%error, "the repair's lease is not given back");
        }
    }
}

async fn claim(session: &mut KeptSession, table: &TableName, owner: &str, dead: fn(&str) -> bool) -> Result<(), Fault> {
    let rows = session.read(&sql::repair_holder(table)).await?;
    let gone = rows.first().and_then(|row| row.text(0)).filter(|holder| dead(holder));
    session.write(&sql::take_repair(table, owner, LEASE.as_secs(), gone.as_deref())).await?;
    let rows = session.read(&sql::repair_holder(table)).await?;
    let holder = rows.first().and_then(|row| row.text(0)).unwrap_or_default();
    if holder == owner {
        return Ok(());
    }
    let left = rows.first().and_then(|row| row.text(1)).unwrap_or_default();
    Err(Fault::Refused(Box::new(Reason::new(
        ReasonCode::JobActive,
        format!("another repair of {table} is under way: {holder}, for another {left} s unless it goes on"),
        "let it end, or stop it and wait until its lease has run out; then run `driftless repair` again",
    ))))
}

struct Beats {
    server: Arc<dyn Server>,
    table: TableName,
    owner: String,
    clock: Arc<dyn Clock>,
    lost: CancellationToken,
}

impl Beats {
    async fn keep(self) {
        let mut session = KeptSession::new(Arc::clone(&self.server), Vec::new());
        let mut renewed = self.clock.now();
        loop {
            self.clock.sleep(BEAT).await;
            let began = self.clock.now();
            let beat = sql::beat_repair(&self.table, &self.owner, LEASE.as_secs());
            let answer = tokio::select! {
                answer = session.write(&beat) => answer.map(|done| done.affected),
                () = self.clock.sleep(BEAT) => Ok(NO_ANSWER),
            };
            match answer {
                Ok(0) => return self.lost.cancel(),
                Ok(1) => renewed = began,
                // The next beat goes by another connection.
                Ok(_) => session.forget(),
                Err(error) => tracing::debug!(%error, "the repair's lease is not renewed"),
            }
            if self.clock.now().saturating_sub(renewed) >= DOUBT {
                return self.lost.cancel();
            }
        }
    }
}
