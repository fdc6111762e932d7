//! The two chains of an attachment, their rules and the jump to them.

use crate::machine::rules::nftables::{
    Edit, Hook, Listing, NewRule, Operand, Operator, Rule, Selector, Statement,
};
use crate::machine::rules::{Edit as TableEdit, TableId};
use crate::value::{IfName, Mac};
use serde::{Deserialize, Serialize};

/// The table of these rules.
pub const TABLE: TableId = TableId::Nftables("bridge", "nat");

/// The base chain.
pub const HOOKED: &str = "PREROUTING";

/// See [`Action::CheckSourceMac`](crate::action::Action::CheckSourceMac): two chains of the attachment in the table
/// `bridge nat`, and the jump to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSourceMac {
    /// The host end of the veth pair.
    pub port: IfName,
    /// The MAC address of the container end.
    pub mac: Mac,
    /// `CONTAINER-INTERFACE`, as in the reference. The names of the chains and the comments contain it.
    pub identity: String,
}

/// The comment of every rule begins with this.
const MARK: &str = "macspoofchk-";

/// The identity of the attachment that owns a rule with this comment.
pub fn identity(comment: &str) -> Option<&str> {
    comment.strip_prefix(MARK)
}

/// The chains and rules of an action.
#[derive(Debug)]
pub struct Own<'a> {
    check: &'a CheckSourceMac,
    /// The chain for packets of the port.
    pub chain: String,
    /// The chain that compares the MAC address.
    pub macs: String,
    /// The comment of each rule.
    comment: String,
}

impl<'a> Own<'a> {
    /// Derives the names from the identity.
    pub fn of(check: &'a CheckSourceMac) -> Self {
        let chain = format!("cni-br-iface-{}", check.identity);
        let (macs, comment) = (format!("{chain}-mac"), format!("{MARK}{}", check.identity));
        Own { check, chain, macs, comment }
    }

    /// All rules: the jump from the base chain, the jump to the second chain, and the two rules there.
    pub fn rules(&self) -> [NewRule; 4] {
        let rule = |chain: &str, statements| NewRule {
            chain: chain.to_owned(),
            statements,
            comment: Some(self.comment.clone()),
        };
        let port = Operand::Name(self.check.port.to_string());
        let mac = Operand::Word(self.check.mac.to_string());
        let source = Selector::Payload("ether".to_owned(), "saddr");
        [
            rule(
                HOOKED,
                vec![
                    Statement::Match(Selector::Meta("iifname"), Operator::Is, port),
                    Statement::Jump(self.chain.clone()),
                ],
            ),
            rule(&self.chain, vec![Statement::Jump(self.macs.clone())]),
            rule(&self.macs, vec![Statement::Match(source, Operator::Is, mac), Statement::Return]),
            rule(&self.macs, vec![Statement::Drop]),
        ]
    }

    /// Whether a rule has our comment.
    pub fn is_marked(&self, rule: &Rule) -> bool {
        rule.comment.as_deref() == Some(&self.comment)
    }

