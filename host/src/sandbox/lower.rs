//! What a guest hands over becomes ours here, validated, or ends the run with code 103; and the way back.

use super::bindings::wasm_cni::plugin::types;
use crate::action::completion::UNSET;
use crate::cni::{CniError, ErrorKind};
use crate::value::{AddressRange, IfName, Mac, Netns};
use ipnetwork::IpNetwork;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The error for something that makes no sense in a plan.
pub fn violation(text: impl Into<String>) -> CniError {
    let mut text = text.into();
    cut(&mut text, super::limits::ERROR_MSG_BYTES);
    CniError::new(ErrorKind::InvalidPlan, text)
}

/// Cuts a text to so many bytes, at a character's end.
pub fn cut(text: &mut String, bytes: usize) {
    text.truncate(text.floor_char_boundary(bytes));
}

/// A link's name.
pub fn if_name(name: &str) -> Result<IfName, CniError> {
    IfName::parse(name).map_err(|e| violation(e.to_string()))
}

/// An address.
pub fn address(address: types::IpAddress) -> IpAddr {
    match address {
        types::IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
        types::IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => Ipv6Addr::new(a, b, c, d, e, f, g, h).into(),
    }
}

/// An address and the length of its network part.
pub fn prefix(prefix: types::Prefix) -> Result<IpNetwork, CniError> {
    let ip = address(prefix.address);
    IpNetwork::new(ip, prefix.length).map_err(|_| {
        let family = if ip.is_ipv4() { "IPv4 (32)" } else { "IPv6 (128)" };
        violation(format!("prefix {ip}/{} is longer than an address of {family}", prefix.length))
    })
}

/// A range of addresses.
pub fn range(range: types::AddressRange) -> Result<AddressRange, CniError> {
    let (first, last) = (address(range.first), address(range.last));
    if first.is_ipv4() != last.is_ipv4() || first > last {
        return Err(violation(format!("address range {first}-{last} has its end before its beginning")));
    }
    Ok(AddressRange { first, last })
}

/// An Ethernet address that a link can have: neither all zeros nor of a group (`is_valid_ether_addr` in the kernel).
pub fn mac((a, b, c, d, e, f): types::MacAddress) -> Result<Mac, CniError> {
    let mac = Mac([a, b, c, d, e, f]);
    if mac == UNSET || a & 1 == 1 {
        Err(violation(format!("no link can have the MAC {mac}")))
    } else {
        Ok(mac)
    }
}

/// A namespace.
pub fn netns(netns: types::Netns) -> Netns {
    match netns {
        types::Netns::Host => Netns::Host,
        types::Netns::Container => Netns::Container,
    }
}

/// An address, for the guest.
pub fn raise_address(address: IpAddr) -> types::IpAddress {
    match address {
        IpAddr::V4(v4) => types::IpAddress::Ipv4(v4.octets().into()),
        IpAddr::V6(v6) => types::IpAddress::Ipv6(v6.segments().into()),
    }
}

/// A prefix, for the guest.
pub fn raise_prefix(prefix: &IpNetwork) -> types::Prefix {
    types::Prefix { address: raise_address(prefix.ip()), length: prefix.prefix() }
}

/// A range, for the guest.
pub fn raise_range(range: &AddressRange) -> types::AddressRange {
    types::AddressRange { first: raise_address(range.first), last: raise_address(range.last) }
}

/// An error, for the guest.
pub fn raise_error(error: CniError) -> types::Error {
    types::Error { code: error.code, msg: error.msg, details: error.details }
}

/// An error that a guest returned.
pub fn error(error: types::Error) -> CniError {
    let types::Error { code, mut msg, mut details } = error;
    cut(&mut msg, super::limits::ERROR_MSG_BYTES);
    cut(&mut details, super::limits::ERROR_DETAILS_BYTES);
    CniError { code, msg, details }
}
