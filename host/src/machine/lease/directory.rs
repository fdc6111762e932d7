//! The directory of a lease store: what a machine gives of one, and how leases are files in it.

use super::super::MachineError;
use super::content::Content;
use crate::value::StoreRef;
use std::fmt;
use std::io;
use std::net::IpAddr;

/// A lease names a container and an interface; whatever is longer, in bytes, is no lease.
pub const MAX_CONTENT_BYTES: usize = 4096;

/// What the names of sidecar files begin with: each has the address that a range set handed out last.
const LAST_RESERVED: &str = "last_reserved_ip.";

/// An open directory with the files of a lease store: the port for leases. An `io::Error` has the kernel's errno.
pub trait LeaseDirectory: fmt::Debug + Send {
    /// Takes the store's lock, and waits ten seconds at most for whoever holds it. The lock is held until [`LeaseDirectory::unlock`].
    fn lock(&mut self) -> Result<(), MachineError>;

    /// Releases the lock, if this holds it.
    fn unlock(&mut self);

    /// Whether this holds the lock.
    fn is_locked(&self) -> bool;

    /// The state that the directory is in.
    fn state(&self) -> io::Result<State>;

    /// Gives the directory a state that no other change can leave, and returns it; none where the file system cannot keep one.
    fn stamp(&self) -> io::Result<Option<State>>;

    /// The names in it, as far as they are UTF-8.
    fn names(&self) -> io::Result<Vec<String>>;

    /// What has a name, if anything does. Reading waits for nobody.
    fn read(&self, name: &str) -> io::Result<Option<Found>>;

    /// Makes a file, for root alone; `EEXIST` if the name is taken. After another error there is no such file.
    fn create(&self, name: &str, content: &str) -> io::Result<()>;

    /// Gives a file a second name; `EEXIST` if that is taken.
    fn link(&self, name: &str, second: &str) -> io::Result<()>;

    /// Gives a file another name, in the place of whatever has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; false: it was gone.
    fn remove(&self, name: &str) -> io::Result<bool>;

    /// Whether the directory has another name, so that it may be the store of another network too.
    fn is_shared(&self) -> io::Result<bool>;
}

/// The lease directories of a machine.
pub trait LeaseDirectories: fmt::Debug + Send {
    /// Opens the directory of a store; none: there is none.
    fn open(&self, store: &StoreRef) -> io::Result<Option<Box<dyn LeaseDirectory>>>;

    /// Opens the directory of a store, and makes it, with its parents, where there is none.
    fn create(&self, store: &StoreRef) -> Result<Box<dyn LeaseDirectory>, MachineError>;
}

/// What has a name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A file of at most [`MAX_CONTENT_BYTES`].
    File(Vec<u8>),
    /// A larger file, or something else.
    Other,
}

/// What shows whether a directory is the same and has the same entries.
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
    /// What a lease says, if there is such a file.
    pub fn lease(&self, name: &str) -> io::Result<Option<Content>> {
        Ok(self.read(name)?.map(|found| match found {
            Found::File(bytes) => Content::parse(&bytes),
            Found::Other => Content::Unknown,
        }))
    }

    /// The address that a range set handed out last; text that is no address counts as none, as in the reference.
    pub fn last_reserved(&self, set: u32) -> io::Result<Option<IpAddr>> {
        match self.read(&last_reserved(set))? {
            Some(Found::File(bytes)) => Ok(str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok())),
            Some(Found::Other) | None => Ok(None),
        }
    }

    /// Makes a whole file appear under a name that must be free; what a crash left there makes room. False: the name is taken.
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

    /// Removes what a killed process left on its way to a lease. The store's lock must be held.
    pub fn remove_temporary(&self, address: IpAddr) -> io::Result<()> {
        self.remove(&temporary(&address.to_string())).map(drop)
    }

    /// Removes what a killed process left on its way to `last_reserved_ip.N`. The store's lock must be held.
    pub fn remove_last_temporary(&self, set: u32) -> io::Result<()> {
        self.remove(&temporary(&last_reserved(set))).map(drop)
    }

    /// A whole file under a name that is no address, so nobody takes it for a lease. The reference lists only names that are
    /// addresses; its release goes by content, and so removes what a killed process left here.
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

/// Whether a name is one under which a file is written before it gets its own: under the lock, what a killed process left.
pub fn is_temporary(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(".new"));
    inner.is_some_and(|inner| {
        let set = inner.strip_prefix(LAST_RESERVED);
        inner.parse::<IpAddr>().is_ok() || set.is_some_and(|set| set.parse::<u32>().is_ok())
    })
}
