//! The type `firewall` (plugins/meta/firewall in containernetworking/plugins).

use super::Type;
use crate::action::FilterRule;
use crate::action::{RemoveFilter, Undo};
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::port::{Look, ZoneQuery};
use std::net::IpAddr;

/// The rules are for the addresses in `prevResult`.
pub const TYPE: Type =
    Type { remains: Some(remains), no_previous: "missing prevResult from earlier plugin", ..Type::OTHER };

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
