//! The plan: plain data that `plan` prints, `run` executes and the journal stores.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::facts::{Flavour, Version};
use crate::name::{Ident, TableName};
use crate::online::{Algorithm, Lock};
use crate::shape::{Fingerprint, TableShape};

/// The newest format of a plan that this version knows; a reader refuses a newer one. Each plan carries the oldest format
/// that can hold it (`Work::format`), so that older versions still read what they can carry out.
pub const PLAN_FORMAT: u32 = 4;
/// The oldest format that is still read.
pub const OLDEST_PLAN_FORMAT: u32 = 1;

/// What a strategy is called in flags, plans and journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyName {
    /// The server's own INSTANT or INPLACE.
    Native,
    /// One ALTER in total order.
    Toi,
    /// Node by node, desynced.
    Rsu,
    /// Non-blocking operations of PXC and enterprise servers.
    Nbo,
    /// Shadow table, triggers, chunks, one RENAME.
    TriggerCopy,
    /// Shadow table, binlog stream, chunks, fenced switch.
    BinlogStream,
}

impl StrategyName {
    /// The word that an operator types.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Toi => "toi",
            Self::Rsu => "rsu",
            Self::Nbo => "nbo",
            Self::TriggerCopy => "trigger-copy",
            Self::BinlogStream => "binlog-stream",
        }
    }

    /// Every strategy, most preferred first.
    pub const ALL: [Self; 6] = [Self::Native, Self::Toi, Self::Rsu, Self::Nbo, Self::BinlogStream, Self::TriggerCopy];
}

impl fmt::Display for StrategyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One column that is copied: where it stands in the source and in the shadow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnPair {
    /// Name in the source.
    pub source: Ident,
    /// Name in the shadow.
    pub shadow: Ident,
    /// How values of the two are made comparable; also tells that a loss was allowed.
    pub compare: Compare,
}

/// How two columns' values are brought into one form before they are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// The same type: bytes as they are.
    Same,
    /// As text in utf8mb4: character types in other charsets, enums, sets, numbers turned into text.
    Text,
    /// As DECIMAL(65,30): exact numbers of other widths.
    Exact,
    /// As DOUBLE.
    Double,
    /// As DATETIME(6).
    DateTime,
    /// As TIME(6).
    Time,
    /// As bytes.
    Bytes,
    /// Values may differ because the user allowed the loss: only NULL or not NULL is compared.
    Lossy,
}

/// The key by which rows are chunked and changes find their row. NOT NULL and unique in source and shadow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkKey {
    /// The index's name in the source, forced in every chunk statement.
    pub source_index: Ident,
    /// The index's name in the shadow.
    pub shadow_index: Ident,
    /// Its columns, in order.
    pub columns: Vec<KeyColumn>,
}

/// One column of the chunk key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyColumn {
    /// Name in the source.
    pub source: Ident,
    /// Name in the shadow.
    pub shadow: Ident,
    /// How its boundary values are written as literals.
    pub literal: Literal,
}

/// How a boundary value travels: read from the server as an expression, sent back as a literal that sorts the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Literal {
    /// Integers, decimals, years: digits as they are.
    Number,
    /// ENUM, SET, BIT: by number (`col + 0`), which is how they sort.
    Ordinal,
    /// Character types: hex with the column's charset.
    Text {
        /// The column's character set.
        charset: String,
    },
    /// BINARY and VARBINARY: hex.
    Bytes,
    /// DATE, DATETIME, TIMESTAMP, TIME, UUID, INET4, INET6: quoted text.
    Quoted,
}

/// What happens to a foreign key of the table itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKeyStep {
    /// The name that it has and shall have again.
    pub name: Ident,
    /// The name that it has on the shadow until the source's is gone.
    pub interim: Ident,
    /// Columns, parent and rules.
    pub definition: crate::shape::ForeignKey,
}

/// How writers are held before the names are switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closing {
    /// Triggers that wait and then fail, on every node of a Galera cluster.
    Fence,
    /// A lock on one primary, while a second session's RENAME waits behind a sentry table.
    Sentry,
}

