//! Conversion between the types of the contract and those of the host. A value from a guest is validated; an invalid
//! one ends the run with code 103.

use super::bindings::wasm_cni::plugin::types;
use crate::action::completion::UNSET;
use crate::cni::{CniError, ErrorKind, code};
use crate::value::{AddressRange, IfName, Mac, Netns};
use ipnetwork::IpNetwork;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The error for an invalid value in a plan.
pub fn violation(text: impl Into<String>) -> CniError {
    let mut text = text.into();
    cut(&mut text, super::limits::ERROR_MSG_BYTES);
    CniError::new(ErrorKind::InvalidPlan, text)
}

/// Cuts a text to at most `bytes`, at a character boundary.
pub fn cut(text: &mut String, bytes: usize) {
    text.truncate(text.floor_char_boundary(bytes));
}

/// Validates the name of a link.
pub fn if_name(name: &str) -> Result<IfName, CniError> {
    IfName::parse(name).map_err(|e| violation(e.to_string()))
}

/// Converts an address.
pub fn address(address: types::IpAddress) -> IpAddr {
    match address {
        types::IpAddress::Ipv4((a, b, c, d)) => Ipv4Addr::new(a, b, c, d).into(),
        types::IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => Ipv6Addr::new(a, b, c, d, e, f, g, h).into(),
    }
}

/// Converts a prefix. Refuses a length above that of the family.
pub fn prefix(prefix: types::Prefix) -> Result<IpNetwork, CniError> {
    let ip = address(prefix.address);
    IpNetwork::new(ip, prefix.length).map_err(|_| {
        let family = if ip.is_ipv4() { "IPv4 (32)" } else { "IPv6 (128)" };
        violation(format!("prefix {ip}/{} is longer than an address of {family}", prefix.length))
    })
}

/// Converts a range. Refuses ends of different families, and a last address below the first.
pub fn range(range: types::AddressRange) -> Result<AddressRange, CniError> {
    let (first, last) = (address(range.first), address(range.last));
    if first.is_ipv4() != last.is_ipv4() || first > last {
        return Err(violation(format!("address range {first}-{last} has its end before its beginning")));
    }
    Ok(AddressRange { first, last })
}

/// Converts an Ethernet address. Refuses all zeros and multicast addresses (`is_valid_ether_addr` in the kernel,
/// include/linux/etherdevice.h).
pub fn mac((a, b, c, d, e, f): types::MacAddress) -> Result<Mac, CniError> {
    let mac = Mac([a, b, c, d, e, f]);
    if mac == UNSET || a & 1 == 1 {
        Err(violation(format!("no link can have the MAC {mac}")))
    } else {
        Ok(mac)
    }
}

/// Converts a namespace.
pub fn netns(netns: types::Netns) -> Netns {
    match netns {
        types::Netns::Host => Netns::Host,
        types::Netns::Container => Netns::Container,
    }
}

/// Converts an address for the guest.
pub fn raise_address(address: IpAddr) -> types::IpAddress {
    match address {
        IpAddr::V4(v4) => types::IpAddress::Ipv4(v4.octets().into()),
        IpAddr::V6(v6) => types::IpAddress::Ipv6(v6.segments().into()),
    }
}

/// Converts a prefix for the guest.
pub fn raise_prefix(prefix: &IpNetwork) -> types::Prefix {
    types::Prefix { address: raise_address(prefix.ip()), length: prefix.prefix() }
}

/// Converts a range for the guest.
pub fn raise_range(range: &AddressRange) -> types::AddressRange {
    types::AddressRange { first: raise_address(range.first), last: raise_address(range.last) }
}

/// Converts an error for the guest.
pub fn raise_error(error: CniError) -> types::Error {
    types::Error { code: error.code, msg: error.msg, details: error.details }
}

/// Converts an error that a guest returned. Cuts texts that are too long.
pub fn error(error: types::Error, passed_on: impl FnOnce(u32) -> bool) -> CniError {
    let types::Error { code, mut msg, mut details } = error;
    let code = if code::is_of_plugins(code) || passed_on(code) { code } else { code::INTERNAL };
    cut(&mut msg, super::limits::ERROR_MSG_BYTES);
    cut(&mut details, super::limits::ERROR_DETAILS_BYTES);
    CniError::of_plugin(code, msg, details)
}
