//! Port maps as commands, in the words of the reference (plugins `plugins/meta/portmap`, HEAD).

use crate::action::{DeletePortMap, MapPorts, Mark, MasqueradePorts, PortMapping};
use crate::value::Backend;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// So many ports `multiport` takes.
const MAX_PORTS: usize = 15;

/// What makes a port map, what it shares with others included, and forgets connections to where its UDP ports led before.
pub fn rules(ports: &MapPorts) -> Vec<String> {
    let mut commands = match ports.backend {
        Backend::Iptables => [shared(ports), jumps(ports), own(ports)].concat(),
        Backend::Nftables => nft(ports),
    };
    let family = if ports.address.is_ipv4() { "ipv4" } else { "ipv6" };
    let udp = ports.mappings.iter().filter(|mapping| mapping.protocol == "udp");
    commands
        .extend(udp.map(|mapping| format!("conntrack -D -f {family} -p udp --dport {}", mapping.host_port)));
    commands
}

/// What removes a container's port map.
pub fn removal(map: &DeletePortMap) -> Vec<String> {
    let chain = &map.chain;
    match map.backend {
        Backend::Iptables => {
            let tool = tool(map.is_ipv4);
            vec![
                format!(
                    "{tool} -t nat -S CNI-HOSTPORT-DNAT | grep -F -- '-j {chain}' | sed 's/^-A/-D/' | \
                     while read -r rule; do echo \"$rule\" | xargs {tool} -t nat; done"
                ),
                format!("{tool} -t nat -F {chain}"),
                format!("{tool} -t nat -X {chain}"),
            ]
        }
        Backend::Nftables => {
            let family = if map.is_ipv4 { "ip" } else { "ip6" };
            let of_chain = |name: &str| {
                format!(
                    "nft -a list chain {family} cni_hostport {name} | grep -F -- 'comment \"{chain}\"' | sed 's/.*# handle //' | \
                     while read -r number; do nft delete rule {family} cni_hostport {name} handle $number; done"
                )
            };
            vec![of_chain("hostports"), of_chain("masquerading")]
        }
    }
}

/// What removes a port map, and of what is shared that which nobody else uses.
pub fn undo(ports: &MapPorts, unmake: &[String]) -> Vec<String> {
    let is_ipv4 = ports.address.is_ipv4();
    let (backend, tool) = (ports.backend, tool(is_ipv4));
    let chain = if backend == Backend::Iptables { &ports.chain } else { &ports.comment };
    let mut commands = removal(&DeletePortMap { backend, is_ipv4, chain: chain.clone() });
    for name in unmake {
        commands.extend(match (backend, name.as_str()) {
            (Backend::Nftables, name) => {
                vec![format!("nft delete table {} {name}", if is_ipv4 { "ip" } else { "ip6" })]
            }
            (Backend::Iptables, "CNI-HOSTPORT-DNAT") => ["PREROUTING", "OUTPUT"]
                .map(|hook| format!("{tool} -t nat -D {hook} -m addrtype --dst-type LOCAL -j {name}"))
                .to_vec(),
            (Backend::Iptables, "CNI-HOSTPORT-MASQ") => vec![format!(
                "{tool} -t nat -D POSTROUTING -m comment --comment 'CNI portfwd requiring masquerade' -j {name}"
            )],
            (Backend::Iptables, _) => Vec::new(),
        });
        if backend == Backend::Iptables {
            commands.extend([format!("{tool} -t nat -F {name}"), format!("{tool} -t nat -X {name}")]);
        }
    }
    commands
}

fn tool(is_ipv4: bool) -> &'static str {
    if is_ipv4 { "iptables" } else { "ip6tables" }
}

/// The chains of all containers.
fn shared(ports: &MapPorts) -> Vec<String> {
    let tool = tool(ports.address.is_ipv4());
    let mut commands = Vec::new();
    if let Some(MasqueradePorts { mark: Mark::Bit(bit), .. }) = &ports.masquerade {
        let mark = 1_u32.checked_shl((*bit).into()).unwrap_or_default();
        let mark = format!("{mark:#x}/{mark:#x}");
        commands.extend([
            format!("{tool} -t nat -N CNI-HOSTPORT-SETMARK"),
            format!(
                "{tool} -t nat -A CNI-HOSTPORT-SETMARK -m comment --comment 'CNI portfwd masquerade mark' -j MARK --set-xmark {mark}"
            ),
            format!("{tool} -t nat -N CNI-HOSTPORT-MASQ"),
            format!("{tool} -t nat -A CNI-HOSTPORT-MASQ -m mark --mark {mark} -j MASQUERADE"),
            format!(
                "{tool} -t nat -I POSTROUTING 1 -m comment --comment 'CNI portfwd requiring masquerade' -j CNI-HOSTPORT-MASQ"
            ),
        ]);
    }
    commands.push(format!("{tool} -t nat -N CNI-HOSTPORT-DNAT"));
    for hook in ["PREROUTING", "OUTPUT"] {
        commands.push(format!("{tool} -t nat -A {hook} -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT"));
    }
    commands
}

