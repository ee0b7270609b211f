//! The `Cutover` port on one primary, by two sessions: MariaDB and old MySQL know no RENAME under LOCK TABLES.
//!
//! The first locks the source against writers, and an empty table, the sentry. Once the caller is done, the second sends the RENAME, which
//! leads over the sentry's name and so fails whole while the sentry stands: a first session that dies early changes
//! nothing. It waits behind the first one's locks. Only when it is proven to wait does the first drop the sentry, and only
//! when it is proven to wait for the source itself does it unlock: a waiting RENAME comes before waiting writers. What is
//! not proven in time ends the second session before the first unlocks.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::verdict::ReasonCode;
use driftless_strategies::{Flavour, Reason, TableName};
use tokio::task::JoinHandle;

use super::closing::{Ground, OPENING, not_renamed, too_late};
use super::ordered;
use crate::error::Fault;
use crate::ports::cutover::{Closed, Cutover};
use crate::ports::journal::Phase;
use crate::ports::server::{ErrorKind, Session};
use crate::sql::session::kill_statement;
use crate::sql::swap;

/// Longest that the RENAME may need until it waits for the next lock.
const ARRIVES: Duration = Duration::from_secs(3);
/// Between two looks at that.
const LOOK: Duration = Duration::from_millis(2);

/// Stops the writes of one server.
pub(super) struct Sentry {
    ground: Arc<Ground>,
}

impl Sentry {
    /// Connects when asked.
    pub(super) const fn new(ground: Arc<Ground>) -> Self {
        Self { ground }
    }
}

#[async_trait::async_trait]
impl Cutover for Sentry {
    async fn close(&self, work: Duration) -> Result<Box<dyn Closed>, Fault> {
        let ground = &self.ground;
        ground.nodes.fit(Phase::Switching).await?;
        ground.clear().await?;
        sweep(ground).await?;
        let generation = ground.generation().await?;
        let (lease, site) = (ground.lease(work), ground.site());
        let server = ground.objects.copying()?;
        let mut first = ordered::connect(server, site.lock_wait).await?;
        first.execute(&swap::idle_at_most(lease.as_secs())).await?;
        let second = ordered::connect(server, site.lock_wait + ARRIVES * 2).await?;
        let mut eye = ordered::connect(server, site.lock_wait).await?;
        eye.execute(&swap::hardly_wait(site.flavour)).await?;
        let shown = shown(eye.as_mut(), site.flavour).await;
        not_renamed(ordered::run(first.as_mut(), &swap::create_sentry(&site.spec, &site.job)).await)?;
        let end = ground.clock.now() + lease;
        let locked = ordered::run(first.as_mut(), &swap::lock_with_sentry(&site.spec)).await;
        let closed = Box::new(Held {
            ground: Arc::clone(ground),
            first: Some(first),
            second: Some(second),
            eye,
            shown,
            generation,
            end,
            swept: false,
        });
        match not_renamed(locked) {
            Ok(()) => Ok(closed),
            Err(fault) => Err(closed.give_up(fault).await),
        }
    }

    async fn reopen(&self) -> Result<(), Fault> {
        sweep(&self.ground).await
    }
}

/// Drops a sentry of this job that an earlier attempt has left.
async fn sweep(ground: &Ground) -> Result<(), Fault> {
    let site = ground.site();
    let mut session = ordered::connect(ground.objects.copying()?, site.lock_wait).await?;
    let rows = ordered::catalog(session.as_mut(), &swap::sentry_standing(&site.spec)).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    if row.text(0).is_some_and(|comment| comment == swap::comment(&site.job)) {
        return ordered::run(session.as_mut(), &site.by_holder(&swap::drop_sentry(&site.spec))).await;
    }
    let what = format!("{} stands where the switch needs a free name", site.spec.source.sentry());
    Err(Fault::Refused(Box::new(Reason::new(ReasonCode::NameTaken, what, "see what it is, then rename or drop it"))))
}

/// How it is seen that a session waits for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// The performance schema says so, for that very session.
    ByCatalog,
    /// A statement that only a waiting DDL holds up; on MySQL it takes a second to tell.
    ByProbe,
}

async fn shown(eye: &mut dyn Session, flavour: Flavour) -> Shown {
    match flavour {
        Flavour::MariaDb => Shown::ByProbe,
        Flavour::MySql => match eye.query(&swap::shows_waits()).await {
            Ok(rows) if !rows.is_empty() => Shown::ByCatalog,
            // Switched off, or not for this user.
            Ok(_) | Err(_) => Shown::ByProbe,
        },
    }
}

/// The source, locked.
struct Held {
    ground: Arc<Ground>,
    /// Has the locks; `None` once they are released.
    first: Option<Box<dyn Session>>,
    /// Sends the RENAME; `None` once it does.
    second: Option<Box<dyn Session>>,
    /// Looks, without ever waiting.
    eye: Box<dyn Session>,
    shown: Shown,
    generation: Option<String>,
    end: Duration,
    /// Whether the sentry is gone.
    swept: bool,
}

/// A RENAME under way.
struct Sent {
    id: u64,
    answer: JoinHandle<Result<(), Fault>>,
}

impl Drop for Sent {
    /// Ends it on the server too; once it has answered, this does nothing.
    fn drop(&mut self) {
        self.answer.abort();
    }
}

