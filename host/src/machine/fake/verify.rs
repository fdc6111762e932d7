//! How the machine differs from what was made.

use super::super::MachineError;
use super::super::difference::{self, Difference, End, Port};
use super::super::errno::chain;
use super::super::lease::Holder;
use super::{FakeKernel, Link, no_entry};
use crate::action::Action;
use crate::action::{AddRoute, CreateVeth, ReserveLease, SetSysctl, VethPeer};
use crate::plan::render;
use crate::value::{LinkRef, Netns};

impl FakeKernel {
    pub(super) fn verify_all(&mut self, actions: &[Action]) -> Vec<Vec<Difference>> {
        let all = actions.iter().map(|action| self.verify_action(action));
        all.map(|found| found.unwrap_or_else(|error| vec![Difference::beyond(chain(&error))])).collect()
    }

    fn verify_action(&mut self, action: &Action) -> Result<Vec<Difference>, MachineError> {
        Ok(match action {
            Action::ReserveLease(lease) => difference::of_lease(lease, self.holder(lease)),
            Action::Masquerade(rules) => Difference::all(self.nat.verify(rules), action),
            Action::MasqueradeNft(rule) => Difference::all(self.nft.verify_masquerade(rule), action),
            Action::DeleteStaleLink(_) => Vec::new(),
            // What another attachment of the bridge put there meanwhile is its own.
            Action::DeleteAddress(_) | Action::Settle(_) | Action::Announce(_) => Vec::new(),
            Action::Delegate(_) | Action::SaveLink(_) => Vec::new(),
            Action::SetLink(set) => {
                let found = self.seen(&set.link)?;
                difference::of_attribute(set, found.map(|found| found.attribute(&set.attribute)))
            }
            Action::MapPorts(ports) => Difference::all(self.ports.verify(ports), action),
            Action::Filter(rule) => Difference::all(self.filters.verify(rule), action),
            Action::Shape(shape) => Difference::all(self.shapes.verify(shape), action),
            Action::DeletePortMap(_) => Vec::new(),
            Action::CheckSourceMac(check) => Difference::all(self.nft.verify_check(check), action),
            Action::EnsureBridge(bridge) => {
                let found = self.find(Netns::Host, &bridge.name)?;
                if let Some(found) = found.as_ref().filter(|found| found.kind == "bridge")
                    && found.mac != bridge.mac
                {
                    self.foreign_bridges.insert(bridge.name.clone());
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
                let holds = found.as_ref().map(|found| found.addresses().contains(&address));
                if let (Some(true), Some(found), Some(route)) =
                    (holds, found.filter(|found| found.up), difference::connected(add))
                {
                    let there = self.has_route(&route, found.index);
                    return Ok(if there { Vec::new() } else { difference::of_connected(add, route) });
                }
                let text = format!("address {address} is missing on {link}");
                difference::on_link(action, link, holds, &format!(", and with it {address}"), text)
            }
            Action::AddRoute(add) => {
                let holds = self.seen(&add.link)?.map(|found| self.has_route(add, found.index));
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

    fn has_route(&self, add: &AddRoute, index: u32) -> bool {
        let routes = self.machine.space(add.link.netns).map(|space| space.all_routes()).unwrap_or_default();
        routes.iter().any(|route| route.is(index, &add.route))
    }

    pub(super) fn seen(&mut self, link: &LinkRef) -> Result<Option<Link>, MachineError> {
        if self.has(link.netns) { self.find(link.netns, &link.name) } else { Ok(None) }
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
        let vlans = found.vlans.differences(&peer.name, &peer.vlans);
        Ok(Some(Port { hairpin: found.hairpin, isolated: found.isolated, vlans }))
    }

    fn verify_sysctl(&mut self, set: &SetSysctl) -> Result<Vec<Difference>, MachineError> {
        if set.optional && set.netns == Netns::Container {
            return Ok(Vec::new());
        }
        let space = self.machine.space(set.netns).ok_or_else(no_entry)?;
        Ok(difference::of_sysctl(set, space.sysctls.read(set.key.as_str()).ok().as_deref()))
    }

    fn holder(&self, lease: &ReserveLease) -> Holder {
        let store = self.stores.stores.get(&lease.store);
        store.map_or(Holder::Nobody, |store| store.holder(lease.address, &lease.owner))
    }
}

fn end(found: &Link, port: Option<Port>) -> End {
    End { kind: found.kind.clone(), mac: found.mac, mtu: found.mtu, alias: found.alias.clone(), port }
}
