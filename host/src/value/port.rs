//! Ports of the host that lead to a container.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A port of the host, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
    /// 1 to 65535.
    pub host_port: u16,
    /// 1 to 65535.
    pub container_port: u16,
    /// The host's address; none, or an unspecified one: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_address: Option<IpAddr>,
}
