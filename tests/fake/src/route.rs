//! Routes, as in `ip route`, and the routes that the kernel derives from addresses.

use super::link::Link;
use super::space::Space;
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use nix::errno::Errno;
use std::cmp::Reverse;
use std::net::IpAddr;
use std::ops::Deref;
use wasm_cni::value::Route;

/// `RT_TABLE_MAIN`.
pub const MAIN: u32 = 254;
/// `RT_TABLE_LOCAL`.
const LOCAL: u32 = 255;
/// `RT_TABLE_DEFAULT`.
const DEFAULT: u32 = 253;
/// `RT_SCOPE_LINK`.
const SCOPE_LINK: u8 = 253;
/// `RT_SCOPE_HOST`.
pub const SCOPE_HOST: u8 = 254;
/// `IP6_RT_PRIO_USER` and `IP6_RT_PRIO_ADDRCONF`.
const PRIORITY_V6: (u32, u32) = (1024, 256);

/// What the kernel does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It sends the packet through a link.
    Unicast,
    /// It delivers the packet to this machine.
    Local,
    /// It sends the packet to all hosts of a subnet.
    Broadcast,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The route as the kernel stores it, with its table, metric and scope. The scope of an IPv6 route is 0.
    pub route: Route,
    /// The index of the link.
    pub oif: u32,
    /// Whether the protocol is `RTPROT_KERNEL`, and not `RTPROT_BOOT`.
    pub by_kernel: bool,
    /// What the kernel does with packets.
    pub kind: Kind,
}

impl Deref for Entry {
    type Target = Route;

    fn deref(&self) -> &Route {
        &self.route
    }
}

impl Entry {
    /// A route that the kernel derives from an address of a link.
    fn of_kernel(link: &Link, dst: impl Into<IpNetwork>, table: u32, scope: u8, kind: Kind) -> Self {
        let (table, scope, priority) = (Some(table), Some(scope), Some(0));
        let route = Route { table, scope, priority, ..Route::to(dst.into()) };
        Entry { route, oif: link.index, by_kernel: true, kind }
    }

    /// Whether it is a link's route that a plan describes.
    pub fn is(&self, index: u32, route: &Route) -> bool {
        self.kind == Kind::Unicast && self.oif == index && route.describes(self)
    }
}

impl Space {
    /// `ip route prepend … proto boot`. The gateway must be of the destination's family.
    pub fn add_route(&mut self, index: u32, route: &Route) -> Result<(), Errno> {
        let is_v4 = route.dst.is_ipv4();
        let (least, kept) = (if is_v4 { 0 } else { PRIORITY_V6.0 }, route.kept());
        let route = Route {
            dst: without_host_bits(route.dst),
            table: kept.table.filter(|table| *table != 0).or(Some(MAIN)),
            priority: kept.priority.filter(|priority| *priority != 0).or(Some(least)),
            scope: kept.scope.filter(|_| is_v4).or(Some(0)),
            ..kept.clone()
        };
        let entry = Entry { route, oif: index, by_kernel: false, kind: Kind::Unicast };
        let is_there = if is_v4 {
            self.check_v4(&entry, kept.dst)?;
            self.routes.contains(&entry)
        } else {
            self.check_v6(&entry)?;
            let key = |e: &Entry| (e.table, e.dst, e.oif, e.gw, e.priority);
            self.all_routes().iter().any(|found| key(found) == key(&entry))
        };
        if is_there {
            return Err(Errno::EEXIST);
        }
        self.routes.push(entry);
        Ok(())
    }

    /// All routes, including those that follow from addresses.
    pub fn all_routes(&self) -> Vec<Entry> {
        let derived = self.links.iter().flat_map(|link| {
            link.addresses.iter().flat_map(|found| match found.address {
                IpNetwork::V4(v4) => derived_v4(link, v4),
                IpNetwork::V6(v6) => derived_v6(link, v6),
            })
        });
        let mut routes: Vec<Entry> = Vec::new();
        for route in derived.chain(self.routes.iter().cloned()) {
            // Two IPv6 addresses of the same subnet share its route.
            if !(route.by_kernel && routes.contains(&route)) {
                routes.push(route);
            }
        }
        routes
    }

