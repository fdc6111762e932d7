//! The lease store of host-local: a directory per network, a file per address (cni-behaviours, section 4.2).
//!
//! The files are the truth. Questions are answered from an index of them, which is kept beside the journals and believed
//! while the directory is as it was when the index was written; else the files are read once.

mod content;
mod directory;
pub(super) mod gaps;
mod index;
mod lock;
mod sidecar;
mod stores;

use super::errno::as_go;
use super::{Effect, MachineError, Undone};
use crate::action::ReserveLease;
use crate::value::{AddressRange, Owner, StoreRef};
use content::Content;
use directory::{Directory, State};
use index::Index;
use lock::Lock;
use sidecar::Sidecar;
use std::fs::DirBuilder;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
pub use stores::Stores;

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

/// An open store.
#[derive(Debug)]
pub struct Store {
    reference: StoreRef,
    directory: Directory,
    lock: Option<Lock>,
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
    /// Opens a store that exists; none: there is no such directory.
    pub fn open(reference: &StoreRef) -> io::Result<Option<Self>> {
        match Directory::open(&reference.directory()) {
            Ok(directory) => Ok(Some(Store {
                reference: reference.clone(),
                directory,
                lock: None,
                sidecar: None,
                known: None,
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a store, and makes its directory where there is none.
    pub fn create(reference: &StoreRef) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o755).create(reference.directory())?;
        Store::open(reference)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// With its index in that directory of indexes; without one, each question reads all files.
    pub fn with_index(mut self, indexes: Option<&Path>) -> Self {
        self.sidecar = indexes.map(|indexes| Sidecar::new(indexes, &self.reference));
        self
    }

    /// Takes the store's lock, if this does not hold it already; waits ten seconds at most.
    pub fn lock(&mut self) -> Result<(), MachineError> {
        if self.lock.is_none() {
            self.lock = Some(lock::take(self.directory.dir(), &self.reference)?);
            self.known = None;
        }
        Ok(())
    }

    /// Whether this holds the store's lock.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Writes the index, if there is something new in it, and releases the lock.
    pub fn unlock(&mut self) {
        if self.lock.is_some()
            && let Some(known) = self.undisturbed().filter(|known| !known.saved && !known.hidden)
            && let Some(sidecar) = &self.sidecar
            && let Err(error) = sidecar.save(&self.directory, &known.index)
        {
            // It only saves time: the next one reads the files.
            tracing::debug!(%error, "the index of a lease store could not be written");
        }
        self.known = None;
        self.lock = None;
    }

    /// What an owner holds: told by the files that the index points to.
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

    /// Takes an address, then notes it as its set's last. The lock must be held.
    pub fn reserve(&mut self, lease: &ReserveLease) -> Result<Effect, MachineError> {
        let address = lease.address;
        let name = address.to_string();
        let text = content::text(&lease.owner);
        let [hash, _] = content::hashes(&lease.owner);
        let old = self.last_reserved(lease.set).map_err(|e| self.failed("reserve", &name, e))?;
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
        let noted = self.change(|directory| directory.write_last_reserved(lease.set, address), |_, _| ());
        if let Err(error) = noted {
            // What failed changes nothing.
            let _ = self.directory.remove(&name);
            return Err(self.failed("reserve", &name, error));
        }
        Ok(old.map_or(Effect::Created, |old| Effect::Replaced(old.to_string())))
    }

    /// Why an address could not be taken; an index that told otherwise is forgotten.
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
    pub fn release(&mut self, lease: &ReserveLease) -> Undone {
        let name = lease.address.to_string();
        let found = self.directory.remove_temporary(lease.address);
        match found.and_then(|()| self.holder(lease.address, &lease.owner)) {
            Ok(Holder::Nobody) => Undone::Gone,
            Ok(Holder::Other) => Undone::Left(format!("lease {name} belongs to another container by now")),
            Ok(Holder::Owner) => match self.remove(lease.address) {
                Ok(true) => Undone::Done,
                Ok(false) => Undone::Gone,
                Err(error) => Undone::Failed(self.failed("release", &name, error)),
            },
            Err(error) => Undone::Failed(self.failed("release", &name, error)),
        }
    }

    /// Puts `last_reserved_ip.N` back, if it still holds the lease's address. The lock must be held.
    pub fn restore_last(&mut self, lease: &ReserveLease, old: Option<IpAddr>) -> Undone {
        let set = lease.set;
        let found = self.directory.remove_last_temporary(set);
        let result = found.and_then(|()| self.last_reserved(set)).and_then(|now| match now {
            now if now == old => Ok(Undone::Gone),
            Some(now) if now == lease.address => {
                let put_back = |directory: &Directory| match old {
                    Some(old) => directory.write_last_reserved(set, old),
                    None => directory.remove_last_reserved(set),
                };
                self.change(put_back, |_, ()| ()).map(|()| Undone::Done)
            }
            _ => Ok(Undone::Left(format!("last_reserved_ip.{set} was changed by somebody else"))),
        });
        let name = format!("last_reserved_ip.{set}");
        result.unwrap_or_else(|error| Undone::Failed(self.failed("restore", &name, error)))
    }

    /// Every lease whose container and interface `is_valid` refuses, and what crashes left; ascending.
    ///
    /// A file that names no owner is none of them. Of the old form, which names a container alone, a word that no runtime gives as
    /// an ID may be an operator's note: in doubt the address is taken.
    pub fn unlisted(&mut self, is_valid: &dyn Fn(&str, Option<&str>) -> bool) -> io::Result<Vec<IpAddr>> {
        let mut invalid = Vec::new();
        // Not from the index: what is removed, and what stays, is told by the files.
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
        let (path, own) = (self.reference.directory(), self.directory.state()?);
        if path.symlink_metadata()?.is_symlink() {
            return Ok(true);
        }
        let is_it = |entry: std::fs::DirEntry| {
            let found = entry.path().metadata();
            found.is_ok_and(|found| (found.dev(), found.ino()) == (own.dev, own.ino))
        };
        let entries = std::fs::read_dir(&self.reference.data_dir)?;
        Ok(entries.flatten().filter(|entry| entry.path() != path).any(is_it))
    }

    /// Removes a lease; false: it was gone.
    fn remove(&mut self, address: IpAddr) -> io::Result<bool> {
        self.change(|directory| directory.remove(&address.to_string()), |index, _| index.remove(address))
    }

    /// Changes the directory, and the index with it; after a failure, or when somebody else made a change, nothing is
    /// known any more.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&Directory) -> io::Result<T>,
        follow: impl FnOnce(&mut Index, &T),
    ) -> io::Result<T> {
        let known = self.undisturbed();
        let result = change(&self.directory)?;
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
