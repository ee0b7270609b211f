//! How fast a server can carry out an ALTER itself: facts by family and version. What is not known is a copy.
//!
//! The server has the last word: the algorithm is always written into the statement, and a server that can't use it
//! refuses. A fact that is too good gives a refusal, one that is too bad a longer estimate; neither gives a surprise.
//!
//! # Source
//! MariaDB: "InnoDB Online DDL Operations with the INSTANT (NOCOPY, INPLACE) Alter Algorithm"; every line for MariaDB was
//! tried on 10.11.19 (`tests/cluster/prove_toi.rs`). MySQL 8.0 and 9.7 reference manuals, "Online DDL Operations"; every line
//! for MySQL was tried on 9.7.4 (`tests/cluster/mysql_online.rs`), earlier versions were not.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alter::{Alter, ClauseKind};
use crate::column_type::ColumnType;
use crate::facts::{Flavour, Version};
use crate::name::Ident;
use crate::shape::{Column, KeyKind, TableShape};

/// `ALGORITHM=` of an ALTER, fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// Changes the dictionary only.
    Instant,
    /// MariaDB: may build indexes, never the whole table.
    Nocopy,
    /// May rebuild the table inside the engine.
    Inplace,
    /// Writes every row into a new table.
    Copy,
}

impl Algorithm {
    /// The word in the statement.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instant => "INSTANT",
            Self::Nocopy => "NOCOPY",
            Self::Inplace => "INPLACE",
            Self::Copy => "COPY",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `LOCK=` of an ALTER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Lock {
    /// The least that the algorithm needs; MySQL takes no other with INSTANT.
    Default,
    /// Nobody is kept out.
    None,
    /// Writers are kept out.
    Shared,
    /// Everybody is kept out.
    Exclusive,
}

impl Lock {
    /// The word in the statement.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "DEFAULT",
            Self::None => "NONE",
            Self::Shared => "SHARED",
            Self::Exclusive => "EXCLUSIVE",
        }
    }
}

/// What an ALTER goes through, which its algorithm's name alone does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Nothing but the dictionary.
    Dictionary,
    /// The rows, to build an index or the table.
    Rows,
}

/// The fastest algorithm that is known to do, and what keeps it from being INSTANT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fastest {
    /// What it goes through.
    pub effort: Effort,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The clause or the property of the table; `None` when it is INSTANT.
    pub because: Option<String>,
}

/// First versions that do something INSTANT.
struct Since {
    add_last: Option<Version>,
    add_anywhere: Option<Version>,
    drop: Option<Version>,
    reorder: Option<Version>,
    rename: Option<Version>,
    default: Option<Version>,
    comment: Option<Version>,
    visibility: Option<Version>,
    members: Option<Version>,
    longer: Option<Version>,
    rename_key: Option<Version>,
    ignore_key: Option<Version>,
}

/// MariaDB; lines that the manual gives for 10.3 already are believed from 10.4 on, where most of the work was done.
const MARIADB: Since = Since {
    add_last: Some(Version::new(10, 3, 2)),
    add_anywhere: Some(Version::new(10, 4, 0)),
    drop: Some(Version::new(10, 4, 0)),
    reorder: Some(Version::new(10, 4, 0)),
    rename: Some(Version::new(10, 4, 0)),
    default: Some(Version::new(10, 4, 0)),
    comment: Some(Version::new(10, 4, 0)),
    visibility: Some(Version::new(10, 11, 0)),
    members: Some(Version::new(10, 4, 0)),
    longer: Some(Version::new(10, 4, 0)),
    rename_key: Some(Version::new(10, 5, 2)),
    ignore_key: Some(Version::new(10, 6, 0)),
};

/// MySQL. From 8.0.29 on an ALTER that adds or drops columns makes a row version, of which a table may have so many; 8.0.29
/// to 8.0.31 wrote redo logs of such tables that neither recovery nor backups could be sure to read, and are not used for it.
/// What the manual does not list is believed of the version that it was tried on.
const MYSQL: Since = Since {
    add_last: Some(Version::new(8, 0, 12)),
    add_anywhere: Some(SOUND_ROW_VERSIONS),
    drop: Some(SOUND_ROW_VERSIONS),
    reorder: None,
    rename: Some(Version::new(8, 0, 28)),
    default: Some(Version::new(8, 0, 12)),
    comment: Some(Version::new(9, 7, 0)),
    visibility: Some(Version::new(9, 7, 0)),
    members: Some(Version::new(8, 0, 12)),
    longer: None,
    rename_key: None,
    ignore_key: None,
};

