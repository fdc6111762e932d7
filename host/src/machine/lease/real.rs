//! The lease directories of the real machine: files below an open directory, and flock(2) for the lock.

use super::super::MachineError;
use super::super::errno::as_go;
use super::directory::{Found, LeaseDirectories, LeaseDirectory, MAX_CONTENT_BYTES, State};
use super::lock::{self, Lock};
use crate::trust;
use crate::value::StoreRef;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use nix::fcntl::OFlag;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use std::fs::DirBuilder;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The lease directories of the real machine.
#[derive(Debug, Clone, Copy)]
pub struct RealDirectories;

impl LeaseDirectories for RealDirectories {
    fn open(&self, store: &StoreRef) -> io::Result<Option<Box<dyn LeaseDirectory>>> {
        match RealDirectory::open(store) {
            Ok(directory) => Ok(Some(Box::new(directory))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, store: &StoreRef) -> Result<Box<dyn LeaseDirectory>, MachineError> {
        let path = store.directory();
        trust::check_directory(&store.data_dir).map_err(|source| {
            let what = format!("failed to create {}", path.display());
            MachineError::File { what, source: as_go(source) }
        })?;
        let created = DirBuilder::new().recursive(true).mode(0o755).create(&path);
        match created.and_then(|()| RealDirectory::open(store)) {
            Ok(directory) => Ok(Box::new(directory)),
            Err(source) => {
                let what = format!("mkdir {}", obstacle(&path).display());
                Err(MachineError::File { what, source: as_go(trust::as_link(&path, source)) })
            }
        }
    }
}

/// The directory for which mkdir(2) failed: the first ancestor that is missing or not a directory.
fn obstacle(directory: &Path) -> &Path {
    let ancestors: Vec<&Path> = directory.ancestors().collect();
    ancestors.into_iter().rev().find(|ancestor| !ancestor.is_dir()).unwrap_or(directory)
}

/// The open directory of a store. All files are accessed relative to it.
#[derive(Debug)]
struct RealDirectory {
    store: StoreRef,
    dir: Dir,
    lock: Option<Lock>,
}

impl RealDirectory {
    /// Opens the directory of a store. Refuses one that somebody else can write, or can exchange for another one.
    fn open(store: &StoreRef) -> io::Result<Self> {
        trust::check_directory(&store.data_dir)?;
        let dir = Dir::from_std_file(trust::open_directory(&store.directory())?);
        Ok(RealDirectory { store: store.clone(), dir, lock: None })
    }
}

impl LeaseDirectory for RealDirectory {
    fn lock(&mut self) -> Result<(), MachineError> {
        if self.lock.is_none() {
            self.lock = Some(lock::take(&self.dir, &self.store)?);
        }
        Ok(())
    }

    fn unlock(&mut self) {
        self.lock = None;
    }

    fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    fn state(&self) -> io::Result<State> {
        let metadata = self.dir.dir_metadata()?;
        Ok(State {
            dev: metadata.dev(),
            ino: metadata.ino(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// When a file is created, removed or renamed, the kernel sets `mtime` and `ctime` of the directory to the same
    /// time. This time may be as coarse as a timer tick. So a state in which they differ ends with the next change,
    /// even within the same tick. File systems without nanoseconds cannot have such a state.
    fn stamp(&self) -> io::Result<Option<State>> {
        let mut now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        for _ in 0..3 {
            let mtime = TimeSpec::from_duration(now);
            utimensat(&self.dir, ".", &TimeSpec::UTIME_OMIT, &mtime, UtimensatFlags::FollowSymlink)?;
            let state = self.state()?;
            if TimeSpec::new(state.mtime.0, state.mtime.1) != mtime {
                return Ok(None);
            }
            if state.mtime != state.ctime {
                return Ok(Some(state));
            }
            now += Duration::from_nanos(1);
        }
        Ok(None)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.dir.entries()? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Option<Found>> {
        // `O_NONBLOCK`, so that a special file such as a FIFO does not block. A lease is never a symbolic link.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits());
        let mut file = match self.dir.open_with(name, &options) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(trust::as_link(&self.store.directory().join(name), error)),
        };
        let mut bytes = Vec::with_capacity(128);
        let most = u64::try_from(MAX_CONTENT_BYTES).unwrap_or(u64::MAX);
        match (&mut file).take(most.saturating_add(1)).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() > MAX_CONTENT_BYTES => Ok(Some(Found::Other)),
            Ok(0) if !file.metadata()?.is_file() => Ok(Some(Found::Other)),
            Ok(_) => Ok(Some(Found::File(bytes))),
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(Some(Found::Other)),
            Err(error) => Err(error),
        }
    }

    fn is_of_earlier_boot(&self, name: &str) -> io::Result<bool> {
        let written = self.dir.symlink_metadata(name)?.modified()?.into_std();
        let since_boot = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
        let since_written = SystemTime::now().duration_since(written).unwrap_or_default();
        Ok(since_written > since_boot)
    }

    fn create(&self, name: &str, content: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = self.dir.open_with(name, &options)?;
        let written = file.write_all(content.as_bytes());
        if written.is_err() {
            let _ = self.dir.remove_file(name);
        }
        written
    }

    fn link(&self, name: &str, second: &str) -> io::Result<()> {
        self.dir.hard_link(name, &self.dir, second)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.dir.rename(from, &self.dir, to)
    }

    fn remove(&self, name: &str) -> io::Result<bool> {
        match self.dir.remove_file(name) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_shared(&self) -> io::Result<bool> {
        let (path, own) = (self.store.directory(), self.state()?);
        let is_it = |entry: std::fs::DirEntry| {
            let found = entry.path().metadata();
            found.is_ok_and(|found| (found.dev(), found.ino()) == (own.dev, own.ino))
        };
        let entries = std::fs::read_dir(&self.store.data_dir)?;
        Ok(entries.flatten().filter(|entry| entry.path() != path).any(is_it))
    }
}
