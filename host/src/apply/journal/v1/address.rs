//! Addresses in version 1: CIDR notation, then the kernel's netlink message in hexadecimal digits (`linux/if_addr.h`).

use crate::machine::port::Address;
use netlink_packet_core::NlasIterator;
use nix::libc;
use std::net::IpAddr;

/// The size of `struct ifaddrmsg`, in bytes.
const HEADER: usize = 8;
/// `IFA_RT_PRIORITY` and `IFA_PROTO`, which the `libc` crate does not have.
const IFA_RT_PRIORITY: u16 = 9;
const IFA_PROTO: u16 = 11;

/// Parses an address. Without a valid netlink message, only the CIDR notation is used.
pub fn decode(text: &str) -> Option<Address> {
    let (address, message) = text.split_once(' ').unwrap_or((text, ""));
    let plain = Address::new(address.parse().ok()?);
    Some(bytes(message).and_then(|message| full(&message, &plain)).unwrap_or(plain))
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let byte = |place: usize| u8::from_str_radix(digits.get(place..)?.get(..2)?, 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() >= HEADER)
}

fn full(message: &[u8], plain: &Address) -> Option<Address> {
    let (header, attributes) = message.split_at_checked(HEADER)?;
    let mut address = Address { scope: *header.get(3)?, flags: u32::from(*header.get(2)?), ..plain.clone() };
    let mut other = None;
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute.ok()?;
        let value = attribute.value();
        match attribute.kind() {
            libc::IFA_ADDRESS => other = ip(value),
            libc::IFA_BROADCAST => address.broadcast = ip(value),
            libc::IFA_LABEL => {
                address.label = Some(String::from_utf8_lossy(value).trim_end_matches('\0').to_owned());
            }
            libc::IFA_FLAGS => address.flags = number(value)?,
            libc::IFA_CACHEINFO => {
                address.lifetimes = Some((number(value)?, number(value.get(4..)?)?));
            }
            IFA_RT_PRIORITY => address.priority = Some(number(value)?),
            IFA_PROTO => address.protocol = value.first().copied(),
            _ => {}
        }
    }
    address.peer = other.filter(|other| *other != address.address.ip());
    Some(address)
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => value.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)),
        16 => value.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
        _ => None,
    }
}

fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipnetwork::IpNetwork;

    #[test]
    fn all_attributes_of_the_kernel_s_message_are_read() {
        // 10.9.9.1/24 brd 10.9.9.255 label cni0:o, scope global, permanent.
        let text = "10.9.9.1/24 021880000300000008000100\
                    0a09090108000200\
                    0a09090108000400\
                    0a0909ff0b000300636e69303a6f0000\
                    0800080080000000\
                    14000600ffffffffffffffff0000000000000000";
        let address = decode(text).unwrap();
        assert_eq!(address.address, "10.9.9.1/24".parse::<IpNetwork>().unwrap());
        assert_eq!(address.broadcast, Some("10.9.9.255".parse().unwrap()));
        assert_eq!(address.label.as_deref(), Some("cni0:o"));
        assert_eq!((address.flags, address.scope, address.peer), (0x80, 0, None));
        assert_eq!(address.lifetimes, Some((u32::MAX, u32::MAX)));
        assert_eq!(decode("10.9.9.1/24").unwrap().label, None);
        assert!(decode("not an address").is_none());
    }
}
