//! Both namespaces, and what concerns both.

use super::link::Link;
use super::space::Space;
use crate::action::{CreateVeth, EnsureBridge, EnsureVlanGateway, VethPeer};
use crate::machine::step;
use crate::machine::step::DEFAULT_MTU;
use crate::value::{IfName, Mac, Netns, SysctlKey};
use nix::errno::Errno;

/// The host's namespace and the container's, if it has one.
#[derive(Debug, Clone)]
pub struct Machine {
    host: Space,
    container: Option<Space>,
}

impl Machine {
    /// As after a start.
    pub fn new() -> Self {
        Machine { host: Space::new(), container: Some(Space::new()) }
    }

    /// Removes the container's namespace, and with it the links in it and their peers.
    pub fn remove_container(&mut self) {
        if let Some(gone) = self.container.take() {
            let peers = gone.links.iter().filter_map(|link| link.peer);
            for (_, index) in peers.filter(|(netns, _)| *netns == Netns::Host) {
                self.host.remove(index);
            }
        }
    }

    /// A namespace, if it exists.
    pub fn space(&self, netns: Netns) -> Option<&Space> {
        match netns {
            Netns::Host => Some(&self.host),
            Netns::Container => self.container.as_ref(),
        }
    }

    /// A namespace, if it exists.
    pub fn space_mut(&mut self, netns: Netns) -> Option<&mut Space> {
        match netns {
            Netns::Host => Some(&mut self.host),
            Netns::Container => self.container.as_mut(),
        }
    }

    /// A namespace, or the kernel's answer when there is none.
    pub fn in_space(&mut self, netns: Netns) -> Result<&mut Space, Errno> {
        self.space_mut(netns).ok_or(Errno::ENODEV)
    }

    /// A bridge, down.
    pub fn create_bridge(&mut self, bridge: &EnsureBridge) -> Result<(), Errno> {
        let name = bridge.name.as_str();
        if self.host.find(name).is_some() {
            return Err(Errno::EEXIST);
        }
        let link = Link::new(name, "bridge", bridge.mac, bridge.mtu.unwrap_or(DEFAULT_MTU));
        link.check()?;
        self.host.insert(Link { vlan_filtering: bridge.vlan_filtering, ..link });
        Ok(())
    }

    /// A link of the host takes nothing out of router advertisements; one without IPv6 does not anyway.
    pub fn ignore_advertisements(&mut self, link: &IfName) {
        let _ = self.host.write_sysctl(SysctlKey::accept_ra(link).as_str(), "0");
    }

    /// A pair on the host, both ends up, one a port of the bridge.
    pub fn create_vlan_gateway(&mut self, gateway: &EnsureVlanGateway, bridge: u32) -> Result<(), Errno> {
        let mtu = self.host.get_mut(bridge)?.mtu;
        let mut outside = Link::new(gateway.name.as_str(), "veth", gateway.mac, mtu);
        let port = Link::new(gateway.port.as_str(), "veth", gateway.port_mac, mtu);
        let port = Link { queue_length: 0, ..port };
        outside.check()?;
        port.check()?;
        outside.set_alias(&gateway.alias)?;
        let index = self.pair((Netns::Host, port), (Netns::Host, outside))?;
        self.host.enslave(index, bridge)?;
        let port = self.host.get_mut(index)?;
        port.vlans.give(&gateway.vlans());
        let outside = port.peer.map(|(_, index)| index).ok_or(Errno::ENODEV)?;
        self.ignore_advertisements(&gateway.port);
        self.ignore_advertisements(&gateway.name);
        self.host.set_up(index)?;
        self.host.set_up(outside)
    }

    /// A pair, both ends down and in their places.
    pub fn create_veth(&mut self, veth: &CreateVeth, master: Option<u32>) -> Result<(), Errno> {
        let mtu = veth.mtu.unwrap_or(DEFAULT_MTU);
        let outside = Link::new(veth.peer.name.as_str(), "veth", veth.peer.mac, mtu);
        let outside = Link { queue_length: 0, ..outside };
        let inside = Link::new(veth.name.as_str(), "veth", veth.mac, mtu);
        if self.host.find(&outside.name).is_some() {
            return Err(Errno::EEXIST);
        }
        outside.check()?;
        inside.check()?;
        let index = self.pair((Netns::Host, outside), (Netns::Container, inside))?;
        if let Some(master) = master
            && let Err(errno) = self.host.enslave(index, master)
        {
            self.delete(Netns::Host, index)?;
            return Err(errno);
        }
        Ok(())
    }

    /// Sets the MTU of a bridge to what it is, if it would change with the pair.
    pub fn keep_bridge(&mut self, bridge: u32, port: (Mac, u32)) -> Result<(), Errno> {
        let ports = self.host.links.iter().filter(|link| link.master == Some(bridge));
        let ports: Vec<_> = ports.map(|port| (port.mac, port.mtu)).collect();
        let bridge = self.host.get_mut(bridge)?;
        if step::keep((bridge.mac, bridge.mtu), &ports, port).mtu {
            bridge.mtu_fixed = true;
        }
        Ok(())
    }

    /// Whether a link passes packets, as its operational state says.
    pub fn is_running(&self, netns: Netns, link: &Link) -> bool {
        let is_up = |(netns, index): (Netns, u32)| {
            self.space(netns).and_then(|space| space.get(index)).is_some_and(|link| link.up)
        };
        let passes = |link: &Link| link.up && link.peer.is_some_and(is_up);
        if link.kind != "bridge" {
            return passes(link);
        }
        let links = self.space(netns).map(|space| space.links.as_slice()).unwrap_or_default();
        link.up && links.iter().any(|port| port.master == Some(link.index) && passes(port))
    }

    /// Takes in two links that are each other's peer, and gives the index of the first.
    pub fn pair(&mut self, first: (Netns, Link), second: (Netns, Link)) -> Result<u32, Errno> {
        for (netns, link) in [&first, &second] {
            if self.in_space(*netns)?.find(&link.name).is_some() {
                return Err(Errno::EEXIST);
            }
        }
        let first_index = self.in_space(first.0)?.insert(first.1);
        let second_index =
            self.in_space(second.0)?.insert(Link { peer: Some((first.0, first_index)), ..second.1 });
        self.in_space(first.0)?.get_mut(first_index)?.peer = Some((second.0, second_index));
        Ok(first_index)
    }

    /// Alias and port settings of a new host end.
    pub fn mark_veth(&mut self, peer: &VethPeer) -> Result<(), Errno> {
        let found = self.host.links.iter_mut().find(|link| link.name == peer.name.as_str());
        let link = found.ok_or(Errno::ENODEV)?;
        link.set_alias(&peer.alias)?;
        link.hairpin = link.master.is_some() && peer.hairpin;
        link.isolated = link.master.is_some() && peer.isolated;
        if link.master.is_some() {
            link.vlans.give(&peer.vlans);
        }
        Ok(())
    }

    /// Deletes a link; of a pair, both ends.
    pub fn delete(&mut self, netns: Netns, index: u32) -> Result<(), Errno> {
        let space = self.in_space(netns)?;
        if space.get(index).ok_or(Errno::ENODEV)?.is_loopback() {
            return Err(Errno::EOPNOTSUPP);
        }
        let peer = space.remove(index).and_then(|link| link.peer);
        if let Some((netns, peer)) = peer
            && let Some(space) = self.space_mut(netns)
        {
            space.remove(peer);
        }
        Ok(())
    }
}
