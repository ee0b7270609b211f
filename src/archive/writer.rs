//! One file while it grows: batches are appended, noted in the manifest, and cut off again when they fail.
//!
//! The order is what makes it safe: a batch's bytes are on the disk before its line is written, its line is on the disk
//! before `take` says so, and only then are the rows deleted.

use std::collections::VecDeque;
use std::sync::Arc;

use driftless_strategies::Column;
use sha2::{Digest as _, Sha256};

use super::error::ArchiveError;
use super::files::{Files, Medium};
use super::format::{Format, Layout};
use super::manifest::{Batch, Chain, End, Entry, Head, Paths, VERSION};
use super::rows::{self, digest, hex};
use crate::ports::destination::{Fate, Standing};
use crate::ports::server::Row;

/// Where file and manifest end, and the digests so far.
#[derive(Clone)]
pub(super) struct Mark {
    pub(super) data: u64,
    pub(super) log: u64,
    pub(super) chain: Chain,
    pub(super) sha: Sha256,
    pub(super) batches: u64,
    pub(super) rows: u64,
    pub(super) last: Option<Last>,
}

/// The last batch in the file.
#[derive(Clone)]
pub(super) struct Last {
    pub(super) number: u64,
    pub(super) rows_sha256: String,
}

/// A batch that is in the file while its rows may still be in the source.
pub(super) struct Open {
    pub(super) number: u64,
    pub(super) rows: u64,
    /// How it was before.
    pub(super) before: Mark,
    /// Deletes of other batches that were noted since.
    pub(super) noted: Vec<u64>,
}

/// A file that grows.
pub(super) struct Writer {
    pub(super) files: Arc<dyn Files>,
    pub(super) layout: Arc<Layout>,
    /// The id of the run that began it.
    pub(super) run: String,
    pub(super) paths: Paths,
    pub(super) data: Arc<dyn Medium>,
    pub(super) log: Arc<dyn Medium>,
    pub(super) at: Mark,
    pub(super) open: VecDeque<Open>,
    /// Why nothing can be written any more.
    pub(super) broken: Option<String>,
}

