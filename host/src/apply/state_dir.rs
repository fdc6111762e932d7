//! The directory of all journals, and the locks for it.

use super::journal::{Header, Journal, Section, entries, file_error, read, read_directory, read_header};
use super::lock;
use crate::machine::MachineError;
use crate::value::{Attachment, derive};
use nix::fcntl::Flock;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The name of the lock in an error.
const SHARED: &str = "the lock of shared objects";

/// The directory of all journals.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// The directory `path` (`/run/wasm-cni`, or `WASM_CNI_STATE_DIR`). Creates nothing yet.
    pub fn new(path: PathBuf) -> Self {
        StateDir { path }
    }

    /// Locks an attachment, and creates its directory. Two verbs of the same attachment wait for each other, unless one
    /// of them executes the other: that one is nested, see [`Journal`].
    pub fn lock(&self, attachment: &Attachment) -> Result<Journal, MachineError> {
        let directory = self.attachments().join(derive::key(attachment));
        let what = format!("attachment {} of container {}", attachment.interface, attachment.container);
        loop {
            let is_new = self.make(&directory)?;
            // If the lock fails, a directory that we created is removed. An existing one stays: it has sections of
            // others, or whoever holds the lock removes it.
            let locked = lock_level(&directory, 0, &what).inspect_err(|_| {
                let _ = is_new.then(|| std::fs::remove_dir(&directory));
            })?;
            if let Some((level, lock)) = locked {
                // In a new directory there is no nested verb.
                if !is_new {
                    end_nested(&directory, level, &|file| lock::exclusive(file, &what).map(Some))?;
                }
                return Ok(Journal { directory, level, lock });
            }
        }
    }

    /// Creates the directory of an attachment. Returns whether it did not exist before.
    fn make(&self, directory: &Path) -> Result<bool, MachineError> {
        let above = self.attachments();
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        let created = match builder.create(directory) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                builder.recursive(true).create(&above).map_err(|e| file_error("make", &above, e))?;
                builder.recursive(false).create(directory)
            }
            created => created,
        };
        match created {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
            created => created.map(|()| true).map_err(|e| file_error("make", directory, e)),
        }
    }

    /// Locks an attachment without waiting, and without creating anything. None if somebody holds the lock, or if there
    /// is nothing to lock.
    pub fn try_lock(&self, attachment: &Attachment) -> Result<Option<Journal>, MachineError> {
        self.try_lock_directory(self.attachments().join(derive::key(attachment)))
    }

    fn try_lock_directory(&self, directory: PathBuf) -> Result<Option<Journal>, MachineError> {
        let file = match File::open(&directory) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|e| file_error("open", &directory, e))?,
        };
        let inode = file.metadata().map_err(|e| file_error("read", &directory, e))?.ino();
        let what = directory.display().to_string();
        let Some(lock) = lock::try_exclusive(file, &what)? else {
            return Ok(None);
        };
        let is_same = std::fs::metadata(&directory).is_ok_and(|now| now.ino() == inode);
        if !is_same || !end_nested(&directory, 0, &|file| lock::try_exclusive(file, &what))? {
            return Ok(None);
        }
        Ok(Some(Journal { directory, level: 0, lock }))
    }

    /// Removes directories without a section. They stay when a verb is killed before it writes anything.
    pub fn sweep(&self) {
        for entry in entries(&self.attachments()).unwrap_or_default() {
            if let Ok(Some(journal)) = self.try_lock_directory(entry.path()) {
                // `sections` removes empty sections, and dropping the journal removes the directory.
                let _ = journal.sections();
            }
        }
    }

    /// Whether a verb of this attachment runs now. The check does not wait, and creates nothing.
    pub fn is_locked(&self, attachment: &Attachment) -> bool {
        let opened = File::open(self.attachments().join(derive::key(attachment)));
        opened.is_ok_and(lock::is_held)
    }

    /// Fails if this user cannot read the journals: otherwise an ordinary user would get the answer that there are
    /// none.
    pub fn check_readable(&self) -> Result<(), MachineError> {
        match std::fs::read_dir(self.attachments()) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(file_error("read", &self.attachments(), e)),
            _ => Ok(()),
        }
    }

    /// Takes the lock of shared objects (bridges, forwarding) between processes that apply and undo.
    pub fn lock_shared(&self) -> Result<Flock<File>, MachineError> {
        lock::exclusive(self.shared()?, SHARED)
    }

    /// The same for an undo.
    pub fn lock_shared_for_undo(&self) -> Result<Flock<File>, MachineError> {
        lock::exclusive_for_undo(self.shared()?, SHARED)
    }

    fn shared(&self) -> Result<File, MachineError> {
        let path = self.path.join("shared.lock");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(|e| file_error("make", &self.path, e))?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        file.map_err(|e| file_error("open", &path, e))
    }

    /// All sections of all attachments except `except`. Sections that cannot be read are left out.
    pub fn sections(&self, except: Option<&Attachment>) -> Vec<Section> {
        let except = except.map(derive::key);
        let keys = std::fs::read_dir(self.attachments()).into_iter().flatten().flatten();
        keys.filter(|entry| Some(entry.file_name().to_string_lossy().as_ref()) != except.as_deref())
            .flat_map(|entry| read_directory(&entry.path()).unwrap_or_default().0)
            .collect()
    }

    /// The sections of all other attachments. None if one of them cannot be read: it could use any object.
    pub fn others(&self, attachment: &Attachment) -> Option<Vec<Section>> {
        let own = derive::key(attachment);
        let mut others = Vec::new();
        for key in entries(&self.attachments()).ok()? {
            if key.file_name() == own.as_str() {
                continue;
            }
            let (sections, useless) = read_directory(&key.path()).ok()?;
            if useless.iter().any(|(_, error)| error.is_some()) {
                return None;
            }
            others.extend(sections);
        }
        Some(others)
    }

    /// The sections whose header is `wanted`. The others are not read any further. Sections that cannot be read are left
    /// out.
    pub(super) fn sections_where(&self, wanted: impl Fn(&Header) -> bool) -> Vec<Section> {
        let keys = entries(&self.attachments()).unwrap_or_default().into_iter();
        let files = keys.flat_map(|key| entries(&key.path()).unwrap_or_default());
        let read = |path: PathBuf| read_header(&path).filter(&wanted).and_then(|_| read(&path).ok()?);
        files.filter_map(|file| read(file.path())).collect()
    }

    /// The sections of an attachment now, without its lock. They may be shown, but not undone.
    pub fn sections_of(&self, attachment: &Attachment) -> Vec<Section> {
        read_directory(&self.attachments().join(derive::key(attachment))).unwrap_or_default().0
    }

    /// The directory of the indexes of lease stores, next to the journals.
    pub fn lease_indexes(&self) -> PathBuf {
        self.path.join("leases")
    }

    fn attachments(&self) -> PathBuf {
        self.path.join("attachments")
    }
}

