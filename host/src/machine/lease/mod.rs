//! The lease store of host-local: one directory for each network, one file for each address (reference:
//! plugins/ipam/host-local/backend/disk/backend.go).
//!
//! The files are authoritative. Queries are answered from an index of them. If there is a directory for indexes, the
//! index is stored there, next to the journals. It is valid as long as the store's directory has the state for which
//! the index was written. Otherwise, the files are read once.

#![deny(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod content;
mod directory;
pub(super) mod gaps;
mod index;
mod lock;
mod memory;
mod real;
mod sidecar;
mod stores;

pub use directory::{Found, LeaseDirectories, LeaseDirectory, MAX_CONTENT_BYTES, State};
pub use memory::{Gate, MemoryDirectories};
pub use real::RealDirectories;
pub use stores::{Stores, unreadable};

use super::MachineError;
use super::errno::as_go;
use crate::value::{AddressRange, Owner, StoreRef};
use content::Content;
use index::Index;
use nix::errno::Errno;
use sidecar::Sidecar;
use std::io;
use std::net::IpAddr;
use std::path::Path;

/// The holder of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody: the file does not exist. While the store is locked, a file that a crash left counts as nobody's too.
    Nobody,
    /// The given owner.
    Owner,
    /// Somebody else.
    Other,
}

/// The addresses of one owner, each list in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Addresses whose files name container and interface.
    pub exact: Vec<IpAddr>,
    /// Addresses whose files name only the container.
    pub legacy: Vec<IpAddr>,
}

/// The result of removing or restoring something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reverted {
    /// It existed and was removed, or it was restored.
    Done,
    /// There was nothing to do.
    Gone,
    /// Something else exists in its place, and stays. The text is the reason.
    Left(String),
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    reference: StoreRef,
    directory: Box<dyn LeaseDirectory>,
    sidecar: Option<Sidecar>,
    known: Option<Known>,
}

/// What is known about the files.
#[derive(Debug)]
struct Known {
    index: Index,
    /// The state of the directory for which the index is valid.
    state: State,
    /// Whether the stored index is the same.
    saved: bool,
    /// Whether this user cannot read some of the files (in a dry run of an ordinary user).
    hidden: bool,
}

impl Store {
    /// A store in an open directory. Without an index, each query reads all files.
    pub fn new(reference: StoreRef, directory: Box<dyn LeaseDirectory>) -> Self {
        Store { reference, directory, sidecar: None, known: None }
    }

    /// The same store with its index in the directory `indexes`, if given.
    pub fn with_index(mut self, indexes: Option<&Path>) -> Self {
        self.sidecar = indexes.map(|indexes| Sidecar::new(indexes, &self.reference));
        self
    }

    /// Locks the store, unless this object holds the lock already. Waits at most ten seconds.
    pub fn lock(&mut self) -> Result<(), MachineError> {
        if !self.is_locked() {
            self.directory.lock()?;
            self.known = None;
        }
        Ok(())
    }

    /// Whether this object holds the store's lock.
    pub fn is_locked(&self) -> bool {
        self.directory.is_locked()
    }

    /// Writes the index, if it has changed, and releases the lock.
    pub fn unlock(&mut self) {
        if self.is_locked()
            && let Some(known) = self.undisturbed().filter(|known| !known.saved && !known.hidden)
            && let Some(sidecar) = &self.sidecar
            && let Err(error) = sidecar.save(&*self.directory, &known.index)
        {
            // The index only saves time. Without it, the next process reads the files.
            tracing::debug!(%error, "the index of a lease store could not be written");
        }
        self.known = None;
        self.directory.unlock();
    }

