//! A file read back, batch by batch, each compared with what its manifest says.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::convert::whole_digest;
use super::error::ArchiveError;
use super::files::{Files, Medium, read_range};
use super::format::{Format, Layout};
use super::manifest::{Batch, End, Entry, Head, Paths};
use super::parquet_read::ParquetReader;
use super::rows::{self, digest, hex};
use super::scan::Scan;
use crate::ports::server::Row;

/// What stands behind the last batch is shorter, bytes.
const FOOT: u64 = 64 * 1024;

/// What is proven of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The first line of its manifest.
    pub head: Head,
    /// Batches.
    pub batches: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// Rows whose delete from the source is noted.
    pub deleted: u64,
}

/// Reads a complete file.
pub(crate) struct Reader {
    paths: Paths,
    layout: Layout,
    proof: Proof,
    end: End,
    scan: Scan,
    file: Arc<dyn Medium>,
    parquet: Option<ParquetReader>,
    at: u64,
    sha: Sha256,
    rows: u64,
}

/// Reads a whole file and proves it.
///
/// # Errors
/// `Damaged` when it is not what its manifest says, or not complete; `Files` when it can't be read.
pub fn verify(files: &dyn Files, path: &Path) -> Result<Proof, ArchiveError> {
    let mut reader = Reader::open(files, path)?;
    while reader.next()?.is_some() {}
    Ok(reader.proof)
}

impl Reader {
    /// Opens a file and reads its manifest to the end. Nothing of the file itself is proven yet, but that a Parquet file has
    /// its digest.
    pub(crate) fn open(files: &dyn Files, path: &Path) -> Result<Self, ArchiveError> {
        let paths = Paths::of(path);
        let there = |path: &Path| files.exists(path).map_err(|error| ArchiveError::files("look at", path, &error));
        if there(&paths.part())? || there(&paths.made())? {
            let why = "it is not complete: its run still goes, or ended half-way; the next run completes it";
            return Err(ArchiveError::damaged(path, why));
        }
        let file = files.open(path, false).map_err(|error| unread(path, &error))?;
        let log = match files.open(&paths.manifest(), false) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let why = format!("its manifest {} is not there", paths.manifest().display());
                return Err(ArchiveError::damaged(path, why));
            }
            opened => opened.map_err(|error| ArchiveError::files("read", &paths.manifest(), &error))?,
        };
        let (head, end, deleted) = survey(&paths, &log)?;
        let length = file.length().map_err(|error| ArchiveError::files("read", path, &error))?;
        if length != end.bytes {
            return Err(ArchiveError::damaged(path, format!("it has {length} bytes, its manifest says {}", end.bytes)));
        }
        let layout = Layout::new(head.table.clone(), &head.columns, head.key.clone(), head.format, head.compression)?;
        let mut scan = Scan::new(&paths.manifest(), &log);
        scan.head()?;
        let proof = Proof { batches: end.batches, rows: end.rows, bytes: end.bytes, deleted, head };
        let mut reader =
            Self { paths, layout, proof, end, scan, file, parquet: None, at: 0, sha: Sha256::new(), rows: 0 };
        reader.begin()?;
        Ok(reader)
    }

    fn begin(&mut self) -> Result<(), ArchiveError> {
        if self.layout.format == Format::Parquet {
            let sha256 = whole_digest(&self.file).map_err(|error| self.failed(&error))?;
            if sha256 != self.end.sha256 {
                return Err(self.damaged("its digest is not the one in its manifest"));
            }
            let opened = ParquetReader::open(Arc::clone(&self.file), self.layout.fields.clone());
            self.parquet = Some(opened.map_err(|why| self.damaged(why))?);
            return Ok(());
        }
        let (bytes, sha256) = (self.proof.head.bytes, self.proof.head.sha256.clone());
        self.bytes(bytes, &sha256, "its beginning")?;
        Ok(())
    }

    /// The table's columns as they were.
    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The next batch, proven; `None` at the end, when the whole file is.
    pub(crate) fn next(&mut self) -> Result<Option<(Batch, Vec<Row>)>, ArchiveError> {
        loop {
            match self.scan.next()? {
                Some(Entry::Batch(batch)) => {
                    let rows = self.batch(&batch)?;
                    return Ok(Some((batch, rows)));
                }
                Some(Entry::Deleted { .. }) => {}
                Some(Entry::End(_)) => return self.ended().map(|()| None),
                // The survey saw the end, so the manifest was changed since.
                Some(Entry::Head(_)) | None => return Err(self.damaged(self.scan.broken_line())),
            }
        }
    }

    fn batch(&mut self, batch: &Batch) -> Result<Vec<Row>, ArchiveError> {
        let name = format!("batch {}", batch.number);
        let rows = if let Some(parquet) = &mut self.parquet {
            let read = parquet.rows(usize::try_from(batch.rows).unwrap_or(usize::MAX));
            read.map_err(|why| ArchiveError::damaged(&self.paths.file, format!("{name}: {why}")))?
        } else {
            if batch.from != self.at {
                return Err(self.damaged(format!("{name} does not begin where the one before ends")));
            }
            let frame = self.bytes(batch.to, &batch.sha256, &name)?;
            let plain = self.layout.packing().unpack(frame).map_err(|error| self.failed(&error))?;
            self.layout.decode(&plain).map_err(|why| self.damaged(format!("{name}: {why}")))?
        };
        if u64::try_from(rows.len()).ok() != Some(batch.rows) {
            return Err(self.damaged(format!("{name} has {} rows, the manifest says {}", rows.len(), batch.rows)));
        }
        if digest(&rows::encode(&self.layout.fields, &rows)?) != batch.rows_sha256 {
            return Err(self.damaged(format!("the rows of {name} are not those that were written")));
        }
        let key = |row: Option<&Row>| row.map(|row| self.layout.key_of(row)).unwrap_or_default();
        if key(rows.first()) != batch.first || key(rows.last()) != batch.last {
            return Err(self.damaged(format!("the keys of {name} are not those in the manifest")));
        }
        self.rows += batch.rows;
        Ok(rows)
    }

    /// The bytes up to a place, which must have that digest.
    fn bytes(&mut self, to: u64, sha256: &str, what: &str) -> Result<Vec<u8>, ArchiveError> {
        let bytes = match read_range(self.file.as_ref(), self.at, to) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(self.damaged(format!("it ends within {what}")));
            }
            read => read.map_err(|error| self.failed(&error))?,
        };
        if digest(&bytes) != sha256 {
            return Err(self.damaged(format!("{what} was changed")));
        }
        self.sha.update(&bytes);
        self.at = to;
        Ok(bytes)
    }

    fn ended(&mut self) -> Result<(), ArchiveError> {
        if self.rows != self.end.rows {
            return Err(self.damaged(format!("its batches have {} rows, its end says {}", self.rows, self.end.rows)));
        }
        if let Some(parquet) = &mut self.parquet {
            let more = parquet.rows(1).map_err(|why| ArchiveError::damaged(&self.paths.file, why))?;
            return if more.is_empty() { Ok(()) } else { Err(self.damaged("it has more rows than its manifest")) };
        }
        if self.end.bytes.checked_sub(self.at).is_none_or(|foot| foot > FOOT) {
            return Err(self.damaged("there is more behind its last batch than belongs there"));
        }
        let foot = read_range(self.file.as_ref(), self.at, self.end.bytes).map_err(|error| self.failed(&error))?;
        self.sha.update(&foot);
        if hex(&self.sha.clone().finalize()) == self.end.sha256 {
            return Ok(());
        }
        Err(self.damaged("its end was changed"))
    }

    fn damaged(&self, why: impl Into<String>) -> ArchiveError {
        ArchiveError::damaged(&self.paths.file, why)
    }

    fn failed(&self, error: &std::io::Error) -> ArchiveError {
        ArchiveError::files("read", &self.paths.file, error)
    }
}

