//! Configures the container's interface: addresses, up, routes. This is what the reference's `ConfigureIface` does
//! (`pkg/ipam/ipam_linux.go`).

use crate::addresses::Address;
use crate::links::Link;
use crate::{Ip, IpFamily, Route, sysctls};
use std::net::IpAddr;

/// Adds the addresses to a link, brings it up, and adds the routes, in this order.
///
/// IPv6 addresses are usable at once. With `detect_duplicates`, the plan waits until duplicate address detection has
/// ended.
pub fn configure(link: &Link, ips: &[Ip], routes: &[Route], detect_duplicates: bool) {
    let has_ipv6 = ips.iter().any(|ip| ip.address.is_ipv6());
    if has_ipv6 {
        sysctls::try_set_link(link, IpFamily::Ipv6, "disable_ipv6", "0");
        sysctls::set_link(link, IpFamily::Ipv6, "keep_addr_on_down", "1");
    }
    for ip in ips {
        let address = Address::new(link, ip.address.into());
        if ip.address.is_ipv6() && !detect_duplicates {
            address.nodad();
        }
    }
    link.up();
    if detect_duplicates && has_ipv6 {
        link.settle();
    }
    for route in through_gateways(routes, ips) {
        route.add(link);
    }
}

/// The routes in the form that the kernel gets. A route without a gateway uses the first gateway of its family in
/// `ips`.
///
/// Only the first of two equal routes is kept; the reference fails with `file exists`. Equal routes come from an IPAM
/// default route without a gateway together with bridge's `isDefaultGateway`.
pub fn through_gateways(routes: &[Route], ips: &[Ip]) -> Vec<Route> {
    let mut complete: Vec<Route> = Vec::with_capacity(routes.len());
    for route in routes {
        let of_family = |ip: &IpAddr| ip.is_ipv4() == route.dst.is_ipv4();
        let gw = route.gw.or_else(|| ips.iter().filter_map(|ip| ip.gateway).find(of_family));
        let route = Route { gw, ..route.clone() };
        if !complete.contains(&route) {
            complete.push(route);
        }
    }
    complete
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address;

    fn route(dst: &str, gw: &str) -> Route {
        Route::new(address::parse_cidr(dst).expect(dst), address::parse_ip(gw).expect(gw))
    }

    #[test]
    fn a_route_without_gateway_uses_the_first_gateway_of_its_family() {
        let ips = ["10.1.2.1", "10.1.2.9"].map(|gateway| Ip {
            address: address::parse_cidr("10.1.2.2/24").expect("a prefix"),
            gateway: address::parse_ip(gateway).expect(gateway),
        });
        let routes = [route("1.1.1.1/32", ""), route("1.1.1.1/32", "10.1.2.1"), route("fd00::/8", "")];
        assert_eq!(through_gateways(&routes, &ips), [route("1.1.1.1/32", "10.1.2.1"), route("fd00::/8", "")]);
    }
}
