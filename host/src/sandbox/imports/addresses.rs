//! `addresses`: addresses on links.

use super::wit::addresses::{Address as Handle, Host, HostAddress};
use super::wit::links::Link;
use super::wit::types::Prefix;
use crate::action::Action;
use crate::action::{AddAddress, DeleteAddress};
use crate::sandbox::guest::Guest;
use crate::sandbox::lower;
use wasmtime::component::Resource;

impl Host for Guest {
    fn remove(&mut self, link: Resource<Link>, address: Prefix) -> wasmtime::Result<()> {
        let link = self.link(&link)?;
        let address = lower::prefix(address)?;
        self.plan(DeleteAddress { link, address })
    }
}

impl HostAddress for Guest {
    fn new(&mut self, link: Resource<Link>, address: Prefix) -> wasmtime::Result<Resource<Handle>> {
        let link = self.link(&link)?;
        let address = lower::prefix(address)?;
        self.draft(AddAddress { link, address, nodad: false })
    }

    fn nodad(&mut self, address: Resource<Handle>) -> wasmtime::Result<()> {
        let mut recorder = self.recorder();
        let Some(Action::AddAddress(add)) = recorder.action(*self.drafts.get(&address)?) else {
            wasmtime::bail!("an address without the action that adds it")
        };
        // IPv4 has no duplicate address detection in the kernel.
        add.nodad = add.address.is_ipv6();
        Ok(())
    }

    fn drop(&mut self, _: Resource<Handle>) -> wasmtime::Result<()> {
        Ok(())
    }
}
