//! What is compared.

use driftless_strategies::{Ident, TableName};

use crate::sql::catalog_all::OWN_SCHEMAS;

use super::diff::Difference;

/// What is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// These schemas, whole.
    pub schemas: Vec<Ident>,
    /// These tables or views.
    pub tables: Vec<TableName>,
}

impl Scope {
    /// Whether nothing was named: every schema but the server's own, then.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.schemas.is_empty() && self.tables.is_empty()
    }

    /// Whether a schema is compared whole.
    pub(crate) fn whole(&self, schema: &str) -> bool {
        if self.is_all() {
            return !OWN_SCHEMAS.iter().any(|own| own.eq_ignore_ascii_case(schema));
        }
        self.schemas.iter().any(|named| named.as_str() == schema)
    }

    /// The part of it in which something was found: enough for a second look.
    pub(crate) fn narrowed(&self, found: &[Difference]) -> Self {
        if !self.is_all() && self.schemas.is_empty() {
            return self.clone();
        }
        let mut schemas: Vec<Ident> = Vec::new();
        for schema in found.iter().filter_map(|difference| Ident::new(difference.object.schema.as_str()).ok()) {
            if !schemas.contains(&schema) && self.whole(schema.as_str()) {
                schemas.push(schema);
            }
        }
        Self { schemas, tables: self.tables.clone() }
    }
}