    /// The name of one of the two chains, if it contains a rule with the comment of another attachment. This can
    /// happen: the second chain of `eth0` has the same name as the first chain of an interface `eth0-mac`.
    pub fn taken<'t>(&self, now: &'t Listing) -> Option<&'t str> {
        let other = |rule: &&Rule| {
            let comment = rule.comment.as_deref().unwrap_or_default();
            (rule.chain == self.chain || rule.chain == self.macs)
                && comment.starts_with(MARK)
                && comment != self.comment
        };
        now.rules.iter().find(other).map(|rule| rule.chain.as_str())
    }

    /// The jumps of this attachment.
    fn jumps<'t>(&self, now: &'t Listing) -> Vec<&'t Rule> {
        now.rules_of(HOOKED).filter(|rule| self.is_marked(rule)).collect()
    }

    /// Whether all chains and rules exist, and the chains contain nothing else.
    pub fn is_whole(&self, now: &Listing) -> bool {
        let [jump, to_macs, pass, drop] = self.rules();
        let is_filled = |chain: &str, with: &[&NewRule]| {
            now.is_filled(chain, with.iter().copied()) && now.rules_of(chain).all(|rule| self.is_marked(rule))
        };
        matches!(self.jumps(now).as_slice(), [one] if jump.says(one))
            && is_filled(&self.chain, &[&to_macs])
            && is_filled(&self.macs, &[&pass, &drop])
    }

    /// The edits that add what is missing. Empty if a chain belongs to another attachment.
    pub fn addition(&self, now: &Listing) -> Vec<Edit> {
        if self.taken(now).is_some() || self.is_whole(now) {
            return Vec::new();
        }
        let rules = self.rules();
        let [jump, ..] = &rules;
        let kept = self.jumps(now).into_iter().find(|rule| jump.says(rule));
        let hook = Hook { kind: "filter", hook: "prerouting", priority: -300, policy: Some("accept") };
        let chain = |name: &str, hook| Edit::AddChain { name: name.to_owned(), hook, comment: None };
        let mut edits = vec![Edit::AddTable { comment: None }, chain(HOOKED, Some(hook))];
        for name in [&self.chain, &self.macs] {
            edits.extend([chain(name, None), Edit::FlushChain(name.clone())]);
        }
        let is_stale = |rule: &Rule| {
            rule.chain == HOOKED && self.is_marked(rule) && !kept.is_some_and(|kept| std::ptr::eq(kept, rule))
        };
        edits.extend(now.deletions(is_stale));
        let missing = rules.into_iter().filter(|rule| rule.chain != HOOKED || kept.is_none());
        edits.extend(missing.map(Edit::AddRule));
        edits
    }

    /// The edits that remove the chains and the jump. If `whole` is true and nothing of others is in the table, they
    /// remove the table. Fails with the reason if the chains stay.
    ///
    /// Jumps of this attachment are removed even if their target chain now belongs to another attachment.
    pub fn deletion(&self, now: &Listing, whole: bool) -> Result<Vec<Edit>, String> {
        let jumps = self.jumps(now);
        let taken = self.taken(now);
        let chains = [&self.chain, &self.macs].into_iter();
        let chains: Vec<&String> = chains.filter(|chain| taken.is_none() && now.has_chain(chain)).collect();
        if let (Some(chain), true) = (taken, jumps.is_empty()) {
            return Err(format!("chain {chain} is another interface's"));
        }
        let is_used = now.has_others
            || now.chains.iter().any(|chain| chain != HOOKED && !chains.contains(&chain))
            || now.rules_of(HOOKED).count() > jumps.len();
        if whole && now.exists && !is_used {
            return Ok(vec![Edit::DeleteTable]);
        }
        let mut edits = now.deletions(|rule| rule.chain == HOOKED && self.is_marked(rule));
        // The rules are deleted first, because one of them jumps to the second chain.
        edits.extend(chains.iter().map(|&chain| Edit::FlushChain(chain.clone())));
        edits.extend(chains.iter().map(|&chain| Edit::DeleteChain(chain.clone())));
        Ok(edits)
    }

    /// The differences between a listing and what the action added.
    pub fn differences(&self, now: &Listing) -> Vec<String> {
        let chains = [HOOKED, &self.chain, &self.macs];
        let missing = chains.into_iter().filter(|chain| !now.has_chain(chain));
        let mut differences: Vec<String> =
            missing.map(|chain| format!("chain {chain} of table bridge nat is gone")).collect();
        let rules = self.rules();
        for rule in &rules {
            if !now.rules_of(&rule.chain).any(|listed| rule.says(listed)) {
                let command = TableEdit::Nftables(Edit::AddRule(rule.clone())).command(TABLE);
                differences.push(format!("the rule `{command}` is gone"));
            }
        }
        let mac = self.check.mac.to_string();
        if let Some(other) = self.passed(now).filter(|passed| *passed != mac) {
            differences.push(format!("chain {} lets {other} pass, not {mac}", self.macs));
        } else if differences.is_empty() {
            for chain in [self.chain.as_str(), self.macs.as_str()] {
                if !now.is_filled(chain, rules.iter().filter(|rule| rule.chain == chain)) {
                    differences.push(format!("chain {chain} has other rules, or in another order"));
                }
            }
        }
        differences
    }

    /// The MAC address that the second chain accepts.
    pub fn passed<'t>(&self, now: &'t Listing) -> Option<&'t str> {
        now.rules.iter().find(|rule| rule.chain == self.macs).and_then(matched)
    }
}

/// The text that the first statement of a rule compares with.
pub fn matched(rule: &Rule) -> Option<&str> {
    rule.statements.first()?.pointer("/match/right")?.as_str()
}
