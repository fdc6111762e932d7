//! Routes: `ip route`, and what the kernel derives from addresses.

use super::link::Link;
use super::space::Space;
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use nix::errno::Errno;
use std::cmp::Reverse;
use std::net::IpAddr;
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
const SCOPE_HOST: u8 = 254;
/// `IP6_RT_PRIO_USER` and `IP6_RT_PRIO_ADDRCONF`.
const PRIORITY_V6: (u32, u32) = (1024, 256);

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It goes out.
    Unicast,
    /// It is for this machine.
    Local,
    /// It is for all of a subnet.
    Broadcast,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// In which table.
    pub table: u32,
    /// Without host bits.
    pub dst: IpNetwork,
    /// The index of the link.
    pub oif: u32,
    /// The gateway.
    pub gw: Option<IpAddr>,
    /// The metric.
    pub priority: u32,
    /// `rtm_scope`; of an IPv6 route always 0.
    pub scope: u8,
    /// `RTPROT_KERNEL`, not `RTPROT_BOOT`.
    pub by_kernel: bool,
    /// What becomes of a packet.
    pub kind: Kind,
    /// `RTAX_MTU`.
    pub mtu: Option<u32>,
    /// `RTAX_ADVMSS`.
    pub advmss: Option<u32>,
}

impl Entry {
    /// One that the kernel makes for an address of a link.
    fn of_kernel(link: &Link, dst: impl Into<IpNetwork>, table: u32, scope: u8, kind: Kind) -> Self {
        let (dst, oif, by_kernel) = (dst.into(), link.index, true);
        Entry { table, dst, oif, gw: None, priority: 0, scope, by_kernel, kind, mtu: None, advmss: None }
    }

    /// Whether a plan's route is this one, by what the plan says.
    pub fn is(&self, index: u32, route: &Route) -> bool {
        let route = route.kept();
        self.kind == Kind::Unicast
            && self.oif == index
            // One that names no table may have been moved to another.
            && route.table.is_none_or(|table| table == 0 || table == self.table)
            && route.scope.is_none_or(|scope| !self.dst.is_ipv4() || self.scope == scope)
            && self.dst.ip() == route.dst.ip()
            && self.dst.prefix() == route.dst.prefix()
            && (route.gw.is_none() || route.gw == self.gw)
            && route.priority.is_none_or(|wanted| wanted == 0 || wanted == self.priority)
            && route.mtu.is_none_or(|mtu| self.mtu == Some(mtu))
            && route.advmss.is_none_or(|advmss| self.advmss == Some(advmss))
    }
}

