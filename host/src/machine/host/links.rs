//! Doing netlink actions: everything whose links are known goes out in one send.

use super::super::netlink::{Request, address, link, refused, route};
use super::super::{Effect, MachineError, Outcome, sysctl};
use super::HostKernel;
use crate::action::Action;
use crate::action::{AddAddress, CreateVeth, DeleteAddress, DeleteStaleLink, EnsureBridge, VethPeer};
use crate::machine::step::{
    a_bridge, failed_address, failed_announcement, failed_promiscuous, failed_removal, failed_route,
    failed_set_link, failed_up, is_failure, makes, needs, port_of,
};
use crate::value::{IfName, LinkIdentity, LinkRef, Netns};
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;

type Answers = Vec<io::Result<()>>;

impl HostKernel {
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

    /// Sends as many of the actions as can go together: up to one that needs a link which another of them makes.
    fn send(&mut self, netns: Netns, actions: &[Action]) -> Vec<Outcome> {
        let mut made: BTreeSet<&IfName> = BTreeSet::new();
        let (mut batch, mut counts) = (Vec::new(), Vec::new());
        let mut refusal = None;
        for action in actions {
            if needs(action).iter().any(|name| made.contains(name)) {
                break;
            }
            match self.requests(netns, action) {
                Ok(requests) => {
                    counts.push(requests.len());
                    batch.extend(requests);
                    made.extend(makes(action));
                }
                Err(error) => {
                    refusal = Some(Outcome::Failed(error));
                    break;
                }
            }
        }
        let count = batch.len();
        let answers = match self.socket(netns) {
            Ok(socket) => socket.batch(batch),
            Err(error) => (0..count).map(|_| Err(io::Error::new(error.kind(), error.to_string()))).collect(),
        };
        let mut answers = answers.into_iter();
        let mut outcomes = Vec::with_capacity(actions.len());
        for (action, count) in actions.iter().zip(counts) {
            let answers: Answers = answers.by_ref().take(count).collect();
            let result = if count == 0 { Ok(Effect::AlreadyThere) } else { self.conclude(action, answers) };
            outcomes.push(result.map_or_else(Outcome::Halfway, Outcome::Done));
        }
        if !outcomes.iter().any(is_failure) {
            outcomes.extend(refusal);
        }
        outcomes
    }

