//! Rows to a Parquet file, row group by row group.
//!
//! Columns stand as the table has them. A value that the Parquet type can't hold is null there and stands, as the server
//! gave it, in a column `NAME__raw` behind all others; such columns are there only when they are needed.

use std::collections::BTreeSet;
use std::sync::Arc;

use parquet::basic::{Compression as Packing, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::data_type::{ByteArrayType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::field::Field;
use super::files::Writing;
use super::pack::Compression;
use super::parquet_type::{Typed, column, typed};
use crate::ports::server::Row;

/// The metadata that names the fields which have a column of raw values: their places from 0, with commas.
pub(crate) const RAW: &str = "driftless.raw";

/// A row group is written when its values take about so much memory, bytes.
const GROUP_BYTES: usize = 10 << 20;

/// Bytes that a value of bytes takes besides them.
const BYTES_COST: usize = 96;

/// Values of a column of one row group.
enum Store {
    Small(Vec<i32>),
    Big(Vec<i64>),
    Single(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

struct Leaf {
    store: Store,
    /// 1 where there is a value, 0 for NULL; `None` for a column without NULLs.
    levels: Option<Vec<i16>>,
}

impl Leaf {
    fn of(physical: Physical, required: bool) -> Self {
        let store = match physical {
            Physical::INT64 => Store::Big(Vec::new()),
            Physical::FLOAT => Store::Single(Vec::new()),
            Physical::DOUBLE => Store::Double(Vec::new()),
            Physical::BYTE_ARRAY => Store::Bytes(Vec::new()),
            Physical::FIXED_LEN_BYTE_ARRAY => Store::Fixed(Vec::new()),
            Physical::INT32 | Physical::BOOLEAN | Physical::INT96 => Store::Small(Vec::new()),
        };
        Self { store, levels: (!required).then(Vec::new) }
    }

    /// Adds a value; says about how much memory it takes.
    fn push(&mut self, value: Option<Typed>) -> usize {
        if let Some(levels) = &mut self.levels {
            levels.push(i16::from(value.is_some()));
        }
        match (&mut self.store, value) {
            (Store::Small(values), Some(Typed::Small(value))) => values.push(value),
            (Store::Big(values), Some(Typed::Big(value))) => values.push(value),
            (Store::Single(values), Some(Typed::Single(value))) => values.push(value),
            (Store::Double(values), Some(Typed::Double(value))) => values.push(value),
            (Store::Bytes(values), Some(Typed::Bytes(value))) => {
                let size = value.len() + BYTES_COST;
                values.push(ByteArray::from(value));
                return size;
            }
            (Store::Fixed(values), Some(Typed::Fixed(value))) => {
                let size = value.len() + BYTES_COST;
                values.push(FixedLenByteArray::from(value));
                return size;
            }
            // The store was chosen by the type, so nothing else comes.
            (_, _) => {}
        }
        10
    }

    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = self.levels.as_deref();
        match &mut self.store {
            Store::Small(values) => writer.typed::<Int32Type>().write_batch(values, levels, None)?,
            Store::Big(values) => writer.typed::<Int64Type>().write_batch(values, levels, None)?,
            Store::Single(values) => writer.typed::<FloatType>().write_batch(values, levels, None)?,
            Store::Double(values) => writer.typed::<DoubleType>().write_batch(values, levels, None)?,
            Store::Bytes(values) => writer.typed::<ByteArrayType>().write_batch(values, levels, None)?,
            Store::Fixed(values) => writer.typed::<FixedLenByteArrayType>().write_batch(values, levels, None)?,
        };
        Ok(())
    }

    fn clear(&mut self) {
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        match &mut self.store {
            Store::Small(values) => values.clear(),
            Store::Big(values) => values.clear(),
            Store::Single(values) => values.clear(),
            Store::Double(values) => values.clear(),
            Store::Bytes(values) => values.clear(),
            Store::Fixed(values) => values.clear(),
        }
    }
}

/// A Parquet file that is being written.
pub(crate) struct ParquetWriter<'a> {
    fields: &'a [Field],
    /// Fields with a column of raw values.
    raw: Vec<usize>,
    leaves: Vec<Leaf>,
    gathered: usize,
    /// Fields that would need a column of raw values and have none.
    odd: BTreeSet<usize>,
    out: SerializedFileWriter<Writing>,
}

impl<'a> ParquetWriter<'a> {
    /// Begins a file; `raw` are the fields with values that their type can't hold.
    pub(crate) fn new(
        out: Writing,
        table: &str,
        fields: &'a [Field],
        raw: Vec<usize>,
        compression: Compression,
    ) -> Result<Self, ParquetError> {
        let mut columns = Vec::new();
        let mut leaves = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            let required = !field.column.nullable && !raw.contains(&index);
            let column = column(field.column.name.as_str(), field, required)?;
            leaves.push(Leaf::of(column.get_physical_type(), required));
            columns.push(Arc::new(column));
        }
        for index in &raw {
            let name = raw_name(fields, *index);
            let builder = Type::primitive_type_builder(&name, Physical::BYTE_ARRAY);
            columns.push(Arc::new(builder.with_repetition(Repetition::OPTIONAL).build()?));
            leaves.push(Leaf::of(Physical::BYTE_ARRAY, false));
        }
        let schema = Type::group_type_builder(table).with_fields(columns).build()?;
        let places = raw.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let packing = match compression {
            Compression::None => Packing::UNCOMPRESSED,
            Compression::Gzip => Packing::GZIP(parquet::basic::GzipLevel::default()),
            Compression::Zstd => Packing::ZSTD(ZstdLevel::try_new(3)?),
        };
        let properties = WriterProperties::builder()
            .set_created_by(concat!("driftless version ", env!("CARGO_PKG_VERSION")).into())
            .set_compression(packing)
            .set_dictionary_page_size_limit(256 * 1024)
            .set_key_value_metadata(Some(vec![KeyValue::new(RAW.to_owned(), places)]))
            .build();
        let out = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        Ok(Self { fields, raw, leaves, gathered: 0, odd: BTreeSet::new(), out })
    }

    /// Adds rows.
    pub(crate) fn push(&mut self, rows: &[Row]) -> Result<(), ParquetError> {
        for row in rows {
            for (index, (field, value)) in self.fields.iter().zip(&row.0).enumerate() {
                let typed = value.as_deref().and_then(|value| typed(field, value));
                let odd = value.as_deref().filter(|_| typed.is_none());
                let place = self.raw.iter().position(|raw| *raw == index);
                match place.and_then(|place| self.leaves.get_mut(self.fields.len() + place)) {
                    Some(leaf) => self.gathered += leaf.push(odd.map(|value| Typed::Bytes(value.to_vec()))),
                    None => self.odd.extend(odd.map(|_| index)),
                }
                if let Some(leaf) = self.leaves.get_mut(index) {
                    self.gathered += leaf.push(typed);
                }
            }
            if self.gathered > GROUP_BYTES {
                if self.odd.is_empty() {
                    self.group()?;
                } else {
                    self.forget();
                }
            }
        }
        Ok(())
    }

    /// Nothing that comes now will be of use.
    fn forget(&mut self) {
        for leaf in &mut self.leaves {
            leaf.clear();
        }
        self.gathered = 0;
    }

    fn group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.out.next_row_group()?;
        for leaf in &mut self.leaves {
            if let Some(mut writer) = group.next_column()? {
                leaf.write(&mut writer)?;
                writer.close()?;
            }
            leaf.clear();
        }
        group.close()?;
        self.gathered = 0;
        Ok(())
    }

    /// Writes what is left and the footer. When values had no place, it says of which fields, and the file is of no use.
    pub(crate) fn close(mut self) -> Result<BTreeSet<usize>, ParquetError> {
        if self.gathered > 0 && self.odd.is_empty() {
            self.group()?;
        }
        self.out.close()?;
        Ok(self.odd)
    }
}

/// A name that no other column has.
fn raw_name(fields: &[Field], index: usize) -> String {
    let mut name = fields.get(index).map_or_else(String::new, |field| field.column.name.as_str().to_owned());
    name.push_str("__raw");
    while fields.iter().any(|field| field.column.name.as_str().eq_ignore_ascii_case(&name)) {
        name.push('_');
    }
    name
}
