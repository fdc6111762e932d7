//! `addresses`: addresses on links.

use super::wit::addresses::Host;
use super::wit::links::Link as Handle;
use super::wit::types::Prefix;
use crate::plan::Action;
use crate::plan::action::AddAddress;
use crate::sandbox::guest::Guest;
use crate::sandbox::lower;
use wasmtime::component::Resource;

impl Host for Guest {
    fn add(&mut self, link: Resource<Handle>, address: Prefix) -> wasmtime::Result<()> {
        let link = self.links.get(&link)?.link.clone();
        let address = lower::prefix(address)?;
        self.record(Action::AddAddress(AddAddress { link, address }))?;
        Ok(())
    }
}
