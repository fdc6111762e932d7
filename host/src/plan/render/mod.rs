//! A plan as text that a network engineer reads, and as JSON for machines.

pub mod filter;
mod nat;
pub mod portmap;
pub mod shape;

use super::Entry;
use crate::action::{Action, Query};
use crate::action::{
    BridgePort, CreateVeth, EnsureBridge, EnsureVlanGateway, LinkAttribute, PortVlans, SetLink, SetSysctl,
};
use crate::value::{Attachment, IfName, Netns, PluginName, Report, Route, SysctlKey};
pub use nat::{nft_rule, rules, source_mac_rules};
use serde::Serialize;

/// What a dry run shows, or how an attachment differs from what was made.
#[derive(Debug, Clone, Serialize)]
pub struct Picture<'a> {
    /// What the text begins with: `plan`, `drift`, `repaired`.
    #[serde(skip)]
    pub title: &'a str,
    /// Whose interface on which network.
    pub attachment: &'a Attachment,
    /// `CNI_NETNS`, as given.
    pub netns: &'a str,
    /// The plugins that recorded it, with the SHA-256 of their components.
    pub plugins: &'a [(String, String)],
    /// SHA-256 of the plan: the audit log has the same when it is applied; empty for a repair.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub digest: &'a str,
    /// What is not as it was made.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub differences: &'a [String],
    /// The actions, in the order in which they would be applied.
    pub actions: Vec<Line<'a>>,
    /// What the runtime would be told; none, if it was told long ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<&'a Report>,
    /// Why this is not all: a native plugin would be executed, and only then the rest be planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<&'a str>,
    /// What could not be read and was taken to be absent.
    pub unreadable: Vec<String>,
    /// What policy refuses: with any, nothing would be applied.
    pub violations: Vec<String>,
    /// What policy would refuse, were it not in audit mode.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerated: Vec<String>,
    /// The lines of policy that would allow these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What no action mends: with any, none is done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beyond: Vec<String>,
}

/// An action of a dry run.
#[derive(Debug, Clone, Serialize)]
pub struct Line<'a> {
    /// From 1.
    pub number: usize,
    /// The action, who recorded it, and its lifetime.
    #[serde(flatten)]
    pub entry: &'a Entry,
    /// The same as commands of `ip`, `iptables` and `sysctl`.
    pub commands: Vec<String>,
    /// Whether what it makes is there already.
    pub state: State,
}

/// What a dry run finds where an action would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing: the action makes it.
    Absent,
    /// The very thing: the action leaves it.
    Present,
    /// Another value: the action replaces it.
    Other,
    /// It cannot be read without root.
    Unknown,
}