/// Takes the lock of a level, or of the first level above it that no ancestor of this process holds. None if the lock was
/// removed before it was taken.
fn lock_level(directory: &Path, level: u32, what: &str) -> Result<Option<(u32, Flock<File>)>, MachineError> {
    let path = match level {
        0 => directory.to_owned(),
        level => Journal::lock_path(directory, level),
    };
    let opened = match level {
        0 => File::open(&path),
        _ => OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path),
    };
    let file = match opened {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|e| file_error("open", &path, e))?,
    };
    let inode = file.metadata().map_err(|e| file_error("read", &path, e))?.ino();
    let Some(lock) = lock::exclusive_unless_ancestor(file, what)? else {
        return lock_level(directory, level.saturating_add(1), what);
    };
    // Whoever held the lock before us may have removed it.
    Ok(std::fs::metadata(&path).is_ok_and(|now| now.ino() == inode).then_some((level, lock)))
}

/// Takes the locks of the nested verbs that the killed holder of a lock left running, with `lock`, and removes them.
/// Returns false if one of them still runs.
fn end_nested(
    directory: &Path,
    level: u32,
    lock: &dyn Fn(File) -> Result<Option<Flock<File>>, MachineError>,
) -> Result<bool, MachineError> {
    for above in level.saturating_add(1).. {
        let path = Journal::lock_path(directory, above);
        let Ok(file) = File::open(&path) else { break };
        if lock(file)?.is_none() {
            return Ok(false);
        }
        let _ = std::fs::remove_file(path);
    }
    Ok(true)
}
