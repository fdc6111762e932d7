//! The routes of a configuration, a result and the kernel, in one type (SPEC 1.1.0, section 5).

use crate::bindings::wasm_cni::plugin::routes;
use crate::links::Link;
use crate::{address, results};
use ipnetwork::IpNetwork;
use serde::Deserialize;
use std::net::IpAddr;

/// A route. A number that is 0 counts as absent, as in the reference.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Route {
    /// `dst`.
    #[serde(deserialize_with = "address::cidr")]
    pub dst: IpNetwork,
    /// `gw`.
    #[serde(default, deserialize_with = "address::ip")]
    pub gw: Option<IpAddr>,
    /// `mtu`, in bytes.
    #[serde(default)]
    pub mtu: u32,
    /// `advmss`, in bytes.
    #[serde(default)]
    pub advmss: u32,
    /// `priority`: the metric.
    #[serde(default)]
    pub priority: u32,
    /// `table`.
    #[serde(default)]
    pub table: Option<u32>,
    /// `scope`: an `rt_scope_t`.
    #[serde(default)]
    pub scope: Option<u8>,
}

impl Route {
    /// A route to `dst` through `gw`. Every other field is absent.
    pub fn new(dst: IpNetwork, gw: Option<IpAddr>) -> Self {
        Route { dst, gw, mtu: 0, advmss: 0, priority: 0, table: None, scope: None }
    }

    /// Reports the route as part of the result.
    pub fn report(&self) {
        let entry = results::Route::new(self.dst.into());
        if let Some(gw) = self.gw {
            entry.set_gateway(gw.into());
        }
        if self.mtu != 0 {
            entry.set_mtu(self.mtu);
        }
        if self.advmss != 0 {
            entry.set_advmss(self.advmss);
        }
        if self.priority != 0 {
            entry.set_priority(self.priority);
        }
        if let Some(table) = self.table {
            entry.set_table(table);
        }
        if let Some(scope) = self.scope {
            entry.set_scope(scope);
        }
    }

    /// Records that the route through `link` is added to the kernel.
    pub fn add(&self, link: &Link) {
        let route = routes::Route::new(link, self.dst.into());
        if let Some(gw) = self.gw {
            route.set_gateway(gw.into());
        }
        if self.mtu != 0 {
            route.set_mtu(self.mtu);
        }
        if self.advmss != 0 {
            route.set_advmss(self.advmss);
        }
        if self.priority != 0 {
            route.set_priority(self.priority);
        }
        if let Some(table) = self.table {
            route.set_table(table);
        }
        if let Some(scope) = self.scope {
            route.set_scope(scope);
        }
    }
}
