//! The table of one family.

use super::POSTROUTING;
use super::rule::{Part, Rule, network, parts};
use crate::action::Masquerade;
use ipnetwork::IpNetwork;
use std::collections::BTreeMap;

/// The table of one family.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Those that somebody made, by name.
    pub chains: BTreeMap<String, Vec<Rule>>,
    /// Those of the kernel's chain.
    pub postrouting: Vec<Rule>,
}

impl Table {
    fn rules(&self, chain: &str) -> &[Rule] {
        let rules = if chain == POSTROUTING { Some(&self.postrouting) } else { self.chains.get(chain) };
        rules.map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a rule is there.
    pub fn has(&self, part: &Part) -> bool {
        self.rules(&part.chain).contains(&part.rule)
    }

    /// Adds what is missing of all actions.
    pub fn add(&mut self, actions: &[&Masquerade]) {
        let actions: Vec<[Part; 3]> = actions.iter().map(|action| parts(action)).collect();
        let before = self.clone();
        let mut sent: Vec<&str> = Vec::new();
        // First the networks of all, then what masquerades, then the jumps.
        for part in (0..3).flat_map(|part| actions.iter().filter_map(move |parts| parts.get(part))) {
            if before.has(part) || sent.contains(&part.line.as_str()) {
                continue;
            }
            sent.push(&part.line);
            let rules = if part.chain == POSTROUTING {
                &mut self.postrouting
            } else {
                self.chains.entry(part.chain.clone()).or_default()
            };
            let place = if part.first { 0 } else { rules.len() };
            rules.insert(place, part.rule.clone().kept());
        }
    }

    /// Deletes the rules of all actions; tells for each whether there was anything.
    pub fn delete(&mut self, actions: &[&Masquerade]) -> Vec<bool> {
        let mut touched = vec![false; actions.len()];
        for (action, touched) in actions.iter().zip(&mut touched) {
            let [_, _, jump] = parts(action);
            // With a prefix length: as old versions of the reference made it.
            let old = Rule { source: Some(network(action.address)), ..jump.rule.clone() };
            *touched |= remove(&mut self.postrouting, |rule| *rule == jump.rule || *rule == old);
        }
        for (action, touched) in actions.iter().zip(&mut touched) {
            let ours = |rule: &&Rule| rule.target == action.chain && rule.comment == action.comment;
            if !self.postrouting.iter().any(|rule| rule.target == action.chain) {
                // Of several actions with this chain, each counts it as touched.
                let was_there = self.chains.contains_key(&action.chain);
                *touched |= was_there;
                continue;
            }
            let sources: Vec<IpNetwork> =
                self.postrouting.iter().filter(ours).filter_map(|rule| rule.source).collect();
            let [accept, masquerade, _] = parts(action);
            let Some(chain) = self.chains.get_mut(&action.chain) else { continue };
            if !sources.iter().any(|source| network(action.address).contains(source.ip())) {
                *touched |= remove(chain, |rule| *rule == accept.rule);
            }
            if sources.is_empty() {
                *touched |= remove(chain, |rule| *rule == masquerade.rule);
            }
        }
        for action in actions {
            if !self.postrouting.iter().any(|rule| rule.target == action.chain) {
                self.chains.remove(&action.chain);
            }
        }
        touched
    }
}

/// Whether anything was removed.
fn remove(rules: &mut Vec<Rule>, is_meant: impl Fn(&Rule) -> bool) -> bool {
    let before = rules.len();
    rules.retain(|rule| !is_meant(rule));
    rules.len() != before
}
