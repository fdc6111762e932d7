//! What the host passes on: rules of iptables, and sources of firewalld's zones.

use super::super::iptables::{Family, filter};
use super::super::{Before, MachineError, Outcome, Undone, firewalld};
use super::HostKernel;
use crate::action::FilterRule;
use std::collections::hash_map::Entry;

impl HostKernel {
    /// Which of what a rule shares with others is there. The listing is used again when it is added.
    pub(super) fn observe_filter(&mut self, rule: &FilterRule) -> Before {
        let Some(family) = filter::family(rule) else { return Before::Absent };
        let text = match self.filters.entry(family) {
            Entry::Occupied(listed) => listed.into_mut(),
            Entry::Vacant(place) => match filter::listing(family) {
                Ok(text) => place.insert(text),
                Err(_) => return Before::Unknown,
            },
        };
        let there = filter::there(text, rule);
        if there.is_empty() { Before::Absent } else { Before::Value(there.join(" ")) }
    }

    /// Adds rules, those of a family as one transaction; one outcome for each that was begun.
    pub(super) fn add_filters(&mut self, rules: &[&FilterRule]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = rules.iter().map(|_| None).collect();
        let mut is_failed = false;
        for family in Family::ALL {
            let of_family = |rule: &&FilterRule| filter::family(rule) == Some(family);
            let members: Vec<&FilterRule> = rules.iter().copied().filter(of_family).collect();
            if members.is_empty() || is_failed {
                continue;
            }
            let _lock = self.inherited_lock();
            let mut done = filter::add(family, &members, self.filters.remove(&family)).into_iter();
            for (rule, outcome) in rules.iter().zip(&mut outcomes).filter(|(rule, _)| of_family(rule)) {
                *outcome = Some(done.next().unwrap_or_else(|| with_it(rule)));
                is_failed |= !matches!(outcome, Some(Outcome::Done(_)));
            }
        }
        for (rule, outcome) in rules.iter().zip(&mut outcomes) {
            if let (FilterRule::TrustSource { address, zone }, false) = (rule, is_failed) {
                // Who called may not know whether it was heard.
                let added = firewalld::add(*address, zone).map_or_else(Outcome::Halfway, Outcome::Done);
                is_failed = !matches!(added, Outcome::Done(_));
                *outcome = Some(added);
            }
        }
        outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::NotTried)).collect()
    }
}

/// The others of a transaction fell with it.
fn with_it(_: &FilterRule) -> Outcome {
    Outcome::Halfway(MachineError::Conflict("the transaction that it is part of failed".to_owned()))
}

/// What the undo of a rule does.
pub(super) fn delete(rule: &FilterRule, unmake: &[String]) -> Result<Undone, MachineError> {
    match rule {
        FilterRule::TrustSource { address, zone } => firewalld::delete(*address, zone),
        FilterRule::AllowForward { .. } | FilterRule::Isolate { .. } => filter::delete(rule, unmake),
    }
}

/// What is missing of a rule.
pub(super) fn verify(rule: &FilterRule) -> Vec<super::super::Difference> {
    match rule {
        FilterRule::TrustSource { address, zone } => firewalld::verify(*address, zone),
        FilterRule::AllowForward { .. } | FilterRule::Isolate { .. } => filter::verify(rule),
    }
}
