//! The whole state as text. Two machines in the same state have the same text, even if their link indexes differ.

use super::FakeMachine;
use super::link::{DEFAULT_QUEUE_LENGTH, Link};
use super::route::{Entry, Kind, MAIN};
use super::space::Space;
use std::net::IpAddr;
use wasm_cni::machine::lease::MemoryDirectories;
use wasm_cni::machine::port::{Address, TokenBucket};
use wasm_cni::machine::vlans::Vlans;
use wasm_cni::value::Netns;

impl FakeMachine {
    /// One line for each link, address, route, changed parameter, queue, rule, lease, file and source of a zone.
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
        lines.extend(lease_lines(&self.leases));
        for (path, bytes) in &self.state.files {
            let text = String::from_utf8_lossy(bytes).replace('\n', "");
            lines.push(format!("file {}: {text}", path.display()));
        }
        let zones = self.state.zones.iter().flatten();
        lines.extend(zones.map(|(zone, source)| format!("zone {zone}: {source}")));
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
        if let Some(TokenBucket { rate, limit, buffer }) = link.root {
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
    let hairpin = if link.hairpin { "on" } else { "off" };
    let has_others = link.master.is_some() && link.vlans != Vlans::of_new_port();
    let is_other = (link.queue_length != DEFAULT_QUEUE_LENGTH).then_some(link.queue_length);
    let parts = [
        (!link.kind.is_empty()).then(|| format!("type {}", link.kind)),
        link.master.map(|master| format!("master {} hairpin {hairpin}", name(master))),
        link.isolated.then(|| "isolated".to_owned()),
        has_others.then(|| format!("vlans {}", link.vlans.text())),
        link.vlan_filtering.then(|| "vlan_filtering".to_owned()),
        link.promiscuous.then(|| "promisc".to_owned()),
        link.all_multicast.then(|| "allmulticast".to_owned()),
        is_other.map(|packets| format!("qlen {packets}")),
        link.alias.as_ref().map(|alias| format!("alias {alias:?}")),
    ];
    let line = format!("link {} {} mtu {} {state}", link.name, link.mac, link.mtu);
    parts.into_iter().flatten().fold(line, |line, part| line + " " + &part)
}

fn route_line(route: &Entry, link: &str) -> String {
    let via = route.gw.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    let parts = [
        ("metric", route.priority.filter(|priority| *priority != 0)),
        ("table", route.table.filter(|table| *table != MAIN)),
        ("scope", route.scope.filter(|scope| *scope != 0).map(u32::from)),
        ("mtu", route.mtu),
        ("advmss", route.advmss),
    ];
    let said = parts.into_iter().filter_map(|(part, value)| Some(format!(" {part} {}", value?)));
    let protocol = if route.by_kernel { "kernel" } else { "boot" };
    format!("route {}{via} dev {link}{} proto {protocol}", route.dst, said.collect::<String>())
}

/// A line for each lease directory, then each file: leases, then `last_reserved_ip.N`, then whatever else.
fn lease_lines(directories: &MemoryDirectories) -> Vec<String> {
    let mut lines = Vec::new();
    for store in directories.stores() {
        let place = format!("leases {}", store.directory().display());
        let mut files = Vec::new();
        for (name, content) in directories.files(&store) {
            let content = content.replace("\r\n", " ");
            files.push(match (name.parse::<IpAddr>(), name.strip_prefix("last_reserved_ip.")) {
                (Ok(address), _) => (0, Some(address), format!("{place}: {address} = {content}")),
                (_, Some(set)) => (1, None, format!("{place}: last {set} = {content}")),
                _ => (2, None, format!("{place}: file {name} = {content}")),
            });
        }
        files.sort();
        lines.push(place);
        lines.extend(files.into_iter().map(|(_, _, line)| line));
    }
    lines
}
