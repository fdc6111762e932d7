//! A route of a plan or of a result.

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The largest `mtu` that the kernel stores, in bytes.
const MAX_MTU: u32 = 65535 - 15;

/// The largest `advmss` that the kernel stores, in bytes.
const MAX_ADVMSS: u32 = 65535 - 40;

/// A route in the form of a CNI result (SPEC 1.1.0, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// `dst`.
    pub dst: IpNetwork,
    /// `gw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// `mtu`, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// `advmss`, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advmss: Option<u32>,
    /// `priority`: the metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// `table`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// `scope`: an `rt_scope_t`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
}

impl Route {
    /// A route to `dst` without other fields.
    pub fn to(dst: IpNetwork) -> Self {
        Route { dst, gw: None, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }

    /// Whether `kernel`, a route with all of its attributes, has the destination and the other attributes of this one.
    ///
    /// If this route names no table, `kernel` may be in any table: the reference's `sbr` moves the routes of an interface
    /// to a table of its own, and a VRF has its own table too. IPv6 routes have no scope.
    pub fn describes(&self, kernel: &Route) -> bool {
        let own = self.kept();
        let fits = |own: Option<u32>, has: Option<u32>| own.is_none_or(|own| own == 0 || has == Some(own));
        own.dst == kernel.dst
            && (own.gw.is_none() || own.gw == kernel.gw)
            && (own.dst.is_ipv6() || own.scope.is_none() || own.scope == kernel.scope)
            && fits(own.table, kernel.table)
            && fits(own.priority, kernel.priority)
            && fits(own.mtu, kernel.mtu)
            && fits(own.advmss, kernel.advmss)
    }

    /// The route as the kernel stores it. An IPv6 destination loses its host bits; the kernel refuses an IPv4
    /// destination with host bits. An IPv4 gateway of zeros is dropped, and metrics are limited (`ip_metrics_convert`
    /// in `net/ipv4/metrics.c`).
    pub fn kept(&self) -> Self {
        let network = IpNetwork::new(self.dst.network(), self.dst.prefix());
        let dst = network.ok().filter(|network| network.is_ipv6()).unwrap_or(self.dst);
        let gw = self.gw.filter(|gw| !(gw.is_ipv4() && gw.is_unspecified()));
        let kept = |value: Option<u32>, most| value.map(|value| value.min(most)).filter(|value| *value != 0);
        let (mtu, advmss) = (kept(self.mtu, MAX_MTU), kept(self.advmss, MAX_ADVMSS));
        Route { dst, gw, mtu, advmss, ..self.clone() }
    }
}
