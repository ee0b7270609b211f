//! The `Changes` port over the simulated copying node's binlog.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use driftless::ports::changes::{Change, ChangeSource, Changes, Position, StreamError};
use driftless::sql::triggers;

use super::cluster::{Event, Logged};
use super::fence::Weak;
use super::process::{Fate, HOME, Process};
use super::rows::bound;
use super::tables::Ddl;
use super::world::{MS, S};

/// Silence after which the server says that it is there.
const HEARTBEAT: u64 = 300 * MS;
/// Longest wait for what the cluster had committed.
const CAUSAL: u64 = 10 * S;

pub(crate) struct SimChanges {
    pub(crate) process: Arc<Process>,
    pub(crate) weak: Weak,
    /// Row events in a thousand that tell of a delete which was rolled back to a savepoint.
    pub(crate) phantoms: u64,
}

fn position(index: usize) -> Position {
    Position {
        server: "n1".into(),
        file: "bin.000001".into(),
        offset: 4 + u64::try_from(index).unwrap_or(u64::MAX),
        began: None,
        gtid: None,
        xid: None,
    }
}

fn broken(what: &str) -> StreamError {
    StreamError::Lost { node: "n1:3306".into(), what: what.into() }
}

fn no(what: &str) -> StreamError {
    StreamError::Busy { node: "n1:3306".into(), what: what.into() }
}

impl SimChanges {
    async fn ask(&self, call: &'static str) -> Result<(), StreamError> {
        match self.process.call(call).await {
            Fate::Well => Ok(()),
            Fate::Busy => Err(no(call)),
            Fate::LostBefore | Fate::LostAfter => Err(broken(call)),
        }
    }

    fn end(&self) -> usize {
        self.process.world.state().cluster.nodes[HOME].binlog.len()
    }
}

#[async_trait::async_trait]
impl Changes for SimChanges {
    async fn position(&self) -> Result<Position, StreamError> {
        let before = self.process.before_fence.load(Ordering::SeqCst);
        if self.weak == Weak::EarlyDrain && before > 0 {
            return Ok(position(before));
        }
        self.ask("position").await?;
        let (wanted, deadline) = (self.process.world.state().cluster.length(), self.process.world.time.now() + CAUSAL);
        loop {
            let reached = {
                let state = self.process.world.state();
                let node = &state.cluster.nodes[HOME];
                node.applied >= wanted || node.binlog.last().is_some_and(|last| last.seqno >= wanted)
            };
            if reached {
                let at = position(self.end());
                self.process.point("position read").await;
                return Ok(at);
            }
            if self.process.world.time.now() > deadline || !self.process.world.state().cluster.nodes[HOME].up {
                return Err(no("the node has not what the cluster has"));
            }
            self.process.world.upto(MS).await;
            self.process.breathe().await;
        }
    }

    async fn has(&self, _at: &Position) -> Result<bool, StreamError> {
        Ok(true)
    }

    async fn open(&self, from: &Position) -> Result<Box<dyn ChangeSource>, StreamError> {
        self.ask("open the binlog").await?;
        let at = usize::try_from(from.offset - 4).unwrap_or(usize::MAX);
        if at > self.end() {
            self.process.violate("the binlog is opened behind its end");
        }
        let (process, phantoms) = (Arc::clone(&self.process), self.phantoms);
        // Where the place is too early, what comes after it must come late to be missed.
        let late = if self.weak == Weak::EarlyDrain { 300 } else { 30 };
        Ok(Box::new(Stream { process, at, ready: VecDeque::new(), phantoms, late }))
    }
}

struct Stream {
    process: Arc<Process>,
    at: usize,
    ready: VecDeque<Change>,
    phantoms: u64,
    /// Events in a thousand that come late.
    late: u64,
}

/// The statement as a server would write it.
fn statement(ddl: Ddl) -> String {
    let named = |change: triggers::Change| {
        let kind = match change {
            triggers::Change::Delete => "del",
            triggers::Change::Update => "upd",
            triggers::Change::Insert => "ins",
        };
        format!("`shop`.`driftless_0123456789ab_{kind}`")
    };
    match ddl {
        Ddl::DropShadow => "DROP TABLE IF EXISTS `shop`.`_t_new`".into(),
        Ddl::CreateShadow => "CREATE TABLE `shop`.`_t_new` LIKE `shop`.`t`".into(),
        Ddl::AlterShadow { .. } => "ALTER TABLE `shop`.`_t_new` ADD UNIQUE KEY tag (tag)".into(),
        Ddl::CreateTrigger(change) | Ddl::CreateFence(change, _) => {
            format!("CREATE TRIGGER {} BEFORE INSERT ON `shop`.`t` FOR EACH ROW BEGIN END", named(change))
        }
        Ddl::DropTrigger(change) => format!("DROP TRIGGER IF EXISTS {}", named(change)),
        Ddl::Rename | Ddl::RenameBefore(_) => {
            "RENAME TABLE `shop`.`t` TO `shop`.`_t_old`, `shop`.`_t_new` TO `shop`.`t`".into()
        }
        Ddl::DropRetired => "DROP TABLE `shop`.`_t_old`".into(),
        Ddl::Truncate => "TRUNCATE TABLE t".into(),
    }
}

impl Stream {
    fn take(&mut self, logged: &Logged) {
        self.at += 1;
        let at = position(self.at);
        match &logged.what {
            Event::Rows(rows) => {
                for (before, after) in rows {
                    if let Some(key) = after
                        && self.process.world.chance(self.phantoms)
                    {
                        self.ready.push_back(Change::Row { before: Some(bound(*key)), after: None, bytes: 9 });
                    }
                    self.ready.push_back(Change::Row { before: before.map(bound), after: after.map(bound), bytes: 9 });
                    if let Some(key) = after
                        && self.process.world.chance(self.phantoms)
                    {
                        self.ready.push_back(Change::Row { before: Some(bound(*key)), after: None, bytes: 9 });
                    }
                }
            }
            Event::Ddl(ddl) => self.ready.push_back(Change::Ddl {
                schema: "shop".into(),
                statement: statement(*ddl).into_bytes(),
                at: at.clone(),
            }),
        }
        self.ready.push_back(Change::Committed { at });
    }
}

#[async_trait::async_trait]
impl ChangeSource for Stream {
    async fn next(&mut self) -> Result<Change, StreamError> {
        let silent = self.process.world.time.now() + HEARTBEAT;
        loop {
            self.process.breathe().await;
            let (up, cut) = {
                let mut state = self.process.world.state();
                let lost = self.process.faults.lost;
                (state.cluster.nodes[HOME].up, state.rng.chance(lost / 4))
            };
            if !up || cut {
                return Err(broken("the stream"));
            }
            if let Some(change) = self.ready.pop_front() {
                return Ok(change);
            }
            let logged = self.process.world.state().cluster.nodes[HOME].binlog.get(self.at).cloned();
            let late = self.process.world.chance(self.late);
            match logged {
                Some(logged) => {
                    self.process.world.upto(if late { 25 * MS } else { MS / 4 }).await;
                    self.take(&logged);
                }
                None if self.process.world.time.now() > silent => return Ok(Change::Idle { at: position(self.at) }),
                None => self.process.world.upto(2 * MS).await,
            }
        }
    }
}
