//! The file operations that durability rests on, so that tests can make each of them fail and crash at any.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that is read and written by place.
pub trait Medium: Send + Sync {
    /// Reads at most `into.len()` bytes; 0 at the end.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize>;
    /// Writes all the bytes.
    ///
    /// # Errors
    /// As the system says; some of the bytes may be written.
    fn write_at(&self, at: u64, bytes: &[u8]) -> Result<()>;
    /// Cuts the file.
    ///
    /// # Errors
    /// As the system says.
    fn cut(&self, length: u64) -> Result<()>;
    /// Returns when what was written will outlast a crash of the machine.
    ///
    /// # Errors
    /// As the system says; what was written since the last time may be lost.
    fn sync(&self) -> Result<()>;
    /// Its length.
    ///
    /// # Errors
    /// As the system says.
    fn length(&self) -> Result<u64>;
    /// Keeps other processes from locking it, as long as it is open; `false` when one has.
    ///
    /// # Errors
    /// As the system says.
    fn lock(&self) -> Result<bool>;
    /// Whether the path leads to this file, and not to another that was made under its name since.
    ///
    /// # Errors
    /// As the system says.
    fn is_at(&self, path: &Path) -> Result<bool>;
}

/// A file system.
pub trait Files: Send + Sync {
    /// Makes a file that was not there.
    ///
    /// # Errors
    /// `AlreadyExists`, else as the system says.
    fn create(&self, path: &Path) -> Result<Arc<dyn Medium>>;
    /// Opens a file to read and write it, or only to read it.
    ///
    /// # Errors
    /// As the system says.
    fn open(&self, path: &Path, write: bool) -> Result<Arc<dyn Medium>>;
    /// Gives a file a second name that was free.
    ///
    /// # Errors
    /// `AlreadyExists`, else as the system says.
    fn link(&self, from: &Path, to: &Path) -> Result<()>;
    /// Takes a name away; it need not be there.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, path: &Path) -> Result<()>;
    /// Whether something of that name is there, a dangling link too.
    ///
    /// # Errors
    /// As the system says.
    fn exists(&self, path: &Path) -> Result<bool>;
    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// As the system says.
    fn names(&self, dir: &Path) -> Result<Vec<PathBuf>>;
    /// Returns when names that were given or taken in a directory will outlast a crash of the machine.
    ///
    /// # Errors
    /// As the system says.
    fn sync_dir(&self, dir: &Path) -> Result<()>;
}

/// The machine's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Medium for File {
    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, into, at)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> Result<()> {
        self.write_all_at(bytes, at)
    }

    fn cut(&self, length: u64) -> Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> Result<()> {
        self.sync_data()
    }

    fn length(&self) -> Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn lock(&self) -> Result<bool> {
        match self.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        let own = self.metadata()?;
        match path.symlink_metadata() {
            Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Files for Disk {
    fn create(&self, path: &Path) -> Result<Arc<dyn Medium>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).create_new(true).open(path)?))
    }

    fn open(&self, path: &Path, write: bool) -> Result<Arc<dyn Medium>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(write).open(path)?))
    }

    /// By a hard link, which never takes the place of another file; where there are none, by a new name after a look.
    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        match std::fs::hard_link(from, to) {
            Err(error) if [ErrorKind::Unsupported, ErrorKind::PermissionDenied].contains(&error.kind()) => {
                if self.exists(to)? {
                    return Err(Error::from(ErrorKind::AlreadyExists));
                }
                std::fs::rename(from, to)
            }
            done => done,
        }
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        match path.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn names(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path()));
        let mut names = entries.collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        File::open(dir)?.sync_all()
    }
}

/// Reads exactly a range.
pub(crate) fn read_range(medium: &dyn Medium, from: u64, to: u64) -> Result<Vec<u8>> {
    let length = to.checked_sub(from).and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
    if medium.length()? < to {
        return Err(Error::from(ErrorKind::UnexpectedEof));
    }
    let mut bytes = vec![0; length];
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let at = from.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
        match medium.read_at(at, rest)? {
            0 => return Err(Error::from(ErrorKind::UnexpectedEof)),
            read => done += read,
        }
    }
    Ok(bytes)
}

/// Reads a file from a place to its end.
pub(crate) struct Reading {
    medium: Arc<dyn Medium>,
    at: u64,
}

impl Reading {
    pub(crate) fn new(medium: Arc<dyn Medium>, at: u64) -> Self {
        Self { medium, at }
    }
}

impl std::io::Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let read = self.medium.read_at(self.at, into)?;
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}

/// Writes a file from its beginning.
pub(crate) struct Writing {
    medium: Arc<dyn Medium>,
    at: u64,
}

impl Writing {
    pub(crate) fn new(medium: Arc<dyn Medium>) -> Self {
        Self { medium, at: 0 }
    }
}

impl std::io::Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.medium.write_at(self.at, bytes)?;
        self.at = self.at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
