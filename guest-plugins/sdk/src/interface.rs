//! The container's interface, once it is made: addresses, routes, up. What the reference's `ConfigureIface` does
//! (`pkg/ipam/ipam_linux.go`).

use crate::addresses::Address;
use crate::links::Link;
use crate::{Ip, IpFamily, Route, sysctls};
use std::net::IpAddr;

/// Gives a link its addresses, brings it up, and adds the routes, in this order.
///
/// IPv6 addresses can be used at once, unless `detect_duplicates`: then it waits until nobody else has been found to have them.
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

/// Routes as the kernel gets them: one without a gateway leads through the first of its family among `ips`.
///
/// The same route is left out the second time, where the reference fails with `file exists`: that is what an IPAM
/// default route without a gateway and bridge's `isDefaultGateway` come to.
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
    fn a_route_without_gateway_leads_through_the_first_of_its_family() {
        let ips = ["10.1.2.1", "10.1.2.9"].map(|gateway| Ip {
            address: address::parse_cidr("10.1.2.2/24").expect("a prefix"),
            gateway: address::parse_ip(gateway).expect(gateway),
        });
        let routes = [route("1.1.1.1/32", ""), route("1.1.1.1/32", "10.1.2.1"), route("fd00::/8", "")];
        assert_eq!(through_gateways(&routes, &ips), [route("1.1.1.1/32", "10.1.2.1"), route("fd00::/8", "")]);
    }
}
