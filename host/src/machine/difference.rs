//! How the machine differs from what an action made, and what mends it: the same for every kernel.

use super::lease::Holder;
use super::step::DEFAULT_MTU;
use super::vlans::{Standing, not_the_gateway};
use crate::action::Action;
use crate::action::{
    AddAddress, AddRoute, CreateVeth, EnsureBridge, EnsureVlanGateway, LinkAttribute, ReserveLease, SetLink,
    SetSysctl, VethPeer,
};
use crate::value::{LinkRef, Mac, Netns, Route};
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// `RT_SCOPE_LINK`.
const SCOPE_LINK: u8 = 253;

/// The kind of both ends of a pair.
const VETH: &str = "veth";

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In one sentence.
    pub text: String,
    /// What makes it as it was. None: it is beyond us, because the thing is gone for good or is somebody else's.
    pub mend: Option<Action>,
}

impl Difference {
    /// One that an action mends.
    pub fn mended(text: impl Into<String>, by: &Action) -> Self {
        Difference { text: text.into(), mend: Some(by.clone()) }
    }

    /// One that no action mends.
    pub fn beyond(text: impl Into<String>) -> Self {
        Difference { text: text.into(), mend: None }
    }

    /// Several that one action mends.
    pub fn all(texts: Vec<String>, by: &Action) -> Vec<Self> {
        texts.into_iter().map(|text| Difference::mended(text, by)).collect()
    }
}

/// An end of a veth pair as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// `IFLA_INFO_KIND`.
    pub kind: String,
    /// The Ethernet address.
    pub mac: Mac,
    /// Bytes.
    pub mtu: u32,
    /// `IFLA_IFALIAS`.
    pub alias: Option<String>,
    /// As a port of the bridge that it was made on; none: it is no port of it.
    pub port: Option<Port>,
}

/// A bridge port as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Whether a frame may leave through the port by which it came.
    pub hairpin: bool,
    /// Whether it exchanges frames with ports alone that are not isolated.
    pub isolated: bool,
    /// How its VLANs differ, in sentences.
    pub vlans: Vec<String>,
}

/// How a pair differs from how it was made; an end that is none is not there.
pub fn of_pair(veth: &CreateVeth, inside: Option<&End>, outside: Option<&End>) -> Vec<Difference> {
    let in_container = LinkRef { netns: Netns::Container, name: veth.name.clone() };
    let on_host = LinkRef { netns: Netns::Host, name: veth.peer.name.clone() };
    let mtu = veth.mtu.unwrap_or(DEFAULT_MTU);
    let mut differences = of_end(&in_container, veth.mac, mtu, inside);
    let mut of_host = of_end(&on_host, veth.peer.mac, mtu, outside);
    if let Some(end) = outside.filter(|end| end.kind == VETH) {
        of_host.extend(of_host_end(&on_host, &veth.peer, end));
        // Who has neither our mark nor our address is somebody else, under our name.
        if end.alias.as_deref() != Some(&veth.peer.alias) && end.mac != veth.peer.mac {
            of_host.iter_mut().for_each(|difference| difference.mend = None);
        }
    }
    differences.extend(of_host);
    differences
}

fn of_end(link: &LinkRef, mac: Mac, mtu: u32, end: Option<&End>) -> Vec<Difference> {
    let Some(end) = end else { return vec![Difference::beyond(format!("link {link} is missing"))] };
    if end.kind != VETH {
        return vec![Difference::beyond(format!("link {link} is not of type veth"))];
    }
    let mut differences = Vec::new();
    if end.mac != mac {
        let text = format!("MAC of {link} is {}, not {mac}", end.mac);
        differences.push(restored(text, link, LinkAttribute::Mac(mac)));
    }
    if end.mtu != mtu {
        let text = format!("MTU of {link} is {}, not {mtu}", end.mtu);
        differences.push(restored(text, link, LinkAttribute::Mtu(mtu)));
    }
    differences
}

fn of_host_end(link: &LinkRef, peer: &VethPeer, end: &End) -> Vec<Difference> {
    let mut differences = Vec::new();
    if end.alias.as_deref() != Some(&peer.alias) {
        let text = format!("link {link} is not ours: it has another alias");
        differences.push(restored(text, link, LinkAttribute::Alias(peer.alias.clone())));
    }
    let Some(wanted) = peer.port() else { return differences };
    let texts = match &end.port {
        None => vec![format!("link {link} is not a port of {}", wanted.bridge)],
        Some(port) => {
            let modes = [
                ("hairpin mode", port.hairpin, wanted.hairpin),
                ("isolation", port.isolated, wanted.isolated),
            ];
            let differ = modes.into_iter().filter(|(_, is, wanted)| is != wanted);
            let text = |(mode, is, wanted)| format!("{mode} of {link} is {}, not {}", on(is), on(wanted));
            differ.map(text).chain(port.vlans.iter().cloned()).collect()
        }
    };
    let port = LinkAttribute::Port(wanted);
    differences.extend(texts.into_iter().map(|text| restored(text, link, port.clone())));
    differences
}

