//! A plan as text that a network engineer reads, and as JSON for machines.

use super::action::{
    CheckSourceMac, CreateVeth, EnsureBridge, EnsureVlanGateway, Masquerade, MasqueradeNft, Netns, PortVlans,
    SetSysctl,
};
use super::{Action, Attachment, Entry, Query, Report, Route};
use serde::Serialize;
use std::net::IpAddr;

/// What a dry run shows.
#[derive(Debug, Clone, Serialize)]
pub struct Picture<'a> {
    /// Whose interface on which network.
    pub attachment: &'a Attachment,
    /// `CNI_NETNS`, as given.
    pub netns: &'a str,
    /// The plugins that recorded it, with the SHA-256 of their components.
    pub plugins: &'a [(String, String)],
    /// The actions, in the order in which they would be applied.
    pub actions: Vec<Line<'a>>,
    /// What the runtime would be told.
    pub result: &'a Report,
    /// Why this is not all: a native plugin would be executed, and only then the rest be planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<&'a str>,
    /// What could not be read and was taken to be absent.
    pub unreadable: Vec<String>,
    /// What policy refuses: with any, nothing would be applied.
    pub violations: Vec<String>,
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
        let mut text = format!("plan: interface {interface} of container {container} on network {network}\n");
        for (plugin, digest) in self.plugins {
            text += &format!("  {plugin}.wasm sha256:{digest}\n");
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
        text += "\nresult\n";
        text += &match self.rest {
            Some(rest) => format!("  {rest}\n"),
            None => report(self.result),
        };
        for (title, lines) in
            [("not readable, taken to be absent", &self.unreadable), ("refused by policy", &self.violations)]
        {
            if !lines.is_empty() {
                text += &format!("\n{title}\n");
                lines.iter().for_each(|line| text += &format!("  {line}\n"));
            }
        }
        text
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
        | Action::EnsureBridge(_)
        | Action::CreateVeth(_)
        | Action::EnsureVlanGateway(_) => Place::Netns(Netns::Host),
        Action::SetUp(up) => Place::Netns(up.link.netns),
        Action::SetPromiscuous(set) => Place::Netns(set.link.netns),
        Action::Settle(settle) => Place::Netns(settle.link.netns),
        Action::DeleteAddress(delete) => Place::Netns(delete.link.netns),
        Action::AddAddress(add) => Place::Netns(add.link.netns),
        Action::AddRoute(add) => Place::Netns(add.link.netns),
        Action::SetSysctl(set) => Place::Netns(set.netns),
        Action::Masquerade(_) | Action::MasqueradeNft(_) | Action::CheckSourceMac(_) => Place::Rules,
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
        Action::EnsureBridge(bridge) => vec![ensure_bridge(bridge)],
        Action::CreateVeth(veth) => create_veth(veth),
        Action::EnsureVlanGateway(gateway) => ensure_vlan_gateway(gateway),
        Action::SetUp(up) => vec![format!("ip link set {} up", up.link.name)],
        Action::SetPromiscuous(set) => vec![format!("ip link set {} promisc on", set.link.name)],
        Action::Settle(settle) => vec![format!("# wait until {} passes packets", settle.link.name)],
        Action::DeleteAddress(delete) => {
            vec![format!("ip address delete {} dev {}", delete.address, delete.link.name)]
        }
        Action::AddAddress(add) => {
            let broadcast = match add.address {
                ipnetwork::IpNetwork::V4(v4) if v4.prefix() < 31 => format!(" broadcast {}", v4.broadcast()),
                _ => String::new(),
            };
            vec![format!("ip address add {}{broadcast} dev {}", add.address, add.link.name)]
        }
        Action::AddRoute(add) => {
            vec![format!("ip route prepend {}", route(&add.route, add.link.name.as_str()))]
        }
        Action::SetSysctl(set) => vec![sysctl(set)],
        Action::Masquerade(masquerade) => rules(masquerade),
        Action::MasqueradeNft(masquerade) => nft_rule(masquerade),
        Action::CheckSourceMac(check) => source_mac_rules(check),
        Action::Delegate(delegate) => vec![format!("CNI_COMMAND=ADD {}", delegate.program.display())],
    }
}

