//! Routes, as in `ip route`.

use super::socket::{Message, Netlink};
use crate::value::Route;
use ipnetwork::IpNetwork;
use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use rtnetlink::RouteMessageBuilder;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `ip route prepend … proto boot`: adds a route before other routes to the same destination, as the reference does.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] for a gateway of the other family.
pub fn add(index: u32, route: &Route) -> io::Result<Message> {
    // Destinations may have host bits: the kernel refuses these, with the same error as in the reference.
    let mut message = match (route.dst, route.gw) {
        (IpNetwork::V4(dst), None | Some(IpAddr::V4(_))) => {
            let builder = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(dst.ip(), dst.prefix());
            finish(builder, index, route)
        }
        (IpNetwork::V6(dst), None | Some(IpAddr::V6(_))) => {
            let builder = RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(dst.ip(), dst.prefix());
            finish(builder, index, route)
        }
        _ => {
            let text = "gateway and destination ip are not the same IP family";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
    };
    if let Some(gateway) = route.gw {
        let gateway = match gateway {
            IpAddr::V4(v4) => RouteAddress::Inet(v4),
            IpAddr::V6(v6) => RouteAddress::Inet6(v6),
        };
        message.attributes.push(RouteAttribute::Gateway(gateway));
    }
    Ok(Message { message: RouteNetlinkMessage::NewRoute(message), flags: NLM_F_CREATE })
}

fn finish<T>(builder: RouteMessageBuilder<T>, index: u32, route: &Route) -> RouteMessage {
    let mut builder = builder.output_interface(index).protocol(RouteProtocol::Boot);
    if let Some(table) = route.table.filter(|table| *table != 0) {
        builder = builder.table_id(table);
    }
    if let Some(scope) = route.scope {
        builder = builder.scope(RouteScope::from(scope));
    }
    if let Some(priority) = route.priority.filter(|priority| *priority != 0) {
        builder = builder.priority(priority);
    }
    let mut message = builder.build();
    let metrics: Vec<RouteMetric> =
        route.mtu.map(RouteMetric::Mtu).into_iter().chain(route.advmss.map(RouteMetric::Advmss)).collect();
    if !metrics.is_empty() {
        message.attributes.push(RouteAttribute::Metrics(metrics));
    }
    message
}

/// The index of the link through which packets to an address leave to a direct neighbour (`ip route get`). None if
/// there is no route, or if it has a gateway.
pub fn output(netlink: &mut Netlink, address: IpAddr) -> io::Result<Option<u32>> {
    let mut message = RouteMessage::default();
    let (family, destination, bits) = match address {
        IpAddr::V4(v4) => (AddressFamily::Inet, RouteAddress::Inet(v4), 32),
        IpAddr::V6(v6) => (AddressFamily::Inet6, RouteAddress::Inet6(v6), 128),
    };
    (message.header.address_family, message.header.destination_prefix_length) = (family, bits);
    message.attributes.push(RouteAttribute::Destination(destination));
    let no_route = [Errno::ENETUNREACH as i32, Errno::EHOSTUNREACH as i32, Errno::EACCES as i32];
    match netlink.get(RouteNetlinkMessage::GetRoute(message)) {
        Ok(RouteNetlinkMessage::NewRoute(route)) => {
            let is_behind = route
                .attributes
                .iter()
                .any(|one| matches!(one, RouteAttribute::Gateway(_) | RouteAttribute::Via(_)));
            let index = route.attributes.iter().find_map(|one| match one {
                RouteAttribute::Oif(index) => Some(*index),
                _ => None,
            });
            Ok(index.filter(|_| !is_behind))
        }
        Ok(_) => Ok(None),
        Err(error) if error.raw_os_error().is_some_and(|number| no_route.contains(&number)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the link has a route that [`Route::describes`].
pub fn is_there(netlink: &mut Netlink, index: u32, route: &Route) -> io::Result<bool> {
    let mut message = RouteMessage::default();
    message.header.address_family = match route.dst {
        IpNetwork::V4(_) => AddressFamily::Inet,
        IpNetwork::V6(_) => AddressFamily::Inet6,
    };
    message.attributes.push(RouteAttribute::Oif(index));
    // A table that was never used does not exist, and the kernel answers ENOENT for it.
    let table = route.table.filter(|table| *table != 0);
    message.attributes.extend(table.map(RouteAttribute::Table));
    let found = match netlink.dump(RouteNetlinkMessage::GetRoute(message)) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(found
        .iter()
        .filter_map(|answer| of_link(answer, index, route.gw))
        .any(|found| route.describes(&found)))
}

/// A route of the kernel, if packets leave by it through a link. Of a route with several next hops, it has `gateway` if that
/// is among them.
fn of_link(answer: &RouteNetlinkMessage, index: u32, gateway: Option<IpAddr>) -> Option<Route> {
    let RouteNetlinkMessage::NewRoute(found) = answer else { return None };
    let zero: IpAddr = match found.header.address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    };
    // The kernel omits attributes that are zero.
    let (mut destination, mut oif) = (zero, 0);
    let mut route = Route {
        table: Some(found.header.table.into()),
        priority: Some(0),
        scope: Some(found.header.scope.into()),
        ..Route::to(zero.into())
    };
    for attribute in &found.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = ip(address).unwrap_or(zero),
            RouteAttribute::Gateway(address) => route.gw = ip(address),
            RouteAttribute::Priority(value) => route.priority = Some(*value),
            RouteAttribute::Oif(value) => oif = *value,
            RouteAttribute::Table(value) => route.table = Some(*value),
            RouteAttribute::Metrics(metrics) => {
                for metric in metrics {
                    match metric {
                        RouteMetric::Mtu(bytes) => route.mtu = Some(*bytes),
                        RouteMetric::Advmss(bytes) => route.advmss = Some(*bytes),
                        _ => {}
                    }
                }
            }
            // An IPv6 route with several next hops.
            RouteAttribute::MultiPath(hops) => {
                for hop in hops.iter().filter(|hop| hop.interface_index == index) {
                    let via = hop.attributes.iter().find_map(|attribute| match attribute {
                        RouteAttribute::Gateway(address) => ip(address),
                        _ => None,
                    });
                    if route.gw.is_none() || via == gateway {
                        (oif, route.gw) = (index, via);
                    }
                }
            }
            _ => {}
        }
    }
    route.dst = IpNetwork::new(destination, found.header.destination_prefix_length).ok()?;
    (oif == index && found.header.kind == RouteType::Unicast).then_some(route)
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_of_the_other_family_is_refused() {
        let route =
            Route { gw: Some("fd00::1".parse().unwrap()), ..Route::to("10.5.0.0/16".parse().unwrap()) };
        assert_eq!(add(1, &route).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
