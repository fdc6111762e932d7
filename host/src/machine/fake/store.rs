//! Lease stores: what the files of host-local say.

use super::super::lease::Holder;
use super::super::{Effect, MachineError, Undone};
use crate::action::ReserveLease;
use crate::value::{Owner, StoreRef};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One store: leases by address, and what each range set handed out last.
#[derive(Debug, Clone, Default)]
pub struct Store {
    /// Who holds an address.
    pub leases: BTreeMap<IpAddr, Owner>,
    /// `last_reserved_ip.N`, by N.
    pub last: BTreeMap<u32, IpAddr>,
}

/// All stores, by where they are.
#[derive(Debug, Clone, Default)]
pub struct Stores {
    /// Those whose directory exists.
    pub stores: BTreeMap<StoreRef, Store>,
    /// Those whose lock this process holds.
    pub locked: BTreeSet<StoreRef>,
}

impl Stores {
    /// The store, made where there is none, with its lock.
    pub fn locked(&mut self, reference: &StoreRef) -> &mut Store {
        self.locked.insert(reference.clone());
        self.stores.entry(reference.clone()).or_default()
    }

    /// A store that is there, with its lock.
    pub fn existing(&mut self, reference: &StoreRef) -> Option<&mut Store> {
        let found = self.stores.get_mut(reference)?;
        self.locked.insert(reference.clone());
        Some(found)
    }

    /// The store that a planner asks: a dry run makes none and locks none.
    pub fn planning(&mut self, reference: &StoreRef, dry: bool) -> Option<&Store> {
        if dry { self.stores.get(reference) } else { Some(self.locked(reference)) }
    }

    /// Releases all locks.
    pub fn unlock(&mut self) {
        self.locked.clear();
    }
}

impl Store {
    /// The addresses of an owner.
    pub fn held(&self, owner: &Owner) -> Vec<IpAddr> {
        self.leases.iter().filter(|(_, holder)| *holder == owner).map(|(address, _)| *address).collect()
    }

    /// Who holds an address.
    pub fn holder(&self, address: IpAddr, owner: &Owner) -> Holder {
        match self.leases.get(&address) {
            None => Holder::Nobody,
            Some(holder) if holder == owner => Holder::Owner,
            Some(_) => Holder::Other,
        }
    }

    /// Takes an address, then notes it as its set's last.
    pub fn reserve(&mut self, lease: &ReserveLease) -> Result<Effect, MachineError> {
        let address = lease.address;
        if self.leases.contains_key(&address) {
            let network = &lease.store.network;
            let text = format!("requested IP address {address} is not available in network {network}");
            return Err(MachineError::Conflict(text));
        }
        self.leases.insert(address, lease.owner.clone());
        let old = self.last.insert(lease.set, address);
        Ok(old.map_or(Effect::Created, |old| Effect::Replaced(old.to_string())))
    }

    /// Removes a lease, if it still names its owner.
    pub fn release(&mut self, lease: &ReserveLease) -> Undone {
        let address = lease.address;
        match self.holder(address, &lease.owner) {
            Holder::Nobody => Undone::Gone,
            Holder::Other => Undone::Left(format!("lease {address} belongs to another container by now")),
            Holder::Owner => {
                self.leases.remove(&address);
                Undone::Done
            }
        }
    }

    /// Puts `last_reserved_ip.N` back, if it still holds the lease's address.
    pub fn restore_last(&mut self, lease: &ReserveLease, old: Option<IpAddr>) -> Undone {
        let now = self.last.get(&lease.set).copied();
        if now == old {
            return Undone::Gone;
        }
        if now != Some(lease.address) {
            return Undone::Left(format!("last_reserved_ip.{} was changed by somebody else", lease.set));
        }
        match old {
            Some(old) => self.last.insert(lease.set, old),
            None => self.last.remove(&lease.set),
        };
        Undone::Done
    }
}