fn ensure_bridge(bridge: &EnsureBridge) -> String {
    let mtu = bridge.mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default();
    let filtering = if bridge.vlan_filtering { " vlan_filtering 1" } else { "" };
    format!("ip link add {} address {}{mtu} type bridge{filtering}", bridge.name, bridge.mac)
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
    if let Some(master) = &peer.master {
        let on = |on| if on { "on" } else { "off" };
        let isolated = if peer.isolated { " isolated on" } else { "" };
        commands.push(format!(
            "ip link set {} master {master} type bridge_slave hairpin {}{isolated}",
            peer.name,
            on(peer.hairpin)
        ));
        commands.extend(port_vlans(peer.name.as_str(), &peer.vlans));
    }
    commands.push(format!("ip link set {} alias '{}'", peer.name, peer.alias));
    commands
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

/// The rules of a masqueraded address, in the words of the reference (plugins `pkg/ip/ipmasq_iptables_linux.go`, HEAD).
pub fn rules(masquerade: &Masquerade) -> Vec<String> {
    let Masquerade { address, chain, comment } = masquerade;
    let (tool, multicast) = match address.ip() {
        IpAddr::V4(_) => ("iptables", "224.0.0.0/4"),
        IpAddr::V6(_) => ("ip6tables", "ff00::/8"),
    };
    let comment = format!("-m comment --comment '{comment}'");
    vec![
        format!("{tool} -t nat -N {chain}"),
        format!("{tool} -t nat -A {chain} -d {}/{} -j ACCEPT {comment}", address.network(), address.prefix()),
        format!("{tool} -t nat -A {chain} ! -d {multicast} -j MASQUERADE {comment}"),
        format!("{tool} -t nat -A POSTROUTING -s {} -j {chain} {comment}", address.ip()),
    ]
}

/// The rule of a masqueraded address, in the words of the reference (plugins `pkg/ip/ipmasq_nftables_linux.go`, HEAD).
pub fn nft_rule(masquerade: &MasqueradeNft) -> Vec<String> {
    let MasqueradeNft { address, comment } = masquerade;
    let family = if address.is_ipv4() { "ip" } else { "ip6" };
    vec![format!(
        "nft add rule inet cni_plugins_masquerade masq_checks {family} saddr == {} {family} daddr != {}/{} masquerade \
         comment '\"{comment}\"'",
        address.ip(),
        address.network(),
        address.prefix()
    )]
}

/// The rules of a checked source MAC, in the words of the reference (plugins `pkg/link/spoofcheck.go`, HEAD).
pub fn source_mac_rules(check: &CheckSourceMac) -> Vec<String> {
    let CheckSourceMac { port, mac, identity } = check;
    let chain = format!("cni-br-iface-{identity}");
    let rule = |chain: &str, rule: &str| {
        format!("nft add rule bridge nat {chain} {rule} comment '\"macspoofchk-{identity}\"'")
    };
    vec![
        rule("PREROUTING", &format!("iifname {port} jump {chain}")),
        rule(&chain, &format!("jump {chain}-mac")),
        rule(&format!("{chain}-mac"), &format!("ether saddr {mac} return")),
        rule(&format!("{chain}-mac"), "drop"),
    ]
}

/// The result as lines.
fn report(report: &Report) -> String {
    let mut text = String::new();
    for link in &report.links {
        text += &format!("  interface {link}\n");
    }
    for ip in &report.ips {
        let gateway = ip.gateway.map(|gw| format!(" gateway {gw}")).unwrap_or_default();
        text += &format!("  address {}{gateway}\n", ip.address);
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
        Query::File(path) => format!("file {}", path.display()),
    }
}
