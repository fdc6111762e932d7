//! Lease directories in memory, for the test machines, which have no disk.

use super::super::MachineError;
use super::directory::{Found, LeaseDirectories, LeaseDirectory, MAX_CONTENT_BYTES, State};
use crate::value::StoreRef;
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

/// The directories of all stores. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryDirectories {
    all: Arc<Mutex<BTreeMap<StoreRef, Directory>>>,
    gate: Option<Arc<dyn Gate>>,
}

/// A filter for the changes of files, for fault injection: it decides whether a change is done, and whether the caller
/// gets the result.
pub trait Gate: fmt::Debug + Send + Sync {
    /// Performs the change, or does not.
    fn pass(&self, change: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
}

#[derive(Debug, Clone, Default)]
struct Directory {
    files: BTreeMap<String, Vec<u8>>,
    /// The number of changes, which replaces the time stamps.
    changes: i64,
    is_locked: bool,
    /// The files from before the last boot.
    old: BTreeSet<String>,
}

impl MemoryDirectories {
    /// Ages all files, as a boot does.
    pub fn boot(&self) {
        self.all()
            .values_mut()
            .for_each(|directory| directory.old = directory.files.keys().cloned().collect());
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<StoreRef, Directory>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same files, with a gate for all changes.
    pub fn behind(self, gate: Arc<dyn Gate>) -> Self {
        MemoryDirectories { gate: Some(gate), ..self }
    }

    /// A copy of the files, without a gate and with all locks free.
    pub fn copy(&self) -> Self {
        let mut all = self.all().clone();
        all.values_mut().for_each(|directory| directory.is_locked = false);
        MemoryDirectories { all: Arc::new(Mutex::new(all)), gate: None }
    }

    /// The stores that have a directory.
    pub fn stores(&self) -> Vec<StoreRef> {
        self.all().keys().cloned().collect()
    }

    /// The files of a store, as text.
    pub fn files(&self, store: &StoreRef) -> BTreeMap<String, String> {
        let all = self.all();
        let files = all.get(store).into_iter().flat_map(|directory| &directory.files);
        files.map(|(name, bytes)| (name.clone(), String::from_utf8_lossy(bytes).into_owned())).collect()
    }

    /// Writes a file as another process would.
    pub fn write(&self, store: &StoreRef, name: &str, content: &str) {
        let mut all = self.all();
        let directory = all.entry(store.clone()).or_default();
        directory.files.insert(name.to_owned(), content.into());
        directory.changes += 1;
    }
}

impl LeaseDirectories for MemoryDirectories {
    fn open(&self, store: &StoreRef) -> io::Result<Option<Box<dyn LeaseDirectory>>> {
        if !self.all().contains_key(store) {
            return Ok(None);
        }
        Ok(Some(Box::new(Opened { all: self.clone(), store: store.clone(), is_locked: false })))
    }

    fn create(&self, store: &StoreRef) -> Result<Box<dyn LeaseDirectory>, MachineError> {
        self.all().entry(store.clone()).or_default();
        Ok(Box::new(Opened { all: self.clone(), store: store.clone(), is_locked: false }))
    }
}

#[derive(Debug)]
struct Opened {
    all: MemoryDirectories,
    store: StoreRef,
    is_locked: bool,
}

impl Opened {
    fn with<T>(&self, act: impl FnOnce(&mut Directory) -> io::Result<T>) -> io::Result<T> {
        let mut all = self.all.all();
        act(all.get_mut(&self.store).ok_or(Errno::ENOENT)?)
    }

    fn change<T>(&self, act: impl Fn(&mut Directory) -> io::Result<T>) -> io::Result<T> {
        let mut done = None;
        let mut change = || {
            self.with(|directory| {
                done = Some(act(directory)?);
                directory.changes += 1;
                Ok(())
            })
        };
        match &self.all.gate {
            Some(gate) => gate.pass(&mut change)?,
            None => change()?,
        }
        done.ok_or_else(|| Errno::EIO.into())
    }
}

impl LeaseDirectory for Opened {
    /// Does not wait: all users are in one process, so the lock would never be released.
    fn lock(&mut self) -> Result<(), MachineError> {
        if !self.is_locked {
            let taken = self.with(|directory| Ok(std::mem::replace(&mut directory.is_locked, true)));
            if !matches!(taken, Ok(false)) {
                let path = self.store.directory().join("lock");
                let what = format!("the lease store lock {}", path.display());
                return Err(MachineError::Busy { what, seconds: 0 });
            }
            self.is_locked = true;
        }
        Ok(())
    }

    fn unlock(&mut self) {
        if std::mem::take(&mut self.is_locked) {
            let _ = self.with(|directory| {
                directory.is_locked = false;
                Ok(())
            });
        }
    }

    fn is_locked(&self) -> bool {
        self.is_locked
    }

    fn state(&self) -> io::Result<State> {
        self.with(|directory| {
            let time = (directory.changes, 0);
            Ok(State { dev: 0, ino: 0, mtime: time, ctime: time })
        })
    }

    fn stamp(&self) -> io::Result<Option<State>> {
        Ok(None)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.with(|directory| Ok(directory.files.keys().cloned().collect()))
    }

    fn read(&self, name: &str) -> io::Result<Option<Found>> {
        self.with(|directory| {
            Ok(directory.files.get(name).map(|bytes| match bytes.len() {
                0..=MAX_CONTENT_BYTES => Found::File(bytes.clone()),
                _ => Found::Other,
            }))
        })
    }

    fn is_of_earlier_boot(&self, name: &str) -> io::Result<bool> {
        self.with(|directory| Ok(directory.old.contains(name)))
    }

    fn create(&self, name: &str, content: &str) -> io::Result<()> {
        self.change(|directory| {
            if directory.files.contains_key(name) {
                return Err(Errno::EEXIST.into());
            }
            directory.files.insert(name.to_owned(), content.into());
            Ok(())
        })
    }

    fn link(&self, name: &str, second: &str) -> io::Result<()> {
        self.change(|directory| {
            let bytes = directory.files.get(name).ok_or(Errno::ENOENT)?.clone();
            if directory.files.contains_key(second) {
                return Err(Errno::EEXIST.into());
            }
            directory.files.insert(second.to_owned(), bytes);
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(|directory| {
            let bytes = directory.files.remove(from).ok_or(Errno::ENOENT)?;
            directory.files.insert(to.to_owned(), bytes);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<bool> {
        self.change(|directory| {
            directory.old.remove(name);
            Ok(directory.files.remove(name).is_some())
        })
    }

    fn is_shared(&self) -> io::Result<bool> {
        Ok(false)
    }
}
