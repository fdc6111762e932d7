//! Performs a step: its actions in order, consecutive actions of the same lane together.

use super::rules;
use crate::action::Action;
use crate::action::context::WriteContext;
use crate::action::profile::{Answered, Lane, LinkName, Own, Prepared, Profile, Requests, RuleSet};
use crate::action::record::{Effect, Outcome};
use crate::machine::MachineError;
use crate::machine::port::Request;
use crate::value::Netns;

/// Performs the actions of a step in order, up to the first failure. Returns one outcome for each action.
pub fn perform(actions: &[&Action], cx: &mut WriteContext<'_>) -> Vec<Outcome> {
    let profiles: Vec<Profile<'_>> = actions.iter().map(|action| action.kind().profile()).collect();
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(profiles.len());
    while let Some(rest) = profiles.get(outcomes.len()..).filter(|rest| !rest.is_empty()) {
        if outcomes.iter().any(Outcome::is_failure) {
            break;
        }
        let Some(first) = rest.first() else { break };
        outcomes.extend(match first.lane {
            Lane::Requests(netns, _) => Batch::new(netns, cx).perform(rest),
            Lane::Rules(_) => {
                let begun = actions.iter().skip(outcomes.len()).zip(rest);
                let sets: Vec<_> =
                    begun.map_while(|(action, profile)| Some((*action, as_rules(profile.lane)?))).collect();
                rules::add(&sets, cx)
            }
            Lane::Own(_, own) | Lane::Wait(_, own) => vec![perform_own(own, cx)],
            Lane::Stage => vec![Outcome::Failed(not_in_a_step())],
        });
    }
    outcomes.resize_with(profiles.len(), || Outcome::NotTried);
    outcomes
}

fn as_rules(lane: Lane<'_>) -> Option<&dyn RuleSet> {
    match lane {
        Lane::Rules(set) => Some(set),
        Lane::Requests(..) | Lane::Own(..) | Lane::Wait(..) | Lane::Stage => None,
    }
}

fn perform_own(own: &dyn Own, cx: &mut WriteContext<'_>) -> Outcome {
    let failed = if own.is_whole() { Outcome::Failed } else { Outcome::Halfway };
    own.perform(cx).map_or_else(failed, Outcome::Done)
}

fn not_in_a_step() -> MachineError {
    MachineError::Conflict("a native plugin is executed between the stages of a plan".to_owned())
}

/// Requests that are collected and sent together.
struct Batch<'a, 'b, 'm> {
    netns: Netns,
    cx: &'a mut WriteContext<'m>,
    /// The links that appear or disappear with the collected requests. If an action needs one of them, the collected
    /// requests are sent first.
    changed: Vec<LinkName<'b>>,
    requests: Vec<Request>,
    /// The actions that the collected requests belong to, each with its number of requests.
    members: Vec<(&'b dyn Requests, usize)>,
    outcomes: Vec<Outcome>,
}

impl<'a, 'b, 'm> Batch<'a, 'b, 'm> {
    fn new(netns: Netns, cx: &'a mut WriteContext<'m>) -> Self {
        let (changed, requests, members, outcomes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Batch { netns, cx, changed, requests, members, outcomes }
    }

    /// Performs the actions at the beginning of `profiles` that consist of requests to this namespace. Returns one
    /// outcome for each action that was started.
    fn perform(mut self, profiles: &'b [Profile<'b>]) -> Vec<Outcome> {
        for profile in profiles {
            let Lane::Requests(netns, requests) = profile.lane else { break };
            if netns != self.netns {
                break;
            }
            if profile.needs.iter().any(|link| self.changed.contains(link)) && !self.send() {
                return self.outcomes;
            }
            if !self.collect(requests) {
                return self.outcomes;
            }
            self.changed.extend(&profile.changes);
        }
        self.send();
        self.outcomes
    }

    /// Prepares one action, and collects its requests. Returns false after a failure.
    fn collect(&mut self, member: &'b dyn Requests) -> bool {
        let requests = match member.prepare(self.cx) {
            Ok(Prepared::Nothing) => Vec::new(),
            Ok(Prepared::Send(requests)) => requests,
            Ok(Prepared::After { first, what, then }) => {
                if !self.send() {
                    return false;
                }
                if let Err(error) = self.cx.send(self.netns, first, &what) {
                    self.outcomes.push(Outcome::Failed(error));
                    return false;
                }
                then
            }
            Err(error) => {
                // The actions that were collected before this one come first.
                if self.send() {
                    self.outcomes.push(Outcome::Failed(error));
                }
                return false;
            }
        };
        self.members.push((member, requests.len()));
        self.requests.extend(requests);
        true
    }

    /// Sends the collected requests as one message to the kernel. Returns false after a failure.
    fn send(&mut self) -> bool {
        let requests = std::mem::take(&mut self.requests);
        let answers =
            if requests.is_empty() { Vec::new() } else { self.cx.machine.send(self.netns, requests) };
        let mut answers = answers.into_iter();
        for (member, count) in std::mem::take(&mut self.members) {
            let own: Vec<Answered> = answers.by_ref().take(count).collect();
            let concluded = if count == 0 { Ok(Effect::AlreadyThere) } else { member.conclude(own, self.cx) };
            self.outcomes.push(concluded.map_or_else(Outcome::Halfway, Outcome::Done));
        }
        self.changed.clear();
        !self.outcomes.iter().any(Outcome::is_failure)
    }
}
