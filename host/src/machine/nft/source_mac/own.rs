//! The two chains of an attachment, their rules and the jump to them.

use super::super::super::{Effect, MachineError, Undone};
use super::super::process::Script;
use super::super::table::{Rule, Table};
use super::{HOOKED, TABLE};
use crate::action::CheckSourceMac;
use crate::plan::render;
use serde_json::{Value, json};

/// Every rule's comment begins so.
const MARK: &str = "macspoofchk-";

/// Whose rule it is that has this comment.
pub fn identity(comment: &str) -> Option<&str> {
    comment.strip_prefix(MARK)
}

/// What an action makes.
#[derive(Debug)]
pub struct Own<'a> {
    check: &'a CheckSourceMac,
    /// To which the packets of the port go.
    pub chain: String,
    /// The chain of the address.
    pub macs: String,
    /// Of each rule.
    comment: String,
}

impl<'a> Own<'a> {
    /// Follows from the identity.
    pub fn of(check: &'a CheckSourceMac) -> Self {
        let chain = format!("cni-br-iface-{}", check.identity);
        let (macs, comment) = (format!("{chain}-mac"), format!("{MARK}{}", check.identity));
        Own { check, chain, macs, comment }
    }

    /// All rules, each with its chain.
    fn rules(&self) -> [(&str, Value); 4] {
        let jump = |chain: &str| json!({"jump": {"target": chain}});
        let port = json!({"match": {
            "op": "==", "left": {"meta": {"key": "iifname"}}, "right": self.check.port.as_str()}});
        let mac = json!({"match": {
            "op": "==", "left": {"payload": {"protocol": "ether", "field": "saddr"}},
            "right": self.check.mac.to_string()}});
        [
            (HOOKED, json!([port, jump(&self.chain)])),
            (&self.chain, json!([jump(&self.macs)])),
            (&self.macs, json!([mac, {"return": null}])),
            (&self.macs, json!([{"drop": null}])),
        ]
    }

    /// Whether a rule carries our comment.
    pub fn is_marked(&self, rule: &Rule) -> bool {
        rule.comment.as_deref() == Some(&self.comment)
    }