/// One step. Every field that its SQL needs is in it, so that printing and executing can't differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum Step {
    /// Create the journal's schema and tables where they are missing.
    Journal,
    /// Create the shadow like the source and apply the alter to it while it is empty.
    Shadow {
        /// The clauses as the user wrote them.
        alter: String,
        /// Foreign keys of the source to be recreated on it.
        foreign_keys: Vec<ForeignKeyStep>,
    },
    /// Change the table itself by one ALTER.
    Alter {
        /// The clauses as the user wrote them, without `ALGORITHM` and `LOCK`.
        alter: String,
        /// How the server must do it; it refuses when it can't.
        algorithm: Algorithm,
        /// What it may keep others from meanwhile.
        lock: Lock,
    },
    /// Change the table itself by one ALTER that holds up only its own writers (NBO).
    NonBlocking {
        /// The clauses as the user wrote them, without `ALGORITHM` and `LOCK`.
        alter: String,
        /// How the server must do it.
        algorithm: Algorithm,
        /// What it may keep others from meanwhile.
        lock: Lock,
    },
    /// Change the table on one node alone, out of the cluster's pace and out of its binlog.
    Roll {
        /// The node's name.
        node: String,
        /// The clauses as the user wrote them, without `ALGORITHM` and `LOCK`.
        alter: String,
        /// How the server must do it.
        algorithm: Algorithm,
        /// What it may keep others from meanwhile.
        lock: Lock,
    },
    /// Create the three triggers.
    Triggers,
    /// Follow the binlog of one node, from before the first row is copied.
    Follow {
        /// The node's name.
        node: String,
    },
    /// Copy every row.
    Copy,
    /// Compare every row of source and shadow.
    Verify,
    /// Hold all writers of the table while the last changes come into the shadow and are proven.
    Close {
        /// How.
        by: Closing,
    },
    /// Switch the names in one RENAME.
    Switch,
    /// Give the foreign keys their names back.
    ForeignKeys {
        /// Which.
        foreign_keys: Vec<ForeignKeyStep>,
    },
    /// Drop the retired table and its triggers.
    Drop,
    /// Drop the triggers, keep the retired table.
    Keep,
}

impl Step {
    /// The node whose turn it is; `None` when the step is not one node's.
    #[must_use]
    pub fn turn(&self) -> Option<&str> {
        if let Self::Roll { node, .. } = self { Some(node) } else { None }
    }

    /// The one ALTER of the table itself that it sends: clauses, algorithm, lock.
    #[must_use]
    pub fn alter(&self) -> Option<(&str, Algorithm, Lock)> {
        if let Self::Roll { alter, algorithm, lock, .. }
        | Self::NonBlocking { alter, algorithm, lock }
        | Self::Alter { alter, algorithm, lock } = self
        {
            return Some((alter, *algorithm, *lock));
        }
        None
    }
}

/// What a step blocks, where and for how long, in words that a DBA can check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCost {
    /// What it does.
    pub what: String,
    /// What waits meanwhile.
    pub blocks: String,
    /// For how long at most, or typically, milliseconds.
    pub stall_ms: u64,
    /// How it is undone.
    pub undo: String,
}

/// Names and mapping that the steps of a copy share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopySpec {
    /// The table being changed.
    pub source: TableName,
    /// The table being filled.
    pub shadow: TableName,
    /// The old table after the switch.
    pub retired: TableName,
    /// Columns that are copied, in the shadow's order; generated columns are not among them.
    pub columns: Vec<ColumnPair>,
    /// The key that chunks go by.
    pub key: ChunkKey,
    /// Unique keys of the shadow that the source does not enforce: a conflict on one stops the job.
    pub new_unique: Vec<Ident>,
    /// Whether the copying sessions may write zero and impossible dates, because the source's columns can hold them.
    pub zero_dates: bool,
    /// The shadow's shape, as the dry run or the shadow itself showed it.
    pub target: TableShape,
}

