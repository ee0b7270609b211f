//! Tables and triggers that a job makes, switches and drops; every call is an ordered DDL on a cluster.

use driftless_strategies::shape::TableShape;

use crate::error::Fault;

/// Which of the job's objects stand on the servers, read from all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The source's name is a table.
    pub source: bool,
    /// The shadow's name is a table.
    pub shadow: bool,
    /// The retired name is a table.
    pub retired: bool,
    /// How many of the job's three triggers stand.
    pub triggers: u8,
}

impl Standing {
    /// Whether the RENAME has happened: only it makes the retired name.
    #[must_use]
    pub const fn switched(&self) -> bool {
        self.source && self.retired && !self.shadow
    }
}

/// What a job makes and removes. Each call is safe to repeat: it first looks what stands.
#[async_trait::async_trait]
pub trait Objects: Send + Sync {
    /// Looks on every node; the nodes must agree.
    ///
    /// # Errors
    /// `Refused` with `schema-drift` when they do not.
    async fn standing(&self) -> Result<Standing, Fault>;
    /// Makes the shadow anew and returns its shape after the alter.
    ///
    /// # Errors
    /// `Refused` when a server rejects the alter.
    async fn make_shadow(&self) -> Result<TableShape, Fault>;
    /// Makes the missing ones of the three triggers.
    ///
    /// # Errors
    /// `Busy` when the lock was not had in time.
    async fn make_triggers(&self) -> Result<(), Fault>;
    /// Gives the filled shadow fresh statistics, on every node by itself: a new table without any is read by full scans.
    ///
    /// # Errors
    /// As from the servers; the change is none the worse for it.
    async fn analyze_shadow(&self) -> Result<(), Fault> {
        Ok(())
    }
    /// Drops triggers, then the shadow, where they stand.
    ///
    /// # Errors
    /// `Busy` when the lock was not had in time.
    async fn undo(&self) -> Result<(), Fault>;
    /// What changes when a table is emptied or rebuilt as a whole, which fires no trigger; `None` when it can't be known.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn generation(&self, _of: Generation) -> Result<Option<String>, Fault> {
        Ok(None)
    }
    /// One RENAME, source to retired and shadow to source, bounded by the lock wait.
    ///
    /// # Errors
    /// `Busy`: did not happen. `Lost`: ask `standing`.
    async fn switch(&self) -> Result<(), Fault>;
    /// Gives the foreign keys their names back.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn restore_foreign_keys(&self) -> Result<(), Fault>;
    /// Drops the retired table; or only its triggers, when it is kept.
    ///
    /// # Errors
    /// `Busy` or `Failed`.
    async fn drop_retired(&self, keep: Keep) -> Result<(), Fault>;
}

/// Which table's generation is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The source, before the switch.
    Source,
    /// The same table after it.
    Retired,
}

/// Whether the retired table stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Keep {
    /// It is dropped.
    Drop,
    /// It stays, without triggers.
    Keep,
}
