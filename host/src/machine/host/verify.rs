//! How the machine differs from what was made.

use super::super::beside::beside;
use super::super::difference::{self, Difference, End, Port};
use super::super::errno::{as_go, chain};
use super::super::iptables::masquerade;
use super::super::lease::{Holder, LeaseDirectories, RealDirectories, Store};
use super::super::netlink::{Link, route};
use super::super::{MachineError, nft, sysctl};
use super::{HostKernel, enter, no_entry, refused};
use crate::action::Action;
use crate::action::{AddRoute, CreateVeth, Masquerade, MasqueradeNft, ReserveLease, SetSysctl, VethPeer};
use crate::machine::netlink::link;
use crate::machine::step::{as_masquerade, as_masquerade_nft};
use crate::plan::render;
use crate::value::{LinkIdentity, LinkRef, Netns};

impl HostKernel {
    pub(super) fn verify_all(&mut self, actions: &[Action]) -> Vec<Vec<Difference>> {
        let rules: Vec<&Masquerade> = actions.iter().filter_map(as_masquerade).collect();
        let nft_rules: Vec<&MasqueradeNft> = actions.iter().filter_map(as_masquerade_nft).collect();
        let list = || (masquerade::verify(&rules), nft::masquerade::verify(&nft_rules));
        let mut verify = || -> Vec<_> { actions.iter().map(|action| self.verify_action(action)).collect() };
        // To list those of nft is a process.
        let ((rules, nft_rules), all) =
            if nft_rules.is_empty() { (list(), verify()) } else { beside(list, verify) };
        let (mut rules, mut nft_rules) = (rules.into_iter(), nft_rules.into_iter());
        let of_action = |(action, found): (&Action, Result<_, MachineError>)| match action {
            // All of them are listed at once.
            Action::Masquerade(_) => rules.next().unwrap_or_default(),
            Action::MasqueradeNft(_) => nft_rules.next().unwrap_or_default(),
            _ => found.unwrap_or_else(|error| vec![Difference::beyond(chain(&error))]),
        };
        actions.iter().zip(all).map(of_action).collect()
    }

    fn verify_action(&mut self, action: &Action) -> Result<Vec<Difference>, MachineError> {
        Ok(match action {
            Action::ReserveLease(lease) => difference::of_lease(lease, holder(lease)?),
            // All rules are verified together.
            Action::DeleteStaleLink(_) | Action::Masquerade(_) | Action::MasqueradeNft(_) => Vec::new(),
            // What another attachment of the bridge put there meanwhile is its own.
            Action::DeleteAddress(_) | Action::Settle(_) | Action::Announce(_) => Vec::new(),
            // It has its own CHECK.
            Action::Delegate(_) => Vec::new(),
            Action::SetLink(set) => {
                let found = self.seen(&set.link)?;
                difference::of_attribute(set, found.map(|found| found.attribute(&set.attribute)))
            }
            // The journal knows better.
            Action::SaveLink(_) => Vec::new(),
            Action::CheckSourceMac(check) => nft::source_mac::verify(check),
            Action::MapPorts(ports) => super::portmap::verify(ports),
            Action::Filter(rule) => super::filter::verify(rule),
            Action::Shape(shape) => self.verify_shape(shape)?,
            // Who is gone stays so.
            Action::DeletePortMap(_) => Vec::new(),
            Action::EnsureBridge(bridge) => {
                let found = self.find(Netns::Host, &bridge.name)?;
                if let Some(found) = found.as_ref().filter(|found| found.kind == "bridge") {
                    self.found_bridge(bridge, found);
                }
                difference::of_bridge(bridge, found.as_ref().map(|found| found.kind.as_str()))
            }
            Action::CreateVeth(veth) => self.verify_veth(veth)?,
            Action::EnsureVlanGateway(gateway) => self.verify_vlan_gateway(gateway)?,
            Action::SetPromiscuous(set) => {
                let holds = self.seen(&set.link)?.map(|found| found.promiscuous);
                let text = format!("link {} is not promiscuous", set.link);
                difference::on_link(action, &set.link, holds, "", text)
            }
            Action::SetUp(up) => {
                let holds = self.seen(&up.link)?.map(|found| found.up);
                difference::on_link(action, &up.link, holds, "", format!("link {} is down", up.link))
            }
            Action::AddAddress(add) if !difference::is_kept(&add.address) => Vec::new(),
            Action::AddAddress(add) => {
                let (link, address) = (&add.link, add.address);
                let found = self.seen(link)?;
                let holds = match &found {
                    Some(found) => Some(self.addresses(link, found.index)?.contains(&address)),
                    None => None,
                };
                // A link that is down has no such route.
                if let (Some(true), Some(found), Some(route)) =
                    (holds, found.filter(|found| found.up), difference::connected(add))
                {
                    let there = self.has_route(&route, found.index)?;
                    return Ok(if there { Vec::new() } else { difference::of_connected(add, route) });
                }
                let text = format!("address {address} is missing on {link}");
                difference::on_link(action, link, holds, &format!(", and with it {address}"), text)
            }
            Action::AddRoute(add) => {
                let holds = match self.seen(&add.link)? {
                    Some(found) => Some(self.has_route(add, found.index)?),
                    None => None,
                };
                let route = render::route(&add.route, add.link.name.as_str());
                let text = format!("route {route} is missing");
                difference::on_link(
                    action,
                    &add.link,
                    holds,
                    &format!(", and with it the route {route}"),
                    text,
                )
            }
            Action::SetSysctl(set) => self.verify_sysctl(set)?,
        })
    }