/// A file that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complete {
    pub(super) path: std::path::PathBuf,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Writer {
    /// Makes file and manifest. `begun` is the time, for people; `run` the run's id in the source's journal.
    pub(super) fn create(
        files: Arc<dyn Files>,
        layout: Arc<Layout>,
        paths: Paths,
        begun: String,
        run: String,
    ) -> Result<Self, ArchiveError> {
        for path in [paths.file.clone(), paths.part(), paths.made(), paths.manifest()] {
            if files.exists(&path).map_err(|error| ArchiveError::files("look at", &path, &error))? {
                return Err(ArchiveError::Exists(path));
            }
        }
        let make = |path: &std::path::Path| {
            files.create(path).map_err(|error| match error.kind() == std::io::ErrorKind::AlreadyExists {
                true => ArchiveError::Exists(path.to_owned()),
                false => ArchiveError::files("make", path, &error),
            })
        };
        let log = make(&paths.manifest())?;
        held(log.as_ref(), &paths)?;
        let undo = |error| {
            // What is left when this fails too is an empty file, which the next run removes.
            drop(super::recover::discard(files.as_ref(), &paths));
            error
        };
        // The manifest's name first: bytes without one would be in the way of the next run.
        let named = files.sync_dir(&paths.dir()).map_err(|error| ArchiveError::files("make", &paths.file, &error));
        named.map_err(undo)?;
        let data = make(&paths.part()).map_err(|error| {
            // Bytes that were there are another's: only what was made here goes.
            if let ArchiveError::Exists(_) = &error {
                drop(files.remove(&paths.manifest()));
                return error;
            }
            undo(error)
        })?;
        let at = Mark { data: 0, log: 0, chain: Chain::default(), sha: Sha256::new(), batches: 0, rows: 0, last: None };
        let kept = paths.clone();
        let files = Arc::clone(&files);
        let mut writer = Self { files, layout, run, paths, data, log, at, open: VecDeque::new(), broken: None };
        match writer.begin(begun) {
            Ok(()) => Ok(writer),
            Err(error) => {
                drop(super::recover::discard(writer.files.as_ref(), &kept));
                Err(error)
            }
        }
    }

    fn begin(&mut self, begun: String) -> Result<(), ArchiveError> {
        let packing = self.layout.packing();
        let plain = self.layout.head();
        let head =
            if plain.is_empty() { plain } else { packing.pack(plain).map_err(|error| self.failed("pack", &error))? };
        let columns: Vec<Column> = self.layout.fields.iter().map(|field| field.column.clone()).collect();
        let entry = Entry::Head(Box::new(Head {
            version: VERSION,
            table: self.layout.table.clone(),
            format: self.layout.format,
            compression: self.layout.compression,
            columns,
            key: self.layout.key.clone(),
            begun,
            run: self.run.clone(),
            bytes: u64::try_from(head.len()).unwrap_or(0),
            sha256: digest(&head),
        }));
        self.append(&head)?;
        self.note(&entry)?;
        let done = self.log.sync();
        self.synced(done)?;
        self.files.sync_dir(&self.paths.dir()).map_err(|error| self.failed("make", &error))
    }

    /// Takes a batch durably; the same once more changes nothing.
    pub(super) fn take(&mut self, number: u64, rows: &[Row]) -> Result<(), ArchiveError> {
        self.sound()?;
        let layout = Arc::clone(&self.layout);
        let rows = layout.pick(rows);
        let plain = rows::encode(&layout.fields, &rows)?;
        let rows_sha256 = digest(&plain);
        if let Some(last) = &self.at.last {
            let order = |why: String| Err(ArchiveError::Order { batch: number, why });
            if number == last.number && rows_sha256 == last.rows_sha256 {
                return Ok(());
            }
            if number == last.number {
                return order(format!("{} has it already, with other rows", self.paths.file.display()));
            }
            if number < last.number {
                return order(format!("{} has batch {} already", self.paths.file.display(), last.number));
            }
        }
        let bytes = layout.encode(&rows, plain)?;
        let frame = layout.packing().pack(bytes).map_err(|error| self.failed("pack", &error))?;
        let before = self.at.clone();
        let key = |row: Option<&Row>| row.map(|row| layout.key_of(row)).unwrap_or_default();
        let batch = Batch {
            number,
            rows: u64::try_from(rows.len()).unwrap_or(0),
            from: before.data,
            to: before.data.saturating_add(u64::try_from(frame.len()).unwrap_or(0)),
            sha256: digest(&frame),
            rows_sha256: rows_sha256.clone(),
            first: key(rows.first()),
            last: key(rows.last()),
        };
        let rows = batch.rows;
        if let Err(error) = self.put(&frame, batch) {
            return Err(self.give_back(&before, error));
        }
        self.at.batches += 1;
        self.at.rows += rows;
        self.at.last = Some(Last { number, rows_sha256 });
        self.open.push_back(Open { number, rows, before, noted: Vec::new() });
        Ok(())
    }

    fn put(&mut self, frame: &[u8], batch: Batch) -> Result<(), ArchiveError> {
        self.append(frame)?;
        self.note(&Entry::Batch(batch))?;
        let done = self.log.sync();
        self.synced(done)
    }

    /// Undoes what failed half-way; what can't be undone is left to the next run.
    fn give_back(&mut self, before: &Mark, error: ArchiveError) -> ArchiveError {
        let cut = self.log.cut(before.log).and_then(|()| self.data.cut(before.data));
        if let Err(why) = cut {
            self.broken = Some(format!("what was half-written could not be cut off: {why}"));
        }
        self.at = before.clone();
        error
    }

    /// The delete of a batch's rows is committed.
    pub(super) fn deleted(&mut self, number: u64) -> Result<(), ArchiveError> {
        let Some(place) = self.open.iter().position(|open| open.number == number) else {
            return match &self.at.last {
                Some(last) if number <= last.number => Ok(()),
                Some(_) | None => Err(ArchiveError::Order { batch: number, why: "it was never taken".into() }),
            };
        };
        self.sound()?;
        let before = self.at.clone();
        // Not synced: the next batch's line is, and until then the source knows it.
        if let Err(error) = self.note(&Entry::Deleted { number }) {
            return Err(self.give_back(&before, error));
        }
        self.open.remove(place);
        for open in &mut self.open {
            open.noted.push(number);
        }
        Ok(())
    }

    /// What became of a batch that stands.
    pub(super) fn settle(&mut self, number: u64, fate: Fate) -> Result<(), ArchiveError> {
        match fate {
            Fate::Deleted => self.deleted(number),
            Fate::Kept => {
                self.open.retain(|open| open.number != number);
                Ok(())
            }
            Fate::NotDeleted => self.cut_off(number),
        }
    }

    fn cut_off(&mut self, number: u64) -> Result<(), ArchiveError> {
        self.sound()?;
        let is_last = self.at.last.as_ref().is_some_and(|last| last.number == number);
        let open = match self.open.pop_back() {
            Some(open) if open.number == number && is_last => open,
            other => {
                self.open.extend(other);
                let why = "only the last batch can be cut off, and only before its delete".into();
                return Err(ArchiveError::Order { batch: number, why });
            }
        };
        self.at = open.before;
        // The manifest first: bytes that it does not name are nothing.
        let cut = self.log.cut(self.at.log).and_then(|()| self.log.sync());
        let cut = cut.and_then(|()| self.data.cut(self.at.data)).and_then(|()| self.data.sync());
        if let Err(error) = cut {
            self.broken = Some(format!("a batch could not be cut off: {error}"));
            return Err(self.failed("cut", &error));
        }
        for number in open.noted {
            self.note(&Entry::Deleted { number })?;
        }
        Ok(())
    }

    /// Batches whose fate is not known, oldest first.
    pub(super) fn standing(&self) -> Vec<Standing> {
        let place = self.paths.file.display().to_string();
        let one =
            |open: &Open| Standing { batch: open.number, run: self.run.clone(), rows: open.rows, place: place.clone() };
        self.open.iter().map(one).collect()
    }

    /// The number of the last batch; 0 when there is none.
    pub(super) fn last_number(&self) -> u64 {
        self.at.last.as_ref().map_or(0, |last| last.number)
    }

    /// Whether it has that batch, and its fate is not known.
    pub(super) fn is_open(&self, number: u64) -> bool {
        self.open.iter().any(|open| open.number == number)
    }

    /// Completes the file; `None` when nothing was taken, and nothing is left then.
    pub(super) fn finish(mut self) -> Result<Option<Complete>, (Box<Self>, ArchiveError)> {
        match self.complete() {
            Ok(complete) => Ok(complete),
            Err(error) => Err((Box::new(self), error)),
        }
    }

    fn complete(&mut self) -> Result<Option<Complete>, ArchiveError> {
        self.sound()?;
        if self.at.batches == 0 {
            super::recover::discard(self.files.as_ref(), &self.paths)?;
            return Ok(None);
        }
        let before = self.at.clone();
        let made = match self.layout.format {
            Format::Parquet => self.convert(),
            Format::Csv | Format::Ndjson | Format::Sql => self.foot(),
        };
        let ended = made.and_then(|end| {
            self.note(&Entry::End(end.clone()))?;
            let done = self.log.sync();
            self.synced(done)?;
            Ok(end)
        });
        let end = match ended {
            Ok(end) => end,
            Err(error) => return Err(self.give_back(&before, error)),
        };
        super::recover::publish(self.files.as_ref(), &self.paths, self.layout.format)?;
        Ok(Some(Complete { path: self.paths.file.clone(), rows: end.rows, bytes: end.bytes }))
    }

    fn foot(&mut self) -> Result<End, ArchiveError> {
        let plain = self.layout.foot();
        if !plain.is_empty() {
            let foot = self.layout.packing().pack(plain).map_err(|error| self.failed("pack", &error))?;
            self.append(&foot)?;
        }
        let sha256 = hex(&self.at.sha.clone().finalize());
        Ok(End { batches: self.at.batches, rows: self.at.rows, bytes: self.at.data, sha256 })
    }

    /// Appends bytes to the file and waits until they are on the disk.
    fn append(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.data.write_at(self.at.data, bytes).map_err(|error| self.failed("write", &error))?;
        self.at.data = self.at.data.saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
        self.at.sha.update(bytes);
        let done = self.data.sync();
        self.synced(done)
    }

    /// Appends a line to the manifest.
    fn note(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        let mut chain = self.at.chain.clone();
        let line = chain.line(entry).map_err(|error| self.failed("write", &error.into()))?;
        self.log.write_at(self.at.log, &line).map_err(|error| self.failed("write", &error))?;
        self.at.log = self.at.log.saturating_add(u64::try_from(line.len()).unwrap_or(0));
        self.at.chain = chain;
        Ok(())
    }

    /// After a sync that failed nobody knows what is on the disk: the file takes nothing more in this run.
    fn synced(&mut self, done: std::io::Result<()>) -> Result<(), ArchiveError> {
        done.map_err(|error| {
            self.broken = Some(format!("what was written may not have reached the disk: {error}"));
            self.failed("sync", &error)
        })
    }

    fn sound(&self) -> Result<(), ArchiveError> {
        match &self.broken {
            Some(why) => Err(ArchiveError::Broken { path: self.paths.file.clone(), why: why.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn failed(&self, what: &'static str, error: &std::io::Error) -> ArchiveError {
        ArchiveError::files(what, &self.paths.file, error)
    }
}

/// Takes the lock of a manifest that was just made. Before that, another process may have taken it for what a crash had left,
/// and removes it: then nothing that goes by its name is this process's.
fn held(log: &dyn Medium, paths: &Paths) -> Result<(), ArchiveError> {
    lock(log, paths)?;
    let path = paths.manifest();
    let there = log.is_at(&path).map_err(|error| ArchiveError::files("look at", &path, &error))?;
    if there { Ok(()) } else { Err(ArchiveError::InUse(paths.file.clone())) }
}

/// Takes the file's lock, which ends with the process.
pub(super) fn lock(log: &dyn Medium, paths: &Paths) -> Result<(), ArchiveError> {
    match log.lock() {
        Ok(true) => Ok(()),
        Ok(false) => Err(ArchiveError::InUse(paths.file.clone())),
        Err(error) => Err(ArchiveError::files("lock", &paths.manifest(), &error)),
    }
}
