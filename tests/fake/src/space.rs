//! A network namespace: its links by index and name, and the effects of requests.

use super::link::{Link, check_mac};
use super::route::{Entry, SCOPE_HOST};
use super::sysctl::{Family, Sysctls};
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wasm_cni::machine::port::{Address, NewKind, NewLink, Request};
use wasm_cni::machine::vlans::Vlans;
use wasm_cni::value::Mac;

/// `ETH_DATA_LEN`: the default MTU of a link, in bytes.
pub const DEFAULT_MTU: u32 = 1500;

/// The MAC address of a link that is created without one. The kernel chooses a random one.
const BY_CHANCE: Mac = Mac([2, 0, 0, 0, 0, 1]);

/// A network namespace.
#[derive(Debug, Clone)]
pub struct Space {
    /// The links, in the order of their indexes.
    pub links: Vec<Link>,
    /// The routes that users added. The kernel's own routes follow from the addresses.
    pub routes: Vec<Entry>,
    /// The kernel parameters.
    pub sysctls: Sysctls,
    next_index: u32,
}

impl Space {
    /// A new namespace in the kernel's initial state.
    pub fn new() -> Self {
        let mut space =
            Space { links: Vec::new(), routes: Vec::new(), sysctls: Sysctls::new(), next_index: 1 };
        space.insert(Link::loopback());
        space
    }

    /// The link with this name.
    pub fn find(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The link with this index.
    pub fn get(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// The link with this index, or the kernel's error if it does not exist.
    pub fn get_mut(&mut self, index: u32) -> Result<&mut Link, Errno> {
        self.links.iter_mut().find(|link| link.index == index).ok_or(Errno::ENODEV)
    }

    /// The ports of a bridge.
    pub fn ports(&self, bridge: u32) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.master == Some(bridge))
    }

    /// Creates a link, and returns its index.
    pub fn add(&mut self, link: Link) -> Result<u32, Errno> {
        if self.find(&link.name).is_some() {
            return Err(Errno::EEXIST);
        }
        link.check()?;
        Ok(self.insert(link))
    }

    /// Adds a link, with an index that no link of this namespace has had.
    fn insert(&mut self, mut link: Link) -> u32 {
        link.index = self.next_index;
        self.next_index = self.next_index.saturating_add(1);
        self.sysctls.add(Family::V4, &link.name);
        self.links.push(link);
        self.settle_v6();
        self.next_index - 1
    }

    /// Removes a link, with everything that depends on it.
    pub fn remove(&mut self, index: u32) -> Option<Link> {
        let position = self.links.iter().position(|link| link.index == index)?;
        let link = self.links.remove(position);
        self.routes.retain(|route| route.oif != index);
        Family::ALL.into_iter().for_each(|family| self.sysctls.remove(family, &link.name));
        for port in self.links.iter_mut().filter(|port| port.master == Some(index)) {
            (port.master, port.vlans) = (None, Vlans::default());
            (port.hairpin, port.isolated) = (false, false);
        }
        link.master.into_iter().for_each(|master| self.follow_ports(master));
        let redirects = self.links.iter_mut().filter_map(|link| link.ingress.as_mut()).flatten();
        redirects.filter(|to| **to == index).for_each(|to| *to = 0);
        Some(link)
    }

    /// Makes a link a port of a bridge.
    pub fn enslave(&mut self, port: u32, master: u32) -> Result<(), Errno> {
        let bridge = self.get(master).ok_or(Errno::EINVAL)?;
        if bridge.kind != "bridge" {
            return Err(Errno::EOPNOTSUPP);
        }
        let port = self.get_mut(port)?;
        (port.master, port.vlans) = (Some(master), Vlans::of_new_port());
        self.follow_ports(master);
        Ok(())
    }

    /// Sets a link up. `lo` gets its addresses then.
    pub fn set_up(&mut self, index: u32) -> Result<(), Errno> {
        let link = self.get_mut(index)?;
        link.up = true;
        if link.is_loopback() {
            let has_v4 = link.addresses.iter().any(|found| found.address.is_ipv4());
            let v4 = IpNetwork::new(Ipv4Addr::LOCALHOST.into(), 8).ok().filter(|_| !has_v4);
            for address in v4.into_iter().chain([IpAddr::from(Ipv6Addr::LOCALHOST).into()]) {
                let added = self.add_address(index, Address { scope: SCOPE_HOST, ..Address::new(address) });
                added.or_else(|errno| if errno == Errno::EEXIST { Ok(()) } else { Err(errno) })?;
            }
        }
        Ok(())
    }

    /// Sets a link down. Its routes are removed.
    pub fn set_down(&mut self, index: u32) -> Result<(), Errno> {
        let link = self.get_mut(index)?;
        link.up = false;
        // The kernel adds these addresses again when the link is set up.
        link.addresses.retain(|address| !(address.address.is_ipv6() && address.comes_back()));
        self.routes.retain(|route| route.oif != index);
        Ok(())
    }

    /// Sets the MTU of a link. A bridge then keeps it.
    fn set_mtu(&mut self, index: u32, mtu: u32) -> Result<(), Errno> {
        let link = self.get_mut(index)?;
        let old = std::mem::replace(&mut link.mtu, mtu);
        if link.check().is_err() {
            link.mtu = old;
            return Err(Errno::EINVAL);
        }
        link.mtu_fixed |= link.kind == "bridge" && old != mtu;
        let master = link.master;
        master.into_iter().for_each(|bridge| self.follow_ports(bridge));
        self.settle_v6();
        Ok(())
    }