fn unread(path: &Path, error: &std::io::Error) -> ArchiveError {
    ArchiveError::Files {
        what: "read",
        path: path.to_owned(),
        why: error.to_string(),
        remedy: "name a file of driftless archive",
    }
}

/// The manifest from its first line to its last: head, end, rows whose delete is noted.
fn survey(paths: &Paths, log: &Arc<dyn Medium>) -> Result<(Head, End, u64), ArchiveError> {
    let damaged = |why: String| ArchiveError::damaged(&paths.file, why);
    let mut scan = Scan::new(&paths.manifest(), log);
    let Some(head) = scan.head()? else { return Err(damaged(scan.broken_line())) };
    let (mut batches, mut rows, mut deleted) = (0_u64, 0_u64, 0_u64);
    // Rows of batches whose delete is not noted yet; in order, a handful.
    let mut open = std::collections::BTreeMap::new();
    let mut end = None;
    while let Some(entry) = scan.next()? {
        if end.is_some() {
            return Err(damaged("its manifest goes on behind its end".into()));
        }
        match entry {
            Entry::Batch(batch) => {
                batches += 1;
                rows += batch.rows;
                open.insert(batch.number, batch.rows);
            }
            Entry::Deleted { number } => deleted += open.remove(&number).unwrap_or(0),
            Entry::End(found) => end = Some(found),
            Entry::Head(_) => return Err(damaged("its manifest has two heads".into())),
        }
    }
    let broken = scan.broken_line();
    if !scan.rest()?.is_empty() {
        return Err(damaged(broken));
    }
    match end {
        Some(end) if (end.batches, end.rows) == (batches, rows) => Ok((head, end, deleted)),
        Some(_) => Err(damaged("its manifest's end does not count what stands before it".into())),
        None => Err(damaged("its manifest has no end: it was cut, or the file is not complete".into())),
    }
}
