//! Addresses of links, as in `ip address`.

use super::check::{Check, single};
use super::completion::{Complete, UNSET};
use super::context::{ReadContext, WriteContext, refused};
use super::kind::Kind;
use super::link::{is_errno, known_link};
use super::profile::{Answered, Found, Lane, Prepared, Profile, Requests, Retract, Retraction, UndoLane};
use super::query::{Answer, Query};
use super::record::{Before, Difference, Effect, Old, Undoing};
use super::undo::Inverse;
use super::{Action, AddRoute, Undo};
use crate::machine::MachineError;
use crate::machine::port::{Address, Request};
use crate::policy::{Capability, Refusal, Resource};
use crate::value::shell::word;
use crate::value::{Fact, LinkRef, Mac, Netns, Route, derive};
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::IpAddr;

/// `RT_SCOPE_LINK`.
const SCOPE_LINK: u8 = 253;

/// See [`Action::AddAddress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddAddress {
    /// The link that gets the address.
    pub link: LinkRef,
    /// The address with its host bits, and its prefix length.
    pub address: IpNetwork,
    /// `IFA_F_NODAD`: the kernel uses the IPv6 address without duplicate address detection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nodad: bool,
}

/// See [`Action::DeleteAddress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteAddress {
    /// The link that loses the address.
    pub link: LinkRef,
    /// The address with its host bits, and its prefix length.
    pub address: IpNetwork,
}

/// Whether the kernel keeps an address that it accepted. For `0.0.0.0` it reports success and does nothing
/// (`inet_insert_ifa` in net/ipv4/devinet.c).
pub fn is_kept(address: &IpNetwork) -> bool {
    !(address.is_ipv4() && address.ip().is_unspecified())
}

/// The addresses of a link. Empty if the link does not exist.
fn all_of(link: &LinkRef, cx: &mut ReadContext<'_>) -> Result<Vec<Address>, MachineError> {
    cx.link(link)?.map_or(Ok(Vec::new()), |found| cx.addresses(link, found.index))
}

fn has(addresses: &[Address], address: IpNetwork) -> bool {
    addresses.iter().any(|there| there.address == address)
}

impl AddAddress {
    /// The action as an `AddAddress`, if it is one.
    pub fn of(action: &Action) -> Option<&Self> {
        if let Action::AddAddress(one) = action { Some(one) } else { None }
    }

    /// The connected route, which the kernel adds together with the address. None for an address without such a route.
    pub fn connected(&self) -> Option<AddRoute> {
        let (ip, prefix) = (self.address.ip(), self.address.prefix());
        let whole = if ip.is_ipv4() { 32 } else { 128 };
        let network = self.address.network();
        // The kernel adds no route to a network that begins with 0, as with every prefix length 0 (`fib_add_ifaddr` in
        // net/ipv4/fib_frontend.c).
        if prefix == whole || ip.is_loopback() || matches!(network, IpAddr::V4(v4) if v4.octets()[0] == 0) {
            return None;
        }
        let scope = ip.is_ipv4().then_some(SCOPE_LINK);
        let network = IpNetwork::new(network, prefix).ok()?;
        Some(AddRoute { link: self.link.clone(), route: Route { scope, ..Route::to(network) } })
    }

    /// Whether `route` is the connected route of the address.
    fn leads_to(&self, route: &AddRoute) -> bool {
        let network = (self.address.network(), self.address.prefix());
        self.link == route.link
            && route.route.gw.is_none()
            && network == (route.route.dst.ip(), route.route.dst.prefix())
    }

    /// The reference's error text for an address that cannot be added.
    fn failed(&self) -> String {
        let (name, address) = (self.link.name.as_str(), self.address);
        match self.link.netns {
            Netns::Host => format!("could not add IP address {address} to {name:?}"),
            Netns::Container => format!("failed to add IP addr {address} to {name:?}"),
        }
    }
}

impl Complete<'_> {
    /// The MAC address of a link. This is `set`, if a planner set one. Otherwise it is `0a:58` followed by the first
    /// IPv4 address of the link: a later container with the same IP address then has the same MAC address. Without an
    /// IPv4 address it is `otherwise`.
    pub fn mac(&self, set: Mac, link: &LinkRef, otherwise: impl FnOnce() -> Mac) -> Mac {
        if set != UNSET {
            return set;
        }
        let added = self.actions.iter().filter_map(|action| AddAddress::of(action));
        let addresses: Vec<IpNetwork> =
            added.filter(|add| add.link == *link).map(|add| add.address).collect();
        derive::mac_of(&addresses).unwrap_or_else(otherwise)
    }
}

