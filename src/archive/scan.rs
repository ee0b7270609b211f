//! A manifest from its first line to where it ends or breaks, each entry handed on as it comes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use super::error::ArchiveError;
use super::files::{Medium, Reading};
use super::manifest::{Chain, Entry, Head, VERSION};

/// Longest line that is read, bytes: a head with thousands of columns is shorter.
const LONGEST_LINE: u64 = 64 << 20;

/// Entries of a manifest.
pub(crate) struct Scan {
    path: std::path::PathBuf,
    reader: BufReader<Reading>,
    /// The check so far.
    pub(crate) chain: Chain,
    /// Bytes of the lines that were read.
    pub(crate) length: u64,
    /// Lines that were read.
    lines: u64,
    /// What does not follow from the lines before.
    rest: Option<Vec<u8>>,
}

impl Scan {
    pub(crate) fn new(path: &Path, medium: &Arc<dyn Medium>) -> Self {
        let reader = BufReader::new(Reading::new(Arc::clone(medium), 0));
        Self { path: path.to_owned(), reader, chain: Chain::default(), length: 0, lines: 0, rest: None }
    }

    /// The next entry; `None` where the manifest ends, or where what stands there does not follow.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        if self.rest.is_some() {
            return Ok(None);
        }
        let mut line = Vec::new();
        let mut limited = std::io::Read::take(&mut self.reader, LONGEST_LINE);
        let read = limited.read_until(b'\n', &mut line);
        let read = read.map_err(|error| ArchiveError::files("read", &self.path, &error))?;
        let entry = line.strip_suffix(b"\n").and_then(|text| self.chain.entry(text));
        match &entry {
            Some(_) => {
                self.length += u64::try_from(read).unwrap_or(0);
                self.lines += 1;
            }
            None => self.rest = Some(line),
        }
        Ok(entry)
    }

    /// The first entry, which must be a head of a version that is known; `None` when there is no whole line.
    pub(crate) fn head(&mut self) -> Result<Option<Head>, ArchiveError> {
        match self.next()? {
            Some(Entry::Head(head)) if head.version <= VERSION => Ok(Some(*head)),
            Some(Entry::Head(head)) => {
                let why = format!("it is of version {}, this driftless knows {VERSION}; use a newer one", head.version);
                Err(ArchiveError::damaged(&self.path, why))
            }
            Some(Entry::Batch(_) | Entry::Deleted { .. } | Entry::End(_)) => {
                Err(ArchiveError::damaged(&self.path, "it does not begin with its head"))
            }
            None => Ok(None),
        }
    }

    /// All that does not follow from the lines before; empty when the manifest just ends.
    pub(crate) fn rest(&mut self) -> Result<Vec<u8>, ArchiveError> {
        let mut rest = self.rest.take().unwrap_or_default();
        let read = std::io::Read::read_to_end(&mut self.reader, &mut rest);
        read.map_err(|error| ArchiveError::files("read", &self.path, &error))?;
        Ok(rest)
    }

    /// Where it breaks, in words.
    pub(crate) fn broken_line(&self) -> String {
        format!("line {} of the manifest was changed, or is not whole", self.lines + 1)
    }
}
