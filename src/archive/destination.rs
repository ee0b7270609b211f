//! Files as a destination of rows: which file a batch goes to, and when one is complete.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::error::ArchiveError;
use super::files::Files;
use super::format::Layout;
use super::manifest::Paths;
use super::name::Pattern;
use super::recover::{self, Found};
use super::writer::{Complete, Writer};
use crate::error::Fault;
use crate::ports::destination::{Destination, Fate, Standing, Summary, Taken};
use crate::ports::server::Row;

/// Most files of one name pattern and day: how far the first free number is looked for.
const FILES: u64 = 100_000;

/// When a file is complete and the next begins, besides the end of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    /// When it has this many bytes.
    pub bytes: Option<u64>,
    /// When the day (UTC) is over.
    pub daily: bool,
}

/// What files are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Their names.
    pub pattern: Pattern,
    /// What is in them.
    pub layout: Layout,
    /// When each is complete.
    pub roll: Roll,
    /// The run's id in the source's journal.
    pub run: String,
}

impl Wanted {
    /// Whether names and ends of files go together.
    ///
    /// # Errors
    /// `Pattern` when one file would have to be several.
    pub fn judge(&self) -> Result<(), ArchiveError> {
        let lasting =
            |what: &str| ArchiveError::Pattern(format!("files that are complete {what} need {{n}} in their names"));
        if self.roll.bytes.is_some() && !self.pattern.numbered() {
            return Err(lasting("at a size"));
        }
        if self.roll.daily && !self.pattern.dated() {
            return Err(lasting("at the end of a day (or {date})"));
        }
        Ok(())
    }
}

/// The time since 1970 in UTC.
pub type Now = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Files that take the rows of one table.
pub struct FileDestination {
    core: Arc<Mutex<Core>>,
}

pub(super) struct Core {
    files: Arc<dyn Files>,
    wanted: Wanted,
    now: Now,
    /// Files of a run that ended half-way.
    old: Vec<Writer>,
    current: Option<(Writer, String)>,
    complete: Vec<Complete>,
}

impl FileDestination {
    /// Brings files of an earlier run in order and, when none of their batches must be settled, makes the first file. Blocks
    /// for as long as it takes to read what was left.
    ///
    /// # Errors
    /// `Pattern`, `Exists`, `InUse`, `Damaged`, `Files`: nothing was changed that the next run needs.
    pub fn open(files: Arc<dyn Files>, wanted: Wanted, now: Now) -> Result<Self, ArchiveError> {
        Ok(Self { core: Arc::new(Mutex::new(Core::open(files, wanted, now)?)) })
    }

    /// Runs what blocks where it may. When the caller is dropped meanwhile it still comes to its end.
    async fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Core) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, Fault> {
        let core = Arc::clone(&self.core);
        let done = tokio::task::spawn_blocking(move || match core.lock() {
            Ok(mut core) => act(&mut core).map_err(Fault::from),
            Err(_) => Err(Fault::Failed("BUG: writing a file ended without a word; run again".into())),
        });
        done.await.unwrap_or_else(|error| Err(Fault::Failed(format!("BUG: writing a file ended: {error}; run again"))))
    }
}

#[async_trait::async_trait]
impl Destination for FileDestination {
    async fn standing(&mut self) -> Result<Vec<Standing>, Fault> {
        self.run(|core| Ok(core.standing())).await
    }

    async fn settle(&mut self, run: &str, batch: u64, fate: Fate) -> Result<(), Fault> {
        let run = run.to_owned();
        self.run(move |core| core.settle(&run, batch, fate)).await
    }

    async fn ready(&mut self) -> Result<(), Fault> {
        self.run(Core::ready).await
    }

    async fn take(&mut self, batch: u64, taken: &Taken) -> Result<(), Fault> {
        let rows = taken.rows.clone();
        self.run(move |core| core.take(batch, &rows)).await
    }

    async fn deleted(&mut self, batch: u64) -> Result<(), Fault> {
        self.run(move |core| core.settle(&core.wanted.run.clone(), batch, Fate::Deleted)).await
    }

    async fn finish(&mut self) -> Result<Summary, Fault> {
        self.run(Core::finish).await
    }
}

impl Core {
    pub(super) fn open(files: Arc<dyn Files>, wanted: Wanted, now: Now) -> Result<Self, ArchiveError> {
        wanted.judge()?;
        let mut core = Self { files, wanted, now, old: Vec::new(), current: None, complete: Vec::new() };
        core.recover()?;
        if core.old.is_empty() {
            core.begin()?;
        }
        Ok(core)
    }

    pub(super) fn standing(&self) -> Vec<Standing> {
        self.old.iter().flat_map(Writer::standing).collect()
    }

    /// Completes old files, whose name the first one may want, and makes the first.
    pub(super) fn ready(&mut self) -> Result<(), ArchiveError> {
        self.finish_old()?;
        if self.current.is_none() { self.begin() } else { Ok(()) }
    }

