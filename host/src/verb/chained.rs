//! Plugins that make no link but change what others made: what is theirs without a journal.

use crate::action::{DeletePortMap, FilterRule};
use crate::cni::{Config, Request};
use crate::context::Node;
use crate::machine::saved::SavedLink;
use crate::machine::{Undo, firewalld};
use crate::plugin::Plugin;
use crate::policy::grant::tuning_dirs;
use crate::sandbox::Kind;
use crate::value::{Backend, IfName, LinkRef, Netns, derive};
use std::net::IpAddr;

/// What the reference's plugin of that type left, as undos; none for a plugin that makes links, whose remains are the
/// attachment's.
///
/// Of a type that nobody knows its component tells which it is, if it is there.
pub fn remains(node: &Node, request: &Request, config: &Config) -> Option<Vec<Undo>> {
    match request.plugin.as_str() {
        "loopback" => Some(loopback()),
        "tuning" => Some(tuning(request, config)),
        "portmap" => Some(portmap(node, request)),
        "firewall" => Some(firewall(config)),
        "bandwidth" => Some(bandwidth(request)),
        _ => {
            let plugin = Plugin::find(node, request, &request.plugin).ok()?;
            (plugin.code.manifest.kind == Kind::Chained).then(Vec::new)
        }
    }
}

/// `lo`, as the reference's DEL takes it down.
fn loopback() -> Vec<Undo> {
    let link = |name| Undo::SetDown { link: LinkRef { netns: Netns::Container, name } };
    IfName::parse("lo").map(link).into_iter().collect()
}

/// What it saved of the link, wherever it is told to keep that.
fn tuning(request: &Request, config: &Config) -> Vec<Undo> {
    let link = LinkRef { netns: Netns::Container, name: request.attachment.interface.clone() };
    let name = derive::saved_link(&request.attachment);
    let paths = tuning_dirs(config).into_iter().map(|dir| dir.join(&name));
    let saved = paths.filter_map(|path| Some((SavedLink::read(&path)?, path)));
    saved.flat_map(|(saved, path)| saved.undos(&link, path)).collect()
}

/// Its ifb; what was set on the veth goes with that.
fn bandwidth(request: &Request) -> Vec<Undo> {
    derive::ifb(&request.attachment).map(|name| Undo::DeleteIfb { name }).into_iter().collect()
}

/// The rules of all addresses that `prevResult` tells: without one nothing tells which they are, as in the reference.
fn firewall(config: &Config) -> Vec<Undo> {
    let previous = config.previous().ok().flatten();
    let said = config.firewall(previous.as_ref());
    let is_firewalld = match said.backend.as_deref() {
        Some("iptables") => false,
        Some("firewalld") => true,
        _ => firewalld::is_running(),
    };
    let rule = |address: IpAddr| match is_firewalld {
        true => FilterRule::TrustSource { address, zone: said.zone.clone() },
        false => FilterRule::AllowForward { address, admin_chain: said.admin_chain.clone() },
    };
    let addresses = previous.iter().flat_map(|previous| &previous.ips).map(|ip| ip.address.ip());
    addresses.map(|address| Undo::DeleteFilter { rule: rule(address), unmake: Vec::new() }).collect()
}

/// Its chains of both families, and in nftables the rules with the container's ID, unless another interface of the container has
/// ports by its journal: they are in the same chain, and under the same ID.
fn portmap(node: &Node, request: &Request) -> Vec<Undo> {
    let attachment = &request.attachment;
    let others = node.state.sections(Some(attachment));
    let is_shared = |is_of_network: bool| {
        others.iter().map(|section| &section.header).any(|header| {
            header.plugin == request.plugin
                && header.attachment.container == attachment.container
                && (!is_of_network || header.attachment.network == attachment.network)
        })
    };
    let of = |backend, chain: &str| {
        [true, false]
            .map(|is_ipv4| Undo::DeletePortMap(DeletePortMap { backend, is_ipv4, chain: chain.to_owned() }))
    };
    let iptables = of(Backend::Iptables, &derive::port_chain(attachment));
    let nftables = of(Backend::Nftables, attachment.container.as_str());
    let iptables = iptables.into_iter().filter(|_| !is_shared(true));
    iptables.chain(nftables.into_iter().filter(|_| !is_shared(false))).collect()
}
