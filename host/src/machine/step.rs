//! How a step is divided and what it says when it fails: the same for every kernel.

use super::netlink::route;
use super::{Before, MachineError, Outcome, Undone};
use crate::action::Action;
use crate::action::{
    AddAddress, AddRoute, Announce, CreateVeth, DeleteAddress, EnsureBridge, FilterRule, LinkAttribute,
    Masquerade, MasqueradeNft, SetLink, SetPromiscuous, SetUp,
};
use crate::value::{IfName, LinkRef, Mac, Netns};

/// What is done in one way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Files of a lease store.
    Leases,
    /// Messages to one namespace.
    Netlink(Netns),
    /// Files below `/proc/sys` of one.
    Sysctls(Netns),
    /// Messages about a pair in the host's namespace, each after the other's answer.
    VlanGateway,
    /// Questions to one namespace, until it is ready.
    Wait(Netns),
    /// A file with what was asked of one namespace.
    Saves(Netns),
    /// One transaction per family.
    Rules,
    /// One transaction.
    MasqueradeNft,
    /// One transaction for each family, with what makes room for it.
    MapPorts,
    /// Messages about a link and its queues, each after the other's answer.
    Shape,
    /// One transaction for each family, and calls of firewalld.
    Filter,
    /// One transaction each.
    CheckSourceMac,
    /// A process of its own, whose answer is waited for: not part of a step.
    Native,
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
            Action::EnsureVlanGateway(_) => Way::VlanGateway,
            Action::SetUp(action) => Way::Netlink(action.link.netns),
            Action::SetPromiscuous(action) => Way::Netlink(action.link.netns),
            Action::DeleteAddress(action) => Way::Netlink(action.link.netns),
            Action::Settle(action) => Way::Wait(action.link.netns),
            Action::Announce(action) => Way::Netlink(action.link.netns),
            Action::AddAddress(action) => Way::Netlink(action.link.netns),
            Action::AddRoute(action) => Way::Netlink(action.link.netns),
            Action::SetSysctl(action) => Way::Sysctls(action.netns),
            Action::SetLink(action) => Way::Netlink(action.link.netns),
            Action::SaveLink(action) => Way::Saves(action.link.netns),
            Action::Masquerade(_) => Way::Rules,
            Action::MasqueradeNft(_) => Way::MasqueradeNft,
            Action::MapPorts(_) | Action::DeletePortMap(_) => Way::MapPorts,
            Action::Filter(_) => Way::Filter,
            Action::Shape(_) => Way::Shape,
            Action::CheckSourceMac(_) => Way::CheckSourceMac,
            Action::Delegate(_) => Way::Native,
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
        Action::SetLink(action) => {
            let bridge = match &action.attribute {
                LinkAttribute::Port(port) => Some(&port.bridge),
                _ => None,
            };
            bridge.into_iter().chain([&action.link.name]).collect()
        }
        Action::SetPromiscuous(action) => vec![&action.link.name],
        Action::DeleteAddress(action) => vec![&action.link.name],
        Action::AddAddress(action) => vec![&action.link.name],
        Action::Announce(action) => vec![&action.link.name],
        Action::AddRoute(action) => vec![&action.link.name],
        Action::DeleteStaleLink(action) => vec![&action.name],
        Action::EnsureBridge(action) => vec![&action.name],
        Action::ReserveLease(_)
        | Action::EnsureVlanGateway(_)
        | Action::SetSysctl(_)
        | Action::SaveLink(_)
        | Action::Settle(_)
        | Action::Masquerade(_)
        | Action::MasqueradeNft(_)
        | Action::MapPorts(_)
        | Action::DeletePortMap(_)
        | Action::CheckSourceMac(_)
        | Action::Filter(_)
        | Action::Shape(_)
        | Action::Delegate(_) => Vec::new(),
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
pub fn a_bridge(bridge: &EnsureBridge, kind: &str) -> Result<(), MachineError> {
    if kind == "bridge" {
        return Ok(());
    }
    let name = bridge.name.as_str();
    let text = format!("failed to create bridge {name:?}: {name:?} already exists but is not a bridge");
    Err(MachineError::Conflict(text))
}

