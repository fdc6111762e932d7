//! The lease store of host-local: a directory per network, a file per address (cni-behaviours, section 4.2).
//!
//! The files are the truth. Questions are answered from an index of them. Where there is a place for it, it is kept beside the journals and believed
//! while the directory is as it was when the index was written; else the files are read once.

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
use sidecar::Sidecar;
use std::io;
use std::net::IpAddr;
use std::path::Path;

/// Who holds an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody: there is no file, or under the lock one that a crash left.
    Nobody,
    /// The owner in question.
    Owner,
    /// Somebody else.
    Other,
}

/// The addresses of one owner, each list ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// By files that name container and interface.
    pub exact: Vec<IpAddr>,
    /// By files that name the container alone.
    pub legacy: Vec<IpAddr>,
}

/// What became of something that was to be removed or restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reverted {
    /// It was there and is gone, or was restored.
    Done,
    /// There was nothing to do.
    Gone,
    /// It is not the one meant: left, with the reason.
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

/// What is known of the files.
#[derive(Debug)]
struct Known {
    index: Index,
    /// The directory's state for which the index is true.
    state: State,
    /// Whether the index's file says the same.
    saved: bool,
    /// Whether there are files that we may not read (a dry run by an ordinary user).
    hidden: bool,
}

impl Store {
    /// A store in an open directory; each question reads all files.
    pub fn new(reference: StoreRef, directory: Box<dyn LeaseDirectory>) -> Self {
        Store { reference, directory, sidecar: None, known: None }
    }

    /// With its index in that directory of indexes, if there is one.
    pub fn with_index(mut self, indexes: Option<&Path>) -> Self {
        self.sidecar = indexes.map(|indexes| Sidecar::new(indexes, &self.reference));
        self
    }

    /// Takes the store's lock, if this does not hold it already; waits ten seconds at most.
    pub fn lock(&mut self) -> Result<(), MachineError> {
        if !self.is_locked() {
            self.directory.lock()?;
            self.known = None;
        }
        Ok(())
    }

    /// Whether this holds the store's lock.
    pub fn is_locked(&self) -> bool {
        self.directory.is_locked()
    }

    /// Writes the index, if there is something new in it, and releases the lock.
    pub fn unlock(&mut self) {
        if self.is_locked()
            && let Some(known) = self.undisturbed().filter(|known| !known.saved && !known.hidden)
            && let Some(sidecar) = &self.sidecar
            && let Err(error) = sidecar.save(&*self.directory, &known.index)
        {
            // It only saves time: the next one reads the files.
            tracing::debug!(%error, "the index of a lease store could not be written");
        }
        self.known = None;
        self.directory.unlock();
    }

    /// What an owner holds, by the files to which the index points.
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

    /// The parts of a range that nobody holds, ascending, at most [`crate::value::fact::MAX_GAPS`].
    pub fn free(&mut self, within: AddressRange) -> io::Result<Vec<AddressRange>> {
        let index = &self.known()?.index;
        Ok(gaps::gaps(within, index.taken(within.first.is_ipv4())))
    }

    /// Who holds an address, by its file alone.
    pub fn holder(&self, address: IpAddr, owner: &Owner) -> io::Result<Holder> {
        Ok(match self.directory.lease(&address.to_string())? {
            None => Holder::Nobody,
            // Without the lock it may be about to be written: the reference makes the file first.
            Some(Content::Broken) if self.is_locked() => Holder::Nobody,
            Some(content) if content.is_of(owner) || content.is_legacy_of(owner) => Holder::Owner,
            Some(_) => Holder::Other,
        })
    }

    /// The address that a range set handed out last.
    pub fn last_reserved(&self, set: u32) -> io::Result<Option<IpAddr>> {
        self.directory.last_reserved(set)
    }

    /// Takes an address, then notes it as the last one of its set; gives the one that was noted before. The lock must be held.
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
            // What failed changes nothing.
            let _ = self.directory.remove(&name);
            return Err(self.failed("reserve", &name, error));
        }
        Ok(old)
    }

    /// Why an address could not be taken; an index that said otherwise is forgotten.
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

    /// Removes a lease, if it still names its owner, and what a killed process left on its way to it. The lock must be held.
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

    /// Restores `last_reserved_ip.N`, if it still has that address; no old one removes it. The lock must be held.
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

    /// Every lease whose container and interface `is_valid` refuses, and what crashes left; ascending.
    ///
    /// A file that names no owner is none of them. Of the old form, which names a container alone, a word that no runtime gives as
    /// an ID may be an operator's note: in doubt the address is taken.
    pub fn unlisted(&mut self, is_valid: &dyn Fn(&str, Option<&str>) -> bool) -> io::Result<Vec<IpAddr>> {
        let mut invalid = Vec::new();
        // Not from the index: what is removed, and what stays, follows from the files.
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

    /// Removes leases, whoever holds them; gives what could not be removed. The lock must be held.
    pub fn remove_all(&mut self, addresses: &[IpAddr]) -> Vec<MachineError> {
        let failed = addresses.iter().filter_map(|address| {
            let result = self.remove(*address);
            result.err().map(|error| self.failed("release", &address.to_string(), error))
        });
        failed.collect()
    }

    /// Whether the directory has another name, so that it may be the store of another network too.
    pub fn is_shared(&self) -> io::Result<bool> {
        self.directory.is_shared()
    }

    /// Removes a lease; false: it was gone.
    fn remove(&mut self, address: IpAddr) -> io::Result<bool> {
        self.change(|directory| directory.remove(&address.to_string()), |index, _| index.remove(address))
    }

    /// Changes the directory, and the index with it; after a failure, or when somebody else made a change, nothing is
    /// known any more.
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

    /// Takes what is known, if the directory is still as it was.
    fn undisturbed(&mut self) -> Option<Known> {
        let known = self.known.take().or_else(|| self.load());
        known.filter(|known| self.directory.state().is_ok_and(|now| now == known.state))
    }

    /// What is known, from the index or by reading all files.
    fn known(&mut self) -> io::Result<&Known> {
        let known = match self.known.take().or_else(|| self.load()) {
            Some(known) => known,
            None => self.scan(&mut |_, _| ())?,
        };
        Ok(self.known.insert(known))
    }

    /// Whether the index, as it is in its file, is taken for what the directory holds.
    pub fn is_index_believed(&self) -> bool {
        self.load().is_some()
    }

    fn load(&self) -> Option<Known> {
        let state = self.directory.state().ok()?;
        let index = self.sidecar.as_ref()?.load(&state)?;
        Some(Known { index, state, saved: true, hidden: false })
    }

    /// Reads all files and shows each lease; in doubt an address is taken.
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
                    hidden |= error.raw_os_error() == Some(nix::errno::Errno::EACCES as i32);
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
    /// What a failed call has read need not be read again.
    fn drop(&mut self) {
        self.unlock();
    }
}

#[cfg(test)]
mod tests;