    fn recover(&mut self) -> Result<(), ArchiveError> {
        let dir = self.wanted.pattern.dir().to_owned();
        for paths in recover::unfinished(self.files.as_ref(), &dir)? {
            let Some(head) = recover::head(self.files.as_ref(), &paths)? else { continue };
            let ours = match &head {
                Some(head) => head.table == self.wanted.layout.table,
                // Begun and no more: it is ours when it has a name that we would give.
                None => self.wanted.pattern.matches(&paths.file),
            };
            if !ours {
                continue;
            }
            match recover::recover(&self.files, paths) {
                Ok(Found::Nothing | Found::Complete) => {}
                Ok(Found::Unfinished(writer)) => self.old.push(*writer),
                // Another job begins a file there at this moment.
                Err(ArchiveError::InUse(_)) if head.is_none() => {}
                Err(error) => return Err(error),
            }
        }
        self.old.sort_by_key(Writer::last_number);
        Ok(())
    }

    fn date(&self) -> DateTime<Utc> {
        let now = (self.now)();
        DateTime::from_timestamp(i64::try_from(now.as_secs()).unwrap_or(0), 0).unwrap_or_default()
    }

    fn begin(&mut self) -> Result<(), ArchiveError> {
        let now = self.date();
        let numbered = self.wanted.pattern.numbered();
        let last = if numbered { FILES } else { 1 };
        for number in 1..=last {
            let paths = Paths::of(&self.wanted.pattern.path(now, number));
            let begun = now.format("%Y-%m-%d %H:%M:%S").to_string();
            let layout = Arc::new(self.wanted.layout.clone());
            match Writer::create(Arc::clone(&self.files), layout, paths, begun, self.wanted.run.clone()) {
                Ok(writer) => {
                    self.current = Some((writer, now.format("%Y-%m-%d").to_string()));
                    return Ok(());
                }
                // Taken, or at this moment by another job.
                Err(ArchiveError::Exists(_) | ArchiveError::InUse(_)) if number < last => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn settle(&mut self, run: &str, batch: u64, fate: Fate) -> Result<(), ArchiveError> {
        let current = self.current.as_mut().map(|(writer, _)| writer);
        let mut all = self.old.iter_mut().chain(current);
        match all.find(|writer| writer.run == run && writer.is_open(batch)) {
            Some(writer) => writer.settle(batch, fate),
            // It was settled before, or it is of a file that is complete.
            None if fate != Fate::NotDeleted => Ok(()),
            None => Err(ArchiveError::Order { batch, why: "it can't be cut off: no file has it open".into() }),
        }
    }

    pub(super) fn take(&mut self, batch: u64, rows: &[Row]) -> Result<(), ArchiveError> {
        self.finish_old()?;
        let today = self.date().format("%Y-%m-%d").to_string();
        let roll = self.wanted.roll;
        let full = self.current.as_ref().is_some_and(|(writer, day)| {
            let size = roll.bytes.is_some_and(|bytes| writer.at.data >= bytes);
            writer.open.is_empty() && writer.at.batches > 0 && (size || (roll.daily && *day != today))
        });
        if full {
            self.finish_current()?;
        }
        if self.current.is_none() {
            self.begin()?;
        }
        match &mut self.current {
            Some((writer, _)) => writer.take(batch, rows),
            None => Err(ArchiveError::Order { batch, why: "there is no file".into() }),
        }
    }

    fn finish_old(&mut self) -> Result<(), ArchiveError> {
        if let Some(open) = self.old.iter().flat_map(|writer| writer.open.iter()).next() {
            let why = format!("say first what became of batch {}, which an earlier run left", open.number);
            return Err(ArchiveError::Order { batch: open.number, why });
        }
        while let Some(writer) = self.old.pop() {
            match writer.finish() {
                Ok(complete) => self.complete.extend(complete),
                Err((writer, error)) => {
                    self.old.push(*writer);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn finish_current(&mut self) -> Result<(), ArchiveError> {
        let Some((writer, day)) = self.current.take() else { return Ok(()) };
        match writer.finish() {
            Ok(complete) => self.complete.extend(complete),
            Err((writer, error)) => {
                self.current = Some((*writer, day));
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<Summary, ArchiveError> {
        self.finish_old()?;
        if let Some(open) = self.current.iter().flat_map(|(writer, _)| &writer.open).next() {
            let why = "it is not known whether its rows were deleted".into();
            return Err(ArchiveError::Order { batch: open.number, why });
        }
        self.finish_current()?;
        let mut summary = Summary::default();
        for complete in &self.complete {
            summary.rows += complete.rows;
            summary.bytes += complete.bytes;
            summary.places.push(complete.path.display().to_string());
        }
        Ok(summary)
    }
}
