//! The type `portmap` (plugins/meta/portmap in containernetworking/plugins).

use super::Type;
use crate::action::{Action, DeletePortMap, MapPorts, Undo, of_kind};
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::port::Look;
use crate::plan::Demand;
use crate::policy::{Capability, Grants};
use crate::value::{Backend, IfName, Interface, Ip, Kind, Report, derive};

/// The name of the iptables chain derives from network and container. The nftables rules have the container ID.
pub const TYPE: Type = Type {
    kind: Some(Kind::Chained),
    capabilities: Some(&[&[Capability::Nat, Capability::Sysctls, Capability::Observe]]),
    routes_localnet: true,
    remains: Some(remains),
    demands,
    ..Type::OTHER
};

/// All mappings, for the first address of each family of the container: a mapping that is left out may leave the host's
/// port to somebody else.
pub fn demands(grants: &Grants, _: &Config, previous: Option<&Report>) -> Vec<Demand> {
    let mappings = grants.own.ports.mappings.clone();
    let previous = previous.cloned().unwrap_or_default();
    let of_interface = own(&grants.attachment.interface, &previous);
    let first = |v4: bool| of_interface.iter().find(|ip| ip.address.is_ipv4() == v4).map(|ip| ip.address);
    let addresses: Vec<_> = [first(true), first(false)].into_iter().flatten().collect();
    if mappings.is_empty() || addresses.is_empty() {
        return Vec::new();
    }
    let met = move |plan: &[&Action], _: &Report| {
        addresses.iter().all(|address| {
            of_kind::<MapPorts>(plan).any(|map| map.address == *address && map.mappings == mappings)
        })
    };
    vec![Demand::new("portMappings", "every mapping of the runtime, for each family", met)]
}

/// The addresses of the interface in a result. An address without an interface counts.
fn own<'a>(interface: &IfName, previous: &'a Report) -> Vec<&'a Ip> {
    let is_own = |found: &Interface| found.name == interface.as_str() && !found.sandbox.is_empty();
    let of = |ip: &&Ip| ip.interface.and_then(|index| previous.passed.get(index)).is_none_or(is_own);
    previous.ips.iter().filter(of).collect()
}

/// The chains of both families, and the nftables rules with the container's ID. They are kept if the journal of
/// another interface of the container has port mappings, because those are in the same chain and have the same ID.
fn remains(request: &Request, _: &Config, state: &StateDir, _: &mut dyn Look) -> Vec<Undo> {
    let attachment = &request.attachment;
    let others = state.sections(Some(attachment));
    let is_shared = |is_of_network: bool| {
        others.iter().map(|section| &section.header).any(|header| {
            header.plugin == request.plugin
                && header.attachment.container == attachment.container
                && (!is_of_network || header.attachment.network == attachment.network)
        })
    };
    let of = |backend, chain: &str| {
        [true, false].map(|is_ipv4| DeletePortMap { backend, is_ipv4, chain: chain.to_owned() }.into())
    };
    let iptables = of(Backend::Iptables, &derive::port_chain(attachment));
    let nftables = of(Backend::Nftables, attachment.container.as_str());
    let iptables = iptables.into_iter().filter(|_| !is_shared(true));
    iptables.chain(nftables.into_iter().filter(|_| !is_shared(false))).collect()
}