/// The first MySQL whose added columns make row versions, and the first that does so soundly.
const ROW_VERSIONS: Version = Version::new(8, 0, 29);
const SOUND_ROW_VERSIONS: Version = Version::new(8, 0, 32);
/// The first MySQL that allows more of them.
const MORE_ROW_VERSIONS: Version = Version::new(9, 1, 0);
/// How many a table may have before and since. (Manual; 255 is what 9.7.4 took in our own test.)
const FEW: u32 = 64;
const MANY: u32 = 255;
/// The first MariaDB that knows NOCOPY.
const NOCOPY: Version = Version::new(10, 3, 7);

/// A server, as far as its algorithms go.
struct Server {
    flavour: Flavour,
    version: Version,
    since: &'static Since,
    row_versions: Option<u32>,
}

impl Server {
    const fn of(flavour: Flavour, version: Version, row_versions: Option<u32>) -> Self {
        let since = match flavour {
            Flavour::MariaDb => &MARIADB,
            Flavour::MySql => &MYSQL,
        };
        Self { flavour, version, since, row_versions }
    }

    fn instant(&self, since: Option<Version>) -> bool {
        since.is_some_and(|since| self.version >= since)
    }

    fn instant_or(&self, since: Option<Version>, otherwise: Algorithm) -> Algorithm {
        if self.instant(since) { Algorithm::Instant } else { otherwise }
    }

    /// What works on indexes only.
    fn on_index(&self) -> Algorithm {
        match self.flavour {
            Flavour::MariaDb if self.version >= NOCOPY => Algorithm::Nocopy,
            Flavour::MariaDb => Algorithm::Copy,
            Flavour::MySql => Algorithm::Inplace,
        }
    }

    fn adds_last(&self) -> bool {
        self.instant(self.since.add_last) && (self.flavour == Flavour::MariaDb || self.version < ROW_VERSIONS)
    }

    /// Whether an ALTER may add or drop columns anywhere without touching rows.
    fn versions_rows(&self, since: Option<Version>) -> bool {
        let most = if self.version < MORE_ROW_VERSIONS { FEW } else { MANY };
        let room = self.flavour == Flavour::MariaDb || self.row_versions.is_some_and(|versions| versions < most);
        room && self.instant(since)
    }
}

/// The fastest algorithm for an alter that turns `source` into `target`, on a server of that family and version that has so
/// many row versions of the table.
#[must_use]
pub fn fastest(
    (flavour, version, row_versions): (Flavour, Version, Option<u32>),
    source: &TableShape,
    target: &TableShape,
    alter: &Alter,
) -> Fastest {
    if let Some(why) = special(source).or_else(|| special(target)) {
        return Fastest { algorithm: Algorithm::Copy, because: Some(why.to_owned()), effort: Effort::Rows };
    }
    let change = Change { server: Server::of(flavour, version, row_versions), source, target, alter };
    let mut fastest = Fastest { algorithm: Algorithm::Instant, because: None, effort: Effort::Dictionary };
    for clause in &alter.clauses {
        let algorithm = change.clause(&clause.kind);
        fastest.effort = fastest.effort.max(change.effort(&clause.kind, algorithm));
        if algorithm > fastest.algorithm {
            fastest = Fastest { algorithm, because: Some(format!("`{}`", clause.text)), ..fastest };
        }
    }
    if fastest.algorithm < Algorithm::Inplace && change.columns_and_new_keys() {
        let because = Some("columns and a new key in one ALTER".to_owned());
        fastest = Fastest { algorithm: Algorithm::Inplace, because, effort: Effort::Rows };
    }
    fastest
}

/// Tables whose exceptions fill pages of the manuals: for these nothing is believed.
fn special(table: &TableShape) -> Option<&'static str> {
    let options = table.options.to_ascii_lowercase();
    let has_key = |kind: KeyKind| table.keys.iter().any(|key| key.kind == kind);
    let found = [
        (!table.table_type.is_empty() && table.table_type != "BASE TABLE", "a table of a special kind"),
        (table.row_format.eq_ignore_ascii_case("compressed"), "ROW_FORMAT=COMPRESSED"),
        (options.contains("compress") || options.contains("encrypt"), "a compressed or encrypted table"),
        (!table.partitions.is_empty() || options.contains("partition"), "a partitioned table"),
        (has_key(KeyKind::Fulltext), "a FULLTEXT key"),
        (has_key(KeyKind::Spatial), "a SPATIAL key"),
        (has_key(KeyKind::UniqueHash), "a unique key by hash"),
        (table.columns.iter().any(|column| column.generated.is_some()), "a generated column"),
        (table.columns.iter().any(|column| column.column_type.contains("/*")), "a compressed column"),
        (table.keys.iter().flat_map(|key| &key.parts).any(|part| part.column.is_none()), "a key on an expression"),
    ];
    found.into_iter().find_map(|(is, what)| is.then_some(what))
}

struct Change<'a> {
    server: Server,
    source: &'a TableShape,
    target: &'a TableShape,
    alter: &'a Alter,
}

