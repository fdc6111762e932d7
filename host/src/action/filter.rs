//! What the host passes on.

use crate::value::IfName;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// See [`Action::Filter`](super::Action::Filter): what the reference's firewall makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterRule {
    /// Packets of an address of the container pass; in table `filter` of iptables.
    AllowForward {
        /// Whose.
        address: IpAddr,
        /// A chain of the administrator's, which is asked first.
        admin_chain: String,
    },
    /// Packets from one bridge to another do not pass; in table `filter` of iptables, for all containers of the bridge.
    Isolate {
        /// Of which family.
        is_ipv4: bool,
        /// The bridge.
        bridge: IfName,
        /// Nor do those between its own ports, as far as they pass the host.
        within: bool,
    },
    /// firewalld takes an address for one of a zone.
    TrustSource {
        /// Which.
        address: IpAddr,
        /// `trusted`.
        zone: String,
    },
}

impl FilterRule {
    /// Whether the rule is one of iptables, and of which family: IPv4 or not.
    pub fn iptables(&self) -> Option<bool> {
        match self {
            FilterRule::AllowForward { address, .. } => Some(address.is_ipv4()),
            FilterRule::Isolate { is_ipv4, .. } => Some(*is_ipv4),
            FilterRule::TrustSource { .. } => None,
        }
    }
}