/// `ETH_DATA_LEN`: the MTU of a veth or a bridge of which nothing else was said, bytes.
pub const DEFAULT_MTU: u32 = 1500;

/// `ETH_MAX_MTU`, bytes.
pub const MAX_MTU: u32 = 65535;

/// What of a bridge has to be set lest it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Its Ethernet address.
    pub mac: bool,
    /// Its MTU.
    pub mtu: bool,
}

/// What the kernel would change of a bridge, given with its ports by Ethernet address and MTU, when another port joins it or
/// leaves it again.
///
/// Whenever a port comes or goes, a bridge takes the lowest address and the least MTU of its ports, unless somebody has set
/// that (`br_stp_recalculate_bridge_id` and `br_mtu_auto_adjust`). One that differs from its ports' was set.
pub fn keep(bridge: (Mac, u32), ports: &[(Mac, u32)], port: (Mac, u32)) -> Keep {
    let (mac, mtu) = bridge;
    let (port_mac, port_mtu) = port;
    let lowest = ports.iter().map(|(mac, _)| *mac).min();
    let least = ports.iter().map(|(_, mtu)| *mtu).min();
    // Zeros are what remains when the last port has gone: the kernel does not take them.
    let can_be_set = mac != Mac([0; 6]);
    Keep {
        mac: can_be_set && lowest.is_none_or(|lowest| lowest == mac && port_mac < mac),
        mtu: least
            .map_or((mtu, port_mtu) != (DEFAULT_MTU, DEFAULT_MTU), |least| least == mtu && port_mtu < mtu),
    }
}

/// The Ethernet address and the MTU of the port that a pair makes.
pub fn port_of(veth: &CreateVeth) -> (Mac, u32) {
    (veth.peer.mac, veth.mtu.unwrap_or(DEFAULT_MTU))
}

/// Why a link does not pass packets: in the reference's words for a port.
pub fn not_running(link: &LinkRef) -> String {
    match link.netns {
        Netns::Host => "bridge port in error state: down".to_owned(),
        Netns::Container => format!("link {} is down", link.name),
    }
}

/// The text for a link that does not come up.
pub fn failed_up(action: &SetUp) -> String {
    format!("failed to set {:?} UP", action.link.name.as_str())
}

/// The text for a link that does not get an attribute.
pub fn failed_set_link(action: &SetLink) -> String {
    let (name, value) = (action.link.name.as_str(), action.attribute.text());
    match &action.attribute {
        LinkAttribute::Mac(_) => format!("failed to set the MAC of {name:?} to {value}"),
        LinkAttribute::Mtu(_) => format!("failed to set the MTU of {name:?} to {value}"),
        LinkAttribute::QueueLength(_) => format!("failed to set the queue length of {name:?} to {value}"),
        LinkAttribute::AllMulticast(_)
        | LinkAttribute::Promiscuous(_)
        | LinkAttribute::Alias(_)
        | LinkAttribute::Port(_) => format!("failed to restore {name:?}"),
    }
}

/// The text for a link that does not take every frame.
pub fn failed_promiscuous(action: &SetPromiscuous) -> String {
    format!("could not set promiscuous mode on {:?}", action.link.name.as_str())
}

/// The text for addresses that are not announced.
pub fn failed_announcement(action: &Announce) -> String {
    format!("failed to announce the addresses of {:?}", action.link.name.as_str())
}

