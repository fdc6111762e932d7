//! Which lifetime an action has: it follows from the plan, so that nobody has to be believed.

use crate::action::{Action, FilterRule, Lifetime};
use crate::value::{IfName, LinkRef, Netns};

/// The lifetime of `action` within a plan of `actions` (design rule 6).
///
/// A bridge, its VLANs' gateways and what is set on them is shared, and what isolates a bridge; forwarding belongs to the node, all else to the attachment.
pub fn of<'a>(action: &Action, actions: impl Iterator<Item = &'a Action>) -> Lifetime {
    let on_bridge = |link: &LinkRef, mut actions: Box<dyn Iterator<Item = &'a Action> + '_>| {
        link.netns == Netns::Host
            && actions.any(|a| match a {
                Action::EnsureBridge(bridge) => bridge.name == link.name,
                Action::EnsureVlanGateway(gateway) => gateway.name == link.name || gateway.port == link.name,
                _ => false,
            })
    };
    let shared = |yes: bool| if yes { Lifetime::Shared } else { Lifetime::Attachment };
    match action {
        Action::EnsureBridge(_) | Action::EnsureVlanGateway(_) => Lifetime::Shared,
        Action::SetUp(up) => shared(on_bridge(&up.link, Box::new(actions))),
        Action::SetPromiscuous(set) => shared(on_bridge(&set.link, Box::new(actions))),
        Action::DeleteAddress(delete) => shared(on_bridge(&delete.link, Box::new(actions))),
        Action::AddAddress(add) => shared(on_bridge(&add.link, Box::new(actions))),
        Action::AddRoute(add) => shared(on_bridge(&add.link, Box::new(actions))),
        Action::SetSysctl(set) => match set.key.link() {
            Some((_, name)) => match IfName::parse(name) {
                Ok(name) => {
                    let link = LinkRef { netns: set.netns, name };
                    let actions: Vec<&Action> = actions.collect();
                    match is_own(&link, &actions) {
                        true => Lifetime::Attachment,
                        false if on_bridge(&link, Box::new(actions.into_iter())) => Lifetime::Shared,
                        // A link of the host that somebody else made, and others may use.
                        false => Lifetime::Node,
                    }
                }
                Err(_) => Lifetime::Attachment,
            },
            None if set.netns == Netns::Host => Lifetime::Node,
            None => Lifetime::Attachment,
        },
        Action::Filter(FilterRule::Isolate { .. }) => Lifetime::Shared,
        Action::Filter(_)
        | Action::Shape(_)
        | Action::ReserveLease(_)
        | Action::SetLink(_)
        | Action::SaveLink(_)
        | Action::DeleteStaleLink(_)
        | Action::CreateVeth(_)
        | Action::Settle(_)
        | Action::Announce(_)
        | Action::Masquerade(_)
        | Action::MasqueradeNft(_)
        | Action::CheckSourceMac(_)
        | Action::MapPorts(_)
        | Action::DeletePortMap(_)
        | Action::Delegate(_) => Lifetime::Attachment,
    }
}

/// Whether a link is in the container, or made by the plan for it alone.
fn is_own(link: &LinkRef, actions: &[&Action]) -> bool {
    let makes = |action: &&Action| matches!(action, Action::CreateVeth(veth) if veth.peer.name == link.name);
    link.netns == Netns::Container || actions.iter().any(makes)
}