impl Kind for AddAddress {
    fn profile(&self) -> Profile<'_> {
        Profile::on_link(&self.link, Lane::Requests(self.link.netns, self), Capability::Addresses)
    }

    fn commands(&self) -> Vec<String> {
        let AddAddress { link, address, .. } = self;
        let broadcast = match address {
            IpNetwork::V4(v4) if v4.prefix() < 31 => format!(" broadcast {}", v4.broadcast()),
            IpNetwork::V4(_) | IpNetwork::V6(_) => String::new(),
        };
        let nodad = if self.nodad { " nodad" } else { "" };
        vec![format!("ip address add {address}{broadcast} dev {}{nodad}", link.name)]
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let ip = self.address.ip();
        let mut refusals = check.link(&self.link);
        refusals.extend(match self.link.netns {
            Netns::Container => {
                let is_own = check.is_own(ip);
                let rule = || match is_own {
                    false => "no lease, native delegate or configuration gives this address".to_owned(),
                    true => "its prefix is shorter than that of its network".to_owned(),
                };
                let is_granted = is_own && check.is_bounded(self.address);
                check.rules.refuse(&Resource::Address(single(ip)), is_granted, rule)
            }
            Netns::Host => {
                // On the host's end, the route to the network would divert the packets for other containers.
                let is_alone = single(ip) == self.address || !check.is_host_end(&self.link.name);
                let host_is_gateway = check.is_router();
                // On the bridge itself, the route to the network would divert the packets for the containers of the VLAN.
                let is_in_vlan = check.grants.own.link.vlan.is_none() || !check.is_bridge(&self.link.name);
                let rule = || {
                    let text = match (check.is_gateway(ip), host_is_gateway, is_alone, is_in_vlan) {
                        (false, _, _, _) => "it is no gateway of an address of this attachment",
                        (_, false, _, _) => "the configuration does not make the host a gateway",
                        (_, _, false, _) => {
                            "the host's end gets a gateway's address alone, without its network"
                        }
                        (_, _, _, false) => {
                            "the gateway of a VLAN is on the link of the VLAN, not on the bridge"
                        }
                        (true, true, true, true) => {
                            "its prefix is not that of the network whose gateway it is"
                        }
                    };
                    text.to_owned()
                };
                let is_own = check.is_gateway(ip) && host_is_gateway && is_alone && is_in_vlan;
                let is_granted = is_own && check.has_own_prefix(self.address);
                check.rules.refuse(&Resource::Address(self.address), is_granted, rule)
            }
        });
        refusals
    }

    /// Routes to the network of the address then use the link.
    fn overlay(&self, query: &Query, answer: &mut Answer) {
        if let Some(fact) = known_link(query, answer, (&self.link).into())
            && !fact.addresses.contains(&self.address)
        {
            fact.addresses.push(self.address);
        }
        if let (Query::RouteTo(address), Answer::RouteTo(fact)) = (query, answer)
            && self.link.netns == Netns::Host
            && self.address.contains(*address)
        {
            *fact = Fact::Known(self.link.name.clone());
        }
    }

    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        // The kernel refuses an address that exists, so after a success it was absent before. The address also
        // disappears with its link.
        if self.link.netns == Netns::Container {
            return Before::Absent;
        }
        match all_of(&self.link, cx) {
            Ok(there) if has(&there, self.address) => Before::Present,
            Ok(_) => Before::Absent,
            Err(_) => Before::Unknown,
        }
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        undoing.on_link(&self.link, RemoveAddress { link: self.link.clone(), address: self.address })
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        let AddAddress { link, address, .. } = self;
        if !is_kept(address) {
            return Ok(Vec::new());
        }
        let found = cx.link(link)?;
        let holds = match &found {
            Some(found) => Some(has(&cx.addresses(link, found.index)?, *address)),
            None => None,
        };
        // A link that is down has no connected route.
        if let (Some(true), Some(found), Some(add)) =
            (holds, found.filter(|found| found.up), self.connected())
        {
            let dst = add.route.dst;
            let text = format!("the route to {dst} is missing, for {address} on {link}");
            return Ok(match add.is_there(found.index, cx.look)? {
                true => Vec::new(),
                false => vec![Difference::repaired(text, add)],
            });
        }
        let text = format!("address {address} is missing on {link}");
        Ok(Difference::on_link(self.clone(), link, holds, &format!(", and with it {address}"), text))
    }

    fn is_superseded(&self, by: &Action) -> bool {
        matches!(by, Action::DeleteAddress(delete)
            if (&delete.link, delete.address) == (&self.link, self.address))
    }

    /// On a shared link, another attachment uses an address only if its own plan adds the same one.
    fn is_used_by(&self, other: &Action, _own: &[&Action]) -> bool {
        Action::from(self.clone()) == *other
    }

    /// Also the connected route, which the kernel adds with the address.
    fn covers(&self, repair: &Action) -> bool {
        matches!(repair, Action::AddRoute(route) if self.leads_to(route))
    }
}