impl Change<'_> {
    fn clause(&self, kind: &ClauseKind) -> Algorithm {
        let server = &self.server;
        match kind {
            ClauseKind::AddColumn { names } => self.added(names),
            ClauseKind::DropColumn { name } if self.indexed(name) => Algorithm::Inplace,
            ClauseKind::DropColumn { .. } if server.versions_rows(server.since.drop) => Algorithm::Instant,
            ClauseKind::DropColumn { .. } => Algorithm::Inplace,
            ClauseKind::ModifyColumn { name } | ClauseKind::AlterColumn { name } => self.column(name, name),
            ClauseKind::ChangeColumn { from, to } | ClauseKind::RenameColumn { from, to } => self.column(from, to),
            ClauseKind::AddKey | ClauseKind::AddUnique | ClauseKind::DropKey { .. } => server.on_index(),
            ClauseKind::RenameKey => server.instant_or(server.since.rename_key, server.on_index()),
            ClauseKind::AlterKey => server.instant_or(server.since.ignore_key, server.on_index()),
            ClauseKind::AddFulltext
            | ClauseKind::AddSpatial
            | ClauseKind::AddPrimary
            | ClauseKind::DropPrimary
            | ClauseKind::AddForeignKey
            | ClauseKind::DropForeignKey { .. }
            | ClauseKind::AddCheck
            | ClauseKind::OtherConstraint
            | ClauseKind::RenameTable
            | ClauseKind::ConvertCharset
            | ClauseKind::Engine { .. }
            | ClauseKind::TableOption
            | ClauseKind::Force
            | ClauseKind::OrderBy
            | ClauseKind::Partitioning
            | ClauseKind::PartitionManagement
            | ClauseKind::Versioning
            | ClauseKind::Tablespace
            | ClauseKind::Hint
            | ClauseKind::Unknown => Algorithm::Copy,
        }
    }

    /// What one clause goes through when that is its algorithm. The pages of an index that goes are freed, not read.
    fn effort(&self, kind: &ClauseKind, algorithm: Algorithm) -> Effort {
        let keys = matches!(kind, ClauseKind::DropKey { .. } | ClauseKind::RenameKey | ClauseKind::AlterKey);
        let grown = |name: &Ident| {
            let both = self.source.column(name).zip(self.target.column(name));
            both.is_some_and(|(old, new)| {
                let alike = Column { column_type: old.column_type.clone(), ..new.clone() };
                longer(old, new) && *old == alike && !self.reordered()
            })
        };
        let mysql = self.server.flavour == Flavour::MySql;
        let grows = mysql && matches!(kind, ClauseKind::ModifyColumn { name } if grown(name));
        if algorithm == Algorithm::Instant || keys || grows { Effort::Dictionary } else { Effort::Rows }
    }

    fn added(&self, names: &[Ident]) -> Algorithm {
        let new = |column: &&Column| names.iter().any(|name| name.same(&column.name));
        let plain = |column: &Column| constant_default(column, self.server.flavour) && column.extra.is_empty();
        if !self.target.columns.iter().filter(new).all(plain) {
            return Algorithm::Copy;
        }
        let last = self.target.columns.iter().skip_while(|column| !new(column)).all(|column| new(&column));
        if (last && self.server.adds_last()) || self.server.versions_rows(self.server.since.add_anywhere) {
            Algorithm::Instant
        } else {
            Algorithm::Inplace
        }
    }

    fn indexed(&self, name: &Ident) -> bool {
        let parts = self.source.keys.iter().flat_map(|key| &key.parts);
        parts.filter_map(|part| part.column.as_ref()).any(|column| column.same(name))
    }

    /// What becomes of one column that stays.
    fn column(&self, from: &Ident, to: &Ident) -> Algorithm {
        let (Some(old), Some(new)) = (self.source.column(from), self.target.column(to)) else { return Algorithm::Copy };
        let (server, since) = (&self.server, self.server.since);
        let kept = |column: &Column| {
            let (charset, collation) = (column.charset.clone(), column.collation.clone());
            // `EXTRA` says so again when a column is invisible.
            let extra: Vec<&str> = column.extra.split_whitespace().filter(|word| *word != "invisible").collect();
            (charset, collation, extra.join(" "), column.generated, column.expression.clone())
        };
        let costs = [
            (kept(old) != kept(new), Algorithm::Copy),
            (!constant_default(new, server.flavour) && old.default != new.default, Algorithm::Copy),
            (old.nullable != new.nullable, Algorithm::Inplace),
            (old.name != new.name, server.instant_or(since.rename, Algorithm::Inplace)),
            (old.default != new.default, server.instant_or(since.default, Algorithm::Inplace)),
            (old.comment != new.comment, server.instant_or(since.comment, Algorithm::Copy)),
            (old.invisible != new.invisible, server.instant_or(since.visibility, Algorithm::Copy)),
            (self.reordered(), server.instant_or(since.reorder, Algorithm::Inplace)),
            (old.column_type != new.column_type, self.new_type(old, new)),
        ];
        let needed = costs.into_iter().filter_map(|(differs, algorithm)| differs.then_some(algorithm));
        needed.max().unwrap_or(Algorithm::Instant)
    }

    fn new_type(&self, old: &Column, new: &Column) -> Algorithm {
        let (server, since) = (&self.server, self.server.since);
        if longer(old, new) {
            return match server.instant(since.longer) {
                true if !self.indexed(&old.name) => Algorithm::Instant,
                true => Algorithm::Inplace,
                false if server.flavour == Flavour::MySql => Algorithm::Inplace,
                false => Algorithm::Copy,
            };
        }
        if more_members(old, new) { server.instant_or(since.members, Algorithm::Copy) } else { Algorithm::Copy }
    }

    /// Whether columns that stay stand in another order afterwards.
    fn reordered(&self) -> bool {
        let before = |name: &Ident| {
            for clause in &self.alter.clauses {
                if let ClauseKind::ChangeColumn { from, to } | ClauseKind::RenameColumn { from, to } = &clause.kind
                    && to.same(name)
                {
                    return from.clone();
                }
            }
            name.clone()
        };
        let place = |column: &Column| {
            let name = before(&column.name);
            self.source.columns.iter().position(|old| old.name.same(&name))
        };
        let places: Vec<usize> = self.target.columns.iter().filter_map(place).collect();
        !places.is_sorted()
    }

    /// Together they rebuild the table where each alone does not (MariaDB 10.11, our own test).
    fn columns_and_new_keys(&self) -> bool {
        let keys = |kind: &ClauseKind| matches!(kind, ClauseKind::AddKey | ClauseKind::AddUnique);
        let others = |kind: &ClauseKind| !keys(kind) && !matches!(kind, ClauseKind::DropKey { .. });
        let any = |is: &dyn Fn(&ClauseKind) -> bool| self.alter.clauses.iter().any(|clause| is(&clause.kind));
        any(&keys) && any(&others)
    }
}

