//! Doing a step: runs of actions that go out together.

use super::super::iptables::masquerade;
use super::super::{Effect, KernelError, Outcome, nft, sysctl};
use super::{HostKernel, enter, no_entry};
use crate::kernel::step::{self, Way, as_masquerade, as_masquerade_nft};
use crate::plan::action::{Masquerade, MasqueradeNft, ReserveLease, SetSysctl};
use crate::plan::{Action, Netns};

impl HostKernel {
    pub(super) fn execute_step(&mut self, step: &[Action]) -> Vec<Outcome> {
        step::in_runs(step, |run| self.execute_run(run))
    }

    /// One outcome for each action that was begun.
    fn execute_run(&mut self, run: &[Action]) -> Vec<Outcome> {
        match run.first().map(Way::of) {
            Some(Way::Netlink(netns)) => self.execute_netlink(netns, run),
            Some(Way::Sysctls(netns)) => self.set_sysctls(netns, run),
            Some(Way::Wait(_)) => {
                let links = run.iter().filter_map(|action| match action {
                    Action::Settle(settle) => Some(&settle.link),
                    _ => None,
                });
                until_failure(links, |link| self.settle(link))
            }
            Some(Way::VlanGateway) => {
                let gateways = run.iter().filter_map(|action| match action {
                    Action::EnsureVlanGateway(gateway) => Some(gateway),
                    _ => None,
                });
                until_failure(gateways, |gateway| self.ensure_vlan_gateway(gateway))
            }
            Some(Way::MasqueradeNft) => {
                let rules: Vec<&MasqueradeNft> = run.iter().filter_map(as_masquerade_nft).collect();
                nft::masquerade::add(&rules)
            }
            Some(Way::CheckSourceMac) => {
                let checks = run.iter().filter_map(|action| match action {
                    Action::CheckSourceMac(check) => Some(check),
                    _ => None,
                });
                until_failure(checks, nft::source_mac::add)
            }
            Some(Way::Native) => vec![Outcome::Failed(step::not_in_a_step())],
            Some(Way::Leases) => {
                let leases = run.iter().filter_map(|action| match action {
                    Action::ReserveLease(lease) => Some(lease),
                    _ => None,
                });
                until_failure(leases, |lease| self.reserve(lease))
            }
            Some(Way::Rules) => {
                let rules: Vec<&Masquerade> = run.iter().filter_map(as_masquerade).collect();
                let mut outcomes = masquerade::add(&rules);
                outcomes.resize_with(run.len(), || Outcome::NotTried);
                outcomes
            }
            None => Vec::new(),
        }
    }

    fn reserve(&mut self, lease: &ReserveLease) -> Result<Effect, KernelError> {
        self.locked_store(&lease.store)?.reserve(lease)
    }

    fn set_sysctls(&mut self, netns: Netns, run: &[Action]) -> Vec<Outcome> {
        let _guard = match enter(self.container.as_ref(), netns) {
            Ok(guard) => guard,
            Err(error) => return vec![Outcome::Failed(no_entry(error))],
        };
        until_failure(run.iter().filter_map(as_sysctl), sysctl::set)
    }
}

/// Does one after the other, and nothing after a failure.
fn until_failure<'a, T: 'a>(
    actions: impl Iterator<Item = &'a T>,
    mut execute: impl FnMut(&T) -> Result<Effect, KernelError>,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for action in actions {
        match execute(action) {
            Ok(effect) => outcomes.push(Outcome::Done(effect)),
            Err(error) => {
                outcomes.push(Outcome::Failed(error));
                break;
            }
        }
    }
    outcomes
}

fn as_sysctl(action: &Action) -> Option<&SetSysctl> {
    match action {
        Action::SetSysctl(sysctl) => Some(sysctl),
        _ => None,
    }
}
