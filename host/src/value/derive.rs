//! Names and addresses that derive from an attachment, so that nothing needs to store them.

use super::length::{self, cut};
use super::{Attachment, IfName, Mac, NameError};
use ipnetwork::IpNetwork;
use sha2::{Digest, Sha512};
use std::net::IpAddr;

/// The chain of a container on a network: `CNI-` and 24 hexadecimal digits of SHA-512(network + container), as in the
/// reference (`pkg/utils/utils.go`).
pub fn chain(attachment: &Attachment) -> String {
    let digest = Sha512::new()
        .chain_update(attachment.network.as_str())
        .chain_update(attachment.container.as_str())
        .finalize();
    format!("CNI-{}", hex(&digest[..12]))
}

/// The chain of a container's mapped ports on a network, as in the reference: `CNI-DN-` and 21 digits, 28 bytes in
/// all.
pub fn port_chain(attachment: &Attachment) -> String {
    let digest = Sha512::new()
        .chain_update(attachment.network.as_str())
        .chain_update(attachment.container.as_str())
        .finalize();
    format!("CNI-DN-{}", hex(&digest[..11]).get(..21).unwrap_or_default())
}

/// The ifb of a container on a network, as in the reference: `bwp` and 12 digits, 15 bytes in all.
pub fn ifb(attachment: &Attachment) -> Result<IfName, NameError> {
    let digest = Sha512::new()
        .chain_update(attachment.network.as_str())
        .chain_update(attachment.container.as_str())
        .finalize();
    IfName::parse(&format!("bwp{}", hex(&digest[..6])))
}

/// The comment of the jumps to that chain, as the reference writes it and iptables stores it. The reference shortens a
/// comment of more than 255 bytes to 253 and `...`, of which iptables cuts the last point.
pub fn port_comment(attachment: &Attachment) -> String {
    let comment = format!("dnat name: \"{}\" id: \"{}\"", attachment.network, attachment.container);
    if comment.len() <= length::IPTABLES_COMMENT {
        return comment;
    }
    let shortened = format!("{}...", cut(&comment, 253));
    cut(&shortened, length::IPTABLES_COMMENT).to_owned()
}

/// The comment of the container's rules, as the reference writes it and iptables stores it.
pub fn comment(attachment: &Attachment) -> String {
    comment_of(attachment.network.as_str(), attachment.container.as_str())
}

/// The same for names that need not be valid.
pub fn comment_of(network: &str, container: &str) -> String {
    cut(&format!("name: \"{network}\" id: \"{container}\""), length::IPTABLES_COMMENT).to_owned()
}

/// The comment of the attachment's rules in nftables, as in the reference (`pkg/ip/ipmasq_nftables_linux.go`): hashes
/// that identify the owner, then the names in plain text. It is cut to 128 bytes.
pub fn nft_comment(attachment: &Attachment) -> String {
    let Attachment { network, container, interface } = attachment;
    let plain = |text: &str| text.replace('"', "");
    let comment = format!(
        "{}, net: {}, if: {}, id: {}",
        nft_owner(attachment),
        plain(network.as_str()),
        plain(interface.as_str()),
        plain(container.as_str())
    );
    cut(&comment, length::NFTABLES_COMMENT).to_owned()
}

/// The part of [`nft_comment`] that identifies the owner.
pub fn nft_owner(attachment: &Attachment) -> String {
    let Attachment { network, container, interface } = attachment;
    nft_owner_of(network.as_str(), container.as_str(), interface.as_str())
}

/// The same for names that need not be valid.
pub fn nft_owner_of(network: &str, container: &str, interface: &str) -> String {
    format!("{}-{}", nft_hash(network), nft_hash(&format!("{interface}:{container}")))
}

/// 16 hexadecimal digits of SHA-512, as in the reference's nftables comments.
pub fn nft_hash(text: &str) -> String {
    hex(&Sha512::digest(text)[..8])
}

/// The identity in the names and comments of the chains that check a source MAC, as in the reference.
pub fn source_mac_identity(attachment: &Attachment) -> String {
    format!("{}-{}", attachment.container, attachment.interface)
}

