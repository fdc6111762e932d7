//! What is left of attachments that are no more, found without their journals.

use super::super::{Undo, iptables, nft};
use crate::plan::{NetworkName, derive};

/// The rules of a network that are of none of the `valid` attachments (container and interface), whoever made them.
///
/// The chains of `iptables` tell the container alone. What cannot be read is left out.
pub fn rules(network: &NetworkName, valid: &[(String, String)]) -> Vec<Undo> {
    let network = network.as_str();
    let is_valid = |id: &String| valid.iter().any(|(container, _)| container == id);
    let rules = iptables::masquerade::of_network(network).into_iter().filter(|(id, _)| !is_valid(id));
    let mut undos: Vec<Undo> = rules.map(|(_, rules)| Undo::DeleteMasquerade(rules)).collect();

    let owners: Vec<String> = valid
        .iter()
        .map(|(container, interface)| derive::nft_owner_of(network, container, interface))
        .collect();
    let rules = nft::masquerade::of_network(network).into_iter().filter(|(owner, _)| !owners.contains(owner));
    undos.extend(rules.map(|(_, rule)| Undo::DeleteMasqueradeNft { rule, table: false }));
    undos
}
