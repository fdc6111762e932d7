//! Addresses, as in `ip address`.

use super::link::Link;
use super::route::SCOPE_HOST;
use super::space::Space;
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use std::net::{IpAddr, Ipv6Addr};
use wasm_cni::machine::port::Address;

impl Space {
    /// `ip address add`.
    pub fn add_address(&mut self, index: u32, address: Address) -> Result<(), Errno> {
        let is_disabled =
            self.get(index).and_then(|link| self.sysctls.is_v6_disabled(&link.name)) == Some(true);
        let link = self.get_mut(index)?;
        let place = match address.address.ip() {
            // The kernel reports success, and does nothing.
            IpAddr::V4(ip) if ip.is_unspecified() => return Ok(()),
            // Netlink sends such an address as `IFA_MULTICAST`, which the kernel does not add.
            ip if ip.is_multicast() => return Err(Errno::EINVAL),
            IpAddr::V4(_) => place_v4(link, &address)?,
            IpAddr::V6(_) if !link.has_v6() => return Err(Errno::EINVAL),
            IpAddr::V6(ip) if ip.is_unspecified() || ip.is_loopback() && !link.is_loopback() => {
                return Err(Errno::EADDRNOTAVAIL);
            }
            IpAddr::V6(_) if is_disabled => return Err(Errno::EACCES),
            IpAddr::V6(ip) => place_v6(link, ip)?,
        };
        link.addresses.insert(place, address);
        Ok(())
    }

    /// `ip address del`. With the first IPv4 address of a subnet, its secondary ones are deleted.
    pub fn delete_address(&mut self, index: u32, address: IpNetwork) -> Result<(), Errno> {
        let link = self.get_mut(index)?;
        let place = link.addresses.iter().position(|found| found.address == address);
        let place = place.ok_or(Errno::EADDRNOTAVAIL)?;
        if address.is_ipv4() && link.first_of(address).is_some_and(|first| first.address == address) {
            link.addresses.retain(|found| !same_subnet(found.address, address));
        } else {
            link.addresses.remove(place);
        }
        // A link without IPv4 addresses has no IPv4 routes.
        if address.is_ipv4() && !link.addresses.iter().any(|left| left.address.is_ipv4()) {
            self.routes.retain(|route| route.oif != index || route.dst.is_ipv6());
        }
        Ok(())
    }
}

/// The position of a new IPv4 address: first the primary ones of all subnets, then the secondary ones, each by age.
fn place_v4(link: &Link, address: &Address) -> Result<usize, Errno> {
    let v4 = || link.addresses.iter().filter(|found| found.address.is_ipv4());
    if v4().any(|found| found.address == address.address) {
        return Err(Errno::EEXIST);
    }
    match link.first_of(address.address) {
        // All addresses of a subnet must have the same scope.
        Some(first) if first.scope == SCOPE_HOST => Err(Errno::EINVAL),
        Some(_) => Ok(v4().count()),
        None => Ok(v4().filter(|found| link.first_of(found.address) == Some(found)).count()),
    }
}

/// The position of a new IPv6 address: after all of IPv4. Wider scopes come first, in a scope the latest address.
fn place_v6(link: &Link, ip: Ipv6Addr) -> Result<usize, Errno> {
    if link.addresses.iter().any(|found| found.address.ip() == ip) {
        return Err(Errno::EEXIST);
    }
    let is_after = |found: &Address| match found.address.ip() {
        IpAddr::V4(_) => false,
        IpAddr::V6(other) => scope(ip) >= scope(other),
    };
    Ok(link.addresses.iter().position(is_after).unwrap_or(link.addresses.len()))
}

/// Whether two addresses are in the same subnet.
pub fn same_subnet(a: IpNetwork, b: IpNetwork) -> bool {
    (a.network(), a.prefix()) == (b.network(), b.prefix())
}

/// The order of scopes, as in the kernel's `ipv6_addr_src_scope`.
fn scope(address: Ipv6Addr) -> u8 {
    match address.segments()[0] & 0xffc0 {
        _ if address == Ipv6Addr::LOCALHOST => 1,
        0xfe80 => 2,
        0xfec0 => 5,
        _ => 14,
    }
}
