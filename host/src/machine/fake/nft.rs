//! Rules of nftables: two tables that are there or not, and in each the rules of attachments.

use super::super::{Effect, Undone};
use crate::action::{CheckSourceMac, MasqueradeNft};
use crate::plan::render;

/// Both tables.
#[derive(Debug, Clone, Default)]
pub struct Nft {
    masquerades: Table<MasqueradeNft>,
    source_macs: Table<CheckSourceMac>,
}

/// A table; none: nobody has made it.
#[derive(Debug, Clone)]
struct Table<T>(Option<Vec<T>>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table(None)
    }
}

impl<T: Clone + PartialEq> Table<T> {
    /// One transaction: the table is made with the rules that are not there.
    fn add(&mut self, rules: &[&T]) -> Vec<Effect> {
        let was_there = self.0.is_some();
        let table = self.0.get_or_insert_default();
        let add = |rule: &&T| {
            if table.contains(rule) {
                return Effect::AlreadyThere;
            }
            table.push((*rule).clone());
            if was_there { Effect::Replaced("table".to_owned()) } else { Effect::Created }
        };
        rules.iter().map(add).collect()
    }

    fn delete(&mut self, rule: &T, with_table: bool) -> Undone {
        let Some(table) = &mut self.0 else { return Undone::Gone };
        let count = table.len();
        table.retain(|found| found != rule);
        let undone = if table.len() < count { Undone::Done } else { Undone::Gone };
        if with_table && table.is_empty() {
            self.0 = None;
        }
        undone
    }

    fn has(&self, rule: &T) -> bool {
        self.0.as_ref().is_some_and(|table| table.contains(rule))
    }

    fn lines(&self, name: &str, lines: impl Fn(&T) -> Vec<String>) -> Vec<String> {
        let Some(rules) = &self.0 else { return Vec::new() };
        std::iter::once(format!("table {name}")).chain(rules.iter().flat_map(lines)).collect()
    }
}

impl Nft {
    /// Hides addresses.
    pub fn masquerade(&mut self, rules: &[&MasqueradeNft]) -> Vec<Effect> {
        self.masquerades.add(rules)
    }

    /// Checks a source MAC.
    pub fn check_source_mac(&mut self, check: &CheckSourceMac) -> Effect {
        self.source_macs.add(&[check]).pop().unwrap_or(Effect::AlreadyThere)
    }

    /// Deletes the rule of an address.
    pub fn delete_masquerade(&mut self, rule: &MasqueradeNft, with_table: bool) -> Undone {
        self.masquerades.delete(rule, with_table)
    }

    /// Deletes the rules of a source MAC.
    pub fn delete_check(&mut self, check: &CheckSourceMac, with_table: bool) -> Undone {
        self.source_macs.delete(check, with_table)
    }

    /// What is missing of an address, in one sentence.
    pub fn verify_masquerade(&self, rule: &MasqueradeNft) -> Vec<String> {
        if self.masquerades.has(rule) { Vec::new() } else { gone(render::nft_rule(rule)) }
    }

    /// What is missing of a source MAC, in one sentence for each rule.
    pub fn verify_check(&self, check: &CheckSourceMac) -> Vec<String> {
        if self.source_macs.has(check) { Vec::new() } else { gone(render::source_mac_rules(check)) }
    }

    /// Tables and rules, as the commands that make them.
    pub fn lines(&self) -> Vec<String> {
        let masquerades = self.masquerades.lines("inet cni_plugins_masquerade", render::nft_rule);
        let checks = self.source_macs.lines("bridge nat", render::source_mac_rules);
        masquerades.into_iter().chain(checks).collect()
    }
}

fn gone(rules: Vec<String>) -> Vec<String> {
    rules.into_iter().map(|rule| format!("the rule `{rule}` is gone")).collect()
}