    /// The addresses of an owner. The index gives candidates, and their files decide.
    pub fn held(&mut self, owner: &Owner) -> io::Result<Held> {
        let known = self.known()?;
        if known.hidden {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut held = Held::default();
        for address in known.index.candidates(content::hashes(owner)) {
            match self.directory.lease(&address.to_string())? {
                Some(content) if content.is_of(owner) => held.exact.push(address),
                Some(content) if content.is_legacy_of(owner) => held.legacy.push(address),
                _ => {}
            }
        }
        Ok(held)
    }

    /// The free parts of a range, in ascending order, at most [`crate::value::fact::MAX_GAPS`].
    pub fn free(&mut self, within: AddressRange) -> io::Result<Vec<AddressRange>> {
        let index = &self.known()?.index;
        Ok(gaps::gaps(within, index.taken(within.first.is_ipv4())))
    }

    /// The holder of an address, from its file alone.
    pub fn holder(&self, address: IpAddr, owner: &Owner) -> io::Result<Holder> {
        Ok(match self.directory.lease(&address.to_string())? {
            None => Holder::Nobody,
            // Without the lock, the file may be in the process of being written: the reference creates it empty first.
            Some(Content::Broken) if self.is_locked() => Holder::Nobody,
            Some(content) if content.is_of(owner) || content.is_legacy_of(owner) => Holder::Owner,
            Some(_) => Holder::Other,
        })
    }

    /// Whether a lease was written before the last boot.
    pub fn is_of_earlier_boot(&self, address: IpAddr) -> io::Result<bool> {
        self.directory.is_of_earlier_boot(&address.to_string())
    }

    /// The last reserved address of a range set.
    pub fn last_reserved(&self, set: u32) -> io::Result<Option<IpAddr>> {
        self.directory.last_reserved(set)
    }

    /// Reserves an address, then writes it as the last reserved one of its set. Returns the previous last reserved
    /// address. The store must be locked.
    pub fn reserve(
        &mut self,
        address: IpAddr,
        set: u32,
        owner: &Owner,
    ) -> Result<Option<IpAddr>, MachineError> {
        let name = address.to_string();
        let text = content::text(owner);
        let [hash, _] = content::hashes(owner);
        let old = self.last_reserved(set).map_err(|e| self.failed("reserve", &name, e))?;
        let published = self.change(
            |directory| directory.publish(&name, &text),
            |index, published| {
                if *published {
                    index.insert(address, hash);
                }
            },
        );
        if !published.map_err(|e| self.failed("reserve", &name, e))? {
            return Err(self.taken(address));
        }
        let noted = self.change(|directory| directory.write_last_reserved(set, address), |_, _| ());
        if let Err(error) = noted {
            // A failed reservation must leave nothing.
            let _ = self.directory.remove(&name);
            return Err(self.failed("reserve", &name, error));
        }
        Ok(old)
    }

    /// The error for an address that is taken. If the index contradicts that, the index is wrong and is removed.
    fn taken(&mut self, address: IpAddr) -> MachineError {
        let network = &self.reference.network;
        match self.known.take() {
            Some(known) if !known.index.contains(address) => {
                self.sidecar.iter().for_each(Sidecar::remove);
                MachineError::Changed(format!(
                    "IP address {address} of network {network} was taken without the store's lock"
                ))
            }
            known => {
                self.known = known;
                let text = format!("requested IP address {address} is not available in network {network}");
                MachineError::Conflict(text)
            }
        }
    }

    /// Removes a lease, if its file still names the owner, and the temporary file that a killed process left. The store
    /// must be locked.
    pub fn release(&mut self, address: IpAddr, owner: &Owner) -> Result<Reverted, MachineError> {
        let name = address.to_string();
        let found = self.directory.remove_temporary(address);
        let released = found.and_then(|()| self.holder(address, owner)).and_then(|holder| match holder {
            Holder::Nobody => Ok(Reverted::Gone),
            Holder::Other => Ok(Reverted::Left(format!("lease {name} belongs to another container by now"))),
            Holder::Owner => {
                self.remove(address).map(|was_there| if was_there { Reverted::Done } else { Reverted::Gone })
            }
        });
        released.map_err(|error| self.failed("release", &name, error))
    }

    /// Restores `last_reserved_ip.N`, if it still has this address. Without an old address, removes the file. The store
    /// must be locked.
    pub fn restore_last(
        &mut self,
        set: u32,
        address: IpAddr,
        old: Option<IpAddr>,
    ) -> Result<Reverted, MachineError> {
        let found = self.directory.remove_last_temporary(set);
        let restored = found.and_then(|()| self.last_reserved(set)).and_then(|now| match now {
            now if now == old => Ok(Reverted::Gone),
            Some(now) if now == address => {
                let restore = |directory: &dyn LeaseDirectory| match old {
                    Some(old) => directory.write_last_reserved(set, old),
                    None => directory.remove_last_reserved(set),
                };
                self.change(restore, |_, ()| ()).map(|()| Reverted::Done)
            }
            _ => Ok(Reverted::Left(format!("last_reserved_ip.{set} was changed by somebody else"))),
        });
        restored.map_err(|error| self.failed("restore", &format!("last_reserved_ip.{set}"), error))
    }

    /// The leases that `is_valid` refuses by container and interface, and the files that crashes left, in ascending
    /// order.
    ///
    /// A file that names no owner is not among them. A file in the old form names only a container. If this name does
    /// not look like an ID from a runtime, the file may be an operator's note, and the address counts as taken.
    pub fn unlisted(&mut self, is_valid: &dyn Fn(&str, Option<&str>) -> bool) -> io::Result<Vec<IpAddr>> {
        let mut invalid = Vec::new();
        // The index is not used here, because the files decide what is removed and what stays.
        self.known = Some(self.scan(&mut |address, content| match content {
            Content::Owner { container, interface } => {
                let is_owner = interface.is_some() || content::is_generated(container);
                if is_owner && !is_valid(container, interface.as_deref()) {
                    invalid.push(address);
                }
            }
            Content::Broken => invalid.push(address),
            Content::Unknown => {}
        })?);
        invalid.sort_unstable();
        Ok(invalid)
    }

    /// Removes leases of any holder. Returns an error for each that could not be removed. The store must be locked.
    pub fn remove_all(&mut self, addresses: &[IpAddr]) -> Vec<MachineError> {
        let failed = addresses.iter().filter_map(|address| {
            let result = self.remove(*address);
            result.err().map(|error| self.failed("release", &address.to_string(), error))
        });
        failed.collect()
    }

    /// Whether the directory has another name, so that it may also be the store of another network.
    pub fn is_shared(&self) -> io::Result<bool> {
        self.directory.is_shared()
    }

    /// Removes a lease. Returns false if it did not exist.
    fn remove(&mut self, address: IpAddr) -> io::Result<bool> {
        self.change(|directory| directory.remove(&address.to_string()), |index, _| index.remove(address))
    }

    /// Changes the directory, and the index accordingly. After a failure, or if somebody else changed the directory
    /// too, the index is discarded.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&dyn LeaseDirectory) -> io::Result<T>,
        follow: impl FnOnce(&mut Index, &T),
    ) -> io::Result<T> {
        let known = self.undisturbed();
        let result = change(&*self.directory)?;
        if let (Some(mut known), Ok(state)) = (known, self.directory.state()) {
            follow(&mut known.index, &result);
            self.known = Some(Known { state, saved: false, ..known });
        }
        Ok(result)
    }

