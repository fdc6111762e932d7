//! `observe`: facts about the machine, read-only.

use super::PATH_BYTES;
use super::wit::observe::{Host, HostLinkInfo, LinkInfo as Handle};
use super::wit::types::{Error, IpAddress, MacAddress, Netns, Prefix};
use crate::cni::{CniError, ErrorKind, code};
use crate::sandbox::guest::Guest;
use crate::sandbox::{lower, overlay};
use crate::value::LinkRef;
use std::path::Path;
use wasmtime::component::Resource;

impl Host for Guest {
    fn host_end(&mut self) -> wasmtime::Result<Option<String>> {
        let name = self.recorder().attachment().interface.clone();
        let found = overlay::host_end(&mut self.recorder(), &name)?;
        Ok(found.map(|name| name.to_string()))
    }

    fn find_link(&mut self, netns: Netns, name: String) -> wasmtime::Result<Option<Resource<Handle>>> {
        let link = LinkRef { netns: lower::netns(netns), name: lower::if_name(&name)? };
        let fact = overlay::link(&mut self.recorder(), &link)?;
        Ok(fact.map(|fact| self.infos.push(fact)).transpose()?)
    }

    fn read_file(&mut self, path: String) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let missing = || CniError::new(ErrorKind::Refused, format!("open {path}: no such file or directory"));
        Ok(self.find(&path)?.and_then(|found| found.ok_or_else(|| lower::raise_error(missing()))))
    }

    fn route_to(&mut self, address: IpAddress) -> wasmtime::Result<Option<String>> {
        let link = overlay::route_to(&mut self.recorder(), lower::address(address))?;
        Ok(link.map(|link| link.to_string()))
    }

    fn find_file(&mut self, path: String) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        self.find(&path)
    }
}

impl Guest {
    fn find(&self, path: &str) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        if path.is_empty() || path.len() > PATH_BYTES || path.contains('\0') {
            return Err(lower::violation(format!("{path:?} is no path of a file")).into());
        }
        match overlay::file(&mut self.recorder(), Path::new(path)) {
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