    fn has_route(&mut self, add: &AddRoute, index: u32) -> Result<bool, MachineError> {
        let there = self.socket(add.link.netns).and_then(|socket| route::is_there(socket, index, &add.route));
        there.map_err(|e| refused("failed to list routes", e))
    }

    pub(super) fn seen(&mut self, link: &LinkRef) -> Result<Option<Link>, MachineError> {
        if self.has(link.netns) { self.find(link.netns, &link.name) } else { Ok(None) }
    }

    /// Whether there is a link of that name.
    pub fn has_link(&mut self, link: &LinkRef) -> bool {
        matches!(self.seen(link), Ok(Some(_)))
    }

    /// Whether a link that was made still exists, under whatever name.
    pub fn is_there(&mut self, identity: &LinkIdentity) -> Result<bool, MachineError> {
        let LinkRef { netns, name } = &identity.link;
        if !self.has(*netns) {
            return Ok(false);
        }
        let found = self.socket(*netns).and_then(|socket| link::find_index(socket, identity.index));
        let found = found.map_err(|e| refused(format!("failed to lookup {:?}", name.as_str()), e))?;
        Ok(found.is_some_and(|found| found.kind == identity.kind))
    }

    fn verify_veth(&mut self, veth: &CreateVeth) -> Result<Vec<Difference>, MachineError> {
        let inside = LinkRef { netns: Netns::Container, name: veth.name.clone() };
        let outside = LinkRef { netns: Netns::Host, name: veth.peer.name.clone() };
        let inside = self.seen(&inside)?.map(|found| end(&found, None));
        let outside = match self.seen(&outside)? {
            Some(found) => Some(end(&found, self.port(&found, &veth.peer)?)),
            None => None,
        };
        Ok(difference::of_pair(veth, inside.as_ref(), outside.as_ref()))
    }

    /// A link as a port of its master.
    fn port(&mut self, found: &Link, peer: &VethPeer) -> Result<Option<Port>, MachineError> {
        let Some(master) = &peer.master else { return Ok(None) };
        let bridge = self.find(Netns::Host, master)?.map(|bridge| bridge.index);
        if bridge.is_none() || found.master != bridge {
            return Ok(None);
        }
        let mut vlans = Vec::new();
        if !peer.vlans.is_default() {
            vlans = self.vlans(&peer.name, found.index)?.differences(&peer.name, &peer.vlans);
        }
        Ok(Some(Port { hairpin: found.hairpin, isolated: found.isolated, vlans }))
    }

    fn verify_sysctl(&mut self, set: &SetSysctl) -> Result<Vec<Difference>, MachineError> {
        // Of the container's own, what may be missing may also be set otherwise, by who runs the container.
        if set.optional && set.netns == Netns::Container {
            return Ok(Vec::new());
        }
        let _guard = enter(self.container.as_ref(), set.netns).map_err(no_entry)?;
        Ok(difference::of_sysctl(set, sysctl::read(&set.key).ok().as_deref()))
    }
}

fn end(found: &Link, port: Option<Port>) -> End {
    End { kind: found.kind.clone(), mac: found.mac(), mtu: found.mtu, alias: found.alias.clone(), port }
}

/// Without the lock, which looking has no need of: one file is read.
pub(super) fn holder(lease: &ReserveLease) -> Result<Holder, MachineError> {
    let holder = RealDirectories.open(&lease.store).and_then(|directory| {
        let store = directory.map(|directory| Store::new(lease.store.clone(), directory));
        store.map_or(Ok(Holder::Nobody), |store| store.holder(lease.address, &lease.owner))
    });
    holder.map_err(|source| MachineError::File {
        what: format!("failed to read {}", lease.store.directory().display()),
        source: as_go(source),
    })
}
