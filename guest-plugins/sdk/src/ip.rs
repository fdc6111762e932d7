//! Addresses of a result.

use crate::links::Link;
use crate::results;
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// An entry of `ips` in a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// `address`, with host bits.
    pub address: IpNetwork,
    /// `gateway`.
    pub gateway: Option<IpAddr>,
}

impl Ip {
    /// Reports the address without an interface, as an IPAM plugin does.
    pub fn report(&self) {
        self.entry();
    }

    /// Reports the address as one of the link.
    pub fn report_on(&self, link: &Link) {
        self.entry().set_link(link);
    }

    fn entry(&self) -> results::Ip {
        let entry = results::Ip::new(self.address.into());
        if let Some(gateway) = self.gateway {
            entry.set_gateway(gateway.into());
        }
        entry
    }
}
