//! Computes gateways and routes from the result of the IPAM plugin.

use super::config::Config;
use std::net::{Ipv4Addr, Ipv6Addr};
use wasm_cni_sdk::{Ip, IpNetwork, Ipv4Network, Ipv6Network, Route, address};

/// Sets the gateway of each address, and adds the default routes.
///
/// An address without a gateway gets the first address of its network. A family gets a default route unless the IPAM
/// plugin gave one with a gateway.
///
/// # Errors
/// The bridge would be the gateway with the address `0.0.0.0` or `::`, which nobody can send to.
pub fn complete(config: &Config, ips: &mut [Ip], routes: &mut Vec<Route>) -> Result<(), String> {
    let mut has_default = Vec::new();
    for ip in ips {
        if config.is_gateway && ip.gateway.is_none() {
            ip.gateway = Some(address::next(ip.address.network()));
        }
        if let Some(gateway) = ip.gateway.filter(|gateway| config.is_gateway && gateway.is_unspecified()) {
            return Err(format!(
                "gateway {gateway} of {} cannot be an address of the bridge: leave it out, or name one of the subnet",
                ip.address
            ));
        }
        let default = if ip.address.is_ipv4() { IPV4_DEFAULT } else { IPV6_DEFAULT };
        if config.is_default_gateway && !has_default.contains(&default) {
            if !routes.iter().any(|route| route.dst == default && route.gw.is_some()) {
                routes.push(Route::new(default, ip.gateway));
            }
            has_default.push(default);
        }
    }
    Ok(())
}

/// `0.0.0.0/0`
const IPV4_DEFAULT: IpNetwork = match Ipv4Network::new_checked(Ipv4Addr::UNSPECIFIED, 0) {
    Some(network) => IpNetwork::V4(network),
    None => unreachable!(),
};

/// `::/0`
const IPV6_DEFAULT: IpNetwork = match Ipv6Network::new_checked(Ipv6Addr::UNSPECIFIED, 0) {
    Some(network) => IpNetwork::V6(network),
    None => unreachable!(),
};

/// The changes of the addresses of the bridge, or of the gateway interface in the VLAN.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The addresses that conflict with a gateway.
    pub remove: Vec<IpNetwork>,
    /// The addresses of the gateways, IPv4 first. Each has the prefix length of the container's address.
    pub add: Vec<IpNetwork>,
}

/// Computes the changes that make the link the gateway. `existing` are its present addresses.
///
/// A different IPv4 address, or an IPv6 address with an overlapping network, is an error. With `force`, it is removed
/// instead. With several IPv4 gateways, `force` keeps only the last one, as in the reference.
pub fn of_link(link: &str, ips: &[Ip], existing: &[IpNetwork], force: bool) -> Result<Change, String> {
    let (ipv4, ipv6): (Vec<&Ip>, Vec<&Ip>) = ips.iter().partition(|ip| ip.address.is_ipv4());
    let mut there = existing.to_vec();
    let mut gateways = Vec::with_capacity(ips.len());
    for ip in ipv4.into_iter().chain(ipv6) {
        let Some(gateway) = ip.gateway else { continue };
        let gateway = IpNetwork::new(gateway, ip.address.prefix())
            .map_err(|e| format!("{gateway}/{}: {e}", ip.address.prefix()))?;
        gateways.push(gateway);
        // The reference searches the addresses in order, and stops at the gateway's address. So it removes only
        // conflicting addresses that come before.
        let place = there.iter().position(|address| *address == gateway);
        let mut before = there.split_off(0);
        let behind = place.map(|place| before.split_off(place)).unwrap_or_default();
        if !force && before.iter().any(|address| conflict(*address, gateway)) {
            return Err(format!("{link:?} already has an IP address different from {gateway}"));
        }
        before.retain(|address| !conflict(*address, gateway));
        there = before;
        there.extend(if place.is_some() { behind } else { vec![gateway] });
    }
    // The rollback adds the addresses again in reverse order. So IPv4 addresses are removed from the last to the
    // first, and come back in their old order. In this order, the kernel also deletes no secondary address together
    // with the first of its subnet. It lists IPv6 addresses in the opposite order, the newest first.
    let (v4, v6): (Vec<IpNetwork>, Vec<IpNetwork>) =
        existing.iter().filter(|address| !there.contains(address)).partition(|address| address.is_ipv4());
    Ok(Change {
        remove: v4.into_iter().rev().chain(v6).collect(),
        add: gateways.into_iter().filter(|gateway| there.contains(gateway)).collect(),
    })
}