    /// Updates the MTU of a bridge to the smallest of its ports, or the default, unless a user has set it.
    fn follow_ports(&mut self, bridge: u32) {
        let mtu = self.ports(bridge).map(|port| port.mtu).min().unwrap_or(DEFAULT_MTU);
        let follows = self.get_mut(bridge).ok().filter(|link| !link.mtu_fixed);
        follows.into_iter().for_each(|link| link.mtu = mtu);
        self.settle_v6();
    }

    /// With an MTU below 1280, a link has no IPv6 at all. With IPv6 disabled, it has no IPv6 addresses and routes.
    fn settle_v6(&mut self) {
        for link in &mut self.links {
            let is_off = self.sysctls.is_v6_disabled(&link.name);
            match is_off {
                Some(_) if !link.has_v6() => self.sysctls.remove(Family::V6, &link.name),
                None if link.has_v6() => {
                    self.sysctls.add(Family::V6, &link.name);
                    if matches!(link.kind.as_str(), "dummy" | "ifb") {
                        // Their links are `IFF_NOARP`.
                        self.sysctls.put(&format!("net/ipv6/conf/{}/accept_dad", link.name), "-1");
                    }
                }
                _ => {}
            }
            if !link.has_v6() || is_off == Some(true) {
                link.addresses.retain(|address| address.address.is_ipv4());
                self.routes.retain(|route| route.oif != link.index || route.dst.is_ipv4());
            }
        }
    }

    /// Writes a parameter, with the kernel's other changes.
    pub fn write_sysctl(&mut self, key: &str, value: &str) -> Result<(), Errno> {
        self.sysctls.write(key, value)?;
        self.settle_v6();
        Ok(())
    }

    /// Does a request that concerns only this namespace, with the kernel's answer.
    pub fn request(&mut self, request: &Request) -> Result<(), Errno> {
        match request {
            // These requests concern both namespaces.
            Request::CreateVeth(_) | Request::Delete(_) => return Err(Errno::EINVAL),
            Request::CreateLink(NewLink { name, mac, mtu, kind }) => {
                let (mac, mtu) = (mac.unwrap_or(BY_CHANCE), mtu.unwrap_or(DEFAULT_MTU));
                let link = |kind| Link::new(name.as_str(), kind, mac, mtu);
                self.add(match *kind {
                    NewKind::Bridge { vlan_filtering } => Link { vlan_filtering, ..link("bridge") },
                    NewKind::Dummy => link("dummy"),
                    NewKind::Ifb => link("ifb").without_queue(),
                })?;
            }
            Request::Mark { name, alias, hairpin, isolated } => {
                let link = self.links.iter_mut().find(|link| link.name == name.as_str());
                let link = link.ok_or(Errno::ENODEV)?;
                link.set_alias(alias)?;
                if *hairpin || *isolated {
                    (link.hairpin, link.isolated) = (*hairpin, *isolated);
                }
            }
            Request::SetUp(index, true) => self.set_up(*index)?,
            Request::SetUp(index, false) => self.set_down(*index)?,
            Request::SetPromiscuous(index, on) => self.get_mut(*index)?.promiscuous = *on,
            Request::SetAllMulticast(index, on) => self.get_mut(*index)?.all_multicast = *on,
            Request::SetMac(index, mac) => {
                let link = self.get_mut(*index)?;
                // The kernel does not check a MAC address that the link already has.
                if link.mac != *mac {
                    check_mac(*mac)?;
                }
                link.mac = *mac;
            }
            Request::SetMtu(index, mtu) => self.set_mtu(*index, *mtu)?,
            Request::SetQueueLength(index, packets) => self.get_mut(*index)?.queue_length = *packets,
            Request::SetAlias(index, alias) => self.get_mut(*index)?.set_alias(alias)?,
            Request::SetMaster { link, master } => self.enslave(*link, *master)?,
            Request::SetPort { link, hairpin, isolated } => {
                let port = self.port(*link)?;
                (port.hairpin, port.isolated) = (*hairpin, *isolated);
            }
            Request::DropVlans(link) => self.port(*link)?.vlans = Vlans::default(),
            Request::AddVlans { link, first, last, native } => {
                self.port(*link)?.add_vlans(*first..=*last, *native);
            }
            Request::AddAddress { link, address, .. } => self.add_address(*link, Address::new(*address))?,
            Request::RestoreAddress { link, address } => self.add_address(*link, address.clone())?,
            Request::DeleteAddress { link, address } => self.delete_address(*link, *address)?,
            Request::AddRoute { link, route } => self.add_route(*link, route)?,
            Request::SetTokenBucket(index, bucket) => {
                let link = self.get_mut(*index)?;
                link.root = Some(*bucket);
                link.queue();
            }
            Request::DeleteRootQdisc(index) => {
                self.get_mut(*index)?.root.take().ok_or(Errno::ENOENT)?;
            }
            Request::AddIngress(index) if self.get_mut(*index)?.ingress.is_some() => {
                return Err(Errno::EEXIST);
            }
            Request::AddIngress(index) => {
                let link = self.get_mut(*index)?;
                link.ingress = Some(Vec::new());
                link.queue();
            }
            Request::DeleteIngress(index) => {
                self.get_mut(*index)?.ingress.take().ok_or(Errno::ENOENT)?;
            }
            Request::Redirect { link, to } => {
                self.get_mut(*to)?;
                self.get_mut(*link)?.ingress.as_mut().ok_or(Errno::EINVAL)?.push(*to);
            }
        }
        Ok(())
    }

    /// The bridge port with this index, or the kernel's error if it does not exist.
    fn port(&mut self, index: u32) -> Result<&mut Link, Errno> {
        let link = self.get_mut(index)?;
        if link.master.is_some() { Ok(link) } else { Err(Errno::EOPNOTSUPP) }
    }
}