impl Requests for AddAddress {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        let AddAddress { link, address, nodad } = self;
        let link = cx.index(link)?;
        Ok(Prepared::Send(vec![Request::AddAddress { link, address: *address, nodad: *nodad }]))
    }

    fn conclude(&self, answers: Vec<Answered>, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        let Some(error) = answers.into_iter().find_map(Result::err) else { return Ok(Effect::Created) };
        if is_errno(&error, Errno::EEXIST) && self.link.netns == Netns::Host {
            let index = cx.index(&self.link)?;
            if has(&cx.addresses(&self.link, index)?, self.address) {
                return Ok(Effect::AlreadyThere);
            }
        }
        let is_disabled = is_errno(&error, Errno::EACCES) && self.address.is_ipv6();
        Err(refused(self.failed(), if is_disabled { self.disabled(&error) } else { error }))
    }
}

impl AddAddress {
    /// The error for a link without IPv6 (`inet6_addr_add` in net/ipv6/addrconf.c: EACCES).
    fn disabled(&self, error: &io::Error) -> io::Error {
        let name = &self.link.name;
        let text = format!("{error}: IPv6 is disabled on {name} (net/ipv6/conf/{name}/disable_ipv6 is 1)");
        io::Error::new(error.kind(), text)
    }
}

impl Kind for DeleteAddress {
    fn profile(&self) -> Profile<'_> {
        Profile::on_link(&self.link, Lane::Requests(self.link.netns, self), Capability::Addresses)
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("ip address delete {} dev {}", self.address, self.link.name)]
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let mut refusals = check.link(&self.link);
        let is_replaced = check.plan.iter().any(|action| self.makes_room_for(action));
        let rule = match is_replaced {
            false => "no gateway of that family takes its place",
            true => "the configuration does not say `forceAddress`",
        };
        refusals.extend(match self.link.netns {
            Netns::Host if is_replaced && check.grants.own.link.forces_address => Vec::new(),
            Netns::Host => {
                let address = Resource::Address(single(self.address.ip()));
                // `only` in a policy limits what a plugin adds. The address that is deleted here belongs to somebody
                // else in any case.
                check.rules.refuse(&address, false, || rule.to_owned())
            }
            Netns::Container => vec![Refusal::never(rule)],
        });
        refusals
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        if let Some(fact) = known_link(query, answer, (&self.link).into()) {
            fact.addresses.retain(|address| *address != self.address);
        }
    }

    /// Present means that the work is done: there is no such address to delete.
    fn observe(&self, cx: &mut ReadContext<'_>) -> Before {
        match all_of(&self.link, cx).map(|there| there.into_iter().find(|one| one.address == self.address)) {
            Ok(Some(found)) => Before::Old(Old::Address(found)),
            Ok(None) => Before::Present,
            Err(_) => Before::Unknown,
        }
    }

    /// An address that exists is the one to delete.
    fn found(&self, before: &Before) -> Found {
        match before {
            Before::Old(_) => Found::Absent,
            Before::Absent | Before::Present | Before::Unknown => before.into(),
        }
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        let Some(Old::Address(address)) = undoing.done.old() else { return Vec::new() };
        vec![RestoreAddress { link: self.link.clone(), address: address.clone() }.into()]
    }

    /// An address that another attachment of the bridge has added since then is not a difference.
    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        Ok(Vec::new())
    }

    /// Another attachment uses the deletion if it deletes the same address, or if it has the address that replaced it.
    fn is_used_by(&self, other: &Action, own: &[&Action]) -> bool {
        Action::from(self.clone()) == *other || self.makes_room_for(other) && own.contains(&other)
    }
}

