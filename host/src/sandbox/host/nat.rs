//! `nat`: address translation.

use super::wit::nat::{Host, HostMasquerade, Masquerade as Handle};
use super::wit::types::Prefix;
use crate::plan::action::Masquerade;
use crate::plan::{Action, derive};
use crate::sandbox::guest::Guest;
use crate::sandbox::lower;
use wasmtime::component::Resource;

impl Host for Guest {}

impl HostMasquerade for Guest {
    fn new(&mut self, address: Prefix) -> wasmtime::Result<Resource<Handle>> {
        let address = lower::prefix(address)?;
        let (chain, comment) = {
            let recorder = self.recorder();
            (derive::chain(recorder.attachment()), derive::comment(recorder.attachment()))
        };
        let action = self.record(Action::Masquerade(Masquerade { address, chain, comment }))?;
        Ok(self.drafts.push(action)?)
    }

    fn drop(&mut self, _: Resource<Handle>) -> wasmtime::Result<()> {
        Ok(())
    }
}
