//! Bridges and their ports: one that somebody else made stays as it was, and a port gets back what it was made with.

use super::super::netlink::{Link, link, refused, vlan};
use super::super::{Effect, MachineError, netlink::Request, sysctl};
use super::HostKernel;
use crate::action::{EnsureBridge, LinkAttribute, SetLink};
use crate::machine::step;
use crate::machine::step::MAX_MTU;
use crate::value::{IfName, Mac, Netns};

impl HostKernel {
    /// What gives an attribute its value; nothing, if it has that. What it had is remembered.
    pub(super) fn set_link(&mut self, set: &SetLink) -> Result<Vec<Request>, MachineError> {
        let SetLink { link, attribute } = set;
        let found = self.require(link.netns, &link.name)?;
        match found.attribute(attribute) {
            Some(now) if now == *attribute => return Ok(Vec::new()),
            Some(now) => self.old_attributes.push((set.clone(), now.text())),
            None => {}
        }
        self.attribute_requests(&found, attribute)
    }

    /// The value that an attribute had before it was set.
    pub(super) fn old_attribute(&mut self, set: &SetLink) -> Effect {
        match self.old_attributes.iter().rposition(|(known, _)| known == set) {
            Some(place) => Effect::Replaced(self.old_attributes.swap_remove(place).1),
            None => Effect::Created,
        }
    }

    /// The messages that give a link an attribute.
    pub(super) fn attribute_requests(
        &mut self,
        found: &Link,
        attribute: &LinkAttribute,
    ) -> Result<Vec<Request>, MachineError> {
        let index = found.index;
        Ok(match attribute {
            LinkAttribute::Mac(mac) => vec![link::set_mac(index, *mac)],
            LinkAttribute::Mtu(mtu) => vec![link::set_mtu(index, *mtu)],
            LinkAttribute::AllMulticast(on) => vec![link::set_all_multicast(index, *on)],
            LinkAttribute::QueueLength(packets) => vec![link::set_queue_length(index, *packets)],
            LinkAttribute::Promiscuous(on) => vec![link::set_promiscuous(index, *on)],
            LinkAttribute::Alias(alias) => vec![link::set_alias(index, alias)],
            LinkAttribute::Port(port) => {
                let bridge = self.require(Netns::Host, &port.bridge)?.index;
                let mut requests = Vec::new();
                if found.master != Some(bridge) {
                    self.keep_bridge(&port.bridge, (found.mac(), found.mtu))?;
                    requests.push(link::set_master(index, bridge));
                }
                requests.push(link::set_port(index, port));
                requests.extend(vlan::give(index, &port.vlans));
                requests
            }
        })
    }

    /// Notes a bridge that was there: its Ethernet address shows whether we made it.
    pub(super) fn found_bridge(&mut self, bridge: &EnsureBridge, found: &Link) {
        if found.mac() == bridge.mac {
            self.foreign_bridges.remove(&bridge.name);
        } else {
            self.foreign_bridges.insert(bridge.name.clone());
        }
    }

    /// Uses a bridge that was there. One of ours that is not up is finished: who made it may have been killed.
    pub(super) fn use_bridge(&mut self, bridge: &EnsureBridge, found: &Link) -> Result<(), MachineError> {
        self.found_bridge(bridge, found);
        let is_unfinished = !found.up && !self.foreign_bridges.contains(&bridge.name);
        if is_unfinished { sysctl::ignore_advertisements(&bridge.name) } else { Ok(()) }
    }

    /// Pins what the kernel would change of a foreign bridge, before the port joins: so it never has another value, not even
    /// when this process dies. Of our own bridges both are set when they are made or follow as in the reference.
    pub(super) fn keep_bridge(&mut self, master: &IfName, port: (Mac, u32)) -> Result<(), MachineError> {
        if !self.foreign_bridges.contains(master) {
            return Ok(());
        }
        let bridge = self.require(Netns::Host, master)?;
        let ports = self.socket(Netns::Host).and_then(|socket| link::ports(socket, bridge.index));
        let failed = |error| refused(format!("failed to keep {:?} as it is", master.as_str()), error);
        let ports: Vec<_> = ports.map_err(failed)?.iter().map(|port| (port.mac(), port.mtu)).collect();
        let keep = step::keep((bridge.mac(), bridge.mtu), &ports, port);
        let mut requests: Vec<Request> = Vec::new();
        if keep.mac {
            requests.push(link::set_mac(bridge.index, bridge.mac()));
        }
        if keep.mtu {
            // The kernel ignores the value that is there. Downwards, IPv6 and links on the bridge could lose by it.
            let other = if bridge.mtu < MAX_MTU { bridge.mtu + 1 } else { bridge.mtu - 1 };
            requests.extend([other, bridge.mtu].map(|mtu| link::set_mtu(bridge.index, mtu)));
        }
        if requests.is_empty() {
            return Ok(());
        }
        let answers = self.socket(Netns::Host).map(|socket| socket.batch(requests));
        answers.and_then(|answers| answers.into_iter().collect()).map_err(failed)
    }
}
