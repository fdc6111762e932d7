//! Looking at the machine.

use super::link::Link as Model;
use super::route::Kind;
use super::{FakeMachine, no_netns};
use ipnetwork::IpNetwork;
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

/// `RT_SCOPE_HOST`.
const SCOPE_HOST: u8 = 254;

impl FakeMachine {
    fn described(&self, netns: Netns, link: &Model) -> Link {
        Link {
            index: link.index,
            name: link.name.clone(),
            kind: link.kind.clone(),
            mac: link.mac,
            mtu: link.mtu,
            up: link.up,
            alias: link.alias.clone(),
            master: link.master,
            other_end: link.peer.filter(|(place, _)| *place == netns).map(|(_, index)| index),
            peer: link.peer.map(|(_, index)| index),
            vlan_id: None,
            promiscuous: link.promiscuous,
            all_multicast: link.all_multicast,
            queue_length: link.queue_length,
            running: self.spaces.is_running(netns, link),
            hairpin: link.hairpin,
            isolated: link.isolated,
        }
    }

    fn looked(&self) -> io::Result<()> {
        self.refusal.map_or(Ok(()), |errno| Err(errno.into()))
    }

    fn host_link(&self, index: u32) -> io::Result<&Model> {
        let space = self.spaces.get(Netns::Host).ok_or_else(no_netns)?;
        space.get(index).ok_or_else(|| Errno::ENODEV.into())
    }
}

impl Look for FakeMachine {
    fn has_netns(&self, netns: Netns) -> bool {
        self.spaces.get(netns).is_some()
    }

    fn link(&mut self, link: &LinkRef) -> io::Result<Option<Link>> {
        self.looked()?;
        let space = self.spaces.get(link.netns).ok_or_else(no_netns)?;
        let found = space.find(link.name.as_str()).map(|found| self.described(link.netns, found));
        match &found {
            Some(found) => self.indexes.insert(link.clone(), found.index),
            None => self.indexes.remove(link),
        };
        Ok(found)
    }

    fn index(&mut self, link: &LinkRef) -> io::Result<Option<u32>> {
        match self.indexes.get(link) {
            Some(index) => Ok(Some(*index)),
            None => Ok(self.link(link)?.map(|found| found.index)),
        }
    }

    fn link_at(&mut self, netns: Netns, index: u32) -> io::Result<Option<Link>> {
        self.looked()?;
        let space = self.spaces.get(netns).ok_or_else(no_netns)?;
        Ok(space.get(index).map(|found| self.described(netns, found)))
    }

    fn ports(&mut self, bridge: u32) -> io::Result<Vec<Link>> {
        let space = self.spaces.get(Netns::Host).ok_or_else(no_netns)?;
        let ports = space.links.iter().filter(|link| link.master == Some(bridge));
        Ok(ports.map(|link| self.described(Netns::Host, link)).collect())
    }

    fn addresses(&mut self, netns: Netns, link: Option<u32>) -> io::Result<Vec<Address>> {
        self.looked()?;
        let space = self.spaces.get(netns).ok_or_else(no_netns)?;
        let links = space.links.iter().filter(|found| link.is_none_or(|index| found.index == index));
        let address = |name: &str, address: IpNetwork| {
            let is_it = |(link, known): &&(LinkRef, Address)| {
                link.netns == netns && link.name.as_str() == name && known.address == address
            };
            let scope = if address.ip().is_loopback() { SCOPE_HOST } else { 0 };
            let plain = || Address { scope, ..Address::new(address) };
            self.known.iter().find(is_it).map_or_else(plain, |(_, known)| known.clone())
        };
        let of_link = |link: &Model| -> Vec<Address> {
            link.addresses().into_iter().map(|found| address(&link.name, found)).collect()
        };
        Ok(links.flat_map(of_link).collect())
    }

    fn has_route(&mut self, netns: Netns, link: u32, route: &Route) -> io::Result<bool> {
        let space = self.spaces.get(netns).ok_or_else(no_netns)?;
        Ok(space.all_routes().iter().any(|found| found.is(link, route)))
    }

    fn output(&mut self, address: IpAddr) -> io::Result<Option<u32>> {
        self.looked()?;
        let space = self.spaces.get(Netns::Host).ok_or_else(no_netns)?;
        let routes = space.all_routes();
        let leads = routes.iter().filter(|route| route.kind == Kind::Unicast && route.dst.contains(address));
        Ok(leads
            .max_by_key(|route| route.dst.prefix())
            .filter(|route| route.gw.is_none())
            .map(|route| route.oif))
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
        let space = self.spaces.get(netns).ok_or_else(no_netns)?;
        space.sysctls.read(key.as_str()).map_err(io::Error::from)
    }

    fn sysctl_names(&mut self, netns: Netns, directory: &str) -> io::Result<Vec<String>> {
        let space = self.spaces.get(netns).ok_or_else(no_netns)?;
        Ok(space.sysctls.links(directory))
    }

    fn file(&mut self, path: &Path, _below: Option<&Path>, limit: usize) -> io::Result<Vec<u8>> {
        self.looked()?;
        let bytes = self.files.get(path).ok_or_else(|| io::Error::from(Errno::ENOENT))?;
        if bytes.len() > limit {
            let error = io::Error::new(io::ErrorKind::InvalidInput, format!("more than {} KiB", limit >> 10));
            return Err(io::Error::new(error.kind(), Unreadable(error)));
        }
        Ok(bytes.clone())
    }

    fn has_file(&mut self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    fn has_program(&mut self, program: &str) -> bool {
        !self.programs.missing.contains(program)
    }

    fn zone(&mut self, query: ZoneQuery<'_>) -> io::Result<bool> {
        self.looked()?;
        Ok(match (query, &self.zones) {
            (ZoneQuery::IsRunning, zones) => zones.is_some(),
            (ZoneQuery::HasSource(zone, source), Some(zones)) => zones.contains(&(zone.to_owned(), source)),
            (ZoneQuery::HasSource(..), None) => return Err(Errno::ECONNREFUSED.into()),
        })
    }

    fn tables(&self) -> Arc<dyn RuleTables + Send + Sync> {
        self.tables.shared(self.dry)
    }

    fn stores(&mut self) -> &mut Stores {
        &mut self.stores
    }

    fn is_dry(&self) -> bool {
        self.dry
    }
}
