//! Doing a step: runs of actions that go out together.

use super::super::iptables::masquerade;
use super::super::{Effect, MachineError, Outcome, nft, sysctl};
use super::{HostKernel, enter, no_entry};
use crate::action::Action;
use crate::action::{FilterRule, Masquerade, MasqueradeNft, ReserveLease, SaveLink, SetSysctl};
use crate::machine::saved::SavedLink;
use crate::machine::step;
use crate::machine::step::{Way, as_masquerade, as_masquerade_nft};
use crate::value::Netns;

impl HostKernel {
    pub(super) fn execute_step(&mut self, step: &[Action]) -> Vec<Outcome> {
        step::in_runs(step, |run| self.execute_run(run))
    }

    /// One outcome for each action that was begun.
    fn execute_run(&mut self, run: &[Action]) -> Vec<Outcome> {
        match run.first().map(Way::of) {
            Some(Way::Netlink(netns)) => self.execute_netlink(netns, run),
            Some(Way::Sysctls(netns)) => self.set_sysctls(netns, run),
            Some(Way::Saves(_)) => {
                let saves = run.iter().filter_map(|action| match action {
                    Action::SaveLink(save) => Some(save),
                    _ => None,
                });
                perhaps_halfway(until_failure(saves, |save| self.save_link(save).into()))
            }
            Some(Way::Wait(_)) => {
                let links = run.iter().filter_map(|action| match action {
                    Action::Settle(settle) => Some(&settle.link),
                    _ => None,
                });
                until_failure(links, |link| self.settle(link).into())
            }
            Some(Way::VlanGateway) => {
                let gateways = run.iter().filter_map(|action| match action {
                    Action::EnsureVlanGateway(gateway) => Some(gateway),
                    _ => None,
                });
                perhaps_halfway(until_failure(gateways, |gateway| self.ensure_vlan_gateway(gateway).into()))
            }
            Some(Way::MasqueradeNft) => {
                let _lock = self.inherited_lock();
                let rules: Vec<&MasqueradeNft> = run.iter().filter_map(as_masquerade_nft).collect();
                nft::masquerade::add(&rules)
            }
            Some(Way::MapPorts) => self.map_ports(run),
            Some(Way::Shape) => {
                let shapes = run.iter().filter_map(|action| match action {
                    Action::Shape(shape) => Some(shape),
                    _ => None,
                });
                perhaps_halfway(until_failure(shapes, |shape| self.shape(shape).into()))
            }
            Some(Way::Filter) => {
                let rules: Vec<&FilterRule> = run.iter().filter_map(step::as_filter).collect();
                self.add_filters(&rules)
            }
            Some(Way::CheckSourceMac) => {
                let checks = run.iter().filter_map(|action| match action {
                    Action::CheckSourceMac(check) => Some(check),
                    _ => None,
                });
                let _lock = self.inherited_lock();
                until_failure(checks, nft::source_mac::add)
            }
            Some(Way::Native) => vec![Outcome::Failed(step::not_in_a_step())],
            Some(Way::Leases) => {
                let leases = run.iter().filter_map(|action| match action {
                    Action::ReserveLease(lease) => Some(lease),
                    _ => None,
                });
                perhaps_halfway(until_failure(leases, |lease| self.reserve(lease).into()))
            }
            Some(Way::Rules) => {
                let _lock = self.inherited_lock();
                let rules: Vec<&Masquerade> = run.iter().filter_map(as_masquerade).collect();
                let mut outcomes = masquerade::add(&rules);
                outcomes.resize_with(run.len(), || Outcome::NotTried);
                outcomes
            }
            None => Vec::new(),
        }
    }

    fn save_link(&mut self, save: &SaveLink) -> Result<Effect, MachineError> {
        // Nothing to save is nobody's link.
        let found = self.find(save.link.netns, &save.link.name)?;
        let name = save.link.name.as_str();
        let found =
            found.ok_or_else(|| MachineError::Conflict(format!("failed to get {name:?}: Link not found")))?;
        let now = save.attributes.iter().filter_map(|attribute| found.attribute(attribute));
        SavedLink::of(now).write(&save.path)?;
        Ok(Effect::Created)
    }

    fn reserve(&mut self, lease: &ReserveLease) -> Result<Effect, MachineError> {
        let old = self.locked_store(&lease.store)?.reserve(lease.address, lease.set, &lease.owner)?;
        Ok(old.map_or(Effect::Created, |old| Effect::Replaced(old.to_string())))
    }

    fn set_sysctls(&mut self, netns: Netns, run: &[Action]) -> Vec<Outcome> {
        let _guard = match enter(self.container.as_ref(), netns) {
            Ok(guard) => guard,
            Err(error) => return vec![Outcome::Failed(no_entry(error))],
        };
        until_failure(run.iter().filter_map(as_sysctl), |sysctl| sysctl::set(sysctl).into())
    }
}

/// Does one after the other, and nothing after a failure.
fn until_failure<'a, T: 'a>(
    actions: impl Iterator<Item = &'a T>,
    mut execute: impl FnMut(&T) -> Outcome,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for action in actions {
        outcomes.push(execute(action));
        if !matches!(outcomes.last(), Some(Outcome::Done(_))) {
            break;
        }
    }
    outcomes
}

/// Outcomes of actions that are more than one change.
fn perhaps_halfway(outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let halfway = |outcome| match outcome {
        Outcome::Failed(error) => Outcome::Halfway(error),
        other => other,
    };
    outcomes.into_iter().map(halfway).collect()
}

fn as_sysctl(action: &Action) -> Option<&SetSysctl> {
    match action {
        Action::SetSysctl(sysctl) => Some(sysctl),
        _ => None,
    }
}
