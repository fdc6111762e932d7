//! Answers to a planner's questions.

use super::super::errno::chain;
use super::super::netlink::{address, link, refused, route};
use super::super::{MachineError, firewalld, iptables, netlink::Link, nft};
use super::{HostKernel, file};
use crate::action::{Answer, Facts, Query};
use crate::value::{Backend, Fact, Firewall, IfName, LinkFact, LinkRef, Netns};
use ipnetwork::IpNetwork;
use std::io;
use std::net::IpAddr;

impl Facts for HostKernel {
    fn ask(&mut self, query: &Query) -> Answer {
        let result = match query {
            Query::Link(link) => self.link_fact(link, true).map(Answer::Link),
            Query::Held(store, owner) => self.held(store, owner).map(Answer::Held),
            Query::LastReserved(store, set) => self.last_reserved(store, *set).map(Answer::LastReserved),
            Query::Backend => Ok(Answer::Backend(backend())),
            Query::Firewall => Ok(Answer::Firewall(firewall())),
            Query::HostEnd(name) => self.host_end_of(name).map(Answer::HostEnd),
            Query::Free(store, within) => self.free(store, *within).map(Answer::Free),
            Query::RouteTo(address) => self.route_to(*address).map(Answer::RouteTo),
            Query::StalePorts { backend, is_ipv4, ports } => {
                self.port_owners(*backend, *is_ipv4, Some(ports)).map(Answer::PortOwners)
            }
            Query::File(path) => contents(file::read(path)),
            Query::FileBelow(directory, path) => contents(file::read_below(directory, path)),
        };
        self.told(result, query)
    }

    fn ask_link_alone(&mut self, link: &LinkRef) -> Answer {
        let result = self.link_fact(link, false).map(Answer::Link);
        self.told(result, &Query::Link(link.clone()))
    }
}

impl HostKernel {
    /// An answer, or what is told of a failure.
    fn told(&mut self, result: Result<Answer, MachineError>, query: &Query) -> Answer {
        match (result, query) {
            (Ok(answer), _) => answer,
            (Err(error), Query::Link(_)) if self.is_hidden(&error) => Answer::Link(Fact::Unreadable),
            (Err(error), Query::HostEnd(_)) if self.is_hidden(&error) => Answer::HostEnd(Fact::Unreadable),
            (Err(error), Query::RouteTo(_)) if self.is_hidden(&error) => Answer::RouteTo(Fact::Unreadable),
            // A dry run by an ordinary user: it cannot be told whose they are.
            (Err(_), Query::StalePorts { .. }) if self.dry => Answer::PortOwners(Vec::new()),
            (Err(error), Query::Held(..)) if self.is_hidden(&error) => Answer::Held(Fact::Unreadable),
            (Err(error), Query::LastReserved(..)) if self.is_hidden(&error) => {
                Answer::LastReserved(Fact::Unreadable)
            }
            (Err(error), Query::Free(..)) if self.is_hidden(&error) => Answer::Free(Fact::Unreadable),
            (Err(error), Query::File(_) | Query::FileBelow(..)) if self.is_hidden(&error) => {
                Answer::File(Fact::Unreadable)
            }
            (Err(error), _) => {
                let text = chain(&error);
                self.refusal = Some(error);
                Answer::Failed(text)
            }
        }
    }
}

fn firewall() -> Firewall {
    if firewalld::is_running() { Firewall::Firewalld } else { Firewall::Iptables }
}

impl HostKernel {
    /// The other end of a veth of the container, if that is here.
    fn host_end_of(&mut self, name: &IfName) -> Result<Fact<IfName>, MachineError> {
        let Some(inside) = self.find(Netns::Container, name)? else { return Ok(Fact::Absent) };
        let Some(peer) = inside.peer.filter(|_| inside.kind == "veth") else { return Ok(Fact::Absent) };
        let found = self.socket(Netns::Host).and_then(|socket| link::find_index(socket, peer));
        let found = found.map_err(|e| refused("failed to lookup a veth's peer", e))?;
        let host = found.filter(|host| host.kind == "veth" && host.peer == Some(inside.index));
        Ok(host.and_then(|host| IfName::parse(&host.name).ok()).map_or(Fact::Absent, Fact::Known))
    }

