//! `observe`: facts of the machine, for reading.

use super::PATH_BYTES;
use super::wit::observe::{Host, HostLinkInfo, LinkInfo as Handle};
use super::wit::types::{Error, MacAddress, Netns, Prefix};
use crate::cni::code;
use crate::plan::LinkRef;
use crate::sandbox::guest::Guest;
use crate::sandbox::{lower, overlay};
use std::path::Path;
use wasmtime::component::Resource;

impl Host for Guest {
    fn find_link(&mut self, netns: Netns, name: String) -> wasmtime::Result<Option<Resource<Handle>>> {
        let link = LinkRef { netns: lower::netns(netns), name: lower::if_name(&name)? };
        let fact = overlay::link(&mut self.recorder(), &link)?;
        Ok(fact.map(|fact| self.infos.push(fact)).transpose()?)
    }

    fn read_file(&mut self, path: String) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        if path.is_empty() || path.len() > PATH_BYTES || path.contains('\0') {
            return Err(lower::violation(format!("{path:?} is no path of a file")).into());
        }
        match overlay::file(&mut self.recorder(), Path::new(&path)) {
            Err(error) if error.code == code::LIMIT => Err(error.into()),
            read => Ok(read.map_err(lower::raise_error)),
        }
    }
}

impl HostLinkInfo for Guest {
    fn kind(&mut self, info: Resource<Handle>) -> wasmtime::Result<String> {
        Ok(self.infos.get(&info)?.kind.clone())
    }

    fn mac(&mut self, info: Resource<Handle>) -> wasmtime::Result<MacAddress> {
        Ok(self.infos.get(&info)?.mac.0.into())
    }

    fn mtu(&mut self, info: Resource<Handle>) -> wasmtime::Result<u32> {
        Ok(self.infos.get(&info)?.mtu)
    }

    fn addresses(&mut self, info: Resource<Handle>) -> wasmtime::Result<Vec<Prefix>> {
        Ok(self.infos.get(&info)?.addresses.iter().map(lower::raise_prefix).collect())
    }

    fn drop(&mut self, _: Resource<Handle>) -> wasmtime::Result<()> {
        Ok(())
    }
}
