//! The queries of the Linux machine.

use super::netlink::{address, link, qdisc, route, vlan};
use super::{Linux, file, firewalld, sysctl};
use crate::machine::lease::Stores;
use crate::machine::port::{Address, Link, Look, Qdiscs, ZoneQuery};
use crate::machine::rules::RuleTables;
use crate::machine::vlans::Vlans;
use crate::value::{IfName, LinkRef, Netns, Route, SysctlKey};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

impl Look for Linux {
    /// Opens the sockets, and sends a first request to the kernel, because the first answer to a process is slow.
    fn prepare(&mut self) {
        for netns in [Netns::Host, Netns::Container] {
            let _ = self.socket(netns);
        }
        let Ok(name) = IfName::parse("lo") else { return };
        if let Ok(Some(found)) = self.link(&LinkRef { netns: Netns::Host, name }) {
            let _ = self.addresses(Netns::Host, Some(found.index));
        }
    }

    fn has_netns(&self, netns: Netns) -> bool {
        match netns {
            Netns::Host => true,
            Netns::Container => self.container.is_some(),
        }
    }

    fn link(&mut self, link: &LinkRef) -> io::Result<Option<Link>> {
        let found = link::find(self.socket(link.netns)?, &link.name)?;
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
        link::find_index(self.socket(netns)?, index)
    }

    fn ports(&mut self, bridge: u32) -> io::Result<Vec<Link>> {
        link::ports(self.socket(Netns::Host)?, bridge)
    }

    fn addresses(&mut self, netns: Netns, link: Option<u32>) -> io::Result<Vec<Address>> {
        address::list(self.socket(netns)?, link)
    }

    fn has_route(&mut self, netns: Netns, link: u32, route: &Route) -> io::Result<bool> {
        route::is_there(self.socket(netns)?, link, route)
    }

    fn output(&mut self, address: IpAddr) -> io::Result<Option<u32>> {
        route::output(self.socket(Netns::Host)?, address)
    }

    fn vlans(&mut self, port: u32) -> io::Result<Vlans> {
        vlan::list(self.socket(Netns::Host)?, port)
    }

    fn qdiscs(&mut self, link: u32) -> io::Result<Qdiscs> {
        qdisc::list(self.socket(Netns::Host)?, link)
    }

    fn redirects(&mut self, link: u32) -> io::Result<Vec<u32>> {
        match qdisc::redirects(self.socket(Netns::Host)?, link) {
            // A link without an ingress qdisc has no filters.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(Vec::new()),
            found => found,
        }
    }

    fn sysctl(&mut self, netns: Netns, key: &SysctlKey) -> io::Result<String> {
        let _guard = self.enter(netns)?;
        sysctl::read(key)
    }

    fn sysctl_names(&mut self, netns: Netns, directory: &str) -> io::Result<Vec<String>> {
        let _guard = self.enter(netns)?;
        sysctl::names(directory)
    }

    fn file(&mut self, path: &Path, below: Option<&Path>, limit: usize) -> io::Result<Vec<u8>> {
        file::read(path, below, limit)
    }

    fn has_file(&mut self, path: &Path) -> bool {
        path.exists()
    }

    fn has_program(&mut self, program: &str) -> bool {
        file::find_on_path(program).is_some()
    }

    fn zone(&mut self, query: ZoneQuery<'_>) -> io::Result<bool> {
        match query {
            ZoneQuery::IsRunning => Ok(firewalld::is_running()),
            ZoneQuery::HasSource(zone, address) => firewalld::has_source(zone, address),
        }
    }

    fn tables(&self) -> Arc<dyn RuleTables + Send + Sync> {
        self.tables.clone()
    }

    fn stores(&mut self) -> &mut Stores {
        &mut self.stores
    }

    fn is_dry(&self) -> bool {
        self.dry
    }
}
