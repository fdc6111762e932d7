//! The directory of a lease store: the operations that a machine provides, and the files that leases consist of.

use super::super::MachineError;
use super::content::Content;
use crate::value::StoreRef;
use std::fmt;
use std::io;
use std::net::IpAddr;

/// In bytes. A larger file is no lease: a lease names only a container and an interface.
pub const MAX_CONTENT_BYTES: usize = 4096;

/// The prefix of the files that contain the last reserved address of a range set.
const LAST_RESERVED: &str = "last_reserved_ip.";

/// An open directory of a lease store: the port for leases. The `io::Error`s have the kernel's errno.
pub trait LeaseDirectory: fmt::Debug + Send {
    /// Locks the store, and waits at most ten seconds for another holder. The lock is held until
    /// [`LeaseDirectory::unlock`].
    fn lock(&mut self) -> Result<(), MachineError>;

    /// Releases the lock, if this object holds it.
    fn unlock(&mut self);

    /// Whether this object holds the lock.
    fn is_locked(&self) -> bool;

    /// The current state of the directory.
    fn state(&self) -> io::Result<State>;

    /// Sets the directory to a state that no other change can produce, and returns it. None if the file system cannot
    /// store such a state.
    fn stamp(&self) -> io::Result<Option<State>>;

    /// The names of all entries that are valid UTF-8.
    fn names(&self) -> io::Result<Vec<String>>;

    /// The entry with this name, if it exists. Reading never blocks.
    fn read(&self, name: &str) -> io::Result<Option<Found>>;

    /// Whether a file was last written before the last boot.
    fn is_of_earlier_boot(&self, name: &str) -> io::Result<bool>;

    /// Creates a file that only root can read. Fails with `EEXIST` if the name is taken. After any other error, the
    /// file does not exist.
    fn create(&self, name: &str, content: &str) -> io::Result<()>;

    /// Creates a hard link `second` to a file. Fails with `EEXIST` if that name is taken.
    fn link(&self, name: &str, second: &str) -> io::Result<()>;

    /// Renames a file, and replaces an existing one.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Returns false if it did not exist.
    fn remove(&self, name: &str) -> io::Result<bool>;

    /// Whether the directory has another name, so that it may also be the store of another network.
    fn is_shared(&self) -> io::Result<bool>;
}

/// The lease directories of a machine.
pub trait LeaseDirectories: fmt::Debug + Send {
    /// Opens the directory of a store. None if it does not exist.
    fn open(&self, store: &StoreRef) -> io::Result<Option<Box<dyn LeaseDirectory>>>;

    /// Opens the directory of a store. Creates it, with its parents, if it does not exist.
    fn create(&self, store: &StoreRef) -> Result<Box<dyn LeaseDirectory>, MachineError>;
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A file of at most [`MAX_CONTENT_BYTES`].
    File(Vec<u8>),
    /// A larger file, or an entry of another type.
    Other,
}

/// Shows whether a directory is the same one and has the same entries.
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

impl dyn LeaseDirectory + '_ {
    /// The content of a lease, if the file exists.
    pub fn lease(&self, name: &str) -> io::Result<Option<Content>> {
        Ok(self.read(name)?.map(|found| match found {
            Found::File(bytes) => Content::parse(&bytes),
            Found::Other => Content::Unknown,
        }))
    }

    /// The last reserved address of a range set. Text that is no address counts as none, as in the reference.
    pub fn last_reserved(&self, set: u32) -> io::Result<Option<IpAddr>> {
        match self.read(&last_reserved(set))? {
            Some(Found::File(bytes)) => Ok(str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok())),
            Some(Found::Other) | None => Ok(None),
        }
    }

    /// Creates a file atomically, with its whole content. A broken file with this name, which a crash left, is
    /// replaced. Returns false if the name is taken.
    pub fn publish(&self, name: &str, content: &str) -> io::Result<bool> {
        let temporary = self.write_temporary(name, content)?;
        let is_taken = |linked: &io::Result<()>| {
            linked.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists)
        };
        let mut linked = self.link(&temporary, name);
        if is_taken(&linked) && matches!(self.lease(name), Ok(Some(Content::Broken))) {
            linked = self.remove(name).and_then(|_| self.link(&temporary, name));
        }
        let _ = self.remove(&temporary);
        if is_taken(&linked) { Ok(false) } else { linked.map(|()| true) }
    }

    /// Writes `last_reserved_ip.N`.
    pub fn write_last_reserved(&self, set: u32, address: IpAddr) -> io::Result<()> {
        let name = last_reserved(set);
        let temporary = self.write_temporary(&name, &address.to_string())?;
        let renamed = self.rename(&temporary, &name);
        if renamed.is_err() {
            let _ = self.remove(&temporary);
        }
        renamed
    }

    /// Removes `last_reserved_ip.N`.
    pub fn remove_last_reserved(&self, set: u32) -> io::Result<()> {
        self.remove(&last_reserved(set)).map(drop)
    }

    /// Removes the temporary file that a killed process left while it created a lease. The store must be locked.
    pub fn remove_temporary(&self, address: IpAddr) -> io::Result<()> {
        self.remove(&temporary(&address.to_string())).map(drop)
    }

    /// Removes the temporary file that a killed process left while it wrote `last_reserved_ip.N`. The store must be
    /// locked.
    pub fn remove_last_temporary(&self, set: u32) -> io::Result<()> {
        self.remove(&temporary(&last_reserved(set))).map(drop)
    }

    /// Writes a file under a temporary name. The name is no address, so nobody takes the file for a lease. The
    /// reference lists only names that are addresses. But its release compares contents, and so removes a temporary
    /// file that a killed process left.
    fn write_temporary(&self, name: &str, content: &str) -> io::Result<String> {
        let temporary = temporary(name);
        self.remove(&temporary)?;
        self.create(&temporary, content).map(|()| temporary)
    }
}

fn last_reserved(set: u32) -> String {
    format!("{LAST_RESERVED}{set}")
}

fn temporary(name: &str) -> String {
    format!(".{name}.new")
}

/// Whether a name is that of a temporary file. While the store is locked, such a file is one that a killed process
/// left.
pub fn is_temporary(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(".new"));
    inner.is_some_and(|inner| {
        let set = inner.strip_prefix(LAST_RESERVED);
        inner.parse::<IpAddr>().is_ok() || set.is_some_and(|set| set.parse::<u32>().is_ok())
    })
}