fn jumps(ports: &MapPorts) -> Vec<String> {
    let (tool, chain) = (tool(ports.address.is_ipv4()), &ports.chain);
    let mut protocols: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for mapping in &ports.mappings {
        protocols.entry(&mapping.protocol).or_default().push(mapping.host_port.to_string());
    }
    let mut commands = vec![format!("{tool} -t nat -N {chain}")];
    let conditions: String = ports.conditions.iter().map(|word| format!(" {word}")).collect();
    for (protocol, list) in protocols {
        commands.extend(list.chunks(MAX_PORTS).map(|list| {
            format!(
                "{tool} -t nat -A CNI-HOSTPORT-DNAT -m comment --comment '{}' -m multiport -p {protocol} --destination-ports {}{conditions} -j {chain}",
                ports.comment,
                list.join(",")
            )
        }));
    }
    commands
}

/// The mappings of the address' family, each with the host's address if it is for one.
fn of_family(ports: &MapPorts) -> impl Iterator<Item = (&PortMapping, Option<IpAddr>)> {
    let is_ipv4 = ports.address.is_ipv4();
    let all = ports.mappings.iter();
    all.filter(move |mapping| mapping.host_address.is_none_or(|host| host.is_ipv4() == is_ipv4))
        .map(|mapping| (mapping, mapping.host_address.filter(|host| !host.is_unspecified())))
}

fn destination(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(v4) => format!("{v4}:{port}"),
        IpAddr::V6(v6) => format!("[{v6}]:{port}"),
    }
}

fn own(ports: &MapPorts) -> Vec<String> {
    let (tool, chain, address) = (tool(ports.address.is_ipv4()), &ports.chain, ports.address);
    let mut commands = Vec::new();
    for (mapping, host) in of_family(ports) {
        let host = host.map(|host| format!(" -d {host}")).unwrap_or_default();
        let base =
            format!("{tool} -t nat -A {chain} -p {} --dport {}{host}", mapping.protocol, mapping.host_port);
        if let Some(MasqueradePorts { all, mark }) = &ports.masquerade {
            let target = if let Mark::Chain(chain) = mark { chain } else { "CNI-HOSTPORT-SETMARK" };
            let source = match all {
                true => String::new(),
                false => format!(" -s {}/{}", address.network(), address.prefix()),
            };
            commands.push(format!("{base}{source} -j {target}"));
            if address.is_ipv4() && !all {
                commands.push(format!("{base} -s 127.0.0.1 -j {target}"));
            }
        }
        let to = destination(address.ip(), mapping.container_port);
        commands.push(format!("{base} -j DNAT --to-destination {to}"));
    }
    commands
}

fn nft(ports: &MapPorts) -> Vec<String> {
    let (family, address) = (if ports.address.is_ipv4() { "ip" } else { "ip6" }, ports.address.ip());
    let comment = format!("comment '\"{}\"'", ports.comment);
    let conditions: String = ports.conditions.iter().map(|word| format!("{word} ")).collect();
    let mut commands: Vec<String> = ["prerouting", "output"]
        .map(|hook| format!("nft add rule {family} cni_hostport {hook} {conditions}fib daddr type local jump hostports_all"))
        .to_vec();
    for (mapping, host) in of_family(ports) {
        let host = host.map(|host| format!("{family} daddr {host} ")).unwrap_or_default();
        commands.push(format!(
            "nft add rule {family} cni_hostport hostports {host}{} dport {} dnat to {} {comment}",
            mapping.protocol,
            mapping.host_port,
            destination(address, mapping.container_port)
        ));
    }
    let mut hide = |source: &str| {
        commands.push(format!(
            "nft add rule {family} cni_hostport masquerading {source}{family} daddr {address} masquerade {comment}"
        ));
    };
    match &ports.masquerade {
        None => {}
        Some(masquerade) if masquerade.all => hide(""),
        Some(_) => {
            hide(&format!("{family} saddr {address} "));
            if address.is_ipv4() {
                hide("ip saddr 127.0.0.1 ");
            }
        }
    }
    commands
}
