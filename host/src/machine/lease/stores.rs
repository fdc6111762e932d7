//! The open lease stores of a verb.

use super::super::MachineError;
use super::super::errno::{DRY, as_go};
use super::{Found, Held, Holder, LeaseDirectories, RealDirectories, Store};
use crate::value::{ContainerId, Owner, StoreRef};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

/// The open lease stores of a verb. A store stays locked until it is unlocked, or until this value is dropped.
#[derive(Debug)]
pub struct Stores {
    directories: Box<dyn LeaseDirectories>,
    indexes: Option<PathBuf>,
    is_dry: bool,
    open: BTreeMap<StoreRef, Store>,
}

impl Stores {
    /// Stores in the directories of a machine. In a dry run, no store is locked, and no file is created.
    pub fn new(directories: Box<dyn LeaseDirectories>, is_dry: bool) -> Self {
        Stores { directories, indexes: None, is_dry, open: BTreeMap::new() }
    }

    /// Stores of the real machine.
    pub fn real(is_dry: bool) -> Self {
        Stores::new(Box::new(RealDirectories), is_dry)
    }

    /// Uses indexes in this directory, which need not exist. Without indexes, each query reads a whole store.
    pub fn with_indexes(mut self, directory: PathBuf) -> Self {
        self.indexes = Some(directory);
        self
    }

    /// The store for a planner's query. It is locked, except in a dry run. None if it does not exist in a dry run.
    pub fn planning_store(&mut self, store: &StoreRef) -> Result<Option<&mut Store>, MachineError> {
        if !self.is_dry {
            return self.locked_store(store).map(Some);
        }
        if !self.open.contains_key(store) {
            let Some(opened) = self.open(store).map_err(|e| unreadable(store, e))? else {
                return Ok(None);
            };
            self.open.insert(store.clone(), opened);
        }
        Ok(self.open.get_mut(store))
    }

    /// A locked store. Creates it if it does not exist. Fails in a dry run.
    pub fn locked_store(&mut self, store: &StoreRef) -> Result<&mut Store, MachineError> {
        if self.is_dry {
            return Err(MachineError::Conflict(DRY.to_owned()));
        }
        if !self.open.contains_key(store) {
            let created = Store::new(store.clone(), self.directories.create(store)?);
            self.open.insert(store.clone(), created.with_index(self.indexes.as_deref()));
        }
        match self.open.get_mut(store) {
            Some(found) => found.lock().map(|()| found),
            // It was inserted above.
            None => Err(MachineError::Conflict(format!("{} is not open", store.directory().display()))),
        }
    }

    /// A locked store. None if it does not exist.
    pub fn existing_store(&mut self, store: &StoreRef) -> Result<Option<&mut Store>, MachineError> {
        match self.open(store).map_err(|e| unreadable(store, e))? {
            Some(_) => self.locked_store(store).map(Some),
            None => Ok(None),
        }
    }

    /// The stores that are locked.
    pub fn locked(&self) -> BTreeSet<StoreRef> {
        let locked = self.open.iter().filter(|(_, store)| store.is_locked());
        locked.map(|(reference, _)| reference.clone()).collect()
    }

    /// Unlocks all stores.
    pub fn unlock_all(&mut self) {
        self.open.values_mut().for_each(Store::unlock);
    }

    /// Unlocks all stores except these.
    pub fn unlock_except(&mut self, kept: &BTreeSet<StoreRef>) {
        let others = self.open.iter_mut().filter(|(reference, _)| !kept.contains(reference));
        others.for_each(|(_, store)| store.unlock());
    }

    /// The holder of an address. Reads one file, without the lock.
    pub fn holder(&self, store: &StoreRef, address: IpAddr, owner: &Owner) -> Result<Holder, MachineError> {
        let holder =
            self.open(store).and_then(|found| found.map_or(Ok(Holder::Nobody), |s| s.holder(address, owner)));
        holder.map_err(|e| unreadable(store, e))
    }

    /// Whether somebody other than the owner holds an address in one of these stores. Stores that cannot be read do not
    /// count.
    pub fn is_leased_to_another(&self, stores: &[StoreRef], owner: &Owner, address: IpAddr) -> bool {
        stores.iter().any(|store| matches!(self.holder(store, address, owner), Ok(Holder::Other)))
    }

