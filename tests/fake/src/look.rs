//! The queries of the machine.

use super::link::Link as Model;
use super::space::Space;
use super::{FakeMachine, no_netns};
use nix::errno::Errno;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use wasm_cni::machine::lease::Stores;
use wasm_cni::machine::port::{Address, Link, Look, Qdiscs, Unreadable, ZoneQuery};
use wasm_cni::machine::rules::RuleTables;
use wasm_cni::machine::vlans::Vlans;
use wasm_cni::value::{LinkRef, Netns, Route, SysctlKey};

impl FakeMachine {
    fn looked(&self) -> io::Result<()> {
        self.state.refusal.map_or(Ok(()), |errno| Err(errno.into()))
    }

    fn space(&self, netns: Netns) -> io::Result<&Space> {
        self.looked()?;
        self.state.spaces.get(netns).ok_or_else(no_netns)
    }

    fn host_link(&self, index: u32) -> io::Result<&Model> {
        self.space(Netns::Host)?.get(index).ok_or_else(|| Errno::ENODEV.into())
    }

    /// The first link for which `is_it` is true.
    fn first(&self, netns: Netns, is_it: impl Fn(&&Model) -> bool) -> io::Result<Option<Link>> {
        Ok(self.space(netns)?.links.iter().find(is_it).map(|found| self.state.spaces.told(netns, found)))
    }
}

impl Look for FakeMachine {
    fn has_netns(&self, netns: Netns) -> bool {
        self.state.spaces.get(netns).is_some()
    }

    fn link(&mut self, link: &LinkRef) -> io::Result<Option<Link>> {
        let found = self.first(link.netns, |found| found.name == link.name.as_str())?;
        match &found {
            Some(found) => self.state.indexes.insert(link.clone(), found.index),
            None => self.state.indexes.remove(link),
        };
        Ok(found)
    }

    fn index(&mut self, link: &LinkRef) -> io::Result<Option<u32>> {
        match self.state.indexes.get(link) {
            Some(index) => Ok(Some(*index)),
            None => Ok(self.link(link)?.map(|found| found.index)),
        }
    }

    fn link_at(&mut self, netns: Netns, index: u32) -> io::Result<Option<Link>> {
        self.first(netns, |found| found.index == index)
    }

    fn ports(&mut self, bridge: u32) -> io::Result<Vec<Link>> {
        let ports = self.space(Netns::Host)?.ports(bridge);
        Ok(ports.map(|link| self.state.spaces.told(Netns::Host, link)).collect())
    }

    fn addresses(&mut self, netns: Netns, link: Option<u32>) -> io::Result<Vec<Address>> {
        let links = self.space(netns)?.links.iter();
        let of = links.filter(|found| link.is_none_or(|index| found.index == index));
        Ok(of.flat_map(|link| &link.addresses).cloned().collect())
    }

    fn has_route(&mut self, netns: Netns, link: u32, route: &Route) -> io::Result<bool> {
        Ok(self.space(netns)?.all_routes().iter().any(|found| found.is(link, route)))
    }

    fn output(&mut self, address: IpAddr) -> io::Result<Option<u32>> {
        Ok(self.space(Netns::Host)?.output(address))
    }

    fn vlans(&mut self, port: u32) -> io::Result<Vlans> {
        Ok(self.host_link(port)?.vlans.clone())
    }

    fn qdiscs(&mut self, link: u32) -> io::Result<Qdiscs> {
        let link = self.host_link(link)?;
        Ok(Qdiscs { root: link.root, has_ingress: link.ingress.is_some() })
    }

    fn redirects(&mut self, link: u32) -> io::Result<Vec<u32>> {
        Ok(self.host_link(link)?.ingress.clone().unwrap_or_default())
    }

    fn sysctl(&mut self, netns: Netns, key: &SysctlKey) -> io::Result<String> {
        Ok(self.space(netns)?.sysctls.read(key.as_str())?)
    }

    fn sysctl_names(&mut self, netns: Netns, directory: &str) -> io::Result<Vec<String>> {
        Ok(self.space(netns)?.sysctls.names(directory).into_iter().collect())
    }

    fn file(&mut self, path: &Path, _below: Option<&Path>, limit: usize) -> io::Result<Vec<u8>> {
        self.looked()?;
        let bytes = self.state.files.get(path).ok_or(Errno::ENOENT)?;
        if bytes.len() > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, Unreadable::too_large(limit)));
        }
        Ok(bytes.clone())
    }

    fn has_file(&mut self, path: &Path) -> bool {
        self.state.files.contains_key(path)
    }

    fn has_program(&mut self, program: &str) -> bool {
        !self.state.missing.contains(program)
    }

    fn zone(&mut self, query: ZoneQuery<'_>) -> io::Result<bool> {
        self.looked()?;
        Ok(match (query, &self.state.zones) {
            (ZoneQuery::IsRunning, zones) => zones.is_some(),
            (ZoneQuery::HasSource(zone, source), Some(zones)) => zones.contains(&(zone.to_owned(), source)),
            (ZoneQuery::HasSource(..), None) => return Err(Errno::ECONNREFUSED.into()),
        })
    }

    fn tables(&self) -> Arc<dyn RuleTables + Send + Sync> {
        Arc::new(self.tables.clone())
    }

    fn stores(&mut self) -> &mut Stores {
        &mut self.stores
    }

    fn is_dry(&self) -> bool {
        self.gate.is_dry()
    }
}
