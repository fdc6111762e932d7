//! The production machine: Linux, with netlink, `/proc/sys`, files and processes.
//!
//! There are two network namespaces: that of the host, which is the calling thread's, and that of a container. The
//! thread enters the container's namespace only to open a socket or a file in `/proc/sys`.

mod change;
mod file;
pub mod firewalld;
mod look;
pub mod native;
pub mod netlink;
pub mod netns;
pub mod process;
mod sysctl;
pub mod tables;

use crate::machine::errno::DRY;
use crate::machine::lease::Stores;
use crate::value::{LinkRef, Netns};
use netlink::Netlink;
use netns::{Guard, NetnsFile};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use tables::Tables;

/// A Linux machine with the host's network namespace and a container's.
///
/// All calls must come from the same thread, whose namespace is the host's. Only [`Tables`] may be used from other
/// threads.
#[derive(Debug)]
pub struct Linux {
    container: Option<NetnsFile>,
    dry: bool,
    /// The host's namespace, opened before the thread first leaves it.
    home: Option<File>,
    sockets: Sockets,
    /// The indexes of links that were looked up. The kernel does not use an index twice, so an old index at worst
    /// belongs to no link.
    indexes: HashMap<LinkRef, u32>,
    stores: Stores,
    tables: Arc<Tables>,
}

/// The open sockets of both namespaces.
#[derive(Debug, Default)]
struct Sockets {
    host: Option<Netlink>,
    container: Option<Netlink>,
}

impl Linux {
    /// A machine with this container namespace, if any. A dry machine refuses every change. Opens nothing yet.
    pub fn open(container: Option<NetnsFile>, dry: bool) -> Self {
        Linux {
            container,
            dry,
            home: None,
            sockets: Sockets::default(),
            indexes: HashMap::new(),
            stores: Stores::real(dry),
            tables: Arc::new(Tables::new(dry, None)),
        }
    }

    /// The same machine with these lease stores.
    pub fn with_stores(mut self, stores: Stores) -> Self {
        self.stores = stores;
        self
    }

    /// Passes this lock (flock(2)) on to the programs that change rules. If this process is killed, such a program may
    /// still be about to add rules. It then holds the lock until its end, so the next process that takes the lock sees
    /// its rules.
    pub fn with_lock(mut self, lock: BorrowedFd<'_>) -> Self {
        // If no descriptor is left, the lock is not passed on.
        self.tables = Arc::new(Tables::new(self.dry, lock.try_clone_to_owned().ok()));
        self
    }

    /// The socket of a namespace.
    fn socket(&mut self, netns: Netns) -> io::Result<&mut Netlink> {
        let slot = match netns {
            Netns::Host => &mut self.sockets.host,
            Netns::Container => &mut self.sockets.container,
        };
        match slot {
            Some(socket) => Ok(socket),
            None => {
                let guard = enter(&mut self.home, self.container.as_ref(), netns)?;
                let socket = Netlink::open()?;
                drop(guard);
                Ok(slot.insert(socket))
            }
        }
    }

    /// Moves the thread into a namespace, until the guard is dropped.
    fn enter(&mut self, netns: Netns) -> io::Result<Option<Guard<&File>>> {
        enter(&mut self.home, self.container.as_ref(), netns)
    }

    /// The error for a change of a dry machine.
    fn refuse_dry(&self) -> io::Result<()> {
        if self.dry { Err(io::Error::other(DRY)) } else { Ok(()) }
    }
}

/// Enters a namespace. The thread is in the host's namespace already.
fn enter<'a>(
    home: &'a mut Option<File>,
    container: Option<&NetnsFile>,
    netns: Netns,
) -> io::Result<Option<Guard<&'a File>>> {
    match netns {
        Netns::Host => Ok(None),
        Netns::Container => {
            let container = container.ok_or_else(no_container)?;
            let home = match home {
                Some(home) => home,
                None => home.insert(netns::of_thread()?),
            };
            container.enter_from(home).map(Some)
        }
    }
}

/// The error if the container's namespace is gone.
fn no_container() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the container has no network namespace")
}

#[cfg(test)]
mod tests;
