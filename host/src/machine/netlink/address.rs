//! Addresses: `ip address`.

use super::socket::{Netlink, Request};
use crate::value::derive::hex;
use ipnetwork::IpNetwork;
use netlink_packet_core::{Emitable, NLM_F_CREATE, NLM_F_EXCL, Parseable};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage};
use rtnetlink::AddressMessageBuilder;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address, as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// With its prefix length.
    pub address: IpNetwork,
    /// `IFA_F_TENTATIVE`: it is yet to be found out whether somebody else has it.
    pub tentative: bool,
    /// `IFA_F_DADFAILED`: somebody else has it.
    pub duplicate: bool,
}

/// The addresses of a link, in the kernel's order: IPv4 first.
pub fn list(netlink: &mut Netlink, index: u32) -> io::Result<Vec<IpNetwork>> {
    Ok(states(netlink, index)?.into_iter().map(|found| found.address).collect())
}

/// The addresses of all links of the namespace.
pub fn all(netlink: &mut Netlink) -> io::Result<Vec<IpNetwork>> {
    let found = netlink.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
    let address = |answer: &RouteNetlinkMessage| match answer {
        RouteNetlinkMessage::NewAddress(message) => parse(message).map(|found| found.address),
        _ => None,
    };
    Ok(found.iter().filter_map(address).collect())
}

/// The same with what duplicate address detection says.
pub fn states(netlink: &mut Netlink, index: u32) -> io::Result<Vec<Address>> {
    Ok(dump(netlink, index)?.iter().filter_map(parse).collect())
}

/// An address with all that the kernel tells of it (broadcast, label, scope, lifetimes, flags) as text: prefix notation, then
/// the kernel's message in hexadecimal. What [`restore`] takes.
pub fn saved(netlink: &mut Netlink, index: u32, address: IpNetwork) -> io::Result<Option<String>> {
    let is_it = |message: &&AddressMessage| parse(message).is_some_and(|found| found.address == address);
    Ok(dump(netlink, index)?.iter().find(is_it).map(|message| {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        format!("{address} {}", hex(&bytes))
    }))
}

fn dump(netlink: &mut Netlink, index: u32) -> io::Result<Vec<AddressMessage>> {
    let mut message = AddressMessage::default();
    message.header.index = index;
    let found = netlink.dump(RouteNetlinkMessage::GetAddress(message))?;
    let of_link = |answer| match answer {
        RouteNetlinkMessage::NewAddress(message) if message.header.index == index => Some(message),
        _ => None,
    };
    Ok(found.into_iter().filter_map(of_link).collect())
}

/// The kernel gives every link that is up such an address of its own.
pub fn is_link_local(address: IpNetwork) -> bool {
    match address.ip() {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// `ip address add`, with `nodad` an IPv6 one; an IPv4 prefix shorter than 31 gets its broadcast address, as in the reference.
pub fn add(index: u32, address: IpNetwork, nodad: bool) -> Request {
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    let mut message = build(index, address);
    if nodad && address.is_ipv6() {
        message.header.flags |= AddressHeaderFlags::Nodad;
    }
    Request { message: RouteNetlinkMessage::NewAddress(message), flags }
}

/// The address that [`saved`] gave, as it was: none, if that is no such text.
pub fn restore(index: u32, saved: &str) -> Option<Request> {
    let mut message = decode(saved)?;
    message.header.index = index;
    Some(Request { message: RouteNetlinkMessage::NewAddress(message), flags: NLM_F_CREATE | NLM_F_EXCL })
}

/// What `ip address add` takes besides the address to make it as it was; empty, if that is no such text.
pub fn words(saved: &str) -> Vec<String> {
    let Some(message) = decode(saved) else { return Vec::new() };
    let words = message.attributes.iter().flat_map(|attribute| match attribute {
        AddressAttribute::Broadcast(broadcast) => vec!["broadcast".to_owned(), broadcast.to_string()],
        AddressAttribute::Label(label) => vec!["label".to_owned(), label.clone()],
        AddressAttribute::Flags(flags) if flags.contains(AddressFlags::Nodad) => vec!["nodad".to_owned()],
        _ => Vec::new(),
    });
    words.collect()
}

fn decode(saved: &str) -> Option<AddressMessage> {
    let digits = saved.split_once(' ')?.1;
    let byte = |place: usize| u8::from_str_radix(digits.get(place..place + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    AddressMessage::parse(bytes?.as_slice()).ok()
}

/// `ip address del`.
pub fn delete(index: u32, address: IpNetwork) -> Request {
    Request { message: RouteNetlinkMessage::DelAddress(build(index, address)), flags: 0 }
}

fn build(index: u32, address: IpNetwork) -> AddressMessage {
    match address {
        IpNetwork::V4(v4) => {
            AddressMessageBuilder::<Ipv4Addr>::new().address(v4.ip(), v4.prefix()).index(index).build()
        }
        IpNetwork::V6(v6) => {
            AddressMessageBuilder::<Ipv6Addr>::new().address(v6.ip(), v6.prefix()).index(index).build()
        }
    }
}

fn parse(message: &AddressMessage) -> Option<Address> {
    // IFA_ADDRESS is the other end of a point-to-point link; IFA_LOCAL, where there is one, is the link's own.
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    });
    let address = local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(ip) => Some(*ip),
            _ => None,
        })
    });
    let has = |flag| message.header.flags.contains(flag);
    Some(Address {
        address: IpNetwork::new(address?, message.header.prefix_len).ok()?,
        tentative: has(AddressHeaderFlags::Tentative),
        duplicate: has(AddressHeaderFlags::Dadfailed),
    })
}
