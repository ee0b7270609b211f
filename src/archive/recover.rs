//! Files of a run that ended half-way: what is whole stands, what is not goes.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::convert::whole_digest;
use super::error::ArchiveError;
use super::files::{Files, Medium, read_range};
use super::format::{Format, Layout};
use super::manifest::{Batch, Chain, End, Entry, Head, Paths};
use super::rows::digest;
use super::scan::Scan;
use super::writer::{Last, Mark, Open, Writer, lock};

/// What was found.
pub(super) enum Found {
    /// Nothing of worth; it is gone.
    Nothing,
    /// A complete file, which has its name now.
    Complete,
    /// A file with whole batches.
    Unfinished(Box<Writer>),
}

/// Files of a table in a directory that are not complete, with their heads.
pub(super) fn unfinished(files: &dyn Files, dir: &Path) -> Result<Vec<Paths>, ArchiveError> {
    let names = files.names(dir).map_err(|error| ArchiveError::files("read", dir, &error))?;
    let mut found = Vec::new();
    for paths in names.iter().filter_map(|name| Paths::of_manifest(name)) {
        let there = |path: &Path| names.iter().any(|name| name == path);
        // A file that was moved away after it was complete leaves its manifest alone; so does a crash at the very beginning.
        if there(&paths.part()) || there(&paths.made()) || !there(&paths.file) {
            found.push(paths);
        }
    }
    Ok(found)
}

/// The head of a file's manifest; `Some(None)` when there is no whole line. `None` when the manifest is gone: another job took
/// an empty file back since the directory was read.
pub(super) fn head(files: &dyn Files, paths: &Paths) -> Result<Option<Option<Head>>, ArchiveError> {
    let path = paths.manifest();
    match files.open(&path, false) {
        Ok(log) => Scan::new(&path, &log).head().map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ArchiveError::files("open", &path, &error)),
    }
}

/// Brings a file in order.
pub(super) fn recover(files: &Arc<dyn Files>, paths: Paths) -> Result<Found, ArchiveError> {
    let path = paths.manifest();
    let open = |path: &Path| files.open(path, true).map_err(|error| ArchiveError::files("open", path, &error));
    let log = match files.open(&path, true) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        opened => opened.map_err(|error| ArchiveError::files("open", &path, &error))?,
    };
    lock(log.as_ref(), &paths)?;
    // Until it was locked, its own process may have removed it, and another have made one of that name.
    if !log.is_at(&path).map_err(|error| ArchiveError::files("look at", &path, &error))? {
        return Ok(Found::Nothing);
    }
    let mut scan = Scan::new(&path, &log);
    let Some(head) = scan.head()? else {
        only_a_torn_line(&path, &scan.rest()?)?;
        return nothing(files.as_ref(), &paths);
    };
    if !exists(files.as_ref(), &paths.part())? {
        return moved_or_complete(files.as_ref(), &paths, &head, &mut scan);
    }
    let data = open(&paths.part())?;
    let layout = Layout::new(head.table.clone(), &head.columns, head.key.clone(), head.format, head.compression)?;
    let mut standing = Standing::begin(&paths, &data, &head, &scan)?;
    while let Some(entry) = scan.next()? {
        match entry {
            Entry::Batch(batch) => standing.batch(batch, &scan)?,
            Entry::Deleted { number } => standing.deleted(number, &scan),
            Entry::End(end) => return completed(files.as_ref(), &paths, head.format, &end),
            Entry::Head(_) => return Err(ArchiveError::damaged(&path, "it has two heads")),
        }
    }
    only_a_torn_line(&path, &scan.rest()?)?;
    let Standing { at, open, .. } = standing;
    let cut = log.cut(at.log).and_then(|()| data.cut(at.data)).and_then(|()| log.sync()).and_then(|()| data.sync());
    cut.map_err(|error| ArchiveError::files("cut", &paths.file, &error))?;
    files.remove(&paths.made()).map_err(|error| ArchiveError::files("remove", &paths.made(), &error))?;
    let files = Arc::clone(files);
    let layout = Arc::new(layout);
    let run = head.run;
    Ok(Found::Unfinished(Box::new(Writer { files, layout, run, paths, data, log, at, open, broken: None })))
}

/// What was read so far, each batch proven.
struct Standing<'a> {
    paths: &'a Paths,
    data: &'a Arc<dyn Medium>,
    at: Mark,
    open: VecDeque<Open>,
}

impl<'a> Standing<'a> {
    fn begin(paths: &'a Paths, data: &'a Arc<dyn Medium>, head: &Head, scan: &Scan) -> Result<Self, ArchiveError> {
        let at = Mark { data: 0, log: 0, chain: Chain::default(), sha: Sha256::new(), batches: 0, rows: 0, last: None };
        let mut standing = Self { paths, data, at, open: VecDeque::new() };
        standing.prove(head.bytes, &head.sha256, "its beginning")?;
        standing.mark(scan);
        Ok(standing)
    }

    /// The next bytes of the file must have that digest.
    fn prove(&mut self, to: u64, sha256: &str, what: &str) -> Result<(), ArchiveError> {
        let part = self.paths.part();
        let bytes = read_range(self.data.as_ref(), self.at.data, to);
        let bytes = bytes.map_err(|error| match error.kind() == ErrorKind::UnexpectedEof {
            true => ArchiveError::damaged(&part, format!("it ends within {what}")),
            false => ArchiveError::files("read", &part, &error),
        })?;
        if digest(&bytes) != sha256 {
            return Err(ArchiveError::damaged(&part, format!("{what} was changed")));
        }
        self.at.data = to;
        self.at.sha.update(&bytes);
        Ok(())
    }

