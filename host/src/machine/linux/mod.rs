//! The machine that ships: Linux, over netlink, `/proc/sys`, files and processes.
//!
//! There are two network namespaces: the host's, which is the calling thread's, and a container's, in which the thread is only for as long as it takes to open
//! a socket or a file of `/proc/sys`.

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

/// The host's namespace, which is the calling thread's, and a container's.
///
/// All calls have to come from one thread, the one whose namespace is the host's; [`Tables`] may be used from others.
#[derive(Debug)]
pub struct Linux {
    container: Option<NetnsFile>,
    dry: bool,
    /// The host's namespace, once the thread has left it.
    home: Option<File>,
    sockets: Sockets,
    /// The indexes of links that were looked up; the kernel uses none twice, so at worst there is no such link any more.
    indexes: HashMap<LinkRef, u32>,
    stores: Stores,
    tables: Arc<Tables>,
}

/// The sockets of both namespaces, as far as they are open.
#[derive(Debug, Default)]
struct Sockets {
    host: Option<Netlink>,
    container: Option<Netlink>,
}

impl Linux {
    /// A machine with that container namespace, if it has one; a dry one refuses every change. Opens nothing yet.
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

    /// With these lease stores.
    pub fn with_stores(mut self, stores: Stores) -> Self {
        self.stores = stores;
        self
    }

    /// Processes that change rules hold this lock (`flock`) too. When this process is killed, one of them may still be about to add rules: whoever takes the
    /// lock next comes after that.
    pub fn with_lock(mut self, lock: BorrowedFd<'_>) -> Self {
        // Without a descriptor to spare, it is as if the lock were not shared.
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

    /// Moves the thread into a namespace until the guard is dropped.
    fn enter(&mut self, netns: Netns) -> io::Result<Option<Guard<&File>>> {
        enter(&mut self.home, self.container.as_ref(), netns)
    }

    /// The error of a change of a dry machine.
    fn refuse_dry(&self) -> io::Result<()> {
        if self.dry { Err(io::Error::other(DRY)) } else { Ok(()) }
    }
}

/// The host's namespace is where the thread is.
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

/// The error for a container that is gone.
fn no_container() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the container has no network namespace")
}

#[cfg(test)]
mod tests;
