//! The manifest beside a file: what stands in it, line by line, each line bound to all before it.
//!
//! A line is a JSON object that ends in `,"check":"…"}`: the beginning of the SHA-256 of the check before (none at first)
//! and of the object without its own. So no line can change, go or come in between unseen; the last says that all is there.

use std::path::{Path, PathBuf};

use driftless_strategies::{Column, Ident, TableName};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::format::Format;
use super::pack::Compression;
use super::rows::hex;

/// The version of manifest and formats; a reader refuses a newer one.
pub const VERSION: u32 = 1;

/// Bytes of a check that are kept.
const CHECK_BYTES: usize = 16;

const CHECK: &str = ",\"check\":\"";

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// `VERSION`.
    pub version: u32,
    /// The table that the rows are of.
    pub table: TableName,
    /// How rows stand in the file.
    pub format: Format,
    /// How it is compressed.
    pub compression: Compression,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The columns of the key that batches name their first and last row by.
    pub key: Vec<Ident>,
    /// When it was begun, UTC.
    pub begun: String,
    /// The id of the run that began it, under which the source's journal knows its batches.
    pub run: String,
    /// Bytes before the first batch.
    pub bytes: u64,
    /// SHA-256 of these.
    pub sha256: String,
}

/// A batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its number; they grow.
    pub number: u64,
    /// Its rows.
    pub rows: u64,
    /// Where it begins, bytes. In a Parquet file batches have no places; there it is where it was gathered.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
    /// SHA-256 of these bytes.
    pub sha256: String,
    /// SHA-256 of the rows in the form that is the same in every format.
    pub rows_sha256: String,
    /// The first row's key.
    pub first: Vec<Option<String>>,
    /// The last row's key.
    pub last: Vec<Option<String>>,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Batches.
    pub batches: u64,
    /// Rows.
    pub rows: u64,
    /// The file's bytes.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "lowercase")]
pub enum Entry {
    /// The first.
    Head(Box<Head>),
    /// A batch is in the file.
    Batch(Batch),
    /// The delete of a batch's rows is committed.
    Deleted {
        /// Which.
        number: u64,
    },
    /// All is there.
    End(End),
}

/// The check of the last line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain(String);

impl Chain {
    fn check(&self, object: &str) -> String {
        let digest = Sha256::new().chain_update(&self.0).chain_update(object).finalize();
        hex(digest.get(..CHECK_BYTES).unwrap_or_default())
    }

    /// The line of an entry, with its end.
    pub(crate) fn line(&mut self, entry: &Entry) -> serde_json::Result<Vec<u8>> {
        let object = serde_json::to_string(entry)?;
        let check = self.check(&object);
        let open = object.strip_suffix('}').unwrap_or(&object);
        let line = format!("{open}{CHECK}{check}\"}}\n");
        self.0 = check;
        Ok(line.into_bytes())
    }

    /// The entry of a line without its end; `None` when it is not what was written after the lines before.
    pub(crate) fn entry(&mut self, line: &[u8]) -> Option<Entry> {
        let text = std::str::from_utf8(line).ok()?;
        let (open, check) = text.strip_suffix("\"}")?.rsplit_once(CHECK)?;
        let object = format!("{open}}}");
        if check != self.check(&object) {
            return None;
        }
        let entry = serde_json::from_str(&object).ok()?;
        check.clone_into(&mut self.0);
        Some(entry)
    }
}

/// The names that belong to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paths {
    /// The file, when it is complete.
    pub(crate) file: PathBuf,
}

impl Paths {
    pub(crate) fn of(file: &Path) -> Self {
        Self { file: file.to_owned() }
    }

    /// The file whose manifest that is.
    pub(crate) fn of_manifest(manifest: &Path) -> Option<Self> {
        let name = manifest.file_name()?.to_str()?.strip_suffix(MANIFEST_END)?;
        (!name.is_empty()).then(|| Self { file: manifest.with_file_name(name) })
    }

    /// The manifest.
    pub(crate) fn manifest(&self) -> PathBuf {
        self.with(MANIFEST_END)
    }

    /// The batches, until the file is complete.
    pub(crate) fn part(&self) -> PathBuf {
        self.with(".part")
    }

    /// The Parquet file that is made of them.
    pub(crate) fn made(&self) -> PathBuf {
        self.with(".made")
    }

    /// The directory.
    pub(crate) fn dir(&self) -> PathBuf {
        match self.file.parent() {
            Some(dir) if dir != Path::new("") => dir.to_owned(),
            Some(_) | None => PathBuf::from("."),
        }
    }

    fn with(&self, end: &str) -> PathBuf {
        let mut name = self.file.clone().into_os_string();
        name.push(end);
        name.into()
    }
}

const MANIFEST_END: &str = ".manifest";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bound_to_those_before() {
        let entries = [1, 2, 3].map(|number| Entry::Deleted { number });
        let mut chain = Chain::default();
        let lines: Vec<Vec<u8>> = entries.iter().map(|entry| chain.line(entry).unwrap()).collect();
        assert!(
            lines[0].starts_with(br#"{"line":"deleted","number":1,"check":""#),
            "{}",
            String::from_utf8_lossy(&lines[0])
        );
        let mut reading = Chain::default();
        let line = |index: usize| &lines[index][..lines[index].len() - 1];
        assert_eq!(reading.entry(line(0)), Some(entries[0].clone()));
        assert_eq!(reading.clone().entry(line(2)), None, "a line is missing");
        assert_eq!(reading.clone().entry(line(0)), None, "a line comes twice");
        assert_eq!(reading.entry(line(1)), Some(entries[1].clone()));
        for bit in 0..line(2).len() * 8 {
            let mut broken = line(2).to_vec();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(reading.clone().entry(&broken), None, "bit {bit}");
        }
        assert_eq!(reading.entry(line(2)), Some(entries[2].clone()));
    }

    #[test]
    fn names_lead_to_each_other() {
        let paths = Paths::of(Path::new("a/b.csv"));
        assert_eq!(Paths::of_manifest(&paths.manifest()), Some(paths.clone()));
        assert_eq!(Paths::of_manifest(Path::new("a/.manifest")), None);
        assert_eq!(Paths::of(Path::new("b.csv")).dir(), Path::new("."));
    }
}