    /// Only a dry run may go on without knowing.
    fn is_hidden(&self, error: &MachineError) -> bool {
        match error {
            MachineError::Netlink { source, .. } | MachineError::File { source, .. } => {
                self.dry && source.kind() == io::ErrorKind::PermissionDenied
            }
            MachineError::Tool { .. }
            | MachineError::Conflict(_)
            | MachineError::Busy { .. }
            | MachineError::Changed(_)
            | MachineError::Ended(_) => false,
        }
    }

    pub(super) fn link_fact(
        &mut self,
        link: &LinkRef,
        with_addresses: bool,
    ) -> Result<Fact<LinkFact>, MachineError> {
        if !self.has(link.netns) {
            return Ok(Fact::Absent);
        }
        let Some(found) = self.find(link.netns, &link.name)? else { return Ok(Fact::Absent) };
        let addresses = if with_addresses { self.addresses(link, found.index)? } else { Vec::new() };
        let mac = found.mac();
        let Link { index, kind, mtu, up, alias, master, .. } = found;
        // Asked for by an alternative name, it still has its own.
        let (netns, name) = (link.netns, IfName::parse(&found.name).unwrap_or_else(|_| link.name.clone()));
        Ok(Fact::Known(LinkFact { netns, name, index, kind, mac, mtu, up, alias, master, addresses }))
    }

    fn route_to(&mut self, address: IpAddr) -> Result<Fact<IfName>, MachineError> {
        let failed = |error| refused(format!("failed to look for the route to {address}"), error);
        let index =
            self.socket(Netns::Host).and_then(|socket| route::output(socket, address)).map_err(failed)?;
        let Some(index) = index else { return Ok(Fact::Absent) };
        let found =
            self.socket(Netns::Host).and_then(|socket| link::find_index(socket, index)).map_err(failed)?;
        let name = found.and_then(|found| IfName::parse(&found.name).ok());
        Ok(name.map_or(Fact::Absent, Fact::Known))
    }

    /// The addresses of a link.
    pub(super) fn addresses(&mut self, link: &LinkRef, index: u32) -> Result<Vec<IpNetwork>, MachineError> {
        let key = (link.netns, index);
        if let Some(found) = self.looked_at.as_ref().and_then(|looked_at| looked_at.addresses.get(&key)) {
            return Ok(found.clone());
        }
        let found = self.socket(link.netns).and_then(|socket| address::list(socket, index));
        let found = found.map_err(|e| refused(failed_list(link), e))?;
        if let Some(looked_at) = &mut self.looked_at {
            looked_at.addresses.insert(key, found.clone());
        }
        Ok(found)
    }

    /// An address with all that undo needs to add it again; none, if the link does not have it.
    pub(super) fn saved_address(
        &mut self,
        link: &LinkRef,
        index: u32,
        address: IpNetwork,
    ) -> Result<Option<String>, MachineError> {
        let found = self.socket(link.netns).and_then(|socket| address::saved(socket, index, address));
        found.map_err(|e| refused(failed_list(link), e))
    }
}

/// A file that is not there is no failure.
fn contents(read: Result<Vec<u8>, MachineError>) -> Result<Answer, MachineError> {
    match read {
        Ok(bytes) => Ok(Answer::File(Fact::Known(bytes))),
        Err(MachineError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Answer::File(Fact::Absent))
        }
        Err(error) => Err(error),
    }
}

fn failed_list(link: &LinkRef) -> String {
    format!("failed to get IP addresses for {:?}", link.name.as_str())
}

/// As the reference: nftables only where there is no iptables (cni-behaviours, section 2.10).
fn backend() -> Backend {
    if !iptables::is_installed() && nft::is_installed() { Backend::Nftables } else { Backend::Iptables }
}
