//! What a plugin may do: every action of a draft is checked before the first is done.

pub mod facts;
pub mod grant;

pub use facts::GrantedFacts;
pub use grant::Grants;

use crate::cni::{CniError, code};
use crate::plan::action::{EnsureVlanGateway, PortVlan, PortVlans};
use crate::plan::{Action, DraftPlan, Entry, IfName, LinkRef, Netns, Report, derive, lifetime, render};
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// A plan that policy allows. It is made by [`check`] alone, and it alone can be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPlan {
    draft: DraftPlan,
}

impl CheckedPlan {
    /// The actions, in the order in which they are applied.
    pub fn entries(&self) -> &[Entry] {
        &self.draft.entries
    }

    /// What the runtime is going to be told.
    pub fn report(&self) -> &Report {
        &self.draft.report
    }
}

/// An action that policy refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Whose action.
    pub plugin: String,
    /// The action, as a command.
    pub action: String,
    /// What it would have to be.
    pub rule: String,
}

/// What a plan consists of: what was applied in earlier stages, and what is to be.
#[derive(Clone, Copy)]
struct Whole<'a> {
    applied: &'a [Entry],
    draft: &'a DraftPlan,
}

impl<'a> Whole<'a> {
    fn entries(self) -> impl Iterator<Item = &'a Entry> {
        self.applied.iter().chain(&self.draft.entries)
    }
}

/// Allows the whole plan, or tells every violation; `applied` are the entries of its earlier stages.
pub fn check(draft: DraftPlan, applied: &[Entry], grants: &Grants) -> Result<CheckedPlan, Vec<Violation>> {
    let mut violations = Vec::new();
    for entry in &draft.entries {
        let whole = Whole { applied, draft: &draft };
        let mut rules = Vec::new();
        rules.extend(refuse(&entry.action, whole, grants));
        if entry.lifetime != lifetime::of(&entry.action, whole.entries().map(|e| &e.action)) {
            rules.push(format!("its lifetime is not {:?}", entry.lifetime));
        }
        violations.extend(rules.into_iter().map(|rule| Violation {
            plugin: entry.plugin.to_string(),
            action: render::commands(&entry.action).join("; "),
            rule,
        }));
    }
    if violations.is_empty() { Ok(CheckedPlan { draft }) } else { Err(violations) }
}

/// All violations as one CNI error.
pub fn denied(plugin: &str, violations: &[Violation]) -> CniError {
    let msg =
        format!("policy refuses {} of the plan of plugin {plugin:?}", count(violations.len(), "action"));
    let lines = violations.iter().map(|v| format!("{}: `{}`: {}", v.plugin, v.action, v.rule));
    CniError::new(code::DENIED, msg).with_details(lines.collect::<Vec<_>>().join("\n"))
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("{n} {noun}") } else { format!("{n} {noun}s") }
}

