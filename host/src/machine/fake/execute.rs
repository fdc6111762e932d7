//! Doing a step: runs of actions that go out together.

use super::super::netlink::refused;
use super::super::{Effect, MachineError, Outcome, sysctl::same};
use super::{FakeKernel, no_entry, no_netns};
use crate::action::Action;
use crate::action::{Masquerade, MasqueradeNft, SaveLink, SetSysctl, Settle};
use crate::machine::errno::as_go;
use crate::machine::saved::SavedLink;
use crate::machine::step;
use crate::machine::step::{Way, as_masquerade, as_masquerade_nft, is_failure, not_running};
use nix::errno::Errno;
use std::io;

impl FakeKernel {
    pub(super) fn execute_step(&mut self, step: &[Action]) -> Vec<Outcome> {
        step::in_runs(step, |run| self.execute_run(run))
    }

    /// One outcome for each action that was begun.
    fn execute_run(&mut self, run: &[Action]) -> Vec<Outcome> {
        match run.first().map(Way::of) {
            Some(Way::Netlink(netns)) => self.execute_netlink(netns, run),
            Some(
                Way::Leases
                | Way::Sysctls(_)
                | Way::Wait(_)
                | Way::Saves(_)
                | Way::VlanGateway
                | Way::MapPorts
                | Way::Filter
                | Way::Shape
                | Way::CheckSourceMac,
            ) => self.one_by_one(run),
            Some(Way::Rules) => {
                let rules: Vec<&Masquerade> = run.iter().filter_map(as_masquerade).collect();
                let results = self.nat.add(&rules).into_iter();
                results.map(|result| result.map_or(Outcome::NotTried, outcome)).collect()
            }
            Some(Way::MasqueradeNft) => {
                let rules: Vec<&MasqueradeNft> = run.iter().filter_map(as_masquerade_nft).collect();
                self.nft.masquerade(&rules).into_iter().map(Outcome::Done).collect()
            }
            Some(Way::Native) => vec![Outcome::Failed(step::not_in_a_step())],
            None => Vec::new(),
        }
    }

    /// Does one after the other, and nothing after a failure.
    fn one_by_one(&mut self, run: &[Action]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for action in run {
            outcomes.extend(match action {
                Action::ReserveLease(lease) => Some(outcome(self.stores.locked(&lease.store).reserve(lease))),
                Action::SetSysctl(action) => Some(outcome(self.set_sysctl(action))),
                Action::EnsureVlanGateway(gateway) => Some(outcome(self.ensure_vlan_gateway(gateway))),
                Action::Settle(settle) => Some(outcome(self.settle(settle))),
                Action::SaveLink(save) => {
                    Some(self.save_link(save).map_or_else(Outcome::Halfway, Outcome::Done))
                }
                Action::MapPorts(ports) => Some(Outcome::Done(self.ports.add(ports))),
                Action::Filter(rule) => Some(Outcome::Done(self.filters.add(rule))),
                Action::Shape(shape) => Some(outcome(self.shapes.add(shape))),
                Action::DeletePortMap(map) => {
                    self.ports.delete_map(map);
                    Some(Outcome::Done(Effect::AlreadyThere))
                }
                Action::CheckSourceMac(check) => Some(outcome(Ok(self.nft.check_source_mac(check)))),
                // Done in another way.
                Action::DeleteStaleLink(_)
                | Action::EnsureBridge(_)
                | Action::CreateVeth(_)
                | Action::SetUp(_)
                | Action::SetLink(_)
                | Action::SetPromiscuous(_)
                | Action::DeleteAddress(_)
                | Action::AddAddress(_)
                | Action::AddRoute(_)
                | Action::Announce(_)
                | Action::Masquerade(_)
                | Action::MasqueradeNft(_)
                | Action::Delegate(_) => None,
            });
            if outcomes.iter().any(is_failure) {
                break;
            }
        }
        outcomes
    }

    fn save_link(&mut self, save: &SaveLink) -> Result<Effect, MachineError> {
        let found = self.find(save.link.netns, &save.link.name)?;
        let name = save.link.name.as_str();
        let found =
            found.ok_or_else(|| MachineError::Conflict(format!("failed to get {name:?}: Link not found")))?;
        let now = save.attributes.iter().filter_map(|attribute| found.attribute(attribute));
        self.saved.insert(save.path.clone(), SavedLink::of(now).text());
        Ok(Effect::Created)
    }

    /// Nothing changes by waiting: a link is ready or never will be.
    fn settle(&mut self, settle: &Settle) -> Result<Effect, MachineError> {
        let found = self.require(settle.link.netns, &settle.link.name)?;
        if self.machine.is_running(settle.link.netns, &found) {
            Ok(Effect::AlreadyThere)
        } else {
            Err(MachineError::Conflict(not_running(&settle.link)))
        }
    }

    fn set_sysctl(&mut self, action: &SetSysctl) -> Result<Effect, MachineError> {
        let space = self.machine.space_mut(action.netns).ok_or_else(no_entry)?;
        let key = action.key.as_str();
        let replaced = space.sysctls.read(key).and_then(|old| {
            if same(&old, &action.value) {
                return Ok(Effect::AlreadyThere);
            }
            let old = space.sysctls.saved(key, &old);
            space.write_sysctl(key, &action.value).map(|()| Effect::Replaced(old))
        });
        match replaced {
            Ok(effect) => Ok(effect),
            Err(Errno::ENOENT | Errno::EINVAL) if action.optional => Ok(Effect::AlreadyThere),
            Err(errno) => {
                let what = format!("failed to set sysctl {key:?} to {:?}", action.value);
                Err(MachineError::File { what, source: as_go(errno.into()) })
            }
        }
    }
}

/// What was tried, with the kernel's answer.
pub(super) fn answer(what: impl Into<String>, errno: Errno) -> MachineError {
    refused(what, io::Error::from(errno))
}

/// What was tried in a container that is gone.
pub(super) fn without_netns(what: &str) -> MachineError {
    refused(what, no_netns())
}

fn outcome(result: Result<Effect, MachineError>) -> Outcome {
    result.map_or_else(Outcome::Failed, Outcome::Done)
}
