//! Remains of attachments that no longer exist, found without their journals.

use super::remains::Remains;
use crate::action::context::{Notes, ReadContext};
use crate::action::rules::{filter, masquerade, port_map, source_mac};
use crate::action::{PortOwner, RemoveFilter, RemoveMasquerade, RemoveMasqueradeNft, RemoveSourceMac, Undo};
use crate::machine::port::{Look, on_host};
use crate::value::{Backend, IfName, NetworkName, derive};
use std::net::IpAddr;

/// The rules of a network that belong to none of the `valid` attachments (container and interface), whether the
/// reference or this host added them.
///
/// `valid` is called after the rules were listed, so rules that a concurrent ADD adds meanwhile are not in the listing.
/// The chains of iptables show only the container. The port maps of nftables do not show their network, so they stay.
pub fn rules(
    network: &NetworkName,
    valid: impl FnOnce() -> Vec<(String, String)>,
    look: &mut dyn Look,
) -> Remains {
    let (network, mut unread, tables) = (network.as_str(), Vec::new(), look.tables());
    let ports: Vec<PortOwner> = [true, false]
        .into_iter()
        .map(|is_ipv4| port_map::owners(&*tables, Backend::Iptables, is_ipv4, None))
        .flat_map(|owners| owners.map_err(|error| unread.push(error)).unwrap_or_default())
        .collect();
    let iptables = masquerade::iptables::of_network(&*tables, network, &mut unread);
    let nftables = masquerade::nft::of_network(network, &*tables, &mut unread);
    let valid = valid();
    let is_valid = |id: &String| valid.iter().any(|(container, _)| container == id);
    // A cut comment does not show the whole container. Containers with the same comment protect each other's rules.
    let comments: Vec<String> =
        valid.iter().map(|(container, _)| derive::comment_of(network, container)).collect();
    let rules = iptables.into_iter().filter(|rules| !comments.contains(&rules.comment));
    let mut undos: Vec<Undo> = rules.map(|rules| RemoveMasquerade { rules }.into()).collect();

    let is_stale =
        |owner: &PortOwner| owner.network.as_deref() == Some(network) && !is_valid(&owner.container);
    undos.extend(ports.into_iter().filter(is_stale).map(|owner| Undo::from(owner.map)));

    let owners: Vec<String> = valid
        .iter()
        .map(|(container, interface)| derive::nft_owner_of(network, container, interface))
        .collect();
    let rules = nftables.into_iter().filter(|(owner, _)| !owners.contains(owner));
    undos.extend(rules.map(|(_, rule)| Undo::from(RemoveMasqueradeNft { rule, table: false })));
    Remains { undos, unread }
}

/// The firewall rules for released addresses, which no attachment has any more.
pub fn filters(released: &[IpAddr], look: &mut dyn Look) -> Remains {
    let mut unread = Vec::new();
    let rules = filter::iptables::allowed(&*look.tables(), released, &mut unread).into_iter();
    Remains { undos: rules.map(|rule| RemoveFilter { rule, unmake: Vec::new() }.into()).collect(), unread }
}

/// The chains that check a source MAC for a port that no longer exists, and that belong to none of the `valid`
/// attachments. They do not show their network, but no packet reaches them any more.
pub fn source_macs(valid: &[(String, String)], look: &mut dyn Look) -> Remains {
    let valid: Vec<String> = valid.iter().map(|(container, name)| format!("{container}-{name}")).collect();
    let mut unread = Vec::new();
    let mut stale = source_mac::all(&*look.tables(), &mut unread);
    let mut notes = Notes::default();
    let mut cx = ReadContext::new(look, &mut notes);
    // If the look-up fails, the port counts as existing.
    let mut has = |port: &IfName| !matches!(cx.link(&on_host(port)), Ok(None));
    stale.retain(|check| !valid.contains(&check.identity) && !has(&check.port));
    let undo = |check| RemoveSourceMac { check, table: false }.into();
    Remains { undos: stale.into_iter().map(undo).collect(), unread }
}
