//! A Parquet file back to rows, as the server gave them.

use std::io::BufReader;
use std::sync::Arc;

use bytes::Bytes;
use parquet::column::reader::ColumnReader;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader as _, Length};
use parquet::file::serialized_reader::SerializedFileReader;

use super::field::Field;
use super::files::{Medium, Reading, read_range};
use super::parquet_type::{Typed, plain};
use super::parquet_write::RAW;
use crate::ports::server::Row;

/// A file as the Parquet reader wants it.
struct Source {
    medium: Arc<dyn Medium>,
    length: u64,
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Source {
    type T = BufReader<Reading>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(Reading::new(Arc::clone(&self.medium), start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = u64::try_from(length).ok().and_then(|length| start.checked_add(length));
        let end =
            end.filter(|end| *end <= self.length).ok_or_else(|| ParquetError::EOF("the file is too short".into()))?;
        Ok(read_range(self.medium.as_ref(), start, end)?.into())
    }
}

/// Reads a file from its first row on.
pub(crate) struct ParquetReader {
    file: SerializedFileReader<Source>,
    fields: Vec<Field>,
    raw: Vec<usize>,
    /// The next row group.
    group: usize,
    columns: Vec<ColumnReader>,
    /// Rows of the open row group that were not read yet.
    left: usize,
}

impl ParquetReader {
    /// Opens a file; the fields are those of its manifest.
    pub(crate) fn open(medium: Arc<dyn Medium>, fields: Vec<Field>) -> Result<Self, String> {
        let length = medium.length().map_err(|error| error.to_string())?;
        let file = SerializedFileReader::new(Source { medium, length }).map_err(|error| error.to_string())?;
        let metadata = file.metadata().file_metadata();
        let pairs = metadata.key_value_metadata().into_iter().flatten();
        let raw = pairs.filter(|pair| pair.key == RAW).find_map(|pair| pair.value.clone()).unwrap_or_default();
        let places = raw.split(',').filter(|place| !place.is_empty()).map(str::parse);
        let raw: Vec<usize> = places.collect::<Result<_, _>>().map_err(|_| "its metadata can't be read")?;
        let expected = fields.len() + raw.len();
        if metadata.schema_descr().num_columns() != expected || raw.iter().any(|place| *place >= fields.len()) {
            return Err("it has other columns than its manifest".into());
        }
        Ok(Self { file, fields, raw, group: 0, columns: Vec::new(), left: 0 })
    }

    /// The next rows, at most `most`; none at the end.
    pub(crate) fn rows(&mut self, most: usize) -> Result<Vec<Row>, String> {
        let mut rows = Vec::new();
        while rows.len() < most {
            if self.left == 0 && !self.open_group().map_err(|error| error.to_string())? {
                break;
            }
            let count = self.left.min(most - rows.len());
            rows.extend(self.read(count)?);
            self.left -= count;
        }
        Ok(rows)
    }

    fn open_group(&mut self) -> Result<bool, ParquetError> {
        if self.group >= self.file.num_row_groups() {
            return Ok(false);
        }
        let group = self.file.get_row_group(self.group)?;
        let columns = 0..self.fields.len() + self.raw.len();
        self.columns = columns.map(|index| group.get_column_reader(index)).collect::<Result<_, _>>()?;
        self.left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        self.group += 1;
        Ok(true)
    }

    fn read(&mut self, count: usize) -> Result<Vec<Row>, String> {
        let width = self.fields.len();
        let mut rows = vec![Row(Vec::with_capacity(width)); count];
        let (own, raw) = self.columns.split_at_mut(width);
        for (field, column) in self.fields.iter().zip(own) {
            let values = values(column, count).map_err(|error| error.to_string())?;
            for (row, value) in rows.iter_mut().zip(values) {
                let odd = || format!("a value of {} is none of {}", field.column.name, field.column.column_type);
                row.0.push(value.map(|value| plain(field, &value).ok_or_else(odd)).transpose()?);
            }
        }
        for (place, column) in self.raw.iter().zip(raw) {
            let values = values(column, count).map_err(|error| error.to_string())?;
            for (row, value) in rows.iter_mut().zip(values) {
                if let (Some(slot), Some(Typed::Bytes(value))) = (row.0.get_mut(*place), value) {
                    *slot = Some(value);
                }
            }
        }
        Ok(rows)
    }
}

/// The next values of a column.
fn values(column: &mut ColumnReader, count: usize) -> Result<Vec<Option<Typed>>, ParquetError> {
    let mut levels = Vec::new();
    macro_rules! read {
        ($reader:expr, $typed:expr) => {{
            let mut values = Vec::new();
            let (read, _, _) = $reader.read_records(count, Some(&mut levels), None, &mut values)?;
            if read != count {
                return Err(ParquetError::EOF("a column has too few values".into()));
            }
            let mut values = values.into_iter().map($typed);
            // A column without NULLs has no levels.
            if !levels.is_empty() {
                Ok(levels.iter().map(|level| if *level == 0 { None } else { values.next() }).collect())
            } else {
                Ok(values.map(Some).collect())
            }
        }};
    }
    match column {
        ColumnReader::Int32ColumnReader(reader) => read!(reader, Typed::Small),
        ColumnReader::Int64ColumnReader(reader) => read!(reader, Typed::Big),
        ColumnReader::FloatColumnReader(reader) => read!(reader, Typed::Single),
        ColumnReader::DoubleColumnReader(reader) => read!(reader, Typed::Double),
        ColumnReader::ByteArrayColumnReader(reader) => read!(reader, |value| Typed::Bytes(value.data().to_vec())),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            read!(reader, |value| Typed::Fixed(value.data().to_vec()))
        }
        ColumnReader::BoolColumnReader(_) | ColumnReader::Int96ColumnReader(_) => {
            Err(ParquetError::NYI("a column of a type that driftless never writes".into()))
        }
    }
}