impl<'a> Picture<'a> {
    /// Actions with what was found of each; `states` is as long as `entries`, what it lacks is unknown.
    pub fn lines(entries: &'a [Entry], states: &[State]) -> Vec<Line<'a>> {
        let states = states.iter().copied().chain(std::iter::repeat(State::Unknown));
        let numbered = entries.iter().zip(states).enumerate();
        numbered
            .map(|(index, (entry, state))| Line {
                number: index + 1,
                entry,
                commands: commands(&entry.action),
                state,
            })
            .collect()
    }

    /// The plan as text.
    pub fn text(&self) -> String {
        let Attachment { network, container, interface } = self.attachment;
        let title = self.title;
        let mut text =
            format!("{title}: interface {interface} of container {container} on network {network}\n");
        for (plugin, digest) in self.plugins {
            text += &format!("  {plugin}.wasm sha256:{digest}\n");
        }
        if !self.differences.is_empty() {
            text += "\ndiffers\n";
            self.differences.iter().for_each(|line| text += &format!("  {line}\n"));
        }
        let mut groups: Vec<(String, Vec<&Line<'_>>)> = Vec::new();
        for line in &self.actions {
            let place = self.place(&line.entry.action);
            match groups.iter_mut().find(|(name, _)| *name == place) {
                Some((_, lines)) => lines.push(line),
                None => groups.push((place, vec![line])),
            }
        }
        for (place, lines) in groups {
            text += &format!("\n{place}\n");
            lines.into_iter().for_each(|line| text += &line.text());
        }
        if let Some(result) = self.result {
            text += "\nresult\n";
            text += &match self.rest {
                Some(rest) => format!("  {rest}\n"),
                None => report(result),
            };
        }
        text + &self.findings()
    }

    /// What could not be read, what policy has to say, and what is not mended.
    fn findings(&self) -> String {
        let mut text = String::new();
        let remedy: Vec<String> =
            self.remedy.iter().flat_map(|lines| lines.lines()).map(str::to_owned).collect();
        for (title, lines) in [
            ("not readable, taken to be absent", &self.unreadable),
            ("refused by policy", &self.violations),
            ("let through by audit mode", &self.tolerated),
            ("what would allow it", &remedy),
            ("not to be mended here", &self.beyond),
        ] {
            if !lines.is_empty() {
                text += &format!("\n{title}\n");
                lines.iter().for_each(|line| text += &format!("  {line}\n"));
            }
        }
        text
    }

    /// What policy says of it, without the plan itself.
    pub fn verdict(&self, plugin: &PluginName) -> String {
        let actions = self.actions.len();
        let head = match (self.violations.is_empty(), self.tolerated.is_empty()) {
            (true, true) => format!("plugin {plugin}: all of its {actions} actions are allowed\n"),
            (true, false) => {
                format!("plugin {plugin}: its {actions} actions are allowed, by audit mode alone\n")
            }
            (false, _) => format!("plugin {plugin}: its plan of {actions} actions is refused\n"),
        };
        head + &self.findings() + self.rest.map(|rest| format!("  {rest}\n")).as_deref().unwrap_or_default()
    }

    /// The heading under which an action stands.
    fn place(&self, action: &Action) -> String {
        match place(action) {
            Place::Store => "lease store".to_owned(),
            Place::Netns(Netns::Host) => "host namespace".to_owned(),
            Place::Netns(Netns::Container) => format!("container namespace {}", self.netns),
            Place::Rules => "host namespace, rules".to_owned(),
            Place::Native => "native plugin".to_owned(),
        }
    }
}

impl Line<'_> {
    fn text(&self) -> String {
        let mark = match self.state {
            State::Absent => "",
            State::Present => "  # there already: left as it is",
            State::Other => "  # has another value now",
            State::Unknown => "  # not known whether it is there",
        };
        let mut text = String::new();
        for (index, command) in self.commands.iter().enumerate() {
            let number = if index == 0 { format!("{:3}", self.number) } else { "   ".to_owned() };
            text += &format!("{number}  {command}{}\n", if index == 0 { mark } else { "" });
        }
        text
    }
}

/// Where an action is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A lease store.
    Store,
    /// A namespace, by netlink or `/proc/sys`.
    Netns(Netns),
    /// The rules of the host.
    Rules,
    /// A program that does what it does.
    Native,
}

/// Where an action is done.
pub fn place(action: &Action) -> Place {
    match action {
        Action::ReserveLease(_) => Place::Store,
        Action::DeleteStaleLink(_)
        | Action::Shape(_)
        | Action::EnsureBridge(_)
        | Action::CreateVeth(_)
        | Action::EnsureVlanGateway(_) => Place::Netns(Netns::Host),
        Action::SetUp(up) => Place::Netns(up.link.netns),
        Action::SetPromiscuous(set) => Place::Netns(set.link.netns),
        Action::Settle(settle) => Place::Netns(settle.link.netns),
        Action::Announce(announce) => Place::Netns(announce.link.netns),
        Action::DeleteAddress(delete) => Place::Netns(delete.link.netns),
        Action::AddAddress(add) => Place::Netns(add.link.netns),
        Action::AddRoute(add) => Place::Netns(add.link.netns),
        Action::SetSysctl(set) => Place::Netns(set.netns),
        Action::SetLink(set) => Place::Netns(set.link.netns),
        Action::SaveLink(save) => Place::Netns(save.link.netns),
        Action::Masquerade(_)
        | Action::MasqueradeNft(_)
        | Action::MapPorts(_)
        | Action::DeletePortMap(_)
        | Action::Filter(_)
        | Action::CheckSourceMac(_) => Place::Rules,
        Action::Delegate(_) => Place::Native,
    }
}

