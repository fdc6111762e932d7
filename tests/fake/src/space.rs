//! A network namespace: its links by index and name.

use super::link::{AddressV4, Link};
use super::route::Entry;
use super::sysctl::Sysctls;
use nix::errno::Errno;
use std::net::{Ipv4Addr, Ipv6Addr};
use wasm_cni::machine::vlans::Vlans;

/// `ETH_DATA_LEN`: the MTU of a link of which nothing else was said, bytes.
pub const DEFAULT_MTU: u32 = 1500;

/// A namespace.
#[derive(Debug, Clone)]
pub struct Space {
    /// In the order of their indexes.
    pub links: Vec<Link>,
    /// Those that somebody added; the kernel's own follow from the addresses.
    pub routes: Vec<Entry>,
    /// Parameters.
    pub sysctls: Sysctls,
    next_index: u32,
}

impl Space {
    /// As the kernel makes one.
    pub fn new() -> Self {
        let mut space =
            Space { links: Vec::new(), routes: Vec::new(), sysctls: Sysctls::new(), next_index: 1 };
        space.insert(Link::loopback());
        space
    }

    /// The link of that name.
    pub fn find(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The link of that index.
    pub fn get(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// The link of that index, or the kernel's answer when there is none.
    pub fn get_mut(&mut self, index: u32) -> Result<&mut Link, Errno> {
        self.links.iter_mut().find(|link| link.index == index).ok_or(Errno::ENODEV)
    }

    /// Takes a link in, under an index that no link here has had; its name must be free.
    pub fn insert(&mut self, link: Link) -> u32 {
        let index = self.next_index;
        self.next_index = self.next_index.saturating_add(1);
        self.sysctls.add_v4(&link.name);
        if link.has_v6() {
            self.sysctls.add_v6(&link.name, link.is_loopback());
        }
        self.links.push(Link { index, ..link });
        index
    }

    /// Takes a link out, with all that depends on it.
    pub fn remove(&mut self, index: u32) -> Option<Link> {
        let position = self.links.iter().position(|link| link.index == index)?;
        let link = self.links.remove(position);
        self.routes.retain(|route| route.oif != index);
        self.sysctls.remove_link(&link.name);
        for port in self.links.iter_mut().filter(|port| port.master == Some(index)) {
            (port.master, port.hairpin, port.isolated) = (None, false, false);
            port.vlans = Vlans::default();
        }
        if let Some(master) = link.master {
            self.follow_ports(master);
        }
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

    /// Brings a link up; `lo` gets its addresses by that.
    pub fn set_up(&mut self, index: u32) -> Result<(), Errno> {
        let link = self.get_mut(index)?;
        link.up = true;
        if link.is_loopback() {
            if link.v4.is_empty()
                && let Ok(address) = ipnetwork::Ipv4Network::new(Ipv4Addr::LOCALHOST, 8)
            {
                link.v4.push(AddressV4 { address, secondary: false, of_host: true });
            }
            if !link.v6.iter().any(|address| address.ip() == Ipv6Addr::LOCALHOST) {
                link.v6.push(Ipv6Addr::LOCALHOST.into());
            }
        }
        Ok(())
    }

    /// Sets the MTU of a link. A bridge keeps one that was set.
    pub fn set_mtu(&mut self, index: u32, mtu: u32) -> Result<(), Errno> {
        let link = self.get_mut(index)?;
        let (had_v6, old) = (link.has_v6(), std::mem::replace(&mut link.mtu, mtu));
        if link.check().is_err() {
            link.mtu = old;
            return Err(Errno::EINVAL);
        }
        link.mtu_fixed |= link.kind == "bridge" && old != mtu;
        let (has_v6, name, master) = (link.has_v6(), link.name.clone(), link.master);
        self.follow_mtu(index, &name, had_v6, has_v6);
        if let Some(master) = master {
            self.follow_ports(master);
        }
        Ok(())
    }

    /// Takes a link down, and with it what goes through it.
    pub fn set_down(&mut self, index: u32) -> Result<(), Errno> {
        let link = self.get_mut(index)?;
        link.up = false;
        // What it gets by itself when it comes up again.
        link.v6.retain(|address| !address.ip().is_loopback());
        self.routes.retain(|route| route.oif != index);
        Ok(())
    }

    /// A bridge has the least MTU of its ports, the default one without any, unless it was set.
    fn follow_ports(&mut self, bridge: u32) {
        let ports = self.links.iter().filter(|link| link.master == Some(bridge));
        let mtu = ports.map(|port| port.mtu).min().unwrap_or(DEFAULT_MTU);
        let Ok(link) = self.get_mut(bridge) else { return };
        if link.mtu_fixed {
            return;
        }
        let had_v6 = link.has_v6();
        link.mtu = mtu;
        let (has_v6, name) = (link.has_v6(), link.name.clone());
        self.follow_mtu(bridge, &name, had_v6, has_v6);
    }

    /// Below an MTU of 1280 a link has no IPv6.
    fn follow_mtu(&mut self, index: u32, name: &str, had_v6: bool, has_v6: bool) {
        if had_v6 && !has_v6 {
            self.links.iter_mut().filter(|link| link.index == index).for_each(|link| link.v6.clear());
            self.routes.retain(|route| route.oif != index || route.dst.is_ipv4());
            self.sysctls.remove_v6(name);
        } else if has_v6 && !had_v6 {
            self.sysctls.add_v6(name, false);
        }
    }

    /// Writes a parameter, with what the kernel does because of it.
    pub fn write_sysctl(&mut self, key: &str, value: &str) -> Result<(), Errno> {
        self.sysctls.write(key, value)?;
        let disabled: Vec<u32> = self
            .links
            .iter()
            .filter(|link| self.sysctls.is_v6_disabled(&link.name))
            .map(|link| link.index)
            .collect();
        for link in self.links.iter_mut().filter(|link| disabled.contains(&link.index)) {
            link.v6.clear();
        }
        self.routes.retain(|route| route.dst.is_ipv4() || !disabled.contains(&route.oif));
        Ok(())
    }
}
