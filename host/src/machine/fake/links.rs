//! Doing netlink actions: everything whose links are known goes out in one send.

use super::super::{Effect, MachineError, Outcome};
use super::FakeKernel;
use super::execute::{answer, without_netns};
use super::link::Link;
use crate::action::Action;
use crate::action::{CreateVeth, DeleteStaleLink, EnsureBridge, LinkAttribute, SetLink};
use crate::machine::step::{
    a_bridge, failed_address, failed_announcement, failed_promiscuous, failed_removal, failed_route,
    failed_set_link, failed_up, is_failure, makes, needs, port_of,
};
use crate::value::{IfName, LinkIdentity, LinkRef, Netns, Route};
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use std::collections::BTreeSet;

/// What the kernel is asked for.
enum Request<'a> {
    Delete(u32),
    CreateBridge(&'a EnsureBridge),
    /// The pair, then the mark of its host end.
    CreateVeth(&'a CreateVeth, Option<u32>),
    SetUp(u32),
    SetPromiscuous(u32),
    DeleteAddress(u32, IpNetwork),
    AddAddress(u32, IpNetwork),
    /// Its Ethernet address again.
    Announce(u32),
    AddRoute(u32, &'a Route),
    Set(u32, &'a LinkAttribute, Option<u32>),
}

/// The kernel's answers: to the request, and of a pair to its mark.
type Answers = (Result<(), Errno>, Result<(), Errno>);

impl FakeKernel {
    /// One outcome for each action that was begun.
    pub(super) fn execute_netlink(&mut self, netns: Netns, actions: &[Action]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(actions.len());
        while let Some(rest) = actions.get(outcomes.len()..).filter(|rest| !rest.is_empty()) {
            outcomes.extend(self.send(netns, rest));
            if outcomes.iter().any(is_failure) {
                break;
            }
        }
        outcomes
    }

    /// Sends as many of the actions as can go together: up to one that needs a link which another of them makes. One that
    /// the kernel refuses does not stop those after it.
    fn send(&mut self, netns: Netns, actions: &[Action]) -> Vec<Outcome> {
        let mut made: BTreeSet<&IfName> = BTreeSet::new();
        let mut batch = Vec::new();
        let mut refusal = None;
        for action in actions {
            if needs(action).iter().any(|name| made.contains(name)) {
                break;
            }
            match self.request(netns, action) {
                Ok(request) => {
                    batch.push(request);
                    made.extend(makes(action));
                }
                Err(error) => {
                    refusal = Some(Outcome::Failed(error));
                    break;
                }
            }
        }
        let answers: Vec<Option<Answers>> =
            batch.into_iter().map(|request| request.map(|request| self.answer(netns, request))).collect();
        let mut outcomes = Vec::with_capacity(actions.len());
        for (action, answers) in actions.iter().zip(answers) {
            let result = match answers {
                None => Ok(Effect::AlreadyThere),
                Some(answers) => self.conclude(action, answers),
            };
            outcomes.push(result.map_or_else(Outcome::Halfway, Outcome::Done));
        }
        if !outcomes.iter().any(is_failure) {
            outcomes.extend(refusal);
        }
        outcomes
    }

    /// What has to be sent for an action: nothing, when it is done already.
    fn request<'a>(&mut self, netns: Netns, action: &'a Action) -> Result<Option<Request<'a>>, MachineError> {
        match action {
            Action::DeleteStaleLink(action) => self.delete_stale(action),
            Action::EnsureBridge(bridge) => match self.find(Netns::Host, &bridge.name)? {
                Some(found) => {
                    a_bridge(bridge, &found.kind)?;
                    if found.mac != bridge.mac {
                        self.foreign_bridges.insert(bridge.name.clone());
                    } else if !found.up {
                        self.machine.ignore_advertisements(&bridge.name);
                    }
                    Ok(None)
                }
                None => Ok(Some(Request::CreateBridge(bridge))),
            },
            Action::CreateVeth(veth) => self.create_veth(veth).map(Some),
            Action::SetUp(action) => {
                let found = self.require(netns, &action.link.name)?;
                Ok((!found.up).then_some(Request::SetUp(found.index)))
            }
            Action::AddAddress(action) => {
                Ok(Some(Request::AddAddress(self.index(&action.link)?, action.address)))
            }
            Action::Announce(action) => {
                Ok(Some(Request::Announce(self.require(netns, &action.link.name)?.index)))
            }
            Action::SetLink(action) => self.set_link(action),
            Action::AddRoute(action) => {
                let index = self.index(&action.link)?;
                let Route { dst, gw, .. } = &action.route;
                if gw.is_some_and(|gw| gw.is_ipv4() != dst.is_ipv4()) {
                    let text = "gateway and destination ip are not the same IP family";
                    return Err(MachineError::Conflict(format!("{}: {text}", failed_route(action))));
                }
                Ok(Some(Request::AddRoute(index, &action.route)))
            }
            Action::SetPromiscuous(action) => {
                let found = self.require(netns, &action.link.name)?;
                Ok((!found.promiscuous).then_some(Request::SetPromiscuous(found.index)))
            }
            Action::DeleteAddress(action) => {
                let index = self.index(&action.link)?;
                let is_there = self.has_address(&action.link, action.address)?;
                Ok(is_there.then_some(Request::DeleteAddress(index, action.address)))
            }
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
            | Action::Delegate(_) => Ok(None),
        }
    }

    fn delete_stale(&mut self, action: &DeleteStaleLink) -> Result<Option<Request<'static>>, MachineError> {
        match self.find(Netns::Host, &action.name)? {
            None => Ok(None),
            Some(found) if found.alias.as_deref() == Some(&action.alias) => {
                Ok(Some(Request::Delete(found.index)))
            }
            Some(_) => Err(MachineError::Conflict(format!("link {:?} is not ours", action.name.as_str()))),
        }
    }

    /// A port with the index of its bridge.
    fn set_link<'a>(&mut self, set: &'a SetLink) -> Result<Option<Request<'a>>, MachineError> {
        let found = self.require(set.link.netns, &set.link.name)?;
        let old = match found.attribute(&set.attribute) {
            Some(now) if now == set.attribute => return Ok(None),
            now => now.map(|now| now.text()),
        };
        self.old_attributes.extend(old.map(|old| (set.clone(), old)));
        let mut bridge = None;
        if let LinkAttribute::Port(port) = &set.attribute {
            let index = self.require(Netns::Host, &port.bridge)?.index;
            if found.master != Some(index) && self.foreign_bridges.contains(&port.bridge) {
                let kept = self.machine.keep_bridge(index, (found.mac, found.mtu));
                let text = format!("failed to keep {:?} as it is", port.bridge.as_str());
                kept.map_err(|errno| answer(text, errno))?;
            }
            bridge = Some(index);
        }
        Ok(Some(Request::Set(found.index, &set.attribute, bridge)))
    }

    fn create_veth<'a>(&mut self, veth: &'a CreateVeth) -> Result<Request<'a>, MachineError> {
        if self.find(Netns::Host, &veth.peer.name)?.is_some() {
            let name = veth.peer.name.as_str();
            return Err(MachineError::Conflict(format!("host veth name ({name:?}) already exists")));
        }
        let master = veth.peer.master.as_ref().map(|name| LinkRef { netns: Netns::Host, name: name.clone() });
        let index = master.as_ref().map(|master| self.index(master)).transpose()?;
        if !self.has(Netns::Container) {
            return Err(without_netns("failed to make veth pair"));
        }
        if let (Some(index), Some(master)) = (index, &veth.peer.master)
            && self.foreign_bridges.contains(master)
        {
            let kept = self.machine.keep_bridge(index, port_of(veth));
            kept.map_err(|errno| answer(format!("failed to keep {:?} as it is", master.as_str()), errno))?;
        }
        Ok(Request::CreateVeth(veth, index))
    }

    /// Does what is asked for.
    fn answer(&mut self, netns: Netns, request: Request<'_>) -> Answers {
        let machine = &mut self.machine;
        let result = match request {
            Request::Delete(index) => machine.delete(netns, index),
            Request::CreateBridge(bridge) => machine.create_bridge(bridge),
            Request::CreateVeth(veth, master) => {
                let created = machine.create_veth(veth, master);
                return (created, machine.mark_veth(&veth.peer));
            }
            Request::SetUp(index) => machine.in_space(netns).and_then(|space| space.set_up(index)),
            Request::SetPromiscuous(index) => {
                machine.in_space(netns).and_then(|space| space.set_promiscuous(index, true))
            }
            Request::DeleteAddress(index, address) => {
                machine.in_space(netns).and_then(|space| space.delete_address(index, address))
            }
            Request::AddAddress(index, address) => {
                machine.in_space(netns).and_then(|space| space.add_address(index, address))
            }
            Request::Announce(index) => machine.in_space(netns).and_then(|space| space.announce(index)),
            Request::AddRoute(index, route) => {
                machine.in_space(netns).and_then(|space| space.add_route(index, route))
            }
            Request::Set(index, attribute, bridge) => {
                machine.in_space(netns).and_then(|space| space.set_attribute(index, attribute, bridge))
            }
        };
        (result, Ok(()))
    }

    /// What the kernel's answers mean.
    fn conclude(&mut self, action: &Action, answers: Answers) -> Result<Effect, MachineError> {
        if let Action::CreateVeth(veth) = action {
            return self.conclude_veth(veth, answers);
        }
        let Err(errno) = answers.0 else {
            return match action {
                Action::EnsureBridge(bridge) => {
                    self.foreign_bridges.remove(&bridge.name);
                    self.machine.ignore_advertisements(&bridge.name);
                    let identity = self.identify(Netns::Host, &bridge.name)?;
                    Ok(Effect::CreatedLinks(vec![identity]))
                }
                Action::DeleteStaleLink(stale) => {
                    self.indexes.remove(&LinkRef { netns: Netns::Host, name: stale.name.clone() });
                    // Undo leaves it gone.
                    Ok(Effect::AlreadyThere)
                }
                Action::DeleteAddress(action) => Ok(Effect::Replaced(action.address.to_string())),
                // Nothing is another than before.
                Action::Announce(_) => Ok(Effect::AlreadyThere),
                Action::SetLink(action) => {
                    let place = self.old_attributes.iter().rposition(|(known, _)| known == action);
                    let old = place.map(|place| self.old_attributes.swap_remove(place).1);
                    Ok(old.map_or(Effect::Created, Effect::Replaced))
                }
                _ => Ok(Effect::Created),
            };
        };
        let what = match action {
            Action::EnsureBridge(bridge) => {
                let name = bridge.name.as_str();
                format!("failed to create bridge {name:?}: could not add {name:?}")
            }
            Action::DeleteStaleLink(_) if errno == Errno::ENODEV => return Ok(Effect::AlreadyThere),
            Action::DeleteStaleLink(stale) => format!("failed to delete {:?}", stale.name.as_str()),
            Action::SetUp(action) => failed_up(action),
            Action::SetLink(action) => failed_set_link(action),
            Action::SetPromiscuous(action) => failed_promiscuous(action),
            // It was there when we looked, so it went with the first one of its subnet.
            Action::DeleteAddress(action) if errno == Errno::EADDRNOTAVAIL => {
                return Ok(Effect::Replaced(action.address.to_string()));
            }
            Action::DeleteAddress(action) => failed_removal(action),
            Action::AddAddress(action) => {
                let of_host = action.link.netns == Netns::Host;
                if errno == Errno::EEXIST && of_host && self.has_address(&action.link, action.address)? {
                    return Ok(Effect::AlreadyThere);
                }
                failed_address(action)
            }
            Action::AddRoute(action) => failed_route(action),
            Action::Announce(action) => failed_announcement(action),
            _ => "netlink request failed".to_owned(),
        };
        Err(answer(what, errno))
    }

    fn has_address(&mut self, link: &LinkRef, address: IpNetwork) -> Result<bool, MachineError> {
        let index = self.index(link)?;
        let found = self.machine.space(link.netns).and_then(|space| space.get(index));
        Ok(found.is_some_and(|link| link.addresses().contains(&address)))
    }

    fn conclude_veth(&mut self, veth: &CreateVeth, answers: Answers) -> Result<Effect, MachineError> {
        let (created, marked) = answers;
        if let Err(errno) = created {
            if errno == Errno::EEXIST && self.find(Netns::Container, &veth.name)?.is_some() {
                let name = veth.name.as_str();
                return Err(MachineError::Conflict(format!("container veth name ({name:?}) already exists")));
            }
            return Err(answer("failed to make veth pair", errno));
        }
        if let Err(errno) = marked {
            // What failed changes nothing.
            if let Ok(Some(found)) = self.find(Netns::Host, &veth.peer.name) {
                let _ = self.machine.delete(Netns::Host, found.index);
            }
            let name = &veth.peer.name;
            return Err(answer(format!("failed to setup alias and hairpin mode for {name}"), errno));
        }
        let inside = self.identify(Netns::Container, &veth.name)?;
        Ok(Effect::CreatedLinks(vec![inside, self.identify(Netns::Host, &veth.peer.name)?]))
    }

    fn identify(&mut self, netns: Netns, name: &IfName) -> Result<LinkIdentity, MachineError> {
        let Link { index, kind, mac, alias, .. } = self.require(netns, name)?;
        Ok(LinkIdentity { link: LinkRef { netns, name: name.clone() }, index, kind, mac, alias })
    }
}
