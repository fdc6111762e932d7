//! The type `portmap` (plugins/meta/portmap in containernetworking/plugins).

use super::Type;
use crate::action::DeletePortMap;
use crate::action::Undo;
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::port::Look;
use crate::value::{Backend, derive};

/// The name of the iptables chain derives from network and container. The nftables rules have the container ID.
pub const TYPE: Type = Type { remains: Some(remains), ..Type::OTHER };

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