/// Why an action is not granted, if it is not.
fn refuse(action: &Action, whole: Whole<'_>, grants: &Grants) -> Option<String> {
    let no = |rule: &str| Some(rule.to_owned());
    match action {
        Action::ReserveLease(lease) => {
            if lease.owner != grants.attachment.owner() || lease.store.network != grants.attachment.network {
                return no("a lease is for the request's own container, interface and network");
            }
            let granted = grants.data_dirs.contains(&lease.store.data_dir);
            (!granted).then(|| format!("leases are kept below {}", grants.data_dirs_text()))
        }
        Action::DeleteStaleLink(stale) => {
            let ours =
                grants.host_veths.contains(&stale.name) && stale.alias == derive::alias(&grants.attachment);
            (!ours).then(|| "only a link of this very attachment may be deleted".to_owned())
        }
        Action::EnsureBridge(bridge) => {
            let named = grants.host_links.contains(bridge.name.as_str());
            (!named).then(|| format!("the configuration names no link {:?}", bridge.name.as_str()))
        }
        Action::CreateVeth(veth) => {
            let named = veth.name == grants.attachment.interface;
            let peer = grants.host_veths.contains(&veth.peer.name);
            let ours = veth.peer.alias == derive::alias(&grants.attachment);
            let master = veth.peer.master.as_ref().is_none_or(|master| is_bridge(whole, master));
            if !named {
                no("the link in the container is called as CNI_IFNAME says")
            } else if !peer || !ours {
                no("the host's end is called and marked as the attachment says")
            } else if !master {
                no("the master is a bridge of this plan")
            } else {
                vlans(&veth.peer.vlans, grants)
            }
        }
        Action::EnsureVlanGateway(gateway) => vlan_gateway(gateway, whole, grants),
        Action::SetUp(up) => of_plan(whole, &up.link, grants),
        Action::SetPromiscuous(set) => of_plan(whole, &set.link, grants),
        Action::Settle(settle) => of_plan(whole, &settle.link, grants),
        Action::DeleteAddress(delete) => of_plan(whole, &delete.link, grants).or_else(|| {
            let replaces = |entry: &Entry| {
                matches!(&entry.action, Action::AddAddress(add)
                    if add.link == delete.link && add.address.is_ipv4() == delete.address.is_ipv4())
            };
            let allowed = delete.link.netns == Netns::Host && whole.entries().any(replaces);
            (!allowed).then(|| "no gateway of that family takes its place".to_owned())
        }),
        Action::AddAddress(add) => of_plan(whole, &add.link, grants).or_else(|| {
            let (allowed, rule) = match add.link.netns {
                Netns::Container => (
                    own(whole, grants, add.address.ip()),
                    "no lease, delegate or configuration gives this address",
                ),
                Netns::Host => (
                    gateway(whole, grants, add.address.ip()),
                    "it is no gateway of this attachment's addresses",
                ),
            };
            (!allowed).then(|| rule.to_owned())
        }),
        Action::AddRoute(route) => match route.link.netns {
            Netns::Container => of_plan(whole, &route.link, grants),
            Netns::Host => no("routes are added inside the container only"),
        },
        Action::SetSysctl(set) => match (set.netns, set.key.link()) {
            (Netns::Container, _) => None,
            (Netns::Host, Some((_, name))) => match IfName::parse(name) {
                Ok(name) => of_plan(whole, &LinkRef { netns: Netns::Host, name }, grants),
                Err(_) => no("that is no link"),
            },
            (Netns::Host, None) => {
                let forwarding =
                    matches!(set.key.as_str(), "net/ipv4/ip_forward" | "net/ipv6/conf/all/forwarding");
                (!(forwarding && set.value == "1"))
                    .then(|| "on the host only forwarding may be switched on".to_owned())
            }
        },
        Action::Masquerade(masquerade) => {
            let named = masquerade.chain == derive::chain(&grants.attachment)
                && masquerade.comment == derive::comment(&grants.attachment);
            if named { hides(whole, grants, masquerade.address) } else { no(NAMED) }
        }
        Action::MasqueradeNft(masquerade) => {
            let named = masquerade.comment == derive::nft_comment(&grants.attachment);
            if named { hides(whole, grants, masquerade.address) } else { no(NAMED) }
        }
        // What the host executes is for the host to say; a planner that records it lies.
        Action::Delegate(_) => no("no plugin executes programs"),
        Action::CheckSourceMac(check) => {
            let pair = |entry: &Entry| {
                matches!(&entry.action, Action::CreateVeth(veth)
                    if veth.peer.name == check.port && veth.mac == check.mac)
            };
            if check.identity != derive::source_mac_identity(&grants.attachment) {
                no(NAMED)
            } else if !derive::is_nft_identity(&check.identity) {
                no("chains in nftables are named after container and interface: \
                    letters, digits, _, . and -, together at most 116")
            } else if !whole.entries().any(pair) {
                no("port and address are those of the veth pair of this plan")
            } else {
                None
            }
        }
    }
}