fn conflict(a: IpNetwork, b: IpNetwork) -> bool {
    match (a, b) {
        (IpNetwork::V4(_), IpNetwork::V4(_)) => true,
        (IpNetwork::V6(_), IpNetwork::V6(_)) => a.contains(b.ip()) || b.contains(a.ip()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_cni_sdk::interface::through_gateways;

    fn network(text: &str) -> IpNetwork {
        address::parse_cidr(text).expect(text)
    }

    fn ip(address: &str, gateway: &str) -> Ip {
        Ip { address: network(address), gateway: address::parse_ip(gateway).expect(gateway) }
    }

    fn route(dst: &str, gw: &str) -> Route {
        Route::new(network(dst), address::parse_ip(gw).expect(gw))
    }

    fn config(json: &str) -> Config {
        Config::parse(json, "").expect(json)
    }

    #[test]
    fn gateway_is_the_first_address_when_ipam_gives_none() {
        let mut ips = vec![ip("10.15.20.2/24", ""), ip("fd00:1::2/64", "fd00:1::9")];
        complete(&config(r#"{"isGateway": true}"#), &mut ips, &mut Vec::new()).expect("gateways");
        assert_eq!(ips, [ip("10.15.20.2/24", "10.15.20.1"), ip("fd00:1::2/64", "fd00:1::9")]);
        let mut ips = vec![ip("10.15.20.2/24", "")];
        complete(&config("{}"), &mut ips, &mut Vec::new()).expect("gateways");
        assert_eq!(ips, [ip("10.15.20.2/24", "")]);
    }

    #[test]
    fn an_unspecified_gateway_is_refused_where_the_bridge_is_the_gateway() {
        for (address, gateway) in [("10.1.2.2/24", "0.0.0.0"), ("fd00:1::2/64", "::")] {
            let complete = |json: &str| {
                complete(&config(json), &mut [ip("10.1.9.2/24", ""), ip(address, gateway)], &mut Vec::new())
            };
            let refusal = complete(r#"{"isGateway": true}"#).expect_err(gateway);
            assert!(refusal.starts_with(&format!("gateway {gateway} of {address} cannot be")), "{refusal}");
            assert_eq!(complete("{}"), Ok(()), "the gateway is somebody else");
        }
    }

    #[test]
    fn default_gateway_adds_one_default_route_for_each_family_without_one() {
        let default_gateway = config(r#"{"isDefaultGateway": true}"#);
        let mut ips =
            vec![ip("10.1.2.2/24", "10.1.2.1"), ip("10.1.3.2/24", "10.1.3.1"), ip("fd00:1::2/64", "")];
        let mut routes = Vec::new();
        complete(&default_gateway, &mut ips, &mut routes).expect("gateways");
        assert_eq!(routes, [route("0.0.0.0/0", "10.1.2.1"), route("::/0", "fd00:1::1")]);

        let mut routes = vec![route("0.0.0.0/0", "10.1.2.7")];
        complete(&default_gateway, &mut ips[..1], &mut routes).expect("gateways");
        assert_eq!(routes, [route("0.0.0.0/0", "10.1.2.7")]);
    }

    #[test]
    fn ipam_default_route_without_gateway_and_default_gateway_go_together() {
        let mut ips = [ip("10.1.2.2/24", "10.1.2.1")];
        let mut routes = vec![route("0.0.0.0/0", "")];
        complete(&config(r#"{"isDefaultGateway": true}"#), &mut ips, &mut routes).expect("gateways");
        assert_eq!(routes, [route("0.0.0.0/0", ""), route("0.0.0.0/0", "10.1.2.1")]);
        assert_eq!(through_gateways(&routes, &ips), [route("0.0.0.0/0", "10.1.2.1")]);
    }

    #[test]
    fn bridge_gets_ipv4_gateways_first_with_the_length_of_the_container() {
        let ips = [ip("fd00:1::2/64", "fd00:1::1"), ip("10.1.2.2/24", "10.1.2.1")];
        let there = vec![network("fe80::1/64"), network("10.1.2.1/24")];
        let change = of_link("cni0", &ips, &there, false).expect("no conflict");
        assert_eq!(change.add, [network("10.1.2.1/24"), network("fd00:1::1/64")]);
        assert_eq!(change.remove, []);
    }

    #[test]
    fn bridge_with_a_conflicting_address_is_refused() {
        let refusal = |ips: &[Ip], there: Vec<_>| of_link("cni0", ips, &there, false).expect_err("conflict");
        assert_eq!(
            refusal(&[ip("10.1.3.2/24", "10.1.3.1")], vec![network("192.168.0.1/16")]),
            r#""cni0" already has an IP address different from 10.1.3.1/24"#
        );
        assert_eq!(
            refusal(&[ip("fd00:1::2/64", "fd00:1::1")], vec![network("fe80::1/64"), network("fd00:1::9/48")]),
            r#""cni0" already has an IP address different from fd00:1::1/64"#
        );
        assert_eq!(
            refusal(&[ip("10.1.2.2/24", "10.1.2.1"), ip("10.1.3.2/24", "10.1.3.1")], Vec::new()),
            r#""cni0" already has an IP address different from 10.1.3.1/24"#
        );
    }

    #[test]
    fn force_removes_only_addresses_that_conflict_with_the_gateway() {
        let change = |ips: &[Ip], there: &[IpNetwork]| of_link("cni0", ips, there, true).expect("forced");
        let other = [network("10.9.9.1/24"), network("fd00:2::1/64"), network("fd00:1::9/48")];
        let ips = [ip("10.1.2.2/24", "10.1.2.1"), ip("fd00:1::2/64", "fd00:1::1")];
        let Change { remove, add } = change(&ips, &other);
        assert_eq!(remove, [network("10.9.9.1/24"), network("fd00:1::9/48")]);
        assert_eq!(add, [network("10.1.2.1/24"), network("fd00:1::1/64")]);
        let several = ["10.9.9.1/24", "10.9.9.2/24", "fd00:1::9/48", "fd00:1::8/48"].map(network);
        assert_eq!(
            change(&ips, &several).remove,
            ["10.9.9.2/24", "10.9.9.1/24", "fd00:1::9/48", "fd00:1::8/48"].map(network)
        );
        // The search ends at the gateway's own address.
        let there = [network("10.1.2.1/24"), network("10.9.9.1/24")];
        assert_eq!(change(&ips[..1], &there), Change { remove: vec![], add: vec![network("10.1.2.1/24")] });
        let two = [ip("10.1.2.2/24", "10.1.2.1"), ip("10.1.3.2/24", "10.1.3.1")];
        assert_eq!(change(&two, &[]), Change { remove: vec![], add: vec![network("10.1.3.1/24")] });
    }
}
