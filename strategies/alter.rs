//! The change that was asked for: clauses as the user wrote them, sorted by kind.

use serde::{Deserialize, Serialize};

use crate::name::{Ident, TableName};

/// What one clause does, as far as its keywords tell. The server has the last word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum ClauseKind {
    /// `ADD [COLUMN]`, one or several.
    AddColumn {
        /// The new columns.
        names: Vec<Ident>,
    },
    /// `DROP [COLUMN]`.
    DropColumn {
        /// The column.
        name: Ident,
    },
    /// `MODIFY [COLUMN]`.
    ModifyColumn {
        /// The column.
        name: Ident,
    },
    /// `CHANGE [COLUMN] from to`.
    ChangeColumn {
        /// Its name now.
        from: Ident,
        /// Its name afterwards.
        to: Ident,
    },
    /// `RENAME COLUMN from TO to`.
    RenameColumn {
        /// Its name now.
        from: Ident,
        /// Its name afterwards.
        to: Ident,
    },
    /// `ALTER [COLUMN] … SET/DROP DEFAULT`, `SET INVISIBLE`.
    AlterColumn {
        /// The column.
        name: Ident,
    },
    /// `ADD INDEX | KEY` that is not unique.
    AddKey,
    /// `ADD UNIQUE`, or a column with an inline `UNIQUE`.
    AddUnique,
    /// `ADD FULLTEXT`.
    AddFulltext,
    /// `ADD SPATIAL`.
    AddSpatial,
    /// `ADD PRIMARY KEY`.
    AddPrimary,
    /// `DROP INDEX | KEY`.
    DropKey {
        /// The key.
        name: Ident,
    },
    /// `DROP PRIMARY KEY`.
    DropPrimary,
    /// `RENAME INDEX | KEY`.
    RenameKey,
    /// `ALTER INDEX … VISIBLE | INVISIBLE | IGNORED`.
    AlterKey,
    /// `ADD [CONSTRAINT] FOREIGN KEY`.
    AddForeignKey,
    /// `DROP FOREIGN KEY`.
    DropForeignKey {
        /// The constraint.
        name: Ident,
    },
    /// `ADD [CONSTRAINT] CHECK`.
    AddCheck,
    /// `DROP CHECK | CONSTRAINT`, `ALTER CHECK`.
    OtherConstraint,
    /// `RENAME [TO | AS] name`: the table itself.
    RenameTable,
    /// `CONVERT TO CHARACTER SET`.
    ConvertCharset,
    /// `ENGINE = name`.
    Engine {
        /// The engine.
        name: String,
    },
    /// Any other table option (comment, row format, default charset, auto_increment, …).
    TableOption,
    /// `FORCE`, or a null alter: rebuild as it is.
    Force,
    /// `ORDER BY`.
    OrderBy,
    /// `PARTITION BY`, `REMOVE PARTITIONING`.
    Partitioning,
    /// `ADD | DROP | TRUNCATE | REORGANIZE | EXCHANGE | … PARTITION`: works on partitions that exist.
    PartitionManagement,
    /// `ADD | DROP SYSTEM VERSIONING`, `PERIOD FOR`.
    Versioning,
    /// `DISCARD | IMPORT TABLESPACE`, `DISABLE | ENABLE KEYS`.
    Tablespace,
    /// `ALGORITHM =` or `LOCK =`, which driftless decides itself.
    Hint,
    /// None of the above: no fast path is ever chosen for it.
    Unknown,
}

/// One clause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clause {
    /// Its exact text, without the comma, comments dropped.
    pub text: String,
    /// What it does.
    pub kind: ClauseKind,
}

/// The change to one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alter {
    /// The table named in a whole `ALTER TABLE` statement; `None` when only clauses were given.
    pub table: Option<TableName>,
    /// The clauses in order, hints (`ALGORITHM`, `LOCK`) left out.
    pub clauses: Vec<Clause>,
    /// The hints that were left out, as written.
    pub hints: Vec<String>,
    /// `ALTER IGNORE`: asks for rows to be dropped silently. Always refused.
    pub ignore: bool,
}

impl Alter {
    /// The clauses as one text, ready to follow `ALTER TABLE name`.
    #[must_use]
    pub fn text(&self) -> String {
        joined(&self.clauses)
    }
}

/// Clauses as one text. Servers take no comma before a partitioning clause.
pub(crate) fn joined<'a>(clauses: impl IntoIterator<Item = &'a Clause>) -> String {
    let mut text = String::new();
    for clause in clauses {
        if !text.is_empty() {
            text.push_str(if clause.kind == ClauseKind::Partitioning { " " } else { ", " });
        }
        text.push_str(&clause.text);
    }
    text
}
