//! What the host passes on: what containers share, and the rules of each.

use super::super::iptables::filter::shared_by;
use super::super::{Effect, Undone};
use crate::action::FilterRule;
use crate::plan::render;
use std::collections::BTreeSet;

/// Of both families, and of firewalld.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    rules: Vec<FilterRule>,
    /// Chains and bridges by family.
    shared: BTreeSet<(Option<bool>, String)>,
}

impl Filters {
    /// Which of what a rule shares with others is there.
    pub fn shared_of(&self, rule: &FilterRule) -> Vec<String> {
        let is_there = |name: &String| self.shared.contains(&(rule.iptables(), name.clone()));
        shared_by(rule).into_iter().filter(is_there).collect()
    }

    /// Adds a rule.
    pub fn add(&mut self, rule: &FilterRule) -> Effect {
        if self.rules.contains(rule) {
            return Effect::AlreadyThere;
        }
        let there = self.shared_of(rule);
        self.rules.push(rule.clone());
        self.shared.extend(shared_by(rule).into_iter().map(|name| (rule.iptables(), name)));
        if there.is_empty() { Effect::Created } else { Effect::Replaced(there.join(" ")) }
    }

    /// Deletes a rule, and what is shared of `unmake` when no other rule uses it.
    pub fn delete(&mut self, rule: &FilterRule, unmake: &[String]) -> Undone {
        let count = self.rules.len();
        self.rules.retain(|other| other != rule);
        let same_family = |other: &&FilterRule| other.iptables() == rule.iptables();
        let used: BTreeSet<String> = self.rules.iter().filter(same_family).flat_map(shared_by).collect();
        self.shared.retain(|(family, name)| {
            *family != rule.iptables() || used.contains(name) || !unmake.contains(name)
        });
        if self.rules.len() < count { Undone::Done } else { Undone::Gone }
    }

    /// What is missing, in one sentence for each command.
    pub fn verify(&self, rule: &FilterRule) -> Vec<String> {
        if self.rules.contains(rule) {
            return Vec::new();
        }
        render::filter::rules(rule).into_iter().map(|line| format!("`{line}` is undone")).collect()
    }

    /// One line for each thing.
    pub fn lines(&self) -> Vec<String> {
        let family = |family: &Option<bool>| match family {
            Some(true) => "ipv4",
            Some(false) => "ipv6",
            None => "firewalld",
        };
        let shared = self.shared.iter().map(|(of, name)| format!("{} {name}", family(of)));
        let rules = self.rules.iter().flat_map(render::filter::rules);
        let mut lines: Vec<String> = shared.chain(rules).collect();
        lines.sort();
        lines
    }
}