    /// The checks of `fib_create_info` and `fib_check_nh` in `net/ipv4/fib_semantics.c`.
    fn check_v4(&mut self, entry: &Entry, given: IpNetwork) -> Result<(), Errno> {
        let scope = entry.scope.unwrap_or_default();
        if given != entry.dst || scope > SCOPE_HOST {
            return Err(Errno::EINVAL);
        }
        let link = self.get(entry.oif).ok_or(Errno::ENODEV)?;
        match entry.gw {
            Some(_) if scope == SCOPE_HOST => Err(Errno::EINVAL),
            Some(gateway) => {
                let scope = (scope + 1).max(SCOPE_LINK);
                let own = entry.table.filter(|table| *table != MAIN);
                let mut tables = own.into_iter().chain([LOCAL, MAIN, DEFAULT]);
                match tables.find_map(|table| self.best(gateway, entry.oif, table, scope)) {
                    None => Err(Errno::ENETUNREACH),
                    Some(found) if found.kind == Kind::Broadcast => Err(Errno::EINVAL),
                    Some(_) if !link.up => Err(Errno::ENETDOWN),
                    Some(_) => Ok(()),
                }
            }
            None if scope != SCOPE_HOST && !link.up => Err(Errno::ENETDOWN),
            None => Ok(()),
        }
    }

    /// The link through which packets to an address leave to a direct neighbour.
    pub fn output(&self, address: IpAddr) -> Option<u32> {
        let leads = |r: &Entry| r.kind == Kind::Unicast && r.dst.contains(address);
        self.longest(leads).filter(|route| route.gw.is_none()).map(|route| route.oif)
    }

    /// The best route of a link to an address, among those with at least this scope.
    fn best(&self, address: IpAddr, oif: u32, table: u32, scope: u8) -> Option<Entry> {
        self.longest(|r| {
            (r.table, r.oif) == (Some(table), oif) && r.scope >= Some(scope) && r.dst.contains(address)
        })
    }

    /// The route with the longest prefix, and among these the one with the lowest metric.
    fn longest(&self, fits: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let fitting = self.all_routes().into_iter().filter(fits);
        fitting.min_by_key(|route| (Reverse(route.dst.prefix()), route.priority))
    }

    /// The checks of `fib6_nh_init` and `ip6_validate_gw` in `net/ipv6/route.c`.
    fn check_v6(&mut self, entry: &Entry) -> Result<(), Errno> {
        let link = self.get(entry.oif).ok_or(Errno::ENODEV)?;
        if !link.has_v6() {
            return Err(Errno::ENODEV);
        }
        if self.sysctls.is_v6_disabled(&link.name) == Some(true) {
            return Err(Errno::EACCES);
        }
        if let Some(IpAddr::V6(gateway)) = entry.gw {
            let ours = |link: &Link| link.addresses.iter().any(|found| found.address.ip() == gateway);
            let is_link_local = gateway.is_unicast_link_local();
            let is_ours = if is_link_local { ours(link) } else { self.links.iter().any(ours) };
            if is_ours || gateway.is_multicast() || gateway.is_unspecified() {
                return Err(Errno::EINVAL);
            }
            if !is_link_local {
                let mut tables = entry.table.filter(|table| *table != MAIN).into_iter().chain([MAIN]);
                let best = |table| self.best(gateway.into(), entry.oif, table, 0);
                if !tables.any(|table| best(table).is_some_and(|route| route.gw.is_none())) {
                    return Err(Errno::EHOSTUNREACH);
                }
            }
        }
        if link.up { Ok(()) } else { Err(Errno::ENETDOWN) }
    }
}

/// The routes that `fib_add_ifaddr` adds: to the address itself, to its subnet, and to the subnet's broadcast address.
fn derived_v4(link: &Link, address: Ipv4Network) -> Vec<Entry> {
    let entry = |table, dst: Ipv4Network, scope, kind| Entry::of_kernel(link, dst, table, scope, kind);
    let mut routes = vec![entry(LOCAL, address.ip().into(), SCOPE_HOST, Kind::Local)];
    let Ok(subnet) = Ipv4Network::new(address.network(), address.prefix()) else { return routes };
    if !link.up {
        return routes;
    }
    if address.prefix() < 31 {
        routes.push(entry(LOCAL, address.broadcast().into(), SCOPE_LINK, Kind::Broadcast));
    }
    let has_route = address.prefix() < 32 && subnet.ip().octets()[0] != 0;
    let is_first = link.first_of(address.into()).is_some_and(|first| first.address == address.into());
    if has_route && is_first {
        routes.push(if link.is_loopback() {
            entry(LOCAL, subnet, SCOPE_HOST, Kind::Local)
        } else {
            entry(MAIN, subnet, SCOPE_LINK, Kind::Unicast)
        });
    }
    routes
}

/// The route to the subnet of an IPv6 address. The loopback address has none.
fn derived_v6(link: &Link, address: Ipv6Network) -> Vec<Entry> {
    if !link.up || address.ip().is_loopback() {
        return Vec::new();
    }
    let mut subnet = Entry::of_kernel(link, without_host_bits(address.into()), MAIN, 0, Kind::Unicast);
    subnet.route.priority = Some(PRIORITY_V6.1);
    vec![subnet]
}

fn without_host_bits(network: IpNetwork) -> IpNetwork {
    IpNetwork::new(network.network(), network.prefix()).unwrap_or(network)
}