/// Whether `nft` can parse a ruleset with such a [`source_mac_identity`]. It becomes part of chain names, which `nft`
/// does not quote, and of a comment of at most 128 bytes.
pub fn is_nft_identity(identity: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    identity.bytes().all(letter) && identity.len() <= length::NFTABLES_COMMENT - "macspoofchk-".len()
}

/// The names for the host's end of a veth, in the order in which they are tried: the first one that no other link has.
/// Eight names are more than chance takes: each has 32 bits of a hash.
pub fn host_veths(attachment: &Attachment) -> impl Iterator<Item = IfName> {
    (0..8).filter_map(move |candidate| host_veth(attachment, candidate).ok())
}

/// The name of the host's end of a veth: `veth` and 8 hexadecimal digits, like the reference's random names. `candidate`
/// counts from 0.
pub fn host_veth(attachment: &Attachment, candidate: u32) -> Result<IfName, NameError> {
    IfName::parse(&format!("veth{}", hex(&identity(attachment, &format!("veth {candidate}"))[..4])))
}

/// The alias that marks a link on the host as one of this attachment.
pub fn alias(attachment: &Attachment) -> String {
    format!("{ALIAS}{}", hex(&identity(attachment, "alias")[..16]))
}

/// Whether an alias marks a link of any attachment.
pub fn is_alias(alias: &str) -> bool {
    alias.starts_with(ALIAS)
}

/// The prefix of all aliases.
const ALIAS: &str = "wasm-cni ";

/// The name of the file in which the reference's tuning saves the old attributes of the interface.
pub fn saved_link(attachment: &Attachment) -> String {
    format!("{}_{}.json", attachment.container, attachment.interface)
}

/// The key of the attachment's journal, which is a directory name.
pub fn key(attachment: &Attachment) -> String {
    hex(&identity(attachment, "key")[..20])
}

/// `0a:58` followed by the first IPv4 address, as older versions of the reference's bridge made it. So a reused
/// address keeps its MAC.
pub fn mac_of(addresses: &[IpNetwork]) -> Option<Mac> {
    addresses.iter().find_map(|address| match address.ip() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            Some(Mac([0x0a, 0x58, a, b, c, d]))
        }
        IpAddr::V6(_) => None,
    })
}

/// A locally administered unicast MAC that derives from the attachment. `role` distinguishes its links.
pub fn mac(attachment: &Attachment, role: &str) -> Mac {
    let digest = identity(attachment, role);
    Mac([(digest[0] & 0xfc) | 0x02, digest[1], digest[2], digest[3], digest[4], digest[5]])
}

/// The MAC of a bridge, or of a VLAN's gateway, without an IPv4 address. It derives only from the name, because the
/// link outlives every attachment.
pub fn bridge_mac(name: &IfName) -> Mac {
    let digest = Sha512::new().chain_update("bridge\0").chain_update(name.as_str()).finalize();
    Mac([(digest[0] & 0xfc) | 0x02, digest[1], digest[2], digest[3], digest[4], digest[5]])
}

/// The name of the bridge port of a VLAN's gateway. It derives from the name of the other end.
pub fn vlan_gateway_port(name: &IfName) -> Result<IfName, NameError> {
    let digest = Sha512::new().chain_update("vlan gateway\0").chain_update(name.as_str()).finalize();
    IfName::parse(&format!("veth{}", hex(&digest[..4])))
}

/// The alias that marks a VLAN's gateway as ours.
pub fn vlan_gateway_alias(name: &IfName) -> String {
    format!("wasm-cni gateway {name}")
}

/// The name of the gateway of a bridge's VLAN, as in the reference.
pub fn vlan_gateway(bridge: &IfName, vid: u16) -> Result<IfName, NameError> {
    IfName::parse(&format!("{bridge}.{vid}"))
}

