//! Both namespaces, and what each request does to them.

use super::link::Link;
use super::space::{DEFAULT_MTU, Space};
use nix::errno::Errno;
use wasm_cni::machine::port::{NewBridge, NewVeth, Request};
use wasm_cni::machine::vlans::Membership;
use wasm_cni::value::Netns;

/// The host's namespace and the container's, if it has one.
#[derive(Debug, Clone)]
pub struct Spaces {
    host: Space,
    container: Option<Space>,
}

impl Spaces {
    /// As after a start.
    pub fn new() -> Self {
        Spaces { host: Space::new(), container: Some(Space::new()) }
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
    pub fn get(&self, netns: Netns) -> Option<&Space> {
        match netns {
            Netns::Host => Some(&self.host),
            Netns::Container => self.container.as_ref(),
        }
    }

    /// A namespace, if it exists.
    pub fn get_mut(&mut self, netns: Netns) -> Option<&mut Space> {
        match netns {
            Netns::Host => Some(&mut self.host),
            Netns::Container => self.container.as_mut(),
        }
    }

    /// Whether a link passes packets, as its operational state shows.
    pub fn is_running(&self, netns: Netns, link: &Link) -> bool {
        let is_up = |(netns, index): (Netns, u32)| {
            self.get(netns).and_then(|space| space.get(index)).is_some_and(|link| link.up)
        };
        let passes = |link: &Link| link.up && link.peer.is_some_and(is_up);
        if link.kind != "bridge" {
            return passes(link);
        }
        let links = self.get(netns).map(|space| space.links.as_slice()).unwrap_or_default();
        link.up && links.iter().any(|port| port.master == Some(link.index) && passes(port))
    }

    /// Does a request, as the kernel does.
    pub fn request(&mut self, netns: Netns, request: &Request) -> Result<(), Errno> {
        match request {
            Request::CreateBridge(bridge) => return self.create_bridge(netns, bridge),
            Request::CreateVeth(veth) => return self.create_veth(veth),
            Request::Delete(index) => return self.delete(netns, *index),
            _ => {}
        }
        let space = self.get_mut(netns).ok_or(Errno::ENODEV)?;
        match request {
            Request::CreateBridge(_) | Request::CreateVeth(_) | Request::Delete(_) => {}
            Request::CreateIfb { name, mtu } => {
                // The kernel gives it an Ethernet address by chance.
                let link = Link::new(name.as_str(), "ifb", wasm_cni::value::Mac([2, 0, 0, 0, 0, 1]), *mtu);
                link.check()?;
                if space.find(name.as_str()).is_some() {
                    return Err(Errno::EEXIST);
                }
                space.insert(Link { queue_length: 0, up: true, ..link });
            }
            Request::Mark { name, alias, hairpin, isolated } => {
                let found = space.links.iter_mut().find(|link| link.name == name.as_str());
                let link = found.ok_or(Errno::ENODEV)?;
                link.set_alias(alias)?;
                if *hairpin || *isolated {
                    (link.hairpin, link.isolated) = (*hairpin, *isolated);
                }
            }
            Request::SetUp(index, true) => space.set_up(*index)?,
            Request::SetUp(index, false) => space.set_down(*index)?,
            Request::SetPromiscuous(index, on) => space.get_mut(*index)?.promiscuous = *on,
            Request::SetAllMulticast(index, on) => space.get_mut(*index)?.all_multicast = *on,
            Request::SetMac(index, mac) => {
                let link = space.get_mut(*index)?;
                // The device is not asked for the address that it has.
                if link.mac != *mac && (mac.0 == [0; 6] || mac.0[0] & 1 == 1) {
                    return Err(Errno::EADDRNOTAVAIL);
                }
                link.mac = *mac;
            }
            Request::SetMtu(index, mtu) => space.set_mtu(*index, *mtu)?,
            Request::SetQueueLength(index, packets) => space.get_mut(*index)?.queue_length = *packets,
            Request::SetAlias(index, alias) => space.get_mut(*index)?.set_alias(alias)?,
            Request::SetMaster { link, master } => space.enslave(*link, *master)?,
            Request::SetPort { link, hairpin, isolated } => {
                let port = space.get_mut(*link)?;
                if port.master.is_none() {
                    return Err(Errno::EINVAL);
                }
                (port.hairpin, port.isolated) = (*hairpin, *isolated);
            }
            Request::DropVlans(port) => space.get_mut(*port)?.vlans = Default::default(),
            Request::AddVlans { link, first, last, native } => {
                let port = space.get_mut(*link)?;
                if port.master.is_none() {
                    return Err(Errno::EOPNOTSUPP);
                }
                if *native {
                    // There is one such VLAN at most; frames of the old one still leave without a tag.
                    for (vid, old) in port.vlans.iter().collect::<Vec<_>>() {
                        port.vlans.insert(vid, Membership { pvid: false, ..old });
                    }
                }
                for vid in *first..=*last {
                    port.vlans.insert(vid, Membership { pvid: *native, untagged: *native });
                }
            }
            Request::AddAddress { link, address, .. } => space.add_address(*link, *address)?,
            Request::RestoreAddress { link, address } => space.add_address(*link, address.address)?,
            Request::DeleteAddress { link, address } => space.delete_address(*link, *address)?,
            Request::AddRoute { link, route } => space.add_route(*link, route)?,
            Request::SetTokenBucket(index, token_bucket) => {
                let link = space.get_mut(*index)?;
                if link.queue_length == 0 {
                    link.queue_length = super::link::DEFAULT_QUEUE_LENGTH;
                }
                link.root = Some(*token_bucket);
            }
            Request::DeleteRootQdisc(index) => {
                space.get_mut(*index)?.root.take().ok_or(Errno::ENOENT)?;
            }
            Request::AddIngress(index) => match &mut space.get_mut(*index)?.ingress {
                Some(_) => return Err(Errno::EEXIST),
                none => *none = Some(Vec::new()),
            },
            Request::DeleteIngress(index) => {
                space.get_mut(*index)?.ingress.take().ok_or(Errno::ENOENT)?;
            }
            Request::Redirect { link, to } => {
                space.get(*to).ok_or(Errno::ENODEV)?;
                space.get_mut(*link)?.ingress.as_mut().ok_or(Errno::EINVAL)?.push(*to);
            }
        }
        Ok(())
    }

    fn create_bridge(&mut self, netns: Netns, bridge: &NewBridge) -> Result<(), Errno> {
        let space = self.get_mut(netns).ok_or(Errno::ENODEV)?;
        let name = bridge.name.as_str();
        if space.find(name).is_some() {
            return Err(Errno::EEXIST);
        }
        let link = Link::new(name, "bridge", bridge.mac, bridge.mtu.unwrap_or(DEFAULT_MTU));
        link.check()?;
        space.insert(Link { vlan_filtering: bridge.vlan_filtering, ..link });
        Ok(())
    }

    /// A pair, both ends down and in their places.
    fn create_veth(&mut self, veth: &NewVeth) -> Result<(), Errno> {
        let mtu = veth.mtu.unwrap_or(DEFAULT_MTU);
        let host = Link::new(veth.host.name.as_str(), "veth", veth.host.mac, mtu);
        let host = Link { queue_length: 0, ..host };
        let end = Link::new(veth.end.name.as_str(), "veth", veth.end.mac, mtu);
        if self.host.find(&host.name).is_some() {
            return Err(Errno::EEXIST);
        }
        host.check()?;
        end.check()?;
        let index = self.pair((Netns::Host, host), (veth.netns, end))?;
        if let Some(master) = veth.master
            && let Err(errno) = self.host.enslave(index, master)
        {
            self.delete(Netns::Host, index)?;
            return Err(errno);
        }
        Ok(())
    }

    /// Takes in two links that are each other's peer, and gives the index of the first.
    pub fn pair(&mut self, first: (Netns, Link), second: (Netns, Link)) -> Result<u32, Errno> {
        for (netns, link) in [&first, &second] {
            if self.get_mut(*netns).ok_or(Errno::ENODEV)?.find(&link.name).is_some() {
                return Err(Errno::EEXIST);
            }
        }
        let first_index = self.get_mut(first.0).ok_or(Errno::ENODEV)?.insert(first.1);
        let second_link = Link { peer: Some((first.0, first_index)), ..second.1 };
        let second_index = self.get_mut(second.0).ok_or(Errno::ENODEV)?.insert(second_link);
        self.get_mut(first.0).ok_or(Errno::ENODEV)?.get_mut(first_index)?.peer =
            Some((second.0, second_index));
        Ok(first_index)
    }

    /// Deletes a link; of a pair, both ends.
    fn delete(&mut self, netns: Netns, index: u32) -> Result<(), Errno> {
        let space = self.get_mut(netns).ok_or(Errno::ENODEV)?;
        if space.get(index).ok_or(Errno::ENODEV)?.is_loopback() {
            return Err(Errno::EOPNOTSUPP);
        }
        let peer = space.remove(index).and_then(|link| link.peer);
        if let Some((netns, peer)) = peer
            && let Some(space) = self.get_mut(netns)
        {
            space.remove(peer);
        }
        Ok(())
    }
}
