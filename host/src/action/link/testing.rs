//! A machine in memory for tests of rooms: it answers as it is set up, notes what is sent, and does nothing of it.

use crate::action::context::{Notes, ReadContext, WriteContext};
use crate::action::testing::permit;
use crate::machine::lease::Stores;
use crate::machine::port::{
    Address, Link, Look, Machine, ProgramCall, Qdiscs, Request, ZoneChange, ZoneQuery,
};
use crate::machine::rules::RuleTables;
use crate::machine::vlans::Vlans;
use crate::value::{IfName, LinkRef, Mac, Netns, Route, SysctlKey};
use nix::errno::Errno;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

/// See the module.
#[derive(Default)]
pub struct Scripted {
    pub links: Vec<(Netns, Link)>,
    pub addresses: Vec<(Netns, u32, Address)>,
    pub sysctls: BTreeMap<String, String>,
    pub has_no_container: bool,
    /// What was sent.
    pub sent: Vec<(Netns, Vec<Request>)>,
    /// The errors for the requests to come; a request without one succeeds.
    pub errors: VecDeque<Option<Errno>>,
    pub pauses: u32,
}

impl Scripted {
    /// A machine with one link.
    pub fn with(netns: Netns, link: Link) -> Self {
        Scripted { links: vec![(netns, link)], ..Scripted::default() }
    }

    pub fn write<T>(&mut self, notes: &mut Notes, change: impl FnOnce(&mut WriteContext<'_>) -> T) -> T {
        change(&mut WriteContext::new(&permit(), self, notes))
    }

    pub fn read<T>(&mut self, notes: &mut Notes, look: impl FnOnce(&mut ReadContext<'_>) -> T) -> T {
        look(&mut ReadContext::new(self, notes))
    }

    /// The requests of the last batch.
    pub fn last(&self) -> &[Request] {
        self.sent.last().map(|(_, requests)| requests.as_slice()).unwrap_or_default()
    }
}

pub fn name(text: &str) -> IfName {
    IfName::parse(text).unwrap()
}

pub fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

/// A link of that index, down; its Ethernet address ends with the index.
pub fn link(index: u8, name: &str, kind: &str) -> Link {
    Link {
        index: index.into(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        mac: mac(index),
        mtu: 1500,
        ..Link::default()
    }
}

/// An address as it is added, with those flags.
pub fn address(text: &str, flags: u32) -> Address {
    Address {
        address: text.parse().unwrap(),
        peer: None,
        broadcast: None,
        label: None,
        scope: 0,
        flags,
        priority: None,
        protocol: None,
        lifetimes: None,
    }
}

impl Look for Scripted {
    fn has_netns(&self, netns: Netns) -> bool {
        netns == Netns::Host || !self.has_no_container
    }

    fn link(&mut self, link: &LinkRef) -> io::Result<Option<Link>> {
        let is_it =
            |(netns, found): &&(Netns, Link)| *netns == link.netns && found.name == link.name.as_str();
        Ok(self.links.iter().find(is_it).map(|(_, found)| found.clone()))
    }

    fn index(&mut self, link: &LinkRef) -> io::Result<Option<u32>> {
        Ok(self.link(link)?.map(|found| found.index))
    }

    fn link_at(&mut self, netns: Netns, index: u32) -> io::Result<Option<Link>> {
        let is_it = |(of, found): &&(Netns, Link)| *of == netns && found.index == index;
        Ok(self.links.iter().find(is_it).map(|(_, found)| found.clone()))
    }

    fn ports(&mut self, bridge: u32) -> io::Result<Vec<Link>> {
        let ports = self.links.iter().filter(|(_, link)| link.master == Some(bridge));
        Ok(ports.map(|(_, link)| link.clone()).collect())
    }

    fn addresses(&mut self, netns: Netns, link: Option<u32>) -> io::Result<Vec<Address>> {
        let is_it =
            |(of, index, _): &&(Netns, u32, Address)| *of == netns && link.is_none_or(|l| l == *index);
        Ok(self.addresses.iter().filter(is_it).map(|(_, _, address)| address.clone()).collect())
    }

    fn has_route(&mut self, _: Netns, _: u32, _: &Route) -> io::Result<bool> {
        Ok(false)
    }

    fn output(&mut self, _: IpAddr) -> io::Result<Option<u32>> {
        Ok(None)
    }

    fn vlans(&mut self, _: u32) -> io::Result<Vlans> {
        Ok(Vlans::default())
    }

    fn qdiscs(&mut self, _: u32) -> io::Result<Qdiscs> {
        Ok(Qdiscs::default())
    }

    fn redirects(&mut self, _: u32) -> io::Result<Vec<u32>> {
        Ok(Vec::new())
    }

    fn sysctl(&mut self, _: Netns, key: &SysctlKey) -> io::Result<String> {
        self.sysctls.get(key.as_str()).cloned().ok_or(io::ErrorKind::NotFound.into())
    }

    fn sysctl_names(&mut self, _: Netns, _: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn file(&mut self, _: &Path, _: Option<&Path>, _: usize) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn has_file(&mut self, _: &Path) -> bool {
        false
    }

    fn has_program(&mut self, _: &str) -> bool {
        false
    }

    fn zone(&mut self, _: ZoneQuery<'_>) -> io::Result<bool> {
        Ok(false)
    }

    fn tables(&self) -> Arc<dyn RuleTables + Send + Sync> {
        unimplemented!("no rules")
    }

    fn stores(&mut self) -> &mut Stores {
        unimplemented!("no leases")
    }

    fn is_dry(&self) -> bool {
        false
    }
}

impl Machine for Scripted {
    fn as_look(&mut self) -> &mut dyn Look {
        self
    }

    fn send(&mut self, netns: Netns, requests: Vec<Request>) -> Vec<io::Result<()>> {
        let mut answer = |_: &Request| match self.errors.pop_front().flatten() {
            Some(errno) => Err(errno.into()),
            None => Ok(()),
        };
        let answers = requests.iter().map(&mut answer).collect();
        self.sent.push((netns, requests));
        answers
    }

    fn set_sysctl(&mut self, _: Netns, key: &SysctlKey, value: &str) -> io::Result<()> {
        self.sysctls.insert(key.to_string(), value.to_owned());
        Ok(())
    }

    fn write_file(&mut self, _: &Path, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn remove_file(&mut self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn forget_udp(&mut self, _: bool, _: &[u16]) -> io::Result<()> {
        Ok(())
    }

    fn change_zone(&mut self, _: ZoneChange<'_>) -> io::Result<bool> {
        Ok(false)
    }

    fn run(&mut self, _: &ProgramCall) -> io::Result<Output> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn pause(&mut self, _: Duration) -> bool {
        self.pauses += 1;
        true
    }
}