impl Space {
    /// `ip route prepend … proto boot`. The gateway's family must be the destination's.
    pub fn add_route(&mut self, index: u32, route: &Route) -> Result<(), Errno> {
        let kept = route.kept();
        let mut entry = Entry {
            table: route.table.filter(|table| *table != 0).unwrap_or(MAIN),
            dst: without_host_bits(route.dst),
            oif: index,
            gw: kept.gw,
            priority: route.priority.unwrap_or_default(),
            scope: route.scope.unwrap_or_default(),
            by_kernel: false,
            kind: Kind::Unicast,
            mtu: kept.mtu,
            advmss: kept.advmss,
        };
        let is_there = if entry.dst.is_ipv4() {
            self.check_v4(&entry, route.dst)?;
            self.routes.contains(&entry)
        } else {
            entry.scope = 0;
            if entry.priority == 0 {
                entry.priority = PRIORITY_V6.0;
            }
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

    /// Every route, those included that follow from addresses.
    pub fn all_routes(&self) -> Vec<Entry> {
        let derived = self.links.iter().flat_map(|link| {
            let v4 = link.v4.iter().flat_map(|a| derived_v4(link, a.address, a.secondary));
            v4.chain(link.v6.iter().filter_map(|a| derived_v6(link, *a))).collect::<Vec<_>>()
        });
        let mut routes: Vec<Entry> = Vec::new();
        for route in derived.chain(self.routes.iter().cloned()) {
            // Two IPv6 addresses of one subnet share its route.
            if !(route.by_kernel && routes.contains(&route)) {
                routes.push(route);
            }
        }
        routes
    }

    /// `fib_create_info` and `fib_check_nh` in `net/ipv4/fib_semantics.c`.
    fn check_v4(&mut self, entry: &Entry, given: IpNetwork) -> Result<(), Errno> {
        if given.ip() != entry.dst.ip() || entry.scope > SCOPE_HOST {
            return Err(Errno::EINVAL);
        }
        let link = self.get(entry.oif).ok_or(Errno::ENODEV)?;
        match entry.gw {
            Some(_) if entry.scope == SCOPE_HOST => Err(Errno::EINVAL),
            Some(gateway) => {
                let scope = (entry.scope + 1).max(SCOPE_LINK);
                let own = Some(entry.table).filter(|table| *table != MAIN);
                let mut tables = own.into_iter().chain([LOCAL, MAIN, DEFAULT]);
                match tables.find_map(|table| self.best(gateway, entry.oif, table, scope)) {
                    None => Err(Errno::ENETUNREACH),
                    Some(found) if found.kind == Kind::Broadcast => Err(Errno::EINVAL),
                    Some(_) if !link.up => Err(Errno::ENETDOWN),
                    Some(_) => Ok(()),
                }
            }
            None if entry.scope != SCOPE_HOST && !link.up => Err(Errno::ENETDOWN),
            None => Ok(()),
        }
    }

    /// The link through which packets to an address leave for a neighbour.
    pub fn output(&self, address: IpAddr) -> Option<u32> {
        let leads = |r: &Entry| r.kind == Kind::Unicast && r.dst.contains(address);
        self.longest(leads).filter(|route| route.gw.is_none()).map(|route| route.oif)
    }

    /// The best route of a link to an address, of those whose scope is narrow enough.
    fn best(&self, address: IpAddr, oif: u32, table: u32, scope: u8) -> Option<Entry> {
        self.longest(|r| r.table == table && r.oif == oif && r.scope >= scope && r.dst.contains(address))
    }

    /// The route with the longest prefix, then with the least metric.
    fn longest(&self, fits: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let fitting = self.all_routes().into_iter().filter(fits);
        fitting.min_by_key(|route| (Reverse(route.dst.prefix()), route.priority))
    }

    /// `fib6_nh_init` and `ip6_validate_gw` in `net/ipv6/route.c`.
    fn check_v6(&mut self, entry: &Entry) -> Result<(), Errno> {
        let link = self.get(entry.oif).ok_or(Errno::ENODEV)?;
        if !link.has_v6() {
            return Err(Errno::ENODEV);
        }
        if self.sysctls.is_v6_disabled(&link.name) {
            return Err(Errno::EACCES);
        }
        if let Some(IpAddr::V6(gateway)) = entry.gw {
            let ours = |link: &Link| link.v6.iter().any(|address| address.ip() == gateway);
            let is_link_local = gateway.is_unicast_link_local();
            let is_ours = if is_link_local { ours(link) } else { self.links.iter().any(ours) };
            if is_ours || gateway.is_multicast() || gateway.is_unspecified() {
                return Err(Errno::EINVAL);
            }
            if !is_link_local {
                let mut tables = Some(entry.table).filter(|table| *table != MAIN).into_iter().chain([MAIN]);
                let best = |table| self.best(gateway.into(), entry.oif, table, 0);
                if !tables.any(|table| best(table).is_some_and(|route| route.gw.is_none())) {
                    return Err(Errno::EHOSTUNREACH);
                }
            }
        }
        if link.up { Ok(()) } else { Err(Errno::ENETDOWN) }
    }
}

/// `fib_add_ifaddr`: the address itself, its subnet, the subnet's last address.
fn derived_v4(link: &Link, address: Ipv4Network, secondary: bool) -> Vec<Entry> {
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
    if has_route && !secondary {
        routes.push(if link.is_loopback() {
            entry(LOCAL, subnet, SCOPE_HOST, Kind::Local)
        } else {
            entry(MAIN, subnet, SCOPE_LINK, Kind::Unicast)
        });
    }
    routes
}

/// The subnet of an IPv6 address; of `lo`'s own there is none.
fn derived_v6(link: &Link, address: Ipv6Network) -> Option<Entry> {
    if !link.up || address.ip().is_loopback() {
        return None;
    }
    let subnet = Entry::of_kernel(link, without_host_bits(address.into()), MAIN, 0, Kind::Unicast);
    Some(Entry { priority: PRIORITY_V6.1, ..subnet })
}

fn without_host_bits(network: IpNetwork) -> IpNetwork {
    IpNetwork::new(network.network(), network.prefix()).unwrap_or(network)
}
