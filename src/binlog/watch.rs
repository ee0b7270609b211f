//! The table that is watched, as far as reading its rows depends on it.

use driftless_strategies::column_type::ColumnType;
use driftless_strategies::plan::{CopySpec, KeyColumn};
use driftless_strategies::{Column, TableShape};

use super::error::DecodeError;
use super::key::KeyForm;
use super::layout::{Layout, Wire};
use super::value::Nature;

/// Bytes of a UUID or an INET6 address.
const WIDE: usize = 16;

/// One table: its name, what its columns are, and the columns of its chunk key.
#[derive(Clone, Debug)]
pub struct Watch {
    pub(super) schema: String,
    pub(super) table: String,
    /// Whether the server takes names that differ in case for one (`lower_case_table_names`).
    pub(super) fold: bool,
    pub(super) columns: Vec<Watched>,
    /// For each column its place in the key.
    pub(super) places: Vec<Option<usize>>,
    pub(super) forms: Vec<KeyForm>,
}

/// One column.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) name: String,
    pub(super) kind: ColumnType,
    pub(super) nature: Nature,
}

impl Watch {
    /// The source of `spec`, which has that shape. `fold` is whether its server folds the case of names.
    ///
    /// # Errors
    /// `Shape` when the key's columns are not in the table, or have types that no key can have.
    pub fn new(spec: &CopySpec, source: &TableShape, fold: bool) -> Result<Self, DecodeError> {
        let columns: Vec<Watched> = source.columns.iter().map(Watched::new).collect();
        let mut places = vec![None; columns.len()];
        let mut forms = Vec::new();
        for (place, key) in spec.key.columns.iter().enumerate() {
            let index = source.columns.iter().position(|column| column.name.same(&key.source));
            let slot = index.and_then(|index| places.get_mut(index)).ok_or_else(|| missing(key))?;
            *slot = Some(place);
            let column = source.column(&key.source).ok_or_else(|| missing(key))?;
            forms.push(KeyForm::of(column, &key.literal).ok_or_else(|| {
                DecodeError::Shape(format!("{} `{}` can't be a key that is followed", column.column_type, column.name))
            })?);
        }
        let (schema, table) = (spec.source.schema.as_str().to_owned(), spec.source.table.as_str().to_owned());
        Ok(Self { schema, table, fold, columns, places, forms })
    }

    /// Whether a TABLE_MAP names it.
    pub(super) fn is(&self, schema: &[u8], table: &[u8]) -> bool {
        let same = |one: &str, other: &[u8]| {
            one.as_bytes() == other
                || self.fold && std::str::from_utf8(other).is_ok_and(|other| one.to_lowercase() == other.to_lowercase())
        };
        same(&self.table, table) && same(&self.schema, schema)
    }

    /// Checks that rows lie as the table's shape says.
    pub(super) fn check(&self, layout: &Layout) -> Result<(), DecodeError> {
        if layout.width() != self.columns.len() {
            let (had, has) = (self.columns.len(), layout.width());
            return Err(DecodeError::Shape(format!("it had {had} columns, and its rows have {has}")));
        }
        let wrong = self.columns.iter().zip(&layout.wires).find(|(column, wire)| !fits(&column.kind, **wire));
        match wrong {
            None => Ok(()),
            Some((column, wire)) => Err(DecodeError::Shape(format!(
                "`{}` was {:?}, and its values come as {wire:?}",
                column.name, column.kind
            ))),
        }
    }
}

impl Watched {
    fn new(column: &Column) -> Self {
        let kind = ColumnType::of(column);
        let padded = if let ColumnType::Binary { bytes } = &kind {
            usize::try_from(*bytes).ok()
        } else if matches!(kind, ColumnType::Uuid | ColumnType::Inet6) {
            Some(WIDE)
        } else {
            matches!(kind, ColumnType::Inet4).then_some(4)
        };
        Self { name: column.name.as_str().to_owned(), kind, nature: Nature { unsigned: column.unsigned(), padded } }
    }
}

fn missing(key: &KeyColumn) -> DecodeError {
    DecodeError::Shape(format!("the key's column `{}` is not in the table", key.source))
}

/// Whether values of a type may come so.
fn fits(kind: &ColumnType, wire: Wire) -> bool {
    match kind {
        ColumnType::Integer { bits, .. } => matches!(wire, Wire::Int { bytes } if u32::from(bytes) * 8 == *bits),
        ColumnType::Decimal { places, .. } => {
            matches!(wire, Wire::Decimal { digits, scale }
                if u32::from(digits) == places.digits && u32::from(scale) == places.scale)
        }
        ColumnType::Float { .. } => wire == Wire::Float,
        ColumnType::Double { .. } => wire == Wire::Double,
        ColumnType::Bit { bits } => matches!(wire, Wire::Bit { bits: own } if u32::from(own) == *bits),
        ColumnType::Year => wire == Wire::Year,
        ColumnType::Date => wire == Wire::Date,
        ColumnType::DateTime { fraction } => {
            matches!(wire, Wire::DateTime { fraction: own } if u32::from(own) == *fraction)
                || (wire == Wire::OldDateTime && *fraction == 0)
        }
        ColumnType::Timestamp { fraction } => {
            matches!(wire, Wire::Timestamp { fraction: own } if u32::from(own) == *fraction)
                || (wire == Wire::OldTimestamp && *fraction == 0)
        }
        ColumnType::Time { fraction } => {
            matches!(wire, Wire::Time { fraction: own } if u32::from(own) == *fraction)
                || (wire == Wire::OldTime && *fraction == 0)
        }
        ColumnType::Char { .. } | ColumnType::Binary { .. } => matches!(wire, Wire::Text { .. }),
        ColumnType::VarChar { .. } | ColumnType::VarBinary { .. } => {
            matches!(wire, Wire::Text { .. } | Wire::CompressedText { .. })
        }
        ColumnType::Text { .. } | ColumnType::Blob { .. } => {
            matches!(wire, Wire::Blob { .. } | Wire::CompressedBlob { .. })
        }
        ColumnType::Enum { .. } => matches!(wire, Wire::Enum { .. }),
        ColumnType::Set { .. } => matches!(wire, Wire::Set { .. }),
        ColumnType::Json => matches!(wire, Wire::Json { .. } | Wire::Blob { .. }),
        ColumnType::Uuid | ColumnType::Inet4 | ColumnType::Inet6 => matches!(wire, Wire::Text { .. }),
        ColumnType::Geometry { .. } => matches!(wire, Wire::Geometry { .. }),
        // Not known, never a key, and passed over by its length.
        ColumnType::Other { .. } => true,
    }
}