impl Held {
    /// Sends the RENAME, by a task of its own: it must go on while the first session works.
    fn send(&mut self) -> Result<Sent, Fault> {
        let none = || Fault::Failed("failed to switch: the session for it is gone".into());
        let mut second = self.second.take().ok_or_else(none)?;
        let site = self.ground.site();
        let statement = site.by_holder(&swap::switch_past_sentry(&site.spec));
        second.set_deadline(self.ground.room());
        let id = second.id();
        let answer = tokio::spawn(async move { ordered::run(second.as_mut(), &statement).await });
        Ok(Sent { id, answer })
    }

    /// Waits until the RENAME is seen to wait for one of these tables.
    async fn arrived(&mut self, sent: &Sent, at_source_only: bool) -> Result<(), Fault> {
        let ground = Arc::clone(&self.ground);
        let source = &ground.spec().source;
        let arriving = async {
            loop {
                if sent.answer.is_finished() {
                    return Err(Fault::Busy("the RENAME did not wait for the locks".into()));
                }
                if self.waits(sent, source).await? || (!at_source_only && self.waits(sent, &source.sentry()).await?) {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let late = || Fault::Busy("the RENAME did not get to the lock: somebody uses the shadow".into());
        tokio::time::timeout(ARRIVES, arriving).await.unwrap_or_else(|_| Err(late()))
    }

    async fn waits(&mut self, sent: &Sent, table: &TableName) -> Result<bool, Fault> {
        match self.shown {
            Shown::ByCatalog => Ok(!self.eye.query(&swap::waits_for(sent.id, table)).await?.is_empty()),
            Shown::ByProbe => match self.eye.execute(&swap::waiting(table)).await {
                Ok(_) => Ok(false),
                Err(error) if error.kind == ErrorKind::Conflict => Ok(true),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// The exchange up to the moment at which nothing but the source's lock holds the RENAME up.
    async fn exchange(&mut self, sent: &Sent) -> Result<(), Fault> {
        self.arrived(sent, false).await?;
        let ground = Arc::clone(&self.ground);
        let Some(first) = self.first.as_mut() else { return Err(too_late()) };
        let own = [sent.id, first.id()];
        not_renamed(ordered::run(first.as_mut(), &swap::drop_sentry(ground.spec())).await)?;
        self.swept = true;
        self.arrived(sent, true).await?;
        // Another DDL that waits there would look the same.
        let others = self.eye.query(&swap::other_ddl(&ground.spec().source, &own)).await?;
        if others.is_empty() { Ok(()) } else { Err(Fault::Busy("another DDL waits for the table".into())) }
    }

    /// Ends the RENAME before the locks go. A fault that says what became of it.
    async fn call_off(&mut self, mut sent: Sent, fault: Fault) -> Fault {
        let ending = async {
            // One that came between two statements would do nothing.
            while !sent.answer.is_finished() {
                drop(self.eye.execute(&kill_statement(sent.id)).await);
                tokio::time::sleep(LOOK).await;
            }
            (&mut sent.answer).await
        };
        match tokio::time::timeout(OPENING, ending).await {
            // It had the source's lock, so the first session has died: writes may have come in between.
            Ok(Ok(Ok(()))) => Fault::Lost(format!("the RENAME came through although: {fault}")),
            Ok(Ok(Err(Fault::Lost(why)))) => Fault::Lost(format!("{fault}; {why}")),
            Ok(Ok(Err(
                Fault::Busy(_) | Fault::Refused(_) | Fault::Rows { .. } | Fault::Full(_) | Fault::Failed(_),
            ))) => fault,
            Ok(Err(error)) => Fault::Lost(format!("BUG: the RENAME ended without an answer: {error}")),
            Err(_) => Fault::Lost(format!("the RENAME does not end after: {fault}")),
        }
    }

    async fn unlock(&mut self) {
        if let Some(mut first) = self.first.take() {
            // A session that is lost has lost its locks.
            drop(first.execute(&swap::unlock()).await);
        }
    }

    /// Lets writes through first, then tidies up; a sentry that stays is dropped by the next attempt.
    async fn give_up(mut self: Box<Self>, fault: Fault) -> Fault {
        self.unlock().await;
        if !self.swept
            && let Err(worse) = sweep(&self.ground).await
        {
            tracing::debug!(%worse, "the sentry stays for now");
        }
        fault
    }
}

#[async_trait::async_trait]
impl Closed for Held {
    fn remaining(&self) -> Duration {
        self.end.saturating_sub(self.ground.clock.now()).saturating_sub(self.ground.room())
    }

    async fn rename(mut self: Box<Self>) -> Result<(), Fault> {
        let proven = self.ground.prove_locked(self.generation.as_ref()).await;
        let proven = if self.remaining().is_zero() { proven.and(Err(too_late())) } else { proven };
        let sent = proven.and_then(|()| self.send());
        let mut sent = match sent {
            Ok(sent) => sent,
            Err(fault) => return Err(self.give_up(fault).await),
        };
        if let Err(fault) = self.exchange(&sent).await {
            let fault = self.call_off(sent, fault).await;
            return Err(self.give_up(fault).await);
        }
        self.unlock().await;
        match (&mut sent.answer).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => Err(self.give_up(fault).await),
            Err(error) => Err(Fault::Lost(format!("BUG: the RENAME ended without an answer: {error}"))),
        }
    }

    async fn open(self: Box<Self>) -> Result<(), Fault> {
        self.give_up(too_late()).await;
        Ok(())
    }
}