/// What one ALTER of the table itself is held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectSpec {
    /// The table before: what must stand everywhere until the ALTER.
    pub source: TableShape,
    /// The table after, as the dry run showed it: what must stand everywhere then.
    pub target: TableShape,
    /// Tables that foreign keys tie to it: a lock on one of them stops the ALTER, and with it the cluster.
    pub linked: Vec<TableName>,
}

/// What the strategy works with; decides which engine carries the plan out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Rows are copied into a shadow, which takes the table's place; triggers bring changes into it.
    Copy(CopySpec),
    /// Rows are copied into a shadow, which takes the table's place; changes come into it from the binlog.
    Stream(CopySpec),
    /// The server changes the table itself.
    Direct(DirectSpec),
    /// One node after the other changes the table itself.
    Rolling(DirectSpec),
}

impl Work {
    /// The oldest format of plan and journal that can hold it.
    #[must_use]
    pub const fn format(&self) -> u32 {
        match self {
            Self::Copy(_) => 1,
            Self::Direct(_) => 2,
            Self::Rolling(_) => 3,
            Self::Stream(_) => 4,
        }
    }

    /// The same sort of work with another copy; what has none stays as it is.
    #[must_use]
    pub fn with_copy(&self, spec: CopySpec) -> Self {
        match self {
            Self::Copy(_) => Self::Copy(spec),
            Self::Stream(_) => Self::Stream(spec),
            Self::Direct(_) | Self::Rolling(_) => self.clone(),
        }
    }

    /// Names, columns and key of a copy; `None` when there is none.
    #[must_use]
    pub const fn copy(&self) -> Option<&CopySpec> {
        match self {
            Self::Copy(spec) | Self::Stream(spec) => Some(spec),
            Self::Direct(_) | Self::Rolling(_) => None,
        }
    }
}

/// Sizes and times, and how they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Rows (statistics of the engine).
    pub rows: u64,
    /// Bytes written to the shadow on every node.
    pub extra_disk_bytes: u64,
    /// Bytes of binlog on every node that writes one.
    pub binlog_bytes: u64,
    /// Seconds for copy and verification.
    pub seconds: u64,
    /// Longest stall of writers, milliseconds.
    pub stall_ms: u64,
    /// How the numbers were made.
    pub basis: String,
}

/// A server that a plan was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanNode {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its identity (`Node::identity`).
    pub identity: String,
    /// Its family.
    pub flavour: Flavour,
    /// Its version.
    pub version: Version,
}

impl Plan {
    /// Whether the other plan has the same steps; nodes may take their turns in another order, which depends on the node
    /// that was connected to.
    #[must_use]
    pub fn same_steps(&self, other: &Self) -> bool {
        let turn = |step: &&Step| step.turn().is_some();
        let (turns, others): (Vec<&Step>, Vec<&Step>) = self.steps.iter().partition(turn);
        let (other_turns, other_others): (Vec<&Step>, Vec<&Step>) = other.steps.iter().partition(turn);
        others == other_others
            && turns.len() == other_turns.len()
            && turns.iter().all(|step| other_turns.contains(step))
    }
}

/// How a change will be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// `Work::format` of its work.
    pub format: u32,
    /// The strategy.
    pub strategy: StrategyName,
    /// The table.
    pub table: TableName,
    /// The clauses, as one text.
    pub alter: String,
    /// What the user asked for and allowed; needed to judge the real shadow.
    pub options: crate::choose::Options,
    /// `wsrep_cluster_state_uuid`; `None` outside Galera.
    pub cluster: Option<String>,
    /// The cluster view that the facts were read in; `None` outside Galera.
    pub epoch: Option<u64>,
    /// The servers that take part, the one that copies first.
    pub nodes: Vec<PlanNode>,
    /// The table's fingerprint, equal on all of them.
    pub fingerprint: Fingerprint,
    /// What the strategy works with: `copy`, `stream`, `direct` or `rolling` in the file.
    #[serde(flatten)]
    pub work: Work,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What each step costs, in the same order.
    pub costs: Vec<StepCost>,
    /// Estimates.
    pub estimate: Estimate,
    /// What the user should know: each a code and a sentence.
    pub warnings: Vec<crate::verdict::Reason>,
}
