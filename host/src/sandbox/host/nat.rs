//! `nat`: address translation.

use super::wit::nat::{Backend as Asked, Host, HostMasquerade, Masquerade as Handle};
use super::wit::types::Prefix;
use crate::plan::action::{Masquerade, MasqueradeNft};
use crate::plan::{Action, Backend, derive};
use crate::sandbox::guest::Guest;
use crate::sandbox::{lower, overlay};
use wasmtime::component::Resource;

impl Host for Guest {}

impl HostMasquerade for Guest {
    fn new(&mut self, address: Prefix) -> wasmtime::Result<Resource<Handle>> {
        let backend = overlay::backend(&mut self.recorder())?;
        self.masquerade(address, backend)
    }

    fn with_backend(&mut self, address: Prefix, backend: Asked) -> wasmtime::Result<Resource<Handle>> {
        let backend = match backend {
            Asked::Iptables => Backend::Iptables,
            Asked::Nftables => Backend::Nftables,
        };
        self.masquerade(address, backend)
    }

    fn drop(&mut self, _: Resource<Handle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl Guest {
    fn masquerade(&mut self, address: Prefix, backend: Backend) -> wasmtime::Result<Resource<Handle>> {
        let address = lower::prefix(address)?;
        let attachment = self.recorder().attachment().clone();
        let action = self.record(match backend {
            Backend::Iptables => {
                let (chain, comment) = (derive::chain(&attachment), derive::comment(&attachment));
                Action::Masquerade(Masquerade { address, chain, comment })
            }
            Backend::Nftables => {
                Action::MasqueradeNft(MasqueradeNft { address, comment: derive::nft_comment(&attachment) })
            }
        })?;
        Ok(self.drafts.push(action)?)
    }
}
