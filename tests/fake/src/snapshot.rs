//! The whole state as text. Two machines in the same state have the same text, even if their link indexes differ.

use super::link::{DEFAULT_QUEUE_LENGTH, Link};
use super::route::{Entry, Kind, MAIN};
use super::space::Space;
use super::{FakeMachine, leases};
use wasm_cni::machine::port::Address;
use wasm_cni::machine::vlans::Vlans;
use wasm_cni::value::Netns;

impl FakeMachine {
    /// Links, addresses, routes, changed parameters, queues, rules, leases, files and sources of zones: one line for
    /// each.
    ///
    /// A line begins with its place: `host: `, `container: `, `nat: ` (`iptables -t nat`), `nat6: `, `filter: `,
    /// `filter6: `, `nft FAMILY TABLE: `, `leases DIRECTORY`, `file PATH: `, `zone NAME: `. IPv6 link-local addresses
    /// and their routes are left out, because on a real machine the kernel adds them at any time.
    pub fn snapshot(&self) -> String {
        let mut lines = Vec::new();
        for (netns, place) in [(Netns::Host, "host"), (Netns::Container, "container")] {
            let Some(space) = self.state.spaces.get(netns) else { continue };
            lines.extend(space_lines(space).into_iter().map(|line| format!("{place}: {line}")));
        }
        lines.extend(self.tables.lines());
        lines.extend(leases::lines(&self.leases));
        let file = |(path, bytes): (&std::path::PathBuf, &Vec<u8>)| {
            format!("file {}: {}", path.display(), String::from_utf8_lossy(bytes).replace('\n', ""))
        };
        lines.extend(self.state.files.iter().map(file));
        lines
            .extend(self.state.zones.iter().flatten().map(|(zone, source)| format!("zone {zone}: {source}")));
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

fn space_lines(space: &Space) -> Vec<String> {
    let name = |index: u32| space.get(index).map_or("?", |link| link.name.as_str());
    let mut lines = Vec::new();
    let mut links: Vec<_> = space.links.iter().collect();
    links.sort_by_key(|link| &link.name);
    for link in links {
        lines.push(link_line(link, name));
        if let Some(token_bucket) = link.root {
            let (rate, limit, buffer) = (token_bucket.rate, token_bucket.limit, token_bucket.buffer);
            lines.push(format!("tbf dev {} rate {rate} limit {limit} buffer {buffer}", link.name));
        }
        if let Some(targets) = &link.ingress {
            lines.push(format!("ingress dev {}", link.name));
            lines.extend(targets.iter().map(|to| format!("redirect dev {} to {}", link.name, name(*to))));
        }
        let addresses = link.addresses.iter().filter(|address| !address.is_link_local());
        lines.extend(addresses.map(|found| format!("address {} dev {}", found.address, link.name)));
    }
    let routes = space.all_routes();
    let is_shown = |route: &&Entry| {
        let is_link_local = Address::new(route.dst).is_link_local();
        route.kind == Kind::Unicast && !(route.by_kernel && is_link_local)
    };
    let mut routes: Vec<String> =
        routes.iter().filter(is_shown).map(|route| route_line(route, name(route.oif))).collect();
    routes.sort();
    lines.extend(routes);
    lines.extend(space.sysctls.changed().iter().map(|(key, value)| format!("sysctl {key} = {value}")));
    lines
}

fn link_line<'a>(link: &Link, name: impl Fn(u32) -> &'a str) -> String {
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
        if link.vlans != Vlans::of_new_port() {
            line += &format!(" vlans {}", link.vlans.text());
        }
    }
    let marks = [
        (link.vlan_filtering, " vlan_filtering"),
        (link.promiscuous, " promisc"),
        (link.all_multicast, " allmulticast"),
    ];
    line.extend(marks.iter().filter(|(is_on, _)| *is_on).map(|(_, mark)| *mark));
    if link.queue_length != DEFAULT_QUEUE_LENGTH {
        line += &format!(" qlen {}", link.queue_length);
    }
    if let Some(alias) = &link.alias {
        line += &format!(" alias {alias:?}");
    }
    line
}

fn route_line(route: &Entry, link: &str) -> String {
    let mut line = format!("route {}", route.dst);
    if let Some(gateway) = route.gw {
        line += &format!(" via {gateway}");
    }
    line += &format!(" dev {link}");
    let parts = [
        ("metric", route.priority.filter(|priority| *priority != 0)),
        ("table", route.table.filter(|table| *table != MAIN)),
        ("scope", route.scope.filter(|scope| *scope != 0).map(u32::from)),
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
