//! The default policy: the checks that the modules of actions share.

use super::{Action, PortVlans};
use crate::policy::{Grants, Refusal, Resource, Rules};
use crate::value::{IfName, LinkRef, Netns, derive};
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// The rule for the names of chains and the comments of rules.
pub const NAMED: &str = "chain and comment follow from network, container and interface";

/// Checks a rule that the administrator's policy cannot lift.
pub fn required(holds: bool, rule: &str) -> Vec<Refusal> {
    if holds { Vec::new() } else { vec![Refusal::never(rule)] }
}

/// An address as a network of one address.
pub fn single(address: IpAddr) -> IpNetwork {
    address.into()
}

/// What policy compares an action with: the whole plan, the grants of the request, and the administrator's rules for
/// the plugin that recorded the action.
pub struct Check<'a> {
    /// All actions of the plan: first those of earlier stages, then those to be applied.
    pub plan: &'a [&'a Action],
    /// What the configuration grants.
    pub grants: &'a Grants,
    /// The administrator's rules from `policy.toml`.
    pub rules: &'a Rules<'a>,
}

impl Check<'_> {
    /// Whether the plan makes a link.
    pub fn makes(&self, link: &LinkRef) -> bool {
        self.plan.iter().any(|action| action.kind().profile().makes.iter().any(|created| created.is(link)))
    }

    /// Requires a link that this plan makes, or that an earlier plugin of the chain made. In the container, `lo` is
    /// allowed too.
    pub fn link(&self, link: &LinkRef) -> Vec<Refusal> {
        let created = self.makes(link);
        let own = created || self.grants.previous_links.contains(link);
        let name = link.name.as_str();
        let rule = || format!("link {name:?} is not of this plan");
        match link.netns {
            // When the plan makes the link, the check of that action has already checked its name.
            Netns::Host if created => Vec::new(),
            Netns::Host => self.rules.refuse(&Resource::Link(name), own, rule),
            Netns::Container => {
                required(own || name == "lo" || link.name == self.grants.attachment.interface, &rule())
            }
        }
    }

    /// Requires a link of the host that the configuration names.
    pub fn named(&self, name: &IfName) -> Vec<Refusal> {
        let named = self.grants.host_links.contains(name.as_str())
            || self.grants.previous_links.contains(&LinkRef { netns: Netns::Host, name: name.clone() });
        let rule = || format!("the configuration names no link {:?}", name.as_str());
        self.rules.refuse(&Resource::Link(name.as_str()), named, rule)
    }

    /// Requires the name that `CNI_IFNAME` gives, for the link that a plan makes in the container.
    pub fn interface(&self, name: &IfName) -> Vec<Refusal> {
        let is_named = *name == self.grants.attachment.interface;
        required(is_named, "the link in the container is called as CNI_IFNAME says")
    }

    /// Whether the plan makes or uses a bridge with this name.
    pub fn is_bridge(&self, name: &IfName) -> bool {
        self.plan.iter().any(|action| matches!(action, Action::EnsureBridge(bridge) if bridge.name == *name))
    }

    /// Whether the plan makes a veth pair whose host end has this name.
    pub fn is_host_end(&self, name: &IfName) -> bool {
        self.plan.iter().any(|action| matches!(action, Action::CreateVeth(veth) if veth.peer.name == *name))
    }

    /// Requires VLANs that the configuration names. VLAN 1 is allowed if the configuration names any other VLAN: the
    /// reference uses it by default for untagged frames of a trunk.
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
                    // One refusal for each VLAN would fill the error. The text of the first already names the range.
                    if !refusals.iter().any(|other| other.rule == refusal.rule) {
                        refusals.push(refusal);
                    }
                }
            }
        }
        refusals
    }

    /// Requires an address of this attachment. The check is for addresses that are masqueraded, and for those that the
    /// result reports.
    pub fn own(&self, address: IpNetwork) -> Vec<Refusal> {
        let rule = || "it is no address of this attachment".to_owned();
        self.rules.refuse(&Resource::Address(single(address.ip())), self.is_own(address.ip()), rule)
    }

    /// Whether an address belongs to this attachment. Either the configuration names it, or this plan leases it from a
    /// network that the configuration or policy names. An address that only a component reports does not count: it
    /// could belong to another container.
    pub fn is_own(&self, address: IpAddr) -> bool {
        let leased =
            |action: &&Action| matches!(action, Action::ReserveLease(lease) if lease.address == address);
        let allowed =
            || self.rules.refuse(&Resource::Address(single(address)), false, String::new).is_empty();
        self.grants.addresses.contains(&address)
            || (self.plan.iter().any(leased) && (self.grants.is_in_network(address) || allowed()))
    }

    /// Whether an address is a gateway of this attachment. Either the configuration names it, or it is the first
    /// address of a named network, which is the reference's default.
    pub fn is_gateway(&self, address: IpAddr) -> bool {
        let first = |network: &IpNetwork| derive::first_host(network) == Some(address);
        self.is_named(address) || self.grants.networks.iter().any(first)
    }

    fn is_named(&self, address: IpAddr) -> bool {
        self.grants.gateways.contains(&address) || self.grants.addresses.contains(&address)
    }

    /// Whether the connected route of a host address, which the kernel makes, is narrow enough. It must lie within a
    /// named network. If the configuration names the address itself, the prefix must only be as long as that of a named
    /// network, or be complete (/32 or /128).
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
