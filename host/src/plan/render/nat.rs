//! Rules about one address or port as commands.

use crate::action::{CheckSourceMac, Masquerade, MasqueradeNft};
use std::net::IpAddr;

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
