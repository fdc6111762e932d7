//! A route, of a plan and of a result.

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The largest `mtu` that the kernel keeps, bytes.
const MAX_MTU: u32 = 65535 - 15;

/// The largest `advmss` that the kernel keeps, bytes.
const MAX_ADVMSS: u32 = 65535 - 40;

/// A route as a CNI result has it (SPEC 1.1.0, section 5), also what a result reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// `dst`.
    pub dst: IpNetwork,
    /// `gw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// `mtu`, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// `advmss`, bytes.
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
    /// A route to `dst` with nothing else said.
    pub fn to(dst: IpNetwork) -> Self {
        Route { dst, gw: None, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }

    /// Whether a route of the kernel, with all of its values, is the one that this one describes: what this one leaves out may be anything.
    ///
    /// So a route that names no table may be in any: the reference's `sbr` moves the routes of an interface into a table of its own, and so does a
    /// VRF. IPv6 has no scopes.
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

    /// The route as the kernel keeps it: without the host's part of an IPv6 destination (it takes no such IPv4 one), without a gateway of
    /// zeros in IPv4, and with metrics up to a bound (`ip_metrics_convert`).
    pub fn kept(&self) -> Self {
        let network = IpNetwork::new(self.dst.network(), self.dst.prefix());
        let dst = network.ok().filter(|network| network.is_ipv6()).unwrap_or(self.dst);
        let gw = self.gw.filter(|gw| !(gw.is_ipv4() && gw.is_unspecified()));
        let kept = |value: Option<u32>, most| value.map(|value| value.min(most)).filter(|value| *value != 0);
        let (mtu, advmss) = (kept(self.mtu, MAX_MTU), kept(self.advmss, MAX_ADVMSS));
        Route { dst, gw, mtu, advmss, ..self.clone() }
    }
}
