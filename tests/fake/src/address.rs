//! Addresses: `ip address`.

use super::link::{AddressV4, Link};
use super::space::Space;
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use nix::errno::Errno;
use std::net::Ipv6Addr;

impl Space {
    /// `ip address add`.
    pub fn add_address(&mut self, index: u32, address: IpNetwork) -> Result<(), Errno> {
        let is_disabled =
            self.get(index).is_some_and(|link| address.is_ipv6() && self.sysctls.is_v6_disabled(&link.name));
        let link = self.get_mut(index)?;
        match address {
            IpNetwork::V4(v4) => add_v4(link, v4),
            IpNetwork::V6(v6) => add_v6(link, v6, is_disabled),
        }
    }

    /// `ip address del`; of a subnet's first IPv4 address, those that came later go too.
    pub fn delete_address(&mut self, index: u32, address: IpNetwork) -> Result<(), Errno> {
        let link = self.get_mut(index)?;
        match address {
            IpNetwork::V6(v6) => {
                let position = link.v6.iter().position(|found| *found == v6).ok_or(Errno::EADDRNOTAVAIL)?;
                link.v6.remove(position);
            }
            IpNetwork::V4(v4) => {
                let position = link.v4.iter().position(|found| found.address == v4);
                let gone = link.v4.remove(position.ok_or(Errno::EADDRNOTAVAIL)?);
                if !gone.secondary {
                    link.v4.retain(|found| !(found.secondary && same_subnet(found.address, v4)));
                }
                // A link without an IPv4 address loses its IPv4 routes.
                if link.v4.is_empty() {
                    self.routes.retain(|route| route.oif != index || route.dst.is_ipv6());
                }
            }
        }
        Ok(())
    }
}

fn add_v4(link: &mut Link, address: Ipv4Network) -> Result<(), Errno> {
    // Such an address is sent as `IFA_MULTICAST`, which is none to add.
    if address.ip().is_multicast() {
        return Err(Errno::EINVAL);
    }
    // The kernel says that all is well, and does nothing.
    if address.ip().is_unspecified() {
        return Ok(());
    }
    if link.v4.iter().any(|found| found.address == address) {
        return Err(Errno::EEXIST);
    }
    let first = link.v4.iter().find(|found| !found.secondary && same_subnet(found.address, address));
    // All addresses of a subnet have one scope.
    if first.is_some_and(|first| first.of_host) {
        return Err(Errno::EINVAL);
    }
    let secondary = first.is_some();
    let firsts = link.v4.iter().rposition(|found| !found.secondary).map_or(0, |last| last + 1);
    let place = if secondary { link.v4.len() } else { firsts };
    link.v4.insert(place, AddressV4 { address, secondary, of_host: false });
    Ok(())
}

fn add_v6(link: &mut Link, address: Ipv6Network, is_disabled: bool) -> Result<(), Errno> {
    let ip = address.ip();
    if !link.has_v6() {
        return Err(Errno::EINVAL);
    }
    if ip.is_multicast() {
        return Err(Errno::EINVAL);
    }
    if ip.is_unspecified() || (ip == Ipv6Addr::LOCALHOST && !link.is_loopback()) {
        return Err(Errno::EADDRNOTAVAIL);
    }
    if is_disabled {
        return Err(Errno::EACCES);
    }
    if link.v6.iter().any(|found| found.ip() == ip) {
        return Err(Errno::EEXIST);
    }
    // The latest of a scope comes first, the widest scope before others.
    let place = link.v6.iter().position(|found| scope(ip) >= scope(found.ip())).unwrap_or(link.v6.len());
    link.v6.insert(place, address);
    Ok(())
}

fn same_subnet(a: Ipv4Network, b: Ipv4Network) -> bool {
    a.prefix() == b.prefix() && a.network() == b.network()
}

/// The order of scopes, as `ipv6_addr_src_scope` has it.
fn scope(address: Ipv6Addr) -> u8 {
    match address.segments()[0] & 0xffc0 {
        _ if address == Ipv6Addr::LOCALHOST => 1,
        0xfe80 => 2,
        0xfec0 => 5,
        _ => 14,
    }
}
