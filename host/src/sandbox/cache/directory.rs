//! The directory of the cache. A file in it counts only if nobody but root or this user could have written it. The
//! cache writes a file completely and then renames it into place.

use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The age at which a temporary file is removed. A killed process left it.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The number of files of each kind that are kept, the newest first. A node has about twenty plugins, and the code of
/// a component is about a megabyte. The limit keeps the code of replaced plugins from filling the disk.
pub const KEPT: usize = 256;

/// The file name extensions of the cache.
const KINDS: [&str; 4] = ["cwasm", "record", "index", "refusal"];

/// An open directory that passed the check in [`trusted`].
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

impl Directory {
    /// Opens a directory. With `create`, it makes the directory and its parents with mode 0700.
    pub fn open(path: &Path, create: bool) -> io::Result<Self> {
        if create {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        }
        let flags = nix::libc::O_DIRECTORY | nix::libc::O_NOFOLLOW;
        let directory = File::options().read(true).custom_flags(flags).open(path)?;
        if !trusted(&directory.metadata()?) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "somebody else can write to it"));
        }
        Ok(Directory { path: path.to_owned(), fd: directory.into() })
    }

    /// Opens a file. Returns `None` if it does not exist, or if another user could have written it.
    pub fn read(&self, name: &str) -> Option<File> {
        // These flags do not block on a pipe and do not follow a symbolic link.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = File::from(openat(self.fd.as_fd(), name, flags, Mode::empty()).ok()?);
        let metadata = file.metadata().ok()?;
        let plain = metadata.is_file() && metadata.nlink() == 1 && trusted(&metadata);
        if !plain {
            tracing::warn!("ignoring {}: not a plain file of ours", self.path.join(name).display());
        }
        plain.then_some(file)
    }

    /// Creates a temporary file. It is removed unless [`Draft::publish`] is called.
    pub fn draft(&self) -> io::Result<Draft<'_>> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        for attempt in 0..100 {
            let name = format!(".new-{}-{attempt}", std::process::id());
            match openat(self.fd.as_fd(), name.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR) {
                Ok(fd) => return Ok(Draft { directory: self, name, file: fd.into(), published: false }),
                Err(nix::errno::Errno::EEXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Replaces a file with new contents.
    pub fn write(&self, name: &str, contents: &[u8]) -> io::Result<()> {
        let draft = self.draft()?;
        draft.file().write_all(contents)?;
        draft.publish(name).map(drop)
    }

    /// Removes the temporary files of killed processes, and all but the newest [`KEPT`] files of each kind. A removed
    /// file that is still needed is made again, and is then a new one.
    pub fn sweep(&self) {
        let Ok(entries) = self.path.read_dir() else { return };
        let mut kinds: [Vec<(SystemTime, OsString)>; KINDS.len()] = Default::default();
        for entry in entries.flatten() {
            let Ok(changed) = entry.metadata().and_then(|metadata| metadata.modified()) else { continue };
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(".new-") {
                if SystemTime::now().duration_since(changed).is_ok_and(|age| age > ABANDONED) {
                    self.remove(&name);
                }
                continue;
            }
            let extension = Path::new(&name).extension();
            let kind = KINDS.iter().position(|kind| extension == Some(OsStr::new(kind)));
            if let Some(files) = kind.and_then(|kind| kinds.get_mut(kind)) {
                files.push((changed, name));
            }
        }
        for mut files in kinds {
            files.sort_unstable();
            let surplus = files.len().saturating_sub(KEPT);
            files.iter().take(surplus).for_each(|(_, name)| self.remove(name));
        }
    }

    fn remove(&self, name: &OsStr) {
        // Another process may have removed the file already.
        let _ = unlinkat(self.fd.as_fd(), name, UnlinkatFlags::NoRemoveDir);
    }
}

/// A file that is being written.
pub struct Draft<'a> {
    directory: &'a Directory,
    name: String,
    file: File,
    published: bool,
}

impl Draft<'_> {
    /// The file, open for reading and writing.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes the file read-only and renames it to `name`.
    ///
    /// The directory has mode 0700, so no other user can open the file. The mode of the file allows a planner without
    /// privileges to read it through a descriptor that it gets.
    pub fn publish(mut self, name: &str) -> io::Result<File> {
        self.file.sync_data()?;
        fchmod(&self.file, Mode::from_bits_truncate(0o444))?;
        let directory = self.directory.fd.as_fd();
        renameat(directory, self.name.as_str(), directory, name)?;
        self.published = true;
        // Open the file again, read-only: a descriptor for writing must not exist any more when the contents are
        // checked.
        self.directory.read(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.published {
            let directory = self.directory.fd.as_fd();
            // If the removal fails, a later sweep removes the file.
            let _ = unlinkat(directory, self.name.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Whether nobody but root or this user could have written the file.
fn trusted(metadata: &Metadata) -> bool {
    (metadata.uid() == 0 || metadata.uid() == geteuid().as_raw()) && metadata.mode() & 0o022 == 0
}
