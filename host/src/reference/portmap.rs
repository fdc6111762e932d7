//! portmap.

use super::Type;
use crate::action::DeletePortMap;
use crate::action::Undo;
use crate::apply::StateDir;
use crate::cni::{Config, Request};
use crate::machine::port::Look;
use crate::value::{Backend, derive};

/// Its chains are named after the attachment, its rules in nftables after the container.
pub const TYPE: Type = Type { remains: Some(remains), ..Type::OTHER };

/// Its chains of both families, and in nftables the rules with the container's ID, unless another interface of the container has
/// ports by its journal: they are in the same chain, and under the same ID.
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
