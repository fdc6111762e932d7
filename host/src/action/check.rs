//! What a plan is held against: the default policy, for the rooms that say what it is for their kind.

use super::{Action, PortVlans};
use crate::policy::{Grants, Refusal, Resource, Rules};
use crate::value::{IfName, LinkRef, Netns, derive};
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// The rule for what rules are called.
pub const NAMED: &str = "chain and comment follow from network, container and interface";

/// A rule that no policy can lift.
pub fn required(holds: bool, rule: &str) -> Vec<Refusal> {
    if holds { Vec::new() } else { vec![Refusal::never(rule)] }
}

/// One address as a network.
pub fn single(address: IpAddr) -> IpNetwork {
    address.into()
}

/// What an action is held against: the whole plan, what is granted to the request, and the administrator's rules for the plugin that recorded it.
pub struct Check<'a> {
    /// All actions of the plan: those of earlier stages, then those to be applied.
    pub plan: &'a [&'a Action],
    /// What is granted.
    pub grants: &'a Grants,
    /// The administrator's rules.
    pub rules: &'a Rules<'a>,
}

impl Check<'_> {
    /// Whether the plan makes a link.
    pub fn makes(&self, link: &LinkRef) -> bool {
        self.plan.iter().any(|action| action.kind().profile().makes.iter().any(|created| created.is(link)))
    }

    /// A link that this plan makes or an earlier plugin of the chain made; in the container, also its loopback.
    pub fn link(&self, link: &LinkRef) -> Vec<Refusal> {
        let created = self.makes(link);
        let own = created || self.grants.previous_links.contains(link);
        let name = link.name.as_str();
        let rule = || format!("link {name:?} is not of this plan");
        match link.netns {
            // Made, it has been asked for by name already.
            Netns::Host if created => Vec::new(),
            Netns::Host => self.rules.refuse(&Resource::Link(name), own, rule),
            Netns::Container => {
                required(own || name == "lo" || link.name == self.grants.attachment.interface, &rule())
            }
        }
    }

    /// A link of the host that the configuration has to name.
    pub fn named(&self, name: &IfName) -> Vec<Refusal> {
        let named = self.grants.host_links.contains(name.as_str())
            || self.grants.previous_links.contains(&LinkRef { netns: Netns::Host, name: name.clone() });
        let rule = || format!("the configuration names no link {:?}", name.as_str());
        self.rules.refuse(&Resource::Link(name.as_str()), named, rule)
    }

    /// The link that a plan makes in the container has one name.
    pub fn interface(&self, name: &IfName) -> Vec<Refusal> {
        let is_named = *name == self.grants.attachment.interface;
        required(is_named, "the link in the container is called as CNI_IFNAME says")
    }

    /// Whether the plan makes, or uses, a bridge of that name.
    pub fn is_bridge(&self, name: &IfName) -> bool {
        self.plan.iter().any(|action| matches!(action, Action::EnsureBridge(bridge) if bridge.name == *name))
    }

    /// Whether the plan makes a veth pair whose host end has that name.
    pub fn is_host_end(&self, name: &IfName) -> bool {
        self.plan.iter().any(|action| matches!(action, Action::CreateVeth(veth) if veth.peer.name == *name))
    }

    /// VLANs that the configuration names. 1 is for frames without a tag where it names others (the reference's default for a trunk).
    pub fn vlans(&self, vlans: &PortVlans) -> Vec<Refusal> {
        let named = &self.grants.vlans;
        let granted = |vid: u16| named.contains(&vid) || (vid == 1 && !named.is_empty());
        let mut refusals: Vec<Refusal> = Vec::new();
        for vlan in &vlans.added {
            if vlan.first > vlan.last || (vlan.native && vlan.first != vlan.last) {
                let rule = "frames without a tag are of one VLAN, and a range ends behind its beginning";
                refusals.extend(required(false, rule));
                continue;
            }
            for vid in vlan.first..=vlan.last {
                let rule = || format!("the configuration names no VLANs {} to {}", vlan.first, vlan.last);
                for refusal in self.rules.refuse(&Resource::Vlan(vid), granted(vid), rule) {
                    // One for each VLAN would fill the error; the first names the range.
                    if !refusals.iter().any(|other| other.rule == refusal.rule) {
                        refusals.push(refusal);
                    }
                }
            }
        }
        refusals
    }

    /// An address that the host's stands for, or that the result reports as the container's.
    pub fn own(&self, address: IpNetwork) -> Vec<Refusal> {
        let rule = || "it is no address of this attachment".to_owned();
        self.rules.refuse(&Resource::Address(single(address.ip())), self.is_own(address.ip()), rule)
    }

    /// Whether an address is this attachment's: named for it, or out of a network that is named and leased in this plan. That a component gave it says
    /// nothing: it could be another container's.
    pub fn is_own(&self, address: IpAddr) -> bool {
        let leased =
            |action: &&Action| matches!(action, Action::ReserveLease(lease) if lease.address == address);
        let allowed =
            || self.rules.refuse(&Resource::Address(single(address)), false, String::new).is_empty();
        self.grants.addresses.contains(&address)
            || (self.plan.iter().any(leased) && (self.grants.is_in_network(address) || allowed()))
    }

    /// Whether an address is a gateway of this attachment's addresses: named, or the first of a network that is (what the reference takes by default).
    pub fn is_gateway(&self, address: IpAddr) -> bool {
        let first = |network: &IpNetwork| derive::first_host(network) == Some(address);
        self.is_named(address) || self.grants.networks.iter().any(first)
    }

    fn is_named(&self, address: IpAddr) -> bool {
        self.grants.gateways.contains(&address) || self.grants.addresses.contains(&address)
    }

    /// Whether the route that the kernel makes for an address of the host leads into a network that is named, or into no larger one where the address
    /// itself is.
    pub fn is_bounded(&self, address: IpNetwork) -> bool {
        let named = self.is_named(address.ip());
        (named && single(address.ip()).prefix() == address.prefix())
            || self.grants.networks.iter().any(|network| {
                network.is_ipv4() == address.is_ipv4()
                    && network.prefix() <= address.prefix()
                    && (named || network.contains(address.ip()))
            })
    }
}
