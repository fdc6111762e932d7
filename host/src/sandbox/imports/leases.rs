//! `leases`: the lease store of the network.

use super::PATH_BYTES;
use super::wit::leases::{Host, HostStore, Store as Handle};
use super::wit::types::{AddressRange, Error, IpAddress};
use crate::action::ReserveLease;
use crate::sandbox::guest::Guest;
use crate::sandbox::lower::{self, violation};
use crate::sandbox::overlay;
use crate::value::{StoreRef, place};
use std::path::PathBuf;
use wasmtime::component::Resource;

impl Host for Guest {}

impl HostStore for Guest {
    fn open(&mut self, data_dir: Option<String>) -> wasmtime::Result<Result<Resource<Handle>, Error>> {
        let data_dir = data_dir.unwrap_or_else(|| place::LEASES.to_owned());
        if !data_dir.starts_with('/') || data_dir.len() > PATH_BYTES || data_dir.contains('\0') {
            return Err(violation(format!("the lease directory {data_dir:?} is no absolute path")).into());
        }
        let network = self.recorder().attachment().network.clone();
        let store = StoreRef { data_dir: PathBuf::from(data_dir), network };
        // The first query takes the lock of the store. It fails if the store cannot be used.
        match overlay::held(&mut self.recorder(), &store) {
            Ok(_) => {}
            Err(error) if error.code == crate::cni::code::LIMIT => return Err(error.into()),
            Err(error) => return Ok(Err(lower::raise_error(error))),
        }
        Ok(Ok(self.stores.push(store)?))
    }

    fn free(&mut self, store: Resource<Handle>, within: AddressRange) -> wasmtime::Result<Vec<AddressRange>> {
        let range = lower::range(within)?;
        let store = self.stores.get(&store)?;
        let gaps = overlay::free(&mut self.recorder(), store, range)?;
        Ok(gaps.iter().map(lower::raise_range).collect())
    }

    fn held(&mut self, store: Resource<Handle>) -> wasmtime::Result<Vec<IpAddress>> {
        let store = self.stores.get(&store)?;
        let held = overlay::held(&mut self.recorder(), store)?;
        Ok(held.into_iter().map(lower::raise_address).collect())
    }

    fn reusable(&mut self, store: Resource<Handle>) -> wasmtime::Result<Vec<IpAddress>> {
        let store = self.stores.get(&store)?;
        let reusable = overlay::reusable(&mut self.recorder(), store)?;
        Ok(reusable.into_iter().map(lower::raise_address).collect())
    }

    fn last_reserved(&mut self, store: Resource<Handle>, set: u32) -> wasmtime::Result<Option<IpAddress>> {
        let store = self.stores.get(&store)?;
        let last = overlay::last_reserved(&mut self.recorder(), store, set)?;
        Ok(last.map(lower::raise_address))
    }

    fn reserve(&mut self, store: Resource<Handle>, address: IpAddress, set: u32) -> wasmtime::Result<()> {
        let store = self.stores.get(&store)?.clone();
        let owner = self.recorder().attachment().owner();
        let address = lower::address(address);
        self.plan(ReserveLease { store, address, set, owner, again: false })
    }

    fn keep(&mut self, store: Resource<Handle>, address: IpAddress, set: u32) -> wasmtime::Result<()> {
        let store = self.stores.get(&store)?.clone();
        let owner = self.recorder().attachment().owner();
        let address = lower::address(address);
        self.plan(ReserveLease { store, address, set, owner, again: true })
    }

    fn drop(&mut self, _: Resource<Handle>) -> wasmtime::Result<()> {
        Ok(())
    }
}
