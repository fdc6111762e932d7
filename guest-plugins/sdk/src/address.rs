//! Addresses: parsing as in Go, and conversion to and from the types of the contract.

use crate::bindings::wasm_cni::plugin::types::{AddressRange, IpAddress, IpFamily, Prefix};
use ipnetwork::IpNetwork;
use serde::de::{Deserialize, Deserializer, Error};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Parses `10.1.2.3/24` and keeps host bits. An IPv4-mapped IPv6 address is not converted; [`fold`] does that.
pub fn parse_cidr(text: &str) -> Result<IpNetwork, String> {
    text.split_once('/')
        .filter(|(_, length)| length.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|(address, length)| IpNetwork::new(address.parse().ok()?, length.parse().ok()?).ok())
        .ok_or_else(|| format!("invalid CIDR address: {text}"))
}

/// Parses an address. An IPv4-mapped IPv6 address becomes IPv4. Empty text is `None`.
pub fn parse_ip(text: &str) -> Result<Option<IpAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let address: IpAddr = text.parse().map_err(|_| format!("invalid IP address: {text}"))?;
    Ok(Some(address.to_canonical()))
}

/// Converts an IPv4-mapped IPv6 network to IPv4. Returns every other network unchanged.
pub fn fold(network: IpNetwork) -> IpNetwork {
    match network.ip().to_canonical() {
        ip @ IpAddr::V4(_) if network.is_ipv6() => {
            IpNetwork::new(ip, network.prefix().saturating_sub(96)).unwrap_or(network)
        }
        _ => network,
    }
}

/// For `deserialize_with`: a network in CIDR notation. Host bits are kept.
pub fn cidr<'de, D: Deserializer<'de>>(from: D) -> Result<IpNetwork, D::Error> {
    String::deserialize(from).and_then(|text| parse_cidr(&text).map(fold).map_err(D::Error::custom))
}

/// For `deserialize_with`: an address. Empty text is `None`.
pub fn ip<'de, D: Deserializer<'de>>(from: D) -> Result<Option<IpAddr>, D::Error> {
    String::deserialize(from).and_then(|text| parse_ip(&text).map_err(D::Error::custom))
}

/// The address after `ip`. It wraps from the highest address to the lowest.
pub fn next(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().wrapping_add(1)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits().wrapping_add(1)).into(),
    }
}

/// The address before `ip`. It wraps from the lowest address to the highest.
pub fn previous(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().wrapping_sub(1)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits().wrapping_sub(1)).into(),
    }
}

/// The family of an address.
pub fn family(ip: IpAddr) -> IpFamily {
    match ip {
        IpAddr::V4(_) => IpFamily::Ipv4,
        IpAddr::V6(_) => IpFamily::Ipv6,
    }
}

/// Converts the range from `first` to `last` to the type of the contract.
pub fn range(first: IpAddr, last: IpAddr) -> AddressRange {
    AddressRange { first: first.into(), last: last.into() }
}

impl From<IpAddr> for IpAddress {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => IpAddress::Ipv4(v4.octets().into()),
            IpAddr::V6(v6) => IpAddress::Ipv6(v6.segments().into()),
        }
    }
}

impl From<IpAddress> for IpAddr {
    fn from(ip: IpAddress) -> Self {
        match ip {
            IpAddress::Ipv4(bytes) => <[u8; 4]>::from(bytes).into(),
            IpAddress::Ipv6(groups) => <[u16; 8]>::from(groups).into(),
        }
    }
}

impl From<IpNetwork> for Prefix {
    fn from(network: IpNetwork) -> Self {
        Prefix { address: network.ip().into(), length: network.prefix() }
    }
}

impl From<Prefix> for IpNetwork {
    /// The host never returns a length above that of the family.
    fn from(prefix: Prefix) -> Self {
        let ip = IpAddr::from(prefix.address);
        IpNetwork::new(ip, prefix.length).unwrap_or_else(|_| ip.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cidr_keeps_host_bits_and_refuses_what_go_refuses() {
        assert_eq!(parse_cidr("10.1.2.3/8").map(|n| n.to_string()), Ok("10.1.2.3/8".to_owned()));
        for text in
            ["10.0.0.01/8", "10.0.0.1", "10.0.0.1/33", "10.0.0.1/+8", "10.0.0.1/", "fe80::1%eth0/64", ""]
        {
            assert_eq!(parse_cidr(text), Err(format!("invalid CIDR address: {text}")));
        }
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        let folded = parse_cidr("::ffff:10.0.0.1/120").map(fold).map(|n| n.to_string());
        assert_eq!(folded, Ok("10.0.0.1/24".to_owned()));
        assert_eq!(parse_ip("::ffff:10.0.0.1"), Ok(Some(IpAddr::from([10, 0, 0, 1]))));
        assert_eq!(parse_ip(""), Ok(None));
        assert_eq!(parse_ip("x"), Err("invalid IP address: x".to_owned()));
    }

    #[test]
    fn addresses_are_unchanged_by_conversion_to_the_contract_and_back() {
        for text in ["10.15.20.2/24", "fd00:1::2/64"] {
            let network = parse_cidr(text).expect(text);
            assert_eq!(IpNetwork::from(Prefix::from(network)), network);
        }
    }
}
