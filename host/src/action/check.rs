//! The default policy: the checks that the modules of actions share.

use super::{Action, PortVlans};
use crate::policy::{Grants, Refusal, Resource, Rules};
use crate::value::{
    Backend, IfName, Interface, Ip, Kind, LinkRef, Mac, Netns, Report, Subnet, SysctlKey, derive,
};
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

/// Whether an address has the prefix of a network. A network of all addresses is none: a rule or a route to it would be
/// about all packets of the host.
fn is_prefix_of(subnet: &Subnet, address: IpNetwork) -> bool {
    address.prefix() > 0 && subnet.address.prefix() == address.prefix()
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

    /// Requires a link that a plugin may change. On the host: one that this plan makes or uses, or the host's end of the
    /// attachment's own veth pair. In the container: that too, the interface of the request, a link that an earlier plugin
    /// of the chain made, and `lo`.
    pub fn link(&self, link: &LinkRef) -> Vec<Refusal> {
        let grants = self.grants;
        let created = self.makes(link);
        let name = link.name.as_str();
        let rule = || format!("link {name:?} is not of this plan");
        match link.netns {
            // When the plan makes the link, the check of that action has already checked its name.
            Netns::Host if created => Vec::new(),
            Netns::Host => self.rules.refuse(&Resource::Link(name), self.is_own_end(&link.name), rule),
            Netns::Container => {
                let is_own = created || name == "lo" || link.name == grants.attachment.interface;
                required(is_own || grants.previous_links.contains(link), &rule())
            }
        }
    }

    /// Whether the link is the host's end of the attachment's own veth pair, which an earlier plugin made.
    pub fn is_own_end(&self, name: &IfName) -> bool {
        self.grants.host_veths.contains(name) || self.grants.host_end.as_ref() == Some(name)
    }

    /// Requires a link of the host that the configuration names by the key for that.
    pub fn named(&self, name: &IfName) -> Vec<Refusal> {
        let named = self.grants.own.links.contains(name.as_str());
        let rule = || format!("the configuration names no link {:?}", name.as_str());
        self.rules.refuse(&Resource::Link(name.as_str()), named, rule)
    }

    /// Whether the plan has a bridge.
    pub fn has_bridge(&self) -> bool {
        self.bridges().next().is_some()
    }

    /// Requires a main plugin: only such a plugin makes links.
    pub fn maker(&self) -> Vec<Refusal> {
        required(self.grants.own.kind == Kind::Main, "only a main plugin makes links")
    }

    /// Requires an Ethernet address that the configuration names, or that derives from the attachment (`derived`) or from
    /// an IPv4 address of the link in this plan. Another one could be that of another container.
    pub fn mac(&self, link: &LinkRef, mac: Mac, derived: Mac) -> Vec<Refusal> {
        let mut of_address = self.added_to(link).filter_map(|address| derive::mac_of(&[address]));
        let is_own = mac == derived || of_address.any(|of_address| of_address == mac);
        let rule = format!("{mac} is no configured Ethernet address, and none that the host derives");
        required(is_own || self.grants.own.link.macs.contains(&mac), &rule)
    }

    /// Requires the name that `CNI_IFNAME` gives, for the link that a plan makes in the container.
    pub fn interface(&self, name: &IfName) -> Vec<Refusal> {
        let is_named = *name == self.grants.attachment.interface;
        required(is_named, "the link in the container is called as CNI_IFNAME says")
    }

    /// The bridges that the plan makes or uses.
    fn bridges(&self) -> impl Iterator<Item = &IfName> {
        self.plan.iter().filter_map(|action| {
            if let Action::EnsureBridge(bridge) = action { Some(&bridge.name) } else { None }
        })
    }

    /// The host's ends of the veth pairs that the plan makes.
    fn host_ends(&self) -> impl Iterator<Item = &IfName> {
        self.plan.iter().filter_map(|action| {
            if let Action::CreateVeth(veth) = action { Some(&veth.peer.name) } else { None }
        })
    }

    /// Whether the plan lets a link of the host ignore router advertisements.
    pub fn ignores_advertisements(&self, name: &IfName) -> bool {
        let key = SysctlKey::accept_ra(name);
        self.plan.iter().any(|action| {
            matches!(action, Action::SetSysctl(set)
                if set.netns == Netns::Host && set.key == key && set.value == "0")
        })
    }

    /// The addresses that the plan adds to links.
    fn added(&self) -> impl Iterator<Item = (&LinkRef, IpNetwork)> {
        self.plan.iter().filter_map(|action| {
            if let Action::AddAddress(add) = action { Some((&add.link, add.address)) } else { None }
        })
    }

    /// The addresses that the plan adds to this link.
    fn added_to(&self, link: &LinkRef) -> impl Iterator<Item = IpNetwork> {
        self.added().filter(move |(to, _)| *to == link).map(|(_, address)| address)
    }

    /// The addresses that the plan leases.
    fn leased(&self) -> impl Iterator<Item = IpAddr> {
        self.plan.iter().filter_map(|action| {
            if let Action::ReserveLease(lease) = action { Some(lease.address) } else { None }
        })
    }

    /// Whether the plan makes or uses a bridge with this name.
    pub fn is_bridge(&self, name: &IfName) -> bool {
        self.bridges().any(|bridge| bridge == name)
    }

    /// Whether the plan makes a veth pair whose host end has this name.
    pub fn is_host_end(&self, name: &IfName) -> bool {
        self.host_ends().any(|end| end == name)
    }

    /// Requires the Ethernet address of a shared link: it derives from the link's name (`derived`), or from the address
    /// of a gateway on it. A configured address is that of the container.
    pub fn bridge_mac(&self, link: &LinkRef, mac: Mac, derived: Mac) -> Vec<Refusal> {
        let addresses: Vec<IpNetwork> = self.added_to(link).collect();
        let is_derived = mac == derive::mac_of(&addresses).unwrap_or(derived);
        required(is_derived, "the Ethernet address of a shared link derives from its name or its gateway")
    }

    /// Requires VLANs that the configuration names. VLAN 1 is allowed if the configuration names any other VLAN: the
    /// reference uses it by default for untagged frames of a trunk.
    pub fn vlans(&self, vlans: &PortVlans) -> Vec<Refusal> {
        let named = &self.grants.own.vlans;
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

    /// Requires an address that the configuration has masqueraded, with this backend.
    pub fn masquerade(&self, address: IpNetwork, backend: Backend) -> Vec<Refusal> {
        let link = &self.grants.own.link;
        let is_asked_for = link.masquerades && self.grants.own.kind == Kind::Main;
        let mut refusals = required(is_asked_for, "the configuration does not say `ipMasq`");
        let is_backend = link.masquerade_backend.is_none_or(|own| own == backend);
        refusals.extend(required(is_backend, "the configuration names another `ipMasqBackend`"));
        refusals.extend(self.own_network(address));
        refusals
    }

    /// Requires an address of this attachment with the prefix of its network. Rules for it are about that network, too.
    pub fn own_network(&self, address: IpNetwork) -> Vec<Refusal> {
        let mut refusals = self.own(address);
        let mut networks = self.networks_of(address.ip());
        let has_prefix = networks.any(|subnet| is_prefix_of(&subnet, address)) || !refusals.is_empty();
        refusals.extend(required(has_prefix, "its prefix is not that of the address's network"));
        refusals
    }

    /// Requires an address of this attachment with the prefix of its network and a gateway of that network. A native
    /// plugin that gets the result gives them to the host.
    pub fn reported(&self, ip: &Ip) -> Vec<Refusal> {
        let mut refusals = self.own(ip.address);
        let of_address: Vec<Subnet> = self.networks_of(ip.address.ip()).collect();
        if of_address.is_empty() {
            return refusals;
        }
        let has_prefix = of_address.iter().any(|subnet| subnet.address.prefix() == ip.address.prefix());
        refusals.extend(required(has_prefix, "a result has the prefix of the address's network"));
        let has_gateway = ip
            .gateway
            .is_none_or(|gateway| of_address.iter().any(|subnet| subnet.gateway() == Some(gateway)));
        refusals.extend(required(has_gateway, "a result has the gateway of the address's network"));
        refusals
    }

    /// Requires what chained plugins rely on: `prevResult` passed on whole, and as the first interface of the host the
    /// bridge, or else the host's end.
    pub fn interfaces(&self, report: &Report) -> Vec<Refusal> {
        let grants = self.grants;
        let mut refusals = Vec::new();
        if grants.own.kind == Kind::Chained {
            let names = |all: &[Interface]| -> Vec<(String, String)> {
                all.iter().map(|one| (one.name.clone(), one.sandbox.clone())).collect()
            };
            let is_whole = names(&report.passed) == names(&grants.previous)
                && grants.addresses.iter().all(|own| report.ips.iter().any(|ip| ip.address == own.address));
            refusals.extend(required(
                is_whole,
                "interfaces of prevResult are passed on unchanged, and its addresses",
            ));
        } else {
            refusals.extend(required(
                report.passed.is_empty(),
                "interfaces of prevResult are passed on unchanged, and only by a chained plugin",
            ));
        }
        let first = report.links.first();
        let bridge = self.bridges().next();
        let is_bridge_first = match (first, bridge) {
            (None, _) => true,
            (Some(first), Some(bridge)) => first.netns == Netns::Host && first.name == *bridge,
            (Some(first), None) => {
                first.netns == Netns::Host || report.links.iter().all(|link| link.netns == Netns::Container)
            }
        };
        let rule = "a result has the bridge first, or else the host's end";
        refusals.extend(required(is_bridge_first, rule));
        refusals
    }

    /// Requires that a result has every address that the plan gives to the container: others are masqueraded, isolated
    /// and forwarded by the result.
    pub fn all_reported(&self, report: &Report) -> Vec<Refusal> {
        let mut added = self.added().filter(|(to, _)| to.netns == Netns::Container);
        let is_reported = |(_, address): &(&LinkRef, IpNetwork)| {
            self.grants.own.kind == Kind::Chained
                || report.ips.iter().any(|ip| ip.address.ip() == address.ip())
        };
        match added.find(|added| !is_reported(added)) {
            None => Vec::new(),
            Some((_, address)) => {
                let rule =
                    format!("a result has every address that the container gets, and this has not {address}");
                required(false, &rule)
            }
        }
    }

    /// Whether an address belongs to this attachment. Either the configuration names it, or this plan leases it from a
    /// range that the configuration or policy names. An address that only a component reports does not count: it could
    /// belong to another container.
    pub fn is_own(&self, address: IpAddr) -> bool {
        let is_leased = self.leased().any(|leased| leased == address);
        let allowed =
            || self.rules.refuse(&Resource::Address(single(address)), false, String::new).is_empty();
        self.grants.is_named(address) || (is_leased && (self.grants.is_in_range(address) || allowed()))
    }

    /// The networks of this attachment's addresses that have an own address in this plan, with their gateways.
    fn subnets(&self) -> impl Iterator<Item = Subnet> {
        let in_plan = |subnet: &Subnet| {
            self.grants.addresses.contains(subnet)
                || self.leased().any(|leased| subnet.address.contains(leased))
        };
        self.grants.subnets().filter(move |subnet| in_plan(subnet))
    }

    /// Whether an address of this attachment is of the family.
    pub fn has_family(&self, is_ipv4: bool) -> bool {
        self.subnets().any(|subnet| subnet.address.is_ipv4() == is_ipv4)
    }

    /// Whether an address is the gateway of one of this attachment's addresses: the one that the configuration, IPAM or
    /// `prevResult` names with it, or the first address of its network, which is the reference's default.
    pub fn is_gateway(&self, address: IpAddr) -> bool {
        self.subnets().any(|subnet| subnet.gateway() == Some(address))
    }

    /// Whether the host is the container's gateway: for the plugin's type, and on a bridge only if the configuration says
    /// so.
    pub fn is_router(&self) -> bool {
        let own = &self.grants.own;
        own.is_gateway && (!self.has_bridge() || own.link.is_gateway)
    }

    /// Whether the prefix of a gateway's address is that of the network whose gateway it is, or complete (/32 or /128).
    /// The kernel makes a route to that network: a shorter prefix covers other networks, and a longer one diverts a part
    /// of it from where its other addresses are.
    pub fn has_own_prefix(&self, address: IpNetwork) -> bool {
        let is_whole = single(address.ip()).prefix() == address.prefix();
        let mut of_gateway = self.subnets().filter(|subnet| subnet.gateway() == Some(address.ip()));
        of_gateway.any(|subnet| is_whole || is_prefix_of(&subnet, address))
    }

    /// Whether the prefix of a container's address is not shorter than that of its network.
    pub fn is_bounded(&self, address: IpNetwork) -> bool {
        self.networks_of(address.ip()).any(|subnet| subnet.address.prefix() <= address.prefix())
    }

    /// The networks of this attachment that contain an address.
    fn networks_of(&self, address: IpAddr) -> impl Iterator<Item = Subnet> {
        self.grants.subnets().filter(move |subnet| subnet.address.contains(address))
    }
}
