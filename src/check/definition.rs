//! Everything in a schema as text that can be compared: an object has aspects, an aspect has a definition.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A schema.
    Schema,
    /// A table, with its columns, keys, foreign keys, checks, partitions and triggers; sequences too.
    Table,
    /// A view.
    View,
    /// A procedure, function or package.
    Routine,
    /// An event.
    Event,
}

impl Kind {
    /// In a sentence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Table => "table",
            Self::View => "view",
            Self::Routine => "routine",
            Self::Event => "event",
        }
    }
}

/// An object's place; sorted by schema, kind, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// Its schema.
    pub schema: String,
    /// What it is.
    pub kind: Kind,
    /// Its name; a routine's has its type in front, a schema's is empty.
    pub name: String,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Schema => write!(f, "schema {}", self.schema),
            Kind::Table | Kind::View | Kind::Event => {
                write!(f, "{} {}.{}", self.kind.as_str(), self.schema, self.name)
            }
            Kind::Routine => match self.name.split_once(' ') {
                Some((kind, name)) => write!(f, "{kind} {}.{name}", self.schema),
                None => write!(f, "routine {}.{}", self.schema, self.name),
            },
        }
    }
}

/// Definitions by aspect: `` column `a` ``, `row format`, `` trigger `t` ``. Maps, so that an order that means nothing is
/// none.
pub type Aspects = BTreeMap<String, String>;

/// All that one node has.
pub type Catalog = BTreeMap<Object, Aspects>;
