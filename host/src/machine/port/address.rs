//! An address of a link, with all attributes that the kernel stores.

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `IFA_F_NODAD` of `linux/if_addr.h`.
pub const NODAD: u32 = 0x02;
/// `IFA_F_DADFAILED`.
const DADFAILED: u32 = 0x08;
/// `IFA_F_TENTATIVE`.
const TENTATIVE: u32 = 0x40;

/// An address of a link, with all attributes that the kernel stores, so that it can be added again unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// `IFA_LOCAL` if present, otherwise `IFA_ADDRESS`, with the prefix length.
    pub address: IpNetwork,
    /// `IFA_ADDRESS`, if it is the peer's address of a point-to-point link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// `IFA_BROADCAST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<IpAddr>,
    /// `IFA_LABEL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `ifa_scope`.
    pub scope: u8,
    /// `IFA_FLAGS`.
    pub flags: u32,
    /// `IFA_RT_PRIORITY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// `IFA_PROTO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// `ifa_prefered` and `ifa_valid` of `IFA_CACHEINFO`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetimes: Option<(u32, u32)>,
}

impl Address {
    /// An address without other attributes: of global scope, and valid forever.
    pub fn new(address: IpNetwork) -> Self {
        Address {
            address,
            peer: None,
            broadcast: None,
            label: None,
            scope: 0,
            flags: 0,
            priority: None,
            protocol: None,
            lifetimes: None,
        }
    }

    /// Whether duplicate address detection has not finished yet.
    pub fn is_tentative(&self) -> bool {
        self.flags & TENTATIVE != 0
    }

    /// Whether duplicate address detection is disabled for the address.
    pub fn is_nodad(&self) -> bool {
        self.flags & NODAD != 0
    }

    /// Whether duplicate address detection found another owner.
    pub fn is_duplicate(&self) -> bool {
        self.flags & DADFAILED != 0
    }

    /// Whether it is a link-local address. The kernel adds one to every link that is set up.
    pub fn is_link_local(&self) -> bool {
        matches!(self.address.ip(), IpAddr::V6(v6) if v6.is_unicast_link_local())
    }

    /// Whether the kernel adds the address by itself whenever the link is set up.
    pub fn comes_back(&self) -> bool {
        self.is_link_local() || self.address.is_ipv6() && self.address.ip().is_loopback()
    }
}
