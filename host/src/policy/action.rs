//! What each kind of action has to be: the default policy, line by line, and where a rule may say otherwise.

use super::{Grants, Refusal, Rules, Thing, Whole};
use crate::action::Action;
use crate::action::{
    AddAddress, AddRoute, CreateVeth, DeleteAddress, EnsureVlanGateway, FilterRule, LinkAttribute, MapPorts,
    Mark, PortVlans, ReserveLease, SetSysctl,
};
use crate::plan::Entry;
use crate::value::{Backend, IfName, LinkRef, Netns, Report, derive};
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// Why an action is not granted; empty when it is.
pub fn refuse(action: &Action, whole: Whole<'_>, grants: &Grants, rules: &Rules<'_>) -> Vec<Refusal> {
    let check = Check { whole, grants, rules };
    match action {
        Action::ReserveLease(lease) => check.lease(lease),
        Action::DeleteStaleLink(stale) => {
            let ours =
                grants.host_veths.contains(&stale.name) && stale.alias == derive::alias(&grants.attachment);
            unless(ours, "only a link of this very attachment may be deleted")
        }
        Action::EnsureBridge(bridge) => check.named(&bridge.name),
        Action::CreateVeth(veth) => check.veth(veth),
        Action::EnsureVlanGateway(gateway) => check.vlan_gateway(gateway),
        Action::SetUp(up) => check.link(&up.link),
        Action::SetPromiscuous(set) => check.link(&set.link),
        Action::Settle(settle) => check.link(&settle.link),
        Action::Announce(announce) => check.link(&announce.link),
        Action::DeleteAddress(delete) => check.deleted_address(delete),
        Action::AddAddress(add) => check.address(add),
        Action::AddRoute(route) => check.route(route),
        Action::SetSysctl(set) => check.sysctl(set),
        Action::Masquerade(masquerade) => {
            let named = masquerade.chain == derive::chain(&grants.attachment)
                && masquerade.comment == derive::comment(&grants.attachment);
            let mut refusals = unless(named, NAMED);
            refusals.extend(check.own(masquerade.address));
            refusals
        }
        Action::MasqueradeNft(masquerade) => {
            let mut refusals = unless(masquerade.comment == derive::nft_comment(&grants.attachment), NAMED);
            refusals.extend(check.own(masquerade.address));
            refusals
        }
        Action::MapPorts(ports) => check.port_map(ports),
        Action::DeletePortMap(map) => {
            let is_told = grants.stale_maps.contains(map);
            unless(is_told, "only rules of a container that is no more make room")
        }
        // What the host executes is for the host to say; a planner that records it lies.
        Action::Delegate(_) => unless(false, "no plugin executes programs"),
        Action::SetLink(set) => {
            let is_settable = matches!(
                set.attribute,
                LinkAttribute::Mac(_)
                    | LinkAttribute::Mtu(_)
                    | LinkAttribute::AllMulticast(_)
                    | LinkAttribute::QueueLength(_)
            );
            let mut refusals = unless(is_settable, "no plugin repairs links");
            refusals.extend(check.link(&set.link));
            refusals
        }
        Action::SaveLink(save) => {
            let is_named = save.path.file_name().and_then(|name| name.to_str())
                == Some(derive::saved_link(&grants.attachment).as_str());
            let is_kept =
                save.path.parent().is_some_and(|dir| grants.tuning_dirs.iter().any(|own| own == dir));
            let mut refusals = unless(
                is_named && is_kept,
                "a link is saved under its container's name, where tuning keeps that",
            );
            refusals.extend(check.link(&save.link));
            refusals
        }
        Action::Filter(rule) => check.filter(rule),
        Action::Shape(shape) => {
            let is_own =
                grants.host_veths.contains(&shape.link) || grants.host_end.as_ref() == Some(&shape.link);
            let is_named = shape.through.as_ref().is_none_or(|ifb| {
                derive::ifb(&grants.attachment).is_ok_and(|name| name == ifb.name)
                    && ifb.alias == derive::alias(&grants.attachment)
            });
            let rule = "only what passes the host's end of this attachment's own veth pair is limited";
            [unless(is_own, rule), unless(is_named, NAMED)].concat()
        }
        Action::CheckSourceMac(source) => {
            let pair = |entry: &Entry| {
                matches!(&entry.action, Action::CreateVeth(veth)
                    if veth.peer.name == source.port && veth.mac == source.mac)
            };
            if source.identity != derive::source_mac_identity(&grants.attachment) {
                unless(false, NAMED)
            } else if !derive::is_nft_identity(&source.identity) {
                let rule = "chains in nftables are named after container and interface: \
                    letters, digits, _, . and -, together at most 116";
                unless(false, rule)
            } else {
                unless(whole.entries().any(pair), "port and address are those of the veth pair of this plan")
            }
        }
    }
}

