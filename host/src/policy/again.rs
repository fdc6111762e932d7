//! A plan that mends what an earlier one made.

use super::{CheckedPlan, Refusal, Violation};
use crate::action::Action;
use crate::action::{LinkAttribute, SetLink};
use crate::plan::{DraftPlan, Entry, render};
use crate::value::Netns;

/// Allows to do again what a journal holds, since that was checked before it was done the first time: `mends` are of its
/// entries, or give a link again what one of them made it with.
pub fn check_again(mends: Vec<Entry>, journal: &[Entry]) -> Result<CheckedPlan, Vec<Violation>> {
    let is_known = |mend: &Entry| match &mend.action {
        Action::SetLink(set) => {
            journal.iter().any(|entry| entry.action == mend.action || made_with(&entry.action, set))
        }
        action => journal.iter().any(|entry| {
            entry.lifetime == mend.lifetime && (entry.action == *action || leads_to(&entry.action, action))
        }),
    };
    let violation = |mend: &Entry| Violation {
        plugin: mend.plugin.clone(),
        action: render::commands(&mend.action).join("; "),
        refusal: Refusal::never("only what the journal holds is done again"),
    };
    let violations: Vec<Violation> = mends.iter().filter(|mend| !is_known(mend)).map(violation).collect();
    if !violations.is_empty() {
        return Err(violations);
    }
    let draft = DraftPlan { entries: mends, ..DraftPlan::default() };
    Ok(CheckedPlan { draft, tolerated: Vec::new() })
}

/// Whether a route is the one that the kernel adds with an address.
fn leads_to(address: &Action, route: &Action) -> bool {
    let (Action::AddAddress(add), Action::AddRoute(route)) = (address, route) else { return false };
    let network = (add.address.network(), add.address.prefix());
    add.link == route.link
        && route.route.gw.is_none()
        && network == (route.route.dst.ip(), route.route.dst.prefix())
}

/// Whether an action made a link with that attribute.
fn made_with(action: &Action, SetLink { link, attribute }: &SetLink) -> bool {
    let Action::CreateVeth(veth) = action else { return false };
    let (name, mac) = match link.netns {
        Netns::Container => (&veth.name, veth.mac),
        Netns::Host => (&veth.peer.name, veth.peer.mac),
    };
    let of_host = link.netns == Netns::Host;
    *name == link.name
        && match attribute {
            LinkAttribute::Mac(restored) => *restored == mac,
            LinkAttribute::Mtu(restored) => veth.mtu.is_none_or(|mtu| mtu == *restored),
            LinkAttribute::AllMulticast(_)
            | LinkAttribute::QueueLength(_)
            | LinkAttribute::Promiscuous(_) => false,
            LinkAttribute::Alias(restored) => of_host && *restored == veth.peer.alias,
            LinkAttribute::Port(restored) => of_host && veth.peer.port().as_ref() == Some(restored),
        }
}