/// Whether the default is a value that is the same whenever and wherever it is asked for; a column without one counts.
#[must_use]
pub fn constant_default(column: &Column, flavour: Flavour) -> bool {
    let Some(default) = &column.default else { return true };
    match flavour {
        // MySQL prints literals bare and marks everything else.
        Flavour::MySql => {
            !column.extra.contains("default_generated")
                && !default.to_ascii_lowercase().starts_with("current_timestamp")
        }
        Flavour::MariaDb => default == "NULL" || number(default) || quoted(default),
    }
}

fn number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// One quoted string and nothing else.
fn quoted(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) else { return false };
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' if chars.next() != Some('\'') => return false,
            '\\' if chars.next().is_none() => return false,
            _ => {}
        }
    }
    true
}

/// A VARCHAR or VARBINARY that grows and keeps the size of its length: one byte up to 255 bytes, two above.
fn longer(old: &Column, new: &Column) -> bool {
    let bytes = |column: &Column| {
        let kind = ColumnType::of(column);
        if let ColumnType::VarBinary { bytes } = kind {
            return Some(bytes);
        }
        let ColumnType::VarChar { chars } = kind else { return None };
        char_bytes(column.charset.as_deref()?).map(|each| chars.saturating_mul(each))
    };
    let (Some(before), Some(after)) = (bytes(old), bytes(new)) else { return false };
    old.data_type == new.data_type && after >= before && (before <= 255) == (after <= 255)
}

/// Bytes of the longest character.
fn char_bytes(charset: &str) -> Option<u64> {
    match charset.to_ascii_lowercase().as_str() {
        "utf8mb4" => Some(4),
        "utf8mb3" | "utf8" => Some(3),
        "latin1" | "latin2" | "ascii" | "binary" => Some(1),
        _ => None,
    }
}

/// An ENUM or SET that gets members at its end and is kept in as many bytes as before.
fn more_members(old: &Column, new: &Column) -> bool {
    let enum_bytes = |count: usize| if count <= 255 { 1 } else { 2 };
    let set_bytes = |count: usize| [1, 2, 3, 4, 8].into_iter().find(|bytes| count <= bytes * 8);
    let (old, new) = (ColumnType::of(old), ColumnType::of(new));
    if let (ColumnType::Enum { members: before }, ColumnType::Enum { members: after }) = (&old, &new) {
        return after.starts_with(before) && enum_bytes(before.len()) == enum_bytes(after.len());
    }
    if let (ColumnType::Set { members: before }, ColumnType::Set { members: after }) = (&old, &new) {
        return after.starts_with(before) && set_bytes(before.len()) == set_bytes(after.len());
    }
    false
}
