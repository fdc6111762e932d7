//! Ranges and subnets of addresses that a configuration names.

use super::derive;
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// Consecutive addresses of a subnet, to lease from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The network. Its prefix length is that of the leased addresses.
    pub subnet: IpNetwork,
    /// The lowest address.
    pub first: IpAddr,
    /// The highest address.
    pub last: IpAddr,
    /// The gateway, which is never leased from this range. It may be outside of the subnet.
    pub gateway: IpAddr,
}

impl Range {
    /// A range with the reference's defaults (plugins/ipam/host-local/backend/allocator/range.go): all addresses of the
    /// subnet but the network's own, and IPv4's broadcast address; the first of them is the gateway. `None` for a range
    /// that the reference refuses.
    pub fn new(
        subnet: IpNetwork,
        first: Option<IpAddr>,
        last: Option<IpAddr>,
        gateway: Option<IpAddr>,
    ) -> Option<Self> {
        let lowest = derive::first_host(&subnet)?;
        let highest = match subnet.broadcast() {
            IpAddr::V4(v4) => IpAddr::from(u32::from(v4).checked_sub(1)?.to_be_bytes()),
            v6 @ IpAddr::V6(_) => v6,
        };
        let (first, last) = (first.unwrap_or(lowest), last.unwrap_or(highest));
        let is_inside = subnet.contains(first) && subnet.contains(last) && first <= last;
        let is_plain = subnet.ip() == subnet.network();
        let range = Range { subnet, first, last, gateway: gateway.unwrap_or(lowest) };
        (is_inside && is_plain).then_some(range)
    }

    /// Whether an address may be leased from this range.
    pub fn leases(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4()
            && self.first <= address
            && address <= self.last
            && address != self.gateway
    }
}

/// An address of a container, or a subnet of such addresses, and the gateway that was named with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// The address with the prefix length of its network.
    pub address: IpNetwork,
    /// The gateway. `None`: the first address of the network, which is the reference's default.
    pub gateway: Option<IpAddr>,
}

impl Subnet {
    /// The gateway of the addresses of this subnet.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.gateway.or_else(|| derive::first_host(&self.address))
    }
}

impl From<Range> for Subnet {
    fn from(range: Range) -> Self {
        Subnet { address: range.subnet, gateway: Some(range.gateway) }
    }
}