/// The reference's text for an address that is not removed.
pub fn failed_removal(action: &DeleteAddress) -> String {
    format!("could not remove IP address from {:?}", action.link.name.as_str())
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

/// Why an attribute is not given its old value again, if it is not: it has it, or somebody else has changed what was `set`.
pub fn restored_already(
    link: &LinkRef,
    set: Option<&LinkAttribute>,
    old: &LinkAttribute,
    now: Option<LinkAttribute>,
) -> Option<Undone> {
    if now.as_ref() == Some(old) {
        return Some(Undone::Gone);
    }
    (set.is_some() && now.as_ref() != set).then(|| {
        let is = now.map(|now| now.text()).unwrap_or_default();
        Undone::Left(format!("link {} was changed to {is:?} by somebody else", link.name))
    })
}

/// What is found of an attribute that is to be set: of a link that is there, what it has.
///
/// Absent: of a port nothing is undone, since it is only set where something else was found.
pub fn before_attribute(
    action: &SetLink,
    found: Result<Option<Option<LinkAttribute>>, MachineError>,
) -> Before {
    match found {
        Ok(Some(Some(now))) if now == action.attribute => Before::Present,
        Ok(Some(Some(now))) => Before::Value(now.text()),
        Ok(Some(None) | None) => Before::Absent,
        Err(_) => Before::Unknown,
    }
}

/// Why a native plugin is not executed as part of a step.
pub fn not_in_a_step() -> MachineError {
    MachineError::Conflict("a native plugin is executed between the stages of a plan".to_owned())
}

/// Whether an action failed.
pub fn is_failure(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(_) | Outcome::Halfway(_))
}

/// The masquerade of an action in nftables, if it is one.
pub fn as_masquerade_nft(action: &Action) -> Option<&MasqueradeNft> {
    match action {
        Action::MasqueradeNft(masquerade) => Some(masquerade),
        _ => None,
    }
}

/// The filter's rule of an action, if it is one.
pub fn as_filter(action: &Action) -> Option<&FilterRule> {
    match action {
        Action::Filter(rule) => Some(rule),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::VethPeer;

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    fn veth(last: u8, mtu: Option<u32>) -> CreateVeth {
        let name = IfName::parse("eth0").unwrap();
        let peer = VethPeer {
            name: name.clone(),
            mac: mac(last),
            alias: String::new(),
            master: None,
            hairpin: false,
            isolated: false,
            vlans: Default::default(),
        };
        CreateVeth { name, mtu, mac: mac(99), peer }
    }

    fn kept(bridge: (u8, u32), ports: &[(u8, u32)], port: (u8, Option<u32>)) -> (bool, bool) {
        let ports: Vec<_> = ports.iter().map(|(last, mtu)| (mac(*last), *mtu)).collect();
        let Keep { mac, mtu } = keep((mac(bridge.0), bridge.1), &ports, port_of(&veth(port.0, port.1)));
        (mac, mtu)
    }

    #[test]
    fn a_bridge_that_follows_its_ports_is_kept_where_the_new_one_would_change_it() {
        assert_eq!(kept((5, 1500), &[(5, 1500), (6, 9000)], (4, Some(1400))), (true, true));
        assert_eq!(kept((5, 1500), &[(5, 1500), (6, 9000)], (7, None)), (false, false));
        // One that does not follow was set.
        assert_eq!(kept((1, 1500), &[(5, 9000)], (4, Some(1400))), (false, false));
        assert_eq!(kept((9, 9000), &[(5, 1500)], (4, Some(1400))), (false, false));
    }

    #[test]
    fn a_bridge_without_ports_is_kept_unless_nothing_can_change() {
        assert_eq!(kept((5, 1500), &[], (9, None)), (true, false));
        assert_eq!(kept((5, 1500), &[], (9, Some(1400))), (true, true));
        // It would fall back to 1500 when the port leaves.
        assert_eq!(kept((5, 9000), &[], (9, Some(9000))), (true, true));
        let zeros = Mac([0; 6]);
        assert!(!keep((zeros, 1500), &[], port_of(&veth(9, None))).mac, "zeros cannot be set");
    }
}
