//! The Parquet file from the batches that were gathered for it: written beside them, read back and compared before it
//! takes their place. Until then the rows are safe where they were gathered.

use std::collections::BTreeSet;
use std::sync::Arc;

use parquet::errors::ParquetError;
use sha2::{Digest as _, Sha256};

use super::error::ArchiveError;
use super::files::{Medium, Reading, Writing, read_range};
use super::manifest::{Batch, End, Entry};
use super::parquet_read::ParquetReader;
use super::parquet_write::ParquetWriter;
use super::rows::{self, digest, hex};
use super::scan::Scan;
use super::writer::Writer;
use crate::ports::server::Row;

/// Bytes that are read at a time for a digest.
const BLOCK: usize = 256 * 1024;

/// How often a file is begun anew because values need columns that it has not: once tells of all.
const TRIES: usize = 2;

impl Writer {
    /// Makes the Parquet file and says what it is.
    pub(super) fn convert(&self) -> Result<End, ArchiveError> {
        let made = self.make().inspect_err(|_| {
            // What is left when this fails too goes with the next run.
            drop(self.files.remove(&self.paths.made()));
        })?;
        let sha256 = whole_digest(&made).map_err(|error| self.failed("read", &error))?;
        let bytes = made.length().map_err(|error| self.failed("read", &error))?;
        Ok(End { batches: self.at.batches, rows: self.at.rows, bytes, sha256 })
    }

    fn make(&self) -> Result<Arc<dyn Medium>, ArchiveError> {
        let path = self.paths.made();
        let mut raw = BTreeSet::new();
        for _ in 0..TRIES {
            self.files.remove(&path).map_err(|error| ArchiveError::files("remove", &path, &error))?;
            let made = self.files.create(&path).map_err(|error| ArchiveError::files("make", &path, &error))?;
            let odd = self.fill(&made, raw.iter().copied().collect())?;
            if odd.is_empty() {
                made.sync().map_err(|error| ArchiveError::files("sync", &path, &error))?;
                let named = self.files.sync_dir(&self.paths.dir());
                named.map_err(|error| ArchiveError::files("make", &path, &error))?;
                self.compare(&made)?;
                return Ok(made);
            }
            raw.extend(odd);
        }
        Err(ArchiveError::damaged(&path, "values had no place in it"))
    }

    fn fill(&self, made: &Arc<dyn Medium>, raw: Vec<usize>) -> Result<BTreeSet<usize>, ArchiveError> {
        let failed = |error: ParquetError| {
            let text = error.to_string();
            if let ParquetError::External(inner) = error
                && let Ok(error) = inner.downcast::<std::io::Error>()
            {
                return self.failed("write", &error);
            }
            self.failed("write", &std::io::Error::other(text))
        };
        let (fields, table) = (&self.layout.fields, self.layout.table.table.as_str());
        let out = Writing::new(Arc::clone(made));
        let mut writer = ParquetWriter::new(out, table, fields, raw, self.layout.compression).map_err(failed)?;
        self.each_batch(|_, rows| writer.push(&rows).map_err(failed))?;
        writer.close().map_err(failed)
    }

    /// Reads the file back, batch by batch.
    fn compare(&self, made: &Arc<dyn Medium>) -> Result<(), ArchiveError> {
        let damaged = |why: String| ArchiveError::damaged(&self.paths.made(), why);
        let mut reader = ParquetReader::open(Arc::clone(made), self.layout.fields.clone()).map_err(damaged)?;
        self.each_batch(|batch, _| {
            let rows = reader.rows(usize::try_from(batch.rows).unwrap_or(usize::MAX)).map_err(damaged)?;
            if digest(&rows::encode(&self.layout.fields, &rows)?) == batch.rows_sha256 {
                return Ok(());
            }
            Err(damaged(format!("the rows of batch {} read otherwise than they were written", batch.number)))
        })?;
        let more = reader.rows(1).map_err(damaged)?;
        if more.is_empty() { Ok(()) } else { Err(damaged("it has too many rows".into())) }
    }

    /// The batches that were gathered, one after the other.
    fn each_batch(
        &self,
        mut act: impl FnMut(&Batch, Vec<Row>) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let path = self.paths.manifest();
        let mut scan = Scan::new(&path, &self.log);
        while scan.length < self.at.log {
            let Some(entry) = scan.next()? else { return Err(ArchiveError::damaged(&path, scan.broken_line())) };
            let Entry::Batch(batch) = entry else { continue };
            let rows = self.gathered(&batch)?;
            act(&batch, rows)?;
        }
        Ok(())
    }

    fn gathered(&self, batch: &Batch) -> Result<Vec<Row>, ArchiveError> {
        let part = self.paths.part();
        let frame = read_range(self.data.as_ref(), batch.from, batch.to);
        let frame = frame.map_err(|error| ArchiveError::files("read", &part, &error))?;
        if digest(&frame) != batch.sha256 {
            return Err(ArchiveError::damaged(&part, format!("batch {} was changed", batch.number)));
        }
        let plain = self.layout.packing().unpack(frame).map_err(|error| ArchiveError::files("read", &part, &error))?;
        self.layout.decode(&plain).map_err(|why| ArchiveError::damaged(&part, why))
    }
}

/// SHA-256 of a whole file.
pub(super) fn whole_digest(medium: &Arc<dyn Medium>) -> std::io::Result<String> {
    let mut reading = Reading::new(Arc::clone(medium), 0);
    let mut sha = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        match std::io::Read::read(&mut reading, &mut block)? {
            0 => return Ok(hex(&sha.finalize())),
            read => sha.update(block.get(..read).unwrap_or_default()),
        }
    }
}
