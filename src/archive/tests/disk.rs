//! A file system in memory that fails or crashes at a chosen operation, and forgets what was not synced.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::archive::files::{Files, Medium};

/// What is to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing.
    None,
    /// The process dies in this operation: of what it writes, a part arrives.
    Crash(u64),
    /// This operation fails, a write after a part of it; the disk is full.
    Fail(u64),
}

/// What is left after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The process died, the machine lives: all that was written.
    Process,
    /// The machine died: what was synced, and by chance some of the rest.
    Machine(u64),
}

#[derive(Clone, Default)]
struct Inode {
    now: Vec<u8>,
    synced: Vec<u8>,
    locked: bool,
}

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    inodes: Vec<Inode>,
    operations: u64,
    trouble: Option<Trouble>,
    dead: bool,
}

/// Repeatable chance (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// The file system.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<State>>);

enum Step {
    Whole,
    Part,
}

fn full() -> Error {
    Error::from(ErrorKind::StorageFull)
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn plan(&self, trouble: Trouble) {
        let mut state = self.state();
        (state.operations, state.trouble) = (0, Some(trouble));
    }

    /// Operations that changed something, since the plan.
    pub(super) fn operations(&self) -> u64 {
        self.state().operations
    }

    pub(super) fn bytes(&self, path: &Path) -> Vec<u8> {
        let state = self.state();
        state.inodes[state.names[path]].now.clone()
    }

    pub(super) fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state();
        state.inodes.push(Inode { now: bytes.clone(), synced: bytes, locked: false });
        let inode = state.inodes.len() - 1;
        state.names.insert(path.to_owned(), inode);
        state.synced_names.insert(path.to_owned(), inode);
    }

    /// The file system as the next process finds it.
    pub(super) fn reboot(&self, after: After) {
        let mut state = self.state();
        state.dead = false;
        state.trouble = None;
        for inode in &mut state.inodes {
            inode.locked = false;
        }
        let After::Machine(seed) = after else { return };
        let mut chance = Chance(seed);
        for inode in &mut state.inodes {
            survive(inode, &mut chance);
        }
        let now = std::mem::take(&mut state.names);
        let mut kept = state.synced_names.clone();
        for (path, inode) in &now {
            if !kept.contains_key(path) && chance.below(2) == 0 {
                kept.insert(path.clone(), *inode);
            }
        }
        kept.retain(|path, _| now.contains_key(path) || chance.below(2) == 0);
        state.synced_names.clone_from(&kept);
        state.names = kept;
        for inode in &mut state.inodes {
            inode.synced.clone_from(&inode.now);
        }
    }

    fn step(state: &mut State) -> Result<Step> {
        if state.dead {
            return Err(Error::other("the process is dead"));
        }
        state.operations += 1;
        match state.trouble {
            Some(Trouble::Crash(at)) if at == state.operations => {
                state.dead = true;
                Ok(Step::Part)
            }
            Some(Trouble::Fail(at)) if at == state.operations => Ok(Step::Part),
            Some(Trouble::Crash(_) | Trouble::Fail(_) | Trouble::None) | None => Ok(Step::Whole),
        }
    }
}

/// After the machine died: any length between what was synced and what was written, and blocks that never came are zeros.
fn survive(inode: &mut Inode, chance: &mut Chance) {
    let (now, synced) = (inode.now.clone(), inode.synced.clone());
    match chance.below(4) {
        0 => inode.now = synced,
        1 => {}
        2 => {
            let (short, long) = (now.len().min(synced.len()), now.len().max(synced.len()));
            let length = short + usize::try_from(chance.below(u64::try_from(long - short + 1).unwrap())).unwrap();
            inode.now = now.iter().chain(synced.iter().skip(now.len())).take(length).copied().collect();
        }
        _ => {
            let same = now.iter().zip(&synced).take_while(|(one, other)| one == other).count();
            inode.now = now.iter().enumerate().map(|(at, byte)| if at < same { *byte } else { 0 }).collect();
        }
    }
}

struct Handle {
    memory: Memory,
    inode: usize,
}

impl Medium for Handle {
    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<usize> {
        let state = self.memory.state();
        if state.dead {
            return Err(Error::other("the process is dead"));
        }
        let bytes = &state.inodes[self.inode].now;
        let from = usize::try_from(at).unwrap().min(bytes.len());
        let read = into.len().min(bytes.len() - from);
        into[..read].copy_from_slice(&bytes[from..from + read]);
        Ok(read)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> Result<()> {
        let mut state = self.memory.state();
        let step = Memory::step(&mut state)?;
        let whole = matches!(step, Step::Whole);
        let written = if whole { bytes } else { &bytes[..bytes.len() / 2] };
        let now = &mut state.inodes[self.inode].now;
        let from = usize::try_from(at).unwrap();
        if now.len() < from + written.len() {
            now.resize(from + written.len(), 0);
        }
        now[from..from + written.len()].copy_from_slice(written);
        if whole { Ok(()) } else { Err(full()) }
    }

    fn cut(&self, length: u64) -> Result<()> {
        let mut state = self.memory.state();
        let Step::Whole = Memory::step(&mut state)? else { return Err(full()) };
        state.inodes[self.inode].now.resize(usize::try_from(length).unwrap(), 0);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let mut state = self.memory.state();
        let Step::Whole = Memory::step(&mut state)? else { return Err(full()) };
        let inode = &mut state.inodes[self.inode];
        inode.synced.clone_from(&inode.now);
        Ok(())
    }

    fn length(&self) -> Result<u64> {
        Ok(u64::try_from(self.memory.state().inodes[self.inode].now.len()).unwrap())
    }

    fn lock(&self) -> Result<bool> {
        let mut state = self.memory.state();
        let inode = &mut state.inodes[self.inode];
        Ok(!std::mem::replace(&mut inode.locked, true))
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        Ok(self.memory.state().names.get(path) == Some(&self.inode))
    }
}

impl Files for Memory {
    fn create(&self, path: &Path) -> Result<Arc<dyn Medium>> {
        let mut state = self.state();
        if state.names.contains_key(path) {
            return Err(Error::from(ErrorKind::AlreadyExists));
        }
        let Step::Whole = Self::step(&mut state)? else { return Err(full()) };
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        state.names.insert(path.to_owned(), inode);
        Ok(Arc::new(Handle { memory: self.clone(), inode }))
    }

    fn open(&self, path: &Path, _write: bool) -> Result<Arc<dyn Medium>> {
        let inode = *self.state().names.get(path).ok_or_else(|| Error::from(ErrorKind::NotFound))?;
        Ok(Arc::new(Handle { memory: self.clone(), inode }))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        let mut state = self.state();
        if state.names.contains_key(to) {
            return Err(Error::from(ErrorKind::AlreadyExists));
        }
        let Step::Whole = Self::step(&mut state)? else { return Err(full()) };
        let inode = *state.names.get(from).ok_or_else(|| Error::from(ErrorKind::NotFound))?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut state = self.state();
        if !state.names.contains_key(path) {
            return Ok(());
        }
        let Step::Whole = Self::step(&mut state)? else { return Err(full()) };
        state.names.remove(path);
        Ok(())
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        Ok(self.state().names.contains_key(path))
    }

    fn names(&self, _dir: &Path) -> Result<Vec<PathBuf>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn sync_dir(&self, _dir: &Path) -> Result<()> {
        let mut state = self.state();
        let Step::Whole = Self::step(&mut state)? else { return Err(full()) };
        state.synced_names = state.names.clone();
        Ok(())
    }
}