/// SHA-512 over the parts, separated by NUL, which no part can contain.
fn identity(attachment: &Attachment, role: &str) -> [u8; 64] {
    let parts =
        [role, attachment.network.as_str(), attachment.container.as_str(), attachment.interface.as_str()];
    Sha512::digest(parts.join("\0")).into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The first address after the network address. host-local and bridge use it as the default gateway.
///
/// `None` if there is no such address in the family.
pub fn first_host(network: &IpNetwork) -> Option<IpAddr> {
    match network.network() {
        IpAddr::V4(v4) => Some(IpAddr::from(u32::from(v4).checked_add(1)?.to_be_bytes())),
        IpAddr::V6(v6) => Some(IpAddr::from(u128::from(v6).checked_add(1)?.to_be_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{ContainerId, NetworkName};

    fn attachment(network: &str, container: &str) -> Attachment {
        Attachment {
            network: NetworkName::parse(network).unwrap(),
            container: ContainerId::parse(container).unwrap(),
            interface: IfName::parse("eth0").unwrap(),
        }
    }

    #[test]
    fn chains_and_comments_are_those_of_the_reference() {
        assert_eq!(chain(&attachment("test", "1234")), "CNI-2bbe0c48b91a7d1b8a6753a8");
        assert_eq!(chain(&attachment("mybridge", "1234567890")), "CNI-26633426ea992aa1f0477097");
        assert_eq!(port_chain(&attachment("test", "1234")), "CNI-DN-2bbe0c48b91a7d1b8a675");
        assert_eq!(port_comment(&attachment("n", "c1")), "dnat name: \"n\" id: \"c1\"");
        assert_eq!(port_comment(&attachment("n", &"a".repeat(240))).len(), 255);
        assert_eq!(comment(&attachment("mynet", "abc")), "name: \"mynet\" id: \"abc\"");
        // As Debian's plugins 1.1.1 with iptables 1.8.9 leave them in the kernel.
        assert!(port_comment(&attachment("longnet", &"a".repeat(240))).ends_with("aaa.."));
        assert_eq!(
            comment(&attachment("longnet", &"a".repeat(240))),
            format!("name: \"longnet\" id: \"{}", "a".repeat(255 - 21))
        );
    }

    /// The kernel refuses a longer alias.
    #[test]
    fn aliases_fit_into_a_link() {
        let longest = attachment(&"n".repeat(255), &"c".repeat(255));
        let gateway = vlan_gateway_alias(&IfName::parse("fifteen-letters").unwrap());
        assert!(alias(&longest).len() <= length::ALIAS && gateway.len() <= length::ALIAS);
        assert_eq!(chain(&longest).len(), length::IPTABLES_CHAIN);
        assert_eq!(port_chain(&longest).len(), length::IPTABLES_CHAIN);
        assert_eq!(nft_comment(&longest).len(), length::NFTABLES_COMMENT);
    }

    #[test]
    fn comments_in_nftables_are_those_of_the_reference() {
        assert_eq!(
            nft_comment(&attachment("unit-test", "one")),
            "6fd94d501e58f0aa-287fc69eff0574a2, net: unit-test, if: eth0, id: one"
        );
        assert_eq!(nft_comment(&attachment("unit-test", &"x".repeat(100))).len(), 128);
    }

    #[test]
    fn a_reused_address_keeps_its_mac() {
        let addresses = ["fd00::2/64".parse().unwrap(), "10.15.20.2/24".parse().unwrap()];
        assert_eq!(mac_of(&addresses).unwrap().to_string(), "0a:58:0a:0f:14:02");
        assert_eq!(mac_of(&addresses[..1]), None);
    }

    #[test]
    fn derived_macs_are_unicast_and_locally_administered_and_differ_by_role() {
        let (a, b) = (mac(&attachment("n", "c"), "container"), mac(&attachment("n", "c"), "peer"));
        assert_ne!(a, b);
        assert_eq!((a.0[0] & 3, b.0[0] & 3), (2, 2));
    }

    #[test]
    fn names_do_not_collide_where_concatenation_would() {
        assert_ne!(host_veth(&attachment("ab", "c"), 0), host_veth(&attachment("a", "bc"), 0));
        assert_ne!(key(&attachment("ab", "c")), key(&attachment("a", "bc")));
    }
}
