//! Answers to a planner's questions.

use super::super::lease::gaps::{gaps, number};
use super::FakeKernel;
use super::link::Link;
use crate::action::{Answer, Facts, Query};
use crate::value::{Backend, Fact, Firewall, IfName, LinkFact, LinkRef, Netns};
use std::net::IpAddr;

impl Facts for FakeKernel {
    fn ask(&mut self, query: &Query) -> Answer {
        match query {
            Query::Link(link) => Answer::Link(self.link_fact(link)),
            Query::Held(store, owner) => {
                let found = self.stores.planning(store, self.dry);
                Answer::Held(Fact::Known(found.map(|found| found.held(owner)).unwrap_or_default()))
            }
            Query::LastReserved(store, set) => {
                let found = self.stores.planning(store, self.dry);
                let last = found.and_then(|found| found.last.get(set).copied());
                Answer::LastReserved(last.map_or(Fact::Absent, Fact::Known))
            }
            Query::Backend => Answer::Backend(Backend::Iptables),
            Query::Firewall => Answer::Firewall(Firewall::Iptables),
            Query::HostEnd(name) => Answer::HostEnd(self.host_end(name)),
            Query::RouteTo(address) => Answer::RouteTo(self.route_to(*address)),
            Query::StalePorts { .. } => Answer::PortOwners(Vec::new()),
            Query::Free(store, within) => {
                let found = self.stores.planning(store, self.dry);
                let free = match found {
                    Some(found) => {
                        let same = |address: &&IpAddr| address.is_ipv4() == within.first.is_ipv4();
                        gaps(
                            *within,
                            found
                                .leases
                                .keys()
                                .filter(same)
                                .map(|address| (number(*address), number(*address))),
                        )
                    }
                    None => vec![*within],
                };
                Answer::Free(Fact::Known(free))
            }
            Query::File(path) | Query::FileBelow(_, path) => match self.files.get(path) {
                Some(bytes) => Answer::File(Fact::Known(bytes.clone())),
                None => Answer::File(Fact::Absent),
            },
        }
    }
}

impl FakeKernel {
    /// By the networks of the host's links; it knows no other routes.
    fn route_to(&self, address: IpAddr) -> Fact<IfName> {
        let links = self.machine.space(Netns::Host).map(|space| space.links.as_slice()).unwrap_or_default();
        let leads = |link: &&Link| link.up && link.addresses().iter().any(|own| own.contains(address));
        let name = links.iter().find(leads).and_then(|link| IfName::parse(&link.name).ok());
        name.map_or(Fact::Absent, Fact::Known)
    }

    fn host_end(&mut self, name: &IfName) -> Fact<IfName> {
        let inside = self.find(Netns::Container, name).ok().flatten();
        let peer = inside.filter(|inside| inside.kind == "veth").and_then(|inside| inside.peer);
        let Some((Netns::Host, index)) = peer else { return Fact::Absent };
        let links = self.machine.space(Netns::Host).map(|space| space.links.as_slice()).unwrap_or_default();
        let host = links.iter().find(|link| link.index == index);
        host.and_then(|host| IfName::parse(&host.name).ok()).map_or(Fact::Absent, Fact::Known)
    }

    fn link_fact(&mut self, link: &LinkRef) -> Fact<LinkFact> {
        let Ok(Some(found)) = self.find(link.netns, &link.name) else { return Fact::Absent };
        Fact::Known(LinkFact {
            netns: link.netns,
            name: link.name.clone(),
            index: found.index,
            kind: found.kind.clone(),
            mac: found.mac,
            mtu: found.mtu,
            up: found.up,
            alias: found.alias.clone(),
            master: found.master,
            addresses: found.addresses(),
        })
    }
}
