//! Names and addresses that follow from an attachment, so that they need not be remembered.

use super::{Attachment, IfName, Mac, NameError};
use ipnetwork::IpNetwork;
use sha2::{Digest, Sha512};
use std::net::IpAddr;

/// The chain of a container on a network: `CNI-` and 24 hex digits of SHA-512(network + container), as the reference.
pub fn chain(attachment: &Attachment) -> String {
    let digest = Sha512::new()
        .chain_update(attachment.network.as_str())
        .chain_update(attachment.container.as_str())
        .finalize();
    format!("CNI-{}", hex(&digest[..12]))
}

/// The chain of a container's mapped ports on a network, as the reference names it: 28 bytes in all.
pub fn port_chain(attachment: &Attachment) -> String {
    let digest = Sha512::new()
        .chain_update(attachment.network.as_str())
        .chain_update(attachment.container.as_str())
        .finalize();
    format!("CNI-DN-{}", hex(&digest[..11]).get(..21).unwrap_or_default())
}

/// The link through which a container's packets on a network go to be held back, as the reference names it: 15 bytes in all.
pub fn ifb(attachment: &Attachment) -> Result<IfName, NameError> {
    let digest = Sha512::new()
        .chain_update(attachment.network.as_str())
        .chain_update(attachment.container.as_str())
        .finalize();
    IfName::parse(&format!("bwp{}", hex(&digest[..6])))
}

/// The comment of the jumps to it, as the reference writes it and the kernel keeps it: at most 255 bytes.
pub fn port_comment(attachment: &Attachment) -> String {
    let comment = format!("dnat name: \"{}\" id: \"{}\"", attachment.network, attachment.container);
    if comment.len() <= 255 { comment } else { format!("{}..", comment.get(..253).unwrap_or_default()) }
}

/// The comment of the container's rules, as the reference writes it.
pub fn comment(attachment: &Attachment) -> String {
    format!("name: \"{}\" id: \"{}\"", attachment.network, attachment.container)
}

/// The comment of the attachment's rules in nftables, as the reference writes it: hashes that tell whose they are, then the
/// same in words, cut to 128 bytes (cni-behaviours, section 2.10).
pub fn nft_comment(attachment: &Attachment) -> String {
    let Attachment { network, container, interface } = attachment;
    let plain = |text: &str| text.replace('"', "");
    let mut comment = format!(
        "{}, net: {}, if: {}, id: {}",
        nft_owner(attachment),
        plain(network.as_str()),
        plain(interface.as_str()),
        plain(container.as_str())
    );
    comment.truncate(comment.floor_char_boundary(128));
    comment
}

/// The part of [`nft_comment`] that tells whose a rule is.
pub fn nft_owner(attachment: &Attachment) -> String {
    let Attachment { network, container, interface } = attachment;
    nft_owner_of(network.as_str(), container.as_str(), interface.as_str())
}

/// The same for names that may be no valid ones.
pub fn nft_owner_of(network: &str, container: &str, interface: &str) -> String {
    format!("{}-{}", nft_hash(network), nft_hash(&format!("{interface}:{container}")))
}

/// 16 hex digits of SHA-512, as the reference's comments in nftables have them.
pub fn nft_hash(text: &str) -> String {
    hex(&Sha512::digest(text)[..8])
}

/// What the chains and rules of a checked source MAC carry, as in the reference.
pub fn source_mac_identity(attachment: &Attachment) -> String {
    format!("{}-{}", attachment.container, attachment.interface)
}

/// Whether a ruleset with such a [`source_mac_identity`] can be written down and read again: it becomes part of chain names,
/// which `nft` does not quote, and of a comment of at most 128 bytes.
pub fn is_nft_identity(identity: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    identity.bytes().all(letter) && identity.len() <= 128 - "macspoofchk-".len()
}

/// The name of the host's end of a veth: `veth` and 8 hex digits, the form of the reference's random names.
///
/// `candidate` counts from 0; the next one is for a name that somebody else has.
pub fn host_veth(attachment: &Attachment, candidate: u32) -> Result<IfName, NameError> {
    IfName::parse(&format!("veth{}", hex(&identity(attachment, &format!("veth {candidate}"))[..4])))
}

/// The alias that shows a link on the host to be this attachment's.
pub fn alias(attachment: &Attachment) -> String {
    format!("{ALIAS}{}", hex(&identity(attachment, "alias")[..16]))
}

/// Whether a link's alias is that of some attachment.
pub fn is_alias(alias: &str) -> bool {
    alias.starts_with(ALIAS)
}

/// What all aliases begin with.
const ALIAS: &str = "wasm-cni ";

/// The file in which the reference's tuning saves what the interface had before, below a directory.
pub fn saved_link(attachment: &Attachment) -> String {
    format!("{}_{}.json", attachment.container, attachment.interface)
}

/// The key of the attachment's journal: a file name.
pub fn key(attachment: &Attachment) -> String {
    hex(&identity(attachment, "key")[..20])
}

/// `0a:58` and the IPv4 address, as the classic plugins made it: a reused address keeps its MAC.
pub fn mac_of(addresses: &[IpNetwork]) -> Option<Mac> {
    addresses.iter().find_map(|address| match address.ip() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            Some(Mac([0x0a, 0x58, a, b, c, d]))
        }
        IpAddr::V6(_) => None,
    })
}

/// A locally administered unicast MAC that follows from the attachment; `role` tells its links apart.
pub fn mac(attachment: &Attachment, role: &str) -> Mac {
    let digest = identity(attachment, role);
    Mac([(digest[0] & 0xfc) | 0x02, digest[1], digest[2], digest[3], digest[4], digest[5]])
}

/// The MAC of a bridge or of a VLAN's gateway without an IPv4 address follows from its name alone: it outlives every attachment.
pub fn bridge_mac(name: &IfName) -> Mac {
    let digest = Sha512::new().chain_update("bridge\0").chain_update(name.as_str()).finalize();
    Mac([(digest[0] & 0xfc) | 0x02, digest[1], digest[2], digest[3], digest[4], digest[5]])
}

/// The name of the end of a VLAN's gateway that is a port of the bridge, by the name of the other end.
pub fn vlan_gateway_port(name: &IfName) -> Result<IfName, NameError> {
    let digest = Sha512::new().chain_update("vlan gateway\0").chain_update(name.as_str()).finalize();
    IfName::parse(&format!("veth{}", hex(&digest[..4])))
}

/// The alias of a VLAN's gateway that we made.
pub fn vlan_gateway_alias(name: &IfName) -> String {
    format!("wasm-cni gateway {name}")
}

/// The name of the gateway of a bridge's VLAN, as in the reference.
pub fn vlan_gateway(bridge: &IfName, vid: u16) -> Result<IfName, NameError> {
    IfName::parse(&format!("{bridge}.{vid}"))
}

/// SHA-512 over the parts with a NUL between them, which none of them can contain.
fn identity(attachment: &Attachment, role: &str) -> [u8; 64] {
    let parts =
        [role, attachment.network.as_str(), attachment.container.as_str(), attachment.interface.as_str()];
    Sha512::digest(parts.join("\0")).into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The network's first address after its own, which host-local and bridge take for the gateway by default.
///
/// None where adding one leaves the family's range.
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
