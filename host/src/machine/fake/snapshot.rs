//! The whole state as text: the same state gives the same text, whatever the indexes are.

use super::super::iptables::Family;
use super::FakeKernel;
use super::link::DEFAULT_QUEUE_LENGTH;
use super::route::{Entry, Kind, MAIN};
use super::space::Space;
use crate::machine::vlans::Vlans;
use crate::value::Netns;
use std::net::IpAddr;

impl FakeKernel {
    /// Links, addresses, routes, parameters that are not as at first, rules and leases: one line for each thing.
    ///
    /// IPv6 link-local addresses and their route are left out: on a real machine the kernel adds some at any time.
    pub fn snapshot(&self) -> String {
        let mut lines = Vec::new();
        for (netns, place) in [(Netns::Host, "host"), (Netns::Container, "container")] {
            let Some(space) = self.machine.space(netns) else { continue };
            lines.extend(space_lines(space).into_iter().map(|line| format!("{place}: {line}")));
        }
        for (family, place) in [(Family::V4, "nat"), (Family::V6, "nat6")] {
            lines.extend(self.nat.lines(family).into_iter().map(|line| format!("{place}: {line}")));
        }
        lines.extend(self.ports.lines().into_iter().map(|line| format!("ports: {line}")));
        lines.extend(self.filters.lines().into_iter().map(|line| format!("filter: {line}")));
        lines.extend(self.shapes.lines().into_iter().map(|line| format!("shape: {line}")));
        lines.extend(self.nft.lines().into_iter().map(|line| format!("nft: {line}")));
        for (reference, store) in &self.stores.stores {
            let place = reference.directory().display().to_string();
            lines.push(format!("leases {place}"));
            let leases = store.leases.iter();
            lines.extend(leases.map(|(address, owner)| {
                format!("leases {place}: {address} = {} {}", owner.container, owner.interface)
            }));
            let last = store.last.iter();
            lines.extend(last.map(|(set, address)| format!("leases {place}: last {set} = {address}")));
        }
        let saved = self.saved.iter();
        lines.extend(
            saved.map(|(path, text)| format!("saved {}: {}", path.display(), text.replace('\n', ""))),
        );
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

fn space_lines(space: &Space) -> Vec<String> {
    let name = |index: u32| space.get(index).map_or("?", |link| link.name.as_str());
    let mut lines = Vec::new();
    let mut links: Vec<_> = space.links.iter().collect();
    links.sort_by_key(|link| &link.name);
    for link in links {
        let state = if link.up { "up" } else { "down" };
        let mut line = format!("link {} {} mtu {} {state}", link.name, link.mac, link.mtu);
        if !link.kind.is_empty() {
            line += &format!(" type {}", link.kind);
        }
        if let Some(master) = link.master {
            let hairpin = if link.hairpin { "on" } else { "off" };
            line += &format!(" master {} hairpin {hairpin}", name(master));
            if link.isolated {
                line += " isolated";
            }
        }
        if link.master.is_some() && link.vlans != Vlans::of_new_port() {
            line += &format!(" vlans {}", link.vlans.text());
        }
        if link.vlan_filtering {
            line += " vlan_filtering";
        }
        if link.promiscuous {
            line += " promisc";
        }
        if link.all_multicast {
            line += " allmulticast";
        }
        if link.queue_length != DEFAULT_QUEUE_LENGTH {
            line += &format!(" qlen {}", link.queue_length);
        }
        if let Some(alias) = &link.alias {
            line += &format!(" alias {alias:?}");
        }
        lines.push(line);
        let addresses = link.addresses().into_iter().filter(|address| !is_link_local(address.ip()));
        lines.extend(addresses.map(|address| format!("address {address} dev {}", link.name)));
    }
    let routes = space.all_routes();
    let shown =
        routes.iter().filter(|r| r.kind == Kind::Unicast && !(r.by_kernel && is_link_local(r.dst.ip())));
    let mut routes: Vec<String> = shown.map(|route| route_line(route, name(route.oif))).collect();
    routes.sort();
    lines.extend(routes);
    lines.extend(space.sysctls.changed().iter().map(|(key, value)| format!("sysctl {key} = {value}")));
    lines
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn route_line(route: &Entry, link: &str) -> String {
    let mut line = format!("route {}", route.dst);
    if let Some(gateway) = route.gw {
        line += &format!(" via {gateway}");
    }
    line += &format!(" dev {link}");
    let parts = [
        ("metric", Some(route.priority).filter(|priority| *priority != 0)),
        ("table", Some(route.table).filter(|table| *table != MAIN)),
        ("scope", Some(u32::from(route.scope)).filter(|scope| *scope != 0)),
        ("mtu", route.mtu),
        ("advmss", route.advmss),
    ];
    for (part, value) in parts {
        if let Some(value) = value {
            line += &format!(" {part} {value}");
        }
    }
    if route.by_kernel { line + " proto kernel" } else { line + " proto boot" }
}
