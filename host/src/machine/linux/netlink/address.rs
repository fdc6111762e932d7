//! Addresses, as in `ip address`.

use super::socket::{Message, Netlink};
use crate::machine::port::Address;
use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, Parseable};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, CacheInfo,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::AddressMessageBuilder;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of a link, or of all links of the namespace, in the kernel's order: IPv4 first.
pub fn list(netlink: &mut Netlink, link: Option<u32>) -> io::Result<Vec<Address>> {
    let mut message = AddressMessage::default();
    message.header.index = link.unwrap_or_default();
    let found = netlink.dump(RouteNetlinkMessage::GetAddress(message))?;
    let address = |answer: &RouteNetlinkMessage| match answer {
        RouteNetlinkMessage::NewAddress(found) if link.is_none_or(|index| index == found.header.index) => {
            parse(found)
        }
        _ => None,
    };
    Ok(found.iter().filter_map(address).collect())
}

/// `ip address add`. `nodad` applies to IPv6 addresses. An IPv4 prefix shorter than 31 gets its broadcast address, as
/// in the reference.
pub fn add(index: u32, address: IpNetwork, nodad: bool) -> Message {
    let mut message = build(index, address);
    if nodad && address.is_ipv6() {
        message.header.flags |= AddressHeaderFlags::Nodad;
    }
    new(message)
}

/// Adds an address with all its earlier attributes. The flags for states (`IFA_F_PERMANENT`, `IFA_F_SECONDARY`,
/// `IFA_F_TENTATIVE`) have no effect: the kernel ignores them in a request, and sets them itself.
pub fn restore(index: u32, address: &Address) -> Message {
    let own = address.address.ip();
    let mut message = AddressMessage::default();
    message.header.family = match own {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = address.address.prefix();
    let [low, ..] = address.flags.to_le_bytes();
    message.header.flags = AddressHeaderFlags::from_bits_retain(low);
    message.header.scope = address.scope.into();
    message.header.index = index;
    let attributes = [
        Some(AddressAttribute::Address(address.peer.unwrap_or(own))),
        // For IPv6, the kernel reports IFA_LOCAL only if there is a peer.
        (own.is_ipv4() || address.peer.is_some()).then_some(AddressAttribute::Local(own)),
        match address.broadcast {
            Some(IpAddr::V4(broadcast)) => Some(AddressAttribute::Broadcast(broadcast)),
            // IPv6 has no broadcast addresses.
            Some(IpAddr::V6(_)) | None => None,
        },
        address.label.clone().map(AddressAttribute::Label),
        address.protocol.map(|protocol| AddressAttribute::Protocol(protocol.into())),
        Some(AddressAttribute::Flags(AddressFlags::from_bits_retain(address.flags))),
        address.priority.map(AddressAttribute::RoutePriority),
        address.lifetimes.map(|(preferred, valid)| {
            let mut info = CacheInfo::default();
            (info.ifa_preferred, info.ifa_valid) = (preferred, valid);
            AddressAttribute::CacheInfo(info)
        }),
    ];
    message.attributes = attributes.into_iter().flatten().collect();
    new(message)
}

/// `ip address delete`.
pub fn delete(index: u32, address: IpNetwork) -> Message {
    Message { message: RouteNetlinkMessage::DelAddress(build(index, address)), flags: 0 }
}

fn new(message: AddressMessage) -> Message {
    Message { message: RouteNetlinkMessage::NewAddress(message), flags: NLM_F_CREATE | NLM_F_EXCL }
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

/// Parses an `RTM_NEWADDR` message without its netlink header. None if the bytes are no such message.
pub fn decode(bytes: &[u8]) -> Option<Address> {
    parse(&AddressMessage::parse(bytes).ok()?)
}

fn parse(message: &AddressMessage) -> Option<Address> {
    // On a point-to-point link, IFA_ADDRESS is the peer's address. IFA_LOCAL, if present, is the link's own address.
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    });
    let other = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(ip) => Some(*ip),
        _ => None,
    });
    let own = local.or(other)?;
    let mut address = Address {
        address: IpNetwork::new(own, message.header.prefix_len).ok()?,
        peer: other.filter(|other| *other != own),
        broadcast: None,
        label: None,
        scope: message.header.scope.into(),
        // The lowest eight flags. Newer kernels also send all flags in IFA_FLAGS.
        flags: message.header.flags.bits().into(),
        priority: None,
        protocol: None,
        lifetimes: None,
    };
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Broadcast(ip) => address.broadcast = Some(IpAddr::V4(*ip)),
            AddressAttribute::Label(label) => address.label = Some(label.clone()),
            AddressAttribute::Flags(flags) => address.flags = flags.bits(),
            AddressAttribute::RoutePriority(metric) => address.priority = Some(*metric),
            AddressAttribute::Protocol(protocol) => address.protocol = Some((*protocol).into()),
            AddressAttribute::CacheInfo(info) => {
                address.lifetimes = Some((info.ifa_preferred, info.ifa_valid));
            }
            _ => {}
        }
    }
    Some(address)
}