    /// One of the two chains, if it is another attachment's by the comment of a rule in it: that of `eth0` for addresses has
    /// the name that the first one of `eth0-mac` would have.
    pub fn taken<'t>(&self, table: &'t Table) -> Option<&'t str> {
        let other = |rule: &&Rule| {
            let comment = rule.comment.as_deref().unwrap_or_default();
            (rule.chain == self.chain || rule.chain == self.macs)
                && comment.starts_with(MARK)
                && comment != self.comment
        };
        table.rules.iter().find(other).map(|rule| rule.chain.as_str())
    }

    /// What makes it, and what that changes.
    pub fn addition(&self, table: &Table) -> (Script, Result<Effect, MachineError>) {
        if let Some(chain) = self.taken(table) {
            let text = format!(
                "chain {chain:?} of table bridge nat is another interface's: give this one another name"
            );
            return (Script::Empty, Err(MachineError::Conflict(text)));
        }
        let [(_, jump), (_, to_macs), (_, pass), (_, drop)] = self.rules();
        let jumps: Vec<&Rule> = table.rules_of(HOOKED).filter(|rule| self.is_marked(rule)).collect();
        let kept = jumps.iter().find(|rule| rule.statements == jump).map(|rule| rule.handle);
        let is_filled = |chain: &str, with: &[Value]| {
            table.is_filled(chain, with) && table.rules_of(chain).all(|rule| self.is_marked(rule))
        };
        if kept.is_some()
            && jumps.len() == 1
            && is_filled(&self.chain, std::slice::from_ref(&to_macs))
            && is_filled(&self.macs, &[pass.clone(), drop.clone()])
        {
            return (Script::Empty, Ok(Effect::AlreadyThere));
        }

        let hooked = json!({
            "family": TABLE.0, "table": TABLE.1, "name": HOOKED,
            "type": "filter", "hook": "prerouting", "prio": -300, "policy": "accept"});
        let mut commands = vec![
            json!({"add": {"table": {"family": TABLE.0, "name": TABLE.1}}}),
            json!({"add": {"chain": hooked}}),
        ];
        for name in [&self.chain, &self.macs] {
            commands.push(json!({"add": {"chain": chain(name)}}));
            commands.push(json!({"flush": {"chain": chain(name)}}));
        }
        let stale = jumps.iter().filter(|rule| Some(rule.handle) != kept);
        commands.extend(stale.map(|rule| delete_rule(rule)));
        for (chain, statements) in self.rules() {
            if chain != HOOKED || kept.is_none() {
                commands.push(json!({"add": {"rule": {
                    "family": TABLE.0, "table": TABLE.1, "chain": chain,
                    "expr": statements, "comment": self.comment}}}));
            }
        }
        let effect = if table.exists { Effect::Replaced("table".to_owned()) } else { Effect::Created };
        (Script::Json(commands), Ok(effect))
    }

    /// What deletes it: `whole` takes the table too, when nothing is left in it.
    pub fn deletion(&self, table: &Table, whole: bool) -> (Script, Undone) {
        let jumps: Vec<&Rule> = table.rules_of(HOOKED).filter(|rule| self.is_marked(rule)).collect();
        let taken = self.taken(table);
        let chains = [&self.chain, &self.macs].into_iter();
        let chains: Vec<&String> = chains.filter(|chain| taken.is_none() && table.has_chain(chain)).collect();
        let undone = match taken {
            Some(chain) => Undone::Left(format!("chain {chain} is another interface's")),
            None if jumps.is_empty() && chains.is_empty() => Undone::Gone,
            None => Undone::Done,
        };
        let stays = table.has_others
            || table.chains.iter().any(|chain| chain != HOOKED && !chains.contains(&chain))
            || table.rules_of(HOOKED).count() > jumps.len();
        if whole && table.exists && !stays {
            let command = json!({"delete": {"table": {"family": TABLE.0, "name": TABLE.1}}});
            return (Script::Json(vec![command]), Undone::Done);
        }
        let mut commands: Vec<Value> = jumps.into_iter().map(delete_rule).collect();
        // The rules go first: one of them jumps to the second chain.
        commands.extend(chains.iter().map(|name| json!({"flush": {"chain": chain(name)}})));
        commands.extend(chains.iter().map(|name| json!({"delete": {"chain": chain(name)}})));
        (if commands.is_empty() { Script::Empty } else { Script::Json(commands) }, undone)
    }

    /// What is not as it was made.
    pub fn differences(&self, table: &Table) -> Vec<String> {
        let chains = [HOOKED, &self.chain, &self.macs];
        let missing = chains.into_iter().filter(|chain| !table.has_chain(chain));
        let mut differences: Vec<String> =
            missing.map(|chain| format!("chain {chain} of table bridge nat is gone")).collect();
        let rules = self.rules();
        let words = render::source_mac_rules(self.check);
        for ((chain, statements), words) in rules.iter().zip(words) {
            if !table.rules_of(chain).any(|rule| rule.statements == *statements) {
                differences.push(format!("the rule `{words}` is gone"));
            }
        }
        let mac = self.check.mac.to_string();
        if let Some(other) = self.passed(table).filter(|passed| *passed != mac) {
            differences.push(format!("chain {} lets {other} pass, not {mac}", self.macs));
        } else if differences.is_empty() {
            for chain in [self.chain.as_str(), self.macs.as_str()] {
                let own = rules.iter().filter(|(of, _)| *of == chain).map(|(_, statements)| statements);
                if !table.rules_of(chain).map(|rule| &rule.statements).eq(own) {
                    differences.push(format!("chain {chain} has other rules, or in another order"));
                }
            }
        }
        differences
    }

    /// The address that the chain of the address lets pass.
    pub fn passed<'t>(&self, table: &'t Table) -> Option<&'t str> {
        let rule = table.rules.iter().find(|rule| rule.chain == self.macs)?;
        matched(&rule.statements)
    }
}

fn chain(name: &str) -> Value {
    json!({"family": TABLE.0, "table": TABLE.1, "name": name})
}

fn delete_rule(rule: &Rule) -> Value {
    json!({"delete": {"rule": {
        "family": TABLE.0, "table": TABLE.1, "chain": rule.chain, "handle": rule.handle}}})
}

/// The text that a rule's first statement compares with.
pub fn matched(statements: &Value) -> Option<&str> {
    statements.pointer("/0/match/right")?.as_str()
}
