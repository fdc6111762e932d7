//! What is left of attachments that are no more, found without their journals.

use super::super::iptables::{self, Family};
use super::super::{Undo, nft};
use super::HostKernel;
use super::remains::Remains;
use crate::action::PortOwner;
use crate::value::{LinkRef, Netns, NetworkName, derive};
use std::net::IpAddr;

/// The rules of a network that are of none of the `valid` attachments (container and interface), whoever made them.
///
/// `valid` is asked after the rules were listed: what an ADD in flight adds meanwhile is not among these. The chains of
/// `iptables` tell the container alone; nftables' maps of ports tell no network, so they stay.
pub fn rules(network: &NetworkName, valid: impl FnOnce() -> Vec<(String, String)>) -> Remains {
    let (network, mut unread) = (network.as_str(), Vec::new());
    let ports: Vec<PortOwner> = [Family::V4, Family::V6]
        .into_iter()
        .map(|family| iptables::portmap::owners(family, None))
        .flat_map(|owners| owners.map_err(|error| unread.push(error)).unwrap_or_default().0)
        .collect();
    let iptables = iptables::masquerade::of_network(network, &mut unread);
    let nft = nft::masquerade::of_network(network, &mut unread);
    let valid = valid();
    let is_valid = |id: &String| valid.iter().any(|(container, _)| container == id);
    let rules = iptables.into_iter().filter(|(id, _)| !is_valid(id));
    let mut undos: Vec<Undo> = rules.map(|(_, rules)| Undo::DeleteMasquerade(rules)).collect();

    let is_stale =
        |owner: &PortOwner| owner.network.as_deref() == Some(network) && !is_valid(&owner.container);
    let stale = ports.into_iter().filter(is_stale);
    undos.extend(stale.map(|owner| Undo::DeletePortMap(owner.map)));

    let owners: Vec<String> = valid
        .iter()
        .map(|(container, interface)| derive::nft_owner_of(network, container, interface))
        .collect();
    let rules = nft.into_iter().filter(|(owner, _)| !owners.contains(owner));
    undos.extend(rules.map(|(_, rule)| Undo::DeleteMasqueradeNft { rule, table: false }));
    Remains { undos, unread }
}

/// What lets packets of addresses pass that nobody has any more.
pub fn filters(released: &[IpAddr]) -> Remains {
    let mut unread = Vec::new();
    let rules = iptables::filter::allowed(released, &mut unread).into_iter();
    Remains { undos: rules.map(|rule| Undo::DeleteFilter { rule, unmake: Vec::new() }).collect(), unread }
}

impl HostKernel {
    /// The chains that check a source MAC for a port that is no more, of none of the `valid` attachments. They do not tell their
    /// network, and nothing passes them any more.
    pub fn stale_source_macs(&mut self, valid: &[(String, String)]) -> Remains {
        let valid: Vec<String> =
            valid.iter().map(|(container, name)| format!("{container}-{name}")).collect();
        let mut unread = Vec::new();
        let mut stale = nft::source_mac::all(&mut unread);
        stale.retain(|check| {
            let port = LinkRef { netns: Netns::Host, name: check.port.clone() };
            !valid.contains(&check.identity) && !self.has_link(&port)
        });
        let undo = |check| Undo::DeleteCheckSourceMac { check, table: false };
        Remains { undos: stale.into_iter().map(undo).collect(), unread }
    }
}
