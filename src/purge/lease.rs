//! One purge a table: a lease with a fencing token, and the history of runs.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::TableName;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::{Fault, Remedy};
use crate::mysql::kept::KeptSession;
use crate::ports::clock::Clock;
use crate::ports::server::{ErrorKind, Server};
use crate::sql::purge_journal::{self as sql, Ran};
use crate::sql::{self as statements};

/// How long a lease lasts without being renewed.
const LEASE: Duration = Duration::from_secs(20);
/// How often it is renewed.
const BEAT: Duration = Duration::from_secs(3);
/// Without a renewal for so long nothing more is deleted.
const DOUBT: Duration = Duration::from_secs(12);
/// The history of a table is kept for so long.
const HISTORY_DAYS: u64 = 400;
/// Attempts of what only notes something.
const ATTEMPTS: u32 = 5;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(200);
/// Batches that one holder of the lease can number.
const HOLDER_BITS: u32 = 40;

/// What became of asking for the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is this process's, with that token.
    Held(u64),
    /// Somebody else has it.
    Busy {
        /// Who.
        owner: String,
        /// Seconds until it runs out, unless it is renewed.
        left_s: u64,
    },
}

/// The tables of purges on the servers.
pub struct Leases {
    session: Mutex<KeptSession>,
}

impl Leases {
    /// Connects when first asked.
    #[must_use]
    pub fn new(server: Arc<dyn Server>) -> Self {
        Self { session: Mutex::new(KeptSession::new(server, Vec::new())) }
    }

    /// Makes the tables that are missing.
    ///
    /// # Errors
    /// As from the server.
    pub async fn prepare(&self) -> Result<(), Fault> {
        let mut session = self.session.lock().await;
        let there = session.read(&statements::journal::present()).await?;
        let is_there = |name: &str| there.iter().any(|row| row.text(0).as_deref() == Some(name));
        let missing: Vec<&str> = sql::TABLES.into_iter().filter(|name| !is_there(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        session.write(&statements::journal::create_schema()).await?;
        for statement in missing.into_iter().filter_map(sql::create_table) {
            session.write(&statement).await?;
        }
        Ok(())
    }

    /// Rows a second of the table's last run, when it is known.
    ///
    /// # Errors
    /// As from the server.
    pub async fn last_rate(&self, table: &TableName) -> Result<Option<u64>, Fault> {
        let mut session = self.session.lock().await;
        match session.read(&sql::last_rate(table)).await {
            Ok(rows) => Ok(rows.first().and_then(|row| row.u64(0))),
            Err(error) if matches!(error.kind, ErrorKind::Missing | ErrorKind::Denied) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the lease of a table when it is free. `dead` says of an owner whether its process is known to be gone.
    ///
    /// # Errors
    /// As from the server; `Failed` when the tables are newer than this program.
    pub async fn claim(&self, table: &TableName, owner: &str, dead: impl Fn(&str) -> bool) -> Result<Claim, Fault> {
        let mut session = self.session.lock().await;
        for statement in sql::begin(table) {
            session.write(&statement).await?;
        }
        let (_, holder, left) = holder(&mut session, table).await?;
        if left > 0 && !holder.is_empty() && !dead(&holder) {
            return Ok(Claim::Busy { owner: holder, left_s: left });
        }
        let gone = (!holder.is_empty()).then_some(holder.as_str());
        let done = session.write(&sql::claim(table, owner, LEASE.as_secs(), gone)).await;
        let (token, now, left) = self::holder(&mut session, table).await?;
        if now != owner {
            return Ok(Claim::Busy { owner: now, left_s: left });
        }
        done?;
        session.write(&sql::fence(table, token)).await?;
        Ok(Claim::Held(token))
    }

    /// Gives the lease back and notes how the run ended. A failure changes nothing: leases run out.
    pub async fn leave(&self, clock: &dyn Clock, token: u64, ran: &Ran<'_>) {
        let notes = [sql::history(ran), sql::forget_history(ran.source, HISTORY_DAYS), sql::release(ran.source, token)];
        for statement in notes {
            for attempt in 0..ATTEMPTS {
                match self.session.lock().await.write(&statement).await {
                    Ok(_) => break,
                    // A history that may be written is not written twice.
                    Err(error) if error.remedy() != Remedy::Retry || attempt + 1 == ATTEMPTS => {
                        tracing::warn!(%error, "the end of a purge was not noted");
                        break;
                    }
                    Err(_) => clock.sleep(PAUSE).await,
                }
            }
        }
    }
}

/// Token, owner and seconds of lease left.
async fn holder(session: &mut KeptSession, table: &TableName) -> Result<(u64, String, u64), Fault> {
    let rows = session.read(&sql::holder(table)).await?;
    let Some(row) = rows.first() else {
        return Err(Fault::Failed(format!("failed to find the lease of {table} after it was made")));
    };
    if row.u64(0).is_none_or(|format| format > u64::from(sql::FORMAT)) {
        return Err(Fault::Failed("failed to read the lease: a newer driftless wrote it; use that version".into()));
    }
    // A lease that has run out has a negative number of seconds left.
    Ok((row.u64(1).unwrap_or(0), row.text(2).unwrap_or_default(), row.u64(3).unwrap_or(0)))
}

/// Renews a lease in the background until it is aborted; cancels `deposed` when it is lost or may be soon.
#[must_use]
pub fn keep(
    server: Arc<dyn Server>,
    table: TableName,
    token: u64,
    clock: Arc<dyn Clock>,
    deposed: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut session = KeptSession::new(server, Vec::new());
        let mut renewed = clock.now();
        loop {
            clock.sleep(BEAT).await;
            let began = clock.now();
            let answer = tokio::select! {
                answer = async { session.write(&sql::beat(&table, token, LEASE.as_secs())).await } => Some(answer),
                () = clock.sleep(BEAT) => None,
            };
            match answer {
                Some(Ok(done)) if done.affected == 1 => renewed = began,
                Some(Ok(_)) => deposed.cancel(),
                Some(Err(_)) | None => session.forget(),
            }
            if clock.now().saturating_sub(renewed) >= DOUBT {
                deposed.cancel();
            }
        }
    })
}

/// The number of a holder's batch: those of later holders are greater.
#[must_use]
pub const fn batch_number(token: u64, count: u64) -> u64 {
    (token << HOLDER_BITS) | count
}
