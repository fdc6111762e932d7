//! Doing a step: runs of actions that go out together.

use super::super::iptables::masquerade;
use super::super::{Effect, KernelError, Outcome, sysctl};
use super::{HostKernel, enter, no_entry};
use crate::plan::action::{Masquerade, ReserveLease, SetSysctl};
use crate::plan::{Action, Netns};

/// What is done in one way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Leases,
    Netlink(Netns),
    Sysctls(Netns),
    Rules,
}

impl Way {
    fn of(action: &Action) -> Self {
        match action {
            Action::ReserveLease(_) => Way::Leases,
            // A veth pair is made from the host's side.
            Action::DeleteStaleLink(_) | Action::EnsureBridge(_) | Action::CreateVeth(_) => {
                Way::Netlink(Netns::Host)
            }
            Action::SetUp(action) => Way::Netlink(action.link.netns),
            Action::AddAddress(action) => Way::Netlink(action.link.netns),
            Action::AddRoute(action) => Way::Netlink(action.link.netns),
            Action::SetSysctl(action) => Way::Sysctls(action.netns),
            Action::Masquerade(_) => Way::Rules,
        }
    }
}

impl HostKernel {
    pub(super) fn execute_step(&mut self, step: &[Action]) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(step.len());
        for run in step.chunk_by(|a, b| Way::of(a) == Way::of(b)) {
            if !outcomes.iter().any(is_failure) {
                outcomes.extend(self.execute_run(run));
            }
        }
        outcomes.resize_with(step.len(), || Outcome::NotTried);
        outcomes
    }

    /// One outcome for each action that was begun.
    fn execute_run(&mut self, run: &[Action]) -> Vec<Outcome> {
        match run.first().map(Way::of) {
            Some(Way::Netlink(netns)) => self.execute_netlink(netns, run),
            Some(Way::Sysctls(netns)) => self.set_sysctls(netns, run),
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

pub(super) fn is_failure(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(_))
}

pub(super) fn as_masquerade(action: &Action) -> Option<&Masquerade> {
    match action {
        Action::Masquerade(masquerade) => Some(masquerade),
        _ => None,
    }
}

fn as_sysctl(action: &Action) -> Option<&SetSysctl> {
    match action {
        Action::SetSysctl(sysctl) => Some(sysctl),
        _ => None,
    }
}
