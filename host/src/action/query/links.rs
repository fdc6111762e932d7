//! Queries about links, and about routes.

use super::{Answer, Question};
use crate::action::context::{ReadContext, refused};
use crate::machine::MachineError;
use crate::machine::port::{self, in_container};
use crate::policy::{Capability, Grants, Refusal, Resource, Rules};
use crate::value::{Fact, IfName, LinkFact, LinkRef, Netns};
use std::net::IpAddr;

/// See [`Query::Link`](super::Query::Link).
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// The link.
    pub link: &'a LinkRef,
    /// Whether to read the addresses too, which takes another request to the kernel.
    pub with_addresses: bool,
}

impl Link<'_> {
    /// Whether the host end of the attachment's own veth pair may have this name.
    fn is_own(&self, grants: &Grants) -> bool {
        self.link.netns == Netns::Host && grants.host_veths.contains(&self.link.name)
    }
}

impl Question for Link<'_> {
    /// Observing is not needed for the names of the attachment's own veth pair, which every planner of a veth pair
    /// looks up.
    fn capability(&self, grants: &Grants) -> Option<Capability> {
        (!self.is_own(grants)).then_some(Capability::Observe)
    }

    fn refuse(&self, grants: &Grants, rules: &Rules<'_>) -> Vec<Refusal> {
        let LinkRef { netns, name } = self.link;
        if *netns == Netns::Container || self.is_own(grants) {
            return Vec::new();
        }
        let is_gateway = grants.is_vlan_gateway(name);
        let is_named = grants.own.links.contains(name.as_str())
            || grants.previous_links.contains(self.link)
            || grants.routes_to_own.contains(name)
            || is_gateway;
        let rule = || format!("the configuration names no link {:?}", name.as_str());
        // A VLAN gateway is granted if its bridge is.
        let bridge = name.as_str().rsplit_once('.').filter(|_| is_gateway);
        let resource = Resource::Link(bridge.map_or(name.as_str(), |(bridge, _)| bridge));
        rules.refuse(&resource, is_named, rule)
    }

    fn describe(&self) -> String {
        format!("look at link {}", self.link)
    }

    fn subject(&self) -> String {
        format!("link {}", self.link)
    }

    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
        let link = self.link;
        let Some(found) = cx.link(link)? else { return Ok(Answer::Link(Fact::Absent)) };
        let mut addresses = Vec::new();
        if self.with_addresses {
            addresses = cx.addresses(link, found.index)?.into_iter().map(|found| found.address).collect();
        }
        Ok(Answer::Link(Fact::Known(LinkFact {
            netns: link.netns,
            // If the plugin asked with an alternative name (`IFLA_ALT_IFNAME`), the answer has the link's own name.
            name: IfName::parse(&found.name).unwrap_or_else(|_| link.name.clone()),
            index: found.index,
            kind: found.kind,
            mac: found.mac,
            mtu: found.mtu,
            up: found.up,
            alias: found.alias,
            master: found.master,
            addresses,
        })))
    }

    fn hidden(&self) -> Answer {
        Answer::Link(Fact::Unreadable)
    }

    fn nothing(&self) -> Answer {
        Answer::Link(Fact::Absent)
    }
}

/// See [`Query::HostEnd`](super::Query::HostEnd).
#[derive(Debug, Clone, Copy)]
pub struct HostEnd<'a> {
    /// The name of the end in the container.
    pub name: &'a IfName,
}

impl Question for HostEnd<'_> {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        Some(Capability::Observe)
    }

    fn refuse(&self, grants: &Grants, _rules: &Rules<'_>) -> Vec<Refusal> {
        if *self.name == grants.attachment.interface {
            return Vec::new();
        }
        vec![Refusal::never("only the other end of one's own interface is told")]
    }

    fn describe(&self) -> String {
        format!("look for the other end of {}", self.name)
    }

    fn subject(&self) -> String {
        format!("the other end of {}", self.name)
    }

    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
        let absent = Ok(Answer::HostEnd(Fact::Absent));
        // The look-up fails if the container's namespace is gone.
        let inside = cx.look.link(&in_container(self.name));
        let inside = inside.map_err(|e| refused(format!("failed to lookup {:?}", self.name.as_str()), e))?;
        // A peer in the container itself may have the index of another container's host end.
        let is_pair = |end: &port::Link| end.kind == "veth" && end.other_end.is_none();
        let Some(inside) = inside.filter(is_pair) else { return absent };
        let Some(peer) = inside.peer else { return absent };
        let found = cx.look.link_at(Netns::Host, peer);
        let found = found.map_err(|e| refused("failed to lookup a veth's peer", e))?;
        let host = found.filter(|host| is_pair(host) && host.peer == Some(inside.index));
        let name = host.and_then(|host| IfName::parse(&host.name).ok());
        Ok(Answer::HostEnd(name.map_or(Fact::Absent, Fact::Known)))
    }

    fn hidden(&self) -> Answer {
        Answer::HostEnd(Fact::Unreadable)
    }

    fn nothing(&self) -> Answer {
        Answer::HostEnd(Fact::Absent)
    }
}

/// See [`Query::RouteTo`](super::Query::RouteTo).
#[derive(Debug, Clone, Copy)]
pub struct RouteTo {
    /// The destination of the packets.
    pub address: IpAddr,
}

impl Question for RouteTo {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        Some(Capability::Observe)
    }

    fn refuse(&self, grants: &Grants, _rules: &Rules<'_>) -> Vec<Refusal> {
        if grants.is_named(self.address) {
            return Vec::new();
        }
        vec![Refusal::never("only routes to one's own addresses are told")]
    }

    fn describe(&self) -> String {
        format!("look for the route to {}", self.address)
    }

    fn subject(&self) -> String {
        format!("the route to {}", self.address)
    }

    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
        let failed = |error| refused(format!("failed to look for the route to {}", self.address), error);
        let Some(index) = cx.look.output(self.address).map_err(failed)? else { return Ok(self.nothing()) };
        let found = cx.look.link_at(Netns::Host, index).map_err(failed)?;
        let name = found.and_then(|found| IfName::parse(&found.name).ok());
        Ok(Answer::RouteTo(name.map_or(Fact::Absent, Fact::Known)))
    }

    fn hidden(&self) -> Answer {
        Answer::RouteTo(Fact::Unreadable)
    }

    fn nothing(&self) -> Answer {
        Answer::RouteTo(Fact::Absent)
    }
}
