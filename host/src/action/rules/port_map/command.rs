//! The shell commands that remove port maps. They are pipelines that list the rules first.

use crate::action::{DeletePortMap, MapPorts};
use crate::machine::rules::iptables::Family;
use crate::value::Backend;

/// The commands that remove a container's port map.
pub fn removal(map: &DeletePortMap) -> Vec<String> {
    let chain = &map.chain;
    match map.backend {
        Backend::Iptables => {
            let tool = Family::new(map.is_ipv4).program();
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

/// The commands that remove a port map, and the shared parts in `unmake`.
pub fn undo(ports: &MapPorts, unmake: &[String]) -> Vec<String> {
    let is_ipv4 = ports.address.is_ipv4();
    let (backend, tool) = (ports.backend, Family::new(is_ipv4).program());
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
