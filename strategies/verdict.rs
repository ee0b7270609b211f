//! Answers: whether a strategy fits and why, with stable codes.

use serde::{Deserialize, Serialize};

use crate::plan::{Plan, StrategyName};

/// Why not, or what to know. `code` is stable, `what` is a sentence, `remedy` says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The stable code.
    pub code: ReasonCode,
    /// What was found, where, in a sentence.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Reason {
    /// Puts the three together.
    #[must_use]
    pub fn new(code: ReasonCode, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code, what: what.into(), remedy: remedy.into() }
    }
}

/// Declares the codes once: the variant, its text and what it means (docs are generated from the same list).
macro_rules! reason_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Every code that a verdict, a refusal or a warning can carry. Codes are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ReasonCode {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+
        }
        impl ReasonCode {
            /// All codes, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
            /// The code as it is printed.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
            /// What the code means.
            #[must_use]
            pub fn meaning(self) -> String {
                match self { $(Self::$name => concat!($($doc),+).trim().to_owned(),)+ }
            }
        }
    };
}

reason_codes! {
    /// A node's disk is full.
    DiskFull = "disk-full",
    /// The strategy does not apply to this topology.
    WrongTopology = "wrong-topology",
    /// The table does not exist on a node.
    TableMissing = "table-missing",
    /// The object is a view, a sequence or a system-versioned table.
    NotABaseTable = "not-a-base-table",
    /// The storage engine is not transactional or not replicated by the cluster.
    UnsupportedEngine = "unsupported-engine",
    /// No NOT NULL unique key of supported types exists in both the table and its altered form.
    NoUsableKey = "no-usable-key",
    /// A column named in the alter does not exist.
    ColumnMissing = "column-missing",
    /// A server rejected the alter in the dry run.
    AlterRejected = "alter-rejected",
    /// The alter contains a clause that this strategy can't carry out.
    ClauseUnsupported = "clause-unsupported",
    /// The alter drops and adds a column of the same name, which would lose its values.
    DropAndAdd = "drop-and-add",
    /// A type change can lose values without an error.
    LossyConversion = "lossy-conversion",
    /// A type change depends on the session's time zone.
    TimeZoneConversion = "time-zone-conversion",
    /// A column that gets no default and no value from the source is NOT NULL.
    ImplicitDefault = "implicit-default",
    /// The table's rows already violate a unique key that the alter adds.
    DuplicateRows = "duplicate-rows",
    /// The table's rows have NULLs in a column that becomes NOT NULL.
    NullRows = "null-rows",
    /// The table's rows have values that do not fit the new type.
    ValuesDoNotFit = "values-do-not-fit",
    /// A node is not fit to take part (not Primary, not Synced, not ready, …).
    NodeUnfit = "node-unfit",
    /// A member of the cluster was not reached.
    NodeUnreached = "node-unreached",
    /// The table differs between nodes.
    SchemaDrift = "schema-drift",
    /// The nodes run different server versions.
    MixedVersions = "mixed-versions",
    /// A node is read-only.
    ReadOnly = "read-only",
    /// Tables or triggers of an earlier or other tool are in the way.
    Leftovers = "leftovers",
    /// A privilege is missing.
    PrivilegeMissing = "privilege-missing",
    /// A session holds an explicit lock or a backup runs.
    LockHeld = "lock-held",
    /// A transaction is older than the limit.
    OldTransaction = "old-transaction",
    /// A replication channel writes into a node, where triggers do not fire.
    ReplicationChannel = "replication-channel",
    /// A foreign key of the table changes rows by itself, where triggers do not fire.
    CascadingForeignKey = "cascading-foreign-key",
    /// Other tables' foreign keys point at the table.
    ReferencedByForeignKey = "referenced-by-foreign-key",
    /// The table has triggers of its own.
    ExistingTriggers = "existing-triggers",
    /// Another job works on the table.
    JobActive = "job-active",
    /// The plan's fingerprint, epoch or members are no longer true.
    PlanStale = "plan-stale",
    /// The dry run was not possible; the shadow will be judged instead.
    DryRunImpossible = "dry-run-impossible",
    /// A server setting makes the strategy unsafe.
    ServerSetting = "server-setting",
    /// A name that the job needs is too long or taken.
    NameTaken = "name-taken",
    /// The alter would change nothing.
    NothingToDo = "nothing-to-do",
    /// Replicas will receive the copy as row changes.
    ReplicaLoad = "replica-load",
    /// The user forced another strategy than the preferred one, or one that does not fit.
    Forced = "forced",
    /// Rows may violate a foreign key that the alter adds.
    ForeignKeyRows = "foreign-key-rows",
    /// The change needs much disk while it runs, or more than a node has.
    DiskSpace = "disk-space",
    /// Writes of the application cost more while the change runs.
    WriteLoad = "write-load",
    /// A step would stall writers for longer than the limit.
    StallTooLong = "stall-too-long",
    /// A clause that driftless does not know; the server has judged it.
    ClauseUnknown = "clause-unknown",
    /// The server's version has a known defect that the strategy can meet.
    ServerDefect = "server-defect",
    /// Whether the server can make the change, or with which values, depends on the rows or on the node.
    DataDependent = "data-dependent",
    /// What the change did could not be told from what was there before, or from what else could have happened.
    NotProvable = "not-provable",
    /// `ALGORITHM` or `LOCK` in the statement asks for what the strategy can't do.
    HintRefused = "hint-refused",
    /// Open transactions on the table will be aborted.
    TransactionsAborted = "transactions-aborted",
    /// While only some nodes have the change, rows that are written would not be the same everywhere.
    RowEvents = "row-events",
    /// The strategy is taken only when it is asked for by name.
    NotAsked = "not-asked",
    /// A node must be without writers for its turn.
    NodeDrained = "node-drained",
    /// No node can get a state transfer while the change runs.
    StateTransfer = "state-transfer",
    /// The proxy knows no such node.
    ProxyUnknown = "proxy-unknown",
    /// The proxy does not answer, or not as such a proxy does.
    ProxyUnusable = "proxy-unusable",
    /// A lint is allowed that the change does not give.
    IdlePermission = "idle-permission",
    /// A new column is NOT NULL and has no DEFAULT, and no server has been asked yet.
    LintImplicitDefault = "lint-implicit-default",
    /// A TIMESTAMP names no default, and the server gives it one.
    LintTimestampDefault = "lint-timestamp-default",
    /// A column's new definition leaves out an attribute that the column has.
    LintAttributeLost = "lint-attribute-lost",
    /// Members of an ENUM or SET change their numbers.
    LintEnumOrder = "lint-enum-order",
    /// An AUTO_INCREMENT column is near the end of its type.
    LintIntegerRange = "lint-integer-range",
    /// A column's new definition names no character set, and the column gets another one.
    LintCharsetConverted = "lint-charset-converted",
    /// CONVERT TO CHARACTER SET makes TEXT columns bigger.
    LintTextWidened = "lint-text-widened",
    /// The table's default character set changes, its columns do not.
    LintDefaultCharset = "lint-default-charset",
    /// Something gets utf8mb3, which can't hold every character.
    LintUtf8mb3 = "lint-utf8mb3",
    /// A column of a unique key gets a collation that finds other values equal.
    LintUniqueCollation = "lint-unique-collation",
    /// A new key has the same columns as another one.
    LintDuplicateKey = "lint-duplicate-key",
    /// A key is the beginning of another one.
    LintRedundantKey = "lint-redundant-key",
    /// A new unique key has columns that may be NULL.
    LintNullableUnique = "lint-nullable-unique",
    /// A key is longer than the server takes.
    LintKeyTooLong = "lint-key-too-long",
    /// The table loses its primary key.
    LintNoPrimaryKey = "lint-no-primary-key",
    /// No index serves a foreign key of the table any more.
    LintForeignKeyIndex = "lint-foreign-key-index",
    /// A column of a foreign key gets another type than the column that it points at.
    LintForeignKeyColumn = "lint-foreign-key-column",
    /// A new name is a reserved word.
    LintReservedWord = "lint-reserved-word",
    /// A column is renamed, which old code can't follow.
    LintColumnRename = "lint-column-rename",
    /// A column takes a name that another column had.
    LintNameReused = "lint-name-reused",
}

impl ReasonCode {
    /// Whether it is a finding about the change itself, which can be allowed.
    #[must_use]
    pub fn is_lint(self) -> bool {
        self.as_str().starts_with("lint-")
    }
}

/// What one strategy says of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which strategy.
    pub strategy: StrategyName,
    /// Whether it fits.
    pub fits: Fits,
    /// Refusals when it does not fit; remarks when it does.
    pub reasons: Vec<Reason>,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fits {
    /// It can carry out the change safely.
    Yes,
    /// It can't; the reasons say why.
    No,
}

/// All verdicts, and the plan of the chosen strategy when one fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What stands in the way of every strategy (a node down, drift, …).
    pub blockers: Vec<Reason>,
    /// What the change does that its author may not have meant.
    #[serde(default)]
    pub lints: Vec<Reason>,
    /// The same where the user allows it.
    #[serde(default)]
    pub allowed_lints: Vec<Reason>,
    /// One verdict a strategy, in order of preference.
    pub verdicts: Vec<Verdict>,
    /// The plan; `None` when blocked or when nothing fits.
    pub plan: Option<Plan>,
}
