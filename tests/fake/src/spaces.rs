//! Both namespaces, and the veth pairs that connect them.

use super::link::Link;
use super::space::{DEFAULT_MTU, Space};
use nix::errno::Errno;
use std::collections::BTreeMap;
use wasm_cni::machine::port::{self, NewVeth, Request, VethEnd};
use wasm_cni::value::Netns;

/// A link, by namespace and index.
type Place = (Netns, u32);

/// The host's namespace, and the container's if it exists.
#[derive(Debug, Clone)]
pub struct Spaces(BTreeMap<Netns, Space>);

impl Default for Spaces {
    /// Both namespaces in the kernel's initial state.
    fn default() -> Self {
        Spaces([Netns::Host, Netns::Container].map(|netns| (netns, Space::new())).into())
    }
}

impl Spaces {
    /// Removes the container's namespace, with its links and their peers.
    pub fn remove_container(&mut self) {
        let gone = self.0.remove(&Netns::Container).into_iter().flat_map(|gone| gone.links);
        for (netns, index) in gone.filter_map(|link| link.pair) {
            self.0.get_mut(&netns).and_then(|space| space.remove(index));
        }
    }

    /// Puts a new namespace in the place of the container's. The host's ends of its veth pairs stay.
    pub fn replace_container(&mut self) {
        self.0.insert(Netns::Container, Space::new());
        let links = self.0.get_mut(&Netns::Host).into_iter().flat_map(|host| &mut host.links);
        links.for_each(|link| link.pair = link.pair.filter(|(netns, _)| *netns == Netns::Host));
    }

    /// A namespace, if it exists.
    pub fn get(&self, netns: Netns) -> Option<&Space> {
        self.0.get(&netns)
    }

    /// A namespace, or the kernel's error if it does not exist.
    pub fn at(&mut self, netns: Netns) -> Result<&mut Space, Errno> {
        self.0.get_mut(&netns).ok_or(Errno::ENODEV)
    }

    /// A link with the attributes that the port reports.
    pub fn told(&self, netns: Netns, link: &Link) -> port::Link {
        let mut ports = self.get(netns).into_iter().flat_map(|space| space.ports(link.index));
        let running = self.passes(link) || link.up && ports.any(|port| self.passes(port));
        port::Link { running, ..link.told.clone() }
    }

    /// Whether a veth pair forwards packets: both ends are up.
    fn passes(&self, link: &Link) -> bool {
        let peer = link.pair.and_then(|(netns, index)| self.get(netns)?.get(index));
        link.up && peer.is_some_and(|peer| peer.up)
    }

    /// Does a request, with the kernel's answer.
    pub fn request(&mut self, netns: Netns, request: &Request) -> Result<(), Errno> {
        match request {
            Request::CreateVeth(veth) => self.create_veth(veth),
            Request::Delete(index) => self.delete((netns, *index)),
            _ => self.at(netns)?.request(request),
        }
    }

    /// Creates a veth pair. Both ends are down, and in their final namespaces.
    fn create_veth(&mut self, veth: &NewVeth) -> Result<(), Errno> {
        let link =
            |end: &VethEnd| Link::new(end.name.as_str(), "veth", end.mac, veth.mtu.unwrap_or(DEFAULT_MTU));
        let index = self.at(Netns::Host)?.add(link(&veth.host).without_queue())?;
        let mut complete = || {
            let end = self.at(veth.netns)?.add(link(&veth.end))?;
            self.join((Netns::Host, index), (veth.netns, end))?;
            veth.master.map_or(Ok(()), |master| self.at(Netns::Host)?.enslave(index, master))
        };
        complete().inspect_err(|_| _ = self.delete((Netns::Host, index)))
    }

    /// Makes two links a veth pair.
    pub fn join(&mut self, one: Place, other: Place) -> Result<(), Errno> {
        for (own, peer) in [(one, other), (other, one)] {
            let link = self.at(own.0)?.get_mut(own.1)?;
            link.pair = Some(peer);
            link.peer = Some(peer.1);
            link.other_end = (own.0 == peer.0).then_some(peer.1);
        }
        Ok(())
    }

    /// Deletes a link. If it is one end of a veth pair, both are deleted.
    fn delete(&mut self, (netns, index): Place) -> Result<(), Errno> {
        let space = self.at(netns)?;
        if space.get_mut(index)?.is_loopback() {
            return Err(Errno::EOPNOTSUPP);
        }
        if let Some((netns, peer)) = space.remove(index).and_then(|link| link.pair) {
            self.0.get_mut(&netns).and_then(|space| space.remove(peer));
        }
        Ok(())
    }
}