/// Refuses a VLAN that the configuration does not name. 1 is for frames without a tag where it names others (the reference's
/// default for a trunk).
fn vlans(vlans: &PortVlans, grants: &Grants) -> Option<String> {
    let granted = |vid: u16| grants.vlans.contains(&vid) || (vid == 1 && !grants.vlans.is_empty());
    let refused = |vlan: &PortVlan| {
        vlan.first > vlan.last
            || (vlan.native && vlan.first != vlan.last)
            || !(vlan.first..=vlan.last).all(granted)
    };
    let first = vlans.added.iter().find(|vlan| refused(vlan))?;
    Some(format!("the configuration names no VLANs {} to {}", first.first, first.last))
}

fn vlan_gateway(gateway: &EnsureVlanGateway, whole: Whole<'_>, grants: &Grants) -> Option<String> {
    let EnsureVlanGateway { name, alias, port, bridge, vid, .. } = gateway;
    let named = derive::vlan_gateway(bridge, *vid).is_ok_and(|derived| derived == *name)
        && derive::vlan_gateway_port(name).is_ok_and(|derived| derived == *port)
        && *alias == derive::vlan_gateway_alias(name);
    if !named {
        Some("a VLAN's gateway is called and marked as bridge and VLAN say".to_owned())
    } else if !is_bridge(whole, bridge) {
        Some("the gateway is on a bridge of this plan".to_owned())
    } else {
        vlans(&gateway.vlans(), grants)
    }
}

/// The rule for what rules are called.
const NAMED: &str = "chain and comment follow from network, container and interface";

/// Refuses to hide an address that is not the attachment's.
fn hides(whole: Whole<'_>, grants: &Grants, address: IpNetwork) -> Option<String> {
    (!own(whole, grants, address.ip())).then(|| "it is no address of this attachment".to_owned())
}

/// Refuses a link that neither this plan makes nor is the container's loopback.
fn of_plan(whole: Whole<'_>, link: &LinkRef, grants: &Grants) -> Option<String> {
    let made = whole.entries().any(|entry| match (&entry.action, link.netns) {
        (Action::CreateVeth(veth), Netns::Container) => veth.name == link.name,
        (Action::CreateVeth(veth), Netns::Host) => veth.peer.name == link.name,
        (Action::EnsureBridge(bridge), Netns::Host) => bridge.name == link.name,
        (Action::EnsureVlanGateway(gateway), Netns::Host) => {
            gateway.name == link.name || gateway.port == link.name
        }
        _ => false,
    });
    let own = link.netns == Netns::Container
        && (link.name.as_str() == "lo" || link.name == grants.attachment.interface);
    (!made && !own).then(|| format!("link {:?} is not of this plan", link.name.as_str()))
}

fn is_bridge(whole: Whole<'_>, name: &IfName) -> bool {
    whole.entries().any(|entry| matches!(&entry.action, Action::EnsureBridge(bridge) if bridge.name == *name))
}

/// Whether an address is this attachment's: leased in this plan, given by a delegate, or configured.
fn own(whole: Whole<'_>, grants: &Grants, address: IpAddr) -> bool {
    let leased =
        |entry: &Entry| matches!(&entry.action, Action::ReserveLease(lease) if lease.address == address);
    grants.addresses.contains(&address)
        || whole.draft.granted.iter().any(|ip| ip.address.ip() == address)
        || whole.entries().any(leased)
}

/// Whether an address is a gateway of this attachment's addresses: told by the delegate, configured, or the first of
/// the network (what the reference takes by default).
fn gateway(whole: Whole<'_>, grants: &Grants, address: IpAddr) -> bool {
    grants.addresses.contains(&address)
        || whole
            .draft
            .granted
            .iter()
            .any(|ip| ip.gateway == Some(address) || derive::first_host(&ip.address) == Some(address))
}

#[cfg(test)]
mod tests;