/// An action as what one would type in the namespace where it is done; the first line names the thing.
pub fn commands(action: &Action) -> Vec<String> {
    match action {
        Action::ReserveLease(lease) => {
            let path = lease.store.directory().join(lease.address.to_string());
            vec![format!("lease {} for {} {}", path.display(), lease.owner.container, lease.owner.interface)]
        }
        Action::DeleteStaleLink(stale) => vec![format!("ip link delete {}", stale.name)],
        Action::EnsureBridge(bridge) => vec![ensure_bridge(bridge), ignore_advertisements(&bridge.name)],
        Action::CreateVeth(veth) => create_veth(veth),
        Action::EnsureVlanGateway(gateway) => ensure_vlan_gateway(gateway),
        Action::SetUp(up) => vec![format!("ip link set {} up", up.link.name)],
        Action::SetPromiscuous(set) => vec![format!("ip link set {} promisc on", set.link.name)],
        Action::Settle(settle) => vec![format!("# wait until {} passes packets", settle.link.name)],
        Action::Announce(announce) => {
            let name = &announce.link.name;
            vec![format!("ip link set {name} address MAC-OF-{name}  # tells the neighbours its addresses")]
        }
        Action::DeleteAddress(delete) => {
            vec![format!("ip address delete {} dev {}", delete.address, delete.link.name)]
        }
        Action::AddAddress(add) => {
            let broadcast = match add.address {
                ipnetwork::IpNetwork::V4(v4) if v4.prefix() < 31 => format!(" broadcast {}", v4.broadcast()),
                _ => String::new(),
            };
            let nodad = if add.nodad { " nodad" } else { "" };
            vec![format!("ip address add {}{broadcast} dev {}{nodad}", add.address, add.link.name)]
        }
        Action::AddRoute(add) => {
            vec![format!("ip route prepend {}", route(&add.route, add.link.name.as_str()))]
        }
        Action::SetSysctl(set) => vec![sysctl(set)],
        Action::Masquerade(masquerade) => rules(masquerade),
        Action::MasqueradeNft(masquerade) => nft_rule(masquerade),
        Action::CheckSourceMac(check) => source_mac_rules(check),
        Action::MapPorts(ports) => portmap::rules(ports),
        Action::DeletePortMap(map) => portmap::removal(map),
        Action::Filter(rule) => filter::rules(rule),
        Action::Shape(shape) => shape::commands(shape),
        Action::Delegate(delegate) => vec![format!("CNI_COMMAND=ADD {}", delegate.program.display())],
        Action::SetLink(set) => set_link(set),
        Action::SaveLink(save) => {
            vec![format!("# save to {} what {} has now", save.path.display(), save.link.name)]
        }
    }
}

fn ensure_bridge(bridge: &EnsureBridge) -> String {
    let mtu = bridge.mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default();
    let filtering = if bridge.vlan_filtering { " vlan_filtering 1" } else { "" };
    format!("ip link add {} address {}{mtu} type bridge{filtering}", bridge.name, bridge.mac)
}

/// What becomes of router advertisements at a link that is made on the host, before it is up.
fn ignore_advertisements(link: &IfName) -> String {
    format!("sysctl -e -w {}=0", SysctlKey::accept_ra(link))
}

fn ensure_vlan_gateway(gateway: &EnsureVlanGateway) -> Vec<String> {
    let EnsureVlanGateway { name, mac, alias, port, port_mac, bridge, .. } = gateway;
    let mut commands = vec![
        format!(
            "ip link add {name} address {mac} mtu MTU-OF-{bridge} type veth peer name {port} address {port_mac}"
        ),
        format!("ip link set {name} alias '{alias}'"),
        format!("ip link set {port} master {bridge}"),
    ];
    commands.extend(port_vlans(port.as_str(), &gateway.vlans()));
    commands.extend([port, name].map(ignore_advertisements));
    commands.extend([port, name].map(|link| format!("ip link set {link} up")));
    commands
}

fn port_vlans(port: &str, vlans: &PortVlans) -> Vec<String> {
    let dropped = vlans.drop_default.then(|| format!("bridge vlan delete dev {port} vid 1-4094"));
    let added = vlans.added.iter().map(|vlan| {
        let last = if vlan.last == vlan.first { String::new() } else { format!("-{}", vlan.last) };
        let native = if vlan.native { " pvid untagged" } else { "" };
        format!("bridge vlan add dev {port} vid {}{last}{native}", vlan.first)
    });
    dropped.into_iter().chain(added).collect()
}