    /// Whether a container holds an address, with any interface. None if the store does not exist.
    pub fn has_lease(&self, store: &StoreRef, container: &ContainerId, address: IpAddr) -> Option<bool> {
        let directory = self.directories.open(store).ok()??;
        let content = match directory.read(&address.to_string()) {
            Ok(Some(Found::File(bytes))) => bytes,
            Ok(Some(Found::Other) | None) | Err(_) => Vec::new(),
        };
        let first = content.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        Some(first.trim_ascii() == container.as_str().as_bytes())
    }

    /// The addresses of an owner in these stores. Leases that name only the container count only if no lease names the
    /// interface too, as in the reference. Errors that may hide a lease are added to `unread`.
    pub fn held_leases(
        &self,
        owner: &Owner,
        stores: &[StoreRef],
        unread: &mut Vec<MachineError>,
    ) -> Vec<(StoreRef, IpAddr)> {
        let mut leases = Vec::new();
        for reference in stores {
            let mut unreadable = |source| {
                let what = format!("failed to read the leases of {}", reference.directory().display());
                unread.push(MachineError::File { what, source });
            };
            let mut store = match self.open(reference) {
                Ok(Some(store)) => store,
                Ok(None) => continue,
                Err(error) => {
                    unreadable(error);
                    continue;
                }
            };
            // The lock is not needed for the answer. But with it, the index of the files that are read here is stored
            // for the next process.
            if !self.is_dry
                && let Err(error) = store.lock()
            {
                tracing::debug!(%error, "leases are looked up without the lock");
            }
            let held = store.held(owner).unwrap_or_else(|error| {
                unreadable(error);
                Held::default()
            });
            let held = if held.exact.is_empty() { held.legacy } else { held.exact };
            leases.extend(held.into_iter().map(|address| (reference.clone(), address)));
        }
        leases
    }

    /// Removes every lease whose owner `is_kept` refuses, whether the reference or this host wrote it, and the files
    /// that crashes left. The owner is the container, with its interface unless the lease is in the old form. Returns
    /// the addresses, and an error for each lease that could not be removed.
    ///
    /// If the directory may also be the store of another network, no lease shows its network, so all stay. In a dry
    /// run, nothing is removed.
    pub fn release_unlisted(
        &mut self,
        store: &StoreRef,
        is_kept: &dyn Fn(&str, Option<&str>) -> bool,
    ) -> Result<(Vec<IpAddr>, Vec<MachineError>), MachineError> {
        let collected = self.collect(store, is_kept);
        if let Some(found) = self.open.get_mut(store) {
            found.unlock();
        }
        collected
    }

    fn collect(
        &mut self,
        store: &StoreRef,
        is_kept: &dyn Fn(&str, Option<&str>) -> bool,
    ) -> Result<(Vec<IpAddr>, Vec<MachineError>), MachineError> {
        let is_dry = self.is_dry;
        let found = if is_dry { self.planning_store(store)? } else { self.existing_store(store)? };
        let Some(found) = found else { return Ok((Vec::new(), Vec::new())) };
        if found.is_shared().map_err(|e| unreadable(store, e))? {
            tracing::warn!(store = %store.directory().display(), "leases of a store with two names stay");
            return Ok((Vec::new(), Vec::new()));
        }
        let unlisted = found.unlisted(is_kept).map_err(|e| unreadable(store, e))?;
        let failed = if is_dry { Vec::new() } else { found.remove_all(&unlisted) };
        Ok((unlisted, failed))
    }

    fn open(&self, reference: &StoreRef) -> io::Result<Option<Store>> {
        let directory = self.directories.open(reference)?;
        Ok(directory
            .map(|directory| Store::new(reference.clone(), directory).with_index(self.indexes.as_deref())))
    }
}

/// The error for a store that cannot be read.
pub fn unreadable(store: &StoreRef, source: io::Error) -> MachineError {
    let what = format!("failed to read {}", store.directory().display());
    MachineError::File { what, source: as_go(source) }
}