/// An attribute that was set: what the link has now; none, if the link is missing.
pub fn of_attribute(set: &SetLink, is: Option<Option<LinkAttribute>>) -> Vec<Difference> {
    let SetLink { link, attribute } = set;
    let what = match attribute {
        LinkAttribute::Mac(_) => "MAC",
        LinkAttribute::Mtu(_) => "MTU",
        LinkAttribute::AllMulticast(_) => "all-multicast mode",
        LinkAttribute::QueueLength(_) => "queue length",
        LinkAttribute::Promiscuous(_) => "promiscuous mode",
        LinkAttribute::Alias(_) => "alias",
        LinkAttribute::Port(_) => "port",
    };
    match is {
        None => vec![Difference::beyond(format!("link {link} is missing"))],
        Some(Some(is)) if is != *attribute => {
            let text = format!("{what} of {link} is {}, not {}", is.text(), attribute.text());
            vec![Difference::mended(text, &Action::SetLink(set.clone()))]
        }
        Some(_) => Vec::new(),
    }
}

fn restored(text: String, link: &LinkRef, attribute: LinkAttribute) -> Difference {
    Difference::mended(text, &Action::SetLink(SetLink { link: link.clone(), attribute }))
}

/// A bridge, by the kind of the link of its name; none: there is no such link. What it was made with counts only then.
pub fn of_bridge(bridge: &EnsureBridge, kind: Option<&str>) -> Vec<Difference> {
    let name = &bridge.name;
    match kind {
        Some("bridge") => Vec::new(),
        Some(_) => vec![Difference::beyond(format!("{name} is not a bridge"))],
        None => vec![Difference::mended(
            format!("bridge {name} is missing"),
            &Action::EnsureBridge(bridge.clone()),
        )],
    }
}

/// The gateway of a VLAN, by the link of its name, and whether it and its port are up; none: there is no such link.
pub fn of_vlan_gateway(gateway: &EnsureVlanGateway, found: Option<Standing<bool>>) -> Vec<Difference> {
    let EnsureVlanGateway { name, bridge, vid, .. } = gateway;
    let text = match found {
        Some(Standing::Gateway(true)) => return Vec::new(),
        Some(Standing::Gateway(false)) => format!("link {name} is down"),
        Some(Standing::CutOff(_)) => format!("link {name} is cut off from VLAN {vid} of bridge {bridge}"),
        // It has addresses that others use.
        Some(Standing::Other) => return vec![Difference::beyond(not_the_gateway(gateway))],
        None => format!("link {name}, the gateway of VLAN {vid}, is missing"),
    };
    vec![Difference::mended(text, &Action::EnsureVlanGateway(gateway.clone()))]
}

/// Whether the kernel has an address once it was added: of `0.0.0.0` it says that all is well, and does nothing
/// (`inet_insert_ifa`).
pub fn is_kept(address: &IpNetwork) -> bool {
    !(address.is_ipv4() && address.ip().is_unspecified())
}

/// The route to the network of an address, which the kernel adds with it: none for an address that has no such route.
pub fn connected(add: &AddAddress) -> Option<AddRoute> {
    let (ip, prefix) = (add.address.ip(), add.address.prefix());
    let whole = if ip.is_ipv4() { 32 } else { 128 };
    let network = add.address.network();
    // None to a network that begins with 0, as that of any address with the prefix 0 (`fib_add_ifaddr`).
    if prefix == whole || ip.is_loopback() || matches!(network, IpAddr::V4(v4) if v4.octets()[0] == 0) {
        return None;
    }
    let scope = ip.is_ipv4().then_some(SCOPE_LINK);
    let network = IpNetwork::new(network, prefix).ok()?;
    Some(AddRoute { link: add.link.clone(), route: Route { scope, ..Route::to(network) } })
}

/// Such a route that is gone from a link that is up.
pub fn of_connected(add: &AddAddress, route: AddRoute) -> Vec<Difference> {
    let text = format!("the route to {} is missing, for {} on {}", route.route.dst, add.address, add.link);
    vec![Difference::mended(text, &Action::AddRoute(route))]
}

/// Something that was done to a link: whether it still holds; none, if the link is missing, and with it what `with_it` says.
///
/// A bridge that is missing is made again, and then all that was done to it.
pub fn on_link(
    action: &Action,
    link: &LinkRef,
    holds: Option<bool>,
    with_it: &str,
    text: String,
) -> Vec<Difference> {
    match holds {
        Some(true) => Vec::new(),
        Some(false) => vec![Difference::mended(text, action)],
        None => vec![Difference::mended(format!("link {link} is missing{with_it}"), action)],
    }
}

/// A kernel parameter, by what was read; none: it cannot be read.
///
/// One that needs not be there, and is not, is no difference.
pub fn of_sysctl(set: &SetSysctl, is: Option<&str>) -> Vec<Difference> {
    let SetSysctl { key, value, optional, .. } = set;
    let text = match is {
        Some(is) if super::sysctl::same(is, value) => return Vec::new(),
        Some(is) => format!("sysctl {key} is {is:?}, not {value:?}"),
        None if *optional => return Vec::new(),
        None => format!("sysctl {key} cannot be read"),
    };
    vec![Difference::mended(text, &Action::SetSysctl(set.clone()))]
}

/// A lease, by who holds it.
pub fn of_lease(lease: &ReserveLease, holder: Holder) -> Vec<Difference> {
    let (address, network) = (lease.address, &lease.store.network);
    match holder {
        Holder::Owner => Vec::new(),
        Holder::Nobody => vec![Difference::mended(
            format!("lease {address} of network {network} is missing"),
            &Action::ReserveLease(lease.clone()),
        )],
        Holder::Other => vec![Difference::beyond(format!(
            "lease {address} of network {network} belongs to another container"
        ))],
    }
}

fn on(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}
