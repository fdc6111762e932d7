//! `types`, and how they are translated.

use super::host;
use host::types as wit;

/// See `wit/types.wit`.
pub type MacAddress = (u8, u8, u8, u8, u8, u8);

/// See `wit/types.wit`.
#[derive(Debug, Clone, Copy)]
pub enum IpAddress {
    /// Most significant byte first.
    Ipv4((u8, u8, u8, u8)),
    /// In reading order.
    Ipv6((u16, u16, u16, u16, u16, u16, u16, u16)),
}

/// See `wit/types.wit`.
#[derive(Debug, Clone, Copy)]
pub struct Prefix {
    /// With or without host bits.
    pub address: IpAddress,
    /// Bits of the network part.
    pub length: u8,
}

/// See `wit/types.wit`.
#[derive(Debug, Clone, Copy)]
pub struct AddressRange {
    /// The lowest.
    pub first: IpAddress,
    /// The highest.
    pub last: IpAddress,
}

/// See `wit/types.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpFamily {
    /// `AF_INET`.
    Ipv4,
    /// `AF_INET6`.
    Ipv6,
}

/// See `wit/types.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Netns {
    /// Of the runtime.
    Host,
    /// `CNI_NETNS`.
    Container,
}

/// See `wit/types.wit`.
#[derive(Debug, Clone)]
pub struct Error {
    /// A CNI error code.
    pub code: u32,
    /// One line.
    pub msg: String,
    /// More lines, or empty.
    pub details: String,
}

impl From<IpAddress> for wit::IpAddress {
    fn from(address: IpAddress) -> Self {
        match address {
            IpAddress::Ipv4(bytes) => wit::IpAddress::Ipv4(bytes),
            IpAddress::Ipv6(groups) => wit::IpAddress::Ipv6(groups),
        }
    }
}

impl From<wit::IpAddress> for IpAddress {
    fn from(address: wit::IpAddress) -> Self {
        match address {
            wit::IpAddress::Ipv4(bytes) => IpAddress::Ipv4(bytes),
            wit::IpAddress::Ipv6(groups) => IpAddress::Ipv6(groups),
        }
    }
}

impl From<Prefix> for wit::Prefix {
    fn from(prefix: Prefix) -> Self {
        wit::Prefix { address: prefix.address.into(), length: prefix.length }
    }
}

impl From<wit::Prefix> for Prefix {
    fn from(prefix: wit::Prefix) -> Self {
        Prefix { address: prefix.address.into(), length: prefix.length }
    }
}

impl From<AddressRange> for wit::AddressRange {
    fn from(range: AddressRange) -> Self {
        wit::AddressRange { first: range.first.into(), last: range.last.into() }
    }
}

impl From<wit::AddressRange> for AddressRange {
    fn from(range: wit::AddressRange) -> Self {
        AddressRange { first: range.first.into(), last: range.last.into() }
    }
}

impl From<IpFamily> for wit::IpFamily {
    fn from(family: IpFamily) -> Self {
        match family {
            IpFamily::Ipv4 => wit::IpFamily::Ipv4,
            IpFamily::Ipv6 => wit::IpFamily::Ipv6,
        }
    }
}

impl From<Netns> for wit::Netns {
    fn from(netns: Netns) -> Self {
        match netns {
            Netns::Host => wit::Netns::Host,
            Netns::Container => wit::Netns::Container,
        }
    }
}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        let wit::Error { code, msg, details } = error;
        Error { code, msg, details }
    }
}
