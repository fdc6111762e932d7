//! Masquerading with iptables: the chain of a container, its rules and the jump to it (cni-behaviours, section 2.9).

mod find;

pub use find::{find, of_network};

use crate::action::Undo;
use crate::action::check::{Check, NAMED, required};
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::{Lane, Profile, Removal, RuleRemoval, RuleSet, UndoLane};
use crate::action::record::{Before, Difference, Effect, Undoing};
use crate::action::rules::commands;
use crate::action::undo::Inverse;
use crate::machine::MachineError;
use crate::machine::rules::iptables::{self, Family, Rule, Table};
use crate::machine::rules::{Edit, Listing, TableError, TableId};
use crate::policy::{Capability, Refusal};
use crate::value::derive;
use crate::value::shell::word;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// See [`Action::Masquerade`](super::Action::Masquerade): one chain of the attachment in `nat`, its two rules, and the jump to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masquerade {
    /// The container's address; its network is what keeps its source.
    pub address: IpNetwork,
    /// The chain, as the reference names it.
    pub chain: String,
    /// The comment of each rule, as the reference writes it.
    pub comment: String,
}

impl Masquerade {
    fn family(&self) -> Family {
        Family::of(self.address)
    }

    /// Packets to the own network keep their source.
    fn accept(&self) -> Rule {
        self.rule(&self.chain, &["-d", &network(self.address).to_string()], "ACCEPT")
    }

    /// Packets to others, but to groups, do not.
    fn masquerade(&self) -> Rule {
        self.rule(&self.chain, &["!", "-d", self.family().multicast()], "MASQUERADE")
    }

    /// Packets from the address come to the chain.
    fn jump(&self) -> Rule {
        self.jump_from(self.address.ip().into())
    }

    fn jump_from(&self, source: IpNetwork) -> Rule {
        self.rule("POSTROUTING", &["-s", &source.to_string()], &self.chain)
    }

    fn rule(&self, chain: &str, of: &[&str], target: &str) -> Rule {
        Rule::new(chain, &[of, &["-j", target, "-m", "comment", "--comment", &self.comment]].concat())
    }

    /// All of it, in the order in which it is made.
    ///
    /// A network comes first in its chain: where the reference appends a second one, after the rule that masquerades, it has no effect.
    fn wanted(&self) -> [iptables::Edit; 4] {
        [
            iptables::Edit::NewChain(self.chain.clone()),
            iptables::Edit::Insert(self.accept()),
            iptables::Edit::Append(self.masquerade()),
            iptables::Edit::Append(self.jump()),
        ]
    }

    /// The edits that make what a listing lacks.
    fn edits(&self, now: &iptables::Listing) -> Vec<iptables::Edit> {
        self.wanted().into_iter().filter(|edit| now.lacks(edit)).collect()
    }

    /// The edits that remove what is listed of it, and whether the chain stays for somebody else.
    fn removal(&self, now: &iptables::Listing) -> (Vec<iptables::Edit>, bool) {
        let mut doomed: BTreeSet<usize> = BTreeSet::new();
        let mut doom = |rule: Rule| {
            let found = now.rules.iter().enumerate().filter(|(_, listed)| rule.is_same(listed));
            doomed.extend(found.map(|(index, _)| index));
        };
        // With a prefix length: as old versions of the reference made it.
        let (jump, legacy) = (self.jump(), self.jump_from(network(self.address)));
        let is_jump = |listed: &Rule| jump.is_same(listed) || legacy.is_same(listed);
        let others: Vec<&Rule> = now
            .rules
            .iter()
            .filter(|listed| listed.target() == Some(&self.chain) && !is_jump(listed))
            .collect();
        doom(jump.clone());
        doom(legacy.clone());
        let is_used = !others.is_empty();
        if is_used {
            // Another interface of the container uses the chain, or another container: it keeps what it needs.
            let ours = others.iter().filter(|rule| rule.comment() == Some(&self.comment));
            let sources: Vec<IpNetwork> = ours.filter_map(|rule| rule.source()).collect();
            let network = network(self.address);
            if !sources.iter().any(|source| network.contains(source.ip())) {
                doom(self.accept());
            }
            if sources.is_empty() {
                doom(self.masquerade());
            }
        }
        let is_emptied = !is_used && now.has_chain(&self.chain);
        let rules = doomed.iter().filter_map(|index| now.rules.get(*index));
        let outside = rules.filter(|rule| !is_emptied || rule.chain != self.chain);
        let mut edits: Vec<iptables::Edit> = outside.cloned().map(iptables::Edit::Delete).collect();
        if is_emptied {
            edits.push(iptables::Edit::Flush(self.chain.clone()));
            edits.push(iptables::Edit::DeleteChain(self.chain.clone()));
        }
        (edits, is_used)
    }
}

