//! Lease stores: which are open, and what is asked of them.

use super::super::errno::as_go;
use super::super::lease::{Held, Holder, LeaseDirectories, RealDirectories, Reverted, Store};
use super::super::{MachineError, Undone};
use super::HostKernel;
use crate::action::ReserveLease;
use crate::value::{AddressRange, Attachment, Fact, Owner, StoreRef};
use std::io;
use std::net::IpAddr;

impl HostKernel {
    pub(super) fn held(
        &mut self,
        store: &StoreRef,
        owner: &Owner,
    ) -> Result<Fact<Vec<IpAddr>>, MachineError> {
        let Some(found) = self.planning_store(store)? else { return Ok(Fact::Known(Vec::new())) };
        let held = found.held(owner).map_err(|e| unreadable(store, e))?;
        let mut held = [held.exact, held.legacy].concat();
        held.sort_unstable();
        Ok(Fact::Known(held))
    }

    pub(super) fn last_reserved(&mut self, store: &StoreRef, set: u32) -> Result<Fact<IpAddr>, MachineError> {
        let Some(found) = self.planning_store(store)? else { return Ok(Fact::Absent) };
        let last = found.last_reserved(set).map_err(|e| unreadable(store, e))?;
        Ok(last.map_or(Fact::Absent, Fact::Known))
    }

    pub(super) fn free(
        &mut self,
        store: &StoreRef,
        within: AddressRange,
    ) -> Result<Fact<Vec<AddressRange>>, MachineError> {
        match self.planning_store(store)? {
            Some(found) => found.free(within).map(Fact::Known).map_err(|e| unreadable(store, e)),
            None => Ok(Fact::Known(vec![within])),
        }
    }

    /// The leases that an attachment has without a journal; those that name the container alone, only when none names the
    /// interface too (the reference's rule). Why one may be missing is added to `unread`.
    pub(super) fn held_leases(
        &self,
        attachment: &Attachment,
        stores: &[StoreRef],
        unread: &mut Vec<MachineError>,
    ) -> Vec<ReserveLease> {
        let owner = attachment.owner();
        let mut leases = Vec::new();
        for reference in stores {
            let mut unreadable = |source| {
                let what = format!("failed to read the leases of {}", reference.directory().display());
                unread.push(MachineError::File { what, source });
            };
            let mut store = match self.open_store(reference) {
                Ok(Some(store)) => store,
                Ok(None) => continue,
                Err(error) => {
                    unreadable(error);
                    continue;
                }
            };
            // With the lock, what had to be read serves the next one too; it can be told without.
            if let Err(error) = store.lock() {
                tracing::debug!(%error, "leases are looked up without the lock");
            }
            let held = store.held(&owner).unwrap_or_else(|error| {
                unreadable(error);
                Held::default()
            });
            let held = if held.exact.is_empty() { held.legacy } else { held.exact };
            leases.extend(held.into_iter().map(|address| ReserveLease {
                store: reference.clone(),
                address,
                // DEL leaves `last_reserved_ip.N`, so the set does not matter.
                set: 0,
                owner: owner.clone(),
            }));
        }
        leases
    }

    pub(super) fn is_leased_to_another(
        &self,
        stores: &[StoreRef],
        attachment: &Attachment,
        address: IpAddr,
    ) -> bool {
        let owner = attachment.owner();
        stores.iter().any(|reference| match self.open_store(reference) {
            Ok(Some(store)) => matches!(store.holder(address, &owner), Ok(Holder::Other)),
            _ => false,
        })
    }

    /// Removes every lease of a store whose owner (container, and interface unless it is of the old form) `is_kept` refuses,
    /// whoever made it, and what crashes left. Gives the addresses, and what could not be removed.
    ///
    /// Of a store that may be another network's too, no lease tells which network it is of: there all stay. Dry, nothing is removed.
    pub fn release_unlisted(
        &mut self,
        store: &StoreRef,
        is_kept: &dyn Fn(&str, Option<&str>) -> bool,
    ) -> Result<(Vec<IpAddr>, Vec<MachineError>), MachineError> {
        let dry = self.dry;
        let mut collect = || {
            let found = if dry { self.planning_store(store)? } else { self.existing_store(store)? };
            let Some(found) = found else { return Ok((Vec::new(), Vec::new())) };
            if found.is_shared().map_err(|e| unreadable(store, e))? {
                tracing::warn!(store = %store.directory().display(), "leases of a store with two names stay");
                return Ok((Vec::new(), Vec::new()));
            }
            let unlisted = found.unlisted(is_kept).map_err(|e| unreadable(store, e))?;
            let failed = if dry { Vec::new() } else { found.remove_all(&unlisted) };
            Ok((unlisted, failed))
        };
        let collected = collect();
        if let Some(found) = self.stores.get_mut(store) {
            found.unlock();
        }
        collected
    }

    /// The store with its lock, unless dry; none only when dry.
    pub(super) fn planning_store(&mut self, store: &StoreRef) -> Result<Option<&mut Store>, MachineError> {
        if !self.dry {
            return self.locked_store(store).map(Some);
        }
        if !self.stores.contains_key(store) {
            let Some(opened) = self.open_store(store).map_err(|e| unreadable(store, e))? else {
                return Ok(None);
            };
            self.stores.insert(store.clone(), opened);
        }
        Ok(self.stores.get_mut(store))
    }

    /// The store, made where there is none, with its lock, which stays until `unlock_leases`.
    pub(super) fn locked_store(&mut self, store: &StoreRef) -> Result<&mut Store, MachineError> {
        if !self.stores.contains_key(store) {
            let created = Store::new(store.clone(), RealDirectories.create(store)?);
            self.stores.insert(store.clone(), created.with_index(self.lease_indexes.as_deref()));
        }
        match self.stores.get_mut(store) {
            Some(found) => found.lock().map(|()| found),
            // Inserted above.
            None => Err(MachineError::Conflict(format!("{} is not open", store.directory().display()))),
        }
    }

    /// A store that is there, with its lock.
    pub(super) fn existing_store(
        &mut self,
        reference: &StoreRef,
    ) -> Result<Option<&mut Store>, MachineError> {
        match self.open_store(reference).map_err(|e| unreadable(reference, e))? {
            Some(_) => self.locked_store(reference).map(Some),
            None => Ok(None),
        }
    }

    fn open_store(&self, reference: &StoreRef) -> io::Result<Option<Store>> {
        let opened = RealDirectories.open(reference)?;
        Ok(opened.map(|directory| {
            Store::new(reference.clone(), directory).with_index(self.lease_indexes.as_deref())
        }))
    }
}

impl From<Reverted> for Undone {
    fn from(reverted: Reverted) -> Self {
        match reverted {
            Reverted::Done => Undone::Done,
            Reverted::Gone => Undone::Gone,
            Reverted::Left(reason) => Undone::Left(reason),
        }
    }
}

fn unreadable(store: &StoreRef, source: io::Error) -> MachineError {
    let what = format!("failed to read {}", store.directory().display());
    MachineError::File { what, source: as_go(source) }
}