/// What is told of others, with why it is not granted: a result is believed by runtimes, who publish its addresses.
pub fn refuse_report(whole: Whole<'_>, grants: &Grants, rules: &Rules<'_>) -> Vec<(String, Refusal)> {
    let check = Check { whole, grants, rules };
    let Report { links, ips, .. } = &whole.draft.report;
    let links = links.iter().map(|link| (format!("report link {link}"), check.link(link)));
    let ips = ips.iter().map(|ip| (format!("report address {}", ip.address), check.own(ip.address)));
    links
        .chain(ips)
        .flat_map(|(what, refusals)| refusals.into_iter().map(move |r| (what.clone(), r)))
        .collect()
}

/// The rule for what rules are called.
const NAMED: &str = "chain and comment follow from network, container and interface";

/// A rule that nobody can lift.
fn unless(holds: bool, rule: &str) -> Vec<Refusal> {
    if holds { Vec::new() } else { vec![Refusal::never(rule)] }
}

/// One address as a network.
fn single(address: IpAddr) -> IpNetwork {
    address.into()
}

/// What an action is held against.
struct Check<'a> {
    whole: Whole<'a>,
    grants: &'a Grants,
    rules: &'a Rules<'a>,
}

impl Check<'_> {
    fn lease(&self, lease: &ReserveLease) -> Vec<Refusal> {
        let Check { grants, rules, .. } = self;
        if lease.owner != grants.attachment.owner() || lease.store.network != grants.attachment.network {
            return unless(false, "a lease is for the request's own container, interface and network");
        }
        let directory = &lease.store.data_dir;
        let usual = grants.data_dirs.contains(directory);
        let rule = || format!("leases are kept below {}", grants.data_dirs_text());
        let mut refusals = rules.refuse(&Thing::Leases(directory), usual, rule);
        let rule = || "the configuration names no network with this address".to_owned();
        let address = Thing::Address(single(lease.address));
        refusals.extend(rules.refuse(&address, grants.is_in_network(lease.address), rule));
        refusals
    }

    /// A link of the host that the configuration has to name.
    fn named(&self, name: &IfName) -> Vec<Refusal> {
        let named = self.grants.host_links.contains(name.as_str())
            || self.grants.previous_links.contains(&LinkRef { netns: Netns::Host, name: name.clone() });
        let rule = || format!("the configuration names no link {:?}", name.as_str());
        self.rules.refuse(&Thing::Link(name.as_str()), named, rule)
    }

    fn veth(&self, veth: &CreateVeth) -> Vec<Refusal> {
        let grants = self.grants;
        let named = veth.name == grants.attachment.interface;
        let peer = grants.host_veths.contains(&veth.peer.name)
            && veth.peer.alias == derive::alias(&grants.attachment);
        let master = veth.peer.master.as_ref().is_none_or(|master| self.is_bridge(master));
        let mut refusals = unless(named, "the link in the container is called as CNI_IFNAME says");
        refusals.extend(unless(peer, "the host's end is called and marked as the attachment says"));
        refusals.extend(unless(master, "the master is a bridge of this plan"));
        refusals.extend(self.vlans(&veth.peer.vlans));
        refusals
    }

    /// VLANs that the configuration names. 1 is for frames without a tag where it names others (the reference's default for a
    /// trunk).
    fn vlans(&self, vlans: &PortVlans) -> Vec<Refusal> {
        let named = &self.grants.vlans;
        let granted = |vid: u16| named.contains(&vid) || (vid == 1 && !named.is_empty());
        let mut refusals: Vec<Refusal> = Vec::new();
        for vlan in &vlans.added {
            if vlan.first > vlan.last || (vlan.native && vlan.first != vlan.last) {
                refusals.extend(unless(
                    false,
                    "frames without a tag are of one VLAN, and a range ends behind its beginning",
                ));
                continue;
            }
            for vid in vlan.first..=vlan.last {
                let rule = || format!("the configuration names no VLANs {} to {}", vlan.first, vlan.last);
                for refusal in self.rules.refuse(&Thing::Vlan(vid), granted(vid), rule) {
                    // One for each VLAN would fill the error; the first tells which range it is.
                    if !refusals.iter().any(|other| other.rule == refusal.rule) {
                        refusals.push(refusal);
                    }
                }
            }
        }
        refusals
    }

    fn vlan_gateway(&self, gateway: &EnsureVlanGateway) -> Vec<Refusal> {
        let EnsureVlanGateway { name, alias, port, bridge, vid, .. } = gateway;
        let named = derive::vlan_gateway(bridge, *vid).is_ok_and(|derived| derived == *name)
            && derive::vlan_gateway_port(name).is_ok_and(|derived| derived == *port)
            && *alias == derive::vlan_gateway_alias(name);
        let mut refusals = unless(named, "a VLAN's gateway is called and marked as bridge and VLAN say");
        refusals.extend(unless(self.is_bridge(bridge), "the gateway is on a bridge of this plan"));
        refusals.extend(self.vlans(&gateway.vlans()));
        refusals
    }

    /// A link that this plan makes or an earlier plugin of the chain made; in the container, also its loopback.
    fn link(&self, link: &LinkRef) -> Vec<Refusal> {
        let made = self.whole.entries().any(|entry| match (&entry.action, link.netns) {
            (Action::CreateVeth(veth), Netns::Container) => veth.name == link.name,
            (Action::CreateVeth(veth), Netns::Host) => veth.peer.name == link.name,
            (Action::EnsureBridge(bridge), Netns::Host) => bridge.name == link.name,
            (Action::EnsureVlanGateway(gateway), Netns::Host) => {
                gateway.name == link.name || gateway.port == link.name
            }
            (Action::Shape(shape), Netns::Host) => {
                shape.through.as_ref().is_some_and(|ifb| ifb.name == link.name)
            }
            _ => false,
        });
        let own = made || self.grants.previous_links.contains(link);
        let name = link.name.as_str();
        let rule = || format!("link {name:?} is not of this plan");
        match link.netns {
            // Made, it has been asked for by name already.
            Netns::Host if made => Vec::new(),
            Netns::Host => self.rules.refuse(&Thing::Link(name), own, rule),
            Netns::Container => {
                unless(own || name == "lo" || link.name == self.grants.attachment.interface, &rule())
            }
        }
    }

    fn is_bridge(&self, name: &IfName) -> bool {
        let makes =
            |entry: &Entry| matches!(&entry.action, Action::EnsureBridge(bridge) if bridge.name == *name);
        self.whole.entries().any(makes)
    }

    fn deleted_address(&self, delete: &DeleteAddress) -> Vec<Refusal> {
        let mut refusals = self.link(&delete.link);
        let replaces = |entry: &Entry| {
            matches!(&entry.action, Action::AddAddress(add)
                if add.link == delete.link && add.address.is_ipv4() == delete.address.is_ipv4())
        };
        let is_replaced = self.whole.entries().any(replaces);
        let rule = match is_replaced {
            false => "no gateway of that family takes its place",
            true => "the configuration does not say `forceAddress`",
        };
        refusals.extend(match delete.link.netns {
            Netns::Host if is_replaced && self.grants.forces_address => Vec::new(),
            Netns::Host => {
                let address = Thing::Address(single(delete.address.ip()));
                // An `only` is for what is made: what goes is as foreign as it is.
                self.rules.refuse(&address, false, || rule.to_owned())
            }
            Netns::Container => unless(false, rule),
        });
        refusals
    }

    fn address(&self, add: &AddAddress) -> Vec<Refusal> {
        let mut refusals = self.link(&add.link);
        refusals.extend(match add.link.netns {
            Netns::Container => {
                let rule = || "no lease, native delegate or configuration gives this address".to_owned();
                let address = add.address.ip();
                self.rules.refuse(&Thing::Address(single(address)), self.is_own(address), rule)
            }
            Netns::Host => {
                let rule = || match self.is_gateway(add.address.ip()) {
                    false => "it is no gateway of a network that the configuration names".to_owned(),
                    true => "its prefix is wider than the network that the configuration names".to_owned(),
                };
                let granted = self.is_gateway(add.address.ip()) && self.is_bounded(add.address);
                self.rules.refuse(&Thing::Address(add.address), granted, rule)
            }
        });
        refusals
    }

    /// In the container every route; on the host those to the attachment's own addresses, through its own link, with which
    /// they go.
    fn route(&self, add: &AddRoute) -> Vec<Refusal> {
        if add.link.netns == Netns::Container {
            return self.link(&add.link);
        }
        let own_end = |entry: &Entry| matches!(&entry.action, Action::CreateVeth(veth) if veth.peer.name == add.link.name);
        let dst = add.route.dst;
        let own = single(dst.ip()) == dst && self.is_own(dst.ip());
        let rule = || "a route on the host leads to an address of this attachment".to_owned();
        let mut refusals = unless(
            self.whole.entries().any(own_end),
            "a route on the host goes through the host's end of this plan's veth pair",
        );
        refusals.extend(self.rules.refuse(&Thing::HostRoute(dst), own, rule));
        refusals
    }

    fn sysctl(&self, set: &SetSysctl) -> Vec<Refusal> {
        let thing = match set.netns {
            Netns::Container => {
                return self.rules.refuse(&Thing::ContainerSysctl(&set.key), true, String::new);
            }
            Netns::Host => Thing::Sysctl(&set.key),
        };
        let link = |name: &str| IfName::parse(name).ok().map(|name| LinkRef { netns: Netns::Host, name });
        match set.key.link() {
            Some((_, name)) => {
                // Packets from the host itself reach the container only so.
                let is_routed = set.key.as_str().ends_with("/route_localnet")
                    && self.grants.routes_to_own.iter().any(|own| own.as_str() == name);
                let of_plan = is_routed || link(name).is_some_and(|link| self.link(&link).is_empty());
                self.rules.refuse(&thing, of_plan, || format!("link {name:?} is not of this plan"))
            }
            None => {
                let forwarding =
                    matches!(set.key.as_str(), "net/ipv4/ip_forward" | "net/ipv6/conf/all/forwarding");
                let rule = || "on the host only forwarding may be switched on".to_owned();
                self.rules.refuse(&thing, forwarding && set.value == "1", rule)
            }
        }
    }

    /// Ports that the runtime asks for, to an address of the attachment.
    fn port_map(&self, ports: &MapPorts) -> Vec<Refusal> {
        let Check { grants, .. } = self;
        let own = &grants.attachment;
        let named = match ports.backend {
            Backend::Iptables => {
                ports.chain == derive::port_chain(own) && ports.comment == derive::port_comment(own)
            }
            Backend::Nftables => ports.chain.is_empty() && ports.comment == own.container.as_str(),
        };
        let mut refusals = unless(named, NAMED);
        let is_asked_for = ports.mappings.iter().all(|mapping| grants.ports.mappings.contains(mapping));
        refusals.extend(unless(is_asked_for, "only ports that runtimeConfig maps are mapped"));
        let conditions =
            if ports.address.is_ipv4() { &grants.ports.conditions_v4 } else { &grants.ports.conditions_v6 };
        let is_conditioned = ports.conditions.is_empty() || ports.conditions == *conditions;
        refusals.extend(unless(is_conditioned, "conditions are those of the configuration"));
        if let Some(Mark::Chain(chain)) = ports.masquerade.as_ref().map(|masquerade| &masquerade.mark) {
            let is_named = grants.ports.mark_chain.as_ref() == Some(chain);
            refusals.extend(unless(is_named, "the chain that marks is the one that the configuration names"));
        }
        refusals.extend(self.own(ports.address));
        refusals
    }

    /// What the configuration asks for, of an address of the attachment or the bridge that it is at.
    fn filter(&self, rule: &FilterRule) -> Vec<Refusal> {
        let Check { grants, .. } = self;
        match rule {
            FilterRule::AllowForward { address, admin_chain } => {
                let is_named = grants.firewall.admin_chain == *admin_chain;
                let rule = "the administrator's chain is the one that the configuration names";
                [unless(is_named, rule), self.own(single(*address))].concat()
            }
            FilterRule::Isolate { bridge, .. } => {
                let is_told = grants.firewall.bridge.as_deref() == Some(bridge.as_str());
                unless(is_told, "only the bridge of prevResult's first interface is isolated")
            }
            FilterRule::TrustSource { address, zone } => {
                let is_named = grants.firewall.zone == *zone;
                [
                    unless(is_named, "the zone is the one that the configuration names"),
                    self.own(single(*address)),
                ]
                .concat()
            }
        }
    }

    /// An address that the host's stands for, or that is told as the container's.
    fn own(&self, address: IpNetwork) -> Vec<Refusal> {
        let rule = || "it is no address of this attachment".to_owned();
        self.rules.refuse(&Thing::Address(single(address.ip())), self.is_own(address.ip()), rule)
    }

    /// Whether an address is this attachment's: named for it, or out of a network that is named and leased in this plan. That
    /// a component gave it says nothing: it could be another container's.
    fn is_own(&self, address: IpAddr) -> bool {
        let leased =
            |entry: &Entry| matches!(&entry.action, Action::ReserveLease(lease) if lease.address == address);
        let allowed = || self.rules.refuse(&Thing::Address(single(address)), false, String::new).is_empty();
        self.grants.addresses.contains(&address)
            || (self.whole.entries().any(leased) && (self.grants.is_in_network(address) || allowed()))
    }

    /// Whether an address is a gateway of this attachment's addresses: named, or the first of a network that is (what the
    /// reference takes by default).
    fn is_gateway(&self, address: IpAddr) -> bool {
        let first = |network: &IpNetwork| derive::first_host(network) == Some(address);
        self.is_named(address) || self.grants.networks.iter().any(first)
    }

    fn is_named(&self, address: IpAddr) -> bool {
        self.grants.gateways.contains(&address) || self.grants.addresses.contains(&address)
    }

    /// Whether the route that the kernel makes for an address of the host leads into a network that is named, or into no
    /// larger one where the address itself is.
    fn is_bounded(&self, address: IpNetwork) -> bool {
        let named = self.is_named(address.ip());
        (named && single(address.ip()).prefix() == address.prefix())
            || self.grants.networks.iter().any(|network| {
                network.is_ipv4() == address.is_ipv4()
                    && network.prefix() <= address.prefix()
                    && (named || network.contains(address.ip()))
            })
    }
}
