//! Finds out whether a container with port mappings still exists. If not, its rules are removed for those of another
//! container.

use crate::action::PortOwner;
use crate::machine::lease::Stores;
use crate::machine::netns::NetnsFile;
use crate::node::Node;
use crate::policy::Grants;
use crate::value::{Attachment, ContainerId, NetworkName, StoreRef};

/// Whether the owner of port rules is certainly gone.
///
/// An owner with a journal is gone if its namespace does not exist any more. An owner without a journal was attached
/// by the reference. It is gone if its address now belongs to this attachment, or is not leased to it in a store of
/// its network.
pub fn is_dead(owner: &PortOwner, own: &Attachment, grants: &Grants, node: &Node, stores: &Stores) -> bool {
    let is_own_network = owner.network.as_deref().is_none_or(|network| network == own.network.as_str());
    if owner.container == own.container.as_str() && is_own_network {
        return false;
    }
    let is_of = |attachment: &Attachment| {
        attachment.container.as_str() == owner.container
            && owner.network.as_deref().is_none_or(|network| network == attachment.network.as_str())
    };
    let mut sections = node.state.sections(None);
    sections.retain(|section| is_of(&section.header.attachment));
    if !sections.is_empty() {
        return sections.iter().all(|section| {
            let header = &section.header;
            let now = NetnsFile::open(&header.netns).ok().map(|netns| netns.id());
            header.netns_id.is_some() && now != header.netns_id
        });
    }
    let Some(address) = owner.address else { return false };
    if grants.is_named(address) {
        return true;
    }
    let network = owner.network.as_deref().and_then(|network| NetworkName::parse(network).ok());
    let (Some(network), Ok(container)) = (network, ContainerId::parse(&owner.container)) else {
        return false;
    };
    let mut leased = grants.own.data_dirs.iter().filter_map(|data_dir| {
        let store = StoreRef { data_dir: data_dir.clone(), network: network.clone() };
        stores.has_lease(&store, &container, address)
    });
    match leased.next() {
        None => false,
        Some(first) => !first && !leased.any(|is_leased| is_leased),
    }
}
