//! Port mappings.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A port of the host, and the port of the container that it maps to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// The protocol: `tcp`, `udp`, `sctp`, `dccp` or `udplite`.
    pub protocol: String,
    /// 1 to 65535.
    pub host_port: u16,
    /// 1 to 65535.
    pub container_port: u16,
    /// The host's address. `None` or an unspecified one: all addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_address: Option<IpAddr>,
}
