//! The formats, and what a file of one is made of.

use std::borrow::Cow;

use driftless_strategies::{Column, Ident, TableName};
use serde::{Deserialize, Serialize};

use super::error::ArchiveError;
use super::field::{Field, fields};
use super::pack::Compression;
use super::{csv, dump, ndjson, rows};
use crate::ports::server::Row;

/// What a file holds rows as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// INSERT statements.
    Sql,
    /// Parquet.
    Parquet,
}

impl Format {
    /// Format and compression that a file's name stands for: `.csv`, `.ndjson`, `.jsonl`, `.sql`, each perhaps with `.gz`
    /// or `.zst` behind; `.parquet`, which is compressed within.
    #[must_use]
    pub fn of_name(name: &str) -> Option<(Self, Compression)> {
        let lower = name.to_ascii_lowercase();
        if lower.ends_with(".parquet") {
            return Some((Self::Parquet, Compression::Zstd));
        }
        let packed = [(".gz", Compression::Gzip), (".zst", Compression::Zstd)];
        let (inner, compression) = packed
            .iter()
            .find_map(|(end, compression)| Some((lower.strip_suffix(end)?, *compression)))
            .unwrap_or((&lower, Compression::None));
        let formats = [(".csv", Self::Csv), (".ndjson", Self::Ndjson), (".jsonl", Self::Ndjson), (".sql", Self::Sql)];
        let (_, format) = formats.iter().find(|(end, _)| inner.ends_with(end))?;
        Some((*format, compression))
    }
}

/// What every batch of a file has in common.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The table that the rows are of.
    pub table: TableName,
    /// How rows stand in the file.
    pub format: Format,
    /// How it is compressed.
    pub compression: Compression,
    /// Key columns, for the manifest.
    pub key: Vec<Ident>,
    /// Columns in the file.
    pub fields: Vec<Field>,
    /// Their places in a row as it is taken; `None` when the file has them all.
    picked: Option<Vec<usize>>,
}

impl Layout {
    /// The layout of a file for rows of `columns`. A dump leaves generated columns out, because they can't be inserted.
    ///
    /// # Errors
    /// `Type` for a column that can't be kept exactly.
    pub fn new(
        table: TableName,
        columns: &[Column],
        key: Vec<Ident>,
        format: Format,
        compression: Compression,
    ) -> Result<Self, ArchiveError> {
        let kept = |(_, column): &(usize, &Column)| format != Format::Sql || column.generated.is_none();
        let picked: Vec<usize> = columns.iter().enumerate().filter(kept).map(|(index, _)| index).collect();
        let own: Vec<Column> = picked.iter().filter_map(|index| columns.get(*index).cloned()).collect();
        let picked = (picked.len() != columns.len()).then_some(picked);
        Ok(Self { table, format, compression, key, fields: fields(&own)?, picked })
    }

    /// The rows' values that the file has.
    pub(crate) fn pick<'a>(&self, rows: &'a [Row]) -> Cow<'a, [Row]> {
        let Some(picked) = &self.picked else { return Cow::Borrowed(rows) };
        let one = |row: &Row| Row(picked.iter().filter_map(|index| row.0.get(*index).cloned()).collect());
        Cow::Owned(rows.iter().map(one).collect())
    }

    /// What stands before the first batch.
    pub(crate) fn head(&self) -> Vec<u8> {
        match self.format {
            Format::Csv => csv::head(&self.fields),
            Format::Sql => dump::head(&self.table),
            Format::Ndjson | Format::Parquet => Vec::new(),
        }
    }

    /// What stands after the last batch.
    pub(crate) fn foot(&self) -> Vec<u8> {
        match self.format {
            Format::Sql => dump::foot(),
            Format::Csv | Format::Ndjson | Format::Parquet => Vec::new(),
        }
    }

    /// How batches are packed: those that become a Parquet file are gathered in zstd.
    pub(crate) const fn packing(&self) -> Compression {
        match self.format {
            Format::Parquet => Compression::Zstd,
            Format::Csv | Format::Ndjson | Format::Sql => self.compression,
        }
    }

    /// A batch, not packed yet; `plain` are its rows in `rows`' form. A Parquet file is gathered in that form.
    pub(crate) fn encode(&self, rows: &[Row], plain: Vec<u8>) -> Result<Vec<u8>, ArchiveError> {
        match self.format {
            Format::Csv => csv::encode(&self.fields, rows),
            Format::Ndjson => ndjson::encode(&self.fields, rows),
            Format::Sql => dump::encode(&self.table, &self.fields, rows),
            Format::Parquet => Ok(plain),
        }
    }

    /// The rows of a batch; in words why not.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Vec<Row>, String> {
        match self.format {
            Format::Csv => csv::decode(&self.fields, bytes),
            Format::Ndjson => ndjson::decode(&self.fields, bytes),
            Format::Sql => dump::decode(&self.table, &self.fields, bytes),
            Format::Parquet => rows::decode(&self.fields, bytes),
        }
    }

    /// A row's key, for the manifest and for people: text as it is where it is text, else hex.
    pub(crate) fn key_of(&self, row: &Row) -> Vec<Option<String>> {
        let value = |name: &Ident| {
            let place = self.fields.iter().position(|field| field.column.name.same(name))?;
            let (field, bytes) = (self.fields.get(place)?, row.bytes(place)?);
            let cell = field.cell(Some(bytes)).ok()?;
            Some(match cell {
                super::field::Cell::Null => return None,
                super::field::Cell::Number(text) | super::field::Cell::Text(text) => text.into_owned(),
                super::field::Cell::Plain(text) => text.to_owned(),
                super::field::Cell::Bytes(bytes) => format!("0x{}", rows::hex(bytes)),
            })
        };
        self.key.iter().map(value).collect()
    }
}
