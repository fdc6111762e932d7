//! The files of a store's directory.

use super::content::Content;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt};
use nix::fcntl::OFlag;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A lease names a container and an interface; whatever is longer is no lease.
const MAX_CONTENT_BYTES: u64 = 4096;

/// A sidecar file: the address that a range set handed out last.
const LAST_RESERVED: &str = "last_reserved_ip.";

/// The open directory of a store.
#[derive(Debug)]
pub struct Directory {
    dir: Dir,
}

/// What tells whether a directory is the same and has the same entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// `st_dev`.
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (i64, i64),
    /// Seconds and nanoseconds since 1970.
    pub ctime: (i64, i64),
}

impl Directory {
    /// Opens a directory; all below is reached through it.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Directory { dir: Dir::open_ambient_dir(path, ambient_authority())? })
    }

    /// The directory itself, for the lock.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The state that it is in.
    pub fn state(&self) -> io::Result<State> {
        let metadata = self.dir.dir_metadata()?;
        Ok(State {
            dev: metadata.dev(),
            ino: metadata.ino(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Gives the directory a state that no other change can leave, and tells it; none where the file system does not keep
    /// nanoseconds.
    ///
    /// Making, removing or renaming a file sets `mtime` and `ctime` to one and the same time, be it as coarse as a tick. So a
    /// state in which they differ lasts until the next change, even one in this very tick.
    pub fn stamp(&self) -> io::Result<Option<State>> {
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

    /// The names of all files that can be a lease or a sidecar.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.dir.entries()? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// What a lease says, if there is such a file.
    pub fn lease(&self, name: &str) -> io::Result<Option<Content>> {
        Ok(self.bytes(name)?.map(|bytes| bytes.map_or(Content::Unknown, |bytes| Content::parse(&bytes))))
    }

    /// The address that a range set handed out last; text that is no address counts as none, as in the reference.
    pub fn last_reserved(&self, set: u32) -> io::Result<Option<IpAddr>> {
        let bytes = self.bytes(&format!("{LAST_RESERVED}{set}"))?.flatten();
        Ok(bytes.and_then(|bytes| str::from_utf8(&bytes).ok()?.parse().ok()))
    }

    /// A small plain file, if there is anything of that name; none within: it is something else.
    fn bytes(&self, name: &str) -> io::Result<Option<Option<Vec<u8>>>> {
        // Nothing that a name may stand for, as a FIFO, makes us wait.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
        let mut file = match self.dir.open_with(name, &options) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::with_capacity(128);
        match (&mut file).take(MAX_CONTENT_BYTES + 1).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > MAX_CONTENT_BYTES => Ok(Some(None)),
            Ok(0) => Ok(Some(file.metadata()?.is_file().then_some(bytes))),
            Ok(_) => Ok(Some(Some(bytes))),
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(Some(None)),
            Err(error) => Err(error),
        }
    }

    /// Makes a whole file appear under a name that must be free; what a crash left there makes room. False: it is taken.
    pub fn publish(&self, name: &str, content: &str) -> io::Result<bool> {
        let temporary = self.write_temporary(name, content)?;
        let link = || self.dir.hard_link(&temporary, &self.dir, name);
        let is_taken = |linked: &io::Result<()>| {
            linked.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists)
        };
        let mut linked = link();
        if is_taken(&linked) && matches!(self.lease(name), Ok(Some(Content::Broken))) {
            linked = self.dir.remove_file(name).and_then(|()| link());
        }
        let _ = self.dir.remove_file(&temporary);
        if is_taken(&linked) { Ok(false) } else { linked.map(|()| true) }
    }

    /// Writes `last_reserved_ip.N`.
    pub fn write_last_reserved(&self, set: u32, address: IpAddr) -> io::Result<()> {
        let name = format!("{LAST_RESERVED}{set}");
        let temporary = self.write_temporary(&name, &address.to_string())?;
        let renamed = self.dir.rename(&temporary, &self.dir, &name);
        if renamed.is_err() {
            let _ = self.dir.remove_file(&temporary);
        }
        renamed
    }

    /// Removes `last_reserved_ip.N`.
    pub fn remove_last_reserved(&self, set: u32) -> io::Result<()> {
        self.dir.remove_file(format!("{LAST_RESERVED}{set}"))
    }

    /// Removes a file; false: it was gone.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        match self.dir.remove_file(name) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes what a killed process left on its way to a lease. The store's lock must be held.
    pub fn remove_temporary(&self, address: IpAddr) -> io::Result<()> {
        self.remove(&temporary(&address.to_string())).map(drop)
    }

    /// The same on its way to `last_reserved_ip.N`.
    pub fn remove_last_temporary(&self, set: u32) -> io::Result<()> {
        self.remove(&temporary(&format!("{LAST_RESERVED}{set}"))).map(drop)
    }

    /// A whole file under a name that is no address, so nobody takes it for a lease. The reference lists only names that are
    /// addresses; its release goes by content, and so removes what a killed process left here.
    fn write_temporary(&self, name: &str, content: &str) -> io::Result<String> {
        let temporary = temporary(name);
        self.remove(&temporary)?;
        let mut file =
            self.dir.open_with(&temporary, OpenOptions::new().write(true).create_new(true).mode(0o600))?;
        match file.write_all(content.as_bytes()) {
            Ok(()) => Ok(temporary),
            Err(error) => {
                let _ = self.dir.remove_file(&temporary);
                Err(error)
            }
        }
    }
}

fn temporary(name: &str) -> String {
    format!(".{name}.new")
}

/// Whether a name is one that `write_temporary` gives: under the lock, what a killed process left.
pub fn is_temporary(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(".new"));
    inner.is_some_and(|inner| {
        let set = inner.strip_prefix(LAST_RESERVED);
        inner.parse::<IpAddr>().is_ok() || set.is_some_and(|set| set.parse::<u32>().is_ok())
    })
}
