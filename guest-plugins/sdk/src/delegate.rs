//! Delegation to other plugins.

use crate::bindings::wasm_cni::plugin::{answers, delegate};
use crate::{Dns, Error, Ip, Route};

/// The result of an IPAM plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `ips`.
    pub ips: Vec<Ip>,
    /// `routes`.
    pub routes: Vec<Route>,
    /// `dns`.
    pub dns: Dns,
}

/// Runs ADD of the IPAM plugin `plugin` on this plugin's request. Its actions become part of the plan.
///
/// Fails with the error of the other plugin, or if no plugin of that name is found.
pub fn ipam(plugin: &str) -> Result<Answer, Error> {
    let answer = delegate::add(plugin)?;
    Ok(Answer {
        ips: (0..answer.ip_count()).map(|i| ip(&answer, i)).collect(),
        routes: (0..answer.route_count()).map(|i| route(&answer, i)).collect(),
        dns: Dns {
            nameservers: given(answer.dns_nameservers()),
            domain: answer.dns_domain().unwrap_or_default(),
            search: given(answer.dns_search()),
            options: given(answer.dns_options()),
        },
    })
}

/// An entry of `ips`.
pub(crate) fn ip(answer: &answers::Answer, i: u32) -> Ip {
    Ip { address: answer.ip_address(i).into(), gateway: answer.ip_gateway(i).map(Into::into) }
}

fn route(answer: &answers::Answer, i: u32) -> Route {
    Route {
        dst: answer.route_destination(i).into(),
        gw: answer.route_gateway(i).map(Into::into),
        mtu: answer.route_mtu(i).unwrap_or_default(),
        advmss: answer.route_advmss(i).unwrap_or_default(),
        priority: answer.route_priority(i).unwrap_or_default(),
        table: answer.route_table(i),
        scope: answer.route_scope(i),
    }
}

/// A result does not distinguish an empty list from an absent one.
fn given(list: Vec<String>) -> Option<Vec<String>> {
    if list.is_empty() { None } else { Some(list) }
}
