//! What a table looks like on one node, from information_schema or from a dry run on a temporary table.

use serde::{Deserialize, Serialize};

use crate::name::Ident;

/// A digest of a `TableShape`, equal exactly when two tables accept, store and enforce the same. Lower-case hex.
///
/// `AUTO_INCREMENT`'s counter, sizes and the order of keys are not in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub String);

/// How a generated column is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Generated {
    /// Computed when read.
    Virtual,
    /// Computed when written.
    Stored,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, in the case in which it was created.
    pub name: Ident,
    /// The bare type in lower case: `varchar`, `int`, `datetime`.
    pub data_type: String,
    /// The whole type: `varchar(20)`, `int(10) unsigned`, `enum('a','b')`.
    pub column_type: String,
    /// Whether NULL may be stored.
    pub nullable: bool,
    /// The default as the server prints it; `None` when there is none.
    pub default: Option<String>,
    /// `EXTRA` of information_schema, lower case: `auto_increment`, `on update current_timestamp()`.
    pub extra: String,
    /// Character set; `None` for types without one.
    pub charset: Option<String>,
    /// Collation; `None` for types without one.
    pub collation: Option<String>,
    /// Set for generated columns.
    pub generated: Option<Generated>,
    /// The expression of a generated column.
    pub expression: Option<String>,
    /// Hidden from `SELECT *`.
    pub invisible: bool,
    /// The comment.
    pub comment: String,
}

impl Column {
    /// Whether the type ends in `unsigned` (or `zerofill`, which implies it).
    #[must_use]
    pub fn unsigned(&self) -> bool {
        let lower = self.column_type.to_ascii_lowercase();
        lower.contains(" unsigned") || lower.contains(" zerofill")
    }

    /// Whether the server gives out its values.
    #[must_use]
    pub fn auto_increment(&self) -> bool {
        self.extra.contains("auto_increment")
    }
}

/// What kind of key an index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    /// The primary key.
    Primary,
    /// A unique key.
    Unique,
    /// A unique key that the server keeps by hash (`INDEX_TYPE` is `HASH`): it forbids equal rows but has no order.
    /// MariaDB does so for keys that are too long, and on request.
    UniqueHash,
    /// A non-unique key.
    Plain,
    /// A full-text key.
    Fulltext,
    /// A spatial key.
    Spatial,
}

/// One column, prefix or expression of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPart {
    /// The column; `None` for an expression.
    pub column: Option<Ident>,
    /// The expression of a functional key part.
    pub expression: Option<String>,
    /// Characters or bytes of a prefix; `None` when the whole column is indexed.
    pub prefix: Option<u32>,
    /// Whether it is kept in descending order.
    pub descending: bool,
}

/// One index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its name; `PRIMARY` for the primary key.
    pub name: Ident,
    /// Its kind.
    pub kind: KeyKind,
    /// Its parts in order.
    pub parts: Vec<KeyPart>,
    /// Whether the optimizer may use it (`IGNORED`, `INVISIBLE` otherwise).
    pub visible: bool,
    /// The comment.
    pub comment: String,
}

impl Key {
    /// Whether it forbids equal rows.
    #[must_use]
    pub const fn unique(&self) -> bool {
        matches!(self.kind, KeyKind::Primary | KeyKind::Unique | KeyKind::UniqueHash)
    }
}

/// What the server does with a child row when its parent goes or moves: `CASCADE`, `SET NULL`, `RESTRICT`, …
pub type Rule = String;

/// One foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The constraint's name.
    pub name: Ident,
    /// The child table's schema.
    pub schema: Ident,
    /// The child table.
    pub table: Ident,
    /// The child's columns, in order.
    pub columns: Vec<Ident>,
    /// The parent's schema.
    pub parent_schema: Ident,
    /// The parent table.
    pub parent_table: Ident,
    /// The parent's columns, in order.
    pub parent_columns: Vec<Ident>,
    /// `ON DELETE`.
    pub on_delete: Rule,
    /// `ON UPDATE`.
    pub on_update: Rule,
}

impl ForeignKey {
    /// Whether the engine itself changes child rows, which fires no trigger (MySQL manual, "Foreign key constraints").
    #[must_use]
    pub fn cascades(&self) -> bool {
        [&self.on_delete, &self.on_update].iter().any(|rule| {
            let rule = rule.to_ascii_uppercase();
            rule == "CASCADE" || rule == "SET NULL" || rule == "SET DEFAULT"
        })
    }
}

/// One trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its name, unique in the schema.
    pub name: Ident,
    /// `BEFORE` or `AFTER`.
    pub timing: String,
    /// `INSERT`, `UPDATE` or `DELETE`.
    pub event: String,
    /// Its body.
    pub statement: String,
    /// The sql_mode that it runs under.
    pub sql_mode: String,
    /// Whose rights it has.
    pub definer: String,
}

/// One table on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableShape {
    /// Columns in order.
    pub columns: Vec<Column>,
    /// Keys by name.
    pub keys: Vec<Key>,
    /// Its own foreign keys (it is the child).
    pub foreign_keys: Vec<ForeignKey>,
    /// Foreign keys of other tables (or of itself) that point here (it is the parent).
    pub referenced_by: Vec<ForeignKey>,
    /// Check constraints: name and clause.
    pub checks: Vec<(Ident, String)>,
    /// Its triggers.
    pub triggers: Vec<Trigger>,
    /// Storage engine, as the server prints it: `InnoDB`.
    pub engine: String,
    /// `BASE TABLE`, `VIEW`, `SYSTEM VERSIONED`, `SEQUENCE`.
    pub table_type: String,
    /// Row format.
    pub row_format: String,
    /// Default collation.
    pub collation: String,
    /// `CREATE_OPTIONS` as the server prints it.
    pub options: String,
    /// The table comment.
    pub comment: String,
    /// One line a partition (method, expression, name, description); empty when not partitioned.
    pub partitions: Vec<String>,
}

impl TableShape {
    /// The column of that name, case ignored.
    #[must_use]
    pub fn column(&self, name: &Ident) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.same(name))
    }

    /// The primary key.
    #[must_use]
    pub fn primary(&self) -> Option<&Key> {
        self.keys.iter().find(|key| key.kind == KeyKind::Primary)
    }
}