impl DeleteAddress {
    /// Whether an action adds an address to the link that this one conflicts with: another IPv4 address, or an IPv6
    /// address whose network overlaps, as in the reference's bridge.
    fn makes_room_for(&self, action: &Action) -> bool {
        let conflicts = |added: IpNetwork| match (self.address, added) {
            (IpNetwork::V4(_), IpNetwork::V4(_)) => true,
            (IpNetwork::V6(own), IpNetwork::V6(added)) => {
                own.contains(added.ip()) || added.contains(own.ip())
            }
            (IpNetwork::V4(_), IpNetwork::V6(_)) | (IpNetwork::V6(_), IpNetwork::V4(_)) => false,
        };
        matches!(action, Action::AddAddress(add) if add.link == self.link && conflicts(add.address))
    }
}

impl Requests for DeleteAddress {
    /// If the address does not exist, nothing is sent. If it exists, all its attributes are noted, so that undo can
    /// restore them.
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Prepared, MachineError> {
        let DeleteAddress { link, address } = self;
        let index = cx.index(link)?;
        let there = cx.addresses(link, index)?;
        let Some(found) = there.into_iter().find(|one| one.address == *address) else {
            return Ok(Prepared::Nothing);
        };
        cx.notes.deleted.push((link.clone(), found));
        Ok(Prepared::Send(vec![Request::DeleteAddress { link: index, address: *address }]))
    }

    fn conclude(&self, answers: Vec<Answered>, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
        let DeleteAddress { link, address } = self;
        let noted = &mut cx.notes.deleted;
        let place = noted.iter().rposition(|(of, old)| of == link && old.address == *address);
        let old = place.map(|place| noted.swap_remove(place).1);
        match answers.into_iter().find_map(Result::err) {
            Some(error) if !is_errno(&error, Errno::EADDRNOTAVAIL) => {
                let name = link.name.as_str();
                Err(refused(format!("could not remove IP address from {name:?}"), error))
            }
            // The address existed when `prepare` looked. With EADDRNOTAVAIL, the kernel deleted it together with the
            // primary address of its subnet.
            Some(_) | None => Ok(old.map_or(Effect::Created, |old| Effect::Replaced(Old::Address(old)))),
        }
    }
}

/// Removes an address from a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveAddress {
    /// The link.
    pub link: LinkRef,
    /// The address with its prefix length.
    pub address: IpNetwork,
}

impl Inverse for RemoveAddress {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Requests(self.link.netns, self)
    }

    fn command(&self) -> String {
        format!("ip address delete {} dev {}", self.address, word(self.link.name.as_str()))
    }
}

impl Retract for RemoveAddress {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Retraction, MachineError> {
        let RemoveAddress { link, address } = self;
        let Some(index) = index_where(link, *address, true, cx)? else { return Ok(Retraction::GONE) };
        let what = format!("failed to delete {address} from {:?}", link.name.as_str());
        Ok(Retraction::Send(vec![vec![Request::DeleteAddress { link: index, address: *address }]], what))
    }
}

/// The index of a link that exists. `is_there` says whether the link must have the address or must not have it.
fn index_where(
    link: &LinkRef,
    address: IpNetwork,
    is_there: bool,
    cx: &mut WriteContext<'_>,
) -> Result<Option<u32>, MachineError> {
    let Some(found) = cx.seen(link)? else { return Ok(None) };
    Ok((has(&cx.addresses(link, found.index)?, address) == is_there).then_some(found.index))
}

/// Adds a deleted address again, if the link exists and does not have the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreAddress {
    /// The link.
    pub link: LinkRef,
    /// The address with its earlier attributes.
    pub address: Address,
}

impl Inverse for RestoreAddress {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Requests(self.link.netns, self)
    }

    fn command(&self) -> String {
        let Address { address, broadcast, label, .. } = &self.address;
        let broadcast = broadcast.map(|broadcast| format!(" broadcast {broadcast}")).unwrap_or_default();
        let label = label.as_ref().map(|label| format!(" label {}", word(label))).unwrap_or_default();
        let nodad = if self.address.is_nodad() { " nodad" } else { "" };
        let name = word(self.link.name.as_str());
        format!("ip address add {address}{broadcast}{label}{nodad} dev {name}")
    }
}

impl Retract for RestoreAddress {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Retraction, MachineError> {
        let RestoreAddress { link, address: old } = self;
        let address = old.address;
        let Some(index) = index_where(link, address, false, cx)? else { return Ok(Retraction::GONE) };
        let what = format!("failed to add {address} to {:?} again", link.name.as_str());
        Ok(Retraction::Send(vec![vec![Request::RestoreAddress { link: index, address: old.clone() }]], what))
    }
}