    /// What has to be sent for an action: nothing, when it is done already.
    fn requests(&mut self, netns: Netns, action: &Action) -> Result<Vec<Request>, MachineError> {
        match action {
            Action::DeleteStaleLink(action) => self.delete_stale(action),
            Action::EnsureBridge(bridge) => match self.find(Netns::Host, &bridge.name)? {
                Some(found) => {
                    a_bridge(bridge, &found.kind)?;
                    self.use_bridge(bridge, &found)?;
                    Ok(Vec::new())
                }
                None => Ok(vec![link::create_bridge(bridge)]),
            },
            Action::CreateVeth(veth) => self.create_veth(veth),
            Action::SetUp(action) => {
                let found = self.require(netns, &action.link.name)?;
                Ok(if found.up { Vec::new() } else { vec![link::set_up(found.index)] })
            }
            Action::SetPromiscuous(action) => {
                let found = self.require(netns, &action.link.name)?;
                Ok(if found.promiscuous {
                    Vec::new()
                } else {
                    vec![link::set_promiscuous(found.index, true)]
                })
            }
            Action::DeleteAddress(action) => self.delete_address_if_there(action),
            Action::AddAddress(action) => {
                Ok(vec![address::add(self.index(&action.link)?, action.address, action.nodad)])
            }
            Action::Announce(action) => {
                let found = self.require(netns, &action.link.name)?;
                Ok(vec![link::set_mac(found.index, found.mac())])
            }
            Action::SetLink(action) => self.set_link(action),
            Action::AddRoute(action) => {
                let index = self.index(&action.link)?;
                let request = route::add(index, &action.route);
                request.map(|request| vec![request]).ok_or_else(|| {
                    let text = "gateway and destination ip are not the same IP family";
                    MachineError::Conflict(format!("{}: {text}", failed_route(action)))
                })
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
            | Action::Delegate(_) => Ok(Vec::new()),
        }
    }

    fn delete_stale(&mut self, action: &DeleteStaleLink) -> Result<Vec<Request>, MachineError> {
        match self.find(Netns::Host, &action.name)? {
            None => Ok(Vec::new()),
            Some(found) if found.alias.as_deref() == Some(&action.alias) => {
                Ok(vec![link::delete(found.index)])
            }
            Some(_) => Err(MachineError::Conflict(format!("link {:?} is not ours", action.name.as_str()))),
        }
    }

    /// Looked up before: one that is not there is no change, and of one that is, all is remembered.
    fn delete_address_if_there(&mut self, action: &DeleteAddress) -> Result<Vec<Request>, MachineError> {
        let DeleteAddress { link, address } = action;
        let index = self.index(link)?;
        let Some(saved) = self.saved_address(link, index, *address)? else { return Ok(Vec::new()) };
        self.deleted_addresses.insert((link.clone(), *address), saved);
        Ok(vec![address::delete(index, *address)])
    }

    fn deleted_address(&mut self, action: &DeleteAddress) -> Effect {
        let DeleteAddress { link, address } = action;
        let saved = self.deleted_addresses.remove(&(link.clone(), *address));
        Effect::Replaced(saved.unwrap_or_else(|| address.to_string()))
    }

    /// The mark goes by name in the same send, so that a link without its alias never outlives us. It must not hit somebody
    /// else's link, so the name is looked up before, and a race against that is repaired after.
    fn create_veth(&mut self, veth: &CreateVeth) -> Result<Vec<Request>, MachineError> {
        if self.find(Netns::Host, &veth.peer.name)?.is_some() {
            return Err(host_name_exists(&veth.peer));
        }
        let master = veth.peer.master.as_ref().map(|name| LinkRef { netns: Netns::Host, name: name.clone() });
        let index = master.as_ref().map(|master| self.index(master)).transpose()?;
        let Some(container) = &self.container else {
            let gone = io::Error::new(io::ErrorKind::NotFound, "the container has no network namespace");
            return Err(refused("failed to make veth pair", gone));
        };
        let requests = vec![link::create_veth(veth, index, container.as_fd()), link::mark_veth(&veth.peer)];
        if let Some(master) = &veth.peer.master {
            self.keep_bridge(master, port_of(veth))?;
        }
        Ok(requests)
    }

    /// What the kernel's answers mean.
    fn conclude(&mut self, action: &Action, answers: Answers) -> Result<Effect, MachineError> {
        if let Action::CreateVeth(veth) = action {
            return self.conclude_veth(veth, answers);
        }
        let Some(error) = answers.into_iter().find_map(Result::err) else {
            return match action {
                Action::EnsureBridge(bridge) => self.made_bridge(bridge),
                Action::DeleteStaleLink(stale) => {
                    self.indexes.remove(&LinkRef { netns: Netns::Host, name: stale.name.clone() });
                    // Undo leaves it gone.
                    Ok(Effect::AlreadyThere)
                }
                Action::DeleteAddress(action) => Ok(self.deleted_address(action)),
                // Nothing is another than before.
                Action::Announce(_) => Ok(Effect::AlreadyThere),
                Action::SetLink(action) => Ok(self.old_attribute(action)),
                _ => Ok(Effect::Created),
            };
        };
        let exists = is(&error, Errno::EEXIST);
        match action {
            Action::EnsureBridge(bridge) => {
                if exists && let Some(found) = self.find(Netns::Host, &bridge.name)? {
                    a_bridge(bridge, &found.kind)?;
                    self.use_bridge(bridge, &found)?;
                    return Ok(Effect::AlreadyThere);
                }
                let name = bridge.name.as_str();
                Err(refused(format!("failed to create bridge {name:?}: could not add {name:?}"), error))
            }
            Action::DeleteStaleLink(_) if is(&error, Errno::ENODEV) => Ok(Effect::AlreadyThere),
            Action::DeleteStaleLink(stale) => {
                Err(refused(format!("failed to delete {:?}", stale.name.as_str()), error))
            }
            Action::SetUp(action) => Err(refused(failed_up(action), error)),
            Action::SetLink(action) => Err(refused(failed_set_link(action), error)),
            Action::SetPromiscuous(action) => Err(refused(failed_promiscuous(action), error)),
            // It was there when we looked, so it went with the first one of its subnet.
            Action::DeleteAddress(action) if is(&error, Errno::EADDRNOTAVAIL) => {
                Ok(self.deleted_address(action))
            }
            Action::DeleteAddress(action) => Err(refused(failed_removal(action), error)),
            Action::AddAddress(action) => {
                if exists && action.link.netns == Netns::Host && self.has_address(action)? {
                    return Ok(Effect::AlreadyThere);
                }
                Err(refused(failed_address(action), error))
            }
            Action::AddRoute(action) => Err(refused(failed_route(action), error)),
            Action::Announce(action) => Err(refused(failed_announcement(action), error)),
            _ => Err(refused("netlink request failed", error)),
        }
    }

    fn has_address(&mut self, action: &AddAddress) -> Result<bool, MachineError> {
        let index = self.index(&action.link)?;
        Ok(self.addresses(&action.link, index)?.contains(&action.address))
    }

    fn made_bridge(&mut self, bridge: &EnsureBridge) -> Result<Effect, MachineError> {
        self.foreign_bridges.remove(&bridge.name);
        sysctl::ignore_advertisements(&bridge.name)?;
        self.identify(Netns::Host, &bridge.name).map(|identity| Effect::CreatedLinks(vec![identity]))
    }

    fn conclude_veth(&mut self, veth: &CreateVeth, answers: Answers) -> Result<Effect, MachineError> {
        let mut answers = answers.into_iter();
        let (created, marked) = (answers.next().unwrap_or(Ok(())), answers.next().unwrap_or(Ok(())));
        if let Err(error) = created {
            if marked.is_ok() {
                // Since we looked, somebody has made a link of that name: it is theirs.
                let _ =
                    self.socket(Netns::Host).map(|socket| socket.batch(vec![link::unmark(&veth.peer.name)]));
                return Err(host_name_exists(&veth.peer));
            }
            if is(&error, Errno::EEXIST) && self.find(Netns::Container, &veth.name)?.is_some() {
                let name = veth.name.as_str();
                return Err(MachineError::Conflict(format!("container veth name ({name:?}) already exists")));
            }
            return Err(refused("failed to make veth pair", error));
        }
        let marked = marked.map_err(|error| {
            let name = &veth.peer.name;
            refused(format!("failed to setup alias and hairpin mode for {name}"), error)
        });
        let made = marked.and_then(|()| {
            let inside = self.identify(Netns::Container, &veth.name)?;
            let host = self.identify(Netns::Host, &veth.peer.name)?;
            if veth.peer.master.is_some() {
                self.give_vlans(&veth.peer.name, host.index, &veth.peer.vlans)?;
            }
            Ok(vec![inside, host])
        });
        match made {
            Ok(identities) => Ok(Effect::CreatedLinks(identities)),
            Err(error) => {
                // What failed changes nothing.
                if let Ok(Some(found)) = self.find(Netns::Host, &veth.peer.name) {
                    let _ =
                        self.socket(Netns::Host).map(|socket| socket.batch(vec![link::delete(found.index)]));
                }
                Err(error)
            }
        }
    }

    fn identify(&mut self, netns: Netns, name: &IfName) -> Result<LinkIdentity, MachineError> {
        let found = self.require(netns, name)?;
        Ok(identity(LinkRef { netns, name: name.clone() }, found))
    }
}

/// What tells a link from others of its name.
pub(super) fn identity(link: LinkRef, found: link::Link) -> LinkIdentity {
    LinkIdentity { link, index: found.index, mac: found.mac(), kind: found.kind, alias: found.alias }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

fn host_name_exists(peer: &VethPeer) -> MachineError {
    MachineError::Conflict(format!("host veth name ({:?}) already exists", peer.name.as_str()))
}
