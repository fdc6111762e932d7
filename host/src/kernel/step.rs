//! How a step is divided and what it says when it fails: the same for every kernel.

use super::netlink::route;
use super::{KernelError, Outcome};
use crate::plan::action::{AddAddress, AddRoute, EnsureBridge, Masquerade, MasqueradeNft};
use crate::plan::{Action, IfName, Netns};

/// What is done in one way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Files of a lease store.
    Leases,
    /// Messages to one namespace.
    Netlink(Netns),
    /// Files below `/proc/sys` of one.
    Sysctls(Netns),
    /// Questions to one namespace, until it is ready.
    Wait(Netns),
    /// One transaction per family.
    Rules,
    /// One transaction.
    MasqueradeNft,
    /// One transaction each.
    CheckSourceMac,
}

impl Way {
    /// How an action is done.
    pub fn of(action: &Action) -> Self {
        match action {
            Action::ReserveLease(_) => Way::Leases,
            // A veth pair is made from the host's side.
            Action::DeleteStaleLink(_) | Action::EnsureBridge(_) | Action::CreateVeth(_) => {
                Way::Netlink(Netns::Host)
            }
            Action::SetUp(action) => Way::Netlink(action.link.netns),
            Action::SetPromiscuous(action) => Way::Netlink(action.link.netns),
            Action::DeleteAddress(action) => Way::Netlink(action.link.netns),
            Action::Settle(action) => Way::Wait(action.link.netns),
            Action::AddAddress(action) => Way::Netlink(action.link.netns),
            Action::AddRoute(action) => Way::Netlink(action.link.netns),
            Action::SetSysctl(action) => Way::Sysctls(action.netns),
            Action::Masquerade(_) => Way::Rules,
            Action::MasqueradeNft(_) => Way::MasqueradeNft,
            Action::CheckSourceMac(_) => Way::CheckSourceMac,
        }
    }
}

/// Does a step in runs of one [`Way`], none after a failure; `execute` tells one outcome for each action that it began.
pub fn in_runs(step: &[Action], mut execute: impl FnMut(&[Action]) -> Vec<Outcome>) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(step.len());
    for run in step.chunk_by(|a, b| Way::of(a) == Way::of(b)) {
        if !outcomes.iter().any(is_failure) {
            outcomes.extend(execute(run));
        }
    }
    outcomes.resize_with(step.len(), || Outcome::NotTried);
    outcomes
}

/// The links that must be there before the action's requests can be built, in the run's namespace.
pub fn needs(action: &Action) -> Vec<&IfName> {
    match action {
        Action::CreateVeth(veth) => veth.peer.master.iter().chain([&veth.peer.name]).collect(),
        Action::SetUp(action) => vec![&action.link.name],
        Action::SetPromiscuous(action) => vec![&action.link.name],
        Action::DeleteAddress(action) => vec![&action.link.name],
        Action::AddAddress(action) => vec![&action.link.name],
        Action::AddRoute(action) => vec![&action.link.name],
        Action::DeleteStaleLink(action) => vec![&action.name],
        Action::EnsureBridge(action) => vec![&action.name],
        Action::ReserveLease(_)
        | Action::SetSysctl(_)
        | Action::Settle(_)
        | Action::Masquerade(_)
        | Action::MasqueradeNft(_)
        | Action::CheckSourceMac(_) => Vec::new(),
    }
}

/// The names of which the action makes or deletes a link.
pub fn makes(action: &Action) -> Vec<&IfName> {
    match action {
        Action::DeleteStaleLink(action) => vec![&action.name],
        Action::EnsureBridge(bridge) => vec![&bridge.name],
        Action::CreateVeth(veth) => vec![&veth.name, &veth.peer.name],
        _ => Vec::new(),
    }
}

/// Refuses what has the bridge's name and is none.
pub fn a_bridge(bridge: &EnsureBridge, kind: &str) -> Result<(), KernelError> {
    if kind == "bridge" {
        return Ok(());
    }
    let name = bridge.name.as_str();
    let text = format!("failed to create bridge {name:?}: {name:?} already exists but is not a bridge");
    Err(KernelError::Conflict(text))
}

/// The reference's text for an address that is not added.
pub fn failed_address(action: &AddAddress) -> String {
    let (name, address) = (action.link.name.as_str(), action.address);
    match action.link.netns {
        Netns::Host => format!("could not add IP address {address} to {name:?}"),
        Netns::Container => format!("failed to add IP addr {address} to {name:?}"),
    }
}

/// The reference's text for a route that is not added.
pub fn failed_route(action: &AddRoute) -> String {
    format!("failed to add route '{}'", route::describe(&action.route, &action.link.name))
}

/// Whether an action failed.
pub fn is_failure(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(_))
}

/// The masquerade of an action in nftables, if it is one.
pub fn as_masquerade_nft(action: &Action) -> Option<&MasqueradeNft> {
    match action {
        Action::MasqueradeNft(masquerade) => Some(masquerade),
        _ => None,
    }
}

/// The masquerade of an action, if it is one.
pub fn as_masquerade(action: &Action) -> Option<&Masquerade> {
    match action {
        Action::Masquerade(masquerade) => Some(masquerade),
        _ => None,
    }
}