    /// Takes what is known, if the directory has not changed since.
    fn undisturbed(&mut self) -> Option<Known> {
        let known = self.known.take().or_else(|| self.load());
        known.filter(|known| self.directory.state().is_ok_and(|now| now == known.state))
    }

    /// What is known: the stored index if it is valid, otherwise all files are read.
    fn known(&mut self) -> io::Result<&Known> {
        let known = match self.known.take().or_else(|| self.load()) {
            Some(known) => known,
            None => self.scan(&mut |_, _| ())?,
        };
        Ok(self.known.insert(known))
    }

    /// Whether the next process would use the index in its file instead of the directory.
    pub fn is_index_believed(&self) -> bool {
        self.load().is_some()
    }

    fn load(&self) -> Option<Known> {
        let state = self.directory.state().ok()?;
        let index = self.sidecar.as_ref()?.load(&state)?;
        Some(Known { index, state, saved: true, hidden: false })
    }

    /// Reads all files, and passes each lease to `look`. A file that cannot be understood counts as a taken address.
    fn scan(&self, look: &mut dyn FnMut(IpAddr, &Content)) -> io::Result<Known> {
        let (mut state, mut names) = (self.directory.state()?, self.directory.names()?);
        if self.is_locked() && names.iter().any(|name| directory::is_temporary(name)) {
            for name in names.iter().filter(|name| directory::is_temporary(name)) {
                self.directory.remove(name)?;
            }
            (state, names) = (self.directory.state()?, self.directory.names()?);
        }
        let mut hidden = false;
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let Ok(address) = name.parse::<IpAddr>() else { continue };
            let content = match self.directory.lease(&name) {
                Ok(Some(content)) => content,
                Ok(None) => continue,
                Err(error) => {
                    hidden |= error.raw_os_error().map(Errno::from_raw) == Some(Errno::EACCES);
                    Content::Unknown
                }
            };
            look(address, &content);
            if content != Content::Broken || !self.is_locked() {
                entries.push((address, content.hash()));
            }
        }
        Ok(Known { index: entries.into_iter().collect(), state, saved: false, hidden })
    }

    fn failed(&self, verb: &str, name: &str, source: io::Error) -> MachineError {
        let path = self.reference.directory().join(name);
        MachineError::File { what: format!("failed to {verb} {}", path.display()), source: as_go(source) }
    }
}

impl Drop for Store {
    /// Writes the index even after a failed call, so that the next process need not read the files again.
    fn drop(&mut self) {
        self.unlock();
    }
}

#[cfg(test)]
mod tests;
