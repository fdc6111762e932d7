//! An address of a link, with all that the kernel keeps of it.

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `IFA_F_NODAD` of `linux/if_addr.h`.
pub const NODAD: u32 = 0x02;
/// `IFA_F_DADFAILED`.
const DADFAILED: u32 = 0x08;
/// `IFA_F_TENTATIVE`.
const TENTATIVE: u32 = 0x40;

/// An address of a link: all that the kernel keeps of it, so that it can be added again as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// `IFA_LOCAL`, else `IFA_ADDRESS`, with the prefix length.
    pub address: IpNetwork,
    /// `IFA_ADDRESS`, where that is the other end of a point-to-point link.
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
    /// `ifa_prefered` and `ifa_valid` of `IFA_CACHEINFO`, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetimes: Option<(u32, u32)>,
}

impl Address {
    /// One of which nothing else is known: of global scope, forever.
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

    /// Whether it is yet to be found out that nobody else has it.
    pub fn is_tentative(&self) -> bool {
        self.flags & TENTATIVE != 0
    }

    /// Whether nobody asks if somebody else has it.
    pub fn is_nodad(&self) -> bool {
        self.flags & NODAD != 0
    }

    /// Whether somebody else has it.
    pub fn is_duplicate(&self) -> bool {
        self.flags & DADFAILED != 0
    }

    /// The kernel gives every link that is up such an address of its own.
    pub fn is_link_local(&self) -> bool {
        matches!(self.address.ip(), IpAddr::V6(v6) if v6.is_unicast_link_local())
    }

    /// Whether the kernel gives it by itself whenever a link comes up.
    pub fn comes_back(&self) -> bool {
        self.is_link_local() || self.address.is_ipv6() && self.address.ip().is_loopback()
    }
}