    fn mark(&mut self, scan: &Scan) {
        self.at.log = scan.length;
        self.at.chain = scan.chain.clone();
    }

    fn batch(&mut self, batch: Batch, scan: &Scan) -> Result<(), ArchiveError> {
        let before = self.at.clone();
        if batch.from != self.at.data {
            return Err(ArchiveError::damaged(
                &self.paths.part(),
                format!("batch {} is not where it ends", batch.number),
            ));
        }
        self.prove(batch.to, &batch.sha256, &format!("batch {}", batch.number))?;
        self.at.batches += 1;
        self.at.rows += batch.rows;
        self.at.last = Some(Last { number: batch.number, rows_sha256: batch.rows_sha256 });
        self.mark(scan);
        self.open.push_back(Open { number: batch.number, rows: batch.rows, before, noted: Vec::new() });
        Ok(())
    }

    fn deleted(&mut self, number: u64, scan: &Scan) {
        self.mark(scan);
        self.open.retain(|open| open.number != number);
        for open in &mut self.open {
            open.noted.push(number);
        }
    }
}

/// A crash tears the last line, and perhaps marks of deletes before it; more than that is damage, and batches behind it must
/// not be cut off.
fn only_a_torn_line(path: &Path, rest: &[u8]) -> Result<(), ArchiveError> {
    let text = String::from_utf8_lossy(rest);
    if text.matches("\"line\":\"batch\"").count() > 1 {
        return Err(ArchiveError::damaged(path, "a line in the middle was changed"));
    }
    Ok(())
}

/// Removes a file of a run that ended before its first batch.
fn nothing(files: &dyn Files, paths: &Paths) -> Result<Found, ArchiveError> {
    discard(files, paths)?;
    Ok(Found::Nothing)
}

/// Removes a file without rows. Its manifest last, and only when the rest is gone for good: bytes without a manifest would be
/// in everybody's way.
pub(super) fn discard(files: &dyn Files, paths: &Paths) -> Result<(), ArchiveError> {
    let removed = files.remove(&paths.made()).and_then(|()| files.remove(&paths.part()));
    let gone = removed.and_then(|()| files.sync_dir(&paths.dir())).and_then(|()| files.remove(&paths.manifest()));
    gone.map_err(|error| ArchiveError::files("remove", &paths.file, &error))
}

/// A manifest without its gathering file: its file is complete and somewhere else, or about to get its name.
fn moved_or_complete(files: &dyn Files, paths: &Paths, head: &Head, scan: &mut Scan) -> Result<Found, ArchiveError> {
    let mut batches = 0_u64;
    while let Some(entry) = scan.next()? {
        match entry {
            Entry::End(end) if exists(files, &paths.made())? => return completed(files, paths, head.format, &end),
            Entry::End(_) => return Ok(Found::Complete),
            Entry::Batch(_) => batches += 1,
            Entry::Head(_) | Entry::Deleted { .. } => {}
        }
    }
    if batches == 0 {
        return nothing(files, paths);
    }
    Err(ArchiveError::damaged(&paths.part(), "it is gone, but its manifest has batches in it"))
}

fn completed(files: &dyn Files, paths: &Paths, format: Format, end: &End) -> Result<Found, ArchiveError> {
    let from = if exists(files, &paths.file)? { paths.file.clone() } else { temporary(paths, format) };
    let medium = files.open(&from, false).map_err(|error| ArchiveError::files("open", &from, &error))?;
    let sha256 = whole_digest(&medium).map_err(|error| ArchiveError::files("read", &from, &error))?;
    if sha256 != end.sha256 {
        return Err(ArchiveError::damaged(&from, "it is not the file that its manifest tells of"));
    }
    publish(files, paths, format)?;
    Ok(Found::Complete)
}

fn temporary(paths: &Paths, format: Format) -> std::path::PathBuf {
    match format {
        Format::Parquet => paths.made(),
        Format::Csv | Format::Ndjson | Format::Sql => paths.part(),
    }
}

/// Gives a complete file its name, and removes what it was made of.
pub(super) fn publish(files: &dyn Files, paths: &Paths, format: Format) -> Result<(), ArchiveError> {
    let failed = |error: std::io::Error| match error.kind() == ErrorKind::AlreadyExists {
        true => ArchiveError::Exists(paths.file.clone()),
        false => ArchiveError::files("name", &paths.file, &error),
    };
    if !(exists(files, &paths.file)? && same(files, paths, format)?) {
        files.link(&temporary(paths, format), &paths.file).map_err(failed)?;
    }
    files.sync_dir(&paths.dir()).map_err(failed)?;
    let removed = files.remove(&paths.made()).and_then(|()| files.remove(&paths.part()));
    removed.and_then(|()| files.sync_dir(&paths.dir())).map_err(failed)
}

/// Whether the file that has the name already is the one that is to get it: an earlier try came so far.
fn same(files: &dyn Files, paths: &Paths, format: Format) -> Result<bool, ArchiveError> {
    let from = temporary(paths, format);
    if !exists(files, &from)? {
        return Ok(true);
    }
    let digest_of = |path: &Path| files.open(path, false).and_then(|medium| whole_digest(&medium));
    let both = digest_of(&from).and_then(|one| Ok(one == digest_of(&paths.file)?));
    both.map_err(|error| ArchiveError::files("read", &paths.file, &error))
}

fn exists(files: &dyn Files, path: &Path) -> Result<bool, ArchiveError> {
    files.exists(path).map_err(|error| ArchiveError::files("look at", path, &error))
}