/// Without host bits, as iptables lists it.
fn network(address: IpNetwork) -> IpNetwork {
    IpNetwork::new(address.network(), address.prefix()).unwrap_or(address)
}

impl RuleSet for Masquerade {
    fn table(&self) -> TableId {
        TableId::Iptables(Table::PlainNat, self.family())
    }

    /// What is written into a script has to stay one word: nobody adds a line of his own.
    fn check(&self) -> Result<(), MachineError> {
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if self.chain.is_empty() || self.chain.len() > 28 || !self.chain.bytes().all(name) {
            return Err(MachineError::Conflict(format!("{:?} is no name of a chain", self.chain)));
        }
        if self.comment.chars().any(char::is_control) {
            return Err(MachineError::Conflict(format!("{:?} is no comment of a rule", self.comment)));
        }
        Ok(())
    }

    fn add(&self, now: &Listing) -> Vec<Edit> {
        now.iptables().map(|now| self.edits(now)).unwrap_or_default().into_iter().map(Edit::from).collect()
    }

    fn effect(&self, before: &Listing, _is_changed: bool) -> Effect {
        let is_there = |before: &iptables::Listing| {
            self.wanted().iter().filter_map(iptables::Edit::rule).all(|rule| before.has(rule))
        };
        if before.iptables().is_some_and(is_there) { Effect::AlreadyThere } else { Effect::Created }
    }

    fn missing(&self, now: &Listing) -> Vec<Difference> {
        let edits = now.iptables().map(|now| self.edits(now)).unwrap_or_default();
        Difference::all(iptables::Edit::missing(&edits), self.clone())
    }

    fn failed(&self, error: TableError) -> MachineError {
        iptables::failed(error)
    }
}

impl Kind for Masquerade {
    fn profile(&self) -> Profile<'_> {
        Profile::new(Lane::Rules(self), Capability::Nat)
    }

    fn commands(&self) -> Vec<String> {
        commands(self)
    }

    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal> {
        let own = &check.grants.attachment;
        let is_named = self.chain == derive::chain(own) && self.comment == derive::comment(own);
        [required(is_named, NAMED), check.own(self.address)].concat()
    }

    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        // The comment shows which rules are ours; a listing would cost more than adding them.
        Before::Absent
    }

    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo> {
        if undoing.owns_rules() { vec![RemoveMasquerade { rules: self.clone() }.into()] } else { Vec::new() }
    }

    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        Ok(self.missing(cx.listing(self.table()).map_err(iptables::failed)?))
    }
}

/// Deletes the rules of an address, and the chain when nothing is left in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveMasquerade {
    /// Which.
    pub rules: Masquerade,
}

impl RuleRemoval for RemoveMasquerade {
    fn table(&self) -> TableId {
        self.rules.table()
    }

    fn check(&self) -> Result<(), MachineError> {
        self.rules.check()
    }

    fn remove(&self, now: &Listing) -> Result<Removal, String> {
        let (edits, look_again) = now.iptables().map(|now| self.rules.removal(now)).unwrap_or_default();
        Ok(Removal { edits: edits.into_iter().map(Edit::from).collect(), look_again })
    }

    fn failed(&self, error: TableError) -> MachineError {
        iptables::failed(error)
    }
}

impl Inverse for RemoveMasquerade {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Rules(self)
    }

    /// The chain goes unless another interface of the container has a jump to it.
    fn command(&self) -> String {
        let Masquerade { address, chain: name, comment } = &self.rules;
        let (tool, chain, comment) = (self.rules.family().program(), word(name), word(comment));
        let address = address.ip();
        format!(
            "{tool} -t nat -D POSTROUTING -s {address} -j {chain} -m comment --comment {comment}; \
             {tool} -t nat -S POSTROUTING | grep -qF -- '-j {name}' || {{ {tool} -t nat -F {chain}; {tool} -t nat -X {chain}; }}"
        )
    }

    fn is_left(&self, cx: &mut ReadContext<'_>) -> Result<bool, MachineError> {
        let rules = &self.rules;
        match cx.look.tables().list(rules.table()) {
            Ok(listing) => Ok(listing.iptables().is_some_and(|listing| {
                find::in_listing(listing, rules.family(), &rules.chain, &rules.comment).contains(rules)
            })),
            // Without the program there are no rules of ours.
            Err(TableError::Missing(_)) => Ok(false),
            Err(error) => Err(iptables::failed(error)),
        }
    }
}