fn create_veth(veth: &CreateVeth) -> Vec<String> {
    let mtu = veth.mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default();
    let peer = &veth.peer;
    let mut commands = vec![format!(
        "ip link add {} address {}{mtu} type veth peer name {} netns CONTAINER address {}{mtu}",
        peer.name, peer.mac, veth.name, veth.mac
    )];
    commands.extend(peer.port().iter().flat_map(|port| join_bridge(peer.name.as_str(), port)));
    commands.push(format!("ip link set {} alias '{}'", peer.name, peer.alias));
    commands
}

fn join_bridge(name: &str, port: &BridgePort) -> Vec<String> {
    let on = |on| if on { "on" } else { "off" };
    let isolated = if port.isolated { " isolated on" } else { "" };
    let hairpin = on(port.hairpin);
    let joined =
        format!("ip link set {name} master {} type bridge_slave hairpin {hairpin}{isolated}", port.bridge);
    std::iter::once(joined).chain(port_vlans(name, &port.vlans)).collect()
}

fn set_link(set: &SetLink) -> Vec<String> {
    let name = set.link.name.as_str();
    match &set.attribute {
        LinkAttribute::Mac(mac) => vec![format!("ip link set {name} address {mac}")],
        LinkAttribute::Mtu(mtu) => vec![format!("ip link set {name} mtu {mtu}")],
        LinkAttribute::AllMulticast(on) => {
            vec![format!("ip link set {name} allmulticast {}", if *on { "on" } else { "off" })]
        }
        LinkAttribute::QueueLength(packets) => vec![format!("ip link set {name} txqueuelen {packets}")],
        LinkAttribute::Promiscuous(on) => {
            vec![format!("ip link set {name} promisc {}", if *on { "on" } else { "off" })]
        }
        LinkAttribute::Alias(alias) => vec![format!("ip link set {name} alias '{alias}'")],
        LinkAttribute::Port(port) => join_bridge(name, port),
    }
}

/// A route as `ip route` takes it.
pub fn route(route: &Route, link: &str) -> String {
    let mut text = route.dst.to_string();
    let mut add = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            text += &format!(" {word} {value}");
        }
    };
    add("via", route.gw.map(|gw| gw.to_string()));
    add("dev", Some(link.to_owned()));
    add("metric", route.priority.map(|n| n.to_string()));
    add("table", route.table.map(|n| n.to_string()));
    add("scope", route.scope.map(|n| n.to_string()));
    add("mtu", route.mtu.map(|n| n.to_string()));
    add("advmss", route.advmss.map(|n| n.to_string()));
    text
}

fn sysctl(set: &SetSysctl) -> String {
    let optional = if set.optional { "-e " } else { "" };
    format!("sysctl {optional}-w {}={}", set.key, set.value)
}

/// The result as lines.
fn report(report: &Report) -> String {
    let mut text = String::new();
    for interface in &report.passed {
        let place = if interface.sandbox.is_empty() { "" } else { " (container)" };
        text += &format!("  interface {}{place}\n", interface.name);
    }
    for link in &report.links {
        text += &format!("  interface {link}\n");
    }
    for ip in &report.ips {
        let gateway = ip.gateway.map(|gw| format!(" gateway {gw}")).unwrap_or_default();
        text += &format!("  address {}{gateway}\n", ip.address);
    }
    for link in &report.with_addresses {
        text += &format!("  the addresses of {link}\n");
    }
    for route in &report.routes {
        let gateway = route.gw.map(|gw| format!(" via {gw}")).unwrap_or_default();
        text += &format!("  route {}{gateway}\n", route.dst);
    }
    text
}

/// A question that nobody could answer, for the list of what is not known.
pub fn unreadable(query: &Query) -> String {
    match query {
        Query::Link(link) => format!("link {link}"),
        Query::Held(store, _) | Query::LastReserved(store, _) | Query::Free(store, _) => {
            format!("lease store {}", store.directory().display())
        }
        Query::Backend => "which firewall there is".to_owned(),
        Query::Firewall => "whether firewalld runs".to_owned(),
        Query::HostEnd(name) => format!("the other end of {name}"),
        Query::RouteTo(address) => format!("the route to {address}"),
        Query::StalePorts { ports, .. } => format!("whose the ports {ports:?} are"),
        Query::File(path) | Query::FileBelow(_, path) => format!("file {}", path.display()),
    }
}
