//! The type `firewall` (plugins/meta/firewall in containernetworking/plugins).

use super::Type;
use crate::action::{Action, FilterRule, RemoveFilter, Undo, of_kind};
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::port::{Look, ZoneQuery};
use crate::plan::Demand;
use crate::policy::{Capability, Grants};
use crate::value::{Kind, Report};
use std::net::IpAddr;

/// The rules are for the addresses in `prevResult`.
pub const TYPE: Type = Type {
    kind: Some(Kind::Chained),
    capabilities: Some(&[&[Capability::Filter, Capability::Observe]]),
    remains: Some(remains),
    demands,
    no_previous: "missing prevResult from earlier plugin",
    ..Type::OTHER
};

/// `ingressPolicy` isolates the bridge for each family of which the container has an address.
pub fn demands(grants: &Grants, _: &Config, previous: Option<&Report>) -> Vec<Demand> {
    let Some(isolates_within) = grants.own.firewall.isolates_within else { return Vec::new() };
    let previous = previous.cloned().unwrap_or_default();
    let bridge = previous.passed.first().map(|first| first.name.clone()).unwrap_or_default();
    let met = move |plan: &[&Action], _: &Report| {
        let isolated = |v4: bool| {
            of_kind::<FilterRule>(plan).any(|rule| match rule {
                FilterRule::Isolate { is_ipv4, bridge: isolated, within } => {
                    (*is_ipv4, *within, isolated.as_str()) == (v4, isolates_within, &bridge)
                }
                FilterRule::AllowForward { .. } | FilterRule::TrustSource { .. } => false,
            })
        };
        previous.ips.iter().all(|ip| isolated(ip.address.is_ipv4()))
    };
    vec![Demand::new("ingressPolicy", "isolation of the bridge", met)]
}

/// The rules for all addresses in `prevResult`. Without `prevResult` the addresses are unknown and nothing is
/// removed, as in the reference.
fn remains(_: &Request, config: &Config, _: &StateDir, look: &mut dyn Look) -> Vec<Undo> {
    let previous = config.previous().ok().flatten();
    let said = config.firewall(previous.as_ref());
    let is_firewalld = match said.backend.as_deref() {
        Some("iptables") => false,
        Some("firewalld") => true,
        _ => look.zone(ZoneQuery::IsRunning).unwrap_or_default(),
    };
    let rule = |address: IpAddr| match is_firewalld {
        true => FilterRule::TrustSource { address, zone: said.zone.clone() },
        false => FilterRule::AllowForward { address, admin_chain: said.admin_chain.clone() },
    };
    let addresses = previous.iter().flat_map(|previous| &previous.ips).map(|ip| ip.address.ip());
    addresses.map(|address| RemoveFilter { rule: rule(address), unmake: Vec::new() }.into()).collect()
}
