//! One server's session and the statements that make a sample of it.

use std::sync::Arc;
use std::time::Duration;

use driftless_strategies::{Flavour, Version};

use super::lag::Lag;
use super::limits::Limits;
use super::queue::QueueRule;
use super::sample::Sample;
use super::signals;
use crate::ports::clock::Clock;
use crate::ports::server::{ErrorKind, Row, Server, ServerError, Session};
use crate::sql::throttle as sql;

/// How often the provider's options are read again; somebody may set them while a job runs.
const OPTIONS_EVERY: Duration = Duration::from_secs(10);

/// What a server is watched as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes part: flow control, queue, conflicts, threads, the user's conditions.
    Node,
    /// It reads from a node: lag.
    Replica {
        /// Its family and
        flavour: Flavour,
        /// version tell the statement.
        version: Version,
    },
}

/// A server to watch.
#[derive(Clone)]
pub struct Watch {
    /// What reasons call it.
    pub name: String,
    /// How it is reached.
    pub server: Arc<dyn Server>,
    /// What it is watched as.
    pub role: Role,
}

/// Samples one server through a session of its own that stays open.
pub(super) struct Watcher {
    watch: Watch,
    clock: Arc<dyn Clock>,
    max_silence: Duration,
    names: Vec<String>,
    session: Option<Box<dyn Session>>,
    options: Option<(Duration, Option<QueueRule>)>,
}

impl Watcher {
    pub(super) fn new(watch: Watch, limits: &Limits, clock: Arc<dyn Clock>) -> Self {
        let own = limits.max_load.iter().map(|limit| limit.variable.clone());
        let names = signals::NAMES.iter().map(|name| (*name).to_owned()).chain(own).collect();
        Self { watch, clock, max_silence: limits.max_silence, names, session: None, options: None }
    }

    /// Takes a sample, connecting first where needed. After an error the session is given up.
    pub(super) async fn sample(&mut self) -> Result<Sample, ServerError> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        let sample = self.ask(session.as_mut()).await?;
        self.session = Some(session);
        Ok(sample)
    }

    async fn connect(&mut self) -> Result<Box<dyn Session>, ServerError> {
        self.options = None;
        let mut session = tokio::select! {
            connected = self.watch.server.connect() => connected?,
            () = self.clock.sleep(self.max_silence) => return Err(self.too_slow()),
        };
        session.set_deadline(self.max_silence);
        Ok(session)
    }

    fn too_slow(&self) -> ServerError {
        ServerError {
            node: self.watch.server.address().to_owned(),
            code: 0,
            message: format!("no connection within {} ms", self.max_silence.as_millis()),
            kind: ErrorKind::Connect,
        }
    }

    async fn ask(&mut self, session: &mut dyn Session) -> Result<Sample, ServerError> {
        match self.watch.role {
            Role::Node => {
                let queue_rule = self.queue_rule(session).await?;
                let rows = session.query(&sql::status(self.names.iter().map(String::as_str))).await?;
                let status = rows.iter().filter_map(pair).collect();
                Ok(Sample { at: self.clock.now(), status, queue_rule, lag: None })
            }
            Role::Replica { flavour, version } => {
                let rows = session.query(&sql::replica_status(flavour, version)).await?;
                let column = sql::seconds_behind_column(flavour);
                let channels: Vec<Option<u64>> = rows.iter().map(|row| row.u64(column)).collect();
                let lag = Some(Lag::of_channels(&channels));
                Ok(Sample { at: self.clock.now(), lag, ..Sample::default() })
            }
        }
    }

    async fn queue_rule(&mut self, session: &mut dyn Session) -> Result<Option<QueueRule>, ServerError> {
        let now = self.clock.now();
        if let Some((read, rule)) = self.options
            && now.saturating_sub(read) < OPTIONS_EVERY
        {
            return Ok(rule);
        }
        let rows = session.query(&sql::provider_options()).await?;
        let rule = rows.first().and_then(|row| QueueRule::parse(&row.text(1)?));
        self.options = Some((now, rule));
        Ok(rule)
    }
}

fn pair(row: &Row) -> Option<(String, String)> {
    Some((row.text(0)?.to_ascii_lowercase(), row.text(1)?))
}
