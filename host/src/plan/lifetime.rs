//! Which lifetime an action has: it follows from the plan, so that nobody has to be believed.

use super::{Action, Lifetime, LinkRef, Netns};

/// The lifetime of `action` within a plan of `actions` (design rule 6).
///
/// A bridge, its VLANs' gateways and what is set on them is shared, forwarding belongs to the node, all else to the attachment.
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
            Some((_, name)) => match super::IfName::parse(name) {
                Ok(name) => shared(on_bridge(&LinkRef { netns: set.netns, name }, Box::new(actions))),
                Err(_) => Lifetime::Attachment,
            },
            None if set.netns == Netns::Host => Lifetime::Node,
            None => Lifetime::Attachment,
        },
        Action::ReserveLease(_)
        | Action::DeleteStaleLink(_)
        | Action::CreateVeth(_)
        | Action::Settle(_)
        | Action::Masquerade(_)
        | Action::MasqueradeNft(_)
        | Action::CheckSourceMac(_)
        | Action::Delegate(_) => Lifetime::Attachment,
    }
}
